//! A field of a big hash with its value: one packed allocation.
//!
//! ```text
//! byte 0   flags: the length of the field is long, that of the value is, it expires
//! then     length of the field, length of the value (1 byte each, or 4 where it is long)
//! then     expiry in ms since 1970 (8 bytes, only with the flag)
//! then     the field, then the value
//! ```
//!
//! A field and a value of 12 bytes take 32.
#![expect(unsafe_code, reason = "the packed layout is read and written; nothing raw leaves this file")]
use super::packed::{Packed, memory_bytes};
use crate::keyspace::item::Item;
use std::marker::PhantomData;

const LONG_FIELD: u8 = 1;
const LONG_VALUE: u8 = 2;
const HAS_EXPIRY: u8 = 4;

/// A field with its value, owned.
pub struct Field(Packed);

/// A look at a field that a table (or a [`Field`]) owns.
#[derive(Clone, Copy)]
pub struct FieldRef<'a> {
    packed: Packed,
    life: PhantomData<&'a Field>,
}

// SAFETY: a field owns its allocation as a box does, and holds nothing tied to a thread.
unsafe impl Send for Field {}

/// Where the parts of a field stand.
#[derive(Clone, Copy)]
struct Shape {
    expiry_at: usize,
    field_at: usize,
    field_len: usize,
    value_len: usize,
}

impl Shape {
    fn value_at(self) -> usize {
        self.field_at + self.field_len
    }
    fn total(self) -> usize {
        self.value_at() + self.value_len
    }
}

impl Field {
    /// Packs a field.
    #[must_use]
    pub fn new(field: &[u8], value: &[u8], expires_at_ms: Option<i64>) -> Field {
        let is_long = |bytes: &[u8]| bytes.len() > usize::from(u8::MAX);
        let lengths = [(field.len() as u32).to_le_bytes(), (value.len() as u32).to_le_bytes()];
        let field_len = if is_long(field) { &lengths[0][..] } else { &lengths[0][..1] };
        let value_len = if is_long(value) { &lengths[1][..] } else { &lengths[1][..1] };
        let flags = if is_long(field) { LONG_FIELD } else { 0 }
            | if is_long(value) { LONG_VALUE } else { 0 }
            | if expires_at_ms.is_some() { HAS_EXPIRY } else { 0 };
        let expiry = expires_at_ms.unwrap_or(0).to_le_bytes();
        let expiry = if expires_at_ms.is_some() { &expiry[..] } else { &[] };
        Field(Packed::build(&[&[flags], field_len, value_len, expiry, field, value]))
    }

    /// A look at it.
    #[inline]
    #[must_use]
    pub fn view(&self) -> FieldRef<'_> {
        FieldRef { packed: self.0, life: PhantomData }
    }

    /// The same field with another value and expiry: where it stands, if both take as many bytes as before.
    #[must_use]
    pub fn with(self, value: &[u8], expires_at_ms: Option<i64>) -> Field {
        let shape = self.view().shape();
        if shape.value_len != value.len() || self.view().expires_at_ms().is_some() != expires_at_ms.is_some()
        {
            return Field::new(self.view().field(), value, expires_at_ms);
        }
        self.put_expiry(shape, expires_at_ms);
        // SAFETY: the value's place, of the same length; nobody else has a reference to an owned field.
        unsafe { self.0.put(shape.value_at(), value) };
        self
    }

    /// The same field and value with another expiry.
    #[must_use]
    pub fn with_expiry(self, expires_at_ms: Option<i64>) -> Field {
        if self.view().expires_at_ms().is_some() != expires_at_ms.is_some() {
            return Field::new(self.view().field(), self.view().value(), expires_at_ms);
        }
        self.put_expiry(self.view().shape(), expires_at_ms);
        self
    }

    /// Overwrites the expiry of a field that has one.
    fn put_expiry(&self, shape: Shape, expires_at_ms: Option<i64>) {
        if let Some(at_ms) = expires_at_ms {
            // SAFETY: the expiry's place, which callers have seen to be there; references to it are never given out.
            unsafe { self.0.put(shape.expiry_at, &at_ms.to_le_bytes()) };
        }
    }
}

impl<'a> FieldRef<'a> {
    /// The field's name.
    #[inline]
    #[must_use]
    pub fn field(self) -> &'a [u8] {
        let shape = self.shape();
        self.get(shape.field_at, shape.field_len)
    }
    /// Its value.
    #[inline]
    #[must_use]
    pub fn value(self) -> &'a [u8] {
        let shape = self.shape();
        self.get(shape.value_at(), shape.value_len)
    }
    /// When it expires, ms since 1970.
    #[inline]
    #[must_use]
    pub fn expires_at_ms(self) -> Option<i64> {
        let [flags] = self.array(0);
        (flags & HAS_EXPIRY != 0).then(|| i64::from_le_bytes(self.array(self.shape().expiry_at)))
    }

    #[inline]
    fn shape(self) -> Shape {
        let [flags] = self.array(0);
        let (field_len, value_len_at) = self.length(1, flags & LONG_FIELD != 0);
        let (value_len, expiry_at) = self.length(value_len_at, flags & LONG_VALUE != 0);
        let expiry_bytes = if flags & HAS_EXPIRY != 0 { 8 } else { 0 };
        Shape { expiry_at, field_at: expiry_at + expiry_bytes, field_len, value_len }
    }
    /// A length, and where what follows it stands.
    #[inline]
    fn length(self, at: usize, is_long: bool) -> (usize, usize) {
        if is_long {
            (u32::from_le_bytes(self.array(at)) as usize, at + 4)
        } else {
            let [len] = self.array(at);
            (usize::from(len), at + 1)
        }
    }
    #[inline]
    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        // SAFETY: callers in this file ask for parts that the flags say are there.
        unsafe { self.packed.array(at) }
    }
    #[inline]
    fn get(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers in this file ask for parts that the header says are there; the field lives and is not changed
        // during 'a.
        unsafe { self.packed.get(at, len) }
    }
}

impl Clone for Field {
    fn clone(&self) -> Field {
        Field::new(self.view().field(), self.view().value(), self.view().expires_at_ms())
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        let total = self.view().shape().total();
        // SAFETY: the field owns the allocation, was built of this total and ends here.
        unsafe { self.0.free(total) };
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl std::fmt::Debug for FieldRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let mut tuple = f.debug_tuple("Field");
        tuple.field(&text(self.field())).field(&text(self.value())).field(&self.expires_at_ms()).finish()
    }
}

// SAFETY: a field is allocated at multiples of 8 and owned through its address; name and expiry are its own.
unsafe impl Item for Field {
    type Ref<'a> = FieldRef<'a>;

    #[inline]
    fn into_address(self) -> u64 {
        std::mem::ManuallyDrop::new(self).0.address()
    }
    #[inline]
    unsafe fn from_address(address: u64) -> Field {
        Field(Packed::at(address))
    }
    #[inline]
    unsafe fn view_at<'a>(address: u64) -> FieldRef<'a> {
        FieldRef { packed: Packed::at(address), life: PhantomData }
    }
    #[inline]
    fn look(&self) -> FieldRef<'_> {
        self.view()
    }
    #[inline]
    fn bytes<'a>(view: Self::Ref<'a>) -> &'a [u8] {
        view.field()
    }
    #[inline]
    fn is_volatile(view: Self::Ref<'_>) -> bool {
        view.expires_at_ms().is_some()
    }
    fn memory_bytes(view: Self::Ref<'_>) -> usize {
        memory_bytes(view.shape().total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_field_takes_what_was_budgeted() {
        let bytes = |expiry| Field::memory_bytes(Field::new(&[b'f'; 12], &[b'v'; 12], expiry).view());
        assert_eq!((bytes(None), bytes(Some(1))), (32, 40));
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            field in proptest::collection::vec(any::<u8>(), 0..600),
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..600), 2),
            expiries in proptest::collection::vec(proptest::option::of(any::<i64>()), 2),
        ) {
            let packed = Field::new(&field, &values[0], expiries[0]);
            let parts = |packed: &Field| {
                (packed.view().field().to_vec(), packed.view().value().to_vec(), packed.view().expires_at_ms())
            };
            prop_assert_eq!(parts(&packed), (field.clone(), values[0].clone(), expiries[0]));
            let packed = packed.with(&values[1], expiries[1]);
            prop_assert_eq!(parts(&packed), (field.clone(), values[1].clone(), expiries[1]));
            let copy = packed.clone();
            let packed = packed.with_expiry(expiries[0]);
            prop_assert_eq!(parts(&packed), (field.clone(), values[1].clone(), expiries[0]));
            prop_assert_eq!(parts(&copy), (field, values[1].clone(), expiries[1]));
        }
    }
}
