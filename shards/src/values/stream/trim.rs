//! Trimming: the oldest entries go, by number or by id, whole nodes at a time where that is all that is asked for.
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
            let Some(&(base, ref node)) = self.0.nodes.first() else { return deleted };
            let live = node.head().live as u64;
            if trim.limit.is_some_and(|limit| deleted + live > limit) {
                return deleted;
            }
            let goes_whole = match trim.bound {
                Bound::Len(max) => self.0.len - live >= max,
                Bound::Id(min) => node.last_id(base) < min,
            };
            if goes_whole {
                self.0.nodes.remove(base);
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
        let Some(node) = self.0.nodes.get(base) else { return 0 };
        let mut len = self.0.len;
        let mut spots = Vec::new();
        for spot in node.spots(base) {
            if is_enough(bound, len, spot.id) {
                break;
            }
            if !spot.is_deleted() {
                spots.push(spot);
                len -= 1;
            }
        }
        self.0.nodes.change(base, |node| node.bury(&spots));
        self.0.len = len;
        spots.len() as u64
    }

    /// The same where every entry is to be looked up in the groups.
    fn trim_one_by_one(&mut self, trim: Trim, references: References) -> u64 {
        let (mut deleted, mut after) = (0, None);
        loop {
            if matches!(trim.bound, Bound::Len(max) if self.0.len <= max) {
                return deleted;
            }
            let mut nodes = self.0.nodes.between(after.unwrap_or(Id::MIN), Id::MAX);
            let Some(&(base, ref node)) = nodes.find(|(base, _)| Some(*base) != after) else {
                return deleted;
            };
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
            deleted += self.trim_referenced(base, trim.bound, references);
            // Entries that had to stay make others go in their place, further on.
            if !goes_whole && matches!(trim.bound, Bound::Id(_)) {
                return deleted;
            }
            after = Some(base);
        }
    }

    /// Deletes entries of a node, as far as what groups know of them allows it.
    fn trim_referenced(&mut self, base: Id, bound: Bound, references: References) -> u64 {
        let Some(node) = self.0.nodes.get(base) else { return 0 };
        let live = node.head().live as usize;
        let mut len = self.0.len;
        let mut spots = Vec::new();
        for spot in node.spots(base).filter(|spot| !spot.is_deleted()) {
            if is_enough(bound, len, spot.id) {
                break;
            }
            if references != References::Acked || !self.is_referenced(spot.id) {
                spots.push(spot);
                len -= 1;
            }
        }
        if spots.len() == live {
            self.0.nodes.remove(base);
        } else {
            self.0.nodes.change(base, |node| node.bury(&spots));
        }
        if references == References::Delete {
            for spot in &spots {
                self.drop_references(spot.id);
            }
        }
        self.0.len = len;
        spots.len() as u64
    }
}

/// Whether an entry stays, where so many are left, it among them.
fn is_enough(bound: Bound, len: u64, id: Id) -> bool {
    match bound {
        Bound::Len(max) => len <= max,
        Bound::Id(min) => id >= min,
    }
}
