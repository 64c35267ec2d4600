//! Runs a group of cases: the same load on every server in turn, round after round, with what it cost each of them.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cases::{Case, Group};
use super::servers::{Running, Setup, version};
use super::{Bench, median, say};
use crate::client::listeners::Listeners;
use crate::driver::Goal;
use crate::fleet::{Fleet, Plan};
use crate::histogram::Latencies;
use crate::machine;
use crate::outcome::Outcome;
use crate::process::{CpuReading, CpuTime};
use crate::report;
use crate::workload::{Distribution, KeyShape, Workload};

/// How long listeners may be behind when the load is over.
const PATIENCE: Duration = Duration::from_secs(20);

/// One measurement of one server.
#[derive(Clone, Debug)]
pub struct Sample {
    outcome: Outcome,
    cpu: CpuTime,
}

/// All rounds of one case on one server.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    samples: Vec<Sample>,
    failure: Option<String>,
}

/// A case with its cells, one for each server of the bench; none where a server cannot take part.
#[derive(Clone, Debug)]
pub struct Line {
    /// The case's name.
    pub name: String,
    /// In the order of the bench's servers.
    pub cells: Vec<Option<Cell>>,
}

/// What came of a group.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its heading.
    pub title: String,
    /// What is counted.
    pub per: &'static str,
    /// What each server says it is.
    pub versions: Vec<Option<String>>,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A server of the group: floors run once for each reply they are to give.
struct Instance {
    server: usize,
    reply: Option<&'static str>,
    running: io::Result<Running>,
}

impl Cell {
    /// Why it counts as failed, if it does.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Units a second.
    #[must_use]
    pub fn units_per_s(&self) -> f64 {
        self.middle(|sample| sample.outcome.units_per_s())
    }

    /// The server's CPU time for a unit in its own code, in microseconds.
    #[must_use]
    pub fn user_us(&self) -> f64 {
        self.middle(|sample| sample.cpu.user_s * 1e6 / sample.outcome.units as f64)
    }

    /// The server's CPU time for a unit in the kernel, in microseconds.
    #[must_use]
    pub fn system_us(&self) -> f64 {
        self.middle(|sample| sample.cpu.system_s * 1e6 / sample.outcome.units as f64)
    }

    /// The server's CPU time for a unit, in microseconds.
    #[must_use]
    pub fn cpu_us(&self) -> f64 {
        self.middle(|sample| sample.cpu.total_s() * 1e6 / sample.outcome.units as f64)
    }

    /// How many cores the server kept busy.
    #[must_use]
    pub fn busy(&self) -> f64 {
        self.middle(|sample| sample.cpu.total_s() / sample.outcome.elapsed.as_secs_f64())
    }

    /// Latencies of all rounds.
    #[must_use]
    pub fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        self.samples.iter().for_each(|sample| all.add(&sample.outcome.latencies));
        all
    }

    /// Everything, the single rounds included.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rounds: Vec<Value> = self
            .samples
            .iter()
            .map(|sample| {
                json!({
                    "user_s": sample.cpu.user_s,
                    "system_s": sample.cpu.system_s,
                    "load": report::to_json(&sample.outcome, true),
                })
            })
            .collect();
        json!({
            "failed": self.failure,
            "units_per_s": self.units_per_s(),
            "cpu_us": self.cpu_us(),
            "user_us": self.user_us(),
            "system_us": self.system_us(),
            "busy_cores": self.busy(),
            "latency_us": self.latencies().to_json(),
            "rounds": rounds,
        })
    }

    fn middle(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(of).collect())
    }

    fn add(&mut self, sample: io::Result<Sample>, nils_allowed: bool) {
        let failure = match sample {
            Ok(sample) => {
                let failure = sample.outcome.failure(nils_allowed);
                self.samples.push(sample);
                failure
            }
            Err(error) => Some(error.to_string()),
        };
        self.failure = self.failure.take().or(failure);
    }
}

/// Measures a group on all servers.
#[must_use]
pub fn run(bench: &Bench, group: &Group) -> Table {
    say(&format!("## {}", group.title));
    let mut instances = start_all(bench, group);
    for instance in &mut instances {
        preload(bench, group, instance);
    }
    let versions = (0..bench.servers.len())
        .map(|server| {
            let instance = instances.iter().find(|it| it.server == server && it.reply.is_none())?;
            version(instance.running.as_ref().ok()?)
        })
        .collect();
    let lines = group.cases.iter().map(|case| run_case(bench, group, case, &instances)).collect();
    Table { title: group.title.clone(), per: group.per, versions, lines }
}

fn start_all(bench: &Bench, group: &Group) -> Vec<Instance> {
    let mut replies: Vec<&'static str> = group.cases.iter().filter_map(|case| case.floor_reply).collect();
    replies.sort_unstable();
    replies.dedup();
    let mut instances = Vec::new();
    for (place, server) in bench.servers.iter().enumerate() {
        let wanted: Vec<Option<&'static str>> =
            if server.is_floor() { replies.iter().copied().map(Some).collect() } else { vec![None] };
        for reply in wanted {
            let setup = Setup { floor_reply: reply.unwrap_or("ok"), ..group.setup.clone() };
            let running = server.start(bench.port + instances.len() as u16, &setup);
            if let Err(error) = &running {
                say(&format!("did not start: {error}"));
            }
            instances.push(Instance { server: place, reply, running });
        }
    }
    instances
}

/// Fills every key; a server on which that fails is as good as not started.
fn preload(bench: &Bench, group: &Group, instance: &mut Instance) {
    if bench.servers[instance.server].is_floor() {
        return;
    }
    let is_filled_by_cases = group.cases.iter().all(|case| !case.preload.is_empty());
    let Ok(running) = &instance.running else { return };
    if is_filled_by_cases {
        return;
    }
    if let Err(error) = fill(running, group.keys, "SET {key} {value}", 3) {
        say(&format!("{}: preload failed: {error}", bench.servers[instance.server].name));
        instance.running = Err(error);
    }
}

/// Sets all keys once with `unit`, and makes sure that they are there.
pub(super) fn fill(running: &Running, keys: u64, unit: &str, value_bytes: usize) -> io::Result<()> {
    let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: keys };
    send_each(running, &shape, unit, value_bytes)?;
    let size = running.ask(&["DBSIZE"])?;
    if size != keys.to_string() {
        return Err(io::Error::other(format!("{keys} keys were set, DBSIZE says {size}")));
    }
    Ok(())
}

/// Sends `unit` once with each key of a shape, in order.
pub(super) fn send_each(
    running: &Running,
    shape: &KeyShape,
    unit: &str,
    value_bytes: usize,
) -> io::Result<()> {
    let plan = Plan {
        connections: 4,
        depth: 64,
        distribution: Distribution::Sequential,
        ..plan(running, shape.count)
    };
    let units = [(1, unit.to_owned())];
    let workload = Workload::new(&units, shape, plan.distribution, &[value_bytes], 1);
    let goal = Goal { units: Some(shape.count), ..Goal::default() };
    let outcome =
        Fleet::connect(&plan, &workload.map_err(io::Error::other)?)?.run(&goal, &AtomicU64::new(0))?;
    outcome.failure(true).map_or(Ok(()), |failure| Err(io::Error::other(failure)))
}

/// Makes the dataset what a case wants it to be.
fn prepare(running: &Running, case: &Case) -> io::Result<()> {
    if !case.preload.is_empty() {
        running.ask(&["FLUSHALL"])?;
    }
    for (count, unit) in &case.preload {
        let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: *count };
        send_each(running, &shape, unit, 3)?;
    }
    Ok(())
}

/// One connection without a pipeline, from anywhere, to uniform keys: the rest is up to the caller.
pub(super) fn plan(running: &Running, keys: u64) -> Plan {
    Plan {
        address: running.address,
        connections: 1,
        depth: 1,
        threads: 1,
        cores: Vec::new(),
        distribution: Distribution::Uniform,
        key_count: keys,
        seed: 1,
        prelude: Vec::new(),
    }
}

pub(super) fn workload(
    units: &[(u32, String)],
    keys: u64,
    distribution: Distribution,
    value_bytes: usize,
) -> io::Result<Workload> {
    let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: keys };
    Workload::new(units, &shape, distribution, &[value_bytes], 1).map_err(io::Error::other)
}

fn run_case(bench: &Bench, group: &Group, case: &Case, instances: &[Instance]) -> Line {
    let mut cells: Vec<Option<Cell>> = vec![None; bench.servers.len()];
    for round in 0..bench.scale.rounds {
        for instance in instances.iter().filter(|it| it.reply.is_none() || it.reply == case.floor_reply) {
            if bench.servers[instance.server].is_floor() && case.floor_reply.is_none() {
                continue;
            }
            let cell = cells[instance.server].get_or_insert_default();
            match &instance.running {
                Ok(running) => cell.add(measure(bench, group, case, running, round), case.nils_allowed),
                Err(error) => cell.failure = Some(error.to_string()),
            }
        }
    }
    // A server that does not know a command cannot take part.
    for cell in &mut cells {
        let is_unknown =
            |cell: &mut Cell| cell.failure.as_ref().is_some_and(|why| why.contains("unknown command"));
        drop(cell.take_if(is_unknown));
    }
    let words: Vec<String> = bench
        .servers
        .iter()
        .zip(&cells)
        .filter_map(|(server, cell)| {
            let cell = cell.as_ref()?;
            let figures = format!("{:.0}k/s {:.3} µs", cell.units_per_s() / 1000.0, cell.cpu_us());
            Some(format!(
                "{} {}",
                server.name,
                cell.failure().map_or(figures, |failure| format!("FAILED {failure}"))
            ))
        })
        .collect();
    say(&format!("{}: {}", case.name, words.join(", ")));
    Line { name: case.name.clone(), cells }
}

fn measure(bench: &Bench, group: &Group, case: &Case, running: &Running, round: usize) -> io::Result<Sample> {
    let plan = Plan {
        connections: case.connections,
        depth: case.depth,
        threads: group.load_threads,
        cores: group.load_cores.clone(),
        seed: round as u64 + 1,
        ..plan(running, group.keys)
    };
    let workload = workload(&case.units, group.keys, plan.distribution, 3)?;
    prepare(running, case)?;
    let Some(beside) = &case.beside else {
        return measure_load(bench, case, running, &plan, &workload, |_| Ok(()));
    };
    let mut listeners = Listeners::connect(running.address, &beside.part)?;
    let (stop, heard) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let listening = scope.spawn(|| {
            if !group.load_cores.is_empty() {
                machine::pin(&group.load_cores)?;
            }
            listeners.listen(&stop, &heard)
        });
        let sample = measure_load(bench, case, running, &plan, &workload, |units| {
            await_heard(&heard, units * beside.heard_of_unit, || listening.is_finished())
        });
        stop.store(true, Ordering::Relaxed);
        listening.join().expect("a listener does not panic").and(sample)
    })
}

/// Waits until so much was heard, or nobody hears any more.
fn await_heard(heard: &AtomicU64, wanted: u64, is_over: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while heard.load(Ordering::Relaxed) < wanted && !is_over() {
        if Instant::now() > deadline {
            let text = format!("{} messages of {wanted} were heard", heard.load(Ordering::Relaxed));
            return Err(io::Error::other(text));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Measures the load alone; `finish` waits until what so many units have set off is over.
fn measure_load(
    bench: &Bench,
    case: &Case,
    running: &Running,
    plan: &Plan,
    workload: &Workload,
    finish: impl Fn(u64) -> io::Result<()>,
) -> io::Result<Sample> {
    let mut fleet = Fleet::connect(plan, workload)?;
    let progress = AtomicU64::new(0);
    let warmup_max = case.units_max.map(|units| units / 10);
    let goal = Goal { duration: Some(bench.scale.warmup), units: warmup_max, ..Goal::default() };
    let warmup = fleet.run(&goal, &progress)?;
    finish(warmup.units)?;
    let goal = Goal { duration: Some(bench.scale.round), units: case.units_max, ..Goal::default() };
    let before = CpuReading::of(running.pid())?;
    let mut outcome = fleet.run(&goal, &progress)?;
    let replied = Instant::now();
    finish(warmup.units + outcome.units)?;
    outcome.elapsed += replied.elapsed();
    let cpu = CpuReading::of(running.pid())?.since(&before);
    // What goes wrong before the measurement is wrong all the same.
    outcome.errors += warmup.errors;
    outcome.wrong += warmup.wrong;
    outcome.lost += warmup.lost;
    outcome.nils += warmup.nils;
    outcome.problem = warmup.problem.or(outcome.problem);
    Ok(Sample { outcome, cpu })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sample(units: u64, user_s: f64, errors: u64) -> Sample {
        let elapsed = Duration::from_secs(1);
        Sample {
            outcome: Outcome { units, errors, elapsed, ..Outcome::default() },
            cpu: CpuTime { user_s, system_s: 0.25 },
        }
    }

    #[test]
    fn medians_are_of_what_each_round_cost() {
        let mut cell = Cell::default();
        for (units, user_s) in [(1_000_000, 0.5), (2_000_000, 0.5), (500_000, 0.5)] {
            cell.add(Ok(sample(units, user_s, 0)), false);
        }
        assert!((cell.units_per_s() - 1_000_000.0).abs() < 1.0);
        assert!((cell.user_us() - 0.5).abs() < 1e-9 && (cell.system_us() - 0.25).abs() < 1e-9);
        assert!((cell.cpu_us() - 0.75).abs() < 1e-9 && (cell.busy() - 0.75).abs() < 1e-9);
        assert_eq!(cell.failure(), None);
    }

    #[test]
    fn one_error_in_one_round_fails_the_case() {
        let mut cell = Cell::default();
        cell.add(Ok(sample(10, 0.1, 1)), false);
        cell.add(Ok(sample(10, 0.1, 0)), false);
        assert_eq!(cell.failure(), Some("1 errors"));
        assert_eq!(cell.to_json()["failed"], "1 errors");
    }
}
