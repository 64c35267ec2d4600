//! Save points: the first thread looks whether it is time to save.
use super::core::Core;
use crate::coordinate::batch::Act;
use crate::coordinate::unit::Kind;
use crate::persist::save;
use crate::persist::saves::Purpose;
use crate::persist::snapshot::Snapshot;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How often it is looked, at least, in ms.
const LOOK_MS: u64 = 1_000;
/// The same while a save is put off.
const SCHEDULED_MS: u64 = 100;

impl Core {
    /// Begins to save in the background, if it is time to, or somebody asked for it when it could not be.
    pub(crate) fn save_if_due(&mut self) {
        let shared = Arc::clone(&self.shared);
        // While the dataset is being loaded what is in hand is not the dataset.
        let is_asked = self.id == 0 && !shared.loading.load(Ordering::Relaxed);
        if is_asked
            && shared.saves.is_due(&self.config, shared.dirty(), self.now_ms)
            && let Ok(snapshot) = save::prepare(&shared, Purpose::Background)
        {
            self.begin_snapshot(&snapshot);
        }
    }

    /// Begins a snapshot that is ready, at one instant on all shards.
    pub(crate) fn begin_snapshot(&mut self, snapshot: &Arc<Snapshot>) {
        self.enter_unasked(Kind::FanOut, |_| Act::Errand(Arc::clone(snapshot) as _));
    }

    /// How long until it is looked again whether it is time to save, in ms, if it ever is.
    pub(crate) fn save_due_in_ms(&self) -> Option<u64> {
        if self.id != 0 {
            return None;
        }
        let is_asked_for = self.shared.saves.is_scheduled().then_some(SCHEDULED_MS);
        is_asked_for.or_else(|| (!self.config.save.0.is_empty()).then_some(LOOK_MS))
    }
}
