//! Codecs; `tasks/compression.py` is the specification.

#![forbid(unsafe_code)]

mod bounded;
mod codec;

abi::module!(best, compress, decompress);
