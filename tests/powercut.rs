//! Servers whose power fails under load, and whose disk then holds no more than what it had been made to keep: all that was promised is there.
//!
//! The server is a real one, with its rings, clerks and bulk files; under it lies [`braid::chaos::disk`]. The power fails at once, at some
//! operation of the disk, after the process was killed, or under one that was about to restore. `BRAID_POWERCUTS=20` cuts it so many times as often,
//! `BRAID_SEED=123` chooses other moments.
#![cfg(feature = "chaos")]

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid_process;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "crash/link.rs"]
mod link;
#[path = "crash/load.rs"]
mod load;
#[path = "support/resp.rs"]
mod resp;
#[path = "powercut/trial.rs"]
mod trial;

use braid_process::tell;
use std::time::Duration;
use trial::{End, Plan, Promise, Tally, Trial};

const IN_THE_MIDST: &[&[&str]] = &[&["BGREWRITEAOF"], &["BGSAVE"]];

/// The power fails in any case.
const CUTS: &[End] = &[End::Cut, End::Fuse, End::Fuse, End::KillAndCut];

fn times() -> usize {
    std::env::var("BRAID_POWERCUTS").map_or(1, |text| text.parse().expect("a number"))
}

/// Cuts the power of a server like this so often; nothing that was promised may be missing.
fn cut(plan: Plan, cuts: usize) -> Tally {
    let mut trial = Trial::begin(plan);
    for number in 1..=cuts * times() {
        if let Err(why) = trial.cut() {
            panic!("after cut {number} of {plan:?}:\n{why}");
        }
    }
    tell(&format!("{plan:?}: {:?}", trial.tally));
    trial.tally
}

#[test]
fn always_keeps_all_that_was_acknowledged() {
    for io in ["auto", "epoll"] {
        let plan = Plan { io, promise: Promise::Acknowledged, ..Plan::new("always") };
        let tally = cut(plan, 4);
        assert!(tally.kept > 1000, "{tally:?}");
        cut(Plan { commands: IN_THE_MIDST, ..plan }, 3);
    }
}

#[test]
fn everysec_keeps_all_but_the_last_seconds() {
    for io in ["auto", "epoll"] {
        let plan =
            Plan { io, promise: Promise::AllButTheLast(Duration::from_secs(3)), ..Plan::new("everysec") };
        // Long enough for something to be older than that.
        let long = Plan { work: (3500, 5000), commands: IN_THE_MIDST, ..plan };
        let tally = cut(long, 1);
        assert!(tally.kept > 100, "{tally:?}");
        let tally = cut(Plan { work: (50, 1500), ends: CUTS, ..plan }, 3);
        assert!(tally.lost > 0, "the power fails, and nothing is lost: {tally:?}");
    }
}

#[test]
fn what_nobody_synced_is_a_prefix_of_what_was_done() {
    for io in ["auto", "epoll"] {
        let plan = Plan { io, commands: IN_THE_MIDST, ..Plan::new("no") };
        cut(plan, 2);
        let tally = cut(Plan { ends: CUTS, ..plan }, 3);
        assert!(tally.lost > 0, "the power fails, and nothing is lost: {tally:?}");
    }
}

/// What was on the disk stays there, whichever operation of a rewrite, a snapshot or another policy's beginning is the last.
#[test]
fn rewrites_and_snapshots_lose_nothing() {
    let rewrite: &[&[&str]] = &[&["BGREWRITEAOF"]];
    let busy: &[&[&str]] = &[&["CONFIG", "SET", "appendfsync", "no"], &["BGREWRITEAOF"], &["BGSAVE"]];
    for (policy, io, commands, cuts) in [("always", "auto", rewrite, 6), ("everysec", "epoll", busy, 3)] {
        let plan =
            Plan { io, commands, is_quiet: true, work: (20, 150), ends: &[End::Fuse], ..Plan::new(policy) };
        let tally = cut(plan, cuts);
        assert!(tally.kept > 100, "{tally:?}");
    }
}

#[test]
fn policies_may_change_under_load_and_journals_end_and_begin() {
    let commands: &[&[&str]] = &[
        &["CONFIG", "SET", "appendfsync", "always"],
        &["BGREWRITEAOF"],
        &["CONFIG", "SET", "appendfsync", "everysec"],
        &["CONFIG", "SET", "appendfsync", "no"],
        &["BGSAVE"],
    ];
    cut(Plan { commands, work: (50, 2500), ..Plan::new("everysec") }, 3);
    let commands: &[&[&str]] =
        &[&["CONFIG", "SET", "appendonly", "no"], &["BGSAVE"], &["CONFIG", "SET", "appendonly", "yes"]];
    cut(Plan { commands, promise: Promise::Synced, work: (50, 1000), ..Plan::new("always") }, 3);
}

/// Without journals it is what was saved that is there: the last file that was whole, or a later one.
#[test]
fn snapshots_are_there_or_those_before_them() {
    for io in ["auto", "epoll"] {
        let plan = Plan {
            io,
            is_saved: true,
            commands: &[&["BGSAVE"]],
            promise: Promise::Saved,
            ends: CUTS,
            ..Plan::new("no")
        };
        cut(plan, 4);
    }
}

/// What is promised of a disk that keeps what it is told to, one that does not cannot keep.
#[test]
fn a_disk_that_lies_is_noticed() {
    let always = Plan { work: (50, 400), promise: Promise::Acknowledged, ..Plan::new("always") };
    for plan in
        [Plan { lie: Some("bytes"), ..always }, Plan { lie: Some("names"), commands: IN_THE_MIDST, ..always }]
    {
        let mut trial = Trial::begin(plan);
        let noticed = (0..30).find_map(|_| trial.cut().err());
        let noticed = noticed.unwrap_or_else(|| panic!("no cut of the power shows it: {plan:?}"));
        tell(&format!("{plan:?} is noticed: {}", noticed.lines().take(3).collect::<Vec<_>>().join(" / ")));
    }
}
