//! The ends of lists: pushes, pops, and moves from one list to another.
//!
//! What they do to given keys is in functions of their own ([`push`], [`pop_one`], [`pop_some`], [`move_one`], [`pop_first`]): a
//! client that waited for an element is served by the same.
use super::list::{LIST, check_lens, reply_element};
use super::options::integer;
use super::{Args, Command};
use crate::call::{Call, Key, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::StrRef;
use crate::number::{format_i64, parse_i64};
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::list::Side;
use crate::values::{Kind, List};
use smallvec::SmallVec;

pub(super) const COMMANDS: &[Command] = &[LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LMOVE, RPOPLPUSH, LMPOP];

const NOT_POSITIVE: Fault = Fault::new("ERR value is out of range, must be positive");
const NUMKEYS: Fault = Fault::new("ERR numkeys should be greater than 0");
const COUNT: Fault = Fault::new("ERR count should be greater than 0");

/// How COMMAND DOCS shows a side.
const SIDES: ArgKind = ArgKind::OneOf(&[Arg::word("left", "LEFT"), Arg::word("right", "RIGHT")]);
const SOURCE: KeySpec = KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1);

/// What the commands that push have in common.
const PUSH: Spec = Spec {
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
    complexity: "O(N), N being the number of elements added.",
    history: &[("2.4.0", "Several elements at once.")],
    args: &[Arg::key("key", 0), Arg::new("element", ArgKind::String).multiple()],
    ..LIST
};

const LPUSH: Command = Command {
    spec: Spec {
        name: "lpush",
        summary: "Adds elements at the head of a list, which is made if it is missing.",
        ..PUSH
    },
    run: |cx, args| push_values(cx, args, Side::Left),
    subcommands: &[],
};

const RPUSH: Command = Command {
    spec: Spec {
        name: "rpush",
        summary: "Adds elements at the tail of a list, which is made if it is missing.",
        ..PUSH
    },
    run: |cx, args| push_values(cx, args, Side::Right),
    subcommands: &[],
};

fn push_values(cx: &mut Call<'_>, args: Args<'_>, side: Side) -> Outcome {
    let key = cx.key(args[1]);
    let len = push(&mut cx.keys, key, side, &args[2..])?;
    cx.reply.integer(len as i64);
    Ok(())
}

/// Adds elements at an end of the list that a key holds, which is made if it is missing; how long it is then.
pub(crate) fn push(keys: &mut Keys<'_>, key: Key<'_>, side: Side, values: Args<'_>) -> Result<usize, Fault> {
    check_lens(values)?;
    let altered = keys.alter_or_make(key, |list: &mut List, hand| {
        list.push(side, values, hand.settings);
        list.len()
    })?;
    pushed(keys, key, side, values.len());
    Ok(altered.value)
}

/// Tells that `count` elements were added.
fn pushed(keys: &mut Keys<'_>, key: Key<'_>, side: Side, count: usize) {
    keys.changed(key);
    keys.notify(Class::LIST, if side == Side::Left { "lpush" } else { "rpush" }, key);
    keys.effects.dirty += count as u64;
}

const LPUSHX: Command = Command {
    spec: Spec {
        name: "lpushx",
        summary: "Adds elements at the head of a list that is there.",
        since: "2.2.0",
        history: &[("4.0.0", "Several elements at once.")],
        ..PUSH
    },
    run: |cx, args| push_if_there(cx, args, Side::Left),
    subcommands: &[],
};

const RPUSHX: Command = Command {
    spec: Spec {
        name: "rpushx",
        summary: "Adds elements at the tail of a list that is there.",
        since: "2.2.0",
        history: &[("4.0.0", "Several elements at once.")],
        ..PUSH
    },
    run: |cx, args| push_if_there(cx, args, Side::Right),
    subcommands: &[],
};

fn push_if_there(cx: &mut Call<'_>, args: Args<'_>, side: Side) -> Outcome {
    let (key, values) = (cx.key(args[1]), &args[2..]);
    check_lens(values)?;
    let altered = cx.alter(key, |list: &mut List, hand| {
        list.push(side, values, hand.settings);
        list.len()
    })?;
    if altered.is_some() {
        pushed(&mut cx.keys, key, side, values.len());
    }
    cx.reply.integer(altered.map_or(0, |altered| altered.value as i64));
    Ok(())
}

/// What the commands that pop have in common.
const POP: Spec = Spec {
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    keys: &[SOURCE],
    complexity: "O(N), N being the number of elements returned.",
    history: &[("6.2.0", "The argument `count`.")],
    args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).since("6.2.0").optional()],
    ..LIST
};

const LPOP: Command = Command {
    spec: Spec {
        name: "lpop",
        summary: "Removes and returns elements from the head of a list, and removes the list with its last one.",
        ..POP
    },
    run: |cx, args| pop(cx, args, Side::Left),
    subcommands: &[],
};

const RPOP: Command = Command {
    spec: Spec {
        name: "rpop",
        summary: "Removes and returns elements from the tail of a list, and removes the list with its last one.",
        ..POP
    },
    run: |cx, args| pop(cx, args, Side::Right),
    subcommands: &[],
};

fn pop(cx: &mut Call<'_>, args: Args<'_>, side: Side) -> Outcome {
    let key = cx.key(args[1]);
    match args[2..] {
        [] => {
            if !pop_one(cx, key, side)? {
                cx.reply.null();
            }
        }
        [count] => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok()).ok_or(NOT_POSITIVE)?;
            if pop_some(cx, key, side, count)?.is_none() {
                cx.reply.null_array();
            }
        }
        _ => return Err(Fault::arity(if side == Side::Left { "lpop" } else { "rpop" })),
    }
    Ok(())
}

/// Removes the element at an end of the list that a key holds and replies with it; nothing where there is no list.
pub(crate) fn pop_one(cx: &mut Call<'_>, key: Key<'_>, side: Side) -> Result<bool, Fault> {
    let reply = &mut *cx.reply;
    let altered = cx.keys.alter(key, |list: &mut List, hand| {
        list.pop(side, |element| reply_element(reply, element));
        list.shrink(hand.settings);
    })?;
    if let Some(altered) = altered {
        popped(&mut cx.keys, key, side, 1, altered.emptied);
    }
    Ok(altered.is_some())
}

/// Removes up to `count` elements at an end of the list that a key holds and replies with an array of them; gives back how many, or
/// nothing where there is no list.
pub(crate) fn pop_some(
    cx: &mut Call<'_>,
    key: Key<'_>,
    side: Side,
    count: usize,
) -> Result<Option<usize>, Fault> {
    if count == 0 {
        let found = cx.keys.to_write::<List>(key)?.map(|_| 0);
        found.iter().for_each(|none| cx.reply.array(*none));
        return Ok(found);
    }
    let reply = &mut *cx.reply;
    let altered = cx.keys.alter(key, |list: &mut List, hand| {
        let len = list.len();
        let count = count.min(len);
        reply.array(count);
        let (first, removed, towards) = match side {
            Side::Left => (0, 0..count, Side::Right),
            Side::Right => (len - 1, len - count..len, Side::Left),
        };
        list.each_of(first, count, towards, |element| reply_element(reply, element));
        list.remove_range(removed);
        list.shrink(hand.settings);
        count
    })?;
    if let Some(altered) = altered {
        popped(&mut cx.keys, key, side, altered.value, altered.emptied);
    }
    Ok(altered.map(|altered| altered.value))
}

/// Tells that `count` elements were removed, and with the last one the list.
fn popped(keys: &mut Keys<'_>, key: Key<'_>, side: Side, count: usize, emptied: bool) {
    keys.changed(key);
    keys.notify(Class::LIST, if side == Side::Left { "lpop" } else { "rpop" }, key);
    if emptied {
        keys.notify(Class::GENERIC, "del", key);
    }
    keys.effects.dirty += count as u64;
}

const LMOVE: Command = Command {
    spec: Spec {
        name: "lmove",
        arity: 5,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[SOURCE, KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2)],
        summary: "Moves an element from an end of a list to an end of another, or of the same, and returns it.",
        since: "6.2.0",
        args: &[
            Arg::key("source", 0),
            Arg::key("destination", 1),
            Arg::new("wherefrom", SIDES),
            Arg::new("whereto", SIDES),
        ],
        ..LIST
    },
    run: lmove,
    subcommands: &[],
};
fn lmove(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let sides = (side(args[3])?, side(args[4])?);
    let (from, to) = (cx.key(args[1]), cx.key(args[2]));
    if !move_one(cx, from, to, sides)? {
        cx.reply.null();
    }
    Ok(())
}

const RPOPLPUSH: Command = Command {
    spec: Spec {
        name: "rpoplpush",
        arity: 3,
        flags: Flags::WRITE.and(Flags::DENYOOM),
        keys: &[SOURCE, KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2)],
        summary: "Moves the last element of a list to the head of another, or of the same, and returns it.",
        since: "1.2.0",
        args: &[Arg::key("source", 0), Arg::key("destination", 1)],
        ..LIST
    },
    run: rpoplpush,
    subcommands: &[],
};
fn rpoplpush(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (from, to) = (cx.key(args[1]), cx.key(args[2]));
    if !move_one(cx, from, to, (Side::Right, Side::Left))? {
        cx.reply.null();
    }
    Ok(())
}

/// A word that names an end.
pub(crate) fn side(word: &[u8]) -> Result<Side, Fault> {
    match word {
        word if word.eq_ignore_ascii_case(b"LEFT") => Ok(Side::Left),
        word if word.eq_ignore_ascii_case(b"RIGHT") => Ok(Side::Right),
        _ => Err(SYNTAX),
    }
}

/// Moves an element from an end of one list to an end of another, or of the same, and replies with it; nothing where there is no
/// list to take it from.
pub(crate) fn move_one(
    cx: &mut Call<'_>,
    from: Key<'_>,
    to: Key<'_>,
    (from_side, to_side): (Side, Side),
) -> Result<bool, Fault> {
    if cx.keys.to_write::<List>(from)?.is_none() {
        return Ok(false);
    }
    cx.keys.to_write::<List>(to)?;
    let is_same = from.db == to.db && from.bytes() == to.bytes();
    let taken = cx.keys.alter(from, |list: &mut List, hand| {
        let element = list.pop(from_side, Taken::new);
        match &element {
            Some(element) if is_same => element.push(list, to_side, hand.settings),
            _ => {}
        }
        list.shrink(hand.settings);
        element
    })?;
    let Some(taken) = taken else { return Ok(false) };
    let Some(element) = taken.value else { return Ok(false) };
    if !is_same {
        let _ = cx.keys.alter_or_make(to, |list: &mut List, hand| {
            element.push(list, to_side, hand.settings);
        })?;
    }
    cx.reply.bulk(&element.bytes);
    pushed(&mut cx.keys, to, to_side, 0);
    popped(&mut cx.keys, from, from_side, 1, taken.emptied);
    Ok(true)
}

/// An element on its way.
struct Taken {
    bytes: SmallVec<[u8; 64]>,
    is_int: bool,
}

impl Taken {
    fn new(element: StrRef<'_>) -> Taken {
        let bytes = SmallVec::from_slice(element.bytes(&mut [0; 20]));
        Taken { bytes, is_int: matches!(element, StrRef::Int(_)) }
    }

    /// Adds it to a list. Redis reckons that an integer takes no bytes.
    fn push(&self, list: &mut List, side: Side, settings: &crate::settings::Settings) {
        list.make_room(if self.is_int { 0 } else { self.bytes.len() }, 1, settings);
        list.push_as_is(side, &self.bytes);
    }
}

const LMPOP: Command = Command {
    spec: Spec {
        name: "lmpop",
        arity: -4,
        flags: Flags::WRITE.and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec::counted(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1, 1)],
        summary: "Removes and returns elements from the first of several lists that has any.",
        since: "7.0.0",
        complexity: "O(N+M), N being the number of keys, M the number of elements returned.",
        args: &[
            Arg::new("numkeys", ArgKind::Integer),
            Arg::key("key", 0).multiple(),
            Arg::new("where", SIDES),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
        ],
        ..LIST
    },
    run: lmpop,
    subcommands: &[],
};
fn lmpop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (keys, side, count) = several(&args[1..])?;
    if !pop_first(cx, keys, side, count)? {
        cx.reply.null_array();
    }
    Ok(())
}

/// `numkeys key … LEFT|RIGHT [COUNT count]`: the keys, the side and the count.
pub(crate) fn several<'a, 'b>(args: &'b [&'a [u8]]) -> Result<(&'b [&'a [u8]], Side, usize), Fault> {
    let positive = |text, fault| integer(text).ok().filter(|value| *value > 0).ok_or(fault);
    let (numkeys, rest) = args.split_first().ok_or(SYNTAX)?;
    let numkeys = positive(numkeys, NUMKEYS)? as usize;
    let (keys, rest) = rest.split_at_checked(numkeys).ok_or(SYNTAX)?;
    let (word, options) = rest.split_first().ok_or(SYNTAX)?;
    let side = side(word)?;
    let count = match options {
        [] => 1,
        [word, count, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
            let count = positive(count, COUNT)?;
            if rest.is_empty() { count as usize } else { return Err(SYNTAX) }
        }
        _ => return Err(SYNTAX),
    };
    Ok((keys, side, count))
}

/// Removes up to `count` elements at an end of the first list that there is among `keys`, and replies with its key and an array of them;
/// nothing where there is none.
pub(crate) fn pop_first(cx: &mut Call<'_>, keys: Args<'_>, side: Side, count: usize) -> Result<bool, Fault> {
    for name in keys {
        let key = cx.key(name);
        // What waited is run again where it was fed.
        if !cx.is_in_hand(key.hashed.slot) || cx.keys.to_write::<List>(key)?.is_none() {
            continue;
        }
        cx.reply.array(2);
        cx.reply.bulk(name);
        let popped = pop_some(cx, key, side, count)?.unwrap_or(0);
        let command: &[u8] = if side == Side::Left { b"LPOP" } else { b"RPOP" };
        cx.record(&[command, name, format_i64(popped as i64, &mut [0; 20])]);
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::World;

    #[test]
    fn effects_are_those_of_redis() {
        let mut world = World::new();
        world.play(&[
            ("RPUSH a 1 2 3", ":3", "3: new a, rpush a; RPUSH a 1 2 3"),
            ("LPUSHX b 1", ":0", "0: ; "),
            ("LPUSHX a 0 x", ":5", "2: lpush a; LPUSHX a 0 x"),
            ("LPOP a", "\"x\"", "1: lpop a; LPOP a"),
            ("RPOP a 2", "*2 \"3\" \"2\"", "2: rpop a; RPOP a 2"),
            ("RPOP a 0", "*0", "0: ; "),
            ("LMOVE a b LEFT RIGHT", "\"0\"", "1: new b, rpush b, lpop a; LMOVE a b LEFT RIGHT"),
            ("RPOPLPUSH a b", "\"1\"", "1: lpush b, rpop a, del a; RPOPLPUSH a b"),
            ("LMOVE b b RIGHT LEFT", "\"0\"", "1: lpush b, rpop b; LMOVE b b RIGHT LEFT"),
            ("LRANGE b 0 -1", "*2 \"0\" \"1\"", "0: ; "),
            ("LMOVE missing b LEFT LEFT", "(nil)", "0: ; "),
            ("LMPOP 2 a b RIGHT COUNT 9", "*2 \"b\" *2 \"1\" \"0\"", "2: rpop b, del b; RPOP b 2"),
            ("LMPOP 2 a b LEFT", "*nil", "0: ; "),
            ("RPUSH a 1", ":1", "1: new a, rpush a; RPUSH a 1"),
            ("LMOVE a a LEFT RIGHT", "\"1\"", "1: rpush a, lpop a; LMOVE a a LEFT RIGHT"),
            ("LPOP a 5", "*1 \"1\"", "1: lpop a, del a; LPOP a 5"),
            ("LPOP a 5", "*nil", "0: ; "),
        ]);
    }

    #[test]
    fn a_move_onto_another_type_moves_nothing() {
        let mut world = World::new();
        world.run("RPUSH a 1");
        world.run("SET s v");
        let fault = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        for line in ["LMOVE a s LEFT LEFT", "RPOPLPUSH s a", "LMPOP 2 s a LEFT", "LPOP s", "RPUSH s 1"] {
            assert_eq!((world.run(line).as_str(), world.effects().as_str()), (fault, "0: ; "), "{line}");
        }
        assert_eq!(world.run("LRANGE a 0 -1"), "*1 \"1\"");
    }
}
