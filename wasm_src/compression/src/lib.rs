//! Codecs; `tasks/compression.py` is the specification.

#![forbid(unsafe_code)]

mod bounded;
mod codec;
mod lz4_frame;

abi::module!(best, compress, decompress);
