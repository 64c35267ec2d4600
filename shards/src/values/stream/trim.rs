//! Trimming: the oldest entries go, by number or by id, whole nodes at a time where that is all that is asked for.
use super::node::Node;
use super::{Id, Stream};

/// Which entries are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Those before the newest so many.
    Len(u64),
    /// Those before this id.
    Id(Id),
}

/// What becomes of what groups know of entries that are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay pending.
    #[default]
    Keep,
    /// They go from all groups.
    Delete,
    /// An entry stays until every group has read and acknowledged it.
    Acked,
}

/// What to trim.
#[derive(Clone, Copy, Debug)]
pub struct Trim {
    /// Which entries are too many.
    pub bound: Bound,
    /// Only nodes of which all entries are.
    pub is_approximate: bool,
    /// No more entries than this are looked at.
    pub limit: Option<u64>,
    /// What becomes of the groups' references.
    pub references: References,
}

impl Stream {
    /// Deletes entries from the beginning; how many went.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let references = if self.has_groups() { trim.references } else { References::Keep };
        let deleted = match references {
            References::Keep => self.trim_freely(trim),
            References::Delete | References::Acked => self.trim_one_by_one(trim, references),
        };
        if deleted > 0 {
            self.find_first_id();
        }
        deleted
    }

    fn trim_freely(&mut self, trim: Trim) -> u64 {
        let mut deleted = 0;
        loop {
            if matches!(trim.bound, Bound::Len(max) if self.0.len <= max) {
                return deleted;
            }
            let Some((&base, node)) = self.0.nodes.first_key_value() else { return deleted };
            let live = node.head().live as u64;
            if trim.limit.is_some_and(|limit| deleted + live > limit) {
                return deleted;
            }
            let goes_whole = match trim.bound {
                Bound::Len(max) => self.0.len - live >= max,
                Bound::Id(min) => node.last_id(base) < min,
            };
            if goes_whole {
                self.remove_node(base);
                self.0.len -= live;
                deleted += live;
                continue;
            }
            if !trim.is_approximate {
                deleted += self.trim_node(base, trim.bound);
            }
            return deleted;
        }
    }

    /// Deletes entries of the first node, which keeps some.
    fn trim_node(&mut self, base: Id, bound: Bound) -> u64 {
        let len = self.0.len;
        let deleted = self.change_node(base, |node| {
            let (mut deleted, mut at) = (0, node.first());
            while let Some(spot) = at.and_then(|at| node.spot(base, at)) {
                let is_enough = match bound {
                    Bound::Len(max) => len - deleted <= max,
                    Bound::Id(min) => spot.id >= min,
                };
                if is_enough {
                    break;
                }
                if !spot.is_deleted() {
                    node.bury(spot);
                    deleted += 1;
                }
                at = spot.next;
            }
            deleted
        });
        self.0.len -= deleted;
        deleted
    }

    /// The same where every entry is to be looked up in the groups.
    fn trim_one_by_one(&mut self, trim: Trim, references: References) -> u64 {
        let mut deleted = 0;
        let mut after = None;
        loop {
            if matches!(trim.bound, Bound::Len(max) if self.0.len <= max) {
                return deleted;
            }
            let next = match after {
                None => self.0.nodes.first_key_value(),
                Some(base) => {
                    self.0.nodes.range((std::ops::Bound::Excluded(base), std::ops::Bound::Unbounded)).next()
                }
            };
            let Some((&base, node)) = next else { return deleted };
            let live = node.head().live as u64;
            if trim.limit.is_some_and(|limit| deleted + live > limit) {
                return deleted;
            }
            let goes_whole = match trim.bound {
                Bound::Len(max) => self.0.len - live >= max,
                Bound::Id(min) => node.last_id(base) < min,
            };
            if !goes_whole && trim.is_approximate {
                return deleted;
            }
            for id in ids(node, base) {
                let is_enough = match trim.bound {
                    Bound::Len(max) => self.0.len <= max,
                    Bound::Id(min) => id >= min,
                };
                if is_enough {
                    return deleted;
                }
                if references == References::Acked && self.is_referenced(id) {
                    continue;
                }
                if references == References::Delete {
                    self.drop_references(id);
                }
                self.bury(id);
                deleted += 1;
            }
            after = Some(base);
        }
    }
}

/// The ids of a node's entries that are there.
fn ids(node: &Node, base: Id) -> Vec<Id> {
    let mut ids = Vec::with_capacity(node.head().live as usize);
    let mut at = node.first();
    while let Some(spot) = at.and_then(|at| node.spot(base, at)) {
        if !spot.is_deleted() {
            ids.push(spot.id);
        }
        at = spot.next;
    }
    ids
}
