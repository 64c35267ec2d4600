//! MEMORY USAGE: what a key costs. The other subcommands of MEMORY look at the whole server and are its own.
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, NOT_INTEGER, Outcome, SYNTAX};
use crate::number::parse_i64;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

/// Bytes of an entry's word in its table.
const WORD_BYTES: usize = size_of::<u64>();

pub(super) const COMMANDS: &[Command] = &[MEMORY];

/// The container, as far as it is the engine's: the server's own one takes its place and has both halves below it.
const MEMORY: Command = Command {
    spec: Spec { name: "memory", arity: -2, group: Group::Server, since: "4.0.0", ..Spec::DEFAULT },
    run: |_, _| Err(Fault::arity("memory")),
    subcommands: &[USAGE],
};

/// MEMORY USAGE: bytes of a key with its value.
pub const USAGE: Command = Command {
    spec: Spec {
        name: "memory|usage",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO, 2)],
        group: Group::Server,
        summary: "Estimates the memory usage of a key.",
        since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).token("SAMPLES").optional()],
        ..Spec::DEFAULT
    },
    run: usage,
    subcommands: &[],
};
fn usage(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    check_samples(&args[3..])?;
    let key = cx.key(args[2]);
    match cx.keys.lookup(key) {
        Some(entry) => cx.reply.integer((entry.memory_bytes() + WORD_BYTES) as i64),
        None => cx.reply.null(),
    }
    Ok(())
}

/// How many elements to look at is checked and then of no matter: a packed value knows its size.
fn check_samples(mut options: Args<'_>) -> Result<(), Fault> {
    while let [word, number, rest @ ..] = options {
        if !word.eq_ignore_ascii_case(b"SAMPLES") {
            return Err(SYNTAX);
        }
        if parse_i64(number).ok_or(NOT_INTEGER)? < 0 {
            return Err(SYNTAX);
        }
        options = rest;
    }
    if options.is_empty() { Ok(()) } else { Err(SYNTAX) }
}
