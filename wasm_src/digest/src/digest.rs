//! The operation `digest.digest`: the hash of a value, as lower-case hexadecimal digits.

use abi::{Bytes, Outcome};
use serde::Deserialize;
use sha2::Digest;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    algorithm: Algorithm,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    Sha256,
    Sha512,
    Md5,
    Blake3,
    Crc32,
    #[serde(rename = "xxh3_64")]
    Xxh364,
    #[serde(rename = "xxh3_128")]
    Xxh3128,
}

pub fn run(args: Args) -> Outcome<String> {
    let data: &[u8] = args.data;
    Ok(match args.algorithm {
        Algorithm::Sha256 => hexadecimal(&sha2::Sha256::digest(data)),
        Algorithm::Sha512 => hexadecimal(&sha2::Sha512::digest(data)),
        Algorithm::Md5 => hexadecimal(&md5::Md5::digest(data)),
        Algorithm::Blake3 => hexadecimal(blake3::hash(data).as_bytes()),
        Algorithm::Crc32 => format!("{:08x}", crc32fast::hash(data)),
        Algorithm::Xxh364 => format!("{:016x}", xxhash_rust::xxh3::xxh3_64(data)),
        Algorithm::Xxh3128 => format!("{:032x}", xxhash_rust::xxh3::xxh3_128(data)),
    })
}

fn hexadecimal(hash: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(algorithm: Algorithm) -> String {
        run(Args { data: Bytes::new(b"abc"), algorithm }).expect("a hash never fails")
    }

    #[test]
    fn known_answers() {
        assert_eq!(digest(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digest(Algorithm::Crc32), "352441c2");
        assert_eq!(
            digest(Algorithm::Sha256),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest(Algorithm::Xxh364), "78af5f94892f3950");
    }
}
