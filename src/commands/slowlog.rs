//! SLOWLOG: the threads' slow logs, put together.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::slowlog::Entry;
use shards::commands::Args;
use shards::fault::Fault;
use shards::number::parse_i64;
use shards::reply::Reply;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) const COMMANDS: &[ServerCommand] = &[SLOWLOG];

const SERVER: Spec = Spec { group: Group::Server, since: "2.2.12", ..Spec::DEFAULT };

const SLOWLOG: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slowlog",
        arity: -2,
        summary: "A container for slow log commands.",
        complexity: "Depends on subcommand.",
        ..SERVER
    },
    run: |_, _| Err(Fault::arity("slowlog")),
    subcommands: &[GET, HELP, LEN, RESET],
};

const ADMIN: Spec = Spec { flags: Flags::ADMIN.and(Flags::LOADING).and(Flags::STALE), ..SERVER };

/// Entries that SLOWLOG GET shows where it is not told how many.
const GET_DEFAULT: usize = 10;

const GET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slowlog|get",
        arity: -2,
        summary: "Returns the slow log's entries.",
        complexity: "O(N) where N is the number of entries returned",
        history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
        tips: &["request_policy:all_nodes", "nondeterministic_output"],
        args: &[Arg::new("count", ArgKind::Integer).optional()],
        ..ADMIN
    },
    run: get,
    subcommands: &[],
};
fn get(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let count = match args {
        [_, _] => GET_DEFAULT,
        [_, _, count] => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => count as usize,
            _ => return Err(Fault::new("ERR count should be greater than or equal to -1")),
        },
        _ => return Err(wrong_number(args)),
    };
    Ok(ask_entries(move |reply, entries| {
        reply.array(entries.len().min(count));
        entries.iter().take(count).for_each(|entry| write_entry(reply, entry));
    }))
}

fn wrong_number(args: Args<'_>) -> Fault {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(&args[1][..args[1].len().min(128)]);
    text.extend_from_slice(b"'. Try SLOWLOG HELP.");
    Fault::text(text)
}

fn write_entry(reply: &mut Reply, entry: &Entry) {
    reply.array(6);
    reply.integer(entry.id as i64);
    reply.integer(entry.at_seconds);
    reply.integer(entry.command.duration_us as i64);
    reply.bulks(entry.command.args.iter().map(Vec::as_slice));
    reply.bulk(entry.address.as_bytes());
    reply.bulk(&entry.name);
}

/// Gathers the entries of all threads, the youngest first, as many as the log holds, and writes a reply from them.
fn ask_entries(write: impl FnOnce(&mut Reply, &[Entry]) + Send + 'static) -> Verdict {
    let gathered = Arc::new(Mutex::new(Vec::<Entry>::new()));
    let all = Arc::clone(&gathered);
    Verdict::ask(
        move |core| {
            all.lock().unwrap_or_else(PoisonError::into_inner).extend(core.places.slowlog.entries().cloned())
        },
        move |cx| {
            let mut entries = std::mem::take(&mut *gathered.lock().unwrap_or_else(PoisonError::into_inner));
            entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.id));
            entries.truncate(usize::try_from(cx.core.config.slowlog_max_len).unwrap_or(usize::MAX));
            write(cx.reply, &entries);
            Verdict::Done
        },
    )
}

const LEN: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slowlog|len",
        arity: 2,
        summary: "Returns the number of entries in the slow log.",
        complexity: "O(1)",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
        ..ADMIN
    },
    run: |_, _| Ok(ask_entries(|reply, entries| reply.integer(entries.len() as i64))),
    subcommands: &[],
};

const RESET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slowlog|reset",
        arity: 2,
        summary: "Clears all entries from the slow log.",
        complexity: "O(N) where N is the number of entries in the slowlog",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..ADMIN
    },
    run: |_, _| {
        Ok(Verdict::ask(
            |core| core.places.slowlog.clear(),
            |cx| {
                cx.reply.ok();
                Verdict::Done
            },
        ))
    },
    subcommands: &[],
};

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slowlog|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Shows helpful text about the different subcommands.",
        since: "6.2.0",
        complexity: "O(1)",
        ..SERVER
    },
    run: |cx, _| {
        help::write(cx.reply, "SLOWLOG", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "GET [<count>]",
    "    Return the <count> youngest entries of the slow log (default: 10, -1 means all).",
    "    Entries are made of:",
    "    id, timestamp, time in microseconds, arguments array, client IP and port,",
    "    client name",
    "LEN",
    "    Return how many entries the slow log has.",
    "RESET",
    "    Forget all entries of the slow log.",
];
