//! The kind `hash`.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
#![expect(clippy::box_collection, reason = "an entry has room for one word")]
use super::Kind;
use crate::digest::Digest;

/// A hash.
#[derive(Debug)]
pub struct Hash(Box<Vec<Box<[u8]>>>);

impl Kind for Hash {
    const FORM: u8 = 6;
    const NAME: &'static str = "hash";
    const TYPE: u32 = 4;

    fn empty() -> Self {
        Hash(Box::default())
    }
    fn into_word(self) -> u64 {
        Box::into_raw(self.0) as u64
    }
    unsafe fn from_word(word: u64) -> Self {
        // SAFETY: the word came from `into_word`, so a box of this type is behind it.
        Hash(unsafe { Box::from_raw(word as *mut _) })
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn encoding(&self) -> &'static str {
        "hash"
    }
    fn memory_bytes(&self) -> usize {
        self.0.iter().map(|element| element.len()).sum()
    }
    fn copy(&self) -> Self {
        Hash(self.0.clone())
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
