//! The files of journals: made, written at known places, synced.
use super::format::FileHead;
use super::journal::Job;
use super::store::{Store, Stored};
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A journal's file that is being written.
#[derive(Debug)]
pub struct JournalFile {
    file: Box<dyn Stored>,
    /// Which piece of the journal it is.
    pub generation: u64,
    end: AtomicU64,
    synced: AtomicU64,
    is_spoilt: AtomicBool,
}

impl JournalFile {
    /// Makes the file with its head, on the disk when this returns (the directory is the caller's to sync).
    ///
    /// # Errors
    /// The system's.
    pub fn create(store: &dyn Store, path: &Path, head: &FileHead) -> io::Result<JournalFile> {
        let file = store.create(path)?;
        let bytes = head.to_bytes();
        file.write_all_at(&bytes, 0)?;
        file.sync()?;
        Ok(JournalFile {
            file,
            generation: head.generation,
            end: AtomicU64::new(bytes.len() as u64),
            synced: AtomicU64::new(bytes.len() as u64),
            is_spoilt: AtomicBool::new(false),
        })
    }
    /// Where the next block comes to stand.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }
    /// So many bytes more have been written.
    pub fn grow(&self, bytes: u64) {
        self.end.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Whether all of it that is known to be written is on the disk.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Relaxed) >= self.end()
    }
    /// Whether a sync of it failed: what was written to it may be lost, whatever a later sync says.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        self.is_spoilt.load(Ordering::Relaxed)
    }
    /// Its descriptor, for who has the system write to it.
    #[must_use]
    pub fn fd(&self) -> Option<RawFd> {
        self.file.fd()
    }
    /// A sync that somebody else did is over: all was on the disk that had been written up to there, or nobody knows.
    pub fn note_sync(&self, is_ok: bool, end: u64) {
        if is_ok {
            self.synced.fetch_max(end, Ordering::Relaxed);
        } else {
            self.is_spoilt.store(true, Ordering::Relaxed);
        }
    }
    /// Sees that all that was written is on the disk.
    ///
    /// # Errors
    /// The system's; then the file is spoilt.
    pub fn sync(&self) -> io::Result<()> {
        let end = self.end();
        let result = self.file.sync();
        if result.is_ok() {
            self.synced.fetch_max(end, Ordering::Relaxed);
        }
        self.is_spoilt.fetch_or(result.is_err(), Ordering::Relaxed);
        result
    }
}

impl Job {
    /// Does it, waiting for the disk.
    ///
    /// # Errors
    /// The system's. What was to be written may stand there in part.
    pub fn run(&self) -> io::Result<()> {
        for file in &self.also {
            file.sync()?;
        }
        if self.bytes_left() > 0 {
            self.write()?;
        }
        if self.sync { self.file.sync() } else { Ok(()) }
    }

    /// Only the write. The system takes the bytes into its memory, and seldom has to wait for the disk for that.
    ///
    /// # Errors
    /// The system's. What was to be written may stand there in part.
    pub fn write(&self) -> io::Result<()> {
        self.file.file.write_all_at(&self.bytes[self.start..], self.offset)
    }
}
