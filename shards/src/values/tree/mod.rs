//! A B+-tree with counts: items in an order that their owner tells, sought by place or by rank in O(log n).
//!
//! The leaves hold the items, the inner nodes for each child how many items are below it and which is the first. An item
//! is one word that stands for something kept elsewhere (in a sorted set: the address of a score with its member); of its
//! *head*, what decides the order first, the inner nodes keep a copy, so that on the way down nearly nothing else is read.
//!
//! A node that is full gives to a neighbour before it splits, and two full ones split into three, so that leaves are more
//! than four fifths full after inserts in any order: 10 bytes an item, all in all.
mod node;
#[cfg(test)]
mod tests;

use node::{Edges, Node, Sizes};
use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::Range;

/// Items of a leaf at most: with their number they fill a kilobyte.
const LEAF_MAX: usize = 127;
/// How far ahead of a walk items are brought near.
const AHEAD: usize = 6;
/// Children of an inner node at most.
const INNER_MAX: usize = 64;

/// A word that stands for something with a place in an order. The default stands for nothing; it is never asked for its head.
pub trait Ranked: Copy + Default + Debug {
    /// What decides the order first.
    type Head: Copy + Default + Debug;
    /// The head as it is now.
    fn head(self) -> Self::Head;
    /// Asks for what this stands for to be brought near.
    fn prefetch(self) {}
}

/// Where an item stands relative to the place that is sought: `Less` if it is before. Of all items at most one is `Equal`:
/// who seeks the beginning or the end of several alike says `Less` or `Greater` to all of them.
pub trait Place<T: Ranked>: Fn(T::Head, T) -> Ordering {}
impl<T: Ranked, F: Fn(T::Head, T) -> Ordering> Place<T> for F {}

/// Items in order, with their ranks from 0.
#[derive(Debug)]
pub struct Tree<T: Ranked, const L: usize = LEAF_MAX, const F: usize = INNER_MAX> {
    root: Node<T, L, F>,
    len: usize,
    sizes: Sizes,
}

impl<T: Ranked, const L: usize, const F: usize> Default for Tree<T, L, F> {
    fn default() -> Self {
        let mut sizes = Sizes::default();
        Tree { root: sizes.leaf(), len: 0, sizes }
    }
}

impl<T: Ranked, const L: usize, const F: usize> Tree<T, L, F> {
    /// A tree of items that are in order already.
    #[must_use]
    pub fn from_sorted(items: &[T]) -> Self {
        let mut sizes = Sizes::default();
        let root = Node::from_sorted(items, &mut sizes);
        Tree { root, len: items.len(), sizes }
    }

    /// How many items there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the allocator keeps for the nodes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.sizes.memory_bytes::<T, L, F>()
    }

    /// Adds an item at its place, at which none stands.
    pub fn insert(&mut self, item: T, place: &impl Place<T>) {
        if self.root.is_full() {
            self.root.grow(&mut self.sizes);
        }
        self.root.insert(item, place, Edges::BOTH, &mut self.sizes);
        self.len += 1;
    }

    /// Takes the item at a place out, if one stands there.
    pub fn remove(&mut self, place: &impl Place<T>) -> Option<T> {
        let removed = self.root.remove(place, &mut self.sizes)?;
        self.root.shed(&mut self.sizes);
        self.len -= 1;
        Some(removed)
    }

    /// How many items stand before a place: the rank of the item there.
    #[must_use]
    pub fn rank(&self, place: &impl Place<T>) -> usize {
        self.root.rank(place)
    }

    /// The item of a rank.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<T> {
        let (items, at) = self.root.leaf_at(rank)?;
        items.get(at).copied()
    }

    /// The items of these ranks in order. Ranks beyond the end are left out.
    pub fn range(&self, ranks: Range<usize>) -> impl Iterator<Item = T> + '_ {
        let end = ranks.end.min(self.len);
        let mut rank = ranks.start;
        let mut leaf = [].iter();
        std::iter::from_fn(move || {
            if rank >= end {
                return None;
            }
            let item = leaf.next().or_else(|| {
                let (items, at) = self.root.leaf_at(rank)?;
                leaf = items[at..].iter();
                leaf.next()
            })?;
            leaf.as_slice().get(AHEAD).copied().into_iter().for_each(T::prefetch);
            rank += 1;
            Some(*item)
        })
    }

    /// The items of these ranks, the last first.
    pub fn range_back(&self, ranks: Range<usize>) -> impl Iterator<Item = T> + '_ {
        let mut end = ranks.end.min(self.len);
        let mut leaf = [].iter();
        std::iter::from_fn(move || {
            if end <= ranks.start {
                return None;
            }
            let item = leaf.next_back().or_else(|| {
                let (items, at) = self.root.leaf_at(end - 1)?;
                leaf = items[..=at].iter();
                leaf.next_back()
            })?;
            leaf.as_slice().iter().nth_back(AHEAD).copied().into_iter().for_each(T::prefetch);
            end -= 1;
            Some(*item)
        })
    }

    /// Takes the items of these ranks, all of which exist, out. Costs O(log n) and the freeing of the nodes between.
    pub fn remove_range(&mut self, ranks: Range<usize>) {
        debug_assert!(ranks.end <= self.len, "only what is there is removed");
        if ranks.len() == self.len {
            *self = Tree::default();
        } else if !ranks.is_empty() {
            self.root.cut(ranks.start, ranks.len(), &mut self.sizes);
            self.root.shed(&mut self.sizes);
            self.len -= ranks.len();
        }
    }

    /// Changes the item at `old` into one that belongs at `new`, if it need not move for that; whether it was done. It may
    /// be asked to move, even so, where it is the first of its leaf and does not rise.
    pub fn change_in_place(
        &mut self,
        old: &impl Place<T>,
        new: &impl Place<T>,
        rises: bool,
        change: impl FnOnce(T),
    ) -> bool {
        self.root.change_in_place(old, new, rises, None, true, change)
    }

    #[cfg(test)]
    pub(super) fn fill(&self) -> f64 {
        self.len as f64 / (self.sizes.leaf_count() * L) as f64
    }
}
