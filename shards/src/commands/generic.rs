//! Keys as such, whatever they hold: DEL, UNLINK, EXISTS, TOUCH and TYPE.
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::effects::Class;
use crate::fault::Outcome;
use crate::spec::{Arg, Categories, Flags, Group, KeyFlags, KeySpec, Merge, Span, Spec};

pub(super) const COMMANDS: &[Command] = &[DEL, UNLINK, EXISTS, TOUCH, TYPE];

/// What these commands have in common: any number of keys, each for itself, and a count as reply.
const COUNTED: Spec = Spec {
    arity: -2,
    acl: Categories::KEYSPACE,
    keys: &[KeySpec::rest(KeyFlags::RO, 1, 1)],
    span: Span::FanOut(Merge::Sum),
    group: Group::Generic,
    complexity: "O(N) where N is the number of keys.",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    args: &[Arg::key("key", 0).multiple()],
    ..Spec::DEFAULT
};
const REMOVED: &[KeySpec] = &[KeySpec::rest(KeyFlags::RM.and(KeyFlags::DELETE), 1, 1)];

const DEL: Command = Command {
    spec: Spec {
        name: "del",
        flags: Flags::WRITE,
        keys: REMOVED,
        summary: "Deletes one or more keys.",
        complexity: "O(N) where N is the number of keys; O(M) more for each that holds M elements.",
        ..COUNTED
    },
    run: del,
    subcommands: &[],
};
const UNLINK: Command = Command {
    spec: Spec {
        name: "unlink",
        flags: Flags::WRITE.and(Flags::FAST),
        keys: REMOVED,
        summary: "Asynchronously deletes one or more keys.",
        since: "4.0.0",
        ..COUNTED
    },
    run: del,
    subcommands: &[],
};
fn del(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    count(cx, args, |cx, key| {
        let removed = cx.remove(key);
        if removed {
            cx.wrote(key, Class::GENERIC, "del");
        }
        removed
    })
}

const EXISTS: Command = Command {
    spec: Spec {
        name: "exists",
        flags: Flags::READ.and(Flags::FAST),
        summary: "Determines whether one or more keys exist.",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        ..COUNTED
    },
    run: exists,
    subcommands: &[],
};
fn exists(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    count(cx, args, |cx, key| cx.lookup_about(key).is_some())
}

const TOUCH: Command = Command {
    spec: Spec {
        name: "touch",
        flags: Flags::READ.and(Flags::FAST),
        summary: "Marks keys as used now; returns how many of them exist.",
        since: "3.2.1",
        ..COUNTED
    },
    run: touch,
    subcommands: &[],
};
fn touch(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    count(cx, args, |cx, key| cx.lookup_read(key).is_some())
}

const TYPE: Command = Command {
    spec: Spec {
        name: "type",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        acl: Categories::KEYSPACE,
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        group: Group::Generic,
        summary: "Determines the type of value stored at a key.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0)],
        ..Spec::DEFAULT
    },
    run: type_name,
    subcommands: &[],
};
fn type_name(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let name = cx.lookup_about(key).map_or("none", |entry| entry.type_name());
    cx.reply.status(name);
    Ok(())
}

/// Replies for how many of the keys `holds`.
fn count(
    cx: &mut Call<'_>,
    args: Args<'_>,
    mut holds: impl FnMut(&mut Call<'_>, Key<'_>) -> bool,
) -> Outcome {
    let mut number = 0;
    for bytes in &args[1..] {
        let key = cx.key(bytes);
        number += i64::from(holds(cx, key));
    }
    cx.reply.integer(number);
    Ok(())
}
