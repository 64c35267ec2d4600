//! What was saved when, what is being saved, and when it is time to save again.
use super::snapshot::{Order, Outcome, Snapshot};
use crate::config::Config;
use crate::log;
use crate::shared::Shared;
use crate::thread::wall_ms;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// After a save failed, the next one that nobody asked for comes no sooner, in ms.
const RETRY_MS: i64 = 5_000;

/// How long the end of the server waits for the writer to remove what it wrote, in ms.
const ABANDON_MS: i64 = 1_000;

/// What a snapshot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `dbfilename`, while commands go on (BGSAVE, save points).
    Background,
    /// `dbfilename`, while nothing else is done (SAVE, SHUTDOWN).
    Foreground,
    /// The same after FLUSHALL: there is nothing to be saved.
    Emptied,
    /// The bases of append-only files.
    Rewrite,
}

/// Why a snapshot cannot begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another one is under way.
    Busy(Purpose),
    /// It failed at once; the log has why.
    Failed(String),
}

/// The saves of a server.
#[derive(Debug)]
pub struct Saves {
    is_active: AtomicBool,
    has_failed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    current: Option<Current>,
    is_scheduled: bool,
    facts: Facts,
}

#[derive(Debug)]
struct Current {
    snapshot: Arc<Snapshot>,
    purpose: Purpose,
    started_ms: i64,
}

/// What INFO tells, and LASTSAVE.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// When the dataset was last saved, ms since 1970.
    pub saved_ms: i64,
    /// Changes of all shards, since the start, at that time.
    pub saved_dirty: u64,
    /// When a save in the background was last tried.
    pub tried_ms: i64,
    /// Whether the last one went well.
    pub is_ok: bool,
    /// How long the last one took, in seconds; -1 before the first.
    pub took_seconds: i64,
    /// Saves that went well.
    pub saves: u64,
    /// When the one that is under way began, in ms since 1970, if one is.
    pub running_since_ms: Option<i64>,
    /// Keys written, and keys in all, of the snapshot that is under way, whatever it is for.
    pub keys: (u64, u64),
}

impl Saves {
    /// None so far.
    #[must_use]
    pub fn new(now_ms: i64) -> Saves {
        let facts = Facts {
            saved_ms: now_ms,
            saved_dirty: 0,
            tried_ms: 0,
            is_ok: true,
            took_seconds: -1,
            saves: 0,
            running_since_ms: None,
            keys: (0, 0),
        };
        Saves {
            is_active: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            state: Mutex::new(State { current: None, is_scheduled: false, facts }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a snapshot is under way.
    #[inline]
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Relaxed)
    }

    /// The snapshot that is under way.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Snapshot>> {
        self.is_active().then(|| self.lock().current.as_ref().map(|current| Arc::clone(&current.snapshot)))?
    }

    /// What the one that is under way is for.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        self.lock().current.as_ref().map(|current| current.purpose)
    }

    /// Makes a snapshot ready. It begins when [`Snapshot::begin`] is called for each shard, at one instant; until it is over there will be no
    /// other. `then` is called when it is over, on whichever thread that happens.
    ///
    /// # Errors
    /// Why there can be none now.
    pub fn prepare(
        &self,
        shared: &Arc<Shared>,
        purpose: Purpose,
        order: Order,
        then: impl FnOnce(&Outcome) + Send + 'static,
    ) -> Result<Arc<Snapshot>, Refused> {
        let mut state = self.lock();
        if let Some(current) = &state.current {
            return Err(Refused::Busy(current.purpose));
        }
        let now_ms = wall_ms();
        if purpose == Purpose::Background {
            state.facts.tried_ms = now_ms;
        }
        let owner = Arc::clone(shared);
        let then = move |outcome: &Outcome| {
            owner.journal.put_syncs_off(false);
            owner.saves.ended(outcome);
            then(outcome);
        };
        let snapshot = Snapshot::prepare(order, then).map_err(|why| {
            log::warning(format_args!("Can't save: {why}"));
            Refused::Failed(why)
        })?;
        if purpose == Purpose::Background {
            log::notice(format_args!("Background saving started"));
        }
        if matches!(purpose, Purpose::Background | Purpose::Rewrite) {
            shared.journal.put_syncs_off(shared.config().no_appendfsync_on_rewrite);
        }
        state.is_scheduled &= purpose != Purpose::Background;
        state.current = Some(Current { snapshot: Arc::clone(&snapshot), purpose, started_ms: now_ms });
        self.is_active.store(true, Ordering::Relaxed);
        Ok(snapshot)
    }

    /// The snapshot that was under way is over.
    fn ended(&self, outcome: &Outcome) {
        let mut state = self.lock();
        let Some(current) = state.current.take() else { return };
        self.is_active.store(false, Ordering::Relaxed);
        if current.purpose == Purpose::Rewrite {
            return;
        }
        let (facts, now_ms) = (&mut state.facts, wall_ms());
        let is_in_background = current.purpose == Purpose::Background;
        if is_in_background {
            facts.took_seconds = (now_ms - current.started_ms) / 1000;
        }
        match &outcome.result {
            Ok(()) => {
                facts.saved_ms = now_ms;
                facts.saved_dirty = current.snapshot.dirty();
                // INFO counts those that somebody wanted.
                facts.saves += u64::from(current.purpose != Purpose::Emptied);
                facts.is_ok = true;
                log::notice(format_args!("DB saved on disk"));
            }
            // Who gives one up does not make it a failure, as in Redis.
            Err(why) if current.snapshot.is_unwanted() => log::notice(format_args!("Saving ended: {why}")),
            Err(why) => {
                facts.is_ok &= !is_in_background;
                log::warning(format_args!("{why}"));
            }
        }
        if is_in_background {
            match &outcome.result {
                Ok(()) => log::notice(format_args!("Background saving terminated with success")),
                Err(_) => log::warning(format_args!("Background saving error")),
            }
        }
        self.has_failed.store(!facts.is_ok, Ordering::Relaxed);
    }

    /// Nobody wants the snapshot that is under way any more.
    pub fn give_up(&self, why: &str) {
        if let Some(current) = self.current() {
            current.give_up(why);
        }
    }

    /// The server ends: what is half written is removed.
    pub fn abandon(&self) {
        let Some(current) = self.current() else { return };
        current.give_up("the server stops");
        let until_ms = wall_ms() + ABANDON_MS;
        while current.outcome().is_none() && wall_ms() < until_ms {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let state = self.lock();
        let current = state.current.as_ref();
        let running = current.filter(|current| current.purpose != Purpose::Rewrite);
        Facts {
            running_since_ms: running.map(|current| current.started_ms),
            keys: current.map_or((0, 0), |current| current.snapshot.keys()),
            ..state.facts
        }
    }

    /// A save is to begin as soon as one can, or is not to any more; whether it was to.
    pub fn schedule(&self, is_wanted: bool) -> bool {
        std::mem::replace(&mut self.lock().is_scheduled, is_wanted)
    }

    /// Whether a save is to begin as soon as one can.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.lock().is_scheduled
    }

    /// Whether it is time to save, `dirty` changes having been made since the start in all; it says why, if nobody asked for it.
    #[must_use]
    pub fn is_due(&self, config: &Config, dirty: u64, now_ms: i64) -> bool {
        let state = self.lock();
        let facts = &state.facts;
        if state.current.is_some() || (!facts.is_ok && now_ms - facts.tried_ms <= RETRY_MS) {
            return false;
        }
        let changes = dirty.saturating_sub(facts.saved_dirty);
        let passed_ms = now_ms - facts.saved_ms;
        let is_reached = |seconds: u64, needed: u64| {
            changes >= needed && passed_ms > i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX)
        };
        let reached = config.save.0.iter().find(|point| is_reached(point.seconds, point.changes));
        if let Some(point) = reached {
            log::notice(format_args!("{} changes in {} seconds. Saving...", point.changes, point.seconds));
        }
        reached.is_some() || state.is_scheduled
    }

    /// Whether clients may not write, because saving failed (`stop-writes-on-bgsave-error`).
    #[inline]
    #[must_use]
    pub fn forbids_writes(&self, config: &Config) -> bool {
        self.has_failed.load(Ordering::Relaxed)
            && config.stop_writes_on_bgsave_error
            && !config.save.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Parameter;

    #[test]
    fn it_is_time_when_a_point_is_reached() {
        let mut config = Config::default();
        Parameter::find("save").expect("a directive").set(&mut config, &["60", "3"]).expect("a point");
        let saves = Saves::new(1_000_000);
        assert!(!saves.is_due(&config, 3, 1_060_000), "not yet");
        assert!(!saves.is_due(&config, 2, 1_061_000), "too few changes");
        assert!(saves.is_due(&config, 3, 1_061_000));
        saves.lock().facts.saved_dirty = 1;
        assert!(!saves.is_due(&config, 3, 1_061_000), "one of them is saved");
        saves.schedule(true);
        assert!(saves.is_due(&config, 1, 1_000_001), "somebody asked for it");
        {
            let facts = &mut saves.lock().facts;
            (facts.is_ok, facts.tried_ms) = (false, 1_000_000);
        }
        assert!(!saves.is_due(&config, 9, 1_005_000), "it has just failed");
        assert!(saves.is_due(&config, 9, 1_005_001));
    }
}
