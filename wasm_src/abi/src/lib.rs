//! The edge between host and guest: the one crate that touches raw memory.
//!
//! A module is `abi::module!(operation, …)` and one file an operation with `Args` and `run`.

mod allocator;
mod fault;
mod frames;
mod module;
mod progress;
mod reply;

pub mod memory;

pub use fault::{Fault, Outcome, Place};
pub use frames::{Item, item};
pub use module::section;
pub use reply::Reply;
pub use serde_bytes::{ByteBuf, Bytes};

/// The version of the exports, of the framing and of the progress header together.
pub const VERSION: u32 = 1;
