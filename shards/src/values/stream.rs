//! The kind `stream`: entries in the order of their ids, in nodes of listpacks, and the groups that read them.
//!
//! The nodes are exactly Redis's (`stream/node.rs`); a tree finds them by the id of their first entry. It grows by one
//! node at a time, and a node never exceeds `stream-node-max-bytes` or `-entries`, so no step is long.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
use super::Kind;
use super::listpack::{Listpack, ROOMY_NODES_MIN};
use crate::digest::Digest;
use crate::settings::Settings;
use node::Node;
use nodes::Nodes;
pub(crate) use nodes::View;
use std::collections::BTreeMap;

mod group;
mod id;
mod lag;
mod node;
mod nodes;
mod radix;
mod sorted;
#[cfg(test)]
mod tests;
mod trim;
mod walk;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::{Id, IdRoom};
pub use node::NODE_BYTES_MAX;
pub use trim::{Bound, References, Trim};
pub use walk::Walk;

/// A stream.
#[derive(Debug)]
pub struct Stream(Box<Body>);

/// What a stream says of itself beyond its entries and groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The greatest id that an entry ever had, or was said to have.
    pub last_id: Id,
    /// The greatest id of an entry that was deleted by its id.
    pub max_deleted_id: Id,
    /// How many entries were ever added.
    pub entries_added: u64,
}

#[derive(Debug, Default)]
struct Body {
    nodes: Nodes,
    len: u64,
    facts: Facts,
    /// The id of the first entry; the least id where there is none.
    first_id: Id,
    groups: BTreeMap<Box<[u8]>, Box<Group>>,
}

/// What a node takes beside its listpack: its place in a chunk, which is full where nothing is deleted.
const NODE_FRAME_BYTES: usize = size_of::<(Id, Node)>() + 1;

impl Body {
    /// Ends the last node, which is full. Gives back the room of the next one (see [`ROOMY_NODES_MIN`]); 0 where it grows.
    fn finish_last(&mut self) -> usize {
        let mut needed = 0;
        if self.nodes.len() >= ROOMY_NODES_MIN {
            self.nodes.change_last(
                |_, _| true,
                |_, node| {
                    node.pack.fit();
                    needed = node.pack.memory_bytes();
                },
            );
        }
        needed
    }
}

impl Stream {
    /// How it tells of itself.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.0.facts
    }

    /// Tells otherwise, as XSETID does.
    pub fn set_facts(&mut self, facts: Facts) {
        self.0.facts = facts;
    }

    /// The id of the first entry; the least id where there is none.
    #[must_use]
    pub fn first_id(&self) -> Id {
        self.0.first_id
    }

    /// The id of the last entry; the least id where there is none.
    #[must_use]
    pub fn last_entry_id(&self) -> Id {
        // The last id ever is nearly always there.
        self.walk(Id::MIN, Id::MAX, true).advance().map_or(Id::MIN, |(id, _)| id)
    }

    /// How many nodes it has.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.0.nodes.len()
    }

    /// The nodes with their ids, as Redis has them.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Id, &Listpack)> {
        self.0.nodes.iter().map(|(base, node)| (*base, &node.pack))
    }

    /// The nodes as they are now, for a reader; nothing where somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View> {
        self.0.nodes.lend()
    }

    /// A stream of nodes from a stranger; none unless they and their entries are sound and in the order of their ids. `len`
    /// and `first_id` are taken from the nodes.
    #[must_use]
    pub fn from_nodes(nodes: Vec<(Id, Listpack)>, facts: Facts) -> Option<Stream> {
        let (mut body, mut last) = (Body { facts, ..Body::default() }, None);
        for (base, pack) in nodes {
            let is_next = body.nodes.last().is_none_or(|(before, _)| *before < base);
            if !is_next || !Node::is_sound(base, &pack, &mut last) {
                return None;
            }
            let node = Node::of(pack);
            body.len += node.head().live as u64;
            body.nodes.insert(base, node);
        }
        let mut stream = Stream(Box::new(body));
        stream.find_first_id();
        Some(stream)
    }

    /// Adds an entry; its id is greater than the last one, which the caller has seen to.
    pub fn append(&mut self, id: Id, pairs: &[[&[u8]; 2]], settings: &Settings) {
        debug_assert!(id > self.0.facts.last_id, "ids only grow");
        let added: usize = pairs.iter().flatten().map(|part| part.len()).sum();
        let body = &mut *self.0;
        // A node of a greater id has nothing left, and XSETID went back behind it: there nobody would look for the entry.
        let is_fit = |base: Id, last: &Node| base <= id && has_room(last, added, settings);
        let is_added = body.nodes.change_last(is_fit, |base, node| node.push(base, id, pairs));
        if !is_added {
            let mut node = Node::new(pairs, body.finish_last());
            node.push(id, id, pairs);
            body.nodes.insert(id, node);
        }
        body.len += 1;
        body.facts.entries_added += 1;
        body.facts.last_id = id;
        if body.len == 1 {
            body.first_id = id;
        }
    }

    /// Deletes an entry, remembering that there is a gap; whether it was there.
    pub fn delete(&mut self, id: Id) -> bool {
        if !self.bury(id) {
            return false;
        }
        self.0.facts.max_deleted_id = self.0.facts.max_deleted_id.max(id);
        if self.0.len == 0 || id == self.0.first_id {
            self.find_first_id();
        }
        true
    }

    /// Flags an entry as deleted; its node goes with the last one.
    fn bury(&mut self, id: Id) -> bool {
        let Some(&(base, ref node)) = self.0.nodes.up_to(id) else { return false };
        let Some(spot) = node.find(base, id) else { return false };
        if node.head().live == 1 {
            self.0.nodes.remove(base);
        } else {
            self.0.nodes.change(base, |node| node.bury(&[spot]));
        }
        self.0.len -= 1;
        true
    }

    fn find_first_id(&mut self) {
        let first = self.walk(Id::MIN, Id::MAX, false).advance();
        self.0.first_id = first.map_or(Id::MIN, |(id, _)| id);
    }

    /// Whether any group reads it.
    #[must_use]
    pub fn has_groups(&self) -> bool {
        !self.0.groups.is_empty()
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.0.groups.iter().map(|(name, group)| (&**name, &**group))
    }

    /// The group of a name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.0.groups.get(name).map(|group| &**group)
    }

    /// The group of a name, to be changed.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.0.groups.get_mut(name).map(|group| &mut **group)
    }

    /// Adds a group; whether there was none of this name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        let is_new = !self.0.groups.contains_key(name);
        if is_new {
            self.0.groups.insert(name.into(), Box::new(group));
        }
        is_new
    }

    /// Removes a group; whether it was there.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.0.groups.remove(name).is_some()
    }

    /// Whether a group has yet to read an entry, or to acknowledge it.
    #[must_use]
    pub fn is_referenced(&self, id: Id) -> bool {
        self.0.groups.values().any(|group| group.last_id < id || group.pending(id).is_some())
    }

    /// An entry is pending in no group any more.
    pub fn drop_references(&mut self, id: Id) -> bool {
        self.0.groups.values_mut().filter_map(|group| group.acknowledge(id).then_some(())).count() > 0
    }
}

/// Whether a node may take another entry, of so many bytes.
fn has_room(node: &Node, added: usize, settings: &Settings) -> bool {
    let bytes_max = match settings.stream_node_bytes_max {
        0 => NODE_BYTES_MAX,
        max => max.min(NODE_BYTES_MAX),
    };
    let entries_max = settings.stream_node_entries_max;
    let head = node.head();
    node.pack.as_bytes().len() + added < bytes_max
        && (entries_max == 0 || ((head.live + head.dead) as u64) < entries_max as u64)
}

impl Kind for Stream {
    const FORM: u8 = 10;
    const NAME: &'static str = "stream";
    const TYPE: u32 = 6;
    const GOES_EMPTY: bool = false;

    fn empty() -> Self {
        Stream(Box::default())
    }
    fn into_word(self) -> u64 {
        Box::into_raw(self.0) as u64
    }
    unsafe fn from_word(word: u64) -> Self {
        // SAFETY: the word came from `into_word`, so a box of this type is behind it.
        Stream(unsafe { Box::from_raw(word as *mut _) })
    }
    fn len(&self) -> usize {
        self.0.len as usize
    }
    fn encoding(&self) -> &'static str {
        "stream"
    }
    fn memory_bytes(&self) -> usize {
        let groups = self.0.groups.iter().map(|(name, group)| name.len() + 64 + group.memory_bytes());
        size_of::<Body>()
            + self.0.nodes.bytes()
            + self.0.nodes.len() * NODE_FRAME_BYTES
            + groups.sum::<usize>()
    }
    fn copy(&self) -> Self {
        let groups = self.0.groups.iter().map(|(name, group)| (name.clone(), Box::new(group.copy())));
        Stream(Box::new(Body { nodes: self.0.nodes.clone(), groups: groups.collect(), ..*self.0 }))
    }
    fn digest(&self, digest: &mut Digest) {
        let mut walk = self.walk(Id::MIN, Id::MAX, false);
        while let Some((id, _)) = walk.advance() {
            digest.mix(format!("{}.{}", id.ms, id.seq).as_bytes());
            while let Some((name, value)) = walk.field() {
                digest.mix(name.bytes(&mut [0; 20]));
                digest.mix(value.bytes(&mut [0; 20]));
            }
        }
    }
    fn free_cost(&self) -> usize {
        let groups = self.0.groups.values().map(|group| group.free_cost());
        1 + self.0.nodes.len() + groups.sum::<usize>()
    }
    fn free_some(&mut self, mut budget: usize) -> bool {
        while budget > 0 {
            if self.0.nodes.free_first() {
                budget -= 1;
            } else if let Some(mut group) = self.0.groups.first_entry() {
                if !group.get_mut().free_some(&mut budget) {
                    return false;
                }
                group.remove();
                budget = budget.saturating_sub(1);
            } else {
                return true;
            }
        }
        self.0.nodes.len() == 0 && self.0.groups.is_empty()
    }
}
