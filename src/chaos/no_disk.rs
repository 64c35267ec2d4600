//! Nobody is told what files are asked to do: a build without the feature `chaos`, where all of this is nothing at all.
use std::os::fd::RawFd;
use std::path::Path;

/// A write that is under way until this is dropped.
#[derive(Debug)]
#[must_use = "the write is over when this is dropped"]
pub struct Writing;

/// A sync that is under way.
#[derive(Debug)]
#[must_use = "say how it ended"]
pub struct Syncing;

/// Names are being changed until this is dropped.
#[derive(Debug)]
#[must_use = "names are changed while this is held"]
pub struct Naming;

/// A sync of a directory that is under way.
#[derive(Debug)]
#[must_use = "say how it ended"]
pub struct SyncingNames;

/// Bytes are about to be written there.
#[inline(always)]
pub fn writing(_fd: RawFd, _offset: u64, _len: usize) -> Writing {
    Writing
}

/// A file is about to be synced.
#[inline(always)]
pub fn syncing(_fd: RawFd) -> Syncing {
    Syncing
}

impl Syncing {
    /// It went well.
    #[inline(always)]
    pub fn succeeded(self) {}
}

/// Names are about to be changed.
#[inline(always)]
pub fn naming() -> Naming {
    Naming
}

impl Naming {
    /// A file was made, every write to which is told.
    #[inline(always)]
    pub fn made(&mut self, _path: &Path) {}
    /// A file was made, the writes to which are not told: its sync is of all of it.
    #[inline(always)]
    pub fn made_untold(&mut self, _path: &Path) {}
}

/// A directory is about to be synced.
#[inline(always)]
pub fn syncing_names(_directory: &Path) -> SyncingNames {
    SyncingNames
}

impl SyncingNames {
    /// It went well.
    #[inline(always)]
    pub fn succeeded(self) {}
}

/// The start of the system, which is told apart from those before power cuts.
#[inline(always)]
#[must_use]
pub fn boot(system: [u8; 16]) -> [u8; 16] {
    system
}
