//! What connections do: reads, writes, and units over several shards.
use braid::persist::needs::Needs;
use shards::tail::Point;

/// A write of a connection.
#[derive(Debug)]
pub(crate) struct Op {
    pub(crate) conn: usize,
    pub(crate) shards: Vec<usize>,
    pub(crate) kind: Kind,
    /// Key on each shard.
    pub(crate) key: usize,
    pub(crate) after: Needs,
    /// The number of the unit, of a fan-out over several.
    pub(crate) unit: Option<(u64, Vec<u16>)>,
    pub(crate) missing: usize,
    pub(crate) points: Vec<Point>,
    /// Writes that it saw: of reads.
    pub(crate) saw: Vec<usize>,
    /// All of it was done under `always`.
    pub(crate) is_strict: bool,
    /// How often a shard had turned to another policy than that when it entered.
    pub(crate) relaxed: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Read,
    Write,
    /// Two writes on each of its shards, bound together.
    Sheaf,
    /// A write whose parts come together.
    Gathered,
}

impl Op {
    pub(crate) fn writes(&self) -> bool {
        self.kind != Kind::Read
    }

    /// How many records journals have of it.
    pub(crate) fn records(&self) -> usize {
        self.shards.len() * if self.kind == Kind::Sheaf { 2 } else { 1 }
    }
}
