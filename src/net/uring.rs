//! The driver over io_uring: one enter a turn, receives and accepts that stay armed.
//!
//! A turn hands over all queued operations and waits, in one system call; results become completions as the
//! caller takes them. Receiving is one multishot operation per connection into a shared pool of buffers; it
//! is armed again when the kernel ends it. What operations point to lives here until their result has come:
//! buffers of connections that were removed meanwhile move to `orphans`.
#![expect(unsafe_code, reason = "queued operations refer to memory and descriptors")]

mod accept;
mod receive;
mod send;
mod store;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::Duration;

use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode, squeue};
use socket2::SockRef;

use self::accept::Listener;
use self::store::Storing;
use super::connections::Connections;
use super::provided::Provided;
use super::ring::{Ring, Sizes};
use super::{Completion, Notice, Received, Sending, Tag, Token, Waker, shorter};

const RECEIVE: u8 = 1;
const SEND: u8 = 2;
const QUIET_SEND: u8 = 3;
const ACCEPT: u8 = 4;
const WATCH_EVENT: u8 = 5;
/// What another ring's message says.
const WAKE: u8 = 6;
/// A message of ours that did not arrive.
const MESSAGE: u8 = 7;
const CANCEL_RECEIVE: u8 = 8;
const CANCEL_ACCEPT: u8 = 9;
const STORE_WRITE: u8 = 11;
const STORE_SYNC: u8 = 12;
/// Nobody minds how it ends.
const FORGOTTEN: u8 = 10;

/// A socket loop over io_uring.
pub struct Uring {
    ring: Ring,
    provided: ManuallyDrop<Provided>,
    waker: Waker,
    /// Drivers that this one has woken; a message's tag is the place here.
    peers: Vec<Waker>,
    listeners: Vec<Option<Listener>>,
    listener_generation: u32,
    connections: ManuallyDrop<Connections<Connection>>,
    /// Buffers in flight whose connections are gone, by the tag of the send.
    orphans: ManuallyDrop<HashMap<u64, Vec<u8>>>,
    /// Buffers of quiet sends whose connections are gone: free after the next turn.
    spent: ManuallyDrop<Vec<Vec<u8>>>,
    /// Writes to files that are under way.
    stores: ManuallyDrop<Vec<Option<Storing>>>,
    /// Quiet sends queued since the last turn.
    quiet: Vec<Token>,
    /// Connections whose receive ended for want of buffers.
    starved: VecDeque<Token>,
    /// Completions that did not come as a result of the ring; they precede the results.
    early: VecDeque<Completion>,
    woken: bool,
    results: VecDeque<cqueue::Entry>,
}

/// A multishot operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Armed {
    No,
    Yes,
    /// In flight, and a cancellation follows it.
    Cancelling,
}

struct Connection {
    fd: OwnedFd,
    armed: Armed,
    paused: bool,
    /// Stands in `Uring::starved`.
    starved: bool,
    ended: bool,
    sending: Option<Sending>,
    /// The result of a quiet send that did not succeed.
    quiet_result: Option<i32>,
}

impl Uring {
    /// Makes the driver, after another has shown, once per process, that all it needs works here.
    ///
    /// # Errors
    /// As [`Uring::new`], or `Unsupported` when the kernel accepts everything and yet does not do it.
    pub fn probed() -> io::Result<Uring> {
        static PROBE: OnceLock<Result<(), i32>> = OnceLock::new();
        match PROBE.get_or_init(|| probe().map_err(|error| error.raw_os_error().unwrap_or(0))) {
            Ok(()) => Uring::new(),
            Err(0) => Err(io::ErrorKind::Unsupported.into()),
            Err(errno) => Err(io::Error::from_raw_os_error(*errno)),
        }
    }

    /// Makes the driver.
    ///
    /// # Errors
    /// The kernel's: most likely it has no io_uring, too old a one, or forbids it.
    pub fn new() -> io::Result<Uring> {
        Uring::with_queues(Sizes::ROOMY)
    }

    /// Makes the driver with queues of other lengths; short ones show what happens when they are full.
    pub(super) fn with_queues(sizes: Sizes) -> io::Result<Uring> {
        let ring = Ring::new(sizes)?;
        let provided = Provided::new(&ring)?;
        let waker = Waker::new(Some(ring.try_clone_fd()?))?;
        let mut uring = Uring {
            ring,
            provided: ManuallyDrop::new(provided),
            waker,
            peers: Vec::new(),
            listeners: Vec::new(),
            listener_generation: 0,
            connections: ManuallyDrop::new(Connections::new()),
            orphans: ManuallyDrop::new(HashMap::new()),
            spent: ManuallyDrop::new(Vec::new()),
            stores: ManuallyDrop::new(Vec::new()),
            quiet: Vec::new(),
            starved: VecDeque::new(),
            early: VecDeque::new(),
            woken: false,
            results: VecDeque::with_capacity(1024),
        };
        uring.watch_event();
        Ok(uring)
    }

    pub(super) fn remove(&mut self, token: Token) {
        let Some(connection) = self.connections.remove(token) else { return };
        if let Some(sending) = connection.sending {
            match sending.notice {
                Notice::Prompt => {
                    self.orphans.insert(Tag::new(SEND, token).pack(), sending.buffer);
                }
                Notice::Quiet => self.spent.push(sending.buffer),
            }
        }
        self.close(connection.fd);
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(super) fn wake(&mut self, peer: &Waker) {
        let Some(ring) = peer.ring_fd() else { return peer.wake() };
        let index = self.peers.iter().position(|known| known.is_same(peer)).unwrap_or_else(|| {
            self.peers.push(peer.clone());
            self.peers.len() - 1
        });
        let message = Tag { kind: WAKE, generation: 0, index: 0 }.pack();
        let tag = Tag { kind: MESSAGE, generation: 0, index: index as u32 };
        let entry = opcode::MsgRingData::new(Fd(ring), 0, message, None).build();
        // SAFETY: points to nothing; the peer's descriptor is kept open by `peers`.
        unsafe { self.push(entry.flags(Flags::SKIP_SUCCESS), tag) };
    }

    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.provided.replenish();
        self.feed_starved();
        let rest = self.wake_listeners();
        let busy = self.woken || !self.early.is_empty() || !self.results.is_empty();
        let hungry = !self.starved.is_empty() && self.provided.with_kernel() > 0;
        let mut wait = !busy && !hungry && timeout != Some(Duration::ZERO);
        loop {
            self.ring.enter(wait, shorter(timeout, rest))?;
            self.take_results();
            if !self.ring.has_queued() && !self.ring.is_overflown() {
                break;
            }
            wait = false;
        }
        self.conclude_quiet();
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Completion> {
        while let Some(completion) = self.early.pop_front() {
            match completion {
                Completion::Sent { token, .. } | Completion::Ended { token, .. }
                    if self.connections.get(token).is_none() => {}
                completion => return Some(completion),
            }
        }
        if std::mem::take(&mut self.woken) {
            return Some(Completion::Woken);
        }
        while let Some(result) = self.results.pop_front() {
            let completion = self.interpret(&result);
            if completion.is_some() {
                return completion;
            }
        }
        None
    }

    pub(super) fn untaken(&self) -> usize {
        self.early.len() + self.results.len()
    }

    pub(super) fn bytes(&self, received: &Received) -> &[u8] {
        self.provided.bytes(received.buffer, received.len())
    }

    #[expect(clippy::needless_pass_by_value, reason = "the buffer is no longer the caller's")]
    pub(super) fn recycle(&mut self, received: Received) {
        self.provided.recycle(received.buffer);
    }

    pub(super) fn socket_fd(&self, token: Token) -> Option<RawFd> {
        self.connections.get(token).map(|connection| connection.fd.as_raw_fd())
    }

    // The ring

    /// Queues an operation; a full queue is handed over first.
    ///
    /// # Safety
    /// What the entry points to must stay, and stay put, until its result or the end of the ring.
    unsafe fn push(&mut self, entry: squeue::Entry, tag: Tag) {
        let entry = entry.user_data(tag.pack());
        // SAFETY: the caller keeps what the entry points to.
        while !unsafe { self.ring.push(&entry) } {
            self.ring.enter(false, None).expect("a ring that works takes what is queued");
            self.take_results();
        }
    }

    /// Takes the kernel's results. Those of quiet sends and wakes are noted, the others wait for `next`.
    fn take_results(&mut self) {
        for result in self.ring.completions() {
            let tag = Tag::unpack(result.user_data());
            match tag.kind {
                WAKE => self.woken = true,
                WATCH_EVENT if cqueue::more(result.flags()) => self.woken = true,
                QUIET_SEND => {
                    if let Some((_, connection)) = self.connections.by_tag(tag) {
                        connection.quiet_result = Some(result.result());
                    }
                }
                _ => self.results.push_back(result),
            }
        }
    }

    /// Makes a completion of a result, and does what the driver has to do about it.
    fn interpret(&mut self, result: &cqueue::Entry) -> Option<Completion> {
        let tag = Tag::unpack(result.user_data());
        match tag.kind {
            RECEIVE => self.received(tag, result),
            SEND => self.sent(tag, result.result()),
            STORE_WRITE | STORE_SYNC => self.stored(tag, result.result()),
            ACCEPT => self.accepted(tag, result),
            WATCH_EVENT => {
                // The kernel has ended the watch.
                self.watch_event();
                Some(Completion::Woken)
            }
            MESSAGE => {
                self.peers[tag.index as usize].wake();
                None
            }
            CANCEL_RECEIVE => {
                self.receive_not_cancelled(tag, result.result());
                None
            }
            CANCEL_ACCEPT => {
                self.accept_not_cancelled(tag, result.result());
                None
            }
            _ => None,
        }
    }

    /// Cancels a multishot operation, whose last result says that it is over. The cancellation's own result
    /// comes only if it fails.
    fn cancel(&mut self, operation: Tag, tag: Tag) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(operation.pack())).build();
        // SAFETY: points to nothing.
        unsafe { self.push(entry.flags(Flags::SKIP_SUCCESS), tag) };
    }

    /// Cancels all that is in flight on a socket and closes it.
    fn close(&mut self, fd: OwnedFd) {
        let fd = Fd(fd.into_raw_fd());
        let tag = Tag { kind: FORGOTTEN, generation: 0, index: 0 };
        let cancel = opcode::AsyncCancel2::new(CancelBuilder::fd(fd).all()).build();
        let close = opcode::Close::new(fd).build();
        for entry in [cancel, close] {
            // SAFETY: points to nothing; the descriptor is nobody else's any more.
            unsafe { self.push(entry.flags(Flags::SKIP_SUCCESS), tag) };
        }
    }

    /// Watches the waker's eventfd, each write to which is an edge.
    fn watch_event(&mut self) {
        let fd = Fd(self.waker.event_fd());
        let entry = opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(true).build();
        // SAFETY: points to nothing.
        unsafe { self.push(entry, Tag { kind: WATCH_EVENT, generation: 0, index: 0 }) };
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // Memory that the kernel may still use is better lost than freed.
        if self.ring.stop().is_err() {
            return;
        }
        // SAFETY: nothing is in flight, and this is the end.
        unsafe { ManuallyDrop::drop(&mut self.connections) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.orphans) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.spent) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.stores) };
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.provided) };
    }
}

/// Sees whether a byte comes through: whether the ring can be entered, its buffers are used, and the receive
/// stays armed.
fn probe() -> io::Result<()> {
    let mut uring = Uring::new()?;
    let (ours, mut peer) = UnixStream::pair()?;
    let token = Token { index: 0, generation: 0 };
    uring.add(token, ours.into());
    uring.turn(Some(Duration::ZERO))?;
    peer.write_all(b"?")?;
    uring.turn(Some(Duration::from_secs(1)))?;
    let came = match uring.next() {
        Some(Completion::Received { bytes, .. }) => uring.bytes(&bytes) == b"?",
        _ => false,
    };
    let armed = uring.connections.get(token).is_some_and(|connection| connection.armed == Armed::Yes);
    if came && armed && !uring.ring.has_queued() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}

/// Says in words for the log why there is no ring.
pub(super) fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            format!("io_uring is forbidden here (seccomp profile or kernel.io_uring_disabled): {error}")
        }
        Some(libc::ENOSYS) => format!("this kernel has no io_uring: {error}"),
        Some(libc::EINVAL) => format!("this kernel's io_uring is too old (6.1 is needed): {error}"),
        Some(libc::ENOMEM) => format!("no memory may be locked for io_uring: {error}"),
        _ => format!("io_uring does not work here: {error}"),
    }
}

/// The ring waits for sockets by itself; for one that does not block it would report `EAGAIN` instead.
fn make_blocking(fd: &OwnedFd) {
    let socket = SockRef::from(fd);
    if socket.nonblocking().unwrap_or(false) {
        socket.set_nonblocking(false).expect("the mode of an open socket can be changed");
    }
}
