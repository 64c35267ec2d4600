//! The clock by which syncs wait for each other: it goes on when the dice say so.
use braid::persist::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<AtomicU64>);

impl Watch {
    /// Time passes, in microseconds.
    pub(crate) fn pass(&self, us: usize) {
        self.0.fetch_add(us as u64, Ordering::Relaxed);
    }
}

impl Clock for Watch {
    fn now(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}
