//! The journals of a running server: from the shards' tails to the files, and from there to the commit points that release
//! replies.
//!
//! ```text
//!   Shard::tail ──take_tail──→ desk of the shard ──Job──→ clerk or ring ──done──→ safe ──Commit──→ committed ──→ held replies go
//!   (whoever holds the shard)  (a lock, no wait)          (one a shard at a time)
//! ```
//!
//! One write of a shard is under way at a time; what comes meanwhile gathers at the desk and goes with the next one. So the
//! journal of a shard grows in one order, whoever holds the shard, and under `always` one fdatasync serves all who came
//! during the one before.
use super::clock::Clock;
use super::commit::Commit;
use super::desk::Desk;
use super::files::JournalFile;
use super::format::{BLOCK_HEAD_BYTES_MAX, Policy};
pub use super::job::{Facts, Job, Jobs, Trouble};
use super::marked::Marked;
use super::round::Rounds;
use crate::log;
use shards::shard::Shard;
use shards::tail::{FrameHead, Point, Tail};
use smallvec::SmallVec;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long is waited for the disk where there is nothing else to be done.
const WRITE_OUT_MAX: Duration = Duration::from_secs(10);

/// The journals of all shards.
#[derive(Debug)]
pub struct Journal {
    is_on: AtomicBool,
    /// A manifest names what is written.
    is_named: AtomicBool,
    streams: Box<[Stream]>,
    commit: Mutex<Commit>,
    next_unit: AtomicU64,
    /// The marks, as far as they are not on the disk, and the last that is.
    marked: Mutex<Marked>,
    /// Under `always`, which writes begin when.
    rounds: Rounds,
    /// Something waits at a desk that no tail will bring along.
    is_kicked: AtomicBool,
    /// Some journal cannot be written.
    is_in_trouble: AtomicBool,
    /// How often it was told that more is committed.
    tellings: AtomicU64,
    /// Threads that keep replies back.
    holds: Box<[AtomicBool]>,
}

/// The journal of one shard.
#[derive(Debug)]
struct Stream {
    appended: AtomicU64,
    committed: AtomicU64,
    desk: Mutex<Desk>,
}

impl Journal {
    /// Journals that are not written yet.
    #[must_use]
    pub fn new(shard_count: usize) -> Journal {
        let stream = || Stream {
            appended: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            desk: Mutex::new(Desk::default()),
        };
        Journal {
            is_on: AtomicBool::new(false),
            is_named: AtomicBool::new(false),
            streams: (0..shard_count).map(|_| stream()).collect(),
            commit: Mutex::new(Commit::new(&vec![0; shard_count])),
            next_unit: AtomicU64::new(1),
            marked: Mutex::new(Marked::new(shard_count)),
            rounds: Rounds::default(),
            is_kicked: AtomicBool::new(false),
            is_in_trouble: AtomicBool::new(false),
            tellings: AtomicU64::new(0),
            holds: (0..shard_count).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Whether there are journals. Shards say for themselves whether they write one ([`Shard::tail`]).
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins the journals: shards that get a tail from [`Journal::begin_shard`] are written to these files.
    pub fn begin(&self, next_unit: u64) {
        self.next_unit.fetch_max(next_unit, Ordering::Relaxed);
        self.is_on.store(true, Ordering::SeqCst);
    }

    /// A manifest names the files: from now on a restart finds what is in them.
    pub fn named(&self) {
        self.is_named.store(true, Ordering::SeqCst);
    }

    /// Ends them: shards have no tails any more, and what was under way is done.
    pub fn end(&self) {
        self.is_named.store(false, Ordering::SeqCst);
        self.is_on.store(false, Ordering::SeqCst);
    }

    /// From here on a shard's journal goes to this file under this policy. Called by who holds the shard, with what its tail has
    /// handed over.
    pub fn begin_shard(&self, shard: &mut Shard, file: Arc<JournalFile>, policy: Policy) {
        let stream = &self.streams[shard.index];
        let mut desk = stream.lock();
        desk.policy = policy;
        if let Some(old) = desk.file.replace(file) {
            desk.unsynced.push(old);
        }
        if matches!(desk.trouble, Some(Trouble::Sync(_))) {
            // What could not be kept is in memory, and comes into the bases of the new file.
            desk.trouble = None;
            desk.waiting.clear();
            self.rounds.forget(std::mem::take(&mut desk.waiting_frames));
            desk.written = stream.appended.load(Ordering::Relaxed);
            desk.unsynced.clear();
        }
        if shard.tail.is_none() {
            let lsn = stream.appended.load(Ordering::Relaxed);
            shard.tail = Some(Box::new(Tail::new(lsn, BLOCK_HEAD_BYTES_MAX)));
        }
    }

    /// The shard's journals go on where files end.
    pub fn resume_at(&self, lsns: &[u64]) {
        for (stream, lsn) in self.streams.iter().zip(lsns) {
            stream.appended.store(*lsn, Ordering::Relaxed);
            stream.committed.store(*lsn, Ordering::Relaxed);
            let mut desk = stream.lock();
            (desk.written, desk.synced) = (*lsn, *lsn);
        }
        *self.commit.lock().unwrap_or_else(PoisonError::into_inner) = Commit::new(lsns);
        self.marked.lock().unwrap_or_else(PoisonError::into_inner).begin(lsns);
    }

    /// How many shards there are.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.streams.len()
    }

    /// A number for a unit.
    pub fn new_unit(&self) -> u64 {
        self.next_unit.fetch_add(1, Ordering::Relaxed)
    }

    /// Appends a frame to a shard's tail; where it ends.
    #[inline]
    pub fn append(&self, shard: &mut Shard, head: FrameHead<'_>, records: &[u8]) -> u64 {
        let index = shard.index;
        let Some(tail) = &mut shard.tail else { return 0 };
        let start = tail.end();
        let end = tail.append(head, records);
        if head.unit.is_some() || !head.after.is_empty() {
            self.tie(index, start, end, head);
        }
        self.streams[index].appended.store(end, Ordering::Release);
        end
    }

    #[cold]
    fn tie(&self, shard: usize, start: u64, end: u64, head: FrameHead<'_>) {
        let mut commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        commit.tie(shard, start, end, head);
    }

    /// Takes what a shard in hand has for its journal; what is to be written of it at once, if anything.
    #[inline]
    pub fn take_tail(&self, shard: &mut Shard) -> Option<Job> {
        let tail = shard.tail.as_mut().filter(|tail| !tail.is_empty())?;
        let mut desk = self.streams[shard.index].lock();
        self.empty(tail, &mut desk);
        self.next_job(shard.index, &mut desk)
    }

    /// Puts what a tail has on the desk.
    fn empty(&self, tail: &mut Tail, desk: &mut Desk) {
        let lsn = tail.end() - tail.len() as u64;
        desk.waiting_frames += tail.frames();
        self.rounds.add(tail.frames());
        let bytes = tail.swap(desk.spares.pop().unwrap_or_default());
        desk.add(bytes, lsn);
    }

    /// The next write of a shard, if there is to be one now.
    fn next_job(&self, shard: usize, desk: &mut Desk) -> Option<Job> {
        let job = desk.next_job(shard, &self.rounds);
        if job.as_ref().is_some_and(|job| job.sync) {
            // The others are to join the round.
            self.is_kicked.store(true, Ordering::Release);
        }
        job
    }

    /// From now on, under `always`, a sync waits a little, by this clock, for those whom the last one served, so that one does for all.
    pub fn gather(&self, clock: Box<dyn Clock>) {
        self.rounds.begin(clock);
    }

    /// Whether some write waits for those who are about to come back. Whoever is awake then looks again soon: a shard's owner may sleep
    /// while others use it.
    #[inline]
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        self.rounds.is_gathering()
    }

    /// The writes that waited for others, and wait no longer.
    pub fn gathered_jobs(&self) -> Jobs {
        if !self.is_gathering() {
            return Jobs::new();
        }
        let jobs = (0..self.shard_count()).map(|shard| self.next_job(shard, &mut self.streams[shard].lock()));
        jobs.flatten().collect()
    }

    /// A job is done: what is to be done next for this shard, and whether more is committed than before. A write that
    /// failed is kept, and tried again with [`Journal::try_again`]; a sync that failed is not.
    pub fn done(&self, job: Job, result: io::Result<()>) -> (Jobs, bool) {
        let shard = job.shard;
        let is_write = !job.bytes.is_empty();
        let is_in_round = is_write && job.sync;
        let is_round_over = is_write && self.rounds.ended(job.sync);
        let stream = &self.streams[shard];
        let mut desk = stream.lock();
        match result {
            Ok(()) => {
                desk.succeeded(job);
                if is_write && self.is_in_trouble() {
                    drop(desk);
                    self.look_for_trouble();
                    desk = stream.lock();
                }
            }
            Err(error) => {
                desk.failed(job, &error);
                self.is_in_trouble.store(true, Ordering::SeqCst);
                return (Jobs::new(), false);
            }
        }
        let mut next = Jobs::new();
        next.extend(is_round_over.then(|| self.next_job(shard, &mut desk)).flatten());
        if is_in_round && is_round_over {
            self.is_kicked.store(true, Ordering::Release);
        }
        next.extend(desk.next_sync(shard));
        let is_in_doubt = desk.doubt.is_some();
        let is_safe = match desk.policy {
            Policy::Always => desk.synced,
            Policy::EverySecond | Policy::No => desk.written,
        };
        drop(desk);
        (next, !is_in_doubt && self.advance(shard, is_safe))
    }

    /// A shard's journal is safe up to here; whether more is committed than before.
    fn advance(&self, shard: usize, lsn: u64) -> bool {
        let mut commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_more = false;
        for (stream, committed) in self.streams.iter().zip(commit.is_safe(shard, lsn)) {
            is_more |= stream.committed.swap(*committed, Ordering::SeqCst) < *committed;
        }
        is_more
    }

    /// How often it was told that more is committed. Counted after that can be seen: who looks at what it keeps back after reading this misses
    /// nothing, if it looks again when this has grown.
    #[must_use]
    pub fn tellings(&self) -> u64 {
        self.tellings.load(Ordering::SeqCst)
    }

    /// Where a shard's journal ends, what its tail holds included.
    #[inline]
    #[must_use]
    pub fn appended(&self, shard: usize) -> u64 {
        self.streams[shard].appended.load(Ordering::Acquire)
    }

    /// Whether a shard's journal is committed up to here.
    #[inline]
    #[must_use]
    pub fn is_committed(&self, point: Point) -> bool {
        self.streams[usize::from(point.shard)].committed.load(Ordering::SeqCst) >= point.lsn
    }

    /// A thread keeps replies back: it is to be told when more is committed. It looks again after this.
    pub fn hold(&self, thread: usize) {
        self.holds[thread].store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The threads that keep replies back: each is told once. It is to be woken if it sleeps, and looks by itself
    /// ([`Journal::tellings`]) before it does.
    pub fn holders(&self) -> impl Iterator<Item = usize> {
        let holds = self.holds.iter().enumerate();
        let told = holds.filter(|(_, holds)| holds.swap(false, Ordering::SeqCst)).map(|(thread, _)| thread);
        let told: SmallVec<[usize; 8]> = told.collect();
        // Counted when it is known who is told: who looks at the count and keeps replies back after that is told next time.
        self.tellings.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        told.into_iter()
    }

    /// Whether something was done since the last mark.
    #[must_use]
    pub fn wants_mark(&self) -> bool {
        (0..self.shard_count()).any(|shard| self.appended(shard) > self.streams[shard].lock().marked)
    }

    /// Appends the mark of a cut over all shards, the unit of this number. Under `everysec` it is brought to the disk as soon as
    /// it is written.
    pub fn mark(&self, shard: &mut Shard, unit: u64) {
        let participants: Vec<u16> = (0..self.shard_count() as u16).collect();
        let head = FrameHead { unit: Some((unit, &participants)), is_mark: true, ..FrameHead::default() };
        let end = self.append(shard, head, &[]);
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        marked.look(|shard| self.synced(shard));
        marked.add(unit, shard.index, end);
        drop(marked);
        let mut desk = self.streams[shard.index].lock();
        desk.marked = end;
        if desk.policy == Policy::EverySecond {
            desk.sync_wanted = end;
        }
    }

    /// Takes what a shard has for its journal, to be written before anything that comes later.
    pub fn hand_in(&self, shard: &mut Shard) {
        self.hand_in_to(shard, |_| {});
    }

    /// Nothing of it is written before `then` has been said to the desk.
    fn hand_in_to(&self, shard: &mut Shard, then: impl FnOnce(&mut Desk)) {
        let Some(tail) = &mut shard.tail else { return };
        let mut desk = self.streams[shard.index].lock();
        if !tail.is_empty() {
            self.empty(tail, &mut desk);
        }
        then(&mut desk);
        self.is_kicked.store(true, Ordering::Release);
    }

    /// Sees that all that was done on these shards is written, and what others have handed in; whether it is. Waits for the disk.
    pub fn write_out(&self, shards: &mut [Box<Shard>]) -> bool {
        shards.iter_mut().for_each(|shard| self.hand_in(shard));
        let until = Instant::now() + WRITE_OUT_MAX;
        let is_wanted = || !self.is_in_trouble() && Instant::now() < until;
        let is_written = || self.streams.iter().all(|stream| stream.lock().is_empty());
        while is_wanted() && !is_written() {
            let mut jobs: Jobs = (0..self.shard_count())
                .filter_map(|shard| self.next_job(shard, &mut self.streams[shard].lock()))
                .collect();
            while let Some(job) = jobs.pop() {
                let result = job.run();
                jobs.extend(self.done(job, result).0);
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        !self.is_in_trouble() && is_written()
    }

    /// The number of the piece that is written.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.streams.first()?.lock().file.as_ref().map(|file| file.generation)
    }

    /// Nothing more will be written: the files end where what was written does.
    pub fn finish(&self) {
        for file in self.streams.iter().filter_map(|stream| stream.lock().file.clone()) {
            if let Err(error) = file.finish() {
                log::warning(format_args!(
                    "A journal's file keeps the space that was laid out for it: {error}"
                ));
            }
        }
    }

    /// Up to where the shards' journals are committed.
    #[must_use]
    pub fn committed(&self) -> Vec<u64> {
        self.streams.iter().map(|stream| stream.committed.load(Ordering::SeqCst)).collect()
    }

    /// What waits at desks without a tail to bring it along.
    pub fn kicked_jobs(&self) -> Jobs {
        if !self.is_kicked.load(Ordering::Relaxed) || !self.is_kicked.swap(false, Ordering::AcqRel) {
            return Jobs::new();
        }
        let mut jobs = Jobs::new();
        for (shard, stream) in self.streams.iter().enumerate() {
            let mut desk = stream.lock();
            jobs.extend(self.next_job(shard, &mut desk));
            jobs.extend(desk.next_sync(shard));
        }
        jobs
    }

    /// From the mark that was just appended on, a shard's journal follows this policy.
    pub fn set_policy(&self, shard: &mut Shard, policy: Policy) {
        self.hand_in_to(shard, |desk| desk.policy = policy);
    }

    /// Syncs that no reply waits for are put off, or not any more: while the disk is busy with a snapshot
    /// (`no-appendfsync-on-rewrite`). Under `always` replies do.
    pub fn put_syncs_off(&self, are_off: bool) {
        self.streams.iter().for_each(|stream| stream.lock().puts_syncs_off = are_off);
        self.is_kicked.store(true, Ordering::Release);
    }

    /// Whether all before these positions is committed, or, where nobody can tell any more, is to be kept by a rewrite.
    #[must_use]
    pub fn is_kept_before(&self, ends: &[u64]) -> bool {
        let is_in_doubt = self.streams.iter().any(|stream| stream.lock().doubt.is_some());
        is_in_doubt
            || ends
                .iter()
                .enumerate()
                .all(|(shard, end)| self.is_committed(Point { shard: shard as u16, lsn: *end }))
    }

    /// The journals were rewritten: what lies before these positions is kept by other files.
    pub fn rebased(&self, ends: &[u64]) -> bool {
        let mut is_more = false;
        for (shard, end) in ends.iter().enumerate() {
            let mut desk = self.streams[shard].lock();
            desk.synced = desk.synced.max(*end);
            desk.unsynced.clear();
            // A sync of the new file may have failed as well.
            let is_lost = matches!(desk.trouble, Some(Trouble::Sync(_)));
            desk.doubt = desk.doubt.take().filter(|_| is_lost);
            desk.doubt.iter_mut().for_each(|doubt| doubt.synced = doubt.synced.max(*end));
            let is_safe = match desk.policy {
                _ if is_lost => *end,
                Policy::Always => desk.synced,
                Policy::EverySecond | Policy::No => desk.written,
            };
            drop(desk);
            is_more |= self.advance(shard, is_safe.max(*end));
        }
        self.look_for_trouble();
        is_more
    }

    /// What failed to be written is tried again.
    pub fn try_again(&self, shard: usize) -> Option<Job> {
        if !self.is_in_trouble.load(Ordering::Relaxed) {
            return None;
        }
        let mut desk = self.streams[shard].lock();
        desk.trouble.take_if(|trouble| matches!(trouble, Trouble::Write(_)))?;
        self.next_job(shard, &mut desk)
    }

    fn look_for_trouble(&self) {
        let is_left = (0..self.shard_count()).any(|shard| self.trouble(shard).is_some());
        self.is_in_trouble.store(is_left, Ordering::SeqCst);
    }

    /// Whether some journal cannot be written.
    #[inline]
    #[must_use]
    pub fn is_in_trouble(&self) -> bool {
        self.is_in_trouble.load(Ordering::Relaxed)
    }

    /// Whether all that stands before these positions is kept even if the power fails: on the disk, before a mark that is on the disk on
    /// all shards, or with nothing behind that mark that was not written under `always`; and in files that a manifest names.
    #[must_use]
    pub fn is_on_disk(&self, ends: &[u64]) -> bool {
        if !self.is_on() || !self.is_named.load(Ordering::SeqCst) {
            return false;
        }
        let mut marked = self.marked.lock().unwrap_or_else(PoisonError::into_inner);
        marked.look(|shard| self.synced(shard));
        let kept = marked.kept();
        let is_strict = self.streams.iter().zip(kept).all(|(stream, kept)| stream.lock().lax_end <= *kept);
        // Behind the mark what is on the disk counts only if it is whole.
        let is_whole = |shard: usize, lsn: u64| {
            self.synced(shard) >= lsn && self.is_committed(Point { shard: shard as u16, lsn })
        };
        let mut all = ends.iter().zip(kept).enumerate();
        all.all(|(shard, (end, kept))| end <= kept || is_strict && is_whole(shard, *end))
    }

    /// Up to where a shard's journal is on the disk.
    #[must_use]
    pub fn synced(&self, shard: usize) -> u64 {
        self.streams[shard].lock().sure()
    }

    /// What INFO tells of the journals.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for stream in &self.streams {
            let desk = stream.lock();
            facts.waiting_bytes += desk.waiting.iter().map(|segment| segment.bytes.len() as u64).sum::<u64>();
            facts.pending_syncs += u64::from(desk.is_sync_under_way);
            facts.delayed_syncs += desk.delayed;
        }
        facts
    }

    /// Whether clients may not write, because what they write could not be kept; and why.
    #[must_use]
    pub fn refuses_writes(&self) -> Option<Trouble> {
        if !self.is_in_trouble.load(Ordering::Relaxed) {
            return None;
        }
        (0..self.shard_count()).find_map(|shard| self.trouble(shard))
    }

    /// Why a shard's journal cannot be written, if it cannot.
    #[must_use]
    pub fn trouble(&self, shard: usize) -> Option<Trouble> {
        let desk = self.streams[shard].lock();
        let doubt = || desk.doubt.as_ref().map(|doubt| Trouble::Sync(doubt.why.clone()));
        desk.trouble.clone().or_else(doubt)
    }
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
