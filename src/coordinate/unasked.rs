//! Units that no connection asks for: what the server itself does to all shards at one instant.
use super::batch::{Act, Origin};
use super::unit::{Kind, Part};
use crate::net::Token;
use crate::persist::needs::Needs;
use crate::thread::core::Core;
use shards::reply::Reply;
use shards::shard::Shard;
use std::fmt::Debug;
use std::sync::Arc;

/// No connection has this place.
const NOBODY: Token = Token { index: u32::MAX, generation: u32::MAX };

/// Something done to shards that is no command. Of a fan-out each shard comes by itself; of a gathered unit all come together.
pub trait Errand: Debug + Send + Sync {
    /// Does it to the shards in hand, at the time (ms since 1970) at which the unit entered. Where a connection asked for it, what it
    /// writes to `reply` is the answer.
    fn run(&self, shards: &mut [Box<Shard>], now_ms: i64, reply: &mut Reply);
}

impl Core {
    /// Enters a unit over all shards without a connection. `act_of` tells what each shard does, in a gathered unit what is done over
    /// all (it is asked once then, for shard 0). Nobody is answered: who wants to know when it is done finds that in the act itself.
    ///
    /// What this thread entered before comes before it; a run that is still open belongs to a connection and is not this one's affair.
    pub fn enter_unasked(&mut self, kind: Kind, act_of: impl FnMut(usize) -> Act) {
        let shards: Vec<usize> = (0..self.shared.shard_count()).collect();
        let part_count = if matches!(kind, Kind::FanOut) { shards.len() } else { 1 };
        let parts = (0..part_count).map(act_of).map(|act| Part { act, ..Part::default() }).collect();
        let origin = Origin { thread: self.id, token: NOBODY, sequence: u64::MAX };
        self.push_unit(origin, kind, &shards, parts, Needs::default());
    }

    /// Enters something that is done with all shards in one hand.
    pub fn enter_errand(&mut self, errand: &Arc<dyn Errand>) {
        self.enter_unasked(Kind::Gathered, |_| Act::Errand(Arc::clone(errand)));
    }
}
