//! Batches on the shards in hand: every command, transaction and script runs here, except what a connection runs directly.
use super::watching::{is_dirty, unwatch, watch};
use super::{run_one, serve_ready};
use crate::chaos::{Break, breaks};
use crate::coordinate::batch::{Act, Batch, Queued};
use crate::coordinate::exec::is_publish;
use crate::coordinate::unit::Part;
use crate::persist::needs::Needs;
use crate::persist::record::{self, Ties};
use crate::pubsub::Outside;
use crate::script::{Host, Running, Scripting};
use crate::stats::Stats;
use crate::table::{Entry, Handler, table};
use crate::thread::places::Places;
use shards::call::Call;
use shards::commands::Args;
use shards::effects::Effects;
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::spec::Flags;
use shards::tail::{Extent, FrameHead, Point};
use shards::waiting::{Waiter, leave, stand};
use smallvec::SmallVec;
use std::sync::Arc;

/// What commands run with, whoever runs them.
pub(super) struct Bench<'a> {
    pub(super) settings: &'a Settings,
    pub(super) effects: &'a mut Effects,
    pub(super) stats: &'a mut Stats,
    pub(super) scripting: &'a mut Scripting,
    pub(super) places: &'a mut Places,
    pub(super) outside: Outside<'a>,
    pub(super) now_ms: i64,
    /// How what is done hangs together with other things.
    pub(super) ties: Ties<'a>,
}

/// Where the outcome of a batch goes.
pub(super) struct Into<'a> {
    pub(super) reply: &'a mut Reply,
    pub(super) waits: &'a mut Option<Arc<Waiter>>,
    pub(super) needs: &'a mut Needs,
    pub(super) is_share: bool,
}

impl<'a> Bench<'a> {
    pub(super) fn run_part(&mut self, shards: &mut [Box<Shard>], part: &mut Part) {
        let Part { batch, act, reply, aborted, waits, needs, is_share } = part;
        reply.resp = batch.resp;
        let into = Into { reply, waits, needs, is_share: *is_share };
        *aborted = self.run(shards, batch, act, into);
    }

    /// Runs a batch, and writes down what it did; whether it was a transaction that was given up. Shares of commands are
    /// counted by another part.
    pub(super) fn run(
        &mut self,
        shards: &mut [Box<Shard>],
        batch: &Batch,
        act: &mut Act,
        into: Into<'_>,
    ) -> bool {
        let is_journaled = shards[0].tail.is_some();
        self.effects.listen.records = is_journaled;
        self.effects.is_cut_off = false;
        // An errand changes no key: nobody has to wait for its mark.
        let looks_back = is_journaled && !matches!(act, Act::Errand(_));
        let before: Option<SmallVec<[u64; 8]>> =
            looks_back.then(|| shards.iter().map(|shard| end_of(shard)).collect());
        let Into { reply, waits, needs, is_share } = into;
        let sheaf = self.open_sheaf(shards, batch);
        let aborted = self.carry_out(shards, batch, act, Into { reply, waits, needs: &mut *needs, is_share });
        self.end(shards, batch, is_share);
        if let Some(unit) = sheaf {
            self.bound(&mut shards[0], unit, Extent::Closes);
        }
        if let Some(before) = before {
            // Of a transaction that is given up the client learns that a watched key has changed, whichever that is.
            let slots = if aborted { None } else { slots_of(batch) };
            self.look_back(shards, slots.as_deref(), &before, needs);
        }
        aborted
    }

    /// What binds a sheaf's part to the others stands in a frame before those of its commands, and in one behind them.
    fn open_sheaf(&mut self, shards: &mut [Box<Shard>], batch: &Batch) -> Option<(u64, &'a [u16])> {
        let unit = self.ties.unit.filter(|_| self.ties.is_sheaf)?;
        self.ties.unit = None;
        if shards[0].tail.is_none() || !is_writer(batch) || breaks(Break::Bind) {
            return None;
        }
        self.bound(&mut shards[0], unit, Extent::Opens);
        self.ties.after = &[];
        Some(unit)
    }

    fn bound(&self, shard: &mut Shard, unit: (u64, &[u16]), extent: Extent) {
        let after = if extent == Extent::Opens { self.ties.after } else { &[] };
        let head = FrameHead { unit: Some(unit), extent, after, is_mark: false };
        self.outside.shared.journal.append(shard, head, &[]);
    }

    /// All of it has ended, as far as it has not yet: of a unit all that it did is written down, once.
    fn end(&mut self, shards: &mut [Box<Shard>], batch: &Batch, is_share: bool) {
        if is_share && record::is_of_all(self.effects) {
            // What concerns whole databases is said by the first part.
            self.effects.clear_records();
        }
        let is_writer = self.ties.unit.is_some() && is_writer(batch);
        self.ties.unit = self.ties.unit.filter(|_| is_writer);
        self.end_unit(shards);
        self.ties.unit = None;
    }

    /// What must be committed before the replies may be seen: what was done, or what was last done to the keys that were looked at.
    fn look_back(&self, shards: &mut [Box<Shard>], slots: Option<&[u16]>, before: &[u64], needs: &mut Needs) {
        let journal = &self.outside.shared.journal;
        for (shard, before) in shards.iter_mut().zip(before) {
            let index = shard.index as u16;
            let Some(tail) = &mut shard.tail else { continue };
            let lsn = tail.look_back(*before, slots);
            needs.raise(Point { shard: index, lsn }, journal);
        }
    }

    /// Carries a batch out.
    fn carry_out(&mut self, shards: &mut [Box<Shard>], batch: &Batch, act: &mut Act, into: Into<'_>) -> bool {
        let Into { reply, waits, is_share, .. } = into;
        self.stats.begin();
        self.effects.names_changes = self.outside.shared.exchange.is_watched();
        self.outside.writer = batch.author.as_ref().map_or(0, |author| author.id);
        match act {
            Act::Commands => {}
            Act::Watch(watching) => {
                watch(&mut self.call(shards, batch, reply), watching);
                reply.ok();
            }
            Act::Unwatch(watching) => unwatch(shards, watching),
            Act::Leave(waiter) => leave(&mut self.call(shards, batch, reply), waiter),
            Act::Errand(errand) => errand.run(shards, self.now_ms, reply),
            Act::Retry(waiter) => {
                self.retry(shards, batch, waiter);
                return false;
            }
            Act::Wait(ticket) => {
                *waits = self.run_or_wait(shards, batch, *ticket, reply);
                self.serve_ready(shards, batch, is_share);
                return false;
            }
            Act::Exec(watching) => {
                if let Some(watching) = watching {
                    let dirty = is_dirty(&mut self.call(shards, batch, reply), watching);
                    unwatch(shards, watching);
                    if dirty {
                        let given_up = crate::coordinate::desk::changes_of_libraries(batch);
                        self.outside.shared.scripts.functions.announced_are_done(given_up);
                        self.end_command(shards);
                        self.show_end(batch);
                        return true;
                    }
                }
            }
        }
        for (index, &command) in batch.commands.iter().enumerate() {
            let start = reply.bytes.len();
            self.show_asides(batch, |before| before == index);
            // As in dispatch: most commands need no list.
            if let Some(args) = batch.exact_args::<2>(command) {
                self.run_one(shards, batch, command, &args, reply);
            } else if let Some(args) = batch.exact_args::<3>(command) {
                self.run_one(shards, batch, command, &args, reply);
            } else if let Some(args) = batch.exact_args::<4>(command) {
                self.run_one(shards, batch, command, &args, reply);
            } else {
                self.run_one(shards, batch, command, &batch.args(command), reply);
            }
            shards[0].counts.commands += 1;
            if matches!(act, Act::Exec(_)) {
                self.end_command(shards);
            } else {
                self.end_one(shards);
                self.serve_ready(shards, batch, is_share);
            }
            if is_share {
                self.stats.ran_share(command.id);
            } else if let Some(ticks) = self.stats.ran(command.id, &reply.bytes[start..]) {
                self.stats.notice(command.id, &batch.args(command), ticks);
            }
        }
        // Who waits for keys is served after the whole transaction.
        self.serve_ready(shards, batch, is_share);
        self.show_asides(batch, |before| before >= batch.commands.len());
        self.show_end(batch);
        false
    }

    /// One command of a run has ended, which is a unit by itself, unless it is part of one over several journals.
    #[inline]
    fn end_one(&mut self, shards: &mut [Box<Shard>]) {
        if self.ties.unit.is_some() {
            self.end_command(shards);
        } else {
            self.end_unit(shards);
        }
    }

    #[inline]
    fn end_command(&mut self, shards: &mut [Box<Shard>]) {
        self.outside.end_command(self.effects, shards, self.now_ms);
    }

    /// Makes a frame of what was done, and tells of it. What the run comes after need be said but once.
    #[inline]
    fn end_unit(&mut self, shards: &mut [Box<Shard>]) {
        if self.outside.end_unit(self.effects, shards, self.now_ms, self.ties) {
            self.ties.after = &[];
        }
    }

    /// Runs the one command of a batch, which may wait for keys: then it is left at them, and given back.
    fn run_or_wait(
        &mut self,
        shards: &mut [Box<Shard>],
        batch: &Batch,
        ticket: u64,
        reply: &mut Reply,
    ) -> Option<Arc<Waiter>> {
        let command = batch.commands[0];
        let args = batch.args(command);
        self.effects.may_wait = true;
        self.run_one(shards, batch, command, &args, reply);
        self.effects.may_wait = false;
        shards[0].counts.commands += 1;
        let _uncommonly_slow = self.stats.ran(command.id, &reply.bytes);
        let wait = self.effects.wait.take()?;
        let Handler::Engine(engine) = table().entry(command.id).handler else { return None };
        let mut waiter = Waiter::new(ticket, engine, &args, command.db, batch.resp, wait);
        waiter.after = self.ties.after.into();
        let waiter = Arc::new(waiter);
        stand(&mut self.call(shards, batch, reply), &waiter);
        Some(waiter)
    }

    /// Tries to serve one that waits, all its shards being in hand now.
    fn retry(&mut self, shards: &mut [Box<Shard>], batch: &Batch, waiter: &Arc<Waiter>) {
        let ready = waiter.wait.keys.iter().map(|key| (waiter.db, key.clone()));
        self.effects.ready.extend(ready);
        self.serve_ready(shards, batch, false);
    }

    /// Serves those who wait for keys that got something. What is done for them comes in the journal behind all that gave it to
    /// them, by itself.
    #[inline]
    fn serve_ready(&mut self, shards: &mut [Box<Shard>], batch: &Batch, is_share: bool) {
        if !self.effects.ready.is_empty() {
            self.end(shards, batch, is_share);
            serve_ready(self.effects, shards, self.settings, self.now_ms, &mut self.outside);
        }
    }

    #[inline]
    fn run_one(
        &mut self,
        shards: &mut [Box<Shard>],
        batch: &Batch,
        command: Queued,
        args: Args<'_>,
        reply: &mut Reply,
    ) {
        let hint = batch.hint(command, args);
        let entry = table().entry(command.id);
        if is_publish(entry) {
            self.outside.publish(entry.spec.name == "spublish", args, reply);
        } else if let Handler::Script(script) = entry.handler {
            if let Some(author) = &batch.author {
                self.outside.show_script(author, entry.spec, command.db, args);
            }
            let host = Host {
                shards: &mut *shards,
                settings: self.settings,
                effects: self.effects,
                stats: self.stats,
                outside: self.outside.reborrow(),
                places: self.places,
                now_ms: self.now_ms,
                no_touch: batch.no_touch,
                remembers: batch.remembers,
                db: command.db,
                script: Running::default(),
            };
            self.scripting.run(script, args, host, reply);
        } else {
            let mut cx = self.call(shards, batch, reply);
            cx.db = command.db;
            run_one(&mut cx, entry, args, hint);
        }
        if let Some(author) = &batch.author {
            self.outside.show(author, entry.spec, command.db, args);
            if batch.remembers {
                self.outside.remember(author.id, entry.spec, args, shards, self.effects);
            }
        }
    }

    /// Shows monitors what the server did of a transaction before some command of the engine.
    fn show_asides(&mut self, batch: &Batch, is_due: impl Fn(usize) -> bool) {
        let transcript = batch.author.as_ref().and_then(|author| author.transaction.as_ref());
        for (_, line) in transcript.iter().flat_map(|told| &told.asides).filter(|(before, _)| is_due(*before))
        {
            self.outside.tell_monitors(line);
        }
    }

    /// Shows monitors the end of a transaction.
    fn show_end(&mut self, batch: &Batch) {
        let author = batch.author.as_ref();
        if let Some(transcript) = author.and_then(|author| author.transaction.as_ref()) {
            self.outside.tell_monitors(&transcript.end);
        }
    }

    fn call<'b>(&'b mut self, shards: &'b mut [Box<Shard>], batch: &Batch, reply: &'b mut Reply) -> Call<'b> {
        let mut cx = Call::new(shards, self.settings, 0, self.now_ms, reply, self.effects);
        cx.no_touch = batch.no_touch;
        cx
    }
}

/// Where a shard's journal ends.
pub(super) fn end_of(shard: &Shard) -> u64 {
    shard.tail.as_ref().map_or(0, |tail| tail.end())
}

/// Whether a command may write.
pub(crate) fn writes(entry: &Entry) -> bool {
    matches!(entry.handler, Handler::Script(_)) || entry.spec.flags.has(Flags::WRITE)
}

/// Whether a batch may write.
pub(crate) fn is_writer(batch: &Batch) -> bool {
    batch.commands.iter().any(|command| writes(table().entry(command.id)))
}

/// The slots of the keys of a batch; nothing where it may be about others too.
fn slots_of(batch: &Batch) -> Option<SmallVec<[u16; 8]>> {
    let mut slots = SmallVec::new();
    for &command in &batch.commands {
        if let Some((slot, _)) = command.place() {
            slots.push(slot);
            continue;
        }
        let args = batch.args(command);
        slots.extend(record::slots_of_command(table().entry(command.id), &args)?);
    }
    (!slots.is_empty()).then_some(slots)
}
