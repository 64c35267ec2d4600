//! Accepting over the ring: one multishot operation per listener, which rests after errors that would come
//! again.
#![expect(unsafe_code, reason = "results carry descriptors")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::{ACCEPT, Armed, CANCEL_ACCEPT, Uring, make_blocking};
use crate::net::{ACCEPT_REST, Completion, Tag, Token, concerns_one_connection, end_rests};

/// A listening socket.
pub(super) struct Listener {
    fd: OwnedFd,
    generation: u32,
    armed: Armed,
    paused: bool,
    /// Set while accepting rests after an error.
    rests_until: Option<Instant>,
}

impl Uring {
    pub(in crate::net) fn listen(&mut self, listener: usize, fd: OwnedFd) {
        if listener >= self.listeners.len() {
            self.listeners.resize_with(listener + 1, || None);
        }
        assert!(self.listeners[listener].is_none(), "a listener's number is in use");
        make_blocking(&fd);
        self.listener_generation += 1;
        let generation = self.listener_generation;
        self.listeners[listener] =
            Some(Listener { fd, generation, armed: Armed::No, paused: false, rests_until: None });
        self.arm_accept(listener);
    }

    pub(in crate::net) fn stop_listening(&mut self, listener: usize) {
        if let Some(it) = self.listeners.get_mut(listener).and_then(Option::take) {
            self.close(it.fd);
        }
    }

    pub(in crate::net) fn pause_accepting(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        it.paused = true;
        if it.armed == Armed::Yes {
            it.armed = Armed::Cancelling;
            let token = Token { index: listener as u32, generation: it.generation };
            self.cancel(Tag::new(ACCEPT, token), Tag::new(CANCEL_ACCEPT, token));
        }
    }

    pub(in crate::net) fn resume_accepting(&mut self, listener: usize) {
        if let Some(Some(it)) = self.listeners.get_mut(listener) {
            it.paused = false;
            self.arm_accept(listener);
        }
    }

    pub(super) fn arm_accept(&mut self, listener: usize) {
        let Some(Some(it)) = self.listeners.get_mut(listener) else { return };
        if it.armed != Armed::No || it.paused || it.rests_until.is_some() {
            return;
        }
        it.armed = Armed::Yes;
        let token = Token { index: listener as u32, generation: it.generation };
        let entry = opcode::AcceptMulti::new(Fd(it.fd.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: points to nothing.
        unsafe { self.push(entry, Tag::new(ACCEPT, token)) };
    }

    /// The listener that an operation was about, if it is still there.
    pub(super) fn listener(&mut self, tag: Tag) -> Option<&mut Listener> {
        let listener = self.listeners.get_mut(tag.index as usize)?.as_mut()?;
        (Tag::new(tag.kind, Token { index: tag.index, generation: listener.generation }) == tag)
            .then_some(listener)
    }

    pub(super) fn accepted(&mut self, tag: Tag, result: &cqueue::Entry) -> Option<Completion> {
        let outcome = result.result();
        // SAFETY: a result of accept that is no error is a new descriptor, and nobody else's.
        let accepted = (outcome >= 0).then(|| unsafe { OwnedFd::from_raw_fd(outcome) });
        let it = self.listener(tag)?;
        if !cqueue::more(result.flags()) {
            it.armed = Armed::No;
        }
        let accepted = accepted.ok_or_else(|| io::Error::from_raw_os_error(-outcome));
        let cancelled = -outcome == libc::ECANCELED;
        if let Err(error) = &accepted
            && !cancelled
            && !concerns_one_connection(error)
        {
            it.rests_until = Some(Instant::now() + ACCEPT_REST);
        }
        let listener = tag.index as usize;
        self.arm_accept(listener);
        (!cancelled).then_some(Completion::Accepted { listener, result: accepted })
    }

    pub(super) fn accept_not_cancelled(&mut self, tag: Tag, outcome: i32) {
        let again = Tag { kind: ACCEPT, ..tag };
        if let Some(it) = self.listener(tag)
            && -outcome == libc::EALREADY
            && it.armed == Armed::Cancelling
        {
            self.cancel(again, tag);
        }
    }

    /// Takes up listeners whose rest is over; how long the others still rest.
    pub(super) fn wake_listeners(&mut self) -> Option<Duration> {
        let listeners = self.listeners.iter_mut().enumerate();
        let rests = listeners.filter_map(|(at, it)| Some((at, &mut it.as_mut()?.rests_until)));
        let (woken, rest) = end_rests(rests);
        woken.into_iter().for_each(|listener| self.arm_accept(listener));
        rest
    }
}
