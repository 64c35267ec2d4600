//! A node of a stream: a run of entries in one listpack, laid out exactly as Redis does, so that a dump is a copy.
//!
//! ```text
//! live   dead   names   name …   0                        the head: how many entries, and the first one's field names
//! flags  ms  seq          value …             elements    an entry with these same field names
//! flags  ms  seq  pairs   name value …        elements    any other entry
//! ```
//!
//! `ms` and `seq` are distances from the node's id, which is that of its first entry. `elements` counts those before it,
//! for who walks backwards; the head's 0 stops that walk. An entry that is deleted stays, with a flag. Where XSETID went back
//! behind it, those after it have lesser ids: only the entries that are there are in order.
use super::Id;
use crate::keyspace::StrRef;
use crate::values::listpack::{At, Iter, Listpack};

/// The entry is deleted.
pub(super) const DELETED: i64 = 1;
/// The entry has the field names of the head.
pub(super) const SAME_NAMES: i64 = 2;
/// Elements of each entry before its values: flags, ms, seq.
const FIXED: i64 = 3;
/// What no node outgrows, in bytes, whatever the directive says; nor may an entry.
pub const NODE_BYTES_MAX: usize = 1 << 30;

/// A run of entries.
#[derive(Debug)]
pub(super) struct Node {
    /// Its elements.
    pub(super) pack: Listpack,
    /// A reader on another thread has them too.
    pub(super) is_lent: bool,
}

/// What a node's head says, and what comes after it.
#[derive(Clone, Debug)]
pub(super) struct Head<'a> {
    /// Entries that are there.
    pub(super) live: i64,
    /// Entries that are deleted and still take room.
    pub(super) dead: i64,
    /// How many field names the first entry had.
    pub(super) name_count: usize,
    /// These names, and all that follows.
    pub(super) names: Iter<'a>,
}

/// One entry, for changing it: where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) id: Id,
    pub(super) flags: i64,
    /// Where its flags are.
    pub(super) at: At,
    /// The entry behind it.
    pub(super) next: Option<At>,
}

impl Spot {
    pub(super) fn is_deleted(self) -> bool {
        self.flags & DELETED != 0
    }
}

/// The number that an element of a node's frame is.
#[inline]
pub(super) fn int(element: StrRef<'_>) -> i64 {
    match element {
        StrRef::Int(value) => value,
        StrRef::Bytes(_) => 0,
    }
}

impl Node {
    /// A node without entries, for entries with the names of `pairs`, which may become `room` bytes large before it moves.
    pub(super) fn new(pairs: &[[&[u8]; 2]], room: usize) -> Node {
        let mut pack = Listpack::with_room(room);
        pack.push_back_int(0);
        pack.push_back_int(0);
        pack.push_back_int(pairs.len() as i64);
        pairs.iter().for_each(|[name, _]| pack.push_back(name));
        pack.push_back_int(0);
        Node::of(pack)
    }

    /// A node of these elements.
    pub(super) fn of(pack: Listpack) -> Node {
        Node { pack, is_lent: false }
    }

    pub(super) fn head(&self) -> Head<'_> {
        let mut names = self.pack.iter();
        let mut next = || names.next().map_or(0, int);
        let (live, dead, name_count) = (next(), next(), next());
        Head { live, dead, name_count: name_count as usize, names }
    }

    /// Adds an entry at the end; `base` is the node's id.
    pub(super) fn push(&mut self, base: Id, id: Id, pairs: &[[&[u8]; 2]]) {
        let Head { live, name_count, names, .. } = self.head();
        let is_same = name_count == pairs.len()
            && names.zip(pairs).all(|(own, [name, _])| own.bytes(&mut [0; 20]) == *name);
        self.set_count(0, live + 1);
        let pack = &mut self.pack;
        let (ms, seq) = id.since(base);
        pack.push_back_int(if is_same { SAME_NAMES } else { 0 });
        pack.push_back_int(ms);
        pack.push_back_int(seq);
        let mut elements = FIXED + pairs.len() as i64;
        if is_same {
            pairs.iter().for_each(|[_, value]| pack.push_back(value));
        } else {
            elements += 1 + pairs.len() as i64;
            pack.push_back_int(pairs.len() as i64);
            pairs.iter().flatten().for_each(|part| pack.push_back(part));
        }
        pack.push_back_int(elements);
    }

    /// Where the first entry stands.
    pub(super) fn first(&self) -> Option<At> {
        let mut at = self.pack.first()?;
        for _ in 0..self.head().name_count + 4 {
            at = self.pack.next(at)?;
        }
        Some(at)
    }

    /// The entry that stands at `at`.
    pub(super) fn spot(&self, base: Id, at: At) -> Option<Spot> {
        let pack = &self.pack;
        let mut elements = pack.iter_from(at);
        let mut next = || elements.next().map(int);
        let (flags, ms, seq) = (next()?, next()?, next()?);
        let skipped = if flags & SAME_NAMES != 0 { self.head().name_count } else { 1 + 2 * next()? as usize };
        let mut end = at;
        for _ in 0..FIXED as usize + skipped {
            end = pack.next(end)?;
        }
        Some(Spot { id: base.at((ms, seq)), flags, at, next: pack.next(end) })
    }

    /// All entries, where they stand.
    pub(super) fn spots(&self, base: Id) -> impl Iterator<Item = Spot> {
        let mut at = self.first();
        std::iter::from_fn(move || {
            let spot = self.spot(base, at?)?;
            at = spot.next;
            Some(spot)
        })
    }

    /// The entry of an id, unless it is deleted.
    pub(super) fn find(&self, base: Id, id: Id) -> Option<Spot> {
        self.spots(base).find(|spot| !spot.is_deleted() && spot.id >= id).filter(|spot| spot.id == id)
    }

    /// The id of the last entry, deleted or not.
    pub(super) fn last_id(&self, base: Id) -> Id {
        let flags = self.pack.last().and_then(|end| self.start_of(end));
        flags.and_then(|at| self.spot(base, at)).map_or(base, |spot| spot.id)
    }

    /// Where the entry begins whose last element is at `end`; none before the first entry.
    pub(super) fn start_of(&self, end: At) -> Option<At> {
        let elements = int(self.pack.get(end));
        let mut at = end;
        for _ in 0..elements {
            at = self.pack.prev(at)?;
        }
        (elements > 0).then_some(at)
    }

    /// Flags entries as deleted, which keep their places.
    pub(super) fn bury(&mut self, spots: &[Spot]) {
        let Head { live, dead, .. } = self.head();
        // A flag takes one byte, so that the other places hold; a count may not.
        for spot in spots {
            self.pack.replace_int(spot.at, spot.flags | DELETED);
        }
        self.set_count(0, live - spots.len() as i64);
        self.set_count(1, dead + spots.len() as i64);
    }

    fn set_count(&mut self, index: i64, count: i64) {
        if let Some(at) = self.pack.seek(index) {
            self.pack.replace_int(at, count);
        }
    }

    /// Whether a stranger's listpack is a node of this id, entry by entry: those that are there in order, none before the
    /// node's id. The last of them becomes `last`, which is that of the nodes before.
    pub(super) fn is_sound(base: Id, pack: &Listpack, last: &mut Option<Id>) -> bool {
        let number = |elements: &mut Iter<'_>| match elements.next() {
            Some(StrRef::Int(value)) => Some(value),
            _ => None,
        };
        let mut elements = pack.iter();
        let mut check = || {
            let (live, dead) = (number(&mut elements)?, number(&mut elements)?);
            let names = number(&mut elements).filter(|names| (0..=i64::from(u32::MAX)).contains(names))?;
            for _ in 0..names {
                elements.next()?;
            }
            let (mut lives, mut deads) = (0, 0);
            (*last < Some(base)).then_some(())?;
            (number(&mut elements)? == 0).then_some(())?;
            while let Some(flags) = elements.next() {
                let StrRef::Int(flags) = flags else { return None };
                let id = base.at((number(&mut elements)?, number(&mut elements)?));
                let (values, frame) = if flags & SAME_NAMES != 0 {
                    (names, FIXED)
                } else {
                    let pairs = number(&mut elements)?;
                    (pairs.checked_mul(2).filter(|values| *values >= 0)?, FIXED + 1)
                };
                for _ in 0..values {
                    elements.next()?;
                }
                (number(&mut elements)? == values + frame).then_some(())?;
                if flags & DELETED != 0 {
                    deads += 1;
                } else {
                    (id >= base && Some(id) > *last).then_some(())?;
                    (lives, *last) = (lives + 1, Some(id));
                }
            }
            ((live, dead) == (lives, deads) && lives + deads > 0).then_some(())
        };
        check().is_some()
    }
}
