//! SIGTERM and SIGINT: the first one drains and leaves, the second one leaves at once.
#![expect(unsafe_code, reason = "signals are waited for through the C library")]
use crate::log;
use crate::persist::save::Leave;
use crate::queues::Mail;
use crate::shared::Shared;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The signals, kept from every thread until one waits for them.
#[derive(Clone, Copy)]
pub struct Signals(libc::sigset_t);

impl std::fmt::Debug for Signals {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Signals")
    }
}

impl Signals {
    /// Keeps them from this thread and all that it will start. SIGPIPE and SIGHUP are of no interest.
    ///
    /// # Errors
    /// The system refuses.
    pub fn block() -> Result<Signals, String> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: the place is a valid one, and the call fills it.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        for signal in [libc::SIGTERM, libc::SIGINT] {
            // SAFETY: the set is initialized, and the signal exists.
            unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
        }
        // SAFETY: it was initialized above.
        let set = unsafe { set.assume_init() };
        // SAFETY: ignoring a signal installs no handler.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        // SAFETY: the set is initialized, and nothing is asked back.
        let refused = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
        if refused == 0 { Ok(Signals(set)) } else { Err("Can't block signals".to_owned()) }
    }

    /// Waits for them on a thread of its own.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn stop_on_signal(self, shared: Arc<Shared>) -> Result<(), String> {
        let wait = move || {
            let mut before = false;
            loop {
                let signal = self.wait();
                let name = if signal == libc::SIGINT { "SIGINT" } else { "SIGTERM" };
                // A second SIGTERM does not cut off the save that the first one began.
                if before && (signal == libc::SIGINT || shared.stopping.load(Ordering::Relaxed)) {
                    log::warning(format_args!("You insist... exiting now."));
                    std::process::exit(1);
                }
                before = true;
                log::warning(format_args!("Received {name} scheduling shutdown..."));
                stop(&shared, signal);
            }
        };
        let spawned = std::thread::Builder::new().name("signals".to_owned()).spawn(wait);
        spawned.map(drop).map_err(|error| format!("Can't start a thread: {error}"))
    }

    fn wait(&self) -> libc::c_int {
        let mut signal = 0;
        // SAFETY: the set is initialized, and the place for the signal is a valid one.
        unsafe { libc::sigwait(&self.0, &mut signal) };
        signal
    }
}

/// Saves first where that is configured.
fn stop(shared: &Arc<Shared>, signal: libc::c_int) {
    let config = shared.config();
    let options = if signal == libc::SIGINT { config.shutdown_on_sigint } else { config.shutdown_on_sigterm };
    let leave = Leave { save: options.save, nosave: options.nosave, force: options.force };
    match leave.save_first(shared) {
        Some(save) => shared.mailboxes[0].deliver(Mail::Errand(save)),
        None => shared.stop(),
    }
}
