//! A long list: nodes that are listpacks, split and joined where Redis splits and joins them.
//!
//! What is within `list-compress-depth` nodes of an end lies open; nodes further inside are squeezed whenever they are left.
mod limit;
mod node;
mod nodes;
mod search;
#[cfg(test)]
mod tests;
mod whole;

use super::list::Side;
use super::listpack::{Listpack, ROOMY_NODES_MIN, Wanted};
use crate::keyspace::StrRef;
use crate::settings::Settings;
pub use limit::Limit;
use node::Node;
pub(crate) use nodes::View;
use nodes::{Nodes, Place};
use search::Needle;
use std::ops::ControlFlow;

/// A list of nodes.
#[derive(Clone, Debug)]
pub struct Quicklist {
    nodes: Nodes,
    limit: Limit,
    /// How many nodes at either end are never squeezed; 0: none is squeezed.
    depth: usize,
}

impl Quicklist {
    /// One that begins with the elements of a listpack.
    #[must_use]
    pub fn new(pack: Listpack, settings: &Settings) -> Quicklist {
        let mut nodes = Nodes::default();
        if !pack.is_empty() {
            nodes.push_back(Node::of(pack));
        }
        let depth = settings.list_compress_depth.min(u32::from(u16::MAX)) as usize;
        Quicklist { nodes, limit: Limit::new(settings.list_listpack_size), depth }
    }

    /// Its listpack, if it has shrunk to one that is small by the settings.
    #[must_use]
    pub fn take_small(&mut self, settings: &Settings) -> Option<Listpack> {
        let place = self.nodes.first().filter(|_| self.nodes.len() == 1)?;
        let node = self.nodes.get(place);
        let limit = Limit::new(settings.list_listpack_size);
        if node.is_plain() || !limit.is_half(node.open_bytes(), node.count()) {
            return None;
        }
        let (mut node, _) = self.nodes.remove(place);
        node.fit();
        Some(node.alter(std::mem::take))
    }

    /// How many elements.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.item_count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes as they are now, for a reader; nothing where somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View> {
        self.nodes.lend()
    }

    /// How many nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// What the allocator keeps for it, in bytes; of what lies behind its own pointer only.
    #[inline]
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.nodes.memory_bytes()
    }

    /// Frees about `budget` nodes; whether none is left.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.nodes.leave_to_reader();
        for _ in 0..budget {
            let Some(place) = self.nodes.last() else { break };
            self.nodes.remove(place);
        }
        self.nodes.len() == 0
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, side: Side, value: &[u8]) {
        match self.end(side) {
            Some(place) if !self.nodes.get(place).is_full(self.limit, value.len()) => {
                self.nodes.alter(place, |node| node.alter(|pack| side.push(pack, value)));
            }
            Some(place) => {
                let room = self.finish(place);
                let node = Node::with_room(value, self.limit, room);
                self.add_beside(place, node, side == Side::Right);
            }
            None => {
                self.nodes.push_back(Node::new(value, self.limit));
            }
        }
    }

    /// Ends a node at an end of the list that is full. Gives back the room of the next one (see [`ROOMY_NODES_MIN`]); 0 where it grows.
    fn finish(&mut self, place: Place) -> usize {
        if self.nodes.len() < ROOMY_NODES_MIN || self.nodes.get(place).is_plain() {
            return 0;
        }
        self.nodes.alter(place, |node| {
            node.fit();
            node.memory_bytes()
        })
    }

    /// Removes the element at an end, shown to `take` first.
    #[inline]
    pub fn pop<T>(&mut self, side: Side, take: impl FnOnce(StrRef<'_>) -> T) -> Option<T> {
        let place = self.end(side)?;
        let taken = self.nodes.alter(place, |node| node.alter(|pack| side.pop(pack, take)));
        if self.nodes.get(place).count() == 0 {
            self.remove_node(place);
        }
        taken
    }

    /// Shows elements from an index on, towards an end, until told to stop.
    #[inline]
    pub fn each(&self, index: usize, towards: Side, mut show: impl FnMut(StrRef<'_>) -> ControlFlow<()>) {
        if index >= self.len() {
            return;
        }
        let (mut place, mut offset) = self.nodes.seek(index);
        loop {
            let open = self.nodes.get(place).open();
            let at = open.seek(offset as i64).expect("a node has the elements it says it has");
            let flow = match towards {
                Side::Right => open.iter_from(at).try_for_each(&mut show),
                Side::Left => open.iter_to(at).rev().try_for_each(&mut show),
            };
            let next = match towards {
                Side::Right => self.nodes.next(place),
                Side::Left => self.nodes.prev(place),
            };
            let (ControlFlow::Continue(()), Some(next)) = (flow, next) else { return };
            place = next;
            offset = if towards == Side::Right { 0 } else { self.nodes.get(next).count() - 1 };
        }
    }

    /// Shows how far from an end (0: the element there) the elements are that are `value`, nearest first, until told to stop;
    /// looks at no node that is `window` elements away.
    pub fn positions(
        &self,
        from: Side,
        value: &[u8],
        window: usize,
        mut show: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let needle = Needle::new(value);
        let (mut place, mut passed) = (self.end(from), 0);
        while let Some(here) = place
            && passed < window
        {
            let node = self.nodes.get(here);
            let open = node.open();
            if needle.may_be_in(&open)
                && positions(&open, from, needle.wanted(), |index| show(passed + index)).is_break()
            {
                return;
            }
            passed += node.count();
            place = self.inwards(here, from);
        }
    }

    /// Puts a value in the place of the element at an index, which exists.
    pub fn set(&mut self, index: usize, value: &[u8]) {
        let (place, offset) = self.nodes.seek(index);
        let (is_plain, is_large) = (self.nodes.get(place).is_plain(), self.limit.is_large(value.len()));
        if !is_plain && !is_large {
            self.replace(place, offset, value);
        } else if !is_plain {
            self.replace_by_large(place, offset, value);
        } else if is_large {
            self.nodes.alter(place, |node| *node = Node::new(value, self.limit));
            self.settle(place);
        } else {
            let place = self.insert_at(place, 0, value, true);
            self.remove_node(place);
        }
    }

    fn replace(&mut self, place: Place, offset: usize, value: &[u8]) {
        let limit = self.limit;
        let tail = self.nodes.alter(place, |node| {
            node.alter(|pack| {
                let at = pack.seek(offset as i64).expect("a node has the elements it says it has");
                pack.replace(at, value);
                // Replacing makes a node grow without a limit otherwise: Redis lets it, but a node is to be a small piece.
                let is_overgrown = pack.len() > 1 && limit.is_overgrown(pack.as_bytes().len());
                is_overgrown.then(|| pack.split_off(pack.len() / 2))
            })
        });
        match tail {
            Some(tail) => {
                self.add_beside(place, Node::of(tail), true);
            }
            None => self.settle(place),
        }
    }

    fn replace_by_large(&mut self, place: Place, offset: usize, value: &[u8]) {
        let large = self.split_around(place, offset + 1, value);
        let replaced = self.nodes.prev(large).expect("the node that had the element stands before");
        let center = if self.nodes.get(replaced).count() == 1 {
            let (_, next) = self.nodes.remove(replaced);
            next.expect("the value stands behind")
        } else {
            self.nodes.alter(replaced, |node| node.alter(|pack| Side::Right.pop(pack, |_| ())));
            self.join_around(large)
        };
        self.settle_around(center);
    }

    /// Adds a value beside the first element that is `pivot`; whether there is one.
    pub fn insert_beside(&mut self, pivot: &[u8], value: &[u8], after: bool) -> bool {
        let needle = Needle::new(pivot);
        let mut place = self.nodes.first();
        while let Some(here) = place {
            let found = {
                let open = self.nodes.get(here).open();
                needle.find_in(&open).map(|at| open.len() - open.iter_from(at).count())
            };
            if let Some(offset) = found {
                self.insert_at(here, offset, value, after);
                return true;
            }
            place = self.nodes.next(here);
        }
        false
    }

    /// Removes elements that are `value`, at most `max`, from a side on; how many.
    pub fn remove_equal(&mut self, from: Side, value: &[u8], max: usize) -> usize {
        let needle = Needle::new(value);
        let (mut place, mut removed) = (self.end(from), 0);
        while let Some(here) = place
            && removed < max
        {
            if !needle.may_be_in(&self.nodes.get(here).open()) {
                place = self.inwards(here, from);
                continue;
            }
            let left = max - removed;
            removed += self
                .nodes
                .alter(here, |node| node.alter(|pack| remove_equal(pack, from, needle.wanted(), left)));
            if self.nodes.get(here).count() > 0 {
                self.settle(here);
                place = self.inwards(here, from);
            } else {
                let before = self.nodes.prev(here);
                let next = self.remove_node(here);
                place = if from == Side::Left { next } else { before };
            }
        }
        removed
    }

    /// Removes `count` elements from an index on; all of them exist.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let mut left = count;
        while left > 0 {
            let (place, offset) = self.nodes.seek(index);
            let in_node = self.nodes.get(place).count();
            let taken = left.min(in_node - offset);
            if taken == in_node {
                self.nodes.remove(place);
            } else {
                self.nodes.alter(place, |node| node.alter(|pack| pack.remove_range(offset as i64, taken)));
                self.settle(place);
            }
            left -= taken;
        }
        self.settle_ends();
    }

    #[inline]
    fn end(&self, side: Side) -> Option<Place> {
        match side {
            Side::Left => self.nodes.first(),
            Side::Right => self.nodes.last(),
        }
    }

    /// The next node away from an end.
    fn inwards(&self, place: Place, from: Side) -> Option<Place> {
        match from {
            Side::Left => self.nodes.next(place),
            Side::Right => self.nodes.prev(place),
        }
    }

    /// Adds a value before or after an element. Gives back where the node is now that had the element (or most of it).
    fn insert_at(&mut self, place: Place, offset: usize, value: &[u8], after: bool) -> Place {
        let node = self.nodes.get(place);
        let is_at_edge = if after { offset + 1 == node.count() } else { offset == 0 };
        let beside = if after { self.nodes.next(place) } else { self.nodes.prev(place) };
        let has_room = |place: &Place| !self.nodes.get(*place).is_full(self.limit, value.len());
        if has_room(&place) {
            self.nodes.alter(place, |node| {
                node.alter(|pack| {
                    let at = pack.seek(offset as i64).expect("a node has the elements it says it has");
                    if after {
                        pack.insert_after(at, value)
                    } else {
                        pack.insert_before(at, value)
                    };
                });
            });
            self.settle(place);
            return place;
        }
        if is_at_edge {
            if let Some(beside) = beside.filter(has_room) {
                let side = if after { Side::Left } else { Side::Right };
                self.nodes.alter(beside, |node| node.alter(|pack| side.push(pack, value)));
                self.settle(beside);
                return place;
            }
            let added = self.add_beside(place, Node::new(value, self.limit), after);
            let back = if after { self.nodes.prev(added) } else { self.nodes.next(added) };
            return back.expect("it was added beside this one");
        }
        self.split_to_insert(place, if after { offset + 1 } else { offset }, value, after)
    }

    /// Adds a value at an offset within a node that has no room for it.
    fn split_to_insert(&mut self, place: Place, offset: usize, value: &[u8], after: bool) -> Place {
        if self.limit.is_large(value.len()) {
            let large = self.split_around(place, offset, value);
            self.settle_around(large);
            return large;
        }
        let tail = self.nodes.alter(place, |node| {
            node.alter(|pack| {
                let mut tail = pack.split_off(offset);
                if after {
                    tail.push_front(value)
                } else {
                    pack.push_back(value)
                }
                tail
            })
        });
        let tail = self.nodes.insert_after(place, Node::of(tail));
        // Redis joins around the node that keeps the element which the value was added beside.
        let center = if after { self.nodes.prev(tail).expect("it was split off this one") } else { tail };
        let center = self.join_around(center);
        self.settle_around(center);
        center
    }

    /// Splits a node at an offset, which may be its end, and puts a large value between the halves; where it stands.
    fn split_around(&mut self, place: Place, offset: usize, value: &[u8]) -> Place {
        let tail = self.nodes.alter(place, |node| node.alter(|pack| pack.split_off(offset)));
        let large = self.nodes.insert_after(place, Node::new(value, self.limit));
        if tail.is_empty() {
            return large;
        }
        let tail = self.nodes.insert_after(large, Node::of(tail));
        self.nodes.prev(tail).expect("the value stands before the tail")
    }

    /// Joins small nodes around one, in the order in which Redis tries it; where it is then.
    fn join_around(&mut self, center: Place) -> Place {
        let mut center = center;
        if let Some(first) = self.nodes.prev(center).and_then(|before| self.nodes.prev(before))
            && self.join_with_next(first)
        {
            center = self.nodes.next(first).expect("the center stands behind");
        }
        if let Some(next) = self.nodes.next(center) {
            self.join_with_next(next);
        }
        if let Some(before) = self.nodes.prev(center)
            && self.join_with_next(before)
        {
            center = before;
        }
        self.join_with_next(center);
        center
    }

    /// Joins a node with the next one, if they fit into one; whether they did.
    fn join_with_next(&mut self, place: Place) -> bool {
        let next = self.nodes.next(place);
        let fits = |next: &Place| self.nodes.get(place).has_room_for(self.nodes.get(*next), self.limit);
        let Some(next) = next.filter(fits) else { return false };
        // Places before the one removed stay what they are.
        let (next, _) = self.nodes.remove(next);
        self.nodes.alter(place, |node| node.alter(|pack| pack.append(&next.open())));
        true
    }

    /// Adds a node beside another; where it stands.
    fn add_beside(&mut self, place: Place, node: Node, after: bool) -> Place {
        let place = if after { self.nodes.insert_after(place, node) } else { self.nodes.insert(place, node) };
        self.settle_around(place);
        place
    }

    /// Takes a node out; the place of the next one.
    fn remove_node(&mut self, place: Place) -> Option<Place> {
        let (_, next) = self.nodes.remove(place);
        self.settle_ends();
        next
    }

    /// Squeezes a node that was changed, if it is deep inside.
    #[inline]
    fn settle(&mut self, place: Place) {
        if self.depth > 0 && self.is_inside(place) {
            self.nodes.alter(place, Node::squeeze);
        }
    }

    /// The same for a node and its neighbours, and for the ends, which may have become others.
    fn settle_around(&mut self, place: Place) {
        if self.depth > 0 {
            let around = [self.nodes.prev(place), Some(place), self.nodes.next(place)];
            around.into_iter().flatten().for_each(|place| self.settle(place));
            self.settle_ends();
        }
    }

    /// Opens what is near the ends, and squeezes what is next to it.
    fn settle_ends(&mut self) {
        if self.depth == 0 {
            return;
        }
        for side in [Side::Left, Side::Right] {
            let mut place = self.end(side);
            for _ in 0..self.depth {
                let Some(here) = place else { return };
                if self.nodes.get(here).is_squeezed() {
                    self.nodes.alter(here, Node::unsqueeze);
                }
                place = self.inwards(here, side);
            }
            // A split adds two nodes: so many may have come inside.
            for _ in 0..2 {
                let Some(here) = place else { break };
                self.settle(here);
                place = self.inwards(here, side);
            }
        }
    }

    /// Whether there are so many nodes to either side that a node is squeezed.
    fn is_inside(&self, place: Place) -> bool {
        let reaches =
            |from: Side| (0..self.depth).try_fold(place, |place, _| self.inwards(place, from)).is_some();
        self.nodes.len() > 2 * self.depth && reaches(Side::Left) && reaches(Side::Right)
    }
}

/// Shows how far from an end the elements of a listpack are that are wanted, nearest first, until told to stop.
pub(super) fn positions(
    pack: &Listpack,
    from: Side,
    wanted: &Wanted<'_>,
    mut show: impl FnMut(usize) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut look =
        |(index, element)| if wanted.is(element) { show(index) } else { ControlFlow::Continue(()) };
    match from {
        Side::Left => pack.iter().enumerate().try_for_each(&mut look),
        Side::Right => pack.iter().rev().enumerate().try_for_each(&mut look),
    }
}

/// Removes elements of a listpack that are wanted, at most `max`, from a side on; how many.
pub(super) fn remove_equal(pack: &mut Listpack, from: Side, wanted: &Wanted<'_>, max: usize) -> usize {
    let mut removed = 0;
    let mut place = if from == Side::Left { pack.first() } else { pack.last() };
    while let Some(at) = place
        && removed < max
    {
        let is_it = wanted.is(pack.get(at));
        place = match (from, is_it) {
            (Side::Left, true) => pack.remove(at),
            (Side::Left, false) => pack.next(at),
            (Side::Right, _) => pack.prev(at),
        };
        if is_it && from == Side::Right {
            pack.remove(at);
        }
        removed += usize::from(is_it);
    }
    removed
}
