//! Admission: whether a client may have its command carried out now.
use crate::coordinate::batch::Batch;
use crate::persist::journal::Journal;
use crate::script::ScriptCommand;
use crate::script::busy::Kind;
use crate::shared::Paused;
use crate::table::{CommandId, Entry, Handler, table};
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::{Fault, until_zero};
use shards::spec::Flags;
use std::sync::atomic::Ordering;

/// Why a command is not carried out.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It never will be: it is answered with a fault.
    Fault(Option<CommandId>, Fault),
    /// A pause holds it back.
    Held,
}

/// Whatever is unusual about the server and makes it refuse commands, as this thread knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Alerts {
    /// CLIENT PAUSE.
    pub paused: Paused,
    /// The dataset is being loaded.
    pub loading: bool,
    /// More memory is used than `maxmemory`, and nothing can be thrown out.
    pub out_of_memory: bool,
    /// A script of this kind runs for too long.
    pub(crate) busy: Option<Kind>,
    /// Saving failed, and nothing may be written until somebody sees to it.
    pub unsaved: bool,
    /// What is written could not be kept in the journals.
    pub unwritten: bool,
}

impl Alerts {
    /// What who would write is told, where what is written could not be kept.
    #[inline]
    fn refuse_writes(self, journal: &Journal) -> Option<Fault> {
        if self.unsaved {
            return Some(UNSAVED);
        }
        let trouble = self.unwritten.then(|| journal.refuses_writes()).flatten()?;
        Some(Fault::text(format!("MISCONF Errors writing to the AOF file: {}", trouble.why())))
    }
}

const NO_AUTH: Fault = Fault::new("NOAUTH Authentication required.");
const IN_MULTI: Fault = Fault::new("ERR Command not allowed inside a transaction");
const OUT_OF_MEMORY: Fault = Fault::new("OOM command not allowed when used memory > 'maxmemory'.");
const UNSAVED: Fault = Fault::new(
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the \
     data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails \
     (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.",
);
const LOADING: Fault = Fault::new("LOADING Redis is loading the dataset in memory");

impl Core {
    /// Finds the command and asks whether this client may have it carried out now. The order of questions is Redis's.
    #[inline]
    pub(crate) fn admit(&self, conn: &Conn, args: Args<'_>) -> Result<&'static Entry, Refusal> {
        let Some(id) = self.shared.names.find(args[0]) else {
            return Err(Refusal::Fault(None, unknown_command(args)));
        };
        let mut entry = table().entry(id);
        if !entry.subcommands.is_empty() && args.len() > 1 {
            entry = match table().find_sub(entry, args[1]) {
                Some(sub) if !entry.takes_rest || sub.spec.fits(args.len()) => sub,
                _ if entry.takes_rest => entry,
                _ => return Err(Refusal::Fault(Some(id), unknown_subcommand(entry, args))),
            };
        }
        let flags = entry.spec.flags;
        let refuse = |fault| Err(Refusal::Fault(Some(entry.id), fault));
        if !entry.spec.fits(args.len()) {
            return refuse(Fault::arity(entry.spec.name));
        }
        if flags.has(Flags::PROTECTED)
            && let Some(fault) = self.refuse_protected(conn, entry)
        {
            return refuse(fault);
        }
        if self.needs_auth(conn) && !flags.has(Flags::NO_AUTH) {
            return refuse(NO_AUTH);
        }
        if conn.session.multi.is_some() && flags.has(Flags::NO_MULTI) {
            return refuse(IN_MULTI);
        }
        if conn.is_listener_only() && !is_for_listeners(entry) {
            return refuse(Fault::text(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
                 context",
                entry.spec.name
            )));
        }
        if conn.session.is_monitor && flags.has_any(Flags::READ.and(Flags::WRITE).and(Flags::MAY_REPLICATE)) {
            return refuse(Fault::new("ERR Replica can't interact with the keyspace"));
        }
        if self.alerted { self.look_closer(conn, entry, args) } else { Ok(entry) }
    }

    /// Whether a client must show its password before anything else.
    #[inline]
    pub(crate) fn needs_auth(&self, conn: &Conn) -> bool {
        !conn.session.authenticated && !self.config.requirepass.is_empty()
    }

    /// Admits a command while something is unusual.
    #[cold]
    fn look_closer(
        &self,
        conn: &Conn,
        entry: &'static Entry,
        args: Args<'_>,
    ) -> Result<&'static Entry, Refusal> {
        let Alerts { paused, loading, out_of_memory, busy, .. } = self.alerts;
        let flags = self.flags_of(entry, args).and(self.flags_of_transaction(conn, entry));
        if out_of_memory && (flags.has(Flags::DENYOOM) || would_be_queued(conn, entry)) {
            return Err(Refusal::Fault(Some(entry.id), OUT_OF_MEMORY));
        }
        if (flags.has(Flags::WRITE) || entry.spec.name == "ping")
            && let Some(fault) = self.alerts.refuse_writes(&self.shared.journal)
        {
            return Err(Refusal::Fault(Some(entry.id), fault));
        }
        if loading && !entry.spec.flags.has(Flags::LOADING) {
            return Err(Refusal::Fault(Some(entry.id), LOADING));
        }
        if let Some(kind) = busy
            && !entry.spec.flags.has(Flags::ALLOW_BUSY)
        {
            return Err(Refusal::Fault(Some(entry.id), kind.refusal()));
        }
        let is_held = match paused {
            Paused::No => false,
            Paused::Writes => flags.has_any(Flags::WRITE.and(Flags::MAY_REPLICATE)),
            Paused::All => true,
        };
        if is_held { Err(Refusal::Held) } else { Ok(entry) }
    }

    /// What a command is, that of a script or function included that says itself what it does.
    fn flags_of(&self, entry: &Entry, args: Args<'_>) -> Flags {
        let declares = |command: &ScriptCommand| command.declares_writes(&self.shared.scripts, args);
        match entry.handler {
            Handler::Script(command) if declares(command) => entry.spec.flags.and(Flags::WRITE),
            _ => entry.spec.flags,
        }
    }

    /// What EXEC does is what the queued commands do.
    fn flags_of_transaction(&self, conn: &Conn, entry: &Entry) -> Flags {
        let multi = conn.session.multi.as_ref().filter(|_| entry.spec.name == "exec");
        let flags = |batch: &Batch| {
            batch.commands.iter().fold(Flags::NONE, |flags, command| {
                flags.and(self.flags_of(table().entry(command.id), &batch.args(*command)))
            })
        };
        multi.map_or(Flags::NONE, |multi| flags(&multi.run.batch))
    }

    fn refuse_protected(&self, conn: &Conn, entry: &Entry) -> Option<Fault> {
        let is_debug = entry.spec.name.starts_with("debug");
        let allowed =
            if is_debug { self.config.enable_debug_command } else { self.config.enable_module_command };
        (!allowed.allows(conn.peer.is_local())).then(|| {
            let (what, option) =
                if is_debug { ("DEBUG", "enable-debug-command") } else { ("MODULE", "enable-module-command") };
            Fault::text(format!(
                "ERR {what} command not allowed. If the {option} option is set to \"local\", you can run it from a local \
                 connection, otherwise you need to set this option in the configuration file, and then restart the server."
            ))
        })
    }

    /// Learns what is unusual about the server at present.
    pub fn adopt_alerts(&mut self) {
        let shared = &self.shared;
        let alerts = Alerts {
            paused: shared.paused(self.now_ms),
            loading: shared.loading.load(Ordering::Relaxed),
            out_of_memory: shared.is_over_limit(self.config.maxmemory_bytes, self.now_ms)
                && !self.may_evict(),
            busy: shared.scripts.busy.kind(),
            unsaved: shared.saves.forbids_writes(&self.config),
            unwritten: shared.journal.is_in_trouble(),
        };
        self.scripting.out_of_memory = alerts.out_of_memory;
        self.scripting.unkept = alerts.refuse_writes(&shared.journal);
        if alerts != self.alerts {
            self.alerts = alerts;
            self.alerted = alerts != Alerts::default();
            self.adopt_settings();
        }
    }
}

/// Commands that a client of RESP2 may send while it is subscribed to something.
fn is_for_listeners(entry: &Entry) -> bool {
    entry.spec.name.ends_with("subscribe") || matches!(entry.spec.name, "ping" | "quit" | "reset")
}

/// Whether a command would wait in a transaction, where it takes memory whatever it is.
fn would_be_queued(conn: &Conn, entry: &Entry) -> bool {
    conn.session.multi.is_some() && !matches!(entry.spec.name, "exec" | "discard" | "quit" | "reset")
}

/// What Redis shows of an argument in a fault that has room for so many bytes of it.
fn shown(arg: &[u8], room: usize) -> &[u8] {
    let text = until_zero(arg);
    &text[..text.len().min(room)]
}

/// Redis's words, with the first of the arguments.
pub fn unknown_command(args: Args<'_>) -> Fault {
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(shown(args[0], 128));
    text.extend_from_slice(b"', with args beginning with: ");
    let mut room: usize = 128;
    for arg in &args[1..] {
        if room == 0 {
            break;
        }
        let shown = shown(arg, room);
        text.push(b'\'');
        text.extend_from_slice(shown);
        text.extend_from_slice(b"' ");
        room = room.saturating_sub(shown.len() + 3);
    }
    Fault::text(text)
}

pub(crate) fn unknown_subcommand(entry: &Entry, args: Args<'_>) -> Fault {
    let after = format!("'. Try {} HELP.", entry.spec.name.to_ascii_uppercase());
    Fault::quoting("ERR unknown subcommand '", shown(args[1], 128), &after)
}
