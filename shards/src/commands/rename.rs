//! Keys that go elsewhere, value, expiry and all: RENAME, RENAMENX, COPY and MOVE.
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{DB_RANGE, Fault, NO_SUCH_KEY, NOT_INTEGER, Outcome, SYNTAX};
use crate::keyspace::access;
use crate::number::parse_i64;
use crate::spec::{Arg, ArgKind, Categories, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[RENAME, RENAMENX, COPY, MOVE];

const SAME: Fault = Fault::new("ERR source and destination objects are the same");
const DB_INTEGER_RANGE: Fault =
    Fault::new("ERR value is out of range, value must between -2147483648 and 2147483647");

const SOURCE: KeySpec = KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1);
const GENERIC: Spec = Spec {
    acl: Categories::KEYSPACE,
    group: Group::Generic,
    complexity: "O(1)",
    args: &[Arg::key("key", 0), Arg::key("newkey", 1)],
    ..Spec::DEFAULT
};

const RENAME: Command = Command {
    spec: Spec {
        name: "rename",
        arity: 3,
        flags: Flags::WRITE,
        keys: &[SOURCE, KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 2)],
        summary: "Renames a key and overwrites the destination.",
        ..GENERIC
    },
    run: rename,
    subcommands: &[],
};
fn rename(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    go_by_another_name(cx, args, true)?;
    cx.reply.ok();
    Ok(())
}

const RENAMENX: Command = Command {
    spec: Spec {
        name: "renamenx",
        arity: 3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[SOURCE, KeySpec::one(KeyFlags::OW.and(KeyFlags::INSERT), 2)],
        summary: "Renames a key only when the target key name doesn't exist.",
        history: &[("3.2.0", "The same name twice is no error any more.")],
        ..GENERIC
    },
    run: renamenx,
    subcommands: &[],
};
fn renamenx(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let renamed = go_by_another_name(cx, args, false)?;
    cx.reply.integer(i64::from(renamed));
    Ok(())
}

/// Gives what one key holds to another, over what that holds if `over`; whether it was done.
fn go_by_another_name(cx: &mut Call<'_>, args: Args<'_>, over: bool) -> Result<bool, Fault> {
    let (from, to) = (cx.key(args[1]), cx.key(args[2]));
    cx.lookup_write(from).ok_or(NO_SUCH_KEY)?;
    if from.bytes() == to.bytes() {
        return Ok(false);
    }
    if cx.exists(to) {
        if !over {
            return Ok(false);
        }
        cx.remove(to);
    }
    carry(cx, from, to, ("rename_from", "rename_to"));
    Ok(true)
}

/// Takes what `from` holds, which exists, to `to`, which does not.
fn carry(cx: &mut Keys<'_>, from: Key<'_>, to: Key<'_>, events: (&'static str, &'static str)) {
    let entry = cx.take(from).expect("looked up before");
    cx.put(to, entry);
    cx.changed(from);
    cx.notify(Class::GENERIC, events.0, from);
    cx.wrote(to, Class::GENERIC, events.1);
}

const COPY: Command = Command {
    spec: Spec {
        name: "copy",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[
            KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1),
            KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 2),
        ],
        summary: "Copies the value of a key to a new key.",
        since: "6.2.0",
        complexity: "O(1) for strings, O(N) for collections of N elements.",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::new("destination-db", ArgKind::Integer).token("DB").optional(),
            Arg::word("replace", "REPLACE").optional(),
        ],
        ..GENERIC
    },
    run: copy,
    subcommands: &[],
};
fn copy(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (db, replace) = copy_options(cx, &args[3..])?;
    let (from, to) = (cx.key(args[1]), cx.key_in(db, args[2]));
    if from.db == to.db && from.bytes() == to.bytes() {
        return Err(SAME);
    }
    let copied = copy_entry(cx, from, to, replace);
    cx.reply.integer(i64::from(copied));
    Ok(())
}

/// The database to copy into and whether a key there may be overwritten.
fn copy_options(cx: &Keys<'_>, mut options: Args<'_>) -> Result<(u16, bool), Fault> {
    let (mut db, mut replace) = (cx.db, false);
    loop {
        match options {
            [] => return Ok((db, replace)),
            [word, rest @ ..] if word.eq_ignore_ascii_case(b"REPLACE") => (replace, options) = (true, rest),
            [word, number, rest @ ..] if word.eq_ignore_ascii_case(b"DB") => {
                (db, options) = (parse_db(cx, number)?, rest);
            }
            _ => return Err(SYNTAX),
        }
    }
}

fn copy_entry(cx: &mut Keys<'_>, from: Key<'_>, to: Key<'_>, replace: bool) -> bool {
    if cx.lookup_read(from).is_none() || (cx.exists(to) && !replace) {
        return false;
    }
    let lru = access::fresh(cx.now_ms, cx.settings);
    let entry = cx.lookup(from).expect("looked up above").copy(to.bytes(), lru);
    cx.remove(to);
    cx.put(to, entry);
    cx.wrote(to, Class::GENERIC, "copy_to");
    true
}

const MOVE: Command = Command {
    spec: Spec {
        name: "move",
        arity: 3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Moves a key to another database.",
        args: &[Arg::key("key", 0), Arg::new("db", ArgKind::Integer)],
        ..GENERIC
    },
    run: move_key,
    subcommands: &[],
};
fn move_key(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let db = parse_db(cx, args[2])?;
    let (from, to) = (cx.key(args[1]), cx.key_in(db, args[1]));
    if from.db == to.db {
        return Err(SAME);
    }
    let moves = cx.lookup_write(from).is_some() && !cx.exists(to);
    if moves {
        carry(cx, from, to, ("move_from", "move_to"));
    }
    cx.reply.integer(i64::from(moves));
    Ok(())
}

/// The database that an argument names.
fn parse_db(cx: &Keys<'_>, text: &[u8]) -> Result<u16, Fault> {
    let number = parse_i64(text).ok_or(NOT_INTEGER)?;
    if i32::try_from(number).is_err() {
        return Err(DB_INTEGER_RANGE);
    }
    u16::try_from(number).ok().filter(|db| *db < cx.settings.databases).ok_or(DB_RANGE)
}
