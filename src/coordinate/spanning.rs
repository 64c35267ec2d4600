//! The registry of those who wait on several shards: who feeds one of their keys gathers their shards first (rule R4).
//!
//! What a waiter is served with comes from one shard and may go to another (BLMOVE), or might come from several (BLPOP). A shard that
//! runs something cannot fetch another one then: were the one parked until the other comes, it would never come where a
//! unit over both is on its way. So it is settled when something *enters*: a write to a key at which a spanning waiter stands enters
//! as a gathered unit over that waiter's shards, and all that it may feed in turn. Serving is a part of that unit:
//! nobody sees the element in between, and of several waiters the first is served, wherever the others stand.
//!
//! **Neither misses the other.** A spanning waiter's command is registered before it is pushed to any queue.
//! - *A run* is pushed under the mark of the units' gate ([`super::gate`]), and the registry looked at under the same mark. Saw it
//!   nobody, then the waiter's unit is pushed after the mark has cleared: behind the run, on every shard.
//! - *What is run at once* looks at the registry after it has seen the queue empty. A waiter that stands on the shard by then came by
//!   that queue, so it is in the registry; one whose unit is still to be pushed comes later.
//! - *A unit* needs to know its shards before it is pushed. It is planned and entered under a mark of the registry's own, and
//!   whoever registers waits for those marks to clear and has them wait until its unit is entered. (The order of the two gates is always
//!   this one: the registry's around the units'.)
//!
//! **What is fed in turn.** Serving feeds no other key but the destination of a move. From one shard to another that leads only
//! by a waiter that spans both, so the shards that spanning waiters join to those of a command are all that can be needed. On a shard it
//! may lead by a move within it: so the sources of those are registered too, by all moves, before they enter: under the mark if
//! nobody spans shards at the moment, else as who spans shards does. Then who waits behind a destination finds the sources there.
//!
//! Who is no longer waiting leaves the registry some time later; until then shards are gathered that need not be. What gives a key
//! something without being a command (there is nothing of the kind) would be served as far as the shards in hand go, and
//! else the waiter's own thread tries again ([`shards::waiting::Served::Elsewhere`]).
use super::batch::{Act, Batch, Run};
use super::enter::{ShardSet, add_shard};
use super::gate::Gate;
use super::unit::{Kind, Part};
use crate::queues::Request;
use crate::route;
use crate::serve::bench::writes;
use crate::table::{Entry, Handler, table};
use crate::thread::conn::{Assembly, Conn, Hold};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::slot::{SLOT_COUNT, slot_of};
use shards::spec::Flags;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Slots of the keys that somebody waits for.
type Slots = SmallVec<[u16; 4]>;

/// How many there are, to be looked at with every write. Alone in its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    /// Waiters that span shards, or may come to.
    spanning: AtomicUsize,
    /// Changes with each waiter that is registered while others span shards, and with each that does.
    version: AtomicU64,
    /// All that are registered.
    all: AtomicUsize,
}

/// The registry of a server.
#[derive(Debug)]
pub struct Spanning {
    counts: Counts,
    gate: Gate,
    /// For each slot, how many wait for keys in it.
    slots: Box<[AtomicU32]>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By ticket.
    waiters: KeyedMap<u64, (ShardSet, Slots)>,
    /// The shards that waiters span, and how many do.
    spans: Vec<(ShardSet, usize)>,
}

impl Spanning {
    /// An empty registry for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Spanning {
        Spanning {
            counts: Counts::default(),
            gate: Gate::new(threads),
            slots: (0..SLOT_COUNT).map(|_| AtomicU32::new(0)).collect(),
            state: Mutex::new(State { waiters: keyed_map(), spans: Vec::new() }),
        }
    }

    /// Whether nobody waits on several shards.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.counts.spanning.load(Ordering::SeqCst) == 0
            || crate::chaos::breaks(crate::chaos::Break::Registry)
    }

    /// Whether somebody may wait for a key in a slot, who spans shards or leads to one who does.
    #[inline]
    fn concerns(&self, slot: u16) -> bool {
        self.slots[usize::from(slot)].load(Ordering::SeqCst) > 0
    }

    fn version(&self) -> u64 {
        self.counts.version.load(Ordering::SeqCst)
    }

    /// Plans and enters a unit: meanwhile nobody registers. `enter` must not carry anything out.
    pub(super) fn marked<T>(&self, thread: usize, enter: impl FnOnce() -> T) -> T {
        self.gate.marked(thread, enter)
    }

    /// Adds a waiter. Called with the registry's gate closed, or under its mark if nobody spans shards.
    fn add(&self, ticket: u64, shards: &ShardSet, slots: Slots) {
        for slot in &slots {
            self.slots[usize::from(*slot)].fetch_add(1, Ordering::SeqCst);
        }
        let mut state = self.lock();
        if shards.len() > 1 {
            match state.spans.iter_mut().find(|(span, _)| span == shards) {
                Some((_, count)) => *count += 1,
                None => state.spans.push((shards.clone(), 1)),
            }
        }
        state.waiters.insert(ticket, (shards.clone(), slots));
        drop(state);
        self.counts.all.fetch_add(1, Ordering::SeqCst);
        if shards.len() > 1 || !self.is_idle() {
            self.counts.version.fetch_add(1, Ordering::SeqCst);
        }
        self.counts.spanning.fetch_add(usize::from(shards.len() > 1), Ordering::SeqCst);
    }

    /// Who waited under this ticket does so no longer; it need not have been registered.
    pub fn remove(&self, ticket: u64) {
        if self.counts.all.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut state = self.lock();
        let Some((shards, slots)) = state.waiters.remove(&ticket) else { return };
        if let Some(at) = state.spans.iter().position(|(span, _)| *span == shards) {
            state.spans[at].1 -= 1;
            if state.spans[at].1 == 0 {
                state.spans.swap_remove(at);
            }
        }
        drop(state);
        for slot in slots {
            self.slots[usize::from(slot)].fetch_sub(1, Ordering::SeqCst);
        }
        self.counts.all.fetch_sub(1, Ordering::SeqCst);
        self.counts.spanning.fetch_sub(usize::from(shards.len() > 1), Ordering::SeqCst);
    }

    /// The shards that spanning waiters join to these, these among them.
    fn joined(&self, shards: &[usize]) -> ShardSet {
        let mut joined = ShardSet::from_slice(shards);
        let state = self.lock();
        let mut spans: Vec<&ShardSet> = state.spans.iter().map(|(span, _)| span).collect();
        let mut before = 0;
        while joined.len() > before {
            before = joined.len();
            spans.retain(|span| {
                let touches = span.iter().any(|shard| joined.contains(shard));
                if touches {
                    span.iter().for_each(|shard| add_shard(&mut joined, *shard));
                }
                !touches
            });
        }
        joined
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a command that waits gives what it gets to another key.
fn moves(entry: &Entry) -> bool {
    matches!(entry.spec.name, "blmove" | "brpoplpush")
}

impl Core {
    /// Whether a command may feed a key at which somebody waits who spans shards. `slot` is that of its only key, if it is known.
    #[inline]
    pub(crate) fn may_feed(&mut self, entry: &Entry, args: Args<'_>, slot: Option<u16>) -> bool {
        !self.shared.spanning.is_idle() && writes(entry) && self.may_feed_some(entry, args, slot)
    }

    #[cold]
    fn may_feed_some(&mut self, entry: &Entry, args: Args<'_>, slot: Option<u16>) -> bool {
        let spanning = &self.shared.spanning;
        if let Some(slot) = slot {
            return spanning.concerns(slot);
        }
        // Others that wait only take.
        if entry.spec.flags.has(Flags::BLOCKING) && !moves(entry) {
            return false;
        }
        if let Handler::Script(command) = entry.handler {
            let keys = self.scripting.keys_of(&self.shared.scripts, command, args);
            return keys.is_none_or(|keys| keys.iter().any(|key| spanning.concerns(slot_of(key))));
        }
        // What has no keys concerns all of them: FLUSHALL, SWAPDB.
        entry.spec.keys.is_empty()
            || route::keys_of(entry.spec, args).iter().any(|(at, _)| spanning.concerns(slot_of(args[*at])))
    }

    /// Whether a command of a batch may.
    pub(crate) fn batch_may_feed(&mut self, batch: &Batch) -> bool {
        !self.shared.spanning.is_idle()
            && batch.commands.iter().any(|command| {
                let slot = command.place().map(|(slot, _)| slot);
                self.may_feed(table().entry(command.id), &batch.args(*command), slot)
            })
    }

    /// The shards for a unit that may feed somebody who spans shards.
    pub(crate) fn joined(&self, shards: &[usize]) -> ShardSet {
        self.shared.spanning.joined(shards)
    }

    /// Enters what was meant for one shard as a unit over all that those who are fed by it need.
    pub(crate) fn enter_joined(&mut self, conn: &mut Conn, shard: usize, part: Part, assembly: Assembly) {
        self.close_run(conn);
        let shared = Arc::clone(&self.shared);
        shared.spanning.marked(self.id, || {
            let shards = self.joined(&[shard]);
            self.enter_unit(conn, Kind::Gathered, &shards, vec![part], assembly);
        });
    }

    /// Pushes a run to its shard, unless it may feed somebody who spans shards: then it is entered as a unit.
    pub(crate) fn push_or_join(&mut self, conn: &Conn, shard: usize, run: Box<Run>) {
        let shared = Arc::clone(&self.shared);
        let mut run = Some(run);
        loop {
            let version = shared.spanning.version();
            if run.as_ref().is_some_and(|run| self.batch_may_feed(&run.batch)) {
                break;
            }
            let queue = &shared.queues[shard];
            shared.gate.marked(self.id, || {
                // What was looked at is still so.
                if (shared.spanning.is_idle() || shared.spanning.version() == version)
                    && let Some(run) = run.take()
                {
                    queue.push(Request::Run(run));
                }
            });
            if run.is_none() {
                self.stats.hops += 1;
                return self.nudge(shard);
            }
        }
        if let Some(mut run) = run {
            let (batch, act) = (std::mem::take(&mut run.batch), std::mem::take(&mut run.act));
            let part = Part { batch, act, ..Part::default() };
            shared.spanning.marked(self.id, || {
                let shards = self.joined(&[shard]);
                self.push_unit(run.origin, Kind::Gathered, &shards, vec![part], conn.needs.clone());
            });
        }
    }

    /// Enters a command that may wait for keys. Nothing of the connection is entered behind it before it is answered.
    pub(crate) fn enter_waiting(&mut self, conn: &mut Conn, entry: &'static Entry, args: Args<'_>) {
        let shards = self.shards_of(entry, conn.session.db, args);
        let ticket = self.new_ticket();
        let mut part = self.part_with(conn, entry.id, args);
        part.act = Act::Wait(ticket);
        let [only] = shards[..] else {
            return self.enter_registered(conn, entry, args, (ticket, &shards), part);
        };
        let is_moving = moves(entry) && self.shared.shard_count() > 1;
        if is_moving && !self.register_local(entry, args, ticket, &shards) {
            return self.enter_registered(conn, entry, args, (ticket, &shards), part);
        }
        let run = self.run_of(conn, part);
        if !self.may_run_here(conn, only) || self.may_feed(entry, args, None) {
            self.send_act(conn, only, Assembly::Plain, run);
            conn.hold = Some(Hold::MayWait);
            return;
        }
        self.catch_up(conn);
        if let Some(waiter) = self.run_act_here(conn, only, &Assembly::Plain, run) {
            let sequence = conn.expect(Assembly::Plain, 1, 0);
            self.wait_for_keys(conn, sequence, entry.id, waiter);
        } else if is_moving {
            self.shared.spanning.remove(ticket);
        }
    }

    /// What might have waited came back; it is registered no longer if it does not wait.
    pub(crate) fn end_registration(&self, act: &Act, waits: bool) {
        if let Act::Wait(ticket) = act
            && !waits
        {
            self.shared.spanning.remove(*ticket);
        }
    }

    /// Registers a move within a shard, if nobody spans shards.
    fn register_local(&self, entry: &Entry, args: Args<'_>, ticket: u64, shards: &ShardSet) -> bool {
        let spanning = &self.shared.spanning;
        spanning.marked(self.id, || {
            let is_idle = spanning.is_idle();
            if is_idle {
                spanning.add(ticket, shards, awaited_slots(entry, args));
            }
            is_idle
        })
    }

    /// Registers a command that may wait, and enters it.
    fn enter_registered(
        &mut self,
        conn: &mut Conn,
        entry: &Entry,
        args: Args<'_>,
        (ticket, shards): (u64, &ShardSet),
        part: Part,
    ) {
        self.close_run(conn);
        conn.hold = Some(Hold::MayWait);
        let shared = Arc::clone(&self.shared);
        shared.spanning.gate.exclusive(|| {
            let may_feed = self.may_feed(entry, args, None);
            shared.spanning.add(ticket, shards, awaited_slots(entry, args));
            let shards = if may_feed { self.joined(shards) } else { shards.clone() };
            self.enter_unit(conn, Kind::Gathered, &shards, vec![part], Assembly::Plain);
        });
    }
}

/// The slots of the keys that a command waits for: of a move, not that of its destination.
fn awaited_slots(entry: &Entry, args: Args<'_>) -> Slots {
    let keys = route::keys_of(entry.spec, args);
    let count = if moves(entry) { 1 } else { keys.len() };
    keys.iter().take(count).map(|(at, _)| slot_of(args[*at])).collect()
}
