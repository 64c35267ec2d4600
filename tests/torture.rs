//! Clients that nobody wants: what they do, the others must not feel, and memory must not.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "tests of crashes start servers again")]
mod braid;
#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests look closer at replies")]
mod client;
#[path = "torture/crowd.rs"]
mod crowd;
#[path = "torture/lifetime.rs"]
mod lifetime;
#[path = "torture/raw.rs"]
mod raw;
#[path = "support/resp.rs"]
mod resp;
#[path = "torture/time.rs"]
mod time;
#[path = "torture/unread.rs"]
mod unread;

use braid::Braid;
use client::{Client, request};
use raw::{Bystander, Raw};
use resp::Reply;
use std::time::{Duration, Instant};

/// Servers of every kind.
fn servers() -> Vec<Braid> {
    [("1", "auto"), ("3", "auto"), ("2", "epoll")]
        .into_iter()
        .map(|(shards, io)| Braid::start(&["--shards", shards, "--io", io]))
        .collect()
}

#[test]
fn garbage_ends_its_connection_and_no_other() {
    for server in servers() {
        let bystander = Bystander::start(&server);
        let mut dice = 0x1234_5678_9abc_def1_u64;
        for round in 0..300 {
            let mut raw = Raw::connect(&server);
            let bytes: Vec<u8> = (0..round % 97 * 13)
                .map(|_| {
                    dice ^= dice << 13;
                    dice ^= dice >> 7;
                    dice ^= dice << 17;
                    // Letters that mean something come often.
                    b"*$\r\n0123456789-+ \"'\x00\xffGETSXYZ"[(dice >> 20) as usize % 28]
                })
                .collect();
            raw.send(&bytes);
        }
        for bytes in
            ["*1\r\n$2147483648\r\n", "*1\r\n$99999999999999999999\r\n", "*2147483648\r\n", "*1\r\n$-5\r\n"]
        {
            let mut raw = Raw::connect(&server);
            raw.send(bytes.as_bytes());
            let reply = raw.read_to_end();
            assert!(
                reply.starts_with(b"-ERR Protocol error"),
                "{bytes:?}: {:?}",
                String::from_utf8_lossy(&reply)
            );
        }
        bystander.stop();
    }
}

#[test]
fn half_a_command_waits_and_takes_nothing() {
    for server in servers() {
        let before = server.resident_mb();
        let mut halves = Vec::new();
        for half in
            ["*2147483647\r\n", "*2\r\n$3\r\nGET\r\n$536870912\r\n", "*3\r\n$3\r\nSET", "GET", "*1\r\n$4"]
        {
            for _ in 0..40 {
                let mut raw = Raw::connect(&server);
                raw.send(half.as_bytes());
                halves.push(raw);
            }
        }
        let bystander = Bystander::start(&server);
        std::thread::sleep(Duration::from_millis(200));
        bystander.stop();
        let grown = server.resident_mb().saturating_sub(before);
        assert!(grown < 64, "200 connections with half a command took {grown} MB");
    }
}

#[test]
fn one_byte_at_a_time_is_as_good() {
    for server in servers() {
        let mut raw = Raw::connect(&server);
        for byte in request(&[&["SET", "slow", "value"], &["GET", "slow"], &["PING"]]) {
            raw.send(&[byte]);
            std::thread::sleep(Duration::from_micros(200));
        }
        assert_eq!(raw.read(b"+OK\r\n$5\r\nvalue\r\n+PONG\r\n".len()), b"+OK\r\n$5\r\nvalue\r\n+PONG\r\n");
    }
}

#[test]
fn a_client_that_drops_in_a_pipeline_hurts_nobody() {
    for server in servers() {
        let bystander = Bystander::start(&server);
        let commands: Vec<u8> = (0..2000)
            .flat_map(|index| request(&[&["SET", &format!("drop{index}"), "v"], &["MGET", "a", "b", "c"]]))
            .collect();
        for round in 1..60 {
            Raw::connect(&server).send(&commands[..commands.len() / 60 * round]);
        }
        bystander.stop();
        assert_eq!(Client::connect(server.address).call(&["GET", "drop0"]), Reply::Bulk(b"v".to_vec()));
    }
}

#[test]
fn what_was_sent_before_the_end_is_carried_out() {
    for server in servers() {
        let mut raw = Raw::connect(&server);
        let count = 50_000;
        let commands: Vec<u8> =
            (0..count).flat_map(|index| request(&[&["INCR", &format!("half{}", index % 16)]])).collect();
        let reader = raw.reader();
        let counting = std::thread::spawn(move || reader.count_lines_to_end());
        raw.send(&commands);
        raw.shut();
        assert_eq!(counting.join().expect("it counts"), count);
    }
}

#[test]
fn a_million_commands_in_one_go() {
    const COUNT: usize = 1_000_000;
    for server in servers() {
        let commands: Vec<u8> =
            (0..COUNT).flat_map(|index| request(&[&["INCR", &format!("go{}", index % 64)]])).collect();
        let bystander = Bystander::start(&server);
        let before = server.resident_mb();
        let mut raw = Raw::connect(&server);
        let reader = raw.reader();
        let reading = std::thread::spawn(move || reader.count_lines(COUNT));
        raw.send(&commands);
        reading.join().expect("all replies come");
        // And the same by a client that looks at no reply until all is sent: its replies wait, but not without bound.
        let mut raw = Raw::connect(&server);
        let reader = raw.reader();
        let sending = std::thread::spawn(move || raw.send(&commands));
        std::thread::sleep(Duration::from_millis(1500));
        let grown = server.resident_mb().saturating_sub(before);
        reader.count_lines(COUNT);
        sending.join().expect("all is sent");
        bystander.stop();
        assert!(grown < 250, "a pipeline took {grown} MB");
        let sum: i64 = {
            let mut client = Client::connect(server.address);
            (0..64).map(|index| client.call(&["GET", &format!("go{index}")]).number()).sum()
        };
        assert_eq!(sum, 2 * COUNT as i64);
    }
}

#[test]
fn who_never_reads_is_not_read_either() {
    for server in servers() {
        let mut client = Client::connect(server.address);
        assert!(client.call(&["SET", "heavy", &"x".repeat(1 << 20)]).is_ok());
        let bystander = Bystander::start(&server);
        let before = server.resident_mb();
        let gets = request(&[&["GET", "heavy"][..]; 5000]);
        let deaf: Vec<Raw> = (0..4)
            .map(|_| {
                let mut raw = Raw::connect(&server);
                raw.send_some(&gets);
                raw
            })
            .collect();
        std::thread::sleep(Duration::from_secs(1));
        let grown = server.resident_mb().saturating_sub(before);
        bystander.stop();
        drop(deaf);
        assert!(grown < 600, "four clients that never read took {grown} MB");
    }
}

#[test]
fn values_of_64_mb_come_back_whole() {
    for server in servers() {
        let mut value = vec![0; 64 << 20];
        value.iter_mut().enumerate().for_each(|(index, byte)| *byte = ((index * 31) >> 3) as u8);
        let bystander = Bystander::start(&server);
        let mut raw = Raw::connect(&server);
        raw.send(format!("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n${}\r\n", value.len()).as_bytes());
        raw.send(&value);
        raw.send(b"\r\n");
        assert_eq!(raw.read(5), b"+OK\r\n");
        for _ in 0..2 {
            raw.send(&request(&[&["GET", "big"], &["PING"]]));
            let head = format!("${}\r\n", value.len());
            assert_eq!(raw.read(head.len()), head.as_bytes());
            assert!(raw.read(value.len()) == value, "the value changed on its way");
            assert_eq!(raw.read(9), b"\r\n+PONG\r\n");
        }
        bystander.stop();
    }
}

#[test]
fn replies_of_any_size_are_whole() {
    for server in servers() {
        let mut client = Client::connect(server.address);
        for power in 0..18 {
            for size in [(1 << power) - 1, 1 << power, (1 << power) + 1] {
                let text = "y".repeat(size);
                let replies = client.pipeline(&[&["ECHO", &text], &["SET", "size", &text], &["GET", "size"]]);
                assert_eq!(replies[0], Reply::Bulk(text.clone().into_bytes()), "ECHO of {size}");
                assert_eq!(replies[2], Reply::Bulk(text.into_bytes()), "GET of {size}");
            }
        }
    }
}

#[test]
fn a_command_may_have_a_million_arguments() {
    for server in servers() {
        let names: Vec<String> = (0..1_000_000).map(|index| format!("arg{index}")).collect();
        let mut raw = Raw::connect(&server);
        let mut bytes = format!("*{}\r\n$6\r\nEXISTS\r\n", names.len() + 1).into_bytes();
        for name in &names {
            bytes.extend_from_slice(format!("${}\r\n{name}\r\n", name.len()).as_bytes());
        }
        let start = Instant::now();
        raw.send(&bytes);
        assert_eq!(raw.read(4), b":0\r\n");
        assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    }
}

#[test]
fn a_full_cache_throws_old_keys_out_and_takes_new_ones() {
    const LIMIT: u64 = 40 << 20;
    for (shards, policy) in [("1", "allkeys-lru"), ("3", "allkeys-lfu"), ("2", "volatile-ttl")] {
        let limit = LIMIT.to_string();
        let server = Braid::start(&["--shards", shards, "--maxmemory", &limit, "--maxmemory-policy", policy]);
        let mut client = Client::connect(server.address);
        let value = "v".repeat(1000);
        for from in (0..120_000).step_by(200) {
            let names: Vec<String> = (from..from + 200).map(|number| format!("key:{number}")).collect();
            let commands: Vec<_> = names.iter().map(|name| ["SET", name, &value, "EX", "1000"]).collect();
            let commands: Vec<&[&str]> = commands.iter().map(|command| &command[..]).collect();
            let refused = client.pipeline(&commands).into_iter().find(|reply| !reply.is_ok());
            assert_eq!(refused, None, "{policy}: keys may go, so nothing is refused");
        }
        let figure = |client: &mut Client, section: &str, name: &str| {
            let Reply::Bulk(text) = client.call(&["INFO", section]) else { panic!("INFO is a text") };
            let text = String::from_utf8_lossy(&text).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            line.and_then(|value| value.parse::<u64>().ok()).expect("a number")
        };
        assert!(figure(&mut client, "stats", "evicted_keys") > 40_000, "{policy}");
        // What comes faster than it is looked at is over the limit for a moment.
        let deadline = Instant::now() + Duration::from_secs(10);
        while figure(&mut client, "memory", "used_memory") > LIMIT + LIMIT / 10 {
            assert!(Instant::now() < deadline, "{policy}: it stays above its limit");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_full_store_whose_keys_must_stay_refuses_writes() {
    let policies = ["noeviction", "volatile-lru"];
    for policy in policies {
        let server = Braid::start(&["--shards", "2", "--maxmemory", "20mb", "--maxmemory-policy", policy]);
        let mut client = Client::connect(server.address);
        let value = "v".repeat(10_000);
        let refused = (0..10_000).any(|number| {
            let reply = client.call(&["SET", &format!("key:{number}"), &value]);
            matches!(reply, Reply::Error(text) if text.starts_with(b"OOM"))
        });
        assert!(refused, "{policy}");
        assert_eq!(client.call(&["GET", "key:0"]), Reply::Bulk(value.clone().into_bytes()));
    }
}
