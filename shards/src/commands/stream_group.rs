//! Consumer groups of streams: XGROUP, and how what happens to them is recorded.
use super::options::integer;
use super::stream::{INVALID_ID, STREAM, strict_id};
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, until_zero};
use crate::number::format_i64;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::Stream;
use crate::values::stream::{ConsumerId, Group, Id};

pub(super) const COMMANDS: &[Command] = &[XGROUP];

const KEY_MISSING: Fault = Fault::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);
const GROUP_EXISTS: Fault = Fault::new("BUSYGROUP Consumer Group name already exists");
const READ_NEGATIVE: Fault = Fault::new("ERR value for ENTRIESREAD must be positive or -1");

const XGROUP: Command = Command {
    spec: Spec {
        name: "xgroup",
        arity: -2,
        summary: "A container for commands about consumer groups.",
        complexity: "Depends on subcommand.",
        ..STREAM
    },
    run: |_, _| Err(Fault::arity("xgroup")),
    subcommands: &[CREATE, CREATECONSUMER, DELCONSUMER, DESTROY, HELP, SETID],
};

const GROUP: Arg = Arg::new("group", ArgKind::String);
const CONSUMER: Arg = Arg::new("consumer", ArgKind::String);
const WHERE: Arg =
    Arg::new("id-selector", ArgKind::OneOf(&[Arg::new("id", ArgKind::String), Arg::word("new-id", "$")]));
const ENTRIES_READ: Arg =
    Arg::new("entriesread", ArgKind::Integer).token("ENTRIESREAD").optional().display("entries-read");

const CREATE: Command = Command {
    spec: Spec {
        name: "xgroup|create",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2)],
        summary: "Makes a consumer group.",
        history: &[("7.0.0", "Takes the number of entries read.")],
        args: &[Arg::key("key", 0), GROUP, WHERE, Arg::word("mkstream", "MKSTREAM").optional(), ENTRIES_READ],
        ..STREAM
    },
    run: create,
    subcommands: &[],
};
fn create(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (is_mkstream, read) = options(args, true)?;
    let key = cx.key(args[2]);
    let last_id = cx.keys.to_write::<Stream>(key)?.map(|stream| stream.facts().last_id);
    if last_id.is_none() && !is_mkstream {
        return Err(KEY_MISSING);
    }
    let id = match args[4] {
        b"$" => last_id.unwrap_or(Id::MIN),
        text => strict_id(text)?,
    };
    if args.len() > 8 {
        return Err(unknown(args));
    }
    let added = cx
        .keys
        .alter_or_make(key, |stream: &mut Stream, _| stream.add_group(args[3], Group::new(id, read)))?;
    if last_id.is_none() {
        cx.changed(key);
    }
    if !added.value {
        return Err(GROUP_EXISTS);
    }
    cx.effects.dirty += 1;
    cx.notify(Class::STREAM, "xgroup-create", key);
    cx.reply.ok();
    Ok(())
}

const SETID: Command = Command {
    spec: Spec {
        name: "xgroup|setid",
        arity: -5,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 2)],
        summary: "Sets the last id that a consumer group has got.",
        history: &[("7.0.0", "Takes the number of entries read.")],
        args: &[Arg::key("key", 0), GROUP, WHERE, ENTRIES_READ],
        ..STREAM
    },
    run: set_id,
    subcommands: &[],
};
fn set_id(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (_, read) = options(args, false)?;
    let key = cx.key(args[2]);
    alter_group(cx, key, args, |group, last_id| {
        if args.len() != 5 && args.len() != 7 {
            return Err(unknown(args));
        }
        let id = match args[4] {
            b"$" => last_id,
            text => Id::parse(text, 0).ok_or(INVALID_ID)?,
        };
        (group.last_id, group.entries_read) = (id, read);
        Ok(())
    })??;
    cx.effects.dirty += 1;
    cx.notify(Class::STREAM, "xgroup-setid", key);
    cx.reply.ok();
    Ok(())
}

const DESTROY: Command = Command {
    spec: Spec {
        name: "xgroup|destroy",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 2)],
        summary: "Removes a consumer group.",
        complexity: "O(N), N being the number of entries pending in the group.",
        args: &[Arg::key("key", 0), GROUP],
        ..STREAM
    },
    run: destroy,
    subcommands: &[],
};
fn destroy(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| stream.remove_group(args[3]))?;
    let is_removed = altered.ok_or(KEY_MISSING)?.value;
    if is_removed {
        cx.effects.dirty += 1;
        cx.notify(Class::STREAM, "xgroup-destroy", key);
        cx.signal(key);
    }
    cx.reply.integer(i64::from(is_removed));
    Ok(())
}

const CREATECONSUMER: Command = Command {
    spec: Spec {
        name: "xgroup|createconsumer",
        arity: 5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2)],
        summary: "Makes a consumer in a consumer group.",
        since: "6.2.0",
        args: &[Arg::key("key", 0), GROUP, CONSUMER],
        ..STREAM
    },
    run: create_consumer,
    subcommands: &[],
};
fn create_consumer(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (key, now_ms) = (cx.key(args[2]), cx.now_ms);
    let is_made = alter_group(cx, key, args, |group, _| group.add_consumer(args[4], now_ms).is_some())?;
    if is_made {
        cx.effects.dirty += 1;
        cx.notify(Class::STREAM, "xgroup-createconsumer", key);
    }
    cx.reply.integer(i64::from(is_made));
    Ok(())
}

const DELCONSUMER: Command = Command {
    spec: Spec {
        name: "xgroup|delconsumer",
        arity: 5,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 2)],
        summary: "Removes a consumer from a consumer group, and what is pending with it.",
        args: &[Arg::key("key", 0), GROUP, CONSUMER],
        ..STREAM
    },
    run: delete_consumer,
    subcommands: &[],
};
fn delete_consumer(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    let pending = alter_group(cx, key, args, |group, _| group.remove_consumer(args[4]))?;
    if pending.is_some() {
        cx.effects.dirty += 1;
        cx.notify(Class::STREAM, "xgroup-delconsumer", key);
    }
    cx.reply.integer(pending.unwrap_or(0) as i64);
    Ok(())
}

const HELP: Command = Command {
    spec: Spec {
        name: "xgroup|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        ..STREAM
    },
    run: help,
    subcommands: &[],
};
fn help(cx: &mut Call<'_>, _: Args<'_>) -> Outcome {
    cx.reply.array(HELP_LINES.len());
    HELP_LINES.iter().for_each(|line| cx.reply.status(line));
    Ok(())
}

const HELP_LINES: &[&str] = &[
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Prints this help.",
];

/// Changes a group that has to be there; the change is told the stream's last id.
fn alter_group<T>(
    cx: &mut Call<'_>,
    key: Key<'_>,
    args: Args<'_>,
    change: impl FnOnce(&mut Group, Id) -> T,
) -> Result<T, Fault> {
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| {
        let last_id = stream.facts().last_id;
        stream.group_mut(args[3]).map(|group| change(group, last_id))
    })?;
    altered.ok_or(KEY_MISSING)?.value.ok_or_else(|| no_group_for_key(key.bytes(), args[3]))
}

/// Whether a stream is to be made, and how many entries the group has read.
fn options(args: Args<'_>, is_create: bool) -> Result<(bool, Option<i64>), Fault> {
    let (mut is_mkstream, mut read) = (false, None);
    let mut options = &args[5..];
    while let [word, rest @ ..] = options {
        if is_create && word.eq_ignore_ascii_case(b"MKSTREAM") {
            (is_mkstream, options) = (true, rest);
        } else if word.eq_ignore_ascii_case(b"ENTRIESREAD")
            && let [number, rest @ ..] = rest
        {
            read = match integer(number)? {
                -1 => None,
                ..-1 => return Err(READ_NEGATIVE),
                number => Some(number),
            };
            options = rest;
        } else {
            return Err(unknown(args));
        }
    }
    Ok((is_mkstream, read))
}

/// The arguments do not fit a subcommand.
pub(super) fn unknown(args: Args<'_>) -> Fault {
    let word = until_zero(args[1]);
    let container = String::from_utf8_lossy(args[0]).to_ascii_uppercase();
    Fault::quoting(
        "ERR unknown subcommand or wrong number of arguments for '",
        &word[..word.len().min(128)],
        &format!("'. Try {container} HELP."),
    )
}

/// There is no such key, or no such group of it.
pub(super) fn no_group(key: &[u8], group: &[u8], whence: &str) -> Fault {
    let text = [
        b"NOGROUP No such key '",
        until_zero(key),
        b"' or consumer group '",
        until_zero(group),
        b"'",
        whence.as_bytes(),
    ];
    Fault::text(text.concat())
}

/// The key is there, and has no such group.
pub(super) fn no_group_for_key(key: &[u8], group: &[u8]) -> Fault {
    let text: [&[u8]; 5] =
        [b"NOGROUP No such consumer group '", until_zero(group), b"' for key name '", until_zero(key), b"'"];
    Fault::text(text.concat())
}

/// The consumer that asks for something, made if it is new to the group; whether it was made.
pub(super) fn consumer_of(group: &mut Group, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
    let known = group.find(name);
    let consumer = known.or_else(|| group.add_consumer(name, now_ms));
    let consumer = consumer.expect("a name that is not known can be added");
    group.consumer_mut(consumer).seen_at_ms = now_ms;
    (consumer, known.is_none())
}

/// Records that a consumer was made.
pub(super) fn record_consumer(cx: &mut Keys<'_>, key: Key<'_>, group: &[u8], consumer: &[u8]) {
    cx.record(&[b"XGROUP", b"CREATECONSUMER", key.bytes(), group, consumer]);
}

/// Records how far a group has come.
pub(super) fn record_group(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    group: &[u8],
    last_id: Id,
    entries_read: Option<i64>,
) {
    let (mut id, mut digits) = ([0; 41], [0; 20]);
    cx.record(&[
        b"XGROUP",
        b"SETID",
        key.bytes(),
        group,
        last_id.text(&mut id),
        b"ENTRIESREAD",
        format_i64(entries_read.unwrap_or(-1), &mut digits),
    ]);
}

/// Records that an entry is pending with a consumer, delivered at a time so many times; and how far the group has come.
pub(super) fn claim_record(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    (group, consumer): (&[u8], &[u8]),
    id: Id,
    (delivered_at_ms, deliveries): (i64, i64),
    last_id: Id,
) {
    let (mut id_room, mut last_room) = ([0; 41], [0; 41]);
    let (mut time, mut count) = ([0; 20], [0; 20]);
    cx.record(&[
        b"XCLAIM",
        key.bytes(),
        group,
        consumer,
        b"0",
        id.text(&mut id_room),
        b"TIME",
        format_i64(delivered_at_ms, &mut time),
        b"RETRYCOUNT",
        format_i64(deliveries, &mut count),
        b"FORCE",
        b"JUSTID",
        b"LASTID",
        last_id.text(&mut last_room),
    ]);
}
