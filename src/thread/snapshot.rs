//! A thread's slices of work on the snapshot of its shard.
//!
//! Where clients keep the thread busy a slice is a third of what was done for them since the last one, so that they have three quarters
//! of the core, however much is to be written; where they do not, slices follow one another.
use super::core::Core;
use crate::persist::snapshot::Progress;

/// A slice of work is at most so long, and at least, in microseconds.
const SLICE_US_MAX: u64 = 500;
const SLICE_US_MIN: u64 = 50;
/// The time of clients by that of a slice.
const CLIENTS_SHARE: u64 = 3;
/// Entries between two looks at the clock.
const STEP: usize = 16;
/// How long to wait for the writer where it has too much in hand, in ms.
pub(crate) const CLOGGED_MS: u64 = 1;

/// When a thread goes on with the snapshot of its shard.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When the last slice ended, in ticks.
    ended: u64,
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
        let begin = self.stats.ticks();
        let busy_us = self.stats.nanoseconds(begin.saturating_sub(self.pace.ended)) / 1000;
        let slice_us = (busy_us / CLIENTS_SHARE).clamp(SLICE_US_MIN, SLICE_US_MAX);
        let end = begin + self.stats.ticks_of(slice_us);
        let mut progress = Progress::More;
        while progress == Progress::More && self.stats.ticks() < end {
            progress = snapshot.step(&mut strand.shard, STEP, self.now_ms);
        }
        self.pace = Pace { ended: self.stats.ticks(), is_clogged: progress == Progress::Clogged };
    }

    /// Whether the snapshot of the own shard is to be gone on with at once.
    pub(crate) fn must_sweep_snapshot(&self) -> bool {
        let strand = self.strands[self.id].as_ref();
        !self.pace.is_clogged && strand.is_some_and(|strand| strand.shard.has_snapshot())
    }

    /// How long until it is looked at again, in ms, while there is one: where the shard is in another's hand, or the writer has too much.
    pub(crate) fn snapshot_due_in_ms(&self) -> Option<u64> {
        self.shared.saves.is_active().then_some(CLOGGED_MS)
    }
}
