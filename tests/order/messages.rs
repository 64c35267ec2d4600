//! Observers of messages: who hears of a write finds it done, and all hear the same order.
use crate::client::{Client, request};
use crate::observers::{Arena, key};
use crate::resp::Reply;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

const LISTENERS: usize = 4;
const PUBLISHERS: usize = 2;
/// Publishers run at most so far ahead of the slowest listener: its output buffer has a limit.
const AHEAD_MAX: u64 = 400;
const CHANNEL: &str = "news";

/// A message: which publisher's, and its number there; 0 says goodbye.
type Message = (usize, i64);

/// What has been heard so far.
#[derive(Default)]
pub(crate) struct Hearing {
    published: AtomicU64,
    heard: [AtomicU64; LISTENERS],
    /// All messages in the order in which whoever was first heard them.
    order: Mutex<Vec<Message>>,
}

impl Hearing {
    fn is_far_behind(&self) -> bool {
        let slowest = self.heard.iter().map(|heard| heard.load(Ordering::SeqCst)).min();
        self.published.load(Ordering::SeqCst) > slowest.expect("there are listeners") + AHEAD_MAX
    }

    /// Notes the message that was the `index`-th for somebody; what others heard there, if that was another.
    fn contradicts(&self, index: usize, message: Message) -> Option<Message> {
        let mut order = self.order.lock().expect("no poison");
        if order.len() == index {
            order.push(message);
        }
        Some(order[index]).filter(|first| *first != message)
    }
}

/// Starts them all; everybody listens before the first message is sent.
pub(crate) fn spawn_all<'s>(arena: Arena<'s>, scope: &'s Scope<'s, '_>) {
    for lane in 0..LISTENERS {
        let mut client = arena.client();
        if lane % 2 == 1 {
            assert!(matches!(client.call(&["HELLO", "3"]), Reply::Map(_)));
        }
        let subscribe = if lane < 2 { "SUBSCRIBE" } else { "PSUBSCRIBE" };
        client.call(&[subscribe, CHANNEL]);
        scope.spawn(move || listen(arena, lane, client));
    }
    for lane in 0..PUBLISHERS {
        scope.spawn(move || publish(arena, lane));
    }
}

fn news(lane: usize, number: i64) -> String {
    key(&format!("news{lane}"), number as usize % 4)
}

/// Writes and says so, by a key that is declared.
const DECLARED: &str = "redis.call('set', KEYS[1], ARGV[2]) return redis.call('publish', ARGV[1], ARGV[3])";
/// The same by one that is not.
const UNDECLARED: &str = "redis.call('set', ARGV[4], ARGV[2]) return redis.call('publish', ARGV[1], ARGV[3])";

/// Writes, then says so, never waiting in between: by commands, in transactions and in scripts, in turn.
fn publish(arena: Arena<'_>, lane: usize) {
    let (mut client, hearing) = (arena.client(), &arena.counts.hearing);
    let mut number = 0;
    while arena.board.goes_on() {
        if hearing.is_far_behind() {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        let mut bytes = Vec::new();
        for number in number + 1..=number + 8 {
            let (name, text) = (news(lane, number), number.to_string());
            let message = format!("{lane} {number}");
            let [set, say]: [&[&str]; 2] = [&["SET", &name, &text], &["PUBLISH", CHANNEL, &message]];
            bytes.extend(match number % 4 {
                0 => request(&[set, say]),
                1 => request(&[&["MULTI"], set, say, &["EXEC"]]),
                2 => request(&[&["EVAL", DECLARED, "1", &name, CHANNEL, &text, &message]]),
                _ => request(&[&["EVAL", UNDECLARED, "0", CHANNEL, &text, &message, &name]]),
            });
        }
        client.send_bytes(&bytes);
        for number in number + 1..=number + 8 {
            let receivers = match number % 4 {
                0 => {
                    assert!(client.receive().is_ok());
                    client.receive()
                }
                1 => {
                    (0..3).for_each(|_| drop(client.receive()));
                    client.receive().items()[1].clone()
                }
                _ => client.receive(),
            };
            arena.board.saw("receivers of messages", receivers == Reply::Int(LISTENERS as i64), || {
                format!("{receivers:?} receivers")
            });
        }
        number += 8;
        hearing.published.fetch_add(8, Ordering::SeqCst);
    }
    client.call(&["PUBLISH", CHANNEL, &format!("{lane} 0")]);
}

/// Compares what it hears with what others heard and with what is there, until all publishers said goodbye.
fn listen(arena: Arena<'_>, lane: usize, mut client: Client) {
    let (mut reader, hearing) = (arena.client(), &arena.counts.hearing);
    let (mut farewells, mut index) = (0, 0);
    let mut last = [0; PUBLISHERS];
    while farewells < PUBLISHERS {
        let message = heard(&client.receive());
        let other = hearing.contradicts(index, message);
        arena.board.saw("order of messages", other.is_none(), || {
            format!("the {index}th was {message:?} here and {other:?} there")
        });
        let (publisher, number) = message;
        if number == 0 {
            farewells += 1;
        } else {
            arena.board.saw("order of a publisher", number == last[publisher] + 1, || {
                format!("{number} came after {} of {publisher}", last[publisher])
            });
            last[publisher] = number;
        }
        if number > 0 && lane.is_multiple_of(2) {
            let found = reader.call(&["GET", &news(publisher, number)]).number();
            arena.board.saw("writes before their messages", found >= number, || {
                format!("heard of {number}, found {found}")
            });
        }
        index += 1;
        hearing.heard[lane].store(index as u64, Ordering::SeqCst);
    }
}

/// What a delivery says, of a channel or of a pattern, in RESP2 or RESP3.
fn heard(delivery: &Reply) -> Message {
    let (Reply::Array(fields) | Reply::Push(fields)) = delivery else { panic!("{delivery:?} is no message") };
    let Some(Reply::Bulk(text)) = fields.last() else { panic!("{delivery:?} says nothing") };
    let text = String::from_utf8_lossy(text);
    let (publisher, number) = text.split_once(' ').expect("a publisher and a number");
    (publisher.parse().expect("a lane"), number.parse().expect("a number"))
}
