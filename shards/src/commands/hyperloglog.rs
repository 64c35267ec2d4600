//! Cardinalities: PFADD, PFCOUNT, PFMERGE, PFDEBUG and PFSELFTEST over strings that are HyperLogLogs.
use super::{Args, Command};
use crate::call::{Call, Expiry, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome};
use crate::keyspace::entry::EMBEDDED_BYTES_MAX;
use crate::keyspace::{StrRef, Value};
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::hyperloglog::{self as hll, Corrupt, Encoding, Place, REGISTERS, dense, sparse};

pub(super) const COMMANDS: &[Command] = &[PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST];

const HYPERLOGLOG: Spec = Spec { group: Group::Hyperloglog, since: "2.8.9", ..Spec::DEFAULT };

const NOT_ONE: Fault = Fault::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPT: Fault = Fault::new("INVALIDOBJ Corrupted HLL object detected");
const MISSING: Fault = Fault::new("ERR The specified key does not exist");
const ON_OR_OFF: Fault = Fault::new("ERR Argument must be ON or OFF");

impl From<Corrupt> for Fault {
    fn from(_: Corrupt) -> Fault {
        CORRUPT
    }
}

/// The HyperLogLog that a string is.
#[inline]
fn hll_of(string: StrRef<'_>) -> Result<(&[u8], Encoding), Fault> {
    match string {
        StrRef::Bytes(bytes) => Ok((bytes, Encoding::of(bytes).ok_or(NOT_ONE)?)),
        StrRef::Int(_) => Err(NOT_ONE),
    }
}

/// Redis makes a string its own before it looks closer, so that one it had packed is `raw` then.
fn unpack(cx: &mut Call<'_>, key: Key<'_>, len: usize) {
    if len <= EMBEDDED_BYTES_MAX {
        cx.bytes_mut(key, 0, |_| ());
    }
}

const PFADD: Command = Command {
    spec: Spec {
        name: "pfadd",
        arity: -2,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Adds elements to a HyperLogLog, which is made where it is missing.",
        complexity: "O(1) for each element.",
        args: &[Arg::key("key", 0), Arg::new("element", ArgKind::String).optional().multiple()],
        ..HYPERLOGLOG
    },
    run: pfadd,
    subcommands: &[],
};
fn pfadd(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let bytes_max = cx.settings.hll_sparse_bytes_max;
    let key = cx.key(args[1]);
    let mut elements = &args[2..];
    let found = cx.keys.string_to_write(key)?.map(hll_of).transpose()?;
    let raised = match found {
        None => {
            let mut bytes = hll::empty();
            let raised = raise_all(&mut bytes, Encoding::Sparse, elements, bytes_max)?;
            cx.set(key, Value::Owned(bytes), Expiry::None);
            raised + 1
        }
        Some((bytes, encoding)) => {
            // Most elements were there before: those that open the list cost a look.
            while let [first, rest @ ..] = elements
                && !hll::would_raise(bytes, encoding, Place::of(first))?
            {
                elements = rest;
            }
            let len = bytes.len();
            if elements.is_empty() {
                unpack(cx, key, len);
                0
            } else if encoding == Encoding::Dense {
                cx.bytes_mut(key, len, |bytes| {
                    hll::invalidate(bytes);
                    let places = elements.iter().map(|element| Place::of(element));
                    let registers = &mut bytes[hll::HEADER_BYTES..];
                    places.filter(|&place| dense::raise(registers, place)).count() as u64
                })
            } else {
                // One that is found to be corrupt on the way stays as it was.
                let mut bytes = bytes.to_vec();
                let raised = raise_all(&mut bytes, encoding, elements, bytes_max)?;
                cx.update(key, Value::Owned(bytes));
                raised
            }
        }
    };
    if raised > 0 {
        cx.wrote(key, Class::STRING, "pfadd");
        cx.effects.dirty += raised - 1;
    }
    cx.reply.integer(i64::from(raised > 0));
    Ok(())
}

/// Adds elements; how many of them changed a register.
fn raise_all(
    bytes: &mut Vec<u8>,
    mut encoding: Encoding,
    elements: Args<'_>,
    bytes_max: usize,
) -> Result<u64, Corrupt> {
    let mut raised = 0;
    for element in elements {
        raised += u64::from(hll::raise(bytes, &mut encoding, Place::of(element), bytes_max)?);
    }
    hll::invalidate(bytes);
    Ok(raised)
}

const PFCOUNT: Command = Command {
    spec: Spec {
        name: "pfcount",
        arity: -2,
        flags: Flags::READ,
        keys: &[KeySpec::rest(KeyFlags::RW.and(KeyFlags::ACCESS), 1, 1).noted(
            "RW because it may change the internal representation of the key, and propagate to replicas",
        )],
        summary: "Returns about how many distinct elements were added to one HyperLogLog, or to several in all.",
        complexity: "O(1) for one key; O(N) for several, N being their number.",
        args: &[Arg::key("key", 0).multiple()],
        ..HYPERLOGLOG
    },
    run: pfcount,
    subcommands: &[],
};
fn pfcount(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let cardinality = match args {
        [_, key] => count_one(cx, key)?,
        _ => hll::count_registers(&merged(cx, &args[1..])?.registers),
    };
    cx.reply.integer(cardinality as i64);
    Ok(())
}

/// Counts one, and notes the count in the string: a change like any other, though of a command that reads.
fn count_one(cx: &mut Call<'_>, key: &[u8]) -> Result<u64, Fault> {
    let key = cx.key(key);
    let Some(string) = cx.keys.read_string(key)? else { return Ok(0) };
    let (bytes, encoding) = hll_of(string)?;
    let len = bytes.len();
    if let Some(cardinality) = hll::cached(bytes) {
        unpack(cx, key, len);
        return Ok(cardinality);
    }
    let cardinality = hll::count(bytes, encoding)?;
    cx.bytes_mut(key, len, |bytes| hll::cache(bytes, cardinality));
    cx.changed(key);
    cx.effects.dirty += 1;
    cx.record(&[b"PFCOUNT", key.bytes()]);
    Ok(cardinality)
}

/// Several HyperLogLogs as one.
struct Merged {
    registers: Box<hll::Registers>,
    /// One of them at least is dense.
    any_dense: bool,
}

fn merged(cx: &mut Call<'_>, keys: Args<'_>) -> Result<Merged, Fault> {
    let mut merged = Merged { registers: Box::new([0; REGISTERS]), any_dense: false };
    for key in keys {
        let key = cx.key(key);
        if let Some(string) = cx.keys.read_string(key)? {
            let (bytes, encoding) = hll_of(string)?;
            merged.any_dense |= encoding == Encoding::Dense;
            hll::merge_into(&mut merged.registers, bytes, encoding)?;
        }
    }
    Ok(merged)
}

const PFMERGE: Command = Command {
    spec: Spec {
        name: "pfmerge",
        arity: -2,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[
            KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::INSERT), 1),
            KeySpec::rest(KeyFlags::RO.and(KeyFlags::ACCESS), 2, 1),
        ],
        summary: "Adds all that was added to some HyperLogLogs to another one.",
        complexity: "O(N), N being the number of HyperLogLogs.",
        args: &[Arg::key("destkey", 0), Arg::key("sourcekey", 1).optional().multiple()],
        ..HYPERLOGLOG
    },
    run: pfmerge,
    subcommands: &[],
};
fn pfmerge(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let Merged { registers, any_dense } = merged(cx, &args[1..])?;
    let (key, bytes_max) = (cx.key(args[1]), cx.settings.hll_sparse_bytes_max);
    let stored = match cx.keys.string_to_write(key)? {
        Some(string) => {
            let (bytes, encoding) = hll_of(string)?;
            hll::store(bytes, encoding, &registers, any_dense, bytes_max)?
        }
        None => hll::store(&hll::empty(), Encoding::Sparse, &registers, any_dense, bytes_max)?,
    };
    cx.update(key, Value::Owned(stored));
    cx.wrote(key, Class::STRING, "pfadd");
    cx.reply.ok();
    Ok(())
}

const PFDEBUG: Command = Command {
    spec: Spec {
        name: "pfdebug",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::ADMIN),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS), 2)],
        summary: "Shows the registers of a HyperLogLog or how they are kept.",
        complexity: "N/A",
        args: &[Arg::new("subcommand", ArgKind::String), Arg::key("key", 0)],
        ..HYPERLOGLOG
    },
    run: pfdebug,
    subcommands: &[],
};
fn pfdebug(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let is = |name: &str| args[1].eq_ignore_ascii_case(name.as_bytes());
    if is("simd") {
        return simd(cx, args[2]);
    }
    let key = cx.key(args[2]);
    let (bytes, encoding) = hll_of(cx.keys.string_to_write(key)?.ok_or(MISSING)?)?;
    let len = bytes.len();
    if is("getreg") {
        let mut registers = [0; REGISTERS];
        hll::merge_into(&mut registers, bytes, encoding)?;
        make_dense(cx, key)?;
        cx.reply.array(REGISTERS);
        registers.iter().for_each(|&register| cx.reply.integer(register.into()));
    } else if is("decode") {
        if encoding == Encoding::Dense {
            return Err(Fault::new("ERR HLL encoding is not sparse"));
        }
        cx.reply.bulk(decoded(bytes).as_bytes());
        unpack(cx, key, len);
    } else if is("encoding") {
        cx.reply.status(encoding.name());
        unpack(cx, key, len);
    } else if is("todense") {
        let made = make_dense(cx, key)?;
        cx.reply.integer(i64::from(made));
    } else {
        unpack(cx, key, len);
        return Err(Fault::quoting("ERR Unknown PFDEBUG subcommand '", args[1], "'"));
    }
    Ok(())
}

/// The code is the same for every processor: there is nothing to switch.
fn simd(cx: &mut Call<'_>, word: &[u8]) -> Outcome {
    if !word.eq_ignore_ascii_case(b"ON") && !word.eq_ignore_ascii_case(b"OFF") {
        return Err(ON_OR_OFF);
    }
    cx.reply.status("disabled");
    Ok(())
}

/// Gives a sparse HyperLogLog the dense encoding: a change that no event tells of. Whether it was sparse.
fn make_dense(cx: &mut Call<'_>, key: Key<'_>) -> Result<bool, Fault> {
    let (bytes, encoding) = hll_of(cx.keys.string_to_write(key)?.ok_or(MISSING)?)?;
    if encoding == Encoding::Dense {
        return Ok(false);
    }
    let dense = hll::to_dense(bytes)?;
    cx.update(key, Value::Owned(dense));
    cx.effects.dirty += 1;
    Ok(true)
}

/// The runs of a sparse HyperLogLog, as PFDEBUG DECODE writes them.
fn decoded(bytes: &[u8]) -> String {
    let word = |run| match run {
        sparse::Run::Zeros(span) => format!("z:{span}"),
        sparse::Run::ManyZeros(span) => format!("Z:{span}"),
        sparse::Run::Values(value, span) => format!("v:{value},{span}"),
    };
    sparse::runs(bytes).map(word).collect::<Vec<_>>().join(" ")
}

const PFSELFTEST: Command = Command {
    spec: Spec {
        name: "pfselftest",
        arity: 1,
        flags: Flags::ADMIN,
        summary: "Tests the registers and the estimates of HyperLogLogs.",
        complexity: "N/A",
        ..HYPERLOGLOG
    },
    run: pfselftest,
    subcommands: &[],
};
fn pfselftest(cx: &mut Call<'_>, _: Args<'_>) -> Outcome {
    let bytes_max = cx.settings.hll_sparse_bytes_max;
    let dice = &mut cx.shards_mut()[0].dice;
    hll::self_test(dice, bytes_max).map_err(|why| Fault::text(format!("TESTFAILED {why}")))?;
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("PFADD h", ":1", "1: new h, pfadd h; PFADD h"),
            ("PFADD h", ":0", "0: ; "),
            ("PFADD h a b c", ":1", "3: pfadd h; PFADD h a b c"),
            ("PFADD h a d", ":1", "1: pfadd h; PFADD h a d"),
            ("PFADD h a d", ":0", "0: ; "),
            ("PFADD n a b", ":1", "3: new n, pfadd n; PFADD n a b"),
            ("PFCOUNT h", ":4", "1: ; PFCOUNT h"),
            ("PFCOUNT h", ":4", "0: ; "),
            ("PFCOUNT h n", ":4", "0: ; "),
            ("PFMERGE m h n", "+OK", "1: new m, pfadd m; PFMERGE m h n"),
            ("PFMERGE m", "+OK", "1: pfadd m; PFMERGE m"),
            ("PFDEBUG ENCODING m", "+sparse", "0: ; "),
            ("PFDEBUG TODENSE m", ":1", "1: ; PFDEBUG TODENSE m"),
            ("PFDEBUG TODENSE m", ":0", "0: ; "),
            ("PFDEBUG ENCODING m", "+dense", "0: ; "),
            ("PFADD m a e f", ":1", "2: pfadd m; PFADD m a e f"),
            ("PFCOUNT m", ":6", "1: ; PFCOUNT m"),
        ]);
    }

    #[test]
    fn a_merge_keeps_the_expiry() {
        let mut world = World::new();
        world.run("PFADD h a");
        world.run("PEXPIRE h 100");
        world.run("PFADD h b");
        world.run("PFMERGE h missing");
        world.run("PFCOUNT h");
        assert_eq!(world.run("PTTL h"), ":100");
    }

    #[test]
    fn the_self_test_passes() {
        assert_eq!(World::new().run("PFSELFTEST"), "+OK");
    }
}
