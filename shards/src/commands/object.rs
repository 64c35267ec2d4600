//! OBJECT: how a value is kept and used.
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, Outcome};
use crate::keyspace::access;
use crate::spec::{Arg, Categories, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[OBJECT];

const NO_IDLE_TIME: Fault = Fault::new(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies \
     at runtime LRU and LFU data will take some time to adjust.",
);
const NO_FREQUENCY: Fault = Fault::new(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.",
);

const OBJECT: Command = Command {
    spec: Spec {
        name: "object",
        arity: -2,
        group: Group::Generic,
        summary: "A container for object introspection commands.",
        since: "2.2.3",
        complexity: "Depends on subcommand.",
        ..Spec::DEFAULT
    },
    run: |_, _| Err(Fault::arity("object")),
    subcommands: &[ENCODING, FREQ, HELP, IDLETIME, REFCOUNT],
};

const ABOUT_KEY: Spec = Spec {
    arity: 3,
    flags: Flags::READ,
    acl: Categories::KEYSPACE,
    keys: &[KeySpec::one(KeyFlags::RO, 2)],
    group: Group::Generic,
    since: "2.2.3",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key", 0)],
    ..Spec::DEFAULT
};

const ENCODING: Command = Command {
    spec: Spec {
        name: "object|encoding",
        summary: "Returns the internal encoding of an object.",
        ..ABOUT_KEY
    },
    run: encoding,
    subcommands: &[],
};
fn encoding(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    match cx.keys.lookup_object(key) {
        Some(entry) => cx.reply.bulk(entry.encoding().as_bytes()),
        None => cx.reply.null(),
    }
    Ok(())
}

const FREQ: Command = Command {
    spec: Spec {
        name: "object|freq",
        summary: "Returns the logarithmic access frequency counter of an object.",
        since: "4.0.0",
        ..ABOUT_KEY
    },
    run: freq,
    subcommands: &[],
};
fn freq(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let Some(lru) = lru_of(cx, args[2]) else { return Ok(()) };
    if !cx.settings.lfu {
        return Err(NO_FREQUENCY);
    }
    let frequency = access::frequency(lru, cx.now_ms, cx.settings);
    cx.reply.integer(i64::from(frequency));
    Ok(())
}

const IDLETIME: Command = Command {
    spec: Spec {
        name: "object|idletime",
        summary: "Returns the time since the last access to an object.",
        ..ABOUT_KEY
    },
    run: idletime,
    subcommands: &[],
};
fn idletime(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let Some(lru) = lru_of(cx, args[2]) else { return Ok(()) };
    if cx.settings.lfu {
        return Err(NO_IDLE_TIME);
    }
    let seconds = access::idle_seconds(lru, cx.now_ms);
    cx.reply.integer(seconds);
    Ok(())
}

/// The LRU or LFU bits of a key; for a key that is not there the reply is nothing.
fn lru_of(cx: &mut Call<'_>, key: &[u8]) -> Option<u32> {
    let key = cx.key(key);
    let lru = cx.lookup_object(key).map(|entry| entry.lru());
    if lru.is_none() {
        cx.reply.null();
    }
    lru
}

const REFCOUNT: Command = Command {
    spec: Spec {
        name: "object|refcount",
        summary: "Returns the reference count of a value of a key.",
        ..ABOUT_KEY
    },
    run: refcount,
    subcommands: &[],
};
fn refcount(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    // An entry has one owner, its table.
    match cx.lookup_object(key).is_some() {
        true => cx.reply.integer(1),
        false => cx.reply.null(),
    }
    Ok(())
}

const HELP: Command = Command {
    spec: Spec {
        name: "object|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::KEYSPACE,
        group: Group::Generic,
        summary: "Returns helpful text about the different subcommands.",
        since: "6.2.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
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
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];
