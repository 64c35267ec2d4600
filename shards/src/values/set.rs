//! Sets: integers in an intset, a few short members in a listpack, else a table of members.
//!
//! The encodings are Redis's, and so are the points at which one becomes another; none ever becomes a smaller one again.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
pub mod algebra;
mod convert;
mod draw;
mod index;
pub use draw::Taken;
#[cfg(test)]
mod tests;

use super::intset::Intset;
use super::listpack::Listpack;
use super::member::Member;
use super::members::Members;
use super::run::Run;
use super::{INTS_IN_LINE, Kind, Line};
use crate::digest::Digest;
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::number::parse_i64;
use crate::settings::Settings;

/// The table of a big set.
pub(crate) type Table = Members<Member<0>>;

/// A set of byte strings.
#[derive(Debug)]
pub struct Set(Form);

/// Its encoding. Each is one address, which is what an entry keeps.
#[derive(Debug)]
enum Form {
    Ints(Intset),
    Packed(Listpack),
    Table(Box<Table>),
}

const TAG_INTS: u64 = 0;
const TAG_PACKED: u64 = 1;
const TAG_TABLE: u64 = 2;
/// The form of a listpack that stands in line.
const PACKED_IN_LINE: u8 = 13;

impl Set {
    /// Adds a member; whether it is new.
    pub fn add(&mut self, member: &[u8], settings: &Settings) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => {
                let Some(int) = parse_i64(member) else {
                    self.push(member, settings);
                    return true;
                };
                let is_new = ints.insert(int);
                if is_new {
                    self.limit_ints(settings);
                }
                return is_new;
            }
            Form::Packed(packed) if is_packed_in(packed, member) => return false,
            Form::Packed(_) => {}
            Form::Table(table) => {
                let hash = Table::hash(member);
                if table.get_hashed(hash, member).is_some() {
                    return false;
                }
            }
        }
        self.push(member, settings);
        true
    }

    /// Takes a member out; whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|int| ints.remove(int)),
            Form::Packed(packed) => {
                let at = packed.first().and_then(|first| packed.find(first, member, 0));
                at.map(|at| packed.remove(at)).is_some()
            }
            Form::Table(table) => table.remove(member).is_some(),
        }
    }

    /// Whether a member is there.
    #[must_use]
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Ints(ints) => parse_i64(member).is_some_and(|int| ints.contains(int)),
            Form::Packed(packed) => is_packed_in(packed, member),
            Form::Table(table) => table.get(member).is_some(),
        }
    }

    /// Every member: integers ascending, those of a listpack in the order in which they came, those of a table in none.
    pub fn iter(&self) -> impl Iterator<Item = StrRef<'_>> {
        match &self.0 {
            Form::Ints(ints) => OneOf::First(ints.iter().map(StrRef::Int)),
            Form::Packed(packed) => OneOf::Second(packed.iter()),
            Form::Table(table) => OneOf::Third(table.iter().map(|member| StrRef::Bytes(member.bytes()))),
        }
    }

    /// Calls `visit` with about `count` members from a cursor on, 0 being where to begin; gives back the cursor to go on from, 0
    /// at the end. A set without a table is visited whole, wherever the cursor stands.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(StrRef<'_>)) -> u64 {
        if let Form::Table(table) = &self.0 {
            return table.scan(cursor, count, |member| visit(StrRef::Bytes(member.bytes())));
        }
        self.iter().for_each(visit);
        0
    }

    /// The members as they are now, in no order, for a reader; nothing where it is small, or somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View<Member<0>>> {
        if let Form::Table(table) = &mut self.0 { table.lend() } else { None }
    }

    /// Whether its members stand in a table: then it may be large, and looking for one costs the same whatever its length.
    #[must_use]
    pub fn is_table(&self) -> bool {
        matches!(self.0, Form::Table(_))
    }
}

#[inline]
fn is_packed_in(packed: &Listpack, member: &[u8]) -> bool {
    packed.first().and_then(|first| packed.find(first, member, 0)).is_some()
}

impl Kind for Set {
    const FORM: u8 = 8;
    const NAME: &'static str = "set";
    const TYPE: u32 = 2;
    const IN_LINE: &'static [u8] = &[PACKED_IN_LINE, INTS_IN_LINE];

    fn empty() -> Self {
        Set(Form::Ints(Intset::new()))
    }
    fn into_word(self) -> u64 {
        match self.0 {
            Form::Ints(ints) => ints.into_address() | TAG_INTS,
            Form::Packed(packed) => packed.into_address() | TAG_PACKED,
            Form::Table(table) => Box::into_raw(table) as u64 | TAG_TABLE,
        }
    }
    #[inline]
    unsafe fn from_word(word: u64) -> Self {
        let address = word & !super::TAG;
        Set(match word & super::TAG {
            // SAFETY: the tag says that the address is that of an intset, and the caller that it is ours.
            TAG_INTS => Form::Ints(unsafe { Intset::from_address(address) }),
            // SAFETY: the same for a listpack.
            TAG_PACKED => Form::Packed(unsafe { Listpack::from_address(address) }),
            // SAFETY: the same for a boxed table.
            _ => Form::Table(unsafe { Box::from_raw(address as *mut Table) }),
        })
    }
    #[inline]
    fn as_line(&self) -> Option<Line<'_>> {
        match &self.0 {
            Form::Ints(ints) => Some(ints.as_line(INTS_IN_LINE)),
            Form::Packed(packed) => Some(packed.as_line(PACKED_IN_LINE)),
            Form::Table(_) => None,
        }
    }
    #[inline]
    fn into_run(self) -> Result<Run, Self> {
        match self.0 {
            Form::Ints(ints) => Ok(ints.into_run()),
            Form::Packed(packed) => Ok(packed.into_run()),
            Form::Table(_) => Err(self),
        }
    }
    #[inline]
    unsafe fn from_run(form: u8, run: Run) -> Option<Self> {
        Some(Set(match form {
            // SAFETY: the form says that an intset stands there, and the caller that it is ours.
            INTS_IN_LINE => Form::Ints(unsafe { Intset::from_run(run) }),
            // SAFETY: the same for a listpack.
            PACKED_IN_LINE => Form::Packed(unsafe { Listpack::from_run(run) }),
            _ => return None,
        }))
    }
    #[inline]
    fn len(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.len(),
            Form::Packed(packed) => packed.len(),
            Form::Table(table) => table.len(),
        }
    }
    fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Ints(_) => "intset",
            Form::Packed(_) => "listpack",
            Form::Table(_) => "hashtable",
        }
    }
    fn memory_bytes(&self) -> usize {
        match &self.0 {
            Form::Ints(ints) => ints.memory_bytes(),
            Form::Packed(packed) => packed.memory_bytes(),
            Form::Table(table) => crate::memory::allocation_bytes(size_of::<Table>()) + table.memory_bytes(),
        }
    }
    fn copy(&self) -> Self {
        Set(match &self.0 {
            Form::Ints(ints) => Form::Ints(ints.clone()),
            Form::Packed(packed) => Form::Packed(packed.clone()),
            Form::Table(table) => Form::Table(table.clone()),
        })
    }
    fn digest(&self, digest: &mut Digest) {
        self.iter().for_each(|member| digest.add(member.bytes(&mut [0; 20])));
    }
    fn free_cost(&self) -> usize {
        match &self.0 {
            Form::Ints(_) | Form::Packed(_) => 1,
            Form::Table(table) => table.len(),
        }
    }
    fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.0 {
            Form::Ints(_) | Form::Packed(_) => true,
            Form::Table(table) => table.free_some(budget),
        }
    }
}

/// One of three iterators over the same.
enum OneOf<A, B, C> {
    First(A),
    Second(B),
    Third(C),
}

impl<T, A, B, C> Iterator for OneOf<A, B, C>
where
    A: Iterator<Item = T>,
    B: Iterator<Item = T>,
    C: Iterator<Item = T>,
{
    type Item = T;
    #[inline]
    fn next(&mut self) -> Option<T> {
        match self {
            OneOf::First(iter) => iter.next(),
            OneOf::Second(iter) => iter.next(),
            OneOf::Third(iter) => iter.next(),
        }
    }
    // A loop of its own for each, not a look at which it is for every element.
    fn fold<S, F: FnMut(S, T) -> S>(self, init: S, step: F) -> S {
        match self {
            OneOf::First(iter) => iter.fold(init, step),
            OneOf::Second(iter) => iter.fold(init, step),
            OneOf::Third(iter) => iter.fold(init, step),
        }
    }
}
