//! A batch of commands on its way to a shard: the bytes of the arguments, copied once, and where each begins.
use super::unasked::Errand;
use super::unit::Watching;
use crate::net::Token;
use crate::pubsub::Author;
use crate::table::CommandId;
use crate::thread::conn::Conn;
use shards::keyspace::Hashed;
use shards::memory::prefetch;
use shards::reply::{Reply, Resp};
use shards::tail::Point;
use shards::waiting::Waiter;
use smallvec::SmallVec;
use std::sync::Arc;

/// The arguments of a command, as commands take them.
pub type ArgVec<'a> = SmallVec<[&'a [u8]; 12]>;

/// One command of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Queued {
    /// Which command.
    pub id: CommandId,
    /// The selected database.
    pub db: u16,
    /// Where its arguments begin.
    first: u32,
    count: u32,
    /// Slot and hash of its first key, if it was worked out.
    hint: Option<(u16, u64)>,
}

impl Queued {
    /// Slot and hash of its first key, if they were worked out.
    #[inline]
    #[must_use]
    pub fn place(&self) -> Option<(u16, u64)> {
        self.hint
    }
}

/// Commands with their arguments.
///
/// Made to cross cores in few cache lines: the arguments stand in one buffer, each behind its length (four bytes,
/// little-endian), and what is known of the commands stands in the batch itself as long as they are few.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// The commands.
    pub commands: SmallVec<[Queued; 3]>,
    /// The protocol version of the replies.
    pub resp: Resp,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// The keys that they read are tracked (CLIENT TRACKING).
    pub remembers: bool,
    /// Whose they are, if somebody looked on when they were entered.
    pub author: Option<Arc<Author>>,
}

impl Batch {
    /// Adds a command.
    pub fn push<'a>(
        &mut self,
        id: CommandId,
        db: u16,
        args: impl IntoIterator<Item = &'a [u8]>,
        hint: Option<Hashed<'_>>,
    ) {
        let first = self.bytes.len() as u32;
        let mut count = 0;
        for arg in args {
            self.bytes.extend_from_slice(&(arg.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(arg);
            count += 1;
        }
        let hint = hint.map(|key| (key.slot, key.hash));
        self.commands.push(Queued { id, db, first, count, hint });
    }
    /// Adds a command of another batch.
    pub fn push_from(&mut self, other: &Batch, command: Queued) {
        let hint = command.hint.map(|(slot, hash)| Hashed { bytes: &[], hash, slot });
        self.push(command.id, command.db, other.args(command), hint);
    }
    /// Whether its connection has set up the same as this one's.
    #[must_use]
    pub fn is_set_up_as(&self, conn: &Conn) -> bool {
        let session = &conn.session;
        (self.resp, self.no_touch, self.remembers) == (session.resp, session.no_touch, conn.remembers())
    }
    /// The arguments of one of the commands.
    #[inline]
    #[must_use]
    pub fn args(&self, command: Queued) -> ArgVec<'_> {
        let mut rest = &self.bytes[command.first as usize..];
        (0..command.count).map(|_| take_arg(&mut rest)).collect()
    }
    /// The arguments of one of the commands, where they are exactly so many.
    #[inline]
    #[must_use]
    pub fn exact_args<const N: usize>(&self, command: Queued) -> Option<[&[u8]; N]> {
        let mut rest = &self.bytes[command.first as usize..];
        (command.count as usize == N).then(|| std::array::from_fn(|_| take_arg(&mut rest)))
    }
    /// The hashed first key of a command whose arguments are `args`, if its place is 1.
    #[inline]
    #[must_use]
    pub fn hint<'a>(&self, command: Queued, args: &[&'a [u8]]) -> Option<Hashed<'a>> {
        let (slot, hash) = command.hint?;
        args.get(1).map(|bytes| Hashed { bytes, hash, slot })
    }
    /// Has the processor fetch the arguments.
    #[inline]
    pub fn look_at(&self) {
        prefetch(self.bytes.as_ptr());
        prefetch(self.bytes.as_ptr().wrapping_add(64));
    }
    /// Bytes that it holds.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
    /// Whether more fits in: offsets are of 32 bits.
    #[must_use]
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes.len() + bytes < u32::MAX as usize
    }
    /// Forgets the commands and keeps the room, unless that is large.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.commands.clear();
        self.author = None;
        self.bytes.shrink_to(64 * 1024);
        if self.commands.capacity() > 1024 {
            self.commands = SmallVec::new();
        }
    }
}

/// Takes the first argument off a buffer of them.
#[inline]
fn take_arg<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, tail) = rest.split_first_chunk().expect("an argument stands behind its length");
    let (arg, tail) = tail.split_at(u32::from_le_bytes(*len) as usize);
    *rest = tail;
    arg
}

/// Whom a reply is for.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The connection's thread.
    pub thread: usize,
    /// The connection.
    pub token: Token,
    /// Its place among the connection's replies.
    pub sequence: u64,
}

/// What a run does beside its commands.
#[derive(Debug, Default)]
pub enum Act {
    /// Nothing.
    #[default]
    Commands,
    /// It is one transaction, under a WATCH or not.
    Exec(Option<Watching>),
    /// It begins to watch the keys named.
    Watch(Watching),
    /// It ceases to. Nobody waits for the reply.
    Unwatch(Watching),
    /// Its one command may wait for keys, under this ticket.
    Wait(u64),
    /// The command of one that waits is tried again, all its shards being in hand. Who waits is told how that ended, by mail.
    Retry(Arc<Waiter>),
    /// One that waits no longer leaves the queues of its keys. Nobody waits for the reply.
    Leave(Arc<Waiter>),
    /// The server's own business: before the commands, if there are any.
    Errand(Arc<dyn Errand>),
}

/// Commands of one connection for one shard, with room for their replies.
#[derive(Debug)]
pub struct Run {
    /// Who waits for the replies.
    pub origin: Origin,
    /// The commands.
    pub batch: Batch,
    /// What else.
    pub act: Act,
    /// When it was entered, ms since 1970.
    pub entered_ms: i64,
    /// What its connection did before on other shards, as far as that is not committed.
    pub after: SmallVec<[Point; 2]>,
    /// What must be committed before its replies may be seen.
    pub need: Point,
    /// The replies, one after another.
    pub reply: Reply,
    /// It was a transaction, and a watched key had changed: nothing was done.
    pub aborted: bool,
    /// Its command waits, and has no reply yet.
    pub waits: Option<Arc<Waiter>>,
}

impl Run {
    /// Has the processor fetch it: it was another core's.
    #[inline]
    pub fn look_at(&self) {
        let start: *const u8 = std::ptr::from_ref(self).cast();
        (0..size_of::<Run>()).step_by(64).for_each(|at| prefetch(start.wrapping_add(at)));
    }
    /// Has the processor fetch the reply.
    #[inline]
    pub fn look_at_reply(&self) {
        prefetch(self.reply.bytes.as_ptr());
    }
    /// An empty run.
    #[must_use]
    pub fn new(origin: Origin) -> Run {
        Run {
            origin,
            batch: Batch::default(),
            act: Act::Commands,
            entered_ms: 0,
            after: SmallVec::new(),
            need: Point::default(),
            reply: Reply::default(),
            aborted: false,
            waits: None,
        }
    }
}
