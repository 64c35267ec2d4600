//! The files of journals: made, written at known places, synced.
use super::format::FileHead;
use super::journal::Job;
use super::store::{Store, Stored};
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Space is laid out ahead of what is written as far as the file is long, within these bounds, in bytes.
const LAID_MIN: u64 = 16 << 10;
const LAID_MAX: u64 = 256 << 10;
/// Writes longer than this part of the most gain nothing by it.
const SHORT_SHARE: u64 = 8;
/// The disk's unit: laid out space ends with one.
const PAGE: u64 = 4096;
const ZEROS: &[u8] = &[0; (LAID_MAX + PAGE) as usize];

/// A journal's file that is being written.
///
/// Where each short write is synced (`always`), zeros are written ahead of them now and then. What comes to stand in their place changes the file's bytes and
/// nothing else, neither its length nor where it lies, and such a sync costs the system half of one that does: it has only the
/// bytes to write, not its own journal. Whoever reads a journal takes zeros at its end for none of it ([`super::scan`]).
#[derive(Debug)]
pub struct JournalFile {
    file: Box<dyn Stored>,
    /// Which piece of the journal it is.
    pub generation: u64,
    end: AtomicU64,
    /// Zeros stand up to here.
    laid_out: AtomicU64,
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
            laid_out: AtomicU64::new(bytes.len() as u64),
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
    /// A write of so many bytes ended here and is about to be synced: lays out space for those that follow, if there is none. That it
    /// cannot be is no error: then the next one does as it would have done.
    fn lay_out(&self, end: u64, len: u64) {
        if end <= self.laid_out.load(Ordering::Relaxed) || len * SHORT_SHARE > LAID_MAX {
            return;
        }
        let until = (end + end.clamp(LAID_MIN, LAID_MAX)).next_multiple_of(PAGE);
        if self.file.write_all_at(&ZEROS[..(until - end) as usize], end).is_ok() {
            self.laid_out.store(until, Ordering::Relaxed);
        }
    }
    /// Nothing more will be written: gives back what was laid out.
    ///
    /// # Errors
    /// The system's; then zeros stand at the end.
    pub fn finish(&self) -> io::Result<()> {
        if self.laid_out.load(Ordering::Relaxed) > self.end() {
            self.file.set_len(self.end())
        } else {
            Ok(())
        }
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
        let bytes = &self.bytes[self.start..];
        self.file.file.write_all_at(bytes, self.offset)?;
        if self.sync {
            self.file.lay_out(self.offset + bytes.len() as u64, bytes.len() as u64);
        }
        Ok(())
    }
}
