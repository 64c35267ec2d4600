//! Commands of the server that scripts call (INFO, PUBSUB, COMMAND …): carried out on a core that stands in for the thread's own.
//!
//! A script runs in the middle of its thread's work, and much of what the thread has is in use. A core without a shard stands in for it:
//! what commands want to know is lent to it for as long as one takes, and it has a client of its own.
//!
//! What asks every thread is waited for, within the script. Nobody waits for this thread meanwhile: who calls such a
//! command has all shards in hand ([`super::proof`]), so the others have nothing to run, and to answer a question takes no shard.
use super::commands::{Does, ScriptCommand};
use super::desk::Desk;
use super::host::Host;
use super::{NOT_ALLOWED, Scripting};
use crate::commands::{Server, ServerCommand, Verdict};
use crate::coordinate::batch::Origin;
use crate::coordinate::survey::{Ask, Finish, Survey};
use crate::net::Token;
use crate::queues::Mail;
use crate::thread::conn::{Conn, Peer};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::Fault;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a script waits for the answers of the other threads; then it goes on without.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// The stand-in's client has no place.
const NOWHERE: Token = Token { index: u32::MAX, generation: u32::MAX };

impl Host<'_> {
    /// Carries out a command of the server; its reply, or error, is the script's.
    #[cold]
    pub(super) fn call_aside(&mut self, command: &ServerCommand, args: Args<'_>) -> Result<(), Fault> {
        if !self.has_all() {
            return Err(NOT_ALLOWED);
        }
        let shared = self.outside.shared;
        for shard in self.shards.iter() {
            shared.published[shard.index].publish(shard);
        }
        let mut core = Core::new(self.places.thread_id(), Arc::clone(shared), None);
        core.is_stand_in = true;
        core.now_ms = self.now_ms;
        self.lend(&mut core);
        let outcome = self.carry_out_aside(&mut core, command, args);
        self.lend(&mut core);
        outcome
    }

    /// Gives the stand-in what is the thread's, or takes it back.
    fn lend(&mut self, core: &mut Core) {
        std::mem::swap(self.stats, &mut core.stats);
        std::mem::swap(self.places, &mut core.places);
        core.conn_count = core.places.count();
    }

    fn carry_out_aside(
        &mut self,
        core: &mut Core,
        command: &ServerCommand,
        args: Args<'_>,
    ) -> Result<(), Fault> {
        let mut conn = Conn::new(NOWHERE, self.outside.writer, Peer::default(), self.now_ms);
        conn.session.resp = self.script.reply.resp;
        conn.session.db = self.db;
        conn.session.authenticated = true;
        let reply = &mut self.script.reply;
        let outcome = (command.run)(&mut Server { core: &mut *core, conn: &mut conn, reply }, args);
        let outcome = match outcome {
            Ok(Verdict::Ask(ask, finish)) => self.ask_and_wait(core, &mut conn, ask, finish),
            outcome => outcome,
        };
        match outcome {
            Ok(Verdict::Done) => Ok(()),
            Ok(_) => Err(NOT_ALLOWED),
            Err(fault) => {
                self.script.reply.bytes.clear();
                self.script.reply.error(&fault.0);
                Ok(())
            }
        }
    }

    /// Asks all threads, the stand-in for this one, and waits for their answers.
    fn ask_and_wait(
        &mut self,
        core: &mut Core,
        conn: &mut Conn,
        ask: Ask,
        finish: Finish,
    ) -> crate::commands::Outcome {
        let shared = self.outside.shared;
        // A thread that does not turn its loop answers nothing.
        let is_asked = |thread: &usize| *thread != core.id && shared.mailboxes[*thread].waker().is_some();
        let asked: Vec<usize> = (0..shared.shard_count()).filter(is_asked).collect();
        let origin = Origin { thread: core.id, token: NOWHERE, sequence: u64::MAX };
        // One answer more than there will be, with this thread's own: nobody is the last, whose it would be to tell the asker.
        let survey = Arc::new(Survey::new(origin, None, asked.len() + 2, ask, finish));
        for thread in asked {
            shared.mailboxes[thread].deliver(Mail::Ask(Arc::clone(&survey)));
        }
        let _never_the_last = survey.ask(core);
        let since = Instant::now();
        while survey.missing() > 1
            && since.elapsed() < ANSWERS_WITHIN
            && !shared.stopping.load(Ordering::SeqCst)
        {
            crate::chaos::yield_now();
        }
        let reply = &mut self.script.reply;
        let finish = survey.take_finish().ok_or(NOT_ALLOWED)?;
        Ok(finish(&mut Server { core, conn, reply }))
    }

    /// SCRIPT HELP, FUNCTION HELP: of what is done to scripts, scripts may do no more.
    pub(super) fn call_desk(&mut self, command: &ScriptCommand, args: Args<'_>) -> Result<(), Fault> {
        let Does::Administer(act) = command.does else { return Err(NOT_ALLOWED) };
        let scripts = &self.outside.shared.scripts;
        let mut scripting = Scripting::default();
        let reply = &mut self.script.reply;
        act(&mut Desk { scripting: &mut scripting, scripts, effects: self.effects, reply }, args)
    }
}
