//! Streams: their nodes, then what they tell of themselves, then their groups.
use super::reader::Reader;
use super::writer::{self, Out};
use super::{Bad, VERSION_RICH, kind, packed};
use crate::values::listpack::Listpack;
use crate::values::stream::{Facts, Group, Id, Pending};
use crate::values::{Kind, Stream};
use std::collections::BTreeMap;

/// Bytes of an id in a node's key and in lists of pending entries.
const ID_BYTES: u64 = 16;
/// What stands for entries read where it cannot be told, and for a consumer that has got nothing so far.
const UNKNOWN: i64 = -1;

const TWICE: Bad = Bad::Data("a group, a consumer or a pending entry twice");
const BROKEN: Bad = Bad::Data("a broken stream");

/// The nodes that have been read.
#[derive(Debug, Default)]
pub(super) struct Part(Vec<(Id, Listpack)>);

impl Part {
    /// Reads a node.
    pub(super) fn node(&mut self, reader: &mut Reader<'_>) -> Result<(), Bad> {
        let key = reader.blob()?;
        let (base, rest) = key.split_first_chunk().ok_or(BROKEN)?;
        let pack = packed::listpack(&reader.blob()?)?;
        if !rest.is_empty() {
            return Err(BROKEN);
        }
        self.0.push((id_of(*base), pack));
        Ok(())
    }

    /// Reads what stands behind the nodes and puts it all together.
    pub(super) fn tail(&mut self, kind: u8, reader: &mut Reader<'_>) -> Result<Stream, Bad> {
        let len = reader.number()?;
        let last_id = id(reader)?;
        let mut facts = Facts { last_id, max_deleted_id: Id::MIN, entries_added: len };
        if kind != kind::STREAM {
            // The first id is found again.
            id(reader)?;
            facts.max_deleted_id = id(reader)?;
            facts.entries_added = reader.number()?;
        }
        let mut groups = BTreeMap::new();
        for _ in 0..reader.number()? {
            let name = reader.string()?.into_vec();
            if groups.insert(name, group(kind, reader)?).is_some() {
                return Err(TWICE);
            }
        }
        let stream = Stream::from_nodes(std::mem::take(&mut self.0), facts).ok_or(BROKEN)?;
        check(&stream, len)?;
        Ok(with_groups(stream, groups, kind))
    }
}

/// What the nodes hold is as many as was said, and none is behind what the stream says is its last.
fn check(stream: &Stream, len: u64) -> Result<(), Bad> {
    let Facts { last_id, entries_added, .. } = stream.facts();
    let is_counted = stream.len() as u64 == len && stream.last_entry_id() <= last_id;
    let is_possible = len <= entries_added && i64::try_from(entries_added).is_ok();
    if is_counted && is_possible { Ok(()) } else { Err(BROKEN) }
}

fn with_groups(mut stream: Stream, groups: BTreeMap<Vec<u8>, Group>, kind: u8) -> Stream {
    for (name, mut group) in groups {
        if kind == kind::STREAM {
            group.entries_read = stream.entries_up_to(group.last_id);
        }
        stream.add_group(&name, group);
    }
    stream
}

fn group(kind: u8, reader: &mut Reader<'_>) -> Result<Group, Bad> {
    let last_id = id(reader)?;
    let entries_read = if kind == kind::STREAM { None } else { known(reader.number()?.cast_signed())? };
    let mut group = Group::new(last_id, entries_read);
    let mut pending = BTreeMap::new();
    for _ in 0..reader.number()? {
        let id = raw_id(reader)?;
        let delivered_at_ms = reader.milliseconds()?;
        let deliveries = i64::try_from(reader.number()?).map_err(|_| BROKEN)?;
        if pending.insert(id, (delivered_at_ms, deliveries)).is_some() {
            return Err(TWICE);
        }
    }
    for _ in 0..reader.number()? {
        consumer(kind, reader, &mut group, &mut pending)?;
    }
    // Each entry is pending with somebody.
    if pending.is_empty() { Ok(group) } else { Err(BROKEN) }
}

/// Reads a consumer of a group and gives it those of the pending entries that are its own.
fn consumer(
    kind: u8,
    reader: &mut Reader<'_>,
    group: &mut Group,
    pending: &mut BTreeMap<Id, (i64, i64)>,
) -> Result<(), Bad> {
    let name = reader.string()?;
    let seen_at_ms = reader.milliseconds()?;
    let active_at_ms = if kind == kind::STREAM_3 {
        known(reader.milliseconds()?)?
    } else {
        // Any time will do for when it was seen, but before 1970 it was not active.
        (seen_at_ms >= 0).then_some(seen_at_ms)
    };
    let consumer = group.add_consumer(name.view().bytes(&mut [0; 20]), seen_at_ms).ok_or(TWICE)?;
    group.consumer_mut(consumer).active_at_ms = active_at_ms;
    for _ in 0..reader.number()? {
        let id = raw_id(reader)?;
        let (delivered_at_ms, deliveries) = pending.remove(&id).ok_or(BROKEN)?;
        group.deliver(id, Pending { delivered_at_ms, deliveries, consumer });
    }
    Ok(())
}

/// A number that may be unknown.
fn known(number: i64) -> Result<Option<i64>, Bad> {
    match number {
        UNKNOWN => Ok(None),
        0.. => Ok(Some(number)),
        _ => Err(BROKEN),
    }
}

fn id(reader: &mut Reader<'_>) -> Result<Id, Bad> {
    Ok(Id::new(reader.number()?, reader.number()?))
}

fn raw_id(reader: &mut Reader<'_>) -> Result<Id, Bad> {
    let bytes = reader.bytes(ID_BYTES)?;
    Ok(id_of(*bytes.first_chunk().expect("so many were read")))
}

fn id_of(bytes: [u8; 16]) -> Id {
    let both = u128::from_be_bytes(bytes);
    Id::new((both >> 64) as u64, both as u64)
}

fn bytes_of(id: Id) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

/// The type as which a stream is written.
pub(super) fn kind_of(version: u16) -> u8 {
    if version >= VERSION_RICH { kind::STREAM_3 } else { kind::STREAM_2 }
}

/// Writes a stream as this type.
pub(super) fn encode(stream: &Stream, kind: u8, out: &mut impl Out) {
    encode_nodes(stream.nodes(), out);
    encode_tail(stream, kind, out);
}

/// Writes the nodes of a stream.
pub(super) fn encode_nodes<'a>(nodes: impl ExactSizeIterator<Item = (Id, &'a Listpack)>, out: &mut impl Out) {
    writer::number(out, nodes.len() as u64);
    for (base, pack) in nodes {
        writer::blob(out, &bytes_of(base));
        writer::blob(out, pack.as_bytes());
    }
}

/// Writes what stands behind the nodes.
pub(super) fn encode_tail(stream: &Stream, kind: u8, out: &mut impl Out) {
    let Facts { last_id, max_deleted_id, entries_added } = stream.facts();
    writer::number(out, stream.len() as u64);
    [last_id, stream.first_id(), max_deleted_id].into_iter().for_each(|id| put_id(out, id));
    writer::number(out, entries_added);
    let groups = stream.groups();
    writer::number(out, groups.len() as u64);
    for (name, group) in groups {
        writer::text(out, name);
        encode_group(group, kind, out);
    }
}

fn put_id(out: &mut impl Out, id: Id) {
    writer::number(out, id.ms);
    writer::number(out, id.seq);
}

fn encode_group(group: &Group, kind: u8, out: &mut impl Out) {
    put_id(out, group.last_id);
    writer::number(out, group.entries_read.unwrap_or(UNKNOWN).cast_unsigned());
    writer::number(out, group.pending_len() as u64);
    for (id, pending) in group.pending_from(Id::MIN) {
        out.put(&bytes_of(id));
        writer::milliseconds(out, pending.delivered_at_ms);
        writer::number(out, pending.deliveries.cast_unsigned());
    }
    let consumers = group.consumers();
    writer::number(out, consumers.len() as u64);
    for consumer in consumers {
        writer::text(out, &consumer.name);
        writer::milliseconds(out, consumer.seen_at_ms);
        if kind == kind::STREAM_3 {
            writer::milliseconds(out, consumer.active_at_ms.unwrap_or(UNKNOWN));
        }
        writer::number(out, consumer.pending_len() as u64);
        let id = group.find(&consumer.name).expect("a consumer is found by its name");
        group.pending_of(id, Id::MIN).for_each(|(id, _)| out.put(&bytes_of(id)));
    }
}
