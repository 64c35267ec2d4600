//! Pending entries change hands: XCLAIM, XAUTOCLAIM.
use super::stream::{STREAM, interval_start, reply_id, reply_next, strict_id};
use super::stream_group::{claim_record, consumer_of, no_group, record_consumer, record_group};
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX, until_zero};
use crate::number::parse_i64;
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::Stream;
use crate::values::stream::{ConsumerId, Group, Id, Pending};
use std::sync::Arc;

pub(super) const COMMANDS: &[Command] = &[XCLAIM, XAUTOCLAIM];

const CLAIM_IDLE_MIN: Fault = Fault::new("ERR Invalid min-idle-time argument for XCLAIM");
const CLAIM_IDLE: Fault = Fault::new("ERR Invalid IDLE option argument for XCLAIM");
const CLAIM_TIME: Fault = Fault::new("ERR Invalid TIME option argument for XCLAIM");
const CLAIM_RETRYCOUNT: Fault = Fault::new("ERR Invalid RETRYCOUNT option argument for XCLAIM");
const AUTOCLAIM_IDLE_MIN: Fault = Fault::new("ERR Invalid min-idle-time argument for XAUTOCLAIM");
const COUNT_RANGE: Fault = Fault::new("ERR COUNT must be > 0");

/// XAUTOCLAIM looks at so many entries for each that it may claim.
const ATTEMPTS_FACTOR: u64 = 10;
/// XAUTOCLAIM's COUNT if it is not given.
const COUNT_DEFAULT: u64 = 100;
/// Redis has room for so many ids, as it reckons.
const COUNT_MAX: i64 = i64::MAX / 16;

const XCLAIM: Command = Command {
    spec: Spec {
        name: "xclaim",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Gives pending entries to a consumer, as if they had been delivered to it.",
        complexity: "O(log N) an entry, N being the number of entries pending in the group.",
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new("group", ArgKind::String),
            Arg::new("consumer", ArgKind::String),
            Arg::new("min-idle-time", ArgKind::String),
            Arg::new("id", ArgKind::String).multiple(),
            Arg::new("ms", ArgKind::Integer).token("IDLE").optional(),
            Arg::new("unix-time-milliseconds", ArgKind::UnixTime).token("TIME").optional(),
            Arg::new("count", ArgKind::Integer).token("RETRYCOUNT").optional(),
            Arg::word("force", "FORCE").optional(),
            Arg::word("justid", "JUSTID").optional(),
            Arg::new("lastid", ArgKind::String).token("LASTID").optional(),
        ],
        ..STREAM
    },
    run: xclaim,
    subcommands: &[],
};
fn xclaim(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let stream = cx.keys.read::<Stream>(key)?;
    if stream.is_none_or(|stream| stream.group(args[2]).is_none()) {
        return Err(no_group(args[1], args[2], ""));
    }
    let (claim, ids, last_id) = Claim::parse(args, cx.now_ms)?;
    let reply = &mut *cx.reply;
    let altered = cx.keys.alter(key, |stream: &mut Stream, hand| {
        let group = stream.group_mut(claim.group)?;
        let has_moved = last_id > group.last_id;
        group.last_id = group.last_id.max(last_id);
        let (consumer, is_made) = consumer_of(group, claim.consumer, hand.now_ms);
        let mut outcome = Claimed { is_made, ..Claimed::default() };
        let start = reply.bytes.len();
        for id in ids {
            claim.claim(stream, consumer, id, hand.now_ms, reply, &mut outcome);
        }
        reply.array_since(start, outcome.claimed);
        Some(outcome.of(stream.group(claim.group)?, has_moved))
    })?;
    let outcome = altered.and_then(|altered| altered.value).ok_or_else(|| no_group(args[1], args[2], ""))?;
    outcome.tell(cx, key, &claim);
    Ok(())
}

const XAUTOCLAIM: Command = Command {
    spec: Spec {
        name: "xautoclaim",
        arity: -6,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Gives a consumer whatever has been pending for long, as if it had been delivered to it.",
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        history: &[("7.0.0", "Tells also which entries are gone and therefore pending no more.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new("group", ArgKind::String),
            Arg::new("consumer", ArgKind::String),
            Arg::new("min-idle-time", ArgKind::String),
            Arg::new("start", ArgKind::String),
            Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
            Arg::word("justid", "JUSTID").optional(),
        ],
        ..STREAM
    },
    run: xautoclaim,
    subcommands: &[],
};
fn xautoclaim(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    // Redis looks the key up first, and at what it found after the options.
    let found = cx
        .keys
        .read::<Stream>(key)
        .map(|stream| stream.is_some_and(|stream| stream.group(args[2]).is_some()));
    let idle_ms_min = parse_i64(args[4]).ok_or(AUTOCLAIM_IDLE_MIN)?.max(0);
    let first = interval_start(args[5])?;
    let (count, is_justid) = autoclaim_options(&args[6..])?;
    if !found? {
        return Err(no_group(args[1], args[2], ""));
    }
    let claim = Claim {
        group: args[2],
        consumer: args[3],
        idle_ms_min,
        at_ms: cx.now_ms,
        deliveries: None,
        is_forced: false,
        is_justid,
    };
    let reply = &mut *cx.reply;
    let altered = cx.keys.alter(key, |stream: &mut Stream, hand| {
        let (consumer, is_made) = consumer_of(stream.group_mut(claim.group)?, claim.consumer, hand.now_ms);
        let mut outcome = Claimed { is_made, ..Claimed::default() };
        let start = reply.bytes.len();
        let next = claim.claim_from(stream, consumer, (first, count), hand.now_ms, reply, &mut outcome);
        reply.array_since(start, outcome.claimed);
        let entries = reply.bytes.split_off(start);
        reply.array(3);
        reply_id(reply, next.unwrap_or(Id::MIN));
        reply.bytes.extend(entries);
        reply.array(outcome.gone.len());
        outcome.gone.iter().for_each(|id| reply_id(reply, *id));
        Some(outcome.of(stream.group(claim.group)?, false))
    })?;
    let outcome = altered.and_then(|altered| altered.value).ok_or_else(|| no_group(args[1], args[2], ""))?;
    outcome.tell(cx, key, &claim);
    Ok(())
}

/// How many entries to claim at the most, and whether only their ids are wanted.
fn autoclaim_options(mut options: Args<'_>) -> Result<(u64, bool), Fault> {
    let (mut count, mut is_justid) = (COUNT_DEFAULT, false);
    loop {
        match options {
            [] => return Ok((count, is_justid)),
            [word, number, rest @ ..] if word.eq_ignore_ascii_case(b"COUNT") => {
                let number = parse_i64(number).filter(|number| (1..=COUNT_MAX).contains(number));
                (count, options) = (number.ok_or(COUNT_RANGE)? as u64, rest);
            }
            [word, rest @ ..] if word.eq_ignore_ascii_case(b"JUSTID") => {
                (is_justid, options) = (true, rest);
            }
            _ => return Err(SYNTAX),
        }
    }
}

/// Who claims, what it has to be like, and what becomes of it.
#[derive(Debug)]
struct Claim<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    /// Entries that were delivered more recently stay where they are.
    idle_ms_min: i64,
    /// When the entries are said to have been delivered.
    at_ms: i64,
    /// How often they are said to have been; else once more than before.
    deliveries: Option<i64>,
    /// Entries that are not pending are, from now on.
    is_forced: bool,
    /// Only the ids are wanted, which is no delivery.
    is_justid: bool,
}

/// What became of a pending entry: the consumer's name, when it was delivered and how often.
#[derive(Debug)]
struct Change {
    id: Id,
    consumer: Arc<[u8]>,
    delivery: (i64, i64),
}

/// What was claimed, and what is to be told of it.
#[derive(Debug, Default)]
struct Claimed {
    is_made: bool,
    claimed: usize,
    /// Pending entries that are no longer in the stream.
    gone: Vec<Id>,
    /// What became of pending entries.
    changes: Vec<Change>,
    last_id: Id,
    entries_read: Option<i64>,
    has_moved: bool,
}

impl<'a> Claim<'a> {
    /// XCLAIM's arguments: the claim, the ids, and how far the group is to be moved on at least.
    fn parse(args: Args<'a>, now_ms: i64) -> Result<(Claim<'a>, Vec<Id>, Id), Fault> {
        let mut claim = Claim {
            group: args[2],
            consumer: args[3],
            idle_ms_min: parse_i64(args[4]).ok_or(CLAIM_IDLE_MIN)?.max(0),
            at_ms: -1,
            deliveries: None,
            is_forced: false,
            is_justid: false,
        };
        let mut last_id = Id::MIN;
        let ids: Vec<Id> = args[5..].iter().map_while(|text| Id::parse_strict(text, 0)).collect();
        let mut options = &args[5 + ids.len()..];
        while let [word, rest @ ..] = options {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            options = match rest {
                _ if is(b"FORCE") => {
                    claim.is_forced = true;
                    rest
                }
                _ if is(b"JUSTID") => {
                    claim.is_justid = true;
                    rest
                }
                [ms, rest @ ..] if is(b"IDLE") => {
                    claim.at_ms = now_ms.wrapping_sub(parse_i64(ms).ok_or(CLAIM_IDLE)?);
                    rest
                }
                [ms, rest @ ..] if is(b"TIME") => {
                    claim.at_ms = parse_i64(ms).ok_or(CLAIM_TIME)?;
                    rest
                }
                [count, rest @ ..] if is(b"RETRYCOUNT") => {
                    claim.deliveries = Some(parse_i64(count).ok_or(CLAIM_RETRYCOUNT)?);
                    rest
                }
                [id, rest @ ..] if is(b"LASTID") => {
                    last_id = strict_id(id)?;
                    rest
                }
                _ => {
                    return Err(Fault::quoting("ERR Unrecognized XCLAIM option '", until_zero(word), "'"));
                }
            };
        }
        // A time that cannot be is no error: clients reckon with clocks of their own.
        if !(0..=now_ms).contains(&claim.at_ms) {
            claim.at_ms = now_ms;
        }
        claim.deliveries = claim.deliveries.filter(|count| *count >= 0);
        Ok((claim, ids, last_id))
    }

    /// Claims one entry, if it can be.
    fn claim(
        &self,
        stream: &mut Stream,
        consumer: ConsumerId,
        id: Id,
        now_ms: i64,
        reply: &mut Reply,
        outcome: &mut Claimed,
    ) {
        let is_there = stream.has(id);
        let Some(group) = stream.group_mut(self.group) else { return };
        let before = group.pending(id);
        if !is_there {
            if let Some(before) = before {
                outcome.change(group, id, before);
                outcome.gone.push(id);
                group.acknowledge(id);
            }
            return;
        }
        let is_idle = before.is_some_and(|before| {
            self.idle_ms_min == 0 || now_ms.wrapping_sub(before.delivered_at_ms) >= self.idle_ms_min
        });
        if !is_idle && (before.is_some() || !self.is_forced) {
            return;
        }
        // One that FORCE makes pending begins with one delivery.
        let deliveries = before.map_or(1, |before| before.deliveries);
        let again = if self.is_justid { deliveries } else { deliveries.wrapping_add(1) };
        let deliveries = self.deliveries.unwrap_or(again);
        let pending = Pending { delivered_at_ms: self.at_ms, deliveries, consumer };
        group.deliver(id, pending);
        group.consumer_mut(consumer).active_at_ms = Some(now_ms);
        outcome.change(group, id, pending);
        outcome.claimed += 1;
        if self.is_justid {
            reply_id(reply, id);
        } else {
            reply_next(reply, &mut stream.walk(id, id, false));
        }
    }

    /// Claims what is pending from an id on, so many entries at the most; where to go on, if there is more.
    fn claim_from(
        &self,
        stream: &mut Stream,
        consumer: ConsumerId,
        (first, count): (Id, u64),
        now_ms: i64,
        reply: &mut Reply,
        outcome: &mut Claimed,
    ) -> Option<Id> {
        let next_of = |stream: &Stream, id: Id| stream.group(self.group)?.pending_after(id);
        let mut next = stream.group(self.group)?.pending_from(first).next().map(|(id, _)| id);
        for _ in 0..count.saturating_mul(ATTEMPTS_FACTOR) {
            let id = next?;
            if outcome.changes.len() as u64 == count {
                return Some(id);
            }
            self.claim(stream, consumer, id, now_ms, reply, outcome);
            next = next_of(stream, id);
        }
        next
    }
}

impl Claimed {
    fn change(&mut self, group: &Group, id: Id, pending: Pending) {
        let consumer = Arc::clone(&group.consumer(pending.consumer).name);
        self.changes.push(Change { id, consumer, delivery: (pending.delivered_at_ms, pending.deliveries) });
    }

    /// How far the group has come, in the end.
    fn of(self, group: &Group, has_moved: bool) -> Claimed {
        Claimed { last_id: group.last_id, entries_read: group.entries_read, has_moved, ..self }
    }

    /// Tells events and records.
    fn tell(&self, cx: &mut Call<'_>, key: Key<'_>, claim: &Claim<'_>) {
        if self.is_made {
            cx.effects.dirty += 1;
            cx.notify(Class::STREAM, "xgroup-createconsumer", key);
            if self.claimed == 0 {
                record_consumer(&mut cx.keys, key, claim.group, claim.consumer);
            }
        }
        cx.effects.dirty += self.changes.len() as u64;
        if cx.effects.listen.records {
            for Change { id, consumer, delivery } in &self.changes {
                claim_record(&mut cx.keys, key, (claim.group, consumer), *id, *delivery, self.last_id);
            }
        }
        // The records of claims have told it, if there are any.
        if self.has_moved && self.changes.is_empty() {
            cx.effects.dirty += 1;
            record_group(&mut cx.keys, key, claim.group, self.last_id, self.entries_read);
        }
        cx.effects.record_no_more();
    }
}
