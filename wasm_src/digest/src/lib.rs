//! Hashes; `tasks/digest.py` is the specification.

#![forbid(unsafe_code)]

abi::module!(digest);
