//! Segments that are lent: their words are copied before they change, and freed when the loan is over.
#![expect(unsafe_code, reason = "a segment that is lent exists twice, and only its owner may free it")]
use super::super::capacity::layout_of;
use super::super::item::Item;
use super::Segment;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// The words that a segment had: the items behind them belong to others.
#[derive(Debug)]
pub(crate) struct OldWords {
    words: NonNull<u64>,
    capacity: usize,
}

// SAFETY: they own their allocation, and nothing is done with them but to free it.
unsafe impl Send for OldWords {}

impl Drop for OldWords {
    fn drop(&mut self) {
        // SAFETY: the words were allocated with this layout, and are owned.
        unsafe { dealloc(self.words.as_ptr().cast(), layout_of(self.capacity)) };
    }
}

impl<I: Item> Segment<I> {
    /// The same segment once more, for a reader: it owns nothing. This one is marked as lent.
    ///
    /// What it is good for ends when words or items of this segment are freed or changed: the caller sees to it that neither happens.
    pub(crate) fn lend(&mut self) -> ManuallyDrop<Segment<I>> {
        self.is_lent = true;
        // SAFETY: the copy is never dropped, so nothing is freed twice.
        ManuallyDrop::new(unsafe { std::ptr::read(self) })
    }

    /// Gets words of its own, if the present ones are lent; those it had before, which the reader still has.
    pub(crate) fn own(&mut self) -> Option<OldWords> {
        if !std::mem::take(&mut self.is_lent) || self.capacity == 0 {
            return None;
        }
        let capacity = usize::from(self.capacity);
        let layout = layout_of(capacity);
        // SAFETY: the layout has a size.
        let fresh = unsafe { alloc(layout) };
        let fresh = NonNull::new(fresh.cast::<u64>()).unwrap_or_else(|| handle_alloc_error(layout));
        // SAFETY: both have so many words, and are different allocations.
        unsafe { std::ptr::copy_nonoverlapping(self.first(), fresh.as_ptr(), capacity) };
        let words = NonNull::new(self.first()).expect("words have an address");
        self.before = fresh.as_ptr().wrapping_sub(1);
        Some(OldWords { words, capacity })
    }
}
