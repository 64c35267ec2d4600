//! The connection itself: PING, ECHO, SELECT, QUIT, RESET.
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::thread::conn::ReplyMode;
use shards::commands::Args;
use shards::fault::{DB_RANGE, Fault, NOT_INTEGER};
use shards::number::parse_i64;
use shards::reply::Resp;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[PING, ECHO, SELECT, QUIT, RESET];

const PING: ServerCommand = ServerCommand {
    spec: Spec {
        name: "ping",
        arity: -1,
        flags: Flags::FAST,
        group: Group::Connection,
        summary: "Returns the server's liveliness response.",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::new("message", ArgKind::String).optional()],
        ..Spec::DEFAULT
    },
    run: ping,
    subcommands: &[],
};
fn ping(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    match args {
        [_] | [_, _] if cx.conn.is_listener_only() => {
            cx.reply.array(2);
            cx.reply.bulk(b"pong");
            cx.reply.bulk(args.get(1).copied().unwrap_or_default());
        }
        [_] => cx.reply.status("PONG"),
        [_, text] => cx.reply.bulk(text),
        _ => return Err(Fault::arity("ping")),
    }
    Ok(Verdict::Done)
}

const ECHO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "echo",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        group: Group::Connection,
        summary: "Returns the given string.",
        complexity: "O(1)",
        args: &[Arg::new("message", ArgKind::String)],
        ..Spec::DEFAULT
    },
    run: echo,
    subcommands: &[],
};
fn echo(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    cx.reply.bulk(args[1]);
    Ok(Verdict::Done)
}

const SELECT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "select",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        group: Group::Connection,
        summary: "Changes the selected database.",
        complexity: "O(1)",
        args: &[Arg::new("index", ArgKind::Integer)],
        ..Spec::DEFAULT
    },
    run: select,
    subcommands: &[],
};
fn select(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let index = parse_i64(args[1]).ok_or(NOT_INTEGER)?;
    let index = i32::try_from(index).map_err(|_| NO_INT)?;
    if !(0..i64::from(cx.core.config.databases)).contains(&i64::from(index)) {
        return Err(DB_RANGE);
    }
    cx.conn.session.db = index as u16;
    cx.reply.ok();
    Ok(Verdict::Done)
}

/// An integer, but none of 32 bits.
const NO_INT: Fault = Fault::new("ERR value is out of range, value must between -2147483648 and 2147483647");

const QUIT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "quit",
        arity: -1,
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY),
        group: Group::Connection,
        summary: "Closes the connection.",
        complexity: "O(1)",
        deprecated: Some(("7.2.0", "just closing the connection")),
        ..Spec::DEFAULT
    },
    run: quit,
    subcommands: &[],
};
fn quit(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.ok();
    Ok(Verdict::Close)
}

const RESET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "reset",
        arity: 1,
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY),
        group: Group::Connection,
        summary: "Resets the connection.",
        since: "6.2.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: reset,
    subcommands: &[],
};
fn reset(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.core.unwatch(cx.conn);
    cx.core.unsubscribe_all(cx.conn);
    cx.core.end_monitor(cx.conn);
    cx.core.end_tracking(cx.conn);
    let session = &mut cx.conn.session;
    session.multi = None;
    session.db = 0;
    session.resp = Resp::V2;
    session.authenticated = cx.core.config.requirepass.is_empty();
    session.name.clear();
    session.no_evict = false;
    session.no_touch = false;
    // The library at the other end is still the same: its name and version stay.
    session.reply_mode = ReplyMode::On;
    cx.reply.status("RESET");
    Ok(Verdict::Done)
}
