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
    watch("2", "auto");
}

#[test]
fn three_shards_over_epoll_are_one_server() {
    watch("3", "epoll");
}

#[test]
fn four_shards_over_uring_are_one_server() {
    watch("4", "auto");
}

/// The observers themselves see nothing wrong on one shard, and all of them see something.
#[test]
fn one_shard_is_one_server() {
    watch("1", "auto");
}

fn watch(shards: &str, io: &str) {
    let seconds = std::env::var("BRAID_ORDER_SECONDS")
        .map_or(SECONDS, |text| text.parse().expect("BRAID_ORDER_SECONDS is a number"));
    let server = Braid::start(&["--shards", shards, "--io", io]);
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
    braid::tell(&board.report(&format!("{shards} shards, io {io}")));
    assert_eq!(board.violations(), 0, "\n{}", board.stories());
    for (name, observations) in board.observations() {
        assert!(
            observations >= OBSERVATIONS_A_SECOND_MIN * seconds,
            "{name} made only {observations} observations: it would not have seen anything"
        );
    }
}
