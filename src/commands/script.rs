//! SCRIPT: what of it is not about the texts of scripts (`crate::script::desk`).
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::script::busy::Kind;
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[SCRIPT];

const SCRIPT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script",
        arity: -2,
        group: Group::Scripting,
        summary: "A container for Lua scripts management commands.",
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        ..Spec::DEFAULT
    },
    run: |_, args| Err(Fault::quoting("ERR unknown subcommand '", args[1], "'. Try SCRIPT HELP.")),
    subcommands: &[SCRIPT_DEBUG, SCRIPT_HELP, SCRIPT_KILL],
};
const SCRIPT_DEBUG: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|debug",
        arity: -3,
        flags: Flags::NOSCRIPT,
        group: Group::Scripting,
        summary: "Sets the debug mode of server-side Lua scripts.",
        since: "3.2.0",
        complexity: "O(1)",
        args: &[
            Arg::new(
                "mode",
                ArgKind::OneOf(&[Arg::word("yes", "YES"), Arg::word("sync", "SYNC"), Arg::word("no", "NO")]),
            ),
            Arg::new("engine", ArgKind::String).since("9.1.0").optional(),
        ],
        ..Spec::DEFAULT
    },
    run: script_debug,
    subcommands: &[],
};
fn script_debug(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    match args[2].to_ascii_lowercase().as_slice() {
        b"no" => cx.reply.ok(),
        // Nobody could step through a script here while all others wait.
        b"yes" | b"sync" => return Err(Fault::new("ERR SCRIPT DEBUG is not supported")),
        _ => return Err(Fault::new("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
    Ok(Verdict::Done)
}

const SCRIPT_HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: script_help,
    subcommands: &[],
};
fn script_help(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    help::write(cx.reply, "SCRIPT", HELP_TEXT);
    Ok(Verdict::Done)
}
const HELP_TEXT: &[&str] = &[
    "DEBUG (YES|SYNC|NO)",
    "    Scripts cannot be stepped through: only NO is accepted.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return for each name whether there is a script of it.",
    "FLUSH [ASYNC|SYNC]",
    "    Forget all scripts. Both ways are the same: threads let go of theirs when they next run one.",
    "KILL",
    "    End the scripts that run for too long, if they have not written.",
    "LOAD <script>",
    "    Remember a script without running it.",
    "SHOW <sha1>",
    "    Return the text of a script.",
];

const SCRIPT_KILL: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|kill",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        group: Group::Scripting,
        summary: "Terminates a server-side Lua script during execution.",
        since: "2.6.0",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..Spec::DEFAULT
    },
    run: script_kill,
    subcommands: &[],
};
fn script_kill(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.core.shared.scripts.busy.kill(Kind::Script)?;
    cx.reply.ok();
    Ok(Verdict::Done)
}
