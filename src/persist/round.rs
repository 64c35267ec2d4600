//! Rounds: under `always`, the syncs of all shards go together, and wait a little for those whom the last ones served.
//!
//! A client that was served by a sync sends its next command a moment later. Were the next sync begun at once, it would carry only those who
//! came during the last one: two crowds would take turns, each served by every other sync. And were each shard's sync to begin by itself, its crowd would be
//! scattered over the others' when it comes back. So a round begins when as many have come as the last one served and found waiting, or
//! after a part of the time that it took; all shards that have something join it; the next one begins when it is over.
use super::clock::Clock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Those who come back after a round are waited for no longer than this part of what it took, nor longer than this in all.
const PATIENCE_SHARE: u32 = 4;
const PATIENCE_MAX: Duration = Duration::from_micros(500);

/// The rounds of a server's journals.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Their clock, where there are rounds: else every write begins when it can.
    clock: OnceLock<Box<dyn Clock>>,
    /// Frames that wait to be written, on all shards.
    waiting: AtomicU64,
    /// Some wait, and no round is under way: whoever is awake looks again soon.
    is_gathering: AtomicBool,
    round: Mutex<Round>,
}

#[derive(Debug, Default)]
struct Round {
    /// Writes with their syncs that are under way.
    under_way: usize,
    /// One of them is done: who comes now waits for the next round.
    is_closing: bool,
    /// Frames of all of them.
    frames: u64,
    began: Duration,
    /// So many are expected for the next one, until then.
    expected: u64,
    until: Option<Duration>,
}

impl Rounds {
    /// From now on there are rounds, by this clock, or by that which they have already.
    pub(super) fn begin(&self, clock: Box<dyn Clock>) {
        self.clock.get_or_init(|| clock);
    }
    fn lock(&self) -> MutexGuard<'_, Round> {
        self.round.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// So many frames more wait.
    pub(super) fn add(&self, frames: u64) {
        self.waiting.fetch_add(frames, Ordering::Relaxed);
    }
    /// So many frames wait no longer, and are not written.
    pub(super) fn forget(&self, frames: u64) {
        self.waiting.fetch_sub(frames, Ordering::Relaxed);
    }
    /// Whether some wait that somebody has to look after.
    #[inline]
    pub(super) fn is_gathering(&self) -> bool {
        self.is_gathering.load(Ordering::Relaxed)
    }
    /// Whether a shard's write with so many frames may begin now; then it has. Without rounds it always may.
    pub(super) fn may_begin(&self, frames: u64, is_synced: bool) -> bool {
        let Some(clock) = self.clock.get().filter(|_| is_synced) else {
            self.waiting.fetch_sub(frames, Ordering::Relaxed);
            return true;
        };
        let mut round = self.lock();
        let may = if round.under_way > 0 { !round.is_closing } else { self.is_complete(&round, &**clock) };
        if !may {
            // While a round is under way, its end sees to those who wait.
            self.is_gathering.store(round.under_way == 0, Ordering::Relaxed);
            return false;
        }
        if round.under_way == 0 {
            *round = Round { began: clock.now(), ..Round::default() };
            self.is_gathering.store(false, Ordering::Relaxed);
        }
        round.under_way += 1;
        round.frames += frames;
        self.waiting.fetch_sub(frames, Ordering::Relaxed);
        true
    }
    fn is_complete(&self, round: &Round, clock: &dyn Clock) -> bool {
        let has_time = round.until.is_some_and(|until| clock.now() < until);
        !has_time || self.waiting.load(Ordering::Relaxed) >= round.expected
    }
    /// A write that began in a round is over, well or not; whether the round is.
    pub(super) fn ended(&self, is_synced: bool) -> bool {
        let Some(clock) = self.clock.get().filter(|_| is_synced) else { return true };
        let mut round = self.lock();
        round.under_way = round.under_way.saturating_sub(1);
        round.is_closing = true;
        if round.under_way > 0 {
            return false;
        }
        let waiting = self.waiting.load(Ordering::Relaxed);
        round.expected = round.frames + waiting;
        // Who is alone has nobody to wait for.
        round.until = (round.expected > 1).then(|| {
            let now = clock.now();
            now + (now.saturating_sub(round.began) / PATIENCE_SHARE).min(PATIENCE_MAX)
        });
        self.is_gathering.store(waiting > 0, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// A clock that is put forward by hand, in microseconds.
    #[derive(Debug, Default)]
    struct Hand(AtomicU64);

    impl Clock for Arc<Hand> {
        fn now(&self) -> Duration {
            Duration::from_micros(self.0.load(Ordering::Relaxed))
        }
    }

    impl Hand {
        fn pass(&self, us: u64) {
            self.0.fetch_add(us, Ordering::Relaxed);
        }
    }

    fn rounds() -> (Rounds, Arc<Hand>) {
        let (rounds, clock) = (Rounds::default(), Arc::new(Hand::default()));
        rounds.begin(Box::new(Arc::clone(&clock)));
        (rounds, clock)
    }

    #[test]
    fn without_rounds_everything_begins_at_once() {
        let rounds = Rounds::default();
        rounds.add(2);
        assert!(rounds.may_begin(1, true) && rounds.may_begin(1, true));
        assert!(rounds.ended(true) && !rounds.is_gathering());
    }

    #[test]
    fn who_comes_before_the_first_is_done_joins_and_others_wait() {
        let (rounds, _) = rounds();
        rounds.add(3);
        assert!(rounds.may_begin(1, true), "nobody was served before");
        assert!(rounds.may_begin(1, true), "another shard joins");
        assert!(!rounds.ended(true), "one is still under way");
        assert!(!rounds.may_begin(1, true), "too late");
        assert!(rounds.ended(true) && rounds.is_gathering());
    }

    #[test]
    fn those_who_were_served_are_waited_for_but_not_for_long() {
        let (rounds, clock) = rounds();
        for (took_us, waited_us) in [(800, 200), (4000, 500)] {
            for _ in 0..2 {
                rounds.add(2);
                assert!(rounds.may_begin(2, true), "all are back");
                clock.pass(took_us);
                assert!(rounds.ended(true));
            }
            rounds.add(1);
            clock.pass(waited_us - 1);
            assert!(!rounds.may_begin(1, true) && rounds.is_gathering(), "somebody has to look again");
            clock.pass(1);
            assert!(rounds.may_begin(1, true), "the other one was waited for");
            assert!(rounds.ended(true));
        }
    }

    #[test]
    fn one_alone_does_not_wait() {
        let (rounds, clock) = rounds();
        for _ in 0..3 {
            rounds.add(1);
            assert!(rounds.may_begin(1, true));
            clock.pass(2000);
            assert!(rounds.ended(true));
        }
    }
}
