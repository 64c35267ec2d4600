//! Active expiry of the fields of hashes.
//!
//! A database keeps the keys of the hashes that have fields which expire. A sweep walks them, and of each the fields that
//! expire, where one is due: a large hash in slices, its place being kept in it. A hash that has no such field any more is
//! forgotten when the walk meets it.
use crate::call::{Key, Keys};
use crate::commands::hash_access::{tell_emptied, tell_gone};
use crate::expiry::Progress;
use crate::keyspace::{EntryRef, Hashed};
use crate::shard::Shard;
use crate::values::Kind;
use crate::values::hash::Hash;
use crate::values::member::Member;
use crate::values::members::Members;

/// Keys that are looked at between two changes.
const KEYS_A_STEP: usize = 16;
/// Fields of one hash that are looked at in a step.
const FIELDS_A_STEP: usize = 128;

/// The keys of hashes with fields that expire.
#[derive(Debug, Default)]
pub(crate) struct TimedKeys(Members<Member<0>>);

impl TimedKeys {
    /// A key's hash has got such a field.
    pub(crate) fn add(&mut self, key: &[u8]) {
        if self.0.get(key).is_none() {
            self.0.insert(Member::new([], key));
        }
    }
    /// How many there are; a few may have none any more.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Looks at about `budget` keys and fields of the first shard in hand, from where the last sweep stopped, no further than to
/// the end of the last database, and removes the fields whose time has come: recorded, told and counted as when a
/// command meets them.
pub(crate) fn sweep(keys: &mut Keys<'_>, budget: usize) -> Progress {
    let mut progress = Progress::default();
    let mut spent = 0;
    while spent < budget && !progress.round_done {
        let shard = &mut *keys.shards_mut()[0];
        let (db, cursor) = shard.field_sweep;
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let next = shard.dbs[db].timed.0.scan(cursor, KEYS_A_STEP, |key| names.push(key.bytes().into()));
        shard.field_sweep = if next == 0 { ((db + 1) % shard.dbs.len(), 0) } else { (db, next) };
        progress.round_done = shard.field_sweep == (0, 0);
        spent += KEYS_A_STEP;
        for name in &names {
            let (seen, expired) = visit(keys, Key { db: db as u16, hashed: Hashed::new(name) });
            spent += seen;
            progress.seen += seen;
            progress.expired += expired;
        }
    }
    // Large hashes are visited a slice a round: while that finds much there is more to do.
    progress.round_done &= !progress.is_worthwhile();
    progress
}

/// Removes what is due of one hash, of a large one a slice; how many fields were looked at, and how many expired.
fn visit(keys: &mut Keys<'_>, key: Key<'_>) -> (usize, usize) {
    let now_ms = keys.now_ms;
    let Shard { dbs, .. } = keys.shard(key.hashed.slot);
    let db = &mut dbs[usize::from(key.db)];
    let hash = db.table.get(key.hashed).and_then(EntryRef::as_kind::<Hash>);
    let Some(hash) = hash.filter(|hash| hash.has_deadlines()) else {
        db.timed.0.remove(key.bytes());
        return (1, 0);
    };
    if !hash.has_due(now_ms) {
        return (1, 0);
    }
    let reaped = keys.alter_unseen(key, |hash: &mut Hash, _| hash.reap(FIELDS_A_STEP, now_ms));
    let Some(altered) = reaped else { return (1, 0) };
    let (gone, seen) = &altered.value;
    let counts = (*seen, gone.len());
    tell_gone(keys, key, gone);
    tell_emptied(keys, key, Some(altered));
    counts
}
