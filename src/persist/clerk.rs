//! Threads that wait for the disk, so that no shard does: one that writes and one that syncs beside it.
use super::journal::Job;
use crate::shared::Shared;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::{Arc, Weak};

/// The clerks of one shard thread.
#[derive(Debug)]
pub struct Clerk {
    writes: Sender<Job>,
    syncs: Sender<Job>,
}

impl Clerk {
    /// Clerks that end when this is dropped.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Clerk {
        Clerk { writes: spawn("journal-write", shared), syncs: spawn("journal-sync", shared) }
    }
    /// Has a job done.
    pub fn take(&self, job: Job) {
        let clerk = if job.bytes.is_empty() { &self.syncs } else { &self.writes };
        clerk.send(job).expect("a clerk lives as long as somebody has work for it");
    }
}

fn spawn(name: &str, shared: &Arc<Shared>) -> Sender<Job> {
    let (sender, receiver) = unbounded();
    let shared = Arc::downgrade(shared);
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&receiver, &shared));
    spawned.expect("the system has a thread for the journal");
    sender
}

fn work(jobs: &Receiver<Job>, shared: &Weak<Shared>) {
    while let Ok(job) = jobs.recv() {
        let mut next = Some(job);
        while let Some(job) = next {
            let result = job.run();
            let Some(shared) = shared.upgrade() else { return };
            let (more, is_more_committed) = shared.journal.done(job, result);
            if is_more_committed {
                tell_holders(&shared);
            }
            next = more;
        }
    }
}

/// Wakes the threads that keep replies back.
pub fn tell_holders(shared: &Shared) {
    for thread in shared.journal.holders() {
        if let Some(waker) = shared.mailboxes[thread].waker() {
            waker.wake();
        }
    }
}
