//! The life of one core: its socket loop around its state.
//!
//! One turn: reap completions, carrying out the commands that came → mail → the own shard's queue → background work within a slice
//! → one send for each connection that has output → wake who got mail and sleeps → leave the strand at the door if there
//! is nothing to do → one enter of the kernel for all of it.
mod busy;
pub mod conn;
pub mod core;
pub mod evict;
pub mod expire;
mod journal;
mod lent;
pub mod overflow;
pub(crate) mod places;
mod save;
mod snapshot;
mod turn;
pub mod wait;
pub mod waitaof;

use self::conn::{Hold, Peer};
use self::core::{Core, INPUT_BYTES_PAUSE, Intent};
use crate::net::{Completion, Driver, Token};
use crate::persist::clerk::Clerk;
use crate::persist::journal::Job;
use crate::queues::Mail;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
#[must_use]
pub fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Buffers that are kept to be filled again, at most, and how large.
const BUFFERS_MAX: usize = 256;
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long the end of a thread waits for the disk, in ms.
const STORING_MS_MAX: i64 = 10_000;
/// Freed entries a turn: a slice of well under a millisecond.
const FREED_MAX: usize = 2_000;

/// A socket that a thread accepts from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listener {
    Tcp,
    Unix,
    /// No longer: CONFIG SET port or bind.
    Closed,
}

/// A thread with its sockets.
pub struct Thread {
    core: Core,
    driver: Driver,
    /// What listens on this thread, in the order of its numbers.
    listeners: Vec<Listener>,
    next_tick_ms: i64,
    next_thread: usize,
    /// Who waits for the disk on its behalf, once there is something to write.
    clerk: Option<Clerk>,
    /// What the driver writes and syncs: numbers, jobs, and since when, in ticks.
    storing: Vec<(u64, Job, u64)>,
    stores_begun: u64,
    /// Until then nothing is written but by the driver.
    disk_is_slow_until_ms: i64,
}

impl Thread {
    /// A thread around a state and a driver.
    #[must_use]
    pub fn new(core: Core, driver: Driver) -> Thread {
        core.shared.mailboxes[core.id].set_waker(driver.waker());
        Thread {
            core,
            driver,
            listeners: Vec::new(),
            next_tick_ms: 0,
            next_thread: 0,
            clerk: None,
            storing: Vec::new(),
            stores_begun: 0,
            disk_is_slow_until_ms: 0,
        }
    }

    /// Accepts from this socket, on behalf of all threads.
    pub fn listen(&mut self, socket: OwnedFd, is_unix: bool) {
        self.core.places.listening.push((socket.as_raw_fd(), is_unix));
        self.driver.listen(self.listeners.len(), socket);
        self.listeners.push(if is_unix { Listener::Unix } else { Listener::Tcp });
    }

    /// Accepts from these sockets in place of those over TCP.
    fn listen_instead(&mut self, sockets: Vec<OwnedFd>) {
        self.core.places.listening.retain(|(_, is_unix)| *is_unix);
        for (number, listener) in self.listeners.iter_mut().enumerate() {
            if *listener == Listener::Tcp {
                *listener = Listener::Closed;
                self.driver.stop_listening(number);
            }
        }
        sockets.into_iter().for_each(|socket| self.listen(socket, false));
    }

    /// Turns until it is told to stop.
    ///
    /// # Errors
    /// The driver's, if it became useless.
    pub fn run(mut self) -> std::io::Result<()> {
        // A client may have come before the first turn: its time begins now and not in 1970.
        self.core.begin_turn(wall_ms());
        loop {
            self.work();
            if self.core.stop {
                break;
            }
            let timeout = self.fall_asleep();
            let before = self.core.stats.ticks();
            self.driver.turn(timeout)?;
            self.wake_up(before);
            self.core.begin_turn(wall_ms());
            self.reap();
        }
        self.drain()
    }

    /// What came from the sockets.
    fn reap(&mut self) {
        while let Some(completion) = self.driver.next() {
            self.core.places.unreaped = self.driver.untaken();
            match completion {
                Completion::Received { token, bytes } => {
                    if let Some(mut conn) = self.core.check_out(token) {
                        self.core.received(&mut conn, self.driver.bytes(&bytes));
                        self.core.check_in(conn);
                    }
                    self.driver.recycle(bytes);
                }
                Completion::Sent { token, buffer, result } => self.sent(token, buffer, result.is_ok()),
                Completion::Ended { token, error } => self.ended(token, error.is_some()),
                Completion::Accepted { listener, result } => self.accepted(listener, result),
                Completion::Stored { number, bytes, is_sync, result } => {
                    self.stored(number, bytes, is_sync, result);
                }
                Completion::Woken => {}
            }
        }
    }

    /// Everything that is not the sockets': mail, the shard's queue, background work, and what is to be sent.
    fn work(&mut self) {
        self.catch_up_with_places();
        self.core.serve_own();
        self.read_mail();
        self.tick();
        self.core.settle();
        self.catch_up_with_places();
        self.write_journal();
        self.publish();
        self.flush();
        self.wake_others();
    }

    fn read_mail(&mut self) {
        while let Some(mail) = self.core.read_mail() {
            match mail {
                Mail::Client(socket, peer) => self.admit(socket, peer),
                Mail::Listen(sockets) => self.listen_instead(sockets),
                Mail::Stop => self.core.stop = true,
                _ => unreachable!("the core reads what is not the loop's"),
            }
        }
    }

    /// A new client of this thread.
    fn admit(&mut self, socket: OwnedFd, peer: Peer) {
        let token = self.core.open_conn(peer);
        self.driver.add(token, socket);
    }

    /// A new connection: it goes to the threads in turn, so that they have equally many.
    fn accepted(&mut self, listener: usize, result: std::io::Result<OwnedFd>) {
        let socket = match result {
            Ok(socket) => socket,
            // What says so is shut, as its port is being changed.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return,
            Err(error) => {
                return crate::log::warning(format_args!("Accepting client connection: {error}"));
            }
        };
        let shared = std::sync::Arc::clone(&self.core.shared);
        let is_unix = self.listeners[listener] == Listener::Unix;
        let peer = crate::server::peer_of(&socket, is_unix, &self.core.config.unixsocket);
        if let Some(refusal) = crate::server::refusal(&shared, &self.core.config, &peer) {
            return crate::server::refuse(&socket, &refusal);
        }
        shared.clients.fetch_add(1, Ordering::Relaxed);
        shared.connections_received.fetch_add(1, Ordering::Relaxed);
        let thread = self.next_thread % shared.shard_count();
        self.next_thread += 1;
        if thread == self.core.id {
            self.admit(socket, peer);
        } else {
            self.core.mail(thread, Mail::Client(socket, peer));
        }
    }

    fn sent(&mut self, token: Token, mut buffer: Vec<u8>, whole: bool) {
        let len = buffer.len();
        self.core.stats.bytes_out += len as u64;
        self.core.stats.writes += 1;
        self.core.output_bytes = self.core.output_bytes.saturating_sub(len);
        buffer.clear();
        if self.core.buffers.len() < BUFFERS_MAX && buffer.capacity() <= BUFFER_BYTES_MAX {
            self.core.buffers.push(buffer);
        }
        let Some(mut conn) = self.core.check_out(token) else { return };
        conn.sending_bytes = 0;
        conn.totals.bytes_out += len as u64;
        if whole {
            self.core.feed_input(&mut conn);
            if (conn.closing || conn.reading_paused) && !conn.listed {
                conn.listed = true;
                self.core.to_flush.push(token);
            }
        } else {
            conn.dead = true;
        }
        self.core.check_in(conn);
    }

    /// Nothing more comes from a connection: it goes as soon as what it asked for is answered.
    fn ended(&mut self, token: Token, broken: bool) {
        let Some(mut conn) = self.core.check_out(token) else { return };
        conn.ended = true;
        if broken || matches!(conn.hold, Some(Hold::Wait)) {
            conn.dead = true;
        } else {
            // Commands that wait for credit or for the end of a pause are carried out before it goes.
            self.core.feed_input(&mut conn);
        }
        self.core.check_in(conn);
    }

    /// Work that comes with time: expiry, freeing, timeouts, what CLIENT PAUSE held.
    fn tick(&mut self) {
        let now_ms = self.core.now_ms;
        let own = self.core.id;
        if let Some(strand) = &mut self.core.strands[own]
            && strand.shard.has_discarded()
        {
            strand.shard.free_some(FREED_MAX);
        }
        let tick_ms = 1000 / i64::from(self.core.config.hz.clamp(1, 500));
        self.core.snapshot_slice();
        self.core.keep_journal();
        self.core.evict_slice();
        self.core.sweep_slice(tick_ms);
        self.core.end_waits();
        self.core.end_sync_waits();
        self.core.end_pause();
        if now_ms < self.next_tick_ms {
            return;
        }
        self.next_tick_ms = now_ms + tick_ms;
        self.core.save_if_due();
        self.core.take_reading();
        self.core.close_idle();
        self.core.give_up_slow_readers();
    }

    fn publish(&self) {
        let own = self.core.id;
        if let Some(strand) = &self.core.strands[own] {
            self.core.shared.published[own].publish(&strand.shard);
        }
    }

    /// One send for each connection that has output, and what else is to be done with sockets.
    fn flush(&mut self) {
        while let Some(token) = self.core.to_flush.pop() {
            let Some(mut conn) = self.core.check_out(token) else { continue };
            conn.dead |= conn.given_up;
            if !conn.dead && !self.core.may_send(&mut conn) {
                self.core.check_in_flushed(conn);
                continue;
            }
            conn.listed = false;
            if !conn.out.is_empty() && conn.sending_bytes == 0 {
                conn.sending_bytes = conn.out.len();
                self.core.output_bytes += conn.out.len();
                let buffer = std::mem::take(&mut conn.out);
                if conn.has_pending() || conn.closing || !conn.input.is_empty() {
                    self.driver.send(token, buffer);
                } else {
                    self.driver.send_quietly(token, buffer);
                }
            }
            let is_done =
                conn.out.is_empty() && conn.sending_bytes == 0 && !conn.has_pending() && conn.hold.is_none();
            conn.dead |= conn.closing && is_done;
            self.hold_back(&mut conn);
            self.core.check_in_flushed(conn);
        }
        for intent in std::mem::take(&mut self.core.intents) {
            match intent {
                Intent::Pause(token) => self.driver.pause(token),
                Intent::Resume(token) => self.driver.resume(token),
                Intent::Remove(token) => {
                    self.driver.remove(token);
                    self.core.free_place(token);
                }
            }
        }
    }

    /// A connection whose input piles up is not read further, until it does not.
    fn hold_back(&mut self, conn: &mut conn::Conn) {
        // An incomplete command may be of any size: only what could be carried out and must wait piles up.
        let too_much = conn.input.rest().len() > INPUT_BYTES_PAUSE && !self.core.may_go_on(conn);
        if too_much != conn.reading_paused && !conn.ended {
            conn.reading_paused = too_much;
            self.core.intents.push(if too_much {
                Intent::Pause(conn.token)
            } else {
                Intent::Resume(conn.token)
            });
        }
    }

    fn wake_others(&mut self) {
        while let Some(thread) = self.core.next_to_wake() {
            if let Some(waker) = self.core.shared.mailboxes[thread].waker() {
                self.driver.wake(waker);
            }
        }
    }

    /// Leaves the strand at the door, if there is nothing to do; gives back how long to wait for something.
    fn fall_asleep(&mut self) -> Option<Duration> {
        if self.core.fall_asleep() { self.patience() } else { Some(Duration::ZERO) }
    }

    /// Takes the strand back, if nobody uses it at the moment.
    fn wake_up(&mut self, before: u64) {
        let stats = &mut self.core.stats;
        let now = stats.ticks();
        stats.turns += 1;
        stats.idle_ticks += now.saturating_sub(before);
        self.core.get_up();
    }

    /// How long nothing needs to be done if nothing comes.
    fn patience(&self) -> Option<Duration> {
        if self.core.has_background_work() {
            return Some(Duration::ZERO);
        }
        let tick = Duration::from_millis((self.next_tick_ms - self.core.now_ms).clamp(1, 1000) as u64);
        let sweep = self.core.sweep_due_in_ms().map(|ms| Duration::from_millis(ms as u64));
        let times_out = self.core.conn_count > 0 && self.core.config.timeout_seconds > 0;
        let wait = self.core.wait_due_in_ms().map(|ms| Duration::from_millis(ms as u64));
        let pause = self.core.pause_due_in_ms().map(|ms| Duration::from_millis(ms as u64));
        let ticks = times_out || self.core.watches_unread;
        let snapshot = self.core.snapshot_due();
        let save = self.core.save_due_in_ms().map(Duration::from_millis);
        let journal = self.core.journal_due_in_ms().into_iter().chain(self.core.sync_wait_due_in_ms()).min();
        let journal = journal.map(|ms| Duration::from_millis(ms as u64));
        let persist = snapshot.into_iter().chain(save).chain(journal).chain(self.gathering_patience());
        ticks.then_some(tick).into_iter().chain(sweep).chain(wait).chain(pause).chain(persist).min()
    }

    /// The last turns: what is in the buffers goes out, for a short while.
    fn drain(mut self) -> std::io::Result<()> {
        let until = wall_ms() + 500;
        let has_output = |conn: &conn::Conn| !conn.out.is_empty() || conn.sending_bytes > 0;
        while wall_ms() < until && self.core.conns().any(has_output)
            || self.is_storing() && wall_ms() < until + STORING_MS_MAX
        {
            self.write_journal();
            let waiting: Vec<_> =
                self.core.conns().filter(|conn| !conn.out.is_empty()).map(|conn| conn.token).collect();
            self.core.to_flush.extend(waiting);
            self.flush();
            self.driver.turn(Some(Duration::from_millis(10)))?;
            while let Some(completion) = self.driver.next() {
                match completion {
                    Completion::Received { bytes, .. } => self.driver.recycle(bytes),
                    Completion::Sent { token, buffer, result } => self.sent(token, buffer, result.is_ok()),
                    Completion::Stored { number, bytes, is_sync, result } => {
                        self.stored(number, bytes, is_sync, result);
                    }
                    _ => {}
                }
            }
        }
        self.core.leave_strand();
        Ok(())
    }
}
