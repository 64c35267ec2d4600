//! Sorted sets that are waited for: BZPOPMIN, BZPOPMAX, BZMPOP.
use super::list_waiting::{ALL_BUT_LAST, TIMEOUT, TIMEOUT_HISTORY, wait_or_nothing};
use super::options::waits_until;
use super::zpop::{End, Several, Shape, pop, pop_recorded};
use super::zset::ZSET;
use super::{Args, Command};
use crate::call::Call;
use crate::fault::Outcome;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::waiting::Awaits;

pub(super) const COMMANDS: &[Command] = &[BZPOPMIN, BZPOPMAX, BZMPOP];

const BZPOP: Spec = Spec {
    arity: -3,
    flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::FAST),
    keys: ALL_BUT_LAST,
    since: "5.0.0",
    complexity: "O(log N), N being the number of members.",
    history: TIMEOUT_HISTORY,
    args: &[Arg::key("key", 0).multiple(), TIMEOUT],
    ..ZSET
};

const BZPOPMIN: Command = Command {
    spec: Spec {
        name: "bzpopmin",
        summary: "Removes and returns the member with the lowest score of the first of several sorted sets that has any, or \
                  waits for one.",
        ..BZPOP
    },
    run: |cx, args| pop_one(cx, args, End::Min),
    subcommands: &[],
};
const BZPOPMAX: Command = Command {
    spec: Spec {
        name: "bzpopmax",
        summary: "Removes and returns the member with the highest score of the first of several sorted sets that has any, or \
                  waits for one.",
        ..BZPOP
    },
    run: |cx, args| pop_one(cx, args, End::Max),
    subcommands: &[],
};

fn pop_one(cx: &mut Call<'_>, args: Args<'_>, end: End) -> Outcome {
    let (last, keys) = args[1..].split_last().expect("the arity says so");
    let until_ms = waits_until(last, cx.now_ms)?;
    for name in keys {
        let key = cx.key(name);
        if cx.is_in_hand(key.hashed.slot) && pop(cx, key, end, 1, Shape::KeyAndOne)? > 0 {
            cx.record(&[if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }, name]);
            return Ok(());
        }
    }
    wait_or_nothing(cx, Awaits::Zset, keys, None, until_ms);
    Ok(())
}

const BZMPOP: Command = Command {
    spec: Spec {
        name: "bzmpop",
        arity: -5,
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 2, 1)],
        summary: "Removes and returns members of the first of several sorted sets that has any, or waits for one.",
        since: "7.0.0",
        complexity: "O(K + M log N), K being the number of keys, N that of members and M that of those popped.",
        args: &[
            TIMEOUT,
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("where", ArgKind::OneOf(&[Arg::word("min", "MIN"), Arg::word("max", "MAX")])),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
        ],
        ..ZSET
    },
    run: bzmpop,
    subcommands: &[],
};
fn bzmpop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let until_ms = waits_until(args[1], cx.now_ms)?;
    let wanted = Several::read(&args[2..])?;
    for key in wanted.keys {
        let key = cx.key(key);
        if cx.is_in_hand(key.hashed.slot) && pop_recorded(cx, key, wanted.end, wanted.count)? {
            return Ok(());
        }
    }
    wait_or_nothing(cx, Awaits::Zset, wanted.keys, None, until_ms);
    Ok(())
}
