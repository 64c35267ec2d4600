//! The journal's part in a turn: what was done goes to the desk before replies are looked at, and replies wait for it.
use super::Thread;
use super::conn::Conn;
use super::core::Core;
use crate::chaos::Break;
use crate::coordinate::batch::Act;
use crate::coordinate::unasked::Errand;
use crate::coordinate::unit::Kind;
use crate::coordinate::unit::Unit;
use crate::net::Store;
use crate::persist::clerk::Clerk;
use crate::persist::journal::{Job, Trouble};
use crate::persist::keeper::policy_of;
use crate::persist::marks::Mark;
use crate::persist::rewrite;
use shards::shard::Shard;
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Duration;

/// How often what was written is brought to the disk under `everysec`, in ms.
const SYNC_MS: i64 = 1000;
/// How often it is looked whether those who are waited for have come.
const GATHERING_LOOK: Duration = Duration::from_micros(50);
/// How often replies that are kept back are looked at where nothing more is committed, in ms.
const HELD_LOOK_MS: i64 = 100;
/// What is written at once is no longer than this.
const QUICK_BYTES_MAX: usize = 64 << 10;
/// A write at once that took so long had to wait, and for so long there is none again, both in ms.
const SLOW_WRITE_MS: u64 = 2;
const SLOW_DISK_MS: i64 = 200;
/// After a sync failed, the rewrite that mends it is tried so often, in ms.
const MEND_MS: i64 = 2000;

impl Core {
    /// Hands over what a shard in hand has for its journal. Before the shard is given to anybody, or a reply is released.
    #[inline]
    pub(crate) fn take_tail(&mut self, shard: &mut Shard) {
        if shard.tail.as_ref().is_some_and(|tail| !tail.is_empty()) {
            self.jobs.extend(self.shared.journal.take_tail(shard));
        }
    }

    /// The same for the own shard, if it is in hand.
    #[inline]
    pub(crate) fn take_own_tail(&mut self) {
        if let Some(strand) = &mut self.strands[self.id]
            && strand.shard.tail.as_ref().is_some_and(|tail| !tail.is_empty())
        {
            self.jobs.extend(self.shared.journal.take_tail(&mut strand.shard));
        }
    }

    /// The thread ends: its shard is left where the journals' end is made.
    pub(crate) fn leave_strand(&mut self) {
        if let Some(strand) = self.strands[self.id].take() {
            self.shared.queues[self.id].put(strand);
        }
    }

    /// Whether what a connection has to be sent may go. If not, it is kept, and looked at again when more is committed.
    #[inline]
    pub fn may_send(&mut self, conn: &mut Conn) -> bool {
        conn.needs.is_empty() || self.is_committed_for(conn)
    }

    fn is_committed_for(&mut self, conn: &mut Conn) -> bool {
        let journal = &self.shared.journal;
        if conn.needs.are_met(journal) || crate::chaos::breaks(Break::Commit) {
            return true;
        }
        crate::chaos::point();
        journal.hold(self.id);
        crate::chaos::point();
        if conn.needs.are_met(journal) {
            return true;
        }
        self.held.push(conn.token);
        false
    }

    /// A connection may not see the replies of a unit before what it did is committed.
    pub(crate) fn raise_for_unit(&self, conn: &mut Conn, unit: &Unit) {
        if self.shared.journal.is_on() {
            for part in 0..unit.parts.len() {
                let part = unit.part(part);
                part.needs.points().iter().for_each(|point| conn.needs.raise(*point, &self.shared.journal));
            }
        }
    }

    /// Nor what it is told of others' doings before those are.
    #[inline]
    pub(crate) fn raise_for_push(&self, conn: &mut Conn) {
        if self.shared.journal.is_on() {
            conn.needs.raise_all(&self.shared.journal);
        }
    }

    /// What was kept is looked at again, if it was told that more is committed since it was looked at last. Now and then in any case: a connection may
    /// have been closed meanwhile.
    #[inline]
    pub fn look_at_held(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let tellings = self.shared.journal.tellings();
        let (tellings_seen, seen_ms) = self.held_seen;
        if tellings != tellings_seen || self.now_ms - seen_ms >= HELD_LOOK_MS {
            self.held_seen = (tellings, self.now_ms);
            self.to_flush.append(&mut self.held);
        }
    }

    /// Whether it was told that more is committed since what is kept back was looked at.
    pub(crate) fn has_news_of_held(&self) -> bool {
        !self.held.is_empty() && self.shared.journal.tellings() != self.held_seen.0
    }

    /// What time asks of the journals: a mark over all of them, and that failed writes are tried again. The first thread sees to it for all
    /// shards: the owner of one may sleep, and know nothing of it, while others use it.
    pub(crate) fn keep_journal(&mut self) {
        let shared = Arc::clone(&self.shared);
        let journal = &shared.journal;
        if self.id != 0 || !journal.is_on() || self.now_ms < self.next_sync_ms {
            return;
        }
        self.next_sync_ms = self.now_ms + SYNC_MS;
        self.jobs.extend((0..journal.shard_count()).filter_map(|shard| journal.try_again(shard)));
        self.rewrite_if_due();
        let wanted = policy_of(&self.config);
        let is_other = wanted != std::mem::replace(&mut self.journal_policy, wanted);
        if is_other || journal.wants_mark() {
            let mark: Arc<dyn Errand> = Arc::new(Mark::new(&shared, Some(wanted)));
            self.enter_unasked(Kind::FanOut, |_| Act::Errand(Arc::clone(&mark)));
        }
    }

    /// Begins to rewrite the journals, if it is time to, or what could not be synced can be kept in no other way.
    fn rewrite_if_due(&self) {
        let shared = Arc::clone(&self.shared);
        let is_lost = matches!(shared.journal.refuses_writes(), Some(Trouble::Sync(_)));
        let is_asked = is_lost && self.now_ms - shared.rewrites.facts().tried_ms > MEND_MS;
        if (is_asked || shared.rewrites.is_due(&shared, self.now_ms))
            && let Err(why) = rewrite::start(&shared)
        {
            crate::log::warning(format_args!("Can't rewrite the journals: {why}"));
        }
    }

    /// How long until the journals want something of this thread, in ms: of the first one every second, whether it sleeps or not.
    pub(crate) fn journal_due_in_ms(&self) -> Option<i64> {
        (self.id == 0 && self.shared.journal.is_on()).then(|| (self.next_sync_ms - self.now_ms).max(1))
    }
}

/// What needs no driver of it: the simulation does it as the loop does.
impl Core {
    /// Hands over what was done in this turn: what is to be done with files then, [`Core::next_job`] tells.
    pub fn collect_jobs(&mut self) {
        self.take_own_tail();
        self.jobs.extend(self.shared.journal.kicked_jobs());
        self.jobs.extend(self.shared.journal.gathered_jobs());
    }

    /// Something to be done with a file.
    pub fn next_job(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// A job is done, well or not; the threads that sleep and keep replies back which may go now. This one looks at its own in this turn.
    pub fn job_done(&mut self, job: Job, result: std::io::Result<()>) -> SmallVec<[usize; 8]> {
        let shared = Arc::clone(&self.shared);
        let (next, is_more_committed) = shared.journal.done(job, result);
        self.jobs.extend(next);
        crate::chaos::point();
        if !is_more_committed || crate::chaos::breaks(Break::Telling) {
            return SmallVec::new();
        }
        let sleeps = |thread: &usize| *thread != self.id && shared.mailboxes[*thread].is_asleep();
        shared.journal.holders().filter(sleeps).collect()
    }
}

impl Thread {
    /// Hands over what was done in this turn, and has it written.
    pub(super) fn write_journal(&mut self) {
        self.core.collect_jobs();
        while let Some(job) = self.core.next_job() {
            self.start(job);
        }
        self.core.look_at_held();
    }

    /// How long a write that waits for more may wait, at most, before it is looked at again.
    pub(super) fn gathering_patience(&self) -> Option<Duration> {
        self.core.shared.journal.is_gathering().then_some(GATHERING_LOOK)
    }

    /// Has a job done: what is quick at once, the rest by the driver, or where that would wait for the disk, by a clerk.
    fn start(&mut self, mut job: Job) {
        if self.is_quick(&job) {
            let began = self.core.stats.ticks();
            let result = job.write();
            let took_ms = self.note_write(began);
            if result.is_err() || !job.sync {
                self.core.note_latency("aof-write", took_ms);
                return self.done(job, result);
            }
            job.is_written = true;
        }
        // What has to be synced first, which is rare, is more than one operation.
        let fd = job.file.fd().filter(|_| job.also.is_empty());
        let job = match fd {
            Some(fd) => {
                self.stores_begun += 1;
                let store = Store {
                    number: self.stores_begun,
                    fd,
                    start: job.bytes.len() - job.bytes_left(),
                    bytes: std::mem::take(&mut job.bytes),
                    offset: job.offset,
                    sync: job.sync,
                };
                let Err(store) = self.driver.store(store) else {
                    self.storing.push((self.stores_begun, job, self.core.stats.ticks()));
                    return;
                };
                job.bytes = store.bytes;
                job
            }
            None => job,
        };
        let shared = &self.core.shared;
        self.clerk.get_or_insert_with(|| Clerk::new(shared)).take(job);
    }

    /// Whether a job's write takes no longer than copying its bytes, so that whoever waits for it is served in this turn. Many file systems take no write over the
    /// ring without handing it to a thread of the kernel's, which costs more than such a write does.
    fn is_quick(&self, job: &Job) -> bool {
        let is_small = (1..=QUICK_BYTES_MAX).contains(&job.bytes_left());
        is_small && job.is_alone && job.also.is_empty() && self.core.now_ms >= self.disk_is_slow_until_ms
    }

    /// A write at once is done; how long it took, in ms. After one that had to wait, others do not make the thread wait for a while.
    fn note_write(&mut self, began: u64) -> u64 {
        let took_ms = self.core.stats.nanoseconds(self.core.stats.ticks().saturating_sub(began)) / 1_000_000;
        if took_ms >= SLOW_WRITE_MS {
            self.disk_is_slow_until_ms = self.core.now_ms + SLOW_DISK_MS;
        }
        took_ms
    }

    /// A job is done, well or not. The threads that this concerns are woken at once: the rest of this turn may be long.
    fn done(&mut self, job: Job, result: std::io::Result<()>) {
        for thread in self.core.job_done(job, result) {
            if let Some(waker) = self.core.shared.mailboxes[thread].waker() {
                waker.wake();
            }
        }
    }

    /// The driver is done with a job.
    pub(super) fn stored(&mut self, number: u64, bytes: Vec<u8>, is_sync: bool, result: std::io::Result<()>) {
        let Some(at) = self.storing.iter().position(|(of, ..)| *of == number) else { return };
        let (_, mut job, began) = self.storing.swap_remove(at);
        let took_ms = self.core.stats.nanoseconds(self.core.stats.ticks().saturating_sub(began)) / 1_000_000;
        // As Redis has it: of syncs in the background only the waiting for them is told.
        if !bytes.is_empty() {
            self.core.note_latency(if job.sync { "aof-fsync-always" } else { "aof-write" }, took_ms);
        }
        let end =
            if bytes.is_empty() { job.synced_end } else { job.offset + (bytes.len() - job.start) as u64 };
        if is_sync {
            job.file.note_sync(result.is_ok(), end);
        }
        job.bytes = bytes;
        self.done(job, result);
    }

    /// Whether something is on its way to a file.
    pub(super) fn is_storing(&self) -> bool {
        !self.storing.is_empty()
    }
}
