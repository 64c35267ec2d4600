//! The clock by which syncs wait for each other: the machine's, or one that a simulation drives.
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// A clock that never goes back.
pub trait Clock: Debug + Send + Sync {
    /// How long ago something was that is the same each time.
    fn now(&self) -> Duration;
}

/// The machine's, since it was made.
#[derive(Debug)]
pub struct MachineClock(Instant);

impl MachineClock {
    /// One that begins now.
    #[must_use]
    pub fn start() -> MachineClock {
        MachineClock(Instant::now())
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
