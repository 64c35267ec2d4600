//! A disk that can lose its power, under a real server's files: remembers what was synced, and leaves no more than a power cut may.
//!
//! On where the environment has `BRAID_DISK`, whose words say more:
//!
//! - `fuse=120`: the power fails before the operation of this number, be it a write, a sync or a change of names, or when it is said that
//!   one has succeeded;
//! - `seed=7`: what is left then;
//! - `lie=bytes`, `lie=names`: syncs of files, or of directories, keep nothing. A test that does not notice is none.
//!
//! `DEBUG POWER-CUT [seed [operations]]` cuts the power too, at once or so many operations later. The process is gone at once, and the directory holds what a restart of the machine would
//! find ([`loss`]); who kills a server by other means calls [`lose`]. [`crate::persist::store::Store::boot`] then tells of another start.
//!
//! ```text
//!   dir/…                    the files, as the running system sees them
//!   dir/.disk/<inode>.live   the same files under names that nobody removes
//!   dir/.disk/<inode>.kept   what of them is on the disk
//!   dir/.disk/names          the names that are on the disk
//! ```
//!
//! A sync keeps what had been written when it began, and none of what was still under way: writes, by ring or by call, say when they begin
//! and end. Names are kept by the sync of their directory and by nothing else. All of this is in files, so a process may be
//! killed, and the power fail under the next one.
mod loss;
mod shadow;

use crate::log;
pub use loss::lose;
use shadow::{ALL, Names, Shadow, inode_of};
use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The variable of the environment that turns it on.
const VARIABLE: &str = "BRAID_DISK";

/// The disk of this process, if it is to have one.
#[derive(Debug)]
struct Disk {
    shadow: Shadow,
    lie: Lie,
    state: Mutex<State>,
}

/// What it is told to do, and does not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lie {
    Nothing,
    Bytes,
    Names,
}

#[derive(Debug, Default)]
struct State {
    files: HashMap<u64, Written>,
    names: Names,
    /// So many operations are still carried out; then what is left is of this seed.
    fuse: Option<u64>,
    seed: u64,
    writings: u64,
}

/// What of a file may not be on the disk.
#[derive(Debug, Default)]
struct Written {
    /// Nobody tells what is written.
    is_untold: bool,
    since_sync: Vec<Range<u64>>,
    under_way: Vec<(u64, Range<u64>)>,
}

static DISK: OnceLock<Option<Disk>> = OnceLock::new();

fn disk() -> Option<&'static Disk> {
    let asked = || std::env::var(VARIABLE).ok();
    let begin = |words: String| Disk::begin(&words).expect("the disk that can lose its power begins");
    DISK.get_or_init(|| asked().map(begin)).as_ref()
}

impl Disk {
    /// Begins in the working directory, where another process may have left off.
    fn begin(words: &str) -> io::Result<Disk> {
        let number = |name: &str| {
            let value = words.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.map(|value| value.parse::<u64>().expect("a number"))
        };
        let shadow = Shadow::of(&std::env::current_dir()?)?;
        let seed = number("seed").unwrap_or(1);
        let mut state = State { fuse: number("fuse"), seed, ..State::default() };
        state.names = shadow.names()?;
        for inode in shadow.inodes()? {
            let differs = shadow.difference(inode)?;
            state
                .files
                .insert(inode, Written { since_sync: differs.into_iter().collect(), ..Written::default() });
        }
        let lie = match words.split(' ').find_map(|word| word.strip_prefix("lie=")) {
            None => Lie::Nothing,
            Some("bytes") => Lie::Bytes,
            Some("names") => Lie::Names,
            Some(other) => return Err(io::Error::other(format!("no such lie: {other}"))),
        };
        Ok(Disk { shadow, lie, state: Mutex::new(state) })
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// One more operation, unless the power fails.
    fn operate(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        match &mut state.fuse {
            None => {}
            Some(0) => self.end(state.seed),
            Some(left) => *left -= 1,
        }
        state
    }
    /// The power fails: whoever has the state keeps it, so that nothing succeeds any more.
    fn end(&self, seed: u64) -> ! {
        if let Err(error) = lose(self.shadow.root(), seed) {
            log::warning(format_args!("The power failed, but what is left is not what should be: {error}"));
        }
        log::warning(format_args!("The power failed"));
        std::process::abort()
    }
}

/// Cuts the power, at once or so many operations later; false where there is no disk that could lose it.
#[must_use]
pub fn cut_power(seed: u64, operations: u64) -> bool {
    let Some(disk) = disk() else { return false };
    let mut state = disk.lock();
    if operations == 0 {
        disk.end(seed);
    }
    (state.fuse, state.seed) = (Some(operations), seed);
    true
}

/// The inode behind a descriptor, if it is one of ours.
fn known(fd: RawFd, state: &State) -> Option<u64> {
    let inode = inode_of(&std::fs::metadata(format!("/proc/self/fd/{fd}")).ok()?);
    state.files.contains_key(&inode).then_some(inode)
}

/// A write that is under way until this is dropped.
#[derive(Debug)]
#[must_use = "the write is over when this is dropped"]
pub struct Writing(Option<(u64, u64)>);

/// Bytes are about to be written there.
pub fn writing(fd: RawFd, offset: u64, len: usize) -> Writing {
    let Some(disk) = disk() else { return Writing(None) };
    let mut state = disk.operate();
    let Some(inode) = known(fd, &state) else { return Writing(None) };
    state.writings += 1;
    let number = state.writings;
    let file = state.files.entry(inode).or_default();
    file.under_way.push((number, offset..offset + len as u64));
    Writing(Some((inode, number)))
}

impl Drop for Writing {
    fn drop(&mut self) {
        let (Some((inode, number)), Some(disk)) = (self.0, disk()) else { return };
        let mut state = disk.lock();
        let Some(file) = state.files.get_mut(&inode) else { return };
        if let Some(at) = file.under_way.iter().position(|(of, _)| *of == number) {
            let (_, range) = file.under_way.swap_remove(at);
            file.add(range);
        }
    }
}

impl Written {
    fn add(&mut self, range: Range<u64>) {
        match self.since_sync.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.since_sync.push(range),
        }
    }
    /// These are on the disk.
    fn subtract(&mut self, kept: &[Range<u64>]) {
        for kept in kept {
            let left = |range: Range<u64>| {
                let (before, behind) =
                    (range.start..range.end.min(kept.start), range.start.max(kept.end)..range.end);
                [before, behind].into_iter().filter(|range| !range.is_empty())
            };
            self.since_sync = std::mem::take(&mut self.since_sync).into_iter().flat_map(left).collect();
        }
    }
}

/// A sync that is under way.
#[derive(Debug)]
#[must_use = "say how it ended"]
pub struct Syncing(Option<(u64, Vec<Range<u64>>)>);

/// A file is about to be synced.
pub fn syncing(fd: RawFd) -> Syncing {
    let Some(disk) = disk() else { return Syncing(None) };
    let state = disk.operate();
    let Some(inode) = known(fd, &state) else { return Syncing(None) };
    let file = &state.files[&inode];
    Syncing(Some((inode, if file.is_untold { vec![ALL] } else { file.since_sync.clone() })))
}

impl Syncing {
    /// It went well.
    pub fn succeeded(self) {
        let (Some((inode, ranges)), Some(disk)) = (self.0, disk()) else { return };
        let mut state = disk.operate();
        if disk.lie == Lie::Bytes {
            return;
        }
        if let Some(file) = state.files.get_mut(&inode) {
            file.subtract(&ranges);
            disk.shadow.keep(inode, &ranges).expect("what is synced is kept");
        }
    }
}

/// Names are being changed until this is dropped.
#[derive(Debug)]
#[must_use = "names are changed while this is held"]
pub struct Naming(Option<MutexGuard<'static, State>>);

/// Names are about to be changed.
pub fn naming() -> Naming {
    Naming(disk().map(Disk::operate))
}

impl Naming {
    /// A file was made, every write to which is told.
    pub fn made(&mut self, path: &Path) {
        self.add(path, false);
    }
    /// A file was made, the writes to which are not told: its sync is of all of it.
    pub fn made_untold(&mut self, path: &Path) {
        self.add(path, true);
    }
    fn add(&mut self, path: &Path, is_untold: bool) {
        let (Some(state), Some(disk)) = (&mut self.0, disk()) else { return };
        let inode = disk.shadow.add(path).expect("a file that was made is there");
        state.files.insert(inode, Written { is_untold, ..Written::default() });
    }
}

/// A sync of a directory that is under way.
#[derive(Debug)]
#[must_use = "say how it ended"]
pub struct SyncingNames(Option<(String, Names)>);

/// A directory is about to be synced.
pub fn syncing_names(directory: &Path) -> SyncingNames {
    let Some(disk) = disk() else { return SyncingNames(None) };
    let state = disk.operate();
    let within = disk.shadow.prefix_of(directory);
    SyncingNames(within.map(|prefix| {
        let mut names = disk.shadow.names_in(&prefix).expect("a directory that is synced is there");
        names.retain(|_, inode| *inode == 0 || state.files.contains_key(inode));
        (prefix, names)
    }))
}

impl SyncingNames {
    /// It went well.
    pub fn succeeded(self) {
        let (Some((prefix, found)), Some(disk)) = (self.0, disk()) else { return };
        let mut state = disk.operate();
        if disk.lie == Lie::Names {
            return;
        }
        let is_in = |name: &str| {
            let below = name.strip_prefix(&prefix).map(|below| below.trim_end_matches('/'));
            below.is_some_and(|below| !below.is_empty() && !below.contains('/'))
        };
        state.names.retain(|name, _| !is_in(name));
        state.names.extend(found);
        disk.shadow.set_names(&state.names).expect("the names are kept");
        let State { files, names, .. } = &mut *state;
        let gone = disk.shadow.forget_nameless(names).expect("files are looked through");
        gone.iter().for_each(|inode| drop(files.remove(inode)));
    }
}

/// The start of the system, which is told apart from those before power cuts.
#[must_use]
pub fn boot(system: [u8; 16]) -> [u8; 16] {
    disk().map_or(system, |disk| disk.shadow.boot(system))
}
