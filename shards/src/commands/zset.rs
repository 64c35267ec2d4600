//! Sorted sets, member by member: adding, removing, scores, ranks and counts.
use super::zbounds::{lex_range, score_range};
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, NOT_FLOAT, Outcome, SYNTAX};
use crate::number::parse_f64;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::zset::{Added, Change, Limits, NotANumber, When};
use crate::values::{Kind, Zset};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] =
    &[ZADD, ZINCRBY, ZREM, ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT];

/// What most commands on sorted sets have in common.
pub(super) const ZSET: Spec = Spec { group: Group::SortedSet, complexity: "O(1)", ..Spec::DEFAULT };
/// A key whose members are read.
pub(super) const READS: KeySpec = KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1);

const NOT_A_NUMBER: Fault = Fault::new("ERR resulting score is not a number (NaN)");
const XX_AND_NX: Fault = Fault::new("ERR XX and NX options at the same time are not compatible");
const GT_LT_AND_NX: Fault = Fault::new("ERR GT, LT, and/or NX options at the same time are not compatible");
const INCR_OF_SEVERAL: Fault = Fault::new("ERR INCR option supports a single increment-element pair");

const ZADD: Command = Command {
    spec: Spec {
        name: "zadd",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Adds members to a sorted set, or changes their scores, on conditions if wanted.",
        since: "1.2.0",
        complexity: "O(log N) for each member added, N being the number of members.",
        history: &[
            ("2.4.0", "Several members at once."),
            ("3.0.2", "The words `XX`, `NX`, `CH` and `INCR`."),
            ("6.2.0", "The words `GT` and `LT`."),
        ],
        args: &[
            Arg::key("key", 0),
            Arg::new("condition", ArgKind::OneOf(&[Arg::word("nx", "NX"), Arg::word("xx", "XX")]))
                .since("3.0.2")
                .optional(),
            Arg::new("comparison", ArgKind::OneOf(&[Arg::word("gt", "GT"), Arg::word("lt", "LT")]))
                .since("6.2.0")
                .optional(),
            Arg::word("change", "CH").since("3.0.2").optional(),
            Arg::word("increment", "INCR").since("3.0.2").optional(),
            Arg::new(
                "data",
                ArgKind::Block(&[Arg::new("score", ArgKind::Double), Arg::new("member", ArgKind::String)]),
            )
            .multiple(),
        ],
        ..ZSET
    },
    run: zadd,
    subcommands: &[],
};
pub(super) fn zadd(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let mut words = Words::default();
    let count = args[2..].iter().take_while(|word| words.take(word)).count();
    let (pairs, rest) = args[2 + count..].as_chunks();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(SYNTAX);
    }
    words.check(pairs.len())?;
    add(cx, args[1], words, pairs)
}

const ZINCRBY: Command = Command {
    spec: Spec {
        name: "zincrby",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds to the score of a member, which is made if it is missing.",
        since: "1.2.0",
        complexity: "O(log N), N being the number of members.",
        args: &[
            Arg::key("key", 0),
            Arg::new("increment", ArgKind::Integer),
            Arg::new("member", ArgKind::String),
        ],
        ..ZSET
    },
    run: zincrby,
    subcommands: &[],
};
fn zincrby(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let words = Words { increments: true, ..Words::default() };
    add(cx, args[1], words, &[[args[2], args[3]]])
}

/// The words of ZADD.
#[derive(Clone, Copy, Default)]
struct Words {
    when: When,
    /// CH: members whose score changed are counted too.
    counts_changes: bool,
    /// INCR.
    increments: bool,
}

impl Words {
    /// Takes a word, if it is one.
    fn take(&mut self, word: &[u8]) -> bool {
        let flags = [
            ("NX", &mut self.when.missing),
            ("XX", &mut self.when.present),
            ("GT", &mut self.when.rises),
            ("LT", &mut self.when.falls),
            ("CH", &mut self.counts_changes),
            ("INCR", &mut self.increments),
        ];
        let found = flags.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, flag)| *flag = true).is_some()
    }

    /// Whether the words go together.
    fn check(self, pair_count: usize) -> Outcome {
        let When { missing, present, rises, falls } = self.when;
        if missing && present {
            return Err(XX_AND_NX);
        }
        if (missing && (rises || falls)) || (rises && falls) {
            return Err(GT_LT_AND_NX);
        }
        if self.increments && pair_count > 1 { Err(INCR_OF_SEVERAL) } else { Ok(()) }
    }
}

/// What came of several members.
#[derive(Clone, Copy, Default)]
struct Tally {
    added: usize,
    rescored: usize,
    /// The score of the last one; none where a condition did not hold.
    score: Option<f64>,
}

impl Tally {
    fn count(&mut self, added: Added) {
        self.score = match added {
            Added::New(score) | Added::Rescored(score) | Added::Same(score) => Some(score),
            Added::Refused => None,
        };
        self.added += usize::from(matches!(added, Added::New(_)));
        self.rescored += usize::from(matches!(added, Added::Rescored(_)));
    }
}

fn add(cx: &mut Call<'_>, key: &[u8], words: Words, pairs: &[[&[u8]; 2]]) -> Outcome {
    let scores: Option<SmallVec<[f64; 8]>> = pairs.iter().map(|[score, _]| parse_f64(score)).collect();
    let scores = scores.ok_or(NOT_FLOAT)?;
    let key = cx.key(key);
    let tally = if words.when.present {
        let altered =
            cx.alter(key, |zset, hand| add_all(zset, words, pairs, &scores, Limits::of(hand.settings)))?;
        altered.map_or_else(|| Ok(Tally::default()), |altered| altered.value)
    } else {
        cx.alter_or_make(key, |zset, hand| add_all(zset, words, pairs, &scores, Limits::of(hand.settings)))?
            .value
    };
    let tally = tally.map_err(|NotANumber| NOT_A_NUMBER)?;
    tell(&mut cx.keys, key, tally.added + tally.rescored, if words.increments { "zincr" } else { "zadd" });
    match (words.increments, tally.score) {
        (true, Some(score)) => cx.reply.double(score),
        (true, None) => cx.reply.null(),
        (false, _) if words.counts_changes => cx.reply.integer((tally.added + tally.rescored) as i64),
        (false, _) => cx.reply.integer(tally.added as i64),
    }
    Ok(())
}

fn add_all(
    zset: &mut Zset,
    words: Words,
    pairs: &[[&[u8]; 2]],
    scores: &[f64],
    limits: Limits,
) -> Result<Tally, NotANumber> {
    if zset.is_empty() {
        *zset = Zset::expecting(pairs.len(), pairs[0][1].len(), limits);
    } else {
        zset.expect_more(pairs.len(), limits);
    }
    let mut tally = Tally::default();
    for ([_, member], score) in pairs.iter().zip(scores) {
        let change = if words.increments { Change::By(*score) } else { Change::To(*score) };
        tally.count(zset.add(member, change, words.when, limits)?);
    }
    Ok(tally)
}

/// Tells of a change of `count` members, if there are any.
pub(super) fn tell(cx: &mut Keys<'_>, key: Key<'_>, count: usize, event: &'static str) {
    if count > 0 {
        cx.effects.dirty += count as u64 - 1;
        cx.wrote(key, Class::ZSET, event);
    }
}

/// Tells of members removed and, where those were the last, of the key that went with them.
pub(super) fn tell_removed(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    count: usize,
    emptied: bool,
    event: &'static str,
) {
    tell(cx, key, count, event);
    if emptied {
        cx.notify(Class::GENERIC, "del", key);
    }
}

const ZREM: Command = Command {
    spec: Spec {
        name: "zrem",
        arity: -3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes members from a sorted set; the key goes with the last one.",
        since: "1.2.0",
        complexity: "O(M log N), N being the number of members and M that of those removed.",
        history: &[("2.4.0", "Several members at once.")],
        args: &[Arg::key("key", 0), Arg::new("member", ArgKind::String).multiple()],
        ..ZSET
    },
    run: zrem,
    subcommands: &[],
};
fn zrem(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let altered = cx.alter(key, |zset: &mut Zset, _| {
        args[2..].iter().filter(|member| zset.remove(member).is_some()).count()
    })?;
    if let Some(altered) = &altered {
        tell_removed(&mut cx.keys, key, altered.value, altered.emptied, "zrem");
    }
    cx.reply.integer(altered.map_or(0, |altered| altered.value) as i64);
    Ok(())
}

const ZCARD: Command = Command {
    spec: Spec {
        name: "zcard",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns how many members a sorted set has.",
        since: "1.2.0",
        complexity: "O(1)",
        args: &[Arg::key("key", 0)],
        ..ZSET
    },
    run: zcard,
    subcommands: &[],
};
fn zcard(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let len = cx.keys.read::<Zset>(key)?.map_or(0, |zset| zset.len());
    cx.reply.integer(len as i64);
    Ok(())
}

const ZSCORE: Command = Command {
    spec: Spec {
        name: "zscore",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns the score of a member.",
        since: "1.2.0",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), Arg::new("member", ArgKind::String)],
        ..ZSET
    },
    run: zscore,
    subcommands: &[],
};
fn zscore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match cx.keys.read::<Zset>(key)?.and_then(|zset| zset.score(args[2])) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

const ZMSCORE: Command = Command {
    spec: Spec {
        name: "zmscore",
        arity: -3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns the scores of several members.",
        since: "6.2.0",
        complexity: "O(N), N being the number of members asked for.",
        args: &[Arg::key("key", 0), Arg::new("member", ArgKind::String).multiple()],
        ..ZSET
    },
    run: zmscore,
    subcommands: &[],
};
fn zmscore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let zset = cx.keys.read::<Zset>(key)?;
    cx.reply.array(args.len() - 2);
    for member in &args[2..] {
        match zset.as_ref().and_then(|zset| zset.score(member)) {
            Some(score) => cx.reply.double(score),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

const ZRANK: Command = Command {
    spec: Spec {
        name: "zrank",
        arity: -3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns how many members have lower scores than a member.",
        since: "2.0.0",
        complexity: "O(log(N))",
        history: &[("7.2.0", "The word `WITHSCORE`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("member", ArgKind::String),
            Arg::word("withscore", "WITHSCORE").optional(),
        ],
        ..ZSET
    },
    run: zrank,
    subcommands: &[],
};
fn zrank(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_rank(cx, args, "zrank", |rank, _| rank)
}

const ZREVRANK: Command = Command {
    spec: Spec {
        name: "zrevrank",
        arity: -3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns how many members have higher scores than a member.",
        since: "2.0.0",
        complexity: "O(log(N))",
        history: &[("7.2.0", "The word `WITHSCORE`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("member", ArgKind::String),
            Arg::word("withscore", "WITHSCORE").optional(),
        ],
        ..ZSET
    },
    run: zrevrank,
    subcommands: &[],
};
fn zrevrank(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_rank(cx, args, "zrevrank", |rank, len| len - 1 - rank)
}

fn reply_rank(
    cx: &mut Call<'_>,
    args: Args<'_>,
    command: &str,
    counted: impl Fn(usize, usize) -> usize,
) -> Outcome {
    let with_score = match args {
        [_, _, _] => false,
        [_, _, _, word] if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        [_, _, _, _] => return Err(SYNTAX),
        _ => return Err(Fault::arity(command)),
    };
    let key = cx.key(args[1]);
    let found = match cx.keys.read::<Zset>(key)? {
        Some(zset) => zset.rank(args[2]).map(|(rank, score)| (counted(rank, zset.len()), score)),
        None => None,
    };
    match found {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.integer(rank as i64);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.integer(rank as i64),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}

const ZCOUNT: Command = Command {
    spec: Spec {
        name: "zcount",
        arity: 4,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns how many members have scores within a range.",
        since: "2.0.0",
        complexity: "O(log N), N being the number of members.",
        args: &[Arg::key("key", 0), Arg::new("min", ArgKind::Double), Arg::new("max", ArgKind::Double)],
        ..ZSET
    },
    run: zcount,
    subcommands: &[],
};
fn zcount(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let range = score_range(args[2], args[3])?;
    let key = cx.key(args[1]);
    let count = cx.keys.read::<Zset>(key)?.map_or(0, |zset| zset.ranks_by_score(&range).len());
    cx.reply.integer(count as i64);
    Ok(())
}

const ZLEXCOUNT: Command = Command {
    spec: Spec {
        name: "zlexcount",
        arity: 4,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[READS],
        summary: "Returns how many members lie between two, where all have the same score.",
        since: "2.8.9",
        complexity: "O(log N), N being the number of members.",
        args: &[Arg::key("key", 0), Arg::new("min", ArgKind::String), Arg::new("max", ArgKind::String)],
        ..ZSET
    },
    run: zlexcount,
    subcommands: &[],
};
fn zlexcount(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let range = lex_range(args[2], args[3])?;
    let key = cx.key(args[1]);
    let count = cx.keys.read::<Zset>(key)?.map_or(0, |zset| zset.ranks_by_lex(&range, false).len());
    cx.reply.integer(count as i64);
    Ok(())
}
