//! All threads of a load together: connects them, sets them off at once, joins what came of it.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::thread;

use crate::client::connection::Connection;
use crate::driver::{Driver, Goal};
use crate::machine;
use crate::outcome::Outcome;
use crate::workload::{Distribution, Workload};

/// Whom to ask, over how many connections.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// Connections of all threads together.
    pub connections: usize,
    /// Units under way on each.
    pub depth: u64,
    /// Threads of the load generator.
    pub threads: usize,
    /// The cores its threads are kept on; none: wherever the kernel puts them.
    pub cores: Vec<usize>,
    /// How keys are drawn.
    pub distribution: Distribution,
    /// Keys are drawn from this many.
    pub key_count: u64,
    /// Makes a run repeatable.
    pub seed: u64,
    /// Commands each connection sends once, first.
    pub prelude: Vec<Vec<String>>,
}

/// Connected threads, ready for runs.
#[derive(Debug)]
pub struct Fleet {
    drivers: Vec<Driver>,
    cores: Vec<usize>,
}

/// So many connections are opened before one is awaited: more could overrun the server's backlog.
const CONNECT_BATCH: usize = 100;

impl Fleet {
    /// Opens all connections.
    ///
    /// # Errors
    /// When the server does not take them all, or this process may not have as many.
    pub fn connect(plan: &Plan, workload: &Workload) -> io::Result<Self> {
        let limit = machine::allow_descriptors()?;
        if limit < plan.connections as u64 + 50 {
            let text = format!("{} connections are more than {limit} descriptors allow", plan.connections);
            return Err(io::Error::other(text));
        }
        let threads = plan.threads.clamp(1, plan.connections.max(1));
        let ping = [vec!["PING".to_owned()]];
        let mut drivers = Vec::new();
        for thread in 0..threads {
            let numbers = share(plan.connections as u64, thread, threads);
            let connections: io::Result<Vec<Connection>> = numbers
                .clone()
                .map(|number| {
                    let awaited =
                        plan.prelude.is_empty() && number as usize % CONNECT_BATCH == CONNECT_BATCH - 1;
                    Connection::open(plan.address, if awaited { &ping } else { &plan.prelude })
                })
                .collect();
            let keys = match plan.distribution {
                Distribution::Sequential => share(plan.key_count, thread, threads),
                _ => 0..plan.key_count,
            };
            let seed = plan.seed.wrapping_add(thread as u64 * 0x5851_F42D_4C95_7F2D);
            let workload = workload.share(plan.distribution, keys.start, keys.end - keys.start, seed);
            drivers.push(Driver::new(connections?, numbers.start, workload, plan.depth)?);
        }
        Ok(Self { drivers, cores: plan.cores.clone() })
    }

    /// Runs all threads towards the goal; units answered so far are counted in `progress`.
    ///
    /// # Errors
    /// What makes going on impossible.
    pub fn run(&mut self, goal: &Goal, progress: &AtomicU64) -> io::Result<Outcome> {
        let threads = self.drivers.len();
        let cores = &self.cores;
        let outcomes: Vec<io::Result<Outcome>> = thread::scope(|scope| {
            let running: Vec<_> = self
                .drivers
                .iter_mut()
                .enumerate()
                .map(|(thread, driver)| {
                    let goal = share_goal(goal, thread, threads);
                    scope.spawn(move || {
                        if !cores.is_empty() {
                            machine::pin(&[cores[thread % cores.len()]])?;
                        }
                        driver.run(&goal, progress)
                    })
                })
                .collect();
            running.into_iter().map(|thread| thread.join().expect("a load thread does not panic")).collect()
        });
        let mut all = Outcome::default();
        for outcome in outcomes {
            all.join(&outcome?);
        }
        Ok(all)
    }
}

/// The `thread`-th of `threads` nearly equal parts of `0..total`.
fn share(total: u64, thread: usize, threads: usize) -> Range<u64> {
    let border = |i: usize| (u128::from(total) * i as u128 / threads as u128) as u64;
    border(thread)..border(thread + 1)
}

fn share_goal(goal: &Goal, thread: usize, threads: usize) -> Goal {
    let units = goal.units.map(|units| share(units, thread, threads)).map(|part| part.end - part.start);
    Goal { units, units_per_s: goal.units_per_s.map(|rate| rate / threads as f64), ..*goal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_everything_once() {
        for (total, threads) in [(10, 3), (2, 4), (0, 2), (u64::MAX, 7)] {
            let mut next = 0;
            for thread in 0..threads {
                let part = share(total, thread, threads);
                assert_eq!(part.start, next);
                next = part.end;
            }
            assert_eq!(next, total);
        }
    }
}
