//! Entries of streams go, and what groups know of them with them: XDELEX, XACKDEL.
use super::stream::{STREAM, strict_ids};
use super::stream_add::{REFERENCES, references_of};
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::number::parse_i64;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::Stream;
use crate::values::stream::{Id, References};

pub(super) const COMMANDS: &[Command] = &[XDELEX, XACKDEL];

const NUMIDS_RANGE: Fault = Fault::new("ERR Number of IDs must be a positive integer");
const NUMIDS_MATCH: Fault = Fault::new("ERR The `numids` parameter must match the number of arguments");
const IDS_MISSING: Fault = Fault::new("ERR IDS option is required");

/// There is no such entry.
const MISSING: i64 = -1;
/// It is gone.
const DELETED: i64 = 1;
/// It stays, for a group has yet to acknowledge it.
const REFERENCED: i64 = 2;

const IDS: Arg = Arg::new(
    "ids",
    ArgKind::Block(&[Arg::new("numids", ArgKind::Integer), Arg::new("id", ArgKind::String).multiple()]),
)
.token("IDS");

const XDELEX: Command = Command {
    spec: Spec {
        name: "xdelex",
        arity: -5,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Deletes entries of a stream, and says what becomes of their being pending in groups.",
        since: "8.2.0",
        complexity: "O(1) for each entry.",
        args: &[Arg::key("key", 0), REFERENCES, IDS],
        ..STREAM
    },
    run: xdelex,
    subcommands: &[],
};
fn xdelex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let is_there = cx.keys.to_write::<Stream>(key)?.is_some();
    let (references, ids) = options(&args[2..])?;
    if !is_there {
        return reply_missing(cx, ids.len());
    }
    let ids = strict_ids(ids)?;
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| {
        let mut tally = Tally::default();
        for id in ids {
            let is_kept = references == References::Acked
                && stream.has(id)
                && (!stream.has_groups() || stream.is_referenced(id));
            let code = if is_kept { REFERENCED } else { tally.delete(stream, id, references) };
            tally.codes.push(code);
        }
        tally
    })?;
    tell(cx, key, altered.map(|altered| altered.value).unwrap_or_default());
    Ok(())
}

const XACKDEL: Command = Command {
    spec: Spec {
        name: "xackdel",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE).and(KeyFlags::DELETE), 1)],
        summary: "Acknowledges entries of a stream in a consumer group, and deletes them if nothing is against it.",
        since: "8.2.0",
        complexity: "O(1) for each entry.",
        args: &[Arg::key("key", 0), Arg::new("group", ArgKind::String), REFERENCES, IDS],
        ..STREAM
    },
    run: xackdel,
    subcommands: &[],
};
fn xackdel(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let stream = cx.keys.to_write::<Stream>(key)?;
    let has_group = stream.is_some_and(|stream| stream.group(args[2]).is_some());
    let (references, ids) = options(&args[3..])?;
    if !has_group {
        return reply_missing(cx, ids.len());
    }
    let ids = strict_ids(ids)?;
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| {
        let mut tally = Tally::default();
        for id in ids {
            let code = if !stream.group_mut(args[2]).is_some_and(|group| group.acknowledge(id)) {
                MISSING
            } else {
                tally.dropped += 1;
                if references == References::Acked && stream.is_referenced(id) {
                    REFERENCED
                } else {
                    tally.delete(stream, id, references);
                    DELETED
                }
            };
            tally.codes.push(code);
        }
        tally
    })?;
    tell(cx, key, altered.map(|altered| altered.value).unwrap_or_default());
    Ok(())
}

/// What became of each id, and how much changed.
#[derive(Debug, Default)]
struct Tally {
    codes: Vec<i64>,
    deleted: u64,
    dropped: u64,
}

impl Tally {
    fn delete(&mut self, stream: &mut Stream, id: Id, references: References) -> i64 {
        if references == References::Delete {
            self.dropped += u64::from(stream.drop_references(id));
        }
        let is_deleted = stream.delete(id);
        self.deleted += u64::from(is_deleted);
        if is_deleted { DELETED } else { MISSING }
    }
}

fn tell(cx: &mut Call<'_>, key: Key<'_>, tally: Tally) {
    cx.effects.dirty += tally.dropped;
    if tally.deleted > 0 {
        cx.wrote(key, Class::STREAM, "xdel");
        cx.effects.dirty += tally.deleted - 1;
    }
    cx.reply.array(tally.codes.len());
    tally.codes.iter().for_each(|code| cx.reply.integer(*code));
}

fn reply_missing(cx: &mut Call<'_>, count: usize) -> Outcome {
    cx.reply.array(count);
    (0..count).for_each(|_| cx.reply.integer(MISSING));
    Ok(())
}

/// What becomes of references, and the ids as they came.
fn options<'a, 'b>(mut options: &'b [&'a [u8]]) -> Result<(References, &'b [&'a [u8]]), Fault> {
    let (mut references, mut ids) = (None, None);
    while let [word, rest @ ..] = options {
        if references.is_none() && references_of(word).is_some() {
            (references, options) = (references_of(word), rest);
        } else if word.eq_ignore_ascii_case(b"IDS")
            && let [count, rest @ ..] = rest
        {
            let count = parse_i64(count).filter(|count| *count > 0).ok_or(NUMIDS_RANGE)? as usize;
            let (found, rest) = rest.split_at_checked(count).ok_or(NUMIDS_MATCH)?;
            (ids, options) = (Some(found), rest);
        } else {
            return Err(SYNTAX);
        }
    }
    Ok((references.unwrap_or_default(), ids.ok_or(IDS_MISSING)?))
}
