//! MODULE: there are none, and none can be loaded.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[MODULE];

const SERVER: Spec = Spec { group: Group::Server, since: "4.0.0", complexity: "O(1)", ..Spec::DEFAULT };

const MODULE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module",
        arity: -2,
        summary: "A container for module commands.",
        complexity: "Depends on subcommand.",
        ..SERVER
    },
    run: |_, _| Err(Fault::arity("module")),
    subcommands: &[HELP, LIST, LOAD, LOADEX, UNLOAD],
};

const LIST: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module|list",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT),
        summary: "Returns all loaded modules.",
        complexity: "O(N) where N is the number of loaded modules.",
        tips: &["nondeterministic_output_order"],
        ..SERVER
    },
    run: |cx, _| {
        cx.reply.array(0);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};

const CHANGE: Spec = Spec {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING).and(Flags::PROTECTED),
    ..SERVER
};

const LOAD: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module|load",
        arity: -3,
        summary: "Loads a module.",
        args: &[Arg::new("path", ArgKind::String), Arg::new("arg", ArgKind::String).optional().multiple()],
        ..CHANGE
    },
    run: load,
    subcommands: &[],
};

const LOADEX: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module|loadex",
        arity: -3,
        summary: "Loads a module using extended parameters.",
        since: "7.0.0",
        args: &[
            Arg::new("path", ArgKind::String),
            Arg::new(
                "configs",
                ArgKind::Block(&[Arg::new("name", ArgKind::String), Arg::new("value", ArgKind::String)]),
            )
            .token("CONFIG")
            .optional()
            .multiple()
            .multiple_token(),
            Arg::new("args", ArgKind::String).token("ARGS").optional().multiple(),
        ],
        ..CHANGE
    },
    run: load,
    subcommands: &[],
};

fn load(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    crate::log::warning(format_args!(
        "Module {} not loaded: Braid runs no modules of Redis",
        String::from_utf8_lossy(args[2])
    ));
    Err(Fault::new("ERR Error loading the extension. Please check the server logs."))
}

const UNLOAD: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module|unload",
        arity: 3,
        summary: "Unloads a module.",
        args: &[Arg::new("name", ArgKind::String)],
        ..CHANGE
    },
    run: |_, _| Err(Fault::new("ERR Error unloading module: no such module with that name")),
    subcommands: &[],
};

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "module|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        ..SERVER
    },
    run: |cx, _| {
        help::write(cx.reply, "MODULE", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "LIST",
    "    Return a list of loaded modules: in Braid, none.",
    "LOAD <path> [<arg> ...]",
    "    Refused: Braid runs no modules.",
    "LOADEX <path> [CONFIG <name> <value>] ... [ARGS ...]",
    "    Refused: Braid runs no modules.",
    "UNLOAD <name>",
    "    Unload a module.",
];
