//! How a connection wants to be treated: CLIENT REPLY, NO-EVICT, NO-TOUCH, and UNBLOCK.
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::thread::conn::ReplyMode;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::{Fault, NOT_INTEGER, SYNTAX};
use shards::number::parse_i64;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const REPLY: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|reply",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::NO_MULTI),
        group: Group::Connection,
        summary: "Instructs the server whether to reply to commands.",
        since: "3.2.0",
        complexity: "O(1)",
        args: &[Arg::new(
            "action",
            ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF"), Arg::word("skip", "SKIP")]),
        )],
        ..Spec::DEFAULT
    },
    run: reply,
    subcommands: &[],
};
fn reply(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let mode = &mut cx.conn.session.reply_mode;
    match () {
        () if args[2].eq_ignore_ascii_case(b"on") => {
            *mode = ReplyMode::On;
            cx.reply.ok();
        }
        () if args[2].eq_ignore_ascii_case(b"off") => *mode = ReplyMode::Off,
        // Who hears nothing skips nothing.
        () if args[2].eq_ignore_ascii_case(b"skip") => {
            if *mode != ReplyMode::Off {
                *mode = ReplyMode::SkipNext;
            }
        }
        () => return Err(SYNTAX),
    }
    Ok(Verdict::Done)
}

pub(super) const NO_EVICT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|no-evict",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Sets the client eviction mode of the connection.",
        since: "7.0.0",
        complexity: "O(1)",
        args: &[Arg::new("enabled", ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")]))],
        ..Spec::DEFAULT
    },
    run: no_evict,
    subcommands: &[],
};
fn no_evict(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    cx.conn.session.no_evict = on_or_off(args[2])?;
    cx.reply.ok();
    Ok(Verdict::Done)
}

pub(super) const NO_TOUCH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|no-touch",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        since: "7.2.0",
        complexity: "O(1)",
        args: &[Arg::new("enabled", ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")]))],
        ..Spec::DEFAULT
    },
    run: no_touch,
    subcommands: &[],
};
fn no_touch(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    cx.conn.session.no_touch = on_or_off(args[2])?;
    cx.reply.ok();
    Ok(Verdict::Done)
}

fn on_or_off(word: &[u8]) -> Result<bool, Fault> {
    match () {
        () if word.eq_ignore_ascii_case(b"on") => Ok(true),
        () if word.eq_ignore_ascii_case(b"off") => Ok(false),
        () => Err(SYNTAX),
    }
}

pub(super) const UNBLOCK: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|unblock",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Unblocks a client blocked by a blocking command from a different connection.",
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        args: &[
            Arg::new("client-id", ArgKind::Integer),
            Arg::new(
                "unblock-type",
                ArgKind::OneOf(&[Arg::word("timeout", "TIMEOUT"), Arg::word("error", "ERROR")]),
            )
            .optional(),
        ],
        ..Spec::DEFAULT
    },
    run: unblock,
    subcommands: &[],
};
fn unblock(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    if let Some(reason) = args.get(3)
        && !reason.eq_ignore_ascii_case(b"timeout")
        && !reason.eq_ignore_ascii_case(b"error")
    {
        return Err(Fault::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    }
    let id = parse_i64(args[2]).ok_or(NOT_INTEGER)?;
    let by_error = args.get(3).is_some_and(|reason| reason.eq_ignore_ascii_case(b"error"));
    let found = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&found);
    let ask = move |core: &mut Core| {
        let why: Option<&[u8]> = by_error.then_some(b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
        if u64::try_from(id).is_ok_and(|id| core.unblock(id, why)) {
            told.store(true, Ordering::Relaxed);
        }
    };
    Ok(Verdict::ask(ask, move |server| {
        server.reply.integer(i64::from(found.load(Ordering::Relaxed)));
        Verdict::Done
    }))
}
