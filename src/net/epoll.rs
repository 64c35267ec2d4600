//! The driver for machines without io_uring: edge-triggered readiness, then plain socket calls.
#![expect(unsafe_code, reason = "std has no epoll")]

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::buffers::{BUFFER_BYTES, BUFFER_COUNT, Buffers};
use super::connections::Connections;
use super::{
    ACCEPT_REST, Completion, Notice, Received, Sending, Tag, Token, Waker, concerns_one_connection,
    end_rests, shorter,
};

const CONNECTION: u8 = 0;
const LISTENER: u8 = 1;
const WAKER: u8 = 2;

/// Events taken from the kernel at once.
const EVENTS_PER_TURN: usize = 512;
/// Connections accepted from one listener in one turn.
const ACCEPTS_PER_TURN: usize = 256;
/// Buffers filled from one connection in one turn, so that a fast sender does not starve the others.
const BUFFERS_PER_TURN: usize = 4;

/// What a connection is always watched for.
const INPUT: i32 = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;

/// A socket loop over epoll.
pub struct Epoll {
    poll: OwnedFd,
    events: Vec<libc::epoll_event>,
    precise: bool,
    waker: Waker,
    listeners: Vec<Option<Listener>>,
    connections: Connections<Connection>,
    buffers: Buffers,
    free: Vec<u16>,
    /// Connections with a buffer that was queued since the last turn.
    outgoing: Vec<Token>,
    /// Connections that may have more to read, without a new edge to say so.
    readable: VecDeque<Token>,
    completions: VecDeque<Completion>,
    /// Whether one of the completions ends a wait (all but those of quiet sends do).
    prompt: bool,
}

struct Listener {
    fd: OwnedFd,
    paused: bool,
    watched: bool,
    /// Set while accepting rests after an error.
    rests_until: Option<Instant>,
}

struct Connection {
    fd: OwnedFd,
    paused: bool,
    /// An edge was seen and the socket has not been read dry since.
    readable: bool,
    /// Stands in `Epoll::readable`.
    listed: bool,
    ended: bool,
    /// The peer has closed or the socket is broken; what it left may still be read.
    hung_up: bool,
    sending: Option<Sending>,
    /// Watched for room to write.
    blocked: bool,
}

impl Epoll {
    /// Makes the driver.
    ///
    /// # Errors
    /// The kernel's (no descriptors, no memory).
    pub fn new() -> io::Result<Epoll> {
        let mut epoll = Epoll {
            poll: create()?,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            precise: true,
            waker: Waker::new(None)?,
            listeners: Vec::new(),
            connections: Connections::new(),
            buffers: Buffers::new()?,
            free: (0..BUFFER_COUNT).rev().collect(),
            outgoing: Vec::new(),
            readable: VecDeque::new(),
            completions: VecDeque::new(),
            prompt: false,
        };
        let tag = Tag { kind: WAKER, generation: 0, index: 0 };
        epoll.control(libc::EPOLL_CTL_ADD, epoll.waker.event_fd(), libc::EPOLLIN | libc::EPOLLET, tag)?;
        epoll.completions.reserve(EVENTS_PER_TURN);
        Ok(epoll)
    }

    pub(super) fn listen(&mut self, listener: usize, fd: OwnedFd) {
        if listener >= self.listeners.len() {
            self.listeners.resize_with(listener + 1, || None);
        }
        assert!(self.listeners[listener].is_none(), "a listener's number is in use");
        if let Err(error) = SockRef::from(&fd).set_nonblocking(true) {
            self.complete(Completion::Accepted { listener, result: Err(error) });
        }
        self.listeners[listener] = Some(Listener { fd, paused: false, watched: false, rests_until: None });
        self.watch_listener(listener);
    }

    pub(super) fn stop_listening(&mut self, listener: usize) {
        self.unwatch_listener(listener);
        if let Some(place) = self.listeners.get_mut(listener) {
            *place = None;
        }
    }

    pub(super) fn pause_accepting(&mut self, listener: usize) {
        if let Some(Some(it)) = self.listeners.get_mut(listener) {
            it.paused = true;
            self.unwatch_listener(listener);
        }
    }

    pub(super) fn resume_accepting(&mut self, listener: usize) {
        if let Some(Some(it)) = self.listeners.get_mut(listener) {
            it.paused = false;
            self.watch_listener(listener);
        }
    }

    pub(super) fn add(&mut self, token: Token, fd: OwnedFd) {
        let raw = fd.as_raw_fd();
        let connection = Connection {
            fd,
            paused: false,
            readable: false,
            listed: false,
            ended: false,
            hung_up: false,
            sending: None,
            blocked: false,
        };
        self.connections.insert(token, connection);
        if let Err(error) = self.control(libc::EPOLL_CTL_ADD, raw, INPUT, Tag::new(CONNECTION, token)) {
            self.end(token, Some(error));
        }
    }

    pub(super) fn send(&mut self, token: Token, buffer: Vec<u8>, notice: Notice) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        assert!(connection.sending.is_none(), "one send at a time");
        connection.sending = Some(Sending { buffer, written: 0, notice });
        self.outgoing.push(token);
    }

    pub(super) fn pause(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.paused = true;
        }
    }

    pub(super) fn resume(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.paused = false;
        if connection.readable && !connection.ended && !connection.listed {
            connection.listed = true;
            self.readable.push_back(token);
        }
    }

    pub(super) fn remove(&mut self, token: Token) {
        // Closing takes the socket out of the epoll set; what waits for the token is dropped where it
        // surfaces.
        drop(self.connections.remove(token));
    }

    pub(super) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    #[expect(clippy::needless_pass_by_ref_mut, reason = "the drivers' common interface")]
    pub(super) fn wake(&mut self, peer: &Waker) {
        peer.wake();
    }

    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.flush();
        let rest = self.wake_listeners();
        let busy = self.prompt || (!self.readable.is_empty() && !self.free.is_empty());
        let timeout = if busy { Some(Duration::ZERO) } else { shorter(timeout, rest) };
        self.wait(timeout)?;
        for number in 0..self.events.len() {
            let event = self.events[number];
            self.handle(Tag::unpack(event.u64), event.events as i32);
        }
        self.read_all();
        Ok(())
    }

    pub(super) fn next(&mut self) -> Option<Completion> {
        loop {
            let completion = self.completions.pop_front()?;
            self.prompt &= !self.completions.is_empty();
            match completion {
                Completion::Received { token, bytes } if self.connections.get(token).is_none() => {
                    self.recycle(bytes);
                }
                Completion::Ended { token, .. } | Completion::Sent { token, .. }
                    if self.connections.get(token).is_none() => {}
                Completion::Accepted { listener, .. } if !self.is_listening(listener) => {}
                completion => return Some(completion),
            }
        }
    }

    pub(super) fn untaken(&self) -> usize {
        self.completions.len()
    }

    pub(super) fn bytes(&self, received: &Received) -> &[u8] {
        self.buffers.bytes(received.buffer, received.len())
    }

    #[expect(clippy::needless_pass_by_value, reason = "the buffer is no longer the caller's")]
    pub(super) fn recycle(&mut self, received: Received) {
        self.free.push(received.buffer);
    }

    pub(super) fn socket_fd(&self, token: Token) -> Option<RawFd> {
        self.connections.get(token).map(|connection| connection.fd.as_raw_fd())
    }

    fn complete(&mut self, completion: Completion) {
        self.prompt = true;
        self.completions.push_back(completion);
    }

    fn handle(&mut self, tag: Tag, events: i32) {
        match tag.kind {
            WAKER => self.complete(Completion::Woken),
            LISTENER => self.accept(tag.index as usize),
            _ => self.handle_connection(tag, events),
        }
    }

    fn handle_connection(&mut self, tag: Tag, events: i32) {
        let Some((token, connection)) = self.connections.by_tag(tag) else { return };
        if events & !libc::EPOLLOUT != 0 && !connection.ended {
            connection.readable = true;
            connection.hung_up |= events & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0;
            if !connection.paused && !connection.listed {
                connection.listed = true;
                self.readable.push_back(token);
            }
        }
        if connection.blocked && events & (libc::EPOLLOUT | libc::EPOLLERR | libc::EPOLLHUP) != 0 {
            self.write(token);
        }
    }

    // Sending

    /// Tries all that was queued since the last turn.
    fn flush(&mut self) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        for token in outgoing.drain(..) {
            self.write(token);
        }
        self.outgoing = outgoing;
    }

    /// Writes as much of the connection's buffer as the socket takes.
    fn write(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(mut sending) = connection.sending.take() else { return };
        let outcome = write_rest(&connection.fd, &mut sending);
        let blocked = matches!(&outcome, Err(error) if error.kind() == ErrorKind::WouldBlock);
        let outcome = match self.watch_for_room(token, blocked) {
            Ok(()) if blocked => return self.keep_sending(token, sending),
            Ok(()) => outcome,
            Err(error) => Err(error),
        };
        self.prompt |= sending.notice == Notice::Prompt || outcome.is_err();
        self.completions.push_back(Completion::Sent { token, buffer: sending.buffer, result: outcome });
    }

    /// Starts or stops watching for room to write. Changing what is watched for looks at the socket once
    /// more, so room that was made meanwhile is not missed.
    fn watch_for_room(&mut self, token: Token, blocked: bool) -> io::Result<()> {
        let connection = self.connections.get_mut(token).expect("the caller has just looked at it");
        if connection.blocked == blocked {
            return Ok(());
        }
        connection.blocked = blocked;
        let fd = connection.fd.as_raw_fd();
        let events = if blocked { INPUT | libc::EPOLLOUT } else { INPUT };
        self.control(libc::EPOLL_CTL_MOD, fd, events, Tag::new(CONNECTION, token))
    }

    fn keep_sending(&mut self, token: Token, mut sending: Sending) {
        // It could not leave quietly, so its end is news.
        sending.notice = Notice::Prompt;
        let connection = self.connections.get_mut(token).expect("the caller has just looked at it");
        connection.sending = Some(sending);
    }

    // Receiving

    /// Reads from each connection that may have something, as long as there are buffers.
    fn read_all(&mut self) {
        for _ in 0..self.readable.len() {
            if self.free.is_empty() {
                return;
            }
            let Some(token) = self.readable.pop_front() else { return };
            self.read(token);
        }
    }

    /// Reads some buffers full from one connection, and lists it again if there may be more.
    fn read(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.listed = false;
        for _ in 0..BUFFERS_PER_TURN {
            if connection.paused || connection.ended || !connection.readable {
                return;
            }
            let Some(buffer) = self.free.pop() else { break };
            match receive(&connection.fd, self.buffers.bytes_mut(buffer)) {
                Ok(len) if len > 0 => {
                    // A short read has emptied the socket, and what comes later is a new edge; unless the
                    // peer had left before, of which there was the one edge.
                    connection.readable = len == BUFFER_BYTES || connection.hung_up;
                    let bytes = Received { buffer, len: len as u32 };
                    self.completions.push_back(Completion::Received { token, bytes });
                    self.prompt = true;
                }
                outcome => {
                    self.free.push(buffer);
                    connection.readable = false;
                    let error = match outcome {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                        outcome => outcome.err(),
                    };
                    return self.end(token, error);
                }
            }
        }
        if connection.readable {
            connection.listed = true;
            self.readable.push_back(token);
        }
    }

    fn end(&mut self, token: Token, error: Option<io::Error>) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.ended = true;
            self.complete(Completion::Ended { token, error });
        }
    }

    // Accepting

    fn is_listening(&self, listener: usize) -> bool {
        matches!(self.listeners.get(listener), Some(Some(_)))
    }

    fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
            let result = SockRef::from(&it.fd).accept().map(|(socket, _)| OwnedFd::from(socket));
            match &result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if !concerns_one_connection(error) => {
                    it.rests_until = Some(Instant::now() + ACCEPT_REST);
                    self.unwatch_listener(listener);
                    return self.complete(Completion::Accepted { listener, result });
                }
                _ => self.complete(Completion::Accepted { listener, result }),
            }
        }
    }

    fn watch_listener(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        if it.paused || it.watched || it.rests_until.is_some() {
            return;
        }
        let fd = it.fd.as_raw_fd();
        let tag = Tag { kind: LISTENER, generation: 0, index: listener as u32 };
        // Exclusive: of several threads that accept from one socket, one is woken.
        let outcome = self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLEXCLUSIVE, tag);
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        match outcome {
            Ok(()) => it.watched = true,
            Err(error) => {
                it.rests_until = Some(Instant::now() + ACCEPT_REST);
                self.complete(Completion::Accepted { listener, result: Err(error) });
            }
        }
    }

    fn unwatch_listener(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        if std::mem::take(&mut it.watched) {
            let fd = it.fd.as_raw_fd();
            let tag = Tag { kind: LISTENER, generation: 0, index: listener as u32 };
            self.control(libc::EPOLL_CTL_DEL, fd, 0, tag).expect("a watched socket can be taken out");
        }
    }

    /// Takes up listeners whose rest is over; how long the others still rest.
    fn wake_listeners(&mut self) -> Option<Duration> {
        let listeners = self.listeners.iter_mut().enumerate();
        let rests = listeners.filter_map(|(at, it)| Some((at, &mut it.as_mut()?.rests_until)));
        let (woken, rest) = end_rests(rests);
        woken.into_iter().for_each(|listener| self.watch_listener(listener));
        rest
    }

    // The kernel's door

    fn control(&self, operation: i32, fd: RawFd, events: i32, tag: Tag) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: tag.pack() };
        // SAFETY: the event outlives the call; a bad descriptor is an error, no harm.
        let result = unsafe { libc::epoll_ctl(self.poll.as_raw_fd(), operation, fd, &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Fills `self.events`, waiting for the first as long as the timeout says.
    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        let mut count = if self.precise { self.wait_precisely(timeout) } else { self.wait_coarsely(timeout) };
        if count < 0 && self.precise && is_refused(&io::Error::last_os_error()) {
            self.precise = false;
            count = self.wait_coarsely(timeout);
        }
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        // SAFETY: the kernel has filled this many, which is at most the capacity.
        unsafe { self.events.set_len(count as usize) };
        Ok(())
    }

    /// `epoll_pwait2`, which counts in nanoseconds (Linux 5.11; some sandboxes refuse it).
    fn wait_precisely(&mut self, timeout: Option<Duration>) -> libc::c_long {
        let time = timeout.map(|timeout| libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos() as libc::c_long,
        });
        let time: *const libc::timespec = time.as_ref().map_or(ptr::null(), |time| time);
        let events = self.events.spare_capacity_mut();
        // SAFETY: the events' memory has room for as many as are asked for, and the time outlives the call.
        unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.poll.as_raw_fd(),
                events.as_mut_ptr(),
                events.len() as libc::c_int,
                time,
                ptr::null::<libc::sigset_t>(),
                0usize,
            )
        }
    }

    /// `epoll_wait`, which counts in milliseconds.
    fn wait_coarsely(&mut self, timeout: Option<Duration>) -> libc::c_long {
        let millis = timeout.map_or(-1, |timeout| {
            libc::c_int::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(libc::c_int::MAX)
        });
        let events = self.events.spare_capacity_mut();
        let room = events.len() as libc::c_int;
        // SAFETY: the events' memory has room for as many as are asked for.
        let count =
            unsafe { libc::epoll_wait(self.poll.as_raw_fd(), events.as_mut_ptr().cast(), room, millis) };
        libc::c_long::from(count)
    }
}

fn create() -> io::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM))
}

fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the kernel writes at most the buffer's length into it.
        let len = unsafe {
            libc::recv(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
        };
        if len >= 0 {
            return Ok(len as usize);
        }
        let error = io::Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Writes what is left, until it is done or the socket takes no more.
fn write_rest(fd: &OwnedFd, sending: &mut Sending) -> io::Result<()> {
    let socket = SockRef::from(fd);
    while sending.written < sending.buffer.len() {
        let rest = &sending.buffer[sending.written..];
        match socket.send_with_flags(rest, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Ok(len) => sending.written += len,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
