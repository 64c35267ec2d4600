//! Entering: how a command gets to its shards, in the order in which its connection sent it (rules R1 to R3).
//!
//! A connection's commands for the same other shard gather in one *open run*, which is pushed when a command for elsewhere
//! comes or the window ends; nothing of the connection is entered between. Where the shard is in hand and its queue is
//! empty, entering is running.
use super::batch::{Act, Batch, Run};
use super::unit::{Kind, Part, Unit, Watching};
use crate::config::Config;
use crate::persist::needs::Needs;
use crate::pubsub::Author;
use crate::queues::Request;
use crate::route;
use crate::script::ScriptCommand;
use crate::serve::bench::{is_writer, writes};
use crate::table::{CommandId, Entry, Handler};
use crate::thread::conn::{Assembly, Conn};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::commands::scan::parse_cursor;
use shards::commands::sort;
use shards::keyspace::Hashed;
use shards::keyspace::walk::slot_of_cursor;
use shards::slot::{shard_of_slot, slot_of};
use shards::spec::{Flags, Merge, Span};
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Shards, ascending, no two alike.
pub type ShardSet = SmallVec<[usize; 8]>;

/// Adds a shard to a set.
pub fn add_shard(set: &mut ShardSet, shard: usize) {
    if let Err(at) = set.binary_search(&shard) {
        set.insert(at, shard);
    }
}

/// A database with fewer keys is scanned on all shards at once.
const KEYS_FEW: u64 = 100;
/// Commands of one run or sheaf, at most: so that one connection's do not hold up the others'.
const RUN_COMMANDS_MAX: usize = 512;
/// Bytes of one, or little more.
const RUN_BYTES_MAX: usize = 1 << 20;

/// Whether a command ends with a save of what all shards hold then.
fn saves_when_done(entry: &Entry, config: &Config) -> bool {
    matches!(entry.spec.span, Span::EveryShard(_))
        && entry.spec.name == "flushall"
        && !config.save.0.is_empty()
}

impl Core {
    /// Enters a command that one shard carries out: runs it at once, or sends it there.
    #[inline]
    pub(crate) fn enter_one(
        &mut self,
        conn: &mut Conn,
        shard: usize,
        entry: &'static Entry,
        args: Args<'_>,
        hint: Option<Hashed<'_>>,
    ) {
        if self.sheaf.is_some() && is_plain(entry) && self.binds(conn, args) {
            self.add_to_sheaf(conn, shard, entry.id, args, hint);
        } else if self.may_run_here(conn, shard) {
            if self.may_feed(entry, args, hint.map(|key| key.slot)) {
                let part = self.part_with(conn, entry.id, args);
                return self.enter_joined(conn, shard, part, Assembly::Plain);
            }
            self.catch_up(conn);
            let mut reply = conn.begin_reply();
            self.run_here(shard, conn, entry, args, hint, &mut reply);
            conn.end_reply(reply);
        } else {
            self.add_to_run(conn, shard, entry.id, args, hint);
        }
    }

    /// Whether a command for `shard` may be entered by running it here and now.
    #[inline]
    pub(super) fn may_run_here(&mut self, conn: &Conn, shard: usize) -> bool {
        // While it is loaded even the only shard is elsewhere.
        if self.shared.shard_count() == 1 && self.strands[0].is_some() {
            return true;
        }
        if self.open.as_ref().is_some_and(|(open, _)| *open == shard) {
            return false;
        }
        self.close_run(conn);
        if !self.get_strand(shard) {
            return false;
        }
        if self.entered_at_once(conn, shard) {
            return true;
        }
        // Somebody was faster: first the queue, in its order.
        self.serve(shard);
        self.strands[shard].is_some() && self.entered_at_once(conn, shard)
    }

    /// Whether this is the instant at which something run on a shard in hand is entered: nothing is queued before it.
    #[inline]
    fn entered_at_once(&self, conn: &Conn, shard: usize) -> bool {
        let Some(strand) = &self.strands[shard] else { return false };
        if strand.stalled.is_some() {
            return false;
        }
        let queue = &self.shared.queues[shard];
        if crate::chaos::breaks(crate::chaos::Break::Overtake) {
            return true;
        }
        if conn.has_pending() {
            self.shared.gate.marked(self.id, || queue.is_empty())
        } else {
            queue.is_empty()
        }
    }

    /// Adds a command to the open run for its shard, opening one if need be.
    fn add_to_run(
        &mut self,
        conn: &mut Conn,
        shard: usize,
        id: CommandId,
        args: Args<'_>,
        hint: Option<Hashed<'_>>,
    ) {
        let bytes: usize = args.iter().map(|arg| arg.len()).sum();
        let mut ahead = (conn.has_pending(), conn.writes);
        if let Some((_, run)) = &self.open {
            let held = (run.batch.commands.len(), run.batch.bytes_len());
            if !takes_more(conn, &run.batch, held, bytes) {
                ahead = (self.open_is_ahead, self.open_follows_writes);
                self.close_run(conn);
            }
        }
        if self.open.is_none() {
            (self.open_is_ahead, self.open_follows_writes) = ahead;
            let sequence = conn.expect(Assembly::Plain, 0, 0);
            let origin = conn.origin(self.id, sequence);
            let mut run = self.new_run(origin);
            self.sign(&mut run.batch, conn);
            self.open = Some((shard, run));
        }
        conn.expect_more(1, bytes);
        if let Some((_, run)) = &mut self.open {
            run.batch.push(id, conn.session.db, args.iter().copied(), hint);
        }
    }

    /// Says of a batch whose it is, and what that connection has set up for its commands.
    #[inline]
    pub(crate) fn sign(&self, batch: &mut Batch, conn: &Conn) {
        batch.resp = conn.session.resp;
        batch.no_touch = conn.session.no_touch;
        batch.remembers = conn.remembers();
        if self.shared.exchange.is_watched() {
            let is_shown = self.shared.exchange.is_monitored();
            batch.author = Some(Arc::new(Author { is_shown, ..conn.author() }));
        }
    }

    pub(crate) fn new_run(&mut self, origin: super::batch::Origin) -> Box<Run> {
        match self.pool.pop() {
            Some(mut run) => {
                run.origin = origin;
                run
            }
            None => Box::new(Run::new(origin)),
        }
    }

    /// Pushes what is open, if anything is: a run, or a sheaf.
    #[inline]
    pub(crate) fn close_run(&mut self, conn: &Conn) {
        if let Some((shard, run)) = self.open.take() {
            self.push_run(conn, shard, run);
        } else if self.sheaf.is_some() {
            self.close_sheaf(conn);
        }
    }

    fn push_run(&mut self, conn: &Conn, shard: usize, mut run: Box<Run>) {
        run.entered_ms = self.now_ms;
        if !conn.needs.is_empty() {
            run.after = conn.needs.elsewhere(shard, &self.shared.journal);
        }
        self.push_or_join(conn, shard, run);
    }

    /// What was meant as a part of a unit, as a run by itself.
    pub(crate) fn run_of(&mut self, conn: &Conn, part: Part) -> Box<Run> {
        let mut run = self.new_run(conn.origin(self.id, u64::MAX));
        (run.batch, run.act) = (part.batch, part.act);
        run
    }

    /// Enters a run of its own, with something beside its commands (WATCH, a transaction).
    pub(crate) fn enter_act(&mut self, conn: &mut Conn, shard: usize, assembly: Assembly, run: Box<Run>) {
        if self.may_run_here(conn, shard) && !self.batch_may_feed(&run.batch) {
            self.catch_up(conn);
            let _no_wait = self.run_act_here(conn, shard, &assembly, run);
            return;
        }
        self.send_act(conn, shard, assembly, run);
    }

    /// Enters such a run through the queue, wherever the shard is.
    pub(crate) fn send_act(&mut self, conn: &mut Conn, shard: usize, assembly: Assembly, mut run: Box<Run>) {
        self.close_run(conn);
        let sequence = conn.expect(assembly, run.batch.commands.len().max(1), run.batch.bytes_len());
        run.origin = conn.origin(self.id, sequence);
        self.push_run(conn, shard, run);
    }

    /// Enters a command whose keys may be on several shards, or that has none.
    pub(crate) fn enter_many(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>) {
        let shards = self.shards_of(entry, conn.session.db, args);
        if let [only] = shards[..] {
            return self.enter_one(conn, only, entry, args, None);
        }
        if !writes(entry) {
            return self.enter_over(conn, entry, args, &shards);
        }
        if matches!(entry.spec.span, Span::FanOut(_)) && !is_dealt_evenly(entry, args) {
            // A key without its value: no part may be carried out, and the command itself says why.
            return self.enter_one(conn, self.id, entry, args, None);
        }
        self.close_run(conn);
        let shared = Arc::clone(&self.shared);
        shared.spanning.marked(self.id, || {
            if self.may_feed(entry, args, None) {
                let part = self.part_with(conn, entry.id, args);
                let shards = self.joined(&shards);
                self.enter_unit(conn, Kind::Gathered, &shards, vec![part], Assembly::Plain);
            } else {
                self.enter_over(conn, entry, args, &shards);
            }
        });
    }

    /// Enters a command over several shards, as one.
    fn enter_over(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>, shards: &[usize]) {
        // Who listens is to hear of all that one command did, one after another.
        let in_one_go = entry.spec.flags.has(Flags::WRITE) && self.is_listened_to()
            || self.shared.exchange.is_monitored()
            || saves_when_done(entry, &self.config);
        match entry.spec.span {
            Span::FanOut(merge) if !in_one_go => self.fan_out(conn, entry, args, merge),
            Span::EveryShard(merge) if !in_one_go => {
                let mut parts: Vec<_> = shards.iter().map(|_| self.part_with(conn, entry.id, args)).collect();
                parts[1..].iter_mut().for_each(|part| part.is_share = true);
                self.enter_unit(conn, Kind::FanOut, shards, parts, Assembly::Merge(merge, Vec::new()));
            }
            _ => {
                let part = self.part_with(conn, entry.id, args);
                self.enter_unit(conn, Kind::Gathered, shards, vec![part], Assembly::Plain);
            }
        }
    }

    /// Keys in a database, over all shards.
    fn keys_in(&self, db: u16) -> u64 {
        let published = self.shared.published.iter();
        published.map(|shard| shard.dbs[usize::from(db)].0.load(Ordering::Relaxed)).sum()
    }

    /// The shards that a command is for; some one shard where it has no keys.
    pub(crate) fn shards_of(&mut self, entry: &Entry, db: u16, args: Args<'_>) -> ShardSet {
        let count = self.shared.shard_count();
        let mut set = ShardSet::new();
        if let Handler::Script(command) = entry.handler {
            return self.shards_of_script(command, args);
        }
        match entry.spec.span {
            Span::EveryShard(_) | Span::GatherAll | Span::AnyShard => set.extend(0..count),
            // Few keys are all looked at together, so that they come at once, as from a small Redis.
            Span::Cursor(_) if self.keys_in(db) < KEYS_FEW => set.extend(0..count),
            Span::Cursor(at) => {
                let cursor = args.get(usize::from(at)).and_then(|text| parse_cursor(text));
                let slot = cursor.and_then(slot_of_cursor);
                set.push(slot.map_or(0, |slot| shard_of_slot(slot, count)));
            }
            Span::Sort if sort::reads_other_keys(args) => set.extend(0..count),
            Span::Gather | Span::FanOut(_) | Span::Sort => {
                for (at, _) in route::keys_of(entry.spec, args) {
                    add_shard(&mut set, shard_of_slot(slot_of(args[at]), count));
                }
                if set.is_empty() {
                    set.push(self.id);
                }
            }
        }
        set
    }

    /// The shards of a script: those of its keys where it touches no others, else all of them.
    fn shards_of_script(&mut self, command: &ScriptCommand, args: Args<'_>) -> ShardSet {
        let count = self.shared.shard_count();
        let mut set = ShardSet::new();
        if count == 1 {
            set.push(0);
            return set;
        }
        let Some(keys) = self.scripting.keys_of(&self.shared.scripts, command, args) else {
            return (0..count).collect();
        };
        keys.iter().for_each(|key| add_shard(&mut set, shard_of_slot(slot_of(key), count)));
        if set.is_empty() {
            set.push(self.id);
        }
        set
    }

    pub(crate) fn part_with(&self, conn: &Conn, id: CommandId, args: Args<'_>) -> Part {
        let mut part = Part::default();
        self.sign(&mut part.batch, conn);
        part.batch.push(id, conn.session.db, args.iter().copied(), None);
        part
    }

    /// Deals the keys of a command, each with what belongs to it, to their shards.
    fn fan_out(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>, merge: Merge) {
        let count = self.shared.shard_count();
        let keys = route::keys_of(entry.spec, args);
        let stride = if keys.len() > 1 { keys[1].0 - keys[0].0 } else { 1 };
        let mut shards = ShardSet::new();
        let owners: SmallVec<[usize; 16]> =
            keys.iter().map(|(at, _)| shard_of_slot(slot_of(args[*at]), count)).collect();
        owners.iter().for_each(|owner| add_shard(&mut shards, *owner));
        let order: Vec<u16> = owners
            .iter()
            .map(|owner| shards.iter().position(|shard| shard == owner).unwrap_or(0) as u16)
            .collect();
        let parts = (0..shards.len()).map(|part| {
            let of_part = keys.iter().zip(&order).filter(|(_, order)| usize::from(**order) == part);
            let dealt = of_part.flat_map(|((at, _), _)| args[*at..].iter().take(stride).copied());
            // What stands before the keys goes to every part.
            let dealt: SmallVec<[&[u8]; 16]> = args[..keys[0].0].iter().copied().chain(dealt).collect();
            self.part_with(conn, entry.id, &dealt)
        });
        let mut parts: Vec<_> = parts.collect();
        parts[1..].iter_mut().for_each(|part| part.is_share = true);
        self.enter_unit(conn, Kind::FanOut, &shards, parts, Assembly::Merge(merge, order));
    }

    /// Enters a unit into the queues of all its shards, as one.
    pub(crate) fn enter_unit(
        &mut self,
        conn: &mut Conn,
        kind: Kind,
        shards: &[usize],
        parts: Vec<Part>,
        assembly: Assembly,
    ) {
        self.close_run(conn);
        let (commands, bytes) = parts.iter().fold((0, 0), |(commands, bytes), part| {
            (commands + part.batch.commands.len(), bytes + part.batch.bytes_len())
        });
        let sequence = conn.expect(assembly, commands.max(1), bytes);
        self.push_unit(conn.origin(self.id, sequence), kind, shards, parts, conn.needs.clone());
    }

    /// Pushes a unit into the queues of all its shards, as one.
    pub(crate) fn push_unit(
        &mut self,
        origin: super::batch::Origin,
        kind: Kind,
        shards: &[usize],
        parts: Vec<Part>,
        after: Needs,
    ) {
        let written = self.written_by(&kind, shards, &parts);
        let mut unit = Unit::new(origin, kind, shards.into(), parts);
        (unit.written, unit.after) = (written, after);
        let unit = Arc::new(unit);
        let requests: SmallVec<[(usize, Request); 8]> = shards
            .iter()
            .enumerate()
            .map(|(index, &shard)| (shard, Request::Part(Arc::clone(&unit), index)))
            .collect();
        self.shared.gate.exclusive(|| {
            for (shard, request) in requests {
                self.shared.queues[shard].push(request);
            }
            unit.set_entered(self.now_ms);
        });
        shards.iter().for_each(|shard| self.nudge(*shard));
        self.stats.units += 1;
        self.stats.hops += shards.len() as u64;
    }

    /// The parts of a unit that write, where they are written to several journals.
    fn written_by(&self, kind: &Kind, shards: &[usize], parts: &[Part]) -> Option<(u64, Box<[u16]>)> {
        if !self.shared.journal.is_on() || matches!(kind, Kind::Gathered) {
            return None;
        }
        let writers = shards.iter().zip(parts).filter(|(_, part)| is_writer(&part.batch));
        let writers: Box<[u16]> = writers.map(|(shard, _)| *shard as u16).collect();
        (writers.len() > 1).then(|| (self.shared.journal.new_unit(), writers))
    }

    /// Begins to watch keys, on all their shards at once.
    pub(crate) fn enter_watch(&mut self, conn: &mut Conn, watching: &Watching) {
        let mut dealt = self.deal_watching(watching);
        if let [(shard, _)] = dealt[..] {
            let (_, watching) = dealt.remove(0);
            let run = self.run_of(conn, Part { act: Act::Watch(watching), ..Part::default() });
            return self.enter_act(conn, shard, Assembly::Plain, run);
        }
        let shards: ShardSet = dealt.iter().map(|(shard, _)| *shard).collect();
        let part = |(_, watching)| Part { act: Act::Watch(watching), ..Part::default() };
        let parts = dealt.into_iter().map(part).collect();
        self.enter_unit(conn, Kind::FanOut, &shards, parts, Assembly::Merge(Merge::First, Vec::new()));
    }

    /// Ceases to watch. Nobody waits for it: what is marked until then is looked at by nobody.
    pub(crate) fn unwatch(&mut self, conn: &mut Conn) {
        let Some(watching) = conn.session.watching.take() else { return };
        self.close_run(conn);
        for (shard, watching) in self.deal_watching(&watching) {
            let mut run = self.new_run(conn.origin(self.id, u64::MAX));
            run.act = Act::Unwatch(watching);
            run.entered_ms = self.now_ms;
            self.shared.queues[shard].push(Request::Run(run));
            self.nudge(shard);
        }
    }

    /// The watched keys by shard, in ascending order of shards.
    fn deal_watching(&self, watching: &Watching) -> Vec<(usize, Watching)> {
        let mut dealt: Vec<(usize, Watching)> = Vec::new();
        for (db, key) in &watching.keys {
            let shard = shard_of_slot(slot_of(key), self.shared.shard_count());
            let at = match dealt.binary_search_by_key(&shard, |(shard, _)| *shard) {
                Ok(at) => at,
                Err(at) => {
                    dealt.insert(
                        at,
                        (shard, Watching { watch: Arc::clone(&watching.watch), keys: Vec::new() }),
                    );
                    at
                }
            };
            dealt[at].1.keys.push((*db, key.clone()));
        }
        dealt
    }
}

/// Whether a run or sheaf, which holds so many commands and bytes, takes a command of so many more: there is room, and its connection has set up
/// nothing else since. `batch` is one of its batches.
pub(super) fn takes_more(conn: &Conn, batch: &Batch, (commands, held): (usize, usize), bytes: usize) -> bool {
    let has_room = commands < RUN_COMMANDS_MAX && held + bytes <= RUN_BYTES_MAX;
    has_room && batch.is_set_up_as(conn) && conn.is_last_muted() == conn.is_muted()
}

/// Whether a command is the engine's, so that it can be one of many for its shard.
pub(crate) fn is_plain(entry: &Entry) -> bool {
    matches!(entry.handler, Handler::Engine(_))
}

/// Whether each key of a command has what belongs to it (MSET).
fn is_dealt_evenly(entry: &Entry, args: Args<'_>) -> bool {
    let keys = route::keys_of(entry.spec, args);
    let stride = if keys.len() > 1 { keys[1].0 - keys[0].0 } else { 1 };
    keys.first().is_none_or(|(first, _)| (args.len() - first).is_multiple_of(stride))
}
