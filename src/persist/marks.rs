//! Marks: cuts over all shards, made every second, to which a journal can be cut back when the machine lost its power.
use super::format::Policy;
use crate::coordinate::unasked::Errand;
use crate::shared::Shared;
use shards::reply::Reply;
use shards::shard::Shard;
use std::sync::Arc;

/// Makes a mark in the journal of every shard; from there on it follows another policy, if one is given.
#[derive(Debug)]
pub struct Mark {
    shared: Arc<Shared>,
    unit: u64,
    policy: Option<Policy>,
}

impl Mark {
    /// A mark that is yet to be made.
    #[must_use]
    pub fn new(shared: &Arc<Shared>, policy: Option<Policy>) -> Mark {
        Mark { shared: Arc::clone(shared), unit: shared.journal.new_unit(), policy }
    }
}

impl Errand for Mark {
    fn run(&self, shards: &mut [Box<Shard>], _now_ms: i64, _reply: &mut Reply) {
        for shard in shards.iter_mut().filter(|shard| shard.tail.is_some()) {
            self.shared.journal.mark(shard, self.unit);
            if let Some(policy) = self.policy {
                self.shared.journal.set_policy(shard, policy);
            }
        }
    }
}
