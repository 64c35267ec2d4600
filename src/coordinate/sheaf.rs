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
//! A sheaf begins with an open run when a command for another shard comes that would have to wait for it, and takes all plain
//! commands behind it, reads too, until the window ends or something else comes. Nothing else of the connection is unanswered then: what comes behind
//! a sheaf that is under way waits as it would behind anything.
use super::batch::{Batch, Run};
use super::enter::ShardSet;
use super::unit::{Kind, Part};
use crate::table::CommandId;
use crate::thread::conn::{Conn, give_back};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::keyspace::Hashed;
use smallvec::SmallVec;
use std::sync::Arc;

/// Commands of one sheaf, at most: so that one connection's do not hold up the others'.
const SHEAF_COMMANDS_MAX: usize = 512;
/// Bytes of one, or little more.
const SHEAF_BYTES_MAX: usize = 1 << 20;

/// Commands of the connection at hand that are to enter as one.
#[derive(Debug)]
pub struct Sheaf {
    /// The place of their replies.
    sequence: u64,
    /// Those for each shard, in ascending order of shards.
    parts: SmallVec<[(usize, Batch); 4]>,
    /// The shard of each command.
    order: Vec<u16>,
}

impl Sheaf {
    /// Begins with the commands of a run.
    fn new(shard: usize, run: &mut Run) -> Sheaf {
        let batch = std::mem::take(&mut run.batch);
        let order = vec![shard as u16; batch.commands.len()];
        Sheaf { sequence: run.origin.sequence, parts: SmallVec::from_iter([(shard, batch)]), order }
    }

    /// Whether a command of so many bytes fits in.
    fn has_room_for(&self, bytes: usize) -> bool {
        let held: usize = self.parts.iter().map(|(_, batch)| batch.bytes_len()).sum();
        self.order.len() < SHEAF_COMMANDS_MAX && held + bytes <= SHEAF_BYTES_MAX
    }

    /// All commands in one batch, as the client sent them.
    fn in_order(&self) -> Batch {
        let mut all = Batch::default();
        let mut next: SmallVec<[usize; 4]> = self.parts.iter().map(|_| 0).collect();
        for shard in &self.order {
            let part = self.part_of(*shard);
            let batch = &self.parts[part].1;
            all.push_from(batch, batch.commands[next[part]]);
            next[part] += 1;
        }
        all
    }

    /// Which part is a shard's.
    fn part_of(&self, shard: u16) -> usize {
        self.parts.iter().position(|(of, _)| *of == usize::from(shard)).unwrap_or(0)
    }
}

impl Core {
    /// Whether the connection's next plain command, for whichever shard, is bound to those that it would have to wait for. A sheaf begins here.
    pub(crate) fn binds(&mut self, conn: &Conn, args: Args<'_>) -> bool {
        if self.sheaf.is_none()
            && !self.open_is_ahead
            && let Some((shard, mut run)) = self.open.take()
        {
            self.sheaf = Some(Sheaf::new(shard, &mut run));
            give_back(&mut self.pool, run);
        }
        self.sheaf_takes(conn, args)
    }

    /// Whether there is a sheaf that takes a command of the connection. One that is full, or was begun before the client set up something else,
    /// is entered.
    pub(crate) fn sheaf_takes(&mut self, conn: &Conn, args: Args<'_>) -> bool {
        let Some(sheaf) = &self.sheaf else { return false };
        let is_alike = sheaf.parts[0].1.is_set_up_as(conn) && conn.is_last_muted() == conn.is_muted();
        let takes = is_alike && sheaf.has_room_for(args.iter().map(|arg| arg.len()).sum());
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
                let mut batch = Batch::default();
                self.sign(&mut batch, conn);
                sheaf.parts.insert(part, (shard, batch));
                part
            }
        };
        sheaf.parts[part].1.push(id, conn.session.db, args.iter().copied(), hint);
        sheaf.order.push(shard as u16);
        self.sheaf = Some(sheaf);
        conn.expect_more(1, args.iter().map(|arg| arg.len()).sum());
    }

    /// Enters the sheaf, if there is one.
    pub(super) fn close_sheaf(&mut self, conn: &Conn) {
        let Some(sheaf) = self.sheaf.take() else { return };
        let shared = Arc::clone(&self.shared);
        shared.spanning.marked(self.id, || {
            let origin = conn.origin(self.id, sheaf.sequence);
            let mut shards: ShardSet = sheaf.parts.iter().map(|(shard, _)| *shard).collect();
            // Who waits on several shards needs them together, and who listens hears of all of it in order.
            let is_gathered =
                self.is_listened_to() || sheaf.parts.iter().any(|(_, batch)| self.batch_may_feed(batch));
            if is_gathered {
                let mut batch = sheaf.in_order();
                self.sign(&mut batch, conn);
                shards = self.joined(&shards);
                let part = Part { batch, ..Part::default() };
                return self.push_unit(origin, Kind::Gathered, &shards, vec![part], conn.needs.clone());
            }
            let order = sheaf.order.iter().map(|shard| sheaf.part_of(*shard) as u16).collect();
            let parts = sheaf.parts.into_iter().map(|(_, batch)| Part { batch, ..Part::default() });
            self.push_unit(origin, Kind::Sheaf(order), &shards, parts.collect(), conn.needs.clone());
        });
    }
}
