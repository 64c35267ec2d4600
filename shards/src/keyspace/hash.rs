//! The hash of keys: keyed once a process, so that nobody outside can aim collisions.
use ahash::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

/// A map whose keys are hashed with keys of this process.
pub type KeyedMap<K, V> = std::collections::HashMap<K, V, RandomState>;

static STATE: OnceLock<RandomState> = OnceLock::new();

/// Fixes the hash keys, once, before the first key is hashed: from the system's randomness or, in a simulation, a seed.
pub fn seed(seeds: [u64; 4]) {
    let [a, b, c, d] = seeds;
    STATE.get_or_init(|| RandomState::with_seeds(a, b, c, d));
}

fn state() -> &'static RandomState {
    STATE.get_or_init(RandomState::new)
}

/// A map with the hash keys of this process.
#[must_use]
pub fn keyed_map<K, V>() -> KeyedMap<K, V> {
    KeyedMap::with_hasher(state().clone())
}

/// The hash of a key.
#[inline]
#[must_use]
pub fn hash_of(key: &[u8]) -> u64 {
    let mut hasher = state().build_hasher();
    hasher.write(key);
    hasher.finish()
}
