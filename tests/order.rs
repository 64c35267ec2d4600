//! One server, not N: many clients over TCP look for anything that a single-threaded Redis could not have shown them.
//!
//! With `--features chaos` the server sleeps at random in the middle of its hand-overs. `BRAID_ORDER_SECONDS=600` looks longer.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests speak to Unix sockets")]
mod client;
#[path = "order/messages.rs"]
mod messages;
#[path = "order/observers.rs"]
mod observers;
#[path = "order/queues.rs"]
mod queues;
#[path = "support/resp.rs"]
mod resp;
#[path = "order/tally.rs"]
mod tally;
#[path = "order/waiters.rs"]
mod waiters;

use braid::Braid;
use observers::{Arena, Counts};
use std::time::Duration;
use tally::Board;

/// How long each server is watched, unless the environment says otherwise.
const SECONDS: u64 = 8;
/// How many times the usual seconds it may take on a busy machine.
const PATIENCE: u64 = 5;
/// Fewer looks than this in a second make no test; machines differ by far, and chaos slows down.
const OBSERVATIONS_A_SECOND_MIN: u64 = 10;

#[test]
fn two_shards_over_uring_are_one_server() {
    watch("2", "auto", "no");
}

#[test]
fn three_shards_over_epoll_are_one_server() {
    watch("3", "epoll", "no");
}

#[test]
fn four_shards_over_uring_are_one_server() {
    watch("4", "auto", "no");
}

/// Where there are journals, pipelines are bound together.
#[test]
fn three_shards_with_journals_are_one_server() {
    watch("3", "auto", "yes");
}

/// The observers themselves see nothing wrong on one shard, and all of them see something.
#[test]
fn one_shard_is_one_server() {
    watch("1", "auto", "no");
}

/// A thousand commands over all shards: a hop to each, whether each shard does its part by itself or all are gathered.
#[test]
fn a_transaction_is_one_hop_a_shard() {
    const SHARDS: u64 = 3;
    let server = Braid::start(&["--shards", &SHARDS.to_string()]);
    let [mut client, mut reader] = [(); 2].map(|()| client::Client::connect(server.address));
    for watches in [false, true] {
        if watches {
            assert!(client.call(&["WATCH", "key0", "key1", "key2", "key3", "key4"]).is_ok());
        }
        assert!(client.call(&["MULTI"]).is_ok());
        let names: Vec<String> = (0..1000).map(|number| format!("key{number}")).collect();
        let increments: Vec<[&str; 2]> = names.iter().map(|name| ["INCR", name]).collect();
        let increments: Vec<&[&str]> = increments.iter().map(|command| &command[..]).collect();
        client.pipeline(&increments);
        let before = hops(&mut reader);
        let done = client.call(&["EXEC"]);
        assert_eq!(done.items().len(), 1000);
        let after = hops(&mut reader);
        assert_eq!((after.0 - before.0, after.1 - before.1), (SHARDS, 1), "watches: {watches}");
    }
}

/// The hops and units that all threads have counted.
fn hops(client: &mut client::Client) -> (u64, u64) {
    let resp::Reply::Bulk(page) = client.call(&["INFO", "shards"]) else { panic!("INFO is a text") };
    let page = String::from_utf8(page).expect("a text");
    let sum = |name: &str| {
        let figures = page.split([',', '\n', ':']).filter_map(|field| field.strip_prefix(name));
        figures.map(|figure| figure.trim().parse::<u64>().expect("a number")).sum()
    };
    (sum("hops="), sum("units="))
}

fn watch(shards: &str, io: &str, appendonly: &str) {
    let seconds = std::env::var("BRAID_ORDER_SECONDS")
        .map_or(SECONDS, |text| text.parse().expect("BRAID_ORDER_SECONDS is a number"));
    let server = Braid::start(&["--shards", shards, "--io", io, "--appendonly", appendonly]);
    let (board, counts) = (Board::default(), Counts::default());
    let arena = Arena { address: server.address, board: &board, counts: &counts };
    std::thread::scope(|scope| {
        observers::spawn_all(arena, scope);
        queues::spawn_all(arena, scope);
        messages::spawn_all(arena, scope);
        waiters::spawn_all(arena, scope);
        let mut waited = 0;
        // On a busy machine it takes longer until all have seen enough.
        let too_few = |(_, seen): (&str, u64)| seen < OBSERVATIONS_A_SECOND_MIN * seconds;
        while board.violations() == 0
            && (waited < seconds
                || (waited < seconds * PATIENCE && board.observations().into_iter().any(too_few)))
        {
            std::thread::sleep(Duration::from_secs(1));
            waited += 1;
        }
        board.stop();
    });
    observers::count_up(arena);
    braid::tell(&board.report(&format!("{shards} shards, io {io}, journals: {appendonly}")));
    assert_eq!(board.violations(), 0, "\n{}", board.stories());
    for (name, observations) in board.observations() {
        assert!(
            observations >= OBSERVATIONS_A_SECOND_MIN * seconds,
            "{name} made only {observations} observations: it would not have seen anything"
        );
    }
}
