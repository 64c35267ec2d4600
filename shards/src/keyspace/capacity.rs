//! How many words a segment has for its items.
use std::alloc::Layout;

/// Words in a group: one cache line.
pub(super) const GROUP: usize = 8;
const WORDS_MAX: usize = 65_528;
/// Up to so many words they are filled to the last.
const BRIM: usize = 2 * GROUP;
/// From so many words on they are filled more densely.
const LONG: usize = 256;

/// The capacity with room for `len` items.
pub(super) fn capacity_for(len: usize) -> usize {
    let mut capacity = 0;
    while room_in(capacity) < len {
        capacity = grown(capacity);
    }
    capacity
}

pub(super) fn room_in(capacity: usize) -> usize {
    // Small ones, of two groups at most, fill up to the brim, larger ones to nine tenths: an item's home group or the next has
    // it nearly always. Long ones hold the members of big values, where memory counts most: a million lookups take as long as
    // at nine tenths.
    match capacity {
        0..=BRIM => capacity,
        _ if capacity < LONG => capacity - capacity * 3 / 32,
        _ => capacity - capacity / 32,
    }
}

/// The next capacity: 2, 4, 8, then groups in steps that are size classes of the allocator.
pub(super) fn grown(capacity: usize) -> usize {
    match capacity {
        0 => 2,
        2 => 4,
        4 => 8,
        _ => {
            let step = (capacity.next_power_of_two() / 8).max(GROUP);
            let step = if capacity.is_power_of_two() { (capacity / 4).max(GROUP) } else { step };
            match (capacity + step).min(WORDS_MAX) {
                // Slabs of these are of seven pages: in one of eight there is always somebody who has not grown yet.
                448 => 512,
                next => next,
            }
        }
    }
}

/// The allocation of so many words: groups on cache lines.
pub(super) fn layout_of(capacity: usize) -> Layout {
    let align = if capacity >= GROUP { 64 } else { 8 };
    Layout::from_size_align(capacity * 8, align).expect("a segment is small")
}
