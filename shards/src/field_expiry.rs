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
        let timed = &shard.dbs[db].timed.0;
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let next = timed.scan(cursor, KEYS_A_STEP, |key| names.push(key.bytes().into()));
        spent += if timed.is_empty() { 1 } else { KEYS_A_STEP };
        shard.field_sweep = if next == 0 { ((db + 1) % shard.dbs.len(), 0) } else { (db, next) };
        progress.round_done = shard.field_sweep == (0, 0);
        for name in &names {
            let (seen, expired) = visit(keys, Key { db: db as u16, hashed: Hashed::new(name) });
            spent += seen;
            progress.seen += seen;
            progress.expired += expired;
        }
    }
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

#[cfg(test)]
mod tests {
    use crate::call::{Call, Expiry};
    use crate::effects::{Class, Effects, Listen};
    use crate::expiry::sweep;
    use crate::keyspace::Value;
    use crate::reply::Reply;
    use crate::settings::Settings;
    use crate::shard::Shard;
    use crate::values::Kind;
    use crate::values::hash::Hash;

    /// A hash of so many fields, every third of which expires at this time, and one much later.
    fn hash(len: u32, at_ms: i64) -> Hash {
        let settings = Settings::default();
        let mut hash = Hash::empty();
        for index in 0..len {
            let field = index.to_string();
            hash.set(field.as_bytes(), b"v", false, &settings);
            if index.is_multiple_of(3) {
                hash.set_expiry(field.as_bytes(), Some(if index == 0 { 1000 * at_ms } else { at_ms }));
            }
        }
        hash
    }

    #[test]
    fn sweeps_find_the_fields_of_small_and_large_hashes() {
        let settings = Settings::default();
        let mut shards = vec![Box::new(Shard::new(0, 1, 16, 1))];
        let (mut reply, mut effects) =
            (Reply::default(), Effects::new(Listen { records: true, events: Class::HASH }));
        let mut cx = Call::new(&mut shards, &settings, 3, 100, &mut reply, &mut effects);
        let lens = [10, 30, 600, 5000];
        for (index, len) in lens.into_iter().enumerate() {
            let name = format!("h{index}");
            let key = cx.key(name.as_bytes());
            cx.set(key, Value::Object(hash(len, 50).into()), Expiry::None);
        }
        assert_eq!(cx.shards()[0].dbs[3].timed_len(), lens.len());
        let (mut sweeps, mut expired) = (0, 0);
        while expired < lens.iter().map(|len| (len - 1) / 3).sum::<u32>() as usize {
            expired += sweep(&mut cx.keys, 256).expired;
            sweeps += 1;
            assert!(sweeps < 100, "{expired} found");
        }
        for (index, len) in lens.into_iter().enumerate() {
            let name = format!("h{index}");
            let key = cx.key(name.as_bytes());
            let hash = cx.read::<Hash>(key).unwrap().expect("it has fields left");
            assert_eq!(hash.len(), len as usize - (len as usize - 1) / 3);
            assert!(hash.has_deadlines(), "one field is to expire later");
        }
        cx.keys.now_ms = 60_000;
        for _ in 0..40 {
            sweep(&mut cx.keys, 256);
        }
        assert_eq!(cx.shards()[0].dbs[3].timed_len(), 0, "none has such fields any more");
        assert_eq!(cx.shards()[0].counts.expired_fields as usize, expired + lens.len());
        let records = cx.effects.records().map(|record| record.args().count() - 2).sum::<usize>();
        assert_eq!(records, expired + lens.len());
    }

    #[test]
    fn a_hash_that_is_renamed_or_emptied_is_followed() {
        let settings = Settings::default();
        let mut shards = vec![Box::new(Shard::new(0, 1, 1, 1))];
        let (mut reply, mut effects) = (Reply::default(), Effects::default());
        let mut cx = Call::new(&mut shards, &settings, 0, 100, &mut reply, &mut effects);
        let (from, to) = (cx.key(b"from"), cx.key(b"to"));
        cx.set(from, Value::Object(hash(2, 50).into()), Expiry::None);
        let altered = cx.alter(from, |hash: &mut Hash, _| hash.set_expiry(b"1", Some(70)));
        assert!(altered.unwrap().is_some(), "it is there");
        let entry = cx.take(from).expect("it is there");
        cx.put(to, entry);
        cx.keys.now_ms = 60_000;
        for _ in 0..4 {
            sweep(&mut cx.keys, 256);
        }
        assert!(!cx.exists(to), "all of its fields have expired");
        assert_eq!(cx.shards()[0].dbs[0].timed_len(), 0);
    }
}
