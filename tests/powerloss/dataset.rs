//! The dataset that lives make: the operations whose values stand in it, and the bases that hold it.
use crate::disk::Disk;
use braid::persist::manifest::Directory;
use shards::effects::{Effects, Listen};
use shards::slot::{shard_of_slot, slot_of};
use std::io;
use std::path::PathBuf;

/// The name of an operation: whose life it was, and its place among the operations of that.
pub(crate) type OpId = (usize, usize);

/// The value that an operation writes.
pub(crate) fn name(life: usize, op: usize) -> String {
    format!("{life}.{op}")
}

/// The operation that wrote a value.
pub(crate) fn op_of(name: &[u8]) -> Option<OpId> {
    let (life, op) = std::str::from_utf8(name).ok()?.split_once('.')?;
    Some((life.parse().ok()?, op.parse().ok()?))
}

/// The dataset in a file: the names of operations.
pub(crate) fn write_base(directory: &Directory, base: &str, dataset: &[OpId]) -> io::Result<()> {
    let names: Vec<String> = dataset.iter().map(|(life, op)| name(*life, *op)).collect();
    let file = directory.store.create(&directory.file(base))?;
    file.write_all_at(names.join(" ").as_bytes(), 0)?;
    file.sync()?;
    directory.sync()
}

/// What such a file holds.
pub(crate) fn read_base(disk: &Disk, path: PathBuf) -> Result<Vec<OpId>, String> {
    let bytes = disk.bytes(&path).ok_or_else(|| format!("the base {} is not there", path.display()))?;
    let words = bytes.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.map(|word| op_of(word).ok_or_else(|| "a base is damaged".to_owned())).collect()
}

/// So many keys a shard.
pub(crate) const KEYS: usize = 3;

/// Keys of each shard.
pub(crate) fn keys_of(shard_count: usize) -> Vec<Vec<String>> {
    let mut keys = vec![Vec::new(); shard_count];
    for number in 0.. {
        let key = format!("key{number}");
        let shard = shard_of_slot(slot_of(key.as_bytes()), shard_count);
        if keys[shard].len() < KEYS {
            keys[shard].push(key);
        }
        if keys.iter().all(|keys| keys.len() == KEYS) {
            break;
        }
    }
    keys
}

/// Effects that are written down.
pub(crate) fn recording() -> Effects {
    Effects::new(Listen { records: true, ..Listen::default() })
}
