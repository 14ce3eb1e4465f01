//! Ciphers and signatures; `tasks/crypto.py` is the specification.

#![forbid(unsafe_code)]

mod cipher;
mod mac;

abi::module!(decrypt, encrypt, sign, verify);
