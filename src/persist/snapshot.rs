//! A snapshot under way: what its shards and the thread that writes its files know of each other.
//!
//! ```text
//!   unit over all shards ──begin──→ each shard ──Begun, chunks, Ended──→ the writer's thread ──→ temp-… ──fsync, rename──→ file
//! ```
//!
//! The sweeps pause while the writer has too much in hand; what commands are about to change is sent all the same, so no command ever
//! waits. The snapshot is over when the writer is through *and* every shard is: only then may another one begin, since entries tell by one bit
//! whether they are written. One that failed is swept to its end too, without writing.
mod writer;

use crate::coordinate::unasked::Errand;
use crate::shared::Shared;
use shards::rdb::{VERSION_COMMON, VERSION_VALKEY};
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::snapshot::{Chunk, Manner};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The sweeps pause while the writer has more bytes in hand.
const IN_HAND_BYTES_MAX: usize = 8 << 20;

/// Where it is written to. Each file gets its name when it is whole and on the disk.
#[derive(Clone, Debug)]
pub enum Sinks {
    /// All shards into one file.
    One(PathBuf),
    /// Each shard into a file of its own.
    PerShard(Vec<PathBuf>),
}

/// What is wanted of a snapshot.
#[derive(Clone, Debug)]
pub struct Order {
    /// Where it is written to.
    pub sinks: Sinks,
    /// The part of it that the engine does.
    pub manner: Manner,
    /// What commands run with.
    pub settings: Arc<Settings>,
    /// The files end in a checksum (`rdbchecksum`).
    pub has_checksum: bool,
    /// The files are bases of append-only files.
    pub is_aof_base: bool,
    /// Who has the libraries of functions: as they are when it begins, they come into the first file.
    pub shared: Arc<Shared>,
    /// Direct I/O is wanted.
    pub wants_direct: bool,
    /// How many shards there are.
    pub shard_count: usize,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it failed, in words.
    pub result: Result<(), String>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Keys in them.
    pub keys: u64,
}

/// What comes to the writer.
#[derive(Debug)]
enum Message {
    /// A shard has begun: what it holds.
    Begun(Holding),
    /// Keys of a shard.
    Chunk(usize, Chunk),
    /// A shard has sent all.
    Ended,
}

/// What a shard held when the snapshot began.
#[derive(Debug)]
struct Holding {
    shard: usize,
    version: u16,
    /// For each database with keys: its number, keys, and keys that expire.
    databases: Vec<(u16, u64, u64)>,
    /// With the first shard, the code of the libraries of functions.
    functions: Vec<Vec<u8>>,
}

/// What is done when it is over.
type Then = Box<dyn FnOnce(&Outcome) + Send>;

/// A snapshot under way.
pub struct Snapshot {
    order: Order,
    sender: Sender<Message>,
    in_hand_bytes: AtomicUsize,
    /// It failed, or nobody wants it any more.
    is_given_up: AtomicBool,
    is_unwanted: AtomicBool,
    has_begun: AtomicBool,
    why: Mutex<Option<String>>,
    keys_done: AtomicU64,
    keys_total: AtomicU64,
    /// Changes of all shards when it began.
    dirty: AtomicU64,
    /// Shards that have not ended, and the writer.
    missing: AtomicUsize,
    outcome: Mutex<Option<Outcome>>,
    is_over: (Mutex<bool>, Condvar),
    then: Mutex<Option<Then>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Snapshot")
            .field("keys_done", &self.keys_done)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl Snapshot {
    /// Makes ready to take one: starts the thread that writes. It begins when it is run as an errand over all shards; `then` is called
    /// when it is over, on whichever thread that happens.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn prepare(
        order: Order,
        then: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Result<Arc<Snapshot>, String> {
        let (sender, receiver): (_, Receiver<Message>) = channel();
        let shard_count = order.shard_count;
        let snapshot = Arc::new(Snapshot {
            order,
            sender,
            in_hand_bytes: AtomicUsize::new(0),
            is_given_up: AtomicBool::new(false),
            is_unwanted: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            why: Mutex::new(None),
            keys_done: AtomicU64::new(0),
            keys_total: AtomicU64::new(0),
            dirty: AtomicU64::new(0),
            missing: AtomicUsize::new(shard_count + 1),
            outcome: Mutex::new(None),
            is_over: (Mutex::new(false), Condvar::new()),
            then: Mutex::new(Some(Box::new(then))),
        });
        let writes = Arc::clone(&snapshot);
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            crate::topology::unpin();
            crate::process::stand_back();
            let outcome = writer::write(&writes, &receiver);
            drop(receiver);
            *lock(&writes.outcome) = Some(outcome);
            writes.leave();
        });
        spawned.map_err(|error| format!("Can't start a thread: {error}"))?;
        Ok(snapshot)
    }

    /// Begins with a shard in hand.
    pub fn begin(&self, shard: &mut Shard) {
        shard.begin_snapshot(self.order.manner, &self.order.settings);
        self.has_begun.store(true, Ordering::Relaxed);
        let lens = |(db, held): (usize, &shards::shard::Db)| {
            (db as u16, held.table.len() as u64, held.table.volatile_len() as u64)
        };
        let databases: Vec<_> =
            shard.dbs.iter().enumerate().map(lens).filter(|(_, keys, _)| *keys > 0).collect();
        let has_timed = shard.dbs.iter().any(|db| db.timed_len() > 0);
        let version = if has_timed { VERSION_VALKEY } else { VERSION_COMMON };
        // They change in units over all shards, so those of the first one's turn are those of all.
        let codes = (shard.index == 0).then(|| self.order.shared.scripts.library_codes());
        let functions = codes.into_iter().flatten().map(Vec::from).collect();
        self.keys_total.fetch_add(shard.len() as u64, Ordering::Relaxed);
        self.dirty.fetch_add(shard.counts.dirty, Ordering::Relaxed);
        self.send(Message::Begun(Holding { shard: shard.index, version, databases, functions }));
    }

    /// Goes on with a shard in hand for a step: sends what is ready, sweeps on unless the writer has too much in hand. Whether that was
    /// the shard's last step, and whether there is something to do at once.
    pub fn step(&self, shard: &mut Shard, budget: usize, now_ms: i64) -> Progress {
        if self.is_given_up.load(Ordering::Relaxed) {
            shard.give_up_snapshot();
        }
        self.send_ready(shard);
        if self.is_clogged() {
            return Progress::Clogged;
        }
        let is_done = shard.sweep_snapshot(budget, now_ms);
        self.send_ready(shard);
        if !is_done {
            return Progress::More;
        }
        self.send(Message::Ended);
        self.leave();
        Progress::Done
    }

    /// Sends the chunks of a shard that are complete.
    pub fn send_ready(&self, shard: &mut Shard) {
        while let Some(chunk) = shard.take_chunk() {
            self.in_hand_bytes.fetch_add(chunk.weight_bytes, Ordering::Relaxed);
            self.send(Message::Chunk(shard.index, chunk));
        }
    }

    /// Whether the writer has too much in hand.
    #[must_use]
    pub fn is_clogged(&self) -> bool {
        !self.is_given_up.load(Ordering::Relaxed)
            && self.in_hand_bytes.load(Ordering::Relaxed) > IN_HAND_BYTES_MAX
    }

    /// Nobody wants it any more, for this reason, which is its outcome unless it has one.
    pub fn give_up(&self, why: &str) {
        self.is_unwanted.store(!self.is_given_up.load(Ordering::Relaxed), Ordering::Relaxed);
        self.fail(why);
    }

    /// Whether it has begun on some shard.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Whether it was given up before it failed.
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        self.is_unwanted.load(Ordering::Relaxed)
    }

    /// It cannot be written, for this reason.
    fn fail(&self, why: &str) {
        lock(&self.why).get_or_insert_with(|| why.to_owned());
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Keys that are written, and keys there are, of what was there when it began.
    #[must_use]
    pub fn keys(&self) -> (u64, u64) {
        (self.keys_done.load(Ordering::Relaxed), self.keys_total.load(Ordering::Relaxed))
    }

    /// How many changes there had been in all when it began.
    #[must_use]
    pub fn dirty(&self) -> u64 {
        self.dirty.load(Ordering::Relaxed)
    }

    /// How the writing ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        lock(&self.outcome).clone()
    }

    /// Waits until it is over. Not for a thread that has to go on with it.
    pub fn wait(&self) -> Outcome {
        let (over, ended) = &self.is_over;
        let mut is_over = lock(over);
        while !*is_over {
            is_over = ended.wait(is_over).unwrap_or_else(PoisonError::into_inner);
        }
        self.outcome().expect("it is over when the writer has left, which says how it ended before")
    }

    fn send(&self, message: Message) {
        // After it failed nobody receives.
        drop(self.sender.send(message));
    }

    /// A shard, or the writer, is through with it.
    fn leave(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let then = lock(&self.then).take();
        if let (Some(then), Some(outcome)) = (then, self.outcome()) {
            then(&outcome);
        }
        *lock(&self.is_over.0) = true;
        self.is_over.1.notify_all();
    }
}

/// How a shard stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// There is, but the writer has too much in hand.
    Clogged,
    /// The shard is through.
    Done,
}

impl Errand for Snapshot {
    fn run(&self, shards: &mut [Box<Shard>], _now_ms: i64, _reply: &mut Reply) {
        shards.iter_mut().for_each(|shard| self.begin(shard));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
