//! FUNCTION: what of it is not about libraries (`crate::script::desk`).
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::script::busy::Kind;
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[FUNCTION];

const FUNCTION: ServerCommand = ServerCommand {
    spec: Spec {
        name: "function",
        arity: -2,
        group: Group::Scripting,
        summary: "A container for function commands.",
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        ..Spec::DEFAULT
    },
    run: |_, args| Err(Fault::quoting("ERR unknown subcommand '", args[1], "'. Try FUNCTION HELP.")),
    subcommands: &[FUNCTION_HELP, FUNCTION_KILL],
};

const FUNCTION_HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "function|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Returns helpful text about the different subcommands.",
        since: "7.0.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: function_help,
    subcommands: &[],
};
fn function_help(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    help::write(cx.reply, "FUNCTION", HELP_TEXT);
    Ok(Verdict::Done)
}
const HELP_TEXT: &[&str] = &[
    "DELETE <library-name>",
    "    Forget a library with its functions.",
    "DUMP",
    "    Return all libraries as one payload for RESTORE.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all libraries. Both ways are the same.",
    "KILL",
    "    End the functions that run for too long, if they have not written.",
    "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
    "    Tell of the libraries: names, functions, and if it is wished their code.",
    "LOAD [REPLACE] <code>",
    "    Make a library from its code, in place of one of its name if that is wished.",
    "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries of a payload: instead of those there are, beside them (APPEND, which is the default), or in",
    "    place of those of the same names.",
    "STATS",
    "    Tell which function runs for too long, and how many there are.",
];

const FUNCTION_KILL: ServerCommand = ServerCommand {
    spec: Spec {
        name: "function|kill",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        group: Group::Scripting,
        summary: "Terminates a function during execution.",
        since: "7.0.0",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..Spec::DEFAULT
    },
    run: function_kill,
    subcommands: &[],
};
fn function_kill(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.core.shared.scripts.busy.kill(Kind::Function)?;
    cx.reply.ok();
    Ok(Verdict::Done)
}
