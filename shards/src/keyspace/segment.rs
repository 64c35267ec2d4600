//! A small open-addressing hash table of entries: what holds the keys of one slot, or a share of a crowded slot's.
//!
//! Its words are grouped by eight, a cache line. A word is the top 16 bits of an entry's in-segment hash (the *mark*),
//! the entry's address, and in the lowest bit whether it expires; 0 is an empty word. A mark tells a key's home group,
//! and groups follow one another in the order of marks; an entry whose home is full stands in the next group with room.
//! So a segment can grow, shrink and be scanned without looking at a single entry, and a lookup touches one line here
//! and one in the entry, nearly always.
//!
//! Capacities step by a fifth on average, so the words of a slot are 75 to 90 % full whatever the number of keys.
#![expect(unsafe_code, reason = "words hold the addresses of the entries that the segment owns")]
use super::entry::{Entry, EntryRef};
use super::table::{Among, Work};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Words in a group: one cache line.
const GROUP: usize = 8;
/// A segment with this many words splits rather than grows, as long as its slot has hash bits left.
pub(super) const SPLIT_WORDS: usize = 1024;
const WORDS_MAX: usize = 65_528;

const MARK_SHIFT: u32 = 48;
const ADDRESS: u64 = 0x0000_ffff_ffff_fff8;
const VOLATILE: u64 = 1;

/// Entries by the hash of their keys.
#[derive(Debug)]
pub(super) struct Segment {
    words: NonNull<u64>,
    capacity: u16,
    len: u16,
    volatile: u16,
    /// How many top bits of the hash all keys in here share.
    pub(super) depth: u8,
}

// SAFETY: a segment owns its words and the entries behind them.
unsafe impl Send for Segment {}

/// The bits of a hash that a segment goes by.
#[inline]
pub(super) fn mark_of(hash: u64) -> u16 {
    (hash >> 32) as u16
}

impl Segment {
    /// An empty segment, without an allocation.
    pub(super) const fn new(depth: u8) -> Segment {
        Segment { words: NonNull::dangling(), capacity: 0, len: 0, volatile: 0, depth }
    }
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }
    pub(super) fn len_among(&self, among: Among) -> usize {
        match among {
            Among::All => self.len(),
            Among::Volatile => usize::from(self.volatile),
        }
    }
    /// Bytes of the words.
    pub(super) fn memory_bytes(&self) -> usize {
        usize::from(self.capacity) * 8
    }
    /// Whether one more would have it grow beyond the size at which it should split.
    pub(super) fn wants_split(&self) -> bool {
        self.is_full() && usize::from(self.capacity) >= SPLIT_WORDS
    }

    fn is_full(&self) -> bool {
        let capacity = usize::from(self.capacity);
        self.len() >= room_in(capacity)
    }

    #[inline]
    fn words(&self) -> &[u64] {
        // SAFETY: `capacity` words live behind the pointer (none while it dangles).
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), usize::from(self.capacity)) }
    }
    #[inline]
    fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.words.as_ptr(), usize::from(self.capacity)) }
    }

    /// Words in a group; all of them in a segment smaller than one.
    #[inline]
    fn group_words(&self) -> usize {
        usize::from(self.capacity).min(GROUP)
    }
    #[inline]
    fn groups(&self) -> usize {
        (usize::from(self.capacity) / GROUP).max(1)
    }
    #[inline]
    fn home(&self, mark: u16) -> usize {
        (usize::from(mark) * self.groups()) >> 16
    }

    #[inline]
    fn find(&self, mark: u16, key: &[u8]) -> Option<usize> {
        let (size, groups) = (self.group_words(), self.groups());
        if size == 0 {
            return None;
        }
        let words = self.words();
        let mut group = self.home(mark);
        for _ in 0..groups {
            let from = group * size;
            let mut has_room = false;
            for (index, word) in words[from..from + size].iter().enumerate() {
                if *word == 0 {
                    has_room = true;
                } else if (word >> MARK_SHIFT) as u16 == mark && entry_at(word).has_key(key) {
                    return Some(from + index);
                }
            }
            if has_room {
                return None;
            }
            group = if group + 1 == groups { 0 } else { group + 1 };
        }
        None
    }

    /// The entry of `key`.
    #[inline]
    pub(super) fn get(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find(mark_of(hash), key).map(|at| entry_at(&self.words()[at]))
    }

    /// The entry of `key`, to be changed; [`WordMut`] keeps the word in step.
    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<WordMut<'_>> {
        let at = self.find(mark_of(hash), key)?;
        let Segment { words, capacity, volatile, .. } = self;
        // SAFETY: `capacity` words live behind the pointer, and the segment is borrowed mutably.
        let words = unsafe { std::slice::from_raw_parts_mut(words.as_ptr(), usize::from(*capacity)) };
        Some(WordMut { word: &mut words[at], volatile })
    }

    /// Adds an entry whose key is not in here.
    pub(super) fn insert(&mut self, hash: u64, entry: Entry) {
        if self.is_full() {
            self.resize(grown(usize::from(self.capacity)));
        }
        let word = word_of(mark_of(hash), entry);
        self.len += 1;
        self.volatile += (word & VOLATILE) as u16;
        self.place(word);
    }

    /// Takes the entry of `key` out.
    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let at = self.find(mark_of(hash), key)?;
        let word = self.words()[at];
        self.vacate(at);
        self.len -= 1;
        self.volatile -= (word & VOLATILE) as u16;
        if self.len() * 4 < usize::from(self.capacity) {
            self.resize(capacity_for(self.len()));
        }
        // SAFETY: the word is gone from the table, so the entry is ours alone.
        Some(unsafe { Entry::from_address(word & ADDRESS) })
    }

    /// Moves every entry into one of two segments, by a bit of its whole hash.
    pub(super) fn split(&mut self, hash_of: impl Fn(&[u8]) -> u64) -> Segment {
        let old = std::mem::replace(self, Segment::new(self.depth + 1));
        let mut high = Segment::new(old.depth + 1);
        let half = capacity_for(old.len() * 5 / 8);
        self.resize(half);
        high.resize(half);
        old.words().iter().filter(|word| **word != 0).for_each(|word| Entry::prefetch(word & ADDRESS));
        let bit = 63 - u32::from(old.depth);
        for word in old.into_words() {
            let into = if hash_of(entry_at(&word).key()) >> bit & 1 == 0 { &mut *self } else { &mut high };
            into.adopt(word);
        }
        high
    }

    /// Moves every entry of `other` in here.
    pub(super) fn absorb(&mut self, other: Segment) {
        other.into_words().for_each(|word| self.adopt(word));
    }

    /// Calls `visit` with the entries whose mark is at least `from`, group after group, until the work is enough; gives
    /// back the mark to go on from, none at the end. Entries stand at their home's turn, wherever they overflowed to.
    pub(super) fn scan(
        &self,
        among: Among,
        from: u16,
        work: &mut Work,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Option<u16> {
        work.groups += 1;
        if self.len_among(among) == 0 {
            return None;
        }
        let wanted = if among == Among::Volatile { VOLATILE } else { 0 };
        let groups = self.groups();
        let first = self.home(from);
        for home in first..groups {
            if home > first && work.is_enough() {
                return Some(((home << 16).div_ceil(groups)) as u16);
            }
            work.groups += 1;
            self.visit_home(home, |word| {
                if (word >> MARK_SHIFT) as u16 >= from && word & wanted == wanted {
                    work.seen += 1;
                    visit(entry_at(word));
                }
            });
        }
        None
    }

    fn visit_home(&self, home: usize, mut visit: impl FnMut(&u64)) {
        let (size, groups) = (self.group_words(), self.groups());
        let mut group = home;
        for _ in 0..groups {
            let words = &self.words()[group * size..][..size];
            let mut has_room = false;
            for word in words {
                if *word == 0 {
                    has_room = true;
                } else if self.home((word >> MARK_SHIFT) as u16) == home {
                    visit(word);
                }
            }
            if has_room {
                return;
            }
            group = (group + 1) % groups;
        }
    }

    /// Every entry, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.words().iter().filter(|word| **word != 0).map(entry_at)
    }

    /// The entry in the word at `index` modulo the capacity, if it holds one.
    pub(super) fn at_random(&self, number: u64) -> Option<EntryRef<'_>> {
        let words = self.words();
        let word = words.get((number % words.len().max(1) as u64) as usize)?;
        (*word != 0).then(|| entry_at(word))
    }

    /// Brings the line of a key's home group near.
    #[inline]
    pub(super) fn prefetch(&self, hash: u64) {
        let at = self.home(mark_of(hash)) * GROUP;
        crate::memory::prefetch(self.words.as_ptr().wrapping_add(at).cast());
    }

    /// Brings the entries that may be the key's near.
    #[inline]
    pub(super) fn prefetch_entry(&self, hash: u64) {
        let (size, mark) = (self.group_words(), mark_of(hash));
        let words = self.words();
        for word in &words[self.home(mark) * size..][..size] {
            if *word >> MARK_SHIFT == u64::from(mark) && *word != 0 {
                Entry::prefetch(word & ADDRESS);
            }
        }
    }

    /// Takes one entry out, any one: how a table is freed in slices.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let at = self.words().iter().rposition(|word| *word != 0)?;
        let word = std::mem::take(&mut self.words_mut()[at]);
        self.len -= 1;
        self.volatile -= (word & VOLATILE) as u16;
        // SAFETY: the word is gone from the table, so the entry is ours alone.
        Some(unsafe { Entry::from_address(word & ADDRESS) })
    }

    fn adopt(&mut self, word: u64) {
        if self.is_full() {
            self.resize(grown(usize::from(self.capacity)));
        }
        self.len += 1;
        self.volatile += (word & VOLATILE) as u16;
        self.place(word);
    }

    /// Puts a word into the first group with room from its home on.
    fn place(&mut self, word: u64) {
        let (size, groups) = (self.group_words(), self.groups());
        let mut group = self.home((word >> MARK_SHIFT) as u16);
        loop {
            let from = group * size;
            if let Some(free) = self.words_mut()[from..from + size].iter_mut().find(|word| **word == 0) {
                *free = word;
                return;
            }
            group = (group + 1) % groups;
        }
    }

    /// Empties the word at `at` and moves up what stands behind it only because its home was full.
    fn vacate(&mut self, at: usize) {
        let (size, groups) = (self.group_words(), self.groups());
        let mut hole = at;
        loop {
            let hole_group = hole / size;
            let was_full = self.words()[hole_group * size..][..size].iter().all(|word| *word != 0);
            self.words_mut()[hole] = 0;
            if !was_full {
                return;
            }
            let Some(from) = self.follower(hole_group, groups, size) else { return };
            self.words_mut()[hole] = self.words()[from];
            hole = from;
        }
    }

    /// A word in the groups behind `hole_group` that would rather stand in it: its home is there or before.
    fn follower(&self, hole_group: usize, groups: usize, size: usize) -> Option<usize> {
        for step in 1..groups {
            let group = (hole_group + step) % groups;
            let mut has_room = false;
            for (index, word) in self.words()[group * size..][..size].iter().enumerate() {
                if *word == 0 {
                    has_room = true;
                    continue;
                }
                let behind_home = (group + groups - self.home((word >> MARK_SHIFT) as u16)) % groups;
                if behind_home >= step {
                    return Some(group * size + index);
                }
            }
            if has_room {
                return None;
            }
        }
        None
    }

    fn resize(&mut self, capacity: usize) {
        if capacity == usize::from(self.capacity) {
            return;
        }
        let old = std::mem::replace(self, Segment::new(self.depth));
        if capacity > 0 {
            let layout = layout_of(capacity);
            // SAFETY: the layout has a size.
            let words = unsafe { alloc_zeroed(layout) };
            self.words = NonNull::new(words.cast()).unwrap_or_else(|| handle_alloc_error(layout));
            self.capacity = capacity as u16;
        }
        self.len = old.len;
        self.volatile = old.volatile;
        old.into_words().for_each(|word| self.place(word));
    }

    /// The occupied words; whoever takes one owns its entry.
    fn into_words(mut self) -> impl Iterator<Item = u64> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < usize::from(self.capacity) {
                at += 1;
                let word = std::mem::take(&mut self.words_mut()[at - 1]);
                if word != 0 {
                    return Some(word);
                }
            }
            None
        })
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        for word in self.words() {
            if *word != 0 {
                // SAFETY: the segment owns the entry, and the word is never read again.
                drop(unsafe { Entry::from_address(word & ADDRESS) });
            }
        }
        // SAFETY: the words were allocated with this layout.
        unsafe { dealloc(self.words.as_ptr().cast(), layout_of(usize::from(self.capacity))) };
    }
}

/// A word with its entry, to be changed.
#[derive(Debug)]
pub struct WordMut<'a> {
    word: &'a mut u64,
    volatile: &'a mut u16,
}

impl WordMut<'_> {
    /// The entry.
    #[inline]
    #[must_use]
    pub fn entry(&self) -> EntryRef<'_> {
        entry_at(self.word)
    }

    /// Exchanges the entry for what `change` makes of it, for one with the same key.
    pub fn replace(&mut self, change: impl FnOnce(Entry) -> Entry) {
        // SAFETY: nobody sees the word while its entry is out: it is borrowed mutably, and a panic ends the process.
        let entry = change(unsafe { Entry::from_address(*self.word & ADDRESS) });
        let was = *self.word & VOLATILE;
        *self.word = word_of((*self.word >> MARK_SHIFT) as u16, entry);
        *self.volatile = (*self.volatile + (*self.word & VOLATILE) as u16) - was as u16;
    }

    /// Changes the entry in place.
    #[inline]
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Entry) -> T) -> T {
        // SAFETY: the word holds a live entry and is borrowed mutably; the copy is given back to it below, unmoved.
        let mut entry = std::mem::ManuallyDrop::new(unsafe { Entry::from_address(*self.word & ADDRESS) });
        change(&mut entry)
    }
}

#[inline]
fn word_of(mark: u16, entry: Entry) -> u64 {
    let volatile = if entry.view().expires_at_ms().is_some() { VOLATILE } else { 0 };
    let address = entry.into_address();
    debug_assert_eq!(
        address & !ADDRESS,
        0,
        "user space ends below 2^48, and entries stand on multiples of 8"
    );
    u64::from(mark) << MARK_SHIFT | address | volatile
}

#[inline]
fn entry_at(word: &u64) -> EntryRef<'_> {
    // SAFETY: callers pass occupied words of a segment that is borrowed as long as the word is; its entries live in it.
    unsafe { EntryRef::from_address(word & ADDRESS) }
}

fn layout_of(capacity: usize) -> Layout {
    let align = if capacity >= GROUP { 64 } else { 8 };
    Layout::from_size_align(capacity * 8, align).expect("a segment is small")
}

/// The capacity with room for `len` entries.
fn capacity_for(len: usize) -> usize {
    let mut capacity = 0;
    while room_in(capacity) < len {
        capacity = grown(capacity);
    }
    capacity
}

fn room_in(capacity: usize) -> usize {
    // Small ones fill up to the brim, larger ones to nine tenths: a key's home group or the next has it nearly always.
    if capacity <= GROUP { capacity } else { capacity - capacity * 3 / 32 }
}

/// The next capacity: 2, 4, 8, then groups in steps that are size classes of the allocator.
fn grown(capacity: usize) -> usize {
    match capacity {
        0 => 2,
        2 => 4,
        4 => 8,
        _ => {
            let step = (capacity.next_power_of_two() / 8).max(GROUP);
            let step = if capacity.is_power_of_two() { (capacity / 4).max(GROUP) } else { step };
            (capacity + step).min(WORDS_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A hash with the mark wanted: few different ones, so that groups overflow into one another.
    fn hash_with(mark: u16) -> u64 {
        u64::from(mark) << 32
    }

    fn entry(key: &str, expires: bool) -> Entry {
        Entry::new(key.as_bytes(), Value::Int(1), expires.then_some(9), 0, false)
    }

    /// Everything that a walk in steps of about `count` sees, with how often.
    fn walk(segment: &Segment, among: Among, count: usize) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        let mut from = Some(0);
        while let Some(mark) = from {
            let mut work = Work::new(count);
            from = segment.scan(among, mark, &mut work, |entry| {
                *seen.entry(String::from_utf8(entry.key().to_vec()).unwrap()).or_default() += 1;
            });
            assert!(from.is_none_or(|next| next > mark), "a walk goes on");
        }
        seen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]
        /// Against a map: marks so alike that nearly every group is full and overflows, round the end too.
        #[test]
        fn behaves_as_a_map_when_groups_overflow(
            marks in prop_oneof![
                Just(vec![0u16]),
                Just(vec![u16::MAX]),
                Just(vec![0, 1, u16::MAX - 1, u16::MAX]),
                proptest::collection::vec(any::<u16>(), 1..6),
            ],
            steps in proptest::collection::vec((0u32..70, 0u8..3), 1..300),
            count in 1usize..20,
        ) {
            let mut segment = Segment::new(0);
            let mut model: BTreeMap<String, (u64, bool)> = BTreeMap::new();
            for (key, step) in steps {
                let name = format!("k{key}");
                let hash = hash_with(marks[key as usize % marks.len()]);
                let present = model.contains_key(&name);
                prop_assert_eq!(segment.get(hash, name.as_bytes()).is_some(), present);
                if step == 0 {
                    prop_assert_eq!(segment.remove(hash, name.as_bytes()).is_some(), present);
                    model.remove(&name);
                } else if !present {
                    segment.insert(hash, entry(&name, step == 2));
                    model.insert(name, (hash, step == 2));
                } else {
                    let mut word = segment.get_mut(hash, name.as_bytes()).expect("present");
                    word.replace(|_| entry(&name, step == 2));
                    model.insert(name, (hash, step == 2));
                }
                prop_assert_eq!(segment.len(), model.len());
                let volatile = model.values().filter(|(_, expires)| *expires).count();
                prop_assert_eq!(segment.len_among(Among::Volatile), volatile);
            }
            for (name, (hash, _)) in &model {
                prop_assert!(segment.get(*hash, name.as_bytes()).is_some(), "{} is lost", name);
            }
            let all = walk(&segment, Among::All, count);
            prop_assert!(all.values().all(|times| *times == 1), "a still segment is seen once");
            prop_assert!(all.keys().eq(model.keys()));
            let volatile = walk(&segment, Among::Volatile, count);
            prop_assert!(volatile.keys().eq(model.iter().filter(|(_, (_, expires))| *expires).map(|(name, _)| name)));
        }
    }
}
