//! Who keeps the journals' directory: its lock, its manifest, the beginning of epochs and pieces.
use super::clock::MachineClock;
use super::epoch;
use super::files::JournalFile;
use super::format::Policy;
use super::journal::Journal;
use super::manifest::{Directory, Manifest};
use crate::config::{Appendfsync, Config};
use crate::shared::Shared;
use shards::shard::Shard;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file that says that somebody writes here.
const LOCK_NAME: &str = "braid.lock";

/// The keeper of a directory that this process writes to.
#[derive(Debug)]
pub struct Keeper {
    /// Where the files are.
    pub directory: Directory,
    manifest: Mutex<Manifest>,
    sizes: Mutex<Sizes>,
    /// The last number that was given to a piece.
    next: Mutex<u64>,
    /// Held as long as this lives.
    _lock: File,
}

/// How large the files are.
#[derive(Debug, Default)]
struct Sizes {
    /// Bytes of the files that are not written any more.
    settled: u64,
    /// Those that are.
    live: Vec<Arc<JournalFile>>,
    /// Bytes of all when they were last rewritten, or read at the start.
    base: u64,
}

/// The directory that a configuration names.
#[must_use]
pub fn directory_of(config: &Config) -> Directory {
    let name = Path::new(&config.appenddirname);
    let path = std::env::current_dir().map_or_else(|_| name.to_owned(), |directory| directory.join(name));
    Directory::new(path, &config.appendfilename)
}

/// The policy that a configuration names.
#[must_use]
pub fn policy_of(config: &Config) -> Policy {
    match config.appendfsync {
        Appendfsync::Always => Policy::Always,
        Appendfsync::Everysec => Policy::EverySecond,
        Appendfsync::No => Policy::No,
    }
}

impl Keeper {
    /// Takes a directory over, making it where there is none, and reads its manifest.
    ///
    /// # Errors
    /// Another server writes there, or the system's: in words for the log.
    pub fn open(directory: Directory) -> Result<Keeper, String> {
        let told = |error: std::io::Error| {
            format!("Can't open the journal's directory {}: {error}", directory.path().display())
        };
        directory.make().map_err(told)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.file(LOCK_NAME))
            .map_err(told)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "Another server writes to {}. Stop it, or choose another dir or appenddirname.",
                    directory.path().display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(told(error)),
        }
        let manifest = directory.read_manifest()?.unwrap_or_default();
        Ok(Keeper {
            directory,
            manifest: Mutex::new(manifest),
            sizes: Mutex::default(),
            next: Mutex::new(0),
            _lock: lock,
        })
    }

    /// What belongs together at the moment.
    pub fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sizes(&self) -> MutexGuard<'_, Sizes> {
        self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of all files: `aof_current_size`.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let sizes = self.sizes();
        sizes.settled + sizes.live.iter().map(|file| file.end()).sum::<u64>()
    }

    /// Bytes of all files when they were last rewritten or read: `aof_base_size`.
    #[must_use]
    pub fn base_bytes(&self) -> u64 {
        self.sizes().base
    }

    /// The journals end, and count up to here: on the disk when this returns.
    ///
    /// # Errors
    /// The system's, in words for the log; then the next start finds out for itself up to where they count.
    pub fn end(&self, journal: &Journal) -> Result<(), String> {
        epoch::end(&self.directory, &mut self.manifest(), journal)
    }

    /// The number of the next piece: higher than that of any file that is or may be in the directory.
    #[must_use]
    pub fn next_generation(&self) -> u64 {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = self.manifest().next_generation().max(*next + 1);
        *next
    }

    /// These files are written to, beside those that have been.
    pub fn add_live(&self, files: Vec<Arc<JournalFile>>) {
        self.sizes().live.extend(files);
    }

    /// The journals were rewritten into `bytes` of bases, and go on in these files; all others go.
    pub fn rewrote(&self, manifest: &Manifest, files: Vec<Arc<JournalFile>>, bytes: u64) {
        *self.sizes() = Sizes { settled: bytes, live: files, base: bytes };
        self.directory.remove_others(manifest);
    }

    /// Settles up to where the last epoch counts, and sees that what is kept of it is on the disk.
    ///
    /// # Errors
    /// The system's, in words for the log.
    pub fn settle(&self, until: Vec<u64>) -> Result<(), String> {
        epoch::settle(&self.directory, &mut self.manifest(), until)
    }

    /// Begins an epoch: the shards, which nobody uses yet, write their journals from now on. `bases`, if there are any, take the
    /// place of all that was there.
    ///
    /// # Errors
    /// The system's, in words for the log.
    pub fn begin(
        &self,
        shared: &Shared,
        shards: &mut [Box<Shard>],
        bases: Vec<String>,
    ) -> Result<(), String> {
        let mut manifest = self.manifest();
        if !bases.is_empty() {
            *manifest = Manifest { bases, epochs: Vec::new() };
        }
        let files = epoch::begin(&self.directory, &mut manifest, shards.len()).map_err(|error| {
            format!("Can't begin the journal in {}: {error}", self.directory.path().display())
        })?;
        let older = manifest.files().filter_map(|name| std::fs::metadata(self.directory.file(name)).ok());
        let base = older.map(|file| file.len()).sum();
        *self.sizes() = Sizes { settled: base, live: files.clone(), base };
        shared.journal.resume_at(&vec![0; shards.len()]);
        shared.journal.begin(1);
        shared.journal.named();
        shared.journal.gather(Box::new(MachineClock::start()));
        let policy = policy_of(&shared.config());
        for (shard, file) in shards.iter_mut().zip(files) {
            shared.journal.begin_shard(shard, file, policy);
        }
        Ok(())
    }
}
