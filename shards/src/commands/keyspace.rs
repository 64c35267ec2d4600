//! Databases as a whole: DBSIZE, FLUSHDB, FLUSHALL and SWAPDB.
use super::{Args, Command};
use crate::call::Call;
use crate::fault::{DB_RANGE, Fault, Outcome, SYNTAX};
use crate::keyspace::{Hashed, Table};
use crate::number::parse_i64;
use crate::shard::{Db, Shard};
use crate::spec::{Arg, ArgKind, Categories, Flags, Group, Merge, Span, Spec};
use std::ops::Range;

pub(super) const COMMANDS: &[Command] = &[DBSIZE, FLUSHDB, FLUSHALL, SWAPDB];

const SPEC: Spec = Spec {
    acl: Categories::KEYSPACE.and(Categories::DANGEROUS),
    span: Span::EveryShard(Merge::First),
    group: Group::Server,
    ..Spec::DEFAULT
};

const DBSIZE: Command = Command {
    spec: Spec {
        name: "dbsize",
        flags: Flags::READ.and(Flags::FAST),
        acl: Categories::KEYSPACE,
        span: Span::EveryShard(Merge::Sum),
        summary: "Returns the number of keys in the database.",
        complexity: "O(1)",
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..SPEC
    },
    run: dbsize,
    subcommands: &[],
};
fn dbsize(cx: &mut Call<'_>, _: Args<'_>) -> Outcome {
    let db = usize::from(cx.db);
    let len: usize = cx.shards().iter().map(|shard| shard.dbs[db].table.len()).sum();
    cx.reply.integer(len as i64);
    Ok(())
}

const FLUSH: Spec = Spec {
    arity: -1,
    flags: Flags::WRITE,
    history: &[("4.0.0", "Added the `ASYNC` modifier."), ("6.2.0", "Added the `SYNC` modifier.")],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    args: &[Arg::new(
        "flush-type",
        ArgKind::OneOf(&[
            Arg::word("async", "ASYNC").since("4.0.0"),
            Arg::word("sync", "SYNC").since("6.2.0"),
        ]),
    )
    .optional()],
    ..SPEC
};

const FLUSHDB: Command = Command {
    spec: Spec {
        name: "flushdb",
        summary: "Removes all keys from the current database.",
        complexity: "O(1), and O(N) in the background for N keys.",
        ..FLUSH
    },
    run: |cx, args| {
        let db = usize::from(cx.db);
        flush(cx, args, db..db + 1)
    },
    subcommands: &[],
};

const FLUSHALL: Command = Command {
    spec: Spec {
        name: "flushall",
        summary: "Removes all keys from all databases.",
        complexity: "O(1), and O(N) in the background for N keys.",
        ..FLUSH
    },
    run: |cx, args| {
        let databases = usize::from(cx.settings.databases);
        flush(cx, args, 0..databases)?;
        cx.effects.emptied = true;
        Ok(())
    },
    subcommands: &[],
};

/// Empties databases. SYNC or ASYNC, nobody sees a key afterwards, and the memory comes back in slices.
fn flush(cx: &mut Call<'_>, args: Args<'_>, dbs: Range<usize>) -> Outcome {
    match args {
        [_] => {}
        [_, mode] if mode.eq_ignore_ascii_case(b"SYNC") || mode.eq_ignore_ascii_case(b"ASYNC") => {}
        _ => return Err(SYNTAX),
    }
    let mut removed = 0;
    for shard in cx.shards_mut() {
        for db in dbs.clone() {
            let Db { table, watches, .. } = &shard.dbs[db];
            watches.changed_where(|key| holds(table, key));
            removed += shard.discard(db);
        }
        shard.tracked.clear();
    }
    cx.effects.flushed = true;
    cx.effects.dirty += removed as u64;
    // Recorded even where there was nothing to remove, as Redis does it.
    cx.record(args);
    cx.reply.ok();
    Ok(())
}

const SWAPDB: Command = Command {
    spec: Spec {
        name: "swapdb",
        arity: 3,
        flags: Flags::WRITE.and(Flags::FAST),
        summary: "Swaps two databases.",
        since: "4.0.0",
        complexity: "O(N) where N is the number of keys that clients watch in both databases.",
        args: &[Arg::new("index1", ArgKind::Integer), Arg::new("index2", ArgKind::Integer)],
        ..SPEC
    },
    run: swapdb,
    subcommands: &[],
};
fn swapdb(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let parse = |text, fault| {
        parse_i64(text).filter(|number| i32::try_from(*number).is_ok()).ok_or_else(|| Fault::new(fault))
    };
    let one = parse(args[1], "ERR invalid first DB index")?;
    let other = parse(args[2], "ERR invalid second DB index")?;
    let databases = cx.settings.databases;
    let index =
        |number| u16::try_from(number).ok().filter(|db| *db < databases).map(usize::from).ok_or(DB_RANGE);
    let (one, other) = (index(one)?, index(other)?);
    // A database for itself: nothing changes for those who watch.
    if one != other {
        for shard in cx.shards_mut() {
            swap(shard, one, other);
        }
        for db in [one, other] {
            let waiters = cx.shards().iter().flat_map(|shard| shard.dbs[db].waiters.keys());
            let ready: Vec<_> = waiters.map(|key| (db as u16, Box::from(key))).collect();
            cx.effects.ready.extend(ready);
        }
    }
    // One change, on however many shards it is made.
    if cx.shards()[0].index == 0 {
        cx.effects.dirty += 1;
    }
    cx.record(args);
    cx.reply.ok();
    Ok(())
}

/// Exchanges two databases: whoever watches a key that one of them has learns of it.
fn swap(shard: &mut Shard, one: usize, other: usize) {
    let tables = [&shard.dbs[one].table, &shard.dbs[other].table];
    for db in [one, other] {
        shard.dbs[db].watches.changed_where(|key| tables.iter().any(|table| holds(table, key)));
    }
    shard.swap(one, other);
}

fn holds(table: &Table, key: &[u8]) -> bool {
    table.get(Hashed::new(key)).is_some()
}
