//! Clients that wait for keys (BLPOP, BZPOPMIN, XREAD BLOCK …): who waits for what, and how they are served.
//!
//! A command that finds nothing and may wait says so ([`crate::call::Keys::wait_for`]); its host then leaves a [`Waiter`] in the
//! queues of all its keys. A key that gets something is noted as ready ([`crate::effects::Effects`]); when the command, transaction or
//! script that fed it is over, [`InHand::serve`] runs the waiters' commands, in the order in which they came, as if they came now.
//!
//! A waiter whose keys are on several shards stands on each of them. Who feeds it has all of them in hand, if the host sees to that; its
//! time may be over meanwhile, or its client gone, so whoever wants to serve it claims it first ([`Waiter::claim`]). Nothing else is
//! shared between shards.
use crate::call::{Call, Keys};
use crate::commands::{Command, execute};
use crate::effects::Effects;
use crate::keyspace::hash::{KeyedMap, keyed_map};
use crate::keyspace::{EntryRef, Hashed};
use crate::reply::{Reply, Resp};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::tail::Point;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// For what a command waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Awaits {
    /// A list at one of its keys.
    List,
    /// A sorted set.
    Zset,
    /// A stream with something new.
    Stream,
    /// The same for a consumer group: it also wants to know that stream or group are gone.
    Group,
}

impl Awaits {
    fn is_met_by(self, entry: Option<EntryRef<'_>>) -> bool {
        let name = entry.map(EntryRef::type_name);
        match self {
            Awaits::List => name == Some("list"),
            Awaits::Zset => name == Some("zset"),
            Awaits::Stream => name == Some("stream"),
            Awaits::Group => true,
        }
    }
}

/// A command's wish to wait.
#[derive(Clone, Debug)]
pub struct Wait {
    /// For what.
    pub awaits: Awaits,
    /// The keys at which it may come.
    pub keys: Vec<Box<[u8]>>,
    /// A key that must be in hand besides when it comes (the destination of a move).
    pub destination: Option<Box<[u8]>>,
    /// Until when, ms since 1970; none for ever.
    pub until_ms: Option<i64>,
    /// The command to run then, where it is another than came (XREAD's `$` has become an id).
    pub args: Option<Vec<Box<[u8]>>>,
    /// It may come by itself, without anybody's doing.
    pub looks: Option<Looks>,
}

/// When to look whether something has come by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// What is known now comes then, ms since 1970.
    pub first_ms: i64,
    /// What is not known yet is looked for so often, in ms.
    pub every_ms: i64,
}

impl Looks {
    /// When the next look is, ms since 1970.
    #[must_use]
    pub fn next_ms(self, now_ms: i64) -> i64 {
        let next_ms = now_ms.saturating_add(self.every_ms.max(1));
        if self.first_ms > now_ms { next_ms.min(self.first_ms) } else { next_ms }
    }
}

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const SERVED: u8 = 2;
/// Its host ended its waiting.
const ENDED: u8 = 3;
/// Its host wanted to, while somebody tried to serve it.
const GIVEN_UP: u8 = 4;

/// A client's command that waits.
#[derive(Debug)]
pub struct Waiter {
    /// By which its host knows it.
    pub ticket: u64,
    /// The command.
    pub command: &'static Command,
    /// Its arguments.
    pub args: Vec<Box<[u8]>>,
    /// The selected database.
    pub db: u16,
    /// The protocol version of its reply.
    pub resp: Resp,
    /// For what it waits.
    pub wait: Wait,
    /// What its client wrote before on other shards and was not committed: in the journals what it does comes after that.
    pub after: Box<[Point]>,
    state: AtomicU8,
    left: AtomicBool,
}

impl Waiter {
    /// A command that begins to wait.
    #[must_use]
    pub fn new(
        ticket: u64,
        command: &'static Command,
        args: &[&[u8]],
        db: u16,
        resp: Resp,
        mut wait: Wait,
    ) -> Waiter {
        let as_it_came = || args.iter().map(|arg| (*arg).into()).collect();
        let args = wait.args.take().unwrap_or_else(as_it_came);
        Waiter {
            ticket,
            command,
            args,
            db,
            resp,
            wait,
            after: Box::default(),
            state: AtomicU8::new(WAITING),
            left: AtomicBool::new(false),
        }
    }
    /// Takes the right to serve it; whether nobody else has it, and it still waits.
    #[must_use]
    pub fn claim(&self) -> bool {
        self.turn(WAITING, CLAIMED)
    }
    /// It could not be served after all and waits on; or, if it was given up meanwhile, does not: whether it waits.
    #[must_use]
    fn unclaim(&self) -> bool {
        self.turn(CLAIMED, WAITING) || {
            self.state.store(ENDED, Ordering::SeqCst);
            false
        }
    }
    /// It waits no longer (its time is over, its client gone). Whether that is so now: else somebody is serving it and will say
    /// how that ended.
    #[must_use]
    pub fn give_up(&self) -> bool {
        if self.turn(WAITING, ENDED) {
            return true;
        }
        let _is_tried = self.turn(CLAIMED, GIVEN_UP);
        false
    }
    /// Whether it waits no longer.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state.load(Ordering::SeqCst), SERVED | ENDED | GIVEN_UP)
    }
    /// Whether it was served rather than given up. As long as somebody tries to, which takes no longer than its command, `pass_time` is called.
    #[must_use]
    pub fn was_served(&self, mut pass_time: impl FnMut()) -> bool {
        loop {
            match self.state.load(Ordering::SeqCst) {
                CLAIMED | GIVEN_UP => pass_time(),
                state => return state == SERVED,
            }
        }
    }
    /// Whether it is in no queue any more, as far as whoever served it could see to that.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }
    fn turn(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Those who wait for keys of one database on one shard, each key's in the order in which they came.
#[derive(Debug)]
pub struct Waiters(KeyedMap<Box<[u8]>, VecDeque<Arc<Waiter>>>);

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters(keyed_map())
    }
}

impl Waiters {
    /// Whether nobody waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Whether somebody waits for a key.
    #[must_use]
    pub fn has(&self, key: &[u8]) -> bool {
        self.0.contains_key(key)
    }
    /// The keys that somebody waits for.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.0.keys().map(|key| &**key)
    }
    /// How many wait for each key.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    fn add(&mut self, key: &[u8], waiter: &Arc<Waiter>) {
        let queue = self.0.entry(key.into()).or_default();
        if !queue.iter().any(|other| Arc::ptr_eq(other, waiter)) {
            queue.push_back(Arc::clone(waiter));
        }
    }
    /// Takes a waiter out of a key's queue.
    pub fn remove(&mut self, key: &[u8], ticket: u64) {
        if let Some(queue) = self.0.get_mut(key) {
            queue.retain(|waiter| waiter.ticket != ticket);
            if queue.is_empty() {
                self.0.remove(key);
            }
        }
    }
}

/// How serving ended for a waiter.
#[derive(Debug)]
pub enum Served {
    /// With this reply.
    Reply(Reply),
    /// It was given up meanwhile, and nothing was done.
    GivenUp,
    /// It can be served, but another shard is needed for that: its host is to enter its command again.
    Elsewhere,
}

/// Leaves a waiter at all its keys that are in hand.
pub fn stand(keys: &mut Keys<'_>, waiter: &Arc<Waiter>) {
    for key in &waiter.wait.keys {
        let hashed = Hashed::new(key);
        if keys.is_in_hand(hashed.slot) {
            keys.shard(hashed.slot).dbs[usize::from(waiter.db)].waiters.add(key, waiter);
        }
    }
}

/// Takes a waiter away from all its keys that are in hand.
pub fn leave(keys: &mut Keys<'_>, waiter: &Waiter) {
    let mut has_left = true;
    for key in &waiter.wait.keys {
        let hashed = Hashed::new(key);
        if keys.is_in_hand(hashed.slot) {
            keys.shard(hashed.slot).dbs[usize::from(waiter.db)].waiters.remove(key, waiter.ticket);
        } else {
            has_left = false;
        }
    }
    if has_left {
        waiter.left.store(true, Ordering::SeqCst);
    }
}

/// What serving needs: the shards in hand and what commands run with.
#[derive(Debug)]
pub struct InHand<'a> {
    /// The shards.
    pub shards: &'a mut [Box<Shard>],
    /// The directives.
    pub settings: &'a Settings,
    /// The time of the unit, ms since 1970.
    pub now_ms: i64,
    /// Where the effects go.
    pub effects: &'a mut Effects,
}

impl InHand<'_> {
    fn call<T>(&mut self, db: u16, reply: &mut Reply, act: impl FnOnce(&mut Call<'_>) -> T) -> T {
        act(&mut Call::new(self.shards, self.settings, db, self.now_ms, reply, self.effects))
    }

    /// Serves those who wait for the keys that became ready, and for what serving them makes ready. `told` learns of each whose
    /// waiting ended, or can here not end, in order.
    pub fn serve(&mut self, mut told: impl FnMut(&Arc<Waiter>, Served)) {
        // Serving appends to the list: a move feeds its destination.
        while let Some((db, key)) = self.effects.ready.pop_front() {
            for waiter in self.waiting_for(db, &key) {
                let Some(served) = self.serve_one(&waiter, &key) else { continue };
                let is_elsewhere = matches!(served, Served::Elsewhere);
                if !is_elsewhere {
                    self.call(db, &mut Reply::default(), |cx| leave(cx, &waiter));
                }
                told(&waiter, served);
                if is_elsewhere {
                    // Those behind it come when it has had its turn: it makes the key ready again.
                    break;
                }
            }
        }
    }

    fn waiting_for(&mut self, db: u16, key: &[u8]) -> Vec<Arc<Waiter>> {
        let slot = crate::slot::slot_of(key);
        self.call(db, &mut Reply::default(), |cx| {
            let waiters = &cx.shard(slot).dbs[usize::from(db)].waiters;
            waiters.0.get(key).map(|queue| queue.iter().cloned().collect()).unwrap_or_default()
        })
    }

    /// Runs the command of a waiter, if it waits for what the key holds and nobody else serves it. Nothing if it waits on.
    fn serve_one(&mut self, waiter: &Arc<Waiter>, key: &[u8]) -> Option<Served> {
        let args: Vec<&[u8]> = waiter.args.iter().map(|arg| &**arg).collect();
        let mut reply = Reply::new(waiter.resp);
        self.call(waiter.db, &mut reply, |cx| {
            let key = cx.key(key);
            if waiter.is_done() || !waiter.wait.awaits.is_met_by(cx.lookup(key)) {
                return None;
            }
            let destination = waiter.wait.destination.as_deref().map(crate::slot::slot_of);
            if destination.is_some_and(|slot| !cx.is_in_hand(slot)) {
                return Some(Served::Elsewhere);
            }
            if !waiter.claim() {
                return None;
            }
            cx.effects.may_wait = true;
            execute(cx, waiter.command, &args);
            cx.effects.may_wait = false;
            if cx.effects.wait.take().is_some() {
                return (!waiter.unclaim()).then_some(Served::GivenUp);
            }
            waiter.state.store(SERVED, Ordering::SeqCst);
            Some(Served::Reply(Reply::default()))
        })
        .map(|served| if matches!(served, Served::Reply(_)) { Served::Reply(reply) } else { served })
    }
}
