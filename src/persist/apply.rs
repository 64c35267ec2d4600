//! Appliers: what builds a dataset on all cores while one thread reads files.
//!
//! ```text
//!   reader ── value(head, bytes) ──→ lane of the key's shard ── batches ──→ its thread: decode, insert
//!          ── command(db, args) ───→ lane, or lanes ──────────────────────→ its thread: execute
//!          ── command over several shards: the lanes are waited for, their shards lent, and lent back
//!   finish: the shards
//! ```
//!
//! Each shard has a thread that owns it meanwhile, and a bounded channel of batches: so the reader is never far ahead and memory
//! stays flat. What concerns one shard is done in the order in which it was handed over; between shards there is no order, except
//! that a command over several of them comes after all that was handed over for them before, and before all that comes behind.
//!
//! Nothing expires meanwhile ([`shards::settings::Settings::loading_at_ms`]), nobody listens, nothing is recorded.
//!
//! **Use**: [`Appliers::start`]; for each file [`Appliers::value`] and [`Appliers::command`], with [`Appliers::mark`] before them so that
//! errors tell where; [`Appliers::settle`] at the end of a file; [`Appliers::finish`]. An error of any of them is final: what is left
//! to do then is to finish.
mod batch;
mod gather;
mod lane;
#[cfg(test)]
mod tests;

use self::batch::Batch;
use self::lane::{Work, Worker};
use crate::script::Scripting;
use crate::shared::{Shared, settings_of};
use crate::stats::Stats;
use shards::effects::Effects;
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::slot::{shard_of_slot, slot_of};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Batches that wait for a lane, at most.
const BATCHES_AHEAD: usize = 8;
/// A batch of more bytes is waited for before the next one is sent.
const BYTES_HUGE: usize = 8 << 20;
/// Errors and oddities of one kind that are written to the log one by one.
const TOLD_MAX: u64 = 10;

/// Why a dataset cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Where in its file, as [`Appliers::mark`] said; none where it is no place.
    pub at: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Trouble {
    /// A trouble of no place.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble { at: None, what: what.into() }
    }
    /// The same, at this place of its file if it has none yet.
    #[must_use]
    pub fn at(self, at: u64) -> Trouble {
        Trouble { at: self.at.or(Some(at)), ..self }
    }
}

/// What becomes of a value whose key is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// It is an error: in one file each key stands once.
    #[default]
    Refuse,
    /// It takes the place of the other (DEBUG RELOAD MERGE).
    Replace,
}

/// How a dataset is to be loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// The time as of which it is loaded, ms since 1970.
    pub at_ms: i64,
    /// What becomes of values whose keys are there.
    pub duplicates: Duplicates,
}

/// How recently, or how often, a key was used, where its file tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Used {
    /// It does not: the key is as one made now.
    #[default]
    Untold,
    /// So many seconds ago (LRU).
    IdleSeconds(u64),
    /// So often (LFU).
    Frequency(u8),
}

/// What a file says of a value before the value itself.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The database.
    pub db: u16,
    /// The key.
    pub key: &'a [u8],
    /// The type, as an RDB file names it.
    pub kind: u8,
    /// The version of the RDB format.
    pub version: u16,
    /// When it expires, ms since 1970.
    pub expires_at_ms: Option<i64>,
    /// When it was used.
    pub used: Used,
}

/// Which piece of a value some bytes are. Pieces hold whole elements, as [`shards::rdb::Extent`] tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Whole,
    /// The beginning.
    First,
    /// More of it.
    Middle,
    /// The end.
    Last,
}

impl Piece {
    fn is_last(self) -> bool {
        matches!(self, Piece::Whole | Piece::Last)
    }
}

/// What the lanes have to tell.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    failed: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
    empty: AtomicU64,
    errors: AtomicU64,
}

impl Verdicts {
    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
    fn fail(&self, trouble: Trouble) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
        self.failed.store(true, Ordering::Release);
    }
    fn check(&self) -> Result<(), Trouble> {
        if !self.has_failed() {
            return Ok(());
        }
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Err(trouble.unwrap_or_else(|| Trouble::new("an unknown failure")))
    }
    /// A collection without elements, as some servers have left them behind: there is no such key.
    fn passed_over_empty(&self, key: &[u8]) {
        if self.empty.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            crate::log::notice(format_args!("Loading skips an empty value: {}", lane::name(key)));
        }
    }
    fn answered_with_error(&self, reply: &[u8], command: &str) {
        if self.errors.fetch_add(1, Ordering::Relaxed) < TOLD_MAX {
            let text = String::from_utf8_lossy(reply.trim_ascii_end());
            crate::log::warning(format_args!(
                "A command of the dataset, '{command}', is answered with {text}"
            ));
        }
    }
}

/// A shard's thread, as the reader sees it.
#[derive(Debug)]
struct Lane {
    open: Box<Batch>,
    sender: SyncSender<Work>,
    lent: Receiver<Box<Shard>>,
    back: SyncSender<Box<Shard>>,
    thread: JoinHandle<Option<Box<Shard>>>,
}

/// The appliers of all shards.
#[derive(Debug)]
pub struct Appliers {
    shared: Arc<Shared>,
    settings: Settings,
    plan: Plan,
    lanes: Vec<Lane>,
    emptied: Receiver<Box<Batch>>,
    verdicts: Arc<Verdicts>,
    at: u64,
    /// What runs scripts, and commands over several shards.
    scripting: Scripting,
    stats: Stats,
    effects: Effects,
    reply: Reply,
}

impl Appliers {
    /// Starts a thread for each of the shards, which are all there are, in order.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(shards: Vec<Box<Shard>>, shared: &Arc<Shared>, plan: Plan) -> Result<Appliers, Trouble> {
        let settings = Settings { loading_at_ms: Some(plan.at_ms), ..settings_of(&shared.config()) };
        let verdicts = Arc::new(Verdicts::default());
        let (emptied, empties) = channel();
        let mut lanes = Vec::with_capacity(shards.len());
        for mut shard in shards {
            shard.now_ms = 0;
            let (sender, inbox) = sync_channel(BATCHES_AHEAD);
            let (lent, borrowed) = sync_channel(1);
            let (back, returned) = sync_channel(1);
            let name = format!("load-{}", shard.index);
            let worker = Worker {
                shared: Arc::clone(shared),
                shard,
                settings: settings.clone(),
                plan,
                verdicts: Arc::clone(&verdicts),
                inbox,
                emptied: emptied.clone(),
                lent,
                back: returned,
                growing: None,
                hashes: Vec::new(),
                effects: Effects::default(),
                reply: Reply::default(),
            };
            let spawned = std::thread::Builder::new().name(name).spawn(move || worker.run());
            let thread = spawned.map_err(|error| Trouble::new(format!("Can't start a thread: {error}")))?;
            lanes.push(Lane { open: Box::default(), sender, lent: borrowed, back, thread });
        }
        Ok(Appliers {
            shared: Arc::clone(shared),
            settings,
            plan,
            lanes,
            emptied: empties,
            verdicts,
            at: 0,
            scripting: Scripting::default(),
            stats: Stats::default(),
            effects: Effects::default(),
            reply: Reply::default(),
        })
    }

    /// What is handed over from now on stands at this place of its file: errors say so.
    #[inline]
    pub fn mark(&mut self, at: u64) {
        self.at = at;
    }

    /// Gives a key a value: `bytes` are the value as RDB files have it, or a piece of it. The pieces of one value come in order,
    /// with nothing between them, each with the same head.
    ///
    /// # Errors
    /// There is no such database; or a lane has failed before.
    #[inline]
    pub fn value(&mut self, head: &Head<'_>, bytes: &[u8], piece: Piece) -> Result<(), Trouble> {
        self.check_db(head.db)?;
        let slot = slot_of(head.key);
        let lane = shard_of_slot(slot, self.lanes.len());
        self.lanes[lane].open.add_value(self.at, slot, head, bytes, piece);
        self.send_full(lane)
    }

    /// Sends what has gathered for all lanes, waits until all of it is done, and tells whether that went well.
    ///
    /// # Errors
    /// Those of all that was handed over so far.
    pub fn settle(&mut self) -> Result<(), Trouble> {
        for lane in 0..self.lanes.len() {
            self.send(lane)?;
        }
        let (done, all_done) = sync_channel(self.lanes.len());
        for lane in &self.lanes {
            lane.sender.send(Work::Barrier(done.clone())).map_err(|_| gone())?;
        }
        drop(done);
        // It ends when the last of them is dropped.
        while all_done.recv().is_ok() {}
        self.verdicts.check()
    }

    /// Ends the threads; the shards with what was loaded, in order, and whether all of it was.
    ///
    /// # Panics
    /// A thread did.
    pub fn finish(mut self) -> (Vec<Box<Shard>>, Result<(), Trouble>) {
        let settled = self.settle();
        let shards = self.lanes.into_iter().map(|Lane { sender, thread, .. }| {
            drop(sender);
            let ended = thread.join().expect("a panic ends the process");
            ended.expect("a borrowed shard is given back")
        });
        let mut shards: Vec<_> = shards.collect();
        for shard in &mut shards {
            (shard.counts, shard.now_ms) = (shards::shard::Counts::default(), 0);
        }
        (shards, settled)
    }

    fn check_db(&self, db: u16) -> Result<(), Trouble> {
        if db < self.settings.databases {
            return Ok(());
        }
        let count = self.settings.databases;
        Err(Trouble::new(format!(
            "FATAL: Data file was created with a Redis server configured to handle more than {count} databases"
        ))
        .at(self.at))
    }

    /// Sends what has gathered for a lane, if that is worth it.
    #[inline]
    fn send_full(&mut self, lane: usize) -> Result<(), Trouble> {
        if self.lanes[lane].open.is_full() { self.send(lane) } else { Ok(()) }
    }

    fn send(&mut self, lane: usize) -> Result<(), Trouble> {
        self.verdicts.check()?;
        if self.shared.stopping.load(Ordering::Relaxed) {
            return Err(Trouble::new(super::STOPPED));
        }
        if self.lanes[lane].open.ops.is_empty() {
            return Ok(());
        }
        let next = self.emptied.try_recv().unwrap_or_default();
        let lane = &mut self.lanes[lane];
        let batch = std::mem::replace(&mut lane.open, next);
        let is_huge = batch.bytes_len() > BYTES_HUGE;
        lane.sender.send(Work::Batch(batch)).map_err(|_| gone())?;
        if is_huge {
            let (done, is_done) = sync_channel(1);
            lane.sender.send(Work::Barrier(done)).map_err(|_| gone())?;
            is_done.recv().map_err(|_| gone())?;
        }
        Ok(())
    }
}

fn gone() -> Trouble {
    Trouble::new("a loading thread has ended")
}
