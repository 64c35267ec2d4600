//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::coordinate::exec::Plan;
use crate::coordinate::unit::Watching;
use crate::thread::conn::{Multi, give_back};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, Flags, Group, KeyFlags, KeySpec, Spec};
use std::sync::Arc;

pub(super) const COMMANDS: &[ServerCommand] = &[MULTI, EXEC, DISCARD, WATCH, UNWATCH];

const MULTI: ServerCommand = ServerCommand {
    spec: Spec {
        name: "multi",
        arity: 1,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY),
        group: Group::Transactions,
        summary: "Starts a transaction.",
        since: "1.2.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: multi,
    subcommands: &[],
};
fn multi(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    if cx.conn.session.multi.is_some() {
        return Err(Fault::new("ERR MULTI calls can not be nested"));
    }
    let run = cx.core.new_run(cx.conn.origin(cx.core.id, u64::MAX));
    cx.conn.session.multi = Some(Multi::new(run));
    cx.reply.ok();
    Ok(Verdict::Done)
}

const EXEC: ServerCommand = ServerCommand {
    spec: Spec {
        name: "exec",
        arity: 1,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SKIP_SLOWLOG),
        group: Group::Transactions,
        summary: "Executes all commands in a transaction.",
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        ..Spec::DEFAULT
    },
    run: exec,
    subcommands: &[],
};
fn exec(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let Some(multi) = cx.conn.session.multi.take() else { return Err(Fault::new("ERR EXEC without MULTI")) };
    if multi.aborted {
        cx.core.unwatch(cx.conn);
        return Err(Fault::new("EXECABORT Transaction discarded because of previous errors."));
    }
    // Known already, it need not be planned. (Where it is not, only the shards can tell for sure, once they are in hand. Nor can anybody
    // else tell what is to be committed before the client may know of it.)
    let is_dirty = cx.conn.session.watching.as_ref().is_some_and(|watching| watching.watch.is_dirty());
    if is_dirty && !cx.core.shared.journal.is_on() {
        cx.core.unwatch(cx.conn);
        cx.reply.null_array();
        return Ok(Verdict::Done);
    }
    let word = args[0].into();
    Ok(Verdict::enter(move |core, conn| core.plan_exec(conn, Plan::new(multi.run, word))))
}

const DISCARD: ServerCommand = ServerCommand {
    spec: Spec {
        name: "discard",
        arity: 1,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY),
        group: Group::Transactions,
        summary: "Discards a transaction.",
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        ..Spec::DEFAULT
    },
    run: discard,
    subcommands: &[],
};
fn discard(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let Some(multi) = cx.conn.session.multi.take() else {
        return Err(Fault::new("ERR DISCARD without MULTI"));
    };
    give_back(&mut cx.core.pool, multi.run);
    cx.core.unwatch(cx.conn);
    cx.reply.ok();
    Ok(Verdict::Done)
}

const WATCH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "watch",
        arity: -2,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY),
        keys: &[KeySpec::rest(KeyFlags::RO, 1, 1)],
        group: Group::Transactions,
        summary: "Monitors changes to keys to determine the execution of a transaction.",
        since: "2.2.0",
        complexity: "O(1) for every key.",
        args: &[Arg::key("key", 0).multiple()],
        ..Spec::DEFAULT
    },
    run: watch,
    subcommands: &[],
};
fn watch(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    if cx.conn.session.multi.is_some() {
        return Err(Fault::new("ERR WATCH inside MULTI is not allowed"));
    }
    let db = cx.conn.session.db;
    let watching =
        cx.conn.session.watching.get_or_insert_with(|| Watching { watch: Arc::default(), keys: Vec::new() });
    let mut added = Watching { watch: Arc::clone(&watching.watch), keys: Vec::new() };
    for &key in &args[1..] {
        if !watching.keys.iter().any(|(other_db, other)| *other_db == db && **other == *key) {
            watching.keys.push((db, key.into()));
            added.keys.push((db, key.into()));
        }
    }
    if added.keys.is_empty() {
        cx.reply.ok();
        return Ok(Verdict::Done);
    }
    Ok(Verdict::enter(move |core, conn| core.enter_watch(conn, &added)))
}

const UNWATCH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "unwatch",
        arity: 1,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST).and(Flags::ALLOW_BUSY),
        group: Group::Transactions,
        summary: "Forgets about watched keys of a transaction.",
        since: "2.2.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: unwatch,
    subcommands: &[],
};
fn unwatch(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    // Within a transaction it is too late: EXEC has decided.
    if cx.conn.session.executing.is_none() {
        cx.core.unwatch(cx.conn);
    }
    cx.reply.ok();
    Ok(Verdict::Done)
}
