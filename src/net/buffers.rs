//! The receive buffers of a driver: one mapping, cut into equal pieces.
#![expect(unsafe_code, reason = "the memory is mapped, and the kernel writes into it")]

use std::io;
use std::ptr::{self, NonNull};

/// Bytes of one buffer.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// Buffers of one driver. Only those that were ever used occupy memory.
pub(super) const BUFFER_COUNT: u16 = 1024;

/// A zeroed anonymous mapping.
pub(super) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is plain memory without ties to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps `bytes` (page-aligned, lazily backed by memory).
    pub(super) fn new(bytes: usize) -> io::Result<Mapping> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).expect("mmap returns no null without MAP_FIXED");
        Ok(Mapping { start, bytes })
    }

    /// The first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `new` made, and nobody borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// The buffers' memory.
///
/// A buffer is either free, with the kernel, or lent to the caller; whoever has its number knows which.
pub(super) struct Buffers {
    memory: Mapping,
}

impl Buffers {
    pub(super) fn new() -> io::Result<Buffers> {
        Ok(Buffers { memory: Mapping::new(BUFFER_BYTES * usize::from(BUFFER_COUNT))? })
    }

    /// The address of a buffer.
    pub(super) fn address(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < BUFFER_COUNT, "there is no such buffer");
        // SAFETY: the mapping is `BUFFER_COUNT` buffers long.
        unsafe { self.memory.start().as_ptr().add(usize::from(buffer) * BUFFER_BYTES) }
    }

    /// The first `len` bytes of a buffer that is lent to the caller.
    pub(super) fn bytes(&self, buffer: u16, len: usize) -> &[u8] {
        assert!(len <= BUFFER_BYTES, "longer than a buffer");
        // SAFETY: in bounds and zeroed at first. Nobody writes to a buffer while its `Received` exists: it
        // goes back to the kernel only by `recycle`, which consumes the `Received` and borrows the driver
        // mutably.
        unsafe { std::slice::from_raw_parts(self.address(buffer), len) }
    }

    /// A free buffer, to be filled by this thread.
    pub(super) fn bytes_mut(&mut self, buffer: u16) -> &mut [u8] {
        // SAFETY: in bounds, zeroed at first, and borrowed mutably with the whole pool.
        unsafe { std::slice::from_raw_parts_mut(self.address(buffer), BUFFER_BYTES) }
    }
}
