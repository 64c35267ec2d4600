//! Big hashes: a table of packed fields.
use super::Pair;
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::values::field::{Field, FieldRef};
use crate::values::members::Members;

/// Fields in a table, and what is known of when they expire.
#[derive(Clone, Debug)]
pub struct Table {
    members: Members<Field>,
    /// No field expires before this, ms since 1970.
    next_expiry_ms: i64,
    /// Where [`Table::reap`] goes on, and when the first field expires of those that it has seen alive in this round.
    cursor: u64,
    seen_expiry_ms: i64,
}

impl Table {
    pub(super) fn new() -> Table {
        Table { members: Members::new(), next_expiry_ms: i64::MAX, cursor: 0, seen_expiry_ms: i64::MAX }
    }
    pub(super) fn members(&self) -> &Members<Field> {
        &self.members
    }
    pub(super) fn next_expiry_ms(&self) -> Option<i64> {
        (self.members.volatile_len() > 0).then_some(self.next_expiry_ms)
    }

    pub(super) fn find(&self, field: &[u8]) -> Option<Pair<'_>> {
        self.members.get(field).map(Pair::from)
    }

    /// Adds a field that is not here.
    pub(super) fn add(&mut self, pair: Pair<'_>) {
        let (mut field, mut value) = ([0; 20], [0; 20]);
        self.expect(pair.expires_at_ms);
        let packed =
            Field::new(pair.field.bytes(&mut field), pair.value.bytes(&mut value), pair.expires_at_ms);
        self.members.insert(packed);
    }

    /// Gives a field a value; whether it is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8], keep_expiry: bool) -> bool {
        let is_there = self.members.exchange(field, |packed| {
            let expires_at_ms = packed.view().expires_at_ms().filter(|_| keep_expiry);
            packed.with(value, expires_at_ms)
        });
        if !is_there {
            self.members.insert(Field::new(field, value, None));
        }
        !is_there
    }

    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        self.members.remove(field).is_some()
    }

    pub(super) fn set_expiry(&mut self, field: &[u8], expires_at_ms: Option<i64>) {
        self.expect(expires_at_ms);
        self.members.exchange(field, |packed| packed.with_expiry(expires_at_ms));
    }

    /// Takes out those of these fields whose time has come; their names.
    pub(super) fn shed(&mut self, fields: &[&[u8]], now_ms: i64) -> Vec<Box<[u8]>> {
        let is_due = |field: &&&[u8]| self.find(field).is_some_and(|pair| !pair.is_live(now_ms));
        let mut gone: Vec<Box<[u8]>> = fields.iter().filter(is_due).map(|field| (**field).into()).collect();
        gone.retain(|field| self.remove(field));
        gone
    }

    /// Looks at about `budget` fields that expire and takes out those whose time has come; their names, and how many were
    /// seen.
    pub(super) fn reap(&mut self, budget: usize, now_ms: i64) -> (Vec<Box<[u8]>>, usize) {
        let (mut gone, mut seen): (Vec<Box<[u8]>>, _) = (Vec::new(), 0);
        let mut soonest_ms = self.seen_expiry_ms;
        self.cursor = self.members.scan_volatile(self.cursor, budget, |field| {
            seen += 1;
            match field.expires_at_ms() {
                Some(at_ms) if at_ms >= now_ms => soonest_ms = soonest_ms.min(at_ms),
                _ => gone.push(field.field().into()),
            }
        });
        self.seen_expiry_ms = soonest_ms;
        if self.cursor == 0 {
            self.next_expiry_ms = std::mem::replace(&mut self.seen_expiry_ms, i64::MAX);
        }
        gone.retain(|field| self.remove(field));
        (gone, seen)
    }

    /// The fields, for a reader.
    pub(super) fn lend(&mut self) -> Option<View<Field>> {
        self.members.lend()
    }

    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        self.members.free_some(budget)
    }

    /// A field is to expire then.
    fn expect(&mut self, expires_at_ms: Option<i64>) {
        let at_ms = expires_at_ms.unwrap_or(i64::MAX);
        self.next_expiry_ms = self.next_expiry_ms.min(at_ms);
        self.seen_expiry_ms = self.seen_expiry_ms.min(at_ms);
    }
}

impl<'a> From<FieldRef<'a>> for Pair<'a> {
    #[inline]
    fn from(field: FieldRef<'a>) -> Pair<'a> {
        Pair {
            field: StrRef::Bytes(field.field()),
            value: StrRef::Bytes(field.value()),
            expires_at_ms: field.expires_at_ms(),
        }
    }
}
