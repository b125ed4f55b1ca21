//! Memory for a program that lives for milliseconds: taken from the kernel in large pieces, given back at exit.
//!
//! Every input is bounded, so what a run takes is bounded too. The last block taken can grow or be given back in place.

use std::{
    alloc::{GlobalAlloc, Layout},
    ptr,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

#[cfg_attr(not(test), global_allocator)]
static ARENA: Arena = Arena { next: AtomicUsize::new(0), end: AtomicUsize::new(0) };

const PIECE_BYTES: usize = 512 * 1024;

/// The piece in use. The program has one thread; atomics only make this a static.
struct Arena {
    next: AtomicUsize,
    end: AtomicUsize,
}

// SAFETY: blocks come from anonymous mappings, are aligned as asked, and overlap no other block that is in use.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            let next = self.next.load(Relaxed);
            let Some(start) = next.checked_next_multiple_of(layout.align()) else { return ptr::null_mut() };
            let Some(end) = start.checked_add(layout.size()) else { return ptr::null_mut() };
            if start != 0 && end <= self.end.load(Relaxed) {
                self.next.store(end, Relaxed);
                return ptr::with_exposed_provenance_mut(start);
            }
            if !self.take_piece(layout.size().saturating_add(layout.align())) {
                return ptr::null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block.addr() + layout.size() == self.next.load(Relaxed) {
            self.next.store(block.addr(), Relaxed);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let is_last = block.addr() + layout.size() == self.next.load(Relaxed);
        let end = block.addr().checked_add(size);
        if let Some(end) = end.filter(|end| is_last && *end <= self.end.load(Relaxed)) {
            self.next.store(end, Relaxed);
            return block;
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else { return ptr::null_mut() };
        // SAFETY: as the caller promises for realloc.
        let fresh = unsafe { self.alloc(wanted) };
        if !fresh.is_null() {
            // SAFETY: both blocks hold at least this many bytes and do not overlap.
            unsafe { ptr::copy_nonoverlapping(block, fresh, layout.size().min(size)) };
        }
        fresh
    }
}

impl Arena {
    fn take_piece(&self, least: usize) -> bool {
        let Some(size) = least.max(PIECE_BYTES).checked_next_multiple_of(4096) else { return false };
        // SAFETY: a new anonymous mapping.
        let piece = unsafe { libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
        if piece == libc::MAP_FAILED {
            return false;
        }
        self.next.store(piece.expose_provenance(), Relaxed);
        self.end.store(piece.addr() + size, Relaxed);
        true
    }
}
