//! DEBUG's looks at the dataset: OBJECT, DIGEST and DIGEST-VALUE; its POPULATE, and its SLEEP, which holds all of it. The rest
//! of DEBUG, and its dispatch, is the server's.
use super::{Args, Command};
use crate::call::{Call, Expiry};
use crate::digest::{self, Digest};
use crate::effects::Class;
use crate::fault::{Fault, NO_SUCH_KEY, Outcome, SYNTAX};
use crate::keyspace::{EntryRef, Value, access};
use crate::number::parse_i64;
use crate::rdb;
use crate::spec::{Flags, Group, KeyFlags, KeySpec, Merge, Span, Spec};

const SPEC: Spec = Spec {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::PROTECTED),
    group: Group::Server,
    ..Spec::DEFAULT
};

pub(super) const COMMANDS: &[Command] = &[DEBUG];

const DEBUG: Command = Command {
    spec: Spec {
        name: "debug",
        arity: -2,
        flags: SPEC.flags.and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED),
        summary: "A container for debugging commands.",
        complexity: "Depends on subcommand.",
        ..SPEC
    },
    run: |_, _| Err(Fault::arity("debug")),
    subcommands: &[OBJECT, DIGEST, DIGEST_VALUE, POPULATE, SLEEP],
};

/// DEBUG OBJECT: how a key's value is kept. Expired keys that are still here are seen too.
pub const OBJECT: Command = Command {
    spec: Spec {
        name: "debug|object",
        arity: 3,
        keys: &[KeySpec::one(KeyFlags::RO, 2)],
        summary: "Returns how the value of a key is kept.",
        ..SPEC
    },
    run: object,
    subcommands: &[],
};
fn object(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let now_ms = cx.now_ms;
    let entry = raw_entry(cx, args[2]).ok_or(NO_SUCH_KEY)?;
    let text = format!(
        "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.key(),
        entry.encoding(),
        rdb::serialized_bytes(entry),
        entry.lru(),
        access::idle_seconds(entry.lru(), now_ms),
    );
    cx.reply.status(&text);
    Ok(())
}

/// DEBUG DIGEST: one digest of all databases.
pub const DIGEST: Command = Command {
    spec: Spec {
        name: "debug|digest",
        arity: 2,
        span: Span::GatherAll,
        summary: "Returns a digest of the whole dataset.",
        ..SPEC
    },
    run: digest_all,
    subcommands: &[],
};
fn digest_all(cx: &mut Call<'_>, _: Args<'_>) -> Outcome {
    let digest = digest::of_shards(cx.shards());
    cx.reply.status(&digest.to_string());
    Ok(())
}

/// DEBUG DIGEST-VALUE: the digest of each of some values. Expired keys that are still here are seen too.
pub const DIGEST_VALUE: Command = Command {
    spec: Spec {
        name: "debug|digest-value",
        arity: -2,
        keys: &[KeySpec::rest(KeyFlags::RO, 2, 1)],
        span: Span::FanOut(Merge::Interleave),
        summary: "Returns the digests of the values of keys.",
        ..SPEC
    },
    run: digest_value,
    subcommands: &[],
};
fn digest_value(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    cx.reply.array(args.len() - 2);
    for bytes in &args[2..] {
        let digest = raw_entry(cx, bytes).map_or_else(Digest::default, digest::of_value);
        cx.reply.status(&digest.to_string());
    }
    Ok(())
}

/// DEBUG POPULATE: makes many small strings, such as `key:17`. Those that are there stay.
pub const POPULATE: Command = Command {
    spec: Spec {
        name: "debug|populate",
        arity: -3,
        span: Span::GatherAll,
        summary: "Creates many keys.",
        ..SPEC
    },
    run: populate,
    subcommands: &[],
};
fn populate(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let count = natural(args[2])?;
    let prefix = args.get(3).copied().unwrap_or(b"key");
    let len = args.get(4).map(|len| natural(len)).transpose()?.filter(|len| *len > 0);
    if args.len() > 5 {
        return Err(SYNTAX);
    }
    for number in 0..count {
        let name = [prefix, b":", number.to_string().as_bytes()].concat();
        let key = cx.key(&name);
        if !cx.exists(key) {
            let mut value = format!("value:{number}").into_bytes();
            if let Some(len) = len {
                value.resize(len, 0);
            }
            cx.set(key, Value::from_client(&value), Expiry::None);
            cx.wrote(key, Class::STRING, "set");
        }
    }
    cx.record(args);
    cx.reply.ok();
    Ok(())
}

fn natural(text: &[u8]) -> Result<usize, Fault> {
    let number = parse_i64(text).and_then(|number| usize::try_from(number).ok());
    number.ok_or(const { Fault::new("ERR value is out of range, must be positive") })
}

/// DEBUG SLEEP: all shards are held for so many seconds. Who runs the command does the sleeping, as an effect.
pub const SLEEP: Command = Command {
    spec: Spec {
        name: "debug|sleep",
        arity: 3,
        span: Span::GatherAll,
        summary: "Stops the server for some seconds.",
        ..SPEC
    },
    run: sleep,
    subcommands: &[],
};
fn sleep(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    // As Redis: what is no number is no time.
    let seconds = std::str::from_utf8(args[2]).ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    cx.effects.sleep_us += (seconds * 1e6) as u64;
    cx.reply.ok();
    Ok(())
}

/// What is in the table under a key, whatever the time.
fn raw_entry<'a>(cx: &'a mut Call<'_>, bytes: &[u8]) -> Option<EntryRef<'a>> {
    let key = cx.key(bytes);
    cx.shard(key.hashed.slot).dbs[usize::from(key.db)].table.get(key.hashed)
}
