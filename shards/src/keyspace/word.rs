//! A word of a segment: an item's address, its mark above, whether it expires below.
#![expect(unsafe_code, reason = "a word holds the address of an item that its segment owns")]
use super::item::Item;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;

/// The mark is above this bit.
pub(super) const MARK_SHIFT: u32 = 48;
/// The bits of the address.
pub(super) const ADDRESS: u64 = 0x0000_ffff_ffff_fff8;
/// The item expires.
pub(super) const VOLATILE: u64 = 1;

/// A word with its item, to be changed.
#[derive(Debug)]
pub(crate) struct WordMut<'a, I: Item> {
    word: &'a mut u64,
    volatile: &'a mut u16,
    item: PhantomData<I>,
}

impl<'a, I: Item> WordMut<'a, I> {
    /// A word, and how many of its segment expire.
    ///
    /// # Safety
    /// The word is occupied by an item of this kind, which the segment owns.
    #[inline]
    pub(super) unsafe fn new(word: &'a mut u64, volatile: &'a mut u16) -> WordMut<'a, I> {
        WordMut { word, volatile, item: PhantomData }
    }

    /// The item.
    #[inline]
    pub(crate) fn item(&self) -> I::Ref<'_> {
        item_at::<I>(self.word)
    }

    /// Exchanges the item for what `change` makes of it, for one with the same bytes.
    pub(crate) fn replace(&mut self, change: impl FnOnce(I) -> I) {
        // SAFETY: nobody sees the word while its item is out: it is borrowed mutably, and a panic ends the process.
        let item = change(unsafe { I::from_address(*self.word & ADDRESS) });
        let was = *self.word & VOLATILE;
        *self.word = word_of((*self.word >> MARK_SHIFT) as u16, item);
        *self.volatile = (*self.volatile + (*self.word & VOLATILE) as u16) - was as u16;
    }

    /// Changes the item; it may move, but whether it expires stays as it is.
    #[inline]
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut I) -> T) -> T {
        // SAFETY: the word holds a live item and is borrowed mutably; what has become of it is given back to the word below,
        // and a panic ends the process.
        let mut item = ManuallyDrop::new(unsafe { I::from_address(*self.word & ADDRESS) });
        let result = change(&mut item);
        let address = ManuallyDrop::into_inner(item).into_address();
        debug_assert_eq!(
            address & !ADDRESS,
            0,
            "user space ends below 2^48, and items stand on multiples of 8"
        );
        *self.word = *self.word & !ADDRESS | address;
        result
    }
}

/// The word of an item.
#[inline]
pub(super) fn word_of<I: Item>(mark: u16, item: I) -> u64 {
    let volatile = if I::is_volatile(item.look()) { VOLATILE } else { 0 };
    let address = item.into_address();
    debug_assert_eq!(address & !ADDRESS, 0, "user space ends below 2^48, and items stand on multiples of 8");
    u64::from(mark) << MARK_SHIFT | address | volatile
}

/// The mark of a word.
#[inline]
pub(super) fn mark_of_word(word: u64) -> u16 {
    (word >> MARK_SHIFT) as u16
}

/// Which words of a group have a mark, a bit each, and whether one is empty. Without a branch for each word: where the one
/// sought stands nobody can foretell, a processor neither.
#[inline]
pub(super) fn seek(words: &[u64], mark: u16) -> (u32, bool) {
    let (mut marked, mut empty) = (0, 0);
    for (index, word) in words.iter().enumerate() {
        marked |= u32::from((word >> MARK_SHIFT) as u16 == mark) << index;
        empty |= u32::from(*word == 0) << index;
    }
    (marked & !empty, empty != 0)
}

/// Brings the item of a word near.
#[inline]
pub(super) fn prefetch(word: &u64) {
    crate::memory::prefetch((word & ADDRESS) as *const u8);
}

/// The item of an occupied word.
#[inline]
pub(super) fn item_at<I: Item>(word: &u64) -> I::Ref<'_> {
    // SAFETY: callers pass occupied words of a segment that is borrowed as long as the word is; its items live in it.
    unsafe { I::view_at(word & ADDRESS) }
}
