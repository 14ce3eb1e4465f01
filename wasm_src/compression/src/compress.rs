//! The operation `compression.compress`: compress data with a codec.

use abi::{ByteBuf, Bytes, Outcome};
use serde::Deserialize;

use crate::codec::Codec;

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    codec: Codec,
    level: Option<i64>,
}

pub fn run(args: Args) -> Outcome<ByteBuf> {
    let level = args.codec.level(args.level)?;
    args.codec.compress(args.data, level).map(ByteBuf::from)
}
