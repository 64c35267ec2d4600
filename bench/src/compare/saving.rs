//! The persistence suite: what a snapshot in the background costs a server that is being written to.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::servers::{Running, Server, Setup};
use super::{Bench, say, speed};
use crate::driver::Goal;
use crate::fleet::{Fleet, Plan};
use crate::outcome::Outcome;
use crate::process::proportional_bytes;
use crate::report;
use crate::workload::Distribution;

/// Keys for each key of the memory suite.
pub(super) const KEYS_EACH: u64 = 5;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The load is measured in steps of this length, until the snapshot is over.
const STEP: Duration = Duration::from_millis(250);

/// What a snapshot cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The load without a snapshot.
    pub before: Outcome,
    /// The same load during one.
    pub during: Outcome,
    /// How long it took.
    pub elapsed: Duration,
    /// Memory of the server's processes before, and the most of it during, in bytes.
    pub bytes: (u64, u64),
}

/// A server's row.
#[derive(Clone, Debug)]
pub struct Row {
    /// The server's name.
    pub server: String,
    /// What it cost, or why that is not known.
    pub cost: Result<Cost, String>,
}

/// Saves every server that keeps keys, one after the other, while half of the commands write.
#[must_use]
pub fn run(bench: &Bench) -> Vec<Row> {
    let servers = bench.servers.iter().filter(|server| !server.is_floor());
    servers
        .map(|server| {
            let cost = measure(bench, server).map_err(|error| error.to_string());
            match &cost {
                Ok(cost) => say(&format!("persistence: {} {}", server.name, cost.text())),
                Err(error) => say(&format!("persistence: {} FAILED {error}", server.name)),
            }
            Row { server: server.name.clone(), cost }
        })
        .collect()
}

fn measure(bench: &Bench, server: &Server) -> io::Result<Cost> {
    let running = server.start(bench.port, &Setup::default())?;
    let count = bench.scale.memory_keys * KEYS_EACH;
    speed::fill(&running, count, "SET {key} {value:100}", 100)?;
    let plan = Plan { connections: 50, depth: 1, ..speed::plan(&running, count) };
    let units = [(1, "SET {key} {value:100}".to_owned()), (1, "GET {key}".to_owned())];
    let workload = speed::workload(&units, count, Distribution::Uniform, 100)?;
    let mut fleet = Fleet::connect(&plan, &workload)?;
    let units_per_s = bench.scale.saving_rate;
    let mut load =
        |time| fleet.run(&Goal { duration: Some(time), units_per_s, ..Goal::default() }, &AtomicU64::new(0));
    load(bench.scale.warmup)?;
    let before = load(bench.scale.round)?;
    let bytes_before = proportional_bytes(running.pid())?;
    let begin = Instant::now();
    running.ask(&["BGSAVE"])?;
    let is_over = AtomicBool::new(false);
    let (watched, during) = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let peak = watch(&running, bytes_before);
            is_over.store(true, Ordering::Relaxed);
            peak.map(|peak| (peak, begin.elapsed()))
        });
        let mut during = Outcome::default();
        while !is_over.load(Ordering::Relaxed) {
            during.append(&load(STEP)?);
        }
        let watched = watching.join().unwrap_or_else(|_| Err(io::Error::other("the watch ended early")));
        Ok::<_, io::Error>((watched, during))
    })?;
    let (bytes_peak, elapsed) = watched?;
    if let Some(failure) = during.failure(false) {
        return Err(io::Error::other(failure));
    }
    Ok(Cost { before, during, elapsed, bytes: (bytes_before, bytes_peak) })
}

/// Looks at the server's memory until the snapshot is over; the most there was.
fn watch(running: &Running, mut peak: u64) -> io::Result<u64> {
    loop {
        thread::sleep(LOOK);
        peak = peak.max(proportional_bytes(running.pid())?);
        let info = running.ask(&["INFO", "persistence"])?;
        if info.contains("rdb_bgsave_in_progress:0") {
            let is_ok = info.contains("rdb_last_bgsave_status:ok");
            return if is_ok { Ok(peak) } else { Err(io::Error::other("it could not save")) };
        }
    }
}

impl Cost {
    /// The most memory during the snapshot, in that before.
    #[must_use]
    pub fn growth(&self) -> f64 {
        self.bytes.1 as f64 / self.bytes.0.max(1) as f64
    }

    fn text(&self) -> String {
        let tail = |outcome: &Outcome| report::micros(outcome.latencies.percentile_us(99.9));
        format!(
            "{:.1} s, memory × {:.2}, {:.0} -> {:.0} commands/s, p99.9 {} -> {}",
            self.elapsed.as_secs_f64(),
            self.growth(),
            self.before.units_per_s(),
            self.during.units_per_s(),
            tail(&self.before),
            tail(&self.during)
        )
    }
}

impl Row {
    /// The cells of a table.
    #[must_use]
    pub fn cells(&self) -> Vec<String> {
        let micros = |outcome: &Outcome, percent| report::micros(outcome.latencies.percentile_us(percent));
        match &self.cost {
            Ok(cost) => vec![
                self.server.clone(),
                format!("{:.1}", cost.elapsed.as_secs_f64()),
                format!("{:.2}", cost.growth()),
                format!("{:.0}", cost.before.units_per_s()),
                format!("{:.0}", cost.during.units_per_s()),
                micros(&cost.before, 99.0),
                micros(&cost.during, 99.0),
                micros(&cost.before, 99.9),
                micros(&cost.during, 99.9),
            ],
            Err(error) => vec![self.server.clone(), format!("failed: {error}")],
        }
    }

    /// All of it, or why there is none.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.cost {
            Ok(cost) => json!({
                "server": self.server,
                "seconds": cost.elapsed.as_secs_f64(),
                "bytes_before": cost.bytes.0,
                "bytes_peak": cost.bytes.1,
                "before": report::to_json(&cost.before, false),
                "during": report::to_json(&cost.during, false),
            }),
            Err(error) => json!({ "server": self.server, "failed": error }),
        }
    }
}
