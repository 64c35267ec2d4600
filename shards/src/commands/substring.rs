//! Parts of strings: GETRANGE, SETRANGE, APPEND, STRLEN.
use super::options::integer;
use super::string::STRING;
use super::{Args, Command};
use crate::call::{Call, Expiry};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, STRING_TOO_LONG};
use crate::keyspace::{StrRef, Value};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use std::ops::Range;

pub(super) const COMMANDS: &[Command] = &[GETRANGE, SUBSTR, SETRANGE, APPEND, STRLEN];

const GETRANGE: Command = Command {
    spec: Spec {
        name: "getrange",
        arity: 4,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns a part of the string value of a key.",
        since: "2.4.0",
        complexity: "O(N), N being the length of the result.",
        args: &[Arg::key("key", 0), Arg::new("start", ArgKind::Integer), Arg::new("end", ArgKind::Integer)],
        ..STRING
    },
    run: getrange,
    subcommands: &[],
};
const SUBSTR: Command = Command {
    spec: Spec {
        name: "substr",
        arity: 4,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns a part of the string value of a key.",
        complexity: "O(N), N being the length of the result.",
        args: &[Arg::key("key", 0), Arg::new("start", ArgKind::Integer), Arg::new("end", ArgKind::Integer)],
        deprecated: Some(("2.0.0", "`GETRANGE`")),
        ..STRING
    },
    run: getrange,
    subcommands: &[],
};
fn getrange(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (start, end) = (integer(args[2])?, integer(args[3])?);
    let key = cx.key(args[1]);
    let mut room = [0; 20];
    let text = match cx.keys.read_string(key)? {
        Some(value) => value.bytes(&mut room),
        None => &[],
    };
    cx.reply.bulk(&text[range_within(start, end, text.len())]);
    Ok(())
}

/// The bytes from `start` to `end`, both included and from the end where negative, that lie within `len`.
fn range_within(start: i64, end: i64, len: usize) -> Range<usize> {
    let (len, crossed) = (len as i64, start < 0 && end < 0 && start > end);
    let place = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (place(start), place(end).min(len - 1));
    if crossed || start > end { 0..0 } else { start as usize..end as usize + 1 }
}

const SETRANGE: Command = Command {
    spec: Spec {
        name: "setrange",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Overwrites a part of the string value of a key, which is made or grown where needed.",
        since: "2.2.0",
        complexity: "O(M), M being the length of the value; O(1) for a small one.",
        args: &[Arg::key("key", 0), Arg::new("offset", ArgKind::Integer), Arg::new("value", ArgKind::String)],
        ..STRING
    },
    run: setrange,
    subcommands: &[],
};
fn setrange(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let offset = usize::try_from(integer(args[2])?).map_err(|_| OFFSET_RANGE)?;
    let (key, patch) = (cx.key(args[1]), args[3]);
    let len = cx.string_to_write(key)?.map_or(0, StrRef::len);
    if patch.is_empty() {
        cx.reply.integer(len as i64);
        return Ok(());
    }
    let end = length_within(cx, offset, patch.len())?;
    cx.bytes_mut(key, end, |bytes| bytes[offset..end].copy_from_slice(patch));
    cx.wrote(key, Class::STRING, "setrange");
    cx.reply.integer(len.max(end) as i64);
    Ok(())
}

const OFFSET_RANGE: Fault = Fault::new("ERR offset is out of range");

/// The length of a string of `len` bytes with `more` behind it, if a string may be as long.
fn length_within(cx: &Call<'_>, len: usize, more: usize) -> Result<usize, Fault> {
    len.checked_add(more).filter(|total| *total <= cx.settings.string_bytes_max).ok_or(STRING_TOO_LONG)
}

const APPEND: Command = Command {
    spec: Spec {
        name: "append",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Appends to the string value of a key, which is made if it is missing.",
        since: "2.0.0",
        complexity: "O(1) amortized, for a small tail.",
        args: &[Arg::key("key", 0), Arg::new("value", ArgKind::String)],
        ..STRING
    },
    run: append,
    subcommands: &[],
};
fn append(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (key, tail) = (cx.key(args[1]), args[2]);
    let end = match cx.string_to_write(key)?.map(StrRef::len) {
        None => {
            cx.set(key, Value::from_client(tail), Expiry::None);
            tail.len()
        }
        Some(len) => {
            let end = length_within(cx, len, tail.len())?;
            cx.bytes_mut(key, end, |bytes| bytes[len..].copy_from_slice(tail));
            end
        }
    };
    cx.wrote(key, Class::STRING, "append");
    cx.reply.integer(end as i64);
    Ok(())
}

const STRLEN: Command = Command {
    spec: Spec {
        name: "strlen",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns the length of the string value of a key.",
        since: "2.2.0",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: strlen,
    subcommands: &[],
};
fn strlen(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let len = cx.read_string(key)?.map_or(0, StrRef::len);
    cx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("APPEND k 12", ":2", "1: new k, append k; APPEND k 12"),
            ("APPEND k \"\"", ":2", "1: append k; APPEND k "),
            ("SETRANGE k 4 x", ":5", "1: setrange k; SETRANGE k 4 x"),
            ("SETRANGE k 1 \"\"", ":5", "0: ; "),
            ("SETRANGE new 3 \"\"", ":0", "0: ; "),
            ("SETRANGE new 3 a", ":4", "1: new new, setrange new; SETRANGE new 3 a"),
            ("GETRANGE k 0 -1", "\"12\\x00\\x00x\"", "0: ; "),
            ("GETRANGE k -100 -50", "\"1\"", "0: ; "),
            ("STRLEN k", ":5", "0: ; "),
        ]);
    }

    #[test]
    fn strings_grow_up_to_their_limit_and_keep_their_expiry() {
        let mut world = World::new();
        world.settings.string_bytes_max = 5000;
        world.run("SET k 1 EX 10");
        assert_eq!(world.run("APPEND k \"x\"*4999"), ":5000");
        let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
        for line in ["APPEND k y", "SETRANGE k 5000 y", "SETRANGE new 9223372036854775807 y"] {
            assert_eq!(world.run(line), too_long, "{line}");
        }
        assert_eq!(world.run("SETRANGE k 0 \"ab\""), ":5000");
        world.sleep_ms(10_001);
        assert_eq!(world.run("STRLEN k"), ":0");
    }
}
