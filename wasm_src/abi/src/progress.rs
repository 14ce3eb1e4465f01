//! The progress header: the 16 bytes before the request, which the host reads after a trap.

use std::sync::atomic::{AtomicPtr, Ordering, compiler_fence};

pub const SIZE_BYTES: usize = 16;

const RUNNING: u32 = 0x474F_5250;
const OUT_OF_MEMORY: u32 = 0x4D45_4D4F;

/// Null until the first `reserve`; afterwards the start of the buffer that `memory` owns.
static HEADER: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());

pub(crate) fn place_at(header: *mut u8) {
    HEADER.store(header, Ordering::Relaxed);
}

pub(crate) fn start_item(index: u32) {
    write(0, RUNNING);
    write(1, index);
}

pub(crate) fn finished(reply: *const u8, size: usize) {
    write(2, reply as usize as u32);
    write(3, size as u32);
}

pub(crate) fn out_of_memory() {
    write(0, OUT_OF_MEMORY);
}

fn write(word: usize, value: u32) {
    let header = HEADER.load(Ordering::Relaxed);
    if header.is_null() {
        return;
    }
    // The compiler must not move earlier writes to the reply behind the write of this word.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: a header that is not null is the start of a live buffer of at least SIZE_BYTES bytes, and
    // `word` is below four. Volatile, because only the host reads it.
    unsafe {
        header
            .add(word * 4)
            .cast::<[u8; 4]>()
            .write_volatile(value.to_le_bytes())
    };
    compiler_fence(Ordering::SeqCst);
}
