//! Lists that are waited for: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.
//!
//! Each does what its sibling that does not wait does; where that finds nothing, it waits for its keys. When one of them is fed it
//! runs again, then perhaps on the shard of that key alone: the other keys have nothing.
use super::list::LIST;
use super::list_ends::{move_one, pop_first, pop_one, several, side};
use super::options::waits_until;
use super::{Args, Command};
use crate::call::Call;
use crate::fault::Outcome;
use crate::spec::{Arg, ArgKind, Begin, Find, Flags, KeyFlags, KeySpec, Spec};
use crate::values::List;
use crate::values::list::Side;
use crate::waiting::{Awaits, Wait};

pub(super) const COMMANDS: &[Command] = &[BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP];

const POPPED: KeyFlags = KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE);
/// All arguments but the last, which is the time.
pub(super) const ALL_BUT_LAST: &[KeySpec] = &[KeySpec {
    flags: POPPED,
    begin: Begin::Index(1),
    find: Find::Range { last: -2, step: 1, limit: 0 },
    notes: "",
}];
const FROM_TO: &[KeySpec] = &[KeySpec::one(POPPED, 1), KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2)];
pub(super) const TIMEOUT: Arg = Arg::new("timeout", ArgKind::Double);
const SIDES: ArgKind = ArgKind::OneOf(&[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")]);
pub(super) const TIMEOUT_HISTORY: &[(&str, &str)] = &[("6.0.0", "The time may be a fraction of seconds.")];

const BPOP: Spec = Spec {
    arity: -3,
    flags: Flags::WRITE.and(Flags::BLOCKING),
    keys: ALL_BUT_LAST,
    complexity: "O(N), N being the number of keys.",
    history: TIMEOUT_HISTORY,
    args: &[Arg::key("key", 0).multiple(), TIMEOUT],
    ..LIST
};

const BLPOP: Command = Command {
    spec: Spec {
        name: "blpop",
        summary: "Removes and returns the first element of the first of several lists that has any, or waits for one.",
        ..BPOP
    },
    run: |cx, args| pop(cx, args, Side::Left),
    subcommands: &[],
};
const BRPOP: Command = Command {
    spec: Spec {
        name: "brpop",
        summary: "Removes and returns the last element of the first of several lists that has any, or waits for one.",
        ..BPOP
    },
    run: |cx, args| pop(cx, args, Side::Right),
    subcommands: &[],
};

fn pop(cx: &mut Call<'_>, args: Args<'_>, side: Side) -> Outcome {
    let (last, keys) = args[1..].split_last().expect("the arity says so");
    let until_ms = waits_until(last, cx.now_ms)?;
    for name in keys {
        let key = cx.key(name);
        if !cx.is_in_hand(key.hashed.slot) || cx.keys.to_write::<List>(key)?.is_none() {
            continue;
        }
        cx.reply.array(2);
        cx.reply.bulk(name);
        pop_one(cx, key, side)?;
        cx.record(&[if side == Side::Left { b"LPOP" } else { b"RPOP" }, name]);
        return Ok(());
    }
    wait_or_nothing(cx, Awaits::List, keys, None, until_ms);
    Ok(())
}

/// Waits for something at one of these keys, or replies that there is nothing.
pub(super) fn wait_or_nothing(
    cx: &mut Call<'_>,
    awaits: Awaits,
    keys: &[&[u8]],
    destination: Option<&[u8]>,
    until_ms: Option<i64>,
) {
    let wait = Wait {
        awaits,
        keys: keys.iter().map(|key| (*key).into()).collect(),
        destination: destination.map(Into::into),
        until_ms,
        args: None,
        looks: None,
    };
    let is_move = destination.is_some();
    if !cx.wait_for(wait) {
        if is_move { cx.reply.null() } else { cx.reply.null_array() }
    }
}

const BLMOVE: Command = Command {
    spec: Spec {
        name: "blmove",
        arity: 6,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::BLOCKING),
        keys: FROM_TO,
        summary: "Moves an element from an end of a list to an end of another and returns it, or waits for one.",
        since: "6.2.0",
        complexity: "O(1)",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::new("wherefrom", SIDES),
            Arg::new("whereto", SIDES),
            TIMEOUT,
        ],
        ..LIST
    },
    run: blmove,
    subcommands: &[],
};
fn blmove(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let sides = (side(args[3])?, side(args[4])?);
    let until_ms = waits_until(args[5], cx.now_ms)?;
    move_or_wait(cx, args, sides, until_ms, &[b"LMOVE", args[1], args[2], args[3], args[4]])
}

const BRPOPLPUSH: Command = Command {
    spec: Spec {
        name: "brpoplpush",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::BLOCKING),
        keys: FROM_TO,
        summary: "Moves the last element of a list to the head of another and returns it, or waits for one.",
        since: "2.2.0",
        complexity: "O(1)",
        history: TIMEOUT_HISTORY,
        deprecated: Some(("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")),
        args: &[Arg::key("source", 0), Arg::key("destination", 1), TIMEOUT],
        ..LIST
    },
    run: brpoplpush,
    subcommands: &[],
};
fn brpoplpush(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let until_ms = waits_until(args[3], cx.now_ms)?;
    move_or_wait(cx, args, (Side::Right, Side::Left), until_ms, &[b"RPOPLPUSH", args[1], args[2]])
}

fn move_or_wait(
    cx: &mut Call<'_>,
    args: Args<'_>,
    sides: (Side, Side),
    until_ms: Option<i64>,
    record: Args<'_>,
) -> Outcome {
    let (from, to) = (cx.key(args[1]), cx.key(args[2]));
    if move_one(cx, from, to, sides)? {
        cx.record(record);
        return Ok(());
    }
    wait_or_nothing(cx, Awaits::List, &args[1..2], Some(args[2]), until_ms);
    Ok(())
}

const BLMPOP: Command = Command {
    spec: Spec {
        name: "blmpop",
        arity: -5,
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(POPPED, 2, 1)],
        summary: "Removes and returns elements from the first of several lists that has any, or waits for one.",
        since: "7.0.0",
        complexity: "O(N+M), N being the number of keys, M the number of elements returned.",
        args: &[
            TIMEOUT,
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("where", SIDES),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
        ],
        ..LIST
    },
    run: blmpop,
    subcommands: &[],
};
fn blmpop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (keys, side, count) = several(&args[2..])?;
    let until_ms = waits_until(args[1], cx.now_ms)?;
    if !pop_first(cx, keys, side, count)? {
        wait_or_nothing(cx, Awaits::List, keys, None, until_ms);
    }
    Ok(())
}
