//! Saving on demand: SAVE, BGSAVE, LASTSAVE.
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::coordinate::batch::Act;
use crate::coordinate::unasked::Errand;
use crate::coordinate::unit::{Kind, Part};
use crate::log;
use crate::persist::rewrite;
use crate::persist::save::{self, Begin, Save, Then};
use crate::persist::saves::{Purpose, Refused};
use crate::thread::conn::Assembly;
use shards::commands::Args;
use shards::fault::{Fault, SYNTAX};
use shards::spec::{Arg, Categories, Flags, Group, Merge, Spec};
use std::sync::Arc;

pub(super) const COMMANDS: &[ServerCommand] = &[SAVE, BGSAVE, BGREWRITEAOF, LASTSAVE];

const SAVING: Spec = Spec {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    ..Spec::DEFAULT
};

const SAVE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "save",
        flags: SAVING.flags.and(Flags::NO_MULTI),
        summary: "Synchronously saves the database(s) to disk.",
        complexity: "O(N) where N is the total number of keys in all databases",
        ..SAVING
    },
    run: save_now,
    subcommands: &[],
};
fn save_now(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    if cx.core.shared.saves.purpose() == Some(Purpose::Background) {
        return Err(IN_PROGRESS);
    }
    let errand = Save { shared: Arc::clone(&cx.core.shared), then: Then::Answer };
    Ok(over_all(Kind::Gathered, Arc::new(errand)))
}

const IN_PROGRESS: Fault = Fault::new("ERR Background save already in progress");
const OTHER_IN_PROGRESS: Fault = Fault::new(
    "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE \
     whenever possible.",
);
const NONE_IN_PROGRESS: Fault = Fault::new("ERR Background saving is currently not in progress or scheduled");

/// Does something over all shards, which answers.
pub(super) fn over_all(kind: Kind, errand: Arc<dyn Errand>) -> Verdict {
    Verdict::enter(move |core, conn| {
        let shards: Vec<usize> = (0..core.shared.shard_count()).collect();
        if let [only] = shards[..] {
            // What comes behind it would overtake a unit: one shard's commands run where they come.
            let mut part = Part { act: Act::Errand(errand), ..Part::default() };
            core.sign(&mut part.batch, conn);
            let run = core.run_of(conn, part);
            return core.enter_act(conn, only, Assembly::Plain, run);
        }
        let (parts, assembly) = match kind {
            Kind::Gathered => (1, Assembly::Plain),
            _ => (shards.len(), Assembly::Merge(Merge::First, Vec::new())),
        };
        let part = |_| {
            let mut part = Part { act: Act::Errand(Arc::clone(&errand)), ..Part::default() };
            core.sign(&mut part.batch, conn);
            part
        };
        let parts = (0..parts).map(part).collect();
        core.enter_unit(conn, kind, &shards, parts, assembly);
    })
}

const BGSAVE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "bgsave",
        arity: -1,
        summary: "Asynchronously saves the database(s) to disk.",
        complexity: "O(1)",
        history: &[("3.2.2", "Added the `SCHEDULE` option."), ("8.1.0", "Added the `CANCEL` option.")],
        args: &[Arg::new(
            "operation",
            shards::spec::ArgKind::OneOf(&[
                Arg::word("schedule", "SCHEDULE").since("3.2.2"),
                Arg::word("cancel", "CANCEL").since("8.1.0"),
            ]),
        )
        .optional()],
        ..SAVING
    },
    run: bgsave,
    subcommands: &[],
};
fn bgsave(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let is_patient = match args[1..] {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"schedule") => true,
        [word] if word.eq_ignore_ascii_case(b"cancel") => return cancel(cx),
        _ => return Err(SYNTAX),
    };
    let saves = &cx.core.shared.saves;
    let in_exec = cx.conn.session.executing.is_some();
    match saves.purpose() {
        Some(Purpose::Background) => return Err(IN_PROGRESS),
        Some(Purpose::Foreground | Purpose::Emptied) => {
            // Another thread is at it with all shards in hand: to wait for that is all there is to it.
            saves.schedule(true);
            cx.core.mailed[0] = true;
            cx.reply.status("Background saving started");
            return Ok(Verdict::Done);
        }
        Some(_) if !is_patient && !in_exec => return Err(OTHER_IN_PROGRESS),
        None if !in_exec => {}
        _ => {
            saves.schedule(true);
            // The first thread, which sees to it, may sleep.
            cx.core.mailed[0] = true;
            cx.reply.status("Background saving scheduled");
            return Ok(Verdict::Done);
        }
    }
    match save::prepare(&cx.core.shared, Purpose::Background) {
        Ok(snapshot) => Ok(over_all(Kind::FanOut, Arc::new(Begin(snapshot)))),
        Err(Refused::Busy(_)) => Err(IN_PROGRESS),
        Err(Refused::Failed(_)) => Err(Fault::new("ERR")),
    }
}

const BGREWRITEAOF: ServerCommand = ServerCommand {
    spec: Spec {
        name: "bgrewriteaof",
        arity: 1,
        summary: "Asynchronously rewrites the append-only file to disk.",
        complexity: "O(1)",
        ..SAVING
    },
    run: rewrite_journals,
    subcommands: &[],
};
fn rewrite_journals(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let shared = &cx.core.shared;
    if shared.rewrites.is_running() {
        return Err(REWRITE_IN_PROGRESS);
    }
    if shared.saves.is_active() || cx.conn.session.executing.is_some() {
        shared.rewrites.schedule(true);
        cx.reply.status("Background append only file rewriting scheduled");
        return Ok(Verdict::Done);
    }
    match rewrite::start(shared) {
        Ok(()) => {
            cx.reply.status("Background append only file rewriting started");
            Ok(Verdict::Done)
        }
        Err(why) => {
            log::warning(format_args!("Can't rewrite the journals: {why}"));
            Err(Fault::new(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ))
        }
    }
}

const REWRITE_IN_PROGRESS: Fault =
    Fault::new("ERR Background append only file rewriting already in progress");

fn cancel(cx: &mut Server<'_>) -> Outcome {
    let saves = &cx.core.shared.saves;
    if saves.purpose() == Some(Purpose::Background) {
        log::notice(format_args!("Background saving will be aborted due to user request"));
        saves.give_up("cancelled by a user");
        saves.schedule(false);
        cx.reply.status("Background saving cancelled");
    } else if saves.schedule(false) {
        cx.reply.status("Scheduled background saving cancelled");
    } else {
        return Err(NONE_IN_PROGRESS);
    }
    Ok(Verdict::Done)
}

const LASTSAVE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "lastsave",
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        acl: Categories::ADMIN.and(Categories::DANGEROUS),
        group: Group::Server,
        summary: "Returns the Unix timestamp of the last successful save to disk.",
        complexity: "O(1)",
        tips: &["nondeterministic_output"],
        ..Spec::DEFAULT
    },
    run: last_save,
    subcommands: &[],
};
fn last_save(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.integer(cx.core.shared.saves.facts().saved_ms / 1000);
    Ok(Verdict::Done)
}
