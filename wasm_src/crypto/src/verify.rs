//! The operation `crypto.verify`: tell in constant time whether a signature is that of the data.

use abi::{Bytes, Outcome};
use hmac::Mac;
use serde::Deserialize;

use crate::mac;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    #[serde(borrow)]
    signature: &'a Bytes,
    _key_id: &'a str,
    #[serde(borrow)]
    key: &'a Bytes,
}

pub fn run(args: Args) -> Outcome<bool> {
    Ok(mac::over(args.data, args.key)?.verify_slice(args.signature).is_ok())
}
