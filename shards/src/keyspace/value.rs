//! What an entry is to hold, and a string as it is kept.
use crate::values::Object;

/// What an entry is to hold.
#[derive(Debug)]
pub enum Value<'a> {
    /// An integer, kept as such (Redis's `int`).
    Int(i64),
    /// Bytes as a client sent them (`embstr`, or `raw` when long).
    Bytes(&'a [u8]),
    /// Bytes that were modified in place: `raw` whatever their length.
    Raw(&'a [u8]),
    /// Bytes in a vector of their own, which moves in without a copy where it is large.
    Owned(Vec<u8>),
    /// A collection.
    Object(Object),
}

impl<'a> Value<'a> {
    /// The value that a client's bytes become: an integer where they are the canonical text of one.
    #[inline]
    #[must_use]
    pub fn from_client(bytes: &'a [u8]) -> Value<'a> {
        match crate::number::parse_i64(bytes) {
            Some(value) => Value::Int(value),
            None => Value::Bytes(bytes),
        }
    }
}

/// A string as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrRef<'a> {
    /// An integer.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> StrRef<'a> {
    /// The bytes; an integer's text is made in `room`.
    #[inline]
    #[must_use]
    pub fn bytes<'b>(self, room: &'b mut [u8; 20]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            StrRef::Int(value) => crate::number::format_i64(value, room),
            StrRef::Bytes(bytes) => bytes,
        }
    }
    /// How many bytes long it is.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes(&mut [0; 20]).len()
    }
    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}
