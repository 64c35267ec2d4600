//! Running commands on the shards in hand: directly, from a shard's queue, or gathered.
mod watching;

use self::watching::{is_dirty, unwatch, watch};
use crate::coordinate::batch::{Act, Batch, Queued, Run};
use crate::coordinate::exec::is_publish;
use crate::coordinate::unit::{Kind, Part, Unit};
use crate::pubsub::Outside;
use crate::queues::{Mail, Request, Strand};
use crate::script::{Host, Running, Scripting};
use crate::stats::Stats;
use crate::table::{Entry, Handler, table};
use crate::thread::conn::{Assembly, Conn, assemble};
use crate::thread::core::Core;
use shards::call::Call;
use shards::commands::{Args, execute};
use shards::effects::Effects;
use shards::keyspace::Hashed;
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::waiting::{InHand, Waiter, leave, stand};
use smallvec::SmallVec;
use std::sync::Arc;

/// What commands run with, whoever runs them.
struct Bench<'a> {
    settings: &'a Settings,
    effects: &'a mut Effects,
    stats: &'a mut Stats,
    scripting: &'a mut Scripting,
    outside: Outside<'a>,
    now_ms: i64,
}

/// Where the outcome of a batch goes.
struct Into<'a> {
    reply: &'a mut Reply,
    waits: &'a mut Option<Arc<Waiter>>,
    is_share: bool,
}

/// Requests served in one go: between two looks at the sockets.
const SERVED_MAX: usize = 1024;
/// Runs whose commands' keys are fetched from memory together.
const SERVED_TOGETHER: usize = 8;
/// Commands whose keys are fetched together, at most: more would push one another out.
const LOOKED_AT_MAX: usize = 48;

impl Core {
    /// Runs one command of a connection on a shard in hand.
    #[inline]
    pub(crate) fn run_here(
        &mut self,
        shard: usize,
        conn: &Conn,
        entry: &Entry,
        args: Args<'_>,
        hint: Option<Hashed<'_>>,
        reply: &mut Reply,
    ) {
        let Some(strand) = &mut self.strands[shard] else { return };
        let start = reply.bytes.len();
        let shards = std::slice::from_mut(&mut strand.shard);
        let db = conn.session.db;
        let is_watched = self.shared.exchange.is_watched();
        self.effects.names_changes = is_watched;
        if let Handler::Script(command) = entry.handler {
            let mut outside = Outside::new(&self.shared, &mut self.mailed, &self.config);
            outside.writer = conn.id;
            let host = Host {
                shards,
                settings: &self.settings,
                effects: &mut self.effects,
                stats: &mut self.stats,
                outside,
                now_ms: self.now_ms,
                no_touch: conn.session.no_touch,
                db,
                script: Running::default(),
            };
            self.scripting.run(command, args, host, reply);
        } else {
            let mut cx = Call::new(shards, &self.settings, db, self.now_ms, reply, &mut self.effects);
            cx.no_touch = conn.session.no_touch;
            run_one(&mut cx, entry, args, hint);
        }
        strand.shard.counts.commands += 1;
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &self.config);
        if is_watched {
            outside.writer = conn.id;
            outside.show(&conn.author(), entry.spec, db, args);
            if conn.remembers() {
                let shards = std::slice::from_mut(&mut strand.shard);
                outside.remember(conn.id, entry.spec, args, shards, &mut self.effects);
            }
        }
        finish_effects(&mut self.effects, &mut strand.shard, &mut outside);
        if !self.effects.ready.is_empty() {
            let shards = std::slice::from_mut(&mut strand.shard);
            serve_ready(&mut self.effects, shards, &self.settings, self.now_ms, &mut outside);
        }
        if let Some(ticks) = self.stats.ran(entry.id, &reply.bytes[start..]) {
            self.stats.notice(entry.id, args, ticks);
            self.tell_noticed(self.id, conn.token);
        }
    }

    /// Serves the queue of a shard in hand, until it is empty, or stops at a unit, or has been at it long enough.
    pub(crate) fn serve(&mut self, shard: usize) {
        let shared = Arc::clone(&self.shared);
        let mut runs: SmallVec<[Box<Run>; SERVED_TOGETHER]> = SmallVec::new();
        for _ in 0..SERVED_MAX / SERVED_TOGETHER {
            if shard != self.id && self.has_lent_enough(shard) {
                return;
            }
            let Some(strand) = &mut self.strands[shard] else { return };
            let mut part = strand.stalled.take();
            while part.is_none() && runs.len() < SERVED_TOGETHER {
                match shared.queues[shard].pop() {
                    Some(Request::Run(run)) => {
                        run.look_at();
                        runs.push(run);
                    }
                    Some(unit) => part = Some(unit),
                    None => break,
                }
            }
            if runs.is_empty() && part.is_none() {
                return;
            }
            // Messages posted before these requests were entered are heard before what the requests do is seen.
            self.hear();
            let Some(strand) = &self.strands[shard] else { return };
            look_ahead(&strand.shard, &runs);
            runs.drain(..).for_each(|run| self.serve_run(shard, run));
            match part {
                Some(Request::Part(unit, index)) if unit.is_entered() => self.serve_part(shard, &unit, index),
                Some(part) => {
                    if let Some(strand) = &mut self.strands[shard] {
                        strand.stalled = Some(part);
                    }
                    return;
                }
                None => {}
            }
        }
    }

    fn serve_run(&mut self, shard: usize, mut run: Box<Run>) {
        let Some(strand) = &mut self.strands[shard] else { return };
        let mut bench = Bench {
            settings: &self.settings,
            effects: &mut self.effects,
            stats: &mut self.stats,
            scripting: &mut self.scripting,
            outside: Outside::new(&self.shared, &mut self.mailed, &self.config),
            now_ms: self.now_ms.max(run.entered_ms),
        };
        let Run { batch, act, reply, aborted, waits, .. } = &mut *run;
        reply.resp = batch.resp;
        let into = Into { reply, waits, is_share: false };
        *aborted = bench.run(std::slice::from_mut(&mut strand.shard), batch, act, into);
        if shard != self.id {
            self.stats.taken += 1;
        }
        self.tell_noticed(run.origin.thread, run.origin.token);
        self.mail(run.origin.thread, Mail::Ran(run));
    }

    fn serve_part(&mut self, shard: usize, unit: &Arc<Unit>, index: usize) {
        match &unit.kind {
            Kind::FanOut => {
                let Some(strand) = &mut self.strands[shard] else { return };
                let mut bench = Bench {
                    settings: &self.settings,
                    effects: &mut self.effects,
                    stats: &mut self.stats,
                    scripting: &mut self.scripting,
                    outside: Outside::new(&self.shared, &mut self.mailed, &self.config),
                    now_ms: unit.entered_ms(),
                };
                bench.run_part(std::slice::from_mut(&mut strand.shard), &mut unit.part(index));
                self.tell_noticed(unit.origin.thread, unit.origin.token);
                if unit.part_done() {
                    self.mail(unit.origin.thread, Mail::Done(Arc::clone(unit)));
                }
            }
            Kind::Gathered => {
                let Some(strand) = self.strands[shard].take() else { return };
                if let Some(shards) = unit.deposit(strand.shard) {
                    self.run_gathered(unit, shards);
                }
            }
        }
    }

    /// Runs a unit over all its shards and sends them home.
    #[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
    fn run_gathered(&mut self, unit: &Arc<Unit>, mut shards: Vec<Box<Shard>>) {
        let mut bench = Bench {
            settings: &self.settings,
            effects: &mut self.effects,
            stats: &mut self.stats,
            scripting: &mut self.scripting,
            outside: Outside::new(&self.shared, &mut self.mailed, &self.config),
            now_ms: unit.entered_ms(),
        };
        let began = bench.stats.ticks();
        bench.run_part(&mut shards, &mut unit.part(0));
        self.note_gathered(began);
        for shard in shards {
            self.send_home(shard);
        }
        self.tell_noticed(unit.origin.thread, unit.origin.token);
        self.mail(unit.origin.thread, Mail::Done(Arc::clone(unit)));
    }

    fn send_home(&mut self, shard: Box<Shard>) {
        let index = shard.index;
        self.shared.published[index].publish(&shard);
        let strand = Strand { shard, stalled: None };
        if index == self.id {
            self.strands[index] = Some(strand);
        } else {
            self.shared.queues[index].put(strand);
        }
        self.nudge(index);
    }

    /// Whether the strand of a shard is in hand, or could be taken from its sleeping owner's door.
    #[inline]
    pub(crate) fn get_strand(&mut self, shard: usize) -> bool {
        if self.strands[shard].is_some() {
            return true;
        }
        if shard != self.id && (!self.shared.mailboxes[shard].is_asleep() || self.has_lent_enough(shard)) {
            return false;
        }
        self.strands[shard] = self.shared.queues[shard].take();
        if shard != self.id {
            self.unsettled = true;
            self.note_taken();
        }
        // So are those posted before what was done on the shard while others had it.
        self.hear();
        self.strands[shard].is_some()
    }

    /// A shard's queue got something, or the shard came home: it is served before the turn ends.
    #[inline]
    pub(crate) fn nudge(&mut self, shard: usize) {
        self.nudged[shard] = true;
        self.unsettled = true;
    }

    /// Runs something beside plain commands (WATCH, a transaction) on a shard in hand, and writes the reply; or gives back
    /// who waits.
    pub(crate) fn run_act_here(
        &mut self,
        conn: &mut Conn,
        shard: usize,
        assembly: &Assembly,
        mut part: Part,
    ) -> Option<Arc<Waiter>> {
        let strand = self.strands[shard].as_mut()?;
        let mut bench = Bench {
            settings: &self.settings,
            effects: &mut self.effects,
            stats: &mut self.stats,
            scripting: &mut self.scripting,
            outside: Outside::new(&self.shared, &mut self.mailed, &self.config),
            now_ms: self.now_ms,
        };
        bench.run_part(std::slice::from_mut(&mut strand.shard), &mut part);
        self.tell_noticed(self.id, conn.token);
        if part.waits.is_some() {
            return part.waits;
        }
        let mut reply = conn.begin_reply();
        assemble(assembly, &[&part.reply.bytes], part.aborted, part.reply.resp, &mut reply.bytes);
        conn.end_reply(reply);
        None
    }

    /// Serves the shards whose queues got something, as far as they are in hand or at the door of a sleeper, and puts the
    /// strands of others back.
    pub fn settle(&mut self) {
        if !self.unsettled {
            return;
        }
        self.unsettled = false;
        while let Some(shard) = self.nudged.iter().position(|nudged| *nudged) {
            self.nudged[shard] = false;
            if self.get_strand(shard) {
                self.serve(shard);
                self.put_back(shard);
            } else {
                self.wake_owner(shard);
            }
        }
        for shard in 0..self.strands.len() {
            self.put_back(shard);
        }
        self.note_put_back();
    }
}

impl Bench<'_> {
    fn run_part(&mut self, shards: &mut [Box<Shard>], part: &mut Part) {
        let Part { batch, act, reply, aborted, waits, is_share } = part;
        reply.resp = batch.resp;
        let into = Into { reply, waits, is_share: *is_share };
        *aborted = self.run(shards, batch, act, into);
    }

    /// Runs a batch; whether it was a transaction that was given up. Shares of commands are counted by another part.
    fn run(&mut self, shards: &mut [Box<Shard>], batch: &Batch, act: &mut Act, into: Into<'_>) -> bool {
        let Into { reply, waits, is_share } = into;
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
            Act::Retry(waiter) => {
                self.retry(shards, waiter);
                return false;
            }
            Act::Wait(ticket) => {
                *waits = self.run_or_wait(shards, batch, *ticket, reply);
                self.finish(shards);
                self.serve_ready(shards);
                return false;
            }
            Act::Exec(watching) => {
                if let Some(watching) = watching {
                    let dirty = is_dirty(&mut self.call(shards, batch, reply), watching);
                    unwatch(shards, watching);
                    if dirty {
                        self.finish(shards);
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
            } else {
                self.run_one(shards, batch, command, &batch.args(command), reply);
            }
            shards[0].counts.commands += 1;
            self.finish(shards);
            if !matches!(act, Act::Exec(_)) {
                self.serve_ready(shards);
            }
            if is_share {
                self.stats.ran_share(command.id);
            } else if let Some(ticks) = self.stats.ran(command.id, &reply.bytes[start..]) {
                self.stats.notice(command.id, &batch.args(command), ticks);
            }
        }
        // Who waits for keys is served after the whole transaction.
        self.serve_ready(shards);
        self.show_asides(batch, |before| before >= batch.commands.len());
        self.show_end(batch);
        false
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
        let waiter = Arc::new(Waiter::new(ticket, engine, &args, command.db, batch.resp, wait));
        stand(&mut self.call(shards, batch, reply), &waiter);
        Some(waiter)
    }

    /// Tries to serve one that waits, all its shards being in hand now.
    fn retry(&mut self, shards: &mut [Box<Shard>], waiter: &Arc<Waiter>) {
        let ready = waiter.wait.keys.iter().map(|key| (waiter.db, key.clone()));
        self.effects.ready.extend(ready);
        self.serve_ready(shards);
    }

    /// Serves those who wait for keys that got something.
    #[inline]
    fn serve_ready(&mut self, shards: &mut [Box<Shard>]) {
        if !self.effects.ready.is_empty() {
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
            let host = Host {
                shards: &mut *shards,
                settings: self.settings,
                effects: self.effects,
                stats: self.stats,
                outside: self.outside.reborrow(),
                now_ms: self.now_ms,
                no_touch: batch.no_touch,
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

    fn finish(&mut self, shards: &mut [Box<Shard>]) {
        finish_effects(self.effects, &mut shards[0], &mut self.outside);
    }
}

/// The one door: every command of the engine passes here, however it came.
#[inline]
fn run_one<'a>(cx: &mut Call<'a>, entry: &Entry, args: &'a [&'a [u8]], hint: Option<Hashed<'a>>) {
    let Handler::Engine(command) = entry.handler else {
        unreachable!("only commands of the engine are sent to shards");
    };
    let db = cx.db;
    cx.turn_to(db, hint);
    execute(cx, command, args);
}

/// What was done is counted, and DEBUG SLEEP carried out while the shards are in hand. Listeners hear of it.
/// (The journal will take the rest from here.)
#[inline]
pub(crate) fn finish_effects(effects: &mut Effects, shard: &mut Shard, outside: &mut Outside<'_>) {
    if effects.sleep_us > 0 {
        std::thread::sleep(std::time::Duration::from_micros(effects.sleep_us));
    }
    shard.counts.dirty += effects.dirty;
    if !effects.events().is_empty() {
        outside.tell(effects);
    }
    if effects.names_changes {
        outside.invalidate(effects);
    }
    effects.clear();
}

/// Serves those who wait for keys that got something, and tells them.
#[cold]
fn serve_ready(
    effects: &mut Effects,
    shards: &mut [Box<Shard>],
    settings: &Settings,
    now_ms: i64,
    outside: &mut Outside<'_>,
) {
    let mut told = Vec::new();
    let mut in_hand = InHand { shards, settings, now_ms, effects };
    in_hand.serve(|waiter, served| told.push((waiter.ticket, served)));
    finish_effects(effects, &mut shards[0], outside);
    told.into_iter().for_each(|(ticket, served)| outside.tell_served(ticket, served));
}

/// Has the processor fetch what the commands of several runs will want, all at once instead of one after another.
fn look_ahead(shard: &Shard, runs: &[Box<Run>]) {
    runs.iter().for_each(|run| run.batch.look_at());
    for look in 0..3 {
        for command in runs.iter().flat_map(|run| &run.batch.commands).take(LOOKED_AT_MAX) {
            if let Some((slot, hash)) = command.place() {
                shard.prefetch(command.db, Hashed { bytes: &[], hash, slot }, look);
            }
        }
    }
}
