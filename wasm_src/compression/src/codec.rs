//! The codecs, and the levels that each of them takes.

use std::io::Write;

use abi::{Fault, Outcome};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use lz4_flex::frame::{FrameEncoder, FrameInfo};
use serde::{Deserialize, Serialize};

const BROTLI_BUFFER_BYTES: usize = 1 << 16;
const BROTLI_WINDOW_BITS: u32 = 22;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    Gzip,
    Deflate,
    Zlib,
    Brotli,
    Lz4,
}

impl Codec {
    fn levels(self) -> (i64, i64, i64) {
        match self {
            Self::Gzip | Self::Deflate | Self::Zlib => (0, 9, 6),
            Self::Brotli => (0, 11, 5),
            Self::Lz4 => (0, 12, 0),
        }
    }

    /// Returns the level to use. LZ4 takes a level and ignores it here.
    pub fn level(self, asked: Option<i64>) -> Outcome<u32> {
        let (lowest, highest, usual) = self.levels();
        let level = asked.unwrap_or(usual);
        if level < lowest || level > highest {
            return Err(Fault::invalid_arguments(format!(
                "level: {level} is not from {lowest} to {highest}"
            )));
        }
        Ok(level as u32)
    }

    pub fn compress(self, data: &[u8], level: u32) -> Outcome<Vec<u8>> {
        let written = match self {
            Self::Gzip => finish(
                GzEncoder::new(Vec::new(), Compression::new(level)),
                data,
                GzEncoder::finish,
            ),
            Self::Deflate => finish(
                DeflateEncoder::new(Vec::new(), Compression::new(level)),
                data,
                DeflateEncoder::finish,
            ),
            Self::Zlib => finish(
                ZlibEncoder::new(Vec::new(), Compression::new(level)),
                data,
                ZlibEncoder::finish,
            ),
            Self::Brotli => brotli(data, level),
            Self::Lz4 => lz4(data),
        };
        written.map_err(|error| Fault::output_too_large(format!("the compressed form cannot be written: {error}")))
    }
}

fn finish<W: Write>(
    mut encoder: W,
    data: &[u8],
    end: impl FnOnce(W) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    encoder.write_all(data)?;
    end(encoder)
}

fn brotli(data: &[u8], level: u32) -> std::io::Result<Vec<u8>> {
    let mut written = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut written, BROTLI_BUFFER_BYTES, level, BROTLI_WINDOW_BITS);
    encoder.write_all(data)?;
    drop(encoder);
    Ok(written)
}

fn lz4(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let checked = FrameInfo::new().content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(checked, Vec::new());
    encoder.write_all(data)?;
    encoder.finish().map_err(std::io::Error::other)
}
