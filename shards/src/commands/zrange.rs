//! Sorted sets by range: of ranks, of scores, of members; replied or stored.
use super::options::integer;
use super::zbounds::{lex_range, rank_range, score_range};
use super::zset::{READS, ZSET};
use super::{Args, Command};
use crate::call::{Call, Expiry, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::{StrRef, Value};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::zset::{LexRange, Limits, ScoreRange};
use crate::values::{Kind, Zset};
use std::ops::Range;

pub(super) const COMMANDS: &[Command] =
    &[ZRANGE, ZRANGESTORE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZRANGEBYLEX, ZREVRANGEBYLEX, ZREVRANGE];

const LIMIT_BY_RANK: Fault =
    Fault::new("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
const SCORES_BY_LEX: Fault =
    Fault::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX");

const ZRANGE: Command = Command {
    spec: Spec {
        name: "zrange",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members within a range of ranks, scores or members.",
        since: "1.2.0",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        history: &[("6.2.0", "The words `REV`, `BYSCORE`, `BYLEX` and `LIMIT`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("start", ArgKind::String),
            Arg::new("stop", ArgKind::String),
            Arg::new(
                "sortby",
                ArgKind::OneOf(&[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")]),
            )
            .since("6.2.0")
            .optional(),
            Arg::word("rev", "REV").since("6.2.0").optional(),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .since("6.2.0")
            .optional(),
            Arg::word("withscores", "WITHSCORES").optional(),
        ],
        ..ZSET
    },
    run: zrange,
    subcommands: &[],
};
fn zrange(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form::default())
}

const ZREVRANGE: Command = Command {
    spec: Spec {
        name: "zrevrange",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members within a range of ranks, counted from the highest score.",
        since: "1.2.0",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        args: &[
            Arg::key("key", 0),
            Arg::new("start", ArgKind::Integer),
            Arg::new("stop", ArgKind::Integer),
            Arg::word("withscores", "WITHSCORES").optional(),
        ],
        ..ZSET
    },
    run: zrevrange,
    subcommands: &[],
};
fn zrevrange(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form { by: Some(By::Rank), back: Some(true) })
}

const ZRANGEBYSCORE: Command = Command {
    spec: Spec {
        name: "zrangebyscore",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members with scores within a range.",
        since: "1.0.5",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        history: &[("2.0.0", "The word `WITHSCORES`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("min", ArgKind::Double),
            Arg::new("max", ArgKind::Double),
            Arg::word("withscores", "WITHSCORES").since("2.0.0").optional(),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .optional(),
        ],
        ..ZSET
    },
    run: zrangebyscore,
    subcommands: &[],
};
fn zrangebyscore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form { by: Some(By::Score), back: Some(false) })
}

const ZREVRANGEBYSCORE: Command = Command {
    spec: Spec {
        name: "zrevrangebyscore",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members with scores within a range, the highest first.",
        since: "2.2.0",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        history: &[("2.1.6", "A bound may be left out of the range.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("max", ArgKind::Double),
            Arg::new("min", ArgKind::Double),
            Arg::word("withscores", "WITHSCORES").optional(),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .optional(),
        ],
        ..ZSET
    },
    run: zrevrangebyscore,
    subcommands: &[],
};
fn zrevrangebyscore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form { by: Some(By::Score), back: Some(true) })
}

const ZRANGEBYLEX: Command = Command {
    spec: Spec {
        name: "zrangebylex",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members that lie between two, where all have the same score.",
        since: "2.8.9",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        args: &[
            Arg::key("key", 0),
            Arg::new("min", ArgKind::String),
            Arg::new("max", ArgKind::String),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .optional(),
        ],
        ..ZSET
    },
    run: zrangebylex,
    subcommands: &[],
};
fn zrangebylex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form { by: Some(By::Lex), back: Some(false) })
}

const ZREVRANGEBYLEX: Command = Command {
    spec: Spec {
        name: "zrevrangebylex",
        arity: -4,
        flags: Flags::READ,
        keys: &[READS],
        summary: "Returns the members that lie between two, where all have the same score, the last first.",
        since: "2.8.9",
        complexity: "O(log N + M), N being the number of members and M that of those returned.",
        args: &[
            Arg::key("key", 0),
            Arg::new("max", ArgKind::String),
            Arg::new("min", ArgKind::String),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .optional(),
        ],
        ..ZSET
    },
    run: zrevrangebylex,
    subcommands: &[],
};
fn zrevrangebylex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_range(cx, args, Form { by: Some(By::Lex), back: Some(true) })
}

fn reply_range(cx: &mut Call<'_>, args: Args<'_>, form: Form) -> Outcome {
    let query = Query::read(&args[2..], form, true)?;
    let key = cx.key(args[1]);
    match cx.keys.read::<Zset>(key)? {
        Some(zset) => reply_members(cx.reply, &zset, query.ranks(&zset), query.back, query.with_scores),
        None => cx.reply.array(0),
    }
    Ok(())
}

/// Replies with the members of these ranks, the last first where `back`.
fn reply_members(reply: &mut Reply, zset: &Zset, ranks: Range<usize>, back: bool, with_scores: bool) {
    reply.array(if with_scores && !reply.is_resp3() { 2 * ranks.len() } else { ranks.len() });
    zset.walk(ranks, back, |member, score| reply_member(reply, member, with_scores.then_some(score)));
}

/// Replies with a member, and with its score as well where that is wanted: a pair in RESP3, two replies in RESP2.
pub(super) fn reply_member(reply: &mut Reply, member: StrRef<'_>, score: Option<f64>) {
    if score.is_some() && reply.is_resp3() {
        reply.array(2);
    }
    match member {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
    if let Some(score) = score {
        reply.double(score);
    }
}

const ZRANGESTORE: Command = Command {
    spec: Spec {
        name: "zrangestore",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[
            KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1),
            KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 2),
        ],
        summary: "Stores the members within a range of ranks, scores or members in another key.",
        since: "6.2.0",
        complexity: "O(log N + M), N being the number of members and M that of those stored.",
        args: &[
            Arg::key("dst", 0),
            Arg::key("src", 1),
            Arg::new("min", ArgKind::String),
            Arg::new("max", ArgKind::String),
            Arg::new(
                "sortby",
                ArgKind::OneOf(&[Arg::word("byscore", "BYSCORE"), Arg::word("bylex", "BYLEX")]),
            )
            .optional(),
            Arg::word("rev", "REV").optional(),
            Arg::new(
                "limit",
                ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
            )
            .token("LIMIT")
            .optional(),
        ],
        ..ZSET
    },
    run: zrangestore,
    subcommands: &[],
};
fn zrangestore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let query = Query::read(&args[3..], Form::default(), false)?;
    let (to, from) = (cx.key(args[1]), cx.key(args[2]));
    let limits = Limits::of(cx.settings);
    let stored = match cx.keys.read::<Zset>(from)? {
        Some(zset) => Zset::from_sorted(&zset.pairs(query.ranks(&zset)), limits),
        None => Zset::empty(),
    };
    store(cx, to, stored, "zrangestore");
    Ok(())
}

/// Gives a key a sorted set that was computed, whatever it held, and replies with its length. An empty one is not kept.
pub(super) fn store(cx: &mut Call<'_>, key: Key<'_>, zset: Zset, event: &'static str) {
    let len = zset.len();
    if len > 0 {
        cx.set(key, Value::Object(zset.into()), Expiry::None);
        cx.wrote(key, Class::ZSET, event);
    } else if cx.remove(key) {
        cx.wrote(key, Class::GENERIC, "del");
    }
    cx.reply.integer(len as i64);
}

/// What a range is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What a command's name says already and its words therefore cannot.
#[derive(Clone, Copy, Default)]
struct Form {
    by: Option<By>,
    back: Option<bool>,
}

/// A range as it was asked for.
enum Wanted<'a> {
    /// From one rank to another.
    Ranks(i64, i64),
    Scores(ScoreRange),
    Lex(LexRange<'a>),
}

/// What a command asks for.
struct Query<'a> {
    wanted: Wanted<'a>,
    back: bool,
    offset: i64,
    /// Below 0: no limit.
    limit: i64,
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads the two bounds and the words behind them.
    fn read(args: Args<'a>, mut form: Form, may_reply_scores: bool) -> Result<Query<'a>, Fault> {
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut words = &args[2..];
        while let [word, rest @ ..] = words {
            words = match (word.to_ascii_uppercase().as_slice(), rest) {
                (b"WITHSCORES", rest) if may_reply_scores => {
                    with_scores = true;
                    rest
                }
                (b"LIMIT", [skip, count, rest @ ..]) => {
                    (offset, limit) = (integer(skip)?, integer(count)?);
                    rest
                }
                (b"REV", rest) if form.back.is_none() => {
                    form.back = Some(true);
                    rest
                }
                (b"BYLEX", rest) if form.by.is_none() => {
                    form.by = Some(By::Lex);
                    rest
                }
                (b"BYSCORE", rest) if form.by.is_none() => {
                    form.by = Some(By::Score);
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
        let (by, back) = (form.by.unwrap_or(By::Rank), form.back.unwrap_or(false));
        if limit != -1 && by == By::Rank {
            return Err(LIMIT_BY_RANK);
        }
        if with_scores && by == By::Lex {
            return Err(SCORES_BY_LEX);
        }
        // Scores and members are then given from the greater to the less.
        let (min, max) = if back && by != By::Rank { (args[1], args[0]) } else { (args[0], args[1]) };
        let wanted = match by {
            By::Rank => Wanted::Ranks(integer(min)?, integer(max)?),
            By::Score => Wanted::Scores(score_range(min, max)?),
            By::Lex => Wanted::Lex(lex_range(min, max)?),
        };
        Ok(Query { wanted, back, offset, limit, with_scores })
    }

    /// The ranks of what is asked for.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let found = match &self.wanted {
            Wanted::Ranks(start, stop) => {
                let ranks = rank_range(*start, *stop, zset.len());
                return if self.back { zset.len() - ranks.end..zset.len() - ranks.start } else { ranks };
            }
            Wanted::Scores(range) => zset.ranks_by_score(range),
            Wanted::Lex(range) => zset.ranks_by_lex(range, self.back),
        };
        let skipped =
            usize::try_from(self.offset).map_or_else(|_| found.len(), |offset| offset.min(found.len()));
        let left = found.len() - skipped;
        let taken = usize::try_from(self.limit).map_or(left, |limit| limit.min(left));
        if self.back {
            found.end - skipped - taken..found.end - skipped
        } else {
            found.start + skipped..found.start + skipped + taken
        }
    }
}
