//! Frames of LZ4 (frame format 1.6): which is a skippable one, and where each ends. The decoder, lz4_flex 0.12, refuses
//! skippable frames and accepts truncated ones.

use abi::Outcome;

use crate::bounded::corrupt;

const MAGIC: u32 = 0x184D_2204;
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
const LEGACY: u32 = 0x184C_2102;
const SKIPPABLE_HEADER_BYTES: usize = 8;
const UNCOMPRESSED: u32 = 1 << 31;
const HEADER_BYTES: usize = 7;

/// A frame at the beginning of some input.
pub struct Frame {
    /// Bytes of the whole frame.
    pub length: usize,
    /// Whether the frame holds an application's own bytes, which are no part of the data.
    pub is_skippable: bool,
}

/// Finds the first frame of `input`, which begins at byte `start` of the data.
pub fn first(input: &[u8], start: usize) -> Outcome<Frame> {
    let reader = Reader { input, start };
    let magic = reader.word(0)?;
    let is_skippable = SKIPPABLE.contains(&magic);
    let length = match magic {
        MAGIC => blocks(&reader)?,
        LEGACY => return Err(corrupt("a legacy LZ4 frame is not read", start)),
        _ if is_skippable => reader.end((reader.word(4)? as usize).saturating_add(SKIPPABLE_HEADER_BYTES))?,
        _ => return Err(corrupt("it does not begin as an LZ4 frame", start)),
    };
    Ok(Frame { length, is_skippable })
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
