//! The allocator: jemalloc with size classes every 8 bytes, and what it says of memory.
#![expect(unsafe_code, reason = "an allocator is unsafe by contract, and jemalloc is C")]
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{CStr, c_char, c_int, c_void};
use tikv_jemalloc_sys as jemalloc;

/// jemalloc as the process's allocator.
///
/// It is built with a quantum of 8 (`.cargo/config.toml`): the entry of a 16-byte key with an integer takes 24 bytes and not 32. So
/// memory is aligned to 8 unless more is asked for, which this does wherever the layout wants more.
#[derive(Debug, Clone, Copy)]
pub struct Jemalloc;

/// What jemalloc reads at its start (it declares a C string; the first word of this is its address). Its own thread gives
/// pages that have been free for a second back to the system: an idle server calls the allocator too rarely to do so.
///
/// Each slab has a header of 128 bytes elsewhere, so sizes that are powers of 2, which would have slabs of one page, get
/// longer ones: that is 0.25 bytes for an allocation of 16 and not 0.5, 1 for one of 128 and not 4. 8192 is what a list's nodes
/// have. Other large sizes keep theirs: tables grow through them, and what they leave behind would be in pieces. A thread keeps fewer of these at hand (8, not 20).
// SAFETY: the name is jemalloc's own for this purpose, and the text ends with a zero.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_nslots_small_min:8,\
    slab_sizes:16-16:2|32-32:4|64-64:4|128-128:4|256-256:4|512-512:4|1024-1024:4|2048-2048:4|8192-8192:4\0";

/// What alignment every allocation has.
const QUANTUM: usize = 8;

#[inline]
fn flags(layout: Layout) -> c_int {
    if layout.align() <= QUANTUM { 0 } else { layout.align().trailing_zeros() as c_int }
}

// SAFETY: jemalloc gives memory of the size and, through the flags, of the alignment asked for, to one owner at a time.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller asks for a size above 0.
        unsafe { jemalloc::mallocx(layout.size(), flags(layout)).cast() }
    }
    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller asks for a size above 0.
        unsafe { jemalloc::mallocx(layout.size(), flags(layout) | jemalloc::MALLOCX_ZERO).cast() }
    }
    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from here with the same layout, so with the same size and flags.
        unsafe { jemalloc::sdallocx(pointer.cast(), layout.size(), flags(layout)) };
    }
    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the pointer came from here with this alignment; the caller asks for a size above 0.
        unsafe { jemalloc::rallocx(pointer.cast(), size, flags(layout)).cast() }
    }
}

/// What jemalloc says of the process's memory, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// What the process has asked for and not given back.
    pub allocated: usize,
    /// Pages that hold such memory.
    pub active: usize,
    /// Pages that are resident, the allocator's own included.
    pub resident: usize,
}

/// Asks jemalloc.
#[must_use]
pub fn usage() -> Usage {
    let mut epoch: u64 = 1;
    control(c"epoch", &mut epoch, true);
    let read = |name: &CStr| {
        let mut value: usize = 0;
        control(name, &mut value, false);
        value
    };
    Usage {
        allocated: read(c"stats.allocated"),
        active: read(c"stats.active"),
        resident: read(c"stats.resident"),
    }
}

/// Gives pages that are free back to the system (MEMORY PURGE).
pub fn purge() {
    // 4096 stands for all arenas (MALLCTL_ARENAS_ALL).
    // SAFETY: the name is a string with an end; nothing is read or written.
    unsafe {
        jemalloc::mallctl(
            c"arena.4096.purge".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        );
    }
}

/// What jemalloc says of itself at length (MEMORY MALLOC-STATS).
#[must_use]
pub fn describe() -> String {
    unsafe extern "C" fn append(text: *mut c_void, piece: *const c_char) {
        // SAFETY: jemalloc passes on the pointer that it was given below, and nobody else holds it meanwhile.
        let text = unsafe { &mut *text.cast::<String>() };
        // SAFETY: jemalloc's pieces are strings with an end.
        let piece = unsafe { CStr::from_ptr(piece) };
        text.push_str(&piece.to_string_lossy());
    }
    let mut text = String::new();
    // SAFETY: the text outlives the call, and no options is a null pointer.
    unsafe { jemalloc::malloc_stats_print(Some(append), (&raw mut text).cast(), std::ptr::null()) };
    text
}

/// Reads a value of jemalloc's, or writes and reads it.
fn control<T>(name: &CStr, value: &mut T, write: bool) {
    let mut len = size_of::<T>();
    let place: *mut c_void = std::ptr::from_mut(value).cast();
    let (new, new_len) = if write { (place, len) } else { (std::ptr::null_mut(), 0) };
    // SAFETY: the name has an end, and the place is as long as is said; jemalloc checks the length against its own type.
    unsafe { jemalloc::mallctl(name.as_ptr(), place, &mut len, new, new_len) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_is_counted() {
        let layout = Layout::from_size_align(8 << 20, 8).unwrap();
        // SAFETY: the size is above 0, and the memory goes back with the same layout.
        let pointer = unsafe { Jemalloc.alloc(layout) };
        let with = usage();
        assert!(with.allocated >= 8 << 20, "{with:?}");
        // SAFETY: it came from there with this layout.
        unsafe { Jemalloc.dealloc(pointer, layout) };
        assert!(usage().allocated < with.allocated);
    }

    #[test]
    fn memory_is_aligned_as_asked() {
        for align in [1, 8, 16, 32, 64, 4096] {
            for size in [1, 8, 24, 40, 52, 72, 4000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the size is above 0.
                let pointer = unsafe { Jemalloc.alloc(layout) };
                assert_eq!(pointer as usize % align, 0);
                // SAFETY: one byte at least is there.
                unsafe { pointer.write(7) };
                // SAFETY: the pointer came with this layout, and the new size is above 0.
                let pointer = unsafe { Jemalloc.realloc(pointer, layout, size * 3) };
                assert_eq!(pointer as usize % align, 0);
                // SAFETY: it was written above, and moved with the rest.
                assert_eq!(unsafe { pointer.read() }, 7);
                // SAFETY: the pointer came with this size and alignment.
                unsafe { Jemalloc.dealloc(pointer, Layout::from_size_align(size * 3, align).unwrap()) };
            }
        }
    }
}
