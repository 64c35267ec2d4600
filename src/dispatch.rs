//! The road of a command: parse, admit, call, route, and off to its shards.
//!
//! `feed` takes a window of bytes, finds a handful of commands in it, has the processor fetch what they will look up, and
//! carries them out one after another; `call` is the one function through which every command of every client passes.
mod order;

use self::order::{is_immediate, may_wait, writes_now};
use crate::admit::Refusal;
use crate::commands::{Server, Verdict};
use crate::coordinate::batch::ArgVec;
use crate::coordinate::survey::Survey;
use crate::protocol::inline;
use crate::protocol::parse::{Found, Limits, Parser, Span, UNAUTHENTICATED};
use crate::queues::Mail;
use crate::table::{CommandId, Entry, Handler, Route, table};
use crate::thread::conn::{Assembly, Conn, Hold, ReplyMode};
use crate::thread::core::{Core, Parsed, Scratch};
use shards::commands::Args;
use shards::fault::Fault;
use shards::keyspace::Hashed;
use shards::slot::shard_of_slot;
use std::sync::Arc;

/// Commands that are looked at together, at most.
const BATCH_MAX: usize = 32;
/// Bytes of requests that one connection may have under way on other threads.
const IN_FLIGHT_BYTES_MAX: usize = 8 << 20;

impl Core {
    /// Bytes came for a connection.
    pub fn received(&mut self, conn: &mut Conn, bytes: &[u8]) {
        conn.active_ms = self.now_ms;
        conn.totals.bytes_in += bytes.len() as u64;
        self.stats.bytes_in += bytes.len() as u64;
        self.stats.reads += 1;
        // What was posted before the client sent this it hears before it is answered.
        self.hear();
        if conn.input.is_empty() {
            let consumed = self.feed(conn, bytes);
            conn.input.bytes.extend_from_slice(&bytes[consumed..]);
        } else {
            conn.input.bytes.extend_from_slice(bytes);
            self.feed_input(conn);
        }
        if conn.input.rest().len() as u64 > self.config.client_query_buffer_limit_bytes {
            crate::log::warning(format_args!(
                "Closing client that reached max query buffer length: id={}",
                conn.id
            ));
            self.stats.query_disconnections += 1;
            conn.dead = true;
        }
    }

    /// Goes on with what a connection has sent before.
    pub fn feed_input(&mut self, conn: &mut Conn) {
        if conn.hold.is_some() {
            return;
        }
        if !conn.input.is_empty() {
            let input = std::mem::take(&mut conn.input);
            let consumed = self.feed(conn, input.rest());
            conn.input = input;
            conn.input.consume(consumed);
        }
        // Nothing more will come, and what has come is carried out.
        if conn.ended && self.may_go_on(conn) {
            conn.closing = true;
        }
    }

    /// Carries out the commands of a window, as many as are complete and the connection has credit for; gives back how many
    /// bytes are done with.
    fn feed(&mut self, conn: &mut Conn, window: &[u8]) -> usize {
        if conn.out.capacity() == 0
            && let Some(buffer) = self.buffers.pop()
        {
            conn.out = buffer;
        }
        self.stats.begin();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut consumed = 0;
        while self.may_go_on(conn) && consumed < window.len() {
            let limits = self.limits(conn);
            let batch = if self.needs_auth(conn) { 1 } else { conn.batch };
            let broken = find_commands(&mut conn.parser, window, consumed, limits, batch, &mut scratch);
            if !self.carry_out(conn, window, &mut scratch, &mut consumed) {
                // What follows is parsed again later, from where it begins.
                conn.parser = Parser::default();
                break;
            }
            conn.batch = (conn.batch * 2).min(BATCH_MAX);
            if let Some(text) = broken {
                self.refuse_protocol(conn, &text);
                consumed = window.len();
            } else if scratch.parsed.len() < batch {
                break;
            }
        }
        self.scratch = scratch;
        self.close_run(conn);
        self.settle();
        consumed
    }

    /// Whether the next command may be carried out now.
    pub(crate) fn may_go_on(&self, conn: &Conn) -> bool {
        let (commands, bytes) = conn.in_flight;
        conn.hold.is_none()
            && !conn.closing
            && !conn.dead
            && commands < conn.credit
            && bytes < IN_FLIGHT_BYTES_MAX
            && !self.is_unread(conn)
    }

    fn limits(&self, conn: &Conn) -> Limits {
        if self.needs_auth(conn) {
            UNAUTHENTICATED
        } else {
            Limits {
                bulk_bytes_max: self.config.proto_max_bulk_len_bytes as usize,
                args_max: i32::MAX as usize,
            }
        }
    }

    /// Carries out the commands found; whether it got to the end of them.
    fn carry_out(
        &mut self,
        conn: &mut Conn,
        window: &[u8],
        scratch: &mut Scratch,
        consumed: &mut usize,
    ) -> bool {
        if scratch.parsed.len() > 1 {
            self.look_ahead(conn, window, scratch);
        }
        let Scratch { parsed, spans } = scratch;
        for (index, command) in parsed.iter().enumerate() {
            *consumed = command.end;
            let bytes = &window[command.begin..command.end];
            let arg = |&(at, len): &Span| &bytes[at as usize..][..len as usize];
            // Most commands have one to four arguments, which need no list.
            match &spans[command.first..][..command.count] {
                [] => continue,
                spans if bytes[0] != b'*' => {
                    self.call_inline(conn, &spans.iter().map(arg).collect::<ArgVec<'_>>());
                }
                [one] => self.call(conn, &[arg(one)], None),
                [one, two] => self.call(conn, &[arg(one), arg(two)], command.hint),
                [one, two, three] => self.call(conn, &[arg(one), arg(two), arg(three)], command.hint),
                [one, two, three, four] => {
                    self.call(conn, &[arg(one), arg(two), arg(three), arg(four)], command.hint);
                }
                spans => self.call(conn, &spans.iter().map(arg).collect::<ArgVec<'_>>(), command.hint),
            }
            if !self.may_go_on(conn) {
                if matches!(conn.hold, Some(Hold::Pause | Hold::Order | Hold::Turn)) {
                    // It comes again. Where that is often so, little is to be looked at in vain.
                    *consumed = command.begin;
                    conn.batch = index + 1;
                    return false;
                }
                return index + 1 == parsed.len();
            }
        }
        true
    }

    /// Words of an inline request may be quoted; and a browser may be at the other end.
    fn call_inline(&mut self, conn: &mut Conn, args: &[&[u8]]) {
        if args[0].eq_ignore_ascii_case(b"post") || args[0].eq_ignore_ascii_case(b"host:") {
            crate::log::warning(format_args!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. \
                 Connection aborted."
            ));
            conn.dead = true;
            return;
        }
        let words: Vec<_> = args.iter().map(|word| inline::unescape(word)).collect();
        let args: ArgVec<'_> = words.iter().map(Vec::as_slice).collect();
        self.call(conn, &args, None);
    }

    /// Has the processor fetch what the next commands will look up, where that is in hand.
    fn look_ahead(&self, conn: &Conn, window: &[u8], scratch: &mut Scratch) {
        let Scratch { parsed, spans } = scratch;
        for command in parsed.iter_mut().filter(|command| command.count > 1) {
            let (at, len) = spans[command.first + 1];
            let key = Hashed::new(&window[command.begin..][at as usize..][..len as usize]);
            command.hint = Some((key.slot, key.hash));
        }
        let Some(strand) = &self.strands[self.id] else { return };
        for look in 0..3 {
            for (slot, hash) in parsed.iter().filter_map(|command| command.hint) {
                if strand.shard.slots.contains(&slot) {
                    strand.shard.prefetch(conn.session.db, Hashed { bytes: &[], hash, slot }, look);
                }
            }
        }
    }

    /// The command of a client, whatever it is: looked up, admitted, carried out or sent on its way.
    #[inline]
    pub fn call(&mut self, conn: &mut Conn, args: Args<'_>, hint: Option<(u16, u64)>) {
        let admitted = self.admit(conn, args);
        if let Err(Refusal::Held) = admitted {
            conn.hold = Some(Hold::Pause);
            self.holds_paused = true;
            return;
        }
        if conn.has_pending() && admitted.as_ref().is_ok_and(|entry| self.comes_too_soon(conn, entry, args)) {
            conn.hold = Some(Hold::Order);
            return;
        }
        if admitted.as_ref().is_ok_and(|entry| entry.route == Route::Script) && self.puts_off(conn) {
            return;
        }
        conn.totals.commands += 1;
        if conn.session.reply_mode == ReplyMode::SkipNext {
            conn.session.reply_mode = ReplyMode::Skip;
        }
        match admitted {
            Ok(entry) => {
                conn.last_command = Some(entry.id);
                if conn.session.multi.is_some() && !is_immediate(entry) {
                    self.queue_in_multi(conn, entry, args, hint);
                } else {
                    let writes = !conn.writes && self.shared.journal.is_on() && writes_now(conn, entry);
                    let under_way = conn.in_flight.0;
                    self.route(conn, entry, args, hint);
                    conn.writes |= writes && conn.in_flight.0 > under_way;
                }
            }
            Err(Refusal::Fault(id, fault)) => self.refuse(conn, id, &fault),
            Err(Refusal::Held) => {}
        }
        if conn.session.reply_mode == ReplyMode::Skip {
            conn.session.reply_mode = ReplyMode::On;
        }
        if conn.session.tracking.is_some() {
            conn.end_choice();
        }
    }

    /// A command is not carried out; a transaction that it was meant for will not be either.
    fn refuse(&mut self, conn: &mut Conn, id: Option<CommandId>, fault: &Fault) {
        if let Some(multi) = &mut conn.session.multi {
            multi.aborted = true;
        }
        self.close_run(conn);
        let is_exec = id.is_some_and(|id| table().entry(id).spec.name == "exec");
        if is_exec {
            conn.session.multi = None;
            self.unwatch(conn);
        }
        let mut reply = conn.begin_reply();
        let start = reply.bytes.len();
        if is_exec {
            let why = fault.0.strip_prefix(b"ERR ").unwrap_or(&fault.0);
            reply.error(&[b"EXECABORT Transaction discarded because of: ", why].concat());
        } else {
            reply.error(&fault.0);
        }
        self.stats.rejected(id, &reply.bytes[start..]);
        conn.end_reply(reply);
    }

    fn refuse_protocol(&mut self, conn: &mut Conn, text: &str) {
        self.close_run(conn);
        let mut reply = conn.begin_reply();
        reply.error(format!("ERR {text}").as_bytes());
        conn.end_reply(reply);
        conn.closing = true;
    }

    fn queue_in_multi(&mut self, conn: &mut Conn, entry: &Entry, args: Args<'_>, hint: Option<(u16, u64)>) {
        self.close_run(conn);
        let db = conn.session.db;
        let Some(multi) = &mut conn.session.multi else { return };
        let batch = &mut multi.run.batch;
        if batch.has_room_for(args.iter().map(|arg| arg.len()).sum()) {
            let key = (entry.route == Route::FirstKey).then(|| hashed(args[1], hint));
            batch.push(entry.id, db, args.iter().copied(), key);
        } else {
            multi.aborted = true;
        }
        let mut reply = conn.begin_reply();
        reply.status("QUEUED");
        conn.end_reply(reply);
    }

    /// Sends a command where its keys are.
    #[inline]
    fn route(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>, hint: Option<(u16, u64)>) {
        match entry.route {
            _ if may_wait(entry, args) => {
                self.enter_waiting(conn, entry, args);
            }
            Route::FirstKey => {
                let key = hashed(args[1], hint);
                let shard = shard_of_slot(key.slot, self.shared.shard_count());
                self.enter_one(conn, shard, entry, args, Some(key));
            }
            Route::Server => self.call_server(conn, entry, args),
            Route::Desk => self.call_desk(conn, entry, args),
            Route::Keys | Route::NoKeys => self.enter_many(conn, entry, args),
            Route::Script => {
                self.enter_many(conn, entry, args);
                conn.publishes |= conn.has_pending() && self.publishes_somewhere(entry, args);
            }
        }
    }

    /// Runs a command of the server on this thread.
    pub(crate) fn call_server(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>) {
        self.close_run(conn);
        self.catch_up(conn);
        let mut reply = conn.begin_reply();
        let start = reply.bytes.len();
        let verdict = self.run_server(conn, entry, args, &mut reply);
        if !matches!(verdict, Verdict::Ask(..)) {
            self.count_own(conn, entry.id, args, &reply.bytes[start..]);
        }
        // EXEC is shown after its commands, by whoever carries those out.
        let is_exec = matches!(verdict, Verdict::Enter(_)) && entry.spec.name == "exec";
        if self.shared.exchange.is_monitored() && !is_exec {
            self.show(conn, entry.spec, args);
        }
        conn.end_reply(reply);
        self.follow(conn, entry.id, verdict);
    }

    /// Counts a command that ran on the connection's thread.
    pub(crate) fn count_own(&mut self, conn: &Conn, id: CommandId, args: Args<'_>, reply: &[u8]) {
        if let Some(ticks) = self.stats.ran(id, reply) {
            self.stats.notice(id, args, ticks);
            self.tell_noticed(self.id, conn.token);
        }
    }

    /// Runs a command of the server with a reply of the caller's; a fault is written to it.
    pub(crate) fn run_server(
        &mut self,
        conn: &mut Conn,
        entry: &'static Entry,
        args: Args<'_>,
        reply: &mut shards::reply::Reply,
    ) -> Verdict {
        let Handler::Server(command) = entry.handler else {
            unreachable!("commands of the engine are routed to shards");
        };
        let start = reply.bytes.len();
        let outcome = (command.run)(&mut Server { core: self, conn, reply }, args);
        outcome.unwrap_or_else(|fault| {
            reply.bytes.truncate(start);
            reply.error(&fault.0);
            Verdict::Done
        })
    }

    /// Does what a command of the server ended with.
    pub(crate) fn follow(&mut self, conn: &mut Conn, id: CommandId, verdict: Verdict) {
        match verdict {
            Verdict::Done => {}
            Verdict::Enter(enter) => enter(self, conn),
            Verdict::Close => conn.closing = true,
            Verdict::Wait { until_ms, reply } => self.wait(conn, until_ms, reply),
            Verdict::Ask(ask, finish) => {
                let sequence = conn.expect(Assembly::Plain, 1, 0);
                let origin = conn.origin(self.id, sequence);
                conn.hold = Some(Hold::Survey);
                let survey = Arc::new(Survey::new(origin, Some(id), self.shared.shard_count(), ask, finish));
                self.survey(&survey);
            }
        }
    }

    /// All threads have answered a question: the reply is written, and the connection goes on.
    pub fn answered(&mut self, survey: &Survey) {
        let Some(mut conn) = self.check_out(survey.origin.token) else { return };
        if let Some(finish) = survey.take_finish() {
            let mut reply = shards::reply::Reply::new(conn.session.resp);
            conn.hold = None;
            self.stats.begin();
            let verdict = finish(&mut Server { core: self, conn: &mut conn, reply: &mut reply });
            let id = survey.command.unwrap_or_default();
            if survey.command.is_some() && !matches!(verdict, Verdict::Ask(..)) {
                self.count_own(&conn, id, &[], &reply.bytes);
            }
            let mut pool = std::mem::take(&mut self.pool);
            conn.answered(survey.origin.sequence, reply.bytes, &mut pool);
            self.pool = pool;
            self.follow(&mut conn, id, verdict);
            self.feed_input(&mut conn);
            self.settle();
        }
        self.check_in(conn);
    }

    /// Something of a connection came back: it goes on with what waited for that.
    #[inline]
    fn go_on_after_reply(&mut self, conn: &mut Conn) {
        if conn.deferred.is_some() {
            self.go_on_with_exec(conn);
        }
        conn.end_order();
        self.feed_input(conn);
    }

    /// Mail came: replies, questions.
    pub fn mail_came(&mut self, mail: Mail) {
        match mail {
            Mail::Served(ticket, served) => self.served(ticket, served),
            Mail::Ran(run) => {
                let token = run.origin.token;
                self.end_registration(&run.act, run.waits.is_some());
                match self.check_out(token) {
                    Some(mut conn) => {
                        match run.waits {
                            Some(waiter) => {
                                let id = run.batch.commands[0].id;
                                self.wait_for_keys(&mut conn, run.origin.sequence, id, waiter);
                            }
                            None => {
                                let mut pool = std::mem::take(&mut self.pool);
                                conn.needs.raise(run.need, &self.shared.journal);
                                conn.ran(run, &mut pool);
                                self.pool = pool;
                            }
                        }
                        self.go_on_after_reply(&mut conn);
                        self.check_in(conn);
                    }
                    None => {
                        run.waits.iter().for_each(|waiter| self.abandon(waiter));
                        crate::thread::conn::give_back(&mut self.pool, run);
                    }
                }
            }
            Mail::Done(unit) => {
                let waits = {
                    let mut part = unit.part(0);
                    self.end_registration(&part.act, part.waits.is_some());
                    part.waits.take()
                };
                let Some(mut conn) = self.check_out(unit.origin.token) else {
                    // It waits, and nobody waits for it.
                    return waits.into_iter().for_each(|waiter| self.abandon(&waiter));
                };
                match waits {
                    Some(waiter) => {
                        let id = unit.part(0).batch.commands[0].id;
                        self.wait_for_keys(&mut conn, unit.origin.sequence, id, waiter);
                    }
                    None => {
                        let mut pool = std::mem::take(&mut self.pool);
                        self.raise_for_unit(&mut conn, &unit);
                        conn.done(unit, &mut pool);
                        self.pool = pool;
                    }
                }
                self.go_on_after_reply(&mut conn);
                self.check_in(conn);
            }
            Mail::Ask(survey) => {
                if survey.ask(self) {
                    self.mail(survey.origin.thread, Mail::Answered(survey));
                }
            }
            Mail::Answered(survey) => self.answered(&survey),
            Mail::Errand(errand) => self.enter_errand(&errand),
            Mail::Noticed(token, noticed) => self.keep_noticed(token, noticed),
            Mail::Client(..) | Mail::Listen(_) | Mail::Stop => unreachable!("the loop takes these"),
        }
    }
}

/// Finds up to `batch` commands in the window from `at` on. Gives back why it cannot go on, if it cannot.
fn find_commands(
    parser: &mut Parser,
    window: &[u8],
    mut at: usize,
    limits: Limits,
    batch: usize,
    scratch: &mut Scratch,
) -> Option<String> {
    scratch.parsed.clear();
    scratch.spans.clear();
    while scratch.parsed.len() < batch && at < window.len() {
        let first = scratch.spans.len();
        match parser.parse(&window[at..], limits, &mut scratch.spans) {
            Found::Command { count, consumed } => {
                scratch.parsed.push(Parsed { first, count, begin: at, end: at + consumed, hint: None });
                at += consumed;
            }
            Found::Incomplete { .. } => break,
            Found::Broken(text) => return Some(text),
        }
    }
    None
}

/// A key with its slot and hash, which may have been worked out before.
#[inline]
fn hashed(bytes: &[u8], hint: Option<(u16, u64)>) -> Hashed<'_> {
    hint.map_or_else(|| Hashed::new(bytes), |(slot, hash)| Hashed { bytes, hash, slot })
}
