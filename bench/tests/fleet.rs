//! The load generator against servers that misbehave on purpose: nothing that is wrong may go unseen.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests they help")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use braid_bench::commands::CommandCount;
use braid_bench::driver::Goal;
use braid_bench::fleet::{Fleet, Plan};
use braid_bench::outcome::Outcome;
use braid_bench::workload::{Distribution, KeyShape, Workload};

/// A server that hands each batch of commands (their number, and the number of those before on this connection)
/// to `answer`, and ends the connection when that gives nothing.
fn serve(answer: impl Fn(usize, usize) -> Option<Vec<u8>> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || serve_one(&stream.unwrap(), answer));
        }
    });
    address
}

fn serve_one(mut stream: &TcpStream, answer: impl Fn(usize, usize) -> Option<Vec<u8>>) {
    let mut commands = CommandCount::default();
    let mut before = 0;
    let mut room = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut room) {
        let count = commands.count(&room[..length]).unwrap();
        let Some(reply) = answer(count, before) else { return };
        before += count;
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn ok(count: usize) -> Vec<u8> {
    b"+OK\r\n".repeat(count)
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        address,
        connections: 7,
        depth: 3,
        threads: 2,
        cores: Vec::new(),
        distribution: Distribution::Uniform,
        key_count: 1000,
        seed: 1,
        prelude: Vec::new(),
    }
}

fn run(plan: &Plan, units: &[(u32, &str)], goal: &Goal) -> Outcome {
    let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: plan.key_count };
    let units: Vec<(u32, String)> =
        units.iter().map(|(weight, text)| (*weight, (*text).to_owned())).collect();
    let workload = Workload::new(&units, &shape, plan.distribution, &[3], 1).unwrap();
    let progress = AtomicU64::new(0);
    let outcome = Fleet::connect(plan, &workload).unwrap().run(goal, &progress).unwrap();
    assert_eq!(outcome.units, progress.load(Ordering::Relaxed));
    outcome
}

const SET: &[(u32, &str)] = &[(1, "SET {key} {value}")];

fn counted(units: u64) -> Goal {
    Goal { units: Some(units), ..Goal::default() }
}

#[test]
fn a_counted_run_sends_exactly_as_many() {
    let address = serve(|count, _| Some(ok(count)));
    let outcome = run(&plan(address), SET, &counted(1001));
    assert_eq!((outcome.units, outcome.replies, outcome.latencies.count()), (1001, 1001, 1001));
    assert_eq!(outcome.failure(false), None);
    assert_eq!(
        outcome.bytes_sent,
        1001 * "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$3\r\nabc\r\n".len() as u64
    );
    assert_eq!(outcome.bytes_received, 1001 * 5);
}

#[test]
fn a_unit_is_done_with_its_last_reply() {
    let address = serve(|count, _| Some(ok(count)));
    let units = [(1, "MSET {key} a; RENAME {key.a} {key.b}; SELECT 0"), (1, "SET {key} a")];
    let outcome = run(&plan(address), &units, &counted(500));
    assert_eq!((outcome.units, outcome.latencies.count()), (500, 500));
    assert!(outcome.replies > 700 && outcome.replies < 1300, "{}", outcome.replies);
    assert_eq!(outcome.replies % 2, 0, "each unit has one or three");
}

#[test]
fn a_timed_run_ends_on_time() {
    let address = serve(|count, _| Some(ok(count)));
    let start = Instant::now();
    let goal = Goal { duration: Some(Duration::from_millis(200)), ..Goal::default() };
    let outcome = run(&plan(address), SET, &goal);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(outcome.elapsed >= Duration::from_millis(150) && outcome.failure(false).is_none());
}

#[test]
fn one_error_among_many_replies_is_seen() {
    let address = serve(|count, before| {
        let mut reply = ok(count);
        if before == 0 {
            reply.splice(..5, b"-ERR once\r\n".iter().copied());
        }
        Some(reply)
    });
    let outcome = run(&Plan { connections: 1, threads: 1, ..plan(address) }, SET, &counted(300));
    assert_eq!((outcome.errors, outcome.wrong, outcome.units), (1, 0, 300));
    assert!(outcome.failure(true).unwrap().contains("ERR once"));
}

#[test]
fn a_reply_of_another_kind_is_seen() {
    let address = serve(|count, _| Some(b":1\r\n".repeat(count)));
    let outcome = run(&plan(address), SET, &counted(50));
    assert_eq!((outcome.errors, outcome.wrong), (0, 50));
    let address = serve(|count, _| Some(b"$-1\r\n".repeat(count)));
    let outcome = run(&plan(address), &[(1, "GET {key}")], &counted(50));
    assert_eq!((outcome.wrong, outcome.nils), (0, 50));
    assert!(outcome.failure(false).is_some() && outcome.failure(true).is_none());
}

#[test]
fn a_connection_that_ends_is_seen() {
    let address = serve(|count, before| (before < 20).then(|| ok(count)));
    let outcome = run(&plan(address), SET, &counted(1000));
    assert!(outcome.lost > 0 && outcome.units < 1000);
    assert!(outcome.failure(true).is_some());
}

#[test]
fn replies_nobody_asked_for_and_garbage_are_seen() {
    for garbage in [&b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n"[..], b"OK\r\n"] {
        let address = serve(|_, _| Some(garbage.to_vec()));
        let outcome = run(&plan(address), SET, &counted(100));
        assert!(outcome.lost > 0, "{:?}", outcome.problem);
    }
}

#[test]
fn a_slow_reader_of_big_values_gets_them_all() {
    let address = serve(|count, _| {
        thread::sleep(Duration::from_millis(1));
        Some(ok(count))
    });
    let plan = Plan { connections: 2, depth: 8, ..plan(address) };
    let outcome = run(&plan, &[(1, "SET {key} {value:400000}")], &counted(20));
    assert_eq!((outcome.units, outcome.failure(false)), (20, None));
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let address = serve(|count, _| Some(ok(count)));
    let goal =
        Goal { duration: Some(Duration::from_millis(500)), units_per_s: Some(2000.0), ..Goal::default() };
    let outcome = run(&plan(address), SET, &goal);
    assert_eq!(outcome.units + outcome.unsent, 1000);
    assert!(outcome.unsent < 20, "{}", outcome.unsent);
}

/// A server that stops for a while makes everybody wait who comes in that time, not only the one request under way.
#[test]
fn an_open_loop_counts_from_when_a_unit_was_due() {
    let address = serve(|count, before| {
        if (100..100 + count).contains(&(before + count)) {
            thread::sleep(Duration::from_millis(300));
        }
        Some(ok(count))
    });
    let plan = Plan { connections: 1, threads: 1, depth: 1, ..plan(address) };
    let goal = Goal { duration: Some(Duration::from_secs(1)), units_per_s: Some(1000.0), ..Goal::default() };
    let outcome = run(&plan, SET, &goal);
    assert_eq!(outcome.latencies.count(), 1000);
    // Of 1000 units about 300 were due while it stood still: a closed loop would have seen one.
    assert!(outcome.latencies.percentile_us(85.0) > 50_000.0, "{}", outcome.latencies.percentile_us(85.0));
    assert!(outcome.silence_ns_max >= 290_000_000);
}

#[test]
fn a_prelude_is_sent_once_for_each_connection() {
    let seen = std::sync::Arc::new(AtomicU64::new(0));
    let counter = seen.clone();
    let address = serve(move |count, _| {
        counter.fetch_add(count as u64, Ordering::Relaxed);
        Some(ok(count))
    });
    let prelude = vec![vec!["SELECT".to_owned(), "1".to_owned()]];
    let outcome = run(&Plan { prelude, ..plan(address) }, SET, &counted(100));
    assert_eq!(outcome.units, 100);
    assert_eq!(seen.load(Ordering::Relaxed), 107);
}
