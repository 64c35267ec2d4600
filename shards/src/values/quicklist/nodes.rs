//! The nodes of a list in order: chunks of nodes, each knowing how many elements it has.
//!
//! Both ends are reached at once, an element by its index after a look at each chunk (a chunk is half a megabyte of elements),
//! and adding a node in the middle moves no more than the nodes of its chunk and the chunks of one side.
use super::Listpack;
use super::node::Node;
use crate::memory::allocation_bytes;
use crate::values::lease::{Lease, Loan, lend};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;

/// Nodes of a chunk, at most.
const NODES_MAX: usize = 64;

/// The nodes. There are no empty chunks.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    chunks: VecDeque<Chunk>,
    node_count: usize,
    item_count: usize,
    /// What the allocator keeps for nodes and chunks, the list of chunks excepted.
    bytes: usize,
    /// A reader sees what this was when it was lent.
    lease: Option<Box<Lease<Listpack>>>,
}

/// The nodes as they were when they were lent, to be read by another thread.
#[derive(Debug)]
pub(crate) struct View {
    nodes: Vec<ManuallyDrop<Node>>,
    /// While it is open no listpack of them is changed or freed.
    _loan: Loan<Listpack>,
}

impl View {
    /// How many nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
    /// Shows each node's elements, and whether it keeps one that was too large to share a node.
    pub(crate) fn each(&self, mut show: impl FnMut(&Listpack, bool)) {
        self.nodes.iter().for_each(|node| show(&node.open(), node.is_plain()));
    }
}

#[derive(Debug, Default)]
struct Chunk {
    nodes: VecDeque<Node>,
    item_count: usize,
}

/// Where a node stands, until one is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: usize,
    node: usize,
}

impl Chunk {
    fn of(nodes: VecDeque<Node>) -> Chunk {
        Chunk { item_count: nodes.iter().map(Node::count).sum(), nodes }
    }
    /// What the allocator keeps for the list of its nodes.
    fn own_bytes(&self) -> usize {
        allocation_bytes(self.nodes.capacity() * size_of::<Node>())
    }
}

impl Nodes {
    /// How many nodes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.node_count
    }
    /// How many elements.
    #[inline]
    pub(super) fn item_count(&self) -> usize {
        self.item_count
    }
    /// What the allocator keeps for all of it.
    #[inline]
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes + allocation_bytes(self.chunks.capacity() * size_of::<Chunk>())
    }

    /// The first node.
    #[inline]
    pub(super) fn first(&self) -> Option<Place> {
        (!self.chunks.is_empty()).then_some(Place { chunk: 0, node: 0 })
    }
    /// The last node.
    #[inline]
    pub(super) fn last(&self) -> Option<Place> {
        let chunk = self.chunks.len().checked_sub(1)?;
        Some(Place { chunk, node: self.chunks[chunk].nodes.len() - 1 })
    }
    /// The node after another.
    #[inline]
    pub(super) fn next(&self, place: Place) -> Option<Place> {
        if place.node + 1 < self.chunks[place.chunk].nodes.len() {
            return Some(Place { node: place.node + 1, ..place });
        }
        (place.chunk + 1 < self.chunks.len()).then_some(Place { chunk: place.chunk + 1, node: 0 })
    }
    /// The node before another.
    #[inline]
    pub(super) fn prev(&self, place: Place) -> Option<Place> {
        if place.node > 0 {
            return Some(Place { node: place.node - 1, ..place });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place { chunk, node: self.chunks[chunk].nodes.len() - 1 })
    }
    /// The node in which the element at an index is, which exists, and its index there.
    pub(super) fn seek(&self, index: usize) -> (Place, usize) {
        assert!(index < self.item_count, "callers have looked at the length");
        let (mut chunk, mut rest);
        if index <= self.item_count / 2 {
            (chunk, rest) = (0, index);
            while rest >= self.chunks[chunk].item_count {
                rest -= self.chunks[chunk].item_count;
                chunk += 1;
            }
        } else {
            chunk = self.chunks.len() - 1;
            let mut start = self.item_count - self.chunks[chunk].item_count;
            while start > index {
                chunk -= 1;
                start -= self.chunks[chunk].item_count;
            }
            rest = index - start;
        }
        for (node, found) in self.chunks[chunk].nodes.iter().enumerate() {
            if rest < found.count() {
                return (Place { chunk, node }, rest);
            }
            rest -= found.count();
        }
        unreachable!("a chunk has the elements it says it has")
    }

    /// The node at a place.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &Node {
        &self.chunks[place.chunk].nodes[place.node]
    }

    /// Changes the node at a place; it is not left empty.
    #[inline]
    pub(super) fn alter<T>(&mut self, place: Place, change: impl FnOnce(&mut Node) -> T) -> T {
        if self.lease.is_some() {
            self.own(place);
        }
        let chunk = &mut self.chunks[place.chunk];
        let node = &mut chunk.nodes[place.node];
        let (count, bytes) = (node.count(), node.memory_bytes());
        let result = change(node);
        let (new_count, new_bytes) = (node.count(), node.memory_bytes());
        chunk.item_count = chunk.item_count - count + new_count;
        self.item_count = self.item_count - count + new_count;
        self.bytes = self.bytes - bytes + new_bytes;
        result
    }

    /// Gives a node a listpack of its own, if its present one is lent.
    #[cold]
    fn own(&mut self, place: Place) {
        if self.is_lent()
            && let Some(lease) = &self.lease
        {
            lease.retire(self.chunks[place.chunk].nodes[place.node].own());
        }
    }

    /// Whether a reader may see nodes of this.
    fn is_lent(&mut self) -> bool {
        if self.lease.as_ref().is_some_and(|lease| lease.is_over()) {
            self.lease = None;
        }
        self.lease.is_some()
    }

    /// All nodes as they are now, for a reader; nothing where somebody is still reading.
    pub(super) fn lend(&mut self) -> Option<View> {
        if self.is_lent() {
            return None;
        }
        let (lease, loan) = lend();
        self.lease = Some(Box::new(lease));
        let nodes = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.nodes).map(Node::lend);
        Some(View { nodes: nodes.collect(), _loan: loan })
    }

    /// Adds a node at the end.
    pub(super) fn push_back(&mut self, node: Node) -> Place {
        let chunk = self.chunks.len().saturating_sub(1);
        let at = self.chunks.back().map_or(0, |chunk| chunk.nodes.len());
        self.insert(Place { chunk, node: at }, node)
    }

    /// Adds a node after another; where it stands.
    pub(super) fn insert_after(&mut self, place: Place, node: Node) -> Place {
        self.insert(Place { node: place.node + 1, ..place }, node)
    }

    /// Adds a node before the one at a place, or at the end of the chunk; where it stands.
    pub(super) fn insert(&mut self, place: Place, node: Node) -> Place {
        let place = self.make_room(place);
        self.node_count += 1;
        self.item_count += node.count();
        self.bytes += node.memory_bytes();
        let chunk = &mut self.chunks[place.chunk];
        self.bytes -= chunk.own_bytes();
        chunk.item_count += node.count();
        chunk.nodes.insert(place.node, node);
        self.bytes += chunk.own_bytes();
        place
    }

    /// Where a node about to be added at a place is to go: a full chunk is split, or left alone at either end of the list.
    fn make_room(&mut self, place: Place) -> Place {
        let chunk_count = self.chunks.len();
        let Some(chunk) = self.chunks.get_mut(place.chunk) else {
            self.chunks.push_back(Chunk::default());
            return Place { chunk: 0, node: 0 };
        };
        if chunk.nodes.len() < NODES_MAX {
            return place;
        }
        if place.node == NODES_MAX && place.chunk + 1 == chunk_count {
            self.chunks.push_back(Chunk::default());
            return Place { chunk: place.chunk + 1, node: 0 };
        }
        if place == (Place { chunk: 0, node: 0 }) {
            self.chunks.push_front(Chunk::default());
            return place;
        }
        self.bytes -= chunk.own_bytes();
        let tail = Chunk::of(chunk.nodes.split_off(NODES_MAX / 2));
        chunk.item_count -= tail.item_count;
        self.bytes += chunk.own_bytes() + tail.own_bytes();
        self.chunks.insert(place.chunk + 1, tail);
        match place.node.checked_sub(NODES_MAX / 2) {
            Some(node) if node > 0 => Place { chunk: place.chunk + 1, node },
            _ => place,
        }
    }

    /// Takes the node at a place out; the place of the next one.
    pub(super) fn remove(&mut self, place: Place) -> (Node, Option<Place>) {
        if self.lease.is_some() {
            self.own(place);
        }
        let chunk = &mut self.chunks[place.chunk];
        let node = chunk.nodes.remove(place.node).expect("a place is that of a node");
        chunk.item_count -= node.count();
        self.node_count -= 1;
        self.item_count -= node.count();
        self.bytes -= node.memory_bytes();
        if chunk.nodes.is_empty() {
            self.bytes -= chunk.own_bytes();
            self.chunks.remove(place.chunk);
            return (node, (place.chunk < self.chunks.len()).then_some(Place { node: 0, ..place }));
        }
        self.join_with_next(place.chunk);
        let next = if place.node < self.chunks[place.chunk].nodes.len() {
            Some(place)
        } else {
            self.next(Place { node: place.node - 1, ..place })
        };
        (node, next)
    }

    /// Makes one chunk of two small neighbours, lest a list that loses nodes in its middle keeps a chunk for each.
    fn join_with_next(&mut self, index: usize) {
        let lens = [index, index + 1]
            .map(|index| self.chunks.get(index).map_or(NODES_MAX, |chunk| chunk.nodes.len()));
        if lens[0] + lens[1] > NODES_MAX / 2 {
            return;
        }
        let mut next = self.chunks.remove(index + 1).expect("looked at above");
        let chunk = &mut self.chunks[index];
        self.bytes -= chunk.own_bytes() + next.own_bytes();
        chunk.nodes.append(&mut next.nodes);
        chunk.item_count += next.item_count;
        self.bytes += chunk.own_bytes();
    }
}

impl Nodes {
    /// Hands what is lent over to the reader, if there is one: whoever owned this does not want it any more.
    pub(super) fn leave_to_reader(&mut self) {
        if self.is_lent()
            && let Some(lease) = self.lease.take()
        {
            let nodes = self.chunks.iter_mut().flat_map(|chunk| &mut chunk.nodes);
            lease.retire(nodes.filter_map(Node::give_up));
            self.chunks.clear();
            (self.node_count, self.item_count, self.bytes) = (0, 0, 0);
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if self.lease.is_some() {
            self.leave_to_reader();
        }
    }
}

impl Clone for Nodes {
    fn clone(&self) -> Nodes {
        let mut nodes = Nodes::default();
        let all = self.chunks.iter().flat_map(|chunk| &chunk.nodes);
        for node in all {
            nodes.push_back(node.clone());
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::StrRef;
    use crate::values::quicklist::limit::Limit;
    use proptest::prelude::*;

    fn node(first: i64, count: usize) -> Node {
        let mut node = Node::new(first.to_string().as_bytes(), Limit::new(1000));
        node.alter(|pack| (1..count).for_each(|_| pack.push_back(b"x")));
        node
    }

    fn name(node: &Node) -> i64 {
        match node.open().iter().next() {
            Some(StrRef::Int(name)) => name,
            other => panic!("{other:?}"),
        }
    }

    fn check(nodes: &Nodes, model: &[(i64, usize)]) {
        let mut seen = Vec::new();
        let (mut place, mut before) = (nodes.first(), None);
        while let Some(at) = place {
            assert_eq!(nodes.prev(at), before);
            seen.push((name(nodes.get(at)), nodes.get(at).count()));
            (before, place) = (place, nodes.next(at));
        }
        assert_eq!((&seen[..], nodes.last()), (model, before));
        assert_eq!(nodes.len(), model.len());
        assert_eq!(nodes.item_count(), model.iter().map(|(_, count)| count).sum::<usize>());
        let bytes =
            |chunk: &Chunk| chunk.own_bytes() + chunk.nodes.iter().map(Node::memory_bytes).sum::<usize>();
        assert_eq!(nodes.bytes, nodes.chunks.iter().map(bytes).sum::<usize>());
        assert!(nodes.chunks.iter().all(|chunk| (1..=NODES_MAX).contains(&chunk.nodes.len())));
        let mut index = 0;
        for (name_expected, count) in model {
            let (place, offset) = nodes.seek(index);
            assert_eq!((name(nodes.get(place)), offset), (*name_expected, 0));
            index += count;
            assert_eq!(nodes.seek(index - 1), (place, count - 1));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nodes_stand_where_a_vector_has_them(
            changes in proptest::collection::vec((0u8..8, any::<proptest::sample::Index>(), 1usize..5), 0..400),
        ) {
            let (mut nodes, mut model) = (Nodes::default(), Vec::new());
            for (number, (kind, index, count)) in changes.into_iter().enumerate() {
                let number = number as i64;
                let at = if model.is_empty() { 0 } else { index.index(model.len()) };
                let mut place = nodes.first();
                (0..at).for_each(|_| place = nodes.next(place.unwrap()));
                let stands = match (kind, place) {
                    (0..=2, Some(place)) => {
                        model.insert(at, (number, count));
                        nodes.insert(place, node(number, count))
                    }
                    (3..=4, Some(place)) => {
                        model.insert(at + 1, (number, count));
                        nodes.insert_after(place, node(number, count))
                    }
                    (5, Some(place)) => {
                        model.remove(at);
                        let (_, next) = nodes.remove(place);
                        prop_assert_eq!(next.map(|next| name(nodes.get(next))), model.get(at).map(|(name, _)| *name));
                        continue;
                    }
                    (6, Some(place)) => {
                        model[at].1 += count;
                        nodes.alter(place, |node| {
                            node.alter(|pack| (0..count).for_each(|_| pack.push_back(b"y")));
                        });
                        continue;
                    }
                    _ => {
                        model.push((number, count));
                        nodes.push_back(node(number, count))
                    }
                };
                prop_assert_eq!(name(nodes.get(stands)), number);
            }
            check(&nodes, &model);
            while let Some(place) = nodes.first() {
                nodes.remove(place);
            }
            check(&nodes, &[]);
        }
    }
}
