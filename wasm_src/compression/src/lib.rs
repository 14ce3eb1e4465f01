//! The module `compression`: codecs. `tasks/compression.py` is its specification.

#![forbid(unsafe_code)]

mod bounded;
mod codec;
mod lz4_frame;

abi::module!(best, compress, decompress);
