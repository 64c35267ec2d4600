//! Scripts that run for too long: who is told of them, and how they are ended.
//!
//! Several may run at once, each on shards of its own. Whoever ends scripts ends all of one kind that have not written.
use shards::fault::Fault;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What kind of script runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Kind {
    /// One that a client sent.
    #[default]
    Script,
    /// A function of a library.
    Function,
}

/// Those of one kind that run for too long.
#[derive(Debug, Default)]
struct Those {
    count: AtomicUsize,
    /// One of them has written.
    is_spared: AtomicBool,
    /// Those which have not are to end.
    is_killed: AtomicBool,
}

/// A function that runs for too long, for FUNCTION STATS.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    /// The function.
    pub(crate) name: Vec<u8>,
    /// The command that calls it.
    pub(crate) command: Vec<Vec<u8>>,
    /// When it began.
    pub(crate) since: Instant,
}

/// All that run for too long.
#[derive(Debug, Default)]
pub(crate) struct Busy {
    scripts: Those,
    functions: Those,
    slow: Mutex<Vec<Slow>>,
}

impl Kind {
    /// What is told to clients meanwhile.
    pub(crate) const fn refusal(self) -> Fault {
        match self {
            Kind::Script => Fault::new(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            ),
            Kind::Function => Fault::new(
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
            ),
        }
    }

    /// The error with which a script ends that is to end.
    pub(super) const fn end(self) -> &'static [u8] {
        match self {
            Kind::Script => b"ERR Script killed by user with SCRIPT KILL.",
            Kind::Function => b"ERR Script killed by user with FUNCTION KILL.",
        }
    }
}

impl Busy {
    fn those(&self, kind: Kind) -> &Those {
        match kind {
            Kind::Script => &self.scripts,
            Kind::Function => &self.functions,
        }
    }

    /// A script runs for too long.
    pub(super) fn begin(&self, kind: Kind) {
        self.those(kind).count.fetch_add(1, Ordering::SeqCst);
    }
    /// It ended.
    pub(super) fn end(&self, kind: Kind) {
        let those = self.those(kind);
        if those.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            those.is_spared.store(false, Ordering::SeqCst);
            those.is_killed.store(false, Ordering::SeqCst);
        }
    }
    /// It has written: it cannot be ended.
    pub(super) fn spare(&self, kind: Kind) {
        self.those(kind).is_spared.store(true, Ordering::SeqCst);
    }
    pub(super) fn is_killed(&self, kind: Kind) -> bool {
        self.those(kind).is_killed.load(Ordering::Relaxed)
    }

    /// The functions among them, told here when they are found to be slow.
    pub(super) fn slow(&self) -> std::sync::MutexGuard<'_, Vec<Slow>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What kind of script runs for too long, if one does.
    #[inline]
    pub(crate) fn kind(&self) -> Option<Kind> {
        let runs = |kind| self.those(kind).count.load(Ordering::Relaxed) > 0;
        [Kind::Script, Kind::Function].into_iter().find(|kind| runs(*kind))
    }

    /// SCRIPT KILL, FUNCTION KILL.
    ///
    /// # Errors
    /// None runs for too long, it is of the other kind, or it has written.
    pub(crate) fn kill(&self, kind: Kind) -> Result<(), Fault> {
        let running = self.kind().ok_or(Fault::new("NOTBUSY No scripts in execution right now."))?;
        let those = self.those(kind);
        let is_other = those.count.load(Ordering::SeqCst) == 0;
        if self.those(if is_other { running } else { kind }).is_spared.load(Ordering::SeqCst) {
            return Err(Fault::new(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the \
                 script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if is_other {
            return Err(running.refusal());
        }
        those.is_killed.store(true, Ordering::SeqCst);
        Ok(())
    }
}
