//! EVAL, EVALSHA, FCALL and their read-only twins: commands that run where their shards are.
mod administration;

use super::desk;
use super::shebang::read_shebang;
use super::store::{Scripts, sha_from};
use shards::commands::Args;
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
    /// Whether what it runs may write by its own account: a function, or a script with a first line that says what it does.
    pub(crate) fn declares_writes(&self, scripts: &Scripts, args: Args<'_>) -> bool {
        match self.does {
            Does::Eval { by_sha } => {
                let declared = if by_sha {
                    let script = sha_from(args[1]).and_then(|sha| scripts.get(&sha));
                    script.map(|script| script.declared)
                } else {
                    read_shebang(args[1]).ok()
                };
                declared.is_some_and(|declared| declared.has_line && !declared.no_writes)
            }
            Does::Call => {
                let catalogue = scripts.functions.catalogue();
                let function = catalogue.function(args[1]);
                function.is_some_and(|(library, place)| !library.functions[*place].has(0))
            }
            Does::Administer(_) => false,
        }
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

/// Flags of all of them.
const FLAGS: Flags = Flags::NOSCRIPT
    .and(Flags::STALE)
    .and(Flags::SKIP_MONITOR)
    .and(Flags::NO_MANDATORY_KEYS)
    .and(Flags::MOVABLE_KEYS);
/// What they have in common: those that may write, and their read-only twins.
const WRITES: Spec =
    Spec { arity: -3, flags: FLAGS, group: Group::Scripting, since: "7.0.0", ..Spec::DEFAULT };
const READS: Spec = Spec { flags: FLAGS.and(Flags::READ), ..WRITES };

const WRITES_KEYS: KeySpec = KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 2, 1);
const WRITES_ANY: KeySpec =
    WRITES_KEYS.noted("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE");
const READS_KEYS: KeySpec = KeySpec::counted(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1);
const READS_ANY: KeySpec =
    READS_KEYS.noted("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS");

/// What is run, keys, and what else it is given.
const fn args(what: &'static str) -> [Arg; 4] {
    [
        Arg::new(what, ArgKind::String),
        Arg::new("numkeys", ArgKind::Integer),
        Arg::key("key", 0).optional().multiple(),
        Arg::new("arg", ArgKind::String).optional().multiple(),
    ]
}

const EVAL: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "eval",
        keys: &[WRITES_ANY],
        summary: "Executes a server-side Lua script.",
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        args: &args("script"),
        ..WRITES
    },
    does: Does::Eval { by_sha: false },
    reads_only: false,
    subcommands: &[],
};
const EVALSHA: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "evalsha",
        keys: &[WRITES_KEYS],
        summary: "Executes a server-side Lua script by SHA1 digest.",
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        args: &args("sha1"),
        ..WRITES
    },
    does: Does::Eval { by_sha: true },
    reads_only: false,
    subcommands: &[],
};
const EVAL_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "eval_ro",
        keys: &[READS_ANY],
        summary: "Executes a read-only server-side Lua script.",
        complexity: "Depends on the script that is executed.",
        args: &args("script"),
        ..READS
    },
    does: Does::Eval { by_sha: false },
    reads_only: true,
    subcommands: &[],
};
const EVALSHA_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "evalsha_ro",
        keys: &[READS_KEYS],
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        complexity: "Depends on the script that is executed.",
        args: &args("sha1"),
        ..READS
    },
    does: Does::Eval { by_sha: true },
    reads_only: true,
    subcommands: &[],
};
const FCALL: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "fcall",
        keys: &[WRITES_ANY],
        summary: "Calls a function.",
        complexity: "Depends on the function that is executed.",
        args: &args("function"),
        ..WRITES
    },
    does: Does::Call,
    reads_only: false,
    subcommands: &[],
};
const FCALL_RO: ScriptCommand = ScriptCommand {
    spec: Spec {
        name: "fcall_ro",
        keys: &[READS_ANY],
        summary: "Calls a function that does not write.",
        complexity: "Depends on the function that is executed.",
        args: &args("function"),
        ..READS
    },
    does: Does::Call,
    reads_only: true,
    subcommands: &[],
};
