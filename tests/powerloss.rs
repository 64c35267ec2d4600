//! Journals on a disk that loses its power, or under a process that is killed, at any moment.
//!
//! A seed makes servers of one to four shards, one after another on one disk, with connections that pipeline, units over several shards, marks, changes of
//! policy, rewrites; each is cut short at some operation of its disk, restoring as well. The journals' own code writes and reads; shards, sockets and the disk
//! are played. Afterwards everything acknowledged must be there as the policy promises it, units whole, each client's writes without
//! a gap. `BRAID_SEED=123` runs one seed again, `BRAID_SIMULATIONS=1000000` looks at more of them.

#[path = "powerloss/damage.rs"]
mod damage;
#[path = "powerloss/dataset.rs"]
mod dataset;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "powerloss/disk.rs"]
mod disk;
#[path = "powerloss/life.rs"]
mod life;
#[path = "powerloss/op.rs"]
mod op;
#[path = "powerloss/watch.rs"]
mod watch;
#[path = "powerloss/world.rs"]
mod world;

use braid::config::Loglevel;
use std::time::Instant;
use world::{Seen, run};

/// Seeds that CI looks at.
const SEEDS: u64 = 30_000;
/// Seeds after which a disk that does not keep what it was asked to keep must have been noticed.
const SEEDS_TO_NOTICE: u64 = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
#[expect(clippy::print_stdout, reason = "a simulation says how much it has seen")]
fn what_was_promised_is_there_after_every_crash() {
    braid::log::set_level(Loglevel::Nothing);
    let seeds = match number("BRAID_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("BRAID_SIMULATIONS").unwrap_or(SEEDS),
    };
    let (start, count) = (Instant::now(), seeds.end - seeds.start);
    let mut all = Seen::default();
    let mut failures = Vec::new();
    for seed in seeds {
        let seen = run(seed, false);
        all.restored += seen.restored;
        all.lost += seen.lost;
        all.crashes += seen.crashes;
        all.stopped += seen.stopped;
        all.told += seen.told;
        all.gathered += seen.gathered;
        all.acknowledged += seen.acknowledged;
        failures.extend(seen.failure);
        if failures.len() > 9 {
            break;
        }
    }
    println!(
        "{count} seeds, {} crashes, {} of them after a stop, {} times all was on the disk, {} syncs waited for others, {} writes restored, {} lost, {} acknowledged, in {:.1?}",
        all.crashes,
        all.stopped,
        all.told,
        all.gathered,
        all.restored,
        all.lost,
        all.acknowledged,
        start.elapsed()
    );
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    if count >= SEEDS {
        let floor = count as usize * 5;
        assert!(
            all.restored > floor
                && all.lost > floor
                && all.acknowledged > floor
                && all.stopped > count as usize / 10
                && all.told > count as usize
                && all.gathered > count as usize / 20,
            "too little was tried: {all:?}"
        );
    }
}

#[test]
fn a_disk_that_lies_is_noticed() {
    braid::log::set_level(Loglevel::Nothing);
    let noticed = (1..=SEEDS_TO_NOTICE).find_map(|seed| run(seed, true).failure);
    assert!(noticed.is_some(), "syncs may do nothing, and no seed shows it");
}
