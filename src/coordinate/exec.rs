//! EXEC: from the queued commands to a run, a fan-out or a gathered unit.
//!
//! Commands of the server (SELECT, PING, CONFIG …) run on the connection's thread while the plan is made; commands of the engine
//! go to their shards, all at one instant. Where one shard has it all, it is a run; where each command has one shard
//! and nothing is watched, a fan-out: every part at its turn, no waiting; else the shards are gathered.
use super::batch::{Act, Batch};
use super::enter::{ShardSet, add_shard};
use super::survey::Survey;
use super::unit::{Kind, Part};
use crate::commands::{Server, Verdict};
use crate::table::{CommandId, Handler, table};
use crate::thread::conn::{Assembly, Conn, Hold, Piece};
use crate::thread::core::Core;
use shards::reply::Reply;
use shards::slot::{shard_of_slot, slot_of};
use std::sync::Arc;

/// A transaction on its way to the shards.
#[derive(Debug)]
pub struct Plan {
    /// The commands as they were queued.
    queued: Batch,
    /// How many of them are planned.
    next: usize,
    /// The replies, as far as they are planned.
    pieces: Vec<Piece>,
    /// The commands of the engine: which of the queued, in which database, on which shards.
    steps: Vec<(usize, u16, ShardSet)>,
}

impl Plan {
    /// A plan for these commands.
    #[must_use]
    pub fn new(queued: Batch) -> Plan {
        Plan { queued, next: 0, pieces: Vec::new(), steps: Vec::new() }
    }
}

impl Core {
    /// Plans on, and enters the transaction when all is planned.
    pub(crate) fn plan_exec(&mut self, conn: &mut Conn, mut plan: Plan) {
        conn.session.executing = Some(plan.queued.commands.len());
        while let Some(&command) = plan.queued.commands.get(plan.next) {
            plan.next += 1;
            let entry = table().entry(command.id);
            let args = plan.queued.args(command);
            if let Handler::Engine(_) = entry.handler {
                let shards = self.shards_of(entry, conn.session.db, &args);
                plan.steps.push((plan.next - 1, conn.session.db, shards));
                plan.pieces.push(Piece::Part(0));
                continue;
            }
            let mut reply = Reply::new(conn.session.resp);
            self.stats.begin();
            let verdict = self.run_server(conn, entry, &args, &mut reply);
            if !matches!(verdict, Verdict::Ask(..)) {
                self.count_own(conn, command.id, &args, &reply.bytes);
            }
            drop(args);
            match verdict {
                Verdict::Ask(ask, finish) => return self.ask_for_plan(conn, plan, command.id, ask, finish),
                Verdict::Close => conn.closing = true,
                Verdict::Wait { reply: known, .. } => reply.bytes.extend_from_slice(&known),
                Verdict::Done | Verdict::Enter(_) => {}
            }
            plan.pieces.push(Piece::Known(reply.bytes));
        }
        conn.session.executing = None;
        self.enter_exec(conn, plan);
    }

    /// A command in the transaction asks every thread: planning goes on when all have answered.
    fn ask_for_plan(
        &mut self,
        conn: &mut Conn,
        mut plan: Plan,
        id: CommandId,
        ask: super::survey::Ask,
        finish: super::survey::Finish,
    ) {
        let origin = conn.origin(self.id, u64::MAX);
        conn.hold = Some(Hold::Survey);
        let goes_on = move |server: &mut Server<'_>| {
            let mut reply = Reply::new(server.conn.session.resp);
            server.core.stats.begin();
            let verdict = finish(&mut Server { core: server.core, conn: server.conn, reply: &mut reply });
            server.conn.closing |= matches!(verdict, Verdict::Close);
            server.core.count_own(server.conn, id, &[], &reply.bytes);
            plan.pieces.push(Piece::Known(reply.bytes));
            Verdict::enter(move |core, conn| core.plan_exec(conn, plan))
        };
        let survey = Arc::new(Survey::new(origin, None, self.shared.shard_count(), ask, Box::new(goes_on)));
        self.survey(&survey);
    }

    fn enter_exec(&mut self, conn: &mut Conn, plan: Plan) {
        let count = self.shared.shard_count();
        let watching = conn.session.watching.take();
        let mut all = ShardSet::new();
        plan.steps.iter().flat_map(|(_, _, shards)| shards).for_each(|shard| add_shard(&mut all, *shard));
        for (_, key) in watching.iter().flat_map(|watching| &watching.keys) {
            add_shard(&mut all, shard_of_slot(slot_of(key), count));
        }
        if all.is_empty() {
            return self.exec_without_shards(conn, plan.pieces);
        }
        let fans_out = all.len() > 1
            && watching.is_none()
            && !self.is_listened_to()
            && plan.steps.iter().all(|(_, _, shards)| shards.len() == 1);
        let part_count = if fans_out { all.len() } else { 1 };
        let mut parts: Vec<Part> = (0..part_count).map(|_| Part::default()).collect();
        for part in &mut parts {
            part.batch.resp = conn.session.resp;
            part.batch.no_touch = conn.session.no_touch;
        }
        let Plan { queued, mut pieces, steps, .. } = plan;
        let mut places = pieces.iter_mut().filter(|piece| matches!(piece, Piece::Part(_)));
        for (index, db, shards) in steps {
            let part =
                if fans_out { all.iter().position(|shard| *shard == shards[0]).unwrap_or(0) } else { 0 };
            if let Some(place) = places.next() {
                *place = Piece::Part(part as u16);
            }
            let command = queued.commands[index];
            parts[part].batch.push(command.id, db, queued.args(command), None);
        }
        let assembly = Assembly::Exec(pieces);
        if let [only] = all[..] {
            let batch = std::mem::take(&mut parts[0].batch);
            let part = Part { batch, act: Act::Exec(watching), ..Part::default() };
            return self.enter_act(conn, only, assembly, part);
        }
        if fans_out {
            return self.enter_unit(conn, Kind::FanOut, &all, parts, assembly);
        }
        parts[0].act = Act::Exec(watching);
        self.enter_unit(conn, Kind::Gathered, &all, parts, assembly);
    }

    /// Nothing in it was for a shard.
    fn exec_without_shards(&self, conn: &mut Conn, pieces: Vec<Piece>) {
        let mut reply = conn.begin_reply();
        reply.array(pieces.len());
        for piece in pieces {
            if let Piece::Known(bytes) = piece {
                reply.bytes.extend_from_slice(&bytes);
            }
        }
        conn.end_reply(reply);
    }
}
