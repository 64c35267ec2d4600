//! The memory suite: resident bytes a key, for small values of several shapes.

use std::io;
use std::thread;

use serde_json::{Value, json};

use super::servers::Setup;
use super::{Bench, say, speed};
use crate::process::resident_bytes;

/// What a key holds, and the unit that sets it. Integers are beyond those that Redis shares.
const SHAPES: [(&str, &str); 6] = [
    ("8-byte value", "SET {key} {value:8}"),
    ("32-byte value", "SET {key} {value:32}"),
    ("integer", "SET {key} 1234567"),
    ("8-byte, expires", "SET {key} {value:8} EX 100000"),
    ("32-byte, expires", "SET {key} {value:32} EX 100000"),
    ("integer, expires", "SET {key} 1234567 EX 100000"),
];

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
    SHAPES.iter().map(|(name, _)| *name).collect()
}

/// Measures every server that keeps keys, with one shard per core of the machine unless told otherwise.
#[must_use]
pub fn run(bench: &Bench) -> Vec<Row> {
    let servers = bench.servers.iter().filter(|server| !server.is_floor());
    servers
        .map(|server| {
            let bytes = SHAPES.map(|(shape, unit)| {
                let result = measure(bench, server, unit);
                match &result {
                    Ok(bytes) => say(&format!("memory, {shape}: {} {bytes:.1} bytes a key", server.name)),
                    Err(error) => say(&format!("memory, {shape}: {} FAILED {error}", server.name)),
                }
                result.map_err(|error| error.to_string())
            });
            Row { server: server.name.clone(), bytes: bytes.into() }
        })
        .collect()
}

fn measure(bench: &Bench, server: &super::Server, unit: &str) -> io::Result<f64> {
    let running = server.start(bench.port, &Setup::default())?;
    thread::sleep(bench.scale.settle / 10);
    let before = resident_bytes(running.pid())?;
    speed::fill(&running, bench.scale.memory_keys, unit, 8)?;
    thread::sleep(bench.scale.settle);
    let after = resident_bytes(running.pid())?;
    Ok(after.saturating_sub(before) as f64 / bench.scale.memory_keys as f64)
}

impl Row {
    /// Bytes a key by shape; a text says why one failed.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = json!({ "server": self.server });
        for ((shape, _), bytes) in SHAPES.iter().zip(&self.bytes) {
            all[shape] = match bytes {
                Ok(bytes) => json!(bytes),
                Err(error) => json!({ "failed": error }),
            };
        }
        all
    }
}
