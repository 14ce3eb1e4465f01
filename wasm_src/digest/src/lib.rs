//! The module `digest`: hashes. `tasks/digest.py` is its specification.

#![forbid(unsafe_code)]

abi::module!(digest);
