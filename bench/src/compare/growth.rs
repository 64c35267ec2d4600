//! The growth suite: how long a server makes its clients wait while its table grows.

use std::io;
use std::sync::atomic::AtomicU64;

use serde_json::{Value, json};

use super::servers::{Server, Setup};
use super::{Bench, say, speed};
use crate::driver::Goal;
use crate::fleet::{Fleet, Plan};
use crate::outcome::Outcome;
use crate::report;
use crate::workload::Distribution;

/// The keys are inserted in so many parts, each reported by itself.
const PARTS: u64 = 10;

/// What inserting keys was like on one server.
#[derive(Clone, Debug)]
pub struct Row {
    /// The server's name.
    pub server: String,
    /// The outcome of each part, or why there is none.
    pub parts: Result<Vec<Outcome>, String>,
}

/// Inserts new keys into every server that keeps them, one after the other; the load has a core of its own.
#[must_use]
pub fn run(bench: &Bench) -> Vec<Row> {
    let servers = bench.servers.iter().filter(|server| !server.is_floor());
    servers
        .map(|server| {
            let parts = measure(bench, server).map_err(|error| error.to_string());
            match &parts {
                Ok(parts) => say(&format!("growth: {} {}", server.name, longest(parts))),
                Err(error) => say(&format!("growth: {} FAILED {error}", server.name)),
            }
            Row { server: server.name.clone(), parts }
        })
        .collect()
}

fn measure(bench: &Bench, server: &Server) -> io::Result<Vec<Outcome>> {
    let running = server.start(bench.port, &Setup { shards: Some(1), cores: vec![0], ..Setup::default() })?;
    let keys = bench.scale.growth_keys;
    let plan = Plan {
        connections: 16,
        depth: 16,
        cores: vec![1],
        distribution: Distribution::Sequential,
        ..speed::plan(&running, keys)
    };
    let workload = speed::workload(&[(1, "SET {key} {value}".to_owned())], keys, plan.distribution, 8)?;
    let mut fleet = Fleet::connect(&plan, &workload)?;
    let mut parts = Vec::new();
    for part in 0..PARTS {
        let units = keys * (part + 1) / PARTS - keys * part / PARTS;
        let outcome = fleet.run(&Goal { units: Some(units), ..Goal::default() }, &AtomicU64::new(0))?;
        if let Some(failure) = outcome.failure(false) {
            return Err(io::Error::other(failure));
        }
        parts.push(outcome);
    }
    let size = running.ask(&["DBSIZE"])?;
    if size != keys.to_string() {
        return Err(io::Error::other(format!("{keys} keys were set, DBSIZE says {size}")));
    }
    Ok(parts)
}

/// All parts in one.
#[must_use]
pub fn total(parts: &[Outcome]) -> Outcome {
    let mut all = Outcome::default();
    parts.iter().for_each(|part| all.append(part));
    all
}

fn longest(parts: &[Outcome]) -> String {
    let all = total(parts);
    let silence = report::micros(all.silence_ns_max as f64 / 1000.0);
    format!("p99.9 {}, longest step {silence}", report::micros(all.latencies.percentile_us(99.9)))
}

impl Row {
    /// Every part, or why there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.parts {
            Ok(parts) => json!({
                "server": self.server,
                "total": report::to_json(&total(parts), false),
                "parts": parts.iter().map(|part| report::to_json(part, false)).collect::<Vec<_>>(),
            }),
            Err(error) => json!({ "server": self.server, "failed": error }),
        }
    }
}
