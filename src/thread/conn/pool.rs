//! Runs that came back, to be used again.
use crate::coordinate::batch::{Origin, Run};
use crate::coordinate::unit::Part;

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

/// Returns the buffers of a part to the pool, in a run.
pub(super) fn give_back_part(pool: &mut Pool, origin: Origin, part: &mut Part) {
    let (batch, reply) = (std::mem::take(&mut part.batch), std::mem::take(&mut part.reply));
    give_back(pool, Box::new(Run { batch, reply, ..Run::new(origin) }));
}
