//! Replication, as far as a server that stands alone has it: ROLE, REPLICAOF, WAIT, WAITAOF.
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::log;
use shards::commands::Args;
use shards::fault::{Fault, NOT_INTEGER};
use shards::number::parse_i64;
use shards::reply::Reply;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[ROLE, REPLICAOF, SLAVEOF, WAIT, WAITAOF];

const ROLE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "role",
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::FAST),
        acl: Categories::ADMIN.and(Categories::DANGEROUS),
        group: Group::Server,
        summary: "Returns the replication role.",
        since: "2.8.12",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: role,
    subcommands: &[],
};
fn role(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.array(3);
    cx.reply.bulk(b"master");
    // Nothing was ever sent to a replica, so the offset is where it began.
    cx.reply.integer(0);
    cx.reply.array(0);
    Ok(Verdict::Done)
}

const REPLICAOF: ServerCommand = ServerCommand {
    spec: Spec {
        name: "replicaof",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        group: Group::Server,
        summary: "Configures a server as replica of another, or promotes it to a master.",
        since: "5.0.0",
        complexity: "O(1)",
        args: PRIMARY,
        ..Spec::DEFAULT
    },
    run: replicaof,
    subcommands: &[],
};

const SLAVEOF: ServerCommand = ServerCommand {
    spec: Spec {
        name: "slaveof",
        summary: "Sets a server as a replica of another, or promotes it to being a master.",
        since: "1.0.0",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        ..REPLICAOF.spec
    },
    run: replicaof,
    subcommands: &[],
};

const PRIMARY: &[Arg] = &[Arg::new(
    "args",
    ArgKind::OneOf(&[
        Arg::new(
            "host-port",
            ArgKind::Block(&[Arg::new("host", ArgKind::String), Arg::new("port", ArgKind::Integer)]),
        ),
        Arg::new("no-one", ArgKind::Block(&[Arg::word("no", "NO"), Arg::word("one", "ONE")])),
    ]),
)];

fn replicaof(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    if args[1].eq_ignore_ascii_case(b"no") && args[2].eq_ignore_ascii_case(b"one") {
        cx.reply.ok();
        return Ok(Verdict::Done);
    }
    if !parse_i64(args[2]).is_some_and(|port| (0..=65535).contains(&port)) {
        return Err(Fault::new("ERR Invalid master port"));
    }
    log::warning(format_args!("REPLICAOF refused: this version of Braid can't follow another server"));
    Err(Fault::new("ERR This version of Braid can't be a replica of another server"))
}

const BLOCKING: Spec = Spec {
    flags: Flags::BLOCKING,
    acl: Categories::CONNECTION,
    complexity: "O(1)",
    tips: TIPS,
    ..Spec::DEFAULT
};
const TIPS: &[&str] = &["request_policy:all_shards", "response_policy:agg_min"];

const WAIT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "wait",
        arity: 3,
        summary: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
        since: "3.0.0",
        args: &[Arg::new("numreplicas", ArgKind::Integer), Arg::new("timeout", ArgKind::Integer)],
        ..BLOCKING
    },
    run: wait,
    subcommands: &[],
};
fn wait(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let replicas = parse_i64(args[1]).ok_or(NOT_INTEGER)?;
    let until_ms = deadline_ms(cx, args[2])?;
    let mut reply = Reply::new(cx.reply.resp);
    reply.integer(0);
    Ok(wait_unless(replicas <= 0, until_ms, reply))
}

const WAITAOF: ServerCommand = ServerCommand {
    spec: Spec {
        name: "waitaof",
        arity: 4,
        summary: "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the master and/or replicas.",
        since: "7.2.0",
        args: &[
            Arg::new("numlocal", ArgKind::Integer),
            Arg::new("numreplicas", ArgKind::Integer),
            Arg::new("timeout", ArgKind::Integer),
        ],
        ..BLOCKING
    },
    run: waitaof,
    subcommands: &[],
};
fn waitaof(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let local = parse_i64(args[1]).ok_or(NOT_INTEGER)?;
    if !(0..=1).contains(&local) {
        return Err(Fault::new("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = parse_i64(args[2]).filter(|count| *count >= 0);
    let replicas = replicas.ok_or(const { Fault::new("ERR value is out of range, must be positive") })?;
    let until_ms = deadline_ms(cx, args[3])?;
    if local == 1 && !cx.core.config.appendonly {
        return Err(Fault::new(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    if local == 0 && replicas == 0 || cx.conn.session.executing.is_some() {
        let is_synced = cx.core.shared.journal.is_on_disk(&cx.core.journal_ends());
        cx.reply.array(2);
        cx.reply.integer(i64::from(is_synced));
        cx.reply.integer(0);
        return Ok(Verdict::Done);
    }
    Ok(Verdict::enter(move |core, conn| core.wait_for_sync(conn, (local, replicas), until_ms)))
}

/// The time until which to wait, ms since 1970; without end where the timeout is 0.
fn deadline_ms(cx: &Server<'_>, timeout: &[u8]) -> Result<i64, Fault> {
    match parse_i64(timeout) {
        Some(0) => Ok(i64::MAX),
        Some(ms @ 1..) => {
            cx.core.now_ms.checked_add(ms).ok_or(const { Fault::new("ERR timeout is out of range") })
        }
        Some(_) => Err(Fault::new("ERR timeout is negative")),
        None => Err(Fault::new("ERR timeout is not an integer or out of range")),
    }
}

/// No replica will ever acknowledge anything: unless none is wanted, the time passes first.
fn wait_unless(is_done: bool, until_ms: i64, reply: Reply) -> Verdict {
    Verdict::Wait { until_ms: if is_done { 0 } else { until_ms }, reply: reply.bytes }
}
