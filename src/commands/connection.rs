//! The connection: PING, ECHO, SELECT, QUIT and their kin.
use super::{Outcome, Server, ServerCommand, Verdict};
use shards::commands::Args;
use shards::fault::{DB_RANGE, Fault, NOT_INTEGER};
use shards::number::parse_i64;
use shards::spec::{Categories, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[PING, ECHO, SELECT, QUIT];

const CONNECTION: Spec = Spec { group: Group::Connection, acl: Categories::CONNECTION, ..Spec::DEFAULT };

const PING: ServerCommand = ServerCommand {
    spec: Spec { name: "ping", arity: -1, flags: Flags::FAST, ..CONNECTION },
    run: ping,
    subcommands: &[],
};
fn ping(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    match args {
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
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        ..CONNECTION
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
        flags: Flags::FAST.and(Flags::LOADING).and(Flags::STALE),
        ..CONNECTION
    },
    run: select,
    subcommands: &[],
};
fn select(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let index = parse_i64(args[1]).ok_or(NOT_INTEGER)?;
    if !(0..i64::from(cx.core.config.databases)).contains(&index) {
        return Err(DB_RANGE);
    }
    cx.conn.session.db = index as u16;
    cx.reply.ok();
    Ok(Verdict::Done)
}

const QUIT: ServerCommand = ServerCommand {
    spec: Spec { name: "quit", arity: -1, flags: Flags::NO_AUTH.and(Flags::FAST), ..CONNECTION },
    run: quit,
    subcommands: &[],
};
fn quit(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.ok();
    Ok(Verdict::Close)
}
