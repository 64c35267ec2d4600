//! Several sorted sets at once: unions, intersections and differences, replied or stored.
use super::options::integer;
use super::zrange::{reply_member, store};
use super::zset::ZSET;
use super::{Args, Command};
use crate::call::{Call, Keys};
use crate::fault::{Fault, Outcome, SYNTAX, WRONG_TYPE};
use crate::keyspace::EntryRef;
use crate::number::parse_f64;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::zset::algebra::{
    Aggregate, Input, Pairs, Source, difference, intersect, intersection, union,
};
use crate::values::zset::{Limits, sort};
use crate::values::{Held, Set, Zset};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] =
    &[ZUNION, ZINTER, ZDIFF, ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE, ZINTERCARD];

const WEIGHT: Fault = Fault::new("ERR weight value is not a float");
const LIMIT: Fault = Fault::new("ERR LIMIT can't be negative");

const AGGREGATE: Arg = Arg::new(
    "aggregate",
    ArgKind::OneOf(&[Arg::word("sum", "SUM"), Arg::word("min", "MIN"), Arg::word("max", "MAX")]),
)
.token("AGGREGATE")
.optional();
const WEIGHTS: Arg = Arg::new("weight", ArgKind::Integer).token("WEIGHTS").optional().multiple();
const COUNTED: KeySpec = KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 1, 1);
const STORES: &[KeySpec] = &[
    KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1),
    KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1),
];

const ZUNION: Command = Command {
    spec: Spec {
        name: "zunion",
        arity: -3,
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[COUNTED],
        summary: "Returns the members of any of several sorted sets.",
        since: "6.2.0",
        complexity: "O(N + M log M), N being the sum of the sizes and M the size of the result.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            WEIGHTS,
            AGGREGATE,
            Arg::word("withscores", "WITHSCORES").optional(),
        ],
        ..ZSET
    },
    run: zunion,
    subcommands: &[],
};
fn zunion(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_with(cx, "zunion", &args[1..], Words::REPLY, |inputs, words| union(inputs, words.aggregate))
}

const ZINTER: Command = Command {
    spec: Spec {
        name: "zinter",
        arity: -3,
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[COUNTED],
        summary: "Returns the members that several sorted sets have in common.",
        since: "6.2.0",
        complexity: "O(N K + M log M), N being the size of the smallest, K the number of sorted sets and M the size of the result.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            WEIGHTS,
            AGGREGATE,
            Arg::word("withscores", "WITHSCORES").optional(),
        ],
        ..ZSET
    },
    run: zinter,
    subcommands: &[],
};
fn zinter(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_with(cx, "zinter", &args[1..], Words::REPLY, |inputs, words| intersection(inputs, words.aggregate))
}

const ZDIFF: Command = Command {
    spec: Spec {
        name: "zdiff",
        arity: -3,
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[COUNTED],
        summary: "Returns the members of the first sorted set that the others do not have.",
        since: "6.2.0",
        complexity: "O(L + M log M), L being the sum of the sizes and M the size of the result.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::word("withscores", "WITHSCORES").optional(),
        ],
        ..ZSET
    },
    run: zdiff,
    subcommands: &[],
};
fn zdiff(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_with(cx, "zdiff", &args[1..], Words::REPLY_DIFF, |inputs, _| subtract(inputs))
}

const ZUNIONSTORE: Command = Command {
    spec: Spec {
        name: "zunionstore",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: STORES,
        summary: "Stores the members of any of several sorted sets in a key.",
        since: "2.0.0",
        complexity: "O(N + M log M), N being the sum of the sizes and M the size of the result.",
        args: &[
            Arg::key("destination", 0),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        ..ZSET
    },
    run: zunionstore,
    subcommands: &[],
};
fn zunionstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store_with(cx, "zunionstore", args, Words::STORE, |inputs, words| union(inputs, words.aggregate))
}

const ZINTERSTORE: Command = Command {
    spec: Spec {
        name: "zinterstore",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: STORES,
        summary: "Stores the members that several sorted sets have in common in a key.",
        since: "2.0.0",
        complexity: "O(N K + M log M), N being the size of the smallest, K the number of sorted sets and M the size of the result.",
        args: &[
            Arg::key("destination", 0),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        ..ZSET
    },
    run: zinterstore,
    subcommands: &[],
};
fn zinterstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store_with(cx, "zinterstore", args, Words::STORE, |inputs, words| intersection(inputs, words.aggregate))
}

const ZDIFFSTORE: Command = Command {
    spec: Spec {
        name: "zdiffstore",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: STORES,
        summary: "Stores the members of the first sorted set that the others do not have in a key.",
        since: "6.2.0",
        complexity: "O(L + M log M), L being the sum of the sizes and M the size of the result.",
        args: &[
            Arg::key("destination", 0),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 1).multiple(),
        ],
        ..ZSET
    },
    run: zdiffstore,
    subcommands: &[],
};
fn zdiffstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store_with(cx, "zdiffstore", args, Words::STORE_DIFF, |inputs, _| subtract(inputs))
}

fn subtract<'a>(inputs: &[Input<'a>]) -> Pairs<'a> {
    let sources: SmallVec<[Source<'a>; 8]> = inputs.iter().map(|input| input.source).collect();
    sources.split_first().map_or_else(Vec::new, |(first, others)| difference(*first, others))
}

const ZINTERCARD: Command = Command {
    spec: Spec {
        name: "zintercard",
        arity: -3,
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[COUNTED],
        summary: "Returns how many members several sorted sets have in common.",
        since: "7.0.0",
        complexity: "O(N K), N being the size of the smallest sorted set and K the number of sorted sets.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("limit", ArgKind::Integer).token("LIMIT").optional(),
        ],
        ..ZSET
    },
    run: zintercard,
    subcommands: &[],
};
fn zintercard(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (names, words) = read(cx, "zintercard", &args[1..], Words::COUNT)?;
    let mut count = 0;
    with_inputs(&cx.keys, names, &words, |inputs| {
        intersect(inputs, Aggregate::Sum, |_, _| {
            count += 1;
            count != words.limit
        });
    });
    cx.reply.integer(count as i64);
    Ok(())
}

fn reply_with(
    cx: &mut Call<'_>,
    command: &str,
    args: Args<'_>,
    allowed: Allowed,
    reckon: impl for<'a> FnOnce(&[Input<'a>], &Words) -> Pairs<'a>,
) -> Outcome {
    let (names, words) = read(cx, command, args, allowed)?;
    let Call { keys, reply } = cx;
    with_inputs(keys, names, &words, |inputs| {
        let mut pairs = reckon(inputs, &words);
        sort(&mut pairs);
        reply.array(if words.with_scores && !reply.is_resp3() { 2 * pairs.len() } else { pairs.len() });
        for (member, score) in pairs {
            reply_member(reply, member, words.with_scores.then_some(score));
        }
    });
    Ok(())
}

fn store_with(
    cx: &mut Call<'_>,
    command: &'static str,
    args: Args<'_>,
    allowed: Allowed,
    reckon: impl for<'a> FnOnce(&[Input<'a>], &Words) -> Pairs<'a>,
) -> Outcome {
    let (names, words) = read(cx, command, &args[2..], allowed)?;
    let limits = Limits::of(cx.settings);
    let stored =
        with_inputs(&cx.keys, names, &words, |inputs| Zset::from_unsorted(reckon(inputs, &words), limits));
    let destination = cx.key(args[1]);
    store(cx, destination, stored, command);
    Ok(())
}

/// Reads a number of keys, the keys, looks at what they hold, and reads the words behind them, in this order.
fn read<'a, 'b>(
    cx: &mut Call<'_>,
    command: &str,
    args: &'b [&'a [u8]],
    allowed: Allowed,
) -> Result<(&'b [&'a [u8]], Words), Fault> {
    let count = integer(args[0])?;
    if count < 1 {
        return Err(Fault::text(format!("ERR at least 1 input key is needed for '{command}' command")));
    }
    let (names, rest) = args[1..].split_at_checked(count as usize).ok_or(SYNTAX)?;
    for name in names {
        let key = cx.key(name);
        if let Some(entry) = cx.keys.lookup_read(key) {
            Look::at(entry).ok_or(WRONG_TYPE)?;
        }
    }
    let words = Words::read(rest, allowed, names.len())?;
    Ok((names, words))
}

/// What a key holds that can be reckoned with.
enum Look<'a> {
    Zset(Held<'a, Zset>),
    Set(Held<'a, Set>),
}

impl<'a> Look<'a> {
    fn at(entry: EntryRef<'a>) -> Option<Look<'a>> {
        entry.as_kind().map(Look::Zset).or_else(|| entry.as_kind().map(Look::Set))
    }

    fn source(&self) -> Source<'_> {
        match self {
            Look::Zset(zset) => Source::Zset(zset),
            Look::Set(set) => Source::Set(set),
        }
    }
}

/// Calls `act` with what the keys hold, all of which have been looked up.
fn with_inputs<T>(keys: &Keys<'_>, names: Args<'_>, words: &Words, act: impl FnOnce(&[Input<'_>]) -> T) -> T {
    let looks: SmallVec<[Option<Look<'_>>; 8]> =
        names.iter().map(|name| keys.peek(keys.key(name)).and_then(Look::at)).collect();
    let inputs: SmallVec<[Input<'_>; 8]> = looks
        .iter()
        .enumerate()
        .map(|(index, look)| Input {
            source: look.as_ref().map_or(Source::Nothing, Look::source),
            weight: words.weights.get(index).copied().unwrap_or(1.0),
        })
        .collect();
    act(&inputs)
}

/// Which words a command knows.
#[derive(Clone, Copy)]
struct Allowed {
    /// WEIGHTS and AGGREGATE.
    weights: bool,
    /// WITHSCORES.
    scores: bool,
    /// LIMIT.
    limit: bool,
}

/// What the words behind the keys say.
#[derive(Default)]
struct Words {
    /// One a key; none for 1 each.
    weights: SmallVec<[f64; 8]>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0 for none.
    limit: u64,
}

impl Words {
    const REPLY: Allowed = Allowed { weights: true, scores: true, limit: false };
    const REPLY_DIFF: Allowed = Allowed { weights: false, scores: true, limit: false };
    const STORE: Allowed = Allowed { weights: true, scores: false, limit: false };
    const STORE_DIFF: Allowed = Allowed { weights: false, scores: false, limit: false };
    const COUNT: Allowed = Allowed { weights: false, scores: false, limit: true };

    fn read(mut args: Args<'_>, allowed: Allowed, key_count: usize) -> Result<Words, Fault> {
        let mut words = Words::default();
        while let [word, rest @ ..] = args {
            args = match (word.to_ascii_uppercase().as_slice(), rest) {
                (b"WEIGHTS", rest) if allowed.weights && rest.len() >= key_count => {
                    let (weights, rest) = rest.split_at(key_count);
                    let weights: Option<_> = weights.iter().map(|weight| parse_f64(weight)).collect();
                    words.weights = weights.ok_or(WEIGHT)?;
                    rest
                }
                (b"AGGREGATE", [how, rest @ ..]) if allowed.weights => {
                    words.aggregate = aggregate(how)?;
                    rest
                }
                (b"WITHSCORES", rest) if allowed.scores => {
                    words.with_scores = true;
                    rest
                }
                (b"LIMIT", [limit, rest @ ..]) if allowed.limit => {
                    let limit = integer(limit).ok().and_then(|limit| u64::try_from(limit).ok());
                    words.limit = limit.ok_or(LIMIT)?;
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
        Ok(words)
    }
}

fn aggregate(word: &[u8]) -> Result<Aggregate, Fault> {
    match word.to_ascii_uppercase().as_slice() {
        b"SUM" => Ok(Aggregate::Sum),
        b"MIN" => Ok(Aggregate::Min),
        b"MAX" => Ok(Aggregate::Max),
        _ => Err(SYNTAX),
    }
}
