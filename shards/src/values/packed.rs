//! An allocation without a length of its own: what packed items are made of.
#![expect(unsafe_code, reason = "raw memory whose layout only its owner knows")]
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Bytes at a multiple of 8, by a thin pointer. Whoever owns it can tell from what stands in it how long it is, and frees
/// it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed(NonNull<u8>);

impl Packed {
    /// An allocation that holds these parts, one after another; they are not all empty.
    #[inline]
    pub(super) fn build(parts: &[&[u8]]) -> Packed {
        let total = parts.iter().map(|part| part.len()).sum();
        let layout = layout_of(total);
        assert!(total > 0, "an allocation has a size");
        // SAFETY: the layout has a size.
        let pointer = unsafe { alloc(layout) };
        let packed = Packed(NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout)));
        let mut at = 0;
        for part in parts {
            // SAFETY: the parts' lengths sum up to the allocation's.
            unsafe { packed.put(at, part) };
            at += part.len();
        }
        packed
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// It was built of parts of this total, and nobody uses it or a copy of it afterwards.
    #[inline]
    pub(super) unsafe fn free(self, total: usize) {
        // SAFETY: the layout follows from the total alone, and the caller says that it is the same.
        unsafe { dealloc(self.0.as_ptr(), layout_of(total)) };
    }

    /// Where it stands, a multiple of 8.
    #[inline]
    pub(super) fn address(self) -> u64 {
        self.0.as_ptr() as u64
    }
    /// What stands at an address that [`Packed::address`] gave.
    #[inline]
    pub(super) fn at(address: u64) -> Packed {
        Packed(NonNull::new(address as *mut u8).expect("an occupied word has an address"))
    }

    /// A slice of it.
    ///
    /// # Safety
    /// It lies within the parts it was built of, and nobody frees or changes it during `'a`.
    #[inline]
    pub(super) unsafe fn get<'a>(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: the caller's promise.
        let start = unsafe { self.0.as_ptr().add(at) };
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// Bytes of it, copied.
    ///
    /// # Safety
    /// They lie within the parts it was built of.
    #[inline]
    pub(super) unsafe fn array<const N: usize>(self, at: usize) -> [u8; N] {
        // SAFETY: the caller's promise.
        let start = unsafe { self.0.as_ptr().add(at) };
        // SAFETY: the caller's promise; no alignment is needed.
        unsafe { start.cast::<[u8; N]>().read_unaligned() }
    }

    /// Overwrites a slice of it.
    ///
    /// # Safety
    /// It lies within the parts it was built of, and no reference to that slice is alive.
    #[inline]
    pub(super) unsafe fn put(self, at: usize, bytes: &[u8]) {
        // SAFETY: the caller's promise.
        let start = unsafe { self.0.as_ptr().add(at) };
        // SAFETY: the caller's promise; what is written comes from elsewhere, for a reference to it is alive.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    }
}

/// Bytes that the allocator keeps for a total of parts.
#[inline]
pub(super) fn memory_bytes(total: usize) -> usize {
    crate::memory::allocation_bytes(total)
}

#[inline]
fn layout_of(total: usize) -> Layout {
    // Tables keep three low bits of the address for themselves.
    Layout::from_size_align(total.next_multiple_of(8), 8)
        .expect("an item is far smaller than the address space")
}
