//! Connections that wait: for a time (WAIT), or for keys (BLPOP …).
//!
//! A connection that waits has a ticket. Whoever serves it mails the reply to the ticket; its time may be over first, or
//! somebody ends its waiting (CLIENT UNBLOCK), or it goes. For keys that is settled at the [`Waiter`], which is either served or
//! given up: see [`shards::waiting`].
use super::conn::{Assembly, Conn, Hold};
use super::core::Core;
use crate::coordinate::unit::Part;
use crate::net::Token;
use crate::persist::needs::Needs;
use crate::queues::Request;
use crate::table::CommandId;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::reply::Reply;
use shards::slot::{shard_of_slot, slot_of};
use shards::waiting::{Looks, Served, Waiter};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A connection that waits.
#[derive(Debug)]
struct Ticket {
    token: Token,
    /// Its place in the order of replies.
    sequence: u64,
    /// Ms since 1970; none waits for ever.
    until_ms: Option<i64>,
    /// When it is looked again whether what it waits for has come by itself, ms since 1970.
    again_ms: Option<i64>,
    /// What it is told when its time is over.
    in_vain: Vec<u8>,
    /// It waits for keys.
    waiter: Option<(CommandId, Arc<Waiter>)>,
}

/// The tickets of a thread.
#[derive(Debug)]
pub(crate) struct Waits {
    issued: u64,
    tickets: KeyedMap<u64, Ticket>,
    /// Those with a time, by time.
    due: BTreeSet<(i64, u64)>,
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { issued: 0, tickets: keyed_map(), due: BTreeSet::new() }
    }
}

/// Tickets of different threads are different: the thread stands above this bit.
const THREAD_SHIFT: u32 = 48;

/// The thread of a ticket.
#[must_use]
pub(crate) fn thread_of(ticket: u64) -> usize {
    (ticket >> THREAD_SHIFT) as usize
}

impl Core {
    /// A number for a command that may wait.
    pub(crate) fn new_ticket(&mut self) -> u64 {
        self.waits.issued += 1;
        (self.id as u64) << THREAD_SHIFT | self.waits.issued
    }

    /// Answers a connection when its time has come; at once if it has.
    pub(crate) fn wait(&mut self, conn: &mut Conn, until_ms: i64, reply: Vec<u8>) {
        let sequence = conn.expect(Assembly::Plain, 1, 0);
        if until_ms <= self.now_ms {
            return conn.answered(sequence, reply, &mut self.pool);
        }
        let ticket = self.new_ticket();
        let until_ms = Some(until_ms);
        self.keep_waiting(
            conn,
            ticket,
            Ticket { token: conn.token, sequence, until_ms, again_ms: None, in_vain: reply, waiter: None },
        );
    }

    /// A command of the connection waits for keys: the reply at `sequence` comes when it is served.
    pub(crate) fn wait_for_keys(
        &mut self,
        conn: &mut Conn,
        sequence: u64,
        id: CommandId,
        waiter: Arc<Waiter>,
    ) {
        let mut nothing = Reply::new(waiter.resp);
        nothing.null_array();
        let (ticket, until_ms) = (waiter.ticket, waiter.wait.until_ms);
        let again_ms = waiter.wait.looks.map(|looks| looks.next_ms(self.now_ms));
        let (in_vain, waiter) = (nothing.bytes, Some((id, waiter)));
        let token = conn.token;
        self.keep_waiting(conn, ticket, Ticket { token, sequence, until_ms, again_ms, in_vain, waiter });
    }

    fn keep_waiting(&mut self, conn: &mut Conn, number: u64, ticket: Ticket) {
        conn.hold = Some(Hold::Wait);
        conn.ticket = Some(number);
        // Nobody is there to be answered.
        conn.dead |= conn.ended;
        self.waits
            .due
            .extend([ticket.until_ms, ticket.again_ms].into_iter().flatten().map(|at| (at, number)));
        self.waits.tickets.insert(number, ticket);
    }

    /// Answers those whose time has come, and looks for those who wait for what comes by itself.
    pub fn end_waits(&mut self) {
        while let Some(&(at, number)) = self.waits.due.first()
            && at <= self.now_ms
        {
            self.waits.due.pop_first();
            match self.waits.tickets.get(&number) {
                Some(ticket) if ticket.until_ms.is_none_or(|until_ms| until_ms > at) => {
                    self.look_again(number)
                }
                _ => self.end_wait(number, None),
            }
        }
    }

    /// Looks whether what a connection waits for has come by itself, and says when to look next.
    fn look_again(&mut self, number: u64) {
        let Some(ticket) = self.waits.tickets.get_mut(&number) else { return };
        let looks: Option<Looks> = ticket.waiter.as_ref().and_then(|(_, waiter)| waiter.wait.looks);
        ticket.again_ms = looks.map(|looks| looks.next_ms(self.now_ms));
        self.waits.due.extend(ticket.again_ms.map(|at| (at, number)));
        self.try_again(number);
    }

    /// Ends the waiting of a connection: it is told `why`, or what it is told when its time is over.
    pub(crate) fn end_wait(&mut self, number: u64, why: Option<&[u8]>) {
        let Some(ticket) = self.waits.tickets.get_mut(&number) else { return };
        if let Some(why) = why {
            ticket.in_vain = why.to_vec();
        }
        // Somebody may be serving it: then he says how that ended.
        if ticket.waiter.as_ref().is_none_or(|(_, waiter)| waiter.give_up()) {
            self.settle_ticket(number, None);
        }
    }

    /// Somebody tried to serve a connection that waited for keys.
    pub(crate) fn served(&mut self, number: u64, served: Served) {
        match served {
            Served::Reply(reply) => self.settle_ticket(number, Some(reply.bytes)),
            Served::GivenUp => self.settle_ticket(number, None),
            Served::Elsewhere => self.try_again(number),
        }
    }

    /// The waiting of a ticket is over: with this reply, or in vain.
    fn settle_ticket(&mut self, number: u64, reply: Option<Vec<u8>>) {
        let Some(ticket) = self.waits.tickets.remove(&number) else { return };
        for at in [ticket.until_ms, ticket.again_ms].into_iter().flatten() {
            self.waits.due.remove(&(at, number));
        }
        let is_served = reply.is_some();
        if let Some((_, waiter)) = &ticket.waiter {
            self.leave_queues(waiter, is_served);
            self.shared.spanning.remove(number);
        }
        if let Some(mut conn) = self.check_out(ticket.token) {
            conn.hold = None;
            conn.ticket = None;
            self.raise_for_push(&mut conn);
            conn.answered(ticket.sequence, reply.unwrap_or(ticket.in_vain), &mut self.pool);
            self.feed_input(&mut conn);
            self.check_in(conn);
        }
    }

    /// A connection that waits goes.
    pub(crate) fn forget_wait(&mut self, number: u64) {
        let Some(ticket) = self.waits.tickets.get(&number) else { return };
        if ticket.waiter.as_ref().is_none_or(|(_, waiter)| waiter.give_up()) {
            self.settle_ticket(number, None);
        }
    }

    /// A command waits whose connection is gone: it does not.
    pub(crate) fn abandon(&mut self, waiter: &Arc<Waiter>) {
        let _somebody_serves_it = waiter.give_up();
        self.leave_queues(waiter, false);
        self.shared.spanning.remove(waiter.ticket);
    }

    /// Takes a waiter that is done out of the queues of its keys, unless who served it had all of them in hand and has done so.
    fn leave_queues(&mut self, waiter: &Arc<Waiter>, is_served: bool) {
        if is_served && waiter.has_left() {
            return;
        }
        for shard in self.shards_of_waiter(waiter) {
            let mut run = self.new_run(crate::coordinate::batch::Origin {
                thread: self.id,
                token: Token { index: u32::MAX, generation: 0 },
                sequence: u64::MAX,
            });
            run.act = crate::coordinate::batch::Act::Leave(Arc::clone(waiter));
            run.entered_ms = self.now_ms;
            self.shared.queues[shard].push(Request::Run(run));
            self.nudge(shard);
        }
    }

    /// The shards of all that a waiter waits for, and of where it goes.
    fn shards_of_waiter(&self, waiter: &Waiter) -> crate::coordinate::enter::ShardSet {
        let mut set = crate::coordinate::enter::ShardSet::new();
        for key in waiter.wait.keys.iter().chain(&waiter.wait.destination) {
            crate::coordinate::enter::add_shard(
                &mut set,
                shard_of_slot(slot_of(key), self.shared.shard_count()),
            );
        }
        set
    }

    /// What a connection waited for came, and another shard is needed to take it, or it may have come by itself: its command
    /// is entered again.
    fn try_again(&mut self, number: u64) {
        let Some(Ticket { token, waiter: Some((id, waiter)), .. }) = self.waits.tickets.get(&number) else {
            return;
        };
        let (token, id, waiter) = (*token, *id, Arc::clone(waiter));
        let shards = self.shards_of_waiter(&waiter);
        let mut part = Part::default();
        part.batch.resp = waiter.resp;
        part.batch.push(id, waiter.db, waiter.args.iter().map(|arg| &**arg), None);
        part.act = crate::coordinate::batch::Act::Retry(waiter);
        let origin = crate::coordinate::batch::Origin { thread: self.id, token, sequence: u64::MAX };
        self.push_unit(
            origin,
            crate::coordinate::unit::Kind::Gathered,
            &shards,
            vec![part],
            Needs::default(),
        );
    }

    /// Ends the waiting of the connection with this id; whether it waited, and was not served at this moment.
    pub(crate) fn unblock(&mut self, client_id: u64, why: Option<&[u8]>) -> bool {
        let ticket = self.conns().find(|conn| conn.id == client_id).and_then(|conn| conn.ticket);
        let Some(number) = ticket else { return false };
        let ticket = self.waits.tickets.get(&number);
        let waiter = ticket.and_then(|ticket| ticket.waiter.as_ref().map(|(_, waiter)| Arc::clone(waiter)));
        self.end_wait(number, why);
        let pass_time = || {
            crate::chaos::point();
            std::thread::yield_now();
        };
        waiter.is_none_or(|waiter| !waiter.was_served(pass_time))
    }

    /// How long until somebody's time comes, in ms, if somebody waits.
    #[must_use]
    pub fn wait_due_in_ms(&self) -> Option<i64> {
        self.waits.due.first().map(|(at, _)| (at - self.now_ms).max(0))
    }
}
