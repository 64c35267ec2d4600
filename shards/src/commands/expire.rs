//! Keys that are given an end: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT and PERSIST.
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, NOT_INTEGER, Outcome};
use crate::number::{format_i64, parse_i64};
use crate::spec::{Arg, ArgKind, Categories, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, PERSIST];

const NX_AMONG_OTHERS: Fault =
    Fault::new("ERR NX and XX, GT or LT options at the same time are not compatible");
const GT_WITH_LT: Fault = Fault::new("ERR GT and LT options at the same time are not compatible");

const SPEC: Spec = Spec {
    flags: Flags::WRITE.and(Flags::FAST),
    acl: Categories::KEYSPACE,
    keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
    group: Group::Generic,
    complexity: "O(1)",
    ..Spec::DEFAULT
};
/// Those with a time and a condition.
const TIMED: Spec =
    Spec { arity: -3, history: &[("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`.")], ..SPEC };
const CONDITION: Arg = Arg::new(
    "condition",
    ArgKind::OneOf(&[
        Arg::word("nx", "NX"),
        Arg::word("xx", "XX"),
        Arg::word("gt", "GT"),
        Arg::word("lt", "LT"),
    ]),
)
.since("7.0.0")
.optional();

const EXPIRE: Command = Command {
    spec: Spec {
        name: "expire",
        summary: "Sets the expiration time of a key in seconds.",
        args: &[Arg::key("key", 0), Arg::new("seconds", ArgKind::Integer), CONDITION],
        ..TIMED
    },
    run: |cx, args| give_end(cx, args, Time { name: "expire", unit_ms: 1000, absolute: false }),
    subcommands: &[],
};

const PEXPIRE: Command = Command {
    spec: Spec {
        name: "pexpire",
        summary: "Sets the expiration time of a key in milliseconds.",
        since: "2.6.0",
        args: &[Arg::key("key", 0), Arg::new("milliseconds", ArgKind::Integer), CONDITION],
        ..TIMED
    },
    run: |cx, args| give_end(cx, args, Time { name: "pexpire", unit_ms: 1, absolute: false }),
    subcommands: &[],
};

const EXPIREAT: Command = Command {
    spec: Spec {
        name: "expireat",
        summary: "Sets the expiration time of a key to a Unix timestamp.",
        since: "1.2.0",
        args: &[Arg::key("key", 0), Arg::new("unix-time-seconds", ArgKind::UnixTime), CONDITION],
        ..TIMED
    },
    run: |cx, args| give_end(cx, args, Time { name: "expireat", unit_ms: 1000, absolute: true }),
    subcommands: &[],
};

const PEXPIREAT: Command = Command {
    spec: Spec {
        name: "pexpireat",
        summary: "Sets the expiration time of a key to a Unix milliseconds timestamp.",
        since: "2.6.0",
        args: &[Arg::key("key", 0), Arg::new("unix-time-milliseconds", ArgKind::UnixTime), CONDITION],
        ..TIMED
    },
    run: |cx, args| give_end(cx, args, Time { name: "pexpireat", unit_ms: 1, absolute: true }),
    subcommands: &[],
};

const PERSIST: Command = Command {
    spec: Spec {
        name: "persist",
        arity: 2,
        summary: "Removes the expiration time of a key.",
        since: "2.2.0",
        args: &[Arg::key("key", 0)],
        ..SPEC
    },
    run: persist,
    subcommands: &[],
};
fn persist(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let had_end = cx.lookup_write(key).is_some_and(|entry| entry.expires_at_ms().is_some());
    if had_end {
        cx.set_expiry(key, None);
        cx.wrote(key, Class::GENERIC, "persist");
    }
    cx.reply.integer(i64::from(had_end));
    Ok(())
}

/// How a command means its time.
#[derive(Clone, Copy)]
struct Time {
    /// The command, for its errors.
    name: &'static str,
    unit_ms: i64,
    /// Since 1970 rather than from now.
    absolute: bool,
}

impl Time {
    /// The time in ms since 1970 that an argument means.
    fn parse(self, text: &[u8], now_ms: i64) -> Result<i64, Fault> {
        let number = parse_i64(text).ok_or(NOT_INTEGER)?;
        number
            .checked_mul(self.unit_ms)
            .and_then(|ms| ms.checked_add(if self.absolute { 0 } else { now_ms }))
            .ok_or_else(|| Fault::text(format!("ERR invalid expire time in '{}' command", self.name)))
    }
}

fn give_end(cx: &mut Call<'_>, args: Args<'_>, time: Time) -> Outcome {
    let condition = Condition::parse(&args[3..])?;
    let at_ms = time.parse(args[2], cx.now_ms)?;
    let key = cx.key(args[1]);
    let holds = cx.lookup_write(key).is_some_and(|entry| condition.holds(entry.expires_at_ms(), at_ms));
    if holds {
        set_end(cx, key, at_ms);
    }
    cx.reply.integer(i64::from(holds));
    Ok(())
}

/// Gives a key that exists its end; one in the past is its end at once.
fn set_end(cx: &mut Keys<'_>, key: Key<'_>, at_ms: i64) {
    if at_ms <= cx.now_ms {
        cx.remove(key);
        cx.record(&[b"DEL", key.bytes()]);
        cx.wrote(key, Class::GENERIC, "del");
    } else {
        cx.set_expiry(key, Some(at_ms));
        cx.record(&[b"PEXPIREAT", key.bytes(), format_i64(at_ms, &mut [0; 20])]);
        cx.wrote(key, Class::GENERIC, "expire");
    }
}

/// Under which condition a new end is taken.
#[derive(Clone, Copy, Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn parse(words: Args<'_>) -> Result<Condition, Fault> {
        let mut condition = Condition::default();
        for word in words {
            let flag = match word.to_ascii_uppercase().as_slice() {
                b"NX" => &mut condition.nx,
                b"XX" => &mut condition.xx,
                b"GT" => &mut condition.gt,
                b"LT" => &mut condition.lt,
                _ => return Err(Fault::quoting("ERR Unsupported option ", word, "")),
            };
            *flag = true;
        }
        match condition {
            Condition { nx: true, xx, gt, lt } if xx || gt || lt => Err(NX_AMONG_OTHERS),
            Condition { gt: true, lt: true, .. } => Err(GT_WITH_LT),
            _ => Ok(condition),
        }
    }

    /// Whether it holds for a key whose end is `current_ms`. No end is later than any.
    fn holds(self, current_ms: Option<i64>, at_ms: i64) -> bool {
        !(self.nx && current_ms.is_some()
            || self.xx && current_ms.is_none()
            || self.gt && current_ms.is_none_or(|current| at_ms <= current)
            || self.lt && current_ms.is_some_and(|current| at_ms >= current))
    }
}
