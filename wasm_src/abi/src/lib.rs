//! The interface between host and guest: the one crate that touches raw memory.
//!
//! A module is `abi::module!(operation, …)`, and for each operation one file with `Args` and `run`.

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

/// The one version of the exports, the framing and the progress header.
pub const VERSION: u32 = 1;
