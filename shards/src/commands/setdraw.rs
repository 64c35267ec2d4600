//! Members of sets at random: SPOP and SRANDMEMBER.
use super::options::integer;
use super::set::{SET, write_all};
use super::{Args, Command};
use crate::call::{Altered, Call, Expiry, Key};
use crate::dice::Dice;
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::keyspace::{StrRef, Value};
use crate::number::parse_i64;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::set::Taken;
use crate::values::{Kind, Set};

pub(super) const COMMANDS: &[Command] = &[SPOP, SRANDMEMBER];

const NOT_POSITIVE: Fault = Fault::new("ERR value is out of range, must be positive");
const COUNT_RANGE: Fault =
    Fault::new("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
/// Where fewer than one of so many members stay, the set is made anew of those that stay.
const STAY_SHARE: usize = 5;
/// Members that one record names, at most.
const RECORD_MEMBERS_MAX: usize = 1024;

const SPOP: Command = Command {
    spec: Spec {
        name: "spop",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::ACCESS).and(KeyFlags::DELETE), 1)],
        summary: "Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
        history: &[("3.2.0", "Takes a `count` argument.")],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).since("3.2.0").optional()],
        ..SET
    },
    run: spop,
    subcommands: &[],
};
fn spop(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match args[2..] {
        [] => pop_one(cx, key),
        [count] => {
            let count = parse_i64(count).and_then(|count| usize::try_from(count).ok()).ok_or(NOT_POSITIVE)?;
            pop_several(cx, key, count)
        }
        _ => Err(SYNTAX),
    }
}

fn pop_one(cx: &mut Call<'_>, key: Key<'_>) -> Outcome {
    let altered = cx.alter(key, |set: &mut Set, hand| set.take_random(hand.dice))?;
    let Some(Altered { value: member, emptied }) = altered else {
        cx.reply.null();
        return Ok(());
    };
    cx.reply.bulk(&member);
    cx.wrote(key, Class::SET, "spop");
    cx.record(&[b"SREM", key.bytes(), &member]);
    if emptied {
        cx.notify(Class::GENERIC, "del", key);
    }
    Ok(())
}

fn pop_several(cx: &mut Call<'_>, key: Key<'_>, count: usize) -> Outcome {
    let Some(set) = cx.keys.to_write::<Set>(key)?.filter(|_| count > 0) else {
        cx.reply.set(0);
        return Ok(());
    };
    let len = set.len();
    if count >= len {
        write_all(cx.reply, &set);
        cx.remove(key);
        cx.wrote(key, Class::SET, "spop");
        cx.notify(Class::GENERIC, "del", key);
        cx.record(&[b"DEL", key.bytes()]);
        cx.effects.dirty += len as u64 - 1;
        return Ok(());
    }
    let taken = if (len - count).saturating_mul(STAY_SHARE) > count {
        let altered = cx.alter(key, |set: &mut Set, hand| set.take_different(count, hand.dice))?;
        altered.expect("looked up above").value
    } else {
        leave_few(cx, key, count)?
    };
    cx.reply.set(count);
    taken.iter().for_each(|member| cx.reply.bulk(member));
    cx.wrote(key, Class::SET, "spop");
    cx.effects.dirty += count as u64 - 1;
    record_removed(cx, key, &taken);
    Ok(())
}

/// Takes all but a few members out: those that stay are put into a new set, and the old one goes as a whole.
fn leave_few(cx: &mut Call<'_>, key: Key<'_>, count: usize) -> Result<Vec<Taken>, Fault> {
    let mut dice = dice_of(cx, key);
    let set = cx.keys.peek_as::<Set>(key)?.expect("looked up before");
    let (drawn, left) = set.draw_and_leave(count, &mut dice);
    let taken = drawn.into_iter().map(|member| Taken::from_slice(member.bytes(&mut [0; 20]))).collect();
    let mut rest = set.remainder();
    left.into_iter().for_each(|member| rest.push_ref(member, cx.keys.settings));
    cx.set(key, Value::Object(rest.into()), Expiry::Keep);
    cx.shard(key.hashed.slot).dice = dice;
    Ok(taken)
}

fn record_removed(cx: &mut Call<'_>, key: Key<'_>, taken: &[Taken]) {
    if !cx.effects.listen.records {
        return;
    }
    for taken in taken.chunks(RECORD_MEMBERS_MAX) {
        let mut record: Vec<&[u8]> = vec![b"SREM", key.bytes()];
        record.extend(taken.iter().map(Taken::as_slice));
        cx.record(&record);
    }
}

const SRANDMEMBER: Command = Command {
    spec: Spec {
        name: "srandmember",
        arity: -2,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Gets one or multiple random members from a set.",
        complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
        history: &[("2.6.0", "Takes an optional `count` argument.")],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::new("count", ArgKind::Integer).since("2.6.0").optional()],
        ..SET
    },
    run: srandmember,
    subcommands: &[],
};
fn srandmember(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match args[2..] {
        [] => draw_one(cx, key),
        [count] => {
            let count = Some(integer(count)?).filter(|count| *count > i64::MIN).ok_or(COUNT_RANGE)?;
            draw_several(cx, key, count)
        }
        _ => Err(SYNTAX),
    }
}

fn draw_one(cx: &mut Call<'_>, key: Key<'_>) -> Outcome {
    let mut dice = dice_of(cx, key);
    match cx.keys.read::<Set>(key)? {
        Some(set) => cx.reply.bulk(set.random(&mut dice).bytes(&mut [0; 20])),
        None => cx.reply.null(),
    }
    cx.shard(key.hashed.slot).dice = dice;
    Ok(())
}

fn draw_several(cx: &mut Call<'_>, key: Key<'_>, count: i64) -> Outcome {
    let mut dice = dice_of(cx, key);
    let Some(set) = cx.keys.read::<Set>(key)?.filter(|_| count != 0) else {
        cx.reply.array(0);
        return Ok(());
    };
    let Call { reply, .. } = cx;
    let write = |reply: &mut Reply, member: StrRef<'_>| reply.bulk(member.bytes(&mut [0; 20]));
    if let Ok(count) = usize::try_from(count) {
        let drawn = set.draw_different(count, &mut dice);
        reply.array(drawn.len());
        drawn.into_iter().for_each(|member| write(reply, member));
    } else {
        let count = count.unsigned_abs();
        reply.array(count as usize);
        set.draw_with_repeats(count, &mut dice, |member| write(reply, member));
    }
    cx.shard(key.hashed.slot).dice = dice;
    Ok(())
}

/// The dice of the shard of a key, to be thrown while the key is looked at; they go back afterwards.
fn dice_of(cx: &mut Call<'_>, key: Key<'_>) -> Dice {
    cx.shard(key.hashed.slot).dice.clone()
}
