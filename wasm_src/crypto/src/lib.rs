//! The module `crypto`: ciphers and signatures. `tasks/crypto.py` is its specification.

#![forbid(unsafe_code)]

mod cipher;
mod mac;

abi::module!(decrypt, encrypt, sign, verify);
