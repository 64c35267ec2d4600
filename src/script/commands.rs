//! EVAL, EVALSHA, FCALL and their read-only twins: commands that run where their shards are.
mod administration;

use super::desk;
use shards::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

/// A command about scripts: its facts, and what it does.
#[derive(Clone, Copy, Debug)]
pub struct ScriptCommand {
    /// The facts.
    pub spec: Spec,
    /// What it does.
    pub(crate) does: Does,
    /// What it runs may not write.
    pub reads_only: bool,
    /// The commands below this one.
    pub subcommands: &'static [ScriptCommand],
}

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Does {
    /// It runs a script.
    Eval {
        /// It is named by its SHA1.
        by_sha: bool,
    },
    /// It calls a function.
    Call,
    /// It does something to scripts or libraries.
    Administer(desk::Act),
}

impl ScriptCommand {
    /// Whether it changes the libraries, which takes all shards.
    pub(crate) fn changes_libraries(&self) -> bool {
        matches!(self.does, Does::Administer(_)) && self.spec.flags.has(Flags::WRITE)
    }
    /// Whether it needs no shards.
    pub(crate) fn needs_no_shards(&self) -> bool {
        matches!(self.does, Does::Administer(_)) && !self.changes_libraries()
    }
    /// Whether scripts or functions that are looked for after it may be others than those before it.
    pub(crate) fn changes_what_there_is(&self) -> bool {
        matches!(self.spec.name, "script|load" | "script|flush") || self.changes_libraries()
    }
}

/// The commands.
pub(crate) const COMMANDS: &[ScriptCommand] =
    &[EVAL, EVALSHA, EVAL_RO, EVALSHA_RO, FCALL, FCALL_RO, administration::SCRIPT, administration::FUNCTION];

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
    does: Does::Eval { by_sha: false },
    reads_only: false,
    subcommands: &[],
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
    does: Does::Eval { by_sha: true },
    reads_only: false,
    subcommands: &[],
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
    does: Does::Eval { by_sha: false },
    reads_only: true,
    subcommands: &[],
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
    does: Does::Eval { by_sha: true },
    reads_only: true,
    subcommands: &[],
};
const FCALL: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "fcall",
        arity: -3,
        flags: Flags::NOSCRIPT
            .and(Flags::STALE)
            .and(Flags::SKIP_MONITOR)
            .and(Flags::NO_MANDATORY_KEYS)
            .and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 2, 1)
            .noted("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE")],
        group: Group::Scripting,
        summary: "Calls a function.",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        args: &[
            Arg::new("function", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    does: Does::Call,
    reads_only: false,
    subcommands: &[],
};
const FCALL_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "fcall_ro",
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
        summary: "Calls a function that does not write.",
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        args: &[
            Arg::new("function", ArgKind::String),
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).optional().multiple(),
            Arg::new("arg", ArgKind::String).optional().multiple(),
        ],
        ..Spec::DEFAULT
    },
    does: Does::Call,
    reads_only: true,
    subcommands: &[],
};
