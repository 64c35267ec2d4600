//! The door to io_uring: one ring, set up the one way the driver wants it.
#![expect(unsafe_code, reason = "the kernel reads and writes what ring entries point to")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use io_uring::types::{CancelBuilder, SubmitArgs, Timespec};
use io_uring::{Builder, EnterFlags, IoUring, cqueue, squeue};

use super::buffers::Mapping;

/// The lengths of a ring's queues.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Operations that can be queued before they are handed over early.
    pub(super) submissions: u32,
    /// Results that can wait; more are kept by the kernel, at a price.
    pub(super) completions: u32,
}

impl Sizes {
    /// Room for a turn of some thousand connections.
    pub(super) const ROOMY: Sizes = Sizes { submissions: 1024, completions: 8192 };
}

/// A ring for one thread, whose completions arrive only while that thread enters it (`DEFER_TASKRUN`).
///
/// It begins disabled; the first [`Ring::enter`] binds it to its thread.
pub(super) struct Ring {
    ring: IoUring,
    enabled: bool,
    enter_flags: EnterFlags,
}

impl Ring {
    /// Sets a ring up.
    pub(super) fn new(sizes: Sizes) -> io::Result<Ring> {
        // Without the array that maps entries to entries, where the kernel knows how (Linux 6.6).
        let ring = match builder(sizes).setup_no_sqarray().build(sizes.submissions) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                builder(sizes).build(sizes.submissions)?
            }
            outcome => outcome?,
        };
        let mut enter_flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        if ring.params().is_feature_no_iowait() {
            // An idle server does not wait for a disk, so it should not be counted as if.
            enter_flags |= EnterFlags::NO_IOWAIT;
        }
        if !ring.params().is_feature_nodrop() || !ring.params().is_feature_ext_arg() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Ring { ring, enabled: false, enter_flags })
    }

    /// Lets the kernel take receive buffers, as group 0, from a ring of `entries` in that memory.
    ///
    /// # Safety
    /// The memory and the buffers named in it must stay until the ring is stopped or gone.
    pub(super) unsafe fn register_buffers(&self, memory: &Mapping, entries: u16) -> io::Result<()> {
        let address = memory.start().as_ptr() as u64;
        // SAFETY: the caller keeps the memory.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(address, entries, 0, 0) }
    }

    /// A second descriptor of the ring, to send it messages.
    pub(super) fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        // SAFETY: the ring is open for the length of this call.
        let fd = unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) };
        fd.try_clone_to_owned()
    }

    /// Queues an operation; `false` if the queue is full.
    ///
    /// # Safety
    /// What the entry points to must stay, and stay put, until its completion or until the ring is stopped.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: the caller keeps what the entry points to.
        unsafe { self.ring.submission().push(entry) }.is_ok()
    }

    /// Whether operations are queued that the kernel has not taken.
    pub(super) fn has_queued(&mut self) -> bool {
        !self.ring.submission().is_empty()
    }

    /// Whether the kernel holds back results for which the queue had no room: the next enter brings them.
    pub(super) fn is_overflown(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Hands over all that is queued; then, if `wait`, waits for a completion or the timeout.
    pub(super) fn enter(&mut self, wait: bool, timeout: Option<Duration>) -> io::Result<()> {
        if !self.enabled {
            self.ring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        let time = Timespec::from(timeout.unwrap_or_default());
        let mut arguments = SubmitArgs::new();
        if timeout.is_some() {
            arguments = arguments.timespec(&time);
        }
        let queued = self.ring.submission().len() as u32;
        // SAFETY: the arguments are of the kind that EXT_ARG announces, and outlive the call.
        let outcome = unsafe {
            self.ring.submitter().enter(queued, wait.into(), self.enter_flags.bits(), Some(&arguments))
        };
        match outcome {
            Err(error) if !is_harmless(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes all results that have arrived.
    pub(super) fn completions(&mut self) -> cqueue::CompletionQueue<'_> {
        self.ring.completion()
    }

    /// Hands over all that is queued and cancels all that is in flight. After `Ok`, the kernel uses nothing
    /// any more of what entries point to.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.enter(false, None)?;
        let patience = Timespec::new().sec(1);
        match self.ring.submitter().register_sync_cancel(Some(patience), CancelBuilder::any()) {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
            _ => {}
        }
        // Cancelled operations let go of their files when their thread comes by.
        self.enter(false, None)
    }
}

fn builder(sizes: Sizes) -> Builder {
    let mut builder = IoUring::builder();
    builder
        .setup_r_disabled()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_clamp()
        .setup_cqsize(sizes.completions);
    builder
}

/// An enter that ended by its timeout or a signal, or that wants results to be taken before it goes on.
fn is_harmless(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN))
}
