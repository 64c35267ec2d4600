//! How far a group has come in its stream, and how far it is behind where that can be told: as Redis reckons it.
use super::{ConsumerId, Facts, Group, Id, Pending, Stream};
use std::cmp::Ordering;

/// What there is to reckon with.
#[derive(Clone, Copy, Debug)]
struct Extent {
    facts: Facts,
    first_id: Id,
    len: i64,
}

impl Stream {
    fn extent(&self) -> Extent {
        Extent { facts: self.0.facts, first_id: self.0.first_id, len: self.0.len as i64 }
    }

    /// How many entries a group has yet to read, if that can be told.
    #[must_use]
    pub fn lag(&self, group: &Group) -> Option<i64> {
        self.extent().lag(group)
    }

    /// How many of the entries ever added come up to an id, if that can be told without counting.
    #[must_use]
    pub fn entries_up_to(&self, id: Id) -> Option<i64> {
        self.extent().distance_from_first_ever(id)
    }

    /// A group gets entries beyond its last one: it stands behind them now, its counter with it, and they are pending with
    /// the consumer, unless nobody is to acknowledge them.
    pub fn deliver(&mut self, group: &[u8], consumer: Option<ConsumerId>, ids: &[Id], now_ms: i64) {
        let extent = self.extent();
        let Some(group) = self.group_mut(group) else { return };
        for &id in ids {
            group.entries_read = extent.entries_read_at(group, id);
            group.last_id = id;
            if let Some(consumer) = consumer {
                group.deliver(id, Pending { delivered_at_ms: now_ms, deliveries: 1, consumer });
            }
        }
        if let Some(consumer) = consumer.filter(|_| !ids.is_empty()) {
            group.consumer_mut(consumer).active_at_ms = Some(now_ms);
        }
    }
}

impl Extent {
    /// Whether entries from an id on were deleted by their ids, which makes counting uncertain.
    fn has_gaps_from(self, from: Id) -> bool {
        let deleted = self.facts.max_deleted_id;
        self.len > 0 && deleted != Id::MIN && from <= deleted
    }

    /// How many of the entries ever added come up to an id, if that can be told without counting.
    fn distance_from_first_ever(self, id: Id) -> Option<i64> {
        let Facts { last_id, max_deleted_id, entries_added } = self.facts;
        let added = entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= last_id {
            return Some(added);
        }
        if id != Id::MIN && id < max_deleted_id {
            return None;
        }
        if id >= last_id {
            return (id == last_id).then_some(added);
        }
        if max_deleted_id != Id::MIN && max_deleted_id >= self.first_id {
            return None;
        }
        match id.cmp(&self.first_id) {
            Ordering::Less => Some(added - self.len),
            Ordering::Equal => Some(added - self.len + 1),
            Ordering::Greater => None,
        }
    }

    fn lag(self, group: &Group) -> Option<i64> {
        let Facts { entries_added, max_deleted_id, .. } = self.facts;
        if entries_added == 0 || self.len == 0 {
            return Some(0);
        }
        // What the group has read, and every gap, lies before the first entry: all entries are yet to be read.
        if group.last_id < self.first_id && max_deleted_id < self.first_id {
            return Some(self.len);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => read,
            _ => self.distance_from_first_ever(group.last_id)?,
        };
        Some((entries_added as i64).wrapping_sub(read))
    }

    /// How many entries a group has read once it gets the next one.
    fn entries_read_at(self, group: &Group, id: Id) -> Option<i64> {
        match group.entries_read {
            Some(read) if group.last_id >= self.first_id && !self.has_gaps_from(group.last_id) => {
                Some(read.wrapping_add(1))
            }
            read if self.facts.entries_added == 0 => read,
            _ => self.distance_from_first_ever(id),
        }
    }
}
