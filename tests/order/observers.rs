//! The observers: writers that keep some promise, and readers who would see it broken.
use crate::client::{Client, request};
use crate::messages::Hearing;
use crate::resp::Reply;
use crate::tally::Board;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::Scope;

/// Where they meet.
#[derive(Clone, Copy)]
pub(crate) struct Arena<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) board: &'a Board,
    pub(crate) counts: &'a Counts,
}

/// What clients have been told that they did.
#[derive(Default)]
pub(crate) struct Counts {
    watched_updates: AtomicI64,
    increments: AtomicI64,
    pub(crate) hearing: Hearing,
}

impl Arena<'_> {
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }
}

/// Names of keys that fall on different shards, however many there are up to four.
pub(crate) const KEYS: [&str; 4] = ["b", "d", "c", "a"];
/// What all accounts hold together.
const WEALTH: i64 = 4000;

/// The name of a key: those of neighbouring indices are on different shards.
pub(crate) fn key(family: &str, index: usize) -> String {
    // The tag decides the shard: slots 3300 (b), 11298 (d), 7365 (c), 15495 (a); neighbours are never together.
    format!("{family}:{{{}}}", KEYS[index % KEYS.len()])
}

/// Starts those that watch strings.
pub(crate) fn spawn_all<'s>(arena: Arena<'s>, scope: &'s Scope<'s, '_>) {
    prepare(&mut arena.client());
    for lane in 0..2 {
        scope.spawn(move || write_in_order(arena, lane));
        scope.spawn(move || read_backwards_pipelined(arena, lane));
        scope.spawn(move || read_backwards_apart(arena, lane));
        scope.spawn(move || transfer(arena, lane));
        scope.spawn(move || transfer_watched(arena, lane));
        scope.spawn(move || count_wealth(arena, lane));
        scope.spawn(move || raise(arena, lane));
        scope.spawn(move || read_risen(arena, lane));
        scope.spawn(move || update_watched(arena));
        scope.spawn(move || increment(arena, lane));
        scope.spawn(move || converse(arena, lane));
        scope.spawn(move || look_for_the_moved(arena));
    }
    scope.spawn(move || keep_moving(arena));
}

fn prepare(client: &mut Client) {
    for index in 0..KEYS.len() {
        let share = (WEALTH / KEYS.len() as i64).to_string();
        assert!(client.call(&["SET", &key("wealth", index), &share]).is_ok());
    }
    assert!(client.call(&["SET", &key("moved", 0), "it"]).is_ok());
}

/// One connection writes the first, then the second, and never waits in between.
fn write_in_order(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let [first, second] = [key(&format!("first{lane}"), lane), key(&format!("second{lane}"), lane + 1)];
    let mut value = 0;
    while arena.board.goes_on() {
        let mut bytes = Vec::new();
        for _ in 0..16 {
            value += 1;
            let text = value.to_string();
            bytes.extend(request(&[&["SET", &first, &text], &["SET", &second, &text]]));
        }
        client.send_bytes(&bytes);
        (0..32).for_each(|_| assert!(client.receive().is_ok()));
    }
}

/// Whoever has seen the second write has seen the first.
fn read_backwards_pipelined(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let [first, second] = [key(&format!("first{lane}"), lane), key(&format!("second{lane}"), lane + 1)];
    while arena.board.goes_on() {
        let replies = client.pipeline(&[&["GET", &second], &["GET", &first]]);
        let (second, first) = (replies[0].number(), replies[1].number());
        arena.board.saw("order of a pipeline, read by a pipeline", first >= second, || {
            format!("the second write was {second}, the first read after it {first}")
        });
    }
}

fn read_backwards_apart(arena: Arena<'_>, lane: usize) {
    let (mut one, mut other) = (arena.client(), arena.client());
    let [first, second] = [key(&format!("first{lane}"), lane), key(&format!("second{lane}"), lane + 1)];
    while arena.board.goes_on() {
        let seen = one.call(&["GET", &second]).number();
        let then = other.call(&["GET", &first]).number();
        arena.board.saw("order of a pipeline, read by two connections", then >= seen, || {
            format!("the second write was {seen}, the first read after it {then}")
        });
    }
}

fn transfer(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let mut round = lane;
    while arena.board.goes_on() {
        round += 1;
        let (from, to) = (key("wealth", round), key("wealth", round + 1 + round % 3));
        let replies =
            client.pipeline(&[&["MULTI"], &["DECRBY", &from, "7"], &["INCRBY", &to, "7"], &["EXEC"]]);
        arena.board.saw("transfers by MULTI", replies[3].items().len() == 2, || format!("{replies:?}"));
    }
}

fn transfer_watched(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let mut round = lane;
    while arena.board.goes_on() {
        round += 1;
        let (from, to) = (key("wealth", round), key("wealth", round + 1));
        assert!(client.call(&["WATCH", &from, &to]).is_ok());
        let have = client.call(&["MGET", &from, &to]);
        let (poorer, richer) = (have.items()[0].number() - 5, have.items()[1].number() + 5);
        let set = ["MSET", &from, &poorer.to_string(), &to, &richer.to_string()];
        let replies = client.pipeline(&[&["MULTI"], &set, &["EXEC"]]);
        let fits = replies[2].is_null() || replies[2].items()[0].is_ok();
        arena.board.saw("transfers by WATCH and MSET", fits, || format!("{replies:?}"));
    }
}

fn count_wealth(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let names: Vec<String> = (0..KEYS.len()).map(|index| key("wealth", index)).collect();
    let all: Vec<&str> = std::iter::once("MGET").chain(names.iter().map(String::as_str)).collect();
    let sum = |reply: &Reply| reply.items().iter().map(Reply::number).sum::<i64>();
    while arena.board.goes_on() {
        let reply = if lane == 0 {
            client.call(&all)
        } else {
            let gets: Vec<[&str; 2]> = names.iter().map(|name| ["GET", name]).collect();
            let commands: Vec<&[&str]> = std::iter::once(&["MULTI"][..])
                .chain(gets.iter().map(|get| &get[..]))
                .chain([&["EXEC"][..]])
                .collect();
            client.pipeline(&commands).pop().expect("a reply each")
        };
        let what = if lane == 0 { "sums by MGET" } else { "sums by MULTI" };
        arena.board.saw(what, sum(&reply) == WEALTH, || format!("{} in {reply:?}", sum(&reply)));
    }
}

/// A key is renamed from shard to shard.
fn keep_moving(arena: Arena<'_>) {
    let mut client = arena.client();
    let mut at = 0;
    while arena.board.goes_on() {
        let reply = client.call(&["RENAME", &key("moved", at), &key("moved", at + 1)]);
        arena.board.saw("renames", reply.is_ok(), || format!("{reply:?}"));
        at = (at + 1) % KEYS.len();
    }
}

/// It is always in one place, and in one only.
fn look_for_the_moved(arena: Arena<'_>) {
    let mut client = arena.client();
    let names: Vec<String> = (0..KEYS.len()).map(|index| key("moved", index)).collect();
    let ask = |word| std::iter::once(word).chain(names.iter().map(String::as_str)).collect::<Vec<&str>>();
    while arena.board.goes_on() {
        let count = client.call(&ask("EXISTS")).number();
        arena.board.saw("a renamed key by EXISTS", count == 1, || format!("it was there {count} times"));
        let values = client.call(&ask("MGET"));
        let count = values.items().iter().filter(|value| !value.is_null()).count();
        arena.board.saw("a renamed key by MGET", count == 1, || format!("{values:?}"));
    }
}

fn raise(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let [low, high] = [key(&format!("low{lane}"), lane), key(&format!("high{lane}"), lane + 1)];
    let mut value = 0;
    while arena.board.goes_on() {
        value += 1;
        let text = value.to_string();
        assert!(client.call(&["MSET", &low, &text, &high, &text]).is_ok());
    }
}

fn read_risen(arena: Arena<'_>, lane: usize) {
    let (mut one, mut other) = (arena.client(), arena.client());
    let [low, high] = [key(&format!("low{lane}"), lane), key(&format!("high{lane}"), lane + 1)];
    let mut round = 0;
    while arena.board.goes_on() {
        round += 1;
        let (now, then) = if round % 2 == 0 { (&low, &high) } else { (&high, &low) };
        let seen = one.call(&["GET", now]).number();
        let after = one.call(&["GET", then]).number();
        arena.board.saw("rising MSETs, one connection", after >= seen, || format!("{seen}, then {after}"));
        let seen = one.call(&["GET", now]).number();
        let after = other.call(&["GET", then]).number();
        arena.board.saw("rising MSETs, two connections", after >= seen, || format!("{seen}, then {after}"));
        let both = other.call(&["MGET", &low, &high]);
        let (low, high) = (both.items()[0].number(), both.items()[1].number());
        arena.board.saw("rising MSETs by MGET", low == high, || format!("{low} and {high}"));
    }
}

/// Two counters on two shards, risen together under WATCH.
fn update_watched(arena: Arena<'_>) {
    let mut client = arena.client();
    let [one, other] = [key("watched", 0), key("watched", 1)];
    while arena.board.goes_on() {
        assert!(client.call(&["WATCH", &one, &other]).is_ok());
        let seen = (client.call(&["GET", &one]).number(), client.call(&["GET", &other]).number());
        let next = (seen.0 + 1).to_string();
        let replies =
            client.pipeline(&[&["MULTI"], &["SET", &one, &next], &["SET", &other, &next], &["EXEC"]]);
        let done = !replies[3].is_null();
        if done {
            arena.counts.watched_updates.fetch_add(1, Ordering::SeqCst);
        }
        // What was read counts only if nobody came between.
        arena.board.saw("counters under WATCH", !done || seen.0 == seen.1, || format!("{seen:?}"));
    }
}

/// Counters on all shards, in deep pipelines; each client knows what its own counter must say.
fn increment(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let own: Vec<String> = (0..KEYS.len()).map(|index| key(&format!("own{lane}"), index)).collect();
    let mut counts = [0; KEYS.len()];
    while arena.board.goes_on() {
        let mut bytes = Vec::new();
        for round in 0..50 {
            bytes.extend(request(&[&["INCR", &own[round % 4]], &["INCR", &key("shared", round / 3)]]));
        }
        client.send_bytes(&bytes);
        for round in 0..50 {
            counts[round % 4] += 1;
            let reply = client.receive().number();
            arena.board.saw("pipelined INCRs", reply == counts[round % 4], || {
                format!("{reply} instead of {}", counts[round % 4])
            });
            client.receive().number();
            arena.counts.increments.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Replies come in the order of the commands, wherever those ran.
fn converse(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let names: Vec<String> = (0..KEYS.len()).map(|index| key(&format!("talk{lane}"), index)).collect();
    let mut count = 0;
    while arena.board.goes_on() {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for round in 0..24 {
            count += 1;
            let (name, text) = (&names[(round * 7 + count) % names.len()], count.to_string());
            bytes.extend(request(&[&["SET", name, &text], &["ECHO", &text], &["GET", name]]));
            expected.extend([Reply::Simple(b"OK".to_vec()), Reply::Bulk(text.clone().into_bytes())]);
            expected.push(Reply::Bulk(text.into_bytes()));
            if round % 5 == 0 {
                bytes.extend(request(&[&[
                    "EXISTS", &names[0], &names[1], &names[2], &names[3], name, "none",
                ]]));
                expected.push(Reply::Int(0));
            }
        }
        client.send_bytes(&bytes);
        for expected in expected {
            let reply = client.receive();
            // How many exist differs in the first rounds; that it is a number does not.
            let fits = reply == expected || matches!((&reply, &expected), (Reply::Int(_), Reply::Int(_)));
            arena.board.saw("order of replies", fits, || format!("{reply:?} instead of {expected:?}"));
        }
    }
}

/// When all have stopped: nothing was lost.
pub(crate) fn count_up(arena: Arena<'_>) {
    let mut client = arena.client();
    let shared: i64 =
        (0..KEYS.len()).map(|index| client.call(&["GET", &key("shared", index)]).number()).sum();
    let counted = arena.counts.increments.load(Ordering::SeqCst);
    if shared != counted {
        arena.board.saw("pipelined INCRs", false, || format!("{shared} instead of {counted} in all"));
    }
    let updates = arena.counts.watched_updates.load(Ordering::SeqCst);
    let watched = client.call(&["GET", &key("watched", 0)]).number();
    if watched != updates {
        arena.board.saw("counters under WATCH", false, || format!("{watched} instead of {updates}"));
    }
}
