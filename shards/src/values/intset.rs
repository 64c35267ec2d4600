//! The packed, sorted list of integers of which small sets of integers are made.
//!
//! The bytes are exactly those of Redis's intset, so that writing one into a dump is a copy; all little-endian:
//!
//! ```text
//! bytes an integer (4): 2, 4 or 8   integers (4)   integer …, ascending
//! ```
//!
//! All integers are as wide as the widest that was ever in it. An [`Intset`] is a thin pointer into one allocation
//! ([`Run`]: its own, or an entry's, whose header and key are before it). The capacity is not kept, for it follows from the
//! length: the allocator's size class of it.
#![expect(unsafe_code, reason = "a thin pointer to bytes whose length they tell themselves")]
#[cfg(test)]
mod tests;

use super::Line;
use super::run::{Run, in_and_out};

const HEADER_BYTES: usize = 8;

/// A set of integers exactly as Redis lays it out, behind a thin pointer.
pub struct Intset(Run);

// SAFETY: an intset owns its allocation as a box does, and holds nothing tied to a thread.
unsafe impl Send for Intset {}

impl Default for Intset {
    fn default() -> Intset {
        Intset::new()
    }
}

in_and_out!(Intset);

impl Intset {
    /// One without integers.
    #[must_use]
    pub fn new() -> Intset {
        Intset::with_room(2, 0)
    }

    /// One from the bytes of a stranger; none unless the width is one, the length fits and the integers ascend. As in Redis,
    /// an empty one is none.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Intset> {
        let width = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let len = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
        let is_sound = matches!(width, 2 | 4 | 8)
            && len > 0
            && len.checked_mul(width).and_then(|ints| ints.checked_add(HEADER_BYTES)) == Some(bytes.len());
        if !is_sound {
            return None;
        }
        let mut set = Intset::with_room(width, len);
        set.bytes_mut().copy_from_slice(bytes);
        set.iter().is_sorted_by(|one, next| one < next).then_some(set)
    }

    /// One of integers that ascend, each once; in the least width that holds them all.
    #[must_use]
    pub fn from_ascending(values: &[i64]) -> Intset {
        debug_assert!(values.is_sorted_by(|one, next| one < next), "the integers ascend");
        let ends = [values.first(), values.last()];
        let width = ends.into_iter().flatten().map(|value| width_of(*value)).max().unwrap_or(2);
        let mut set = Intset::with_room(width, values.len());
        values.iter().enumerate().for_each(|(index, value)| set.put(index, *value));
        set
    }

    /// The bytes, as Redis has them.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the allocation has at least as many bytes as the header tells, and all of them are initialized.
        unsafe { std::slice::from_raw_parts(self.0.at(), self.total()) }
    }

    /// How many integers.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.header(1)
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the allocator keeps for it, in bytes.
    #[inline]
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes(self.total())
    }

    /// How long the intset is that begins at an address.
    ///
    /// # Safety
    /// One begins there.
    #[inline]
    pub(crate) unsafe fn total_at(at: *const u8) -> usize {
        // SAFETY: the header is always there; in an entry it has no alignment.
        let [width, len] = unsafe { at.cast::<[u32; 2]>().read_unaligned() };
        total_bytes(u32::from_le(width) as usize, u32::from_le(len) as usize)
    }

    /// Adds an integer; whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let at = if width_of(value) > self.width() {
            self.widen(width_of(value));
            // Wider than any other, so it is the least or the greatest.
            if value < 0 { 0 } else { self.len() }
        } else {
            match self.position(value) {
                Ok(_) => return false,
                Err(at) => at,
            }
        };
        self.resize(at, 0, 1);
        self.put(at, value);
        true
    }

    /// Takes an integer out; whether it was there. The width stays, as in Redis.
    pub fn remove(&mut self, value: i64) -> bool {
        match self.position(value) {
            Ok(at) => {
                self.remove_at(at);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes the integer at an index out.
    pub fn remove_at(&mut self, index: usize) -> i64 {
        let value = self.get(index).expect("an integer stands here");
        self.resize(index, 1, 0);
        value
    }

    /// Whether an integer is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, value: i64) -> bool {
        width_of(value) <= self.width() && self.position(value).is_ok()
    }

    /// The integer at an index, in ascending order.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<i64> {
        let ints = self.ints();
        match self.width() {
            2 => ints.as_chunks().0.get(index).map(|int| i64::from(i16::from_le_bytes(*int))),
            4 => ints.as_chunks().0.get(index).map(|int| i64::from(i32::from_le_bytes(*int))),
            _ => ints.as_chunks().0.get(index).map(|int| i64::from_le_bytes(*int)),
        }
    }

    /// The first integer that is at least `value` among those from an index on, sought in steps that double: cheap where it
    /// is near, as it is when two sets are merged. Its index, the length where there is none.
    #[must_use]
    pub fn seek(&self, from: usize, value: i64) -> usize {
        let is_before = |index: usize| self.get(index).is_some_and(|own| own < value);
        let (mut low, mut step) = (from, 1);
        while is_before(low + step - 1) {
            low += step;
            step *= 2;
        }
        // All before `low` are less; the one at `low + step - 1` is not, or is behind the end.
        let mut high = (low + step - 1).min(self.len());
        while low < high {
            let middle = low.midpoint(high);
            if is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// All integers, ascending.
    #[inline]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index).expect("below the length"))
    }

    /// Where an integer stands, or where it would.
    fn position(&self, value: i64) -> Result<usize, usize> {
        let ints = self.ints();
        match self.width() {
            2 => ints.as_chunks().0.binary_search_by(|int| i64::from(i16::from_le_bytes(*int)).cmp(&value)),
            4 => ints.as_chunks().0.binary_search_by(|int| i64::from(i32::from_le_bytes(*int)).cmp(&value)),
            _ => ints.as_chunks().0.binary_search_by(|int| i64::from_le_bytes(*int).cmp(&value)),
        }
    }

    #[inline]
    fn ints(&self) -> &[u8] {
        &self.as_bytes()[HEADER_BYTES..]
    }

    #[inline]
    fn width(&self) -> usize {
        self.header(0)
    }

    #[inline]
    fn total(&self) -> usize {
        // SAFETY: an intset stands here.
        unsafe { Intset::total_at(self.0.at()) }
    }

    #[inline]
    fn header(&self, index: usize) -> usize {
        // SAFETY: the header is always there.
        let at = unsafe { self.0.at().cast::<u32>().add(index) };
        // SAFETY: initialized from the start; in an entry it has no alignment.
        u32::from_le(unsafe { at.read_unaligned() }) as usize
    }

    fn set_header(&mut self, width: usize, len: usize) {
        let len = u32::try_from(len).expect("a set of so many integers is no intset");
        let header = [(width as u32).to_le(), len.to_le()];
        // SAFETY: the header is always there; in an entry it has no alignment.
        unsafe { self.0.at().cast::<[u32; 2]>().write_unaligned(header) };
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_bytes`, and the intset is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.at(), self.total()) }
    }

    /// Writes an integer that is no wider than the others at an index.
    #[inline]
    fn put(&mut self, index: usize, value: i64) {
        let width = self.width();
        // What is cut off repeats the sign.
        self.bytes_mut()[HEADER_BYTES + index * width..][..width]
            .copy_from_slice(&value.to_le_bytes()[..width]);
    }

    /// The same integers in a greater width.
    fn widen(&mut self, width: usize) {
        let mut wide = Intset::with_room(width, self.len());
        self.iter().enumerate().for_each(|(index, value)| wide.put(index, value));
        *self = wide;
    }

    /// Makes of the `old` integers at an index `new` ones, zeros where there were none; what follows moves along.
    fn resize(&mut self, index: usize, old: usize, new: usize) {
        let (width, len) = (self.width(), self.len());
        assert!(index + old <= len, "integers are taken out where they stand");
        let new_len = len - old + new;
        let (from, to) = (total_bytes(width, index + old), total_bytes(width, index + new));
        let end = total_bytes(width, len);
        if new_len > len {
            // SAFETY: it is that long, and the new one has a header at least.
            unsafe { self.0.resize(end, total_bytes(width, new_len)) };
            // SAFETY: the allocation reaches to the new end, which is where this ends.
            let tail = unsafe { self.0.at().add(end) };
            // SAFETY: as above. Every byte below the total is initialized, always.
            unsafe { tail.write_bytes(0, total_bytes(width, new_len) - end) };
        }
        self.set_header(width, new_len.max(len));
        self.bytes_mut().copy_within(from..end, to);
        self.set_header(width, new_len);
        if new_len < len {
            // SAFETY: as above.
            unsafe { self.0.resize(end, total_bytes(width, new_len)) };
        }
    }

    /// One whose bytes are those of an intset.
    fn copy_of(bytes: &[u8]) -> Intset {
        let run = Run::alone(bytes.len());
        // SAFETY: the fresh allocation has room for all of them.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), run.at(), bytes.len()) };
        Intset(run)
    }

    /// One of `len` zeros, to be filled.
    fn with_room(width: usize, len: usize) -> Intset {
        let total = total_bytes(width, len);
        let run = Run::alone(total);
        // SAFETY: the fresh allocation has room for all of them.
        unsafe { run.at().write_bytes(0, total) };
        let mut set = Intset(run);
        set.set_header(width, len);
        set
    }
}

/// The bytes that an integer needs.
#[inline]
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[inline]
fn total_bytes(width: usize, len: usize) -> usize {
    HEADER_BYTES + width * len
}

impl Clone for Intset {
    fn clone(&self) -> Intset {
        Intset::copy_of(self.as_bytes())
    }
}

impl Drop for Intset {
    fn drop(&mut self) {
        let total = self.total();
        // SAFETY: it has this total, and goes away now.
        unsafe { self.0.free(total) };
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
