//! Strings that are numbers: INCR and its kin.
use super::options::integer;
use super::string::STRING;
use super::{Args, Command};
use crate::call::{Call, Expiry};
use crate::effects::Class;
use crate::extended::Extended;
use crate::fault::{Fault, NOT_FLOAT, Outcome};
use crate::keyspace::{StrRef, Value};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT];

/// What INCR, HINCRBY and their kin answer when 64 bits cannot hold the sum.
pub(super) const OVERFLOW: Fault = Fault::new("ERR increment or decrement would overflow");
const DECREMENT_OVERFLOW: Fault = Fault::new("ERR decrement would overflow");
/// What INCRBYFLOAT and HINCRBYFLOAT answer when the sum is no number.
pub(super) const SUM_NOT_FINITE: Fault = Fault::new("ERR increment would produce NaN or Infinity");

const INCR: Command = Command {
    spec: Spec {
        name: "incr",
        arity: 2,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds one to the integer that a key holds; a missing key counts as 0.",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: incr,
    subcommands: &[],
};
fn incr(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    add(cx, args[1], 1)
}

const DECR: Command = Command {
    spec: Spec {
        name: "decr",
        arity: 2,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Subtracts one from the integer that a key holds; a missing key counts as 0.",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: decr,
    subcommands: &[],
};
fn decr(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    add(cx, args[1], -1)
}

const INCRBY: Command = Command {
    spec: Spec {
        name: "incrby",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds to the integer that a key holds; a missing key counts as 0.",
        args: &[Arg::key("key", 0), Arg::new("increment", ArgKind::Integer)],
        ..STRING
    },
    run: incrby,
    subcommands: &[],
};
fn incrby(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    add(cx, args[1], integer(args[2])?)
}

const DECRBY: Command = Command {
    spec: Spec {
        name: "decrby",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Subtracts from the integer that a key holds; a missing key counts as 0.",
        args: &[Arg::key("key", 0), Arg::new("decrement", ArgKind::Integer)],
        ..STRING
    },
    run: decrby,
    subcommands: &[],
};
fn decrby(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    add(cx, args[1], integer(args[2])?.checked_neg().ok_or(DECREMENT_OVERFLOW)?)
}

#[inline]
fn add(cx: &mut Call<'_>, key: &[u8], by: i64) -> Outcome {
    let key = cx.key(key);
    let old = match cx.string_to_write(key)? {
        None => None,
        Some(StrRef::Int(value)) => Some(value),
        Some(StrRef::Bytes(text)) => Some(integer(text)?),
    };
    let new = old.unwrap_or(0).checked_add(by).ok_or(OVERFLOW)?;
    match old {
        Some(_) => cx.update(key, Value::Int(new)),
        None => drop(cx.set(key, Value::Int(new), Expiry::None)),
    }
    cx.wrote(key, Class::STRING, "incrby");
    cx.reply.integer(new);
    Ok(())
}

const INCRBYFLOAT: Command = Command {
    spec: Spec {
        name: "incrbyfloat",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds to the number that a key holds; a missing key counts as 0.",
        since: "2.6.0",
        args: &[Arg::key("key", 0), Arg::new("increment", ArgKind::Double)],
        ..STRING
    },
    run: incrbyfloat,
    subcommands: &[],
};
fn incrbyfloat(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let old = match cx.string_to_write(key)? {
        None => Extended::ZERO,
        Some(value) => Extended::parse(value.bytes(&mut [0; 20])).ok_or(NOT_FLOAT)?,
    };
    let by = Extended::parse(args[2]).ok_or(NOT_FLOAT)?;
    let new = old.checked_add(by).ok_or(SUM_NOT_FINITE)?.format();
    // Bytes even where they are an integer's: Redis keeps such a sum as a string, too.
    cx.set(key, Value::Bytes(new.as_bytes()), Expiry::Keep);
    cx.wrote(key, Class::STRING, "incrbyfloat");
    // Not the increment: who replays this may add with other rounding.
    cx.record(&[b"SET", key.bytes(), new.as_bytes(), b"KEEPTTL"]);
    cx.reply.bulk(new.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("INCR n", ":1", "1: new n, incrby n; INCR n"),
            ("DECRBY n 4", ":-3", "1: incrby n; DECRBY n 4"),
            ("INCRBYFLOAT n 1.50", "\"-1.5\"", "1: incrbyfloat n; SET n -1.5 KEEPTTL"),
            ("INCRBY n 1", "-ERR value is not an integer or out of range", "0: ; "),
            ("INCRBYFLOAT n inf", "-ERR increment would produce NaN or Infinity", "0: ; "),
            ("INCRBYFLOAT n 1e-5000", "-ERR value is not a valid float", "0: ; "),
        ]);
    }

    #[test]
    fn an_expired_counter_begins_anew_and_the_command_is_recorded_all_the_same() {
        let mut world = World::new();
        world.run("SET n 5 PX 10");
        world.sleep_ms(5);
        assert_eq!(world.run("INCR n"), ":6");
        world.sleep_ms(6);
        assert_eq!(world.run("INCR n"), ":1");
        assert_eq!(world.effects(), "1: expired n, new n, incrby n; DEL n, INCR n");
    }
}
