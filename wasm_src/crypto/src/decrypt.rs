//! The operation `crypto.decrypt`: open data that `crypto.encrypt` sealed, or refuse it.

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
}

pub fn run(args: Args) -> Outcome<ByteBuf> {
    args.algorithm.open(args.key, args.data, args.associated_data).map(ByteBuf::from)
}
