//! Sorted sets looked through in no order: ZRANDMEMBER and ZSCAN.
use super::elements::{self, Wanted};
use super::options::integer;
use super::zrange::reply_member;
use super::zset::{READS, ZSET};
use super::{Args, Command};
use crate::call::Call;
use crate::dice::Dice;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::hash::keyed_map;
use crate::number::{format_double, format_g17};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Spec};
use crate::values::{Kind, Zset};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] = &[ZRANDMEMBER, ZSCAN];

const COUNT_RANGE: Fault =
    Fault::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
const COUNT_RANGE_WITH_SCORES: Fault = Fault::new("ERR value is out of range");

const ZRANDMEMBER: Command = Command {
    spec: Spec {
        name: "zrandmember",
        arity: -2,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns members at random, without removing them.",
        since: "6.2.0",
        complexity: "O(N), N being the number of members returned.",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "options",
                ArgKind::Block(&[
                    Arg::new("count", ArgKind::Integer),
                    Arg::word("withscores", "WITHSCORES").optional(),
                ]),
            )
            .optional(),
        ],
        ..ZSET
    },
    run: zrandmember,
    subcommands: &[],
};
fn zrandmember(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let wanted = if args.len() > 2 { Some(draw_options(&args[2..])?) } else { None };
    let key = cx.key(args[1]);
    // The shard's dice cannot be thrown while its value is looked at.
    let mut dice = Dice::new(cx.shard(key.hashed.slot).dice.next_u64());
    let zset = cx.keys.read::<Zset>(key)?;
    match (zset, wanted) {
        (Some(zset), None) => {
            let rank = dice.below(zset.len() as u64) as usize;
            zset.get(rank).into_iter().for_each(|(member, _)| reply_member(cx.reply, member, None));
        }
        (None, None) => cx.reply.null(),
        (Some(zset), Some((count, with_scores))) => draw(cx.reply, &zset, count, with_scores, &mut dice),
        (None, Some(_)) => cx.reply.array(0),
    }
    Ok(())
}

/// How many are wanted, negative where the same may come twice; whether with their scores.
fn draw_options(options: Args<'_>) -> Result<(i64, bool), Fault> {
    let count = integer(options[0])?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    match &options[1..] {
        [] => Ok((count, false)),
        [word] if word.eq_ignore_ascii_case(b"WITHSCORES") => {
            if count.unsigned_abs() > i64::MAX as u64 / 2 {
                Err(COUNT_RANGE_WITH_SCORES)
            } else {
                Ok((count, true))
            }
        }
        _ => Err(SYNTAX),
    }
}

fn draw(reply: &mut Reply, zset: &Zset, count: i64, with_scores: bool, dice: &mut Dice) {
    let len = zset.len();
    let replied = if count < 0 { count.unsigned_abs() as usize } else { len.min(count as usize) };
    reply.array(if with_scores && !reply.is_resp3() { 2 * replied } else { replied });
    if count >= 0 && replied == len {
        return zset
            .walk(0..len, false, |member, score| reply_member(reply, member, with_scores.then_some(score)));
    }
    // A packed one cannot be asked for a rank without walking there.
    let packed = if zset.encoding() == "listpack" { zset.pairs(0..len) } else { Vec::new() };
    let mut reply_rank = |rank: usize| {
        if let Some((member, score)) = packed.get(rank).copied().or_else(|| zset.get(rank)) {
            reply_member(reply, member, with_scores.then_some(score));
        }
    };
    if count < 0 {
        (0..replied).for_each(|_| reply_rank(dice.below(len as u64) as usize));
    } else {
        draw_different(replied, len, dice, reply_rank);
    }
}

/// Calls `take` with `count` different numbers below `len`, all choices alike: those that shuffling all numbers would bring to the
/// front, of which only the moved ones are remembered.
fn draw_different(count: usize, len: usize, dice: &mut Dice, mut take: impl FnMut(usize)) {
    let mut moved = keyed_map();
    for front in 0..count {
        let drawn = front + dice.below((len - front) as u64) as usize;
        let at_front = moved.remove(&front).unwrap_or(front);
        if drawn == front {
            take(at_front);
        } else {
            take(moved.insert(drawn, at_front).unwrap_or(drawn));
        }
    }
}

const ZSCAN: Command = Command {
    spec: Spec {
        name: "zscan",
        arity: -3,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Iterates over the members of a sorted set and their scores.",
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for a complete iteration over N members.",
        history: &[("8.0.0", "The word `NOSCORES`.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new("cursor", ArgKind::Integer),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
            Arg::word("noscores", "NOSCORES").optional(),
        ],
        ..ZSET
    },
    run: zscan,
    subcommands: &[],
};
fn zscan(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let cursor = elements::cursor(args[2])?;
    let key = cx.key(args[1]);
    let Some(zset) = cx.keys.read::<Zset>(key)? else {
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(());
    };
    let (words, no_scores) = without_noscores(&args[3..]);
    let wanted = Wanted::parse(&words, false)?;
    let (mut found, mut count) = (Reply::new(cx.reply.resp), 0);
    let is_packed = zset.encoding() == "listpack";
    let next = zset.scan(cursor, wanted.count, |member, score| {
        if !wanted.takes(member) {
            return;
        }
        found.bulk(member);
        count += 1;
        if !no_scores {
            // Redis has the text in the one and makes it of a long double for the other.
            let text = if is_packed { format_double(score) } else { format_g17(score) };
            found.bulk(text.as_bytes());
            count += 1;
        }
    });
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    cx.reply.array(count);
    cx.reply.bytes.append(&mut found.bytes);
    Ok(())
}

/// The words without NOSCORES, and whether that was among them.
fn without_noscores<'a>(words: Args<'a>) -> (SmallVec<[&'a [u8]; 4]>, bool) {
    let mut others = SmallVec::new();
    let mut words = words.iter();
    let mut found = false;
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(b"NOSCORES") {
            found = true;
            continue;
        }
        others.push(*word);
        // What stands behind these is no word.
        if word.eq_ignore_ascii_case(b"MATCH") || word.eq_ignore_ascii_case(b"COUNT") {
            others.extend(words.next().copied());
        }
    }
    (others, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn different_draws_are_uniform_in_every_place() {
        let (len, count, rounds) = (7, 4, 70_000u32);
        let mut dice = Dice::new(11);
        let mut times: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for _ in 0..rounds {
            let mut drawn = Vec::new();
            draw_different(count, len, &mut dice, |number| drawn.push(number));
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), count, "{drawn:?}");
            drawn
                .iter()
                .enumerate()
                .for_each(|(place, number)| *times.entry((place, *number)).or_default() += 1);
        }
        assert_eq!(times.len(), len * count);
        for (what, times) in times {
            let each = f64::from(rounds) / len as f64;
            assert!((f64::from(times) - each).abs() < 6.0 * each.sqrt(), "{what:?}: {times} of {each}");
        }
    }
}
