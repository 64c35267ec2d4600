//! The nodes of a list as they are: what a dump is written from and read into.
use super::node::Node;
use super::{Listpack, Quicklist};

impl Quicklist {
    /// Adds a node at the end, whatever its size: another server may have had other limits.
    pub fn push_node(&mut self, pack: Listpack) {
        let node = Node::of(pack);
        match self.nodes.last() {
            Some(last) => {
                self.add_beside(last, node, true);
            }
            None => {
                self.nodes.push_back(node);
            }
        }
    }

    /// Shows each node's elements, and whether it keeps one that was too large to share a node.
    pub fn each_node(&self, mut show: impl FnMut(&Listpack, bool)) {
        let mut next = self.nodes.first();
        while let Some(place) = next {
            let node = self.nodes.get(place);
            show(&node.open(), node.is_plain());
            next = self.nodes.next(place);
        }
    }
}
