//! The operation `crypto.sign`: make a signature of data.

use abi::{ByteBuf, Bytes, Outcome};
use hmac::Mac;
use serde::Deserialize;

use crate::mac;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    _key_id: &'a str,
    #[serde(borrow)]
    key: &'a Bytes,
}

pub fn run(args: Args) -> Outcome<ByteBuf> {
    Ok(ByteBuf::from(mac::over(args.data, args.key)?.finalize().into_bytes().to_vec()))
}
