//! The kind `set`.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
#![expect(clippy::box_collection, reason = "an entry has room for one word")]
use super::Kind;
use crate::digest::Digest;

/// A set.
#[derive(Debug)]
pub struct Set(Box<Vec<Box<[u8]>>>);

impl Kind for Set {
    const FORM: u8 = 8;
    const NAME: &'static str = "set";
    const TYPE: u32 = 2;

    fn empty() -> Self {
        Set(Box::default())
    }
    fn into_word(self) -> u64 {
        Box::into_raw(self.0) as u64
    }
    unsafe fn from_word(word: u64) -> Self {
        // SAFETY: the word came from `into_word`, so a box of this type is behind it.
        Set(unsafe { Box::from_raw(word as *mut _) })
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn encoding(&self) -> &'static str {
        "set"
    }
    fn memory_bytes(&self) -> usize {
        self.0.iter().map(|element| element.len()).sum()
    }
    fn copy(&self) -> Self {
        Set(self.0.clone())
    }
    fn digest(&self, digest: &mut Digest) {
        self.0.iter().for_each(|element| digest.mix(element));
    }
    fn free_cost(&self) -> usize {
        self.0.len()
    }
    fn free_some(&mut self, budget: usize) -> bool {
        self.0.truncate(self.0.len().saturating_sub(budget));
        self.0.is_empty()
    }
}
