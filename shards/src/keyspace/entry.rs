//! One key with its value: a single packed allocation behind a thin pointer.
//!
//! ```text
//! byte 0      form (low four bits) and flags: has an expiry, length of the key is long, version bit
//! bytes 1-3   the 24 bits of LRU or LFU
//! then        length of the key (1 byte, or 4 where it is long)
//! then        expiry in ms since 1970 (8 bytes, only with the flag)
//! then        length of the value (1 or 2 bytes; none where the form tells it)
//! then        the key, then the value (or, for big ones, a pointer to it)
//! ```
//!
//! A small collection is such a value: it tells its own length, and grows and shrinks where it is.
//!
//! A 16-byte key with an 8-byte value takes 30 bytes, with an integer below 2^23 exactly 24.
#![expect(
    unsafe_code,
    reason = "the packed layout is read and written through raw pointers; nothing of them leaves this file"
)]
mod large;
mod lent;

use super::value::{StrRef, Value};
use crate::memory::layout_of;
use crate::values::run::Run;
use crate::values::{FIRST_IN_LINE, Held, Kind, Object, bytes_in_line};
use lent::Lent;
use std::alloc::{alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Values up to this many bytes are packed beside their key; collections where the key is no longer than that either.
const INLINE_BYTES_MAX: usize = 1024;
const _: () =
    assert!(INLINE_BYTES_MAX + 32 < Run::LEAD_MAX, "what is before a collection is told in 16 bits");
/// Redis calls strings up to this length `embstr`, longer ones `raw`.
pub const EMBEDDED_BYTES_MAX: usize = 44;

const FORM: u8 = 0b0000_1111;
const HAS_EXPIRY: u8 = 0b0001_0000;
const LONG_KEY: u8 = 0b0010_0000;
/// Toggled by a snapshot's beginning: entries whose bit differs are of an older version.
const VERSION: u8 = 0b0100_0000;

/// A 24-bit integer.
const INT24: u8 = 0;
/// A 64-bit integer.
const INT64: u8 = 1;
/// Bytes with a one-byte length.
const SHORT: u8 = 2;
/// The same, but Redis would call it `raw` though it is short (it was modified in place).
const SHORT_RAW: u8 = 3;
/// Bytes with a two-byte length, always `raw`.
const MIDDLE: u8 = 4;
/// A pointer to a counted `Vec<u8>` ([`large`]), always `raw`.
const HEAP: u8 = 5;
/// Beyond this a word of a collection: the form is [`Kind::FORM`]. Beyond that, from [`FIRST_IN_LINE`] on, the collection
/// itself: the form is one of [`Kind::IN_LINE`].
const LAST_STRING: u8 = HEAP;

/// An owned entry. The table keeps its address in a word, so it is made from and into one.
#[derive(Debug)]
pub struct Entry(NonNull<u8>);

/// A look at an entry that a table (or an [`Entry`]) owns.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    at: NonNull<u8>,
    life: PhantomData<&'a Entry>,
}

// SAFETY: an entry owns its allocation as a box does, and holds nothing tied to a thread.
unsafe impl Send for Entry {}

/// Where the parts of an entry stand.
#[derive(Clone, Copy)]
struct Shape {
    form: u8,
    key_len: usize,
    key_at: usize,
    value_len: usize,
}

impl Shape {
    fn value_at(self) -> usize {
        self.key_at + self.key_len
    }
    fn total(self) -> usize {
        self.value_at() + self.value_len
    }
}

impl<'a> EntryRef<'a> {
    /// Looks at the entry at an address that [`Entry::into_address`] gave.
    ///
    /// # Safety
    /// The entry lives, and nobody else changes it, during `'a`.
    #[inline]
    #[must_use]
    pub(super) unsafe fn from_address(address: u64) -> EntryRef<'a> {
        let at = NonNull::new(address as *mut u8).expect("an occupied word has an address");
        EntryRef { at, life: PhantomData }
    }

    /// The key.
    #[inline]
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        let (at, len) = self.key_place();
        self.get(at, len)
    }

    /// Whether the key is `key`.
    #[inline]
    #[must_use]
    pub fn has_key(self, key: &[u8]) -> bool {
        super::item::are_same(self.key(), key)
    }

    /// Whether the value is a string.
    #[inline]
    #[must_use]
    pub fn is_string(self) -> bool {
        self.byte(0) & FORM <= LAST_STRING
    }

    /// The value, where it is a string.
    #[inline]
    #[must_use]
    pub fn as_string(self) -> Option<StrRef<'a>> {
        self.is_string().then(|| self.string())
    }

    /// The value, where it is a collection of this kind.
    #[inline]
    #[must_use]
    pub fn as_kind<K: Kind>(self) -> Option<Held<'a, K>> {
        let form = self.byte(0) & FORM;
        if form == K::FORM {
            // SAFETY: this form's word is one of this kind, which the entry owns; a look never frees it.
            Some(Held::new(unsafe { K::from_word(self.word()) }))
        } else if K::IN_LINE.contains(&form) {
            // SAFETY: a collection of this form stands in the entry, which owns it; a look never frees it.
            unsafe { K::from_run(form, self.run()) }.map(Held::new)
        } else {
            None
        }
    }

    /// The value, where it is a collection.
    #[must_use]
    pub fn as_object(self) -> Option<Held<'a, Object>> {
        match self.byte(0) & FORM {
            0..=LAST_STRING => None,
            // SAFETY: a collection of this form stands in the entry, which owns it; a look never frees it.
            form @ FIRST_IN_LINE.. => Some(Held::new(unsafe { Object::from_run(form, self.run()) })),
            // SAFETY: the form's word is one of its kind, which the entry owns; a look never frees it.
            form => Some(Held::new(unsafe { Object::from_parts(form, self.word()) })),
        }
    }

    /// Whether it has a collection in line.
    #[cfg(test)]
    fn is_in_line(self) -> bool {
        self.byte(0) & FORM >= FIRST_IN_LINE
    }

    /// The run of a collection in line.
    #[inline]
    fn run(self) -> Run {
        let (key_at, key_len) = self.key_place();
        Run::behind(self.at, key_at + key_len)
    }

    /// The word of a collection.
    #[inline]
    fn word(self) -> u64 {
        u64::from_le_bytes(self.array(self.shape().value_at()))
    }

    /// The value, which is a string.
    #[inline]
    #[must_use]
    pub fn string(self) -> StrRef<'a> {
        debug_assert!(self.is_string(), "callers have looked at the type");
        let shape = self.shape();
        match shape.form {
            INT24 => {
                let bytes = self.get(shape.value_at(), 3);
                StrRef::Int(i64::from(i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 8))
            }
            INT64 => StrRef::Int(i64::from_le_bytes(self.array(shape.value_at()))),
            HEAP => StrRef::Bytes(self.heap(shape)),
            _ => StrRef::Bytes(self.get(shape.value_at(), shape.value_len)),
        }
    }

    /// OBJECT ENCODING's name.
    #[must_use]
    pub fn encoding(self) -> &'static str {
        match self.byte(0) & FORM {
            INT24 | INT64 => "int",
            SHORT if self.shape().value_len <= EMBEDDED_BYTES_MAX => "embstr",
            0..=LAST_STRING => "raw",
            _ => self.as_object().map_or("raw", |object| object.encoding()),
        }
    }

    /// When it expires, in ms since 1970.
    #[inline]
    #[must_use]
    pub fn expires_at_ms(self) -> Option<i64> {
        let flags = self.byte(0);
        (flags & HAS_EXPIRY != 0).then(|| i64::from_le_bytes(self.array(4 + key_len_bytes(flags))))
    }

    /// Whether its time has come.
    #[inline]
    #[must_use]
    pub fn is_expired(self, now_ms: i64) -> bool {
        self.expires_at_ms().is_some_and(|at_ms| at_ms < now_ms)
    }

    /// The 24 bits of LRU or LFU.
    #[inline]
    #[must_use]
    pub fn lru(self) -> u32 {
        u32::from_le_bytes(self.array(0)) >> 8
    }

    /// Sets the 24 bits of LRU or LFU.
    #[inline]
    pub fn set_lru(self, lru: u32) {
        if self.lru() != lru {
            self.put(1, &lru.to_le_bytes()[..3]);
        }
    }

    /// TYPE's name.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        self.as_object().map_or("string", |object| object.type_name())
    }

    /// A copy under another key.
    #[must_use]
    pub fn copy(self, key: &[u8], lru: u32) -> Entry {
        Entry::new(key, self.value(), self.expires_at_ms(), lru, self.version())
    }

    /// The value, to be packed into another entry of the same form.
    fn value(self) -> Value<'a> {
        if let Some(object) = self.as_object() {
            return Value::Object(object.copy());
        }
        match self.string() {
            StrRef::Int(value) => Value::Int(value),
            StrRef::Bytes(bytes) if self.byte(0) & FORM == SHORT_RAW => Value::Raw(bytes),
            StrRef::Bytes(bytes) => Value::Bytes(bytes),
        }
    }

    /// Says of which version it is.
    pub fn set_version(self, version: bool) {
        let flags = self.byte(0) & !VERSION;
        self.put(0, &[if version { flags | VERSION } else { flags }]);
    }

    /// The version bit.
    #[must_use]
    pub fn version(self) -> bool {
        self.byte(0) & VERSION != 0
    }

    /// Bytes that the allocator keeps for it, a value of its own included.
    #[must_use]
    pub fn memory_bytes(self) -> usize {
        let shape = self.shape();
        let own = crate::memory::allocation_bytes(shape.total());
        match shape.form {
            HEAP => {
                own + crate::memory::allocation_bytes(large::VECTOR_BYTES)
                    + crate::memory::allocation_bytes(self.heap(shape).capacity())
            }
            0..=LAST_STRING | FIRST_IN_LINE.. => own,
            _ => own + self.as_object().map_or(0, |object| object.memory_bytes()),
        }
    }

    #[inline]
    fn shape(self) -> Shape {
        let flags = self.byte(0);
        let form = flags & FORM;
        let (key_at, key_len) = self.key_place();
        let value_len = match form {
            INT24 => 3,
            SHORT | SHORT_RAW => usize::from(self.byte(key_at - 1)),
            MIDDLE => usize::from(u16::from_le_bytes(self.array(key_at - 2))),
            // SAFETY: a collection of this form stands there.
            FIRST_IN_LINE.. => unsafe { bytes_in_line(form, self.at(key_at + key_len)) },
            _ => 8,
        };
        Shape { form, key_len, key_at, value_len }
    }

    #[inline]
    fn key_place(self) -> (usize, usize) {
        let flags = self.byte(0);
        let key_len = if flags & LONG_KEY == 0 {
            usize::from(self.byte(4))
        } else {
            u32::from_le_bytes(self.array(4)) as usize
        };
        let expiry = if flags & HAS_EXPIRY == 0 { 0 } else { 8 };
        (4 + key_len_bytes(flags) + expiry + length_bytes(flags & FORM), key_len)
    }

    #[inline]
    fn at(self, offset: usize) -> *mut u8 {
        // SAFETY: every caller stays within the allocation, whose length the header tells.
        unsafe { self.at.as_ptr().add(offset) }
    }

    #[inline]
    fn byte(self, offset: usize) -> u8 {
        // SAFETY: the header is always there.
        unsafe { *self.at(offset) }
    }

    #[inline]
    fn array<const N: usize>(self, offset: usize) -> [u8; N] {
        // SAFETY: callers ask for fields that the header says are there; no alignment is needed.
        unsafe { self.at(offset).cast::<[u8; N]>().read_unaligned() }
    }

    #[inline]
    fn get(self, offset: usize, len: usize) -> &'a [u8] {
        // SAFETY: callers ask for fields that the header says are there.
        unsafe { std::slice::from_raw_parts(self.at(offset), len) }
    }

    #[inline]
    fn put(self, offset: usize, bytes: &[u8]) {
        // SAFETY: callers write fields that are within the allocation. An entry is never shared between threads, and no
        // reference into the written field is alive: all of them borrow the entry.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset), bytes.len()) };
    }

    #[inline]
    fn put_value(self, at: usize, form: u8, value: Value<'_>) {
        match (form, value) {
            (INT24, Value::Int(value)) => self.put(at, &value.to_le_bytes()[..3]),
            (_, Value::Int(value)) => self.put(at, &value.to_le_bytes()),
            (HEAP, Value::Owned(bytes)) => self.put_heap(at, bytes),
            (HEAP, Value::Bytes(bytes) | Value::Raw(bytes)) => self.put_heap(at, bytes.to_vec()),
            (_, Value::Object(object)) => match object.as_line() {
                Some(line) if form >= FIRST_IN_LINE => self.put(at, line.bytes),
                _ => self.put(at, &object.into_parts().1.to_le_bytes()),
            },
            (_, Value::Owned(bytes)) => self.put(at, &bytes),
            (_, Value::Bytes(bytes) | Value::Raw(bytes)) => self.put(at, bytes),
        }
    }
}

impl Entry {
    /// A look at it.
    #[inline]
    #[must_use]
    pub fn view(&self) -> EntryRef<'_> {
        EntryRef { at: self.0, life: PhantomData }
    }

    /// Packs a key and its value.
    #[must_use]
    pub fn new(key: &[u8], value: Value<'_>, expires_at_ms: Option<i64>, lru: u32, version: bool) -> Entry {
        let (form, value_len) = form_of(&value, key.len());
        let long = key.len() > usize::from(u8::MAX);
        let key_len_bytes = if long { 4 } else { 1 };
        let expiry_bytes = if expires_at_ms.is_some() { 8 } else { 0 };
        let length_bytes = length_bytes(form);
        let header = 4 + key_len_bytes + expiry_bytes + length_bytes;
        let entry = Entry::allocate(header + key.len() + value_len);
        let flags = form
            | if expires_at_ms.is_some() { HAS_EXPIRY } else { 0 }
            | if long { LONG_KEY } else { 0 }
            | if version { VERSION } else { 0 };
        entry.view().put(0, &[flags]);
        entry.view().put(1, &lru.to_le_bytes()[..3]);
        entry.view().put(4, &(key.len() as u32).to_le_bytes()[..key_len_bytes]);
        if let Some(at) = expires_at_ms {
            entry.view().put(4 + key_len_bytes, &at.to_le_bytes());
        }
        entry.view().put(4 + key_len_bytes + expiry_bytes, &(value_len as u16).to_le_bytes()[..length_bytes]);
        entry.view().put(header, key);
        entry.view().put_value(header + key.len(), form, value);
        entry
    }

    /// The address, for the table's word. The entry lives on in it.
    #[inline]
    #[must_use]
    pub(super) fn into_address(self) -> u64 {
        let address = self.0.as_ptr() as u64;
        #[expect(
            clippy::mem_forget,
            reason = "ownership moves into the table's word, which gives it back through from_address"
        )]
        std::mem::forget(self);
        address
    }

    /// The entry at an address that [`Entry::into_address`] gave and that nobody else has turned back.
    ///
    /// # Safety
    /// As the name says: it owns what the address points to.
    #[inline]
    #[must_use]
    pub(super) unsafe fn from_address(address: u64) -> Entry {
        let pointer = NonNull::new(address as *mut u8).expect("an occupied word has an address");
        Entry(pointer)
    }

    /// The value's bytes, to be changed in place, where it is bytes and not an integer.
    #[must_use]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        let shape = self.view().shape();
        match shape.form {
            HEAP => Some(self.heap_mut(shape)),
            INT24 | INT64 | LAST_STRING.. => None,
            // SAFETY: the value's bytes lie within the allocation, which is borrowed mutably.
            _ => Some(unsafe {
                std::slice::from_raw_parts_mut(self.view().at(shape.value_at()), shape.value_len)
            }),
        }
    }

    /// Changes the collection, if it is of this kind. It may move and change its encoding, and the entry may move with it.
    /// `key` is the entry's own.
    #[inline]
    pub fn alter<K: Kind, T>(&mut self, key: &[u8], change: impl FnOnce(&mut K) -> T) -> Option<T> {
        debug_assert!(self.view().has_key(key), "the key is the entry's own");
        let form = self.view().byte(0) & FORM;
        let value = if form == K::FORM {
            // SAFETY: the word is one of this kind, and the entry lets go of it until it is back.
            unsafe { K::from_word(self.view().word()) }
        } else if K::IN_LINE.contains(&form) {
            // SAFETY: a collection of this form stands in the entry, which lets go of all it has until it is back.
            unsafe { K::from_run(form, self.view().run()) }?
        } else {
            return None;
        };
        let mut lent = Lent::new(self, key, value);
        Some(change(lent.value_mut()))
    }

    /// Takes a collection out that has memory of its own; the entry holds a number then.
    pub fn take_object(&mut self) -> Option<Object> {
        let form = self.view().byte(0) & FORM;
        (LAST_STRING + 1..FIRST_IN_LINE).contains(&form).then(|| {
            let word = self.view().word();
            self.view().put(0, &[self.view().byte(0) & !FORM | INT64]);
            // SAFETY: the word is one of the form's kind, and the entry has let go of it.
            unsafe { Object::from_parts(form, word) }
        })
    }

    /// Marks a short string as modified in place: OBJECT ENCODING says `raw` from now on.
    pub fn mark_raw(&mut self) {
        if self.view().byte(0) & FORM == SHORT {
            self.view().put(0, &[self.view().byte(0) & !FORM | SHORT_RAW]);
        }
    }

    /// Says of which version it is.
    pub fn set_version(&mut self, version: bool) {
        self.view().set_version(version);
    }

    /// Overwrites the value without moving, if it has the same form and length; gives it back otherwise.
    #[inline]
    pub fn overwrite<'v>(&mut self, value: Value<'v>) -> Result<(), Value<'v>> {
        let shape = self.view().shape();
        let (form, len) = form_of(&value, shape.key_len);
        if form >= LAST_STRING || form != shape.form || len != shape.value_len {
            return Err(value);
        }
        self.view().put_value(shape.value_at(), form, value);
        Ok(())
    }

    /// Changes the expiry in place, where there is room for one; whether there was.
    #[must_use]
    pub fn set_expiry(&mut self, expires_at_ms: i64) -> bool {
        let flags = self.view().byte(0);
        if flags & HAS_EXPIRY != 0 {
            self.view().put(4 + key_len_bytes(flags), &expires_at_ms.to_le_bytes());
        }
        flags & HAS_EXPIRY != 0
    }

    /// The same value under another key, expiry or version; `self` is consumed.
    #[must_use]
    pub fn repack(mut self, key: Option<&[u8]>, expires_at_ms: Option<i64>) -> Entry {
        let shape = self.view().shape();
        let lru = self.view().lru();
        let version = self.view().version();
        if shape.form == HEAP {
            let bytes = std::mem::take(self.heap_mut(shape));
            return Entry::new(
                key.unwrap_or_else(|| self.view().key()),
                Value::Owned(bytes),
                expires_at_ms,
                lru,
                version,
            );
        }
        if let Some(object) = self.take_object() {
            let key = key.unwrap_or_else(|| self.view().key());
            return Entry::new(key, Value::Object(object), expires_at_ms, lru, version);
        }
        let key = key.unwrap_or_else(|| self.view().key());
        Entry::new(key, self.view().value(), expires_at_ms, lru, version)
    }

    fn allocate(total: usize) -> Entry {
        let layout = layout_of(total);
        // SAFETY: the layout has a size, for there is always a header.
        let pointer = unsafe { alloc(layout) };
        Entry(NonNull::new(pointer).unwrap_or_else(|| handle_alloc_error(layout)))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let shape = self.view().shape();
        if shape.form == HEAP {
            self.drop_heap(shape);
        } else {
            drop(self.take_object());
        }
        // SAFETY: the allocation was made with the layout of the same total, which never changes while it lives.
        unsafe { dealloc(self.0.as_ptr(), layout_of(shape.total())) };
    }
}

#[inline]
fn key_len_bytes(flags: u8) -> usize {
    if flags & LONG_KEY == 0 { 1 } else { 4 }
}

#[inline]
fn length_bytes(form: u8) -> usize {
    match form {
        SHORT | SHORT_RAW => 1,
        MIDDLE => 2,
        _ => 0,
    }
}

/// The form that fits a value beside a key of so many bytes, and the bytes it takes.
#[inline]
fn form_of(value: &Value<'_>, key_len: usize) -> (u8, usize) {
    let (bytes, raw) = match value {
        Value::Int(value) => {
            return if (-(1 << 23)..1 << 23).contains(value) { (INT24, 3) } else { (INT64, 8) };
        }
        Value::Bytes(bytes) => (*bytes, false),
        Value::Raw(bytes) => (*bytes, true),
        Value::Owned(bytes) => (bytes.as_slice(), true),
        Value::Object(object) => {
            return match object.as_line() {
                Some(line) if line.bytes.len() <= INLINE_BYTES_MAX && key_len <= INLINE_BYTES_MAX => {
                    (line.form, line.bytes.len())
                }
                _ => (object.form(), 8),
            };
        }
    };
    match bytes.len() {
        0..=255 => (if raw { SHORT_RAW } else { SHORT }, bytes.len()),
        256..=INLINE_BYTES_MAX => (MIDDLE, bytes.len()),
        _ => (HEAP, 8),
    }
}

#[cfg(test)]
mod tests;
