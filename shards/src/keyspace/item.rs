//! What a segment can hold: something packed in one allocation that is found by its bytes.
#![expect(unsafe_code, reason = "an item's address stands in a table's word, which owns the item through it")]
use super::entry::{Entry, EntryRef};

/// Something packed in one allocation that a table finds by its bytes: a key with its value, a set's member, a hash's field.
///
/// # Safety
/// The address must be a multiple of 8, below 2^48 and not 0, and stay the item's own until [`Item::from_address`] takes
/// it back; `bytes` and `is_volatile` must depend on nothing but the item.
pub unsafe trait Item: Sized {
    /// A look at an item that a table owns.
    type Ref<'a>: Copy;

    /// The address, for the table's word. The item lives on in it.
    fn into_address(self) -> u64;
    /// The item at an address that [`Item::into_address`] gave and that nobody else has turned back.
    ///
    /// # Safety
    /// As the name says: it owns what the address points to.
    unsafe fn from_address(address: u64) -> Self;
    /// Looks at the item at an address that [`Item::into_address`] gave.
    ///
    /// # Safety
    /// The item lives, and nobody else changes it, during `'a`.
    unsafe fn view_at<'a>(address: u64) -> Self::Ref<'a>;
    /// A look at it.
    fn look(&self) -> Self::Ref<'_>;

    /// The bytes by which it is found.
    fn bytes<'a>(view: Self::Ref<'a>) -> &'a [u8];
    /// Whether it is found by these bytes.
    #[inline]
    fn has_bytes(view: Self::Ref<'_>, bytes: &[u8]) -> bool {
        are_same(Self::bytes(view), bytes)
    }
    /// Whether it expires.
    fn is_volatile(view: Self::Ref<'_>) -> bool;
    /// Bytes that the allocator keeps for it.
    fn memory_bytes(view: Self::Ref<'_>) -> usize;
}

/// Whether two keys are the same. Most are short: two words are compared faster than the C library is called.
#[inline]
pub(crate) fn are_same(own: &[u8], other: &[u8]) -> bool {
    if own.len() != other.len() {
        return false;
    }
    match (own.first_chunk::<8>(), own.last_chunk::<8>(), other.first_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(own_first), Some(own_last), Some(first), Some(last)) if other.len() <= 16 => {
            own_first == first && own_last == last
        }
        _ => own == other,
    }
}

// SAFETY: an entry is allocated at multiples of 8 and owned through its address; key and expiry are its own.
unsafe impl Item for Entry {
    type Ref<'a> = EntryRef<'a>;

    #[inline]
    fn into_address(self) -> u64 {
        Entry::into_address(self)
    }
    #[inline]
    unsafe fn from_address(address: u64) -> Entry {
        // SAFETY: the caller's promise is the same.
        unsafe { Entry::from_address(address) }
    }
    #[inline]
    unsafe fn view_at<'a>(address: u64) -> EntryRef<'a> {
        // SAFETY: the caller's promise is the same.
        unsafe { EntryRef::from_address(address) }
    }
    #[inline]
    fn look(&self) -> EntryRef<'_> {
        self.view()
    }
    #[inline]
    fn bytes<'a>(view: Self::Ref<'a>) -> &'a [u8] {
        view.key()
    }
    #[inline]
    fn has_bytes(view: EntryRef<'_>, bytes: &[u8]) -> bool {
        view.has_key(bytes)
    }
    #[inline]
    fn is_volatile(view: EntryRef<'_>) -> bool {
        view.expires_at_ms().is_some()
    }
    fn memory_bytes(view: EntryRef<'_>) -> usize {
        view.memory_bytes()
    }
}
