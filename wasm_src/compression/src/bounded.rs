//! Decoder output with a maximum size, whatever the input claims to hold.

use std::io::{ErrorKind, Read};

use abi::{Fault, Outcome, Place};

const CHUNK_BYTES: usize = 1 << 16;

/// The output so far, never more than `max_size` bytes.
pub struct Bounded {
    pub data: Vec<u8>,
    max_size: usize,
    chunk: Vec<u8>,
}

impl Bounded {
    pub fn new(max_size: usize) -> Self {
        Self {
            data: Vec::new(),
            max_size,
            chunk: vec![0; CHUNK_BYTES],
        }
    }

    /// Appends all that a decoder gives. `place` tells how much of the input the decoder has taken, for an error.
    pub fn read_all<R: Read>(&mut self, decoder: &mut R, place: impl Fn(&R) -> usize) -> Outcome<()> {
        loop {
            match decoder.read(&mut self.chunk) {
                Ok(0) => return Ok(()),
                Ok(size) => self.append(size)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(corrupt(&error.to_string(), place(decoder))),
            }
        }
    }

    /// Appends the first bytes of the chunk that was read last.
    fn append(&mut self, size: usize) -> Outcome<()> {
        if size > self.max_size - self.data.len() {
            return Err(Fault::output_too_large(format!(
                "the data is over max_size, {} bytes",
                self.max_size
            )));
        }
        self.data.extend_from_slice(self.chunk.get(..size).unwrap_or_default());
        Ok(())
    }
}

pub fn corrupt(reason: &str, offset: usize) -> Fault {
    Fault::corrupt_data(format!("data: does not decode: {reason}")).at(Place::byte(offset))
}
