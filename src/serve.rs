//! Running commands on the shards in hand: directly, from a shard's queue, or gathered.
mod ahead;
pub(crate) mod bench;
mod watching;

use self::ahead::look_ahead;
use self::bench::{Bench, Into, end_of};
use crate::coordinate::batch::Run;
use crate::coordinate::unit::{Kind, Unit};
use crate::persist::journal::Journal;
use crate::persist::needs::Needs;
use crate::persist::record::{Ties, slots_of_command};
use crate::pubsub::Outside;
use crate::queues::{Mail, Request, Strand};
use crate::script::{Host, Running};
use crate::table::{Entry, Handler};
use crate::thread::conn::{Assembly, Conn, assemble, give_back};
use crate::thread::core::Core;
use shards::call::Call;
use shards::commands::{Args, execute};
use shards::effects::Effects;
use shards::keyspace::Hashed;
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::tail::Point;
use shards::waiting::{InHand, Waiter};
use smallvec::SmallVec;
use std::sync::Arc;

/// Requests served in one go: between two looks at the sockets.
const SERVED_MAX: usize = 1024;
/// Runs whose commands' keys are fetched from memory together.
const SERVED_TOGETHER: usize = 8;

impl Core {
    /// Runs one command of a connection on a shard in hand.
    #[inline]
    pub(crate) fn run_here(
        &mut self,
        shard: usize,
        conn: &mut Conn,
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
        self.effects.listen.records = shards[0].tail.is_some();
        self.effects.is_cut_off = false;
        if let Handler::Script(command) = entry.handler {
            let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
            outside.writer = conn.id;
            if is_watched {
                outside.show_script(&conn.author(), entry.spec, db, args);
            }
            let host = Host {
                shards,
                settings: &self.settings,
                effects: &mut self.effects,
                stats: &mut self.stats,
                outside,
                places: &mut self.places,
                now_ms: self.now_ms,
                no_touch: conn.session.no_touch,
                remembers: conn.remembers(),
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
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
        if is_watched {
            outside.writer = conn.id;
            outside.show(&conn.author(), entry.spec, db, args);
            if conn.remembers() {
                let shards = std::slice::from_mut(&mut strand.shard);
                outside.remember(conn.id, entry.spec, args, shards, &mut self.effects);
            }
        }
        let shards = std::slice::from_mut(&mut strand.shard);
        let before = end_of(&shards[0]);
        let after;
        let ties = if conn.needs.is_empty() {
            Ties::default()
        } else {
            after = conn.needs.elsewhere(shard, &self.shared.journal);
            Ties { after: &after, ..Ties::default() }
        };
        outside.end_unit(&mut self.effects, shards, self.now_ms, ties);
        if strand.shard.tail.is_some() {
            look_back(&self.shared.journal, &mut strand.shard, before, conn, (entry, args, hint));
        }
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
            look_ahead(&strand.shard, runs.iter().map(|run| &run.batch));
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
        self.run_in_hand(shard, &mut run);
        if shard != self.id {
            self.stats.taken += 1;
        }
        self.tell_noticed(run.origin.thread, run.origin.token);
        self.mail(run.origin.thread, Mail::Ran(run));
    }

    /// Carries a run out on a shard in hand.
    fn run_in_hand(&mut self, shard: usize, run: &mut Run) {
        let Some(strand) = &mut self.strands[shard] else { return };
        let after = std::mem::take(&mut run.after);
        let mut bench = Bench {
            settings: &self.settings,
            effects: &mut self.effects,
            stats: &mut self.stats,
            scripting: &mut self.scripting,
            places: &mut self.places,
            outside: Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config),
            now_ms: self.now_ms.max(run.entered_ms),
            ties: Ties { after: &after, ..Ties::default() },
        };
        let Run { batch, act, reply, aborted, waits, .. } = run;
        reply.resp = batch.resp;
        let mut needs = Needs::default();
        let into = Into { reply, waits, needs: &mut needs, is_share: false };
        *aborted = bench.run(std::slice::from_mut(&mut strand.shard), batch, act, into);
        run.need = needs.points().first().copied().unwrap_or_default();
    }

    fn serve_part(&mut self, shard: usize, unit: &Arc<Unit>, index: usize) {
        match &unit.kind {
            Kind::FanOut | Kind::Sheaf(_) => {
                let Some(strand) = &mut self.strands[shard] else { return };
                let mut part = unit.part(index);
                look_ahead(&strand.shard, std::iter::once(&part.batch));
                let mut bench = Bench {
                    settings: &self.settings,
                    effects: &mut self.effects,
                    stats: &mut self.stats,
                    scripting: &mut self.scripting,
                    places: &mut self.places,
                    outside: Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config),
                    now_ms: unit.entered_ms(),
                    ties: unit.ties(),
                };
                bench.run_part(std::slice::from_mut(&mut strand.shard), &mut part);
                drop(part);
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
            places: &mut self.places,
            outside: Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config),
            now_ms: unit.entered_ms(),
            ties: unit.ties(),
        };
        let began = bench.stats.ticks();
        bench.run_part(&mut shards, &mut unit.part(0));
        self.note_gathered(began);
        for shard in &mut shards {
            self.take_tail(shard);
            self.shared.published[shard.index].publish(shard);
        }
        self.tell_noticed(unit.origin.thread, unit.origin.token);
        // That somebody waits is to be known before others, with these shards, serve him and say so.
        self.mail(unit.origin.thread, Mail::Done(Arc::clone(unit)));
        shards.into_iter().for_each(|shard| self.send_home(shard));
    }

    fn send_home(&mut self, shard: Box<Shard>) {
        let index = shard.index;
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
        mut run: Box<Run>,
    ) -> Option<Arc<Waiter>> {
        run.entered_ms = self.now_ms;
        run.after = conn.needs.elsewhere(shard, &self.shared.journal);
        self.run_in_hand(shard, &mut run);
        conn.needs.raise(run.need, &self.shared.journal);
        self.tell_noticed(self.id, conn.token);
        let waiter = run.waits.take();
        if waiter.is_none() {
            let mut reply = conn.begin_reply();
            assemble(assembly, &[&run.reply.bytes], run.aborted, run.reply.resp, &mut reply.bytes);
            conn.end_reply(reply);
        }
        give_back(&mut self.pool, run);
        waiter
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
    let mut after = Vec::new();
    let mut in_hand = InHand { shards, settings, now_ms, effects };
    in_hand.serve(|waiter, served| {
        after.extend(waiter.after.iter().filter(|point| !outside.shared.journal.is_committed(**point)));
        told.push((waiter.ticket, served));
    });
    // It stands in the journal before anybody hears of it: who is served waits for what the journals hold by then.
    if outside.end_unit(effects, shards, now_ms, Ties { after: &after, ..Ties::default() }) {
        shards.iter_mut().filter_map(|shard| shard.tail.as_mut()).for_each(|tail| tail.touch_all());
    }
    told.into_iter().for_each(|(ticket, served)| outside.tell_served(ticket, served));
}

/// Has a connection wait for what the command saw that it ran on a shard in hand, whose journal ended there before it.
fn look_back(
    journal: &Journal,
    shard: &mut Shard,
    before: u64,
    conn: &mut Conn,
    (entry, args, hint): (&Entry, Args<'_>, Option<Hashed<'_>>),
) {
    let index = shard.index as u16;
    let Some(tail) = &mut shard.tail else { return };
    let lsn = match hint {
        Some(key) => tail.look_back(before, Some(&[key.slot])),
        None => tail.look_back(before, slots_of_command(entry, args).as_deref()),
    };
    conn.needs.raise(Point { shard: index, lsn }, journal);
}
