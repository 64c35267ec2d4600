//! Sorted sets as queues: ZPOPMIN, ZPOPMAX and ZMPOP.
use super::options::integer;
use super::zrange::reply_member;
use super::zset::{ZSET, tell_removed};
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::number::format_i64;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::{Kind, Zset};

pub(super) const COMMANDS: &[Command] = &[ZPOPMIN, ZPOPMAX, ZMPOP];

const NOT_POSITIVE: Fault = Fault::new("ERR value is out of range, must be positive");
const NUMKEYS: Fault = Fault::new("ERR numkeys should be greater than 0");
const COUNT: Fault = Fault::new("ERR count should be greater than 0");

/// From which end members are popped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// The lowest scores.
    Min,
    /// The highest scores.
    Max,
}

impl End {
    /// The end that a word names.
    fn of(word: &[u8]) -> Option<End> {
        match word.to_ascii_uppercase().as_slice() {
            b"MIN" => Some(End::Min),
            b"MAX" => Some(End::Max),
            _ => None,
        }
    }
}

/// How popped members are replied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Member and score by turns.
    Flat,
    /// Pairs.
    Pairs,
    /// The key, then pairs.
    KeyAndPairs,
    /// The key, then one member and its score.
    KeyAndOne,
}

const ZPOPMIN: Command = Command {
    spec: Spec {
        name: "zpopmin",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1)],
        summary: "Removes and returns the members with the lowest scores.",
        since: "5.0.0",
        complexity: "O(M log N), N being the number of members and M that of those popped.",
        args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).optional()],
        ..ZSET
    },
    run: zpopmin,
    subcommands: &[],
};
fn zpopmin(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    pop_from_one(cx, args, End::Min)
}

const ZPOPMAX: Command = Command {
    spec: Spec {
        name: "zpopmax",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1)],
        summary: "Removes and returns the members with the highest scores.",
        since: "5.0.0",
        complexity: "O(M log N), N being the number of members and M that of those popped.",
        args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).optional()],
        ..ZSET
    },
    run: zpopmax,
    subcommands: &[],
};
fn zpopmax(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    pop_from_one(cx, args, End::Max)
}

fn pop_from_one(cx: &mut Call<'_>, args: Args<'_>, end: End) -> Outcome {
    let (count, shape) = match args {
        [_, _] => (1, Shape::Flat),
        [_, _, count] => {
            let count =
                integer(count).ok().and_then(|count| usize::try_from(count).ok()).ok_or(NOT_POSITIVE)?;
            (count, if cx.reply.is_resp3() { Shape::Pairs } else { Shape::Flat })
        }
        _ => return Err(SYNTAX),
    };
    let key = cx.key(args[1]);
    if cx.to_write::<Zset>(key)?.is_none() || count == 0 {
        cx.reply.array(0);
        return Ok(());
    }
    pop(cx, key, end, count, shape)?;
    Ok(())
}

/// Takes up to `count` members, at least one, from an end of the sorted set that a key holds, and replies with them; how many
/// there were. Where it holds none that is 0, and nothing is replied.
pub(super) fn pop(
    cx: &mut Call<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    shape: Shape,
) -> Result<usize, Fault> {
    let Call { keys, reply } = cx;
    let altered = keys.alter(key, |zset: &mut Zset, _| {
        let (len, popped) = (zset.len(), count.min(zset.len()));
        let ranks = if end == End::Min { 0..popped } else { len - popped..len };
        reply_head(reply, key, popped, shape);
        zset.walk(ranks.clone(), end == End::Max, |member, score| {
            if matches!(shape, Shape::Pairs | Shape::KeyAndPairs) {
                reply.array(2);
            }
            reply_member(reply, member, None);
            reply.double(score);
        });
        zset.remove_ranks(ranks);
        popped
    })?;
    let Some(altered) = altered else { return Ok(0) };
    let event = if end == End::Min { "zpopmin" } else { "zpopmax" };
    tell_removed(keys, key, altered.value, altered.emptied, event);
    Ok(altered.value)
}

fn reply_head(reply: &mut Reply, key: Key<'_>, count: usize, shape: Shape) {
    match shape {
        Shape::Flat => reply.array(2 * count),
        Shape::Pairs => reply.array(count),
        Shape::KeyAndOne => {
            reply.array(3);
            reply.bulk(key.bytes());
        }
        Shape::KeyAndPairs => {
            reply.array(2);
            reply.bulk(key.bytes());
            reply.array(count);
        }
    }
}

const ZMPOP: Command = Command {
    spec: Spec {
        name: "zmpop",
        arity: -4,
        flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1, 1)],
        summary: "Removes and returns the members with the lowest or highest scores of the first sorted set that has any.",
        since: "7.0.0",
        complexity: "O(K + M log N), K being the number of keys, N that of members and M that of those popped.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("where", ArgKind::OneOf(&[Arg::word("min", "MIN"), Arg::word("max", "MAX")])),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
        ],
        ..ZSET
    },
    run: zmpop,
    subcommands: &[],
};
fn zmpop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let wanted = Several::read(&args[1..])?;
    for key in wanted.keys {
        let key = cx.key(key);
        if pop_recorded(cx, key, wanted.end, wanted.count)? {
            return Ok(());
        }
    }
    cx.reply.null_array();
    Ok(())
}

/// Pops from a key as ZMPOP does and records what was done; whether there was anything.
pub(super) fn pop_recorded(cx: &mut Call<'_>, key: Key<'_>, end: End, count: usize) -> Result<bool, Fault> {
    let popped = pop(cx, key, end, count, Shape::KeyAndPairs)?;
    if popped > 0 {
        let name: &[u8] = if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        cx.record(&[name, key.bytes(), format_i64(popped as i64, &mut [0; 20])]);
    }
    Ok(popped > 0)
}

/// What ZMPOP asks for: `numkeys key … MIN|MAX [COUNT count]`.
pub(super) struct Several<'a> {
    /// The keys, of which the first with members counts.
    pub(super) keys: Args<'a>,
    /// From which end.
    pub(super) end: End,
    /// How many at most.
    pub(super) count: usize,
}

impl<'a> Several<'a> {
    /// Reads the arguments from the number of keys on.
    pub(super) fn read(args: Args<'a>) -> Result<Several<'a>, Fault> {
        let above_zero = |text: &[u8]| {
            integer(text).ok().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0)
        };
        let key_count = above_zero(args[0]).ok_or(NUMKEYS)?;
        let (keys, rest) = args[1..].split_at_checked(key_count).ok_or(SYNTAX)?;
        let [end, rest @ ..] = rest else { return Err(SYNTAX) };
        let end = End::of(end).ok_or(SYNTAX)?;
        let count = match rest {
            [] => 1,
            [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                let count = above_zero(count).ok_or(COUNT)?;
                if !rest.is_empty() {
                    return Err(SYNTAX);
                }
                count
            }
            _ => return Err(SYNTAX),
        };
        Ok(Several { keys, end, count })
    }
}
