//! Bad luck, on purpose: in test builds (feature `chaos`) a thread sleeps at random in the middle of a hand-over.
//!
//! Every place where another thread could overtake calls [`point`]. In a normal build it is nothing at all. The
//! deterministic simulation hangs its scheduler in here as well.

/// A moment at which this thread may be descheduled.
#[inline(always)]
pub fn point() {
    #[cfg(feature = "chaos")]
    hook::point();
}

#[cfg(feature = "chaos")]
pub use hook::{set_hook, yield_now};

/// Lets other threads run while this one waits for them.
#[cfg(not(feature = "chaos"))]
#[inline]
pub fn yield_now() {
    std::thread::yield_now();
}

#[cfg(feature = "chaos")]
mod hook {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    type Hook = Box<dyn Fn()>;

    thread_local! {
        static DICE: Cell<u64> = const { Cell::new(0) };
        static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
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
