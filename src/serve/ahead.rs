//! Fetching from memory what several commands will look up, before they are run.
use crate::coordinate::batch::Batch;
use shards::keyspace::Hashed;
use shards::shard::Shard;

/// Commands whose keys are fetched together, at most: more would push one another out.
const LOOKED_AT_MAX: usize = 48;

/// Has the processor fetch what the commands of several batches will want, all at once instead of one after another.
pub(super) fn look_ahead<'a>(shard: &Shard, batches: impl Iterator<Item = &'a Batch> + Clone) {
    batches.clone().for_each(Batch::look_at);
    for look in 0..3 {
        for command in batches.clone().flat_map(|batch| &batch.commands).take(LOOKED_AT_MAX) {
            if let Some((slot, hash)) = command.place() {
                shard.prefetch(command.db, Hashed { bytes: &[], hash, slot }, look);
            }
        }
    }
}
