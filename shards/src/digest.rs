//! The digest of a dataset as Redis computes it (DEBUG DIGEST): independent of the order of keys, so that two servers, or a
//! dataset and its journal read back, can be compared.
use crate::keyspace::EntryRef;
use crate::shard::Shard;
use sha1::{Digest as _, Sha1};

/// What Redis's objects call a string.
const TYPE_STRING: u32 = 0;

/// Twenty bytes of SHA-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose order does not matter.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.xor(Digest(Sha1::digest(bytes).into()));
    }
    /// Adds something that comes after what was added before.
    pub(crate) fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = Sha1::digest(self.0).into();
    }
    /// The bytes, to be added to another.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
    /// Adds the digest of an element, in whatever order they come.
    pub(crate) fn add_element(&mut self, element: Digest) {
        self.add(&element.0);
    }
    fn xor(&mut self, other: Digest) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// The digest of a value with its expiry (DEBUG DIGEST-VALUE).
#[must_use]
pub fn of_value(entry: EntryRef<'_>) -> Digest {
    mixed_with_value(Digest::default(), entry)
}

fn mixed_with_value(mut digest: Digest, entry: EntryRef<'_>) -> Digest {
    match entry.as_object() {
        Some(object) => object.digest(&mut digest),
        None => {
            digest.mix(&TYPE_STRING.to_be_bytes());
            digest.mix(entry.string().bytes(&mut [0; 20]));
        }
    }
    if entry.expires_at_ms().is_some() {
        digest.add(b"!!expire!!");
    }
    digest
}

fn of_key(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    digest.mix(entry.key());
    mixed_with_value(digest, entry)
}

/// The digest of all databases of all these shards: the same on however many shards the keys are.
///
/// A database's number is mixed with the digest of the databases before it, which is why the shards' digests cannot be
/// computed one by one.
#[must_use]
pub fn of_shards(shards: &[Box<Shard>]) -> Digest {
    let databases = shards.iter().map(|shard| shard.dbs.len()).max().unwrap_or(0);
    let mut digest = Digest::default();
    for db in 0..databases {
        let tables = || shards.iter().filter_map(|shard| shard.dbs.get(db)).map(|db| &db.table);
        if tables().all(|table| table.is_empty()) {
            continue;
        }
        digest.mix(&(db as u32).to_be_bytes());
        for table in tables() {
            // Redis hashes a key's digest once more as it adds it.
            table.iter().for_each(|entry| digest.add(&of_key(entry).0));
        }
    }
    digest
}
