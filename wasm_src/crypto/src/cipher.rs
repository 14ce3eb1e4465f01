//! The two ciphers with associated data. Sealed data is nonce, ciphertext and tag.

use abi::{Fault, Outcome};
use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::ChaCha20Poly1305;
use serde::Deserialize;

pub const NONCE_BYTES: usize = 12;
pub const TAG_BYTES: usize = 16;

#[derive(Clone, Copy, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20Poly1305,
}

impl Algorithm {
    pub fn seal(self, key: &[u8], nonce: &[u8], data: &[u8], associated: &[u8]) -> Outcome<Vec<u8>> {
        let payload = Payload {
            msg: data,
            aad: associated,
        };
        let sealed = match self {
            Self::Aes256Gcm => with::<Aes256Gcm>(key)?.encrypt(&nonce_of(nonce)?.into(), payload),
            Self::ChaCha20Poly1305 => with::<ChaCha20Poly1305>(key)?.encrypt(&nonce_of(nonce)?.into(), payload),
        };
        let ciphertext =
            sealed.map_err(|_| Fault::input_too_large("data: more than this cipher may encrypt at once"))?;
        Ok([nonce, &ciphertext].concat())
    }

    pub fn open(self, key: &[u8], sealed: &[u8], associated: &[u8]) -> Outcome<Vec<u8>> {
        let (nonce, ciphertext) = split(sealed)?;
        let payload = Payload {
            msg: ciphertext,
            aad: associated,
        };
        let opened = match self {
            Self::Aes256Gcm => with::<Aes256Gcm>(key)?.decrypt(&nonce_of(nonce)?.into(), payload),
            Self::ChaCha20Poly1305 => with::<ChaCha20Poly1305>(key)?.decrypt(&nonce_of(nonce)?.into(), payload),
        };
        opened.map_err(|_| refused())
    }
}

fn with<Cipher: KeyInit>(key: &[u8]) -> Outcome<Cipher> {
    Cipher::new_from_slice(key).map_err(|_| Fault::invalid_arguments("key: a key has 32 bytes"))
}

fn nonce_of(nonce: &[u8]) -> Outcome<[u8; NONCE_BYTES]> {
    nonce
        .try_into()
        .map_err(|_| Fault::invalid_arguments("nonce: a nonce has 12 bytes"))
}

fn split(sealed: &[u8]) -> Outcome<(&[u8], &[u8])> {
    match sealed.split_at_checked(NONCE_BYTES) {
        Some((nonce, ciphertext)) if ciphertext.len() >= TAG_BYTES => Ok((nonce, ciphertext)),
        _ => Err(refused()),
    }
}

/// The same error for every reason why data does not open, so that an attacker learns nothing from it.
fn refused() -> Fault {
    Fault::authentication_failed("data: not sealed with this key, algorithm and associated data, or changed since")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_and_what_is_changed_does_not() {
        for algorithm in [Algorithm::Aes256Gcm, Algorithm::ChaCha20Poly1305] {
            let mut sealed = algorithm.seal(&[7; 32], &[1; 12], b"secret", b"to").expect("sealed");
            assert_eq!(algorithm.open(&[7; 32], &sealed, b"to").expect("opened"), b"secret");
            assert!(algorithm.open(&[7; 32], &sealed, b"no").is_err());
            assert!(algorithm.open(&[7; 32], &sealed[..27], b"to").is_err());
            sealed[13] ^= 1;
            assert!(algorithm.open(&[7; 32], &sealed, b"to").is_err());
        }
    }
}
