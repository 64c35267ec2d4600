//! Small hashes with fields that expire: a listpack of triples, field, value and expiry.
//!
//! As Redis has them (its `listpackex`): the fields that expire come first, the soonest at the front; the expiry of the others
//! is 0.
use super::Pair;
use crate::keyspace::StrRef;
use crate::values::listpack::{At, Listpack};

/// What stands for no expiry.
const NEVER: i64 = 0;

/// The same fields, none of which expires.
pub(super) fn of_pairs(pack: &Listpack) -> Listpack {
    let mut triples = Listpack::new();
    let mut elements = pack.iter();
    let mut room = [0; 20];
    while let (Some(field), Some(value)) = (elements.next(), elements.next()) {
        triples.push_back(field.bytes(&mut room));
        triples.push_back(value.bytes(&mut room));
        triples.push_back_int(NEVER);
    }
    triples
}

/// Where a field stands.
pub(super) fn place(pack: &Listpack, field: &[u8]) -> Option<At> {
    pack.find(pack.first()?, field, 2)
}

/// The field at a place.
pub(super) fn triple_at(pack: &Listpack, at: At) -> Pair<'_> {
    let mut elements = pack.iter_from(at);
    next(&mut elements).expect("a field stands here")
}

/// All fields.
pub(super) fn triples_of(pack: &Listpack) -> impl Iterator<Item = Pair<'_>> {
    let mut elements = pack.iter();
    std::iter::from_fn(move || next(&mut elements))
}

/// When the first field expires.
pub(super) fn next_expiry_ms(pack: &Listpack) -> Option<i64> {
    triple_at(pack, pack.first()?).expires_at_ms
}

/// Gives a field a value; whether it is new. Without its expiry a field goes to the end.
pub(super) fn set(pack: &mut Listpack, field: &[u8], value: &[u8], keep_expiry: bool) -> bool {
    let Some(at) = place(pack, field) else {
        insert(pack, field, value, None);
        return true;
    };
    if keep_expiry || triple_at(pack, at).expires_at_ms.is_none() {
        let at = pack.next(at).expect("a value follows each field");
        pack.replace(at, value);
    } else {
        remove_at(pack, at);
        insert(pack, field, value, None);
    }
    false
}

/// Takes a field out; whether it was there.
pub(super) fn remove(pack: &mut Listpack, field: &[u8]) -> bool {
    let place = place(pack, field);
    place.map(|at| remove_at(pack, at)).is_some()
}

/// Gives a field another expiry and the place that is due to it.
pub(super) fn set_expiry(pack: &mut Listpack, field: &[u8], expires_at_ms: Option<i64>) {
    let Some(at) = place(pack, field) else { return };
    let pair = triple_at(pack, at);
    if pair.expires_at_ms == expires_at_ms {
        return;
    }
    let value = pair.value.bytes(&mut [0; 20]).to_vec();
    remove_at(pack, at);
    insert(pack, field, &value, expires_at_ms);
}

/// Takes out all fields whose time has come; their names.
pub(super) fn reap(pack: &mut Listpack, now_ms: i64) -> Vec<Box<[u8]>> {
    let due = triples_of(pack).take_while(|pair| !pair.is_live(now_ms));
    let gone: Vec<Box<[u8]>> = due.map(|pair| pair.field.bytes(&mut [0; 20]).into()).collect();
    pack.remove_range(0, 3 * gone.len());
    gone
}

fn remove_at(pack: &mut Listpack, at: At) {
    for _ in 0..3 {
        pack.remove(at);
    }
}

/// Adds a field: before the first that expires later.
fn insert(pack: &mut Listpack, field: &[u8], value: &[u8], expires_at_ms: Option<i64>) {
    let later = |pair: &Pair<'_>| pair.expires_at_ms.is_none_or(|at_ms| Some(at_ms) > expires_at_ms);
    let index = expires_at_ms.and_then(|_| triples_of(pack).position(|pair| later(&pair)));
    match index.and_then(|index| pack.seek(3 * index as i64)) {
        Some(at) => {
            let at = pack.insert_before(at, field);
            let at = pack.insert_after(at, value);
            let at = pack.insert_after(at, b"0");
            pack.replace_int(at, expires_at_ms.unwrap_or(NEVER));
        }
        None => {
            pack.push_back(field);
            pack.push_back(value);
            pack.push_back_int(expires_at_ms.unwrap_or(NEVER));
        }
    }
}

fn next<'a>(elements: &mut impl Iterator<Item = StrRef<'a>>) -> Option<Pair<'a>> {
    let (field, value, expiry) = (elements.next()?, elements.next()?, elements.next()?);
    let expires_at_ms = match expiry {
        StrRef::Int(NEVER) | StrRef::Bytes(_) => None,
        StrRef::Int(at_ms) => Some(at_ms),
    };
    Some(Pair { field, value, expires_at_ms })
}
