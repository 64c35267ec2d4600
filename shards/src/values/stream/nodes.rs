//! The nodes of a stream by the ids of their first entries, and what of them is lent ([`crate::values::lease`]).
#![expect(unsafe_code, reason = "a node that is lent exists twice, and only its owner may free it")]
use super::Id;
use super::node::Node;
use super::sorted::Sorted;
use crate::values::lease::{Lease, Loan, lend};
use crate::values::listpack::Listpack;
use std::mem::ManuallyDrop;
use std::ops::Deref;

/// The nodes. To be read they are values by id.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    sorted: Sorted<Node>,
    /// What their listpacks take, in bytes.
    bytes: usize,
    /// A reader sees what this was when it was lent.
    lease: Option<Box<Lease<Listpack>>>,
}

/// The nodes as they were when they were lent, to be read by another thread.
#[derive(Debug)]
pub(crate) struct View {
    nodes: Vec<(Id, ManuallyDrop<Listpack>)>,
    /// While it is open no listpack of them is changed or freed.
    _loan: Loan<Listpack>,
}

impl View {
    /// The nodes with their ids.
    pub(crate) fn nodes(&self) -> impl ExactSizeIterator<Item = (Id, &Listpack)> {
        self.nodes.iter().map(|(base, pack)| (*base, &**pack))
    }
}

impl Deref for Nodes {
    type Target = Sorted<Node>;
    #[inline]
    fn deref(&self) -> &Sorted<Node> {
        &self.sorted
    }
}

impl Nodes {
    /// What their listpacks take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a node, in the place of one with the same id, in which nothing is left.
    pub(super) fn insert(&mut self, base: Id, node: Node) {
        self.bytes += node.pack.memory_bytes();
        if let Some(former) = self.sorted.insert(base, node) {
            self.let_go(former);
        }
    }

    /// Changes the last node, if there is one and it is fit for that; whether it was.
    #[inline]
    pub(super) fn change_last(
        &mut self,
        is_fit: impl FnOnce(Id, &Node) -> bool,
        change: impl FnOnce(Id, &mut Node),
    ) -> bool {
        let Some((base, last)) = self.sorted.last_mut().filter(|(base, last)| is_fit(*base, last)) else {
            return false;
        };
        change_counted(self.lease.as_deref(), &mut self.bytes, last, |last| change(*base, last));
        true
    }

    /// Changes a node, if it is there.
    pub(super) fn change(&mut self, base: Id, change: impl FnOnce(&mut Node)) {
        let Some(node) = self.sorted.get_mut(base) else { return };
        change_counted(self.lease.as_deref(), &mut self.bytes, node, change);
    }

    /// Takes a node out.
    pub(super) fn remove(&mut self, base: Id) {
        if let Some(node) = self.sorted.remove(base) {
            self.let_go(node);
        }
    }

    /// Frees the first node; whether there was one.
    pub(super) fn free_first(&mut self) -> bool {
        let first = self.sorted.first().map(|(base, _)| *base);
        let node = first.and_then(|base| self.sorted.remove(base));
        node.map(|node| self.let_go(node)).is_some()
    }

    fn let_go(&mut self, node: Node) {
        self.bytes -= node.pack.memory_bytes();
        if let Some(lease) = self.lease.as_deref().filter(|_| node.is_lent) {
            lease.retire([node.pack]);
        }
    }

    /// All nodes as they are now, for a reader; nothing where somebody is still reading.
    pub(super) fn lend(&mut self) -> Option<View> {
        if self.lease.as_ref().is_some_and(|lease| !lease.is_over()) {
            return None;
        }
        let (lease, loan) = lend();
        self.lease = Some(Box::new(lease));
        let lent = |(base, node): &mut (Id, Node)| {
            node.is_lent = true;
            // SAFETY: the copy is never dropped, so nothing is freed twice.
            (*base, ManuallyDrop::new(unsafe { std::ptr::read(&raw const node.pack) }))
        };
        Some(View { nodes: self.sorted.iter_mut().map(lent).collect(), _loan: loan })
    }
}

/// Changes a node of a stream whose listpacks take so many bytes.
#[inline]
fn change_counted(
    lease: Option<&Lease<Listpack>>,
    bytes: &mut usize,
    node: &mut Node,
    change: impl FnOnce(&mut Node),
) {
    let before = node.pack.memory_bytes();
    own(lease, node);
    change(node);
    *bytes = *bytes - before + node.pack.memory_bytes();
}

/// Gives a node a listpack of its own, if its present one is lent. The room for more that this had does not come along.
#[inline]
fn own(lease: Option<&Lease<Listpack>>, node: &mut Node) {
    if let Some(lease) = lease
        && std::mem::take(&mut node.is_lent)
    {
        let own = node.pack.clone();
        lease.retire([std::mem::replace(&mut node.pack, own)]);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            let nodes = std::mem::take(&mut self.sorted).into_values();
            lease.retire(nodes.filter(|node| node.is_lent).map(|node| node.pack));
        }
    }
}

impl Clone for Nodes {
    fn clone(&self) -> Nodes {
        let mut copy = Nodes::default();
        for (base, node) in self.sorted.iter() {
            copy.insert(*base, Node::of(node.pack.clone()));
        }
        copy
    }
}
