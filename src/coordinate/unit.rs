//! Units: what spans shards, and is one effect.
//!
//! A unit enters the queues of all its shards through the [`super::gate`], and says so when it has: no part runs before
//! that. Else, were its thread descheduled between two pushes, a client could read the new `a` on one shard and then, entered on the other
//! before the unit's part, the old `b`.
//!
//! A *fan-out*'s parts are independent: each shard runs its own when its turn comes. So are those of a *sheaf* ([`super::sheaf`]), which are many
//! commands. For a *gathered* unit each holder deposits
//! its shard when the queue reaches the unit; who deposits the last one runs the commands over all of them, a
//! single-threaded Redis over those shards, and sends them home. All queues hold units in the same order, so there is
//! no deadlock: of the units entered and not finished the first is reached on every shard that it needs.
use super::batch::{Batch, Origin};
use crate::persist::needs::Needs;
use crate::persist::record::Ties;
use shards::reply::Reply;
use shards::shard::Shard;
use shards::waiting::Waiter;
use shards::watch::Watch;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A connection's WATCH with the keys it is on.
#[derive(Clone, Debug)]
pub struct Watching {
    /// What the shards mark.
    pub watch: Arc<Watch>,
    /// The keys, with their databases.
    pub keys: Vec<(u16, Box<[u8]>)>,
}

/// How a unit is carried out.
#[derive(Debug)]
pub enum Kind {
    /// Each shard its own part.
    FanOut,
    /// Each shard its own part, which is commands that count by themselves ([`super::sheaf`]); with the part of each command as they
    /// were sent.
    Sheaf(Vec<u16>),
    /// All shards in one hand.
    Gathered,
}

/// What one shard does in a fan-out, or, in a gathered unit's first part, what is done over all.
#[derive(Debug, Default)]
pub struct Part {
    /// The commands.
    pub batch: Batch,
    /// The keys that it begins or ceases to watch.
    pub act: super::batch::Act,
    /// Their replies.
    pub reply: Reply,
    /// It was a transaction, and a watched key had changed: nothing was done.
    pub aborted: bool,
    /// Its command waits, and has no reply yet.
    pub waits: Option<Arc<Waiter>>,
    /// What must be committed before its replies may be seen.
    pub needs: Needs,
    /// Its command is the same as the first part's, which counts it.
    pub is_share: bool,
}

/// A unit.
#[derive(Debug)]
pub struct Unit {
    /// Who waits for it.
    pub origin: Origin,
    /// How it is carried out.
    pub kind: Kind,
    /// The shards, in ascending order.
    pub shards: Box<[usize]>,
    /// The parts of a fan-out or sheaf that write, where there are several: the unit's number in their journals, and their shards.
    pub written: Option<(u64, Box<[u16]>)>,
    /// What its connection did before, as far as that is not committed.
    pub after: Needs,
    /// Its parts, as the shards; or the one batch of a gathered unit.
    pub parts: Box<[Mutex<Part>]>,
    entered: AtomicBool,
    entered_ms: AtomicI64,
    missing: AtomicUsize,
    #[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
    deposited: Mutex<Vec<Box<Shard>>>,
}

impl Unit {
    /// A unit over `shards` (ascending, no two alike).
    #[must_use]
    pub fn new(origin: Origin, kind: Kind, shards: Box<[usize]>, parts: Vec<Part>) -> Unit {
        debug_assert!(shards.is_sorted() && !shards.is_empty(), "shards are in order");
        debug_assert!(
            parts.len() == if matches!(kind, Kind::Gathered) { 1 } else { shards.len() },
            "a part a shard, or one"
        );
        let missing = AtomicUsize::new(shards.len());
        let deposited = Mutex::new(Vec::with_capacity(shards.len()));
        let parts = parts.into_iter().map(Mutex::new).collect();
        Unit {
            origin,
            kind,
            shards,
            written: None,
            after: Needs::default(),
            parts,
            entered: AtomicBool::new(false),
            entered_ms: AtomicI64::new(0),
            missing,
            deposited,
        }
    }
    /// It is in all its queues. Called once, inside the gate, with the time for all its parts.
    pub fn set_entered(&self, now_ms: i64) {
        self.entered_ms.store(now_ms, Ordering::Relaxed);
        crate::chaos::point();
        self.entered.store(true, Ordering::SeqCst);
        crate::chaos::point();
    }
    /// Whether it is in all its queues.
    #[must_use]
    pub fn is_entered(&self) -> bool {
        crate::chaos::point();
        self.entered.load(Ordering::SeqCst) || crate::chaos::breaks(crate::chaos::Break::Entered)
    }
    /// When it entered, ms since 1970.
    #[must_use]
    pub fn entered_ms(&self) -> i64 {
        self.entered_ms.load(Ordering::Relaxed)
    }
    /// How what its parts do hangs together.
    #[must_use]
    pub fn ties(&self) -> Ties<'_> {
        let unit = self.written.as_ref().map(|(unit, shards)| (*unit, &**shards));
        Ties { unit, is_sheaf: matches!(self.kind, Kind::Sheaf(_)), after: self.after.points() }
    }
    /// A shard has run its part; whether that was the last one.
    #[must_use]
    pub fn part_done(&self) -> bool {
        crate::chaos::point();
        self.missing.fetch_sub(1, Ordering::AcqRel) == 1
    }
    /// A shard comes in; all of them, in order, if it is the last one.
    #[must_use]
    pub fn deposit(&self, shard: Box<Shard>) -> Option<Vec<Box<Shard>>> {
        crate::chaos::point();
        let mut deposited = self.deposited.lock().unwrap_or_else(PoisonError::into_inner);
        deposited.push(shard);
        if deposited.len() < self.shards.len() {
            return None;
        }
        let mut shards = std::mem::take(&mut *deposited);
        drop(deposited);
        shards.sort_unstable_by_key(|shard| shard.index);
        Some(shards)
    }
    /// A part, to be worked on.
    pub fn part(&self, index: usize) -> std::sync::MutexGuard<'_, Part> {
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
