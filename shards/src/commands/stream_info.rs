//! What streams, their groups and consumers are like: XINFO.
use super::options::integer;
use super::stream::{STREAM, reply_id, reply_next, reply_walk};
use super::stream_group::{no_group_for_key, unknown};
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, NO_SUCH_KEY, Outcome};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::stream::{Group, Id, Pending};
use crate::values::{Kind, Stream};

pub(super) const COMMANDS: &[Command] = &[XINFO];

/// How many entries of each sort XINFO STREAM FULL shows if it is not told.
const SHOWN_DEFAULT: u64 = 10;

const XINFO: Command = Command {
    spec: Spec {
        name: "xinfo",
        arity: -2,
        summary: "A container for commands that tell about streams.",
        complexity: "Depends on subcommand.",
        ..STREAM
    },
    run: |_, _| Err(Fault::arity("xinfo")),
    subcommands: &[CONSUMERS, GROUPS, HELP, STREAM_INFO],
};

const INFO: Spec =
    Spec { flags: Flags::READ, keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 2)], ..STREAM };

const CONSUMERS: Command = Command {
    spec: Spec {
        name: "xinfo|consumers",
        arity: 4,
        summary: "Tells about the consumers of a consumer group.",
        history: &[("7.2.0", "Tells `inactive`; `idle` is the time since the consumer last asked.")],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::new("group", ArgKind::String)],
        ..INFO
    },
    run: consumers,
    subcommands: &[],
};
fn consumers(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (key, now_ms) = (cx.key(args[2]), cx.now_ms);
    let stream = cx.keys.read::<Stream>(key)?.ok_or(NO_SUCH_KEY)?;
    let group = stream.group(args[3]).ok_or_else(|| no_group_for_key(args[2], args[3]))?;
    let reply = &mut *cx.reply;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        number(reply, "pending", consumer.pending_len() as i64);
        number(reply, "idle", now_ms.wrapping_sub(consumer.seen_at_ms).max(0));
        let inactive = consumer.active_at_ms.map_or(-1, |at| now_ms.wrapping_sub(at));
        number(reply, "inactive", inactive);
    }
    Ok(())
}

const GROUPS: Command = Command {
    spec: Spec {
        name: "xinfo|groups",
        arity: 3,
        summary: "Tells about the consumer groups of a stream.",
        history: &[("7.0.0", "Tells `entries-read` and `lag`.")],
        args: &[Arg::key("key", 0)],
        ..INFO
    },
    run: groups,
    subcommands: &[],
};
fn groups(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    let stream = cx.keys.read::<Stream>(key)?.ok_or(NO_SUCH_KEY)?;
    let reply = &mut *cx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        number(reply, "consumers", group.consumers().len() as i64);
        number(reply, "pending", group.pending_len() as i64);
        reply_progress(reply, &stream, group);
    }
    Ok(())
}

const STREAM_INFO: Command = Command {
    spec: Spec {
        name: "xinfo|stream",
        arity: -3,
        summary: "Tells about a stream.",
        history: &[
            ("6.0.0", "Takes `FULL`."),
            (
                "7.0.0",
                "Tells `max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`.",
            ),
            (
                "7.2.0",
                "Tells `active-time`; `seen-time` is when the consumer last asked, whether it got something or not.",
            ),
        ],
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "full-block",
                ArgKind::Block(&[
                    Arg::word("full", "FULL"),
                    Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
                ]),
            )
            .optional(),
        ],
        ..INFO
    },
    run: stream_info,
    subcommands: &[],
};
fn stream_info(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[2]);
    let stream = cx.keys.read::<Stream>(key)?.ok_or(NO_SUCH_KEY)?;
    let shown = shown(args)?;
    let reply = &mut *cx.reply;
    reply.map(if shown.is_some() { 9 } else { 10 });
    let (facts, nodes) = (stream.facts(), stream.node_count() as i64);
    number(reply, "length", stream.len() as i64);
    number(reply, "radix-tree-keys", nodes);
    number(reply, "radix-tree-nodes", stream.radix_node_count() as i64);
    reply.bulk(b"last-generated-id");
    reply_id(reply, facts.last_id);
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, facts.max_deleted_id);
    number(reply, "entries-added", facts.entries_added as i64);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, stream.first_id());
    match shown {
        Some(shown) => reply_full(reply, &stream, shown),
        None => {
            number(reply, "groups", stream.groups().len() as i64);
            for (name, is_reverse) in [("first-entry", false), ("last-entry", true)] {
                reply.bulk(name.as_bytes());
                if reply_next(reply, &mut stream.walk(Id::MIN, Id::MAX, is_reverse)).is_none() {
                    reply.null();
                }
            }
        }
    }
    Ok(())
}

/// How many entries of each sort FULL shows (0 for all); none without FULL.
fn shown(args: Args<'_>) -> Result<Option<u64>, Fault> {
    let (full, count) = match &args[3..] {
        [] => return Ok(None),
        [full] => (full, None),
        [full, word, count] if word.eq_ignore_ascii_case(b"COUNT") => (full, Some(count)),
        _ => return Err(unknown(args)),
    };
    if !full.eq_ignore_ascii_case(b"FULL") {
        return Err(unknown(args));
    }
    let count = count.map(|count| integer(count)).transpose()?;
    Ok(Some(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(SHOWN_DEFAULT)))
}

fn reply_full(reply: &mut Reply, stream: &Stream, shown: u64) {
    reply.bulk(b"entries");
    reply_walk(reply, stream.walk(Id::MIN, Id::MAX, false), shown);
    let shown = if shown == 0 { usize::MAX } else { shown as usize };
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply_progress(reply, stream, group);
        number(reply, "pel-count", group.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(group.pending_len().min(shown));
        for (id, pending) in group.pending_from(Id::MIN).take(shown) {
            reply.array(4);
            reply_id(reply, id);
            reply.bulk(&group.consumer(pending.consumer).name);
            reply_deliveries(reply, pending);
        }
        reply_consumers(reply, group, shown);
    }
}

fn reply_consumers(reply: &mut Reply, group: &Group, shown: usize) {
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(&consumer.name);
        number(reply, "seen-time", consumer.seen_at_ms);
        number(reply, "active-time", consumer.active_at_ms.unwrap_or(-1));
        number(reply, "pel-count", consumer.pending_len() as i64);
        reply.bulk(b"pending");
        reply.array(consumer.pending_len().min(shown));
        let id = group.find(&consumer.name);
        for (id, pending) in id.into_iter().flat_map(|id| group.pending_of(id, Id::MIN)).take(shown) {
            reply.array(3);
            reply_id(reply, id);
            reply_deliveries(reply, pending);
        }
    }
}

fn reply_deliveries(reply: &mut Reply, pending: Pending) {
    reply.integer(pending.delivered_at_ms);
    reply.integer(pending.deliveries);
}

/// How far a group has come, and how far it is behind.
fn reply_progress(reply: &mut Reply, stream: &Stream, group: &Group) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    for (name, value) in [("entries-read", group.entries_read), ("lag", stream.lag(group))] {
        reply.bulk(name.as_bytes());
        match value {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    }
}

fn number(reply: &mut Reply, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.integer(value);
}

const HELP: Command = Command {
    spec: Spec {
        name: "xinfo|help",
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
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Prints this help.",
];
