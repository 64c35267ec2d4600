//! A small open-addressing hash table of packed items: the keys of one slot, or a share of a crowded slot's, or of the
//! members of a big value.
//!
//! Its words are grouped by eight, a cache line. A word is the top 16 bits of an item's in-segment hash (the *mark*),
//! the item's address, and in the lowest bit whether it expires; 0 is an empty word. A mark tells its home group,
//! and groups follow one another in the order of marks; an item whose home is full stands in the next group with room.
//! So a segment can grow, shrink and be scanned without looking at a single item, and a lookup touches one line here
//! and one in the item, nearly always.
//!
//! Capacities step by a fifth on average, so the words are 75 to 97 % full whatever the number of items.
#![expect(unsafe_code, reason = "words hold the addresses of the items that the segment owns")]
mod lending;

pub(crate) use self::lending::OldWords;
use super::capacity::{GROUP, capacity_for, grown, layout_of, room_in};
use super::item::Item;
use super::walk::{Among, Work};
use super::word::{ADDRESS, MARK_SHIFT, VOLATILE, WordMut, item_at, prefetch, seek, word_of};
use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A segment with this many words splits rather than grows, as long as there are hash bits left.
pub(crate) const SPLIT_WORDS: usize = 1024;

/// How many words ahead of a walk over all the items are brought near.
const PREFETCH_AHEAD: usize = 12;

/// Items by the hash of their bytes.
#[derive(Debug)]
pub(crate) struct Segment<I: Item> {
    /// Where a word before the first one would stand: so an empty segment is zeros, and a table's slots need no memory
    /// before their first key comes.
    before: *mut u64,
    capacity: u16,
    len: u16,
    volatile: u16,
    /// How many top bits of the hash all items in here share.
    pub(crate) depth: u8,
    /// A reader on another thread has the words too: [`Segment::own`].
    is_lent: bool,
    items: PhantomData<I>,
}

// SAFETY: a segment owns its words and the items behind them.
unsafe impl<I: Item + Send> Send for Segment<I> {}

/// The bits of a hash that a segment goes by.
#[inline]
pub(crate) fn mark_of(hash: u64) -> u16 {
    (hash >> 32) as u16
}

impl<I: Item> Segment<I> {
    /// An empty segment, without an allocation.
    pub(crate) const fn new(depth: u8) -> Segment<I> {
        Segment {
            before: std::ptr::null_mut(),
            capacity: 0,
            len: 0,
            volatile: 0,
            depth,
            is_lent: false,
            items: PhantomData,
        }
    }
    /// The same with room for `len` items.
    pub(crate) fn with_room(depth: u8, len: usize) -> Segment<I> {
        let mut segment = Segment::new(depth);
        segment.resize(capacity_for(len));
        segment
    }
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }
    pub(crate) fn len_among(&self, among: Among) -> usize {
        match among {
            Among::All => self.len(),
            Among::Volatile => usize::from(self.volatile),
        }
    }
    /// Bytes of the words.
    pub(crate) fn memory_bytes(&self) -> usize {
        usize::from(self.capacity) * 8
    }
    /// How many words there are, empty ones included.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        usize::from(self.capacity)
    }
    /// Whether one more would have it grow beyond `split_words`.
    #[inline]
    pub(crate) fn wants_split(&self, split_words: usize) -> bool {
        self.is_full() && usize::from(self.capacity) >= split_words
    }

    fn is_full(&self) -> bool {
        let capacity = usize::from(self.capacity);
        self.len() >= room_in(capacity)
    }

    /// Where the words stand; somewhere, while there are none.
    #[inline]
    fn first(&self) -> *mut u64 {
        self.before.wrapping_add(1)
    }
    #[inline]
    pub(super) fn words(&self) -> &[u64] {
        // SAFETY: `capacity` words live behind the pointer (none while it dangles).
        unsafe { std::slice::from_raw_parts(self.first(), usize::from(self.capacity)) }
    }
    #[inline]
    fn words_mut(&mut self) -> &mut [u64] {
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first(), usize::from(self.capacity)) }
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

    /// Which words of a group have a mark, and whether it has room.
    #[inline]
    fn seek_in(&self, group: usize, mark: u16) -> (u32, bool) {
        let words = self.words();
        match words[group * self.group_words()..].first_chunk::<GROUP>() {
            Some(group) => seek(group, mark),
            None => seek(words, mark),
        }
    }

    /// Where the item with this mark and these bytes stands.
    #[inline]
    pub(super) fn find(&self, mark: u16, key: &[u8]) -> Option<usize> {
        let (size, groups) = (self.group_words(), self.groups());
        if size == 0 {
            return None;
        }
        let words = self.words();
        let mut group = self.home(mark);
        for _ in 0..groups {
            let from = group * size;
            let (mut marked, has_room) = self.seek_in(group, mark);
            while marked != 0 {
                let at = from + marked.trailing_zeros() as usize;
                if I::has_bytes(item_at::<I>(&words[at]), key) {
                    return Some(at);
                }
                marked &= marked - 1;
            }
            if has_room {
                return None;
            }
            group = if group + 1 == groups { 0 } else { group + 1 };
        }
        None
    }

    /// The item with these bytes.
    #[inline]
    pub(crate) fn get(&self, hash: u64, key: &[u8]) -> Option<I::Ref<'_>> {
        self.find(mark_of(hash), key).map(|at| item_at::<I>(&self.words()[at]))
    }

    /// The item with these bytes, to be changed; [`WordMut`] keeps the word in step.
    #[inline]
    pub(crate) fn get_mut(&mut self, hash: u64, key: &[u8]) -> Option<WordMut<'_, I>> {
        let at = self.find(mark_of(hash), key)?;
        let first = self.first();
        let Segment { capacity, volatile, .. } = self;
        // SAFETY: `capacity` words live behind the pointer, and the segment is borrowed mutably.
        let words = unsafe { std::slice::from_raw_parts_mut(first, usize::from(*capacity)) };
        // SAFETY: the word is occupied, by an item of this kind.
        Some(unsafe { WordMut::new(&mut words[at], volatile) })
    }

    /// Adds an item whose bytes are not in here.
    pub(crate) fn insert(&mut self, hash: u64, item: I) {
        if self.is_full() {
            self.resize(grown(usize::from(self.capacity)));
        }
        let word = word_of(mark_of(hash), item);
        self.len += 1;
        self.volatile += (word & VOLATILE) as u16;
        self.place(word);
    }

    /// Takes the item with these bytes out.
    pub(crate) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<I> {
        let at = self.find(mark_of(hash), key)?;
        let word = self.words()[at];
        self.vacate(at);
        self.len -= 1;
        self.volatile -= (word & VOLATILE) as u16;
        if self.len() * 4 < usize::from(self.capacity) {
            self.resize(capacity_for(self.len()));
        }
        // SAFETY: the word is gone from the table, so the item is ours alone.
        Some(unsafe { I::from_address(word & ADDRESS) })
    }

    /// Moves every item into one of two segments, by a bit of its whole hash.
    pub(crate) fn split(&mut self, hash_of: impl Fn(&[u8]) -> u64) -> Segment<I> {
        let old = std::mem::replace(self, Segment::new(self.depth + 1));
        let mut high = Segment::new(old.depth + 1);
        let bit = 63 - u32::from(old.depth);
        old.words().iter().for_each(prefetch);
        let is_high = |word: &u64| hash_of(I::bytes(item_at::<I>(word))) >> bit & 1 == 1;
        // Told apart before they move, so that both halves are made in the size that they need.
        let sides: Vec<bool> = old.words().iter().filter(|word| **word != 0).map(is_high).collect();
        let high_len = sides.iter().filter(|side| **side).count();
        self.resize(capacity_for(sides.len() - high_len));
        high.resize(capacity_for(high_len));
        for (word, is_high) in old.into_words().zip(sides) {
            let into = if is_high { &mut high } else { &mut *self };
            into.adopt(word);
        }
        high
    }

    /// Moves every item of `other` in here.
    pub(crate) fn absorb(&mut self, other: Segment<I>) {
        other.into_words().for_each(|word| self.adopt(word));
    }

    /// Calls `visit` with the items whose mark is at least `from`, group after group, until the work is enough; gives
    /// back the mark to go on from, none at the end. Items stand at their home's turn, wherever they overflowed to.
    pub(crate) fn scan(
        &self,
        among: Among,
        from: u16,
        work: &mut Work,
        mut visit: impl FnMut(I::Ref<'_>),
    ) -> Option<u16> {
        work.groups += 1;
        if self.len_among(among) == 0 {
            return None;
        }
        let wanted = if among == Among::Volatile { VOLATILE } else { 0 };
        let groups = self.groups();
        let first = self.home(from);
        self.prefetch_group(first);
        for home in first..groups {
            self.prefetch_group(home + 1);
            if home > first && work.is_enough() {
                return Some(((home << 16).div_ceil(groups)) as u16);
            }
            work.groups += 1;
            self.visit_home(home, |word| {
                if (word >> MARK_SHIFT) as u16 >= from && word & wanted == wanted {
                    work.seen += 1;
                    visit(item_at::<I>(word));
                }
            });
        }
        None
    }

    /// Brings the items of a group near, if there is such a group.
    fn prefetch_group(&self, group: usize) {
        let size = self.group_words();
        self.words().iter().skip(group * size).take(size).filter(|word| **word != 0).for_each(prefetch);
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

    /// Every item, in no order. Those that come soon are brought near.
    pub(crate) fn iter(&self) -> impl Iterator<Item = I::Ref<'_>> {
        let words = self.words();
        words.iter().enumerate().filter(|(_, word)| **word != 0).map(|(at, word)| {
            if let Some(ahead) = words.get(at + PREFETCH_AHEAD) {
                prefetch(ahead);
            }
            item_at::<I>(word)
        })
    }

    /// The item in the word at `index`, if there is such a word and it holds one.
    pub(crate) fn at(&self, index: usize) -> Option<I::Ref<'_>> {
        self.words().get(index).filter(|word| **word != 0).map(item_at::<I>)
    }

    /// Brings the line of a home group near.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        let at = self.home(mark_of(hash)) * GROUP;
        crate::memory::prefetch(self.first().wrapping_add(at).cast());
    }

    /// Brings the items near that may be the one sought.
    #[inline]
    pub(crate) fn prefetch_item(&self, hash: u64) {
        let mark = mark_of(hash);
        let group = self.home(mark);
        let (mut marked, _) = self.seek_in(group, mark);
        while marked != 0 {
            prefetch(&self.words()[group * self.group_words() + marked.trailing_zeros() as usize]);
            marked &= marked - 1;
        }
    }

    /// Hands up to `budget` items to `take`, any of them: how a table is freed in slices. How many it were.
    pub(crate) fn take_some(&mut self, budget: usize, mut take: impl FnMut(I)) -> usize {
        let mut taken = 0;
        for at in (0..self.capacity()).rev() {
            if taken == budget || self.len == 0 {
                break;
            }
            let word = std::mem::take(&mut self.words_mut()[at]);
            if word == 0 {
                continue;
            }
            self.len -= 1;
            self.volatile -= (word & VOLATILE) as u16;
            taken += 1;
            // SAFETY: the word is gone from the table, so the item is ours alone.
            take(unsafe { I::from_address(word & ADDRESS) });
        }
        taken
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
        assert!(room_in(capacity) >= self.len(), "a segment has its largest size and is full");
        let old = std::mem::replace(self, Segment::new(self.depth));
        if capacity > 0 {
            let layout = layout_of(capacity);
            // SAFETY: the layout has a size.
            let words = unsafe { alloc_zeroed(layout) };
            let words = NonNull::new(words.cast::<u64>()).unwrap_or_else(|| handle_alloc_error(layout));
            self.before = words.as_ptr().wrapping_sub(1);
            self.capacity = capacity as u16;
        }
        self.len = old.len;
        self.volatile = old.volatile;
        old.into_words().for_each(|word| self.place(word));
    }

    /// The occupied words; whoever takes one owns its item.
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

impl<I: Item + Clone> Clone for Segment<I> {
    fn clone(&self) -> Segment<I> {
        let mut clone = Segment::new(self.depth);
        clone.resize(self.capacity());
        for word in self.words().iter().filter(|word| **word != 0) {
            // SAFETY: the word holds a live item, borrowed with the segment; the copy of the handle is never dropped.
            let item = ManuallyDrop::new(unsafe { I::from_address(word & ADDRESS) });
            clone.adopt(word_of((word >> MARK_SHIFT) as u16, I::clone(&item)));
        }
        clone
    }
}

impl<I: Item> Drop for Segment<I> {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        for word in self.words() {
            if *word != 0 {
                // SAFETY: the segment owns the item, and the word is never read again.
                drop(unsafe { I::from_address(word & ADDRESS) });
            }
        }
        // SAFETY: the words were allocated with this layout.
        unsafe { dealloc(self.first().cast(), layout_of(usize::from(self.capacity))) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Entry, Value};
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
    fn walk(segment: &Segment<Entry>, among: Among, count: usize) -> BTreeMap<String, usize> {
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
            let mut segment: Segment<Entry> = Segment::new(0);
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
