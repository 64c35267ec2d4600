//! EVAL, EVALSHA and their read-only twins: commands that run where their shards are.
use shards::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

/// A command that runs a script: its facts, and which script, how.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCommand {
    /// The facts.
    pub spec: Spec,
    /// The script is named by its SHA1.
    pub by_sha: bool,
    /// The script may not write.
    pub reads_only: bool,
}

/// The commands.
pub(crate) const COMMANDS: &[ScriptCommand] = &[EVAL, EVALSHA, EVAL_RO, EVALSHA_RO];

const EVAL: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "eval",
        arity: -3,
        flags: Flags::NOSCRIPT
            .and(Flags::STALE)
            .and(Flags::SKIP_MONITOR)
            .and(Flags::NO_MANDATORY_KEYS)
            .and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 2, 1)
            .noted("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE")],
        group: Group::Scripting,
        summary: "Executes a server-side Lua script.",
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        args: &[
            Arg::new("script", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    by_sha: false,
    reads_only: false,
};
const EVALSHA: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "evalsha",
        arity: -3,
        flags: Flags::NOSCRIPT
            .and(Flags::STALE)
            .and(Flags::SKIP_MONITOR)
            .and(Flags::NO_MANDATORY_KEYS)
            .and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 2, 1)],
        group: Group::Scripting,
        summary: "Executes a server-side Lua script by SHA1 digest.",
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        args: &[
            Arg::new("sha1", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    by_sha: true,
    reads_only: false,
};
const EVAL_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "eval_ro",
        arity: -3,
        flags: Flags::READ
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE)
            .and(Flags::SKIP_MONITOR)
            .and(Flags::NO_MANDATORY_KEYS)
            .and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1)
            .noted("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS")],
        group: Group::Scripting,
        summary: "Executes a read-only server-side Lua script.",
        since: "7.0.0",
        complexity: "Depends on the script that is executed.",
        args: &[
            Arg::new("script", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    by_sha: false,
    reads_only: true,
};
const EVALSHA_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "evalsha_ro",
        arity: -3,
        flags: Flags::READ
            .and(Flags::NOSCRIPT)
            .and(Flags::STALE)
            .and(Flags::SKIP_MONITOR)
            .and(Flags::NO_MANDATORY_KEYS)
            .and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1)],
        group: Group::Scripting,
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        since: "7.0.0",
        complexity: "Depends on the script that is executed.",
        args: &[
            Arg::new("sha1", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    by_sha: true,
    reads_only: true,
};
