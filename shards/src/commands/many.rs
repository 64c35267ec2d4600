//! Several strings at once: MGET, MSET and their kin.
use super::options::{EXPIRATION_OR_KEEP, Lifetime, Word};
use super::string::STRING;
use super::{Args, Command};
use crate::call::{Call, Expiry};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::Value;
use crate::number::{format_i64, parse_i64};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Merge, Span, Spec};

pub(super) const COMMANDS: &[Command] = &[MGET, MSET, MSETNX, MSETEX];

const PAIRS: Arg =
    Arg::new("data", ArgKind::Block(&[Arg::key("key", 0), Arg::new("value", ArgKind::String)])).multiple();
const NUMKEYS: Fault = Fault::new("ERR invalid numkeys value or out of range");

const MGET: Command = Command {
    spec: Spec {
        name: "mget",
        arity: -2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::rest(KeyFlags::RO.and(KeyFlags::ACCESS), 1, 1)],
        summary: "Returns the string values of several keys, all of the same moment.",
        complexity: "O(N), N being the number of keys.",
        tips: &["request_policy:multi_shard"],
        args: &[Arg::key("key", 0).multiple()],
        span: Span::FanOut(Merge::Interleave),
        ..STRING
    },
    run: mget,
    subcommands: &[],
};
fn mget(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    cx.reply.array(args.len() - 1);
    for key in &args[1..] {
        let key = cx.key(key);
        // A value of another type counts as none.
        match cx.keys.read_string(key) {
            Ok(Some(value)) => cx.reply.bulk(value.bytes(&mut [0; 20])),
            _ => cx.reply.null(),
        }
    }
    Ok(())
}

const MSET: Command = Command {
    spec: Spec {
        name: "mset",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::rest(KeyFlags::OW.and(KeyFlags::UPDATE), 1, 2)],
        summary: "Sets several keys to strings, all at once.",
        since: "1.0.1",
        complexity: "O(N), N being the number of keys.",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        args: &[PAIRS],
        span: Span::FanOut(Merge::First),
        ..STRING
    },
    run: mset,
    subcommands: &[],
};
fn mset(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let pairs = pairs(&args[1..], "mset")?;
    set_all(cx, pairs, Expiry::None);
    cx.reply.ok();
    Ok(())
}

const MSETNX: Command = Command {
    spec: Spec {
        name: "msetnx",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::rest(KeyFlags::OW.and(KeyFlags::INSERT), 1, 2)],
        summary: "Sets several keys to strings, all at once, if all of them are missing.",
        since: "1.0.1",
        complexity: "O(N), N being the number of keys.",
        args: &[PAIRS],
        ..STRING
    },
    run: msetnx,
    subcommands: &[],
};
fn msetnx(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let pairs = pairs(&args[1..], "msetnx")?;
    let missing = count_present(cx, pairs) == 0;
    if missing {
        set_all(cx, pairs, Expiry::None);
    }
    cx.reply.integer(i64::from(missing));
    Ok(())
}

/// Keys and their values, by turns.
fn pairs<'a, 'b>(args: &'b [&'a [u8]], command: &str) -> Result<&'b [[&'a [u8]; 2]], Fault> {
    let (pairs, rest) = args.as_chunks();
    if rest.is_empty() { Ok(pairs) } else { Err(Fault::arity(command)) }
}

fn count_present(cx: &mut Call<'_>, pairs: &[[&[u8]; 2]]) -> usize {
    let present = pairs.iter().filter(|[key, _]| {
        let key = cx.key(key);
        cx.exists(key)
    });
    present.count()
}

fn set_all(cx: &mut Call<'_>, pairs: &[[&[u8]; 2]], expiry: Expiry) {
    for [key, value] in pairs {
        let key = cx.key(key);
        cx.set(key, Value::from_client(value), expiry);
        cx.wrote(key, Class::STRING, "set");
        if let Expiry::At(_) = expiry {
            cx.notify(Class::GENERIC, "expire", key);
        }
    }
}

const MSETEX: Command = Command {
    spec: Spec {
        name: "msetex",
        arity: -4,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::OW.and(KeyFlags::UPDATE), 1, 2)],
        summary: "Sets several keys to strings, all at once, on a condition and with an expiry if wanted.",
        since: "8.4.0",
        complexity: "O(N), N being the number of keys.",
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            PAIRS,
            Arg::new("condition", ArgKind::OneOf(&[Arg::word("nx", "NX"), Arg::word("xx", "XX")])).optional(),
            EXPIRATION_OR_KEEP,
        ],
        ..STRING
    },
    run: msetex,
    subcommands: &[],
};
fn msetex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let count = parse_i64(args[1]).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.ok_or(NUMKEYS)? as usize;
    let (data, mut rest) = args[2..].split_at_checked(2 * count).ok_or(SYNTAX)?;
    let pairs = pairs(data, "msetex")?;
    let (mut present, mut lifetime) = (None, Lifetime::default());
    while !rest.is_empty() {
        let taken = match lifetime.take(rest, &[Word::KeepTtl])? {
            0 => take_condition(&mut present, rest[0])?,
            taken => taken,
        };
        rest = &rest[taken..];
    }
    let expiry = lifetime.expiry(cx.now_ms, "msetex")?;
    let holds = match present {
        None => true,
        Some(present) => count_present(cx, pairs) == if present { pairs.len() } else { 0 },
    };
    if holds {
        set_all(cx, pairs, expiry);
        if let Expiry::At(at) = expiry {
            record_msetex(cx, &args[..2 + data.len()], at);
        }
    }
    cx.reply.integer(i64::from(holds));
    Ok(())
}

/// Takes NX (all keys have to be missing) or XX (all have to be there); they exclude one another.
fn take_condition(present: &mut Option<bool>, word: &[u8]) -> Result<usize, Fault> {
    let asked = match word {
        word if word.eq_ignore_ascii_case(b"NX") => false,
        word if word.eq_ignore_ascii_case(b"XX") => true,
        _ => return Err(SYNTAX),
    };
    if present.is_some_and(|before| before != asked) {
        return Err(SYNTAX);
    }
    *present = Some(asked);
    Ok(1)
}

fn record_msetex(cx: &mut Call<'_>, args: Args<'_>, at: i64) {
    if !cx.effects.listen.records {
        return;
    }
    let mut room = [0; 20];
    let at = format_i64(at, &mut room);
    cx.record(&[args, &[b"PXAT", at]].concat());
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("MSET a 1 b 2", "+OK", "2: new a, set a, new b, set b; MSET a 1 b 2"),
            ("MSETNX a 1 c 2", ":0", "0: ; "),
            ("MSETNX c 1 c 2", ":1", "2: new c, set c, set c; MSETNX c 1 c 2"),
            (
                "MSETEX 2 a 3 b 4 XX PX 5",
                ":1",
                "2: set a, expire a, set b, expire b; MSETEX 2 a 3 b 4 PXAT 1700000000005",
            ),
            ("MSETEX 1 a 4 KEEPTTL", ":1", "1: set a; MSETEX 1 a 4 KEEPTTL"),
            ("MGET a missing b c", "*4 \"4\" (nil) \"4\" \"2\"", "0: ; "),
        ]);
        world.sleep_ms(6);
        assert_eq!(world.run("MGET a b c"), "*3 (nil) (nil) \"2\"");
    }
}
