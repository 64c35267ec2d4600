//! A shard: the keys of a range of slots, in all databases, and everything that belongs to them. A value: whoever holds it
//! may run commands on it.
use crate::dice::Dice;
use crate::expiry::AverageTtl;
use crate::field_expiry::TimedKeys;
use crate::keyspace::{Entry, Hashed, Table};
use crate::slot::slots_of_shard;
use crate::snapshot::Snapshot;
use crate::tail::Tail;
use crate::tracked::Tracked;
use crate::values::Object;
use crate::waiting::Waiters;
use crate::watch::Watches;
use std::ops::Range;

/// What a shard counts. All since start or CONFIG RESETSTAT.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "named as INFO stats names them")]
pub struct Counts {
    pub keyspace_hits: u64,
    pub keyspace_misses: u64,
    pub expired_keys: u64,
    /// Fields of hashes (`expired_subkeys`).
    pub expired_fields: u64,
    pub evicted_keys: u64,
    /// Commands run on this shard.
    pub commands: u64,
    /// Changes to the dataset since the last save.
    pub dirty: u64,
}

/// One database of a shard.
#[derive(Debug)]
pub struct Db {
    /// Its keys.
    pub table: Table,
    /// The keys that connections watch. They belong to the database's number, not to its content: SWAPDB leaves them.
    pub watches: Watches,
    /// Those who wait for keys. Likewise.
    pub waiters: Waiters,
    /// The keys of hashes with fields that expire, and some whose hash has none any more.
    pub(crate) timed: TimedKeys,
    /// How long its keys with an expiry have still to live.
    pub(crate) ttl: AverageTtl,
}

impl Db {
    /// How many hashes have fields that expire; a few may have none any more.
    #[must_use]
    pub fn timed_len(&self) -> usize {
        self.timed.len()
    }
    /// An estimate of how long its keys with an expiry have still to live, in ms (`avg_ttl` of INFO); 0 where none has one.
    #[must_use]
    pub fn average_ttl_ms(&self) -> i64 {
        if self.table.volatile_len() == 0 { 0 } else { self.ttl.ms() }
    }
}

/// A shard.
#[derive(Debug)]
pub struct Shard {
    /// Which of the shards it is.
    pub index: usize,
    /// The slots it owns.
    pub slots: Range<u16>,
    /// Its databases.
    pub dbs: Vec<Db>,
    /// The greatest time it has seen, ms since 1970.
    pub now_ms: i64,
    /// Its chance.
    pub dice: Dice,
    /// What it counts.
    pub counts: Counts,
    /// The keys that clients may have copies of.
    pub tracked: Tracked,
    /// What it did and is not yet handed over to its journal, if it writes one.
    pub tail: Option<Box<Tail>>,
    /// Tables that nobody uses any more, to be freed in slices.
    discarded: Vec<Table>,
    /// Large collections that nobody uses any more, likewise.
    heavy: Vec<Object>,
    /// Where active expiry goes on: database and cursor.
    pub(crate) sweep: (usize, u64),
    /// The same for the fields of hashes.
    pub(crate) field_sweep: (usize, u64),
    /// The version of entries made now: toggled when a snapshot begins.
    pub(crate) version: bool,
    /// The snapshot that is being taken.
    pub(crate) snapshot: Option<Box<Snapshot>>,
}

impl Shard {
    /// Shard `index` of `count`, empty.
    #[must_use]
    pub fn new(index: usize, count: usize, databases: u16, seed: u64) -> Shard {
        let slots = slots_of_shard(index, count);
        let dbs = (0..databases)
            .map(|_| Db {
                table: Table::new(slots.clone()),
                watches: Watches::default(),
                waiters: Waiters::default(),
                timed: TimedKeys::default(),
                ttl: AverageTtl::default(),
            })
            .collect();
        Shard {
            index,
            slots,
            dbs,
            now_ms: 0,
            dice: Dice::new(seed),
            counts: Counts::default(),
            tracked: Tracked::default(),
            tail: None,
            discarded: Vec::new(),
            heavy: Vec::new(),
            sweep: (0, 0),
            field_sweep: (0, 0),
            version: false,
            snapshot: None,
        }
    }
    /// Keys in all databases.
    #[must_use]
    pub fn len(&self) -> usize {
        self.dbs.iter().map(|db| db.table.len()).sum()
    }
    /// Whether no database has a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes of the keys and values, with what is discarded and not yet free.
    #[must_use]
    pub fn entries_bytes(&self) -> usize {
        let tables = self.dbs.iter().map(|db| &db.table).chain(&self.discarded);
        tables.map(Table::entries_bytes).sum::<usize>()
            + self.heavy.iter().map(Object::memory_bytes).sum::<usize>()
            + self.orphans_bytes()
    }
    /// Bytes of the tables themselves.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.dbs.iter().map(|db| db.table.table_bytes()).sum()
    }
    /// Empties a database at once; its memory comes back in slices ([`Shard::free_some`]).
    pub fn discard(&mut self, db: usize) -> usize {
        let table = std::mem::replace(&mut self.dbs[db].table, Table::new(self.slots.clone()));
        self.dbs[db].ttl = AverageTtl::default();
        self.dbs[db].timed = TimedKeys::default();
        let len = table.len();
        if len > 0
            && let Some(table) = self.orphan_for_snapshot(db, table)
        {
            self.discard_table(table);
        }
        len
    }
    /// A table is freed in slices.
    pub(crate) fn discard_table(&mut self, table: Table) {
        self.discarded.push(table);
    }
    /// Whether something waits to be freed.
    #[must_use]
    pub fn has_discarded(&self) -> bool {
        !self.discarded.is_empty() || !self.heavy.is_empty()
    }
    /// An entry that is no longer anybody's: gone at once, or in slices where it holds much.
    #[inline]
    pub fn bury(&mut self, mut entry: Entry) {
        if entry.view().as_object().is_some_and(|object| object.is_heavy()) {
            self.heavy.extend(entry.take_object());
        }
    }
    /// Frees up to `budget` discarded entries or elements.
    pub fn free_some(&mut self, budget: usize) {
        if let Some(object) = self.heavy.last_mut() {
            if object.free_some(budget) {
                self.heavy.pop();
            }
        } else if let Some(table) = self.discarded.last_mut()
            && table.free_some(budget, &mut self.heavy)
        {
            self.discarded.pop();
        }
    }
    /// Exchanges the contents of two databases.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.swap_for_snapshot(one, other);
        let (low, high) = (one.min(other), one.max(other));
        let (head, tail) = self.dbs.split_at_mut(high);
        if let (Some(low), Some(high)) = (head.get_mut(low), tail.first_mut()) {
            std::mem::swap(&mut low.table, &mut high.table);
            std::mem::swap(&mut low.timed, &mut high.timed);
            std::mem::swap(&mut low.ttl, &mut high.ttl);
        }
    }
    /// Brings the line of a key's slot near, for a command that comes soon; `look` 0, 1, 2 goes a step deeper each.
    #[inline]
    pub fn prefetch(&self, db: u16, key: Hashed<'_>, look: u8) {
        let Some(db) = self.dbs.get(usize::from(db)) else { return };
        match look {
            0 => db.table.prefetch_slot(key.slot),
            1 => db.table.prefetch_words(key.slot, key.hash),
            _ => db.table.prefetch_entry(key.slot, key.hash),
        }
    }
}
