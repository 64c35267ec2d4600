//! What a script asks of the server while it runs: commands on the shards in hand.
use super::NOT_ALLOWED;
use super::busy::{Kind, Slow};
use crate::commands::ServerCommand;
use crate::pubsub::Outside;
use crate::stats::Stats;
use crate::table::{Entry, Handler, table};
use crate::thread::places::Places;
use shards::call::Call;
use shards::commands::{Args, execute};
use shards::effects::Effects;
use shards::fault::{DB_RANGE, Fault, NOT_INTEGER, SYNTAX};
use shards::number::{format_i64, parse_i64};
use shards::reply::{Reply, Resp};
use shards::settings::Settings;
use shards::shard::Shard;
use shards::slot::slot_of;
use shards::spec::Flags;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What commands of a script run with.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    /// The shards in hand.
    pub(crate) shards: &'a mut [Box<Shard>],
    pub(crate) settings: &'a Settings,
    pub(crate) effects: &'a mut Effects,
    pub(crate) stats: &'a mut Stats,
    pub(crate) outside: Outside<'a>,
    /// The connections of this thread, which are looked after when the script takes too long.
    pub(crate) places: &'a mut Places,
    pub(crate) now_ms: i64,
    /// CLIENT NO-TOUCH.
    pub(crate) no_touch: bool,
    /// The keys that are read are tracked (CLIENT TRACKING), for the writer.
    pub(crate) remembers: bool,
    /// The database, which the script may change for itself.
    pub(crate) db: u16,
    /// How far the script is.
    pub(crate) script: Running,
}

/// What a script may do and has done.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// What it may do.
    pub(super) limits: Limits,
    /// The replies of its commands, one at a time, in the protocol that it asked for.
    pub(super) reply: Reply,
    /// What it is told when it would write, where that could not be kept.
    pub(super) unkept: Option<Fault>,
    /// It has written something.
    pub(super) has_written: bool,
    /// How long it runs, once that is looked at.
    pub(super) clock: Stopwatch,
    /// What kind of script it is.
    pub(super) kind: Kind,
    /// The function and the command that calls it, where it is one.
    pub(super) called: Option<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// What a script may do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// It may not write.
    pub(crate) reads_only: bool,
    /// It may not use more memory.
    pub(crate) no_memory: bool,
}

/// When a script began, and whether it is known to take too long.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch {
    /// `busy-reply-threshold`; nothing if scripts may take for ever.
    pub(crate) threshold: Option<Duration>,
    pub(crate) since: Option<Instant>,
    pub(crate) is_busy: bool,
}

/// How long threads take to stop.
const STOPPING: Duration = Duration::from_millis(50);

const UNKNOWN: Fault = Fault::new("ERR Unknown Redis command called from script");
const ARITY: Fault = Fault::new("ERR Wrong number of args calling Redis command from script");
const READ_ONLY: Fault = Fault::new("ERR Write commands are not allowed from read-only scripts.");
const OUT_OF_MEMORY: Fault = Fault::new("OOM command not allowed when used memory > 'maxmemory'.");
const NOT_LOCAL: Fault = Fault::new("ERR Script attempted to access keys that are not in its hands");

impl Host<'_> {
    /// Whether all shards are in hand.
    pub(super) fn has_all(&self) -> bool {
        self.shards.len() == self.outside.shared.shard_count()
    }

    /// Runs a command; the reply, which may be an error, is in `self.script.reply`. What the script is to blame for comes as a fault.
    pub(super) fn call(&mut self, args: Args<'_>) -> Result<(), Fault> {
        self.script.reply.bytes.clear();
        let entry = self.find(args)?;
        let flags = entry.spec.flags;
        if flags.has(Flags::NOSCRIPT) {
            return Err(NOT_ALLOWED);
        }
        let may_write = flags.has_any(Flags::WRITE.and(Flags::MAY_REPLICATE));
        if may_write && self.script.limits.reads_only && !self.script.has_written {
            return Err(READ_ONLY);
        }
        if flags.has(Flags::WRITE) {
            if let Some(fault) = self.script.unkept.as_ref().filter(|_| !self.script.has_written) {
                return Err(fault.clone());
            }
            if self.script.limits.no_memory && !self.script.has_written && flags.has(Flags::DENYOOM) {
                return Err(OUT_OF_MEMORY);
            }
            self.script.has_written = true;
        }
        let start = self.stats.ticks();
        match entry.handler {
            Handler::Engine(command) => {
                if !self.has_all() && !self.has_keys(entry, args) {
                    return Err(NOT_LOCAL);
                }
                let (settings, db) = (self.settings, self.db);
                let mut cx =
                    Call::new(self.shards, settings, db, self.now_ms, &mut self.script.reply, self.effects);
                cx.no_touch = self.no_touch;
                execute(&mut cx, command, args);
                if self.effects.emptied {
                    self.finish();
                }
            }
            Handler::Server(command) => self.call_server(entry, command, args)?,
            Handler::Script(command) => self.call_desk(command, args)?,
        }
        self.stats.ran_within(entry.id, start, &self.script.reply.bytes);
        if self.effects.names_changes {
            self.show(entry, args);
        }
        Ok(())
    }

    /// What was done so far is counted, and will be heard before what comes.
    #[cold]
    fn finish(&mut self) {
        self.outside.end_command(self.effects, self.shards, self.now_ms);
    }

    /// Lets onlookers know of a command.
    #[cold]
    fn show(&mut self, entry: &Entry, args: Args<'_>) {
        if self.outside.shared.exchange.is_monitored() {
            self.outside.show_within(entry.spec, self.db, args);
        }
        if self.remembers {
            self.outside.remember(self.outside.writer, entry.spec, args, self.shards, self.effects);
        }
    }

    /// The command that is meant, if it exists and has so many arguments.
    fn find(&self, args: Args<'_>) -> Result<&'static Entry, Fault> {
        let id = self.outside.shared.names.find(args[0]).ok_or(UNKNOWN)?;
        let mut entry = table().entry(id);
        if !entry.subcommands.is_empty() && args.len() > 1 {
            entry = match table().find_sub(entry, args[1]) {
                Some(sub) => sub,
                None if entry.takes_rest => entry,
                None => return Err(UNKNOWN),
            };
        }
        if entry.spec.fits(args.len()) { Ok(entry) } else { Err(ARITY) }
    }

    /// Whether the command is about keys, and all of them are in hand. Scripts that could stray are given all shards
    /// ([`super::proof`]): this is what they are not to be able to do whatever else goes wrong.
    fn has_keys(&self, entry: &Entry, args: Args<'_>) -> bool {
        let keys = crate::route::keys_of(entry.spec, args);
        let is_in_hand = |key: &[u8]| {
            let slot = slot_of(key);
            self.shards.iter().any(|shard| shard.slots.contains(&slot))
        };
        !keys.is_empty() && keys.iter().all(|(at, _)| is_in_hand(args[*at]))
    }

    /// Runs one of the server's commands: what is needed often, or is about the script, here.
    fn call_server(&mut self, entry: &Entry, command: &ServerCommand, args: Args<'_>) -> Result<(), Fault> {
        match entry.spec.name {
            "ping" if args.len() == 1 => self.script.reply.status("PONG"),
            "ping" if args.len() > 2 => self.script.reply.error(&Fault::arity("ping").0),
            "ping" | "echo" => self.script.reply.bulk(args[1]),
            "select" => match self.select(args[1]) {
                Ok(()) => self.script.reply.ok(),
                Err(fault) => self.script.reply.error(&fault.0),
            },
            "time" => self.time(),
            "publish" | "spublish" => {
                // What was done before it is heard before it.
                self.finish();
                self.outside.publish(entry.spec.name == "spublish", args, &mut self.script.reply);
            }
            "role" => {
                self.script.reply.array(3);
                self.script.reply.bulk(b"master");
                self.script.reply.integer(0);
                self.script.reply.array(0);
            }
            _ => return self.call_aside(command, args),
        }
        Ok(())
    }

    fn select(&mut self, index: &[u8]) -> Result<(), Fault> {
        let index = parse_i64(index).ok_or(NOT_INTEGER)?;
        let in_range = u16::try_from(index).ok().filter(|index| *index < self.settings.databases);
        self.db = in_range.ok_or(DB_RANGE)?;
        Ok(())
    }

    fn time(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.script.reply.array(2);
        for part in [now.as_secs(), u64::from(now.subsec_micros())] {
            let mut digits = [0; 20];
            self.script.reply.bulk(format_i64(part as i64, &mut digits));
        }
    }

    /// `redis.setresp`: the protocol of the replies to the script.
    pub(super) fn set_resp(&mut self, resp: Resp) {
        self.script.reply.resp = resp;
    }

    /// Whether a command could be called with these arguments: `redis.acl_check_cmd`.
    pub(super) fn would_admit(&self, args: Args<'_>) -> Result<bool, Fault> {
        self.find(args).map(|_| true).map_err(|_| SYNTAX)
    }

    /// Looks at the clock; why the script is to end, if it is. Others learn when it takes too long.
    pub(super) fn is_to_end(&mut self) -> Option<&'static [u8]> {
        let busy = &self.outside.shared.scripts.busy;
        let Running { clock, has_written, kind, called, .. } = &mut self.script;
        let since = *clock.since.get_or_insert_with(Instant::now);
        let threshold = clock.threshold?;
        if !clock.is_busy && since.elapsed() >= threshold {
            clock.is_busy = true;
            busy.begin(*kind);
            if let Some((name, command)) = called.take() {
                busy.slow().push(Slow { name, command, since });
            }
            crate::log::warning(format_args!(
                "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the \
                 {} KILL command.",
                since.elapsed().as_millis(),
                if *kind == Kind::Script { "SCRIPT" } else { "FUNCTION" }
            ));
        }
        if clock.is_busy && *has_written {
            busy.spare(*kind);
        }
        if !clock.is_busy {
            return None;
        }
        self.places.look_after(self.outside.shared, *kind);
        if self.outside.shared.stopping.load(Ordering::SeqCst) {
            return Some(self.give_up());
        }
        (!self.script.has_written && busy.is_killed(self.script.kind)).then(|| self.script.kind.end())
    }

    /// The server stops, and does not wait for the script: what it has done is kept nowhere.
    #[cold]
    fn give_up(&mut self) -> &'static [u8] {
        // All threads were told. They have done so before the shards are in any other hand.
        std::thread::sleep(STOPPING);
        self.effects.clear();
        self.effects.is_cut_off = true;
        self.outside.told.clear();
        self.script.limits.reads_only = true;
        b"ERR The server is shutting down"
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        // While the server stops, nothing but that is to be done.
        if self.script.clock.is_busy && !self.outside.shared.stopping.load(Ordering::SeqCst) {
            let busy = &self.outside.shared.scripts.busy;
            if self.script.kind == Kind::Function {
                let mut slow = busy.slow();
                let place = slow.iter().position(|slow| Some(slow.since) == self.script.clock.since);
                place.map(|place| slow.swap_remove(place));
            }
            busy.end(self.script.kind);
        }
    }
}
