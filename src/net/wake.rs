//! Waking a driver from another thread.
#![expect(unsafe_code, reason = "std has no eventfd")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// Ends the wait of one driver's turn, or of the next one if it does not wait. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker {
    door: Arc<Door>,
}

/// An eventfd that the driver watches for edges, so nobody ever reads it; and the driver's ring, if it has
/// one.
#[derive(Debug)]
struct Door {
    event: File,
    ring: Option<OwnedFd>,
}

impl Waker {
    /// A waker whose eventfd the driver is going to watch.
    pub(super) fn new(ring: Option<OwnedFd>) -> io::Result<Waker> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Waker { door: Arc::new(Door { event: File::from(event), ring }) })
    }

    /// Wakes the driver, from any thread. One system call.
    pub fn wake(&self) {
        // Each write is an edge. It can fail only when the counter, which nobody reads, reaches 2^64 - 1.
        let written = (&self.door.event).write(&1u64.to_ne_bytes());
        debug_assert!(written.is_ok(), "an eventfd takes 8 bytes");
    }

    /// The eventfd to watch.
    pub(super) fn event_fd(&self) -> RawFd {
        self.door.event.as_raw_fd()
    }

    /// The ring to which a message may be sent instead.
    pub(super) fn ring_fd(&self) -> Option<RawFd> {
        self.door.ring.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Whether both wake the same driver.
    pub(super) fn is_same(&self, other: &Waker) -> bool {
        Arc::ptr_eq(&self.door, &other.door)
    }
}
