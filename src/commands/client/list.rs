//! CLIENT LIST, INFO and KILL: all connections, whatever thread they are on.
use super::filter::{Filter, Purpose};
use super::line;
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const INFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|info",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Returns information about the connection.",
        since: "6.2.0",
        complexity: "O(1)",
        tips: &["nondeterministic_output"],
        ..Spec::DEFAULT
    },
    run: info,
    subcommands: &[],
};
fn info(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let mut text = Vec::new();
    line::write(&mut text, cx.conn, cx.core.id, cx.core.now_ms);
    cx.reply.verbatim("txt", &text);
    Ok(Verdict::Done)
}

pub(super) const LIST: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|list",
        arity: -2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Lists open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        history: &[
            ("2.8.12", "Added unique client `id` field."),
            ("5.0.0", "Added optional `TYPE` filter."),
            ("6.0.0", "Added `user` field."),
            (
                "6.2.0",
                "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter.",
            ),
            ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
            ("7.0.3", "Added `ssub` field."),
            ("7.2.0", "Added `lib-name` and `lib-ver` fields."),
            ("7.4.0", "Added `watch` field."),
            ("8.0.0", "Added `io-thread`, `tot-net-in`, `tot-net-out` and `tot-cmds` fields."),
        ],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::new(
                "client-type",
                ArgKind::OneOf(&[
                    Arg::word("normal", "NORMAL"),
                    Arg::word("master", "MASTER"),
                    Arg::word("replica", "REPLICA"),
                    Arg::word("pubsub", "PUBSUB"),
                ]),
            )
            .token("TYPE")
            .since("5.0.0")
            .optional(),
            Arg::new("client-id", ArgKind::Integer).token("ID").since("6.2.0").optional().multiple(),
            Arg::new("username", ArgKind::String).token("USER").optional(),
            Arg::new("addr", ArgKind::String).token("ADDR").optional().display("ip:port"),
            Arg::new("laddr", ArgKind::String).token("LADDR").optional().display("ip:port"),
            Arg::new("skipme", ArgKind::OneOf(&[Arg::word("yes", "YES"), Arg::word("no", "NO")]))
                .token("SKIPME")
                .optional(),
            Arg::new("maxage", ArgKind::Integer).token("MAXAGE").optional(),
            Arg::new("name", ArgKind::String).token("NAME").since("9.0.0").optional(),
            Arg::new("idle", ArgKind::Integer).token("IDLE").since("9.0.0").optional(),
            Arg::new("flags", ArgKind::String).token("FLAGS").since("9.0.0").optional(),
            Arg::new("lib-name", ArgKind::String).token("LIB-NAME").since("9.0.0").optional(),
            Arg::new("lib-ver", ArgKind::String).token("LIB-VER").since("9.0.0").optional(),
            Arg::new("db", ArgKind::Integer).token("DB").since("9.0.0").optional(),
            Arg::new("capa", ArgKind::String).token("CAPA").since("9.0.0").optional(),
            Arg::new("ip", ArgKind::String).token("IP").since("9.0.0").optional(),
        ],
        ..Spec::DEFAULT
    },
    run: list,
    subcommands: &[],
};
fn list(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let filter = Filter::read(&args[2..], Purpose::List, cx.conn.id, cx.core.config.databases)?;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);
    let tell = move |core: &mut Core| {
        let now_ms = core.now_ms;
        let found = core.conns().filter(|conn| filter.fits(conn, now_ms)).map(|conn| {
            let mut line = Vec::new();
            line::write(&mut line, conn, core.id, now_ms);
            (conn.id, line)
        });
        told.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    };
    let write = move |cx: &mut Server<'_>| {
        let mut lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
        lines.sort_unstable();
        let text: Vec<u8> = lines.into_iter().flat_map(|(_, line)| line).collect();
        cx.reply.verbatim("txt", &text);
        Verdict::Done
    };
    Ok(Verdict::ask(tell, write))
}

pub(super) const KILL: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|kill",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Terminates open connections.",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        history: &[
            ("2.8.12", "Added new filter format."),
            ("2.8.12", "`ID` option."),
            ("3.2.0", "Added `master` type in for `TYPE` option."),
            (
                "5.0.0",
                "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility.",
            ),
            ("6.2.0", "`LADDR` option."),
            ("7.4.0", "`MAXAGE` option."),
        ],
        args: &[Arg::new(
            "filter",
            ArgKind::OneOf(&[
                Arg::new("old-format", ArgKind::String).display("ip:port"),
                Arg::new(
                    "new-format",
                    ArgKind::OneOf(&[
                        Arg::new("client-id", ArgKind::Integer)
                            .token("ID")
                            .since("2.8.12")
                            .optional()
                            .multiple(),
                        Arg::new(
                            "client-type",
                            ArgKind::OneOf(&[
                                Arg::word("normal", "NORMAL"),
                                Arg::word("master", "MASTER").since("3.2.0"),
                                Arg::word("slave", "SLAVE"),
                                Arg::word("replica", "REPLICA").since("5.0.0"),
                                Arg::word("pubsub", "PUBSUB"),
                            ]),
                        )
                        .token("TYPE")
                        .since("2.8.12")
                        .optional(),
                        Arg::new("username", ArgKind::String).token("USER").optional(),
                        Arg::new("addr", ArgKind::String).token("ADDR").optional().display("ip:port"),
                        Arg::new("laddr", ArgKind::String)
                            .token("LADDR")
                            .since("6.2.0")
                            .optional()
                            .display("ip:port"),
                        Arg::new("skipme", ArgKind::OneOf(&[Arg::word("yes", "YES"), Arg::word("no", "NO")]))
                            .token("SKIPME")
                            .optional(),
                        Arg::new("maxage", ArgKind::Integer).token("MAXAGE").since("7.4.0").optional(),
                        Arg::new("name", ArgKind::String).token("NAME").since("9.0.0").optional(),
                        Arg::new("idle", ArgKind::Integer).token("IDLE").since("9.0.0").optional(),
                        Arg::new("flags", ArgKind::String).token("FLAGS").since("9.0.0").optional(),
                        Arg::new("lib-name", ArgKind::String).token("LIB-NAME").since("9.0.0").optional(),
                        Arg::new("lib-ver", ArgKind::String).token("LIB-VER").since("9.0.0").optional(),
                        Arg::new("db", ArgKind::Integer).token("DB").since("9.0.0").optional(),
                        Arg::new("capa", ArgKind::String).token("CAPA").since("9.0.0").optional(),
                        Arg::new("ip", ArgKind::String).token("IP").since("9.0.0").optional(),
                    ]),
                )
                .multiple(),
            ]),
        )],
        ..Spec::DEFAULT
    },
    run: kill,
    subcommands: &[],
};
fn kill(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let own = cx.conn.id;
    let (filter, is_old) = match args {
        // In the old form one may kill oneself.
        [_, _, address] => (Filter::of_address(address), true),
        _ => (Filter::read(&args[2..], Purpose::Kill, own, cx.core.config.databases)?, false),
    };
    let killed = Arc::new(AtomicUsize::new(0));
    let own_killed = Arc::new(AtomicUsize::new(0));
    let (count, own_count) = (Arc::clone(&killed), Arc::clone(&own_killed));
    let kill = move |core: &mut Core| {
        let now_ms = core.now_ms;
        let meant = |conn: &&crate::thread::conn::Conn| filter.fits(conn, now_ms);
        let meant: Vec<_> = core.conns().filter(meant).map(|conn| (conn.id, conn.token)).collect();
        for (id, token) in meant {
            // The asker hears the answer first.
            if id == own {
                own_count.fetch_add(1, Ordering::Relaxed);
            } else {
                count.fetch_add(1, Ordering::Relaxed);
                core.close(token);
            }
        }
    };
    let write = move |cx: &mut Server<'_>| {
        let own_killed = own_killed.load(Ordering::Relaxed);
        match (killed.load(Ordering::Relaxed) + own_killed, is_old) {
            (0, true) => cx.reply.error(&NO_SUCH_CLIENT.0),
            (_, true) => cx.reply.ok(),
            (count, false) => cx.reply.integer(count as i64),
        }
        if own_killed > 0 { Verdict::Close } else { Verdict::Done }
    };
    Ok(Verdict::ask(kill, write))
}

const NO_SUCH_CLIENT: Fault = Fault::new("ERR No such client");
