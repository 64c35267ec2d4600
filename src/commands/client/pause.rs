//! CLIENT PAUSE and UNPAUSE: all threads hold commands back, and go on, before the reply comes.
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use shards::commands::Args;
use shards::fault::Fault;
use shards::number::parse_i64;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const PAUSE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|pause",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Suspends commands processing.",
        since: "3.0.0",
        complexity: "O(1)",
        history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
        args: &[
            Arg::new("timeout", ArgKind::Integer),
            Arg::new("mode", ArgKind::OneOf(&[Arg::word("write", "WRITE"), Arg::word("all", "ALL")]))
                .since("6.2.0")
                .optional(),
        ],
        ..Spec::DEFAULT
    },
    run: pause,
    subcommands: &[],
};
fn pause(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let all = match args {
        [_, _, _] => true,
        [_, _, _, mode] if mode.eq_ignore_ascii_case(b"all") => true,
        [_, _, _, mode] if mode.eq_ignore_ascii_case(b"write") => false,
        [_, _, _, _] => return Err(Fault::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Fault::arity("client|pause")),
    };
    let length_ms = parse_i64(args[2]).ok_or(Fault::new("ERR timeout is not an integer or out of range"))?;
    if length_ms < 0 {
        return Err(Fault::new("ERR timeout is negative"));
    }
    let now_ms = cx.core.now_ms;
    let until_ms = now_ms.checked_add(length_ms).ok_or(Fault::new("ERR timeout is out of range"))?;
    cx.core.shared.pause(until_ms, all, now_ms);
    Ok(Verdict::ask(|core| core.adopt_alerts(), ok))
}

pub(super) const UNPAUSE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|unpause",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Resumes processing commands from paused clients.",
        since: "6.2.0",
        complexity: "O(N) Where N is the number of paused clients",
        ..Spec::DEFAULT
    },
    run: unpause,
    subcommands: &[],
};
fn unpause(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.core.shared.unpause();
    let goes_on = |core: &mut crate::thread::core::Core| {
        core.adopt_alerts();
        core.end_pause();
    };
    Ok(Verdict::ask(goes_on, ok))
}

fn ok(cx: &mut Server<'_>) -> Verdict {
    cx.reply.ok();
    Verdict::Done
}
