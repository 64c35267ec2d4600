//! What is to be done with the files of journals, and what may come of it.
use super::files::JournalFile;
use super::format::Policy;
use smallvec::SmallVec;
use std::sync::Arc;

/// What INFO tells of the journals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Bytes that wait to be written.
    pub waiting_bytes: u64,
    /// Syncs under way.
    pub pending_syncs: u64,
    /// Syncs that were wanted while another was still under way.
    pub delayed_syncs: u64,
}

/// Why a journal cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The write failed; it is tried again.
    Write(String),
    /// What was written may be lost: the journal has to be begun anew.
    Sync(String),
}

impl Trouble {
    /// What the system said.
    #[must_use]
    pub fn why(&self) -> &str {
        let (Trouble::Write(why) | Trouble::Sync(why)) = self;
        why
    }
}

/// What is to be done next for a shard: a write, a sync, both or nothing.
pub type Jobs = SmallVec<[Job; 2]>;

/// Something to be done with a file, away from the shards.
#[derive(Debug)]
pub struct Job {
    /// Whose journal.
    pub shard: usize,
    /// The file.
    pub file: Arc<JournalFile>,
    /// What is to be written, from `start` on; nothing where it is only a matter of syncing.
    pub bytes: Vec<u8>,
    /// Where what is to be written begins in `bytes`.
    pub start: usize,
    /// What was acknowledged when, where something is written.
    pub policy: Policy,
    /// Where it comes to stand in the file.
    pub offset: u64,
    /// Whether the file is to be on the disk when it is done.
    pub sync: bool,
    /// What is written or synced then, in the shard's journal.
    pub lsn: u64,
    /// Files before this one that are to be synced too.
    pub also: Vec<Arc<JournalFile>>,
    /// Of a mere sync: where the file ended when it was asked for.
    pub synced_end: u64,
    /// No sync of the file is under way that a write would have to wait for.
    pub is_alone: bool,
    /// The bytes stand in the file already, and are only to be synced.
    pub is_written: bool,
}

impl Job {
    /// Bytes that are to be written.
    #[must_use]
    pub fn bytes_left(&self) -> usize {
        if self.is_written { 0 } else { self.bytes.len() - self.start }
    }
}
