//! Hashes: fields read, set and removed.
use super::hash_access::{alter, alter_or_make, look, put, put_or_null, tell_emptied};
use super::{Args, Command};
use crate::call::Call;
use crate::effects::Class;
use crate::fault::{Fault, Outcome};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::Kind;
use crate::values::hash::{Hash, Pair};

pub(super) const COMMANDS: &[Command] =
    &[HSET, HMSET, HSETNX, HGET, HMGET, HGETALL, HDEL, HLEN, HSTRLEN, HEXISTS, HKEYS, HVALS];

/// What all commands on hashes share.
pub(super) const HASH: Spec = Spec { group: Group::Hash, since: "2.0.0", ..Spec::DEFAULT };
/// How COMMAND DOCS shows fields with their values.
pub(super) const PAIRS: Arg = Arg::new(
    "data",
    ArgKind::Block(&[Arg::new("field", ArgKind::String), Arg::new("value", ArgKind::String)]),
)
.multiple();

const HSET: Command = Command {
    spec: Spec {
        name: "hset",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Gives fields of a hash values; makes the hash where there is none.",
        complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
        history: &[("4.0.0", "Accepts multiple `field` and `value` arguments.")],
        args: &[Arg::key("key", 0), PAIRS],
        ..HASH
    },
    run: hset,
    subcommands: &[],
};
fn hset(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let added = set_pairs(cx, args, "hset")?;
    cx.reply.integer(added as i64);
    Ok(())
}

const HMSET: Command = Command {
    spec: Spec {
        name: "hmset",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Gives fields of a hash values.",
        complexity: "O(N) where N is the number of fields being set.",
        args: &[Arg::key("key", 0), PAIRS],
        ..HASH
    },
    run: hmset,
    subcommands: &[],
};
fn hmset(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    set_pairs(cx, args, "hmset")?;
    cx.reply.ok();
    Ok(())
}

/// Gives fields their values; how many of them are new.
fn set_pairs(cx: &mut Call<'_>, args: Args<'_>, name: &str) -> Result<usize, Fault> {
    let pairs = &args[2..];
    if pairs.len() % 2 == 1 {
        return Err(Fault::arity(name));
    }
    let key = cx.key(args[1]);
    let altered = alter_or_make(cx, key, pairs, |hash, hand| {
        hash.prepare(pairs, hand.settings);
        pairs.chunks_exact(2).filter(|pair| hash.set(pair[0], pair[1], false, hand.settings)).count()
    })?;
    cx.effects.dirty += pairs.len() as u64 / 2 - 1;
    cx.wrote(key, Class::HASH, "hset");
    Ok(altered.value)
}

const HSETNX: Command = Command {
    spec: Spec {
        name: "hsetnx",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Gives a field of a hash a value, unless the field has one.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String), Arg::new("value", ArgKind::String)],
        ..HASH
    },
    run: hsetnx,
    subcommands: &[],
};
fn hsetnx(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (key, field, value) = (cx.key(args[1]), args[2], args[3]);
    let altered = alter_or_make(cx, key, &[field], |hash, hand| {
        let is_new = hash.get(field, hand.now_ms).is_none();
        if is_new {
            hash.set(field, value, false, hand.settings);
        }
        is_new
    })?;
    if altered.value {
        cx.wrote(key, Class::HASH, "hset");
    }
    cx.reply.integer(i64::from(altered.value));
    Ok(())
}

const HGET: Command = Command {
    spec: Spec {
        name: "hget",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the value of a field of a hash.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String)],
        ..HASH
    },
    run: hget,
    subcommands: &[],
};
fn hget(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    look(cx, args[1], &args[2..], |hash, reply, now_ms| {
        put_or_null(reply, hash.and_then(|hash| hash.get(args[2], now_ms)));
    })
}

const HMGET: Command = Command {
    spec: Spec {
        name: "hmget",
        arity: -3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the values of several fields of a hash.",
        complexity: "O(N) where N is the number of fields being requested.",
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String).multiple()],
        ..HASH
    },
    run: hmget,
    subcommands: &[],
};
fn hmget(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let fields = &args[2..];
    look(cx, args[1], fields, |hash, reply, now_ms| {
        reply.array(fields.len());
        fields.iter().for_each(|field| put_or_null(reply, hash.and_then(|hash| hash.get(field, now_ms))));
    })
}

const HGETALL: Command = Command {
    spec: Spec {
        name: "hgetall",
        arity: 2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns all fields of a hash with their values.",
        complexity: "O(N) where N is the size of the hash.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key", 0)],
        ..HASH
    },
    run: hgetall,
    subcommands: &[],
};
fn hgetall(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    list(cx, args, Reply::map, |reply, pair| {
        put(reply, pair.field);
        put(reply, pair.value);
    })
}

/// Replies with something of each field; `head` writes what comes before so many.
fn list(
    cx: &mut Call<'_>,
    args: Args<'_>,
    head: fn(&mut Reply, usize),
    each: fn(&mut Reply, Pair<'_>),
) -> Outcome {
    look(cx, args[1], &[], |hash, reply, now_ms| {
        head(reply, hash.map_or(0, |hash| live_len(hash, now_ms)));
        if let Some(hash) = hash {
            hash.each(|pair| {
                if pair.is_live(now_ms) {
                    each(reply, pair);
                }
            });
        }
    })
}

/// How many fields there are whose time has not come.
fn live_len(hash: &Hash, now_ms: i64) -> usize {
    let mut len = hash.len();
    if hash.has_due(now_ms) {
        hash.each(|pair| len -= usize::from(!pair.is_live(now_ms)));
    }
    len
}

const HDEL: Command = Command {
    spec: Spec {
        name: "hdel",
        arity: -3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes fields from a hash, and the hash with its last field.",
        complexity: "O(N) where N is the number of fields to be removed.",
        history: &[("2.4.0", "Accepts multiple `field` arguments.")],
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String).multiple()],
        ..HASH
    },
    run: hdel,
    subcommands: &[],
};
fn hdel(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (key, fields) = (cx.key(args[1]), &args[2..]);
    let altered = alter(cx, key, fields, |hash, _| fields.iter().filter(|field| hash.remove(field)).count())?;
    let removed = altered.map_or(0, |altered| altered.value);
    if removed > 0 {
        cx.effects.dirty += removed as u64 - 1;
        cx.wrote(key, Class::HASH, "hdel");
    }
    tell_emptied(cx, key, altered);
    cx.reply.integer(removed as i64);
    Ok(())
}

const HLEN: Command = Command {
    spec: Spec {
        name: "hlen",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns how many fields a hash has.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0)],
        ..HASH
    },
    run: hlen,
    subcommands: &[],
};
fn hlen(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    look(cx, args[1], &[], |hash, reply, _| reply.integer(hash.map_or(0, |hash| hash.len() as i64)))
}

const HSTRLEN: Command = Command {
    spec: Spec {
        name: "hstrlen",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns the length of a field's value.",
        since: "3.2.0",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String)],
        ..HASH
    },
    run: hstrlen,
    subcommands: &[],
};
fn hstrlen(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    look(cx, args[1], &args[2..], |hash, reply, now_ms| {
        let value = hash.and_then(|hash| hash.get(args[2], now_ms));
        reply.integer(value.map_or(0, |value| value.len() as i64));
    })
}

const HEXISTS: Command = Command {
    spec: Spec {
        name: "hexists",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Tells whether a hash has a field.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), Arg::new("field", ArgKind::String)],
        ..HASH
    },
    run: hexists,
    subcommands: &[],
};
fn hexists(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    look(cx, args[1], &args[2..], |hash, reply, now_ms| {
        reply.integer(i64::from(hash.is_some_and(|hash| hash.get(args[2], now_ms).is_some())));
    })
}

const HKEYS: Command = Command {
    spec: Spec {
        name: "hkeys",
        arity: 2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the names of all fields of a hash.",
        complexity: "O(N) where N is the size of the hash.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key", 0)],
        ..HASH
    },
    run: hkeys,
    subcommands: &[],
};
fn hkeys(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    list(cx, args, Reply::array, |reply, pair| put(reply, pair.field))
}

const HVALS: Command = Command {
    spec: Spec {
        name: "hvals",
        arity: 2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the values of all fields of a hash.",
        complexity: "O(N) where N is the size of the hash.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key", 0)],
        ..HASH
    },
    run: hvals,
    subcommands: &[],
};
fn hvals(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    list(cx, args, Reply::array, |reply, pair| put(reply, pair.value))
}
