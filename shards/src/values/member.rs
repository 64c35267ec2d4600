//! A member of a big set, and with a prefix (its score) of a big sorted set: one packed allocation.
//!
//! ```text
//! PREFIX bytes  what the kind keeps with the member
//! 1 byte        length of the member; 255: it is in the 4 bytes that follow
//! then          the member
//! ```
//!
//! A member of up to 15 bytes takes 16 without a prefix.
#![expect(unsafe_code, reason = "the packed layout is read and written; nothing raw leaves this file")]
use super::packed::{Packed, memory_bytes};
use crate::keyspace::item::Item;
use std::marker::PhantomData;

/// A length byte that says that four more tell the length.
const LONG: u8 = u8::MAX;

/// A member, owned.
pub struct Member<const PREFIX: usize>(Packed);

/// A look at a member that a table (or a [`Member`]) owns.
#[derive(Clone, Copy)]
pub struct MemberRef<'a, const PREFIX: usize> {
    packed: Packed,
    life: PhantomData<&'a Member<PREFIX>>,
}

// SAFETY: a member owns its allocation as a box does, and holds nothing tied to a thread.
unsafe impl<const PREFIX: usize> Send for Member<PREFIX> {}

impl<const PREFIX: usize> Member<PREFIX> {
    /// Packs a member.
    #[must_use]
    pub fn new(prefix: [u8; PREFIX], bytes: &[u8]) -> Member<PREFIX> {
        let long = (bytes.len() as u32).to_le_bytes();
        Member(match u8::try_from(bytes.len()) {
            Ok(len) if len != LONG => Packed::build(&[&prefix, &[len], bytes]),
            _ => Packed::build(&[&prefix, &[LONG], &long, bytes]),
        })
    }

    /// A look at it.
    #[inline]
    #[must_use]
    pub fn view(&self) -> MemberRef<'_, PREFIX> {
        MemberRef { packed: self.0, life: PhantomData }
    }

    /// Overwrites the prefix.
    pub fn set_prefix(&mut self, prefix: [u8; PREFIX]) {
        // SAFETY: the prefix is where every member begins, and references to the prefix are never given out.
        unsafe { self.0.put(0, &prefix) };
    }
}

impl<'a, const PREFIX: usize> MemberRef<'a, PREFIX> {
    /// What stands before the member.
    #[inline]
    #[must_use]
    pub fn prefix(self) -> [u8; PREFIX] {
        // SAFETY: the prefix is where every member begins.
        unsafe { self.packed.array(0) }
    }

    /// The member.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        let (at, len) = self.place();
        // SAFETY: the header tells where the member lies; it lives and is not changed during 'a.
        unsafe { self.packed.get(at, len) }
    }

    #[inline]
    fn place(self) -> (usize, usize) {
        // SAFETY: a length follows the prefix of every member.
        let [len] = unsafe { self.packed.array(PREFIX) };
        if len != LONG {
            return (PREFIX + 1, usize::from(len));
        }
        // SAFETY: this length says that four bytes follow it.
        let len = unsafe { self.packed.array(PREFIX + 1) };
        (PREFIX + 5, u32::from_le_bytes(len) as usize)
    }

    fn total(self) -> usize {
        let (at, len) = self.place();
        at + len
    }
}

impl<const PREFIX: usize> Clone for Member<PREFIX> {
    fn clone(&self) -> Member<PREFIX> {
        Member::new(self.view().prefix(), self.view().bytes())
    }
}

impl<const PREFIX: usize> Drop for Member<PREFIX> {
    fn drop(&mut self) {
        let total = self.view().total();
        // SAFETY: the member owns the allocation, was built of this total and ends here.
        unsafe { self.0.free(total) };
    }
}

impl<const PREFIX: usize> std::fmt::Debug for Member<PREFIX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl<const PREFIX: usize> std::fmt::Debug for MemberRef<'_, PREFIX> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Member").field(&self.prefix()).field(&self.bytes().escape_ascii().to_string()).finish()
    }
}

// SAFETY: a member is allocated at multiples of 8 and owned through its address.
unsafe impl<const PREFIX: usize> Item for Member<PREFIX> {
    type Ref<'a> = MemberRef<'a, PREFIX>;

    #[inline]
    fn into_address(self) -> u64 {
        std::mem::ManuallyDrop::new(self).0.address()
    }
    #[inline]
    unsafe fn from_address(address: u64) -> Member<PREFIX> {
        Member(Packed::at(address))
    }
    #[inline]
    unsafe fn view_at<'a>(address: u64) -> MemberRef<'a, PREFIX> {
        MemberRef { packed: Packed::at(address), life: PhantomData }
    }
    #[inline]
    fn look(&self) -> MemberRef<'_, PREFIX> {
        self.view()
    }
    #[inline]
    fn bytes<'a>(view: Self::Ref<'a>) -> &'a [u8] {
        view.bytes()
    }
    #[inline]
    fn is_volatile(_: Self::Ref<'_>) -> bool {
        false
    }
    fn memory_bytes(view: Self::Ref<'_>) -> usize {
        memory_bytes(view.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_members_take_sixteen_bytes() {
        assert_eq!(Member::<0>::memory_bytes(Member::new([], &[b'm'; 15]).view()), 16);
        assert_eq!(Member::<8>::memory_bytes(Member::new([0; 8], &[b'm'; 15]).view()), 24);
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(bytes in proptest::collection::vec(any::<u8>(), 0..600), prefix in any::<[u8; 8]>()) {
            let mut member = Member::new([9; 8], &bytes);
            member.set_prefix(prefix);
            let member = member.clone();
            prop_assert_eq!((member.view().prefix(), member.view().bytes()), (prefix, &bytes[..]));
            let bare = Member::new([], &bytes);
            prop_assert_eq!(bare.view().bytes(), &bytes[..]);
        }
    }
}
