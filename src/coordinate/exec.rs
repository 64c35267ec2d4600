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
use super::batch::{Act, Batch, Queued, Run};
use super::desk::changes_of_libraries;
use super::enter::{ShardSet, add_shard};
use super::survey::{Ask, Finish, Survey};
use super::unit::{Kind, Part, Watching};
use crate::commands::{Server, Verdict};
use crate::pubsub::{Author, Transcript, is_shown, line};
use crate::table::{CommandId, Entry, Handler, table};
use crate::thread::conn::{Assembly, Conn, Hold, Piece, Session, give_back};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::reply::Reply;
use shards::slot::{shard_of_slot, slot_of};
use shards::spec::Flags;
use smallvec::SmallVec;
use std::sync::Arc;

/// EXEC, as it was written.
pub(crate) type Word = SmallVec<[u8; 8]>;

/// A transaction on its way to the shards.
#[derive(Debug)]
pub struct Plan {
    /// The commands as they were queued; those of the engine get the database they are for.
    run: Box<Run>,
    /// The replies, as far as they are planned, one a command. Those of the engine name a shard, if they have but one.
    pieces: Vec<Piece>,
    /// The shards of all of them.
    shards: ShardSet,
    /// Each of the engine's commands has one shard.
    is_divisible: bool,
    /// Commands of the server are left for later.
    is_rehearsed: bool,
    /// The changes of libraries among the commands are announced.
    is_announced: bool,
    /// Some of them change what scripts or functions there are: those that run one get all shards.
    is_open: bool,
    word: Word,
    /// The lines of the server's commands, for monitors, each with how many of the engine's come before.
    asides: Vec<(usize, Vec<u8>)>,
}

impl Plan {
    /// A plan for these commands, to be carried out by this word.
    #[must_use]
    pub(crate) fn new(run: Box<Run>, word: Word) -> Plan {
        let is_open = run.batch.commands.iter().any(|command| {
            matches!(table().entry(command.id).handler, Handler::Script(script) if script.changes_what_there_is())
        });
        Plan {
            pieces: Vec::with_capacity(run.batch.commands.len()),
            run,
            shards: ShardSet::new(),
            is_divisible: true,
            is_rehearsed: false,
            is_announced: false,
            is_open,
            word,
            asides: Vec::new(),
        }
    }

    /// The command that is planned next.
    fn next(&self) -> Option<Queued> {
        self.run.batch.commands.get(self.pieces.len()).copied()
    }

    /// How many of the engine's commands are planned.
    fn steps(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Part(_))).count()
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
        let changes = changes_of_libraries(&plan.run.batch);
        if changes > 0 && !plan.is_announced {
            plan.is_announced = true;
            return self.announce_changes(conn, changes, move |core, conn| core.plan_exec(conn, plan));
        }
        let commands = &plan.run.batch.commands;
        if conn.session.watching.is_some() && commands.iter().any(|command| !is_engines(*command)) {
            return self.rehearse_exec(conn, plan);
        }
        conn.session.executing = Some(commands.len());
        while let Some(command) = plan.next() {
            if is_engines(command) {
                self.plan_step(conn, &mut plan, command);
                continue;
            }
            let came = self.run_in_exec(conn, &plan.run.batch, command);
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
            let line = line(spec, conn.session.db, &conn.author().address, &plan.run.batch.args(command));
            plan.asides.push((plan.steps(), line));
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
        let only = match command.place() {
            Some((slot, _)) => {
                let shard = shard_of_slot(slot, self.shared.shard_count());
                add_shard(&mut plan.shards, shard);
                Some(shard)
            }
            None => self.plan_wide_step(plan, command, db),
        };
        plan.is_divisible &= only.is_some();
        plan.run.batch.commands[plan.pieces.len()].db = db;
        plan.pieces.push(Piece::Part(only.unwrap_or(0) as u16));
    }

    /// Adds the shards of a command that may have any number of them; gives back the only one, if it has one.
    fn plan_wide_step(&mut self, plan: &mut Plan, command: Queued, db: u16) -> Option<usize> {
        let entry = table().entry(command.id);
        // A message needs no shard, but those of the other commands are to be in hand.
        let shards = if is_publish(entry) || needs_no_shards(entry) {
            ShardSet::new()
        } else if plan.is_open && matches!(entry.handler, Handler::Script(_)) {
            (0..self.shared.shard_count()).collect()
        } else {
            self.shards_of(entry, db, &plan.run.batch.args(command))
        };
        shards.iter().for_each(|shard| add_shard(&mut plan.shards, *shard));
        if let [only] = shards[..] { Some(only) } else { None }
    }

    /// Makes the plan without doing anything, and enters it.
    fn rehearse_exec(&mut self, conn: &mut Conn, mut plan: Plan) {
        let Session { db, resp, authenticated, no_touch, .. } = conn.session;
        let name = conn.session.name.clone();
        plan.is_rehearsed = true;
        while let Some(command) = plan.next() {
            if is_engines(command) {
                self.plan_step(conn, &mut plan, command);
                continue;
            }
            let entry = table().entry(command.id);
            if REHEARSED.contains(&entry.spec.name) {
                let mut unheard = Reply::new(conn.session.resp);
                self.run_server(conn, entry, &plan.run.batch.args(command), &mut unheard);
            }
            self.note_aside(conn, &mut plan, command);
            plan.pieces.push(Piece::Known(Vec::new()));
        }
        let deferred = Deferred { queued: plan.run.batch.clone(), next: 0, replies: Vec::new() };
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
        for (_, key) in watching.iter().flat_map(|watching| &watching.keys) {
            add_shard(&mut plan.shards, shard_of_slot(slot_of(key), count));
        }
        if plan.shards.is_empty() {
            if plan.steps() == 0 {
                return self.exec_without_shards(conn, plan, transcript);
            }
            plan.shards.push(self.id);
        }
        self.sign(&mut plan.run.batch, conn);
        if let Some(transcript) = transcript {
            let author = Author { transaction: Some(transcript), ..conn.author() };
            plan.run.batch.author = Some(Arc::new(author));
        }
        let publishes = count > 1 && self.batch_may_publish(&plan.run.batch);
        if plan.shards.len() == 1 {
            self.enter_whole(conn, plan, watching);
        } else {
            self.close_run(conn);
            let shared = Arc::clone(&self.shared);
            shared.spanning.marked(self.id, || self.enter_spanning(conn, plan, watching, publishes));
        }
        conn.publishes |= publishes && conn.has_pending();
    }

    /// Enters what was planned into several shards.
    fn enter_spanning(
        &mut self,
        conn: &mut Conn,
        mut plan: Plan,
        watching: Option<Watching>,
        publishes: bool,
    ) {
        // Who waits on several shards is to be served after the whole of it.
        let may_feed = self.batch_may_feed(&plan.run.batch);
        if may_feed {
            plan.shards = self.joined(&plan.shards);
        }
        // What is published by one transaction is to come in one piece.
        let has_onlookers = publishes || self.is_listened_to();
        if watching.is_none() && plan.is_divisible && !has_onlookers && !may_feed {
            self.enter_divided(conn, plan);
        } else {
            self.enter_whole(conn, plan, watching);
        }
    }

    /// Enters each command with those of the same shard, as a part by itself.
    fn enter_divided(&mut self, conn: &mut Conn, plan: Plan) {
        let Plan { run, mut pieces, shards, .. } = plan;
        let mut parts: Vec<Part> = shards.iter().map(|_| Part::default()).collect();
        for part in &mut parts {
            self.sign(&mut part.batch, conn);
        }
        for (&command, piece) in run.batch.commands.iter().zip(&mut pieces) {
            if let Piece::Part(place) = piece {
                let part = shards.iter().position(|shard| *shard == usize::from(*place)).unwrap_or(0);
                let args = run.batch.args(command);
                let key = run.batch.hint(command, &args);
                parts[part].batch.push(command.id, command.db, args.iter().copied(), key);
                *place = part as u16;
            }
        }
        give_back(&mut self.pool, run);
        self.enter_unit(conn, Kind::FanOut, &shards, parts, Assembly::Exec(pieces));
    }

    /// Enters what was planned as one run, or as a unit that gathers its shards. What was queued is entered as it is, but for the
    /// server's commands.
    fn enter_whole(&mut self, conn: &mut Conn, plan: Plan, watching: Option<Watching>) {
        let Plan { mut run, mut pieces, shards, is_rehearsed, .. } = plan;
        let mut planned = pieces.iter_mut();
        run.batch.commands.retain(|_| match planned.next() {
            Some(Piece::Part(part)) => {
                *part = 0;
                true
            }
            _ => false,
        });
        run.act = Act::Exec(watching);
        let assembly = Assembly::Exec(pieces);
        match shards[..] {
            // It is answered by mail, whose turn comes when the rehearsal is over.
            [only] if is_rehearsed => self.send_act(conn, only, assembly, run),
            [only] => self.enter_act(conn, only, assembly, run),
            _ => {
                let (batch, act) = (std::mem::take(&mut run.batch), std::mem::take(&mut run.act));
                give_back(&mut self.pool, run);
                let part = Part { batch, act, ..Part::default() };
                self.enter_unit(conn, Kind::Gathered, &shards, vec![part], assembly);
            }
        }
    }

    /// Nothing in it was for a shard.
    fn exec_without_shards(&mut self, conn: &mut Conn, plan: Plan, transcript: Option<Transcript>) {
        if let Some(transcript) = transcript {
            self.show_transcript(&transcript);
        }
        give_back(&mut self.pool, plan.run);
        let mut reply = conn.begin_reply();
        reply.array(plan.pieces.len());
        for piece in plan.pieces {
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
            Some(multi) => entry.spec.name == "exec" && self.batch_may_publish(&multi.run.batch),
            None => is_publish(entry) || self.publishes_somewhere(entry, args),
        }
    }

    /// Whether a script may publish something where others do not have to come by: one that is entered into all queues comes behind all
    /// that was entered before, and before all that is later.
    pub(crate) fn publishes_somewhere(&mut self, entry: &Entry, args: Args<'_>) -> bool {
        match entry.handler {
            Handler::Script(command) => {
                self.scripting.may_publish(&self.shared.scripts, command, args) == (true, true)
            }
            _ => false,
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
