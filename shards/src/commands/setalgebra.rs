//! Intersections, unions and differences of sets, replied, counted or stored.
use super::deferred::Deferred;
use super::options::integer;
use super::set::SET;
use super::{Args, Command};
use crate::call::{Call, Expiry, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::Value;
use crate::settings::Settings;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::set::algebra;
use crate::values::{Held, Kind, Set};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] =
    &[SINTER, SINTERSTORE, SINTERCARD, SUNION, SUNIONSTORE, SDIFF, SDIFFSTORE];

const NUMKEYS_NOT_POSITIVE: Fault = Fault::new("ERR numkeys should be greater than 0");
const NUMKEYS_TOO_MANY: Fault = Fault::new("ERR Number of keys can't be greater than number of args");
const LIMIT_NEGATIVE: Fault = Fault::new("ERR LIMIT can't be negative");

const INTERSECTION_COST: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
const TOTAL_COST: &str = "O(N) where N is the total number of elements in all given sets.";

/// What the commands that reply with members have in common.
const READING: Spec = Spec {
    arity: -2,
    flags: Flags::READ,
    keys: &[KeySpec::rest(KeyFlags::RO.and(KeyFlags::ACCESS), 1, 1)],
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key", 0).multiple()],
    ..SET
};
/// What the commands that store them have in common.
const STORING: Spec = Spec {
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    keys: &[
        KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1),
        KeySpec::rest(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1),
    ],
    args: &[Arg::key("destination", 0), Arg::key("key", 1).multiple()],
    ..SET
};

const SINTER: Command = Command {
    spec: Spec {
        name: "sinter",
        summary: "Returns the intersect of multiple sets.",
        complexity: INTERSECTION_COST,
        ..READING
    },
    run: sinter,
    subcommands: &[],
};
fn sinter(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_with(cx, &args[1..], |sets, take| {
        let sets: Option<Sets<'_>> = sets.iter().copied().collect();
        algebra::intersect(&sets.unwrap_or_default(), |member| {
            take(member.bytes(&mut [0; 20]));
            true
        });
    })
}

const SINTERSTORE: Command = Command {
    spec: Spec {
        name: "sinterstore",
        summary: "Stores the intersect of multiple sets in a key.",
        complexity: INTERSECTION_COST,
        ..STORING
    },
    run: sinterstore,
    subcommands: &[],
};
fn sinterstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store(cx, args, "sinterstore", |sets, settings| {
        let sets: Option<Sets<'_>> = sets.iter().copied().collect();
        algebra::intersection(&sets.unwrap_or_default(), settings)
    })
}

const SINTERCARD: Command = Command {
    spec: Spec {
        name: "sintercard",
        arity: -3,
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 1, 1)],
        summary: "Returns the number of members of the intersect of multiple sets.",
        since: "7.0.0",
        complexity: INTERSECTION_COST,
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("limit", ArgKind::Integer).token("LIMIT").optional(),
        ],
        ..SET
    },
    run: sintercard,
    subcommands: &[],
};
fn sintercard(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (keys, limit) = counted(args)?;
    let held = look_up(&mut cx.keys, keys)?;
    let sets: Option<Sets<'_>> = held.iter().map(Option::as_deref).collect();
    let mut count = 0;
    algebra::intersect(&sets.unwrap_or_default(), |_| {
        count += 1;
        count != limit
    });
    cx.reply.integer(count);
    Ok(())
}

/// SINTERCARD's keys, and how far it is to count (0: to the end).
fn counted<'a, 'b>(args: &'b [&'a [u8]]) -> Result<(&'b [&'a [u8]], i64), Fault> {
    let count = integer(args[1]).ok().and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0).ok_or(NUMKEYS_NOT_POSITIVE)?;
    let (keys, mut words) = args[2..].split_at_checked(count).ok_or(NUMKEYS_TOO_MANY)?;
    let mut limit = 0;
    while let [word, value, rest @ ..] = words {
        if !word.eq_ignore_ascii_case(b"LIMIT") {
            return Err(SYNTAX);
        }
        limit = integer(value).ok().filter(|limit| *limit >= 0).ok_or(LIMIT_NEGATIVE)?;
        words = rest;
    }
    if words.is_empty() { Ok((keys, limit)) } else { Err(SYNTAX) }
}

const SUNION: Command = Command {
    spec: Spec {
        name: "sunion",
        summary: "Returns the union of multiple sets.",
        complexity: TOTAL_COST,
        ..READING
    },
    run: sunion,
    subcommands: &[],
};
fn sunion(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    reply_with(cx, &args[1..], |sets, take| {
        algebra::unite(&present(sets), |member| take(member.bytes(&mut [0; 20])));
    })
}

const SUNIONSTORE: Command = Command {
    spec: Spec {
        name: "sunionstore",
        summary: "Stores the union of multiple sets in a key.",
        complexity: TOTAL_COST,
        ..STORING
    },
    run: sunionstore,
    subcommands: &[],
};
fn sunionstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store(cx, args, "sunionstore", |sets, settings| algebra::union(&present(sets), settings))
}

const SDIFF: Command = Command {
    spec: Spec {
        name: "sdiff",
        summary: "Returns the difference of multiple sets.",
        complexity: TOTAL_COST,
        ..READING
    },
    run: sdiff,
    subcommands: &[],
};
fn sdiff(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let settings = cx.settings;
    reply_with(cx, &args[1..], |sets, take| {
        if let [Some(first), others @ ..] = sets {
            algebra::subtract(first, &present(others), settings, |member| {
                take(member.bytes(&mut [0; 20]));
            });
        }
    })
}

const SDIFFSTORE: Command = Command {
    spec: Spec {
        name: "sdiffstore",
        summary: "Stores the difference of multiple sets in a key.",
        complexity: TOTAL_COST,
        ..STORING
    },
    run: sdiffstore,
    subcommands: &[],
};
fn sdiffstore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    store(cx, args, "sdiffstore", |sets, settings| match sets {
        [Some(first), others @ ..] => algebra::difference(first, &present(others), settings),
        _ => Set::empty(),
    })
}

/// Sets that are reckoned with.
type Sets<'a> = SmallVec<[&'a Set; 8]>;
/// The same, none where a key is missing.
type Looks<'a> = SmallVec<[Option<Held<'a, Set>>; 8]>;

/// What all the keys hold; a fault where one of them holds no set, whatever the others hold.
fn look_up<'a>(keys: &'a mut Keys<'_>, names: Args<'_>) -> Result<Looks<'a>, Fault> {
    for name in names {
        let key = keys.key(name);
        keys.read::<Set>(key)?;
    }
    let keys = &*keys;
    names.iter().map(|name| keys.peek_as(keys.key(name))).collect()
}

/// Those that are there: a missing one has no members.
fn present<'a>(sets: &[Option<&'a Set>]) -> Sets<'a> {
    sets.iter().copied().flatten().collect()
}

/// Replies with the members that `reckon` finds.
fn reply_with(
    cx: &mut Call<'_>,
    names: Args<'_>,
    reckon: impl FnOnce(&[Option<&Set>], &mut dyn FnMut(&[u8])),
) -> Outcome {
    let Call { keys, reply } = cx;
    let held = look_up(keys, names)?;
    let sets: SmallVec<[_; 8]> = held.iter().map(Option::as_deref).collect();
    let deferred = Deferred::set(reply, sets.iter().flatten().map(|set| set.len()).sum());
    let mut count = 0;
    reckon(&sets, &mut |member| {
        count += 1;
        reply.bulk(member);
    });
    deferred.end(reply, count);
    Ok(())
}

/// Stores the set that `reckon` makes in the key that comes first, in place of whatever that held; none where it is empty.
fn store(
    cx: &mut Call<'_>,
    args: Args<'_>,
    event: &'static str,
    reckon: impl FnOnce(&[Option<&Set>], &Settings) -> Set,
) -> Outcome {
    let destination = cx.key(args[1]);
    let settings = cx.settings;
    let result = {
        let held = look_up(&mut cx.keys, &args[2..])?;
        let sets: SmallVec<[_; 8]> = held.iter().map(Option::as_deref).collect();
        reckon(&sets, settings)
    };
    let len = result.len();
    put(cx, destination, result, event);
    cx.reply.integer(len as i64);
    Ok(())
}

fn put(cx: &mut Call<'_>, destination: Key<'_>, set: Set, event: &'static str) {
    if !set.is_empty() {
        cx.set(destination, Value::Object(set.into()), Expiry::None);
        cx.wrote(destination, Class::SET, event);
    } else if cx.remove(destination) {
        cx.wrote(destination, Class::GENERIC, "del");
    }
}
