//! Many segments as one table: extendible hashing, for a crowded slot and for the members of a big value.
//!
//! The top bits of a hash tell the segment. A full segment splits in two, one that lost nearly all is merged with its
//! other half: no step of growth ever moves more than about a thousand words, nor looks at more items than that. What
//! grows with the whole are two small vectors (a thousandth of the items).
use super::hash::hash_of;
use super::item::Item;
use super::join::Join;
use super::segment::{OldWords, Segment};
use super::walk::{Among, Place, Work, segment_end, walk};
use crate::dice::Dice;
use crate::values::lease::{Lease, Loan, lend};
use std::mem::ManuallyDrop;

/// Hash bits that tell segments apart, at most: a cursor has room for these and one more.
const DEPTH_MAX: u8 = 15;
/// How many items a segment that is made for many is meant for, at most.
const SEGMENT_LEN: usize = 800;
/// Two halves with no more items than this become one segment again.
const MERGE_LEN: usize = 192;

/// The segments of a crowded slot or of a big value.
#[derive(Debug)]
pub(crate) struct Directory<I: Item> {
    /// Top bits of the hash that tell a segment.
    depth: u8,
    /// For each value of these bits, the segment.
    map: Vec<u32>,
    segments: Vec<Segment<I>>,
    /// How many segments go by all these bits.
    deepest: u32,
    /// No segment has more words.
    words_max: u32,
    len: usize,
    /// Words of all segments.
    words: usize,
    /// A reader sees what this was when it was lent.
    lease: Option<Box<Lease<Retired<I>>>>,
}

/// What a reader may see of a directory that has let go of it.
#[derive(Debug)]
#[expect(dead_code, reason = "it is kept to be freed later, and nothing else")]
pub(crate) enum Retired<I: Item> {
    Words(OldWords),
    Item(I),
    Segment(Segment<I>),
}

/// A directory as it was when it was lent, to be read by another thread.
#[derive(Debug)]
pub(crate) struct View<I: Item> {
    segments: Vec<ManuallyDrop<Segment<I>>>,
    len: usize,
    /// While it is open what the segments point to is neither changed nor freed.
    _loan: Loan<Retired<I>>,
}

impl<I: Item> Directory<I> {
    /// A directory of one segment, which shares no hash bits.
    pub(crate) fn new(only: Segment<I>) -> Directory<I> {
        debug_assert_eq!(only.depth, 0, "it is to hold every hash");
        let (len, words) = (only.len(), only.capacity());
        let segments = vec![only];
        Directory {
            depth: 0,
            map: vec![0],
            segments,
            deepest: 1,
            words_max: words as u32,
            len,
            words,
            lease: None,
        }
    }
    /// An empty directory with room for about `len` items, which then come without a segment's growing step by step.
    pub(crate) fn with_room(len: usize) -> Directory<I> {
        let depth =
            (len / SEGMENT_LEN).checked_ilog2().map_or(0, |depth| depth + 1).min(u32::from(DEPTH_MAX));
        let count = 1usize << depth;
        // Hashes are not spread evenly: those segments that get more than their share grow once more.
        let room = len / count;
        let segments: Vec<_> = (0..count).map(|_| Segment::with_room(depth as u8, room)).collect();
        let words_each = segments[0].capacity();
        Directory {
            depth: depth as u8,
            map: (0..count as u32).collect(),
            segments,
            deepest: count as u32,
            words_max: words_each as u32,
            len: 0,
            words: words_each * count,
            lease: None,
        }
    }
    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
    /// Bytes of words, segments and map.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.words * 8 + self.segments.capacity() * size_of::<Segment<I>>() + self.map.capacity() * 4
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        self.map[top_bits(hash, self.depth)] as usize
    }
    /// The segment of a hash.
    #[inline]
    pub(crate) fn segment(&self, hash: u64) -> &Segment<I> {
        &self.segments[self.index(hash)]
    }
    /// The segment of a hash, for changes that leave its number of items.
    #[inline]
    pub(crate) fn segment_mut(&mut self, hash: u64) -> &mut Segment<I> {
        let index = self.index(hash);
        self.own(index);
        &mut self.segments[index]
    }

    /// Gives a segment words of its own, if its present ones are lent.
    #[inline]
    fn own(&mut self, index: usize) {
        if let Some(lease) = &self.lease {
            lease.retire(self.segments[index].own().map(Retired::Words));
        }
    }

    /// Whether a reader may see items of this: then they are not to be changed where they stand, and are retired instead of freed.
    #[inline]
    pub(crate) fn is_lent(&mut self) -> bool {
        if self.lease.as_ref().is_some_and(|lease| lease.is_over()) {
            self.lease = None;
        }
        self.lease.is_some()
    }

    /// An item has left this that a reader may see.
    pub(crate) fn retire(&self, item: I) {
        if let Some(lease) = &self.lease {
            lease.retire([Retired::Item(item)]);
        }
    }

    /// All of it as it is now, for a reader; nothing where somebody is still reading it.
    pub(crate) fn lend(&mut self) -> Option<View<I>> {
        if self.is_lent() {
            return None;
        }
        let (lease, loan) = lend();
        self.lease = Some(Box::new(lease));
        let segments = self.segments.iter_mut().map(Segment::lend).collect();
        Some(View { segments, len: self.len, _loan: loan })
    }

    /// Hands all segments over to the reader, if there is one: whoever owned this does not want them any more.
    fn retire_all(&mut self) {
        if self.is_lent()
            && let Some(lease) = self.lease.take()
        {
            lease.retire(self.segments.drain(..).map(Retired::Segment));
            (self.len, self.words) = (0, 0);
        }
    }

    /// Adds an item whose bytes are not in here.
    pub(crate) fn insert(&mut self, hash: u64, item: I) {
        let mut index = self.index(hash);
        self.own(index);
        while self.segments[index].wants_split(split_words(hash, self.segments[index].depth))
            && self.segments[index].depth < DEPTH_MAX
        {
            self.split(hash, index);
            index = self.index(hash);
        }
        let segment = &mut self.segments[index];
        let before = segment.capacity();
        segment.insert(hash, item);
        let after = segment.capacity();
        self.words = self.words - before + after;
        self.words_max = self.words_max.max(after as u32);
        self.len += 1;
    }

    /// Takes the item with these bytes out.
    pub(crate) fn remove(&mut self, hash: u64, bytes: &[u8]) -> Option<I> {
        let index = self.index(hash);
        self.own(index);
        let segment = &mut self.segments[index];
        let before = segment.capacity();
        let item = segment.remove(hash, bytes)?;
        self.len -= 1;
        self.words = self.words - before + segment.capacity();
        if segment.len() <= MERGE_LEN / 2 {
            self.merge(hash, index);
        }
        Some(item)
    }

    /// Where the segment of a hash, of this depth, stands in the map: from, and how many.
    fn span(&self, hash: u64, depth: u8) -> (usize, usize) {
        let width = self.depth - depth;
        (top_bits(hash, depth) << width, 1 << width)
    }

    fn split(&mut self, hash: u64, index: usize) {
        if self.segments[index].depth == self.depth {
            self.map = self.map.iter().flat_map(|&segment| [segment, segment]).collect();
            self.depth += 1;
            self.deepest = 0;
        }
        let before = self.segments[index].capacity();
        let high = self.segments[index].split(hash_of);
        let low = &self.segments[index];
        let (depth, words) = (low.depth, (low.capacity(), high.capacity()));
        self.words = self.words - before + words.0 + words.1;
        self.words_max = self.words_max.max(words.0.max(words.1) as u32);
        self.deepest += if depth == self.depth { 2 } else { 0 };
        let new = self.segments.len() as u32;
        self.segments.push(high);
        let (from, count) = self.span(hash, depth - 1);
        self.map[from + count / 2..from + count].fill(new);
    }

    /// Makes one segment of two halves of which little is left.
    fn merge(&mut self, hash: u64, index: usize) {
        let depth = self.segments[index].depth;
        if depth == 0 {
            return;
        }
        let (from, count) = self.span(hash, depth - 1);
        let (low, high) = (self.map[from] as usize, self.map[from + count / 2] as usize);
        let is_half = self.segments[low].depth == self.segments[high].depth;
        if !is_half || self.segments[low].len() + self.segments[high].len() > MERGE_LEN {
            return;
        }
        self.own(low);
        self.own(high);
        let before = self.segments[low].capacity() + self.segments[high].capacity();
        let other = std::mem::replace(&mut self.segments[high], Segment::new(depth));
        self.segments[low].absorb(other);
        self.segments[low].depth = depth - 1;
        self.words = self.words - before + self.segments[low].capacity();
        self.map[from..from + count].fill(low as u32);
        self.close_gap(high);
        if depth == self.depth {
            self.deepest -= 2;
            if self.deepest == 0 {
                self.halve();
            }
        }
    }

    /// Moves the last segment to where none is any more.
    fn close_gap(&mut self, gap: usize) {
        self.segments.swap_remove(gap);
        let moved = self.segments.len() as u32;
        self.map.iter_mut().filter(|index| **index == moved).for_each(|index| *index = gap as u32);
    }

    /// Does without the hash bits that tell no segments apart.
    fn halve(&mut self) {
        self.depth = self.segments.iter().map(|segment| segment.depth).max().unwrap_or(0);
        self.map =
            (0..1usize << self.depth).map(|bits| self.map[bits * (self.map.len() >> self.depth)]).collect();
        self.segments.shrink_to_fit();
        let deepest = self.segments.iter().filter(|segment| segment.depth == self.depth);
        self.deepest = deepest.count() as u32;
        let words = self.segments.iter().map(Segment::capacity);
        self.words_max = words.max().unwrap_or(0) as u32;
    }

    /// The segments in the order of hashes, each with the place of its first hash, from the one with this hash on.
    pub(crate) fn in_order(&self, first: u32) -> impl Iterator<Item = (u32, &Segment<I>)> {
        let width = 32 - u32::from(self.depth);
        let mut at = (u64::from(first) >> width) as usize;
        std::iter::from_fn(move || {
            let segment = &self.segments[*self.map.get(at)? as usize];
            let count = 1usize << (self.depth - segment.depth);
            let from = at & !(count - 1);
            at = from + count;
            Some((((from as u64) << width) as u32, segment))
        })
    }

    /// Calls `visit` with the items at and behind a place, until the work is enough; gives back the place to go on from.
    pub(crate) fn walk(
        &self,
        start: Place,
        among: Among,
        work: &mut Work,
        visit: &mut impl FnMut(I::Ref<'_>),
    ) -> Option<Place> {
        walk(self.in_order(start.first), start, among, work, visit)
    }

    /// Calls `visit` with each item of `other` that is in here too, as long as it says to go on. Fast where both have about as
    /// many: all the words of both are gone through.
    pub(crate) fn visit_common<'a>(
        &'a self,
        other: &'a Directory<I>,
        visit: &mut impl FnMut(I::Ref<'a>) -> bool,
    ) {
        let longest = self.segments.iter().map(Segment::len).max();
        let mut join = Join::new(longest.unwrap_or(0));
        for (first, segment) in self.in_order(0) {
            let end = segment_end(first, segment);
            join.note(segment);
            let others = other.in_order(first).take_while(|(first, _)| u64::from(*first) <= end);
            for (_, other) in others {
                if !join.visit_common(segment, other, visit) {
                    return;
                }
            }
            join.forget(segment);
        }
    }

    /// Every item, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = I::Ref<'_>> {
        self.segments.iter().flat_map(Segment::iter)
    }

    /// An item at random, all alike; there must be one.
    pub(crate) fn random(&self, dice: &mut Dice) -> I::Ref<'_> {
        assert!(self.len > 0, "a draw needs something to draw");
        let words_max = match &self.segments[..] {
            [only] => only.capacity() as u64,
            _ => u64::from(self.words_max),
        };
        // A word of any segment, as if all had the most: each word has the same chance, whatever the sizes.
        loop {
            let segment = &self.segments[dice.below(self.segments.len() as u64) as usize];
            if let Some(item) = segment.at(dice.below(words_max) as usize) {
                return item;
            }
        }
    }

    /// Hands up to `budget` items to `take`, for a directory that nobody uses any more. How many it were; 0 once it is
    /// empty.
    pub(crate) fn take_some(&mut self, budget: usize, mut take: impl FnMut(I)) -> usize {
        self.retire_all();
        while let Some(segment) = self.segments.last_mut() {
            let taken = segment.take_some(budget, &mut take);
            self.len -= taken;
            if taken > 0 {
                return taken;
            }
            self.words -= segment.capacity();
            self.segments.pop();
        }
        0
    }

    /// All in one segment.
    pub(crate) fn into_one(mut self) -> Segment<I> {
        debug_assert!(self.lease.is_none(), "only members are ever lent, and they stay what they are");
        let mut one = Segment::new(0);
        std::mem::take(&mut self.segments).into_iter().for_each(|segment| one.absorb(segment));
        one
    }
}

impl<I: Item> Drop for Directory<I> {
    fn drop(&mut self) {
        if self.lease.is_some() {
            self.retire_all();
        }
    }
}

impl<I: Item + Clone> Clone for Directory<I> {
    fn clone(&self) -> Directory<I> {
        Directory { map: self.map.clone(), segments: self.segments.clone(), lease: None, ..*self }
    }
}

impl<I: Item> View<I> {
    /// How many items there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Every item, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = I::Ref<'_>> {
        self.segments.iter().flat_map(|segment| segment.iter())
    }
}

#[inline]
fn top_bits(hash: u64, depth: u8) -> usize {
    // Two shifts: a shift by 64 is none in a processor.
    (hash >> 1 >> (63 - u32::from(depth))) as usize
}

/// The words with which a segment splits: some sooner, some later, by its place. Would all do so at the same size, they
/// would all be half empty at the same number of items.
fn split_words(hash: u64, depth: u8) -> usize {
    let place = (top_bits(hash, depth) as u64) << 4 | u64::from(depth);
    640 + 128 * (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize
}
