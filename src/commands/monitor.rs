//! MONITOR: a connection that is shown every command of all clients.
use super::{Outcome, Server, ServerCommand, Verdict};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[MONITOR];

const MONITOR: ServerCommand = ServerCommand {
    spec: Spec {
        name: "monitor",
        arity: 1,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Server,
        summary: "Listens for all requests received by the server in real-time.",
        since: "1.0.0",
        ..Spec::DEFAULT
    },
    run: monitor,
    subcommands: &[],
};
fn monitor(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    if cx.conn.session.executing.is_some() {
        return Err(Fault::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    // Who is a monitor already is not answered, as in Redis.
    if !cx.conn.session.is_monitor {
        cx.core.monitor(cx.conn);
        cx.reply.ok();
    }
    Ok(Verdict::Done)
}
