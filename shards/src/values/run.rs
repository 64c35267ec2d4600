//! The allocation of a run of bytes that tell their own length: alone in it, or behind what an entry has before them.
//!
//! Small collections stand at the end of their entry, so that header, key and elements are one allocation. To let a
//! listpack grow there as anywhere else, a run knows how many bytes of its allocation are before it (its *lead*): they move
//! along when it moves and go when it goes. An address has 48 bits, and the 16 above them (the *tag*) keep the lead, for a
//! node of a list has no more than 8 bytes to spare for a listpack.
//!
//! An allocation is as large as the size class that its bytes need, unless the tag says that it has *room* for more: that
//! of a node at the end of a long list or stream, of which it is known how large it will become.
#![expect(unsafe_code, reason = "raw memory whose length only its owner knows")]
use crate::memory::{allocation_bytes, layout_of};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::NonNull;

const TAG_SHIFT: u32 = 48;
const ADDRESS: usize = (1 << TAG_SHIFT) - 1;
/// Tags from here on are no leads: they tell in units how large the allocation is, whatever stands in it.
const ROOMY: usize = 0xff00;
const ROOM_UNIT: usize = 256;

/// Where a run of bytes stands, and what is before it. Whoever has it owns the allocation and frees it.
#[derive(Debug)]
pub struct Run(NonNull<u8>);

impl Run {
    /// The longest lead.
    pub(crate) const LEAD_MAX: usize = ROOMY - 1;

    /// An allocation for `total` bytes and nothing before them. They are not initialized.
    #[inline]
    pub(super) fn alone(total: usize) -> Run {
        let layout = layout_of(total);
        assert!(total > 0, "an allocation has a size");
        // SAFETY: the layout has a size.
        let pointer = unsafe { alloc(layout) };
        Run(NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout)))
    }

    /// An allocation that may hold `room` bytes before it moves, as far as a tag can tell of it; else one for `total` bytes.
    #[inline]
    pub(super) fn roomy(total: usize, room: usize) -> Run {
        let units = allocation_bytes(room) / ROOM_UNIT;
        let is_told =
            allocation_bytes(room).is_multiple_of(ROOM_UNIT) && ROOMY + units <= usize::from(u16::MAX);
        if is_told && allocation_bytes(room) > allocation_bytes(total) {
            Run::tagged(Run::alone(room).0, ROOMY + units)
        } else {
            Run::alone(total)
        }
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
        let at = NonNull::new(start.as_ptr().wrapping_add(lead)).expect("an allocation has an address");
        Run::tagged(at, lead)
    }

    #[inline]
    fn tagged(at: NonNull<u8>, tag: usize) -> Run {
        Run(at.map_addr(|address| address | tag << TAG_SHIFT))
    }

    #[inline]
    fn tag(&self) -> usize {
        self.0.addr().get() >> TAG_SHIFT
    }

    /// Where the bytes begin.
    #[inline]
    pub(super) fn at(&self) -> *mut u8 {
        self.0.as_ptr().map_addr(|address| address & ADDRESS)
    }

    /// How many bytes of the allocation are before them.
    #[inline]
    pub(crate) fn lead(&self) -> usize {
        let tag = self.tag();
        if tag < ROOMY { tag } else { 0 }
    }

    /// Whether it is an allocation of its own, as large as its bytes need.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.tag() == 0
    }

    /// For how many bytes there is room, if that was told at its making.
    #[inline]
    fn room(&self) -> Option<usize> {
        self.tag().checked_sub(ROOMY).map(|units| units * ROOM_UNIT)
    }

    /// What it was allocated with, where it is `total` bytes long.
    #[inline]
    fn layout(&self, total: usize) -> Layout {
        layout_of(self.room().unwrap_or_else(|| self.lead() + total))
    }

    /// Where the allocation begins.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        NonNull::new(self.at().wrapping_sub(self.lead())).expect("an allocation has an address")
    }

    /// What the allocator keeps for it and its lead, where it is `total` bytes long.
    #[inline]
    pub(super) fn memory_bytes(&self, total: usize) -> usize {
        self.room().unwrap_or_else(|| allocation_bytes(self.lead() + total))
    }

    /// Has the allocator make room for `new_total` bytes where there was room for `total`: the lead, and the bytes that both
    /// have room for, move along.
    ///
    /// # Safety
    /// It is as long as `total` says, and `new_total` is not 0.
    #[inline]
    pub(super) unsafe fn resize(&mut self, total: usize, new_total: usize) {
        // What shrinks to half of its room is not going to need it.
        let stays = |room: usize| new_total <= room && (new_total > room / 2 || new_total > total);
        if !self.room().is_some_and(stays) {
            // SAFETY: the caller's promise.
            unsafe { self.fit(total, new_total) };
        }
    }

    /// The same, with no room for more than the allocator keeps for `new_total` bytes.
    ///
    /// # Safety
    /// As for [`Run::resize`].
    #[inline]
    pub(super) unsafe fn fit(&mut self, total: usize, new_total: usize) {
        let lead = self.lead();
        let (from, to) = (self.layout(total), layout_of(lead + new_total));
        if from == to && self.room().is_none() {
            return;
        }
        let mut start = self.start();
        if from != to {
            // SAFETY: the allocation was made with the layout of the same length, and the new size is not zero.
            let moved = unsafe { realloc(start.as_ptr(), from, to.size()) };
            start = NonNull::new(moved).unwrap_or_else(|| handle_alloc_error(to));
        }
        *self = Run::behind(start, lead);
    }

    /// Gives the memory back, the lead's too.
    ///
    /// # Safety
    /// It is as long as `total` says, and nobody uses it afterwards.
    #[inline]
    pub(super) unsafe fn free(&mut self, total: usize) {
        // SAFETY: the allocation was made with this layout.
        unsafe { dealloc(self.start().as_ptr(), self.layout(total)) };
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
        debug_assert!(self.is_plain(), "what has a lead or room to spare is no word of its own");
        self.at() as u64
    }
}

/// Gives a thin pointer around a run its ways into words and entries, and out of them.
macro_rules! in_and_out {
    ($Packed:ident) => {
        impl $Packed {
            /// Gives the address away, whose three low bits are clear; it lives on in that. One with something before it, or
            /// with room to spare, moves to an allocation of its own first.
            #[inline]
            #[must_use]
            pub fn into_address(self) -> u64 {
                let alone = if self.0.is_plain() { self } else { $Packed::copy_of(self.as_bytes()) };
                alone.into_run().into_address()
            }
            /// What stands at an address that `into_address` gave.
            ///
            /// # Safety
            /// Nobody else has turned the address back: it owns what it points to.
            #[inline]
            #[must_use]
            pub unsafe fn from_address(address: u64) -> $Packed {
                $Packed(Run::at_address(address))
            }
            /// Where it stands; it lives on in that.
            #[inline]
            pub(super) fn into_run(self) -> Run {
                // SAFETY: the one in here is forgotten at once.
                let run = unsafe { self.0.alias() };
                #[expect(clippy::mem_forget, reason = "ownership moves into the run, until from_run")]
                std::mem::forget(self);
                run
            }
            /// What stands at a run.
            ///
            /// # Safety
            /// One of these stands there, and nobody else owns it.
            #[inline]
            pub(super) unsafe fn from_run(run: Run) -> $Packed {
                $Packed(run)
            }
            /// All of it, as an entry may have it in line with this form.
            #[inline]
            pub(super) fn as_line(&self, form: u8) -> Line<'_> {
                Line { form, bytes: self.as_bytes(), lead: self.0.lead() }
            }
        }
    };
}
pub(super) use in_and_out;
