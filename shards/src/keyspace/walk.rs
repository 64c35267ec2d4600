//! Walks over segments: their order, the cursors that are places in it, and the work that a step may do.
use super::item::Item;
use super::segment::Segment;

/// Which items a walk is to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    All,
    /// Those that expire.
    Volatile,
}

/// What a walk has done, and how much it is to do.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) seen: usize,
    /// Groups of words that were passed.
    pub(crate) groups: usize,
    count: usize,
}

impl Work {
    /// Groups that may be passed for each item that is to be seen: few are empty unless a segment lost most of its own.
    const GROUPS_PER_ITEM: usize = 10;

    /// Work for about `count` items, at least one.
    pub(crate) fn new(count: usize) -> Work {
        Work { seen: 0, groups: 0, count: count.max(1) }
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.seen >= self.count || self.groups >= self.count.saturating_mul(Work::GROUPS_PER_ITEM)
    }
}

/// A place in the order of a walk: slot, segment, mark. Within a segment the order is that of marks, so a place inside one
/// holds only for what this segment held: its depth tells whether it was merged with others since.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) slot: usize,
    /// The least directory bits of the segment, at the top of 32.
    pub(crate) first: u32,
    mark: u16,
    depth: u8,
}

/// A cursor is 46 bits, so that a double can carry it: from the top the slot, 16 bits that name a segment, the mark. The
/// directory bits of the segment are followed by a 1, which tells its depth; all 0 is the beginning of the slot.
const SLOT_SHIFT: u32 = 32;

impl Place {
    pub(crate) fn slot(slot: usize) -> Place {
        Place { slot, first: 0, mark: 0, depth: 0 }
    }
    pub(crate) fn cursor(self) -> u64 {
        let segment = self.first | 1 << (31 - u32::from(self.depth));
        Place::start_of(self.slot) | u64::from(segment) | u64::from(self.mark)
    }
    pub(crate) fn start_of(slot: usize) -> u64 {
        (slot as u64) << SLOT_SHIFT
    }
    pub(crate) fn of_cursor(cursor: u64) -> Place {
        let slot = (cursor >> SLOT_SHIFT) as usize;
        let segment = cursor as u32 >> 16;
        if segment == 0 {
            return Place::slot(slot);
        }
        let depth = (15 - segment.trailing_zeros()) as u8;
        Place { slot, first: (segment & (segment - 1)) << 16, mark: cursor as u16, depth }
    }
    /// The mark from which a segment of the slot is still due; none where it lies before this place.
    fn mark_in(self, first: u32, segment: &Segment<impl Item>) -> Option<u16> {
        if segment_end(first, segment) < u64::from(self.first) {
            return None;
        }
        // The same segment, or the lower part of what it was split into. A merged one is due as a whole: of its other parts
        // nothing may have been seen.
        let same = first == self.first && segment.depth >= self.depth;
        Some(if same { self.mark } else { 0 })
    }
}

/// The last place (directory bits and mark) of a segment whose first is `first`.
pub(super) fn segment_end(first: u32, segment: &Segment<impl Item>) -> u64 {
    u64::from(first) + (1u64 << (32 - u32::from(segment.depth))) - 1
}

/// The cursor with which a walk of a slot begins.
#[must_use]
pub fn cursor_at_slot(slot: u16) -> u64 {
    Place::start_of(usize::from(slot))
}

/// The slot of the place that a cursor means; none behind the last slot, where nothing is.
#[must_use]
pub fn slot_of_cursor(cursor: u64) -> Option<u16> {
    u16::try_from(cursor >> SLOT_SHIFT).ok().filter(|slot| *slot < crate::slot::SLOT_COUNT)
}

/// Walks segments from a place on (each with the place of its first hash, in order), until the work is enough; gives back
/// the place to go on from, none at the end.
pub(crate) fn walk<'a, I: Item + 'a>(
    segments: impl Iterator<Item = (u32, &'a Segment<I>)>,
    start: Place,
    among: Among,
    work: &mut Work,
    visit: &mut impl FnMut(I::Ref<'_>),
) -> Option<Place> {
    for (first, segment) in segments {
        let Some(mark) = start.mark_in(first, segment) else { continue };
        let place = |mark| Place { slot: start.slot, first, mark, depth: segment.depth };
        if work.is_enough() {
            return Some(place(0));
        }
        if let Some(mark) = segment.scan(among, mark, work, &mut *visit) {
            return Some(place(mark));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_carries_its_place() {
        for slot in [0, 1, 16_383] {
            assert_eq!(slot_of_cursor(cursor_at_slot(slot)), Some(slot));
        }
        assert_eq!(slot_of_cursor(u64::from(crate::slot::SLOT_COUNT) << SLOT_SHIFT), None);
        for (first, depth) in [(0, 0), (0x8000_0000, 1), (0xabc0_0000, 10), (0xabcc_0000, 15), (0, 15)] {
            let place = Place { slot: 16_383, first, mark: 0x1234, depth };
            assert_eq!(format!("{:?}", Place::of_cursor(place.cursor())), format!("{place:?}"));
            assert!(place.cursor() < 1 << 53, "a client may keep cursors as doubles");
        }
    }
}
