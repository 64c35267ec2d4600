//! The gate: units enter all their queues as one.
//!
//! A unit's pushes must exclude the pushes of other units, and any entering by a connection that has unanswered commands on
//! another shard (rule R3). Such connections are many and units are few: a big-reader lock. The reader's side is a mark in
//! a cache line of its thread's own; the writer raises a flag and waits for every mark to clear.
//!
//! Why a reader needs the mark: a connection pushes `a` to shard 1 and then, without waiting, `b` to shard 2. A unit over both that
//! pushed its part to shard 1 before `a` came and to shard 2 after `b` would see `b` and not `a`. Under the mark `b` is
//! pushed either before the unit's first push (then so was `a`) or after its last. A connection that has no unanswered
//! command needs no mark: that `a` was answered means that it ran; if behind the unit's part, then the unit had been entered
//! everywhere before (no part runs earlier, [`super::unit`]), so `b` comes behind its part too. (Its runs are pushed under the mark all
//! the same: so nobody who begins to wait on several shards is missed, [`super::spanning`].)
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A value alone in its cache lines (two: processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone<T>(T);

/// The gate of a server.
#[derive(Debug)]
pub struct Gate {
    units: Mutex<()>,
    raised: Alone<AtomicBool>,
    marks: Box<[Alone<AtomicBool>]>,
}

/// Looks at a flag before other threads are asked to run instead.
const SPINS: u32 = 64;

impl Gate {
    /// A gate for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Gate {
        let marks = (0..threads).map(|_| Alone::default()).collect();
        Gate { units: Mutex::new(()), raised: Alone::default(), marks }
    }

    /// Enters under the mark of `thread`: no unit is between its first and its last push meanwhile. `enter` must be short:
    /// a push, or a look at the own queue.
    #[inline]
    pub fn marked<T>(&self, thread: usize, enter: impl FnOnce() -> T) -> T {
        if crate::chaos::breaks(crate::chaos::Break::Mark) {
            return enter();
        }
        let mark = &self.marks[thread].0;
        loop {
            mark.store(true, Ordering::SeqCst);
            crate::chaos::point();
            if !self.raised.0.load(Ordering::SeqCst) {
                break;
            }
            mark.store(false, Ordering::Release);
            wait_until(|| !self.raised.0.load(Ordering::Acquire));
        }
        let result = enter();
        crate::chaos::point();
        mark.store(false, Ordering::Release);
        result
    }

    /// Enters a unit: `enter` pushes its parts, all of them, and says that it has. Not to be called under the mark.
    pub fn exclusive<T>(&self, enter: impl FnOnce() -> T) -> T {
        let _units = lock(&self.units);
        self.raised.0.store(true, Ordering::SeqCst);
        for mark in &self.marks {
            crate::chaos::point();
            wait_until(|| !mark.0.load(Ordering::SeqCst));
        }
        let result = enter();
        crate::chaos::point();
        self.raised.0.store(false, Ordering::Release);
        result
    }
}

/// Takes the lock without leaving the processor to others unseen: the simulation must see every wait.
fn lock(mutex: &Mutex<()>) -> std::sync::MutexGuard<'_, ()> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => crate::chaos::yield_now(),
        }
    }
}

fn wait_until(ready: impl Fn() -> bool) {
    let mut spins = 0;
    while !ready() {
        if spins < SPINS && cfg!(not(feature = "chaos")) {
            spins += 1;
            std::hint::spin_loop();
        } else {
            crate::chaos::yield_now();
        }
    }
}
