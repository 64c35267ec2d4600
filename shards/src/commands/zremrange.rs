//! Sorted sets by range: removing.
use super::options::integer;
use super::zbounds::{lex_range, rank_range, score_range};
use super::zset::{ZSET, tell_removed};
use super::{Args, Command};
use crate::call::Call;
use crate::fault::Outcome;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::{Kind, Zset};
use std::ops::Range;

pub(super) const COMMANDS: &[Command] = &[ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX];

const ZREMRANGEBYRANK: Command = Command {
    spec: Spec {
        name: "zremrangebyrank",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes the members within a range of ranks; the key goes with the last one.",
        since: "2.0.0",
        complexity: "O(log N + M), N being the number of members and M that of those removed.",
        args: &[Arg::key("key", 0), Arg::new("start", ArgKind::Integer), Arg::new("stop", ArgKind::Integer)],
        ..ZSET
    },
    run: zremrangebyrank,
    subcommands: &[],
};
fn zremrangebyrank(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    remove(cx, args[1], "zremrangebyrank", |zset| rank_range(start, stop, zset.len()))
}

const ZREMRANGEBYSCORE: Command = Command {
    spec: Spec {
        name: "zremrangebyscore",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes the members with scores within a range; the key goes with the last one.",
        since: "1.2.0",
        complexity: "O(log N + M), N being the number of members and M that of those removed.",
        args: &[Arg::key("key", 0), Arg::new("min", ArgKind::Double), Arg::new("max", ArgKind::Double)],
        ..ZSET
    },
    run: zremrangebyscore,
    subcommands: &[],
};
fn zremrangebyscore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let range = score_range(args[2], args[3])?;
    remove(cx, args[1], "zremrangebyscore", |zset| zset.ranks_by_score(&range))
}

const ZREMRANGEBYLEX: Command = Command {
    spec: Spec {
        name: "zremrangebylex",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes the members that lie between two; the key goes with the last one.",
        since: "2.8.9",
        complexity: "O(log N + M), N being the number of members and M that of those removed.",
        args: &[Arg::key("key", 0), Arg::new("min", ArgKind::String), Arg::new("max", ArgKind::String)],
        ..ZSET
    },
    run: zremrangebylex,
    subcommands: &[],
};
fn zremrangebylex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let range = lex_range(args[2], args[3])?;
    remove(cx, args[1], "zremrangebylex", |zset| zset.ranks_by_lex(&range, false))
}

fn remove(
    cx: &mut Call<'_>,
    key: &[u8],
    event: &'static str,
    ranks: impl FnOnce(&Zset) -> Range<usize>,
) -> Outcome {
    let key = cx.key(key);
    let found = cx.keys.to_write::<Zset>(key)?.map(|zset| (ranks(&zset), zset.len()));
    let Some((ranks, len)) = found else {
        cx.reply.integer(0);
        return Ok(());
    };
    let removed = ranks.len();
    let emptied = removed == len;
    if emptied {
        // As a whole, so that a big one is freed in slices.
        cx.remove(key);
    } else if removed > 0 {
        let _unemptied = cx.alter(key, |zset: &mut Zset, _| zset.remove_ranks(ranks))?;
    }
    tell_removed(&mut cx.keys, key, removed, emptied, event);
    cx.reply.integer(removed as i64);
    Ok(())
}
