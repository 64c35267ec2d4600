//! What strangers send as values must not cost memory that they have not sent: RESTORE is open to every client.
#![expect(unsafe_code, reason = "an allocator that counts is one")]
use proptest::prelude::*;
use shards::rdb::decode;
use shards::settings::Settings;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and how much it has given out.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator; only numbers are kept.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A packed byte may stand for 264, of which an element may take two, which may take an allocation and a word.
const BYTES_A_BYTE_MAX: usize = 264 * 64;
/// What an empty table may take.
const BYTES_FIXED_MAX: usize = 64 << 10;

/// Bytes with here and there a length, a packed string or a number of elements that nobody would send in earnest.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        any::<u32>().prop_map(|len| [&[0x80][..], &len.to_be_bytes()].concat()),
        any::<u64>().prop_map(|len| [&[0x81][..], &len.to_be_bytes()].concat()),
        (any::<u32>(), 0u8..9).prop_map(|(len, packed)| {
            [&[0xc3, packed, 0x80][..], &len.to_be_bytes(), &[0xe0; 9][..usize::from(packed)]].concat()
        }),
        (any::<u32>(), any::<u16>()).prop_map(|(total, count)| {
            [&[12][..], &total.to_le_bytes(), &count.to_le_bytes(), b"\x81a\x02\x01\x01\xff"].concat()
        }),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn memory_is_given_for_bytes_and_not_for_promises(kind in 0u8..30, version in 1u16..13, payload in payload()) {
        let settings = Settings::default();
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        drop(decode(kind, version, &payload, &settings));
        let taken = PEAK.load(Relaxed) - before;
        let given = BYTES_FIXED_MAX + payload.len() * BYTES_A_BYTE_MAX;
        prop_assert!(taken <= given, "{taken} bytes for {} of type {kind}", payload.len());
    }
}
