//! Clients that do not read, under `client-output-buffer-limit`: when they are given up, and when not.
use crate::braid::Braid;
use crate::client::{Client, request};
use crate::raw::{Bystander, Raw};
use crate::resp::Reply;
use crate::servers;
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 1 << 20;

/// A client that asks for 40 MB and reads none of it: more than sockets take in.
fn deaf(server: &Braid) -> Raw {
    let mut raw = Raw::connect(server);
    raw.send(&request(&[&["GET", "heavy"][..]; 40]));
    raw
}

fn limit(client: &mut Client, limit: &str) {
    assert!(client.call(&["CONFIG", "SET", "client-output-buffer-limit", limit]).is_ok());
}

fn given_up(client: &mut Client) -> u64 {
    let Reply::Bulk(text) = client.call(&["INFO", "stats"]) else { panic!("INFO is a text") };
    let text = String::from_utf8(text).expect("INFO is readable");
    let line = text.lines().find_map(|line| line.strip_prefix("client_output_buffer_limit_disconnections:"));
    line.expect("the line").parse().expect("a number")
}

#[test]
fn who_is_above_the_soft_limit_for_too_long_is_given_up() {
    for server in servers() {
        let mut client = Client::connect(server.address);
        assert!(client.call(&["SET", "heavy", &"x".repeat(VALUE_BYTES)]).is_ok());
        limit(&mut client, "normal 0 4mb 1");
        let bystander = Bystander::start(&server);
        let start = Instant::now();
        let mut raw = deaf(&server);
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(given_up(&mut client), 0, "it has a second");
        while given_up(&mut client) == 0 {
            assert!(start.elapsed() < Duration::from_secs(10), "it was never given up");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(raw.read_to_end().len() < 40 * VALUE_BYTES, "what it did not read is gone");
        bystander.stop();
    }
}

#[test]
fn who_reads_in_time_is_not_given_up() {
    for server in servers() {
        let mut client = Client::connect(server.address);
        assert!(client.call(&["SET", "heavy", &"x".repeat(VALUE_BYTES)]).is_ok());
        limit(&mut client, "normal 0 4mb 1");
        let mut raw = deaf(&server);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(raw.read(VALUE_BYTES).len(), VALUE_BYTES);
        raw.read(39 * VALUE_BYTES);
        std::thread::sleep(Duration::from_millis(2300));
        assert_eq!(given_up(&mut client), 0);
        raw.send(&request(&[&["GET", "heavy"]]));
        raw.read(VALUE_BYTES);
    }
}

#[test]
fn who_is_above_the_hard_limit_is_given_up_at_once() {
    for server in servers() {
        let mut client = Client::connect(server.address);
        assert!(client.call(&["SET", "heavy", &"x".repeat(VALUE_BYTES)]).is_ok());
        limit(&mut client, "normal 8mb 0 0");
        let start = Instant::now();
        let mut raw = deaf(&server);
        assert!(raw.read_to_end().len() < 40 * VALUE_BYTES, "{:?}", start.elapsed());
        assert_eq!(given_up(&mut client), 1);
    }
}

#[test]
fn a_subscriber_that_does_not_read_is_given_up_and_the_others_hear_all() {
    const MESSAGES: usize = 60;
    for server in servers() {
        let mut client = Client::connect(server.address);
        limit(&mut client, "pubsub 4mb 0 0");
        let mut deaf: Vec<Raw> = (0..3).map(|_| Raw::connect(&server)).collect();
        deaf.iter_mut().for_each(|raw| raw.send(&request(&[&["SUBSCRIBE", "news"]])));
        let mut listener = Client::connect(server.address);
        assert!(matches!(listener.call(&["SUBSCRIBE", "news"]), Reply::Array(_)));
        deaf.iter_mut().for_each(|raw| assert_eq!(raw.read(4), b"*3\r\n"));
        let hearing = std::thread::spawn(move || {
            for number in 0..MESSAGES {
                let Reply::Array(words) = listener.receive() else { panic!("a message is an array") };
                let Reply::Bulk(text) = &words[2] else { panic!("a message is a text") };
                assert_eq!(text.split(|byte| *byte == b'.').next(), Some(number.to_string().as_bytes()));
            }
            listener
        });
        for number in 0..MESSAGES {
            client.call(&["PUBLISH", "news", &format!("{number}.{}", "x".repeat(VALUE_BYTES / 2))]);
            // The one that reads has the time to.
            std::thread::sleep(Duration::from_millis(3));
        }
        let _listener = hearing.join().expect("it heard all");
        assert_eq!(given_up(&mut client), 3);
        assert_eq!(client.call(&["PUBLISH", "news", "end"]), Reply::Int(1));
    }
}
