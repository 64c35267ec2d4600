//! Consumer groups: how far each has read, what was delivered to whom and not acknowledged.
use super::Id;
use super::sorted::Sorted;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::size_of;
use std::sync::Arc;

/// A consumer within its group: holds for as long as the consumer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// A group of consumers.
#[derive(Debug, Default)]
pub struct Group {
    /// The last entry delivered.
    pub last_id: Id,
    /// How many entries were read up to there, of all that were ever added; none where that cannot be told.
    pub entries_read: Option<i64>,
    pending: Sorted<Pending>,
    consumers: Vec<Option<Consumer>>,
    by_name: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// When each pending entry was delivered: kept once somebody has asked for those that have waited longest.
    by_time: Option<BTreeSet<(i64, Id)>>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// When it was delivered last, ms since 1970.
    pub delivered_at_ms: i64,
    /// How often.
    pub deliveries: i64,
    /// To whom last.
    pub consumer: ConsumerId,
}

/// One who reads on behalf of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// Its name.
    pub name: Arc<[u8]>,
    /// When it asked for something last, ms since 1970.
    pub seen_at_ms: i64,
    /// When it last got something, ms since 1970.
    pub active_at_ms: Option<i64>,
    pending: Sorted<()>,
}

impl Consumer {
    /// How many entries are pending with it.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

/// What an element of a tree takes, the room between elements counted: its nodes, of eleven, are two thirds full.
const fn tree_bytes(element_bytes: usize) -> usize {
    element_bytes * 3 / 2 + 4
}
const PENDING_BYTES: usize = size_of::<(Id, Pending)>() + size_of::<Id>() + 4;
const TIME_BYTES: usize = tree_bytes(size_of::<(i64, Id)>());
const CONSUMER_BYTES: usize = size_of::<Consumer>() + tree_bytes(size_of::<(Arc<[u8]>, ConsumerId)>()) + 32;

impl Group {
    /// A group that has read up to `last_id`.
    #[must_use]
    pub fn new(last_id: Id, entries_read: Option<i64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// The consumer of a name.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.by_name.get(name).copied()
    }

    /// A consumer.
    #[must_use]
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers[id.0 as usize].as_ref().expect("an id holds for as long as its consumer is there")
    }

    /// A consumer, to be changed.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect("an id holds for as long as its consumer is there")
    }

    /// Adds a consumer; nothing if there is one of this name.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<ConsumerId> {
        if self.by_name.contains_key(name) {
            return None;
        }
        let name: Arc<[u8]> = name.into();
        let consumer = Consumer {
            name: Arc::clone(&name),
            seen_at_ms: now_ms,
            active_at_ms: None,
            pending: Sorted::default(),
        };
        let free = self.consumers.len() > self.by_name.len();
        let hole = if free { self.consumers.iter().position(Option::is_none) } else { None };
        let index = hole.unwrap_or_else(|| {
            self.consumers.push(None);
            self.consumers.len() - 1
        });
        self.consumers[index] = Some(consumer);
        let id = ConsumerId(index as u32);
        self.by_name.insert(name, id);
        Some(id)
    }

    /// Removes a consumer and what is pending with it; how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.by_name.remove(name)?;
        let consumer = self.consumers[id.0 as usize].take()?;
        for (id, ()) in consumer.pending.range(Id::MIN) {
            let pending = self.pending.remove(id);
            if let (Some(by_time), Some(pending)) = (&mut self.by_time, pending) {
                by_time.remove(&(pending.delivered_at_ms, id));
            }
        }
        Some(consumer.pending.len())
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.values().map(|id| self.consumer(*id))
    }

    /// How many entries are pending.
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is known of a pending entry.
    #[must_use]
    pub fn pending(&self, id: Id) -> Option<Pending> {
        self.pending.get(id).copied()
    }

    /// The pending entries from an id on.
    pub fn pending_from(&self, from: Id) -> impl DoubleEndedIterator<Item = (Id, Pending)> {
        self.pending.range(from).map(|(id, pending)| (id, *pending))
    }

    /// A consumer's pending entries from an id on.
    pub fn pending_of(&self, consumer: ConsumerId, from: Id) -> impl Iterator<Item = (Id, Pending)> {
        let ids = self.consumer(consumer).pending.range(from);
        ids.filter_map(|(id, ())| Some((id, self.pending(id)?)))
    }

    /// The first pending entry behind an id.
    #[must_use]
    pub fn pending_after(&self, id: Id) -> Option<Id> {
        self.pending.range(id.next()?).next().map(|(id, _)| id)
    }

    /// Remembers from now on in which order entries were delivered.
    pub fn order_by_time(&mut self) {
        let pending = &self.pending;
        self.by_time.get_or_insert_with(|| {
            pending.range(Id::MIN).map(|(id, pending)| (pending.delivered_at_ms, id)).collect()
        });
    }

    /// The pending entries that were delivered up to a time, those that have waited longest first. None before
    /// [`Group::order_by_time`].
    pub fn pending_until(&self, until_ms: i64) -> impl Iterator<Item = (Id, Pending)> {
        let waiting = self.by_time.iter().flat_map(move |by_time| by_time.range(..=(until_ms, Id::MAX)));
        waiting.filter_map(|(_, id)| Some((*id, self.pending(*id)?)))
    }

    /// An entry is pending with its consumer from now on, whoever had it before.
    pub fn deliver(&mut self, id: Id, pending: Pending) {
        let before = self.pending.insert(id, pending);
        if let Some(by_time) = &mut self.by_time {
            before.map(|before| by_time.remove(&(before.delivered_at_ms, id)));
            by_time.insert((pending.delivered_at_ms, id));
        }
        if let Some(before) = before {
            if before.consumer == pending.consumer {
                return;
            }
            self.consumer_mut(before.consumer).pending.remove(id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id, ());
    }

    /// An entry is pending no more; whether it was.
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        if let Some(by_time) = &mut self.by_time {
            by_time.remove(&(pending.delivered_at_ms, id));
        }
        self.consumer_mut(pending.consumer).pending.remove(id).is_some()
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub(super) fn memory_bytes(&self) -> usize {
        let by_time = self.by_time.as_ref().map_or(0, BTreeSet::len) * TIME_BYTES;
        size_of::<Group>()
            + by_time
            + self.pending.len() * PENDING_BYTES
            + self.by_name.len() * CONSUMER_BYTES
    }

    /// Another one with the same contents.
    #[must_use]
    pub(super) fn copy(&self) -> Group {
        Group {
            last_id: self.last_id,
            entries_read: self.entries_read,
            pending: self.pending.clone(),
            consumers: self.consumers.clone(),
            by_name: self.by_name.clone(),
            by_time: None,
        }
    }

    /// About how many allocations it consists of.
    #[must_use]
    pub(super) fn free_cost(&self) -> usize {
        // The consumers' chunks are as many again, or a few more.
        2 * self.pending.chunk_count()
            + 2 * self.by_name.len()
            + self.by_time.as_ref().map_or(0, BTreeSet::len)
    }

    /// Gives about `budget` allocations back; whether it is empty then. It is not used any more.
    pub(super) fn free_some(&mut self, budget: &mut usize) -> bool {
        if !self.pending.free_some(budget) {
            return false;
        }
        for consumer in self.consumers.iter_mut().flatten() {
            if !consumer.pending.free_some(budget) {
                return false;
            }
        }
        while let Some(by_time) = &mut self.by_time
            && by_time.pop_first().is_some()
        {
            *budget = budget.saturating_sub(1);
            if *budget == 0 {
                return false;
            }
        }
        true
    }
}
