//! Bad luck, on purpose: in test builds (feature `chaos`) a thread sleeps at random in the middle of a hand-over.
//!
//! Every place where another thread could overtake calls [`point`]. In a normal build it is nothing at all. The
//! deterministic simulation hangs its scheduler in here as well. Files are written over a [`disk`] that can lose its power.

#[cfg_attr(not(feature = "chaos"), path = "chaos/no_disk.rs")]
pub mod disk;

use std::sync::{Mutex, MutexGuard};

/// A moment at which this thread may be descheduled.
#[inline(always)]
pub fn point() {
    #[cfg(feature = "chaos")]
    hook::point();
}

/// A rule of the order of effects that a simulation breaks on purpose, to see that it would notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Break {
    /// Nobody marks that it is about to enter (R3a).
    Mark,
    /// Parts of units run before the unit is entered everywhere (R3b).
    Entered,
    /// Who falls asleep does not look again.
    SecondLook,
    /// Who puts a strand back does not look again.
    PutBack,
    /// Something is run at once though the queue is not empty (R1).
    Overtake,
    /// Nobody looks who waits on several shards (R4).
    Registry,
    /// Replies are sent before what they have seen is committed.
    Commit,
    /// Nobody is told that more is committed.
    Telling,
    /// What a pipeline writes on several shards is not bound together in the journals.
    Bind,
}

/// Whether this thread breaks a rule. Never, in a normal build.
#[inline(always)]
#[must_use]
pub fn breaks(rule: Break) -> bool {
    #[cfg(feature = "chaos")]
    return hook::broken() == Some(rule);
    #[cfg(not(feature = "chaos"))]
    {
        let _ = rule;
        false
    }
}

/// Locks what is held across points: a simulation must see who waits for it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(feature = "chaos")]
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => yield_now(),
        }
    }
    #[cfg(not(feature = "chaos"))]
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(feature = "chaos")]
pub use hook::{set_break, set_hook, yield_now};

/// Lets other threads run while this one waits for them.
#[cfg(not(feature = "chaos"))]
#[inline]
pub fn yield_now() {
    std::thread::yield_now();
}

#[cfg(feature = "chaos")]
mod hook {
    use super::Break;
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    type Hook = Box<dyn Fn()>;

    thread_local! {
        static DICE: Cell<u64> = const { Cell::new(0) };
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
        static BROKEN: Cell<Option<Break>> = const { Cell::new(None) };
    }

    /// Has this thread break a rule from now on.
    pub fn set_break(rule: Option<Break>) {
        BROKEN.set(rule);
    }

    pub(super) fn broken() -> Option<Break> {
        BROKEN.get()
    }

    /// Has `hook` called at every point of this thread instead of sleeping: a simulation's scheduler.
    pub fn set_hook(hook: Option<Hook>) {
        HOOK.with(|place| *place.borrow_mut() = hook);
    }

    /// Lets other threads run while this one waits for them.
    pub fn yield_now() {
        let hooked = HOOK.with(|hook| hook.borrow().as_ref().map(|hook| hook()).is_some());
        if !hooked {
            std::thread::yield_now();
        }
    }

    pub(super) fn point() {
        let hooked = HOOK.with(|hook| hook.borrow().as_ref().map(|hook| hook()).is_some());
        if hooked {
            return;
        }
        let mut dice = DICE.get();
        if dice == 0 {
            dice = std::process::id() as u64 ^ (&raw const dice as u64) | 1;
        }
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        DICE.set(dice);
        match dice % 1000 {
            0 => std::thread::sleep(Duration::from_micros(dice >> 32 & 0x3ff)),
            1..30 => std::thread::yield_now(),
            _ => {}
        }
    }
}
