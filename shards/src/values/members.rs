//! A table of packed items: the members of a big set or sorted set, the fields of a big hash.
//!
//! The segments of the keyspace in a directory of their own ([`Directory`]): growth without a pause, cursors that survive
//! growing and shrinking, draws in O(1), memory known at any time, freeing in slices. What an item is the kind says.
use crate::dice::Dice;
use crate::keyspace::directory::{Directory, View};
use crate::keyspace::hash::hash_of;
use crate::keyspace::item::Item;
use crate::keyspace::segment::Segment;
use crate::keyspace::walk::{Among, Place, Work};

/// Cursors name a place among the items by their low 32 bits.
const CURSOR: u64 = 0xffff_ffff;

/// Items by their bytes.
#[derive(Clone, Debug)]
pub struct Members<I: Item> {
    directory: Directory<I>,
    items_bytes: usize,
    volatile_len: usize,
}

impl<I: Item + Clone> Default for Members<I> {
    fn default() -> Members<I> {
        Members::new()
    }
}

impl<I: Item + Clone> Members<I> {
    /// No items.
    #[must_use]
    pub fn new() -> Members<I> {
        Members { directory: Directory::new(Segment::new(0)), items_bytes: 0, volatile_len: 0 }
    }
    /// No items, but room for about `len` of them.
    #[must_use]
    pub fn with_room(len: usize) -> Members<I> {
        Members { directory: Directory::with_room(len), items_bytes: 0, volatile_len: 0 }
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.directory.len()
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// How many expire.
    #[must_use]
    pub fn volatile_len(&self) -> usize {
        self.volatile_len
    }
    /// Bytes of all of it as the allocator keeps them, this struct apart. O(1).
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.items_bytes + self.directory.memory_bytes()
    }

    /// The hash of an item's bytes: the same for all tables, so that one look for it serves several.
    #[inline]
    #[must_use]
    pub fn hash(bytes: &[u8]) -> u64 {
        hash_of(bytes)
    }
    /// The item with these bytes.
    #[inline]
    #[must_use]
    pub fn get(&self, bytes: &[u8]) -> Option<I::Ref<'_>> {
        self.get_hashed(hash_of(bytes), bytes)
    }
    /// The same with the hash worked out before.
    #[inline]
    #[must_use]
    pub fn get_hashed(&self, hash: u64, bytes: &[u8]) -> Option<I::Ref<'_>> {
        self.directory.segment(hash).get(hash, bytes)
    }
    /// Brings the words near in which a hash is looked for.
    #[inline]
    pub fn prefetch_words(&self, hash: u64) {
        self.directory.segment(hash).prefetch(hash);
    }
    /// Brings the items near that may be the one sought, once their words are.
    #[inline]
    pub fn prefetch_item(&self, hash: u64) {
        let segment = self.directory.segment(hash);
        if segment.capacity() > 0 {
            segment.prefetch_item(hash);
        }
    }

    /// Adds an item whose bytes are not in here.
    pub fn insert(&mut self, item: I) {
        debug_assert!(self.get(I::bytes(item.look())).is_none(), "the item is here already");
        self.items_bytes += I::memory_bytes(item.look());
        self.volatile_len += usize::from(I::is_volatile(item.look()));
        self.directory.insert(hash_of(I::bytes(item.look())), item);
    }

    /// Adds an item, in place of the one with the same bytes; gives that back.
    pub fn replace(&mut self, item: I) -> Option<I> {
        let hash = hash_of(I::bytes(item.look()));
        let Some(mut word) = self.directory.segment_mut(hash).get_mut(hash, I::bytes(item.look())) else {
            self.insert(item);
            return None;
        };
        let (bytes, volatile) = (I::memory_bytes(item.look()), I::is_volatile(item.look()));
        let mut previous = None;
        word.replace(|item_before| {
            previous = Some(item_before);
            item
        });
        let gone = previous.as_ref().expect("a word was there").look();
        self.items_bytes = self.items_bytes + bytes - I::memory_bytes(gone);
        self.volatile_len = self.volatile_len + usize::from(volatile) - usize::from(I::is_volatile(gone));
        previous.map(|gone| self.let_go(gone))
    }

    /// An item that has left the table, for its new owner: a copy, where a reader may see it.
    fn let_go(&mut self, item: I) -> I {
        if !self.directory.is_lent() {
            return item;
        }
        let copy = item.clone();
        self.directory.retire(item);
        copy
    }

    /// Whether a reader may see items of this: see [`super::lease`]. None is to be changed where it stands then.
    #[inline]
    pub(crate) fn is_lent(&mut self) -> bool {
        self.directory.is_lent()
    }

    /// All items as they are now, for a reader; nothing where somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View<I>> {
        self.directory.lend()
    }

    /// Changes an item in place: neither where it stands nor its bytes nor whether it expires.
    pub fn change<T>(&mut self, bytes: &[u8], change: impl FnOnce(&mut I) -> T) -> Option<T> {
        let hash = hash_of(bytes);
        if self.directory.is_lent() {
            let (mut change, mut result) = (Some(change), None);
            self.exchange(bytes, |mut item| {
                result = change.take().map(|change| change(&mut item));
                item
            });
            return result;
        }
        let mut word = self.directory.segment_mut(hash).get_mut(hash, bytes)?;
        let before = I::memory_bytes(word.item());
        let result = word.change(change);
        debug_assert!(I::has_bytes(word.item(), bytes), "an item keeps its bytes");
        self.items_bytes = self.items_bytes - before + I::memory_bytes(word.item());
        Some(result)
    }

    /// Exchanges an item for what `exchange` makes of it, for one with the same bytes; whether it is here.
    pub fn exchange(&mut self, bytes: &[u8], exchange: impl FnOnce(I) -> I) -> bool {
        let hash = hash_of(bytes);
        let is_lent = self.directory.is_lent();
        let Some(mut word) = self.directory.segment_mut(hash).get_mut(hash, bytes) else { return false };
        let mut lent = None;
        let told = |item: I::Ref<'_>| (I::memory_bytes(item), usize::from(I::is_volatile(item)));
        let before = told(word.item());
        word.replace(|item| {
            // A reader may see this one: what is made is made of a copy.
            let item = if is_lent { lent.insert(item).clone() } else { item };
            exchange(item)
        });
        debug_assert!(I::has_bytes(word.item(), bytes), "an item keeps its bytes");
        let after = told(word.item());
        self.items_bytes = self.items_bytes - before.0 + after.0;
        self.volatile_len = self.volatile_len - before.1 + after.1;
        lent.into_iter().for_each(|item| self.directory.retire(item));
        true
    }

    /// Takes the item with these bytes out.
    pub fn remove(&mut self, bytes: &[u8]) -> Option<I> {
        let item = self.directory.remove(hash_of(bytes), bytes)?;
        self.items_bytes -= I::memory_bytes(item.look());
        self.volatile_len -= usize::from(I::is_volatile(item.look()));
        Some(self.let_go(item))
    }

    /// Calls `visit` with about `count` items from a cursor on, 0 being where to begin; gives back the cursor to go on from,
    /// 0 at the end. An item that is here during a whole run of cursors is visited at least once in it. Cursors are below
    /// 2^32; any number will do for one.
    pub fn scan(&self, cursor: u64, count: usize, visit: impl FnMut(I::Ref<'_>)) -> u64 {
        self.walk(Among::All, cursor, count, visit)
    }
    /// The same for the items that expire, by cursors of their own.
    pub fn scan_volatile(&self, cursor: u64, count: usize, visit: impl FnMut(I::Ref<'_>)) -> u64 {
        self.walk(Among::Volatile, cursor, count, visit)
    }
    fn walk(&self, among: Among, cursor: u64, count: usize, mut visit: impl FnMut(I::Ref<'_>)) -> u64 {
        let start = Place::of_cursor(cursor & CURSOR);
        let next = self.directory.walk(start, among, &mut Work::new(count), &mut visit);
        next.map_or(0, Place::cursor)
    }

    /// An item at random, all alike, in O(1); there must be one.
    pub fn random(&self, dice: &mut Dice) -> I::Ref<'_> {
        self.directory.random(dice)
    }
    /// Calls `visit` with each item that is in `other` too, as long as it says to go on. All the words of both are gone
    /// through, but few of the items that are in one only: for tables of about the same size.
    pub fn visit_common<'a>(&'a self, other: &'a Members<I>, mut visit: impl FnMut(I::Ref<'a>) -> bool) {
        // The words of the one with the larger segments, which are those of the fewer, are noted: the other's are seen once then.
        let (noted, other) = if self.len() < other.len() { (self, other) } else { (other, self) };
        noted.directory.visit_common(&other.directory, &mut visit);
    }

    /// Every item, in no order.
    pub fn iter(&self) -> impl Iterator<Item = I::Ref<'_>> {
        self.directory.iter()
    }

    /// Frees up to `budget` items; whether none is left. Only for what nobody uses any more.
    pub fn free_some(&mut self, mut budget: usize) -> bool {
        let Members { directory, items_bytes, volatile_len } = self;
        while budget > 0 {
            let taken = directory.take_some(budget, |item| {
                *items_bytes -= I::memory_bytes(item.look());
                *volatile_len -= usize::from(I::is_volatile(item.look()));
            });
            if taken == 0 {
                // Where a reader has all of it, it went at once.
                (*items_bytes, *volatile_len) = (0, 0);
                return true;
            }
            budget -= taken;
        }
        directory.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::field::{Field, FieldRef};
    use crate::values::member::Member;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn set_of(count: u64) -> Members<Member<0>> {
        let mut members = Members::new();
        (0..count).for_each(|index| members.insert(Member::new([], name(index).as_bytes())));
        members
    }
    fn name(index: u64) -> String {
        format!("member:{index:07}")
    }
    fn check_bytes(members: &Members<Field>) {
        let items: usize = members.iter().map(Field::memory_bytes).sum();
        assert_eq!(members.items_bytes, items);
        let volatile = members.iter().filter(|field| field.expires_at_ms().is_some()).count();
        assert_eq!(members.volatile_len(), volatile);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 60 }))]
        /// Against a map, in waves long enough that segments split and merge under a walk's feet.
        #[test]
        fn behaves_as_a_map_and_walks_see_what_stays(
            waves in proptest::collection::vec((0u64..6000, 0u64..6000, 0u8..4), 1..30),
            count in 1usize..80,
        ) {
            let mut members: Members<Field> = Members::new();
            let mut model: BTreeMap<String, (String, Option<i64>)> = BTreeMap::new();
            let stays = |index: u64| index.is_multiple_of(97);
            let expiry = |index: u64| index.is_multiple_of(3).then_some(index as i64);
            for index in (0..6000).filter(|index| stays(*index)) {
                members.insert(Field::new(name(index).as_bytes(), b"", expiry(index)));
                model.insert(name(index), (String::new(), expiry(index)));
            }
            let (mut all, mut volatile) = (Some(0), Some(0));
            let (mut seen, mut seen_volatile) = (BTreeSet::new(), BTreeSet::new());
            let mut waves = waves.into_iter();
            while all.is_some() || volatile.is_some() {
                let field_of = |field: FieldRef<'_>| String::from_utf8(field.field().to_vec()).unwrap();
                let on = |next: u64| (next != 0).then_some(next);
                all = all.and_then(|at| on(members.scan(at, count, |field| { seen.insert(field_of(field)); })));
                volatile = volatile.and_then(|at| {
                    on(members.scan_volatile(at, count, |field| { seen_volatile.insert(field_of(field)); }))
                });
                let Some((one, other, what)) = waves.next() else { continue };
                for index in (one.min(other)..one.max(other)).filter(|index| !stays(*index)) {
                    let field = name(index);
                    match what {
                        0 | 1 => prop_assert_eq!(members.remove(field.as_bytes()).is_some(), model.remove(&field).is_some()),
                        _ => {
                            let value = (format!("{what}{index}"), expiry(index + u64::from(what)));
                            let item = Field::new(field.as_bytes(), value.0.as_bytes(), value.1);
                            let before = members.replace(item).map(|item| item.view().value().to_vec());
                            let before_model = model.insert(field, value).map(|(value, _)| value.into_bytes());
                            prop_assert_eq!(before, before_model);
                        }
                    }
                }
            }
            for index in (0..6000).filter(|index| stays(*index)) {
                prop_assert!(seen.contains(&name(index)), "missed {}", index);
                prop_assert_eq!(seen_volatile.contains(&name(index)), expiry(index).is_some());
            }
            for members in [&members, &members.clone()] {
                check_bytes(members);
                prop_assert_eq!(members.len(), model.len());
                for (field, (value, expires_at_ms)) in &model {
                    let found = members.get(field.as_bytes()).expect("in the model");
                    prop_assert_eq!((found.value(), found.expires_at_ms()), (value.as_bytes(), *expires_at_ms));
                }
                prop_assert_eq!(members.iter().count(), model.len());
            }
            while !members.free_some(100) {}
            prop_assert!(members.is_empty() && members.items_bytes == 0 && members.volatile_len() == 0);
        }
    }

    #[test]
    fn words_are_well_filled_at_any_number() {
        // The budget of a member of 14 bytes is 26, of which 16 are the member's own.
        let mut members = Members::new();
        let top = if cfg!(miri) { 100 } else { 2_000_000 };
        for index in 0..top {
            members.insert(Member::<0>::new([], name(index).as_bytes()));
            if index > 20_000 && index.is_multiple_of(20_011) || index == 999_999 {
                let each = members.memory_bytes() as f64 / members.len() as f64;
                assert!(each <= 25.7, "{each:.2} bytes a member at {index}");
            }
        }
    }

    #[test]
    fn what_shrinks_gives_its_memory_back() {
        let count = if cfg!(miri) { 1500 } else { 100_000 };
        let mut members = set_of(count);
        (0..count - 100).for_each(|index| drop(members.remove(name(index).as_bytes()).expect("inserted")));
        assert_eq!(members.len(), 100);
        assert!(members.memory_bytes() < 100 * 16 + 4000, "{}", members.memory_bytes());
        assert!((count - 100..count).all(|index| members.get(name(index).as_bytes()).is_some()));
    }

    #[test]
    fn draws_are_uniform() {
        let (count, draws_each) = if cfg!(miri) { (50, 10) } else { (3000, 200) };
        // Uneven segments: some have split and some not, and a part is gone.
        let mut members = set_of(count + count / 3);
        (count..count + count / 3).for_each(|index| drop(members.remove(name(index).as_bytes())));
        let mut dice = Dice::new(7);
        let mut times: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for _ in 0..count * draws_each {
            *times.entry(members.random(&mut dice).bytes().to_vec()).or_default() += 1;
        }
        assert_eq!(times.len(), count as usize, "every member is drawn");
        let square = |times: &u32| (f64::from(*times) - draws_each as f64).powi(2) / draws_each as f64;
        let chi_square: f64 = times.values().map(square).sum();
        let freedom = (count - 1) as f64;
        assert!((chi_square - freedom).abs() < 6.0 * (2.0 * freedom).sqrt(), "{chi_square} for {freedom}");
    }

    #[test]
    fn any_number_is_a_cursor() {
        let members = set_of(if cfg!(miri) { 100 } else { 5000 });
        let mut dice = Dice::new(3);
        for cursor in (0..200).map(|_| dice.next_u64()).chain([u64::MAX, 1, 1 << 31]) {
            members.scan(cursor, 10, |_| {});
        }
    }
}
