//! The memory suite: resident bytes a key, for small values of several shapes.

use std::io;
use std::thread;

use serde_json::{Value, json};

use super::servers::Setup;
use super::{Bench, say, speed};
use crate::process::resident_bytes;
use crate::workload::KeyShape;

/// What is kept: its name, how large a share of the suite's keys there are of it, the prefix and length of what is numbered,
/// and the unit that is sent for each number. Integers are beyond those that Redis shares.
const SHAPES: [(&str, u64, &str, usize, &str); 13] = [
    ("8-byte value", 1, "key:", 16, "SET {key} {value:8}"),
    ("32-byte value", 1, "key:", 16, "SET {key} {value:32}"),
    ("integer", 1, "key:", 16, "SET {key} 1234567"),
    ("8-byte, expires", 1, "key:", 16, "SET {key} {value:8} EX 100000"),
    ("32-byte, expires", 1, "key:", 16, "SET {key} {value:32} EX 100000"),
    ("integer, expires", 1, "key:", 16, "SET {key} 1234567 EX 100000"),
    (
        "hash of 5 fields",
        5,
        "key:",
        16,
        "HSET {key} field0 value0 field1 value1 field2 value2 field3 value3 field4 value4",
    ),
    ("sorted set's member, 13 bytes", 1, "user:", 13, "ZADD zset {random:1000000} {key}"),
    ("set's member, 14 bytes", 1, "member:", 14, "SADD set {key}"),
    ("hash's field, 12+12 bytes", 1, "field", 12, "HSET hash {key} {value:12}"),
    ("list's item, 18 bytes", 1, "item:", 18, "RPUSH list {key}"),
    ("stream's entry of 2 fields", 2, "", 7, "XADD stream * name {key} score {random:1000000}"),
    ("stream's entry, 3 bytes a value", 2, "", 7, "XADD stream * name {value:3} text {value:3}"),
];

/// How many of a case are made and flushed away before a server's memory is taken as what it is without data: what the
/// first commands touch once and for all, pages of code and buffers, is then no part of an element.
const WARM_UP: u64 = 1000;

/// Resident bytes a key of one server, by shape.
#[derive(Clone, Debug)]
pub struct Row {
    /// The server's name.
    pub server: String,
    /// In the order of [`shapes`].
    pub bytes: Vec<Result<f64, String>>,
}

/// The names of the shapes.
#[must_use]
pub fn shapes() -> Vec<&'static str> {
    SHAPES.iter().map(|(name, ..)| *name).collect()
}

/// Measures every server that keeps keys, with one shard per core of the machine unless told otherwise.
#[must_use]
pub fn run(bench: &Bench) -> Vec<Row> {
    let servers = bench.servers.iter().filter(|server| !server.is_floor());
    servers
        .map(|server| {
            let bytes = SHAPES.map(|(shape, share, prefix, bytes, unit)| {
                let count = (bench.scale.memory_keys / share).max(1);
                let keys = KeyShape { prefix: prefix.to_owned(), bytes, count };
                let result = measure(bench, server, &keys, unit);
                match &result {
                    Ok(bytes) => say(&format!("memory, {shape}: {} {bytes:.1} bytes each", server.name)),
                    Err(error) => say(&format!("memory, {shape}: {} FAILED {error}", server.name)),
                }
                result.map_err(|error| error.to_string())
            });
            Row { server: server.name.clone(), bytes: bytes.into() }
        })
        .collect()
}

fn measure(bench: &Bench, server: &super::Server, keys: &KeyShape, unit: &str) -> io::Result<f64> {
    let running = server.start(bench.port, &Setup::default())?;
    let few = KeyShape { count: keys.count.min(WARM_UP), ..keys.clone() };
    speed::send_each(&running, &few, unit, 8)?;
    running.ask(&["FLUSHALL"])?;
    thread::sleep(bench.scale.settle / 3);
    let before = resident_bytes(running.pid())?;
    speed::send_each(&running, keys, unit, 8)?;
    thread::sleep(bench.scale.settle);
    let after = resident_bytes(running.pid())?;
    Ok(after.saturating_sub(before) as f64 / keys.count as f64)
}

impl Row {
    /// Bytes each, by shape; a text says why one failed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = json!({ "server": self.server });
        for ((shape, ..), bytes) in SHAPES.iter().zip(&self.bytes) {
            all[shape] = match bytes {
                Ok(bytes) => json!(bytes),
                Err(error) => json!({ "failed": error }),
            };
        }
        all
    }
}
