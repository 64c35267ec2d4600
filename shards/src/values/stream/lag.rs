//! How far a group is behind its stream, where that can be told: as Redis reckons it.
use super::{Facts, Group, Id, Stream};

impl Stream {
    /// Whether entries from an id on were deleted by their ids, which makes counting uncertain.
    fn has_gaps_from(&self, from: Id) -> bool {
        let deleted = self.0.facts.max_deleted_id;
        self.0.len > 0 && deleted != Id::MIN && from <= deleted
    }

    /// How many of the entries ever added come up to an id, if that can be told without counting.
    fn distance_from_first_ever(&self, id: Id) -> Option<i64> {
        let facts = self.0.facts;
        let (added, len) = (facts.entries_added as i64, self.0.len as i64);
        if added == 0 {
            return Some(0);
        }
        if len == 0 && id <= facts.last_id {
            return Some(added);
        }
        if id != Id::MIN && id < facts.max_deleted_id {
            return None;
        }
        if id >= facts.last_id {
            return (id == facts.last_id).then_some(added);
        }
        if facts.max_deleted_id != Id::MIN && facts.max_deleted_id >= self.0.first_id {
            return None;
        }
        match id.cmp(&self.0.first_id) {
            std::cmp::Ordering::Less => Some(added - len),
            std::cmp::Ordering::Equal => Some(added - len + 1),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has yet to read, if that can be told.
    #[must_use]
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let Facts { entries_added, max_deleted_id, .. } = self.0.facts;
        if entries_added == 0 || self.0.len == 0 {
            return Some(0);
        }
        // What the group has read, and every gap, lies before the first entry: all entries are yet to be read.
        if group.last_id < self.0.first_id && max_deleted_id < self.0.first_id {
            return Some(self.0.len as i64);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => read,
            _ => self.distance_from_first_ever(group.last_id)?,
        };
        Some((entries_added as i64).wrapping_sub(read))
    }

    /// A group is about to get an entry beyond its last one: it goes there, its counter with it.
    pub fn move_on(&mut self, name: &[u8], id: Id) {
        let Some(group) = self.group(name) else { return };
        let read = match group.entries_read {
            Some(read) if group.last_id >= self.0.first_id && !self.has_gaps_from(group.last_id) => {
                Some(read.wrapping_add(1))
            }
            read if self.0.facts.entries_added == 0 => read,
            _ => self.distance_from_first_ever(id),
        };
        if let Some(group) = self.group_mut(name) {
            (group.last_id, group.entries_read) = (id, read);
        }
    }
}
