//! The packed list of byte strings and integers of which small collections, and the nodes of big ones, are made.
//!
//! The bytes are exactly those of Redis's listpack, so that writing one into a dump is a copy:
//!
//! ```text
//! bytes in all (4)   elements (2; 65535: count them)   element …   0xff
//! ```
//!
//! A [`Listpack`] is a thin pointer into one allocation ([`Run`]: its own, or an entry's, whose header and key are before
//! it). The capacity is not kept, for it follows from the length: the allocator's size class of it. So most changes stay where they are, and large listpacks grow by a fifth at a time.
#![expect(unsafe_code, reason = "a thin pointer to bytes whose length they tell themselves")]
mod encoding;
mod iter;
#[cfg(test)]
mod tests;

use super::Line;
use super::run::{Run, in_and_out};
use crate::keyspace::StrRef;
use crate::number::parse_i64;
use encoding::{END, Encoded, backlen_bytes, decode, is_backlen, last_entry_bytes, measure};
pub use iter::Iter;

const HEADER_BYTES: usize = 6;
const EMPTY_BYTES: usize = HEADER_BYTES + 1;
const EMPTY: [u8; EMPTY_BYTES] = [EMPTY_BYTES as u8, 0, 0, 0, 0, 0, END];
/// What the header says where there are this many elements or more.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// Where a value has this many listpacks or more, the next one at an end does not grow through one size after another: it gets at once
/// what the one before it needed, which is little of the whole.
pub(super) const ROOMY_NODES_MIN: usize = 8;

/// A listpack exactly as Redis lays it out, behind a thin pointer.
pub struct Listpack(Run);

/// Where an element stands: valid until the listpack changes before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(u32);

impl At {
    #[inline]
    fn new(offset: usize) -> At {
        At(offset as u32)
    }
    #[inline]
    fn offset(self) -> usize {
        self.0 as usize
    }
}

/// A value that elements are compared with: as a number, where both are one.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    value: &'a [u8],
    int: Option<i64>,
}

impl<'a> Wanted<'a> {
    /// What a client asks for.
    #[inline]
    #[must_use]
    pub fn new(value: &'a [u8]) -> Wanted<'a> {
        Wanted { value, int: parse_i64(value) }
    }
    /// Whether an element is it.
    #[inline]
    #[must_use]
    pub fn is(&self, element: StrRef<'_>) -> bool {
        match element {
            StrRef::Int(own) => self.int == Some(own),
            StrRef::Bytes(own) => own.len() == self.value.len() && own == self.value,
        }
    }
}

// SAFETY: a listpack owns its allocation as a box does, and holds nothing tied to a thread.
unsafe impl Send for Listpack {}

impl Default for Listpack {
    fn default() -> Listpack {
        Listpack::new()
    }
}

in_and_out!(Listpack);

impl Listpack {
    /// The longest element that any listpack has room for, in bytes.
    pub const ELEMENT_BYTES_MAX: usize = u32::MAX as usize - EMPTY_BYTES - 10;

    /// One without elements.
    #[must_use]
    pub fn new() -> Listpack {
        Listpack::copy_of(&EMPTY)
    }

    /// One without elements that may become `room` bytes long before it moves.
    #[must_use]
    pub fn with_room(room: usize) -> Listpack {
        Listpack::in_run(Run::roomy(EMPTY_BYTES, room), &EMPTY)
    }

    /// Gives the room back that it does not use.
    pub fn fit(&mut self) {
        let total = self.total();
        // SAFETY: it has this total.
        unsafe { self.0.fit(total, total) };
    }

    /// One from the bytes of a stranger; none unless every length, the count and the end are as they must be.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Listpack> {
        let total = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        if total != bytes.len() || total < EMPTY_BYTES || bytes[total - 1] != END {
            return None;
        }
        let (mut at, mut count) = (HEADER_BYTES, 0);
        while at < total - 1 {
            let entry = &bytes[at..total - 1];
            let (_, len) = decode(entry)?;
            let end = len + backlen_bytes(len);
            if !is_backlen(entry.get(len..end)?, len) {
                return None;
            }
            at += end;
            count += 1;
        }
        let said = u16::from_le_bytes([bytes[4], bytes[5]]);
        (said == COUNT_UNKNOWN || usize::from(said) == count).then(|| Listpack::copy_of(bytes))
    }

    /// One from bytes that were a listpack's of ours.
    pub(super) fn from_own_bytes(bytes: &[u8]) -> Listpack {
        let pack = Listpack::copy_of(bytes);
        assert_eq!(pack.total(), bytes.len(), "a listpack tells how long it is");
        pack
    }

    /// The bytes, as Redis has them.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the allocation has at least as many bytes as the header tells, and all of them are initialized.
        unsafe { std::slice::from_raw_parts(self.0.at(), self.total()) }
    }

    /// How many elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self.count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there are no elements.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total() == EMPTY_BYTES
    }

    /// What the allocator keeps for it, in bytes.
    #[inline]
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes(self.total())
    }

    /// How many bytes `value` would add.
    #[inline]
    #[must_use]
    pub fn element_bytes(value: &[u8]) -> usize {
        Encoded::new(value).len()
    }

    /// How long the listpack is that begins at an address.
    ///
    /// # Safety
    /// One begins there.
    #[inline]
    pub(crate) unsafe fn total_at(at: *const u8) -> usize {
        // SAFETY: the header is always there; in an entry it has no alignment.
        let total = unsafe { at.cast::<u32>().read_unaligned() };
        u32::from_le(total) as usize
    }

    /// Adds an element at the end: as an integer, where `value` is the canonical text of one.
    #[inline]
    pub fn push_back(&mut self, value: &[u8]) {
        self.insert_at(self.total() - 1, Encoded::new(value));
    }

    /// Adds an integer at the end.
    #[inline]
    pub fn push_back_int(&mut self, value: i64) {
        self.insert_at(self.total() - 1, Encoded::int(value));
    }

    /// Adds an element at the beginning.
    #[inline]
    pub fn push_front(&mut self, value: &[u8]) {
        self.insert_at(HEADER_BYTES, Encoded::new(value));
    }

    /// The first element.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<At> {
        self.element_at(HEADER_BYTES)
    }

    /// The last element.
    #[inline]
    #[must_use]
    pub fn last(&self) -> Option<At> {
        self.before(self.total() - 1)
    }

    /// The element after the one at `at`.
    #[inline]
    #[must_use]
    pub fn next(&self, at: At) -> Option<At> {
        self.element_at(self.after(at))
    }

    /// The element before the one at `at`.
    #[inline]
    #[must_use]
    pub fn prev(&self, at: At) -> Option<At> {
        self.before(at.offset())
    }

    /// The element at an index, from the end where it is negative (-1: the last). Walks from the nearer end.
    #[must_use]
    pub fn seek(&self, index: i64) -> Option<At> {
        let count = self.count();
        let (mut forward, mut steps) = (index >= 0, index.unsigned_abs() - u64::from(index < 0));
        if count != COUNT_UNKNOWN {
            let len = u64::from(count);
            if steps >= len {
                return None;
            }
            if steps > len / 2 {
                (forward, steps) = (!forward, len - 1 - steps);
            }
        }
        let mut at = if forward { self.first() } else { self.last() };
        for _ in 0..steps {
            at = if forward { self.next(at?) } else { self.prev(at?) };
        }
        at
    }

    /// The element at `at`.
    #[inline]
    #[must_use]
    pub fn get(&self, at: At) -> StrRef<'_> {
        let (value, _) = decode(&self.as_bytes()[at.offset()..]).expect("an element stands here");
        value
    }

    /// Adds an element before the one at `at`; where it stands.
    pub fn insert_before(&mut self, at: At, value: &[u8]) -> At {
        self.insert_at(at.offset(), Encoded::new(value))
    }

    /// Adds an element after the one at `at`; where it stands.
    pub fn insert_after(&mut self, at: At, value: &[u8]) -> At {
        self.insert_at(self.after(at), Encoded::new(value))
    }

    /// Puts another element in the place of the one at `at`; where it stands, which is the same.
    pub fn replace(&mut self, at: At, value: &[u8]) -> At {
        self.replace_with(at, Encoded::new(value))
    }

    /// Puts an integer in the place of the element at `at`; where it stands, which is the same.
    pub fn replace_int(&mut self, at: At, value: i64) -> At {
        self.replace_with(at, Encoded::int(value))
    }

    fn replace_with(&mut self, at: At, encoded: Encoded<'_>) -> At {
        let old_len = self.after(at) - at.offset();
        encoded.write(self.splice(at.offset(), old_len, encoded.len()));
        at
    }

    /// Removes the element at `at`; the next one, if there is one.
    pub fn remove(&mut self, at: At) -> Option<At> {
        let len = self.after(at) - at.offset();
        self.splice(at.offset(), len, 0);
        self.count_removed(1);
        self.element_at(at.offset())
    }

    /// Removes up to `count` elements from an index on, which counts from the end where it is negative.
    pub fn remove_range(&mut self, index: i64, count: usize) {
        let Some(from) = self.seek(index) else { return };
        let (mut end, mut removed) = (from.offset(), 0);
        while removed < count
            && let Some(at) = self.element_at(end)
        {
            end = self.after(at);
            removed += 1;
        }
        self.splice(from.offset(), end - from.offset(), 0);
        self.count_removed(removed);
    }

    /// Keeps the first `len` elements.
    pub fn truncate(&mut self, len: usize) {
        drop(self.split_off(len));
    }

    /// Takes the elements from `index` on out, into one of their own.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Listpack {
        let mut tail = Listpack::new();
        let Some(from) = self.seek(index as i64) else { return tail };
        let (start, end) = (from.offset(), self.total() - 1);
        let moved = self.len() - index;
        tail.append_bytes(&self.as_bytes()[start..end], moved);
        self.splice(start, end - start, 0);
        self.count_removed(moved);
        tail
    }

    /// Adds all elements of another at the end.
    pub fn append(&mut self, other: &Listpack) {
        self.append_bytes(&other.as_bytes()[HEADER_BYTES..other.total() - 1], other.len());
    }

    fn append_bytes(&mut self, elements: &[u8], count: usize) {
        self.splice(self.total() - 1, 0, elements.len()).copy_from_slice(elements);
        self.count_added(count);
    }

    /// The first element that is `value`, looking at the one at `from` and at each that follows after `skip` others.
    #[must_use]
    pub fn find(&self, from: At, value: &[u8], skip: usize) -> Option<At> {
        let bytes = self.as_bytes();
        let wanted = Wanted::new(value);
        let mut at = from.offset();
        loop {
            let (found, len) = decode(&bytes[at..])?;
            if wanted.is(found) {
                return Some(At::new(at));
            }
            at += len + backlen_bytes(len);
            for _ in 0..skip {
                let len = measure(&bytes[at..])?;
                at += len + backlen_bytes(len);
            }
        }
    }

    /// All elements, from either end.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.as_bytes()[HEADER_BYTES..self.total() - 1])
    }

    /// The element at `at` and all after it.
    #[inline]
    #[must_use]
    pub fn iter_from(&self, at: At) -> Iter<'_> {
        Iter::new(&self.as_bytes()[at.offset()..self.total() - 1])
    }

    /// All elements up to the one at `at`, which is the last of them.
    #[inline]
    #[must_use]
    pub fn iter_to(&self, at: At) -> Iter<'_> {
        Iter::new(&self.as_bytes()[HEADER_BYTES..self.after(at)])
    }

    #[inline]
    fn total(&self) -> usize {
        // SAFETY: a listpack stands here.
        unsafe { Listpack::total_at(self.0.at()) }
    }

    #[inline]
    fn count(&self) -> u16 {
        // SAFETY: the header is always there.
        let at = unsafe { self.0.at().add(4) };
        // SAFETY: the field's two bytes are within the header.
        u16::from_le(unsafe { at.cast::<u16>().read_unaligned() })
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_bytes`, and the listpack is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.at(), self.total()) }
    }

    /// The element that begins at an offset, unless the end is there.
    #[inline]
    fn element_at(&self, offset: usize) -> Option<At> {
        (offset + 1 < self.total()).then(|| At::new(offset))
    }

    /// The offset after the element at `at`.
    #[inline]
    fn after(&self, at: At) -> usize {
        let len = measure(&self.as_bytes()[at.offset()..]).expect("an element stands here");
        at.offset() + len + backlen_bytes(len)
    }

    /// The element that ends where `end` is.
    #[inline]
    fn before(&self, end: usize) -> Option<At> {
        let elements = &self.as_bytes()[HEADER_BYTES..end];
        if elements.is_empty() { None } else { Some(At::new(end - last_entry_bytes(elements))) }
    }

    #[inline]
    fn insert_at(&mut self, offset: usize, encoded: Encoded<'_>) -> At {
        encoded.write(self.splice(offset, 0, encoded.len()));
        self.count_added(1);
        At::new(offset)
    }

    fn count_added(&mut self, added: usize) {
        if self.count() != COUNT_UNKNOWN {
            let count = u16::try_from(usize::from(self.count()) + added).unwrap_or(COUNT_UNKNOWN);
            self.set_count(count);
        }
    }

    fn count_removed(&mut self, removed: usize) {
        match self.count() {
            // From here on the count may be known again.
            COUNT_UNKNOWN => {
                let count = self.iter().count();
                self.set_count(u16::try_from(count).unwrap_or(COUNT_UNKNOWN));
            }
            count => self.set_count(count - removed as u16),
        }
    }

    #[inline]
    fn set_count(&mut self, count: u16) {
        self.bytes_mut()[4..6].copy_from_slice(&count.to_le_bytes());
    }

    /// Makes the `old_len` bytes at an offset `new_len` bytes, what follows moving along; these bytes, to be filled.
    #[inline]
    fn splice(&mut self, offset: usize, old_len: usize, new_len: usize) -> &mut [u8] {
        let total = self.total();
        let new_total = total - old_len + new_len;
        assert!(
            HEADER_BYTES <= offset && offset + old_len < total && new_total <= u32::MAX as usize,
            "a listpack changes between its header and its end, and stays below 4 GB"
        );
        if new_total > total {
            // SAFETY: it has its total, and the new one has a header at least.
            unsafe { self.0.resize(total, new_total) };
            // SAFETY: the allocation has room for it: the new end lies within, and nothing is there yet.
            let tail = unsafe { self.0.at().add(total) };
            // SAFETY: as above. Every byte below the total is initialized, always.
            unsafe { tail.write_bytes(0, new_total - total) };
        }
        if old_len != new_len {
            // SAFETY: both offsets are within the allocation, which is as long as the greater of the totals.
            let from = unsafe { self.0.at().add(offset + old_len) };
            // SAFETY: the same.
            let to = unsafe { self.0.at().add(offset + new_len) };
            // SAFETY: what follows ends at the total before, and at the new total after.
            unsafe { from.copy_to(to, total - offset - old_len) };
            if new_total < total {
                // SAFETY: as above.
                unsafe { self.0.resize(total, new_total) };
            }
            // SAFETY: the header is always there; in an entry it has no alignment.
            unsafe { self.0.at().cast::<u32>().write_unaligned((new_total as u32).to_le()) };
        }
        &mut self.bytes_mut()[offset..offset + new_len]
    }

    /// One whose bytes are those of a listpack.
    fn copy_of(bytes: &[u8]) -> Listpack {
        Listpack::in_run(Run::alone(bytes.len()), bytes)
    }

    /// The same in a fresh allocation with room for them.
    fn in_run(run: Run, bytes: &[u8]) -> Listpack {
        // SAFETY: the fresh allocation has room for all of them.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), run.at(), bytes.len()) };
        Listpack(run)
    }
}

impl Clone for Listpack {
    fn clone(&self) -> Listpack {
        Listpack::copy_of(self.as_bytes())
    }
}

impl Drop for Listpack {
    fn drop(&mut self) {
        let total = self.total();
        // SAFETY: it has this total, and goes away now.
        unsafe { self.0.free(total) };
    }
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Listpack) -> bool {
        self.iter().eq(other.iter())
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = StrRef<'a>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
