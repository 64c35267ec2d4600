//! Streams: entries by id (XLEN, XRANGE, XREVRANGE, XDEL, XSETID), and what the stream families share.
use super::list::reply_element;
use super::options::integer;
use super::{Args, Command};
use crate::call::Call;
use crate::effects::Class;
use crate::fault::{Fault, NO_SUCH_KEY, Outcome, SYNTAX};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::stream::{Facts, Id, Walk};
use crate::values::{Kind, Stream};

pub(super) const COMMANDS: &[Command] = &[XLEN, XRANGE, XREVRANGE, XDEL, XSETID];

/// What most commands on streams have in common.
pub(super) const STREAM: Spec =
    Spec { group: Group::Stream, since: "5.0.0", complexity: "O(1)", ..Spec::DEFAULT };

pub(super) const INVALID_ID: Fault = Fault::new("ERR Invalid stream ID specified as stream command argument");
const INVALID_START: Fault = Fault::new("ERR invalid start ID for the interval");
const INVALID_END: Fault = Fault::new("ERR invalid end ID for the interval");
const ADDED_NEGATIVE: Fault = Fault::new("ERR entries_added must be positive");
const BELOW_GIVEN_DELETED: Fault =
    Fault::new("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
const BELOW_DELETED: Fault =
    Fault::new("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
const BELOW_TOP: Fault =
    Fault::new("ERR The ID specified in XSETID is smaller than the target stream top item");
const ADDED_BELOW_LEN: Fault =
    Fault::new("ERR The entries_added specified in XSETID is smaller than the target stream length");

/// An argument that has to be an id of numbers; without a sequence it is the first of its millisecond.
pub(super) fn strict_id(text: &[u8]) -> Result<Id, Fault> {
    Id::parse_strict(text, 0).ok_or(INVALID_ID)
}

/// Several of them.
pub(super) fn strict_ids(texts: Args<'_>) -> Result<Vec<Id>, Fault> {
    texts.iter().map(|text| strict_id(text)).collect()
}

/// The first id of an interval: `-`, `+`, an id, or `(` and an id that is not in it.
pub(super) fn interval_start(text: &[u8]) -> Result<Id, Fault> {
    match exclusive(text) {
        Some(text) => strict_id(text)?.next().ok_or(INVALID_START),
        None => Id::parse(text, 0).ok_or(INVALID_ID),
    }
}

/// The last id of an interval. Without a sequence it is the last of its millisecond.
pub(super) fn interval_end(text: &[u8]) -> Result<Id, Fault> {
    match exclusive(text) {
        Some(text) => Id::parse_strict(text, u64::MAX).ok_or(INVALID_ID)?.previous().ok_or(INVALID_END),
        None => Id::parse(text, u64::MAX).ok_or(INVALID_ID),
    }
}

fn exclusive(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

/// Replies with an id.
pub(super) fn reply_id(reply: &mut Reply, id: Id) {
    reply.bulk(id.text(&mut [0; 41]));
}

/// Replies with the fields of the entry at which a walk stands.
pub(super) fn reply_fields(reply: &mut Reply, walk: &mut Walk<'_>, fields: usize) {
    reply.array(2 * fields);
    while let Some((name, value)) = walk.field() {
        reply_element(reply, name);
        reply_element(reply, value);
    }
}

/// Replies with the next entry of a walk, if there is one.
pub(super) fn reply_next(reply: &mut Reply, walk: &mut Walk<'_>) -> Option<Id> {
    let (id, fields) = walk.advance()?;
    reply.array(2);
    reply_id(reply, id);
    reply_fields(reply, walk, fields);
    Some(id)
}

/// Replies with all entries of a walk as an array, `count` of them at the most where that is not 0.
pub(super) fn reply_walk(reply: &mut Reply, mut walk: Walk<'_>, count: u64) {
    let (start, mut len) = (reply.bytes.len(), 0);
    while reply_next(reply, &mut walk).is_some() {
        len += 1;
        if len as u64 == count {
            break;
        }
    }
    reply.array_since(start, len);
}

const XLEN: Command = Command {
    spec: Spec {
        name: "xlen",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns how many entries a stream has.",
        args: &[Arg::key("key", 0)],
        ..STREAM
    },
    run: xlen,
    subcommands: &[],
};
fn xlen(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let len = cx.keys.read::<Stream>(key)?.map_or(0, |stream| stream.len());
    cx.reply.integer(len as i64);
    Ok(())
}

const RANGE: Spec = Spec {
    arity: -4,
    flags: Flags::READ,
    keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
    complexity: "O(N), N being the number of entries returned, after a look for the first in O(log N).",
    history: &[("6.2.0", "Intervals may exclude their ends.")],
    ..STREAM
};
const COUNT: Arg = Arg::new("count", ArgKind::Integer).token("COUNT").optional();

const XRANGE: Command = Command {
    spec: Spec {
        name: "xrange",
        summary: "Returns the entries of a stream within an interval of ids.",
        args: &[
            Arg::key("key", 0),
            Arg::new("start", ArgKind::String),
            Arg::new("end", ArgKind::String),
            COUNT,
        ],
        ..RANGE
    },
    run: |cx, args| range(cx, args, (args[2], args[3]), false),
    subcommands: &[],
};

const XREVRANGE: Command = Command {
    spec: Spec {
        name: "xrevrange",
        summary: "Returns the entries of a stream within an interval of ids, the last one first.",
        args: &[
            Arg::key("key", 0),
            Arg::new("end", ArgKind::String),
            Arg::new("start", ArgKind::String),
            COUNT,
        ],
        ..RANGE
    },
    run: |cx, args| range(cx, args, (args[3], args[2]), true),
    subcommands: &[],
};

fn range(cx: &mut Call<'_>, args: Args<'_>, ends: (&[u8], &[u8]), is_reverse: bool) -> Outcome {
    let (from, to) = (interval_start(ends.0)?, interval_end(ends.1)?);
    let mut count = None;
    let mut options = &args[4..];
    while !options.is_empty() {
        let [word, number, rest @ ..] = options else { return Err(SYNTAX) };
        if !word.eq_ignore_ascii_case(b"COUNT") {
            return Err(SYNTAX);
        }
        count = Some(integer(number)?.max(0) as u64);
        options = rest;
    }
    let key = cx.key(args[1]);
    match (cx.keys.read::<Stream>(key)?, count) {
        (None, _) => cx.reply.array(0),
        (Some(_), Some(0)) => cx.reply.null_array(),
        (Some(stream), count) => {
            reply_walk(cx.reply, stream.walk(from, to, is_reverse), count.unwrap_or(0));
        }
    }
    Ok(())
}

const XDEL: Command = Command {
    spec: Spec {
        name: "xdel",
        arity: -3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Deletes entries of a stream by their ids, and returns how many there were.",
        complexity: "O(1) for each entry.",
        args: &[Arg::key("key", 0), Arg::new("id", ArgKind::String).multiple()],
        ..STREAM
    },
    run: xdel,
    subcommands: &[],
};
fn xdel(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let ids = match cx.keys.to_write::<Stream>(key)? {
        Some(_) => strict_ids(&args[2..])?,
        None => Vec::new(),
    };
    let altered =
        cx.keys.alter(key, |stream: &mut Stream, _| ids.iter().filter(|id| stream.delete(**id)).count())?;
    let deleted = altered.map_or(0, |altered| altered.value);
    if deleted > 0 {
        cx.wrote(key, Class::STREAM, "xdel");
        cx.effects.dirty += deleted as u64 - 1;
    }
    cx.reply.integer(deleted as i64);
    Ok(())
}

const XSETID: Command = Command {
    spec: Spec {
        name: "xsetid",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets what a stream says of itself: its last id and counters. Meant for replication.",
        history: &[("7.0.0", "Takes the number of entries added and the greatest id deleted.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("last-id", ArgKind::String),
            Arg::new("entries-added", ArgKind::Integer).token("ENTRIESADDED").since("7.0.0").optional(),
            Arg::new("max-deleted-id", ArgKind::String).token("MAXDELETEDID").since("7.0.0").optional(),
        ],
        ..STREAM
    },
    run: xsetid,
    subcommands: &[],
};
fn xsetid(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let last_id = strict_id(args[2])?;
    let (added, deleted_id) = xsetid_options(last_id, &args[3..])?;
    let key = cx.key(args[1]);
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| {
        let facts = stream.facts();
        if last_id < facts.max_deleted_id {
            return Err(BELOW_DELETED);
        }
        if !stream.is_empty() {
            if last_id < stream.last_entry_id() {
                return Err(BELOW_TOP);
            }
            if added.is_some_and(|added| added < stream.len() as u64) {
                return Err(ADDED_BELOW_LEN);
            }
        }
        stream.set_facts(Facts {
            last_id,
            entries_added: added.unwrap_or(facts.entries_added),
            max_deleted_id: deleted_id.unwrap_or(facts.max_deleted_id),
        });
        Ok(())
    })?;
    altered.ok_or(NO_SUCH_KEY)?.value?;
    cx.wrote(key, Class::STREAM, "xsetid");
    cx.reply.ok();
    Ok(())
}

/// How many entries were added, and the greatest id deleted, where XSETID is told.
fn xsetid_options(last_id: Id, mut options: Args<'_>) -> Result<(Option<u64>, Option<Id>), Fault> {
    let (mut added, mut deleted_id) = (None, None);
    while !options.is_empty() {
        let [word, value, rest @ ..] = options else { return Err(SYNTAX) };
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            added = Some(u64::try_from(integer(value)?).map_err(|_| ADDED_NEGATIVE)?);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let id = strict_id(value)?;
            if last_id < id {
                return Err(BELOW_GIVEN_DELETED);
            }
            // The least id stands for none.
            deleted_id = (id != Id::MIN).then_some(id);
        } else {
            return Err(SYNTAX);
        }
        options = rest;
    }
    Ok((added, deleted_id))
}
