//! The growing reply of one request.

use std::io;

use crate::progress;

const LENGTH_BYTES: usize = 4;
const FIRST_CAPACITY_BYTES: usize = 4096;

/// The finished frames, and behind them the one being written. Only this type moves them, so the address
/// in the progress header is right at every instant, even where a deadline interrupts the guest.
#[derive(Default)]
pub struct Reply {
    bytes: Vec<u8>,
    frame_start: usize,
}

impl Reply {
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            frame_start: 0,
        }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.frame_start]
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.frame_start = 0;
        self.publish();
    }

    /// Writes one frame. Where the writer fails, what it has written is dropped.
    pub(crate) fn frame(&mut self, write: impl FnOnce(&mut Self) -> bool) -> bool {
        self.bytes.truncate(self.frame_start);
        self.append(&[0; LENGTH_BYTES]);
        let whole = write(self) && self.close();
        self.bytes.truncate(self.frame_start);
        self.publish();
        whole
    }

    fn close(&mut self) -> bool {
        let body_start = self.frame_start + LENGTH_BYTES;
        let Ok(size) = u32::try_from(self.bytes.len() - body_start) else {
            return false;
        };
        self.bytes[self.frame_start..body_start].copy_from_slice(&size.to_le_bytes());
        self.frame_start = self.bytes.len();
        true
    }

    fn append(&mut self, data: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < data.len() {
            self.grow(data.len());
        }
        self.bytes.extend_from_slice(data);
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let capacity = (self.bytes.len() + more)
            .max(self.bytes.capacity() * 2)
            .max(FIRST_CAPACITY_BYTES);
        let mut roomier = Vec::with_capacity(capacity);
        roomier.extend_from_slice(&self.bytes);
        let cramped = std::mem::replace(&mut self.bytes, roomier);
        self.publish();
        drop(cramped);
    }

    fn publish(&self) {
        progress::finished(self.bytes.as_ptr(), self.frame_start);
    }
}

impl io::Write for Reply {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.append(data);
        Ok(data.len())
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.append(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
