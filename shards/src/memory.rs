//! What the allocator makes of a request, as arithmetic, and a hint to the processor's caches.
#![expect(unsafe_code, reason = "a prefetch is an intrinsic")]
use std::alloc::Layout;

/// The bytes that the allocator (jemalloc with size classes every 8 bytes up to 64, then four a doubling) keeps for a
/// request of `bytes`.
#[inline]
#[must_use]
pub const fn allocation_bytes(bytes: usize) -> usize {
    if bytes <= 64 {
        return bytes.next_multiple_of(8);
    }
    let step = 1 << ((bytes - 1).ilog2() - 2);
    bytes.next_multiple_of(step)
}

/// The whole of what the allocator keeps for `bytes`, for something that stands on multiples of 8: what has this layout can
/// grow up to the end of its size class where it is.
#[inline]
#[must_use]
pub fn layout_of(bytes: usize) -> Layout {
    Layout::from_size_align(allocation_bytes(bytes), 8).expect("it is far smaller than the address space")
}

/// Asks the processor to bring the cache line at `address` near. Any address will do; nothing is read.
#[inline]
pub fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch(address.cast(), _MM_HINT_T0) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

#[cfg(test)]
mod tests {
    #[test]
    fn size_classes_are_those_of_the_allocator() {
        for (request, class) in [
            (1, 8),
            (24, 24),
            (64, 64),
            (65, 80),
            (80, 80),
            (81, 96),
            (128, 128),
            (129, 160),
            (1024, 1024),
            (1025, 1280),
        ] {
            assert_eq!(super::allocation_bytes(request), class);
        }
    }
}
