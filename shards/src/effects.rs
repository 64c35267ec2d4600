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
        self.records.extend_from_slice(&db.to_le_bytes());
        self.records.extend_from_slice(&(args.len() as u32).to_le_bytes());
        for arg in args {
            self.records.extend_from_slice(&(arg.len() as u32).to_le_bytes());
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
        let mut rest = &self.records[..];
        std::iter::from_fn(move || {
            let (db, tail) = rest.split_first_chunk()?;
            let (count, tail) = tail.split_first_chunk().expect("a record has a count");
            let count = u32::from_le_bytes(*count) as usize;
            let mut end = tail;
            for _ in 0..count {
                let (len, after) = end.split_first_chunk().expect("an argument has a length");
                end = &after[u32::from_le_bytes(*len) as usize..];
            }
            rest = end;
            Some(Record { db: u16::from_le_bytes(*db), count, args: &tail[..tail.len() - end.len()] })
        })
    }
    /// Forgets everything but the listeners.
    pub fn clear(&mut self) {
        self.dirty = 0;
        self.sleep_us = 0;
        self.records.clear();
        self.record_count = 0;
        self.stand_in_count = 0;
        self.events.clear();
        self.changes.clear();
        self.forgotten.clear();
        self.flushed = false;
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
    /// The arguments.
    pub fn args(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.args;
        (0..self.count).map(move |_| {
            let (len, after) = rest.split_first_chunk().expect("an argument has a length");
            let (arg, tail) = after.split_at(u32::from_le_bytes(*len) as usize);
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
    /// Appends it as the body of a journal record: database, number of arguments, each with its length, little-endian.
    pub fn render_journal(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.db.to_le_bytes());
        out.extend_from_slice(&(self.count as u32).to_le_bytes());
        out.extend_from_slice(self.args);
    }
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
        let mut body = Vec::new();
        records[1].render_journal(&mut body);
        assert_eq!(body, b"\0\0\x02\0\0\0\x03\0\0\0DEL\x01\0\0\0k");
    }
}
