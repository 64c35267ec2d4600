//! A question to every thread, and what is done when all have answered: CLIENT LIST, CONFIG SET, INFO, SHUTDOWN.
//!
//! Shared control state changes the same way (rule R7): the asker's connection waits until every thread has adopted it.
use super::batch::Origin;
use crate::commands::Server;
use crate::table::CommandId;
use crate::thread::core::Core;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each thread does.
pub type Ask = Box<dyn Fn(&mut Core) + Send + Sync>;
/// What the asker does then: writes the reply.
pub type Finish = Box<dyn FnOnce(&mut Server<'_>) -> crate::commands::Verdict + Send>;

/// A question.
pub struct Survey {
    /// The asker.
    pub origin: Origin,
    /// The command that asks, to be counted when it is answered.
    pub command: Option<CommandId>,
    ask: Ask,
    finish: Mutex<Option<Finish>>,
    missing: AtomicUsize,
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Survey")
            .field("origin", &self.origin)
            .field("missing", &self.missing)
            .finish_non_exhaustive()
    }
}

impl Survey {
    /// A question to so many threads.
    #[must_use]
    pub fn new(
        origin: Origin,
        command: Option<CommandId>,
        threads: usize,
        ask: Ask,
        finish: Finish,
    ) -> Survey {
        Survey { origin, command, ask, finish: Mutex::new(Some(finish)), missing: AtomicUsize::new(threads) }
    }
    /// Asks a thread; whether it was the last one.
    pub fn ask(&self, core: &mut Core) -> bool {
        (self.ask)(core);
        self.missing.fetch_sub(1, Ordering::AcqRel) == 1
    }
    /// How many answers are missing.
    pub fn missing(&self) -> usize {
        self.missing.load(Ordering::Acquire)
    }
    /// What is to be done at the end, once.
    pub fn take_finish(&self) -> Option<Finish> {
        self.finish.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
