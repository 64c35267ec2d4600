//! Fetching from memory what several runs will look up, before they are run.
use crate::coordinate::batch::Run;
use shards::keyspace::Hashed;
use shards::shard::Shard;

/// Commands whose keys are fetched together, at most: more would push one another out.
const LOOKED_AT_MAX: usize = 48;

/// Has the processor fetch what the commands of several runs will want, all at once instead of one after another.
pub(super) fn look_ahead(shard: &Shard, runs: &[Box<Run>]) {
    runs.iter().for_each(|run| run.batch.look_at());
    for look in 0..3 {
        for command in runs.iter().flat_map(|run| &run.batch.commands).take(LOOKED_AT_MAX) {
            if let Some((slot, hash)) = command.place() {
                shard.prefetch(command.db, Hashed { bytes: &[], hash, slot }, look);
            }
        }
    }
}
