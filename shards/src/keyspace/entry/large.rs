//! Large strings: vectors behind an entry, which are lent to whoever writes a snapshot and copied only if they are changed meanwhile.
#![expect(unsafe_code, reason = "the entry holds the address of a counted vector, and its share of it")]
use super::{Entry, EntryRef, HEAP, Shape};
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// Bytes that a vector takes beside its bytes: itself, and the counts of who has it.
pub(super) const VECTOR_BYTES: usize = size_of::<Vec<u8>>() + 2 * size_of::<usize>();

impl<'a> EntryRef<'a> {
    pub(super) fn heap(self, shape: Shape) -> &'a Vec<u8> {
        // SAFETY: the entry has a share of the vector as long as this look lasts, and whoever changes it borrows the entry mutably.
        unsafe { &*self.address(shape) }
    }

    pub(super) fn put_heap(self, at: usize, bytes: Vec<u8>) {
        let address = Arc::into_raw(Arc::new(bytes)) as u64;
        self.put(at, &address.to_le_bytes());
    }

    fn address(self, shape: Shape) -> *const Vec<u8> {
        debug_assert_eq!(shape.form, HEAP, "only this form has a vector");
        u64::from_le_bytes(self.array(shape.value_at())) as *const Vec<u8>
    }

    /// The entry's share, which it keeps.
    fn shared(self, shape: Shape) -> ManuallyDrop<Arc<Vec<u8>>> {
        // SAFETY: this form's value is the address of a counted vector of which the entry has a share, and that is not given away.
        ManuallyDrop::new(unsafe { Arc::from_raw(self.address(shape)) })
    }
}

impl Entry {
    /// The vector of a large value, to be grown in place. If others are reading it, they keep what they have.
    #[must_use]
    pub fn vec_mut(&mut self) -> Option<&mut Vec<u8>> {
        let shape = self.view().shape();
        (shape.form == HEAP).then(|| self.heap_mut(shape))
    }

    /// A large value as it is now, for others to read while the entry goes on.
    #[must_use]
    pub fn share(&mut self) -> Option<Arc<Vec<u8>>> {
        let shape = self.view().shape();
        (shape.form == HEAP).then(|| Arc::clone(&self.view().shared(shape)))
    }

    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "exclusive use of the entry is what makes this sound"
    )]
    pub(super) fn heap_mut(&mut self, shape: Shape) -> &mut Vec<u8> {
        let mut shared = self.view().shared(shape);
        // Where somebody else has a share, this is a copy from here on.
        let own: *mut Vec<u8> = Arc::make_mut(&mut shared);
        self.view().put(shape.value_at(), &(Arc::as_ptr(&shared) as u64).to_le_bytes());
        // SAFETY: nobody else has a share of the vector, and the entry is borrowed mutably.
        unsafe { &mut *own }
    }

    /// The entry goes away, and its share with it.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "exclusive use of the entry is what makes this sound"
    )]
    pub(super) fn drop_heap(&mut self, shape: Shape) {
        drop(ManuallyDrop::into_inner(self.view().shared(shape)));
    }
}
