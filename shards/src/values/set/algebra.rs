//! Intersections, unions and differences.
//!
//! Members are looked up in batches: their hashes first, then the words of the table where they would stand, then what stands
//! there, so that the memory that a lookup needs is on its way while others are looked up.
use super::convert::int_of;
use super::index::Sought;
use super::{Form, Set, Table};
use crate::keyspace::StrRef;
use crate::settings::Settings;
use crate::values::Kind;
use crate::values::intset::Intset;
use crate::values::member::Member;
use smallvec::SmallVec;

/// Members that are looked up together.
const BATCH: usize = 32;
/// Tables of fewer members than this are not joined: what that takes beforehand would cost more than it spares.
const JOIN_LEN_MIN: usize = 32;
/// Nor are two of which one has more than so many times the other's members.
const JOIN_SHARE: usize = 8;

/// Calls `take` with each member that all the sets have, in the order of the smallest one, as long as it says to go on.
pub fn intersect<'a>(sets: &[&'a Set], mut take: impl FnMut(StrRef<'a>) -> bool) {
    let mut sets: SmallVec<[&Set; 8]> = sets.into();
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    if let Some(ints) = sets.iter().map(|set| set.as_intset()).collect::<Option<SmallVec<[_; 8]>>>() {
        return intersect_ints(&ints, take);
    }
    if let (Form::Table(one), [next, others @ ..]) = (&smallest.0, others)
        && let Form::Table(other) = &next.0
        && one.len() >= JOIN_LEN_MIN
        && other.len() / one.len() <= JOIN_SHARE
    {
        return intersect_tables(one, other, others, take);
    }
    let others = sought(others, smallest.len());
    let mut members = smallest.iter();
    let mut batch = Batch::default();
    while batch.fill(&mut members) {
        others.iter().for_each(|set| batch.keep(set, true));
        if !batch.members.iter().all(|probe| take(probe.member)) {
            return;
        }
    }
}

/// Sets in which about `looks` members are looked for.
fn sought<'a>(sets: &[&'a Set], looks: usize) -> SmallVec<[Sought<'a>; 4]> {
    sets.iter().map(|set| Sought::new(set, looks)).collect()
}

/// The same for two tables that are joined, and more sets in which what they share is looked for.
fn intersect_tables<'a>(
    one: &'a Table,
    other: &'a Table,
    others: &[&Set],
    mut take: impl FnMut(StrRef<'a>) -> bool,
) {
    let others = sought(others, one.len());
    let mut batch = Batch::default();
    let mut goes_on = true;
    let mut flush = |batch: &mut Batch<'a>| {
        others.iter().for_each(|set| batch.keep(set, true));
        let goes_on = batch.members.iter().all(|probe| take(probe.member));
        batch.clear();
        goes_on
    };
    one.visit_common(other, |member| {
        batch.members.push(Probe { member: StrRef::Bytes(member.bytes()), hash: 0 });
        if batch.members.len() == BATCH {
            goes_on = flush(&mut batch);
        }
        goes_on
    });
    if goes_on {
        flush(&mut batch);
    }
}

/// The same for integers alone: each set is gone through once, in leaps.
fn intersect_ints<'a>(sets: &[&Intset], mut take: impl FnMut(StrRef<'a>) -> bool) {
    let (smallest, others) = sets.split_first().expect("an intersection is of something");
    let mut places: SmallVec<[usize; 8]> = others.iter().map(|_| 0).collect();
    for int in smallest.iter() {
        let is_in_all = others.iter().zip(&mut places).all(|(set, place)| {
            *place = set.seek(*place, int);
            set.get(*place) == Some(int)
        });
        if is_in_all && !take(StrRef::Int(int)) {
            return;
        }
    }
}

/// The intersection as a set, in the encoding that Redis gives it.
#[must_use]
pub fn intersection(sets: &[&Set], settings: &Settings) -> Set {
    let mut members = Vec::new();
    intersect(sets, |member| {
        members.push(member);
        true
    });
    let smallest = sets.iter().min_by_key(|set| set.len());
    let result = smallest.map_or_else(Set::empty, |smallest| smallest.remainder());
    let mut result = result.filled(&members, settings);
    if result.len() <= settings.set_intset_entries_max
        && members.iter().all(|member| int_of(*member).is_some())
    {
        result.gather_ints(settings);
    }
    result
}

/// Calls `take` with each member that any of the sets has; ascending where all are integers.
pub fn unite<'a>(sets: &[&'a Set], mut take: impl FnMut(StrRef<'a>)) {
    if let Some(ints) = sets.iter().map(|set| set.as_intset()).collect::<Option<Vec<_>>>() {
        let mut ints: Vec<i64> = ints.into_iter().flat_map(Intset::iter).collect();
        ints.sort_unstable();
        ints.dedup();
        return ints.into_iter().for_each(|int| take(StrRef::Int(int)));
    }
    let Some(largest) = (0..sets.len()).max_by_key(|index| sets[*index].len()) else { return };
    let others = || sets.iter().enumerate().filter(|(index, _)| *index != largest).map(|(_, set)| *set);
    // Looking in a table is cheap: only what is not in the largest is to be remembered, for the sets that follow.
    let base = Some(sets[largest]).filter(|set| set.is_table());
    let first = if base.is_none() { Some(sets[largest]) } else { None };
    let last = others().count();
    let mut seen = Table::new();
    if let Some(base) = base {
        base.iter().for_each(&mut take);
    }
    for (index, set) in first.into_iter().chain(others()).enumerate() {
        let is_remembered = base.is_none() || index + 1 < last;
        let mut members = set.iter();
        let mut batch = Batch::default();
        while batch.fill(&mut members) {
            if let Some(base) = base {
                batch.keep(&Sought::new(base, 0), false);
            }
            batch.keep_new(&mut seen, is_remembered);
            batch.members.iter().for_each(|probe| take(probe.member));
        }
    }
}

/// The union as a set, in the encoding that Redis gives it.
#[must_use]
pub fn union(sets: &[&Set], settings: &Settings) -> Set {
    let small_max = settings.set_intset_entries_max.max(settings.set_listpack_entries_max);
    let mut members = Vec::new();
    if sets.iter().map(|set| set.len()).sum::<usize>() > small_max {
        unite(sets, |member| members.push(member));
    }
    // So many are a table whatever they are. The encoding of few depends on the order in which they come.
    if members.len() > small_max {
        return Set::empty().filled(&members, settings);
    }
    let mut result = Set::empty();
    sets.iter().for_each(|set| result.absorb(set, settings));
    result
}

/// Calls `take` with each member of a set that none of the others has.
pub fn subtract(first: &Set, others: &[&Set], settings: &Settings, mut take: impl FnMut(StrRef<'_>)) {
    if is_removed_from(first, others) {
        return without(first, others, settings).iter().for_each(take);
    }
    let others = sought(others, first.len());
    let mut members = first.iter();
    let mut batch = Batch::default();
    while batch.fill(&mut members) {
        others.iter().for_each(|set| batch.keep(set, false));
        batch.members.iter().for_each(|probe| take(probe.member));
    }
}

/// The difference as a set, in the encoding that Redis gives it.
#[must_use]
pub fn difference(first: &Set, others: &[&Set], settings: &Settings) -> Set {
    if is_removed_from(first, others) {
        return without(first, others, settings);
    }
    let mut members = Vec::new();
    let others = sought(others, first.len());
    let mut batches = first.iter();
    let mut batch = Batch::default();
    while batch.fill(&mut batches) {
        others.iter().for_each(|set| batch.keep(set, false));
        members.extend(batch.members.iter().map(|probe| probe.member));
    }
    Set::empty().filled(&members, settings)
}

/// Whether it is less work to take the members of the others out of a copy of the first than to look for each of the
/// first's in all the others. Redis's rule, for it shows in the encoding of what is stored.
fn is_removed_from(first: &Set, others: &[&Set]) -> bool {
    let looks = first.len() * (others.len() + 1) / 2;
    looks > first.len() + others.iter().map(|set| set.len()).sum::<usize>()
}

/// A copy of a set without the members of others.
fn without(first: &Set, others: &[&Set], settings: &Settings) -> Set {
    let mut rest = union(&[first], settings);
    for set in others {
        for member in set.iter() {
            if rest.is_empty() {
                return rest;
            }
            rest.remove(member.bytes(&mut [0; 20]));
        }
    }
    rest
}

impl Set {
    /// Adds the members of another set.
    fn absorb(&mut self, other: &Set, settings: &Settings) {
        let mut members = other.iter();
        let mut batch = Batch::default();
        while batch.fill(&mut members) {
            batch.keep(&Sought::new(self, 0), false);
            batch.members.iter().for_each(|probe| self.push_ref(probe.member, settings));
        }
    }
}

/// Some members of a set that are looked up together.
#[derive(Default)]
struct Batch<'a> {
    members: SmallVec<[Probe<'a>; BATCH]>,
    is_hashed: bool,
}

struct Probe<'a> {
    member: StrRef<'a>,
    hash: u64,
}

impl<'a> Batch<'a> {
    /// Begins with the next members; whether there were any.
    fn fill(&mut self, members: &mut impl Iterator<Item = StrRef<'a>>) -> bool {
        self.clear();
        self.members.extend(members.take(BATCH).map(|member| Probe { member, hash: 0 }));
        !self.members.is_empty()
    }

    fn clear(&mut self) {
        self.is_hashed = false;
        self.members.clear();
    }

    /// Keeps those that a set has, or those that it has not.
    fn keep(&mut self, set: &Sought<'_>, wanted: bool) {
        match set.table() {
            Some(table) => self.keep_in(table, wanted),
            None => self.members.retain(|probe| set.has(probe.member) == wanted),
        }
    }

    fn keep_in(&mut self, table: &Table, wanted: bool) {
        self.bring_near(table);
        let is_in = |probe: &mut Probe<'_>| {
            table.get_hashed(probe.hash, probe.member.bytes(&mut [0; 20])).is_some() == wanted
        };
        self.members.retain(is_in);
    }

    /// Keeps those that are not in a table, which remembers them for the next ones if it shall.
    fn keep_new(&mut self, seen: &mut Table, is_remembered: bool) {
        if !seen.is_empty() {
            self.keep_in(seen, false);
        }
        if is_remembered {
            let members = self.members.iter().map(|probe| probe.member);
            members.for_each(|member| seen.insert(Member::new([], member.bytes(&mut [0; 20]))));
        }
    }

    /// Has the memory on its way in which a table would have these.
    fn bring_near(&mut self, table: &Table) {
        if !self.is_hashed {
            for probe in &mut self.members {
                probe.hash = Table::hash(probe.member.bytes(&mut [0; 20]));
            }
            self.is_hashed = true;
        }
        self.members.iter().for_each(|probe| table.prefetch_words(probe.hash));
        self.members.iter().for_each(|probe| table.prefetch_item(probe.hash));
    }
}
