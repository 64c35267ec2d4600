//! COMMAND GETKEYS and GETKEYSANDFLAGS: the keys in a command.
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::route::{KeyAt, keys_of};
use crate::table::{Entry, table};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, KeyFlags, Spec};

pub(super) const GETKEYS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|getkeys",
        arity: -3,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Extracts the key names from an arbitrary command.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments to the command",
        args: &[Arg::new("command", ArgKind::String), Arg::new("arg", ArgKind::String).optional().multiple()],
        ..Spec::DEFAULT
    },
    run: getkeys,
    subcommands: &[],
};
fn getkeys(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let (_, keys) = find(cx, &args[2..])?;
    cx.reply.bulks(keys.iter().map(|(at, _)| args[2 + at]));
    Ok(Verdict::Done)
}

pub(super) const GETKEYSANDFLAGS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|getkeysandflags",
        arity: -3,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Extracts the key names and access flags for an arbitrary command.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        args: &[Arg::new("command", ArgKind::String), Arg::new("arg", ArgKind::String).optional().multiple()],
        ..Spec::DEFAULT
    },
    run: getkeysandflags,
    subcommands: &[],
};
fn getkeysandflags(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let (entry, keys) = find(cx, &args[2..])?;
    cx.reply.array(keys.len());
    for (at, key_spec) in keys {
        cx.reply.array(2);
        cx.reply.bulk(args[2 + at]);
        super::statuses(cx.reply, flags_in(entry.spec, key_spec, &args[2..]).names());
    }
    Ok(Verdict::Done)
}

/// The command that the arguments mean, and where its keys are.
fn find(cx: &Server<'_>, args: Args<'_>) -> Result<(&'static Entry, Vec<KeyAt>), Fault> {
    let mut entry = cx.core.shared.names.find(args[0]).map(|id| table().entry(id)).ok_or(INVALID)?;
    if !entry.subcommands.is_empty()
        && let Some(word) = args.get(1)
    {
        entry = table().find_sub(entry, word).ok_or(INVALID)?;
    }
    if entry.spec.keys.is_empty() {
        return Err(Fault::new("ERR The command has no key arguments"));
    }
    if !entry.spec.fits(args.len()) {
        return Err(Fault::new("ERR Invalid number of arguments specified for command"));
    }
    let keys = keys_of(entry.spec, args);
    if keys.is_empty() && !entry.spec.flags.has(Flags::NO_MANDATORY_KEYS) {
        return Err(Fault::new("ERR Invalid arguments specified for command"));
    }
    Ok((entry, keys.to_vec()))
}

const INVALID: Fault = Fault::new("ERR Invalid command specified");

/// What happens to a key with these very arguments.
fn flags_in(spec: &Spec, key_spec: usize, args: Args<'_>) -> KeyFlags {
    let has = |word: &[u8]| args[2..].iter().any(|arg| arg.eq_ignore_ascii_case(word));
    match spec.name {
        // The old value is read only to be given back.
        "set" if !args[3..].iter().any(|arg| arg.eq_ignore_ascii_case(b"get")) => {
            KeyFlags::OW.and(KeyFlags::UPDATE)
        }
        "set" => KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE),
        "bitfield" if !has(b"set") && !has(b"incrby") => KeyFlags::RO.and(KeyFlags::ACCESS),
        "bitfield" => KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE),
        _ => spec.keys[key_spec].flags,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_the_arguments() {
        let names = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let spec = table().find(args[0]).unwrap().spec;
            flags_in(spec, 0, &args).names().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("set k v"), "OW update");
        assert_eq!(names("set get get"), "OW update");
        assert_eq!(names("set k v ex 10 GET"), "RW access update");
        assert_eq!(names("bitfield k get u8 0"), "RO access");
        assert_eq!(names("bitfield k get u8 0 SET u8 0 1"), "RW access update");
        assert_eq!(names("get k"), "RO access");
    }
}
