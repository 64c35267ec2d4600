//! What was delivered to the consumers of a stream and not acknowledged: XACK, XPENDING.
use super::options::integer;
use super::stream::{STREAM, interval_end, interval_start, reply_id, strict_ids};
use super::stream_group::no_group;
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::reply::Reply;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::Stream;
use crate::values::stream::{Group, Id, Pending};

pub(super) const COMMANDS: &[Command] = &[XACK, XPENDING];

const XACK: Command = Command {
    spec: Spec {
        name: "xack",
        arity: -4,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)],
        summary: "Acknowledges entries of a stream, and returns how many were pending in the group.",
        complexity: "O(1) for each entry.",
        args: &[
            Arg::key("key", 0),
            Arg::new("group", ArgKind::String),
            Arg::new("id", ArgKind::String).multiple(),
        ],
        ..STREAM
    },
    run: xack,
    subcommands: &[],
};
fn xack(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let has_group = cx.keys.read::<Stream>(key)?.is_some_and(|stream| stream.group(args[2]).is_some());
    let mut acknowledged = 0;
    if has_group {
        let ids = strict_ids(&args[3..])?;
        let altered = cx.keys.alter(key, |stream: &mut Stream, _| {
            let group = stream.group_mut(args[2])?;
            Some(ids.iter().filter(|id| group.acknowledge(**id)).count())
        })?;
        acknowledged = altered.and_then(|altered| altered.value).unwrap_or(0);
    }
    cx.effects.dirty += acknowledged as u64;
    cx.reply.integer(acknowledged as i64);
    Ok(())
}

const XPENDING: Command = Command {
    spec: Spec {
        name: "xpending",
        arity: -3,
        flags: Flags::READ,
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Tells what is pending in a consumer group of a stream: how much, or which entries.",
        complexity: "O(N), N being the number of entries told or, with IDLE, looked at; for the numbers alone O(M), M \
                     being the number of consumers.",
        history: &[("6.2.0", "Takes `IDLE`, and intervals that exclude their ends.")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::new("group", ArgKind::String),
            Arg::new(
                "filters",
                ArgKind::Block(&[
                    Arg::new("min-idle-time", ArgKind::Integer).token("IDLE").since("6.2.0").optional(),
                    Arg::new("start", ArgKind::String),
                    Arg::new("end", ArgKind::String),
                    Arg::new("count", ArgKind::Integer),
                    Arg::new("consumer", ArgKind::String).optional(),
                ]),
            )
            .optional(),
        ],
        ..STREAM
    },
    run: xpending,
    subcommands: &[],
};
fn xpending(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let filter = Filter::parse(args)?;
    let (key, now_ms) = (cx.key(args[1]), cx.now_ms);
    let stream = cx.keys.read::<Stream>(key)?;
    let group = stream.as_ref().and_then(|stream| stream.group(args[2]));
    let group = group.ok_or_else(|| no_group(args[1], args[2], ""))?;
    match filter {
        None => reply_numbers(cx.reply, group),
        Some(filter) => reply_pending(cx.reply, group, &filter, now_ms),
    }
    Ok(())
}

/// Which pending entries are wanted.
#[derive(Debug)]
struct Filter<'a> {
    idle_ms_min: i64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// The filter; none where only the numbers are wanted.
    fn parse(args: Args<'a>) -> Result<Option<Filter<'a>>, Fault> {
        let mut rest = match args.len() {
            3 => return Ok(None),
            6..=9 => &args[3..],
            _ => return Err(SYNTAX),
        };
        let mut idle_ms_min = 0;
        if rest[0].eq_ignore_ascii_case(b"IDLE") {
            idle_ms_min = integer(rest[1])?;
            rest = &rest[2..];
        }
        let [from, to, count, consumer @ ..] = rest else { return Err(SYNTAX) };
        let count = integer(count)?.max(0) as usize;
        let (from, to) = (interval_start(from)?, interval_end(to)?);
        Ok(Some(Filter { idle_ms_min, from, to, count, consumer: consumer.first().copied() }))
    }
}

fn reply_numbers(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let mut pending = group.pending_from(Id::MIN);
    let Some((first, _)) = pending.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, pending.next_back().map_or(first, |(last, _)| last));
    let busy = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    reply.array(busy().count());
    for consumer in busy() {
        reply.array(2);
        reply.bulk(&consumer.name);
        reply.bulk_integer(consumer.pending_len() as i64);
    }
}

fn reply_pending(reply: &mut Reply, group: &Group, filter: &Filter<'_>, now_ms: i64) {
    let idle_ms = |pending: &Pending| now_ms.wrapping_sub(pending.delivered_at_ms);
    let is_wanted =
        |(_, pending): &(Id, Pending)| filter.idle_ms_min == 0 || idle_ms(pending) >= filter.idle_ms_min;
    let is_within = |(id, _): &(Id, Pending)| *id <= filter.to;
    let found: Vec<_> = match filter.consumer {
        None => {
            let pending = group.pending_from(filter.from).take_while(is_within);
            pending.filter(is_wanted).take(filter.count).collect()
        }
        Some(name) => match group.find(name) {
            Some(consumer) => {
                let pending = group.pending_of(consumer, filter.from).take_while(is_within);
                pending.filter(is_wanted).take(filter.count).collect()
            }
            None => Vec::new(),
        },
    };
    reply.array(found.len());
    for (id, pending) in found {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(&group.consumer(pending.consumer).name);
        reply.integer(idle_ms(&pending).max(0));
        reply.integer(pending.deliveries);
    }
}
