//! The nodes of the tree: leaves of items, and inner nodes of links.
mod balance;

use super::{Place, Ranked};
use crate::memory::allocation_bytes;
use balance::worthwhile;
use std::cmp::Ordering;

/// A node: items, or links to nodes of which all are as high as each other. Only the root may be empty.
#[derive(Debug)]
pub(super) enum Node<T: Ranked, const L: usize, const F: usize> {
    Leaf(Box<Leaf<T, L>>),
    Inner(Box<Inner<T, L, F>>),
}

/// The items from `len` on stand for nothing.
#[derive(Debug)]
pub(super) struct Leaf<T, const L: usize> {
    len: u16,
    items: [T; L],
}

#[derive(Debug)]
pub(super) struct Inner<T: Ranked, const L: usize, const F: usize> {
    links: Vec<Link<T, L, F>>,
}

/// A child with what its parent knows of it: its first item with that one's head, and how many items are below it.
#[derive(Debug)]
struct Link<T: Ranked, const L: usize, const F: usize> {
    head: T::Head,
    first: T,
    count: usize,
    node: Node<T, L, F>,
}

/// How many nodes there are: what tells the memory they take.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sizes {
    leaves: usize,
    inners: usize,
}

/// Whether a node is the tree's first or last one of its height.
#[derive(Clone, Copy)]
pub(super) struct Edges {
    first: bool,
    last: bool,
}

impl Edges {
    /// Those of the root.
    pub(super) const BOTH: Edges = Edges { first: true, last: true };

    fn below(self, at: usize, len: usize) -> Edges {
        Edges { first: self.first && at == 0, last: self.last && at + 1 == len }
    }
}

impl Sizes {
    pub(super) fn leaf<T: Ranked, const L: usize, const F: usize>(&mut self) -> Node<T, L, F> {
        self.leaves += 1;
        Node::Leaf(Box::new(Leaf { len: 0, items: [T::default(); L] }))
    }

    fn inner<T: Ranked, const L: usize, const F: usize>(&mut self) -> Node<T, L, F> {
        self.inners += 1;
        Node::Inner(Box::new(Inner { links: Vec::with_capacity(F) }))
    }

    /// Counts a node, with all below it, as gone.
    fn forget<T: Ranked, const L: usize, const F: usize>(&mut self, node: &Node<T, L, F>) {
        match node {
            Node::Leaf(_) => self.leaves -= 1,
            Node::Inner(inner) => {
                self.inners -= 1;
                inner.links.iter().for_each(|link| self.forget(&link.node));
            }
        }
    }

    pub(super) fn memory_bytes<T: Ranked, const L: usize, const F: usize>(self) -> usize {
        let inner =
            allocation_bytes(size_of::<Inner<T, L, F>>()) + allocation_bytes(F * size_of::<Link<T, L, F>>());
        self.leaves * allocation_bytes(size_of::<Leaf<T, L>>()) + self.inners * inner
    }

    #[cfg(test)]
    pub(super) fn leaf_count(self) -> usize {
        self.leaves
    }

    #[cfg(test)]
    pub(super) fn inner_count(self) -> usize {
        self.inners
    }
}

impl<T: Ranked, const L: usize, const F: usize> Node<T, L, F> {
    /// Built from the leaves up, each node nearly full.
    pub(super) fn from_sorted(items: &[T], sizes: &mut Sizes) -> Self {
        let mut nodes: Vec<Self> = shares(items.len(), L - worthwhile(L) / 2)
            .map(|share| {
                let mut node = sizes.leaf();
                if let Node::Leaf(leaf) = &mut node {
                    leaf.len = share.len() as u16;
                    leaf.items[..share.len()].copy_from_slice(&items[share]);
                }
                node
            })
            .collect();
        while nodes.len() > 1 {
            let mut below = nodes.into_iter();
            let widths = shares(below.len(), F - worthwhile(F) / 2);
            nodes = widths
                .map(|share| {
                    let mut node = sizes.inner();
                    if let Node::Inner(inner) = &mut node {
                        inner.links.extend(below.by_ref().take(share.len()).map(Link::new));
                    }
                    node
                })
                .collect();
        }
        nodes.pop().unwrap_or_else(|| sizes.leaf())
    }

    fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => usize::from(leaf.len),
            Node::Inner(inner) => inner.links.len(),
        }
    }

    fn max(&self) -> usize {
        match self {
            Node::Leaf(_) => L,
            Node::Inner(_) => F,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() == self.max()
    }

    /// So empty that it should get from a neighbour or go into one.
    fn is_poor(&self) -> bool {
        self.len() * 8 < self.max() * 3
    }

    fn has_room_to_give_to(&self) -> bool {
        self.max() - self.len() >= worthwhile(self.max())
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => usize::from(leaf.len),
            Node::Inner(inner) => inner.links.iter().map(|link| link.count).sum(),
        }
    }

    fn first(&self) -> (T::Head, T) {
        match self {
            Node::Leaf(leaf) => (leaf.items[0].head(), leaf.items[0]),
            Node::Inner(inner) => (inner.links[0].head, inner.links[0].first),
        }
    }

    /// Whether the place is behind everything in here; for a node that is not empty.
    fn ends_before(&self, place: &impl Place<T>) -> bool {
        match self {
            Node::Leaf(leaf) => {
                leaf.items().last().is_some_and(|item| place(item.head(), *item) == Ordering::Less)
            }
            Node::Inner(inner) => inner.links.last().is_some_and(|link| link.node.ends_before(place)),
        }
    }

    pub(super) fn rank(&self, place: &impl Place<T>) -> usize {
        let (mut node, mut before) = (self, 0);
        loop {
            match node {
                Node::Leaf(leaf) => return before + leaf.seek(place),
                Node::Inner(inner) => {
                    let at = inner.seek(place);
                    before += inner.links[..at].iter().map(|link| link.count).sum::<usize>();
                    node = &inner.links[at].node;
                }
            }
        }
    }

    /// The items of the leaf in which the item of a rank is, and its index there.
    pub(super) fn leaf_at(&self, mut rank: usize) -> Option<(&[T], usize)> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf.items(), rank)),
                Node::Inner(inner) => {
                    let link = inner.links.iter().find(|link| {
                        let here = rank < link.count;
                        rank -= if here { 0 } else { link.count };
                        here
                    })?;
                    node = &link.node;
                }
            }
        }
    }

    /// Adds an item; there is room in this node.
    pub(super) fn insert(&mut self, item: T, place: &impl Place<T>, edges: Edges, sizes: &mut Sizes) {
        match self {
            Node::Leaf(leaf) => leaf.insert(leaf.seek(place), item),
            Node::Inner(inner) => inner.insert(item, place, edges, sizes),
        }
    }

    /// Puts a full root below a new one.
    pub(super) fn grow(&mut self, sizes: &mut Sizes) {
        let old = std::mem::replace(self, sizes.inner());
        if let Node::Inner(inner) = self {
            inner.links.push(Link::new(old));
        }
    }

    /// Takes a root with one child away, and that one's as well.
    pub(super) fn shed(&mut self, sizes: &mut Sizes) {
        while let Node::Inner(inner) = self
            && inner.links.len() == 1
            && let Some(link) = inner.links.pop()
        {
            sizes.inners -= 1;
            *self = link.node;
        }
    }

    pub(super) fn remove(&mut self, place: &impl Place<T>, sizes: &mut Sizes) -> Option<T> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.seek(place);
                let item = *leaf.items().get(at)?;
                if place(item.head(), item) != Ordering::Equal {
                    return None;
                }
                leaf.cut(at, 1);
                Some(item)
            }
            Node::Inner(inner) => inner.remove(place, sizes),
        }
    }

    /// Takes `count` items from rank `from` on out; some are left.
    pub(super) fn cut(&mut self, from: usize, count: usize, sizes: &mut Sizes) {
        match self {
            Node::Leaf(leaf) => leaf.cut(from, count),
            Node::Inner(inner) => inner.cut(from, count, sizes),
        }
    }

    /// See [`super::Tree::change_in_place`]. `next` is the item behind the last one in here.
    pub(super) fn change_in_place(
        &mut self,
        old: &impl Place<T>,
        new: &impl Place<T>,
        rises: bool,
        next: Option<(T::Head, T)>,
        is_first: bool,
        change: impl FnOnce(T),
    ) -> bool {
        let behind = |(head, item): (T::Head, T)| new(head, item) == Ordering::Greater;
        match self {
            Node::Leaf(leaf) => {
                let (items, at) = (leaf.items(), leaf.seek(old));
                let Some(item) = items.get(at) else { return false };
                if old(item.head(), *item) != Ordering::Equal {
                    return false;
                }
                let next = items.get(at + 1).map(|next| (next.head(), *next)).or(next);
                let is_behind_previous = match at.checked_sub(1) {
                    Some(before) => rises || new(items[before].head(), items[before]) == Ordering::Less,
                    None => rises || is_first,
                };
                let stays = is_behind_previous && next.is_none_or(behind);
                if stays {
                    change(*item);
                }
                stays
            }
            Node::Inner(inner) => {
                let at = inner.seek(old);
                let next = inner.links.get(at + 1).map(|link| (link.head, link.first)).or(next);
                let link = &mut inner.links[at];
                let is_first = is_first && at == 0;
                let stays = link.node.change_in_place(old, new, rises, next, is_first, change);
                if stays {
                    (link.head, link.first) = link.node.first();
                }
                stays
            }
        }
    }
}

/// `len` in shares of at most `max`, as even as can be.
fn shares(len: usize, max: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = len.div_ceil(max);
    (0..count).map(move |index| len * index / count..len * (index + 1) / count)
}

impl<T: Ranked, const L: usize> Leaf<T, L> {
    #[inline]
    fn items(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }

    /// How many items are before a place. Each look at one may have to wait for memory: so seven at a time are brought near,
    /// and three times as long as one wait is enough for a leaf.
    #[inline]
    fn seek(&self, place: &impl Place<T>) -> usize {
        let is_before = |item: &T| place(item.head(), *item) == Ordering::Less;
        let (mut from, mut items) = (0, self.items());
        while items.len() >= 16 {
            let step = items.len() / 8;
            (1..8).for_each(|pivot| items[pivot * step].prefetch());
            let before = (1..8).take_while(|pivot| is_before(&items[pivot * step])).count();
            from += before * step;
            let end = if before == 7 { items.len() } else { (before + 1) * step };
            items = &items[before * step..end];
        }
        items.iter().for_each(|item| item.prefetch());
        from + items.partition_point(is_before)
    }

    fn insert(&mut self, at: usize, item: T) {
        self.items.copy_within(at..usize::from(self.len), at + 1);
        self.items[at] = item;
        self.len += 1;
    }

    fn cut(&mut self, from: usize, count: usize) {
        self.items.copy_within(from + count..usize::from(self.len), from);
        self.len -= count as u16;
    }
}

impl<T: Ranked, const L: usize, const F: usize> Link<T, L, F> {
    fn new(node: Node<T, L, F>) -> Self {
        let (head, first) = node.first();
        Link { head, first, count: node.count(), node }
    }

    /// Looks at the child anew, which has exchanged items with a neighbour.
    fn renew(&mut self) {
        (self.head, self.first) = self.node.first();
        self.count = self.node.count();
    }
}

impl<T: Ranked, const L: usize, const F: usize> Inner<T, L, F> {
    /// The child in which the item at a place is, or belongs.
    #[inline]
    fn seek(&self, place: &impl Place<T>) -> usize {
        let behind = self.links.partition_point(|link| place(link.head, link.first) != Ordering::Greater);
        behind.saturating_sub(1)
    }

    fn insert(&mut self, item: T, place: &impl Place<T>, edges: Edges, sizes: &mut Sizes) {
        let mut at = self.seek(place);
        if self.links[at].node.is_full() {
            self.make_room(at, place, edges.below(at, self.links.len()), sizes);
            at = self.seek(place);
        }
        let edges = edges.below(at, self.links.len());
        let link = &mut self.links[at];
        if place(link.head, link.first) == Ordering::Greater {
            (link.head, link.first) = (item.head(), item);
        }
        link.node.insert(item, place, edges, sizes);
        link.count += 1;
    }

    fn remove(&mut self, place: &impl Place<T>, sizes: &mut Sizes) -> Option<T> {
        let at = self.seek(place);
        let link = &mut self.links[at];
        let removed = link.node.remove(place, sizes)?;
        link.count -= 1;
        if link.count == 0 {
            let gone = self.links.remove(at);
            sizes.forget(&gone.node);
        } else {
            (link.head, link.first) = link.node.first();
            self.mend(at, sizes);
        }
        Some(removed)
    }

    fn cut(&mut self, mut from: usize, mut count: usize, sizes: &mut Sizes) {
        let mut at = 0;
        while from >= self.links[at].count {
            from -= self.links[at].count;
            at += 1;
        }
        // Of the first child the end goes, or a part within.
        let in_first = count.min(self.links[at].count - from);
        if in_first < self.links[at].count {
            self.cut_child(at, from, in_first, sizes);
            count -= in_first;
            at += 1;
        }
        let whole_from = at;
        while at < self.links.len() && count >= self.links[at].count && count > 0 {
            count -= self.links[at].count;
            sizes.forget(&self.links[at].node);
            at += 1;
        }
        self.links.drain(whole_from..at);
        // Of the last one the beginning.
        if count > 0 {
            self.cut_child(whole_from, 0, count, sizes);
        }
        if whole_from < self.links.len() {
            self.mend(whole_from, sizes);
        }
        if whole_from > 0 {
            self.mend(whole_from - 1, sizes);
        }
    }

    fn cut_child(&mut self, at: usize, from: usize, count: usize, sizes: &mut Sizes) {
        self.links[at].node.cut(from, count, sizes);
        self.links[at].renew();
    }
}

#[cfg(test)]
impl<T: Ranked<Head: PartialEq> + PartialEq, const L: usize, const F: usize> Node<T, L, F> {
    /// Whether links know their children and all leaves are equally deep; gives back the height.
    pub(super) fn check(&self, is_root: bool) -> Result<usize, String> {
        if !is_root && self.len() == 0 {
            return Err("a node is empty".to_owned());
        }
        let Node::Inner(inner) = self else { return Ok(0) };
        let mut heights = Vec::new();
        for link in &inner.links {
            let (head, first) = link.node.first();
            if link.head != head || link.first != first || link.count != link.node.count() {
                return Err(format!("a link does not know its child: {link:?}"));
            }
            heights.push(link.node.check(false)?);
        }
        if heights.iter().any(|height| *height != heights[0]) || (is_root && heights.len() < 2) {
            return Err(format!("heights of the children: {heights:?}"));
        }
        Ok(heights[0] + 1)
    }

    /// How many leaves and inner nodes there are.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let Node::Inner(inner) = self else { return (1, 0) };
        let below = inner.links.iter().map(|link| link.node.sizes());
        below.fold((0, 1), |all, one| (all.0 + one.0, all.1 + one.1))
    }
}
