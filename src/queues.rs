//! What threads hand to each other: a request queue and a door for each shard, a mailbox for each thread.
//!
//! ```text
//!   any thread ──Request──→ queue of shard k ──→ whoever holds shard k          order of the queue = order of effects
//!   any thread ──Mail─────→ mailbox of thread t ──→ thread t                    replies, new clients, questions
//!   sleeper ──strand──→ door of shard k ──→ its owner when it wakes, or a thread that needs it sooner
//! ```
//!
//! **The door.** A thread that goes to sleep leaves its strand (its shard and what travels with it) at the door, so that
//! others need not wake it for 0.2 µs of work. Nobody is ever forgotten, by one rule on each side, each a store followed by
//! a load of what the other side stored (all sequentially consistent):
//! - *the sleeper* puts the strand, says that it is asleep, and then looks at queue, mailbox and door again;
//! - *who makes work* (pushes a request; enters a unit everywhere) looks, after that, whether the owner is asleep, and if so
//!   tries to take the strand and serve; *who puts a strand back*, or sends it home from a gathered unit, looks, after that,
//!   whether the owner is asleep and there is work at the door, and if so tries too.
//!
//! If the push comes before the sleeper's second look, the sleeper sees it; if after, the pusher sees the sleeper asleep and
//! takes the strand, or finds it taken by one who will look again after putting it back.
//!
//! **Work at the door** is a strand *there* with something that may run on it *now* ([`Queue::has_work_at_door`]). A queue that is
//! not empty keeps nobody awake by itself, nor does a part whose unit is not entered everywhere yet:
//! - *the strand is elsewhere*, in another's hand or deposited in a gathered unit: nothing can be done before it comes back, and who
//!   brings it looks again (above);
//! - *the part next in turn is not entered yet*: nothing may overtake it, and who enters it looks at all its doors afterwards. (It
//!   sets the flag and then looks for the strand; who puts the strand puts it and then looks at the flag.)
//!
//! It is not only for an idle machine's sake. Where there are more threads than cores, those that look in circles take the core from the very
//! threads that must still bring their shards: eight threads on two cores, 5 % of the commands gathered, got 8 % of the
//! throughput that they get asleep.
use crate::coordinate::batch::Run;
use crate::coordinate::survey::Survey;
use crate::coordinate::unasked::Errand;
use crate::coordinate::unit::Unit;
use crate::net::{Token, Waker};
use crate::slowlog::Noticed;
use crossbeam_channel::{Receiver, Sender, unbounded};
use shards::shard::Shard;
use shards::waiting::Served;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A shard with what travels with it, from hand to hand.
#[derive(Debug)]
pub struct Strand {
    /// The shard.
    pub shard: Box<Shard>,
    /// The part of a unit that was taken from the queue before the unit was entered everywhere: next in turn.
    pub stalled: Option<Request>,
}

impl Strand {
    /// The unit whose part is next in turn.
    fn stalled_unit(&self) -> Option<Arc<Unit>> {
        match &self.stalled {
            Some(Request::Part(unit, _)) => Some(Arc::clone(unit)),
            _ => None,
        }
    }
}

/// What stands in a shard's request queue.
#[derive(Debug)]
pub enum Request {
    /// Commands of one connection.
    Run(Box<Run>),
    /// A unit reaches this shard, as its participant number so much.
    Part(Arc<Unit>, usize),
}

/// The request queue of a shard and its door.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Request>,
    receiver: Receiver<Request>,
    door: Mutex<Option<Strand>>,
    at_door: AtomicBool,
}

impl Queue {
    fn new() -> Queue {
        let (sender, receiver) = unbounded();
        Queue { sender, receiver, door: Mutex::new(None), at_door: AtomicBool::new(false) }
    }
    /// Enters a request.
    pub fn push(&self, request: Request) {
        crate::chaos::point();
        self.sender.send(request).expect("the queue keeps a receiver itself");
        crate::chaos::point();
    }
    /// The next request. Only for the holder of the strand.
    pub fn pop(&self) -> Option<Request> {
        crate::chaos::point();
        self.receiver.try_recv().ok()
    }
    /// Whether no request waits (a stalled one aside).
    #[inline]
    pub fn is_empty(&self) -> bool {
        crate::chaos::point();
        self.receiver.is_empty()
    }
    /// How many requests wait.
    pub fn len(&self) -> usize {
        self.receiver.len()
    }
    /// Leaves the strand at the door.
    pub fn put(&self, strand: Strand) {
        crate::chaos::point();
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(door.is_none(), "there is one strand of a shard");
        *door = Some(strand);
        self.at_door.store(true, Ordering::SeqCst);
        drop(door);
        crate::chaos::point();
    }
    /// Whether the strand is at the door, and there is something to do on it: the part that waited may run by now, or, where
    /// none waits, a request is queued.
    pub fn has_work_at_door(&self) -> bool {
        if !self.at_door.load(Ordering::SeqCst) {
            return false;
        }
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(strand) = door.as_ref() else { return false };
        let stalled = strand.stalled_unit();
        // What follows may deschedule this thread: not with the door locked.
        drop(door);
        stalled.map_or_else(|| !self.is_empty(), |unit| unit.is_entered())
    }
    /// Takes the strand, if it is at the door.
    pub fn take(&self) -> Option<Strand> {
        if !self.at_door.load(Ordering::SeqCst) {
            return None;
        }
        crate::chaos::point();
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        self.at_door.store(false, Ordering::SeqCst);
        door.take()
    }
}

/// What comes to a thread.
#[derive(Debug)]
pub enum Mail {
    /// A run of this thread's connection was executed.
    Ran(Box<Run>),
    /// A unit of this thread's connection was executed.
    Done(Arc<Unit>),
    /// A new client.
    Client(OwnedFd, crate::thread::conn::Peer),
    /// Other sockets to accept from, in place of those over TCP.
    Listen(Vec<OwnedFd>),
    /// A question to every thread.
    Ask(Arc<Survey>),
    /// Every thread has answered this thread's question.
    Answered(Arc<Survey>),
    /// Somebody tried to serve a connection that waits for keys, by its ticket.
    Served(u64, Served),
    /// Commands of this thread's connection took long.
    Noticed(Token, Vec<Noticed>),
    /// Something is to be done over all shards in one hand.
    Errand(Arc<dyn Errand>),
    /// The server is to stop.
    Stop,
}

/// The mailbox of a thread.
#[derive(Debug)]
pub struct Mailbox {
    sender: Sender<Mail>,
    receiver: Receiver<Mail>,
    asleep: AtomicBool,
    waker: OnceLock<Waker>,
}

impl Mailbox {
    fn new() -> Mailbox {
        let (sender, receiver) = unbounded();
        Mailbox { sender, receiver, asleep: AtomicBool::new(false), waker: OnceLock::new() }
    }
    /// Sends mail. Wake the thread afterwards if it sleeps ([`Mailbox::is_asleep`]), once a turn.
    pub fn send(&self, mail: Mail) {
        crate::chaos::point();
        self.sender.send(mail).expect("the mailbox keeps a receiver itself");
        crate::chaos::point();
    }
    /// Sends mail and wakes the thread, from outside of the shard threads.
    pub fn deliver(&self, mail: Mail) {
        self.send(mail);
        if let Some(waker) = self.waker.get() {
            waker.wake();
        }
    }
    /// The next mail. Only for its thread.
    pub fn receive(&self) -> Option<Mail> {
        crate::chaos::point();
        self.receiver.try_recv().ok()
    }
    /// Whether there is no mail.
    pub fn is_empty(&self) -> bool {
        crate::chaos::point();
        self.receiver.is_empty()
    }
    /// Says whether the thread sleeps; what it loads afterwards is younger than that.
    pub fn set_asleep(&self, asleep: bool) {
        crate::chaos::point();
        self.asleep.store(asleep, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        crate::chaos::point();
    }
    /// Whether the thread sleeps, or is about to: seen from after everything that this thread has stored so far.
    #[inline]
    pub fn is_asleep(&self) -> bool {
        crate::chaos::point();
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::SeqCst)
    }
    /// How the thread is woken. Set once, by the thread itself.
    pub fn set_waker(&self, waker: Waker) {
        self.waker.set(waker).expect("a thread sets its waker once");
    }
    /// How the thread is woken, once it runs.
    pub fn waker(&self) -> Option<&Waker> {
        self.waker.get()
    }
}

/// One queue for each shard.
#[must_use]
pub fn queues(count: usize) -> Box<[Queue]> {
    (0..count).map(|_| Queue::new()).collect()
}

/// One mailbox for each thread.
#[must_use]
pub fn mailboxes(count: usize) -> Box<[Mailbox]> {
    (0..count).map(|_| Mailbox::new()).collect()
}
