//! The driver over io_uring: one enter a turn, receives and accepts that stay armed.
//!
//! A turn hands over all queued operations and waits, in one system call; results become completions as the caller
//! takes them. Receiving is one multishot operation per connection into a shared pool of buffers ([`Provided`]); it is armed
//! again when the kernel ends it. What operations point to lives here until their result has come: buffers of
//! connections that were removed meanwhile move to `orphans`.
//!
//! A quiet send asks for no result unless it fails. Since it may not wait for room either (`MSG_DONTWAIT`), it has happened
//! when the enter returns that submitted it, so silence is success. One that did not fit goes on as an ordinary one.
#![expect(unsafe_code, reason = "operations point to buffers, and results carry descriptors")]

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, Fd};
use io_uring::{cqueue, opcode, squeue};
use socket2::SockRef;

use super::connections::Connections;
use super::provided::Provided;
use super::ring::Ring;
use super::{
    ACCEPT_REST, Completion, Notice, Received, Sending, Tag, Token, Waker, concerns_one_connection, shorter,
};

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
/// Nobody minds how it ends.
const FORGOTTEN: u8 = 10;

/// Bytes that one send operation takes at most.
const SEND_BYTES_MAX: usize = 1 << 30;

/// `IORING_RECVSEND_POLL_FIRST`: do not try, the socket is likely to be empty.
const POLL_FIRST: u16 = 1;
/// `IORING_RECV_MULTISHOT`
const MULTISHOT: u16 = 2;

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

struct Listener {
    fd: OwnedFd,
    generation: u32,
    armed: Armed,
    paused: bool,
    /// Set while accepting rests after an error.
    rests_until: Option<Instant>,
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
        let ring = Ring::new()?;
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
            quiet: Vec::new(),
            starved: VecDeque::new(),
            early: VecDeque::new(),
            woken: false,
            results: VecDeque::with_capacity(1024),
        };
        uring.watch_event();
        Ok(uring)
    }

    pub(super) fn listen(&mut self, listener: usize, fd: OwnedFd) {
        if listener >= self.listeners.len() {
            self.listeners.resize_with(listener + 1, || None);
        }
        assert!(self.listeners[listener].is_none(), "a listener's number is in use");
        make_blocking(&fd);
        self.listener_generation += 1;
        let generation = self.listener_generation;
        self.listeners[listener] =
            Some(Listener { fd, generation, armed: Armed::No, paused: false, rests_until: None });
        self.arm_accept(listener);
    }

    pub(super) fn stop_listening(&mut self, listener: usize) {
        if let Some(it) = self.listeners.get_mut(listener).and_then(Option::take) {
            self.close(it.fd);
        }
    }

    pub(super) fn pause_accepting(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        it.paused = true;
        if it.armed == Armed::Yes {
            it.armed = Armed::Cancelling;
            let token = Token { index: listener as u32, generation: it.generation };
            self.cancel(Tag::new(ACCEPT, token), Tag::new(CANCEL_ACCEPT, token));
        }
    }

    pub(super) fn resume_accepting(&mut self, listener: usize) {
        if let Some(Some(it)) = self.listeners.get_mut(listener) {
            it.paused = false;
            self.arm_accept(listener);
        }
    }

    pub(super) fn add(&mut self, token: Token, fd: OwnedFd) {
        make_blocking(&fd);
        let connection = Connection {
            fd,
            armed: Armed::No,
            paused: false,
            starved: false,
            ended: false,
            sending: None,
            quiet_result: None,
        };
        self.connections.insert(token, connection);
        self.arm_receive(token, POLL_FIRST);
    }

    pub(super) fn send(&mut self, token: Token, buffer: Vec<u8>, notice: Notice) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        assert!(connection.sending.is_none(), "one send at a time");
        let notice = if buffer.len() > SEND_BYTES_MAX { Notice::Prompt } else { notice };
        connection.sending = Some(Sending { buffer, written: 0, notice });
        if notice == Notice::Quiet {
            self.quiet.push(token);
        }
        self.push_send(token);
    }

    pub(super) fn pause(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.paused = true;
        if connection.armed == Armed::Yes {
            connection.armed = Armed::Cancelling;
            self.cancel(Tag::new(RECEIVE, token), Tag::new(CANCEL_RECEIVE, token));
        }
    }

    pub(super) fn resume(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.paused = false;
            self.arm_receive(token, 0);
        }
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
            ACCEPT => self.accepted(tag, result),
            WATCH_EVENT => {
                if !cqueue::more(result.flags()) {
                    self.watch_event();
                }
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

    /// Cancels a multishot operation, whose last result says that it is over. The cancellation's own result comes only if it fails.
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

    // Receiving

    /// Arms the receive, unless there is a reason not to. While a cancelled one is in flight, its end arms the next.
    fn arm_receive(&mut self, token: Token, how: u16) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.armed != Armed::No || connection.paused || connection.starved || connection.ended {
            return;
        }
        connection.armed = Armed::Yes;
        let entry = opcode::Recv::new(Fd(connection.fd.as_raw_fd()), ptr::null_mut(), 0)
            .ioprio(MULTISHOT | how)
            .buf_group(0)
            .build()
            .flags(Flags::BUFFER_SELECT);
        // SAFETY: the buffers are those of `provided`, which outlives the ring's work.
        unsafe { self.push(entry, Tag::new(RECEIVE, token)) };
    }

    fn received(&mut self, tag: Tag, result: &cqueue::Entry) -> Option<Completion> {
        let buffer = cqueue::buffer_select(result.flags());
        if buffer.is_some() {
            self.provided.taken();
        }
        let goes_on = cqueue::more(result.flags());
        let Some((token, connection)) = self.connections.by_tag(tag) else {
            self.received_by_nobody(tag, buffer, goes_on);
            return None;
        };
        if !goes_on {
            connection.armed = Armed::No;
        }
        let outcome = result.result();
        if let (Some(buffer), 1..) = (buffer, outcome) {
            self.arm_receive(token, 0);
            return Some(Completion::Received { token, bytes: Received { buffer, len: outcome as u32 } });
        }
        if let Some(buffer) = buffer {
            self.provided.recycle(buffer);
        }
        self.receive_ended(token, -outcome)
    }

    /// Handles the end of a multishot receive that brings no bytes.
    fn receive_ended(&mut self, token: Token, errno: i32) -> Option<Completion> {
        let connection = self.connections.get_mut(token)?;
        match errno {
            libc::ENOBUFS => {
                connection.starved = true;
                self.starved.push_back(token);
                self.provided.widen();
                None
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                self.arm_receive(token, 0);
                None
            }
            _ => {
                connection.ended = true;
                let error = (errno != 0).then(|| io::Error::from_raw_os_error(errno));
                Some(Completion::Ended { token, error })
            }
        }
    }

    /// Handles what came for a connection that is gone.
    fn received_by_nobody(&mut self, tag: Tag, buffer: Option<u16>, goes_on: bool) {
        if let Some(buffer) = buffer {
            self.provided.recycle(buffer);
        }
        if goes_on {
            // Closing has cancelled it; should it have slipped through, it must not keep the socket open.
            self.cancel(tag, Tag { kind: FORGOTTEN, generation: 0, index: 0 });
        }
    }

    fn receive_not_cancelled(&mut self, tag: Tag, outcome: i32) {
        let Some((token, connection)) = self.connections.by_tag(tag) else { return };
        // Not found means that it has ended by itself, and its last result says so.
        if -outcome == libc::EALREADY && connection.armed == Armed::Cancelling {
            self.cancel(Tag::new(RECEIVE, token), Tag::new(CANCEL_RECEIVE, token));
        }
    }

    /// Arms receives that ended for want of buffers: as many as there are buffers, in the order in which they ended.
    fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        self.provided.replenish();
        for _ in 0..self.provided.with_kernel() {
            let Some(token) = self.starved.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(token) {
                connection.starved = false;
                self.arm_receive(token, 0);
            }
        }
    }

    // Sending

    /// Queues what is left of the connection's buffer.
    fn push_send(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(sending) = &connection.sending else { return };
        let rest = &sending.buffer[sending.written..];
        let len = rest.len().min(SEND_BYTES_MAX) as u32;
        let send = opcode::Send::new(Fd(connection.fd.as_raw_fd()), rest.as_ptr(), len);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let (entry, kind) = match sending.notice {
            Notice::Prompt => (send.flags(flags).build(), SEND),
            Notice::Quiet => {
                (send.flags(flags | libc::MSG_DONTWAIT).build().flags(Flags::SKIP_SUCCESS), QUIET_SEND)
            }
        };
        // SAFETY: the buffer stays in the connection, and after that in `orphans` or `spent`, until the result is known.
        unsafe { self.push(entry, Tag::new(kind, token)) };
    }

    /// Handles the result of a send: goes on, or brings the buffer back.
    fn sent(&mut self, tag: Tag, outcome: i32) -> Option<Completion> {
        let Some((token, connection)) = self.connections.by_tag(tag) else {
            self.orphans.remove(&tag.pack());
            return None;
        };
        let sending = connection.sending.as_mut()?;
        sending.written += usize::try_from(outcome).unwrap_or(0);
        let left = sending.buffer.len() - sending.written;
        let result = match -outcome {
            _ if left == 0 && outcome >= 0 => Ok(()),
            0 => Err(io::ErrorKind::WriteZero.into()),
            ..0 | libc::EAGAIN | libc::EINTR => {
                sending.notice = Notice::Prompt;
                self.push_send(token);
                return None;
            }
            errno => Err(io::Error::from_raw_os_error(errno)),
        };
        let sending = connection.sending.take()?;
        Some(Completion::Sent { token, buffer: sending.buffer, result })
    }

    /// Completes the quiet sends of this turn: those without a result have succeeded.
    fn conclude_quiet(&mut self) {
        self.spent.clear();
        let mut quiet = std::mem::take(&mut self.quiet);
        for token in quiet.drain(..) {
            let Some(connection) = self.connections.get_mut(token) else { continue };
            let completion = match connection.quiet_result.take() {
                Some(outcome) => self.sent(Tag::new(QUIET_SEND, token), outcome),
                None => connection.sending.take().map(|sending| Completion::Sent {
                    token,
                    buffer: sending.buffer,
                    result: Ok(()),
                }),
            };
            self.early.extend(completion);
        }
        self.quiet = quiet;
    }

    // Accepting

    fn arm_accept(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        if it.armed != Armed::No || it.paused || it.rests_until.is_some() {
            return;
        }
        it.armed = Armed::Yes;
        let token = Token { index: listener as u32, generation: it.generation };
        let entry = opcode::AcceptMulti::new(Fd(it.fd.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: points to nothing.
        unsafe { self.push(entry, Tag::new(ACCEPT, token)) };
    }

    /// The listener that an operation was about, if it is still there.
    fn listener(&mut self, tag: Tag) -> Option<&mut Listener> {
        let listener = self.listeners.get_mut(tag.index as usize)?.as_mut()?;
        (Tag::new(tag.kind, Token { index: tag.index, generation: listener.generation }) == tag)
            .then_some(listener)
    }

    fn accepted(&mut self, tag: Tag, result: &cqueue::Entry) -> Option<Completion> {
        let outcome = result.result();
        // SAFETY: a result of accept that is no error is a new descriptor, and nobody else's.
        let accepted = (outcome >= 0).then(|| unsafe { OwnedFd::from_raw_fd(outcome) });
        let it = self.listener(tag)?;
        if !cqueue::more(result.flags()) {
            it.armed = Armed::No;
        }
        let accepted = accepted.ok_or_else(|| io::Error::from_raw_os_error(-outcome));
        let cancelled = -outcome == libc::ECANCELED;
        if let Err(error) = &accepted
            && !cancelled
            && !concerns_one_connection(error)
        {
            it.rests_until = Some(Instant::now() + ACCEPT_REST);
        }
        let listener = tag.index as usize;
        self.arm_accept(listener);
        (!cancelled).then_some(Completion::Accepted { listener, result: accepted })
    }

    fn accept_not_cancelled(&mut self, tag: Tag, outcome: i32) {
        let again = Tag { kind: ACCEPT, ..tag };
        if let Some(it) = self.listener(tag)
            && -outcome == libc::EALREADY
            && it.armed == Armed::Cancelling
        {
            self.cancel(again, tag);
        }
    }

    /// Takes up listeners whose rest is over; how long the others still rest.
    fn wake_listeners(&mut self) -> Option<Duration> {
        if self.listeners.iter().flatten().all(|it| it.rests_until.is_none()) {
            return None;
        }
        let now = Instant::now();
        let mut rest = None;
        for listener in 0..self.listeners.len() {
            let Some(Some(it)) = self.listeners.get_mut(listener) else { continue };
            match it.rests_until {
                Some(until) if until > now => rest = shorter(rest, Some(until - now)),
                Some(_) => {
                    it.rests_until = None;
                    self.arm_accept(listener);
                }
                None => {}
            }
        }
        rest
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
        unsafe { ManuallyDrop::drop(&mut self.provided) };
    }
}

/// Sees whether a byte comes through: whether the ring can be entered, its buffers are used, and the receive stays armed.
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
