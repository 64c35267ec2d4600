//! Active expiry: a thread's slices of work on the keys of its shard whose time has come.
//!
//! A slice lasts a millisecond at most, and after it three times as long goes to other things, so that expiry takes a quarter of a
//! core however many keys expire at once. While little is found a slice ends early; when a whole round finds nothing and nothing
//! changes meanwhile, the rounds come ever more rarely, so that an idle server sleeps.
use super::core::Core;
use crate::persist::record::Ties;
use crate::pubsub::Outside;
use crate::shared::Paused;
use shards::call::Call;
use shards::expiry::{Progress, sweep};
use shards::reply::Reply;
use std::sync::atomic::Ordering;

/// A slice of work is at most so long, in microseconds.
const SLICE_US: u64 = 1_000;
/// After a slice that was not enough, so many times its length goes to other things.
const REST: i64 = 3;
/// Entries that are looked at between two looks at the clock, for each degree of `active-expire-effort`.
const STEP_LEN: usize = 256;
/// Between two sweeps of an idle shard, in ms, at most.
const PAUSE_MS_MAX: i64 = 300;

/// When a thread sweeps its shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sweeper {
    /// Not before this, ms since 1970.
    next_ms: i64,
    /// How long to pause, in ms; grows while nothing happens.
    pause_ms: i64,
    /// The changes of the shard when it was last swept.
    dirty: u64,
    /// Something expired in this round.
    found: bool,
}

impl Core {
    /// Sweeps for a slice, if it is time to.
    pub fn sweep_slice(&mut self, tick_ms: i64) {
        if !self.may_sweep() {
            return;
        }
        let published = &self.shared.published[self.id];
        let dirty = published.dirty.load(Ordering::Relaxed);
        if dirty != self.sweeper.dirty {
            self.sweeper.dirty = dirty;
            self.sweeper.pause_ms = tick_ms;
            self.sweeper.next_ms = self.sweeper.next_ms.min(self.now_ms + tick_ms);
        }
        if self.now_ms < self.sweeper.next_ms {
            return;
        }
        let begin = self.stats.ticks();
        let end = begin + self.stats.ticks_of(SLICE_US);
        let mut progress = self.sweep_step();
        self.sweeper.found |= progress.expired > 0;
        while progress.is_worthwhile() && !progress.round_done && self.stats.ticks() < end {
            progress = self.sweep_step();
            self.sweeper.found |= progress.expired > 0;
        }
        let spent_us = self.stats.nanoseconds(self.stats.ticks() - begin) / 1000;
        self.stats.expiry_us += spent_us;
        self.note_latency("expire-cycle", spent_us / 1000);
        self.plan_sweep(progress, tick_ms, (spent_us / 1000) as i64);
    }

    fn plan_sweep(&mut self, progress: Progress, tick_ms: i64, spent_ms: i64) {
        if progress.is_worthwhile() {
            self.stats.expiry_slices_used_up += u64::from(!progress.round_done);
            self.sweeper.pause_ms = tick_ms;
            self.sweeper.next_ms = self.now_ms + (spent_ms + 1) * REST;
            return;
        }
        if progress.round_done && !std::mem::take(&mut self.sweeper.found) {
            self.sweeper.pause_ms = (self.sweeper.pause_ms * 2).clamp(tick_ms, PAUSE_MS_MAX.max(tick_ms));
        }
        self.sweeper.next_ms = self.now_ms + self.sweeper.pause_ms.max(tick_ms);
    }

    /// Whether there is something to sweep, and nobody forbids it.
    fn may_sweep(&self) -> bool {
        self.active_expire
            && self.strands[self.id].is_some()
            && self.shared.published[self.id].has_volatile()
            && self.shared.paused(self.now_ms) == Paused::No
    }

    /// How long until the next sweep, in ms, if there is to be one. The others are told that this thread sees to it.
    pub(crate) fn sweep_due_in_ms(&self) -> Option<i64> {
        let published = &self.shared.published[self.id];
        let paused = self.shared.paused(self.now_ms) != Paused::No;
        let due = self.active_expire && !paused && published.has_volatile();
        published.is_swept.store(due, Ordering::Relaxed);
        due.then(|| (self.sweeper.next_ms - self.now_ms).max(1))
    }

    fn sweep_step(&mut self) -> Progress {
        let budget = STEP_LEN * self.config.active_expire_effort as usize;
        let Some(strand) = &mut self.strands[self.id] else { return Progress::default() };
        let mut nowhere = Reply::default();
        let shards = std::slice::from_mut(&mut strand.shard);
        self.effects.names_changes = self.shared.exchange.is_watched();
        self.effects.listen.records = shards[0].tail.is_some();
        let mut cx = Call::new(shards, &self.settings, 0, self.now_ms, &mut nowhere, &mut self.effects);
        let progress = sweep(&mut cx.keys, budget);
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
        let shards = std::slice::from_mut(&mut strand.shard);
        outside.end_unit(&mut self.effects, shards, self.now_ms, Ties::default());
        progress
    }
}
