//! Servers that are killed under load, and started again with other numbers of shards: what was acknowledged is there, in every mode.
//!
//! `BRAID_KILLS=100` kills each of them so often.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "crash/link.rs"]
mod link;
#[path = "crash/load.rs"]
mod load;
#[path = "support/resp.rs"]
mod resp;

use braid::Braid;
use link::Link;
use load::{Client, clients, complaints, disturb, work};
use std::net::SocketAddr;
use std::time::Duration;

/// So often each server is killed.
const KILLS: usize = 6;
const SHARDS: [&str; 5] = ["1", "3", "2", "4", "2"];

#[test]
fn nothing_acknowledged_is_lost_under_always() {
    kill_again_and_again("always", "auto", &[]);
    kill_again_and_again("always", "epoll", &[]);
}

#[test]
fn nothing_acknowledged_is_lost_under_everysec() {
    kill_again_and_again("everysec", "auto", &[]);
    kill_again_and_again("everysec", "epoll", &[]);
}

#[test]
fn nothing_acknowledged_is_lost_where_the_system_syncs() {
    kill_again_and_again("no", "auto", &[]);
    kill_again_and_again("no", "epoll", &[]);
}

#[test]
fn nothing_is_lost_in_the_midst_of_rewrites() {
    let rewrites: &[&[&str]] = &[&["BGREWRITEAOF"]];
    kill_again_and_again("everysec", "auto", rewrites);
    kill_again_and_again("always", "epoll", rewrites);
}

#[test]
fn nothing_is_lost_in_the_midst_of_snapshots_and_changes_of_policy() {
    let commands: &[&[&str]] = &[
        &["BGSAVE"],
        &["CONFIG", "SET", "appendfsync", "always"],
        &["BGREWRITEAOF"],
        &["CONFIG", "SET", "appendfsync", "everysec"],
        &["BGREWRITEAOF"],
        &["CONFIG", "SET", "appendfsync", "no"],
    ];
    kill_again_and_again("everysec", "auto", commands);
}

/// Units that are half done when the last thread ends are not done; nothing else is amiss.
#[test]
fn who_is_asked_to_stop_under_load_leaves_what_was_acknowledged() {
    for policy in ["everysec", "always"] {
        let flags = |number: usize| {
            ["--appendonly", "yes", "--appendfsync", policy, "--shards", SHARDS[(number + 1) % SHARDS.len()]]
        };
        let mut server = Braid::start(&flags(0));
        let mut all = [clients("one"), clients("two")].into_iter().flatten().collect::<Vec<_>>();
        check(server.address, &mut all, "at first");
        for stop in 1..=kills() {
            let address = server.address;
            std::thread::scope(|scope| {
                for client in &mut all {
                    scope.spawn(|| work(address, &mut **client, |_, _| true));
                }
                std::thread::sleep(Duration::from_millis(40 + 61 * stop as u64 % 200));
                server.signal("TERM");
                server.wait();
            });
            server.kill_and_start(&flags(stop));
            check(server.address, &mut all, &format!("after stop {stop} under {policy}"));
        }
    }
}

/// What a snapshot brings back is what one instant held: no unit in halves, nothing without what its client did before.
#[test]
fn snapshots_are_of_one_instant_or_not_there() {
    let shards =
        |number: usize| ["--appendonly", "no", "--save", "", "--shards", SHARDS[number % SHARDS.len()]];
    let mut server = Braid::start(&shards(0));
    let mut all = clients("snap");
    check(server.address, &mut all, "at first");
    for kill in 1..=kills() {
        assert_eq!(link::text(&Link::when_loaded(server.address).call(&["SAVE"])), "OK");
        let saved: Vec<u64> = all.iter().map(|client| client.answered()).collect();
        let address = server.address;
        std::thread::scope(|scope| {
            for client in &mut all {
                scope.spawn(|| work(address, &mut **client, |_, _| true));
            }
            scope.spawn(move || disturb(address, &[&["BGSAVE"]]));
            std::thread::sleep(Duration::from_millis(60 + 61 * kill as u64 % 300));
            server.kill_and_spawn(&shards(kill));
        });
        server.wait_until_it_accepts();
        all.iter_mut().zip(saved).for_each(|(client, saved)| client.expect(saved));
        check(server.address, &mut all, &format!("after kill {kill} in the midst of snapshots"));
    }
    assert!(server.log().contains("Background saving terminated with success"), "there was no snapshot");
}

fn kills() -> usize {
    std::env::var("BRAID_KILLS").map_or(KILLS, |text| text.parse().expect("a number"))
}

/// Loads a server, kills it, starts it again and looks, again and again. Meanwhile somebody sends `commands`.
fn kill_again_and_again(policy: &str, io: &str, commands: &[&[&str]]) {
    let flags = |shards: &'static str| {
        let flags = ["--appendonly", "yes", "--appendfsync", policy, "--io", io, "--save", "", "--shards"];
        flags.into_iter().chain([shards]).map(str::to_owned).collect::<Vec<_>>()
    };
    let start_flags = flags(SHARDS[0]);
    let mut server = Braid::start(&start_flags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut all = [clients("one"), clients("two")].into_iter().flatten().collect::<Vec<_>>();
    check(server.address, &mut all, "at first");
    for kill in 1..=kills() {
        let address = server.address;
        std::thread::scope(|scope| {
            for client in &mut all {
                scope.spawn(|| work(address, &mut **client, |_, _| true));
            }
            scope.spawn(move || disturb(address, commands));
            std::thread::sleep(Duration::from_millis(40 + 61 * kill as u64 % 300));
            let flags = flags(SHARDS[kill % SHARDS.len()]);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            server.kill_and_spawn(&flags);
            // Now and then it dies before it has found out where it was.
            if kill % 3 == 0 {
                std::thread::sleep(Duration::from_millis(kill as u64 * 7 % 40));
                server.kill_and_spawn(&flags);
            }
        });
        server.wait_until_it_accepts();
        check(server.address, &mut all, &format!("after kill {kill} under {policy}, {io}"));
    }
}

fn check(address: SocketAddr, clients: &mut [Box<dyn Client>], when: &str) {
    let complaints = complaints(address, clients);
    assert!(complaints.is_empty(), "{when}:\n{}", complaints.join("\n"));
}
