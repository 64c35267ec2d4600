//! Fields of hashes read or set together with their expiry or their end: HGETEX, HSETEX and HGETDEL.
use super::hash::{HASH, PAIRS};
use super::hash_access::{alter, alter_or_make, put_or_null, removal, tell_emptied};
use super::hash_expire::{DONE, FIELDS, REMOVED, Time, counted_fields, give_end, tell_ends};
use super::options::{EXPIRATION_OR_KEEP, EXPIRATION_OR_PERSIST};
use super::{Args, Command};
use crate::call::Call;
use crate::effects::Class;
use crate::fault::{Fault, Outcome};
use crate::keyspace::StrRef;
use crate::number::{format_i64, parse_i64};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::hash::Hash;

pub(super) const COMMANDS: &[Command] = &[HGETEX, HSETEX, HGETDEL];

const FIELD_COUNT: Fault = Fault::new("ERR invalid number of fields");
const NO_TIME: Fault = Fault::new("ERR missing expire time");
const TWO_FIELD_CONDITIONS: Fault = Fault::new("ERR Only one of FXX or FNX arguments can be specified");
const TWO_KEY_CONDITIONS: Fault = Fault::new("ERR Only one of XX or NX arguments can be specified");
const TWO_EXPIRIES: Fault =
    Fault::new("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");

/// What the words EX, PX, EXAT and PXAT mean.
fn time_of(word: &[u8], name: &'static str) -> Option<Time> {
    let (unit_ms, is_absolute) = match word.to_ascii_uppercase().as_slice() {
        b"EX" => (1000, false),
        b"PX" => (1, false),
        b"EXAT" => (1000, true),
        b"PXAT" => (1, true),
        _ => return None,
    };
    Some(Time { name, unit_ms, is_absolute })
}

const HGETEX: Command = Command {
    spec: Spec {
        name: "hgetex",
        arity: -5,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::UPDATE), 1)],
        summary: "Returns the values of fields of a hash, and sets when they expire.",
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[Arg::key("key", 0), EXPIRATION_OR_PERSIST, FIELDS],
        ..HASH
    },
    run: hgetex,
    subcommands: &[],
};
fn hgetex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    cx.to_write::<Hash>(key)?;
    let (end, words) = match time_of(args[2], "hgetex") {
        Some(time) => (Some(Some(time.parse(args[3], cx.now_ms)?)), &args[4..]),
        None if args[2].eq_ignore_ascii_case(b"PERSIST") => (Some(None), &args[3..]),
        None => (None, &args[2..]),
    };
    let fields = counted_fields(words)?;
    let mut values = Reply::new(cx.reply.resp);
    let altered = alter(cx, key, fields, |hash, hand| {
        if end.is_some_and(|expires_at_ms| expires_at_ms.is_some()) {
            hash.make_timed();
        }
        let mut results = Vec::new();
        for field in fields {
            put_or_null(&mut values, hash.get(field, hand.now_ms));
            results.extend(end.map(|expires_at_ms| give_end(hash, field, expires_at_ms, None, hand.now_ms)));
        }
        results
    })?;
    cx.reply.array(fields.len());
    match &altered {
        Some(altered) => {
            cx.reply.bytes.append(&mut values.bytes);
            tell_ends(cx, key, fields, &altered.value, end.flatten());
        }
        None => fields.iter().for_each(|_| cx.reply.null()),
    }
    tell_emptied(cx, key, altered);
    Ok(())
}

const HSETEX: Command = Command {
    spec: Spec {
        name: "hsetex",
        arity: -6,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Gives fields of a hash values, and sets when they expire.",
        since: "8.0.0",
        complexity: "O(N) where N is the number of specified fields.",
        args: &[
            Arg::key("key", 0),
            Arg::new("key-condition", ArgKind::OneOf(&[Arg::word("nx", "NX"), Arg::word("xx", "XX")]))
                .optional(),
            Arg::new("fields-condition", ArgKind::OneOf(&[Arg::word("fnx", "FNX"), Arg::word("fxx", "FXX")]))
                .optional(),
            EXPIRATION_OR_KEEP,
            Arg::new("fields", ArgKind::Block(&[Arg::new("numfields", ArgKind::Integer), PAIRS]))
                .token("FIELDS"),
        ],
        ..HASH
    },
    run: hsetex,
    subcommands: &[],
};
fn hsetex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let options = Options::of(args, cx.now_ms)?;
    let (key, pairs, end) = (cx.key(args[1]), options.pairs, options.expires_at_ms);
    let is_there = cx.to_write::<Hash>(key)?.is_some();
    let key_fits = options.key_exists.is_none_or(|wanted| wanted == is_there);
    if !key_fits || (options.fields_exist == Some(true) && !is_there) {
        cx.reply.integer(0);
        return Ok(());
    }
    let altered = alter_or_make(cx, key, pairs, |hash, hand| {
        let exists = |pair: &[&[u8]]| hash.get(pair[0], hand.now_ms).is_some();
        if options
            .fields_exist
            .is_some_and(|wanted| !pairs.chunks_exact(2).all(|pair| exists(pair) == wanted))
        {
            return None;
        }
        hash.prepare(pairs, hand.settings);
        if end.is_some() {
            hash.make_timed();
        }
        let mut results = Vec::new();
        for pair in pairs.chunks_exact(2) {
            hash.set(pair[0], pair[1], end.is_some() || options.keeps_expiry, hand.settings);
            results.extend(end.map(|at_ms| give_end(hash, pair[0], Some(at_ms), None, hand.now_ms)));
        }
        Some(results)
    })?;
    cx.reply.integer(i64::from(altered.value.is_some()));
    if let Some(results) = &altered.value {
        cx.effects.dirty += pairs.len() as u64 / 2 - 1;
        cx.wrote(key, Class::HASH, "hset");
        if results.contains(&REMOVED) {
            cx.record(&removal(key, pairs.chunks_exact(2).map(|pair| pair[0])));
            cx.notify(Class::HASH, "hdel", key);
        } else if let Some(at_ms) = end {
            let (mut at, mut count) = ([0; 20], [0; 20]);
            let count = format_i64(pairs.len() as i64 / 2, &mut count);
            let head: [&[u8]; 6] =
                [b"HSETEX", key.bytes(), b"PXAT", format_i64(at_ms, &mut at), b"FIELDS", count];
            cx.record(&[&head[..], pairs].concat());
            cx.notify(Class::HASH, "hexpire", key);
        }
        debug_assert!(
            results.iter().all(|result| [DONE, REMOVED].contains(result)),
            "each field was just set"
        );
    }
    tell_emptied(cx, key, Some(altered));
    Ok(())
}

/// The words of HSETEX.
#[derive(Default)]
struct Options<'a> {
    /// Whether the key must be there, if it matters.
    key_exists: Option<bool>,
    /// Whether all of the fields must be there, or none.
    fields_exist: Option<bool>,
    keeps_expiry: bool,
    expires_at_ms: Option<i64>,
    pairs: Args<'a>,
}

impl<'a> Options<'a> {
    fn of(args: Args<'a>, now_ms: i64) -> Result<Options<'a>, Fault> {
        let mut options = Options::default();
        let mut words = &args[2..];
        while let [word, rest @ ..] = words {
            words = rest;
            match word.to_ascii_uppercase().as_slice() {
                b"FIELDS" => {
                    options.pairs = pairs_of(rest)?;
                    return Ok(options);
                }
                b"FNX" | b"FXX" if options.fields_exist.is_some() => return Err(TWO_FIELD_CONDITIONS),
                b"FNX" => options.fields_exist = Some(false),
                b"FXX" => options.fields_exist = Some(true),
                b"NX" | b"XX"
                    if options.key_exists.is_some_and(|is_xx| is_xx != word.eq_ignore_ascii_case(b"XX")) =>
                {
                    return Err(TWO_KEY_CONDITIONS);
                }
                // Valkey's words about the key, of which one may come twice.
                b"NX" => options.key_exists = Some(false),
                b"XX" => options.key_exists = Some(true),
                b"KEEPTTL" | b"EX" | b"PX" | b"EXAT" | b"PXAT"
                    if options.keeps_expiry || options.expires_at_ms.is_some() =>
                {
                    return Err(TWO_EXPIRIES);
                }
                b"KEEPTTL" => options.keeps_expiry = true,
                _ => {
                    let unknown = || Fault::quoting("ERR unknown argument: ", word, "");
                    let time = time_of(word, "hsetex").ok_or_else(unknown)?;
                    let [text, rest @ ..] = rest else { return Err(NO_TIME) };
                    options.expires_at_ms = Some(time.parse(text, now_ms)?);
                    words = rest;
                }
            }
        }
        Err(Fault::arity("hsetex"))
    }
}

/// The fields with their values, whose number comes first.
fn pairs_of(words: Args<'_>) -> Result<Args<'_>, Fault> {
    let [count, pairs @ ..] = words else { return Err(Fault::arity("hsetex")) };
    if pairs.is_empty() {
        return Err(Fault::arity("hsetex"));
    }
    let in_range = |count: &i64| (1..=i64::from(i32::MAX)).contains(count);
    let count = parse_i64(count).filter(in_range).ok_or(FIELD_COUNT)?;
    if pairs.len() as i64 == 2 * count { Ok(pairs) } else { Err(Fault::arity("hsetex")) }
}

const HGETDEL: Command = Command {
    spec: Spec {
        name: "hgetdel",
        arity: -5,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1)],
        summary: "Returns the values of fields of a hash and removes the fields.",
        since: "8.0.0",
        complexity: "O(N) where N is the number of fields to be retrieved and deleted.",
        args: &[Arg::key("key", 0), FIELDS],
        ..HASH
    },
    run: hgetdel,
    subcommands: &[],
};
fn hgetdel(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    cx.to_write::<Hash>(key)?;
    let fields = counted_fields(&args[2..])?;
    let mut values = Reply::new(cx.reply.resp);
    let altered = alter(cx, key, fields, |hash, hand| {
        let mut take = |field: &&&[u8]| {
            let value: Option<StrRef<'_>> = hash.get(field, hand.now_ms);
            put_or_null(&mut values, value);
            value.is_some() && hash.remove(field)
        };
        fields.iter().filter(|field| take(field)).copied().collect::<Vec<&[u8]>>()
    })?;
    cx.reply.array(fields.len());
    match &altered {
        Some(altered) => {
            cx.reply.bytes.append(&mut values.bytes);
            if !altered.value.is_empty() {
                cx.record(&removal(key, altered.value.iter().copied()));
                cx.effects.dirty += altered.value.len() as u64 - 1;
                cx.wrote(key, Class::HASH, "hdel");
            }
        }
        None => fields.iter().for_each(|_| cx.reply.null()),
    }
    tell_emptied(cx, key, altered);
    Ok(())
}
