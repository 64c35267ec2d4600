//! Sheaves: what a pipeline has for several shards, entered as one.
//!
//! Where there are journals, what a connection writes on one shard must not count after a crash if what it wrote before on another does not.
//! Each command could wait until those before it have run, and name their frames: a hop for every change of shard, which on
//! many shards is every command. Instead the commands that a client sent in one go are bound: they enter as a unit, with a part
//! for each shard, and after a crash all of them count or none. Each remains a command by itself: it has a frame of its own and serves
//! who waits for its key, before the next one on its shard runs.
//!
//! That they enter at one instant is what makes it right to run them shard by shard: nobody can have seen the second without
//! the first ([`super::gate`]; to send [a, c] to one shard and then [b, d] to another would show c before b).
//!
//! A sheaf begins with an open run when a write for another shard comes that would have to wait for it, and takes all plain
//! commands behind it, reads too, until the window ends or something else comes. No other write of the connection is unanswered then: what it writes
//! behind a sheaf that is under way waits, as it does behind all that cannot be bound.
use super::batch::{Batch, Run};
use super::enter::{ShardSet, takes_more};
use super::unit::{Kind, Part};
use crate::table::CommandId;
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::keyspace::Hashed;
use smallvec::SmallVec;
use std::sync::Arc;

/// So many commands there is room for at once.
const ORDER_ROOM: usize = 32;

/// Commands of the connection at hand that are to enter as one.
#[derive(Debug)]
pub struct Sheaf {
    /// The place of their replies.
    sequence: u64,
    /// Those for each shard, in ascending order of shards.
    parts: SmallVec<[(usize, Part); 2]>,
    /// The shard of each command.
    order: Vec<u16>,
    /// Bytes of all of them.
    bytes: usize,
}

impl Sheaf {
    /// Begins with the commands of a run.
    fn new(shard: usize, run: Run) -> Sheaf {
        let mut order = Vec::with_capacity(ORDER_ROOM);
        order.resize(run.batch.commands.len(), shard as u16);
        let (sequence, bytes) = (run.origin.sequence, run.batch.bytes_len());
        Sheaf { sequence, parts: SmallVec::from_iter([(shard, part_of_run(run))]), order, bytes }
    }

    /// All commands in one batch, as the client sent them.
    fn in_order(&self) -> Batch {
        let mut all = Batch::default();
        let mut next: SmallVec<[usize; 4]> = self.parts.iter().map(|_| 0).collect();
        for shard in &self.order {
            let part = self.part_of(*shard);
            let batch = &self.parts[part].1.batch;
            all.push_from(batch, batch.commands[next[part]]);
            next[part] += 1;
        }
        all
    }

    /// Which part is a shard's.
    fn part_of(&self, shard: u16) -> usize {
        self.parts.binary_search_by_key(&usize::from(shard), |(of, _)| *of).unwrap_or(0)
    }
}

/// What of a run that was used before a part needs: its buffers.
fn part_of_run(run: Run) -> Part {
    Part { batch: run.batch, reply: run.reply, ..Part::default() }
}

impl Core {
    /// Whether the connection's next plain command, for whichever shard, is bound to those that it would have to wait for. A sheaf begins here.
    pub(crate) fn binds(&mut self, conn: &Conn, args: Args<'_>) -> bool {
        if self.sheaf.is_none()
            && !self.open_follows_writes
            && let Some((shard, run)) = self.open.take()
        {
            self.sheaf = Some(Sheaf::new(shard, *run));
        }
        self.sheaf_takes(conn, args)
    }

    /// Whether there is a sheaf that takes a command of the connection. One that is full, or was begun before the client set up something else,
    /// is entered.
    fn sheaf_takes(&mut self, conn: &Conn, args: Args<'_>) -> bool {
        let Some(sheaf) = &self.sheaf else { return false };
        let held = (sheaf.order.len(), sheaf.bytes);
        let bytes = args.iter().map(|arg| arg.len()).sum();
        let takes = takes_more(conn, &sheaf.parts[0].1.batch, held, bytes);
        if !takes {
            self.close_run(conn);
        }
        takes
    }

    /// Adds a command to the sheaf.
    pub(super) fn add_to_sheaf(
        &mut self,
        conn: &mut Conn,
        shard: usize,
        id: CommandId,
        args: Args<'_>,
        hint: Option<Hashed<'_>>,
    ) {
        let Some(mut sheaf) = self.sheaf.take() else { return };
        let part = match sheaf.parts.binary_search_by_key(&shard, |(of, _)| *of) {
            Ok(part) => part,
            Err(part) => {
                let mut fresh = part_of_run(*self.new_run(conn.origin(self.id, sheaf.sequence)));
                self.sign(&mut fresh.batch, conn);
                sheaf.parts.insert(part, (shard, fresh));
                part
            }
        };
        sheaf.parts[part].1.batch.push(id, conn.session.db, args.iter().copied(), hint);
        sheaf.order.push(shard as u16);
        let bytes = args.iter().map(|arg| arg.len()).sum();
        sheaf.bytes += bytes;
        self.sheaf = Some(sheaf);
        conn.expect_more(1, bytes);
    }

    /// Enters the sheaf, if there is one.
    pub(super) fn close_sheaf(&mut self, conn: &Conn) {
        let Some(mut sheaf) = self.sheaf.take() else { return };
        let shared = Arc::clone(&self.shared);
        shared.spanning.marked(self.id, || {
            let origin = conn.origin(self.id, sheaf.sequence);
            let mut shards: ShardSet = sheaf.parts.iter().map(|(shard, _)| *shard).collect();
            // Who waits on several shards needs them together, and who listens hears of all of it in order.
            let is_gathered =
                self.is_listened_to() || sheaf.parts.iter().any(|(_, part)| self.batch_may_feed(&part.batch));
            if is_gathered {
                let mut batch = sheaf.in_order();
                self.sign(&mut batch, conn);
                shards = self.joined(&shards);
                let part = Part { batch, ..Part::default() };
                return self.push_unit(origin, Kind::Gathered, &shards, vec![part], conn.needs.clone());
            }
            let mut order = std::mem::take(&mut sheaf.order);
            order.iter_mut().for_each(|shard| *shard = sheaf.part_of(*shard) as u16);
            let parts = sheaf.parts.into_iter().map(|(_, part)| part).collect();
            self.push_unit(origin, Kind::Sheaf(order), &shards, parts, conn.needs.clone());
        });
    }
}
