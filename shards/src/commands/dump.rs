//! DUMP and RESTORE: values as bytes that another server takes.
use super::options::integer;
use super::{Args, Command};
use crate::call::{Call, Expiry, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::{Value, access};
use crate::number::format_i64;
use crate::rdb::{self, Loaded, payload};
use crate::settings::Settings;
use crate::spec::{Arg, ArgKind, Categories, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[DUMP, RESTORE];

const BUSY: Fault = Fault::new("BUSYKEY Target key name already exists.");
const NEGATIVE_TTL: Fault = Fault::new("ERR Invalid TTL value, must be >= 0");
const NEGATIVE_IDLE_TIME: Fault = Fault::new("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY: Fault = Fault::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BROKEN_SEAL: Fault = Fault::new("ERR DUMP payload version or checksum are wrong");
const BAD_DATA: Fault = Fault::new("ERR Bad data format");

const GENERIC: Spec = Spec {
    acl: Categories::KEYSPACE,
    group: Group::Generic,
    since: "2.6.0",
    complexity: "O(N*M), N being the number of elements and M their average size.",
    ..Spec::DEFAULT
};

const DUMP: Command = Command {
    spec: Spec {
        name: "dump",
        arity: 2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the value of a key as bytes that RESTORE takes.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0)],
        ..GENERIC
    },
    run: dump,
    subcommands: &[],
};
fn dump(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let Some(entry) = cx.keys.lookup_read(key) else {
        cx.reply.null();
        return Ok(());
    };
    let version = rdb::version_of(entry);
    let mut out = vec![rdb::kind_of(entry, version)];
    rdb::encode(entry, version, &mut out);
    payload::seal(&mut out, version);
    cx.reply.bulk(&out);
    Ok(())
}

const RESTORE: Command = Command {
    spec: Spec {
        name: "restore",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        acl: Categories::KEYSPACE.and(Categories::DANGEROUS),
        keys: &[KeySpec::one(KeyFlags::OW.and(KeyFlags::UPDATE), 1)],
        summary: "Makes a key of bytes that DUMP gave.",
        complexity: "O(N*M), N being the number of elements and M their average size; O(N*M*log(N)) for sorted sets.",
        history: &[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")],
        args: &[
            Arg::key("key", 0),
            Arg::new("ttl", ArgKind::Integer),
            Arg::new("serialized-value", ArgKind::String),
            Arg::word("replace", "REPLACE").since("3.0.0").optional(),
            Arg::word("absttl", "ABSTTL").since("5.0.0").optional(),
            Arg::new("seconds", ArgKind::Integer).token("IDLETIME").since("5.0.0").optional(),
            Arg::new("frequency", ArgKind::Integer).token("FREQ").since("5.0.0").optional(),
        ],
        ..GENERIC
    },
    run: restore,
    subcommands: &[],
};
fn restore(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let words = Words::parse(&args[4..])?;
    let key = cx.key(args[1]);
    if !words.replace && cx.lookup_write(key).is_some() {
        return Err(BUSY);
    }
    let ttl_ms = integer(args[2])?;
    if ttl_ms < 0 {
        return Err(NEGATIVE_TTL);
    }
    let loaded = load(args[3], cx.settings)?;
    let is_replaced = words.replace && cx.remove(key);
    let at_ms = if words.absolute { ttl_ms } else { ttl_ms.saturating_add(cx.now_ms) };
    match ttl_ms {
        0 => put(cx, key, loaded, Expiry::None, words),
        _ if at_ms <= cx.now_ms => {
            if is_replaced {
                cx.wrote(key, Class::GENERIC, "del");
                cx.record(&[b"DEL", key.bytes()]);
            }
        }
        _ => {
            put(cx, key, loaded, Expiry::At(at_ms), words);
            if !words.absolute {
                let mut room = [0; 20];
                let at_ms = format_i64(at_ms, &mut room);
                cx.record(&[&[args[0], args[1], at_ms], &args[3..], &[b"ABSTTL"]].concat());
            }
        }
    }
    cx.reply.ok();
    Ok(())
}

/// What the words behind the payload say.
#[derive(Clone, Copy, Default)]
struct Words {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<i64>,
    frequency: Option<u8>,
}

impl Words {
    fn parse(mut args: Args<'_>) -> Result<Words, Fault> {
        let mut words = Words::default();
        loop {
            let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            args = match args {
                [] => return Ok(words),
                [word, rest @ ..] if is(word, "REPLACE") => {
                    words.replace = true;
                    rest
                }
                [word, rest @ ..] if is(word, "ABSTTL") => {
                    words.absolute = true;
                    rest
                }
                [word, seconds, rest @ ..] if is(word, "IDLETIME") && words.frequency.is_none() => {
                    words.idle_seconds = Some(integer(seconds)?);
                    if words.idle_seconds < Some(0) {
                        return Err(NEGATIVE_IDLE_TIME);
                    }
                    rest
                }
                [word, frequency, rest @ ..] if is(word, "FREQ") && words.idle_seconds.is_none() => {
                    words.frequency = Some(u8::try_from(integer(frequency)?).map_err(|_| BAD_FREQUENCY)?);
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
    }
}

/// The value in a payload.
fn load<'a>(payload: &'a [u8], settings: &Settings) -> Result<Loaded<'a>, Fault> {
    let (value, version) = payload::open(payload).ok_or(BROKEN_SEAL)?;
    let (kind, value) = value.split_first().ok_or(BAD_DATA)?;
    rdb::decode(*kind, version, value, settings).map_err(|_| BAD_DATA)
}

fn put(cx: &mut Keys<'_>, key: Key<'_>, loaded: Loaded<'_>, expiry: Expiry, words: Words) {
    match loaded {
        Loaded::String(text) => {
            cx.set(key, Value::from_client(text.view().bytes(&mut [0; 20])), expiry);
        }
        Loaded::Object(object) => {
            cx.set(key, Value::Object(object), expiry);
        }
    }
    let bits = access::restored(words.idle_seconds, words.frequency, cx.now_ms, cx.settings);
    if let Some(bits) = bits
        && let Some(entry) = cx.lookup(key)
    {
        entry.set_lru(bits);
    }
    cx.wrote(key, Class::GENERIC, "restore");
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        let hello = r"\x00\x05hello\n\x00cr\xdfve4 \n";
        for (words, effects) in [
            ("0 P", "1: new k, restore k; RESTORE k 0 P"),
            ("0 P REPLACE FREQ 5", "1: new k, restore k; RESTORE k 0 P REPLACE FREQ 5"),
            ("5 P replace", "1: new k, restore k; RESTORE k 1700000000005 P replace ABSTTL"),
            (
                "1800000000000 P REPLACE ABSTTL",
                "1: new k, restore k; RESTORE k 1800000000000 P REPLACE ABSTTL",
            ),
            // Its time has come: only what it would have replaced goes.
            ("1 P REPLACE ABSTTL", "1: del k; DEL k"),
            ("1 P REPLACE ABSTTL", "0: ; "),
        ] {
            let line = format!("RESTORE k {}", words.replacen('P', &format!("\"{hello}\""), 1));
            assert_eq!(world.run(&line), "+OK", "{line}");
            assert_eq!(world.effects(), effects.replace(" P", &format!(" {hello}")), "{line}");
        }
        assert_eq!(world.run("DUMP k"), "(nil)");
    }
}
