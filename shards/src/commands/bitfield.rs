//! BITFIELD: integers of any width at any bit of a string.
use super::bitmap::{BITMAP, bit_offset};
use super::options::integer;
use super::{Args, Command};
use crate::bits;
use crate::call::Call;
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::StrRef;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[BITFIELD, BITFIELD_RO];

const TYPE: Fault = Fault::new(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
const OVERFLOW: Fault = Fault::new("ERR Invalid OVERFLOW type specified");
const READ_ONLY: Fault = Fault::new("ERR BITFIELD_RO only supports the GET subcommand");

const BITFIELD: Command = Command {
    spec: Spec {
        name: "bitfield",
        arity: -2,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(
            KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE).and(KeyFlags::VARIABLE_FLAGS),
            1,
        )
        .noted("reads the key, and changes it where an operation says so")],
        summary: "Reads and changes integers of any width within a string.",
        since: "3.2.0",
        complexity: "O(1) for each operation.",
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "operation",
                ArgKind::OneOf(&[
                    Arg::new(
                        "get-block",
                        ArgKind::Block(&[
                            Arg::new("encoding", ArgKind::String),
                            Arg::new("offset", ArgKind::Integer),
                        ]),
                    )
                    .token("GET"),
                    Arg::new(
                        "write",
                        ArgKind::Block(&[
                            Arg::new(
                                "overflow-block",
                                ArgKind::OneOf(&[
                                    Arg::word("wrap", "WRAP"),
                                    Arg::word("sat", "SAT"),
                                    Arg::word("fail", "FAIL"),
                                ]),
                            )
                            .token("OVERFLOW")
                            .optional(),
                            Arg::new(
                                "write-operation",
                                ArgKind::OneOf(&[
                                    Arg::new(
                                        "set-block",
                                        ArgKind::Block(&[
                                            Arg::new("encoding", ArgKind::String),
                                            Arg::new("offset", ArgKind::Integer),
                                            Arg::new("value", ArgKind::Integer),
                                        ]),
                                    )
                                    .token("SET"),
                                    Arg::new(
                                        "incrby-block",
                                        ArgKind::Block(&[
                                            Arg::new("encoding", ArgKind::String),
                                            Arg::new("offset", ArgKind::Integer),
                                            Arg::new("increment", ArgKind::Integer),
                                        ]),
                                    )
                                    .token("INCRBY"),
                                ]),
                            ),
                        ]),
                    ),
                ]),
            )
            .optional()
            .multiple(),
        ],
        ..BITMAP
    },
    run: bitfield,
    subcommands: &[],
};
fn bitfield(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let operations = Operation::read_all(cx, &args[2..])?;
    // The string grows as far as any operation may write, even where none then does.
    let end = operations.iter().filter(|operation| operation.writes()).map(|operation| operation.end()).max();
    match end {
        None => read(cx, args[1], &operations),
        Some(end) => write(cx, args[1], &operations, end.div_ceil(8)),
    }
}

const BITFIELD_RO: Command = Command {
    spec: Spec {
        name: "bitfield_ro",
        arity: -2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Reads integers of any width within a string.",
        since: "6.0.0",
        complexity: "O(1) for each operation.",
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "get-block",
                ArgKind::Block(&[
                    Arg::new("encoding", ArgKind::String),
                    Arg::new("offset", ArgKind::Integer),
                ]),
            )
            .token("GET")
            .optional()
            .multiple()
            .multiple_token(),
        ],
        ..BITMAP
    },
    run: bitfield_ro,
    subcommands: &[],
};
fn bitfield_ro(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let operations = Operation::read_all(cx, &args[2..])?;
    if operations.iter().any(|operation| operation.writes()) {
        return Err(READ_ONLY);
    }
    read(cx, args[1], &operations)
}

fn read(cx: &mut Call<'_>, key: &[u8], operations: &[Operation]) -> Outcome {
    let key = cx.key(key);
    let mut room = [0; 20];
    let bytes = cx.keys.read_string(key)?.map_or(&[][..], |value| value.bytes(&mut room));
    cx.reply.array(operations.len());
    operations.iter().for_each(|operation| cx.reply.integer(operation.field.get(bytes) as i64));
    Ok(())
}

fn write(cx: &mut Call<'_>, key: &[u8], operations: &[Operation], len_min: usize) -> Outcome {
    let key = cx.key(key);
    let grown = cx.string_to_write(key)?.map(StrRef::len).is_none_or(|len| len < len_min);
    cx.reply.array(operations.len());
    let reply = &mut *cx.reply;
    let changes = cx.keys.bytes_mut(key, len_min, |bytes| {
        operations.iter().filter(|operation| operation.apply(bytes, reply, grown)).count()
    });
    if changes > 0 {
        cx.wrote(key, Class::STRING, "setbit");
        cx.effects.dirty += changes as u64 - 1;
    } else if grown {
        // Redis makes the string longer and tells nobody; a journal has to know.
        cx.effects.dirty += 1;
        cx.changed(key);
    }
    Ok(())
}

/// Where an integer stands, and of which type it is.
#[derive(Clone, Copy, Debug)]
struct Field {
    signed: bool,
    width: u32,
    at: usize,
}

/// What becomes of a value that does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overflow {
    /// Its low bits stay.
    Wrap,
    /// It becomes the nearest that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One of BITFIELD's operations.
#[derive(Clone, Copy, Debug)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Operation {
    fn read_all(cx: &Call<'_>, mut args: &[&[u8]]) -> Result<Vec<Operation>, Fault> {
        let mut operations = Vec::new();
        let mut overflow = Overflow::Wrap;
        while let [word, rest @ ..] = args {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let (action, taken): (fn(i64) -> Action, usize) = if is("OVERFLOW") && !rest.is_empty() {
                overflow = Overflow::read(rest[0])?;
                args = &rest[1..];
                continue;
            } else if is("GET") {
                (|_| Action::Get, 2)
            } else if is("SET") {
                (Action::Set, 3)
            } else if is("INCRBY") {
                (Action::Add, 3)
            } else {
                return Err(SYNTAX);
            };
            let (words, rest) = rest.split_at_checked(taken).ok_or(SYNTAX)?;
            let field = Field::read(cx, words[0], words[1])?;
            let value = words.get(2).map_or(Ok(0), |value| integer(value))?;
            operations.push(Operation { field, action: action(value), overflow });
            args = rest;
        }
        Ok(operations)
    }

    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The bit behind its field.
    fn end(&self) -> usize {
        self.field.at + self.field.width as usize
    }

    /// Does it, and replies; whether that counts as a change: in a string that was `grown`, every write does.
    fn apply(&self, bytes: &mut [u8], reply: &mut Reply, grown: bool) -> bool {
        let old = self.field.get(bytes);
        let wanted = match self.action {
            Action::Get => {
                reply.integer(old as i64);
                return false;
            }
            Action::Set(value) if self.field.signed => i128::from(value),
            // A negative value is too large a one where there is no sign.
            Action::Set(value) => i128::from(value as u64),
            Action::Add(value) => old + i128::from(value),
        };
        let Some(new) = self.field.fit(wanted, self.overflow) else {
            reply.null();
            return false;
        };
        reply.integer(if matches!(self.action, Action::Set(_)) { old } else { new } as i64);
        bits::put(bytes, self.field.at, self.field.width, new as u64);
        grown || new != old
    }
}

impl Overflow {
    fn read(word: &[u8]) -> Result<Overflow, Fault> {
        let named = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
        let found = named.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, overflow)| *overflow).ok_or(OVERFLOW)
    }
}

impl Field {
    /// Reads a type such as `i16` and an offset such as `100` or `#3`.
    fn read(cx: &Call<'_>, kind: &[u8], offset: &[u8]) -> Result<Field, Fault> {
        let (signed, width, width_max) = match kind {
            [b'i', width @ ..] => (true, width, 64),
            [b'u', width @ ..] => (false, width, 63),
            _ => return Err(TYPE),
        };
        let width = integer(width).ok().filter(|width| (1..=width_max).contains(width)).ok_or(TYPE)? as u32;
        Ok(Field { signed, width, at: bit_offset(cx, offset, Some(width))? })
    }

    fn get(self, bytes: &[u8]) -> i128 {
        self.value(bits::get(bytes, self.at, self.width))
    }

    /// The integer that these bits are.
    fn value(self, bits: u64) -> i128 {
        let up = 64 - self.width;
        if self.signed { i128::from((bits << up) as i64 >> up) } else { i128::from(bits << up >> up) }
    }

    /// The value, if it fits; else what `overflow` makes of it.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i128> {
        let (min, max) = if self.signed {
            (-1i128 << (self.width - 1), (1i128 << (self.width - 1)) - 1)
        } else {
            (0, (1i128 << self.width) - 1)
        };
        if (min..=max).contains(&value) {
            return Some(value);
        }
        match overflow {
            Overflow::Wrap => Some(self.value(value as u64)),
            Overflow::Saturate => Some(value.clamp(min, max)),
            Overflow::Fail => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::World;
    use proptest::prelude::*;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            (
                "BITFIELD b SET u8 0 255 GET u8 0 INCRBY u2 3 1",
                "*3 :0 :255 :0",
                "2: new b, setbit b; BITFIELD b SET u8 0 255 GET u8 0 INCRBY u2 3 1",
            ),
            ("BITFIELD b SET u8 0 231", "*1 :231", "0: ; "),
            (
                "BITFIELD b SET u8 0 231 SET u8 8 0",
                "*2 :231 :0",
                "2: setbit b; BITFIELD b SET u8 0 231 SET u8 8 0",
            ),
            ("BITFIELD b GET u8 0", "*1 :231", "0: ; "),
            ("BITFIELD missing GET u8 0", "*1 :0", "0: ; "),
            (
                "BITFIELD new OVERFLOW FAIL INCRBY u8 0 300",
                "*1 (nil)",
                "1: new new; BITFIELD new OVERFLOW FAIL INCRBY u8 0 300",
            ),
        ]);
    }

    proptest! {
        #[test]
        fn what_fits_stays_and_what_does_not_obeys_its_mode(signed in any::<bool>(), width in 1u32..=63, value in any::<i64>()) {
            let field = Field { signed, width, at: 0 };
            let value = i128::from(value);
            let wrapped = field.fit(value, Overflow::Wrap).unwrap();
            prop_assert_eq!((wrapped - value).rem_euclid(1 << width), 0);
            prop_assert_eq!(field.value(wrapped as u64), wrapped);
            let saturated = field.fit(value, Overflow::Saturate).unwrap();
            let fits = wrapped == value;
            prop_assert_eq!(field.fit(value, Overflow::Fail), fits.then_some(value));
            prop_assert_eq!(saturated == value, fits);
            prop_assert_eq!(field.fit(saturated, Overflow::Fail), Some(saturated));
        }
    }
}
