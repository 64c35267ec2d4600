//! Tracked keys: which clients may have copies of which keys (CLIENT TRACKING).
use crate::dice::Dice;
use crate::keyspace::hash::{KeyedMap, keyed_map};
use smallvec::SmallVec;
use std::sync::Arc;

/// Clients by their ids.
pub type Clients = SmallVec<[u64; 2]>;

/// The tracked keys of a shard. As in Redis a key is tracked whatever the database.
///
/// A client that is gone stays until the key changes: who tells it finds that nobody is there.
#[derive(Debug)]
pub struct Tracked {
    /// Where the key stands in `keys`, and who may have it.
    clients: KeyedMap<Arc<[u8]>, (usize, Clients)>,
    /// The keys in no order, so that any of them can be picked.
    keys: Vec<Arc<[u8]>>,
    items: usize,
}

impl Default for Tracked {
    fn default() -> Tracked {
        Tracked { clients: keyed_map(), keys: Vec::new(), items: 0 }
    }
}

impl Tracked {
    /// A client has read a key; whether the key was not tracked before.
    pub fn remember(&mut self, key: &[u8], client: u64) -> bool {
        if let Some((_, clients)) = self.clients.get_mut(key) {
            if !clients.contains(&client) {
                clients.push(client);
                self.items += 1;
            }
            return false;
        }
        let key: Arc<[u8]> = key.into();
        self.clients.insert(Arc::clone(&key), (self.keys.len(), SmallVec::from_slice(&[client])));
        self.keys.push(key);
        self.items += 1;
        true
    }

    /// A key changed: nobody has a copy that is worth anything. Who had one.
    pub fn forget(&mut self, key: &[u8]) -> Option<Clients> {
        let (at, clients) = self.clients.remove(key)?;
        self.keys.swap_remove(at);
        if let Some(moved) = self.keys.get(at)
            && let Some((place, _)) = self.clients.get_mut(&**moved)
        {
            *place = at;
        }
        self.items -= clients.len();
        Some(clients)
    }

    /// Some key.
    #[must_use]
    pub fn any(&self, dice: &mut Dice) -> Option<Arc<[u8]>> {
        let len = self.keys.len() as u64;
        (len > 0).then(|| Arc::clone(&self.keys[dice.below(len) as usize]))
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        *self = Tracked::default();
    }

    /// How many keys are tracked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }
    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
    /// How many clients all the keys have, together.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_forgotten_with_all_who_had_it() {
        let mut tracked = Tracked::default();
        assert!(tracked.remember(b"a", 1));
        assert!(!tracked.remember(b"a", 2));
        assert!(!tracked.remember(b"a", 1));
        assert!(tracked.remember(b"b", 1));
        assert_eq!((tracked.len(), tracked.items()), (2, 3));
        assert_eq!(tracked.forget(b"a").as_deref(), Some(&[1, 2][..]));
        assert_eq!(tracked.forget(b"a"), None);
        assert_eq!((tracked.len(), tracked.items()), (1, 1));
        // The key that took the other's place is still found there.
        assert!(tracked.remember(b"c", 3));
        assert_eq!(tracked.forget(b"b").as_deref(), Some(&[1][..]));
        assert_eq!(tracked.any(&mut Dice::new(1)).as_deref(), Some(&b"c"[..]));
        assert_eq!(tracked.forget(b"c").as_deref(), Some(&[3][..]));
        assert!(tracked.is_empty() && tracked.any(&mut Dice::new(1)).is_none());
    }
}
