//! The operation `compression.best`: the smallest result that a budget of estimated time allows.

use abi::{ByteBuf, Bytes, Fault, Outcome};
use serde::{Deserialize, Serialize};

use crate::codec::Codec;

/// Estimated nanoseconds for each byte, cheapest first; `tasks/twins/codecs.py` has the same table.
const CANDIDATES: [(Codec, u32, f64); 14] = [
    (Codec::Lz4, 0, 4.0),
    (Codec::Brotli, 1, 12.0),
    (Codec::Gzip, 1, 15.0),
    (Codec::Deflate, 1, 15.0),
    (Codec::Zlib, 1, 15.0),
    (Codec::Gzip, 6, 40.0),
    (Codec::Deflate, 6, 40.0),
    (Codec::Zlib, 6, 40.0),
    (Codec::Brotli, 5, 60.0),
    (Codec::Gzip, 9, 90.0),
    (Codec::Deflate, 9, 90.0),
    (Codec::Zlib, 9, 90.0),
    (Codec::Brotli, 9, 200.0),
    (Codec::Brotli, 11, 2500.0),
];

#[derive(Deserialize)]
pub struct Args<'a> {
    #[serde(borrow)]
    data: &'a Bytes,
    codecs: Vec<Codec>,
    budget_ms: f64,
}

#[derive(Serialize)]
pub struct Best {
    codec: Codec,
    level: u32,
    data: ByteBuf,
    tried: Vec<Tried>,
}

#[derive(Serialize)]
struct Tried {
    codec: Codec,
    level: u32,
    size: usize,
}

pub fn run(args: Args) -> Outcome<Best> {
    let mut tried = Vec::new();
    let mut best: Option<(Codec, u32, Vec<u8>)> = None;
    for (codec, level) in affordable(&args) {
        let data = codec.compress(args.data, level)?;
        tried.push(Tried { codec, level, size: data.len() });
        if best.as_ref().is_none_or(|(_, _, smallest)| data.len() < smallest.len()) {
            best = Some((codec, level, data));
        }
    }
    let (codec, level, data) = best.ok_or_else(|| Fault::invalid_arguments("codecs: name at least one codec"))?;
    Ok(Best { codec, level, data: ByteBuf::from(data), tried })
}

/// Chooses the cheapest candidate always, and the next ones in order of cost until one exceeds the budget.
fn affordable(args: &Args) -> Vec<(Codec, u32)> {
    let place = |codec: Codec| args.codecs.iter().position(|one| *one == codec);
    let mut wanted: Vec<_> = CANDIDATES.iter().filter(|(codec, _, _)| place(*codec).is_some()).collect();
    wanted.sort_by(|one, other| one.2.total_cmp(&other.2).then(place(one.0).cmp(&place(other.0))));
    let mut spent_ms = 0.0;
    let mut chosen = Vec::new();
    for (codec, level, cost) in wanted {
        spent_ms += cost * args.data.len() as f64 / 1e6;
        if !chosen.is_empty() && spent_ms > args.budget_ms {
            break;
        }
        chosen.push((*codec, *level));
    }
    chosen
}
