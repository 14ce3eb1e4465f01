//! The end of an LZ4 frame (frame format 1.6), which must be found here: the decoder accepts a truncated frame.

use abi::Outcome;

use crate::bounded::corrupt;

const MAGIC: u32 = 0x184D_2204;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
const UNCOMPRESSED: u32 = 1 << 31;
const HEADER_BYTES: usize = 7;

/// Returns the bytes of the first frame of `input`; `input` begins at byte `start` of the data.
pub fn length(input: &[u8], start: usize) -> Outcome<usize> {
    let reader = Reader { input, start };
    match reader.word(0)? {
        MAGIC => blocks(&reader),
        magic if SKIPPABLE.contains(&magic) => reader.end(8 + reader.word(4)? as usize),
        _ => Err(corrupt("it does not begin as an LZ4 frame", start)),
    }
}

fn blocks(reader: &Reader) -> Outcome<usize> {
    let flags = reader.byte(4)?;
    let flag = |bit: u8, bytes: usize| if flags >> bit & 1 == 1 { bytes } else { 0 };
    let (content_size, dictionary) = (flag(3, 8), flag(0, 4));
    let (block_checksum, content_checksum) = (flag(4, 4), flag(2, 4));
    let mut at = HEADER_BYTES + content_size + dictionary;
    loop {
        let size = reader.word(at)?;
        at += 4;
        if size == 0 {
            return reader.end(at + content_checksum);
        }
        at += (size & !UNCOMPRESSED) as usize + block_checksum;
    }
}

struct Reader<'a> {
    input: &'a [u8],
    start: usize,
}

impl Reader<'_> {
    fn word(&self, at: usize) -> Outcome<u32> {
        let bytes = self.input.get(at..).and_then(|rest| rest.first_chunk());
        bytes
            .map(|bytes| u32::from_le_bytes(*bytes))
            .ok_or_else(|| self.truncated())
    }

    fn byte(&self, at: usize) -> Outcome<u8> {
        self.input.get(at).copied().ok_or_else(|| self.truncated())
    }

    fn end(&self, at: usize) -> Outcome<usize> {
        if at <= self.input.len() {
            Ok(at)
        } else {
            Err(self.truncated())
        }
    }

    fn truncated(&self) -> abi::Fault {
        corrupt("it ends too early", self.start + self.input.len())
    }
}
