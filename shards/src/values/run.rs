//! The allocation of a run of bytes that tell their own length: alone in it, or behind what an entry has before them.
//!
//! Small collections stand at the end of their entry, so that header, key and elements are one allocation. To let a
//! listpack grow there as anywhere else, a run knows how many bytes of its allocation are before it (its *lead*): they move
//! along when it moves and go when it goes. An address has 48 bits, and the 16 above them keep the lead, for a node of
//! a list has no more than 8 bytes to spare for a listpack.
#![expect(unsafe_code, reason = "raw memory whose length only its owner knows")]
use crate::memory::{allocation_bytes, layout_of};
use std::alloc::{alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

const LEAD_SHIFT: u32 = 48;
const ADDRESS: usize = (1 << LEAD_SHIFT) - 1;

/// Where a run of bytes stands, and what is before it. Whoever has it owns the allocation and frees it.
#[derive(Debug)]
pub struct Run(NonNull<u8>);

impl Run {
    /// The longest lead.
    pub(crate) const LEAD_MAX: usize = u16::MAX as usize;

    /// An allocation for `total` bytes and nothing before them. They are not initialized.
    #[inline]
    pub(super) fn alone(total: usize) -> Run {
        let layout = layout_of(total);
        assert!(total > 0, "an allocation has a size");
        // SAFETY: the layout has a size.
        let pointer = unsafe { alloc(layout) };
        Run(NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout)))
    }

    /// The bytes at an address of their own, which [`Run::into_address`] of one without a lead gave.
    #[inline]
    pub(super) fn at_address(address: u64) -> Run {
        Run(NonNull::new(address as *mut u8).expect("a run has an address"))
    }

    /// The bytes behind the first `lead` ones of an allocation, which is as large as [`layout_of`] makes it for all of them.
    #[inline]
    pub(crate) fn behind(start: NonNull<u8>, lead: usize) -> Run {
        debug_assert!(lead <= Run::LEAD_MAX, "a longer lead has its run elsewhere");
        let at = start.as_ptr().wrapping_add(lead).map_addr(|address| address | lead << LEAD_SHIFT);
        Run(NonNull::new(at).expect("an allocation has an address"))
    }

    /// Where the bytes begin.
    #[inline]
    pub(super) fn at(&self) -> *mut u8 {
        self.0.as_ptr().map_addr(|address| address & ADDRESS)
    }

    /// How many bytes of the allocation are before them.
    #[inline]
    pub(crate) fn lead(&self) -> usize {
        self.0.as_ptr().addr() >> LEAD_SHIFT
    }

    /// Where the allocation begins.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        NonNull::new(self.at().wrapping_sub(self.lead())).expect("an allocation has an address")
    }

    /// What the allocator keeps for it and its lead, where it is `total` bytes long.
    #[inline]
    pub(super) fn memory_bytes(&self, total: usize) -> usize {
        allocation_bytes(self.lead() + total)
    }

    /// Has the allocator make room for `new_total` bytes where there was room for `total`: the lead, and the bytes that both
    /// have room for, move along.
    ///
    /// # Safety
    /// It is as long as `total` says, and `new_total` is not 0.
    #[inline]
    pub(super) unsafe fn resize(&mut self, total: usize, new_total: usize) {
        let lead = self.lead();
        let (from, to) = (layout_of(lead + total), layout_of(lead + new_total));
        if from != to {
            // SAFETY: the allocation was made with the layout of the same length, and the new size is not zero.
            let start = unsafe { realloc(self.start().as_ptr(), from, to.size()) };
            *self = Run::behind(NonNull::new(start).unwrap_or_else(|| handle_alloc_error(to)), lead);
        }
    }

    /// Gives the memory back, the lead's too.
    ///
    /// # Safety
    /// It is as long as `total` says, and nobody uses it afterwards.
    #[inline]
    pub(super) unsafe fn free(&mut self, total: usize) {
        // SAFETY: the allocation was made with this layout.
        unsafe { dealloc(self.start().as_ptr(), layout_of(self.lead() + total)) };
    }

    /// The same run in other hands.
    ///
    /// # Safety
    /// Only one of the two is used from now on.
    #[inline]
    pub(super) unsafe fn alias(&self) -> Run {
        Run(self.0)
    }

    /// The address, whose three low bits are clear; there is no lead.
    #[inline]
    pub(super) fn into_address(self) -> u64 {
        debug_assert_eq!(self.lead(), 0, "what has a lead is no word of its own");
        self.at() as u64
    }
}
