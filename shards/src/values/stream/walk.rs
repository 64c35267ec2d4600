//! Walks over the entries of a stream, in either direction: each element is decoded once.
use super::node::{DELETED, Head, Node, SAME_NAMES, int};
use super::sorted::Between;
use super::{Id, Stream};
use crate::keyspace::StrRef;
use crate::values::listpack::{At, Iter, Listpack};

/// A walk over the entries between two ids. After [`Walk::advance`] the fields of the entry are there to be taken, by
/// [`Walk::field`]; those that are not taken are passed over.
#[derive(Debug)]
pub struct Walk<'a> {
    /// Nodes to come; none when the walk is over.
    nodes: Option<Between<'a, Node>>,
    from: Id,
    to: Id,
    is_reverse: bool,
    place: Option<Place<'a>>,
}

impl Stream {
    /// A walk over the entries from one id to another, both included; from the last to the first where it is reversed.
    #[must_use]
    pub fn walk(&self, from: Id, to: Id, is_reverse: bool) -> Walk<'_> {
        let nodes = &self.0.nodes;
        // The node with the greatest id below may have entries from there on.
        let first = nodes.up_to(from).map_or(from, |(base, _)| *base);
        let nodes = (from <= to).then(|| nodes.between(first, to));
        Walk { nodes, from, to, is_reverse, place: None }
    }

    /// Whether an entry is there.
    #[must_use]
    pub fn has(&self, id: Id) -> bool {
        self.walk(id, id, false).advance().is_some()
    }
}

impl<'a> Walk<'a> {
    /// Goes to the next entry: its id and how many fields it has.
    pub fn advance(&mut self) -> Option<(Id, usize)> {
        loop {
            let place = match &mut self.place {
                Some(place) => place,
                None => {
                    let nodes = self.nodes.as_mut()?;
                    let (base, node) = if self.is_reverse { nodes.next_back()? } else { nodes.next()? };
                    self.place.insert(Place::new(*base, node))
                }
            };
            let found = if self.is_reverse { place.retreat() } else { place.proceed() };
            let Some((flags, id)) = found else {
                self.place = None;
                continue;
            };
            // Where one stood that is deleted says nothing of those to come.
            if flags & DELETED != 0 {
                continue;
            }
            let is_beyond = if self.is_reverse { id < self.from } else { id > self.to };
            if is_beyond {
                (self.nodes, self.place) = (None, None);
                return None;
            }
            if self.from <= id && id <= self.to {
                return Some((id, place.fields));
            }
        }
    }

    /// Takes the next field of the entry: its name and its value.
    #[inline]
    pub fn field(&mut self) -> Option<(StrRef<'a>, StrRef<'a>)> {
        let place = self.place.as_mut()?;
        place.fields = place.fields.checked_sub(1)?;
        let name = match &mut place.entry_names {
            Some(names) => names.next()?,
            None => place.rest.next()?,
        };
        Some((name, place.rest.next()?))
    }
}

/// Where a walk is within a node.
#[derive(Debug)]
struct Place<'a> {
    base: Id,
    node: &'a Node,
    names: Iter<'a>,
    name_count: usize,
    /// What has not been read: from within the entry in hand on.
    rest: Iter<'a>,
    /// The names of the entry in hand that have not been taken, where they are the head's.
    entry_names: Option<Iter<'a>>,
    /// Fields of the entry in hand that have not been taken.
    fields: usize,
    /// Whether there is an entry in hand.
    is_amid: bool,
    /// The last element of the entry before: where a walk backwards goes on.
    back: Option<At>,
}

impl<'a> Place<'a> {
    fn new(base: Id, node: &'a Node) -> Place<'a> {
        let Head { name_count, names, .. } = node.head();
        let pack: &Listpack = &node.pack;
        let mut rest = names.clone();
        // The names, and the 0 behind them.
        skip(&mut rest, name_count + 1);
        Place {
            base,
            node,
            names,
            name_count,
            rest,
            entry_names: None,
            fields: 0,
            is_amid: false,
            back: pack.last(),
        }
    }

    /// Opens the entry behind the one in hand: its flags and id.
    #[inline]
    fn proceed(&mut self) -> Option<(i64, Id)> {
        if self.is_amid {
            let per_field = if self.entry_names.is_some() { 1 } else { 2 };
            skip(&mut self.rest, self.fields * per_field + 1);
        }
        self.open()
    }

    /// Opens the entry before the one in hand.
    fn retreat(&mut self) -> Option<(i64, Id)> {
        let start = self.node.start_of(self.back?)?;
        self.back = self.node.pack.prev(start);
        self.rest = self.node.pack.iter_from(start);
        self.open()
    }

    #[inline]
    fn open(&mut self) -> Option<(i64, Id)> {
        let mut number = || self.rest.next().map(int);
        let (flags, ms, seq) = (number()?, number()?, number()?);
        if flags & SAME_NAMES != 0 {
            self.entry_names = Some(self.names.clone());
            self.fields = self.name_count;
        } else {
            self.entry_names = None;
            self.fields = number()? as usize;
        }
        self.is_amid = true;
        Some((flags, self.base.at((ms, seq))))
    }
}

#[inline]
fn skip(elements: &mut Iter<'_>, count: usize) {
    for _ in 0..count {
        elements.next();
    }
}
