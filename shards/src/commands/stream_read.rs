//! What is new in streams: XREAD, XREADGROUP.
//!
//! [`Reading`] is the command as data: a waiter that BLOCK leaves behind keeps one, with its ids resolved, and asks it to
//! [`Reading::serve`] again when one of its streams has grown.
use super::options::integer;
use super::stream::{STREAM, reply_fields, reply_id, reply_next, reply_walk, strict_id};
use super::stream_group::{claim_record, consumer_of, no_group, record_consumer, record_group};
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Begin, Find, Flags, KeyFlags, KeySpec, Spec};
use crate::values::stream::{ConsumerId, Group, Id, Pending, Walk};
use crate::values::{Kind, Stream};
use crate::waiting::{Awaits, Looks, Wait};

pub(super) const COMMANDS: &[Command] = &[XREAD, XREADGROUP];

const GROUP_IN_XREAD: Fault =
    Fault::new("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NOACK_IN_XREAD: Fault =
    Fault::new("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
/// How often, at the most and at the least, it is looked for what has been pending for long, in ms.
const LOOKS_MS: (i64, i64) = (50, 1000);
const CLAIM_IN_XREAD: Fault =
    Fault::new("ERR The CLAIM option is only supported by XREADGROUP. You called XREAD instead.");
const GROUP_MISSING: Fault = Fault::new("ERR Missing GROUP option for XREADGROUP");
const NEW_IN_XREAD: Fault = Fault::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const TIMEOUT_NEGATIVE: Fault = Fault::new("ERR timeout is negative");
const TIMEOUT_INTEGER: Fault = Fault::new("ERR timeout is not an integer or out of range");
const TIMEOUT_RANGE: Fault = Fault::new("ERR timeout is out of range");

const COUNT: Arg = Arg::new("count", ArgKind::Integer).token("COUNT").optional();
const BLOCK: Arg = Arg::new("milliseconds", ArgKind::Integer).token("BLOCK").optional();
const STREAMS: Arg = Arg::new(
    "streams",
    ArgKind::Block(&[Arg::key("key", 0).multiple(), Arg::new("id", ArgKind::String).multiple()]),
)
.token("STREAMS");

const XREAD: Command = Command {
    spec: Spec {
        name: "xread",
        arity: -4,
        flags: Flags::READ.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            flags: KeyFlags::RO.and(KeyFlags::ACCESS),
            begin: Begin::Keyword("STREAMS", 1),
            find: Find::Range { last: -1, step: 1, limit: 2 },
            notes: "",
        }],
        summary: "Returns the entries of streams behind the given ids, and waits for some if there are none.",
        complexity: "",
        args: &[COUNT, BLOCK, STREAMS],
        ..STREAM
    },
    run: |cx, args| read(cx, args, false),
    subcommands: &[],
};

const XREADGROUP: Command = Command {
    spec: Spec {
        name: "xreadgroup",
        arity: -7,
        flags: Flags::WRITE.and(Flags::BLOCKING).and(Flags::MOVABLE_KEYS),
        keys: &[KeySpec {
            flags: KeyFlags::RO.and(KeyFlags::ACCESS),
            begin: Begin::Keyword("STREAMS", 4),
            find: Find::Range { last: -1, step: 1, limit: 2 },
            notes: "",
        }],
        summary: "Returns entries of streams that are new to a group, or pending with a consumer of it, and waits for \
                  some if there are none.",
        complexity: "O(M) a stream, M being the number of entries returned.",
        history: &[("8.4.0", "Takes `CLAIM`.")],
        args: &[
            Arg::new(
                "group-block",
                ArgKind::Block(&[Arg::new("group", ArgKind::String), Arg::new("consumer", ArgKind::String)]),
            )
            .token("GROUP"),
            COUNT,
            BLOCK,
            Arg::new("min-idle-time", ArgKind::Integer).token("CLAIM").since("8.4.0").optional(),
            Arg::word("noack", "NOACK").optional(),
            STREAMS,
        ],
        ..STREAM
    },
    run: |cx, args| read(cx, args, true),
    subcommands: &[],
};

fn read(cx: &mut Call<'_>, args: Args<'_>, in_group: bool) -> Outcome {
    let mut reading = Reading::parse(args, in_group, cx.now_ms)?;
    reading.resolve(cx)?;
    let is_served = reading.serve(cx)?;
    if !is_served && !reading.waits(cx, args) {
        cx.reply.null_array();
    }
    // What happened is recorded as it happens: the command as it came would read what is new elsewhere.
    if in_group {
        cx.effects.record_no_more();
    }
    Ok(())
}

/// Where reading a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Behind this id.
    Id(Id),
    /// With what the group has not got yet.
    New,
}

/// What XREAD or XREADGROUP ask for.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The streams.
    keys: Args<'a>,
    /// Their ids, as they came.
    ids: Args<'a>,
    /// Where to go on in each, once that is resolved.
    from: Vec<From>,
    /// The group and the consumer that reads for it.
    group: Option<(&'a [u8], &'a [u8])>,
    /// So many entries a stream at the most; 0 for all.
    count: u64,
    /// Entries are not pending afterwards.
    is_noack: bool,
    /// What has been pending for so long, with whomever, comes before what is new.
    claim_ms: Option<i64>,
    /// So long it may wait, in milliseconds, 0 being for ever; not at all without this.
    block_ms: Option<i64>,
}

impl<'a> Reading<'a> {
    /// Reads the arguments, as far as that is possible without looking at the streams.
    pub(super) fn parse(args: Args<'a>, in_group: bool, now_ms: i64) -> Result<Reading<'a>, Fault> {
        let mut reading = Reading {
            keys: &[],
            ids: &[],
            from: Vec::new(),
            group: None,
            count: 0,
            is_noack: false,
            claim_ms: None,
            block_ms: None,
        };
        let mut at = 1;
        while at < args.len() {
            let (word, rest) = (args[at], &args[at + 1..]);
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            match rest {
                [time, ..] if is(b"BLOCK") => {
                    reading.block_ms = Some(timeout_ms(time, now_ms)?);
                    at += 1;
                }
                [count, ..] if is(b"COUNT") => {
                    reading.count = integer(count)?.max(0) as u64;
                    at += 1;
                }
                [idle_ms, ..] if is(b"CLAIM") => {
                    if !in_group {
                        return Err(CLAIM_IN_XREAD);
                    }
                    reading.claim_ms = Some(integer(idle_ms)?.max(0));
                    at += 1;
                }
                [_, ..] if is(b"STREAMS") => {
                    if rest.len() % 2 != 0 {
                        return Err(unbalanced(in_group));
                    }
                    (reading.keys, reading.ids) = rest.split_at(rest.len() / 2);
                    break;
                }
                [group, consumer, ..] if is(b"GROUP") => {
                    if !in_group {
                        return Err(GROUP_IN_XREAD);
                    }
                    reading.group = Some((group, consumer));
                    at += 2;
                }
                _ if is(b"NOACK") => {
                    if !in_group {
                        return Err(NOACK_IN_XREAD);
                    }
                    reading.is_noack = true;
                }
                _ => return Err(SYNTAX),
            }
            at += 1;
        }
        if reading.keys.is_empty() {
            return Err(SYNTAX);
        }
        if in_group && reading.group.is_none() {
            return Err(GROUP_MISSING);
        }
        Ok(reading)
    }

    /// Finds out what the ids mean now: `$` is the last one of a stream at this moment, however long a waiter waits.
    pub(super) fn resolve(&mut self, cx: &mut Call<'_>) -> Outcome {
        let (group, ids) = (self.group, self.ids);
        for (key, id) in self.keys.iter().zip(ids) {
            let name = *key;
            let key = cx.key(key);
            if !cx.is_in_hand(key.hashed.slot) {
                // What waited is run again where one of its streams has grown: the others have not.
                self.from.push(From::Id(Id::MAX));
                continue;
            }
            let stream = cx.keys.read::<Stream>(key)?;
            if let Some((group, _)) = group
                && stream.as_ref().is_none_or(|stream| stream.group(group).is_none())
            {
                return Err(no_group(name, group, " in XREADGROUP with GROUP option"));
            }
            let from = match (*id, group) {
                (b"$" | b"+", Some(_)) => return Err(meaningless(id)),
                (b"$", None) => From::Id(stream.map_or(Id::MIN, |stream| stream.facts().last_id)),
                (b"+", None) => From::Id(stream.map_or(Id::MIN, |stream| before_last(&stream))),
                (b">", Some(_)) => From::New,
                (b">", None) => return Err(NEW_IN_XREAD),
                _ => match strict_id(id)? {
                    // Redis takes the greatest id for `>`.
                    Id::MAX if group.is_some() => From::New,
                    id => From::Id(id),
                },
            };
            self.from.push(from);
        }
        Ok(())
    }

    /// Replies with what there is in any of the streams; whether there was something.
    pub(super) fn serve(&self, cx: &mut Call<'_>) -> Result<bool, Fault> {
        let start = cx.reply.bytes.len();
        let mut served = 0;
        for (name, from) in self.keys.iter().zip(&self.from) {
            let key = cx.key(name);
            if !cx.is_in_hand(key.hashed.slot) {
                continue;
            }
            let Some(stream) = cx.keys.read::<Stream>(key)? else { continue };
            let is_served = match (self.group, *from) {
                (Some((group, consumer)), from) => self.serve_group(cx, key, from, (group, consumer))?,
                (None, From::Id(id)) if !stream.is_empty() && stream.last_entry_id() > id => {
                    reply_name(cx.reply, name);
                    let first = id.next().unwrap_or(id);
                    reply_walk(cx.reply, stream.walk(first, Id::MAX, false), self.count);
                    true
                }
                _ => false,
            };
            served += usize::from(is_served);
        }
        if served > 0 {
            if cx.reply.is_resp3() {
                cx.reply.map_since(start, served);
            } else {
                cx.reply.array_since(start, served);
            }
        }
        Ok(served > 0)
    }

    /// Waits for its streams to grow, if it may and was told to; as the command that it is now, its ids being known.
    fn waits(&self, cx: &mut Call<'_>, args: Args<'_>) -> bool {
        let Some(block_ms) = self.block_ms else { return false };
        let (words, _) = args.split_at(args.len() - self.ids.len());
        let ids = self.ids.iter().zip(&self.from).map(|(id, from)| match from {
            From::Id(id) => Box::from(id.text(&mut [0; 41])),
            From::New => Box::from(*id),
        });
        let (now_ms, looks) = (cx.now_ms, self.looks(cx));
        cx.wait_for(Wait {
            awaits: if self.group.is_some() { Awaits::Group } else { Awaits::Stream },
            keys: self.keys.iter().map(|key| (*key).into()).collect(),
            destination: None,
            until_ms: (block_ms > 0).then(|| now_ms + block_ms),
            args: Some(words.iter().map(|word| Box::from(*word)).chain(ids).collect()),
            looks,
        })
    }

    /// When to look for what is pending for as long as CLAIM wants, which nobody tells of: when that which is pending now is, and
    /// every now and then for what others get meanwhile.
    fn looks(&self, cx: &mut Call<'_>) -> Option<Looks> {
        let (idle_ms, (group, _)) = (self.claim_ms?, self.group?);
        let mut first_ms = i64::MAX;
        for name in self.keys {
            let key = cx.key(name);
            if cx.is_in_hand(key.hashed.slot)
                && let Ok(Some(stream)) = cx.keys.read::<Stream>(key)
                && let Some((_, oldest)) =
                    stream.group(group).and_then(|group| group.pending_until(i64::MAX).next())
            {
                first_ms = first_ms.min(oldest.delivered_at_ms.saturating_add(idle_ms));
            }
        }
        Some(Looks { first_ms, every_ms: (idle_ms / 8).clamp(LOOKS_MS.0, LOOKS_MS.1) })
    }

    /// The same of one stream for a group.
    fn serve_group(
        &self,
        cx: &mut Call<'_>,
        key: Key<'_>,
        from: From,
        (group_name, name): (&[u8], &[u8]),
    ) -> Result<bool, Fault> {
        let reply = &mut *cx.reply;
        let altered = cx.keys.alter(key, |stream: &mut Stream, hand| {
            let (consumer, is_made) = consumer_of(stream.group_mut(group_name)?, name, hand.now_ms);
            let reader = Reader { group: group_name, consumer, now_ms: hand.now_ms };
            let (claimed, delivered, is_served) = match from {
                From::Id(id) => {
                    reply_name(reply, key.bytes());
                    reader.history(reply, stream, id.next().unwrap_or(Id::MIN), self.count);
                    (Vec::new(), Vec::new(), true)
                }
                From::New => self.serve_new(reply, stream, key, &reader),
            };
            let group = stream.group(group_name)?;
            let (last_id, read) = (group.last_id, group.entries_read);
            Some(Served { is_served, is_made, claimed, delivered, last_id, read })
        })?;
        let served = altered.and_then(|altered| altered.value);
        let served =
            served.ok_or_else(|| no_group(key.bytes(), group_name, " in XREADGROUP with GROUP option"))?;
        if served.is_made {
            cx.effects.dirty += 1;
            cx.notify(Class::STREAM, "xgroup-createconsumer", key);
            if served.claimed.is_empty() && (self.is_noack || served.delivered.is_empty()) {
                record_consumer(&mut cx.keys, key, group_name, name);
            }
        }
        cx.effects.dirty += u64::from(served.is_served);
        if cx.effects.listen.records {
            self.record(cx, key, (group_name, name), &served);
        }
        Ok(served.is_served)
    }

    /// Replies with what has been pending for long, if that is asked for, and what is new.
    fn serve_new(
        &self,
        reply: &mut Reply,
        stream: &mut Stream,
        key: Key<'_>,
        reader: &Reader<'_>,
    ) -> (Vec<(Id, Pending)>, Vec<Id>, bool) {
        let last_id = stream.group(reader.group).map_or(Id::MAX, |group| group.last_id);
        let claimed = match self.claim_ms {
            Some(idle_ms) => reader.claimable(stream, idle_ms, self.count),
            None => Vec::new(),
        };
        let has_new = !stream.is_empty() && stream.last_entry_id() > last_id;
        if claimed.is_empty() && !has_new {
            return (claimed, Vec::new(), false);
        }
        reply_name(reply, key.bytes());
        let start = reply.bytes.len();
        for (id, pending) in &claimed {
            let idle_ms = reader.now_ms.wrapping_sub(pending.delivered_at_ms).max(0);
            let mut walk = stream.walk(*id, *id, false);
            reply_delivery(reply, &mut walk, Some((idle_ms, pending.deliveries)));
        }
        let is_claiming = self.claim_ms.is_some();
        let left = self.count.saturating_sub(claimed.len() as u64);
        let is_full = self.count > 0 && left == 0;
        let mut delivered = Vec::new();
        if has_new && !is_full {
            let mut walk = stream.walk(last_id.next().unwrap_or(last_id), Id::MAX, false);
            while let Some(id) = reply_delivery(reply, &mut walk, is_claiming.then_some((0, 0))) {
                delivered.push(id);
                if delivered.len() as u64 == left {
                    break;
                }
            }
        }
        reply.array_since(start, claimed.len() + delivered.len());
        reader.claim(stream, &claimed);
        let consumer = (!self.is_noack).then_some(reader.consumer);
        stream.deliver(reader.group, consumer, &delivered, reader.now_ms);
        (claimed, delivered, true)
    }

    /// Records what became of a group and of the entries that it got.
    fn record(&self, cx: &mut Call<'_>, key: Key<'_>, names: (&[u8], &[u8]), served: &Served) {
        let now_ms = cx.now_ms;
        for (id, before) in &served.claimed {
            let delivery = (now_ms, before.deliveries.wrapping_add(1));
            claim_record(&mut cx.keys, key, names, *id, delivery, served.last_id);
        }
        if served.delivered.is_empty() {
            return;
        }
        if !self.is_noack {
            for id in &served.delivered {
                claim_record(&mut cx.keys, key, names, *id, (now_ms, 1), *id);
            }
        }
        record_group(&mut cx.keys, key, names.0, served.last_id, served.read);
    }
}

/// The consumer that reads for a group.
#[derive(Debug)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: ConsumerId,
    now_ms: i64,
}

impl Reader<'_> {
    /// What has been pending for so long and is still there, `count` entries at the most where that is not 0.
    fn claimable(&self, stream: &mut Stream, idle_ms: i64, count: u64) -> Vec<(Id, Pending)> {
        if let Some(group) = stream.group_mut(self.group) {
            group.order_by_time();
        }
        let Some(group) = stream.group(self.group) else { return Vec::new() };
        let waiting = group.pending_until(self.now_ms.saturating_sub(idle_ms));
        waiting.filter(|(id, _)| stream.has(*id)).take(max(count)).collect()
    }

    /// Entries are delivered to this consumer once more.
    fn claim(&self, stream: &mut Stream, claimed: &[(Id, Pending)]) {
        let Some(group) = stream.group_mut(self.group) else { return };
        for (id, before) in claimed {
            let deliveries = before.deliveries.wrapping_add(1);
            let (delivered_at_ms, consumer) = (self.now_ms, self.consumer);
            group.deliver(*id, Pending { delivered_at_ms, deliveries, consumer });
            group.consumer_mut(consumer).active_at_ms = Some(self.now_ms);
        }
    }

    /// Replies with what is pending with the consumer, which is a delivery once more. Entries that are deleted have no
    /// fields.
    fn history(&self, reply: &mut Reply, stream: &mut Stream, first: Id, count: u64) {
        let pending = |group: &Group| group.pending_of(self.consumer, first).take(max(count)).collect();
        let pending: Vec<(Id, Pending)> = stream.group(self.group).map(pending).unwrap_or_default();
        reply.array(pending.len());
        for (id, entry) in pending {
            if reply_next(reply, &mut stream.walk(id, id, false)).is_none() {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            } else if let Some(group) = stream.group_mut(self.group) {
                let deliveries = entry.deliveries.wrapping_add(1);
                group.deliver(id, Pending { delivered_at_ms: self.now_ms, deliveries, ..entry });
            }
        }
    }
}

/// How many entries COUNT lets through.
fn max(count: u64) -> usize {
    if count == 0 { usize::MAX } else { count as usize }
}

/// Replies with the next entry of a walk and, where CLAIM was given, for how long it has been pending and how often it was
/// delivered before.
fn reply_delivery(reply: &mut Reply, walk: &mut Walk<'_>, before: Option<(i64, i64)>) -> Option<Id> {
    let Some((idle_ms, deliveries)) = before else { return reply_next(reply, walk) };
    let (id, fields) = walk.advance()?;
    reply.array(4);
    reply_id(reply, id);
    reply_fields(reply, walk, fields);
    reply.integer(idle_ms);
    reply.integer(deliveries);
    Some(id)
}

/// What a group got of a stream.
#[derive(Debug)]
struct Served {
    is_served: bool,
    is_made: bool,
    /// What was pending, as it was before.
    claimed: Vec<(Id, Pending)>,
    delivered: Vec<Id>,
    last_id: Id,
    read: Option<i64>,
}

/// The beginning of what a stream gives: a pair in RESP2, and in RESP3 a key of the map.
fn reply_name(reply: &mut Reply, name: &[u8]) {
    if !reply.is_resp3() {
        reply.array(2);
    }
    reply.bulk(name);
}

/// The id before the last entry, so that this one is read; where there is none, that which the next one comes after.
fn before_last(stream: &Stream) -> Id {
    if stream.is_empty() {
        return stream.facts().last_id;
    }
    stream.last_entry_id().previous().unwrap_or(Id::MIN)
}

/// How long to wait, in milliseconds; 0 for ever.
fn timeout_ms(text: &[u8], now_ms: i64) -> Result<i64, Fault> {
    match integer(text).map_err(|_| TIMEOUT_INTEGER)? {
        ..0 => Err(TIMEOUT_NEGATIVE),
        timeout if now_ms.checked_add(timeout).is_none() => Err(TIMEOUT_RANGE),
        timeout => Ok(timeout),
    }
}

fn unbalanced(in_group: bool) -> Fault {
    let (command, id) = if in_group { ("xreadgroup", "'>'") } else { ("xread", "'$'") };
    Fault::text(format!(
        "ERR Unbalanced '{command}' list of streams: for each stream key an ID or {id} must be specified."
    ))
}

fn meaningless(id: &[u8]) -> Fault {
    let id = String::from_utf8_lossy(id);
    Fault::text(format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {id} ID would just return an empty result set."
    ))
}
