//! Strings as rows of bits: SETBIT, BITCOUNT, BITOP and their kin.
use super::options::integer;
use super::{Args, Command};
use crate::bits::{self, Operation};
use crate::call::{Call, Expiry, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::{StrRef, Value};
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP];

/// What the commands on bits have in common.
pub(super) const BITMAP: Spec = Spec { group: Group::Bitmap, complexity: "O(1)", ..Spec::DEFAULT };

const BIT: Fault = Fault::new("ERR bit is not an integer or out of range");
const BIT_ARGUMENT: Fault = Fault::new("ERR The bit argument must be 1 or 0.");

/// `BYTE` or `BIT`, how COMMAND DOCS shows them with the range before.
const RANGE: Arg = Arg::new(
    "range",
    ArgKind::Block(&[
        Arg::new("start", ArgKind::Integer),
        Arg::new("end-unit-block", ArgKind::Block(&[Arg::new("end", ArgKind::Integer), UNIT])).optional(),
    ]),
)
.optional();
const UNIT: Arg = Arg::new("unit", ArgKind::OneOf(&[Arg::word("byte", "BYTE"), Arg::word("bit", "BIT")]))
    .since("7.0.0")
    .optional();

/// A place in a string, in bits. Behind `#` it is counted in integers of `width` bits.
pub(super) fn bit_offset(cx: &Call<'_>, text: &[u8], width: Option<u32>) -> Result<usize, Fault> {
    const OFFSET: Fault = Fault::new("ERR bit offset is not an integer or out of range");
    let (text, unit) = match (text, width) {
        ([b'#', text @ ..], Some(width)) => (text, i64::from(width)),
        _ => (text, 1),
    };
    let offset = integer(text).ok().and_then(|offset| offset.checked_mul(unit)).ok_or(OFFSET)?;
    let offset = usize::try_from(offset).map_err(|_| OFFSET)?;
    if offset / 8 < cx.settings.string_bytes_max { Ok(offset) } else { Err(OFFSET) }
}

const SETBIT: Command = Command {
    spec: Spec {
        name: "setbit",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Sets or clears a bit of a string, which is made or grown where needed.",
        since: "2.2.0",
        args: &[
            Arg::key("key", 0),
            Arg::new("offset", ArgKind::Integer),
            Arg::new("value", ArgKind::Integer),
        ],
        ..BITMAP
    },
    run: setbit,
    subcommands: &[],
};
fn setbit(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let offset = bit_offset(cx, args[2], None)?;
    let on = match integer(args[3]) {
        Ok(bit @ 0..=1) => bit == 1,
        _ => return Err(BIT),
    };
    let key = cx.key(args[1]);
    let len = cx.string_to_write(key)?.map(StrRef::len);
    let before = cx.bytes_mut(key, offset / 8 + 1, |bytes| {
        let before = bits::bit(bytes, offset);
        bits::put(bytes, offset, 1, u64::from(on));
        before
    });
    let grown = len.is_none_or(|len| len <= offset / 8);
    if grown || before != on {
        cx.wrote(key, Class::STRING, "setbit");
    }
    cx.reply.integer(i64::from(before));
    Ok(())
}

const GETBIT: Command = Command {
    spec: Spec {
        name: "getbit",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns a bit of a string.",
        since: "2.2.0",
        args: &[Arg::key("key", 0), Arg::new("offset", ArgKind::Integer)],
        ..BITMAP
    },
    run: getbit,
    subcommands: &[],
};
fn getbit(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let offset = bit_offset(cx, args[2], None)?;
    let key = cx.key(args[1]);
    let bit = cx.read_string(key)?.is_some_and(|value| bits::bit(value.bytes(&mut [0; 20]), offset));
    cx.reply.integer(i64::from(bit));
    Ok(())
}

const BITCOUNT: Command = Command {
    spec: Spec {
        name: "bitcount",
        arity: -2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Counts the bits that are set in a string.",
        since: "2.6.0",
        complexity: "O(N)",
        history: &[("7.0.0", "The words `BYTE` and `BIT`.")],
        args: &[Arg::key("key", 0), RANGE],
        ..BITMAP
    },
    run: bitcount,
    subcommands: &[],
};
fn bitcount(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let range = match args {
        [_, _] => None,
        [_, _, start, end, unit @ ..] if unit.len() < 2 => {
            Some((integer(start)?, integer(end)?, has_bit_unit(unit.first())?))
        }
        _ => return Err(SYNTAX),
    };
    let key = cx.key(args[1]);
    let mut room = [0; 20];
    let bytes = cx.keys.read_string(key)?.map_or(&[][..], |value| value.bytes(&mut room));
    let count = match range {
        None => bits::count_ones(bytes),
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0,
        Some((start, end, in_bits)) => {
            let (from, to) = bits_within(start, Some(end), in_bits, bytes.len());
            bits::count_ones_within(bytes, from, to)
        }
    };
    cx.reply.integer(count as i64);
    Ok(())
}

/// Whether a range is one of bits (`BIT`) rather than of bytes (`BYTE` or nothing).
fn has_bit_unit(unit: Option<&&[u8]>) -> Result<bool, Fault> {
    match unit {
        None => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"BYTE") => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"BIT") => Ok(true),
        Some(_) => Err(SYNTAX),
    }
}

/// The bits, the last one excluded, of a range of bits or bytes that counts from the end where negative, within a string.
fn bits_within(start: i64, end: Option<i64>, in_bits: bool, len: usize) -> (usize, usize) {
    let unit = if in_bits { 1 } else { 8 };
    let total = (len * 8 / unit) as i64;
    let place = |index: i64| if index < 0 { total.saturating_add(index).max(0) } else { index };
    let (start, end) = (place(start), end.map_or(total - 1, place).min(total - 1));
    if start > end { (0, 0) } else { (start as usize * unit, (end as usize + 1) * unit) }
}

const BITPOS: Command = Command {
    spec: Spec {
        name: "bitpos",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Finds the first bit that is set, or clear, in a string.",
        since: "2.8.7",
        complexity: "O(N)",
        history: &[("7.0.0", "The words `BYTE` and `BIT`.")],
        args: &[Arg::key("key", 0), Arg::new("bit", ArgKind::Integer), RANGE],
        ..BITMAP
    },
    run: bitpos,
    subcommands: &[],
};
fn bitpos(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let on = match integer(args[2])? {
        bit @ 0..=1 => bit == 1,
        _ => return Err(BIT_ARGUMENT),
    };
    if args.len() > 6 {
        return Err(SYNTAX);
    }
    let start = args.get(3).map_or(Ok(0), |start| integer(start))?;
    let in_bits = has_bit_unit(args.get(5))?;
    let end = args.get(4).map(|end| integer(end)).transpose()?;
    let key = cx.key(args[1]);
    let mut room = [0; 20];
    let found = match cx.keys.read_string(key)? {
        None if on => None,
        None => Some(0),
        Some(value) => {
            let bytes = value.bytes(&mut room);
            let (from, to) = bits_within(start, end, in_bits, bytes.len());
            // A string goes on with zeros, as long as no end is told.
            let beyond = (!on && end.is_none() && from < to).then_some(to);
            bits::position_within(bytes, from, to, on).or(beyond)
        }
    };
    cx.reply.integer(found.map_or(-1, |at| at as i64));
    Ok(())
}

const BITOP: Command = Command {
    spec: Spec {
        name: "bitop",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[
            KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 2),
            KeySpec::rest(KeyFlags::RO.and(KeyFlags::ACCESS), 3, 1),
        ],
        summary: "Combines strings bit by bit and stores the result.",
        since: "2.6.0",
        complexity: "O(N)",
        history: &[("8.2.0", "The operations `DIFF`, `DIFF1`, `ANDOR` and `ONE`.")],
        args: &[
            Arg::new(
                "operation",
                ArgKind::OneOf(&[
                    Arg::word("and", "AND"),
                    Arg::word("or", "OR"),
                    Arg::word("xor", "XOR"),
                    Arg::word("not", "NOT"),
                    Arg::word("diff", "DIFF").since("8.2.0"),
                    Arg::word("diff1", "DIFF1").since("8.2.0"),
                    Arg::word("andor", "ANDOR").since("8.2.0"),
                    Arg::word("one", "ONE").since("8.2.0"),
                ]),
            ),
            Arg::key("destkey", 0),
            Arg::key("key", 1).multiple(),
        ],
        ..BITMAP
    },
    run: bitop,
    subcommands: &[],
};
fn bitop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let operation = operation_of(args[1], args.len() - 3)?;
    let keys: Vec<Key<'_>> = args[3..].iter().map(|key| cx.key(key)).collect();
    for &key in &keys {
        cx.read_string(key)?;
    }
    let mut rooms = vec![[0; 20]; keys.len()];
    let sources: Vec<&[u8]> = keys
        .iter()
        .zip(&mut rooms)
        .map(|(&key, room)| cx.keys.peek(key).map_or(&[][..], |entry| entry.string().bytes(room)))
        .collect();
    let result = bits::combine(operation, &sources);
    let (destination, len) = (cx.key(args[2]), result.len());
    if len > 0 {
        cx.set(destination, Value::Owned(result), Expiry::None);
        cx.wrote(destination, Class::STRING, "set");
    } else if cx.remove(destination) {
        cx.wrote(destination, Class::GENERIC, "del");
    }
    cx.reply.integer(len as i64);
    Ok(())
}

/// The operation of that name, which takes so many sources.
fn operation_of(name: &[u8], sources: usize) -> Result<Operation, Fault> {
    let named: [(&str, Operation); 8] = [
        ("AND", Operation::And),
        ("OR", Operation::Or),
        ("XOR", Operation::Xor),
        ("NOT", Operation::Not),
        ("DIFF", Operation::Diff),
        ("DIFF1", Operation::Diff1),
        ("ANDOR", Operation::AndOr),
        ("ONE", Operation::One),
    ];
    let found = named.iter().find(|(other, _)| name.eq_ignore_ascii_case(other.as_bytes()));
    let &(name, operation) = found.ok_or(SYNTAX)?;
    match operation {
        Operation::Not if sources != 1 => {
            Err(Fault::new("ERR BITOP NOT must be called with a single source key."))
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr if sources < 2 => {
            Err(Fault::text(format!("ERR BITOP {name} must be called with at least two source keys.")))
        }
        operation => Ok(operation),
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("SETBIT b 7 0", ":0", "1: new b, setbit b; SETBIT b 7 0"),
            ("SETBIT b 7 0", ":0", "0: ; "),
            ("SETBIT b 17 0", ":0", "1: setbit b; SETBIT b 17 0"),
            ("SETBIT b 17 1", ":0", "1: setbit b; SETBIT b 17 1"),
            ("SETBIT b 17 1", ":1", "0: ; "),
            ("BITOP NOT d b", ":3", "1: new d, set d; BITOP NOT d b"),
            ("BITOP AND d missing", ":0", "1: del d; BITOP AND d missing"),
            ("BITOP AND d missing", ":0", "0: ; "),
            ("BITOP OR b b b", ":3", "1: set b; BITOP OR b b b"),
        ]);
    }

    #[test]
    fn offsets_end_where_strings_do() {
        let mut world = World::new();
        world.settings.string_bytes_max = 100;
        let out = "-ERR bit offset is not an integer or out of range";
        assert_eq!(
            (world.run("SETBIT b 800 1"), world.run("GETBIT b 800")),
            (out.to_owned(), out.to_owned())
        );
        assert_eq!(
            (world.run("SETBIT b 799 1"), world.run("BITPOS b 1")),
            (":0".to_owned(), ":799".to_owned())
        );
    }
}
