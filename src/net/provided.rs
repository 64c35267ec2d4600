//! The receive buffers that the kernel picks from, and their way back to it.
#![expect(unsafe_code, reason = "the ring of buffers is memory shared with the kernel")]

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::buffers::{BUFFER_BYTES, BUFFER_COUNT, Buffers, Mapping};
use super::ring::Ring;

/// Buffers that the kernel is given at first.
const WINDOW_MIN: u16 = 16;

/// A pool of buffers of which a window lies with the kernel.
///
/// The kernel uses what it has in a circle; a window no larger than the load needs keeps the circle in the
/// cache. The window doubles when the kernel runs dry.
pub(super) struct Provided {
    buffers: Buffers,
    ring: Mapping,
    free: Vec<u16>,
    tail: u16,
    with_kernel: u16,
    window: u16,
}

impl Provided {
    /// Makes the pool and announces it to the ring, which must be stopped before the pool is dropped.
    pub(super) fn new(ring: &Ring) -> io::Result<Provided> {
        let memory = Mapping::new(size_of::<BufRingEntry>() * usize::from(BUFFER_COUNT))?;
        // SAFETY: the driver stops the ring before it drops the pool.
        unsafe { ring.register_buffers(&memory, BUFFER_COUNT)? };
        let free = (0..BUFFER_COUNT).rev().collect();
        let buffers = Buffers::new()?;
        let mut provided =
            Provided { buffers, ring: memory, free, tail: 0, with_kernel: 0, window: WINDOW_MIN };
        provided.replenish();
        Ok(provided)
    }

    /// Fills the kernel's window up with free buffers, those last used first.
    pub(super) fn replenish(&mut self) {
        let before = self.tail;
        while self.with_kernel < self.window
            && let Some(buffer) = self.free.pop()
        {
            self.offer(buffer);
        }
        if self.tail != before {
            self.publish();
        }
    }

    /// How many buffers the kernel has.
    pub(super) fn with_kernel(&self) -> usize {
        usize::from(self.with_kernel)
    }

    /// The kernel has filled a buffer, which is the driver's now.
    pub(super) fn taken(&mut self) {
        assert!(self.with_kernel > 0, "the kernel had no buffer to fill");
        self.with_kernel -= 1;
    }

    /// A buffer comes back.
    pub(super) fn recycle(&mut self, buffer: u16) {
        self.free.push(buffer);
    }

    /// The kernel ran dry.
    pub(super) fn widen(&mut self) {
        if !self.free.is_empty() {
            self.window = (self.window * 2).min(BUFFER_COUNT);
        }
    }

    /// The first `len` bytes of a buffer that is lent out.
    pub(super) fn bytes(&self, buffer: u16, len: usize) -> &[u8] {
        self.buffers.bytes(buffer, len)
    }

    fn offer(&mut self, buffer: u16) {
        let place = usize::from(self.tail & (BUFFER_COUNT - 1));
        // SAFETY: the ring has `BUFFER_COUNT` places, a power of two.
        let entry = unsafe { self.ring.start().as_ptr().cast::<BufRingEntry>().add(place) };
        // SAFETY: zeroed memory is a valid entry, and the kernel does not read this one before it is
        // published.
        let entry = unsafe { &mut *entry };
        entry.set_addr(self.buffers.address(buffer) as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.with_kernel += 1;
    }

    fn publish(&self) {
        // SAFETY: this is the first entry of the ring.
        let tail = unsafe { BufRingEntry::tail(self.ring.start().as_ptr().cast()) };
        // SAFETY: aligned, alive, and written by nobody but this thread; the kernel reads it.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

const _: () = assert!(BUFFER_COUNT.is_power_of_two(), "places are found with a mask");
