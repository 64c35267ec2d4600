//! Hashes walked and drawn from: HSCAN and HRANDFIELD.
use super::hash::HASH;
use super::hash_access::{look, put, put_or_null};
use super::scan::{COUNT_DEFAULT, INVALID_CURSOR, parse_cursor};
use super::{Args, Command};
use crate::call::Call;
use crate::dice::Dice;
use crate::fault::{Fault, NOT_INTEGER, Outcome, SYNTAX};
use crate::glob;
use crate::keyspace::hash::keyed_map;
use crate::number::parse_i64;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::Kind;
use crate::values::hash::{Hash, Pair};

pub(super) const COMMANDS: &[Command] = &[HRANDFIELD, HSCAN];

const COUNT_RANGE: Fault =
    Fault::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
const VALUES_RANGE: Fault = Fault::new("ERR value is out of range");

const HRANDFIELD: Command = Command {
    spec: Spec {
        name: "hrandfield",
        arity: -2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns random fields of a hash.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of fields returned",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "options",
                ArgKind::Block(&[
                    Arg::new("count", ArgKind::Integer),
                    Arg::word("withvalues", "WITHVALUES").optional(),
                ]),
            )
            .optional(),
        ],
        ..HASH
    },
    run: hrandfield,
    subcommands: &[],
};
fn hrandfield(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let slot = cx.key(args[1]).hashed.slot;
    let dice = Dice::new(cx.shard(slot).dice.next_u64());
    let Some(count) = args.get(2) else {
        return look(cx, args[1], &[], |hash, reply, now_ms| {
            let pair = hash.and_then(|hash| Draw { hash, dice, now_ms }.one());
            put_or_null(reply, pair.map(|pair| pair.field));
        });
    };
    let (count, with_values) = how_many(count, &args[3..])?;
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    look(cx, args[1], &[], |hash, reply, now_ms| {
        let draw = hash.map(|hash| Draw { hash, dice, now_ms });
        let Some(mut draw) = draw.filter(|_| wanted > 0) else { return reply.array(0) };
        if count > 0 {
            let drawn = draw.distinct(wanted);
            put_head(reply, drawn.len(), with_values);
            drawn.into_iter().for_each(|pair| put_drawn(reply, pair, with_values));
        } else if draw.one().is_none() {
            reply.array(0);
        } else {
            put_head(reply, wanted, with_values);
            draw.with_repeats(wanted, |pair| put_drawn(reply, pair, with_values));
        }
    })
}

/// The count, negative where repeats are wanted, and whether values are.
fn how_many(count: &[u8], words: Args<'_>) -> Result<(i64, bool), Fault> {
    let count = parse_i64(count).ok_or(NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(COUNT_RANGE);
    }
    let with_values = match words {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"WITHVALUES") => true,
        _ => return Err(SYNTAX),
    };
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        Err(VALUES_RANGE)
    } else {
        Ok((count, with_values))
    }
}

fn put_head(reply: &mut Reply, len: usize, with_values: bool) {
    reply.array(if with_values && !reply.is_resp3() { 2 * len } else { len });
}

fn put_drawn(reply: &mut Reply, pair: Pair<'_>, with_values: bool) {
    if with_values && reply.is_resp3() {
        reply.array(2);
    }
    put(reply, pair.field);
    if with_values {
        put(reply, pair.value);
    }
}

/// Draws from the fields of a hash whose time has not come.
struct Draw<'a> {
    hash: &'a Hash,
    dice: Dice,
    now_ms: i64,
}

impl<'a> Draw<'a> {
    /// So many draws in vain, and all fields are looked at instead.
    const VAIN_MAX: usize = 100;

    /// One field, if there is any.
    fn one(&mut self) -> Option<Pair<'a>> {
        for _ in 0..Draw::VAIN_MAX {
            let pair = self.hash.random(&mut self.dice);
            if pair.is_live(self.now_ms) {
                return Some(pair);
            }
        }
        let live = self.all();
        (!live.is_empty()).then(|| live[self.dice.below(live.len() as u64) as usize])
    }

    /// So many fields, each drawn from all of them; there is one.
    fn with_repeats(&mut self, count: usize, mut each: impl FnMut(Pair<'a>)) {
        if matches!(self.hash, Hash::Table(_)) && !self.hash.has_due(self.now_ms) {
            (0..count).for_each(|_| each(self.hash.random(&mut self.dice)));
            return;
        }
        let live = self.all();
        (0..count).for_each(|_| each(live[self.dice.below(live.len() as u64) as usize]));
    }

    /// So many different fields, or all if there are no more.
    fn distinct(&mut self, count: usize) -> Vec<Pair<'a>> {
        let is_few = count.saturating_mul(3) < self.hash.len();
        if is_few && matches!(self.hash, Hash::Table(_)) && !self.hash.has_due(self.now_ms) {
            let mut drawn = keyed_map();
            while drawn.len() < count {
                let pair = self.hash.random(&mut self.dice);
                drawn.insert(pair.field.bytes(&mut [0; 20]).to_vec(), pair);
            }
            return drawn.into_values().collect();
        }
        let mut live = self.all();
        for at in 0..count.min(live.len()) {
            let other = at + self.dice.below((live.len() - at) as u64) as usize;
            live.swap(at, other);
        }
        live.truncate(count);
        live
    }

    fn all(&self) -> Vec<Pair<'a>> {
        let mut live = Vec::with_capacity(self.hash.len());
        self.hash.each(|pair| {
            if pair.is_live(self.now_ms) {
                live.push(pair);
            }
        });
        live
    }
}

const HSCAN: Command = Command {
    spec: Spec {
        name: "hscan",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Iterates over the fields of a hash.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new("cursor", ArgKind::Integer),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
            Arg::word("novalues", "NOVALUES").optional(),
        ],
        ..HASH
    },
    run: hscan,
    subcommands: &[],
};
fn hscan(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[2]).ok_or(INVALID_CURSOR)?;
    look(cx, args[1], &[], |hash, reply, now_ms| {
        reply.array(2);
        let Some(hash) = hash else {
            reply.bulk(b"0");
            reply.array(0);
            return Ok(());
        };
        let page = Page::of(&args[3..])?;
        let (mut found, mut len) = (Reply::new(reply.resp), 0);
        let next = hash.scan(cursor, page.count, |pair| {
            if pair.is_live(now_ms) && page.takes(pair) {
                put(&mut found, pair.field);
                len += 1;
                if page.with_values {
                    put(&mut found, pair.value);
                    len += 1;
                }
            }
        });
        reply.bulk(next.to_string().as_bytes());
        reply.array(len);
        reply.bytes.append(&mut found.bytes);
        Ok(())
    })?
}

/// What one call of HSCAN is to show.
struct Page<'a> {
    pattern: Option<&'a [u8]>,
    count: usize,
    with_values: bool,
}

impl<'a> Page<'a> {
    fn of(mut options: Args<'a>) -> Result<Page<'a>, Fault> {
        let mut page = Page { pattern: None, count: COUNT_DEFAULT, with_values: true };
        while let [word, rest @ ..] = options {
            options = match (word.to_ascii_uppercase().as_slice(), rest) {
                (b"NOVALUES", _) => {
                    page.with_values = false;
                    rest
                }
                (b"MATCH", [pattern, rest @ ..]) => {
                    // A lone `*` takes every field, the empty one too.
                    page.pattern = (**pattern != *b"*").then_some(*pattern);
                    rest
                }
                (b"COUNT", [count, rest @ ..]) => {
                    let count = parse_i64(count).ok_or(NOT_INTEGER)?;
                    page.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(SYNTAX)?;
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
        Ok(page)
    }

    fn takes(&self, pair: Pair<'_>) -> bool {
        let field = &mut [0; 20];
        self.pattern.is_none_or(|pattern| glob::matches(pattern, pair.field.bytes(field), false))
    }
}
