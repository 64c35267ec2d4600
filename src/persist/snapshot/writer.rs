//! The thread that writes a snapshot's files.
use super::{Holding, Message, Outcome, Sinks, Snapshot, lock};
use crate::log;
use crate::persist::bulk::Disk;
use crate::persist::rdb::write::{Header, RdbFile};
use crate::persist::store::{FileSystem, Store};
use shards::snapshot::Chunk;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How often it looks whether the snapshot is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// Writes what comes until all shards have ended; gives the files their names. Removes them where it fails.
pub(super) fn write(snapshot: &Snapshot, receiver: &Receiver<Message>) -> Outcome {
    let paths = match &snapshot.order.sinks {
        Sinks::One(path) => vec![path.clone()],
        Sinks::PerShard(paths) => paths.clone(),
    };
    let mut work = Work { snapshot, files: paths.iter().map(|_| None).collect(), keys: 0 };
    let result = work.run(&paths, receiver).and_then(|()| work.end(&paths));
    if let Err(why) = &result {
        snapshot.fail(why);
        // The disk that failed may refuse this too.
        paths.iter().for_each(|path| drop(FileSystem.remove(&temporary(path))));
    }
    let bytes = *result.as_ref().unwrap_or(&0);
    Outcome { result: result.map(|_| ()), bytes, keys: work.keys }
}

/// The name of a file until it is whole: beside it, so that renaming moves nothing.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let pid = std::process::id();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // One that is left over by a killed process should be known by its name as what it is.
    // Of bases there are several at once.
    let is_dump =
        path.extension().is_some_and(|extension| extension == "rdb") && !name.ends_with(".base.rdb");
    path.with_file_name(if is_dump { format!("temp-{pid}.rdb") } else { format!("temp-{pid}-{name}") })
}

struct Work<'a> {
    snapshot: &'a Snapshot,
    /// The files that are begun.
    files: Vec<Option<RdbFile>>,
    keys: u64,
}

impl Work<'_> {
    /// Writes what comes until all shards have ended.
    fn run(&mut self, paths: &[PathBuf], receiver: &Receiver<Message>) -> Result<(), String> {
        let order = &self.snapshot.order;
        let (disk, why_not) = Disk::new(order.wants_direct);
        if let Some(why) = why_not {
            log::verbose(format_args!("Snapshot written through the page cache, because {why}"));
        }
        let mut held: Vec<Holding> = Vec::new();
        let mut early: Vec<(usize, Chunk)> = Vec::new();
        let mut missing = order.shard_count;
        while missing > 0 {
            match self.receive(receiver)? {
                Message::Begun(holding) => {
                    held.push(holding);
                    // The file's head tells of all that is in it.
                    if let Sinks::PerShard(_) = order.sinks
                        && let Some(holding) = held.pop()
                    {
                        self.begin(&disk, paths, holding.shard, &[holding])?;
                    } else if held.len() == order.shard_count {
                        self.begin(&disk, paths, 0, &held)?;
                        early.drain(..).try_for_each(|(shard, chunk)| self.add(shard, chunk))?;
                    }
                }
                Message::Chunk(shard, chunk) if self.files[self.file_of(shard)].is_none() => {
                    early.push((shard, chunk));
                }
                Message::Chunk(shard, chunk) => self.add(shard, chunk)?,
                Message::Ended => missing -= 1,
            }
        }
        Ok(())
    }

    /// The next message, unless the snapshot is given up.
    fn receive(&self, receiver: &Receiver<Message>) -> Result<Message, String> {
        loop {
            if self.snapshot.is_given_up.load(Ordering::Relaxed) {
                return Err(lock(&self.snapshot.why).clone().unwrap_or_else(|| "given up".to_owned()));
            }
            match receiver.recv_timeout(LOOK) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("nobody sends any more".to_owned()),
            }
        }
    }

    fn file_of(&self, shard: usize) -> usize {
        if self.files.len() == 1 { 0 } else { shard }
    }

    fn begin(&mut self, disk: &Disk, paths: &[PathBuf], at: usize, held: &[Holding]) -> Result<(), String> {
        let order = &self.snapshot.order;
        let at = self.file_of(at);
        let mut databases: Vec<(u16, u64, u64)> = Vec::new();
        for (db, keys, expires) in held.iter().flat_map(|holding| &holding.databases) {
            match databases.binary_search_by_key(db, |(db, ..)| *db) {
                Ok(at) => {
                    databases[at].1 += keys;
                    databases[at].2 += expires;
                }
                Err(at) => databases.insert(at, (*db, *keys, *expires)),
            }
        }
        let header = Header {
            version: held.iter().map(|holding| holding.version).max().unwrap_or_default(),
            ctime_seconds: crate::thread::wall_ms() / 1000,
            used_bytes: crate::memory::usage().allocated as u64,
            is_aof_base: order.is_aof_base,
            functions: held.iter().flat_map(|holding| holding.functions.clone()).collect(),
            databases,
        };
        let path = temporary(&paths[at]);
        let failed = |error: io::Error| failure("opening", &path, &error);
        let writer = disk.create(&path).map_err(failed)?;
        let file = RdbFile::begin(writer, &header, order.manner.compresses, order.has_checksum);
        self.files[at] = Some(file.map_err(failed)?);
        Ok(())
    }

    fn add(&mut self, shard: usize, chunk: Chunk) -> Result<(), String> {
        let at = self.file_of(shard);
        let (weight_bytes, keys) = (chunk.weight_bytes, chunk.keys);
        let file = self.files[at].as_mut().expect("a shard begins before it sends");
        file.add(chunk).map_err(|error| format!("Write error saving DB on disk: {error}"))?;
        self.snapshot.in_hand_bytes.fetch_sub(weight_bytes, Ordering::Relaxed);
        self.snapshot.keys_done.fetch_add(keys, Ordering::Relaxed);
        self.keys += keys;
        // Who shares the core with it waits for one chunk, not for as long as the system would let it run.
        std::thread::yield_now();
        Ok(())
    }

    /// Ends the files and gives them their names; their bytes.
    fn end(&mut self, paths: &[PathBuf]) -> Result<u64, String> {
        let mut bytes = 0;
        for file in &mut self.files {
            let file = file.take().expect("every shard has begun");
            bytes += file.end().map_err(|error| format!("Write error saving DB on disk: {error}"))?;
        }
        for path in paths {
            let moved = FileSystem.rename(&temporary(path), path);
            moved.map_err(|error| failure("moving", path, &error))?;
        }
        let mut directories: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
        directories.dedup();
        for directory in directories {
            FileSystem
                .sync_directory(directory)
                .map_err(|error| failure("syncing the directory of", &paths[0], &error))?;
        }
        Ok(bytes)
    }
}

fn failure(doing: &str, path: &Path, error: &io::Error) -> String {
    format!("Failed {doing} the RDB file {} for saving: {error}", path.display())
}
