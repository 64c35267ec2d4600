//! EXEC: from the queued commands to a run, a fan-out or a gathered unit.
//!
//! Commands of the server (SELECT, PING, CONFIG …) run on the connection's thread while the plan is made; commands of the engine
//! go to their shards, all at one instant. Where one shard has it all, it is a run; where each command has one shard
//! and nothing is watched, a fan-out: every part at its turn, no waiting; else the shards are gathered.
//!
//! Under WATCH only the shards can tell whether the transaction will be given up, and then it must have done nothing at all. So what
//! the server does of it is *deferred*: the plan is made in a rehearsal, which carries out only what the commands after it depend on
//! (SELECT, HELLO, CLIENT NO-TOUCH: all of it in the session, which is put back), the shards do their part, or not, and then the
//! commands of the server are carried out in their order. The connection waits for it.
use super::batch::{Act, Batch, Queued};
use super::desk::changes_of_libraries;
use super::enter::{ShardSet, add_shard};
use super::survey::{Ask, Finish, Survey};
use super::unit::{Kind, Part, Watching};
use crate::commands::{Server, Verdict};
use crate::pubsub::{Author, Transcript, is_shown, line};
use crate::table::{CommandId, Entry, Handler, table};
use crate::thread::conn::{Assembly, Conn, Hold, Piece, Session};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::reply::Reply;
use shards::slot::{shard_of_slot, slot_of};
use shards::spec::Flags;
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
    /// Commands of the server are left for later.
    is_rehearsed: bool,
    /// The changes of libraries among the commands are announced.
    is_announced: bool,
    /// Some of them change what scripts or functions there are: those that run one get all shards.
    is_open: bool,
    /// EXEC, as it was written.
    word: Vec<u8>,
    /// The lines of the server's commands, for monitors.
    asides: Vec<(usize, Vec<u8>)>,
}

impl Plan {
    /// A plan for these commands, to be carried out by this word.
    #[must_use]
    pub fn new(queued: Batch, word: &[u8]) -> Plan {
        let is_open = queued.commands.iter().any(|command| {
            matches!(table().entry(command.id).handler, Handler::Script(script) if script.changes_what_there_is())
        });
        Plan {
            queued,
            is_announced: false,
            is_open,
            next: 0,
            pieces: Vec::new(),
            steps: Vec::new(),
            is_rehearsed: false,
            word: word.to_vec(),
            asides: Vec::new(),
        }
    }
}

/// The commands of the server in a transaction under WATCH, once it is on its way to the shards.
#[derive(Debug)]
pub struct Deferred {
    /// The commands as they were queued, the engine's among them.
    queued: Batch,
    /// How many of them are done.
    next: usize,
    /// The replies of the server's so far.
    replies: Vec<Vec<u8>>,
}

/// Commands of the server that change how those of the engine behind them are carried out. They change the session only.
const REHEARSED: &[&str] = &["select", "hello", "client|no-touch"];

/// What came of a command of the server in a transaction.
enum Came {
    /// This reply.
    Reply(Vec<u8>),
    /// A question to every thread.
    Question(Ask, Finish),
}

impl Core {
    /// Plans on, and enters the transaction when all is planned.
    pub(crate) fn plan_exec(&mut self, conn: &mut Conn, mut plan: Plan) {
        let changes = changes_of_libraries(&plan.queued);
        if changes > 0 && !plan.is_announced {
            plan.is_announced = true;
            return self.announce_changes(conn, changes, move |core, conn| core.plan_exec(conn, plan));
        }
        if conn.session.watching.is_some() && plan.queued.commands.iter().any(|command| !is_engines(*command))
        {
            return self.rehearse_exec(conn, plan);
        }
        conn.session.executing = Some(plan.queued.commands.len());
        while let Some(&command) = plan.queued.commands.get(plan.next) {
            plan.next += 1;
            if is_engines(command) {
                self.plan_step(conn, &mut plan, command);
                continue;
            }
            let came = self.run_in_exec(conn, &plan.queued, command);
            self.note_aside(conn, &mut plan, command);
            match came {
                Came::Reply(reply) => plan.pieces.push(Piece::Known(reply)),
                Came::Question(ask, finish) => {
                    return self.ask_in_exec(conn, command.id, ask, finish, move |core, conn, reply| {
                        plan.pieces.push(Piece::Known(reply));
                        core.plan_exec(conn, plan);
                    });
                }
            }
        }
        conn.session.executing = None;
        self.enter_exec(conn, plan);
    }

    /// Notes for monitors what the server did between the engine's commands.
    fn note_aside(&self, conn: &Conn, plan: &mut Plan, command: Queued) {
        let spec = table().entry(command.id).spec;
        if self.shared.exchange.is_monitored() && is_shown(spec) {
            let line = line(spec, conn.session.db, &conn.author().address, &plan.queued.args(command));
            plan.asides.push((plan.steps.len(), line));
        }
    }

    /// What monitors are shown of a transaction beside the engine's commands.
    fn transcript(&self, conn: &Conn, plan: &mut Plan) -> Option<Transcript> {
        self.shared.exchange.is_monitored().then(|| {
            let exec = table().find(b"exec").expect("the table has it").spec;
            let end = line(exec, conn.session.db, &conn.author().address, &[&plan.word]);
            Transcript { asides: std::mem::take(&mut plan.asides), end }
        })
    }

    /// Plans a command of the engine.
    fn plan_step(&mut self, conn: &Conn, plan: &mut Plan, command: Queued) {
        let db = conn.session.db;
        let entry = table().entry(command.id);
        // A message needs no shard, but those of the other commands are to be in hand.
        let shards = if is_publish(entry) || needs_no_shards(entry) {
            ShardSet::new()
        } else if plan.is_open && matches!(entry.handler, Handler::Script(_)) {
            (0..self.shared.shard_count()).collect()
        } else {
            self.shards_of(entry, db, &plan.queued.args(command))
        };
        plan.steps.push((plan.next - 1, db, shards));
        plan.pieces.push(Piece::Part(0));
    }

    /// Makes the plan without doing anything, and enters it.
    fn rehearse_exec(&mut self, conn: &mut Conn, mut plan: Plan) {
        let Session { db, resp, authenticated, no_touch, .. } = conn.session;
        let name = conn.session.name.clone();
        plan.is_rehearsed = true;
        while let Some(&command) = plan.queued.commands.get(plan.next) {
            plan.next += 1;
            if is_engines(command) {
                self.plan_step(conn, &mut plan, command);
                continue;
            }
            let entry = table().entry(command.id);
            if REHEARSED.contains(&entry.spec.name) {
                let mut unheard = Reply::new(conn.session.resp);
                self.run_server(conn, entry, &plan.queued.args(command), &mut unheard);
            }
            self.note_aside(conn, &mut plan, command);
            plan.pieces.push(Piece::Known(Vec::new()));
        }
        let deferred = Deferred { queued: plan.queued.clone(), next: 0, replies: Vec::new() };
        self.enter_exec(conn, plan);
        let session = &mut conn.session;
        (session.db, session.resp, session.authenticated) = (db, resp, authenticated);
        (session.no_touch, session.name) = (no_touch, name);
        conn.defer(deferred);
    }

    /// Carries out what was deferred of a transaction, if the shards have done theirs; forgets it if they have not.
    pub(crate) fn go_on_with_exec(&mut self, conn: &mut Conn) {
        let Some(is_aborted) = conn.was_aborted() else { return };
        let Some(mut deferred) = conn.deferred.take() else { return };
        conn.session.executing = Some(deferred.queued.commands.len());
        while !is_aborted && let Some(&command) = deferred.queued.commands.get(deferred.next) {
            deferred.next += 1;
            if is_engines(command) {
                continue;
            }
            let came = self.run_in_exec(conn, &deferred.queued, command);
            match came {
                Came::Reply(reply) => deferred.replies.push(reply),
                Came::Question(ask, finish) => {
                    // It stays with the connection, so that that does not go before all is done.
                    conn.deferred = Some(deferred);
                    return self.ask_in_exec(conn, command.id, ask, finish, |core, conn, reply| {
                        conn.deferred.iter_mut().for_each(|deferred| deferred.replies.push(reply.clone()));
                        core.go_on_with_exec(conn);
                    });
                }
            }
        }
        conn.session.executing = None;
        conn.complete(deferred.replies, &mut self.pool);
    }

    /// Runs a command of the server that is part of a transaction.
    fn run_in_exec(&mut self, conn: &mut Conn, queued: &Batch, command: Queued) -> Came {
        let args = queued.args(command);
        let mut reply = Reply::new(conn.session.resp);
        self.stats.begin();
        let verdict = self.run_server(conn, table().entry(command.id), &args, &mut reply);
        if !matches!(verdict, Verdict::Ask(..)) {
            self.count_own(conn, command.id, &args, &reply.bytes);
        }
        match verdict {
            Verdict::Ask(ask, finish) => return Came::Question(ask, finish),
            Verdict::Close => conn.closing = true,
            Verdict::Wait { reply: known, .. } => reply.bytes.extend_from_slice(&known),
            Verdict::Done | Verdict::Enter(_) => {}
        }
        Came::Reply(reply.bytes)
    }

    /// A command in the transaction asks every thread: it goes on when all have answered.
    fn ask_in_exec(
        &mut self,
        conn: &mut Conn,
        id: CommandId,
        ask: Ask,
        finish: Finish,
        go_on: impl FnOnce(&mut Core, &mut Conn, Vec<u8>) + Send + 'static,
    ) {
        let origin = conn.origin(self.id, u64::MAX);
        conn.hold = Some(Hold::Survey);
        let goes_on = move |server: &mut Server<'_>| {
            let mut reply = Reply::new(server.conn.session.resp);
            server.core.stats.begin();
            let verdict = finish(&mut Server { core: server.core, conn: server.conn, reply: &mut reply });
            server.conn.closing |= matches!(verdict, Verdict::Close);
            server.core.count_own(server.conn, id, &[], &reply.bytes);
            Verdict::enter(move |core, conn| go_on(core, conn, reply.bytes))
        };
        let survey = Arc::new(Survey::new(origin, None, self.shared.shard_count(), ask, Box::new(goes_on)));
        self.survey(&survey);
    }

    fn enter_exec(&mut self, conn: &mut Conn, mut plan: Plan) {
        let transcript = self.transcript(conn, &mut plan);
        let count = self.shared.shard_count();
        let watching = conn.session.watching.take();
        let mut all = ShardSet::new();
        plan.steps.iter().flat_map(|(_, _, shards)| shards).for_each(|shard| add_shard(&mut all, *shard));
        for (_, key) in watching.iter().flat_map(|watching| &watching.keys) {
            add_shard(&mut all, shard_of_slot(slot_of(key), count));
        }
        if all.is_empty() && !plan.steps.is_empty() {
            all.push(self.id);
        }
        if all.is_empty() {
            if let Some(transcript) = transcript {
                self.show_transcript(&transcript);
            }
            return self.exec_without_shards(conn, plan.pieces);
        }
        if all.len() == 1 {
            self.enter_planned(conn, plan, all, watching, transcript);
        } else {
            self.close_run(conn);
            let shared = Arc::clone(&self.shared);
            shared.spanning.marked(self.id, || self.enter_planned(conn, plan, all, watching, transcript));
        }
    }

    /// Enters what was planned into these shards.
    fn enter_planned(
        &mut self,
        conn: &mut Conn,
        plan: Plan,
        mut all: ShardSet,
        watching: Option<Watching>,
        transcript: Option<Transcript>,
    ) {
        // Who waits on several shards is to be served after the whole of it.
        let may_feed = all.len() > 1 && self.batch_may_feed(&plan.queued);
        if may_feed {
            all = self.joined(&all);
        }
        let fans_out = all.len() > 1
            && watching.is_none()
            && !self.is_listened_to()
            && !may_feed
            && plan.steps.iter().all(|(_, _, shards)| shards.len() == 1)
            // What scripts of one transaction publish is to come in one piece.
            && !self.batch_may_publish(&plan.queued);
        let part_count = if fans_out { all.len() } else { 1 };
        let mut parts: Vec<Part> = (0..part_count).map(|_| Part::default()).collect();
        for part in &mut parts {
            self.sign(&mut part.batch, conn);
        }
        if let Some(transcript) = transcript {
            let author = Author { transaction: Some(transcript), ..conn.author() };
            parts[0].batch.author = Some(Arc::new(author));
        }
        let Plan { queued, mut pieces, steps, is_rehearsed, .. } = plan;
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
            if is_rehearsed {
                // It is answered by mail, whose turn comes when the rehearsal is over.
                return self.send_act(conn, only, assembly, part);
            }
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

/// What publishes comes after all that is unanswered of the same connection: that may be carried out later on another thread, behind
/// somebody's unit that publishes as well ([`crate::pubsub`]).
impl Core {
    /// Whether the next command of a connection may publish something by itself.
    pub(crate) fn publishes_next(&mut self, conn: &Conn, entry: &Entry, args: Args<'_>) -> bool {
        match &conn.session.multi {
            Some(multi) => entry.spec.name == "exec" && self.batch_may_publish(&multi.batch),
            None => match entry.handler {
                // One that is entered into all queues comes behind all that was entered before anyway.
                Handler::Script(command) => {
                    let scripts = &self.shared.scripts;
                    self.scripting.may_publish(scripts, command, args) == (true, true)
                }
                _ => is_publish(entry),
            },
        }
    }

    /// Whether a command may publish something.
    fn may_publish(&mut self, entry: &Entry, args: Args<'_>) -> bool {
        match entry.handler {
            Handler::Script(command) => self.scripting.may_publish(&self.shared.scripts, command, args).0,
            _ => is_publish(entry),
        }
    }

    fn batch_may_publish(&mut self, batch: &Batch) -> bool {
        batch
            .commands
            .iter()
            .any(|command| self.may_publish(table().entry(command.id), &batch.args(*command)))
    }
}

/// Whether it is carried out with the shards in hand: the engine's commands are, and what is published between them.
fn is_engines(command: Queued) -> bool {
    let entry = table().entry(command.id);
    matches!(entry.handler, Handler::Engine(_) | Handler::Script(_)) || is_publish(entry)
}

/// Whether it does something to scripts that takes no shard.
fn needs_no_shards(entry: &Entry) -> bool {
    matches!(entry.handler, Handler::Script(script) if script.needs_no_shards())
}

/// PUBLISH or SPUBLISH.
pub(crate) fn is_publish(entry: &Entry) -> bool {
    entry.spec.flags.has(Flags::PUBSUB.and(Flags::MAY_REPLICATE))
}
