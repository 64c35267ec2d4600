//! The kind `hash`: fields with values, each of which may expire.
//!
//! Small hashes are a listpack of pairs; with the first expiry it becomes one of triples ([`timed`]), and beyond
//! `hash-max-listpack-entries` or `-value` a [`Table`] of packed fields. None goes back to a smaller form.
//!
//! A field whose time has come stays until somebody takes it out ([`Hash::shed`], [`Hash::reap`]); until then callers pass
//! over it, for to a client it is gone.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
mod table;
#[cfg(test)]
mod tests;
mod timed;
mod whole;

use super::field::Field;
use super::listpack::{At, Listpack};
use super::run::Run;
use super::{Kind, Line, TAG};
use crate::dice::Dice;
use crate::digest::Digest;
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::memory::allocation_bytes;
use crate::settings::Settings;
use table::Table;

/// Tags of the encodings in a hash's word.
const PAIRS: u64 = 0;
const TIMED: u64 = 1;
const TABLE: u64 = 2;
/// The form of pairs that stand in line.
const PAIRS_IN_LINE: u8 = 11;

/// A hash.
#[derive(Debug)]
pub enum Hash {
    /// Field, value, field, value …
    Pairs(Listpack),
    /// Field, value, expiry (0: none), in the order of expiries, those without last.
    Timed(Listpack),
    /// Packed fields in a table.
    Table(Box<Table>),
}

/// A field as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Its name.
    pub field: StrRef<'a>,
    /// Its value.
    pub value: StrRef<'a>,
    /// When it expires, ms since 1970.
    pub expires_at_ms: Option<i64>,
}

impl Pair<'_> {
    /// Whether its time has not come.
    #[inline]
    #[must_use]
    pub fn is_live(self, now_ms: i64) -> bool {
        self.expires_at_ms.is_none_or(|at_ms| at_ms >= now_ms)
    }
}

impl Hash {
    /// A field, expired or not.
    #[must_use]
    pub fn find(&self, field: &[u8]) -> Option<Pair<'_>> {
        match self {
            Hash::Pairs(pack) => place_in(pack, field).map(|at| pair_at(pack, at)),
            Hash::Timed(pack) => timed::place(pack, field).map(|at| timed::triple_at(pack, at)),
            Hash::Table(table) => table.find(field),
        }
    }

    /// The value of a field whose time has not come.
    #[inline]
    #[must_use]
    pub fn get(&self, field: &[u8], now_ms: i64) -> Option<StrRef<'_>> {
        self.find(field).filter(|pair| pair.is_live(now_ms)).map(|pair| pair.value)
    }

    /// Gives a field a value; whether the field is new. Its expiry goes unless it is to be kept.
    pub fn set(&mut self, field: &[u8], value: &[u8], keep_expiry: bool, settings: &Settings) -> bool {
        if !self.is_table() && is_long(field, settings) | is_long(value, settings) {
            self.make_table();
        }
        let is_new = match self {
            Hash::Pairs(pack) => set_in(pack, field, value),
            Hash::Timed(pack) => timed::set(pack, field, value, keep_expiry),
            Hash::Table(table) => table.set(field, value, keep_expiry),
        };
        if is_new && !self.is_table() && self.len() > settings.hash_listpack_entries_max {
            self.make_table();
        }
        is_new
    }

    /// Takes the form that is due once all these pairs are in, before the first is.
    pub fn prepare(&mut self, pairs: &[&[u8]], settings: &Settings) {
        let too_many = pairs.len() / 2 > settings.hash_listpack_entries_max;
        if !self.is_table() && (too_many || pairs.iter().any(|bytes| is_long(bytes, settings))) {
            self.make_table();
        }
    }

    /// Takes a field out; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match self {
            Hash::Pairs(pack) => {
                let place = place_in(pack, field);
                place.and_then(|at| pack.remove(at)).map(|value| pack.remove(value));
                place.is_some()
            }
            Hash::Timed(pack) => timed::remove(pack, field),
            Hash::Table(table) => table.remove(field),
        }
    }

    /// Gives a field that is there an expiry, or takes it away.
    pub fn set_expiry(&mut self, field: &[u8], expires_at_ms: Option<i64>) {
        if expires_at_ms.is_some() {
            self.make_timed();
        }
        match self {
            Hash::Pairs(_) => {}
            Hash::Timed(pack) => timed::set_expiry(pack, field, expires_at_ms),
            Hash::Table(table) => table.set_expiry(field, expires_at_ms),
        }
    }

    /// Takes a form in which fields can expire.
    pub fn make_timed(&mut self) {
        if let Hash::Pairs(pack) = self {
            *self = Hash::Timed(timed::of_pairs(pack));
        }
    }

    /// Calls `visit` with every field, expired ones too.
    pub fn each<'a>(&'a self, mut visit: impl FnMut(Pair<'a>)) {
        match self {
            Hash::Pairs(pack) => pairs_of(pack).for_each(visit),
            Hash::Timed(pack) => timed::triples_of(pack).for_each(visit),
            Hash::Table(table) => table.members().iter().for_each(|field| visit(field.into())),
        }
    }

    /// Calls `visit` with about `count` fields from a cursor on, expired ones too; the cursor to go on from, 0 at the end. All
    /// of a listpack at once.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(Pair<'_>)) -> u64 {
        if let Hash::Table(table) = self {
            return table.members().scan(cursor, count, |field| visit(field.into()));
        }
        self.each(visit);
        0
    }

    /// A field at random, all alike, expired ones too; there must be one.
    #[must_use]
    pub fn random(&self, dice: &mut Dice) -> Pair<'_> {
        let draw = |dice: &mut Dice| dice.below(self.len() as u64) as i64;
        let seen = "an index below the length";
        match self {
            Hash::Pairs(pack) => pair_at(pack, pack.seek(draw(dice) * 2).expect(seen)),
            Hash::Timed(pack) => timed::triple_at(pack, pack.seek(draw(dice) * 3).expect(seen)),
            Hash::Table(table) => table.members().random(dice).into(),
        }
    }

    /// Whether its time may have come for a field.
    #[inline]
    #[must_use]
    pub fn has_due(&self, now_ms: i64) -> bool {
        self.next_expiry_ms().is_some_and(|at_ms| at_ms < now_ms)
    }

    /// A time before which no field expires, if any does, ms since 1970.
    #[inline]
    #[must_use]
    pub fn next_expiry_ms(&self) -> Option<i64> {
        match self {
            Hash::Pairs(_) => None,
            Hash::Timed(pack) => timed::next_expiry_ms(pack),
            Hash::Table(table) => table.next_expiry_ms(),
        }
    }

    /// Takes out those of `fields` whose time has come, in a listpack all whose has; their names. What a command does before
    /// it looks at these fields.
    #[must_use]
    pub fn shed(&mut self, fields: &[&[u8]], now_ms: i64) -> Vec<Box<[u8]>> {
        if !self.has_due(now_ms) {
            return Vec::new();
        }
        match self {
            Hash::Pairs(_) => Vec::new(),
            Hash::Timed(pack) => timed::reap(pack, now_ms),
            Hash::Table(table) => table.shed(fields, now_ms),
        }
    }

    /// Looks at about `budget` fields that expire, from where it stopped the last time, and takes out those whose time has
    /// come; their names, and how many were seen.
    #[must_use]
    pub fn reap(&mut self, budget: usize, now_ms: i64) -> (Vec<Box<[u8]>>, usize) {
        match self {
            Hash::Pairs(_) => (Vec::new(), 0),
            Hash::Timed(pack) => {
                let gone = timed::reap(pack, now_ms);
                let seen = gone.len();
                (gone, seen)
            }
            Hash::Table(table) => table.reap(budget, now_ms),
        }
    }

    /// The fields as they are now, in no order, for a reader; nothing where it is small, or somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View<Field>> {
        if let Hash::Table(table) = self { table.lend() } else { None }
    }

    fn is_table(&self) -> bool {
        matches!(self, Hash::Table(_))
    }

    fn make_table(&mut self) {
        let mut table = Table::new();
        self.each(|pair| table.add(pair));
        *self = Hash::Table(Box::new(table));
    }
}

impl Kind for Hash {
    const FORM: u8 = 6;
    const NAME: &'static str = "hash";
    const TYPE: u32 = 4;
    const IN_LINE: &'static [u8] = &[PAIRS_IN_LINE];

    fn empty() -> Hash {
        Hash::Pairs(Listpack::new())
    }
    #[inline]
    fn into_word(self) -> u64 {
        match self {
            Hash::Pairs(pack) => pack.into_address() | PAIRS,
            Hash::Timed(pack) => pack.into_address() | TIMED,
            Hash::Table(table) => Box::into_raw(table) as u64 | TABLE,
        }
    }
    #[inline]
    unsafe fn from_word(word: u64) -> Hash {
        let address = word & !TAG;
        match word & TAG {
            // SAFETY: the word came from `into_word`, so a listpack is at its address, which nobody else turns back.
            PAIRS => Hash::Pairs(unsafe { Listpack::from_address(address) }),
            // SAFETY: the same.
            TIMED => Hash::Timed(unsafe { Listpack::from_address(address) }),
            // SAFETY: the same, with a box of a table.
            _ => Hash::Table(unsafe { Box::from_raw(address as *mut Table) }),
        }
    }
    #[inline]
    fn as_line(&self) -> Option<Line<'_>> {
        if let Hash::Pairs(pack) = self { Some(pack.as_line(PAIRS_IN_LINE)) } else { None }
    }
    #[inline]
    fn into_run(self) -> Result<Run, Hash> {
        if let Hash::Pairs(pack) = self { Ok(pack.into_run()) } else { Err(self) }
    }
    #[inline]
    unsafe fn from_run(form: u8, run: Run) -> Option<Hash> {
        // SAFETY: only pairs stand in line, and the caller says that they do.
        (form == PAIRS_IN_LINE).then(|| Hash::Pairs(unsafe { Listpack::from_run(run) }))
    }
    fn len(&self) -> usize {
        match self {
            Hash::Pairs(pack) => pack.len() / 2,
            Hash::Timed(pack) => pack.len() / 3,
            Hash::Table(table) => table.members().len(),
        }
    }
    fn is_empty(&self) -> bool {
        match self {
            Hash::Pairs(pack) | Hash::Timed(pack) => pack.is_empty(),
            Hash::Table(table) => table.members().is_empty(),
        }
    }
    fn encoding(&self) -> &'static str {
        match self {
            Hash::Pairs(_) => "listpack",
            Hash::Timed(_) => "listpackex",
            Hash::Table(_) => "hashtable",
        }
    }
    fn memory_bytes(&self) -> usize {
        match self {
            Hash::Pairs(pack) | Hash::Timed(pack) => pack.memory_bytes(),
            Hash::Table(table) => allocation_bytes(size_of::<Table>()) + table.members().memory_bytes(),
        }
    }
    fn copy(&self) -> Hash {
        match self {
            Hash::Pairs(pack) => Hash::Pairs(pack.clone()),
            Hash::Timed(pack) => Hash::Timed(pack.clone()),
            Hash::Table(table) => Hash::Table(table.clone()),
        }
    }
    fn digest(&self, digest: &mut Digest) {
        self.each(|pair| {
            let mut element = Digest::default();
            element.mix(pair.field.bytes(&mut [0; 20]));
            element.mix(pair.value.bytes(&mut [0; 20]));
            if pair.expires_at_ms.is_some() {
                element.add(b"!!hexpire!!");
            }
            digest.add(element.bytes());
        });
    }
    fn free_cost(&self) -> usize {
        match self {
            Hash::Pairs(_) | Hash::Timed(_) => 1,
            Hash::Table(table) => table.members().len(),
        }
    }
    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Hash::Pairs(_) | Hash::Timed(_) => true,
            Hash::Table(table) => table.free_some(budget),
        }
    }
    fn has_deadlines(&self) -> bool {
        self.next_expiry_ms().is_some()
    }
}

fn is_long(bytes: &[u8], settings: &Settings) -> bool {
    bytes.len() > settings.hash_listpack_value_bytes_max
}

fn place_in(pack: &Listpack, field: &[u8]) -> Option<At> {
    pack.find(pack.first()?, field, 1)
}

fn pair_at(pack: &Listpack, at: At) -> Pair<'_> {
    let value = pack.next(at).expect("a value follows each field");
    Pair { field: pack.get(at), value: pack.get(value), expires_at_ms: None }
}

fn pairs_of(pack: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    let mut elements = pack.iter();
    std::iter::from_fn(move || {
        Some(Pair { field: elements.next()?, value: elements.next()?, expires_at_ms: None })
    })
}

/// Gives a field of pairs a value; whether it is new.
fn set_in(pack: &mut Listpack, field: &[u8], value: &[u8]) -> bool {
    if let Some(at) = place_in(pack, field) {
        let at = pack.next(at).expect("a value follows each field");
        pack.replace(at, value);
        return false;
    }
    pack.push_back(field);
    pack.push_back(value);
    true
}
