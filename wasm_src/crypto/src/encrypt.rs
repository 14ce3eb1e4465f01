//! The operation `crypto.encrypt`: seal data with a key and a nonce from the host.

use abi::{ByteBuf, Bytes, Outcome};
use serde::Deserialize;

use crate::cipher::Algorithm;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    _key_id: &'a str,
    #[serde(borrow)]
    associated_data: &'a Bytes,
    algorithm: Algorithm,
    #[serde(borrow)]
    key: &'a Bytes,
    #[serde(borrow)]
    nonce: &'a Bytes,
}

pub fn run(args: Args) -> Outcome<ByteBuf> {
    args.algorithm.seal(args.key, args.nonce, args.data, args.associated_data).map(ByteBuf::from)
}
