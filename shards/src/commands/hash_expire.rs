//! When fields of hashes expire: HEXPIRE and its kin set it, HTTL and its kin tell it, HPERSIST takes it away.
use super::hash::HASH;
use super::hash_access::{alter, look, removal, tell_emptied};
use super::options::{integer, invalid_expire_time};
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome};
use crate::number::{format_i64, parse_i64};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::hash::Hash;

pub(super) const COMMANDS: &[Command] =
    &[HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST];

/// How COMMAND DOCS shows the fields of a command.
pub(super) const FIELDS: Arg = Arg::new(
    "fields",
    ArgKind::Block(&[Arg::new("numfields", ArgKind::Integer), Arg::new("field", ArgKind::String).multiple()]),
)
.token("FIELDS");
const CONDITION: Arg = Arg::new(
    "condition",
    ArgKind::OneOf(&[
        Arg::word("nx", "NX"),
        Arg::word("xx", "XX"),
        Arg::word("gt", "GT"),
        Arg::word("lt", "LT"),
    ]),
)
.optional();

const NO_FIELDS: Fault = Fault::new("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELD_COUNT: Fault = Fault::new("ERR The `numfields` parameter must match the number of arguments");
const COUNT_NOT_POSITIVE: Fault = Fault::new("ERR Number of fields must be a positive integer");
const COUNT_BELOW_ONE: Fault = Fault::new("ERR Parameter `numFields` should be greater than 0");
const NEGATIVE_TIME: Fault = Fault::new("ERR invalid expire time, must be >= 0");
/// Redis keeps 46 bits of a field's expiry, in ms since 1970.
const AT_MS_MAX: i64 = (1 << 46) - 1;

/// What became of the expiry of a field, as HEXPIRE and HPERSIST reply it.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const NOT_MET: i64 = 0;
pub(super) const DONE: i64 = 1;
pub(super) const REMOVED: i64 = 2;

/// How a command means the time that it is given.
#[derive(Clone, Copy)]
pub(super) struct Time {
    pub(super) name: &'static str,
    pub(super) unit_ms: i64,
    pub(super) is_absolute: bool,
}

impl Time {
    /// The time, ms since 1970.
    pub(super) fn parse(self, text: &[u8], now_ms: i64) -> Result<i64, Fault> {
        let number = integer(text)?;
        if number < 0 {
            return Err(NEGATIVE_TIME);
        }
        let base_ms = if self.is_absolute { 0 } else { now_ms };
        let at_ms = number.checked_mul(self.unit_ms).filter(|ms| *ms <= AT_MS_MAX - base_ms);
        at_ms.map(|ms| ms + base_ms).ok_or_else(|| invalid_expire_time(self.name))
    }
}

/// The fields behind the word FIELDS and their number. `bad_count` is what to say of a number that is none.
pub(super) fn fields_of<'a>(args: Args<'a>, bad_count: Fault) -> Result<Args<'a>, Fault> {
    let words = args.split_first().filter(|(word, _)| word.eq_ignore_ascii_case(b"FIELDS"));
    let (_, rest) = words.ok_or(NO_FIELDS)?;
    let [count, fields @ ..] = rest else { return Err(bad_count) };
    let count = parse_i64(count).filter(|count| *count > 0).ok_or(bad_count)?;
    if usize::try_from(count) == Ok(fields.len()) { Ok(fields) } else { Err(FIELD_COUNT) }
}

/// The same with the words of the newer commands.
pub(super) fn counted_fields(args: Args<'_>) -> Result<Args<'_>, Fault> {
    fields_of(args, COUNT_NOT_POSITIVE)
}

const HEXPIRE: Command = Command {
    spec: Spec {
        name: "hexpire",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets in how many seconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), Arg::new("seconds", ArgKind::Integer), CONDITION, FIELDS],
        ..HASH
    },
    run: hexpire,
    subcommands: &[],
};
fn hexpire(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    give_ends(cx, args, Time { name: "hexpire", unit_ms: 1000, is_absolute: false })
}

const HPEXPIRE: Command = Command {
    spec: Spec {
        name: "hpexpire",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets in how many milliseconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[
            Arg::key("key", 0),
            Arg::new("milliseconds", ArgKind::Integer),
            Arg::new(
                "condition",
                ArgKind::OneOf(&[
                    Arg::word("nx", "NX"),
                    Arg::word("xx", "XX"),
                    Arg::word("gt", "GT"),
                    Arg::word("lt", "LT"),
                ]),
            )
            .optional(),
            FIELDS,
        ],
        ..HASH
    },
    run: hpexpire,
    subcommands: &[],
};
fn hpexpire(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    give_ends(cx, args, Time { name: "hpexpire", unit_ms: 1, is_absolute: false })
}

const HEXPIREAT: Command = Command {
    spec: Spec {
        name: "hexpireat",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets at which Unix time in seconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[
            Arg::key("key", 0),
            Arg::new("unix-time-seconds", ArgKind::Integer),
            Arg::new(
                "condition",
                ArgKind::OneOf(&[
                    Arg::word("nx", "NX"),
                    Arg::word("xx", "XX"),
                    Arg::word("gt", "GT"),
                    Arg::word("lt", "LT"),
                ]),
            )
            .optional(),
            FIELDS,
        ],
        ..HASH
    },
    run: hexpireat,
    subcommands: &[],
};
fn hexpireat(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    give_ends(cx, args, Time { name: "hexpireat", unit_ms: 1000, is_absolute: true })
}

const HPEXPIREAT: Command = Command {
    spec: Spec {
        name: "hpexpireat",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets at which Unix time in milliseconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[
            Arg::key("key", 0),
            Arg::new("unix-time-milliseconds", ArgKind::Integer),
            Arg::new(
                "condition",
                ArgKind::OneOf(&[
                    Arg::word("nx", "NX"),
                    Arg::word("xx", "XX"),
                    Arg::word("gt", "GT"),
                    Arg::word("lt", "LT"),
                ]),
            )
            .optional(),
            FIELDS,
        ],
        ..HASH
    },
    run: hpexpireat,
    subcommands: &[],
};
fn hpexpireat(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    give_ends(cx, args, Time { name: "hpexpireat", unit_ms: 1, is_absolute: true })
}

fn give_ends(cx: &mut Call<'_>, args: Args<'_>, time: Time) -> Outcome {
    let key = cx.key(args[1]);
    cx.to_write::<Hash>(key)?;
    let at_ms = time.parse(args[2], cx.now_ms)?;
    let condition = Condition::of(args[3]);
    let words = &args[if condition.is_some() { 4 } else { 3 }..];
    let fields = fields_of(words, COUNT_BELOW_ONE)?;
    let altered = alter(cx, key, fields, |hash, hand| {
        hash.make_timed();
        let give = |field: &&[u8]| give_end(hash, field, Some(at_ms), condition, hand.now_ms);
        fields.iter().map(give).collect::<Vec<_>>()
    })?;
    cx.reply.array(fields.len());
    let Some(altered) = altered else {
        fields.iter().for_each(|_| cx.reply.integer(NO_FIELD));
        return Ok(());
    };
    altered.value.iter().for_each(|result| cx.reply.integer(*result));
    tell_ends(cx, key, fields, &altered.value, Some(at_ms));
    tell_emptied(cx, key, Some(altered));
    Ok(())
}

/// Under which condition a field gets another expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It has none.
    Nx,
    /// It has one.
    Xx,
    /// It has an earlier one.
    Gt,
    /// It has a later one, or none.
    Lt,
}

impl Condition {
    fn of(word: &[u8]) -> Option<Condition> {
        let words: [(&[u8], Condition); 4] =
            [(b"NX", Condition::Nx), (b"XX", Condition::Xx), (b"GT", Condition::Gt), (b"LT", Condition::Lt)];
        words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, condition)| *condition)
    }

    fn holds(self, current_ms: Option<i64>, at_ms: i64) -> bool {
        match self {
            Condition::Nx => current_ms.is_none(),
            Condition::Xx => current_ms.is_some(),
            Condition::Gt => current_ms.is_some_and(|current| current < at_ms),
            Condition::Lt => current_ms.is_none_or(|current| current > at_ms),
        }
    }
}

/// Gives a field another expiry, or takes it away; a time that is past removes the field. What became of it.
pub(super) fn give_end(
    hash: &mut Hash,
    field: &[u8],
    expires_at_ms: Option<i64>,
    condition: Option<Condition>,
    now_ms: i64,
) -> i64 {
    let Some(pair) = hash.find(field).filter(|pair| pair.is_live(now_ms)) else { return NO_FIELD };
    let current_ms = pair.expires_at_ms;
    let Some(at_ms) = expires_at_ms else {
        if current_ms.is_none() {
            return NO_EXPIRY;
        }
        hash.set_expiry(field, None);
        return DONE;
    };
    if !condition.is_none_or(|condition| condition.holds(current_ms, at_ms)) {
        return NOT_MET;
    }
    if at_ms <= now_ms {
        hash.remove(field);
        return REMOVED;
    }
    hash.set_expiry(field, Some(at_ms));
    DONE
}

/// Tells and records what became of the expiries of fields; of a hash that is left empty the caller tells.
pub(super) fn tell_ends(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    fields: Args<'_>,
    results: &[i64],
    expires_at_ms: Option<i64>,
) {
    let with = |wanted: i64| -> Vec<&[u8]> {
        fields.iter().zip(results).filter(|(_, result)| **result == wanted).map(|(field, _)| *field).collect()
    };
    let (done, removed) = (with(DONE), with(REMOVED));
    if done.len() + removed.len() == 0 {
        return;
    }
    if !removed.is_empty() {
        cx.record(&removal(key, removed.iter().copied()));
    }
    if !done.is_empty() {
        let (mut at, mut count) = ([0; 20], [0; 20]);
        let count = format_i64(done.len() as i64, &mut count);
        let mut record: Vec<&[u8]> = match expires_at_ms {
            Some(at_ms) => vec![b"HPEXPIREAT", key.bytes(), format_i64(at_ms, &mut at)],
            None => vec![b"HPERSIST", key.bytes()],
        };
        record.extend([&b"FIELDS"[..], count]);
        record.extend(&done);
        cx.record(&record);
    }
    let event = match expires_at_ms {
        None => "hpersist",
        Some(_) if removed.is_empty() => "hexpire",
        Some(_) => "hdel",
    };
    cx.effects.dirty += (done.len() + removed.len()) as u64 - 1;
    cx.wrote(key, Class::HASH, event);
}

const HTTL: Command = Command {
    spec: Spec {
        name: "httl",
        arity: -5,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns in how many seconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: httl,
    subcommands: &[],
};
fn httl(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    tell(cx, args, |at_ms, now_ms| seconds(at_ms - now_ms))
}

const HPTTL: Command = Command {
    spec: Spec {
        name: "hpttl",
        arity: -5,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns in how many milliseconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: hpttl,
    subcommands: &[],
};
fn hpttl(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    tell(cx, args, |at_ms, now_ms| at_ms - now_ms)
}

const HEXPIRETIME: Command = Command {
    spec: Spec {
        name: "hexpiretime",
        arity: -5,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns at which Unix time in seconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: hexpiretime,
    subcommands: &[],
};
fn hexpiretime(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    tell(cx, args, |at_ms, _| seconds(at_ms))
}

const HPEXPIRETIME: Command = Command {
    spec: Spec {
        name: "hpexpiretime",
        arity: -5,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns at which Unix time in milliseconds fields of a hash expire.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: hpexpiretime,
    subcommands: &[],
};
fn hpexpiretime(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    tell(cx, args, |at_ms, _| at_ms)
}

/// Rounded up: a field is there until the last millisecond of it.
fn seconds(ms: i64) -> i64 {
    (ms + 999) / 1000
}

/// Replies with what `time` makes of the expiry of each field, and now.
fn tell(cx: &mut Call<'_>, args: Args<'_>, time: fn(i64, i64) -> i64) -> Outcome {
    look(cx, args[1], args.get(4..).unwrap_or_default(), |hash, reply, now_ms| {
        let fields = counted_fields(&args[2..])?;
        reply.array(fields.len());
        for field in fields {
            let pair = hash.and_then(|hash| hash.find(field)).filter(|pair| pair.is_live(now_ms));
            let told = |pair: crate::values::hash::Pair<'_>| {
                pair.expires_at_ms.map_or(NO_EXPIRY, |at| time(at, now_ms))
            };
            reply.integer(pair.map_or(NO_FIELD, told));
        }
        Ok(())
    })?
}

const HPERSIST: Command = Command {
    spec: Spec {
        name: "hpersist",
        arity: -5,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Takes the expiry of fields of a hash away.",
        since: "7.4.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: hpersist,
    subcommands: &[],
};
fn hpersist(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    cx.to_write::<Hash>(key)?;
    let fields = counted_fields(&args[2..])?;
    let altered = alter(cx, key, fields, |hash, hand| {
        let persist = |field: &&[u8]| give_end(hash, field, None, None, hand.now_ms);
        fields.iter().map(persist).collect::<Vec<_>>()
    })?;
    let missing = vec![NO_FIELD; fields.len()];
    let results = altered.as_ref().map_or(&missing, |altered| &altered.value);
    cx.reply.array(fields.len());
    results.iter().for_each(|result| cx.reply.integer(*result));
    if results.contains(&DONE) {
        // One change, however many fields.
        cx.wrote(key, Class::HASH, "hpersist");
    }
    tell_emptied(cx, key, altered);
    Ok(())
}
