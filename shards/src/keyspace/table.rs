//! The keys of one database on one shard: for each slot a segment, or many once the slot is crowded.
//!
//! The slot is the first level: `GETKEYSINSLOT`, migration and another number of shards find a slot's keys together.
//! A crowded slot (a hash tag under which millions of keys live) splits its segment by the top bits of the hash, and again
//! (extendible hashing within the slot), so no step of growth ever moves more than about a thousand words, nor looks at more
//! entries than that. Walks go by slot, segment and mark: SCAN's cursor is a place in that order, which no growth moves.
mod slots;

use self::slots::Slot;
use super::directory::Directory;
use super::entry::{Entry, EntryRef};
use super::hash::hash_of;
use super::segment::{SPLIT_WORDS, Segment};
use super::value::Value;
use super::walk::{Among, Place, Work, walk};
use super::word::WordMut;
use crate::dice::Dice;
use crate::values::Object;
use std::ops::Range;

/// Slots under one counter, so that empty stretches are passed over quickly.
const CHUNK: usize = 64;
/// A crowded slot with no more keys than this becomes one segment again.
const UNCROWD_LEN: usize = 256;

/// A key with its hash and slot, worked out once.
#[derive(Clone, Copy, Debug)]
pub struct Hashed<'a> {
    /// The key.
    pub bytes: &'a [u8],
    /// Its hash.
    pub hash: u64,
    /// Its slot.
    pub slot: u16,
}

impl<'a> Hashed<'a> {
    /// Works out hash and slot.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Hashed<'a> {
        Hashed { bytes, hash: hash_of(bytes), slot: crate::slot::slot_of(bytes) }
    }
}

/// The keys of one database on one shard.
#[derive(Debug)]
pub struct Table {
    range: Range<u16>,
    /// One a slot of the range; empty until the first key comes.
    slots: Vec<Slot>,
    chunk_lens: Vec<Lens>,
    lens: Lens,
    entries_bytes: usize,
}

/// What a key held before it was given a value.
#[derive(Debug)]
#[must_use]
pub enum Previous {
    /// Nothing.
    None,
    /// Something in whose place the new value was written.
    Overwritten,
    /// This.
    Replaced(Entry),
}

impl Previous {
    /// Whether it held anything.
    #[inline]
    #[must_use]
    pub fn existed(&self) -> bool {
        !matches!(self, Previous::None)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Lens {
    all: usize,
    volatile: usize,
}

impl Lens {
    fn among(self, among: Among) -> usize {
        match among {
            Among::All => self.all,
            Among::Volatile => self.volatile,
        }
    }
}

impl Table {
    /// An empty table for the slots of a shard.
    #[must_use]
    pub const fn new(range: Range<u16>) -> Table {
        Table {
            range,
            slots: Vec::new(),
            chunk_lens: Vec::new(),
            lens: Lens { all: 0, volatile: 0 },
            entries_bytes: 0,
        }
    }
    /// How many keys there are, expired ones that are still here included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lens.all
    }
    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lens.all == 0
    }
    /// How many keys have an expiry.
    #[must_use]
    pub fn volatile_len(&self) -> usize {
        self.lens.volatile
    }
    /// Bytes of all entries with their values.
    #[must_use]
    pub fn entries_bytes(&self) -> usize {
        self.entries_bytes
    }

    /// The entry of a key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Hashed<'_>) -> Option<EntryRef<'_>> {
        self.segment(key.slot, key.hash)?.get(key.hash, key.bytes)
    }

    /// Bytes of the table itself: slots, words and directories.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        let words = |slot: &Slot| match slot {
            Slot::One(segment) => segment.memory_bytes(),
            Slot::Crowded(directory) => directory.memory_bytes() + size_of::<Directory<Entry>>(),
        };
        let slots =
            self.slots.capacity() * size_of::<Slot>() + self.chunk_lens.capacity() * size_of::<Lens>();
        slots + self.slots.iter().map(words).sum::<usize>()
    }

    /// Changes the entry of a key in place; its memory may change by that, its expiry may not.
    #[inline]
    pub fn change<T>(&mut self, key: Hashed<'_>, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.with_word(key, |word| word.change(change))
    }

    /// Changes an entry in place by something that leaves its memory as it is.
    #[inline]
    pub fn change_same_size<T>(
        &mut self,
        key: Hashed<'_>,
        change: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        self.segment_mut(key.slot, key.hash)?.get_mut(key.hash, key.bytes).map(|mut word| word.change(change))
    }

    /// Exchanges the entry of a key for what `change` makes of it; whether the key is here.
    pub fn replace(&mut self, key: Hashed<'_>, change: impl FnOnce(Entry) -> Entry) -> bool {
        self.with_word(key, |word| word.replace(change)).is_some()
    }

    /// Gives a key a value, over the one it has; what that was. `expires_at_ms` is its whole expiry.
    #[inline]
    pub fn set(
        &mut self,
        key: Hashed<'_>,
        value: Value<'_>,
        expires_at_ms: Option<i64>,
        lru: u32,
        version: bool,
    ) -> Previous {
        self.make_slots();
        let mut leftover = Some(value);
        let found = self
            .segment_mut(key.slot, key.hash)
            .and_then(|segment| segment.get_mut(key.hash, key.bytes))
            .map(|mut word| {
                let value = leftover.take().expect("taken once");
                if word.item().expires_at_ms() == expires_at_ms && word.item().version() == version {
                    leftover = word.change(|entry| entry.overwrite(value)).err();
                    word.item().set_lru(lru);
                } else {
                    leftover = Some(value);
                }
            });
        let Some(value) = leftover else { return Previous::Overwritten };
        let entry = Entry::new(key.bytes, value, expires_at_ms, lru, version);
        if found.is_none() {
            self.insert(key, entry);
            return Previous::None;
        }
        let mut old = None;
        self.with_word(key, |word| {
            word.replace(|previous| {
                old = Some(previous);
                entry
            });
        });
        old.map_or(Previous::None, Previous::Replaced)
    }

    /// Adds an entry whose key is not here.
    pub fn insert(&mut self, key: Hashed<'_>, entry: Entry) {
        self.make_slots();
        let volatile = usize::from(entry.view().expires_at_ms().is_some());
        self.entries_bytes += entry.view().memory_bytes();
        self.count(key.slot, |lens| {
            lens.all += 1;
            lens.volatile += volatile;
        });
        let at = self.place(key.slot);
        match &mut self.slots[at] {
            Slot::One(segment) if !segment.wants_split(SPLIT_WORDS) => segment.insert(key.hash, entry),
            Slot::One(segment) => {
                let only = std::mem::replace(segment, Segment::new(0));
                let mut directory = Directory::new(only);
                directory.insert(key.hash, entry);
                self.slots[at] = Slot::Crowded(Box::new(directory));
            }
            Slot::Crowded(directory) => directory.insert(key.hash, entry),
        }
    }

    /// Takes the entry of a key out.
    pub fn remove(&mut self, key: Hashed<'_>) -> Option<Entry> {
        let at = self.place(key.slot);
        let entry = match self.slots.get_mut(at)? {
            Slot::One(segment) => segment.remove(key.hash, key.bytes)?,
            Slot::Crowded(directory) => {
                let entry = directory.remove(key.hash, key.bytes)?;
                if directory.len() <= UNCROWD_LEN {
                    let crowded = std::mem::replace(&mut self.slots[at], Slot::One(Segment::new(0)));
                    if let Slot::Crowded(directory) = crowded {
                        self.slots[at] = Slot::One(directory.into_one());
                    }
                }
                entry
            }
        };
        let volatile = usize::from(entry.view().expires_at_ms().is_some());
        self.entries_bytes -= entry.view().memory_bytes();
        self.count(key.slot, |lens| {
            lens.all -= 1;
            lens.volatile -= volatile;
        });
        Some(entry)
    }

    /// Calls `visit` with the entries at and behind a cursor, until it has seen `count` or so; gives back the cursor to go
    /// on from, none at the end of this table. 0 and [`cursor_at_slot`](super::walk::cursor_at_slot) are where to begin.
    ///
    /// An entry that is here during a whole run of cursors is visited at least once in it.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(EntryRef<'_>)) -> Option<u64> {
        self.walk(Among::All, cursor, count, visit)
    }

    /// The same for the entries that expire, by an order and cursors of their own.
    pub fn scan_volatile(&self, cursor: u64, count: usize, visit: impl FnMut(EntryRef<'_>)) -> Option<u64> {
        self.walk(Among::Volatile, cursor, count, visit)
    }

    fn walk(
        &self,
        among: Among,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Option<u64> {
        let start = Place::of_cursor(cursor);
        let mut work = Work::new(count);
        let mut slot = start.slot.max(usize::from(self.range.start));
        while let Some((at, occupied)) = self.next_occupied(slot, among) {
            if work.is_enough() {
                return Some(Place::start_of(at));
            }
            let start = if at == start.slot { start } else { Place::slot(at) };
            let next = match occupied {
                Slot::One(segment) => {
                    walk(std::iter::once((0, segment)), start, among, &mut work, &mut visit)
                }
                Slot::Crowded(directory) => directory.walk(start, among, &mut work, &mut visit),
            };
            if let Some(place) = next {
                return Some(place.cursor());
            }
            slot = at + 1;
        }
        None
    }

    /// A key at random: every slot by its number of keys, every key of a segment alike.
    pub fn random(&self, dice: &mut Dice) -> Option<EntryRef<'_>> {
        if self.is_empty() {
            return None;
        }
        let mut rest = dice.below(self.len() as u64) as usize;
        let chunk = self.chunk_lens.iter().position(|lens| {
            let here = rest < lens.all;
            rest -= if here { 0 } else { lens.all };
            here
        })?;
        let slots = &self.slots[chunk * CHUNK..((chunk + 1) * CHUNK).min(self.slots.len())];
        let slot = slots.iter().find(|slot| {
            let len = self.slot_len_of(slot);
            let here = rest < len;
            rest -= if here { 0 } else { len };
            here
        })?;
        match slot {
            Slot::One(segment) => loop {
                if let Some(entry) = segment.at(dice.below(segment.capacity() as u64) as usize) {
                    return Some(entry);
                }
            },
            Slot::Crowded(directory) => Some(directory.random(dice)),
        }
    }

    /// How many keys a slot has.
    #[must_use]
    pub fn slot_len(&self, slot: u16) -> usize {
        self.slots.get(self.place(slot)).map_or(0, |slot| self.slot_len_of(slot))
    }

    /// The keys of a slot.
    pub fn slot_keys(&self, slot: u16) -> impl Iterator<Item = EntryRef<'_>> {
        let (one, directory) = match self.slots.get(self.place(slot)) {
            Some(Slot::One(segment)) => (Some(segment), None),
            Some(Slot::Crowded(directory)) => (None, Some(&**directory)),
            None => (None, None),
        };
        let one = one.into_iter().flat_map(Segment::iter);
        one.chain(directory.into_iter().flat_map(Directory::iter))
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.range.clone().filter(|_| !self.slots.is_empty()).flat_map(|slot| self.slot_keys(slot))
    }

    /// First look ahead for a key that a later command will want: its slot.
    #[inline]
    pub fn prefetch_slot(&self, slot: u16) {
        if let Some(slot) = self.slots.get(self.place(slot)) {
            crate::memory::prefetch(std::ptr::from_ref(slot).cast());
        }
    }
    /// Second look: its words.
    #[inline]
    pub fn prefetch_words(&self, slot: u16, hash: u64) {
        if let Some(segment) = self.segment(slot, hash) {
            segment.prefetch(hash);
        }
    }
    /// Third look: its entry.
    #[inline]
    pub fn prefetch_entry(&self, slot: u16, hash: u64) {
        if let Some(segment) = self.segment(slot, hash) {
            segment.prefetch_item(hash);
        }
    }

    /// Frees up to `budget` entries; whether the table is empty then. For tables nobody uses any more. Collections that take
    /// longer are handed to `heavy`.
    pub fn free_some(&mut self, mut budget: usize, heavy: &mut Vec<Object>) -> bool {
        let entries_bytes = &mut self.entries_bytes;
        let mut free = |mut entry: Entry| {
            *entries_bytes -= entry.view().memory_bytes();
            if entry.view().as_object().is_some_and(|object| object.is_heavy()) {
                heavy.extend(entry.take_object());
            }
        };
        while budget > 0 {
            let taken = match self.slots.last_mut() {
                Some(Slot::One(segment)) => segment.take_some(budget, &mut free),
                Some(Slot::Crowded(directory)) => directory.take_some(budget, &mut free),
                None => return true,
            };
            if taken == 0 {
                self.slots.pop();
            }
            budget -= taken.max(1);
        }
        false
    }

    #[inline]
    fn place(&self, slot: u16) -> usize {
        debug_assert!(self.range.contains(&slot), "slot {slot} is not among {:?}", self.range);
        usize::from(slot.wrapping_sub(self.range.start))
    }

    #[inline]
    fn segment(&self, slot: u16, hash: u64) -> Option<&Segment<Entry>> {
        Some(match self.slots.get(self.place(slot))? {
            Slot::One(segment) => segment,
            Slot::Crowded(directory) => directory.segment(hash),
        })
    }

    #[inline]
    fn segment_mut(&mut self, slot: u16, hash: u64) -> Option<&mut Segment<Entry>> {
        let at = self.place(slot);
        Some(match self.slots.get_mut(at)? {
            Slot::One(segment) => segment,
            Slot::Crowded(directory) => directory.segment_mut(hash),
        })
    }

    fn with_word<T>(&mut self, key: Hashed<'_>, act: impl FnOnce(&mut WordMut<'_, Entry>) -> T) -> Option<T> {
        let mut word = self.segment_mut(key.slot, key.hash)?.get_mut(key.hash, key.bytes)?;
        let before = (word.item().memory_bytes(), word.item().expires_at_ms().is_some());
        let result = act(&mut word);
        let after = (word.item().memory_bytes(), word.item().expires_at_ms().is_some());
        self.entries_bytes = self.entries_bytes - before.0 + after.0;
        if before.1 != after.1 {
            self.count(key.slot, |lens| if after.1 { lens.volatile += 1 } else { lens.volatile -= 1 });
        }
        Some(result)
    }

    fn count(&mut self, slot: u16, change: impl Fn(&mut Lens)) {
        let chunk = self.place(slot) / CHUNK;
        change(&mut self.chunk_lens[chunk]);
        change(&mut self.lens);
    }

    fn make_slots(&mut self) {
        if self.slots.is_empty() {
            let count = usize::from(self.range.end - self.range.start);
            self.slots = slots::empty(count);
            self.chunk_lens.resize(count.div_ceil(CHUNK), Lens::default());
        }
    }

    fn slot_len_of(&self, slot: &Slot) -> usize {
        match slot {
            Slot::One(segment) => segment.len(),
            Slot::Crowded(directory) => directory.len(),
        }
    }

    /// The first slot from `slot` on that has such keys (or may have them, a crowded one).
    fn next_occupied(&self, slot: usize, among: Among) -> Option<(usize, &Slot)> {
        let mut at = slot - usize::from(self.range.start);
        while at < self.slots.len() {
            if self.chunk_lens[at / CHUNK].among(among) == 0 {
                at = (at / CHUNK + 1) * CHUNK;
                continue;
            }
            let slot = &self.slots[at];
            match slot {
                Slot::One(segment) if segment.len_among(among) == 0 => {}
                _ => return Some((usize::from(self.range.start) + at, slot)),
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const ALL: Range<u16> = 0..crate::slot::SLOT_COUNT;

    fn set(table: &mut Table, key: &str, value: i64, expiry: Option<i64>) -> bool {
        table.set(Hashed::new(key.as_bytes()), Value::Int(value), expiry, 0, false).existed()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Set(u16, i64, bool),
        Remove(u16),
        ScanOn,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u16..4000, any::<i64>(), any::<bool>()).prop_map(|(key, value, expires)| Step::Set(key, value, expires)),
            3 => (0u16..4000).prop_map(Step::Remove),
            1 => Just(Step::ScanOn),
        ];
        proptest::collection::vec(step, 1..3000)
    }

    fn name(key: u16) -> String {
        // Half of the keys crowd one slot.
        if key.is_multiple_of(2) { format!("{{tag}}{key}") } else { format!("key:{key}") }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 60 }))]
        #[test]
        fn behaves_as_a_map_and_scans_what_stays(steps in steps()) {
            let mut table = Table::new(ALL);
            let mut model: BTreeMap<String, (i64, Option<i64>)> = BTreeMap::new();
            let mut cursor = 0;
            let mut seen = BTreeSet::new();
            let mut stayed: Option<BTreeSet<String>> = None;
            for step in steps {
                match step {
                    Step::Set(key, value, expires) => {
                        let expiry = expires.then_some(77);
                        let existed = set(&mut table, &name(key), value, expiry);
                        prop_assert_eq!(existed, model.insert(name(key), (value, expiry)).is_some());
                    }
                    Step::Remove(key) => {
                        let removed = table.remove(Hashed::new(name(key).as_bytes())).is_some();
                        prop_assert_eq!(removed, model.remove(&name(key)).is_some());
                        if let Some(stayed) = &mut stayed { stayed.remove(&name(key)); }
                    }
                    Step::ScanOn => {
                        if cursor == 0 {
                            seen.clear();
                            stayed = Some(model.keys().cloned().collect());
                        }
                        let next = table.scan(cursor, 100, |entry| { seen.insert(String::from_utf8(entry.key().to_vec()).unwrap()); });
                        cursor = next.unwrap_or(0);
                        if cursor == 0 {
                            let stayed = stayed.take().unwrap();
                            prop_assert!(stayed.is_subset(&seen), "missed {:?}", stayed.difference(&seen).next());
                        }
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.volatile_len(), model.values().filter(|value| value.1.is_some()).count());
            for (key, (value, expiry)) in &model {
                let entry = table.get(Hashed::new(key.as_bytes())).expect("in the model");
                prop_assert_eq!((entry.string(), entry.expires_at_ms()), (crate::keyspace::StrRef::Int(*value), *expiry));
            }
            prop_assert_eq!(table.iter().count(), model.len());
            let bytes: usize = table.iter().map(EntryRef::memory_bytes).sum();
            prop_assert_eq!(table.entries_bytes(), bytes);
            while !table.free_some(100, &mut Vec::new()) {}
        }
    }

    #[test]
    fn one_hot_tag_splits_and_shrinks_again() {
        let count = if cfg!(miri) { 1500 } else { 50_000 };
        let mut table = Table::new(ALL);
        (0..count).for_each(|key| assert!(!set(&mut table, &format!("{{hot}}{key}"), key, None)));
        assert!((0..count).all(|key| table.get(Hashed::new(format!("{{hot}}{key}").as_bytes())).is_some()));
        let mut cursor = 0;
        let mut seen = BTreeSet::new();
        while let Some(next) = table.scan(cursor, 10, |entry| {
            seen.insert(entry.key().to_vec());
        }) {
            assert!(next > cursor, "cursors go up");
            cursor = next;
        }
        assert_eq!(seen.len(), count as usize);
        (0..count)
            .for_each(|key| assert!(table.remove(Hashed::new(format!("{{hot}}{key}").as_bytes())).is_some()));
        assert!(table.is_empty());
        assert!(table.table_bytes() < 400_000, "{}", table.table_bytes());
    }

    #[test]
    fn a_scan_misses_nothing_when_segments_merge() {
        // A cursor stood inside the first of several segments when deletions made one of them: the keys that the others had
        // brought, with marks below the cursor's, were passed over.
        let kept: BTreeSet<String> = (0..200).map(|key| format!("{{hot}}{}", key * 25)).collect();
        for calls_before in [1, 2, 10, 30, 60, 100] {
            let mut table = Table::new(ALL);
            (0..5000).for_each(|key| assert!(!set(&mut table, &format!("{{hot}}{key}"), key, None)));
            let (mut cursor, mut seen) = (Some(0), BTreeSet::new());
            for call in 0.. {
                if call == calls_before {
                    for key in (0..5000).filter(|key| key % 25 != 0) {
                        table.remove(Hashed::new(format!("{{hot}}{key}").as_bytes()));
                    }
                    let is_crowded = |slot: &Slot| matches!(slot, Slot::Crowded(_));
                    assert!(!table.slots.iter().any(is_crowded), "one segment is left");
                }
                let Some(at) = cursor else { break };
                cursor = table.scan(at, 10, |entry| {
                    seen.insert(String::from_utf8(entry.key().to_vec()).unwrap());
                });
            }
            assert!(kept.is_subset(&seen), "missed {:?}", kept.difference(&seen).next());
        }
    }

    proptest! {
           #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 30 }))]
           /// Ranges of keys come and go between the calls of a walk, under one hot tag and over many slots; what stays is seen, by a
           /// walk of all and by one of those that expire.
           #[test]
           fn walks_see_what_stays_while_tables_grow_and_shrink(
               count in 1usize..60,
               start in 0u32..4000,
               waves in proptest::collection::vec((0u32..4000, 0u32..4000, any::<bool>()), 1..40),
           ) {
               let mut table = Table::new(ALL);
               let name = |key: u32| if key.is_multiple_of(3) { format!("key:{key}") } else { format!("{{hot}}{key}") };
               let expiry = |key: u32| key.is_multiple_of(4).then_some(5);
               let stays = |key: u32| key.is_multiple_of(50) || key.is_multiple_of(77);
               (0..4000).filter(|key| stays(*key) || *key < start).for_each(|key| {
                   set(&mut table, &name(key), 1, expiry(key));
               });
               let (mut all, mut volatile) = (Some(0), Some(0));
               let (mut seen, mut seen_volatile) = (BTreeSet::new(), BTreeSet::new());
               let mut waves = waves.into_iter();
               while all.is_some() || volatile.is_some() {
                   let key_of = |entry: EntryRef<'_>| String::from_utf8(entry.key().to_vec()).unwrap();
                   all = all.and_then(|at| table.scan(at, count, |entry| {
    seen.insert(key_of(entry));
    }));
                   volatile = volatile.and_then(|at| {
                       table.scan_volatile(at, count, |entry| {
    seen_volatile.insert(key_of(entry));
    })
                   });
                   let Some((one, other, adds)) = waves.next() else { continue };
                   for key in (one.min(other)..one.max(other)).filter(|key| !stays(*key)) {
                       if adds {
                           set(&mut table, &name(key), 1, expiry(key));
                       } else {
                           table.remove(Hashed::new(name(key).as_bytes()));
                       }
                   }
               }
               for key in (0..4000).filter(|key| stays(*key)) {
                   prop_assert!(seen.contains(&name(key)), "missed {}", name(key));
                   prop_assert_eq!(seen_volatile.contains(&name(key)), expiry(key).is_some(), "{}", name(key));
               }
           }

           #[test]
           fn an_entry_keeps_its_version_while_its_table_changes(keys in 1u32..5000, tag in any::<bool>()) {
               let name = |key: u32| if tag { format!("{{hot}}{key}") } else { format!("key:{key}") };
               let mut table = Table::new(ALL);
               for key in 0..keys {
                   let _ = table.set(Hashed::new(name(key).as_bytes()), Value::Int(1), None, 0, key % 3 == 0);
               }
               for key in (0..keys).filter(|key| key % 7 != 0) {
                   table.remove(Hashed::new(name(key).as_bytes()));
               }
               for key in (0..keys).step_by(7) {
                   let entry = table.get(Hashed::new(name(key).as_bytes())).expect("it stayed");
                   prop_assert_eq!(entry.version(), key % 3 == 0);
               }
           }
       }

    #[test]
    fn random_finds_every_key() {
        let mut table = Table::new(ALL);
        (0..50).for_each(|key| assert!(!set(&mut table, &name(key), 0, None)));
        let mut dice = Dice::new(1);
        let seen: BTreeSet<_> = (0..2000).map(|_| table.random(&mut dice).unwrap().key().to_vec()).collect();
        assert_eq!(seen.len(), 50);
    }

    #[test]
    fn words_are_well_filled() {
        let mut table = Table::new(ALL);
        for key in 0..if cfg!(miri) { 100 } else { 1_000_000 } {
            set(&mut table, &format!("key:{key:012}"), key, None);
        }
        let per_key = table.table_bytes() as f64 / table.len() as f64;
        assert!(cfg!(miri) || per_key < 12.0, "{per_key}");
    }
}
