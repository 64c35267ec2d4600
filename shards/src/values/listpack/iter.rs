//! Walking a listpack from either end.
use super::encoding::{backlen_bytes, decode, last_entry_bytes};
use crate::keyspace::StrRef;

/// The elements of a listpack, from either end.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iter<'a> {
    /// Over bytes that are elements and nothing else.
    #[inline]
    pub(super) fn new(elements: &'a [u8]) -> Iter<'a> {
        Iter { rest: elements }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = StrRef<'a>;
    #[inline]
    fn next(&mut self) -> Option<StrRef<'a>> {
        let (value, len) = decode(self.rest)?;
        self.rest = &self.rest[len + backlen_bytes(len)..];
        Some(value)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest.len() - last_entry_bytes(self.rest);
        let (value, _) = decode(&self.rest[start..])?;
        self.rest = &self.rest[..start];
        Some(value)
    }
}
