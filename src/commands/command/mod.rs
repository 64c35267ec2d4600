//! COMMAND: what the table of commands tells about them.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::shared::Shared;
use crate::table::{Entry, table};
use shards::commands::Args;
use shards::reply::Reply;
use shards::spec::{Categories, Flags, Group, Spec};

mod docs;
mod info;
mod keys;
mod list;

pub(super) const COMMANDS: &[ServerCommand] = &[COMMAND];

const SUBCOMMANDS: &[ServerCommand] =
    &[COUNT, docs::DOCS, keys::GETKEYS, keys::GETKEYSANDFLAGS, HELP, info::INFO, list::LIST];

const COMMAND: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command",
        arity: -1,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns detailed information about all commands.",
        since: "2.8.13",
        complexity: "O(N) where N is the total number of commands",
        tips: &["nondeterministic_output_order"],
        ..Spec::DEFAULT
    },
    run: command,
    subcommands: SUBCOMMANDS,
};
fn command(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    info::write_all(cx);
    Ok(Verdict::Done)
}

const COUNT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|count",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns a count of commands.",
        since: "2.8.13",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: count,
    subcommands: &[],
};
fn count(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.integer(callable(&cx.core.shared).len() as i64);
    Ok(Verdict::Done)
}

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: help,
    subcommands: &[],
};
fn help(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    help::write(cx.reply, "COMMAND", HELP_LINES);
    Ok(Verdict::Done)
}

const HELP_LINES: &[&str] = &[
    "(no subcommand)",
    "    The details of all commands.",
    "COUNT",
    "    How many commands there are.",
    "DOCS [<command-name> ...]",
    "    The documentation of these commands, or of all.",
    "GETKEYS <full-command>",
    "    The keys in a command.",
    "GETKEYSANDFLAGS <full-command>",
    "    The keys in a command, and what happens to each.",
    "INFO [<command-name> ...]",
    "    The details of these commands, or of all.",
    "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    The names of commands.",
];

/// The commands that clients can call.
fn callable(shared: &Shared) -> impl ExactSizeIterator<Item = &'static Entry> {
    shared.names.ids().iter().map(|id| table().entry(*id))
}

/// A command, or a subcommand as `config|get`, by the name that clients call it.
fn lookup(shared: &Shared, name: &[u8]) -> Option<&'static Entry> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let found = table().entry(shared.names.find(words.next()?)?);
    words.next().map_or(Some(found), |word| table().find_sub(found, word))
}

fn subcommands(entry: &Entry) -> impl ExactSizeIterator<Item = &'static Entry> {
    entry.subcommands.iter().map(|id| table().entry(*id))
}

/// A set of words, as statuses.
fn statuses<'a>(reply: &mut Reply, words: impl Iterator<Item = &'a str>) {
    let words: Vec<_> = words.collect();
    reply.set(words.len());
    words.iter().for_each(|word| reply.status(word));
}

/// A name and a text that belongs to it.
fn field(reply: &mut Reply, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}

/// A name and a number that belongs to it.
fn number(reply: &mut Reply, name: &str, value: i32) {
    reply.bulk(name.as_bytes());
    reply.integer(value.into());
}
