//! An index of a listpack's members, for the time of one command that looks for many.
use super::{Form, Set, Table};
use crate::keyspace::StrRef;
use crate::keyspace::item::are_same;
use crate::values::Kind;

/// Fewer members or fewer looks than this do not pay for an index.
const INDEX_LEN_MIN: usize = 8;

/// A set in which members of others are looked for.
pub(super) struct Sought<'a> {
    pub(super) set: &'a Set,
    index: Option<Index<'a>>,
}

impl<'a> Sought<'a> {
    /// A set in which about `looks` members will be looked for.
    pub(super) fn new(set: &'a Set, looks: usize) -> Sought<'a> {
        let pays = matches!(set.0, Form::Packed(_)) && set.len().min(looks) >= INDEX_LEN_MIN;
        Sought { set, index: pays.then(|| Index::new(set)) }
    }

    /// Its table, where there is one.
    pub(super) fn table(&self) -> Option<&'a Table> {
        if let Form::Table(table) = &self.set.0 { Some(table) } else { None }
    }

    /// Whether a member is in it.
    pub(super) fn has(&self, member: StrRef<'_>) -> bool {
        match (&self.index, &self.set.0, member) {
            (Some(index), ..) => index.has(member),
            (None, Form::Ints(ints), StrRef::Int(int)) => ints.contains(int),
            _ => self.set.contains(member.bytes(&mut [0; 20])),
        }
    }
}

/// Members by their hashes: open addressing, at most half full.
struct Index<'a> {
    /// One more than the place among the members, 0 for none.
    slots: Vec<u32>,
    members: Vec<(u64, StrRef<'a>)>,
}

impl<'a> Index<'a> {
    fn new(set: &'a Set) -> Index<'a> {
        let hashed = |member: StrRef<'a>| (Table::hash(member.bytes(&mut [0; 20])), member);
        let members: Vec<_> = set.iter().map(hashed).collect();
        let mut slots = vec![0; (members.len() * 2).next_power_of_two()];
        let mask = slots.len() - 1;
        for (place, (hash, _)) in members.iter().enumerate() {
            let mut slot = *hash as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = place as u32 + 1;
        }
        Index { slots, members }
    }

    fn has(&self, member: StrRef<'_>) -> bool {
        let (text, mask) = (&mut [0; 20], self.slots.len() - 1);
        let text = member.bytes(text);
        let sought = Table::hash(text);
        let mut slot = sought as usize & mask;
        while let Some(place) = self.slots[slot].checked_sub(1) {
            let (hash, own) = self.members[place as usize];
            if hash == sought && are_same(own.bytes(&mut [0; 20]), text) {
                return true;
            }
            slot = (slot + 1) & mask;
        }
        false
    }
}
