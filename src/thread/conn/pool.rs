//! Runs that came back, to be used again.
use crate::coordinate::batch::Run;

/// Runs that came back are used again.
pub type Pool = Vec<Box<Run>>;
const POOL_MAX: usize = 4096;

/// Returns a run to the pool.
pub fn give_back(pool: &mut Pool, mut run: Box<Run>) {
    if pool.len() < POOL_MAX {
        run.batch.clear();
        run.act = crate::coordinate::batch::Act::Commands;
        run.waits = None;
        run.after.clear();
        run.reply.bytes.clear();
        run.reply.bytes.shrink_to(64 * 1024);
        pool.push(run);
    }
}
