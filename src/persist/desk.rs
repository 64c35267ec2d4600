//! The desk of one shard's journal: where what is to be written waits for the write before it.
use super::files::JournalFile;
use super::format::{BLOCK_HEAD_BYTES_MAX, Policy, seal};
use super::job::{Job, Trouble};
use super::round::Rounds;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Buffers that a desk keeps to be filled again, at most, and how large.
const SPARES_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 1 << 20;

/// Where what is to be written waits.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// What is written now goes here.
    pub(super) file: Option<Arc<JournalFile>>,
    pub(super) policy: Policy,
    pub(super) waiting: VecDeque<Segment>,
    pub(super) is_under_way: bool,
    pub(super) written: u64,
    pub(super) synced: u64,
    pub(super) is_sync_under_way: bool,
    /// Frames that wait to be written.
    pub(super) waiting_frames: u64,
    /// Syncs that no reply waits for are put off for a while.
    pub(super) puts_syncs_off: bool,
    /// Up to here it is to be synced as soon as it is written.
    pub(super) sync_wanted: u64,
    /// Where the last block ends that was written under another policy than `always`.
    pub(super) lax_end: u64,
    /// Where the last mark ends.
    pub(super) marked: u64,
    /// What was written before a sync failed is nowhere for certain: nothing is safe before the journal is rewritten.
    pub(super) doubt: Option<Doubt>,
    /// Syncs that took longer than they should.
    pub(super) delayed: u64,
    /// Files of earlier generations with bytes that may not be on the disk yet.
    pub(super) unsynced: Vec<Arc<JournalFile>>,
    pub(super) spares: Vec<Vec<u8>>,
    /// Why nothing can be written at the moment.
    pub(super) trouble: Option<Trouble>,
}

/// What a failed sync leaves.
#[derive(Debug)]
pub(super) struct Doubt {
    /// Up to here all was on the disk before.
    pub(super) synced: u64,
    pub(super) why: String,
}

/// Frames that wait to be written, behind room for their block's head.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<JournalFile>,
    pub(super) policy: Policy,
    pub(super) bytes: Vec<u8>,
    pub(super) lsn: u64,
}

impl Desk {
    /// Frames, behind room for a head, that begin here in the journal.
    pub(super) fn add(&mut self, mut bytes: Vec<u8>, lsn: u64) {
        let Some(file) = &self.file else { return };
        match self.waiting.back_mut() {
            Some(last) if Arc::ptr_eq(&last.file, file) && last.policy == self.policy => {
                last.bytes.extend_from_slice(&bytes[BLOCK_HEAD_BYTES_MAX..]);
                bytes.clear();
                self.keep_spare(bytes);
            }
            _ => {
                let segment = Segment { file: Arc::clone(file), policy: self.policy, bytes, lsn };
                self.waiting.push_back(segment);
            }
        }
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.is_under_way
    }

    /// Up to where the journal is on the disk for certain.
    pub(super) fn sure(&self) -> u64 {
        self.doubt.as_ref().map_or(self.synced, |doubt| doubt.synced)
    }

    /// The next write, if none is under way.
    pub(super) fn next_job(&mut self, shard: usize, rounds: &Rounds) -> Option<Job> {
        if self.is_under_way || self.trouble.is_some() {
            return None;
        }
        let is_synced = self.waiting.front()?.policy == Policy::Always;
        if !rounds.may_begin(self.waiting_frames, is_synced) {
            return None;
        }
        // What waits in other files comes with the next write; it is rare.
        self.waiting_frames = 0;
        let Segment { file, policy, mut bytes, lsn } = self.waiting.pop_front()?;
        self.is_under_way = true;
        let end = lsn + (bytes.len() - BLOCK_HEAD_BYTES_MAX) as u64;
        let start = seal(&mut bytes, lsn, self.sure(), policy);
        let offset = file.end();
        let sync = policy == Policy::Always;
        if !sync {
            self.lax_end = end;
        }
        // What stands before it in earlier files is to be on the disk first.
        let also = if sync { self.unsynced.clone() } else { Vec::new() };
        let (is_alone, is_written) = (!self.is_sync_under_way, false);
        Some(Job {
            shard,
            file,
            bytes,
            start,
            policy,
            offset,
            sync,
            lsn: end,
            also,
            synced_end: 0,
            is_alone,
            is_written,
        })
    }

    /// The sync that is wanted, once what it is for is written.
    pub(super) fn next_sync(&mut self, shard: usize) -> Option<Job> {
        let is_due = self.sync_wanted > self.synced && self.written >= self.sync_wanted;
        self.delayed += u64::from(is_due && self.is_sync_under_way);
        if !is_due || self.is_sync_under_way || self.puts_syncs_off || self.trouble.is_some() {
            return None;
        }
        let file = self.file.clone()?;
        self.is_sync_under_way = true;
        let also = self.unsynced.clone();
        let synced_end = file.end();
        let lsn = self.written;
        Some(Job {
            shard,
            file,
            bytes: Vec::new(),
            start: 0,
            policy: self.policy,
            offset: 0,
            sync: true,
            lsn,
            also,
            synced_end,
            is_alone: false,
            is_written: false,
        })
    }

    pub(super) fn succeeded(&mut self, job: Job) {
        if job.bytes.is_empty() {
            self.is_sync_under_way = false;
        } else {
            self.is_under_way = false;
            self.written = self.written.max(job.lsn);
            job.file.grow((job.bytes.len() - job.start) as u64);
            self.keep_spare(job.bytes);
            let mut known = self.file.iter().chain(&self.unsynced);
            if !known.any(|file| Arc::ptr_eq(file, &job.file)) {
                self.unsynced.push(Arc::clone(&job.file));
            }
        }
        if job.sync {
            self.synced = self.synced.max(job.lsn);
            // Other syncs of them may be under way, which say nothing before they are done.
            self.unsynced.retain(|file| !file.is_synced());
        }
    }

    /// What could not be written waits again, first of all. Of what could not be synced nobody knows what the disk has.
    pub(super) fn failed(&mut self, job: Job, error: &io::Error) {
        let is_write = !job.bytes.is_empty();
        if is_write {
            self.is_under_way = false;
        } else {
            self.is_sync_under_way = false;
        }
        let is_spoilt = job.file.is_spoilt() || job.also.iter().any(|file| file.is_spoilt());
        if is_write && !is_spoilt {
            let lsn = job.lsn - (job.bytes.len() - BLOCK_HEAD_BYTES_MAX) as u64;
            let segment = Segment { file: job.file, policy: job.policy, bytes: job.bytes, lsn };
            self.waiting.push_front(segment);
            self.trouble = Some(Trouble::Write(error.to_string()));
        } else {
            self.trouble = Some(Trouble::Sync(error.to_string()));
            let synced = self.synced;
            self.doubt.get_or_insert_with(|| Doubt { synced, why: error.to_string() });
        }
    }

    pub(super) fn keep_spare(&mut self, bytes: Vec<u8>) {
        if self.spares.len() < SPARES_MAX && bytes.capacity() <= SPARE_BYTES_MAX {
            self.spares.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::FileHead;
    use super::super::store::{FileSystem, Store};
    use super::*;

    /// A desk that has frames to write to a file of its own.
    fn desk(policy: Policy) -> (Desk, std::path::PathBuf) {
        let path = std::env::temp_dir().join(format!("braid-desk-{}-{policy:?}", std::process::id()));
        let head = FileHead { shard: 0, shards: 1, generation: 1, lsn: 0, boot: FileSystem.boot() };
        let file = JournalFile::create(&FileSystem, &path, &head).expect("a file");
        let mut desk = Desk { file: Some(Arc::new(file)), policy, ..Desk::default() };
        desk.add(vec![7; BLOCK_HEAD_BYTES_MAX + 9], 0);
        (desk, path)
    }

    #[test]
    fn only_syncs_that_no_reply_waits_for_are_put_off() {
        let (mut desk, path) = desk(Policy::EverySecond);
        (desk.puts_syncs_off, desk.sync_wanted) = (true, 9);
        let job = desk.next_job(0, &Rounds::default()).expect("something to write");
        assert!(!job.sync);
        desk.succeeded(job);
        assert!(desk.next_sync(0).is_none(), "the disk is busy");
        desk.puts_syncs_off = false;
        assert!(desk.next_sync(0).is_some_and(|job| job.sync && job.lsn == 9));
        std::fs::remove_file(path).expect("the file");

        let (mut desk, path) = self::desk(Policy::Always);
        desk.puts_syncs_off = true;
        assert!(desk.next_job(0, &Rounds::default()).is_some_and(|job| job.sync), "replies wait for it");
        std::fs::remove_file(path).expect("the file");
    }
}
