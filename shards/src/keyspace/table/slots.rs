//! The slots of a table, which lie in memory that is not touched before their keys come.
#![expect(unsafe_code, reason = "memory that the system gives as zeros is not written to make slots of it")]
use super::super::directory::Directory;
use super::super::entry::Entry;
use super::super::segment::Segment;
use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};

/// The keys of a slot.
#[derive(Debug)]
pub(super) enum Slot {
    One(Segment<Entry>),
    Crowded(Box<Directory<Entry>>),
}

// SAFETY: a slot has no bytes without a value (it is as long as its segment, which has none), and no address stands in this one.
const EMPTY: u128 = unsafe { std::mem::transmute::<Slot, u128>(Slot::One(Segment::new(0))) };
const _: () = assert!(EMPTY == 0, "zeros are a slot without keys");
const _: () = assert!(size_of::<Slot>() == 16, "four slots to a cache line");

/// So many slots without keys: a page of them is resident once the first key of it comes, for one big value is no reason to
/// have all of them.
pub(super) fn empty(count: usize) -> Vec<Slot> {
    if count == 0 {
        return Vec::new();
    }
    let layout = Layout::array::<Slot>(count).expect("there are at most 16384 slots");
    // SAFETY: there are some, so the layout has a size.
    let slots = unsafe { alloc_zeroed(layout) }.cast::<Slot>();
    if slots.is_null() {
        handle_alloc_error(layout);
    }
    // SAFETY: a vector of so many has this layout, and zeros are slots: see above.
    unsafe { Vec::from_raw_parts(slots, count, count) }
}
