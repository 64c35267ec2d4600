//! Observers of queues: whoever pops an entry finds its payload; elements that move from list to list are never lost nor doubled.
use crate::client::{Client, request};
use crate::observers::{Arena, KEYS, key};
use crate::resp::Reply;
use std::collections::BTreeSet;
use std::thread::Scope;
use std::time::Duration;

/// Who feeds waits when this many entries are in a queue.
const BACKLOG_MAX: i64 = 200;
/// How many elements go round. So few that lists are often empty, and moves have to wait.
const ELEMENTS: usize = 6;

/// Starts them all.
pub(crate) fn spawn_all<'s>(arena: Arena<'s>, scope: &'s Scope<'s, '_>) {
    let mut client = arena.client();
    for element in 0..ELEMENTS {
        client.call(&["RPUSH", &key("belt", element), &element.to_string()]).number();
    }
    for lane in 0..2 {
        scope.spawn(move || feed(arena, lane));
        scope.spawn(move || consume(arena, lane));
        scope.spawn(move || move_round(arena, lane));
        scope.spawn(move || count_elements(arena, lane));
    }
    scope.spawn(move || consume(arena, 2));
    scope.spawn(move || move_round(arena, 2));
}

/// First the payload, then the entry that names it, never waiting in between; both on changing shards.
fn feed(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let mut count = 0;
    while arena.board.goes_on() {
        let mut bytes = Vec::new();
        for _ in 0..8 {
            count += 1;
            let payload = key(&format!("payload{lane}:{count}"), count);
            let queue = key("queue", count * 3 + count / 4);
            bytes.extend(request(&[&["SET", &payload, &payload], &["LPUSH", &queue, &payload]]));
        }
        client.send_bytes(&bytes);
        let mut longest = 0;
        for _ in 0..8 {
            assert!(client.receive().is_ok());
            longest = longest.max(client.receive().number());
        }
        while longest > BACKLOG_MAX && arena.board.goes_on() {
            std::thread::sleep(Duration::from_millis(1));
            longest = client.call(&["LLEN", &key("queue", count)]).number();
        }
    }
}

/// Waits at the queues of all shards; the payload of what comes is there.
fn consume(arena: Arena<'_>, lane: usize) {
    let (mut client, mut other) = (arena.client(), arena.client());
    let names: Vec<String> = (0..KEYS.len()).map(|index| key("queue", index + lane)).collect();
    let mut pop = vec![if lane == 0 { "BLPOP" } else { "BRPOP" }];
    pop.extend(names.iter().map(String::as_str));
    pop.push("0.1");
    let mut round = 0;
    while arena.board.goes_on() {
        let popped = client.call(&pop);
        if popped.is_null() {
            continue;
        }
        let Reply::Bulk(entry) = &popped.items()[1] else { panic!("{popped:?} names no entry") };
        let payload = String::from_utf8_lossy(entry).into_owned();
        round += 1;
        let reader = if round % 2 == 0 { &mut client } else { &mut other };
        let found = reader.call(&["GETDEL", &payload]);
        let is_there = found == Reply::Bulk(entry.clone());
        arena.board.saw("payloads of popped entries", is_there, || format!("{payload} holds {found:?}"));
    }
}

/// Moves elements from shard to shard; waits for them where none is.
fn move_round(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    let mut round = lane;
    while arena.board.goes_on() {
        round += 1;
        let (from, to) = (key("belt", round), key("belt", round + 1 + round % 3));
        let moved = match lane {
            0 => client.call(&["LMOVE", &from, &to, "LEFT", "RIGHT"]),
            1 => client.call(&["BLMOVE", &from, &to, "RIGHT", "LEFT", "0.05"]),
            _ => client.call(&["BRPOPLPUSH", &from, &to, "0.05"]),
        };
        let fits = moved.is_null() || matches!(moved, Reply::Bulk(_));
        arena.board.saw("moves between lists", fits, || format!("{moved:?}"));
    }
}

/// Each element is in one list, always.
fn count_elements(arena: Arena<'_>, lane: usize) {
    let mut client = arena.client();
    while arena.board.goes_on() {
        if lane == 0 {
            let lens = all_lists(&mut client, |name| vec!["LLEN", name]);
            let sum: i64 = lens.iter().map(Reply::number).sum();
            arena.board.saw("lengths of lists by MULTI", sum == ELEMENTS as i64, || {
                format!("{sum} elements: {lens:?}")
            });
        } else {
            let lists = all_lists(&mut client, |name| vec!["LRANGE", name, "0", "-1"]);
            let found: Vec<i64> = lists.iter().flat_map(Reply::items).map(Reply::number).collect();
            let distinct: BTreeSet<i64> = found.iter().copied().collect();
            let fits = found.len() == ELEMENTS && distinct.len() == ELEMENTS;
            arena.board.saw("elements of lists by MULTI", fits, || format!("{lists:?}"));
        }
    }
}

/// The replies of one command for each list, given at one instant.
fn all_lists(client: &mut Client, ask: for<'a> fn(&'a str) -> Vec<&'a str>) -> Vec<Reply> {
    let names: Vec<String> = (0..KEYS.len()).map(|index| key("belt", index)).collect();
    let asked: Vec<Vec<&str>> = names.iter().map(|name| ask(name)).collect();
    let commands: Vec<&[&str]> = std::iter::once(&["MULTI"][..])
        .chain(asked.iter().map(|command| &command[..]))
        .chain([&["EXEC"][..]])
        .collect();
    client.pipeline(&commands).pop().expect("a reply each").items().to_vec()
}
