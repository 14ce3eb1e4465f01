//! A greeting, as often as it is asked for.

use abi::{Fault, Outcome};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Args<'a> {
    name: &'a str,
    times: u32,
}

pub fn run(args: Args) -> Outcome<String> {
    match args.times {
        1..=1000 => Ok(format!("hello, {}\n", args.name).repeat(args.times as usize)),
        _ => Err(Fault::invalid_arguments("times: give 1 to 1000")),
    }
}
