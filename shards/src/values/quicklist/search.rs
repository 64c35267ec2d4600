//! Looking for a value in many nodes: most are passed over by a search for its bytes, without walking their elements.
use super::super::listpack::{At, Listpack, Wanted};
use crate::keyspace::StrRef;
use memchr::memmem::Finder;

/// Bytes at the end of a longer element that are searched for.
const MARK_BYTES: usize = 8;

/// A value looked for in node after node.
pub(super) struct Needle<'a> {
    value: &'a [u8],
    wanted: Wanted<'a>,
    /// Finds bytes of the element; where they are not, it is not. (They may be part of another element.)
    finder: Finder<'static>,
}

impl<'a> Needle<'a> {
    /// Prepares to look for a value.
    pub(super) fn new(value: &'a [u8]) -> Needle<'a> {
        let mut pack = Listpack::new();
        pack.push_back(value);
        let bytes = pack.as_bytes();
        let mark = match pack.iter().next() {
            // Elements of a list tend to begin alike and to be of one length: what tells them apart is their end.
            Some(StrRef::Bytes(text)) if text.len() >= MARK_BYTES => &text[text.len() - MARK_BYTES..],
            _ => &bytes[bytes.len() - 1 - Listpack::element_bytes(value)..bytes.len() - 1],
        };
        Needle { value, wanted: Wanted::new(value), finder: Finder::new(mark).into_owned() }
    }

    /// What elements are compared with.
    pub(super) fn wanted(&self) -> &Wanted<'a> {
        &self.wanted
    }

    /// Whether a look at the elements is worth it.
    pub(super) fn may_be_in(&self, pack: &Listpack) -> bool {
        self.finder.find(pack.as_bytes()).is_some()
    }

    /// The first element that is it.
    pub(super) fn find_in(&self, pack: &Listpack) -> Option<At> {
        if self.may_be_in(pack) { pack.find(pack.first()?, self.value, 0) } else { None }
    }
}
