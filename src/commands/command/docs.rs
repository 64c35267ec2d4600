//! COMMAND DOCS: what commands are for, their history and their arguments.
use super::{callable, field, lookup, statuses, subcommands};
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::table::Entry;
use shards::commands::Args;
use shards::reply::Reply;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, Spec};

pub(super) const DOCS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|docs",
        arity: -2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns documentary information about one, multiple or all commands.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::new("command-name", ArgKind::String).optional().multiple()],
        ..Spec::DEFAULT
    },
    run: docs,
    subcommands: &[],
};
fn docs(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let shared = &cx.core.shared;
    let entries: Vec<_> = match &args[2..] {
        [] => callable(shared).collect(),
        names => names.iter().filter_map(|name| lookup(shared, name)).collect(),
    };
    write_all(cx.reply, entries.into_iter());
    Ok(Verdict::Done)
}

fn write_all(reply: &mut Reply, entries: impl ExactSizeIterator<Item = &'static Entry>) {
    reply.map(entries.len());
    for entry in entries {
        reply.bulk(entry.spec.name.as_bytes());
        write(reply, entry);
    }
}

fn write(reply: &mut Reply, entry: &Entry) {
    let spec = entry.spec;
    let optional = [
        !spec.summary.is_empty(),
        !spec.since.is_empty(),
        !spec.complexity.is_empty(),
        !spec.history.is_empty(),
        !spec.args.is_empty(),
        !entry.subcommands.is_empty(),
    ];
    let deprecated = if spec.deprecated.is_some() { 3 } else { 0 };
    reply.map(1 + deprecated + optional.iter().filter(|is_there| **is_there).count());
    optional_field(reply, "summary", spec.summary);
    optional_field(reply, "since", spec.since);
    field(reply, "group", spec.group.name());
    optional_field(reply, "complexity", spec.complexity);
    if let Some((since, replacement)) = spec.deprecated {
        reply.bulk(b"doc_flags");
        statuses(reply, ["deprecated"].into_iter());
        field(reply, "deprecated_since", since);
        field(reply, "replaced_by", replacement);
    }
    if !spec.history.is_empty() {
        reply.bulk(b"history");
        reply.set(spec.history.len());
        for (version, change) in spec.history {
            reply.bulks([version.as_bytes(), change.as_bytes()].into_iter());
        }
    }
    if !spec.args.is_empty() {
        write_arguments(reply, spec.args);
    }
    if !entry.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        write_all(reply, subcommands(entry));
    }
}

fn optional_field(reply: &mut Reply, name: &str, value: &str) {
    if !value.is_empty() {
        field(reply, name, value);
    }
}

fn write_arguments(reply: &mut Reply, args: &[Arg]) {
    reply.bulk(b"arguments");
    reply.array(args.len());
    args.iter().for_each(|arg| write_argument(reply, arg));
}

fn write_argument(reply: &mut Reply, arg: &Arg) {
    let below = match arg.kind {
        ArgKind::OneOf(below) | ArgKind::Block(below) => Some(below),
        _ => None,
    };
    let flags =
        [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")];
    let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name);
    let optional = [
        arg.key_spec.is_some(),
        !arg.token.is_empty(),
        !arg.since.is_empty(),
        flags.clone().next().is_some(),
    ];
    // What stands for several has arguments of its own, what stands for itself a text to be shown.
    reply.map(3 + optional.iter().filter(|is_there| **is_there).count());
    field(reply, "name", arg.name);
    field(reply, "type", arg.kind.name());
    if below.is_none() {
        field(reply, "display_text", if arg.display.is_empty() { arg.name } else { arg.display });
    }
    if let Some(index) = arg.key_spec {
        reply.bulk(b"key_spec_index");
        reply.integer(index.into());
    }
    optional_field(reply, "token", arg.token);
    optional_field(reply, "since", arg.since);
    if flags.clone().next().is_some() {
        reply.bulk(b"flags");
        statuses(reply, flags);
    }
    if let Some(below) = below {
        write_arguments(reply, below);
    }
}
