//! The operation `compression.decompress`: all of the original data or an error, never only a part.

use std::io::Read;

use abi::{ByteBuf, Bytes, Outcome};
use flate2::Decompress;
use flate2::bufread::{DeflateDecoder, ZlibDecoder};
use lz4_flex::frame::FrameDecoder;
use serde::Deserialize;

use crate::bounded::{Bounded, corrupt};
use crate::codec::Codec;
use crate::lz4_frame;

const BROTLI_BUFFER_BYTES: usize = 4096;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const LARGEST_WINDOW_BITS: u8 = 15;
/// The first seven bits of a "large window" stream, which RFC 7932 has not got and this decoder would take.
const LARGE_WINDOW_BROTLI: u8 = 0x11;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    codec: Codec,
    max_size: u64,
}

pub fn run(args: Args) -> Outcome<ByteBuf> {
    let mut output = Bounded::new(usize::try_from(args.max_size).unwrap_or(usize::MAX));
    let mut rest: &[u8] = args.data;
    loop {
        let start = args.data.len() - rest.len();
        rest = member(args.codec, rest, start, &mut output)?;
        if rest.is_empty() {
            return Ok(ByteBuf::from(output.data));
        }
        if !matches!(args.codec, Codec::Gzip | Codec::Lz4) {
            return Err(corrupt("there is more after its end", args.data.len() - rest.len()));
        }
    }
}

/// Decodes one stream and returns the input that follows it.
fn member<'a>(codec: Codec, input: &'a [u8], start: usize, output: &mut Bounded) -> Outcome<&'a [u8]> {
    if input.is_empty() {
        return Err(corrupt("it is empty", start));
    }
    match codec {
        Codec::Gzip => all(gzip(input, start)?, input, start, output, |decoder| decoder.get_ref()),
        Codec::Deflate => all(DeflateDecoder::new(input), input, start, output, |decoder| decoder.get_ref()),
        Codec::Zlib => all(ZlibDecoder::new(input), input, start, output, |decoder| decoder.get_ref()),
        Codec::Brotli => brotli(input, start, output),
        Codec::Lz4 => lz4(input, start, output),
    }
}

fn all<'a, R: Read>(
    mut decoder: R,
    input: &'a [u8],
    start: usize,
    output: &mut Bounded,
    rest: impl for<'d> Fn(&'d R) -> &'d &'a [u8],
) -> Outcome<&'a [u8]> {
    output.read_all(&mut decoder, |decoder| start + input.len() - rest(decoder).len())?;
    let left = rest(&decoder);
    if left.len() == input.len() {
        return Err(corrupt("it has no beginning", start));
    }
    Ok(left)
}

/// Returns a decoder of a gzip member. flate2's own reader of gzip headers refuses names of 64 KiB, zlib's does not.
fn gzip(input: &[u8], start: usize) -> Outcome<ZlibDecoder<&[u8]>> {
    if input.iter().zip(GZIP).any(|(byte, magic)| *byte != magic) {
        return Err(corrupt("it does not begin as a gzip member", start));
    }
    Ok(ZlibDecoder::new_with_decompress(input, Decompress::new_gzip(LARGEST_WINDOW_BITS)))
}

fn lz4<'a>(input: &'a [u8], start: usize, output: &mut Bounded) -> Outcome<&'a [u8]> {
    let found = lz4_frame::first(input, start)?;
    let (frame, rest) = input.split_at(found.length);
    if found.is_skippable {
        return Ok(rest);
    }
    let mut decoder = FrameDecoder::new(frame);
    // The decoder also says that there is nothing more where a block in the middle of a frame holds nothing.
    while !decoder.get_ref().is_empty() {
        let left = decoder.get_ref().len();
        output.read_all(&mut decoder, |decoder| start + frame.len() - decoder.get_ref().len())?;
        if decoder.get_ref().len() == left {
            return Err(corrupt("its blocks do not end", start + frame.len() - left));
        }
    }
    Ok(rest)
}

fn brotli<'a>(input: &'a [u8], start: usize, output: &mut Bounded) -> Outcome<&'a [u8]> {
    if input.first().is_some_and(|byte| byte & 0x7f == LARGE_WINDOW_BROTLI) {
        return Err(corrupt("its window is none of RFC 7932", start));
    }
    let mut decoder = brotli::Decompressor::new(input, BROTLI_BUFFER_BYTES);
    output.read_all(&mut decoder, |decoder| start + input.len() - decoder.get_ref().len())?;
    // The decoder may have read beyond the end of the stream: such bytes come out of another read.
    let mut probe = [0; 1];
    match decoder.read(&mut probe) {
        Ok(0) => Ok(decoder.into_inner()),
        _ => Err(corrupt("there is more after its end", start)),
    }
}
