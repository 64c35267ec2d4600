//! Threads that wait for the disk, so that no shard does: one that writes and one that syncs beside it.
use super::journal::Job;
use crate::shared::Shared;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often it is looked whether those who are waited for have come.
const LOOK: Duration = Duration::from_micros(50);

/// The clerks of one shard thread: they end when this is dropped.
#[derive(Debug)]
pub struct Clerk {
    writes: Sender<Job>,
}

impl Clerk {
    /// Two threads that wait for work.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Clerk {
        let syncs = spawn("journal-sync", shared, None);
        Clerk { writes: spawn("journal-write", shared, Some(syncs)) }
    }
    /// Has a job done.
    pub fn take(&self, job: Job) {
        self.writes.send(job).expect("a clerk lives as long as somebody has work for it");
    }
}

/// A clerk; one that has `syncs` leaves the mere syncs to it.
fn spawn(name: &str, shared: &Arc<Shared>, syncs: Option<Sender<Job>>) -> Sender<Job> {
    let (sender, receiver) = channel();
    let shared = Arc::downgrade(shared);
    let work = move || work(&receiver, &shared, syncs.as_ref());
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.expect("the system has a thread for the journal");
    sender
}

fn work(jobs: &Receiver<Job>, shared: &Weak<Shared>, syncs: Option<&Sender<Job>>) {
    while let Ok(job) = jobs.recv() {
        let mut todo = vec![job];
        while let Some(job) = todo.pop() {
            if let Some(syncs) = syncs.filter(|_| job.bytes.is_empty()) {
                drop(syncs.send(job));
                continue;
            }
            let result = job.run();
            let Some(shared) = shared.upgrade() else { return };
            let (next, is_more_committed) = shared.journal.done(job, result);
            if is_more_committed {
                tell_holders(&shared);
            }
            todo.extend(next);
            // Where nobody else is awake, it is the clerk who sees that the next round begins.
            todo.extend(shared.journal.kicked_jobs());
            while todo.is_empty() && shared.journal.is_gathering() {
                std::thread::sleep(LOOK);
                todo.extend(shared.journal.gathered_jobs());
            }
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
