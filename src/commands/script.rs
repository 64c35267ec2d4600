//! SCRIPT: the scripts that the server knows.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::script::store::sha_from;
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
    subcommands: &[
        SCRIPT_DEBUG,
        SCRIPT_EXISTS,
        SCRIPT_FLUSH,
        SCRIPT_HELP,
        SCRIPT_KILL,
        SCRIPT_LOAD,
        SCRIPT_SHOW,
    ],
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

const SCRIPT_EXISTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|exists",
        arity: -3,
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        args: &[Arg::new("sha1", ArgKind::String).multiple()],
        ..Spec::DEFAULT
    },
    run: script_exists,
    subcommands: &[],
};
fn script_exists(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let scripts = &cx.core.shared.scripts;
    cx.reply.array(args.len() - 2);
    for name in &args[2..] {
        let is_there = sha_from(name).is_some_and(|sha| scripts.get(&sha).is_some());
        cx.reply.integer(i64::from(is_there));
    }
    Ok(Verdict::Done)
}

const SCRIPT_FLUSH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|flush",
        arity: -2,
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Removes all server-side Lua scripts from the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache",
        history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::new(
            "flush-type",
            ArgKind::OneOf(&[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")]),
        )
        .since("6.2.0")
        .optional()],
        ..Spec::DEFAULT
    },
    run: script_flush,
    subcommands: &[],
};
fn script_flush(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    if args.len() > 3 || args.get(2).is_some_and(|word| !is_mode(word)) {
        return Err(Fault::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    cx.core.shared.scripts.flush();
    cx.reply.ok();
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
    cx.core.shared.scripts.kill()?;
    cx.reply.ok();
    Ok(Verdict::Done)
}

const SCRIPT_LOAD: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|load",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Loads a server-side Lua script to the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::new("script", ArgKind::String)],
        ..Spec::DEFAULT
    },
    run: script_load,
    subcommands: &[],
};
fn script_load(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let sha = cx.core.scripting.load(&cx.core.shared.scripts, args[2])?;
    cx.reply.bulk(&sha);
    Ok(Verdict::Done)
}

const SCRIPT_SHOW: ServerCommand = ServerCommand {
    spec: Spec {
        name: "script|show",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::STALE),
        group: Group::Scripting,
        summary: "Show server-side Lua script in the script cache.",
        since: "8.0.0",
        complexity: "O(1).",
        args: &[Arg::new("sha1", ArgKind::String)],
        ..Spec::DEFAULT
    },
    run: script_show,
    subcommands: &[],
};
fn script_show(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let script = sha_from(args[2]).and_then(|sha| cx.core.shared.scripts.get(&sha));
    let script = script.ok_or(Fault::new("NOSCRIPT No matching script."))?;
    cx.reply.bulk(&script.source);
    Ok(Verdict::Done)
}
