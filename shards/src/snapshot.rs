//! A snapshot of a shard: its dataset at one instant, written out bit by bit while commands go on changing it. No fork.
//!
//! To begin is to toggle the shard's version: all entries there are have the other one then, which says that they are not
//! written yet. Two things write them, each once, for an entry that is written takes the shard's version:
//!
//! - *the sweep* ([`Shard::sweep_snapshot`]), a few at a time, table after table in the order of their walks, which miss nothing that
//!   stays (`keyspace::table`);
//! - *whoever is about to change, move or remove an entry* ([`Shard::keep_for_snapshot`]): the entry as it was, before anything is done to
//!   it. There is one door to entries, [`crate::call::Keys`], and it asks here first.
//!
//! What is made meanwhile has the shard's version from the start and is passed over. A table that is exchanged for an empty one (FLUSHDB)
//! belongs to the snapshot until it is swept; SWAPDB takes the place of a sweep along with the table.
//!
//! What is written goes into [`Chunk`]s, for a file of the form that [`crate::rdb`] knows. Values that are large are not written here but
//! handed over ([`frozen`]): who writes the file serializes them.
pub mod frozen;

use crate::keyspace::{Entry, EntryRef, Hashed, Table, access};
use crate::rdb::item::{self, Usage};
use crate::rdb::writer::Text;
use crate::rdb::{VERSION_COMMON, encode, kind_of};
use crate::settings::Settings;
use crate::shard::Shard;
use frozen::Frozen;
use std::collections::VecDeque;

/// A chunk of more bytes is handed over.
const CHUNK_BYTES: usize = 64 * 1024;

/// What the file is to be like.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Strings are compressed where that makes them shorter (`rdbcompression`).
    pub compresses: bool,
    /// How keys were used is told, as by the policy of eviction it matters.
    pub usage: UsageKept,
}

/// What of a key's use is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageKept {
    /// Nothing.
    None,
    /// When it was last used.
    Idle,
    /// How often it is used.
    Frequency,
}

/// A part of a chunk.
#[derive(Debug)]
pub enum Part {
    /// Bytes for the file.
    Bytes(Vec<u8>),
    /// A value, to be serialized where it stands.
    Frozen(Frozen),
}

/// Whole keys, and the database that they belong to before them: chunks of several shards may follow one another as they come.
#[derive(Debug, Default)]
pub struct Chunk {
    /// What it consists of, in order.
    pub parts: Vec<Part>,
    /// Bytes that it takes, about.
    pub weight_bytes: usize,
    /// How many keys.
    pub keys: u64,
}

/// A table that is no longer a database's, and of which something may not be written yet.
#[derive(Debug)]
struct Orphan {
    table: Table,
    cursor: u64,
    origin: u16,
}

/// How far the sweep is with a database, which may have had another number when the snapshot began.
#[derive(Clone, Copy, Debug)]
struct Place {
    origin: u16,
    /// Where to go on; none where all is written.
    cursor: Option<u64>,
}

/// The snapshot that is being taken of a shard.
#[derive(Debug)]
pub struct Snapshot {
    manner: Manner,
    settings: Settings,
    places: Vec<Place>,
    orphans: Vec<Orphan>,
    out: Text,
    /// The database that `out` is at.
    out_db: Option<u16>,
    chunk: Chunk,
    ready: VecDeque<Chunk>,
    is_given_up: bool,
}

impl Snapshot {
    /// Writes an entry; a large one is left to the caller: its head is written, and its value comes next.
    fn write(&mut self, db: u16, entry: EntryRef<'_>, now_ms: i64) -> bool {
        if self.is_given_up {
            return true;
        }
        if self.out.bytes.capacity() == 0 {
            self.out.bytes.reserve(CHUNK_BYTES + CHUNK_BYTES / 4);
        }
        if self.out_db != Some(db) {
            self.out_db = Some(db);
            item::database(&mut self.out, db);
        }
        let usage = match self.manner.usage {
            UsageKept::None => Usage::Untold,
            UsageKept::Idle => Usage::Idle(access::idle_seconds(entry.lru(), now_ms) as u64),
            UsageKept::Frequency => {
                Usage::Frequency(access::frequency(entry.lru(), now_ms, &self.settings) as u8)
            }
        };
        let kind = kind_of(entry, VERSION_COMMON);
        item::key(&mut self.out, entry.key(), kind, entry.expires_at_ms(), usage);
        self.chunk.keys += 1;
        if frozen::is_large(entry) {
            return false;
        }
        encode(entry, VERSION_COMMON, &mut self.out);
        if self.out.bytes.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
        true
    }

    /// Adds the value whose head was just written.
    fn add_frozen(&mut self, frozen: Frozen) {
        self.end_bytes();
        self.chunk.weight_bytes += frozen.weight_bytes();
        self.chunk.parts.push(Part::Frozen(frozen));
        if self.chunk.weight_bytes >= CHUNK_BYTES {
            self.close_chunk();
        }
    }

    fn end_bytes(&mut self) {
        if !self.out.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.out.bytes);
            self.chunk.weight_bytes += bytes.len();
            self.chunk.parts.push(Part::Bytes(bytes));
        }
    }

    fn close_chunk(&mut self) {
        self.end_bytes();
        self.out_db = None;
        if !self.chunk.parts.is_empty() {
            self.ready.push_back(std::mem::take(&mut self.chunk));
        }
    }
}

impl Shard {
    /// Begins a snapshot of what the shard holds now. There is none under way.
    pub fn begin_snapshot(&mut self, manner: Manner, settings: &Settings) {
        debug_assert!(self.snapshot.is_none(), "one snapshot at a time");
        self.version = !self.version;
        let place = |(origin, table): (usize, &Table)| Place {
            origin: origin as u16,
            cursor: (!table.is_empty()).then_some(0),
        };
        self.snapshot = Some(Box::new(Snapshot {
            manner,
            settings: settings.clone(),
            places: self.dbs.iter().map(|db| &db.table).enumerate().map(place).collect(),
            orphans: Vec::new(),
            out: Text { bytes: Vec::new(), is_plain: !manner.compresses },
            out_db: None,
            chunk: Chunk::default(),
            ready: VecDeque::new(),
            is_given_up: false,
        }));
    }

    /// Whether a snapshot of it is being taken.
    #[inline]
    #[must_use]
    pub fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Nobody wants the snapshot any more. The sweep still has to go to its end, which is quick then: no entry may look as if
    /// it were not yet written when the next snapshot begins.
    pub fn give_up_snapshot(&mut self) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.is_given_up = true;
            snapshot.out.bytes = Vec::new();
            (snapshot.chunk, snapshot.ready) = (Chunk::default(), VecDeque::new());
        }
    }

    /// The next chunk of the snapshot that is complete.
    pub fn take_chunk(&mut self) -> Option<Chunk> {
        self.snapshot.as_mut()?.ready.pop_front()
    }

    /// Writes about `budget` entries that are not written yet; whether all are, and every chunk is taken: then there is no snapshot of
    /// this shard any more.
    pub fn sweep_snapshot(&mut self, budget: usize, now_ms: i64) -> bool {
        let Some(mut snapshot) = self.snapshot.take() else { return true };
        let place = snapshot.places.iter().position(|place| place.cursor.is_some());
        if let Some(mut orphan) = snapshot.orphans.pop() {
            let step = Step { snapshot: &mut snapshot, db: orphan.origin, version: self.version, now_ms };
            match step.run(&mut orphan.table, orphan.cursor, budget) {
                Some(cursor) => snapshot.orphans.push(Orphan { cursor, ..orphan }),
                None => self.discard_table(orphan.table),
            }
        } else if let Some(db) = place {
            let Place { origin, cursor } = snapshot.places[db];
            let step = Step { snapshot: &mut snapshot, db: origin, version: self.version, now_ms };
            let next = step.run(&mut self.dbs[db].table, cursor.unwrap_or(0), budget);
            snapshot.places[db].cursor = next;
        } else {
            snapshot.close_chunk();
        }
        let is_swept =
            snapshot.orphans.is_empty() && snapshot.places.iter().all(|place| place.cursor.is_none());
        let is_done = is_swept && snapshot.out.bytes.is_empty() && snapshot.chunk.parts.is_empty();
        if !is_done || !snapshot.ready.is_empty() {
            self.snapshot = Some(snapshot);
        }
        self.snapshot.is_none()
    }

    /// Writes the entry of a key as it is, if the snapshot that is being taken wants it and has not got it: before anything is done to it.
    #[cold]
    pub(crate) fn keep_for_snapshot(&mut self, db: u16, key: Hashed<'_>) {
        let Shard { snapshot: Some(snapshot), dbs, version, now_ms, .. } = self else { return };
        let (db, origin) = (usize::from(db), snapshot.places[usize::from(db)].origin);
        let (version, now_ms) = (*version, *now_ms);
        dbs[db].table.change_same_size(key, |entry| {
            Step { snapshot, db: origin, version, now_ms }.keep(entry);
        });
    }

    /// A database's table was exchanged for an empty one: what is not written of it is still to be. Gives the table back where nothing
    /// is wanted of it.
    pub(crate) fn orphan_for_snapshot(&mut self, db: usize, table: Table) -> Option<Table> {
        let Some(snapshot) = &mut self.snapshot else { return Some(table) };
        let place = &mut snapshot.places[db];
        let Some(cursor) = place.cursor.take() else { return Some(table) };
        snapshot.orphans.push(Orphan { table, cursor, origin: place.origin });
        None
    }

    /// Two databases were exchanged.
    pub(crate) fn swap_for_snapshot(&mut self, one: usize, other: usize) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.places.swap(one, other);
        }
    }

    /// Bytes of tables that nobody but the snapshot wants any more.
    pub(crate) fn orphans_bytes(&self) -> usize {
        let orphans = self.snapshot.iter().flat_map(|snapshot| &snapshot.orphans);
        orphans.map(|orphan| orphan.table.entries_bytes()).sum()
    }
}

/// What writes entries of one table.
struct Step<'a> {
    snapshot: &'a mut Snapshot,
    /// The number that the database had when the snapshot began.
    db: u16,
    version: bool,
    now_ms: i64,
}

impl Step<'_> {
    /// Writes about `budget` entries of a table from a cursor on; the cursor to go on from.
    fn run(mut self, table: &mut Table, cursor: u64, budget: usize) -> Option<u64> {
        let mut large: Vec<Box<[u8]>> = Vec::new();
        let next = table.scan(cursor, budget, |entry| {
            if entry.version() == self.version {
                return;
            }
            if !self.snapshot.is_given_up && frozen::is_large(entry) {
                return large.push(entry.key().into());
            }
            self.snapshot.write(self.db, entry, self.now_ms);
            entry.set_version(self.version);
        });
        for key in &large {
            table.change_same_size(Hashed::new(key), |entry| self.keep(entry));
        }
        next
    }

    /// Writes an entry, if it is not yet, whatever its size.
    fn keep(&mut self, entry: &mut Entry) {
        if entry.view().version() == self.version {
            return;
        }
        if !self.snapshot.write(self.db, entry.view(), self.now_ms) {
            self.snapshot.add_frozen(Frozen::of(entry));
        }
        entry.set_version(self.version);
    }
}
