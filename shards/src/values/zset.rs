//! The kind `zset`.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
#![expect(clippy::box_collection, reason = "an entry has room for one word")]
use super::Kind;
use crate::digest::Digest;

/// A zset.
#[derive(Debug)]
pub struct Zset(Box<Vec<Box<[u8]>>>);

impl Kind for Zset {
    const FORM: u8 = 9;
    const NAME: &'static str = "zset";
    const TYPE: u32 = 3;

    fn empty() -> Self {
        Zset(Box::default())
    }
    fn into_word(self) -> u64 {
        Box::into_raw(self.0) as u64
    }
    unsafe fn from_word(word: u64) -> Self {
        // SAFETY: the word came from `into_word`, so a box of this type is behind it.
        Zset(unsafe { Box::from_raw(word as *mut _) })
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn encoding(&self) -> &'static str {
        "zset"
    }
    fn memory_bytes(&self) -> usize {
        self.0.iter().map(|element| element.len()).sum()
    }
    fn copy(&self) -> Self {
        Zset(self.0.clone())
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
