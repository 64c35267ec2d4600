//! SORT and SORT_RO: the elements of a list, a set or a sorted set, by themselves or by what other keys hold.
use super::options::integer;
use super::{Args, Command};
use crate::call::{Call, Expiry, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX, WRONG_TYPE};
use crate::keyspace::{EntryRef, StrRef, Value};
use crate::spec::{Arg, ArgKind, Begin, Categories, Find, Flags, Group, KeyFlags, KeySpec, Span, Spec};
use crate::values::list::Side;
use crate::values::{Kind, List, Set, Zset};
use order::Order;
use pattern::Pattern;
use smallvec::SmallVec;
use std::ops::{ControlFlow, Range};

mod order;
mod pattern;

pub(super) const COMMANDS: &[Command] = &[SORT, SORT_RO];

const SOURCE: KeySpec = KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1);
const NAMED_BY_ELEMENTS: KeySpec = KeySpec {
    flags: KeyFlags::RO.and(KeyFlags::ACCESS),
    begin: Begin::Unknown,
    find: Find::Unknown,
    notes: "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the \
            key we sort",
};
const DESTINATION: KeySpec = KeySpec {
    flags: KeyFlags::OW.and(KeyFlags::UPDATE),
    begin: Begin::Unknown,
    find: Find::Unknown,
    notes: "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the \
            argument array",
};
const GENERIC: Spec = Spec {
    arity: -2,
    acl: Categories::SET.and(Categories::SORTEDSET).and(Categories::LIST).and(Categories::DANGEROUS),
    group: Group::Generic,
    complexity: "O(N+M*log(M)), N being the number of elements and M the number of those returned; O(N) where they are not sorted.",
    span: Span::Sort,
    ..Spec::DEFAULT
};

const KEY: Arg = Arg::key("key", 0);
const BY: Arg = Arg::new("by-pattern", ArgKind::Pattern).token("BY").optional().display("pattern");
const LIMIT: Arg = Arg::new(
    "limit",
    ArgKind::Block(&[Arg::new("offset", ArgKind::Integer), Arg::new("count", ArgKind::Integer)]),
)
.token("LIMIT")
.optional();
const GET: Arg = Arg::new("get-pattern", ArgKind::Pattern)
    .token("GET")
    .optional()
    .multiple()
    .multiple_token()
    .display("pattern");
const DIRECTION: Arg =
    Arg::new("order", ArgKind::OneOf(&[Arg::word("asc", "ASC"), Arg::word("desc", "DESC")])).optional();
const ALPHA: Arg = Arg::word("sorting", "ALPHA").optional();

const SORT: Command = Command {
    spec: Spec {
        name: "sort",
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
        keys: &[SOURCE, NAMED_BY_ELEMENTS, DESTINATION],
        summary: "Sorts the elements of a list, a set or a sorted set, and stores them if wanted.",
        args: &[KEY, BY, LIMIT, GET, DIRECTION, ALPHA, Arg::key("destination", 2).token("STORE").optional()],
        ..GENERIC
    },
    run: |cx, args| sort(cx, args, &Words::parse(&args[2..], true)?),
    subcommands: &[],
};

const SORT_RO: Command = Command {
    spec: Spec {
        name: "sort_ro",
        flags: Flags::READ.and(Flags::MOVABLE_KEYS),
        keys: &[SOURCE, NAMED_BY_ELEMENTS],
        summary: "Returns the elements of a list, a set or a sorted set, sorted.",
        since: "7.0.0",
        args: &[KEY, BY, LIMIT, GET, DIRECTION, ALPHA],
        ..GENERIC
    },
    run: |cx, args| sort(cx, args, &Words::parse(&args[2..], false)?),
    subcommands: &[],
};

/// What the words behind the key ask for.
#[derive(Default)]
struct Words<'a> {
    descending: bool,
    alpha: bool,
    /// How many to leave out, and how many to take (all, if negative).
    limit: Option<(i64, i64)>,
    store: Option<&'a [u8]>,
    by: Option<Pattern<'a>>,
    /// BY had a pattern without `*`: the elements stay in their order.
    unsorted: bool,
    gets: SmallVec<[Pattern<'a>; 4]>,
}

impl<'a> Words<'a> {
    fn parse(mut args: Args<'a>, may_store: bool) -> Result<Words<'a>, Fault> {
        let mut words = Words::default();
        loop {
            let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            args = match args {
                [] => return Ok(words),
                [word, rest @ ..] if is(word, "ASC") => {
                    words.descending = false;
                    rest
                }
                [word, rest @ ..] if is(word, "DESC") => {
                    words.descending = true;
                    rest
                }
                [word, rest @ ..] if is(word, "ALPHA") => {
                    words.alpha = true;
                    rest
                }
                [word, offset, count, rest @ ..] if is(word, "LIMIT") => {
                    words.limit = Some((integer(offset)?, integer(count)?));
                    rest
                }
                [word, key, rest @ ..] if may_store && is(word, "STORE") => {
                    words.store = Some(key);
                    rest
                }
                [word, pattern, rest @ ..] if is(word, "BY") => {
                    let pattern = Pattern::parse(pattern);
                    words.unsorted |= !pattern.names_keys();
                    words.by = Some(pattern);
                    rest
                }
                [word, pattern, rest @ ..] if is(word, "GET") => {
                    words.gets.push(Pattern::parse_get(pattern));
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
    }
}

/// The index of the argument that STORE names, as the last one counts.
#[must_use]
pub fn destination_at(args: Args<'_>) -> Option<usize> {
    options_of(args).filter(|(word, _)| word.eq_ignore_ascii_case(b"STORE")).map(|(_, at)| at).last()
}

/// Whether the elements name keys to be read, which may be anywhere.
#[must_use]
pub fn reads_other_keys(args: Args<'_>) -> bool {
    options_of(args).any(|(word, at)| {
        (word.eq_ignore_ascii_case(b"BY") || word.eq_ignore_ascii_case(b"GET"))
            && Pattern::parse(args[at]).names_keys()
    })
}

/// The options that something follows, each with the index of what follows.
fn options_of<'a>(args: Args<'a>) -> impl Iterator<Item = (&'a [u8], usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            let word = *args.get(at)?;
            let taken = match word {
                word if word.eq_ignore_ascii_case(b"LIMIT") => 2,
                word if [&b"BY"[..], b"GET", b"STORE"].iter().any(|name| word.eq_ignore_ascii_case(name)) => {
                    1
                }
                _ => 0,
            };
            at += 1 + taken;
            if taken > 0 && at <= args.len() {
                return Some((word, at - taken));
            }
        }
    })
}

fn sort(cx: &mut Call<'_>, args: Args<'_>, words: &Words<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let (elements, range) = sorted(&mut cx.keys, key, words)?;
    let chosen = elements.iter(range);
    match words.store {
        Some(destination) => {
            let key = cx.key(destination);
            let stored = store(&mut cx.keys, key, words, chosen);
            cx.reply.integer(stored as i64);
        }
        None if words.gets.is_empty() => {
            cx.reply.array(chosen.len());
            chosen.for_each(|element| cx.reply.bulk(element));
        }
        None => {
            cx.reply.array(chosen.len() * words.gets.len());
            for element in chosen {
                for pattern in &words.gets {
                    let Call { keys, reply } = cx;
                    pattern.look_up(keys, element, |value| match value {
                        Some(value) => reply.bulk(value.bytes(&mut [0; 20])),
                        None => reply.null(),
                    });
                }
            }
        }
    }
    Ok(())
}

/// The elements in order, as far as the range that LIMIT asks for reaches, and this range.
fn sorted(cx: &mut Keys<'_>, key: Key<'_>, words: &Words<'_>) -> Result<(Order, Range<usize>), Fault> {
    let mut elements = Order::default();
    let Some(entry) = cx.lookup_read(key) else { return Ok((elements, 0..0)) };
    // A set has no order of its own: what is stored must not depend on chance.
    let by_itself = words.unsorted && words.store.is_some() && entry.as_kind::<Set>().is_some();
    let keeps_order = words.unsorted && !by_itself;
    gather(entry, keeps_order && words.descending, &mut elements)?;
    let range = range(words.limit, elements.len());
    if keeps_order {
        return Ok((elements, range));
    }
    let alpha = words.alpha || by_itself;
    let by = words.by.as_ref().filter(|_| !by_itself);
    match (by, alpha) {
        (None, true) => elements.sort_by_text(range.clone(), words.descending),
        (None, false) => elements.weigh()?.sort_by_weight(range.clone(), words.descending),
        (Some(by), true) => {
            let owned = |value: Option<StrRef<'_>>| value.map(|value| value.bytes(&mut [0; 20]).to_vec());
            let all = elements.iter(0..elements.len());
            let others: Vec<_> = all.map(|element| by.look_up(cx, element, owned)).collect();
            elements.sort_by_others(&others, range.clone(), words.descending);
        }
        (Some(by), false) => {
            let weight = |value: Option<StrRef<'_>>| value.map_or(Ok(0.0), order::weight);
            let all = elements.iter(0..elements.len());
            let weights: Vec<f64> =
                all.map(|element| by.look_up(cx, element, weight)).collect::<Result<_, _>>()?;
            elements.set_weights(&weights).sort_by_weight(range.clone(), words.descending);
        }
    }
    Ok((elements, range))
}

/// Copies the elements of what an entry holds. Sets have no order that could be turned round.
fn gather(entry: EntryRef<'_>, from_end: bool, into: &mut Order) -> Outcome {
    if let Some(list) = entry.as_kind::<List>() {
        let (start, towards) = if from_end { (list.len() - 1, Side::Left) } else { (0, Side::Right) };
        list.each(start, towards, |element| {
            into.push(element);
            ControlFlow::Continue(())
        });
    } else if let Some(set) = entry.as_kind::<Set>() {
        set.iter().for_each(|member| into.push(member));
    } else if let Some(zset) = entry.as_kind::<Zset>() {
        zset.walk(0..zset.len(), from_end, |member, _| into.push(member));
    } else {
        return Err(WRONG_TYPE);
    }
    Ok(())
}

/// The part of `len` elements that LIMIT asks for.
fn range(limit: Option<(i64, i64)>, len: usize) -> Range<usize> {
    let Some((offset, count)) = limit else { return 0..len };
    let start = usize::try_from(offset.max(0)).unwrap_or(len).min(len);
    let count = usize::try_from(count).unwrap_or(len);
    start..start.saturating_add(count).min(len)
}

/// Makes a list of the elements, or of what GET finds for each; how many it has.
fn store<'a>(
    cx: &mut Keys<'_>,
    key: Key<'_>,
    words: &Words<'_>,
    chosen: impl Iterator<Item = &'a [u8]>,
) -> usize {
    let mut list = List::empty();
    for element in chosen {
        if words.gets.is_empty() {
            list.push(Side::Right, &[element], cx.settings);
        }
        for pattern in &words.gets {
            let settings = cx.settings;
            pattern.look_up(cx, element, |value| {
                list.push(Side::Right, &[value.unwrap_or(StrRef::Bytes(b"")).bytes(&mut [0; 20])], settings);
            });
        }
    }
    let len = list.len();
    if len > 0 {
        cx.set(key, Value::Object(list.into()), Expiry::None);
        cx.wrote(key, Class::LIST, "sortstore");
        // Redis counts a change for each element.
        cx.effects.dirty += len as u64 - 1;
    } else if cx.remove(key) {
        cx.wrote(key, Class::GENERIC, "del");
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.run("RPUSH l 3 1 2");
        world.play(&[
            ("SORT l", "*3 \"1\" \"2\" \"3\"", "0: ; "),
            ("SORT l STORE d", ":3", "3: new d, sortstore d; SORT l STORE d"),
            ("SORT l LIMIT 0 1 STORE d", ":1", "1: sortstore d; SORT l LIMIT 0 1 STORE d"),
            ("SORT missing STORE d", ":0", "1: del d; SORT missing STORE d"),
            ("SORT missing STORE d", ":0", "0: ; "),
        ]);
    }

    #[test]
    fn words_tell_which_keys_are_touched() {
        let words = |line: &'static str| -> Vec<&[u8]> { line.split(' ').map(str::as_bytes).collect() };
        for (line, reads, stores) in [
            ("SORT l", false, None),
            ("SORT l BY nosort GET # STORE d", false, Some(7)),
            ("SORT l BY w_* STORE d", true, Some(5)),
            ("SORT l GET h_*->f", true, None),
            ("SORT l GET #* STORE BY", true, Some(5)),
            ("SORT l BY STORE LIMIT STORE STORE", false, None),
            ("SORT l STORE a STORE b", false, Some(5)),
            ("SORT l STORE", false, None),
        ] {
            let args = words(line);
            assert_eq!((reads_other_keys(&args), destination_at(&args)), (reads, stores), "{line}");
        }
    }
}
