//! HMAC-SHA256 (RFC 2104, FIPS 198-1), by which data is signed and verified.

use abi::{Fault, Outcome};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub fn over(data: &[u8], key: &[u8]) -> Outcome<Hmac<Sha256>> {
    let keyed = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Fault::invalid_arguments("key: cannot be used"))?;
    Ok(keyed.chain_update(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_case_2() {
        let code = over(b"what do ya want for nothing?", b"Jefe")
            .expect("any key will do")
            .finalize()
            .into_bytes();
        assert_eq!(code[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
