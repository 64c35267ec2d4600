//! A connection: what it has sent and not yet got answered, its replies in order, its session.
mod assembly;
mod defer;
mod input;
mod pool;
mod tracking;

pub(crate) use self::assembly::assemble;
pub use self::assembly::{Assembly, Piece};
pub use self::input::Input;
use self::pool::give_back_part;
pub use self::pool::{Pool, give_back};
pub use self::tracking::{Choice, Tracking};
use crate::coordinate::batch::{Origin, Run};
use crate::coordinate::exec::Deferred;
use crate::coordinate::merge::in_order;
use crate::coordinate::unit::{Kind, Unit, Watching};
use crate::net::Token;
use crate::persist::needs::Needs;
use crate::protocol::parse::Parser;
use crate::pubsub::Subscriptions;
use crate::table::CommandId;
use shards::reply::{Reply, Resp};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;

/// Where a connection comes from.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// `address:port`, or the path of the Unix socket with `:0`.
    pub address: String,
    /// The address on our side.
    pub local_address: String,
    /// It came through the Unix socket.
    pub is_unix: bool,
    /// The descriptor's number.
    pub fd: i32,
}

/// Which replies a client wants (CLIENT REPLY).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    /// All.
    #[default]
    On,
    /// None.
    Off,
    /// None for the command that follows.
    SkipNext,
    /// None for the command that is being carried out.
    Skip,
}

/// A transaction between MULTI and EXEC.
#[derive(Debug)]
pub struct Multi {
    /// The commands so far: what EXEC enters, where one shard has it all.
    pub run: Box<Run>,
    /// One of them was refused: EXEC will be.
    pub aborted: bool,
}

impl Multi {
    /// A transaction whose commands gather in this empty run.
    #[must_use]
    pub fn new(run: Box<Run>) -> Multi {
        Multi { run, aborted: false }
    }
}

/// What a client has set up for itself.
#[derive(Debug, Default)]
pub struct Session {
    /// The selected database.
    pub db: u16,
    /// The protocol version.
    pub resp: Resp,
    /// It has authenticated, or need not.
    pub authenticated: bool,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Vec<u8>,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// The open transaction.
    pub multi: Option<Multi>,
    /// So many commands has the transaction that is being carried out.
    pub executing: Option<usize>,
    /// The keys it watches.
    pub watching: Option<Watching>,
    /// The channels and patterns it is subscribed to, while there are any.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// MONITOR.
    pub is_monitor: bool,
    /// CLIENT TRACKING, while it is on.
    pub tracking: Option<Box<Tracking>>,
}

/// What came back.
#[derive(Debug)]
enum Returned {
    Run(Box<Run>),
    Unit(Arc<Unit>),
    Bytes(Vec<u8>),
}

impl Returned {
    /// Bytes of its replies.
    fn bytes_len(&self) -> usize {
        match self {
            Returned::Run(run) => run.reply.bytes.len(),
            Returned::Unit(unit) => {
                (0..unit.parts.len()).map(|index| unit.part(index).reply.bytes.len()).sum()
            }
            Returned::Bytes(bytes) => bytes.len(),
        }
    }
    /// Whether it is a transaction that was given up.
    fn is_aborted(&self) -> bool {
        match self {
            Returned::Run(run) => run.aborted,
            Returned::Unit(unit) => unit.part(0).aborted,
            Returned::Bytes(_) => false,
        }
    }
}

/// Commands that a connection may have under way on other threads: at first, and at most.
const CREDIT_MIN: usize = 64;
const CREDIT_MAX: usize = 4096;
/// Replies that a connection may have under way, if they are as large as the last ones: bytes.
const REPLIES_UNDER_WAY_MAX: usize = 16 << 20;

/// The credit after replies of so many bytes each.
fn credit_after(credit: usize, reply_bytes: usize) -> usize {
    let affordable = (REPLIES_UNDER_WAY_MAX / (reply_bytes + 1)).clamp(1, CREDIT_MAX);
    affordable.min(credit * 2)
}

/// A place in the order of replies that waits for something.
#[derive(Debug)]
struct Pending {
    assembly: Assembly,
    returned: Option<Returned>,
    /// What comes back is not all of the reply: see [`Conn::defer`].
    deferred: bool,
    muted: bool,
    /// Bytes of [`Conn::held`] that come right behind it.
    tail_len: usize,
    commands: usize,
    bytes: usize,
}

/// Why a connection reads no further for now.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Hold {
    /// A question to all threads is under way.
    Survey,
    /// CLIENT PAUSE, until this time (ms since 1970).
    Pause,
    /// It lets a time pass before it is answered, or waits for keys.
    Wait,
    /// Its command may wait for keys, and is under way.
    MayWait,
    /// A transaction whose commands of the server are deferred ([`Conn::defer`]) is under way.
    Exec,
    /// Its next command is a script ([`super::busy`]).
    Turn,
    /// Its next command comes when those before it are answered: listeners are to hear of them in order.
    Order,
}

impl Peer {
    /// Whether it is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.is_unix
            || self.address.starts_with("127.")
            || self.address.starts_with("[::1]")
            || self.address.starts_with("::1")
    }
}

/// A connection.
#[derive(Debug)]
pub struct Conn {
    /// Its place on this thread.
    pub token: Token,
    /// CLIENT ID.
    pub id: u64,
    /// Where it comes from.
    pub peer: Peer,
    /// What it has set up.
    pub session: Session,
    /// What must be committed before its replies may go.
    pub needs: Needs,
    /// Bytes that wait to be parsed.
    pub input: Input,
    /// What is known of the incomplete command among them.
    pub parser: Parser,
    /// So many of its commands are looked at together.
    pub batch: usize,
    /// Replies in order, to be sent.
    pub out: Vec<u8>,
    /// A buffer of so many bytes is on its way.
    pub sending_bytes: usize,
    /// Replies known already that come behind something that is not.
    held: Vec<u8>,
    held_start: usize,
    /// Where the reply that is being written begins.
    reply_start: usize,
    pending: VecDeque<Pending>,
    first_sequence: u64,
    /// Why it reads no further.
    pub hold: Option<Hold>,
    /// Something unanswered publishes messages when it is carried out, on some shards: nothing may take effect on others before.
    pub publishes: bool,
    /// Something unanswered is to be written down in journals.
    pub writes: bool,
    /// Its ticket, while it waits.
    pub ticket: Option<u64>,
    /// Commands of the server that wait for the shards' verdict on their transaction.
    pub deferred: Option<Box<Deferred>>,
    /// It left too much unread: it is closed with the next flush, whatever waits for it.
    pub given_up: bool,
    /// Since when more of its output waits than the soft limit allows, ms since 1970.
    pub over_soft_since_ms: Option<i64>,
    /// Its input is not read from the socket at the moment.
    pub reading_paused: bool,
    /// It is in the list of connections with something to flush.
    pub listed: bool,
    /// Nothing more will come from it.
    pub ended: bool,
    /// It is closed as soon as its replies are out.
    pub closing: bool,
    /// It is gone.
    pub dead: bool,
    /// Commands and bytes of requests under way on other threads.
    pub in_flight: (usize, usize),
    /// How many commands may be: few at first, more as their replies turn out to be small.
    pub credit: usize,
    /// Bytes of replies that came back and wait for those before them.
    returned_bytes: usize,
    /// The last command.
    pub last_command: Option<CommandId>,
    /// When it came, ms since 1970.
    pub created_ms: i64,
    /// When it last sent something, ms since 1970.
    pub active_ms: i64,
    /// Bytes received and sent, and commands, in all.
    pub totals: Totals,
}

/// What a connection has done in all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Commands.
    pub commands: u64,
}

impl Conn {
    /// A new connection.
    #[must_use]
    pub fn new(token: Token, id: u64, peer: Peer, now_ms: i64) -> Conn {
        Conn {
            token,
            id,
            peer,
            session: Session::default(),
            needs: Needs::default(),
            input: Input::default(),
            parser: Parser::default(),
            batch: 1,
            out: Vec::new(),
            sending_bytes: 0,
            held: Vec::new(),
            held_start: 0,
            reply_start: 0,
            pending: VecDeque::new(),
            first_sequence: 0,
            hold: None,
            publishes: false,
            writes: false,
            ticket: None,
            deferred: None,
            given_up: false,
            over_soft_since_ms: None,
            reading_paused: false,
            listed: false,
            ended: false,
            closing: false,
            dead: false,
            in_flight: (0, 0),
            credit: CREDIT_MIN,
            returned_bytes: 0,
            last_command: None,
            created_ms: now_ms,
            active_ms: now_ms,
            totals: Totals::default(),
        }
    }

    /// Whether some command of it is unanswered.
    #[inline]
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// How many places in the order of replies are kept.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The writer for a reply that is known now. Give it back with [`Conn::end_reply`].
    #[inline]
    #[must_use]
    pub fn begin_reply(&mut self) -> Reply {
        let place = if self.pending.is_empty() { &mut self.out } else { &mut self.held };
        self.reply_start = place.len();
        Reply { bytes: std::mem::take(place), resp: self.session.resp }
    }

    /// The reply is written; a client that wants none does not get it.
    #[inline]
    pub fn end_reply(&mut self, mut reply: Reply) {
        if self.session.reply_mode != ReplyMode::On && self.is_muted() {
            reply.bytes.truncate(self.reply_start);
        }
        match self.pending.back_mut() {
            None => self.out = reply.bytes,
            Some(last) => {
                last.tail_len += reply.bytes.len() - self.reply_start;
                self.held = reply.bytes;
            }
        }
    }

    /// What is written of the reply so far is a push, which a client gets whether it wants replies or not.
    pub fn keep_written(&mut self, reply: &Reply) {
        self.reply_start = reply.bytes.len();
    }

    /// Puts something that is no reply behind the replies that are known or awaited.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.pending.back_mut() {
            None => self.out.extend_from_slice(bytes),
            Some(last) => {
                last.tail_len += bytes.len();
                self.held.extend_from_slice(bytes);
            }
        }
    }

    /// Whether it speaks RESP2 and has subscribed to something: then it may do little else.
    #[inline]
    #[must_use]
    pub fn is_listener_only(&self) -> bool {
        self.session.subscriptions.is_some() && self.session.resp == Resp::V2
    }

    /// Whether the reply of the command that is being carried out is not wanted.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        matches!(self.session.reply_mode, ReplyMode::Off | ReplyMode::Skip)
    }

    /// Keeps a place in the order of replies for something that leaves the thread. Gives back its sequence number.
    pub fn expect(&mut self, assembly: Assembly, commands: usize, bytes: usize) -> u64 {
        let muted = self.is_muted();
        self.pending.push_back(Pending {
            assembly,
            returned: None,
            deferred: false,
            muted,
            tail_len: 0,
            commands,
            bytes,
        });
        self.in_flight.0 += commands;
        self.in_flight.1 += bytes;
        self.first_sequence + self.pending.len() as u64 - 1
    }

    /// The place that was kept last, to count more commands into it.
    pub fn expect_more(&mut self, commands: usize, bytes: usize) {
        if let Some(last) = self.pending.back_mut() {
            last.commands += commands;
            last.bytes += bytes;
            self.in_flight.0 += commands;
            self.in_flight.1 += bytes;
        }
    }

    /// A run came back.
    pub fn ran(&mut self, run: Box<Run>, pool: &mut Pool) {
        let sequence = run.origin.sequence;
        self.fill(sequence, Returned::Run(run), pool);
    }

    /// A unit came back.
    pub fn done(&mut self, unit: Arc<Unit>, pool: &mut Pool) {
        let sequence = unit.origin.sequence;
        self.fill(sequence, Returned::Unit(unit), pool);
    }

    /// Something that was awaited is answered with these bytes.
    pub fn answered(&mut self, sequence: u64, bytes: Vec<u8>, pool: &mut Pool) {
        self.fill(sequence, Returned::Bytes(bytes), pool);
    }

    fn fill(&mut self, sequence: u64, returned: Returned, pool: &mut Pool) {
        let Some(index) = sequence.checked_sub(self.first_sequence) else { return };
        let Some(pending) = self.pending.get_mut(index as usize) else { return };
        debug_assert!(pending.returned.is_none(), "an answer comes once");
        let bytes = returned.bytes_len();
        self.returned_bytes += bytes;
        self.credit = credit_after(self.credit, bytes / pending.commands.max(1));
        pending.returned = Some(returned);
        self.in_flight.0 -= pending.commands;
        self.in_flight.1 -= pending.bytes;
        self.release(pool);
    }

    /// Moves the replies that are there, up to the first that is not, to the output.
    fn release(&mut self, pool: &mut Pool) {
        while self.pending.front().is_some_and(|first| first.returned.is_some() && !first.deferred) {
            self.release_first(pool);
        }
    }

    /// What it waited for to keep its order is answered, if all is.
    pub fn end_order(&mut self) {
        if matches!(self.hold, Some(Hold::Order | Hold::MayWait)) && !self.has_pending() {
            self.hold = None;
        }
    }

    /// Moves the first reply, which is there, and what is known behind it to the output.
    fn release_first(&mut self, pool: &mut Pool) {
        let Some(first) = self.pending.pop_front() else { return };
        self.first_sequence += 1;
        self.returned_bytes -= first.returned.as_ref().map_or(0, Returned::bytes_len);
        let start = self.out.len();
        match first.returned {
            Some(Returned::Run(run)) => {
                assemble(&first.assembly, &[&run.reply.bytes], run.aborted, run.reply.resp, &mut self.out);
                give_back(pool, run);
            }
            Some(Returned::Unit(unit)) => {
                let mut parts: SmallVec<[_; 8]> =
                    (0..unit.parts.len()).map(|index| unit.part(index)).collect();
                let replies: SmallVec<[&[u8]; 8]> = parts.iter().map(|part| &part.reply.bytes[..]).collect();
                match &unit.kind {
                    Kind::Sheaf(order) => {
                        in_order(&replies, order, &mut self.out);
                        drop(replies);
                        parts.iter_mut().for_each(|part| give_back_part(pool, unit.origin, part));
                    }
                    _ => {
                        let (aborted, resp) = (parts[0].aborted, parts[0].reply.resp);
                        assemble(&first.assembly, &replies, aborted, resp, &mut self.out);
                    }
                }
            }
            Some(Returned::Bytes(bytes)) => self.out.extend_from_slice(&bytes),
            None => {}
        }
        if first.muted {
            self.out.truncate(start);
        }
        let held_end = self.held_start + first.tail_len;
        self.out.extend_from_slice(&self.held[self.held_start..held_end]);
        self.held_start = held_end;
        if self.pending.is_empty() {
            self.held.clear();
            self.held.shrink_to(64 * 1024);
            self.held_start = 0;
            (self.publishes, self.writes) = (false, false);
        }
    }

    /// Bytes of replies that the client has not taken yet.
    #[must_use]
    pub fn output_bytes(&self) -> usize {
        self.out.len() + self.sending_bytes + self.returned_bytes + self.held.len() - self.held_start
    }

    /// How many of them wait for an earlier reply.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.len() - self.held_start
    }

    /// Whether the last place that was kept is for a reply that is not wanted.
    #[must_use]
    pub fn is_last_muted(&self) -> bool {
        self.pending.back().is_some_and(|last| last.muted)
    }

    /// Bytes of memory that this connection takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Conn>()
            + self.input.bytes.capacity()
            + self.out.capacity()
            + self.held.capacity()
            + self.returned_bytes
            + self.sending_bytes
            + self.pending.capacity() * size_of::<Pending>()
            + self.in_flight.1
            + self.session.name.capacity()
            + self.session.multi.as_ref().map_or(0, |multi| multi.run.batch.bytes_len())
    }

    /// An origin for what leaves the thread now.
    #[must_use]
    pub fn origin(&self, thread: usize, sequence: u64) -> Origin {
        Origin { thread, token: self.token, sequence }
    }
}
