//! The two buffers that the host reads and writes. A module has one thread, so they are never shared.

use std::cell::RefCell;

use crate::{Item, Reply, frames, progress};

struct Buffers {
    /// The progress header, then the request.
    request: Vec<u8>,
    reply: Reply,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers { request: Vec::new(), reply: Reply::new() }) };
}

/// Makes room for a request of `size` bytes and returns its address, or null where there is no room.
pub fn reserve(size: usize) -> *mut u8 {
    BUFFERS.with_borrow_mut(|buffers| {
        let Some(needed) = size.checked_add(progress::SIZE_BYTES) else {
            return std::ptr::null_mut();
        };
        if needed > buffers.request.len() && !buffers.make_room(needed) {
            return std::ptr::null_mut();
        }
        buffers.request[progress::SIZE_BYTES..].as_mut_ptr()
    })
}

/// Runs the items in the first `size` reserved bytes. The reply (address << 32 | length) is valid
/// until the next `reserve` or `call`. Zero means that there is no such operation, or no such request.
pub fn call(items: &[Item], operation: u32, size: usize) -> u64 {
    BUFFERS.with_borrow_mut(|buffers| {
        let Buffers { request, reply } = buffers;
        let asked = request.get(progress::SIZE_BYTES..).and_then(|room| room.get(..size));
        let (Some(request), Some(run)) = (asked, items.get(operation as usize)) else {
            return 0;
        };
        frames::answer(request, *run, reply);
        let bytes = reply.as_slice();
        (bytes.as_ptr() as u64) << 32 | bytes.len() as u64
    })
}

impl Buffers {
    fn make_room(&mut self, needed: usize) -> bool {
        progress::place_at(std::ptr::null_mut());
        self.request = Vec::new();
        if self.request.try_reserve_exact(needed).is_err() {
            return false;
        }
        self.request.resize(needed, 0);
        progress::place_at(self.request.as_mut_ptr());
        true
    }
}
