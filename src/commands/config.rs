//! CONFIG: settings read, changed for all threads, and written to their file; counts begun anew.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::config::{Caller, Config, SetError};
use crate::persist::rewrite::{Off, start as begin_journals};
use crate::queues::Mail;
use crate::shared::Shared;
use crate::{log, server, topology};
use shards::commands::Args;
use shards::fault::{Fault, SYNTAX};
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) const COMMANDS: &[ServerCommand] = &[CONFIG];

const SERVER: Spec = Spec { group: Group::Server, since: "2.0.0", ..Spec::DEFAULT };

const CONFIG: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config",
        arity: -2,
        summary: "A container for server configuration commands.",
        complexity: "Depends on subcommand.",
        ..SERVER
    },
    run: |_, _| Err(Fault::arity("config")),
    subcommands: &[GET, HELP, RESETSTAT, REWRITE, SET],
};

const ADMIN: Spec = Spec {
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..SERVER
};

const GET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config|get",
        arity: -3,
        summary: "Returns the effective values of configuration parameters.",
        complexity: "O(N) when N is the number of configuration parameters provided",
        history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
        tips: &[],
        args: &[Arg::new("parameter", ArgKind::String).multiple()],
        ..ADMIN
    },
    run: get,
    subcommands: &[],
};
fn get(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let glob = |pattern: &[u8], name: &[u8]| shards::glob::matches(pattern, name, true);
    let found = cx.core.config.get_matching(&args[2..], glob);
    cx.reply.map(found.len());
    for (name, value) in found {
        cx.reply.bulk(name.as_bytes());
        cx.reply.bulk(value.as_bytes());
    }
    Ok(Verdict::Done)
}

const SET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config|set",
        arity: -4,
        summary: "Sets configuration parameters in-flight.",
        complexity: "O(N) when N is the number of configuration parameters provided",
        history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
        args: &[Arg::new(
            "data",
            ArgKind::Block(&[Arg::new("parameter", ArgKind::String), Arg::new("value", ArgKind::String)]),
        )
        .multiple()],
        ..ADMIN
    },
    run: set,
    subcommands: &[],
};
fn set(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let (pairs, []) = args[2..].as_chunks::<2>() else { return Err(SYNTAX) };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|[name, value]| (*name, *value)).collect();
    let caller = Caller { is_local: cx.conn.peer.is_local(), is_loading: cx.core.alerts.loading };
    let shared = Arc::clone(&cx.core.shared);
    let changed = shared.change_config(|old| {
        let new = old.set_many(&pairs, caller)?;
        apply(&shared, old, &new)?;
        Ok(new)
    });
    changed.map_err(|error: SetError| Fault::text(error.to_string()))?;
    Ok(Verdict::ask(crate::thread::core::Core::adopt_config, |cx| {
        cx.reply.ok();
        Verdict::Done
    }))
}

/// Does what has to be done at once where settings change. The threads read the others when they need them.
fn apply(shared: &Arc<Shared>, old: &Config, new: &Config) -> Result<(), SetError> {
    // One that was removed and made again has the same name, and is another.
    if new.dir != old.dir || std::env::current_dir().is_err() {
        std::env::set_current_dir(&new.dir)
            .map_err(|error| failed("dir", &crate::config::os_text(&error)))?;
    }
    if new.maxclients != old.maxclients {
        let room =
            topology::raise_fd_limit(new.maxclients as usize, server::RESERVED_DESCRIPTORS).unwrap_or(0);
        if room < new.maxclients as usize {
            let reason = format!(
                "The operating system is not able to handle the specified number of clients, try with {room}"
            );
            return Err(failed("maxclients", &reason));
        }
        shared.clients_max.store(room, Ordering::Relaxed);
    }
    listen(shared, old, new)?;
    keep_journals(shared, old, new)?;
    log::set_level(new.loglevel);
    Ok(())
}

/// Listens elsewhere, if the port or the addresses changed.
fn listen(shared: &Shared, old: &Config, new: &Config) -> Result<(), SetError> {
    if (new.port, &new.bind) == (old.port, &old.bind) {
        return Ok(());
    }
    let opened = shared.listeners.open(new).map_err(|error| {
        log::warning(format_args!("Could not create server TCP listening socket {error}"));
        if new.port == old.port {
            failed("bind", "Failed to bind to specified addresses.")
        } else {
            failed("port", "Unable to listen on this port. Check server logs.")
        }
    })?;
    // The first thread accepts.
    shared.mailboxes[0].deliver(Mail::Listen(opened));
    Ok(())
}

/// Begins the journals, or ends them, if that changed.
fn keep_journals(shared: &Arc<Shared>, old: &Config, new: &Config) -> Result<(), SetError> {
    if new.appendonly == old.appendonly {
        return Ok(());
    }
    if !new.appendonly {
        shared.mailboxes[0].deliver(Mail::Errand(Arc::new(Off(Arc::clone(shared)))));
        return Ok(());
    }
    begin_journals(shared).map_err(|why| {
        log::warning(format_args!("Can't turn the journals on: {why}"));
        failed("appendonly", "Unable to turn on AOF. Check server logs.")
    })
}

fn failed(name: &str, reason: &str) -> SetError {
    SetError::Failed { name: name.to_owned(), reason: reason.to_owned() }
}

const RESETSTAT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config|resetstat",
        arity: 2,
        summary: "Resets the server's statistics.",
        complexity: "O(1)",
        ..ADMIN
    },
    run: resetstat,
    subcommands: &[],
};
fn resetstat(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.core.shared.rejected_connections.store(0, Ordering::Relaxed);
    cx.core.shared.connections_received.store(0, Ordering::Relaxed);
    Ok(Verdict::ask(
        |core| {
            core.publish_own();
            core.shared.published[core.id].reset();
            core.stats.reset();
            core.rates.clear();
        },
        |cx| {
            cx.reply.ok();
            Verdict::Done
        },
    ))
}

const REWRITE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config|rewrite",
        arity: 2,
        summary: "Persists the effective configuration to file.",
        since: "2.8.0",
        complexity: "O(1)",
        ..ADMIN
    },
    run: rewrite,
    subcommands: &[],
};
fn rewrite(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let config = &cx.core.config;
    if config.config_file.is_empty() {
        return Err(Fault::new("ERR The server is running without a config file"));
    }
    let users: Vec<String> = config.users.iter().map(|words| format!("user {}", words.join(" "))).collect();
    match config.rewrite(config.config_file.as_ref(), &users) {
        Ok(()) => {
            log::notice(format_args!("CONFIG REWRITE executed with success."));
            cx.reply.ok();
            Ok(Verdict::Done)
        }
        Err(error) => {
            let text = crate::config::os_text(&error);
            log::warning(format_args!("CONFIG REWRITE failed: {text}"));
            Err(Fault::text(format!("ERR Rewriting config file: {text}")))
        }
    }
}

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "config|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        complexity: "O(1)",
        ..SERVER
    },
    run: |cx, _| {
        help::write(cx.reply, "CONFIG", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "GET <pattern> [<pattern> ...]",
    "    Return the parameters whose names match a glob-like <pattern>, with their values.",
    "SET <directive> <value> [<directive> <value> ...]",
    "    Set each <directive> to its <value>, or none of them.",
    "RESETSTAT",
    "    Begin the statistics of the INFO command anew.",
    "REWRITE",
    "    Write the running configuration over the configuration file.",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Addresses;

    #[test]
    fn what_cannot_be_is_refused_with_a_reason() {
        let shared = Arc::new(Shared::new(Config::default(), 1, 0, String::new()).unwrap());
        let old = Config::default();
        for change in [
            Config { bind: Addresses(vec!["192.0.2.7".to_owned()]), ..Config::default() },
            Config { dir: "/nonexistent".to_owned(), ..Config::default() },
            Config { maxclients: u32::MAX, ..Config::default() },
        ] {
            let error = apply(&shared, &old, &change).unwrap_err().to_string();
            assert!(error.starts_with("ERR CONFIG SET failed (possibly related to argument '"), "{error}");
        }
        assert_eq!(apply(&shared, &old, &Config { timeout_seconds: 7, ..Config::default() }), Ok(()));
    }
}
