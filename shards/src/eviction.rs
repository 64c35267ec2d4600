//! Eviction: which key goes when memory is short (`maxmemory-policy`).
//!
//! As in Redis the choice is made among a few keys that are looked at by chance: exact order would cost memory for every key. A
//! look begins at a random slot and takes the entries that stand there, which costs one place in memory and not one a key.
use crate::call::{Key, Keys};
use crate::keyspace::walk::cursor_at_slot;
use crate::keyspace::{EntryRef, Hashed, access};
use crate::shard::Shard;

/// By what keys are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judge {
    /// The longest unused goes.
    Lru,
    /// The least used goes.
    Lfu,
    /// Any.
    Random,
    /// The one that would go soonest anyway.
    Ttl,
}

/// Which keys may go, and which goes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// By what they are judged.
    pub judge: Judge,
    /// Only keys with an expiry may go.
    pub only_volatile: bool,
    /// Among how many one is chosen (`maxmemory-samples`).
    pub samples: usize,
}

/// From how many places keys are looked at.
const PLACES: usize = 2;

/// Throws a key of the first shard in hand out: recorded, told and counted. The bytes that it took; nothing where no key may go.
pub fn evict_one(keys: &mut Keys<'_>, policy: Policy) -> Option<usize> {
    let (settings, now_ms) = (keys.settings, keys.now_ms);
    let judge = |entry: EntryRef<'_>| match policy.judge {
        Judge::Lru => access::idle_seconds(entry.lru(), now_ms),
        Judge::Lfu => -i64::from(access::frequency(entry.lru(), now_ms, settings)),
        Judge::Random => 0,
        Judge::Ttl => entry.expires_at_ms().map_or(i64::MIN, |at_ms| -at_ms),
    };
    let shard = &mut *keys.shards_mut()[0];
    let db = draw_db(shard, policy.only_volatile)?;
    let mut best: Option<(i64, Vec<u8>, usize)> = None;
    for _ in 0..PLACES {
        look(shard, db, policy, |entry| {
            let score = judge(entry);
            if best.as_ref().is_none_or(|(other, ..)| score > *other) {
                best = Some((score, entry.key().to_vec(), entry.memory_bytes()));
            }
        });
    }
    let (_, bytes, memory_bytes) = best?;
    keys.evict(Key { db: db as u16, hashed: Hashed::new(&bytes) });
    Some(memory_bytes)
}

/// A database by its share of the keys that may go.
fn draw_db(shard: &mut Shard, only_volatile: bool) -> Option<usize> {
    let Shard { dbs, dice, .. } = shard;
    let lens = dbs.iter().map(|db| if only_volatile { db.table.volatile_len() } else { db.table.len() });
    let total: usize = lens.clone().sum();
    let mut rest = (total > 0).then(|| dice.below(total as u64) as usize)?;
    lens.into_iter().position(|len| {
        let here = rest < len;
        rest -= if here { 0 } else { len };
        here
    })
}

/// Looks at some keys of a database from a random slot on, round the end if need be.
fn look(shard: &mut Shard, db: usize, policy: Policy, mut visit: impl FnMut(EntryRef<'_>)) {
    let Shard { dbs, dice, slots, .. } = shard;
    let slot = slots.start + dice.below(u64::from(slots.end - slots.start)) as u16;
    let count = policy.samples.div_ceil(PLACES).max(1);
    let mut seen = 0;
    for cursor in [cursor_at_slot(slot), cursor_at_slot(slots.start)] {
        let table = &dbs[db].table;
        let visit = |entry: EntryRef<'_>| {
            seen += 1;
            visit(entry);
        };
        // Where it goes on is of no matter: the next look begins elsewhere.
        let _rest = if policy.only_volatile {
            table.scan_volatile(cursor, count, visit)
        } else {
            table.scan(cursor, count, visit)
        };
        if seen > 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;
    use crate::effects::{Class, Effects, Listen};
    use crate::keyspace::Value;
    use crate::reply::Reply;
    use crate::settings::Settings;

    fn evicted(judge: Judge, only_volatile: bool, count: usize) -> (Vec<String>, usize, u64) {
        let settings = Settings { lfu: judge == Judge::Lfu, ..Settings::default() };
        let mut shards = vec![Box::new(Shard::new(0, 1, 16, 7))];
        let mut effects = Effects::new(Listen { records: true, events: Class::EVICTED });
        let mut reply = Reply::default();
        let mut cx = Call::new(&mut shards, &settings, 0, 1_700_000_000_000, &mut reply, &mut effects);
        for number in 0..1000_u32 {
            let name = format!("{}{number}", if number < 500 { "old" } else { "new" });
            let key = cx.key(name.as_bytes());
            let expiry = if number % 2 == 0 {
                crate::call::Expiry::At(1_800_000_000_000 + i64::from(number) * 1_000_000)
            } else {
                crate::call::Expiry::None
            };
            cx.set(key, Value::Int(1), expiry);
            // LRU: idle for long; LFU: a low counter, just decayed.
            let bits = match judge {
                Judge::Lfu => {
                    cx.lookup(key).map_or(0, |entry| entry.lru()) & !0xff | if number < 500 { 0 } else { 200 }
                }
                _ => (1_700_000_000 - if number < 500 { 9_000 } else { 0 }) as u32 & 0x00ff_ffff,
            };
            cx.lookup(key).expect("set").set_lru(bits);
        }
        let policy = Policy { judge, only_volatile, samples: 10 };
        let freed: Option<usize> = (0..count).map(|_| evict_one(&mut cx.keys, policy)).sum();
        assert!(freed.is_some_and(|bytes| bytes >= 16 * count), "{freed:?}");
        let names = cx.effects.events().iter().map(|event| String::from_utf8_lossy(&event.key).into_owned());
        let names: Vec<_> = names.collect();
        let counted = cx.keys.shards()[0].counts.evicted_keys;
        (names, effects.record_count(), counted)
    }

    #[test]
    fn the_worst_of_a_few_goes() {
        for judge in [Judge::Lru, Judge::Lfu, Judge::Ttl] {
            let (names, records, counted) = evicted(judge, judge == Judge::Ttl, 200);
            assert_eq!((names.len(), records, counted), (200, 200, 200));
            let old = names.iter().filter(|name| name.starts_with("old")).count();
            assert!(old > 180, "{judge:?}: {old} of 200");
        }
    }

    #[test]
    fn only_keys_that_may_go_do() {
        let (names, ..) = evicted(Judge::Random, true, 500);
        assert!(names.iter().all(|name| name[3..].parse::<u32>().is_ok_and(|number| number % 2 == 0)));
        let old = names.iter().filter(|name| name.starts_with("old")).count();
        assert!((200..=300).contains(&old), "{old} of 500");
    }

    #[test]
    fn where_none_may_go_none_does() {
        let settings = Settings::default();
        let mut shards = vec![Box::new(Shard::new(0, 1, 16, 7))];
        let (mut effects, mut reply) = (Effects::default(), Reply::default());
        let mut cx = Call::new(&mut shards, &settings, 0, 1, &mut reply, &mut effects);
        let key = cx.key(b"stays");
        cx.set(key, Value::Int(1), crate::call::Expiry::None);
        let policy = Policy { judge: Judge::Lru, only_volatile: true, samples: 5 };
        assert_eq!(evict_one(&mut cx.keys, policy), None);
        assert!(cx.exists(key));
    }
}
