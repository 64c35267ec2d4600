//! What a command did beyond its reply: records for the journal and replicas, events for listeners.
//!
//! One representation serves all: a record is kept packed and renders as RESP (for a replica, MONITOR's cousin) and as the
//! body of a journal record. When nobody listens, telling costs a test of a flag.
use crate::spec::Flags;
use crate::tracked::Clients;
use crate::waiting::Wait;
use std::collections::VecDeque;

/// Classes of keyspace events, with the letters of `notify-keyspace-events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Class(pub u16);

#[expect(missing_docs, reason = "the names are those of Redis's classes")]
impl Class {
    pub const NONE: Class = Class(0);
    pub const GENERIC: Class = Class(1);
    pub const STRING: Class = Class(1 << 1);
    pub const LIST: Class = Class(1 << 2);
    pub const SET: Class = Class(1 << 3);
    pub const HASH: Class = Class(1 << 4);
    pub const ZSET: Class = Class(1 << 5);
    pub const EXPIRED: Class = Class(1 << 6);
    pub const EVICTED: Class = Class(1 << 7);
    pub const STREAM: Class = Class(1 << 8);
    pub const MISS: Class = Class(1 << 9);
    pub const NEW: Class = Class(1 << 10);
    /// Whether any of `other` is in here.
    #[must_use]
    pub const fn has_any(self, other: Class) -> bool {
        self.0 & other.0 != 0
    }
}

/// Who wants to hear of effects. All off is the common, free case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Listen {
    /// Records are wanted: a journal is written or a replica listens.
    pub records: bool,
    /// Classes of events that are wanted.
    pub events: Class,
}

/// An event on a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its class.
    pub class: Class,
    /// Its name, `set` or `expired`.
    pub name: &'static str,
    /// The database.
    pub db: u16,
    /// The key.
    pub key: Box<[u8]>,
}

/// Room for records that is kept when they are where they were to go, in bytes, at most: a large unit is rare.
const RECORDS_KEPT_BYTES_MAX: usize = 1 << 20;
/// Room for events that is kept.
const EVENTS_KEPT_MAX: usize = 1024;

/// The effects of a command or of a whole unit.
#[derive(Debug, Default)]
pub struct Effects {
    /// Who listens.
    pub listen: Listen,
    /// How many changes were made to the dataset, as Redis counts `rdb_changes_since_last_save`.
    pub dirty: u64,
    /// How long the shards are to be held, in microseconds: DEBUG SLEEP, which the engine, having no clock, leaves to its host.
    pub sleep_us: u64,
    /// Some client tracks keys: those that change are named.
    pub names_changes: bool,
    /// The keys that changed, each with the clients that may have a copy.
    pub changes: Vec<(Box<[u8]>, Clients)>,
    /// Keys that nobody remembers any more who had them: there were too many.
    pub forgotten: Vec<(Box<[u8]>, Clients)>,
    /// Whole databases were emptied: nobody's copies are worth anything.
    pub flushed: bool,
    /// All databases were emptied.
    pub emptied: bool,
    /// The unit at hand was given up half-way, the server being about to stop: nothing of it is to be written down.
    pub is_cut_off: bool,
    /// The command at hand may wait for keys: it is neither in a transaction nor in a script.
    pub may_wait: bool,
    /// The command at hand wishes to.
    pub wait: Option<Wait>,
    /// Keys that somebody waits for and that were changed, with their databases.
    pub ready: VecDeque<(u16, Box<[u8]>)>,
    /// Packed records, in order.
    records: Vec<u8>,
    record_count: usize,
    /// How many of the records stand for a command, in place of the command as it came.
    stand_in_count: usize,
    events: Vec<Event>,
}

/// A record: a command that, applied to the same dataset, has the same effect whenever and wherever it is applied.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The database.
    pub db: u16,
    count: usize,
    args: &'a [u8],
}

impl Effects {
    /// No effects yet, for these listeners.
    #[must_use]
    pub fn new(listen: Listen) -> Effects {
        Effects { listen, ..Effects::default() }
    }
    /// Adds a record.
    pub fn record(&mut self, db: u16, args: &[&[u8]]) {
        if !self.listen.records {
            return;
        }
        self.record_count += 1;
        push_varint(&mut self.records, db.into());
        push_varint(&mut self.records, args.len() as u64);
        for arg in args {
            push_varint(&mut self.records, arg.len() as u64);
            self.records.extend_from_slice(arg);
        }
    }
    /// Adds a record that stands for the running command: that is then not recorded as it came.
    pub fn record_instead(&mut self, db: u16, args: &[&[u8]]) {
        if self.listen.records {
            self.stand_in_count += 1;
            self.record(db, args);
        }
    }
    /// The running command is not recorded as it came: all there is to record of it has been, if anything.
    pub fn record_no_more(&mut self) {
        self.stand_in_count += usize::from(self.listen.records);
    }
    /// How many records there are.
    #[must_use]
    pub fn record_count(&self) -> usize {
        self.record_count
    }
    /// How many of them stand for a command.
    #[must_use]
    pub(crate) fn stand_in_count(&self) -> usize {
        self.stand_in_count
    }
    /// Adds an event, if its class is listened to.
    #[inline]
    pub fn event(&mut self, class: Class, name: &'static str, db: u16, key: &[u8]) {
        if self.listen.events.has_any(class) {
            self.events.push(Event { class, name, db, key: key.into() });
        }
    }
    /// The events, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }
    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        Record::all(&self.records)
    }
    /// The records as a journal keeps them: one behind the other, each as [`Record::take`] reads it.
    #[inline]
    #[must_use]
    pub fn record_bytes(&self) -> &[u8] {
        &self.records
    }
    /// Forgets the records: they are where they were to go.
    #[inline]
    pub fn clear_records(&mut self) {
        self.records.clear();
        self.records.shrink_to(RECORDS_KEPT_BYTES_MAX);
        self.record_count = 0;
        self.stand_in_count = 0;
    }
    /// Forgets everything but the listeners and the records, which may be the beginning of what a whole unit did.
    pub fn clear(&mut self) {
        self.dirty = 0;
        self.sleep_us = 0;
        if !self.events.is_empty() {
            self.events.clear();
            self.events.shrink_to(EVENTS_KEPT_MAX);
        }
        self.changes.clear();
        self.forgotten.clear();
        self.flushed = false;
        self.emptied = false;
    }
    /// Whether a command with these flags that changed something and recorded nothing in its own place is recorded as it came.
    #[must_use]
    pub(crate) fn wants_verbatim(&self, flags: Flags, dirty_before: u64, stand_ins_before: usize) -> bool {
        self.listen.records
            && flags.has(Flags::WRITE)
            && self.dirty > dirty_before
            && self.stand_in_count == stand_ins_before
    }
}

impl<'a> Record<'a> {
    /// Takes the first record off packed ones: database, number of arguments, and each argument behind its length, the numbers
    /// in seven bits a byte, lowest first. Nothing if they are not records; then `packed` is where it was.
    pub fn take(packed: &mut &'a [u8]) -> Option<Record<'a>> {
        let mut rest = *packed;
        let db = u16::try_from(take_varint(&mut rest)?).ok()?;
        let count = usize::try_from(take_varint(&mut rest)?).ok().filter(|count| *count > 0)?;
        let args = rest;
        for _ in 0..count {
            let len = usize::try_from(take_varint(&mut rest)?).ok()?;
            rest = rest.get(len..)?;
        }
        *packed = rest;
        Some(Record { db, count, args: &args[..args.len() - rest.len()] })
    }
    /// All records of packed ones, up to the first that is none.
    pub fn all(mut packed: &'a [u8]) -> impl Iterator<Item = Record<'a>> {
        std::iter::from_fn(move || Record::take(&mut packed))
    }
    /// The arguments.
    pub fn args(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.args;
        (0..self.count).map(move |_| {
            let len = take_varint(&mut rest).expect("an argument has a length") as usize;
            let (arg, tail) = rest.split_at(len);
            rest = tail;
            arg
        })
    }
    /// Appends it as a RESP request, as a replica gets it.
    pub fn render_resp(self, out: &mut Vec<u8>) {
        let mut reply = crate::reply::Reply { bytes: std::mem::take(out), resp: crate::reply::Resp::V2 };
        reply.array(self.count);
        self.args().for_each(|arg| reply.bulk(arg));
        *out = reply.bytes;
    }
}

/// Appends a number in seven bits a byte, lowest first; the high bit says that more follows.
#[inline]
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes such a number off. Nothing if the bytes end within, or it is larger than 64 bits; then they are where they were.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let part = u64::from(byte & 0x7f);
        if at == 9 && part > 1 {
            return None;
        }
        value |= part << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_renders_both_ways() {
        let mut effects = Effects::new(Listen { records: true, events: Class::NONE });
        effects.record(3, &[b"SET", b"k", b""]);
        effects.record(0, &[b"DEL", b"k"]);
        let records: Vec<_> = effects.records().collect();
        assert_eq!(records.len(), effects.record_count());
        assert_eq!(records[0].db, 3);
        let mut out = Vec::new();
        records.iter().for_each(|record| record.render_resp(&mut out));
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n");
        assert_eq!(effects.record_bytes(), b"\x03\x03\x03SET\x01k\0\0\x02\x03DEL\x01k");
    }

    #[test]
    fn the_room_of_a_large_unit_is_not_kept() {
        let mut effects = Effects::new(Listen { records: true, events: Class::LIST });
        effects.record(0, &[b"SET", b"k", &vec![0; 4 << 20]]);
        (0..5000).for_each(|_| effects.event(Class::LIST, "lpush", 0, b"k"));
        effects.clear();
        assert!(effects.records.len() > 4 << 20, "they may be the beginning of a unit");
        effects.clear_records();
        assert!(effects.records.capacity() <= RECORDS_KEPT_BYTES_MAX, "{}", effects.records.capacity());
        assert!(effects.events.capacity() < 5000, "{}", effects.events.capacity());
        effects.record(0, &[b"DEL", b"k"]);
        let room = effects.records.capacity();
        effects.clear_records();
        assert_eq!(effects.records.capacity(), room, "that of a small one is");
    }

    #[test]
    fn what_is_no_record_is_not_taken() {
        let mut effects = Effects::new(Listen { records: true, events: Class::NONE });
        effects.record(3, &[b"SET", b"k", &[7; 300]]);
        let whole = effects.record_bytes();
        for len in 0..whole.len() {
            let mut cut = &whole[..len];
            assert!(Record::take(&mut cut).is_none(), "{len}");
            assert_eq!(cut.len(), len);
        }
        let mut none = &b"\0\0"[..];
        assert!(Record::take(&mut none).is_none(), "without a name");
    }

    #[test]
    fn numbers_survive() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
        assert_eq!(take_varint(&mut &[0xff; 9][..]), None);
        assert_eq!(take_varint(&mut &[0xff; 11][..]), None);
    }
}
