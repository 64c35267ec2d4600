//! Lists by index and by value: LRANGE, LINDEX, LPOS, LSET, LINSERT, LREM, LTRIM. Their ends: `list_ends.rs`.
use super::options::integer;
use super::{Args, Command};
use crate::call::{Call, Keys};
use crate::effects::Class;
use crate::fault::{Fault, NO_SUCH_KEY, Outcome, STRING_TOO_LONG, SYNTAX};
use crate::keyspace::StrRef;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::list::Side;
use crate::values::listpack::Listpack;
use crate::values::{Kind, List};
use std::ops::ControlFlow;

pub(super) const COMMANDS: &[Command] = &[LLEN, LRANGE, LINDEX, LPOS, LSET, LINSERT, LREM, LTRIM];

const INDEX_RANGE: Fault = Fault::new("ERR index out of range");
const RANGE: Fault =
    Fault::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
const RANK_ZERO: Fault = Fault::new(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
     from the end of the list",
);
const COUNT_NEGATIVE: Fault = Fault::new("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: Fault = Fault::new("ERR MAXLEN can't be negative");

/// What most commands on lists have in common.
pub(super) const LIST: Spec = Spec { group: Group::List, complexity: "O(1)", ..Spec::DEFAULT };

/// Replies with an element.
#[inline]
pub(super) fn reply_element(reply: &mut Reply, element: StrRef<'_>) {
    match element {
        StrRef::Bytes(bytes) => reply.bulk(bytes),
        StrRef::Int(value) => reply.bulk_integer(value),
    }
}

/// Refuses elements that are too long to be kept; `proto-max-bulk-len` has to be far beyond its default for that.
pub(super) fn check_lens(elements: Args<'_>) -> Outcome {
    let is_too_long = |element: &&[u8]| element.len() > Listpack::ELEMENT_BYTES_MAX;
    if elements.iter().any(is_too_long) { Err(STRING_TOO_LONG) } else { Ok(()) }
}

const LLEN: Command = Command {
    spec: Spec {
        name: "llen",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns the length of a list.",
        args: &[Arg::key("key", 0)],
        ..LIST
    },
    run: llen,
    subcommands: &[],
};
fn llen(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let len = cx.keys.read::<List>(key)?.map_or(0, |list| list.len());
    cx.reply.integer(len as i64);
    Ok(())
}

const LRANGE: Command = Command {
    spec: Spec {
        name: "lrange",
        arity: 4,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the elements of a list between two indexes.",
        complexity: "O(S+N), S being the distance of the first from the nearer end, N how many there are.",
        args: &[Arg::key("key", 0), Arg::new("start", ArgKind::Integer), Arg::new("stop", ArgKind::Integer)],
        ..LIST
    },
    run: lrange,
    subcommands: &[],
};
fn lrange(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    let key = cx.key(args[1]);
    let Some(list) = cx.keys.read::<List>(key)? else {
        cx.reply.array(0);
        return Ok(());
    };
    let range = list.range(start, stop);
    cx.reply.array(range.len());
    list.each_of(range.start, range.len(), Side::Right, |element| reply_element(cx.reply, element));
    Ok(())
}

const LINDEX: Command = Command {
    spec: Spec {
        name: "lindex",
        arity: 3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the element of a list at an index.",
        complexity: "O(N), N being the distance of the element from the nearer end, in half megabytes.",
        args: &[Arg::key("key", 0), Arg::new("index", ArgKind::Integer)],
        ..LIST
    },
    run: lindex,
    subcommands: &[],
};
fn lindex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    // Redis looks at the index only if there is a list.
    let Some(list) = cx.keys.read::<List>(key)? else {
        cx.reply.null();
        return Ok(());
    };
    match list.index(integer(args[2])?) {
        Some(index) => list.each_of(index, 1, Side::Right, |element| reply_element(cx.reply, element)),
        None => cx.reply.null(),
    }
    Ok(())
}

const LPOS: Command = Command {
    spec: Spec {
        name: "lpos",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the indexes at which a list has an element.",
        since: "6.0.6",
        complexity: "O(N), N being the number of elements looked at, MAXLEN at most.",
        args: &[
            Arg::key("key", 0),
            Arg::new("element", ArgKind::String),
            Arg::new("rank", ArgKind::Integer).token("RANK").optional(),
            Arg::new("num-matches", ArgKind::Integer).token("COUNT").optional(),
            Arg::new("len", ArgKind::Integer).token("MAXLEN").optional(),
        ],
        ..LIST
    },
    run: lpos,
    subcommands: &[],
};
fn lpos(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let Search { rank, count, window } = Search::of(&args[3..])?;
    let key = cx.key(args[1]);
    let mut found = Vec::new();
    if let Some(list) = cx.keys.read::<List>(key)? {
        let (from, skipped) = if rank < 0 { (Side::Right, -rank - 1) } else { (Side::Left, rank - 1) };
        let (mut left, wanted) = (skipped, count.unwrap_or(1));
        list.positions(from, args[2], window, |distance| {
            if left > 0 {
                left -= 1;
                return ControlFlow::Continue(());
            }
            found.push(if from == Side::Left { distance } else { list.len() - 1 - distance });
            if found.len() == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }
    match (count, found.first()) {
        (Some(_), _) => {
            cx.reply.array(found.len());
            found.iter().for_each(|index| cx.reply.integer(*index as i64));
        }
        (None, Some(index)) => cx.reply.integer(*index as i64),
        (None, None) => cx.reply.null(),
    }
    Ok(())
}

/// What LPOS looks for: from which match on, counted from the end where negative, how many of them (0: all), within how
/// many elements.
struct Search {
    rank: i64,
    count: Option<usize>,
    window: usize,
}

impl Search {
    fn of(mut words: Args<'_>) -> Result<Search, Fault> {
        let mut search = Search { rank: 1, count: None, window: usize::MAX };
        while let [word, rest @ ..] = words {
            let (value, rest) = rest.split_first().ok_or(SYNTAX)?;
            let natural = |fault| usize::try_from(integer(value).unwrap_or(-1)).map_err(|_| fault);
            match word {
                word if word.eq_ignore_ascii_case(b"RANK") => search.rank = rank(value)?,
                word if word.eq_ignore_ascii_case(b"COUNT") => search.count = Some(natural(COUNT_NEGATIVE)?),
                word if word.eq_ignore_ascii_case(b"MAXLEN") => {
                    search.window =
                        Some(natural(MAXLEN_NEGATIVE)?).filter(|len| *len > 0).unwrap_or(usize::MAX);
                }
                _ => return Err(SYNTAX),
            }
            words = rest;
        }
        Ok(search)
    }
}

fn rank(text: &[u8]) -> Result<i64, Fault> {
    match symmetric(text)? {
        0 => Err(RANK_ZERO),
        rank => Ok(rank),
    }
}

/// An integer whose negative is one too.
fn symmetric(text: &[u8]) -> Result<i64, Fault> {
    Some(integer(text)?).filter(|value| *value != i64::MIN).ok_or(RANGE)
}

const LSET: Command = Command {
    spec: Spec {
        name: "lset",
        arity: 4,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Puts another element at an index of a list.",
        complexity: "O(N), N being the distance of the element from the nearer end, in half megabytes.",
        args: &[
            Arg::key("key", 0),
            Arg::new("index", ArgKind::Integer),
            Arg::new("element", ArgKind::String),
        ],
        ..LIST
    },
    run: lset,
    subcommands: &[],
};
fn lset(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    cx.to_write::<List>(key)?.ok_or(NO_SUCH_KEY)?;
    let index = integer(args[2])?;
    check_lens(&args[3..])?;
    let altered = cx.alter(key, |list: &mut List, hand| list.set(index, args[3], hand.settings))?;
    if !altered.is_some_and(|altered| altered.value) {
        return Err(INDEX_RANGE);
    }
    cx.wrote(key, Class::LIST, "lset");
    cx.reply.ok();
    Ok(())
}

const LINSERT: Command = Command {
    spec: Spec {
        name: "linsert",
        arity: 5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Adds an element to a list before or after another one.",
        since: "2.2.0",
        complexity: "O(N), N being the number of elements up to that other one.",
        args: &[
            Arg::key("key", 0),
            Arg::new("where", ArgKind::OneOf(&[Arg::word("before", "BEFORE"), Arg::word("after", "AFTER")])),
            Arg::new("pivot", ArgKind::String),
            Arg::new("element", ArgKind::String),
        ],
        ..LIST
    },
    run: linsert,
    subcommands: &[],
};
fn linsert(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let after = match args[2] {
        word if word.eq_ignore_ascii_case(b"AFTER") => true,
        word if word.eq_ignore_ascii_case(b"BEFORE") => false,
        _ => return Err(SYNTAX),
    };
    check_lens(&args[4..])?;
    let key = cx.key(args[1]);
    let altered = cx.alter(key, |list: &mut List, hand| {
        list.insert_beside(args[3], args[4], after, hand.settings).then(|| list.len())
    })?;
    let reply = match altered.map(|altered| altered.value) {
        None => 0,
        Some(None) => -1,
        Some(Some(len)) => {
            cx.wrote(key, Class::LIST, "linsert");
            len as i64
        }
    };
    cx.reply.integer(reply);
    Ok(())
}

const LREM: Command = Command {
    spec: Spec {
        name: "lrem",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes elements of a given value from a list, and the list with its last one.",
        complexity: "O(N+M), N being the length of the list, M the number of elements removed.",
        args: &[
            Arg::key("key", 0),
            Arg::new("count", ArgKind::Integer),
            Arg::new("element", ArgKind::String),
        ],
        ..LIST
    },
    run: lrem,
    subcommands: &[],
};
fn lrem(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let count = symmetric(args[2])?;
    let from = if count < 0 { Side::Right } else { Side::Left };
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let key = cx.key(args[1]);
    let altered = cx.alter(key, |list: &mut List, hand| {
        let removed = list.remove_equal(from, args[3], max);
        if removed > 0 {
            list.shrink(hand.settings);
        }
        removed
    })?;
    let removed = altered.map_or(0, |altered| altered.value);
    if removed > 0 {
        cx.changed(key);
        cx.notify(Class::LIST, "lrem", key);
        if altered.is_some_and(|altered| altered.emptied) {
            cx.notify(Class::GENERIC, "del", key);
        }
        cx.effects.dirty += removed as u64;
    }
    cx.reply.integer(removed as i64);
    Ok(())
}

const LTRIM: Command = Command {
    spec: Spec {
        name: "ltrim",
        arity: 4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes elements from both ends of a list, and the list with its last one.",
        complexity: "O(N), N being the number of elements removed.",
        args: &[Arg::key("key", 0), Arg::new("start", ArgKind::Integer), Arg::new("stop", ArgKind::Integer)],
        ..LIST
    },
    run: ltrim,
    subcommands: &[],
};
fn ltrim(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (start, stop) = (integer(args[2])?, integer(args[3])?);
    trim(&mut cx.keys, args[1], start, stop)?;
    cx.reply.ok();
    Ok(())
}

fn trim(keys: &mut Keys<'_>, key: &[u8], start: i64, stop: i64) -> Outcome {
    let key = keys.key(key);
    let altered = keys.alter(key, |list: &mut List, hand| {
        let (len, kept) = (list.len(), list.range(start, stop));
        list.remove_range(kept.end..len);
        list.remove_range(0..kept.start);
        list.shrink(hand.settings);
        len - kept.len()
    })?;
    let Some(altered) = altered else { return Ok(()) };
    // Redis tells of it even if nothing was removed.
    keys.changed(key);
    keys.notify(Class::LIST, "ltrim", key);
    if altered.emptied {
        keys.notify(Class::GENERIC, "del", key);
    }
    keys.effects.dirty += altered.value as u64;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("RPUSH l a b a c a", ":5", "5: new l, rpush l; RPUSH l a b a c a"),
            ("LSET l 1 B", "+OK", "1: lset l; LSET l 1 B"),
            ("LSET l 9 B", "-ERR index out of range", "0: ; "),
            ("LINSERT l BEFORE c x", ":6", "1: linsert l; LINSERT l BEFORE c x"),
            ("LINSERT l AFTER missing x", ":-1", "0: ; "),
            ("LREM l -2 a", ":2", "2: lrem l; LREM l -2 a"),
            ("LREM l 0 missing", ":0", "0: ; "),
            ("LTRIM l 0 -1", "+OK", "0: ltrim l; "),
            ("LTRIM l 1 -2", "+OK", "2: ltrim l; LTRIM l 1 -2"),
            ("LRANGE l 0 -1", "*2 \"B\" \"x\"", "0: ; "),
            ("LTRIM l 5 9", "+OK", "2: ltrim l, del l; LTRIM l 5 9"),
            ("RPUSH l a", ":1", "1: new l, rpush l; RPUSH l a"),
            ("LREM l 1 a", ":1", "1: lrem l, del l; LREM l 1 a"),
        ]);
    }

    #[test]
    fn the_middle_of_a_long_list() {
        let mut world = World::new();
        world.settings.list_listpack_size = 4;
        world.settings.list_compress_depth = 1;
        for index in 0..1000 {
            world.run(&format!("RPUSH l element-number-{index}"));
        }
        assert_eq!(world.run("LINDEX l 500"), "\"element-number-500\"");
        assert_eq!(world.run("LSET l -500 x"), "+OK");
        assert_eq!(world.run("LINSERT l AFTER x y"), ":1001");
        assert_eq!(world.run("LRANGE l 499 502"), r#"*4 "element-number-499" "x" "y" "element-number-501""#);
        assert_eq!(world.run("LPOS l y RANK -1"), ":501");
        assert_eq!(world.run("LPOS l y MAXLEN 501"), "(nil)");
        assert_eq!(world.run("LPOS l y MAXLEN 502 COUNT 0"), "*1 :501");
        assert_eq!(world.run("OBJECT ENCODING l"), "\"quicklist\"");
        assert_eq!(world.run("LTRIM l 501 502"), "+OK");
        assert_eq!(world.run("OBJECT ENCODING l"), "\"listpack\"");
    }
}
