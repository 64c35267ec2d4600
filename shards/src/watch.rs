//! WATCH: which connections want to know that a key changed.
use crate::keyspace::hash::{KeyedMap, keyed_map};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One connection's WATCH, from its first WATCH to its EXEC, DISCARD or UNWATCH. Shared by it and the shards it watches.
#[derive(Debug, Default)]
pub struct Watch {
    dirty: AtomicBool,
}

impl Watch {
    /// A watched key changed. Called while the key's shard is in hand.
    pub fn mark(&self) {
        self.dirty.store(true, Ordering::Release);
    }
    /// Whether a watched key changed. Definite only while all watched shards are in hand.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }
}

/// The watched keys of one database on one shard.
#[derive(Debug)]
pub struct Watches(KeyedMap<Box<[u8]>, Vec<Arc<Watch>>>);

impl Default for Watches {
    fn default() -> Watches {
        Watches(keyed_map())
    }
}

impl Watches {
    /// Begins to watch a key.
    pub fn add(&mut self, key: &[u8], watch: &Arc<Watch>) {
        let watchers = self.0.entry(key.into()).or_default();
        if !watchers.iter().any(|other| Arc::ptr_eq(other, watch)) {
            watchers.push(Arc::clone(watch));
        }
    }
    /// Ceases to.
    pub fn remove(&mut self, key: &[u8], watch: &Arc<Watch>) {
        if let Some(watchers) = self.0.get_mut(key) {
            watchers.retain(|other| !Arc::ptr_eq(other, watch));
            if watchers.is_empty() {
                self.0.remove(key);
            }
        }
    }
    /// A key changed.
    #[inline]
    pub fn changed(&self, key: &[u8]) {
        if !self.0.is_empty() {
            self.0.get(key).into_iter().flatten().for_each(|watch| watch.mark());
        }
    }
    /// Every key for which `touched` holds changed (FLUSHALL, SWAPDB).
    pub fn changed_where(&self, touched: impl Fn(&[u8]) -> bool) {
        self.0
            .iter()
            .filter(|(key, _)| touched(key))
            .for_each(|(_, watchers)| watchers.iter().for_each(|watch| watch.mark()));
    }
    /// How many keys are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
