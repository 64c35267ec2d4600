//! A disk that loses its power: what was not synced is kept, lost or torn as the dice say, names as well as bytes.
use crate::dice::Dice;
use braid::persist::store::{Store, Stored};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    nodes: Vec<Node>,
    /// Names as the running system sees them, and as they are on the disk.
    names: BTreeMap<PathBuf, usize>,
    kept_names: BTreeMap<PathBuf, usize>,
    renamings: Vec<Renaming>,
    boots: u8,
    /// So many operations are still carried out.
    fuse: Option<usize>,
    dice: Dice,
    /// Syncs do nothing.
    is_liar: bool,
    /// The next write or sync of a file fails.
    is_about_to_fail: bool,
    /// A sync failed, and not all that was to be synced will ever be.
    has_failed: bool,
}

/// What stands in a file.
#[derive(Clone, Debug, Default)]
struct Node {
    bytes: Vec<u8>,
    /// What is on the disk of it, and what was written since, in order.
    kept: Vec<u8>,
    writes: Vec<(usize, Vec<u8>)>,
}

/// A change of names since the directory was last synced.
#[derive(Debug)]
enum Renaming {
    Set(PathBuf, usize),
    Remove(PathBuf),
}

/// How the machine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Crash {
    /// The process is killed: what it wrote is with the kernel.
    Kill,
    /// The power fails.
    Power,
}

impl Disk {
    pub(crate) fn new(seed: u64, is_liar: bool) -> Disk {
        let state = State {
            nodes: Vec::new(),
            names: BTreeMap::new(),
            kept_names: BTreeMap::new(),
            renamings: Vec::new(),
            boots: 1,
            fuse: None,
            dice: Dice::new(seed),
            is_liar,
            is_about_to_fail: false,
            has_failed: false,
        };
        Disk(Arc::new(Mutex::new(state)))
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// After so many more operations nothing works any more.
    pub(crate) fn set_fuse(&self, operations: Option<usize>) {
        self.lock().fuse = operations;
    }
    /// The next write or sync of a file that is written at the moment fails, and those after it do not.
    pub(crate) fn fail_once(&self) {
        self.lock().is_about_to_fail = true;
    }
    /// Whether it came to that.
    pub(crate) fn is_dead(&self) -> bool {
        self.lock().fuse == Some(0)
    }
    /// What is left; everything works again. Whether the power failed.
    ///
    /// After a failed sync it always does: what is in memory then and not on the disk, no process that comes later can know of.
    pub(crate) fn crash(&self, crash: Crash) -> bool {
        let mut state = self.lock();
        let is_dark = std::mem::take(&mut state.has_failed) || crash == Crash::Power;
        state.fuse = None;
        state.is_about_to_fail = false;
        if is_dark {
            state.lose();
        }
        is_dark
    }
    /// Another disk with the same on it, synced.
    pub(crate) fn copy(&self) -> Disk {
        let copy = Disk::new(1, false);
        let (from, mut to) = (self.lock(), copy.lock());
        for (path, node) in &from.names {
            let bytes = from.nodes[*node].bytes.clone();
            let node = to.nodes.len();
            to.nodes.push(Node { kept: bytes.clone(), bytes, ..Node::default() });
            to.set_name(path, node);
        }
        to.kept_names = to.names.clone();
        to.renamings.clear();
        to.boots = from.boots;
        drop(to);
        copy
    }
    /// The files on it.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.lock().names.keys().cloned().collect()
    }
    /// Gives a file other bytes.
    pub(crate) fn set_bytes(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.lock();
        let node = state.names[path];
        state.nodes[node] = Node { bytes: bytes.to_vec(), kept: bytes.to_vec(), ..Node::default() };
    }
    /// All bytes of a file, as they stand there.
    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        state.names.get(path).map(|node| state.nodes[*node].bytes.clone())
    }
}

impl State {
    /// One more operation: whether it is carried out, and whether it is the last and may be carried out in part.
    fn step(&mut self) -> io::Result<bool> {
        match &mut self.fuse {
            None => Ok(true),
            Some(0) => Err(dead()),
            Some(left) => {
                *left -= 1;
                Ok(*left > 0)
            }
        }
    }
    fn lose(&mut self) {
        self.boots += 1;
        let mut dice = self.dice.clone();
        // Either all files fare alike, or each has its own luck.
        let common = dice.once_in(3).then(|| dice.below(4));
        for node in &mut self.nodes {
            let luck = common.unwrap_or_else(|| dice.below(4));
            for (offset, bytes) in std::mem::take(&mut node.writes) {
                match luck {
                    0 => {}
                    1 => apply(&mut node.kept, offset, &bytes),
                    _ => tear(&mut node.kept, offset, &bytes, &mut dice),
                }
            }
            node.bytes = node.kept.clone();
        }
        let luck = dice.below(3);
        for renaming in std::mem::take(&mut self.renamings) {
            if luck == 1 || luck == 2 && dice.once_in(2) {
                match renaming {
                    Renaming::Set(path, node) => drop(self.kept_names.insert(path, node)),
                    Renaming::Remove(path) => drop(self.kept_names.remove(&path)),
                }
            }
        }
        self.names = self.kept_names.clone();
        self.dice = dice;
    }
    fn set_name(&mut self, path: &Path, node: usize) {
        self.names.insert(path.to_owned(), node);
        self.renamings.push(Renaming::Set(path.to_owned(), node));
    }
    fn remove_name(&mut self, path: &Path) -> io::Result<usize> {
        let node = self.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        self.renamings.push(Renaming::Remove(path.to_owned()));
        Ok(node)
    }
}

fn dead() -> io::Error {
    io::Error::other("the power failed")
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Of a write that was not synced anything may be there: nothing, all, a piece; or the length of it, with zeros.
fn tear(file: &mut Vec<u8>, offset: usize, bytes: &[u8], dice: &mut Dice) {
    match dice.below(6) {
        0 => {}
        1 => apply(file, offset, bytes),
        2 => apply(file, offset, &bytes[..dice.below(bytes.len() + 1)]),
        3 => {
            let from = dice.below(bytes.len() + 1);
            apply(file, offset + from, &bytes[from..]);
        }
        4 => apply(file, offset, &vec![0; bytes.len()]),
        _ => {
            let from = dice.below(bytes.len() + 1);
            let to = dice.within(from..=bytes.len());
            apply(file, offset + from, &bytes[from..to]);
        }
    }
}

impl Store for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Stored>> {
        let mut state = self.lock();
        let is_done = state.step()? || state.dice.once_in(2);
        let node = state.nodes.len();
        state.nodes.push(Node::default());
        if is_done {
            state.set_name(path, node);
        }
        Ok(Box::new(Handle { disk: self.clone(), node }))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Stored>> {
        let state = self.lock();
        if state.fuse == Some(0) {
            return Err(dead());
        }
        let node = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), node }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? || state.dice.once_in(2) {
            let node = state.remove_name(from)?;
            state.set_name(to, node);
        }
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if state.step()? || state.dice.once_in(2) {
            state.remove_name(path)?;
        }
        Ok(())
    }
    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.lock();
        let inside = state.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }
    fn make_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let is_whole = state.step()?;
        if (is_whole || state.dice.once_in(2)) && !state.is_liar {
            state.kept_names = state.names.clone();
            state.renamings.clear();
        }
        if is_whole { Ok(()) } else { Err(dead()) }
    }
    fn boot(&self) -> [u8; 16] {
        [self.lock().boots; 16]
    }
}

/// An open file.
#[derive(Debug)]
struct Handle {
    disk: Disk,
    node: usize,
}

impl Stored for Handle {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.lock();
        let node = &state.nodes[self.node];
        let rest = node.bytes.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let is_whole = state.step()? && !std::mem::take(&mut state.is_about_to_fail);
        let len = if is_whole { bytes.len() } else { state.dice.below(bytes.len() + 1) };
        let node = &mut state.nodes[self.node];
        apply(&mut node.bytes, offset as usize, &bytes[..len]);
        node.writes.push((offset as usize, bytes[..len].to_vec()));
        if is_whole { Ok(()) } else { Err(io::Error::other("no space left")) }
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.step()?;
        state.nodes[self.node].bytes.resize(len as usize, 0);
        Ok(())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().nodes[self.node].bytes.len() as u64)
    }
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        let is_whole = state.step()?;
        if std::mem::take(&mut state.is_about_to_fail) {
            // The system forgets that these bytes are not on the disk: no later sync brings them there.
            let mut dice = state.dice.clone();
            state.nodes[self.node].writes.retain(|_| dice.once_in(2));
            state.has_failed = true;
            state.dice = dice;
            return Err(io::Error::other("input/output error"));
        }
        if (is_whole || state.dice.once_in(2)) && !state.is_liar {
            let node = &mut state.nodes[self.node];
            for (offset, bytes) in std::mem::take(&mut node.writes) {
                apply(&mut node.kept, offset, &bytes);
            }
        }
        if is_whole { Ok(()) } else { Err(dead()) }
    }
    fn fd(&self) -> Option<RawFd> {
        None
    }
}
