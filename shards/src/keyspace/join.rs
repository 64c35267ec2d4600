//! What two tables have in common, found by the marks in their words: most items are never looked at.
//!
//! Looking each item up costs a hash, a probe and two cache misses. But the words of a segment tell 16 bits of each hash, and
//! its place in the directory the top bits: of the items of two segments only those with the same mark can be the same.
use super::item::Item;
use super::segment::Segment;
use super::word::{item_at, mark_of_word, prefetch};

/// Bits of a mark by which places are found, at most: so few that all places stay in the fastest cache.
const PLACE_BITS_MAX: u32 = 14;
/// Places there are for each word, as a power of two: few words share one.
const SPREAD_BITS: u32 = 4;
/// Several words share the place: which one is meant only a look at all of them can tell.
const CROWDED: u16 = u16::MAX;

/// Where the words of one segment stand, by their marks; it serves one segment after the other.
#[derive(Debug)]
pub(super) struct Join {
    /// One more than the index of the word with that mark, 0 for none.
    places: Vec<u16>,
    /// By how much a word is shifted to tell its place.
    shift: u32,
    /// Words that may have a partner: the partner's place, and the index of the word.
    candidates: Vec<(u16, u16)>,
}

impl Join {
    /// One for segments of up to `len` items.
    pub(super) fn new(len: usize) -> Join {
        let bits = (len.max(1).ilog2() + SPREAD_BITS).min(PLACE_BITS_MAX);
        Join { places: vec![0; 1 << bits], shift: u64::BITS - bits, candidates: Vec::new() }
    }

    /// Notes the words of a segment.
    pub(super) fn note<I: Item>(&mut self, segment: &Segment<I>) {
        for (index, word) in occupied(segment) {
            let place = &mut self.places[(word >> self.shift) as usize];
            *place = if *place == 0 { index + 1 } else { CROWDED };
        }
    }

    /// Forgets the words of a segment.
    pub(super) fn forget<I: Item>(&mut self, segment: &Segment<I>) {
        occupied(segment).for_each(|(_, word)| self.places[(word >> self.shift) as usize] = 0);
    }

    /// Calls `visit` with each item of `other` that is in `noted` too, as long as it says to go on; whether it did to the end.
    pub(super) fn visit_common<'a, I: Item>(
        &mut self,
        noted: &'a Segment<I>,
        other: &'a Segment<I>,
        visit: &mut impl FnMut(I::Ref<'a>) -> bool,
    ) -> bool {
        self.find_candidates(noted, other);
        self.candidates.iter().all(|(place, index)| {
            let word = &other.words()[usize::from(*index)];
            let item = item_at::<I>(word);
            let is_common = match *place {
                CROWDED => noted.find(mark_of_word(*word), I::bytes(item)).is_some(),
                place => I::has_bytes(item_at::<I>(partner(noted, place)), I::bytes(item)),
            };
            !is_common || visit(item)
        })
    }

    /// Finds the words of `other` that have the mark of a word noted, and brings the items of both near.
    fn find_candidates<I: Item>(&mut self, noted: &Segment<I>, other: &Segment<I>) {
        self.candidates.clear();
        self.candidates.resize(other.len(), (0, 0));
        let mut count = 0;
        for (index, word) in occupied(other) {
            let place = self.places[(word >> self.shift) as usize];
            // Written in any case: which word has a partner no processor foretells.
            self.candidates[count] = (place, index);
            count += usize::from(place != 0);
        }
        self.candidates.truncate(count);
        self.candidates.retain(|(place, index)| {
            let word = &other.words()[usize::from(*index)];
            if *place != CROWDED {
                let partner = partner(noted, *place);
                if mark_of_word(*partner) != mark_of_word(*word) {
                    return false;
                }
                prefetch(partner);
            }
            prefetch(word);
            true
        });
    }
}

/// The word that a place means.
#[inline]
fn partner<I: Item>(noted: &Segment<I>, place: u16) -> &u64 {
    &noted.words()[usize::from(place) - 1]
}

/// The occupied words of a segment, and where each stands.
fn occupied<I: Item>(segment: &Segment<I>) -> impl Iterator<Item = (u16, u64)> {
    let words = segment.words().iter().enumerate();
    words.filter(|(_, word)| **word != 0).map(|(index, word)| (index as u16, *word))
}
