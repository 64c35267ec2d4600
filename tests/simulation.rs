//! The server's threads in a world where the dice say who runs next, at every step of every hand-over between them.
//!
//! A seed makes a server of a few shards, clients with scripts, and one interleaving of all of it. What the clients saw must be
//! what a single-threaded Redis could have answered; a forgotten wake-up shows as a deadlock. The threads run the code of the
//! server (`Core`), the sockets are played. Some servers write journals, and lose their power in the middle: what
//! comes back must fit what clients were told (`tests/powerloss.rs` plays journals without threads, over many such lives). `scripts/simulate SEED` runs one seed again and tells what happened;
//! `BRAID_SIMULATIONS=1000000` looks at more of them.
#![cfg(feature = "chaos")]

#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "powerloss/disk.rs"]
#[expect(dead_code, reason = "what only loses its power needs less of a disk than what damages files")]
mod disk;
#[path = "simulation/durable.rs"]
mod durable;
#[path = "simulation/model.rs"]
mod model;
#[path = "support/resp.rs"]
mod resp;
#[path = "simulation/scheduler.rs"]
mod scheduler;
#[path = "simulation/scripts.rs"]
mod scripts;
#[path = "simulation/search.rs"]
mod search;
#[path = "simulation/world.rs"]
mod world;

use braid::chaos::Break;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use world::Wrong;

/// Seeds that CI looks at.
const SEEDS: u64 = 20_000;
/// Seeds after which a broken rule must have shown.
const SEEDS_TO_NOTICE: u64 = 200_000;

#[test]
#[expect(clippy::print_stdout, reason = "a simulation says how much it has seen")]
fn every_history_is_one_of_a_single_threaded_redis() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("BRAID_SEED") {
        let outcome = world::run(seed, None);
        assert!(outcome.failure.is_none(), "\n{}", outcome.failure.unwrap_or_default());
        println!("seed {seed}: {} answers, {} steps, nothing wrong", outcome.answers, outcome.steps);
        return;
    }
    let first = number("BRAID_FIRST_SEED").unwrap_or(1);
    let start = Instant::now();
    let seen = search_seeds(first, number("BRAID_SIMULATIONS").unwrap_or(SEEDS), None);
    println!(
        "{} simulations, {} answers, {} points of hand-over in {:.1?}",
        seen.seeds,
        seen.answers,
        seen.steps,
        start.elapsed()
    );
    assert!(seen.failure.is_none(), "\n{}", seen.failure.unwrap_or_default());
    assert!(seen.answers as u64 > seen.seeds * 5, "clients that get no answers see no mistakes");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 1..200 {
        let (one, other) = (world::run(seed, None), world::run(seed, None));
        assert_eq!((one.steps, one.answers), (other.steps, other.answers), "seed {seed}");
        assert_eq!(one.trace, other.trace, "seed {seed}: the same length, but something else");
    }
}

#[test]
fn who_does_not_mark_is_noticed() {
    assert_noticed(Break::Mark);
}

#[test]
fn who_runs_parts_too_early_is_noticed() {
    assert_noticed(Break::Entered);
}

#[test]
fn who_does_not_look_again_before_sleep_is_noticed() {
    assert_noticed(Break::SecondLook);
}

#[test]
fn who_does_not_look_again_at_a_door_is_noticed() {
    assert_noticed(Break::PutBack);
}

#[test]
fn who_overtakes_a_queue_is_noticed() {
    assert_noticed(Break::Overtake);
}

#[test]
fn who_does_not_look_for_those_who_wait_is_noticed() {
    assert_noticed(Break::Registry);
}

#[test]
fn who_does_not_wait_for_the_journals_is_noticed() {
    assert_noticed(Break::Commit);
}

#[test]
fn who_does_not_tell_that_more_is_committed_is_noticed() {
    assert_noticed(Break::Telling);
}

#[test]
fn who_does_not_bind_a_pipeline_is_noticed() {
    assert_noticed(Break::Bind);
}

#[test]
fn a_disk_that_lies_is_noticed() {
    assert_is_noticed(Wrong::Disk);
}

fn assert_noticed(rule: Break) {
    assert_is_noticed(Wrong::Rule(rule));
}

/// A simulation that cannot fail is worth nothing: with a rule broken on purpose some seed fails.
#[expect(clippy::print_stdout, reason = "a simulation says how much it has seen")]
fn assert_is_noticed(wrong: Wrong) {
    let seen = search_seeds(1, SEEDS_TO_NOTICE, Some(wrong));
    assert!(seen.failure.is_some(), "{} simulations did not notice {wrong:?}", seen.seeds);
    println!("{wrong:?}: noticed after {} simulations", seen.seeds);
}

struct Seen {
    seeds: u64,
    answers: usize,
    steps: u64,
    failure: Option<String>,
}

/// Looks at seeds until one fails or the number is up, on as many threads as there are cores.
fn search_seeds(first: u64, count: u64, wrong: Option<Wrong>) -> Seen {
    let next = AtomicU64::new(first);
    let (seeds, answers, steps) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicU64::new(0));
    let failure = std::sync::Mutex::new(None);
    let worker = || {
        let mut told = Instant::now();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || failure.lock().expect("no poison").is_some() {
                return;
            }
            let outcome = world::run(seed, wrong);
            seeds.fetch_add(1, Ordering::Relaxed);
            answers.fetch_add(outcome.answers, Ordering::Relaxed);
            steps.fetch_add(outcome.steps, Ordering::Relaxed);
            if outcome.failure.is_some() {
                failure.lock().expect("no poison").get_or_insert(outcome.failure);
            }
            if told.elapsed() > Duration::from_secs(20) {
                told = Instant::now();
                tell_progress(seed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    Seen {
        seeds: seeds.into_inner(),
        answers: answers.into_inner(),
        steps: steps.into_inner(),
        failure: failure.into_inner().expect("no poison").flatten(),
    }
}

#[expect(clippy::print_stderr, reason = "long searches say how far they are")]
fn tell_progress(seed: u64) {
    eprintln!("… seed {seed}");
}
