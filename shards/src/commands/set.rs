//! Sets: adding, taking out, asking and listing members.
use super::deferred::Deferred;
use super::elements::{self, SCAN_ARGS, Wanted};
use super::{Args, Command};
use crate::call::{Altered, Call, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, Group, KeyFlags, KeySpec, Spec};
use crate::values::{Kind, Set};

pub(super) const COMMANDS: &[Command] = &[SADD, SREM, SMEMBERS, SISMEMBER, SMISMEMBER, SCARD, SMOVE, SSCAN];

pub(super) const SET: Spec = Spec { group: Group::Set, ..Spec::DEFAULT };
const MEMBER: Arg = Arg::new("member", ArgKind::String);
const KEY_AND_MEMBERS: &[Arg] = &[Arg::key("key", 0), MEMBER.multiple()];
const SEVERAL: &[(&str, &str)] = &[("2.4.0", "Takes several `member` arguments.")];

const SADD: Command = Command {
    spec: Spec {
        name: "sadd",
        arity: -3,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 1)],
        summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
        complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
        history: SEVERAL,
        args: KEY_AND_MEMBERS,
        ..SET
    },
    run: sadd,
    subcommands: &[],
};
fn sadd(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let members = &args[2..];
    let added = cx.alter_or_make(key, |set: &mut Set, hand| {
        set.expect(members.len(), members[0], hand.settings);
        members.iter().filter(|member| set.add(member, hand.settings)).count()
    })?;
    if added.value > 0 {
        cx.wrote(key, Class::SET, "sadd");
        cx.effects.dirty += added.value as u64 - 1;
    }
    cx.reply.integer(added.value as i64);
    Ok(())
}

const SREM: Command = Command {
    spec: Spec {
        name: "srem",
        arity: -3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
        complexity: "O(N) where N is the number of members to be removed.",
        history: SEVERAL,
        args: KEY_AND_MEMBERS,
        ..SET
    },
    run: srem,
    subcommands: &[],
};
fn srem(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let removed = remove(cx, key, &args[2..])?;
    cx.reply.integer(removed as i64);
    Ok(())
}

/// Takes members out of a set, tells it, and how many were there.
fn remove(cx: &mut Call<'_>, key: Key<'_>, members: Args<'_>) -> Result<usize, Fault> {
    let altered =
        cx.alter(key, |set: &mut Set, _| members.iter().filter(|member| set.remove(member)).count())?;
    let Some(Altered { value: removed, emptied }) = altered else { return Ok(0) };
    if removed > 0 {
        cx.wrote(key, Class::SET, "srem");
        cx.effects.dirty += removed as u64 - 1;
        if emptied {
            cx.notify(Class::GENERIC, "del", key);
        }
    }
    Ok(removed)
}

const SMEMBERS: Command = Command {
    spec: Spec {
        name: "smembers",
        arity: 2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns all members of a set.",
        complexity: "O(N) where N is the set cardinality.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key", 0)],
        ..SET
    },
    run: smembers,
    subcommands: &[],
};
fn smembers(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match cx.keys.read::<Set>(key)? {
        Some(set) => write_all(cx.reply, &set),
        None => cx.reply.set(0),
    }
    Ok(())
}

/// Replies with all members, as a set.
pub(super) fn write_all(reply: &mut Reply, set: &Set) {
    reply.set(set.len());
    set.iter().for_each(|member| reply.bulk(member.bytes(&mut [0; 20])));
}

const SISMEMBER: Command = Command {
    spec: Spec {
        name: "sismember",
        arity: 3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Determines whether a member belongs to a set.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0), MEMBER],
        ..SET
    },
    run: sismember,
    subcommands: &[],
};
fn sismember(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let is_in = cx.keys.read::<Set>(key)?.is_some_and(|set| set.contains(args[2]));
    cx.reply.integer(i64::from(is_in));
    Ok(())
}

const SMISMEMBER: Command = Command {
    spec: Spec {
        name: "smismember",
        arity: -3,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Determines whether multiple members belong to a set.",
        since: "6.2.0",
        complexity: "O(N) where N is the number of elements being checked for membership",
        args: KEY_AND_MEMBERS,
        ..SET
    },
    run: smismember,
    subcommands: &[],
};
fn smismember(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let set = cx.keys.read::<Set>(key)?;
    cx.reply.array(args.len() - 2);
    for member in &args[2..] {
        let is_in = set.as_ref().is_some_and(|set| set.contains(member));
        cx.reply.integer(i64::from(is_in));
    }
    Ok(())
}

const SCARD: Command = Command {
    spec: Spec {
        name: "scard",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO, 1)],
        summary: "Returns the number of members in a set.",
        complexity: "O(1)",
        args: &[Arg::key("key", 0)],
        ..SET
    },
    run: scard,
    subcommands: &[],
};
fn scard(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let len = cx.keys.read::<Set>(key)?.map_or(0, |set| set.len());
    cx.reply.integer(len as i64);
    Ok(())
}

const SMOVE: Command = Command {
    spec: Spec {
        name: "smove",
        arity: 4,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[
            KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1),
            KeySpec::one(KeyFlags::RW.and(KeyFlags::INSERT), 2),
        ],
        summary: "Moves a member from one set to another.",
        complexity: "O(1)",
        args: &[Arg::key("source", 0), Arg::key("destination", 1), MEMBER],
        ..SET
    },
    run: smove,
    subcommands: &[],
};
fn smove(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let (from, to, member) = (cx.key(args[1]), cx.key(args[2]), args[3]);
    let moved = move_member(cx, from, to, member)?;
    cx.reply.integer(i64::from(moved));
    Ok(())
}

/// Takes a member from one set to another; whether it was in the first.
fn move_member(cx: &mut Call<'_>, from: Key<'_>, to: Key<'_>, member: &[u8]) -> Result<bool, Fault> {
    // A missing source is the answer before the destination's type is.
    if cx.lookup_write(from).is_none() {
        return Ok(false);
    }
    let is_in = cx.keys.to_write::<Set>(from)?.is_some_and(|set| set.contains(member));
    cx.keys.to_write::<Set>(to)?;
    if !is_in || from.bytes() == to.bytes() {
        return Ok(is_in);
    }
    remove(cx, from, &[member])?;
    let added = cx.alter_or_make(to, |set: &mut Set, hand| {
        set.expect(1, member, hand.settings);
        set.add(member, hand.settings)
    })?;
    if added.value {
        cx.wrote(to, Class::SET, "sadd");
    }
    Ok(true)
}

const SSCAN: Command = Command {
    spec: Spec {
        name: "sscan",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Iterates over members of a set.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        tips: &["nondeterministic_output"],
        args: &SCAN_ARGS,
        ..SET
    },
    run: sscan,
    subcommands: &[],
};
fn sscan(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let cursor = elements::cursor(args[2])?;
    let Some(set) = cx.keys.read::<Set>(key)? else {
        // The words behind the cursor are not even read.
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(());
    };
    let wanted = Wanted::parse(&args[3..], false)?;
    let mut found = Reply::new(cx.reply.resp);
    let mut count = 0;
    let deferred = Deferred::array(&mut found, set.len());
    let next = set.scan(cursor, wanted.count, |member| {
        let (member, room) = (member, &mut [0; 20]);
        let member = member.bytes(room);
        if wanted.takes(member) {
            found.bulk(member);
            count += 1;
        }
    });
    deferred.end(&mut found, count);
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    cx.reply.bytes.append(&mut found.bytes);
    Ok(())
}
