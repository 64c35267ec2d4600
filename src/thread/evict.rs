//! Eviction: a thread throws keys of its shard out while more memory is used than `maxmemory` allows.
//!
//! Each shard gives up a part of what is too much, by its share of the data. A thread that finds that too much is used wakes
//! those that sleep. Clients' commands go on meanwhile, as in Redis; they are refused only where nothing may be thrown out.
use super::core::Core;
use crate::config::MaxmemoryPolicy;
use crate::persist::record::Ties;
use crate::pubsub::Outside;
use shards::call::Call;
use shards::eviction::{Judge, Policy, evict_one};
use shards::reply::Reply;
use std::sync::atomic::Ordering;

/// A slice of work is at most so long, in microseconds.
const SLICE_US: u64 = 1_000;
/// Keys between two looks at the clock.
const STEP: usize = 16;

/// What a policy means; none throws nothing out.
pub(crate) fn policy_of(policy: MaxmemoryPolicy, samples: u32) -> Option<Policy> {
    let (judge, only_volatile) = match policy {
        MaxmemoryPolicy::Noeviction => return None,
        MaxmemoryPolicy::VolatileLru => (Judge::Lru, true),
        MaxmemoryPolicy::VolatileLfu => (Judge::Lfu, true),
        MaxmemoryPolicy::VolatileRandom => (Judge::Random, true),
        MaxmemoryPolicy::VolatileTtl => (Judge::Ttl, true),
        MaxmemoryPolicy::AllkeysLru => (Judge::Lru, false),
        MaxmemoryPolicy::AllkeysLfu => (Judge::Lfu, false),
        MaxmemoryPolicy::AllkeysRandom => (Judge::Random, false),
    };
    // More than a handful of samples is better judged and costs little: they stand side by side.
    Some(Policy { judge, only_volatile, samples: (samples as usize).clamp(1, 64) * 2 })
}

impl Core {
    /// Whether keys of this or another shard may be thrown out now.
    pub(crate) fn may_evict(&self) -> bool {
        self.eviction.is_some_and(|policy| {
            self.shared.published.iter().any(|shard| shard.has_keys(policy.only_volatile))
        })
    }

    /// Whether the own shard is to give keys up: too much is used, and it has some that may go.
    #[must_use]
    pub(crate) fn must_evict(&self) -> bool {
        self.is_over_limit()
            && self
                .eviction
                .is_some_and(|policy| self.shared.published[self.id].has_keys(policy.only_volatile))
    }

    fn is_over_limit(&self) -> bool {
        self.eviction.is_some() && self.shared.is_over_limit(self.config.maxmemory_bytes, self.now_ms)
    }

    /// Throws keys of the own shard out for a slice, if too much memory is used.
    pub fn evict_slice(&mut self) {
        let Some(policy) = self.eviction.filter(|_| self.must_evict()) else { return };
        // What was thrown out before is not yet free: first that.
        if self.strands[self.id].as_ref().is_none_or(|strand| strand.shard.has_discarded()) {
            return;
        }
        let (begin, mut freed) = (self.stats.ticks(), 0);
        let end = begin + self.stats.ticks_of(SLICE_US);
        let wanted = self.own_part();
        while freed < wanted && self.stats.ticks() < end {
            match self.evict_some(policy) {
                Some(bytes) => freed += bytes,
                None => break,
            }
        }
        self.shared.measure_memory(self.config.maxmemory_bytes, self.now_ms);
        self.mailed.iter_mut().for_each(|mailed| *mailed = true);
        let spent_us = self.stats.nanoseconds(self.stats.ticks() - begin) / 1000;
        self.note_latency("eviction-cycle", spent_us / 1000);
    }

    /// How many bytes of what is too much the own shard is to give up: by its share of the data, and a little more.
    fn own_part(&self) -> usize {
        let bytes = |at: usize| self.shared.published[at].entries_bytes.load(Ordering::Relaxed) as usize;
        let total: usize = (0..self.shared.shard_count()).map(bytes).sum();
        let share = bytes(self.id) as f64 / total.max(1) as f64;
        (self.shared.over_bytes() as f64 * share) as usize + 1
    }

    /// Throws a few keys out; their bytes, or nothing where none may go.
    fn evict_some(&mut self, policy: Policy) -> Option<usize> {
        let strand = self.strands[self.id].as_mut()?;
        let mut nowhere = Reply::default();
        let shards = std::slice::from_mut(&mut strand.shard);
        self.effects.listen.records = shards[0].tail.is_some();
        let mut cx = Call::new(shards, &self.settings, 0, self.now_ms, &mut nowhere, &mut self.effects);
        let freed = (0..STEP).map_while(|_| evict_one(&mut cx.keys, policy)).sum::<usize>();
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
        let shards = std::slice::from_mut(&mut strand.shard);
        if outside.end_unit(&mut self.effects, shards, self.now_ms, Ties::default()) {
            strand.shard.tail.iter_mut().for_each(|tail| tail.touch_all());
        }
        (freed > 0).then_some(freed)
    }
}
