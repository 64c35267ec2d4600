//! The state of one thread, without its sockets: connections, strands in hand, what is to be done at the end of the turn.
//!
//! It never touches the driver. What it wants of it, it leaves in lists ([`Intent`], [`Core::to_flush`]) which the loop
//! works off once a turn; so a simulation can drive it with bytes and look at bytes.
use super::conn::{Conn, Peer, Pool};
use super::evict::policy_of;
use super::expire::Sweeper;
use super::lent::Lent;
use super::places::Places;
use super::snapshot::Pace;
use super::wait::Waits;
use super::waitaof::SyncWait;
use crate::admit::Alerts;
use crate::config::Config;
use crate::coordinate::batch::Run;
use crate::coordinate::sheaf::Sheaf;
use crate::coordinate::survey::Survey;
use crate::latency::{Monitor, Sample};
use crate::net::Token;
use crate::persist::format;
use crate::persist::journal::Job;
use crate::protocol::parse::Span;
use crate::pubsub::{Hearing, Outbox, classes_of};
use crate::queues::{Mail, Strand};
use crate::rates::{Rates, Reading};
use crate::script::Scripting;
use crate::shared::{Paused, Shared, settings_of};
use crate::slowlog::{Entry, Noticed};
use crate::stats::Stats;
use crate::table::table;
use shards::effects::Effects;
use shards::eviction::Policy;
use shards::settings::Settings;
use shards::spec::Flags;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What the loop is to do with a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Intent {
    /// Stop reading it.
    Pause(Token),
    /// Read it again.
    Resume(Token),
    /// Close it.
    Remove(Token),
}

/// A command that was found in a window, to be carried out.
#[derive(Clone, Copy, Debug)]
pub struct Parsed {
    /// Its first argument in the list of spans, and how many it has.
    pub first: usize,
    /// How many arguments it has.
    pub count: usize,
    /// Where it begins in the window.
    pub begin: usize,
    /// Where it ends.
    pub end: usize,
    /// Slot and hash of its first argument, once they are worked out.
    pub hint: Option<(u16, u64)>,
}

/// Lists that are filled and emptied with every window.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The commands found.
    pub parsed: Vec<Parsed>,
    /// Their arguments.
    pub spans: Vec<Span>,
}

/// The state of one thread.
#[derive(Debug)]
pub struct Core {
    /// Which thread it is. It owns the shard of the same number.
    pub id: usize,
    /// What all threads share.
    pub shared: Arc<Shared>,
    /// The configuration, as of the beginning of the turn.
    pub config: Arc<Config>,
    /// The engine's part of it.
    pub settings: Arc<Settings>,
    config_version: u64,
    /// Its connections.
    pub(crate) places: Places,
    /// Connections of this thread.
    pub conn_count: usize,
    /// The strands in hand, by shard: its own, and those it took from the door of a sleeper.
    pub strands: Vec<Option<Strand>>,
    /// The time of this turn, ms since 1970.
    pub now_ms: i64,
    /// Runs to be used again.
    pub pool: Pool,
    /// The run that the connection at hand is filling, and its shard.
    pub open: Option<(usize, Box<Run>)>,
    /// Or what it is binding.
    pub sheaf: Option<Sheaf>,
    /// That connection had unanswered commands elsewhere when it was opened.
    pub(crate) open_is_ahead: bool,
    /// Writes among them.
    pub(crate) open_follows_writes: bool,
    /// Shards whose queue got something: their owner may sleep.
    pub nudged: Vec<bool>,
    /// A queue got something, or a strand of another is in hand.
    pub unsettled: bool,
    /// How long strands of others have been in hand.
    pub(crate) lent: Lent,
    /// Threads that got mail.
    pub mailed: Vec<bool>,
    /// What is to be told of what is being done.
    pub(crate) told: Outbox,
    /// Mail to itself.
    pub own_mail: VecDeque<Mail>,
    /// Connections that have something to send or to be closed.
    pub to_flush: Vec<Token>,
    /// What to do with sockets.
    pub intents: Vec<Intent>,
    /// What is to be done for the journals with files.
    pub(crate) jobs: VecDeque<Job>,
    /// Connections whose replies wait for the journals.
    pub(crate) held: Vec<Token>,
    /// How often it had been told that more is committed when they were looked at last, and when that was, in ms.
    pub(crate) held_seen: (u64, i64),
    /// Connections that wait for the disk.
    pub(crate) sync_waits: Vec<SyncWait>,
    /// When the own shard's journal is looked at next.
    pub(crate) next_sync_ms: i64,
    /// The policy that the journals follow, as far as this thread has seen to it.
    pub(crate) journal_policy: format::Policy,
    /// Emptied buffers, to be filled again.
    pub buffers: Vec<Vec<u8>>,
    /// Bytes of replies that wait for their clients, over all connections.
    pub output_bytes: usize,
    /// Whoever leaves fewer bytes unread meets no limit.
    pub(crate) suspect_bytes: usize,
    /// Some client may be above its soft limit.
    pub(crate) watches_unread: bool,
    /// Effects of the command at hand.
    pub effects: Effects,
    /// What it counts.
    pub stats: Stats,
    /// What runs scripts.
    pub(crate) scripting: Scripting,
    /// Lists of the parser.
    pub scratch: Scratch,
    /// Events that took long.
    pub monitor: Monitor,
    /// Its figures of late.
    pub rates: Rates,
    /// Connections that let a time pass.
    pub(crate) waits: Waits,
    /// When it goes on with the snapshot of its shard.
    pub(crate) pace: Pace,
    /// When it looks for keys whose time has come.
    pub(crate) sweeper: Sweeper,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
    /// What is unusual about the server.
    pub(crate) alerts: Alerts,
    /// Something is.
    pub(crate) alerted: bool,
    /// CLIENT PAUSE holds back commands of some connection here.
    pub(crate) holds_paused: bool,
    /// What is thrown out when memory is short (`maxmemory-policy`), if anything is.
    pub(crate) eviction: Option<Policy>,
    /// Its connections that listen to channels.
    pub(crate) hearing: Hearing,
    /// It stands in for the thread's core, whose connections are to hear what comes by post.
    pub(crate) is_stand_in: bool,
    /// It is to leave its loop.
    pub stop: bool,
}

impl Core {
    /// Thread `id` with the strand that it owns; none where that comes later, by its door.
    #[must_use]
    pub fn new(id: usize, shared: Arc<Shared>, strand: Option<Strand>) -> Core {
        let count = shared.shard_count();
        let config = shared.config();
        let mut strands: Vec<_> = (0..count).map(|_| None).collect();
        strands[id] = strand;
        let mut stats = Stats::default();
        stats.follow(&config);
        let eviction = policy_of(config.maxmemory_policy, config.maxmemory_samples);
        let mut effects = Effects::default();
        effects.listen.events = classes_of(config.notify_keyspace_events);
        let mut core = Core {
            id,
            settings: Arc::new(settings_of(&config)),
            config,
            config_version: shared.config_version(),
            shared,
            places: Places { thread: id, ..Places::default() },
            conn_count: 0,
            strands,
            now_ms: 0,
            pool: Pool::new(),
            open: None,
            sheaf: None,
            open_is_ahead: false,
            open_follows_writes: false,
            nudged: vec![false; count],
            unsettled: false,
            lent: Lent::default(),
            mailed: vec![false; count],
            told: Outbox::default(),
            own_mail: VecDeque::new(),
            to_flush: Vec::new(),
            intents: Vec::new(),
            jobs: VecDeque::new(),
            held: Vec::new(),
            held_seen: (0, 0),
            sync_waits: Vec::new(),
            next_sync_ms: 0,
            journal_policy: format::Policy::default(),
            buffers: Vec::new(),
            output_bytes: 0,
            suspect_bytes: 0,
            watches_unread: false,
            effects,
            stats,
            scripting: Scripting::default(),
            scratch: Scratch::default(),
            monitor: Monitor::default(),
            rates: Rates::default(),
            waits: Waits::default(),
            pace: Pace::default(),
            sweeper: Sweeper::default(),
            active_expire: true,
            alerts: Alerts::default(),
            alerted: false,
            holds_paused: false,
            eviction,
            hearing: Hearing::default(),
            is_stand_in: false,
            stop: false,
        };
        core.adopt_output_limits();
        core.adopt_script_limits();
        core
    }

    /// A turn begins: the time is this, and the configuration is the newest.
    pub fn begin_turn(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.forget_lent();
        self.adopt_config();
        self.adopt_alerts();
    }

    /// Adopts the newest configuration.
    pub fn adopt_config(&mut self) {
        let version = self.shared.config_version();
        if version != self.config_version {
            self.config_version = version;
            self.config = self.shared.config();
            self.adopt_settings();
            self.eviction = policy_of(self.config.maxmemory_policy, self.config.maxmemory_samples);
            self.effects.listen.events = classes_of(self.config.notify_keyspace_events);
            self.shared.measure_memory(self.config.maxmemory_bytes, self.now_ms);
            self.adopt_alerts();
            self.stats.follow(&self.config);
            self.places.slowlog.trim(&self.config);
            self.adopt_output_limits();
            self.adopt_script_limits();
            self.next_sync_ms = 0;
        }
    }

    /// `busy-reply-threshold`.
    fn adopt_script_limits(&mut self) {
        let threshold_ms = self.config.busy_reply_threshold_ms;
        self.scripting.threshold = (threshold_ms > 0).then(|| Duration::from_millis(threshold_ms));
    }

    /// Tells a connection's thread what of its commands took long here.
    #[inline]
    pub(crate) fn tell_noticed(&mut self, thread: usize, token: Token) {
        if !self.stats.noticed.is_empty() {
            let noticed = std::mem::take(&mut self.stats.noticed);
            self.mail(thread, Mail::Noticed(token, noticed));
        }
    }

    /// Keeps what of a connection's commands took long, where that is long enough.
    pub(crate) fn keep_noticed(&mut self, token: Token, noticed: Vec<Noticed>) {
        let conn = self.conns().find(|conn| conn.token == token);
        let (address, name) =
            conn.map(|conn| (conn.peer.address.clone(), conn.session.name.clone())).unwrap_or_default();
        let at_seconds = self.now_ms / 1000;
        let slow_us = u64::try_from(self.config.slowlog_log_slower_than_us).unwrap_or(u64::MAX);
        for command in noticed {
            let latency_ms = command.duration_us / 1000;
            let is_fast = table().entry(command.id).spec.flags.has(Flags::FAST);
            self.note_latency(if is_fast { "fast-command" } else { "command" }, latency_ms);
            if command.duration_us >= slow_us {
                let id = self.shared.next_slowlog_id.fetch_add(1, Ordering::Relaxed);
                let entry = Entry { id, at_seconds, command, address: address.clone(), name: name.clone() };
                self.places.slowlog.add(entry, &self.config);
            }
        }
    }

    /// Its counters, now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        Reading {
            at_ms: self.now_ms,
            commands: self.stats.calls(),
            bytes_in: self.stats.bytes_in,
            bytes_out: self.stats.bytes_out,
            turns: self.stats.turns,
        }
    }

    /// Reads its counters, for the rates; the first thread looks at the memory too, for its peak.
    pub(crate) fn take_reading(&mut self) {
        if self.rates.is_due(self.now_ms) {
            self.rates.add(self.reading());
            if self.id == 0 {
                let bytes = crate::memory::usage().allocated;
                self.shared.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
            }
        }
    }

    /// An event took so long: kept for LATENCY, if that is long enough.
    pub fn note_latency(&mut self, kind: &'static str, latency_ms: u64) {
        let threshold_ms = self.config.latency_monitor_threshold_ms;
        if threshold_ms > 0 && latency_ms >= threshold_ms {
            self.monitor.add(kind, Sample { at_seconds: self.now_ms / 1000, latency_ms });
        }
    }

    /// Gives the engine its part of the configuration.
    pub(crate) fn adopt_settings(&mut self) {
        self.settings = Arc::new(Settings {
            active_expire: self.active_expire,
            keep_expired: self.alerts.paused != Paused::No,
            ..settings_of(&self.config)
        });
    }

    /// A new connection's place.
    pub fn open_conn(&mut self, peer: Peer) -> Token {
        let is_open = self.config.requirepass.is_empty();
        let token = self.places.add(peer, &self.shared, is_open, self.now_ms);
        self.conn_count += 1;
        token
    }

    /// Takes a connection out of its place to work on it; put it back with [`Core::check_in`].
    #[inline]
    pub fn check_out(&mut self, token: Token) -> Option<Box<Conn>> {
        let place = self.places.list.get_mut(token.index as usize)?;
        if place.generation != token.generation { None } else { place.conn.take() }
    }

    /// Whether a connection is still there.
    pub(crate) fn is_there(&self, token: Token) -> bool {
        self.places.list.get(token.index as usize).is_some_and(|place| place.generation == token.generation)
    }

    /// Whether a connection is taken out of its place at the moment.
    pub(crate) fn is_out(&self, token: Token) -> bool {
        let place = self.places.list.get(token.index as usize);
        place.is_some_and(|place| place.generation == token.generation && place.conn.is_none())
    }

    /// Puts a connection back, or lets it go if it died meanwhile.
    #[inline]
    pub fn check_in(&mut self, mut conn: Box<Conn>) {
        self.catch_up(&mut conn);
        self.give_up_unread(&mut conn);
        if conn.may_go() {
            self.let_go(*conn);
            return;
        }
        let needs_flush = !conn.out.is_empty()
            || conn.closing
            || conn.reading_paused
            || conn.input.rest().len() > INPUT_BYTES_PAUSE;
        if needs_flush && !conn.listed {
            conn.listed = true;
            self.to_flush.push(conn.token);
        }
        let index = conn.token.index as usize;
        self.places.list[index].conn = Some(conn);
    }

    /// Puts a connection back that has just been flushed.
    pub fn check_in_flushed(&mut self, conn: Box<Conn>) {
        if conn.may_go() {
            return self.let_go(*conn);
        }
        let index = conn.token.index as usize;
        self.places.list[index].conn = Some(conn);
    }

    /// Closes connections that have been silent for too long (`timeout`).
    pub fn close_idle(&mut self) {
        let timeout_ms = i64::from(self.config.timeout_seconds) * 1000;
        if timeout_ms == 0 {
            return;
        }
        let is_idle = |conn: &&Conn| self.now_ms - conn.active_ms > timeout_ms && conn.hold.is_none();
        let idle: Vec<_> = self.conns().filter(is_idle).map(|conn| conn.token).collect();
        for token in idle {
            if let Some(mut conn) = self.check_out(token) {
                crate::log::verbose(format_args!("Closing idle client id={}", conn.id));
                conn.dead = true;
                self.check_in(conn);
            }
        }
    }

    /// Lets go on what CLIENT PAUSE held, once its time is over.
    pub fn end_pause(&mut self) {
        if !self.holds_paused || self.alerts.paused != Paused::No {
            return;
        }
        self.holds_paused = false;
        let held: Vec<_> = self
            .conns()
            .filter(|conn| conn.hold == Some(super::conn::Hold::Pause))
            .map(|conn| conn.token)
            .collect();
        for token in held {
            if let Some(mut conn) = self.check_out(token) {
                conn.hold = None;
                self.feed_input(&mut conn);
                self.check_in(conn);
            }
        }
    }

    /// How long until what CLIENT PAUSE held goes on, in ms, if something is held.
    pub(crate) fn pause_due_in_ms(&self) -> Option<i64> {
        self.holds_paused.then(|| (self.shared.paused_until_ms() - self.now_ms).max(0))
    }

    /// The socket of a connection is removed: its place is free for another. Not before, since the driver has places too.
    pub fn free_place(&mut self, token: Token) {
        self.places.free.push(token.index);
    }

    /// A connection is over: its socket is to be closed, its WATCH is undone.
    fn let_go(&mut self, mut conn: Conn) {
        self.unwatch(&mut conn);
        self.end_hearing(&mut conn);
        if let Some(ticket) = conn.ticket {
            self.forget_wait(ticket);
        }
        let place = &mut self.places.list[conn.token.index as usize];
        place.generation = (place.generation + 1) & 0x00ff_ffff;
        self.conn_count -= 1;
        self.shared.clients.fetch_sub(1, Ordering::Relaxed);
        self.intents.push(Intent::Remove(conn.token));
    }

    /// Every connection that is in its place.
    pub fn conns(&self) -> impl Iterator<Item = &Conn> {
        self.places.list.iter().filter_map(|place| place.conn.as_deref())
    }

    /// Bytes of memory that the connections take.
    #[must_use]
    pub fn clients_bytes(&self) -> usize {
        self.conns().map(Conn::memory_bytes).sum()
    }

    /// Closes a connection at once, whatever it waits for.
    pub fn close(&mut self, token: Token) {
        if let Some(mut conn) = self.check_out(token) {
            conn.dead = true;
            self.check_in(conn);
        }
    }

    /// Sends mail to a thread; it is woken at the end of the turn.
    pub fn mail(&mut self, thread: usize, mail: Mail) {
        if thread == self.id {
            self.own_mail.push_back(mail);
        } else {
            self.shared.mailboxes[thread].send(mail);
            self.mailed[thread] = true;
        }
    }

    /// Begins to ask every thread.
    pub fn survey(&mut self, survey: &Arc<Survey>) {
        for thread in 0..self.shared.shard_count() {
            self.mail(thread, Mail::Ask(Arc::clone(survey)));
        }
    }
}

/// A connection with more unconsumed input than this is not read further: bytes.
pub const INPUT_BYTES_PAUSE: usize = 256 * 1024;
