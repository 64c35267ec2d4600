//! Messages: SUBSCRIBE and its kin, PUBLISH, PUBSUB.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::pubsub::Kind;
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[ServerCommand] =
    &[SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE, PUBLISH, SPUBLISH, PUBSUB];

/// What these commands have in common.
const SPEC: Spec = Spec {
    flags: Flags::PUBSUB.and(Flags::LOADING).and(Flags::STALE),
    group: Group::Pubsub,
    since: "2.0.0",
    ..Spec::DEFAULT
};
const SUBSCRIBING: Spec = Spec {
    arity: -2,
    flags: SPEC.flags.and(Flags::NOSCRIPT),
    args: &[Arg::new("channel", ArgKind::String).multiple()],
    ..SPEC
};
const UNSUBSCRIBING: Spec =
    Spec { arity: -1, args: &[Arg::new("channel", ArgKind::String).optional().multiple()], ..SUBSCRIBING };
const CHANNELS_AS_KEYS: &[KeySpec] = &[KeySpec::rest(KeyFlags::NOT_KEY, 1, 1)];

const SUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "subscribe",
        summary: "Listens for messages published to channels.",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        ..SUBSCRIBING
    },
    run: |cx, args| subscribe(cx, args, Kind::Channel, "subscribe"),
    subcommands: &[],
};
const PSUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "psubscribe",
        summary: "Listens for messages published to channels that match one or more patterns.",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        args: &[Arg::new("pattern", ArgKind::Pattern).multiple()],
        ..SUBSCRIBING
    },
    run: |cx, args| subscribe(cx, args, Kind::Pattern, "psubscribe"),
    subcommands: &[],
};
const SSUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "ssubscribe",
        keys: CHANNELS_AS_KEYS,
        summary: "Listens for messages published to shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        args: &[Arg::new("shardchannel", ArgKind::String).multiple()],
        ..SUBSCRIBING
    },
    run: ssubscribe,
    subcommands: &[],
};
fn ssubscribe(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    if cx.conn.session.executing.is_some() {
        return Err(Fault::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    subscribe(cx, args, Kind::Shard, "ssubscribe")
}

fn subscribe(cx: &mut Server<'_>, args: Args<'_>, kind: Kind, word: &str) -> Outcome {
    for name in &args[1..] {
        cx.core.subscribe(cx.conn, kind, name, &mut cx.reply.bytes);
        tell(cx, kind, word, Some(name));
    }
    Ok(Verdict::Done)
}

const UNSUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "unsubscribe",
        summary: "Stops listening to messages posted to channels.",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        ..UNSUBSCRIBING
    },
    run: |cx, args| unsubscribe(cx, args, Kind::Channel, "unsubscribe"),
    subcommands: &[],
};
const PUNSUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "punsubscribe",
        summary: "Stops listening to messages published to channels that match one or more patterns.",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        args: &[Arg::new("pattern", ArgKind::Pattern).optional().multiple()],
        ..UNSUBSCRIBING
    },
    run: |cx, args| unsubscribe(cx, args, Kind::Pattern, "punsubscribe"),
    subcommands: &[],
};
const SUNSUBSCRIBE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "sunsubscribe",
        keys: CHANNELS_AS_KEYS,
        summary: "Stops listening to messages posted to shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        args: &[Arg::new("shardchannel", ArgKind::String).optional().multiple()],
        ..UNSUBSCRIBING
    },
    run: |cx, args| unsubscribe(cx, args, Kind::Shard, "sunsubscribe"),
    subcommands: &[],
};

/// Ends the subscriptions named, or all of the kind.
fn unsubscribe(cx: &mut Server<'_>, args: Args<'_>, kind: Kind, word: &str) -> Outcome {
    let all;
    let mut names: Vec<&[u8]> = args[1..].to_vec();
    if names.is_empty() {
        all = cx.conn.session.subscriptions.as_ref().map(|own| own.names(kind)).unwrap_or_default();
        names.extend(all.iter().map(|name| &**name));
    }
    for name in &names {
        cx.core.unsubscribe(cx.conn, kind, name, &mut cx.reply.bytes);
        tell(cx, kind, word, Some(name));
    }
    if names.is_empty() {
        tell(cx, kind, word, None);
    }
    Ok(Verdict::Done)
}

/// Tells what became of a subscription, and how many there are now.
fn tell(cx: &mut Server<'_>, kind: Kind, word: &str, name: Option<&[u8]>) {
    let count = cx.conn.session.subscriptions.as_ref().map_or(0, |own| own.told(kind));
    cx.reply.push(3);
    cx.reply.bulk(word.as_bytes());
    match name {
        Some(name) => cx.reply.bulk(name),
        None => cx.reply.null(),
    }
    cx.reply.integer(count as i64);
    if cx.reply.is_resp3() {
        cx.conn.keep_written(cx.reply);
    }
}

const PUBLISH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "publish",
        arity: 3,
        flags: SPEC.flags.and(Flags::FAST).and(Flags::MAY_REPLICATE),
        summary: "Posts a message to a channel.",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of \
                     subscribed patterns (by any client).",
        args: &[Arg::new("channel", ArgKind::String), Arg::new("message", ArgKind::String)],
        ..SPEC
    },
    run: |cx, args| publish(cx, args, Kind::Channel),
    subcommands: &[],
};
const SPUBLISH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "spublish",
        arity: 3,
        flags: SPEC.flags.and(Flags::FAST).and(Flags::MAY_REPLICATE),
        keys: &[KeySpec::one(KeyFlags::NOT_KEY, 1)],
        summary: "Post a message to a shard channel",
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        args: &[Arg::new("shardchannel", ArgKind::String), Arg::new("message", ArgKind::String)],
        ..SPEC
    },
    run: |cx, args| publish(cx, args, Kind::Shard),
    subcommands: &[],
};
fn publish(cx: &mut Server<'_>, args: Args<'_>, kind: Kind) -> Outcome {
    let count = cx.core.publish(kind, args[1], args[2]);
    if cx.conn.session.subscriptions.is_some() {
        // It may have published to itself, and hears it right behind the answer.
        cx.core.hear();
    }
    cx.reply.integer(count as i64);
    Ok(Verdict::Done)
}

const PUBSUB: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub",
        arity: -2,
        flags: Flags::NONE,
        summary: "A container for Pub/Sub commands.",
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        ..SPEC
    },
    run: |_, _| Err(Fault::arity("pubsub")),
    subcommands: &[CHANNELS, HELP, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB],
};

const CHANNELS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|channels",
        arity: -2,
        summary: "Returns the active channels.",
        since: "2.8.0",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively \
                     short channels and patterns)",
        args: &[Arg::new("pattern", ArgKind::Pattern).optional()],
        ..SPEC
    },
    run: |cx, args| channels(cx, args, Kind::Channel),
    subcommands: &[],
};
const SHARDCHANNELS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|shardchannels",
        arity: -2,
        summary: "Returns the active shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
                     (relatively short shard channels).",
        args: &[Arg::new("pattern", ArgKind::Pattern).optional()],
        ..SPEC
    },
    run: |cx, args| channels(cx, args, Kind::Shard),
    subcommands: &[],
};
fn channels(cx: &mut Server<'_>, args: Args<'_>, kind: Kind) -> Outcome {
    if args.len() > 3 {
        return Err(Fault::quoting(
            "ERR unknown subcommand or wrong number of arguments for '",
            args[1],
            "'. Try PUBSUB HELP.",
        ));
    }
    let names = cx.core.shared.exchange.matching(kind, args.get(2).copied());
    cx.reply.bulks(names.iter().map(|name| &**name));
    Ok(Verdict::Done)
}

const NUMSUB: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|numsub",
        arity: -2,
        summary: "Returns a count of subscribers to channels.",
        since: "2.8.0",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        args: &[Arg::new("channel", ArgKind::String).optional().multiple()],
        ..SPEC
    },
    run: |cx, args| numsub(cx, args, Kind::Channel),
    subcommands: &[],
};
const SHARDNUMSUB: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|shardnumsub",
        arity: -2,
        summary: "Returns the count of subscribers of shard channels.",
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        args: &[Arg::new("shardchannel", ArgKind::String).optional().multiple()],
        ..SPEC
    },
    run: |cx, args| numsub(cx, args, Kind::Shard),
    subcommands: &[],
};
fn numsub(cx: &mut Server<'_>, args: Args<'_>, kind: Kind) -> Outcome {
    cx.reply.array(2 * (args.len() - 2));
    for name in &args[2..] {
        cx.reply.bulk(name);
        cx.reply.integer(cx.core.shared.exchange.listeners(kind, name) as i64);
    }
    Ok(Verdict::Done)
}

const NUMPAT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|numpat",
        arity: 2,
        summary: "Returns a count of unique pattern subscriptions.",
        since: "2.8.0",
        complexity: "O(1)",
        ..SPEC
    },
    run: numpat,
    subcommands: &[],
};
fn numpat(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.integer(cx.core.shared.exchange.len(Kind::Pattern) as i64);
    Ok(Verdict::Done)
}

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "pubsub|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Shows helpful text about the different subcommands.",
        since: "6.2.0",
        complexity: "O(1)",
        ..SPEC
    },
    run: |cx, _| {
        help::write(cx.reply, "PUBSUB", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "CHANNELS [<pattern>]",
    "    Return the channels that somebody listens to and that match a <pattern> (default: '*').",
    "NUMPAT",
    "    Return how many different patterns are subscribed to.",
    "NUMSUB [<channel> ...]",
    "    Return how many subscribers these channels have, those by patterns not counted.",
    "SHARDCHANNELS [<pattern>]",
    "    Return the shard channels that somebody listens to and that match a <pattern> (default: '*').",
    "SHARDNUMSUB [<shardchannel> ...]",
    "    Return how many subscribers these shard channels have.",
];
