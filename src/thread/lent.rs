//! The strands of sleepers in another's hand: how long they may stay there, and how they come back to their door.
//!
//! Taking a sleeper's strand from its door spares two wake-ups, for work of less than a microsecond. But a thread that goes on like that
//! with work of milliseconds, scripts above all, keeps a core idle that could do half of it: two shards ran such scripts no
//! faster than one. So there is a bound for each turn, after which work for a sleeper is left at its door, and the sleeper is woken.
use super::core::Core;
use crate::queues::Strand;

/// Nanoseconds of a turn. A wake-up costs some microseconds on both sides: whoever is woken after this long is not woken in vain.
const LENT_NS_MAX: u64 = 500_000;

/// The time of this turn with strands of others in hand, in ticks.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    /// Until the last of them was put back.
    ticks: u64,
    /// Since when one of them is in hand, less the time of gathered units.
    since: Option<u64>,
}

impl Core {
    /// A new turn: nothing was done for others yet.
    pub(crate) fn forget_lent(&mut self) {
        self.lent.ticks = 0;
    }

    /// The strand of another is in hand.
    pub(crate) fn note_taken(&mut self) {
        if self.lent.since.is_none() {
            self.lent.since = Some(self.stats.ticks());
        }
    }

    /// The strands of others were put back.
    pub(crate) fn note_put_back(&mut self) {
        if let Some(since) = self.lent.since.take() {
            self.lent.ticks += self.stats.ticks().saturating_sub(since);
        }
    }

    /// A gathered unit has run since then. It needs its shards together, whoever runs it: there is nothing to do side by side.
    pub(crate) fn note_gathered(&mut self, began: u64) {
        let took = self.stats.ticks().saturating_sub(began);
        if let Some(since) = &mut self.lent.since {
            *since += took;
        }
    }

    /// Whether enough was done in this turn for others that sleep, and the owner of this shard can be woken.
    #[inline]
    pub(crate) fn has_lent_enough(&self, shard: usize) -> bool {
        if self.lent.ticks == 0 && self.lent.since.is_none() {
            return false;
        }
        let now = self.lent.since.map_or(0, |since| self.stats.ticks().saturating_sub(since));
        self.stats.nanoseconds(self.lent.ticks + now) > LENT_NS_MAX
            && self.shared.mailboxes[shard].waker().is_some()
    }

    /// Wakes the owner of a shard whose strand was not taken for that reason: it finds its work by itself. At once and not at the end
    /// of the turn, which may be long.
    pub(crate) fn wake_owner(&self, shard: usize) {
        let mailbox = &self.shared.mailboxes[shard];
        if shard != self.id
            && self.has_lent_enough(shard)
            && mailbox.is_asleep()
            && let Some(waker) = mailbox.waker()
        {
            waker.wake();
        }
    }

    /// Leaves another thread's strand at its door. Looks again afterwards, so that no request is forgotten there.
    pub(crate) fn put_back(&mut self, shard: usize) {
        if shard == self.id {
            return;
        }
        let Some(mut strand) = self.strands[shard].take() else { return };
        self.take_tail(&mut strand.shard);
        self.shared.published[shard].publish(&strand.shard);
        // Its owner sleeps, and knows nothing of the work that was made for it here.
        self.mailed[shard] |= strand.shard.has_discarded()
            || strand.shard.has_snapshot()
            || self.shared.published[shard].wants_sweeps();
        if self.leave_at_door(shard, strand) && self.shared.mailboxes[shard].is_asleep() {
            self.nudge(shard);
        }
    }

    /// Puts a strand at its door; whether there is something to do on it now.
    fn leave_at_door(&self, shard: usize, strand: Strand) -> bool {
        let queue = &self.shared.queues[shard];
        queue.put(strand);
        std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        if crate::chaos::breaks(crate::chaos::Break::PutBack) {
            return false;
        }
        queue.has_work_at_door()
    }
}
