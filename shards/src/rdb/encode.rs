//! Writing a value.
use super::writer::{self, Out};
use super::{VERSION_COMMON, VERSION_RICH, VERSION_VALKEY, hash, kind, list, set, stream, zset};
use crate::keyspace::EntryRef;
use crate::values::lent::Lent;
use crate::values::{Hash, Object, Stream, Zset};

/// The least version of the format that can tell all that a value holds.
#[must_use]
pub fn version_of(entry: EntryRef<'_>) -> u16 {
    match entry.as_kind::<Hash>() {
        Some(hash) if hash::kind_of(&hash) == kind::HASH_2 => VERSION_VALKEY,
        _ => VERSION_COMMON,
    }
}

/// The type as which a value is written in a version of the format.
#[must_use]
pub fn kind_of(entry: EntryRef<'_>, version: u16) -> u8 {
    match entry.as_object().as_deref() {
        None => kind::STRING,
        Some(Object::List(_)) => list::KIND,
        Some(Object::Set(set)) => set::kind_of(set, version),
        Some(Object::Zset(zset)) => zset::kind_of(zset),
        Some(Object::Hash(hash)) => hash::kind_of(hash),
        Some(Object::Stream(_)) => stream::kind_of(version),
    }
}

/// Writes a value, without its type.
pub fn encode(entry: EntryRef<'_>, version: u16, out: &mut impl Out) {
    match entry.as_object().as_deref() {
        None => writer::string(out, entry.string()),
        Some(object) => encode_object(object, version, out),
    }
}

/// Writes a collection, without its type.
pub fn encode_object(object: &Object, version: u16, out: &mut impl Out) {
    match object {
        Object::List(list) => list::encode(list, out),
        Object::Set(set) => set::encode(set, set::kind_of(set, version), out),
        Object::Zset(zset) => zset::encode(zset, out),
        Object::Hash(hash) => hash::encode(hash, hash::kind_of(hash), out),
        Object::Stream(stream) => stream::encode(stream, stream::kind_of(version), out),
    }
}

/// Writes a collection that is lent, without its type.
pub(crate) fn encode_lent(lent: &Lent, out: &mut impl Out) {
    match lent {
        Lent::Hash(fields, has_times) => hash::encode_lent(fields, *has_times, out),
        Lent::Set(members) => {
            writer::number(out, members.len() as u64);
            members.iter().for_each(|member| writer::text(out, member.bytes()));
        }
        Lent::Zset(members) => {
            writer::number(out, members.len() as u64);
            for member in members.iter() {
                writer::text(out, member.bytes());
                writer::double(out, Zset::score_of(member));
            }
        }
        Lent::List(nodes) => {
            writer::number(out, nodes.len() as u64);
            nodes.each(|pack, is_plain| list::node(pack, is_plain, out));
        }
        Lent::Stream(nodes, tail) => {
            stream::encode_nodes(nodes.nodes(), out);
            out.put(tail);
        }
    }
}

/// What is written of a stream behind its nodes.
pub(crate) fn stream_tail(stream: &Stream, version: u16) -> Vec<u8> {
    let mut tail = Vec::new();
    stream::encode_tail(stream, stream::kind_of(version), &mut tail);
    tail
}

/// Bytes of a value, without its type, in a file of Redis 7.2.
#[must_use]
pub fn serialized_bytes(entry: EntryRef<'_>) -> usize {
    let mut count = writer::Count::default();
    encode(entry, VERSION_RICH.max(version_of(entry)), &mut count);
    count.0
}
