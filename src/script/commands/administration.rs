//! What of SCRIPT and FUNCTION is about the scripts and libraries themselves.
use super::super::desk;
use super::{Does, ScriptCommand};
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

/// The part of SCRIPT that is carried out at the desk; the rest is the server's.
pub(super) const SCRIPT: ScriptCommand = ScriptCommand {
    spec: Spec { name: "script", arity: -2, group: Group::Scripting, ..Spec::DEFAULT },
    does: Does::Administer(desk::script_exists),
    reads_only: false,
    subcommands: &[SCRIPT_EXISTS, SCRIPT_FLUSH, SCRIPT_LOAD, SCRIPT_SHOW],
};
/// The part of FUNCTION that is carried out at the desk; the rest is the server's.
pub(super) const FUNCTION: ScriptCommand = ScriptCommand {
    spec: Spec { name: "function", arity: -2, group: Group::Scripting, ..Spec::DEFAULT },
    does: Does::Administer(desk::function_list),
    reads_only: false,
    subcommands: &[
        FUNCTION_DELETE,
        FUNCTION_DUMP,
        FUNCTION_FLUSH,
        FUNCTION_LIST,
        FUNCTION_LOAD,
        FUNCTION_RESTORE,
        FUNCTION_STATS,
    ],
};

const SCRIPT_EXISTS: ScriptCommand = ScriptCommand {
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
    does: Does::Administer(desk::script_exists),
    reads_only: false,
    subcommands: &[],
};
const SCRIPT_FLUSH: ScriptCommand = ScriptCommand {
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
    does: Does::Administer(desk::script_flush),
    reads_only: false,
    subcommands: &[],
};
const SCRIPT_LOAD: ScriptCommand = ScriptCommand {
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
    does: Does::Administer(desk::script_load),
    reads_only: false,
    subcommands: &[],
};
const SCRIPT_SHOW: ScriptCommand = ScriptCommand {
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
    does: Does::Administer(desk::script_show),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_DELETE: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|delete",
        arity: 3,
        flags: Flags::WRITE.and(Flags::NOSCRIPT),
        group: Group::Scripting,
        summary: "Deletes a library and its functions.",
        since: "7.0.0",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::new("library-name", ArgKind::String)],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_delete),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_DUMP: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|dump",
        arity: 2,
        flags: Flags::NOSCRIPT,
        group: Group::Scripting,
        summary: "Dumps all libraries into a serialized binary payload.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_dump),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_FLUSH: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|flush",
        arity: -2,
        flags: Flags::WRITE.and(Flags::NOSCRIPT),
        group: Group::Scripting,
        summary: "Deletes all libraries and functions.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions deleted",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::new(
            "flush-type",
            ArgKind::OneOf(&[Arg::word("async", "ASYNC"), Arg::word("sync", "SYNC")]),
        )
        .optional()],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_flush),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_LIST: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|list",
        arity: -2,
        flags: Flags::NOSCRIPT,
        group: Group::Scripting,
        summary: "Returns information about all libraries.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        tips: &["nondeterministic_output_order"],
        args: &[
            Arg::new("library-name-pattern", ArgKind::String).token("LIBRARYNAME").optional(),
            Arg::word("withcode", "WITHCODE").optional(),
        ],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_list),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_LOAD: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|load",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::NOSCRIPT),
        group: Group::Scripting,
        summary: "Creates a library.",
        since: "7.0.0",
        complexity: "O(1) (considering compilation time is redundant)",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::word("replace", "REPLACE").optional(), Arg::new("function-code", ArgKind::String)],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_load),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_RESTORE: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|restore",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::NOSCRIPT),
        group: Group::Scripting,
        summary: "Restores all libraries from a payload.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions on the payload",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[
            Arg::new("serialized-value", ArgKind::String),
            Arg::new(
                "policy",
                ArgKind::OneOf(&[
                    Arg::word("flush", "FLUSH"),
                    Arg::word("append", "APPEND"),
                    Arg::word("replace", "REPLACE"),
                ]),
            )
            .optional(),
        ],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_restore),
    reads_only: false,
    subcommands: &[],
};
const FUNCTION_STATS: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "function|stats",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
        group: Group::Scripting,
        summary: "Returns information about a function during execution.",
        since: "7.0.0",
        complexity: "O(1)",
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..Spec::DEFAULT
    },
    does: Does::Administer(desk::function_stats),
    reads_only: false,
    subcommands: &[],
};
