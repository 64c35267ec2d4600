//! Pipelines over several shards, with journals: what a client sends in one go is bound together there, and it is answered as if one thread
//! had carried it out, one command after another.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "simulation/dice.rs"]
#[expect(dead_code, reason = "simulations leave more to chance")]
mod dice;
#[path = "crash/link.rs"]
#[expect(dead_code, reason = "other tests ask more of a connection")]
mod link;
#[path = "support/resp.rs"]
mod resp;

use braid::Braid;
use dice::Dice;
use link::{Command, Link, words};
use resp::Reply;
use std::time::Duration;

const FLAGS: &[&str] = &["--appendonly", "yes", "--enable-debug-command", "yes"];

fn server(shards: &str, more: &[&str]) -> Braid {
    Braid::start(&[FLAGS, &["--shards", shards], more].concat())
}

/// Clients that work at the same time, so that no thread has time to sleep: the shards of one that sleeps are taken by others, who have nothing
/// to bind then.
fn side_by_side(work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for number in 0..6 {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

/// Sends commands in one go; their replies.
fn pipeline(link: &mut Link, commands: &[Command]) -> Vec<Reply> {
    assert!(link.send(commands), "the server is there");
    commands.iter().map(|_| link.receive().expect("a reply")).collect()
}

/// The words of a reply.
fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Reply::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    }
}

/// A command about one of a client's few keys, right or wrong; transactions are several.
fn some_commands(client: usize, number: usize, dice: &mut Dice) -> Vec<Command> {
    let key = |kind: &str, dice: &mut Dice| format!("{client}.{kind}{}", dice.below(12));
    let value = format!("v{number}");
    let plain = |dice: &mut Dice| -> Command {
        let (text, list, hash) = (key("t", dice), key("l", dice), key("h", dice));
        match dice.below(24) {
            0..3 => words(&["SET", &text, &value]),
            3 => words(&["SET", &text, &number.to_string()]),
            4 => words(&["GET", &text]),
            5 => words(&["INCR", &text]),
            6 => words(&["APPEND", &text, &value]),
            7 => words(&["SETRANGE", &text, &(dice.below(3) * 2000).to_string(), &value]),
            8..10 => words(&["RPUSH", &list, &value, "x"]),
            10 => words(&["LPOP", &list]),
            11 => words(&["LRANGE", &list, "0", "-1"]),
            12..14 => words(&["HSET", &hash, &value, "1", "f", &value]),
            14 => words(&["HGETALL", &hash]),
            15 => words(&["LPUSH", &text, "no list"]),
            16 => words(&["DEL", &text]),
            17 => words(&["DEL", &text, &list, &hash]),
            18 => words(&["MSET", &text, &value, &key("t", dice), &value]),
            19 => words(&["MGET", &text, &key("t", dice)]),
            20 => words(&["EXPIRE", &hash, "1000"]),
            21 => words(&["PING", &value]),
            22 => words(&["GETSET", &text]),
            _ => words(&["SELECT", &dice.below(2).to_string()]),
        }
    };
    match dice.below(30) {
        0 => {
            let mut commands = vec![words(&["MULTI"])];
            commands.extend((0..dice.below(4)).map(|_| plain(dice)));
            commands.push(words(&["EXEC"]));
            commands
        }
        1 => {
            let script = "redis.call('INCRBY', KEYS[1], 2) return redis.call('EXISTS', KEYS[2])";
            vec![words(&["EVAL", script, "2", &key("n", dice), &key("t", dice)])]
        }
        _ => vec![plain(dice)],
    }
}

#[test]
fn they_are_answered_as_by_one_thread_and_come_back() {
    let alone = Braid::start(&["--shards", "1", "--enable-debug-command", "yes"]);
    for (io, policy) in [("auto", "everysec"), ("epoll", "always")] {
        let mut over = server("3", &["--io", io, "--appendfsync", policy]);
        Link::when_loaded(alone.address).call(&["FLUSHALL"]);
        side_by_side(|client| {
            let (mut one, mut several) = (Link::when_loaded(alone.address), Link::when_loaded(over.address));
            let mut dice = Dice::new(client as u64);
            for round in 0..100 {
                let length = dice.within(1..=60);
                let commands: Vec<Command> = (0..length)
                    .flat_map(|number| some_commands(client, round * 100 + number, &mut dice))
                    .collect();
                let (expected, got) = (pipeline(&mut one, &commands), pipeline(&mut several, &commands));
                for ((command, expected), got) in commands.iter().zip(&expected).zip(&got) {
                    assert_eq!(got, expected, "{io}, client {client}, round {round}: {command:?}");
                }
            }
        });
        let digest = |server: &Braid| Link::when_loaded(server.address).call(&["DEBUG", "DIGEST"]);
        assert_eq!(digest(&over), digest(&alone));
        over.kill_and_start(&[FLAGS, &["--shards", "2"]].concat());
        assert_eq!(digest(&over), digest(&alone), "{io}, {policy}, after a restart");
    }
}

/// Waits until a client waits for keys.
fn until_it_waits(id: &str, link: &mut Link) {
    let flags = |link: &mut Link| text(&link.call(&["CLIENT", "LIST", "ID", id]));
    while !flags(link).contains("flags=b") {}
}

#[test]
fn who_waits_is_served_before_the_next_command() {
    let server = server("4", &[]);
    side_by_side(|client| {
        let (mut writer, mut waiter) = (Link::when_loaded(server.address), Link::when_loaded(server.address));
        let Reply::Int(id) = waiter.call(&["CLIENT", "ID"]) else { panic!("no id") };
        for round in 0..40 {
            let (list, other) = (format!("{client}.list{round}"), format!("{client}.other{round}"));
            // Who waits on one shard, and on several.
            let waits =
                if round % 4 > 0 { vec!["BLPOP", &list, "0"] } else { vec!["BLPOP", &list, &other, "0"] };
            assert!(waiter.send(&[words(&waits)]));
            until_it_waits(&id.to_string(), &mut writer);
            let set = |key: usize| words(&["SET", &format!("{client}.{key}"), "v"]);
            let mut commands: Vec<Command> = (0..8).map(set).collect();
            commands.push(words(&["RPUSH", &list, "x"]));
            commands.extend((8..16).map(set));
            commands.push(words(&["LPOP", &list]));
            commands.extend((16..24).map(set));
            let replies = pipeline(&mut writer, &commands);
            assert_eq!(replies[8], Reply::Int(1), "the length, before somebody is served");
            assert_eq!(replies[17], Reply::NullBulk, "nothing is left");
            assert_eq!(waiter.receive().as_ref().map(text), Some(format!("{list} x")));
        }
    });
}

#[test]
fn who_listens_hears_it_in_order() {
    let server = server("4", &["--notify-keyspace-events", "K$"]);
    let (mut writer, mut listener) = (Link::when_loaded(server.address), Link::when_loaded(server.address));
    listener.call(&["PSUBSCRIBE", "__keyspace@0__:*"]);
    for _ in 0..20 {
        let keys: Vec<String> = (0..40).map(|key| format!("heard{key}")).collect();
        let commands: Vec<Command> = keys.iter().map(|key| words(&["SET", key, "v"])).collect();
        pipeline(&mut writer, &commands);
        for key in &keys {
            let heard = listener.receive_within(Duration::from_secs(20)).expect("an event");
            assert!(text(&heard).contains(&format!("__:{key} ")), "{key}: {}", text(&heard));
        }
    }
}

#[test]
fn replies_that_are_not_wanted_do_not_come() {
    let server = server("3", &[]);
    side_by_side(|client| {
        let mut link = Link::when_loaded(server.address);
        for round in 0..20 {
            let mut commands = Vec::new();
            for key in 0..50 {
                if key % 7 == 0 {
                    commands.push(words(&["CLIENT", "REPLY", "SKIP"]));
                }
                let name = format!("{client}.{round}.{key}");
                commands.push(words(&["APPEND", &name, &"v".repeat(key + 1)]));
            }
            assert!(link.send(&commands));
            for key in (0..50).filter(|key| key % 7 != 0) {
                assert_eq!(link.receive(), Some(Reply::Int(key + 1)));
            }
        }
    });
    assert_eq!(Link::when_loaded(server.address).call(&["DBSIZE"]), Reply::Int(6 * 20 * 50));
}
