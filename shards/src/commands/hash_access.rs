//! How commands see hashes: fields whose time has come are gone, and that they are is told.
use crate::call::{Altered, Call, Key, Keys};
use crate::effects::Class;
use crate::fault::Fault;
use crate::keyspace::StrRef;
use crate::reply::Reply;
use crate::values::Hand;
use crate::values::hash::Hash;

/// Shows the hash of a key, with the time, to a command that reads these fields of it.
#[inline]
pub(super) fn look<T>(
    cx: &mut Call<'_>,
    key: &[u8],
    fields: &[&[u8]],
    show: impl FnOnce(Option<&Hash>, &mut Reply, i64) -> T,
) -> Result<T, Fault> {
    let key = cx.key(key);
    let now_ms = cx.now_ms;
    match cx.keys.read::<Hash>(key)? {
        Some(hash) if hash.has_due(now_ms) => {}
        found => return Ok(show(found.as_deref(), cx.reply, now_ms)),
    }
    let altered = alter(cx, key, fields, |_, _| ())?;
    tell_emptied(cx, key, altered);
    let found = cx.keys.peek_as::<Hash>(key)?;
    Ok(show(found.as_deref(), cx.reply, now_ms))
}

/// Changes the hash of a key, by a command that writes these fields of it: see [`Keys::alter`].
pub(super) fn alter<T>(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    fields: &[&[u8]],
    change: impl FnOnce(&mut Hash, &mut Hand<'_>) -> T,
) -> Result<Option<Altered<T>>, Fault> {
    let mut gone = Vec::new();
    let altered = cx.alter(key, |hash: &mut Hash, hand| {
        gone = shed(hash, hand, fields);
        change(hash, hand)
    })?;
    tell_gone(cx, key, &gone);
    Ok(altered)
}

/// The same where a key that holds nothing gets a hash first: see [`Keys::alter_or_make`].
pub(super) fn alter_or_make<T>(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    fields: &[&[u8]],
    change: impl FnOnce(&mut Hash, &mut Hand<'_>) -> T,
) -> Result<Altered<T>, Fault> {
    let mut gone = Vec::new();
    let altered = cx.alter_or_make(key, |hash: &mut Hash, hand| {
        gone = shed(hash, hand, fields);
        change(hash, hand)
    })?;
    tell_gone(cx, key, &gone);
    Ok(altered)
}

fn shed(hash: &mut Hash, hand: &Hand<'_>, fields: &[&[u8]]) -> Vec<Box<[u8]>> {
    if hand.settings.keep_expired { Vec::new() } else { hash.shed(fields, hand.now_ms) }
}

/// Tells that the time of fields had come and they are gone.
pub(crate) fn tell_gone(cx: &mut Keys<'_>, key: Key<'_>, gone: &[Box<[u8]>]) {
    if gone.is_empty() {
        return;
    }
    cx.shard(key.hashed.slot).counts.expired_fields += gone.len() as u64;
    cx.effects.record(key.db, &removal(key, gone.iter().map(|field| &**field)));
    cx.changed(key);
    cx.notify(Class::HASH, "hexpired", key);
}

/// The command that removes these fields.
pub(super) fn removal<'a>(key: Key<'a>, fields: impl Iterator<Item = &'a [u8]>) -> Vec<&'a [u8]> {
    let command: [&[u8]; 2] = [b"HDEL", key.bytes()];
    command.into_iter().chain(fields).collect()
}

/// Tells that a hash lost its last field and is gone, if so: what comes after all other events.
pub(crate) fn tell_emptied<T>(cx: &mut Keys<'_>, key: Key<'_>, altered: Option<Altered<T>>) {
    if altered.is_some_and(|altered| altered.emptied) {
        cx.notify(Class::GENERIC, "del", key);
    }
}

/// A field or value as a bulk string.
#[inline]
pub(super) fn put(reply: &mut Reply, bytes: StrRef<'_>) {
    match bytes {
        StrRef::Int(value) => reply.bulk_integer(value),
        StrRef::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The same for one that may be missing.
#[inline]
pub(super) fn put_or_null(reply: &mut Reply, bytes: Option<StrRef<'_>>) {
    match bytes {
        Some(bytes) => put(reply, bytes),
        None => reply.null(),
    }
}
