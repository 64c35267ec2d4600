//! The socket loop of one thread: what is queued goes out with a turn, what happened comes back as
//! completions.
//!
//! Two drivers fill one interface: [`uring`] (one `io_uring_enter` a turn) and [`epoll`], for machines that
//! refuse io_uring. A thread owns one [`Driver`] and repeats: [`Driver::turn`], then [`Driver::next`] until
//! it is dry, and meanwhile queues sends, which leave with the next turn. Connections are named by the
//! caller's [`Token`]s.
//!
//! ```text
//!   send, add, remove, recycle … ──→ turn(timeout) ──→ next() → Accepted | Received | Ended | Sent | Woken
//!            (queued)              (one system call)            (bytes are looked at in place, then recycled)
//! ```
//!
//! A driver may be made on any thread; the thread of its first turn must be the thread of all later ones.

pub(crate) mod aside;
mod buffers;
mod connections;
pub mod epoll;
pub mod listen;
mod provided;
mod ring;
#[cfg(test)]
mod tests;
pub mod uring;
mod wake;

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

pub use wake::Waker;

use epoll::Epoll;
use uring::Uring;

/// Bytes that one receive buffer holds: the most that one [`Completion::Received`] brings.
pub const RECEIVE_BYTES_MAX: usize = buffers::BUFFER_BYTES;

/// A connection: its place in the caller's slab, and which of the place's tenants it is.
///
/// Drivers index by `index`, so places should be dense. Of `generation` the low 24 bits tell tenants apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token {
    /// The place in the slab.
    pub index: u32,
    /// Counts the place's tenants.
    pub generation: u32,
}

/// What happened during a turn.
#[derive(Debug)]
pub enum Completion {
    /// A connection, or why there was none (`EMFILE`, `ECONNABORTED` …; accepting goes on by itself, after a
    /// short rest where trying again at once would fail again). The socket is blocking and close-on-exec.
    Accepted {
        /// The number given to [`Driver::listen`].
        listener: usize,
        /// The connected socket.
        result: io::Result<OwnedFd>,
    },
    /// Bytes came: look at them with [`Driver::bytes`], give the buffer back with [`Driver::recycle`].
    Received {
        /// Who sent them.
        token: Token,
        /// Where they are.
        bytes: Received,
    },
    /// Nothing more will be received: the peer closed its writing half (`None`), or the socket broke.
    /// After `None` the caller may still send. The connection stays until [`Driver::remove`].
    Ended {
        /// Whose stream ended.
        token: Token,
        /// Why, unless in the regular way.
        error: Option<io::Error>,
    },
    /// A whole buffer went out, or could not; here it is back.
    Sent {
        /// Where it went.
        token: Token,
        /// The buffer, as it was given to [`Driver::send`].
        buffer: Vec<u8>,
        /// Whether all of it was taken by the kernel.
        result: io::Result<()>,
    },
    /// What was to be done with a file is done, or failed.
    Stored {
        /// The number that it was given.
        number: u64,
        /// The buffer, as it was given to [`Driver::store`].
        bytes: Vec<u8>,
        /// Whether it was the sync that came last.
        is_sync: bool,
        /// How it ended. Of a write that failed, some may stand in the file.
        result: io::Result<()>,
    },
    /// Somebody called [`Waker::wake`] or [`Driver::wake`]; several calls may come as one.
    Woken,
}

/// Bytes in one of the driver's receive buffers. Must go back through [`Driver::recycle`]: a dropped one is a
/// buffer lost for the driver's life.
#[derive(Debug)]
#[must_use = "give the buffer back with Driver::recycle"]
pub struct Received {
    buffer: u16,
    len: u32,
}

impl Received {
    /// How many bytes came: never 0.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }
}

/// Bytes on their way to a file.
#[derive(Debug)]
pub struct Store {
    /// What it is known by.
    pub number: u64,
    /// The file, which stays open until it is done.
    pub fd: RawFd,
    /// What is to be written, from `start` on; nothing where it is only to be synced.
    pub bytes: Vec<u8>,
    /// Where what is to be written begins in `bytes`.
    pub start: usize,
    /// Where it comes to stand in the file.
    pub offset: u64,
    /// Whether the file is to be on the disk then.
    pub sync: bool,
}

/// Which driver to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IoKind {
    /// io_uring where the kernel has and allows all that is needed, else epoll.
    Auto,
    /// io_uring or an error.
    Uring,
    /// epoll.
    Epoll,
}

/// A thread's socket loop.
pub enum Driver {
    /// Operations and results.
    Uring(Box<Uring>),
    /// Readiness and system calls.
    Epoll(Box<Epoll>),
}

/// Calls the method of the same name on whichever driver it is.
macro_rules! drivers {
    ($self:ident, $driver:ident => $call:expr) => {
        match $self {
            Driver::Uring($driver) => $call,
            Driver::Epoll($driver) => $call,
        }
    };
}

impl Driver {
    /// Makes a driver. The string, if any, says why `Auto` did not choose io_uring.
    ///
    /// # Errors
    /// The kernel's, when no driver of that kind can be made.
    pub fn new(kind: IoKind) -> io::Result<(Driver, Option<String>)> {
        match kind {
            IoKind::Epoll => Ok((Driver::Epoll(Box::new(Epoll::new()?)), None)),
            IoKind::Uring => Ok((Driver::Uring(Box::new(Uring::probed()?)), None)),
            IoKind::Auto => match Uring::probed() {
                Ok(uring) => Ok((Driver::Uring(Box::new(uring)), None)),
                Err(error) => Ok((Driver::Epoll(Box::new(Epoll::new()?)), Some(uring::explain(&error)))),
            },
        }
    }

    /// `"io_uring"` or `"epoll"`.
    pub fn name(&self) -> &'static str {
        match self {
            Driver::Uring(_) => "io_uring",
            Driver::Epoll(_) => "epoll",
        }
    }

    /// Starts accepting from a listening socket, which the caller numbers (small numbers; a free one).
    pub fn listen(&mut self, listener: usize, fd: OwnedFd) {
        drivers!(self, driver => driver.listen(listener, fd));
    }

    /// Closes a listening socket. No [`Completion::Accepted`] of it comes after this.
    pub fn stop_listening(&mut self, listener: usize) {
        drivers!(self, driver => driver.stop_listening(listener));
    }

    /// Leaves new connections in the kernel's backlog. Some that were accepted before may still come out.
    pub fn pause_accepting(&mut self, listener: usize) {
        drivers!(self, driver => driver.pause_accepting(listener));
    }

    /// Ends [`Driver::pause_accepting`].
    pub fn resume_accepting(&mut self, listener: usize) {
        drivers!(self, driver => driver.resume_accepting(listener));
    }

    /// Takes over a connected stream socket under a token not in use, and starts receiving from it.
    pub fn add(&mut self, token: Token, fd: OwnedFd) {
        drivers!(self, driver => driver.add(token, fd));
    }

    /// Queues a buffer, which leaves with the next turn; [`Completion::Sent`] brings it back and ends that
    /// turn. At most one is in flight per connection. For a token that is not there the buffer is dropped.
    pub fn send(&mut self, token: Token, buffer: Vec<u8>) {
        drivers!(self, driver => driver.send(token, buffer, Notice::Prompt));
    }

    /// Like [`Driver::send`], but a success alone does not end a turn's wait: its [`Completion::Sent`] comes
    /// with the next thing that does, and before any [`Completion::Received`] of that turn. Cheaper by a
    /// system call in an otherwise idle turn; right when nothing else waits to be sent to this connection.
    pub fn send_quietly(&mut self, token: Token, buffer: Vec<u8>) {
        drivers!(self, driver => driver.send(token, buffer, Notice::Quiet));
    }

    /// Has bytes written to a file and synced, with the next turn; [`Completion::Stored`] tells when that is done. Gives them back where
    /// the driver would have to wait for the disk.
    ///
    /// # Errors
    /// This is such a driver.
    pub fn store(&mut self, store: Store) -> Result<(), Store> {
        match self {
            Driver::Uring(uring) => {
                uring.store(store);
                Ok(())
            }
            Driver::Epoll(_) => Err(store),
        }
    }

    /// Stops receiving (back-pressure). What had been received before may still come out. A peer that leaves
    /// is noticed only after [`Driver::resume`], or by a send that fails.
    pub fn pause(&mut self, token: Token) {
        drivers!(self, driver => driver.pause(token));
    }

    /// Receives again.
    pub fn resume(&mut self, token: Token) {
        drivers!(self, driver => driver.resume(token));
    }

    /// Cancels what is in flight and closes the socket. No completion of this token comes after this; its
    /// place may be used again at once, with another generation.
    pub fn remove(&mut self, token: Token) {
        drivers!(self, driver => driver.remove(token));
    }

    /// What other threads wake this driver's turns with.
    pub fn waker(&self) -> Waker {
        drivers!(self, driver => driver.waker())
    }

    /// Wakes another driver, from this driver's thread, with the next turn at the latest.
    pub fn wake(&mut self, peer: &Waker) {
        drivers!(self, driver => driver.wake(peer));
    }

    /// Does what is queued and waits for a completion, a wake, or the timeout (`None`: for ever; zero: only
    /// looks). Returns at once while completions of an earlier turn have not been taken.
    ///
    /// # Errors
    /// Only those that leave the driver useless; an interrupted or expired wait is no error.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(|timeout| timeout.min(TIMEOUT_MAX));
        drivers!(self, driver => driver.turn(timeout))
    }

    /// The next completion of the last turn, or `None` when it is time for another turn.
    #[expect(clippy::should_implement_trait, reason = "the caller uses the driver between two completions")]
    pub fn next(&mut self) -> Option<Completion> {
        drivers!(self, driver => driver.next())
    }

    /// How many completions of the last turn have not been taken, or a few more.
    pub fn untaken(&self) -> usize {
        drivers!(self, driver => driver.untaken())
    }

    /// The bytes that came.
    pub fn bytes<'a>(&'a self, received: &Received) -> &'a [u8] {
        drivers!(self, driver => driver.bytes(received))
    }

    /// Gives a receive buffer back.
    pub fn recycle(&mut self, received: Received) {
        drivers!(self, driver => driver.recycle(received));
    }

    /// The socket of a connection, for `getpeername` and the like. It is open until [`Driver::remove`].
    pub fn socket_fd(&self, token: Token) -> Option<RawFd> {
        drivers!(self, driver => driver.socket_fd(token))
    }
}

/// Whether a successful send ends the wait of its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Notice {
    Prompt,
    Quiet,
}

/// A buffer on its way out.
struct Sending {
    buffer: Vec<u8>,
    written: usize,
    notice: Notice,
}

/// What an operation is about, packed into the 64 bits that the kernel hands back with its result:
/// 8 bits of kind, 24 of generation, 32 of index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Tag {
    kind: u8,
    generation: u32,
    index: u32,
}

/// The bits of a generation that fit into a tag.
const GENERATION_MASK: u32 = (1 << 24) - 1;

impl Tag {
    fn new(kind: u8, token: Token) -> Tag {
        Tag { kind, generation: token.generation & GENERATION_MASK, index: token.index }
    }

    fn pack(self) -> u64 {
        u64::from(self.kind) << 56 | u64::from(self.generation) << 32 | u64::from(self.index)
    }

    fn unpack(bits: u64) -> Tag {
        Tag {
            kind: (bits >> 56) as u8,
            generation: (bits >> 32) as u32 & GENERATION_MASK,
            index: bits as u32,
        }
    }
}

/// What kernels take as a time in any case; longer is as good as for ever.
const TIMEOUT_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long accepting rests after an error that would come again at once (no more descriptors, no memory).
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Whether an accept failed only for the connection at hand, so that the next may be tried at once.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNABORTED | libc::EPROTO | libc::EINTR | libc::EAGAIN))
}

/// Ends the rests of listeners that are over; which listeners' they were, and how long the others still last.
fn end_rests<'a>(
    rests: impl Iterator<Item = (usize, &'a mut Option<Instant>)>,
) -> (SmallVec<[usize; 2]>, Option<Duration>) {
    let (mut woken, mut left) = (SmallVec::new(), None);
    for (listener, until) in rests {
        let Some(time) = *until else { continue };
        match time.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            Some(rest) => left = shorter(left, Some(rest)),
            None => {
                *until = None;
                woken.push(listener);
            }
        }
    }
    (woken, left)
}

/// The shorter of two timeouts, `None` being for ever.
fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
