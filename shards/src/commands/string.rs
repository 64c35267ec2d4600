//! Strings as wholes: GET, SET and their kin.
use super::options::{EXPIRATION_OR_KEEP, EXPIRATION_OR_PERSIST, Lifetime, Word};
use super::string_conditions::{Comparison, When};
use super::{Args, Command};
use crate::call::{Call, Expiry, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::{StrRef, Value};
use crate::number::format_i64;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[GET, SET, SETNX, SETEX, PSETEX, GETSET, GETEX, GETDEL];

/// What most commands on strings have in common.
pub(super) const STRING: Spec = Spec { group: Group::String, complexity: "O(1)", ..Spec::DEFAULT };

const GET: Command = Command {
    spec: Spec {
        name: "get",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the string value of a key.",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: get,
    subcommands: &[],
};
fn get(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    reply_value(cx, key).map(drop)
}

/// Replies with the string that a key holds, or with nothing; whether it holds one.
#[inline]
fn reply_value(cx: &mut Call<'_>, key: Key<'_>) -> Result<bool, Fault> {
    let Some(value) = cx.keys.read_string(key)? else {
        cx.reply.null();
        return Ok(false);
    };
    match value {
        StrRef::Bytes(bytes) => cx.reply.bulk(bytes),
        StrRef::Int(value) => cx.reply.bulk_integer(value),
    }
    Ok(true)
}

const SET: Command = Command {
    spec: Spec {
        name: "set",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(
            KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE).and(KeyFlags::VARIABLE_FLAGS),
            1,
        )
        .noted("RW and ACCESS due to the optional `GET` argument")],
        summary: "Sets a key to a string, whatever it held before, on conditions and with an expiry if wanted.",
        history: &[
            ("2.6.12", "The words `EX`, `PX`, `NX` and `XX`."),
            ("6.0.0", "The word `KEEPTTL`."),
            ("6.2.0", "The words `GET`, `EXAT` and `PXAT`."),
            ("7.0.0", "`NX` and `GET` go together."),
            ("8.4.0", "The words `IFEQ`, `IFNE`, `IFDEQ` and `IFDNE`."),
        ],
        args: &[
            Arg::key("key", 0),
            Arg::new("value", ArgKind::String),
            Arg::new(
                "condition",
                ArgKind::OneOf(&[
                    Arg::word("nx", "NX").since("2.6.12"),
                    Arg::word("xx", "XX").since("2.6.12"),
                    Arg::new("ifeq-value", ArgKind::String).token("IFEQ").since("8.4.0"),
                    Arg::new("ifne-value", ArgKind::String).token("IFNE").since("8.4.0"),
                    Arg::new("ifdeq-digest", ArgKind::String).token("IFDEQ").since("8.4.0"),
                    Arg::new("ifdne-digest", ArgKind::String).token("IFDNE").since("8.4.0"),
                ]),
            )
            .optional(),
            Arg::word("get", "GET").since("6.2.0").optional(),
            EXPIRATION_OR_KEEP,
        ],
        ..STRING
    },
    run: set,
    subcommands: &[],
};
fn set(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    if let [_, key, value] = *args {
        let key = cx.key(key);
        cx.set(key, Value::from_client(value), Expiry::None);
        cx.wrote(key, Class::STRING, "set");
        cx.reply.ok();
        return Ok(());
    }
    set_with_words(cx, args)
}

fn set_with_words(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let words = SetWords::read(&args[3..])?;
    let expiry = words.lifetime.expiry(cx.now_ms, "set")?;
    let key = cx.key(args[1]);
    if words.get {
        reply_value(cx, key)?;
    }
    if !words.when.holds(cx, key)? {
        if !words.get {
            cx.reply.null();
        }
        return Ok(());
    }
    store(cx, key, args[2], expiry);
    if !words.get {
        cx.reply.ok();
    }
    Ok(())
}

/// Gives a key a value and an expiry, and records that; a key whose time has already passed goes away instead.
fn store(cx: &mut Call<'_>, key: Key<'_>, value: &[u8], expiry: Expiry) {
    if let Expiry::At(at) = expiry
        && at <= cx.now_ms
    {
        delete(cx, key);
        return;
    }
    cx.set(key, Value::from_client(value), expiry);
    cx.wrote(key, Class::STRING, "set");
    match expiry {
        Expiry::None => cx.record(&[b"SET", key.bytes(), value]),
        Expiry::Keep => cx.record(&[b"SET", key.bytes(), value, b"KEEPTTL"]),
        Expiry::At(at) => {
            cx.notify(Class::GENERIC, "expire", key);
            cx.record(&[b"SET", key.bytes(), value, b"PXAT", format_i64(at, &mut [0; 20])]);
        }
    }
}

/// Removes a key, if it is there, and records that; whether it was there.
pub(super) fn delete(cx: &mut Call<'_>, key: Key<'_>) -> bool {
    let existed = cx.remove(key);
    if existed {
        cx.wrote(key, Class::GENERIC, "del");
        cx.record(&[b"DEL", key.bytes()]);
    }
    existed
}

/// The words behind SET's key and value.
struct SetWords<'a> {
    when: When<'a>,
    get: bool,
    lifetime: Lifetime<'a>,
}

impl<'a> SetWords<'a> {
    fn read(mut args: &[&'a [u8]]) -> Result<SetWords<'a>, Fault> {
        let mut words = SetWords { when: When::Always, get: false, lifetime: Lifetime::default() };
        while !args.is_empty() {
            let mut taken = words.lifetime.take(args, &[Word::KeepTtl])?;
            if taken == 0 && args[0].eq_ignore_ascii_case(b"GET") {
                words.get = true;
                taken = 1;
            }
            if taken == 0 {
                taken = words.take_when(args)?;
            }
            args = &args[taken..];
        }
        Ok(words)
    }

    fn take_when(&mut self, args: &[&'a [u8]]) -> Result<usize, Fault> {
        let is = |word: &str| args[0].eq_ignore_ascii_case(word.as_bytes());
        let (when, taken) = if is("NX") {
            (When::Missing, 1)
        } else if is("XX") {
            (When::Present, 1)
        } else {
            let operand = args.get(1).copied().ok_or(SYNTAX)?;
            (When::Compared(Comparison::named(args[0], operand).ok_or(SYNTAX)?), 2)
        };
        // The same condition may be told twice, two different ones may not.
        if self.when != When::Always && self.when.is_other_than(when) {
            return Err(SYNTAX);
        }
        self.when = when;
        Ok(taken)
    }
}

const SETNX: Command = Command {
    spec: Spec {
        name: "setnx",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::OW.and(KeyFlags::INSERT), 1)],
        summary: "Sets a key to a string if the key is missing.",
        args: &[Arg::key("key", 0), Arg::new("value", ArgKind::String)],
        deprecated: Some(("2.6.12", "`SET` with the `NX` argument")),
        ..STRING
    },
    run: setnx,
    subcommands: &[],
};
fn setnx(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let missing = !cx.exists(key);
    if missing {
        cx.set(key, Value::from_client(args[2]), Expiry::None);
        cx.wrote(key, Class::STRING, "set");
    }
    cx.reply.integer(i64::from(missing));
    Ok(())
}

const SETEX: Command = Command {
    spec: Spec {
        name: "setex",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets a key to a string that expires in so many seconds.",
        since: "2.0.0",
        args: &[
            Arg::key("key", 0),
            Arg::new("seconds", ArgKind::Integer),
            Arg::new("value", ArgKind::String),
        ],
        deprecated: Some(("2.6.12", "`SET` with the `EX` argument")),
        ..STRING
    },
    run: setex,
    subcommands: &[],
};
fn setex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    set_for(cx, args, Word::Ex, "setex")
}

const PSETEX: Command = Command {
    spec: Spec {
        name: "psetex",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1)],
        summary: "Sets a key to a string that expires in so many milliseconds.",
        since: "2.6.0",
        args: &[
            Arg::key("key", 0),
            Arg::new("milliseconds", ArgKind::Integer),
            Arg::new("value", ArgKind::String),
        ],
        deprecated: Some(("2.6.12", "`SET` with the `PX` argument")),
        ..STRING
    },
    run: psetex,
    subcommands: &[],
};
fn psetex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    set_for(cx, args, Word::Px, "psetex")
}

fn set_for(cx: &mut Call<'_>, args: Args<'_>, unit: Word, command: &str) -> Outcome {
    let expiry = Lifetime::new(unit, args[2]).expiry(cx.now_ms, command)?;
    let key = cx.key(args[1]);
    store(cx, key, args[3], expiry);
    cx.reply.ok();
    Ok(())
}

const GETSET: Command = Command {
    spec: Spec {
        name: "getset",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Sets a key to a new string and returns the one it had.",
        args: &[Arg::key("key", 0), Arg::new("value", ArgKind::String)],
        deprecated: Some(("6.2.0", "`SET` with the `!GET` argument")),
        ..STRING
    },
    run: getset,
    subcommands: &[],
};
fn getset(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    reply_value(cx, key)?;
    store(cx, key, args[2], Expiry::None);
    Ok(())
}

const GETEX: Command = Command {
    spec: Spec {
        name: "getex",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)
            .noted("RW and UPDATE because the expiry may change")],
        summary: "Returns the string value of a key and changes its expiry.",
        since: "6.2.0",
        args: &[Arg::key("key", 0), EXPIRATION_OR_PERSIST],
        ..STRING
    },
    run: getex,
    subcommands: &[],
};
fn getex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let mut lifetime = Lifetime::default();
    let mut rest = &args[2..];
    while !rest.is_empty() {
        match lifetime.take(rest, &[Word::Persist])? {
            0 => return Err(SYNTAX),
            taken => rest = &rest[taken..],
        }
    }
    let key = cx.key(args[1]);
    // A key that is missing is none the wiser about a time that is invalid.
    if !reply_value(cx, key)? {
        return Ok(());
    }
    match lifetime.expiry(cx.now_ms, "getex")? {
        Expiry::At(at) if at <= cx.now_ms => drop(delete(cx, key)),
        Expiry::At(at) => {
            cx.set_expiry(key, Some(at));
            cx.wrote(key, Class::GENERIC, "expire");
            cx.record(&[b"PEXPIREAT", key.bytes(), format_i64(at, &mut [0; 20])]);
        }
        _ if lifetime.word == Some(Word::Persist) => persist(cx, key),
        _ => {}
    }
    Ok(())
}

fn persist(cx: &mut Call<'_>, key: Key<'_>) {
    if cx.lookup(key).is_some_and(|entry| entry.expires_at_ms().is_some()) {
        cx.set_expiry(key, None);
        cx.wrote(key, Class::GENERIC, "persist");
        cx.record(&[b"PERSIST", key.bytes()]);
    }
}

const GETDEL: Command = Command {
    spec: Spec {
        name: "getdel",
        arity: 2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1)],
        summary: "Returns the string value of a key and deletes the key.",
        since: "6.2.0",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: getdel,
    subcommands: &[],
};
fn getdel(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    if reply_value(cx, key)? {
        delete(cx, key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::{START_MS, World};

    #[test]
    fn set_tells_and_records_what_redis_does() {
        let mut world = World::new();
        world.play(&[
            ("SET k v", "+OK", "1: new k, set k; SET k v"),
            ("SET k 1 EX 100", "+OK", "1: set k, expire k; SET k 1 PXAT 1700000100000"),
            ("SET k 2 KEEPTTL GET", "\"1\"", "1: set k; SET k 2 KEEPTTL"),
            ("SET k 3 NX GET", "\"2\"", "0: ; "),
            ("SET k 3 XX EXAT 4102444800", "+OK", "1: set k, expire k; SET k 3 PXAT 4102444800000"),
            ("SET k 4 IFEQ 3", "+OK", "1: set k; SET k 4"),
            ("SET k 5 IFNE 4", "(nil)", "0: ; "),
            ("SET missing 5 IFNE 4", "+OK", "1: new missing, set missing; SET missing 5"),
            ("SETNX k 6", ":0", "0: ; "),
            ("SETNX n 6", ":1", "1: new n, set n; SETNX n 6"),
            ("GETSET k 7", "\"4\"", "1: set k; SET k 7"),
            ("PSETEX k 5 v", "+OK", "1: set k, expire k; SET k v PXAT 1700000000005"),
        ]);
        world.sleep_ms(10);
        assert_eq!(world.run("SET k v"), "+OK");
        assert_eq!(world.effects(), "1: expired k, new k, set k; DEL k, SET k v");
    }

    #[test]
    fn a_time_that_has_passed_deletes() {
        let mut world = World::new();
        world.run("SET k v");
        assert_eq!(world.run(&format!("SET k w GET PXAT {START_MS}")), "\"v\"");
        assert_eq!(world.effects(), "1: del k; DEL k");
        assert_eq!(world.run("SET k w PXAT 1"), "+OK");
        assert_eq!(world.effects(), "0: ; ");
        assert_eq!(world.run("GET k"), "(nil)");
        world.run("SET k v");
        assert_eq!(world.run("GETEX k EXAT 1"), "\"v\"");
        assert_eq!(world.effects(), "1: del k; DEL k");
    }

    #[test]
    fn getex_and_getdel_record_what_redis_does() {
        let mut world = World::new();
        world.run("SET k v");
        for (line, effects) in [
            ("GETEX k", "0: ; "),
            ("GETEX k EX 1", "1: expire k; PEXPIREAT k 1700000001000"),
            ("GETEX k PERSIST", "1: persist k; PERSIST k"),
            ("GETEX k PERSIST", "0: ; "),
            ("GETDEL k", "1: del k; DEL k"),
        ] {
            assert_eq!(
                (world.run(line), world.effects()),
                ("\"v\"".to_owned(), effects.to_owned()),
                "{line}"
            );
        }
        assert_eq!(world.run("GETDEL k"), "(nil)");
        world.run("SET k 10");
        assert_eq!((world.run("DELIFEQ k 010"), world.run("DELIFEQ k 10")), (":0".into(), ":1".into()));
        assert_eq!(world.effects(), "1: del k; DEL k");
    }
}
