//! The readiness of many sockets: a safe face for epoll.
#![expect(unsafe_code, reason = "epoll has no face in std")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// What a socket is ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number the socket was added under.
    pub token: usize,
    /// There are bytes, an end or an error to read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

/// A set of sockets, level-triggered.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    /// An empty set that reports up to `batch` sockets at a time.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: Vec::with_capacity(batch.max(1)) })
    }

    /// Watches `socket` for input, reported as `token`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn add(&self, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, socket.as_raw_fd(), token, false)
    }

    /// Changes whether room to write is reported as well.
    ///
    /// # Errors
    /// The kernel's.
    pub fn watch_output(&self, socket: &impl AsRawFd, token: usize, output: bool) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket.as_raw_fd(), token, output)
    }

    /// Waits until a socket is ready or the time is over, whichever is first; says how many are ready.
    ///
    /// # Errors
    /// The kernel's, except for an interruption, which counts as none ready.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<usize> {
        let limit = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        self.events.clear();
        let room = i32::try_from(self.events.capacity()).unwrap_or(i32::MAX);
        // SAFETY: the kernel writes at most `room` events into memory of that capacity; `limit` outlives the call.
        let ready = unsafe {
            libc::epoll_pwait2(
                self.fd.as_raw_fd(),
                self.events.as_mut_ptr(),
                room,
                &raw const limit,
                std::ptr::null(),
            )
        };
        let Ok(ready) = usize::try_from(ready) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) };
        };
        // SAFETY: the kernel has written the first `ready` events.
        unsafe { self.events.set_len(ready) };
        Ok(ready)
    }

    /// The `index`-th socket that the last `wait` found ready.
    #[must_use]
    pub fn ready(&self, index: usize) -> Ready {
        let event = self.events[index];
        let flags = event.events.cast_signed();
        Ready {
            token: event.u64 as usize,
            readable: flags & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) != 0,
            writable: flags & libc::EPOLLOUT != 0,
        }
    }

    fn control(&self, operation: i32, socket: RawFd, token: usize, output: bool) -> io::Result<()> {
        let flags = if output { libc::EPOLLIN | libc::EPOLLOUT } else { libc::EPOLLIN };
        let mut event = libc::epoll_event { events: flags.cast_unsigned(), u64: token as u64 };
        // SAFETY: `event` lives through the call, which copies it.
        let result = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, socket, &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}
