//! Keys that are sought rather than named: KEYS, SCAN and RANDOMKEY.
use super::{Args, Command};
use crate::call::{Call, Keys};
use crate::fault::{Fault, NOT_INTEGER, Outcome, SYNTAX, until_zero};
use crate::glob;
use crate::keyspace::EntryRef;
use crate::keyspace::walk::{cursor_at_slot, slot_of_cursor};
use crate::number::parse_i64;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Categories, Flags, Group, Merge, Span, Spec};

pub(super) const COMMANDS: &[Command] = &[KEYS, SCAN, RANDOMKEY];

/// A cursor is no number.
pub(super) const INVALID_CURSOR: Fault = Fault::new("ERR invalid cursor");
/// What SCAN looks at in one call unless it is told.
pub(super) const COUNT_DEFAULT: usize = 10;

const SPEC: Spec =
    Spec { flags: Flags::READ, acl: Categories::KEYSPACE, group: Group::Generic, ..Spec::DEFAULT };

const KEYS: Command = Command {
    spec: Spec {
        name: "keys",
        arity: 2,
        acl: Categories::KEYSPACE.and(Categories::DANGEROUS),
        span: Span::EveryShard(Merge::Concat),
        summary: "Returns all key names that match a pattern.",
        complexity: "O(N) where N is the number of keys in the database.",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        args: &[Arg::new("pattern", ArgKind::Pattern)],
        ..SPEC
    },
    run: keys,
    subcommands: &[],
};
fn keys(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let filter = Filter { pattern: Some(args[1]), type_name: None };
    let mut found = Found::new(cx.reply);
    for shard in cx.keys.shards() {
        let table = &shard.dbs[usize::from(cx.keys.db)].table;
        table
            .iter()
            .filter(|entry| filter.takes(*entry) && !entry.is_expired(cx.keys.now_ms))
            .for_each(|entry| found.add(entry));
    }
    found.write(cx.reply);
    Ok(())
}

const SCAN: Command = Command {
    spec: Spec {
        name: "scan",
        arity: -2,
        span: Span::Cursor(1),
        summary: "Iterates over the key names in the database.",
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for a complete iteration over N keys.",
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        args: &[
            Arg::new("cursor", ArgKind::Integer),
            Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
            Arg::new("type", ArgKind::String).token("TYPE").since("6.0.0").optional(),
        ],
        ..SPEC
    },
    run: scan,
    subcommands: &[],
};
fn scan(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let cursor = parse_cursor(args[1]).ok_or(INVALID_CURSOR)?;
    let (filter, count) = scan_options(&args[2..])?;
    let mut found = Found::new(cx.reply);
    let mut expired = Vec::new();
    let next = scan_on(&cx.keys, cursor, count, |entry| {
        if entry.is_expired(cx.keys.now_ms) {
            expired.push(entry.key().to_vec());
        } else if filter.takes(entry) {
            found.add(entry);
        }
    });
    for bytes in expired {
        let key = cx.key(&bytes);
        cx.expire(key);
    }
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    found.write(cx.reply);
    Ok(())
}

/// Looks at keys from a cursor on, on the shard in hand that owns its slot, and on the next ones in hand as long as fewer
/// than asked for were seen; the cursor to go on from. At the end of a shard's table that is the next shard's first slot, at the end of the
/// last 0.
fn scan_on(keys: &Keys<'_>, mut cursor: u64, count: usize, mut visit: impl FnMut(EntryRef<'_>)) -> u64 {
    let mut seen = 0;
    while let Some(slot) = slot_of_cursor(cursor) {
        let owner = keys.shards().iter().find(|shard| shard.slots.contains(&slot));
        let Some(shard) = owner.filter(|_| seen < count) else { return cursor };
        let table = &shard.dbs[usize::from(keys.db)].table;
        let rest = table.scan(cursor, count - seen, |entry| {
            seen += 1;
            visit(entry);
        });
        if let Some(next) = rest {
            return next;
        }
        cursor = cursor_at_slot(shard.slots.end);
    }
    0
}

/// The cursor that a client's text means. Redis refuses a plain negative number; of all else it takes what `strtoull` takes:
/// the text up to a zero byte, spaces before it, a sign, and after a minus the number's complement.
#[must_use]
pub fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = until_zero(text);
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let (is_negative, digits) = match text.trim_ascii_start() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

fn scan_options<'a>(mut options: Args<'a>) -> Result<(Filter<'a>, usize), Fault> {
    let mut filter = Filter { pattern: None, type_name: None };
    let mut count = COUNT_DEFAULT;
    while let [word, value, rest @ ..] = options {
        match word.to_ascii_uppercase().as_slice() {
            b"MATCH" => filter.pattern = Some(value),
            b"TYPE" => filter.type_name = Some(value),
            b"COUNT" => {
                let number = parse_i64(value).ok_or(NOT_INTEGER)?;
                count = usize::try_from(number).ok().filter(|count| *count > 0).ok_or(SYNTAX)?;
            }
            _ => return Err(SYNTAX),
        }
        options = rest;
    }
    if options.is_empty() { Ok((filter, count)) } else { Err(SYNTAX) }
}

const RANDOMKEY: Command = Command {
    spec: Spec {
        name: "randomkey",
        arity: 1,
        span: Span::AnyShard,
        summary: "Returns a random key name from the database.",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        ..SPEC
    },
    run: randomkey,
    subcommands: &[],
};
fn randomkey(cx: &mut Call<'_>, _: Args<'_>) -> Outcome {
    let now_ms = cx.now_ms;
    loop {
        let Some(entry) = random_entry(&mut cx.keys) else {
            cx.reply.null();
            return Ok(());
        };
        if !entry.is_expired(now_ms) {
            cx.reply.bulk(entry.key());
            return Ok(());
        }
        let bytes = entry.key().to_vec();
        let key = cx.key(&bytes);
        cx.expire(key);
    }
}

/// An entry of the selected database, every shard in hand by its number of keys.
fn random_entry<'a>(keys: &'a mut Keys<'_>) -> Option<EntryRef<'a>> {
    let db = usize::from(keys.db);
    let shards = keys.shards_mut();
    let total: usize = shards.iter().map(|shard| shard.dbs[db].table.len()).sum();
    if total == 0 {
        return None;
    }
    let mut rest = shards[0].dice.below(total as u64) as usize;
    let shard = shards.iter_mut().find(|shard| {
        let len = shard.dbs[db].table.len();
        let here = rest < len;
        rest -= if here { 0 } else { len };
        here
    })?;
    let crate::shard::Shard { dbs, dice, .. } = &mut **shard;
    dbs[db].table.random(dice)
}

/// Which keys are wanted.
struct Filter<'a> {
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl Filter<'_> {
    fn takes(&self, entry: EntryRef<'_>) -> bool {
        // A lone `*` takes every key, the empty one too.
        self.pattern.is_none_or(|pattern| pattern == b"*" || glob::matches(pattern, entry.key(), false))
            && self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.type_name().as_bytes()))
    }
}

/// Keys found, as they will be replied: their number comes first, and is known last.
struct Found {
    keys: Reply,
    count: usize,
}

impl Found {
    fn new(reply: &Reply) -> Found {
        Found { keys: Reply::new(reply.resp), count: 0 }
    }
    fn add(&mut self, entry: EntryRef<'_>) {
        self.keys.bulk(entry.key());
        self.count += 1;
    }
    fn write(mut self, reply: &mut Reply) {
        reply.array(self.count);
        reply.bytes.append(&mut self.keys.bytes);
    }
}
