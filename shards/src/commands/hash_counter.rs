//! Fields of hashes that are numbers: HINCRBY and HINCRBYFLOAT.
use super::counter::{OVERFLOW, SUM_NOT_FINITE};
use super::hash::HASH;
use super::hash_access::alter_or_make;
use super::options::integer;
use super::{Args, Command};
use crate::call::Call;
use crate::effects::Class;
use crate::extended::Extended;
use crate::fault::{Fault, NOT_FLOAT, Outcome};
use crate::keyspace::StrRef;
use crate::number::{format_i64, parse_i64};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[HINCRBY, HINCRBYFLOAT];

const VALUE_NOT_INTEGER: Fault = Fault::new("ERR hash value is not an integer");
const VALUE_NOT_FLOAT: Fault = Fault::new("ERR hash value is not a float");
const NOT_FINITE: Fault = Fault::new("ERR value is NaN or Infinity");

const HINCRBY: Command = Command {
    spec: Spec {
        name: "hincrby",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds to the integer in a field of a hash; a missing field counts as 0.",
        complexity: "O(1)",
        args: &[
            Arg::key("key", 0),
            Arg::new("field", ArgKind::String),
            Arg::new("increment", ArgKind::Integer),
        ],
        ..HASH
    },
    run: hincrby,
    subcommands: &[],
};
fn hincrby(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let by = integer(args[3])?;
    let (key, field) = (cx.key(args[1]), args[2]);
    let sum = alter_or_make(cx, key, &[field], |hash, hand| {
        let old = match hash.get(field, hand.now_ms) {
            None => 0,
            Some(StrRef::Int(value)) => value,
            Some(StrRef::Bytes(text)) => parse_i64(text).ok_or(VALUE_NOT_INTEGER)?,
        };
        let sum = old.checked_add(by).ok_or(OVERFLOW)?;
        hash.set(field, format_i64(sum, &mut [0; 20]), true, hand.settings);
        Ok::<_, Fault>(sum)
    })?;
    let sum = sum.value?;
    cx.wrote(key, Class::HASH, "hincrby");
    cx.reply.integer(sum);
    Ok(())
}

const HINCRBYFLOAT: Command = Command {
    spec: Spec {
        name: "hincrbyfloat",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Adds to the number in a field of a hash; a missing field counts as 0.",
        since: "2.6.0",
        complexity: "O(1)",
        args: &[
            Arg::key("key", 0),
            Arg::new("field", ArgKind::String),
            Arg::new("increment", ArgKind::Double),
        ],
        ..HASH
    },
    run: hincrbyfloat,
    subcommands: &[],
};
fn hincrbyfloat(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let by = Extended::parse(args[3]).ok_or(NOT_FLOAT)?;
    if !by.is_finite() {
        return Err(NOT_FINITE);
    }
    let (key, field) = (cx.key(args[1]), args[2]);
    let altered = alter_or_make(cx, key, &[field], |hash, hand| {
        let old = match hash.get(field, hand.now_ms) {
            None => Extended::ZERO,
            Some(value) => Extended::parse(value.bytes(&mut [0; 20])).ok_or(VALUE_NOT_FLOAT)?,
        };
        let sum = old.checked_add(by).ok_or(SUM_NOT_FINITE)?.format();
        hash.set(field, sum.as_bytes(), true, hand.settings);
        let expires = hash.find(field).is_some_and(|pair| pair.expires_at_ms.is_some());
        Ok::<_, Fault>((sum, expires))
    })?;
    let (sum, expires) = altered.value?;
    cx.wrote(key, Class::HASH, "hincrbyfloat");
    // Not the increment: who replays this may add with other rounding.
    if expires {
        cx.record(&[b"HSETEX", key.bytes(), b"KEEPTTL", b"FIELDS", b"1", field, sum.as_bytes()]);
    } else {
        cx.record(&[b"HSET", key.bytes(), field, sum.as_bytes()]);
    }
    cx.reply.bulk(sum.as_bytes());
    Ok(())
}
