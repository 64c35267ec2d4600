//! A thread's slices of work on the snapshot of its shard.
//!
//! While clients keep the thread busy it rests for three times a slice's length after each, for them and, where there is nothing to do, asleep: so they have
//! three quarters of the core, however much is to be written, and who shares it with the thread is not kept from it. Where nothing came
//! from clients it naps all the same: they may be waiting for this very core.
use super::core::Core;
use crate::persist::snapshot::Progress;
use std::time::Duration;

/// A slice of work, in microseconds: a command waits for no longer than that.
const SLICE_US: u64 = 250;
/// The time of rest by that of a slice.
const REST_SHARE: u64 = 3;
/// What it rests where nothing came from clients meanwhile, in microseconds.
const NAP_US: u64 = 50;
/// Entries between two looks at the clock.
const STEP: usize = 16;
/// How long to wait where the writer has too much in hand, or the shard is in another's.
const ELSEWHERE: Duration = Duration::from_millis(1);

/// When a thread goes on with the snapshot of its shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the next slice is due, in ticks.
    next: u64,
    /// What had come from clients when the last one ended.
    reads: u64,
    /// The writer had too much in hand then.
    is_clogged: bool,
}

impl Core {
    /// Goes on with the snapshot of the own shard, if one is being taken.
    pub fn snapshot_slice(&mut self) {
        let Some(strand) = &mut self.strands[self.id] else { return };
        if !strand.shard.has_snapshot() {
            return;
        }
        let Some(snapshot) = self.shared.saves.current() else { return };
        let now = self.stats.ticks();
        if now < self.pace.next {
            return;
        }
        let end = now + self.stats.ticks_of(SLICE_US);
        let mut progress = Progress::More;
        while progress == Progress::More && self.stats.ticks() < end {
            progress = snapshot.step(&mut strand.shard, STEP, self.now_ms);
        }
        let reads = self.stats.reads;
        let rest_us = if reads == self.pace.reads { NAP_US } else { REST_SHARE * SLICE_US };
        let next = self.stats.ticks() + self.stats.ticks_of(rest_us);
        self.pace = Pace { next, reads, is_clogged: progress == Progress::Clogged };
    }

    /// Whether the snapshot of the own shard is to be gone on with at once.
    pub(crate) fn must_sweep_snapshot(&self) -> bool {
        self.has_snapshot_in_hand() && !self.pace.is_clogged && self.stats.ticks() >= self.pace.next
    }

    fn has_snapshot_in_hand(&self) -> bool {
        self.strands[self.id].as_ref().is_some_and(|strand| strand.shard.has_snapshot())
    }

    /// How long until it is looked at again, while there is one.
    pub(crate) fn snapshot_due(&self) -> Option<Duration> {
        if !self.shared.saves.is_active() {
            return None;
        }
        let rest = self.pace.next.saturating_sub(self.stats.ticks());
        let is_resting = rest > 0 && !self.pace.is_clogged;
        Some(if is_resting { Duration::from_nanos(self.stats.nanoseconds(rest)) } else { ELSEWHERE })
    }
}
