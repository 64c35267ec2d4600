//! The load generator: asks a RESP server as fast as it answers, or at a given rate, and reports what came of it.

use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use braid_bench::driver::Goal;
use braid_bench::fleet::{Fleet, Plan};
use braid_bench::outcome::Outcome;
use braid_bench::report;
use braid_bench::workload::mix::{parse_mix, parse_weighted};
use braid_bench::workload::{Distribution, KeyShape, Workload};
use clap::Parser;
use serde_json::json;

/// Load generator for Redis-compatible servers.
///
/// A unit is one command or several separated by `;` (sent together, such as MULTI … EXEC). In its words, {key} is a
/// key of the chosen distribution, {value} or {value:32} a value, {random:1000} a number below 1000, {conn} the
/// connection's number; {key.a} is the same key wherever it stands in one unit; {{ and }} are braces.
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Args {
    /// Host of the server
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port of the server
    #[arg(short, long, default_value_t = 6379)]
    port: u16,
    /// Connections
    #[arg(short, long, default_value_t = 50)]
    connections: usize,
    /// Units under way on each connection
    #[arg(short = 'P', long, default_value_t = 1)]
    pipeline: u64,
    /// Threads of the load generator
    #[arg(short, long, default_value_t = 1)]
    threads: usize,
    /// Cores its threads are kept on, such as 1 or 2,3
    #[arg(long, value_delimiter = ',')]
    core: Vec<usize>,
    /// Number of keys
    #[arg(short, long, default_value_t = 100_000)]
    keys: u64,
    /// How keys are drawn: uniform, zipf:THETA or sequential
    #[arg(short, long, default_value_t = Distribution::Uniform)]
    distribution: Distribution,
    /// Size of a key in bytes, prefix included
    #[arg(long, default_value_t = 16)]
    key_size: usize,
    /// What each key starts with
    #[arg(long, default_value = "key:")]
    key_prefix: String,
    /// Size of {value} in bytes; several are used equally often
    #[arg(long, default_value = "3", value_delimiter = ',')]
    value_size: Vec<usize>,
    /// Units by name and weight, such as get:9,set:1
    #[arg(short, long)]
    mix: Option<String>,
    /// A unit, with a weight if it is one of several: "9*GET {key}" (repeatable)
    #[arg(long)]
    command: Vec<String>,
    /// A command each connection sends once, first, such as "HELLO 3" (repeatable)
    #[arg(long)]
    prelude: Vec<String>,
    /// Fill every key before the run
    #[arg(long)]
    preload: bool,
    /// The unit that fills a key
    #[arg(long, default_value = "SET {key} {value}")]
    preload_command: String,
    /// Units a second (open loop; latency counts from when a unit was due)
    #[arg(short, long)]
    rate: Option<f64>,
    /// Seconds to run
    #[arg(short = 's', long)]
    duration: Option<f64>,
    /// Units to run; 10 seconds if neither is given, 0 to only preload
    #[arg(short = 'n', long)]
    count: Option<u64>,
    /// Seconds to run before the measurement starts
    #[arg(long, default_value_t = 0.0)]
    warmup: f64,
    /// A nil reply is a failure: every key should be there
    #[arg(long)]
    no_nils: bool,
    /// Write the report to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(outcomes) if outcomes.iter().all(|outcome| outcome.failure(!args.no_nils).is_none()) => {
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("load: {error}\n"));
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> io::Result<Vec<Outcome>> {
    let plan = plan(args)?;
    let mut outcomes = Vec::new();
    if args.preload {
        outcomes.push(preload(args, &plan)?);
    }
    if args.count != Some(0) {
        outcomes.push(measure(args, &plan)?);
    }
    Ok(outcomes)
}

fn plan(args: &Args) -> io::Result<Plan> {
    Ok(Plan {
        address: resolve(&args.host, args.port)?,
        connections: args.connections.max(1),
        depth: args.pipeline,
        threads: args.threads,
        cores: args.core.clone(),
        distribution: args.distribution,
        key_count: args.keys.max(1),
        seed: args.seed,
        prelude: args
            .prelude
            .iter()
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect(),
    })
}

fn preload(args: &Args, plan: &Plan) -> io::Result<Outcome> {
    let plan = Plan {
        connections: plan.connections.min(8),
        depth: 64,
        distribution: Distribution::Sequential,
        ..plan.clone()
    };
    let units = [parse_weighted(&args.preload_command)];
    let sizes = &args.value_size[..1.min(args.value_size.len())];
    let workload =
        Workload::new(&units, &shape(args), plan.distribution, sizes, plan.seed).map_err(io::Error::other)?;
    let goal = Goal { units: Some(plan.key_count), ..Goal::default() };
    let outcome = watched(&mut Fleet::connect(&plan, &workload)?, &goal)?;
    say(&format!("preload: {}", report::text(&outcome, !args.no_nils)));
    Ok(outcome)
}

fn measure(args: &Args, plan: &Plan) -> io::Result<Outcome> {
    let workload = Workload::new(&units(args)?, &shape(args), plan.distribution, &args.value_size, plan.seed)
        .map_err(io::Error::other)?;
    let mut fleet = Fleet::connect(plan, &workload)?;
    let bounded = args.count.is_some() || args.duration.is_some();
    let goal = Goal {
        duration: if bounded { args.duration } else { Some(10.0) }.map(seconds).transpose()?,
        units: args.count,
        units_per_s: args.rate.filter(|rate| *rate > 0.0),
    };
    if args.warmup > 0.0 {
        let goal = Goal { duration: Some(seconds(args.warmup)?), units: None, ..goal };
        fleet.run(&goal, &AtomicU64::new(0))?;
    }
    let outcome = watched(&mut fleet, &goal)?;
    write!(io::stdout(), "{}", report::text(&outcome, !args.no_nils))?;
    if let Some(path) = &args.json {
        let units: Vec<String> =
            units(args)?.into_iter().map(|(weight, text)| format!("{weight}*{text}")).collect();
        let all = json!({
            "units": units,
            "connections": plan.connections,
            "pipeline": plan.depth,
            "threads": plan.threads,
            "keys": plan.key_count,
            "distribution": plan.distribution.to_string(),
            "rate": goal.units_per_s,
            "outcome": report::to_json(&outcome, !args.no_nils),
        });
        std::fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(outcome)
}

fn units(args: &Args) -> io::Result<Vec<(u32, String)>> {
    let mut units: Vec<_> = args.command.iter().map(|text| parse_weighted(text)).collect();
    match &args.mix {
        Some(mix) => units.extend(parse_mix(mix).map_err(io::Error::other)?),
        None if units.is_empty() => units.push((1, "GET {key}".to_owned())),
        None => {}
    }
    Ok(units)
}

fn shape(args: &Args) -> KeyShape {
    KeyShape { prefix: args.key_prefix.clone(), bytes: args.key_size, count: args.keys.max(1) }
}

fn seconds(seconds: f64) -> io::Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(io::Error::other)
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    (host, port).to_socket_addrs()?.next().ok_or_else(|| io::Error::other(format!("{host}: no such host")))
}

/// Runs the fleet with a line of progress on a terminal.
fn watched(fleet: &mut Fleet, goal: &Goal) -> io::Result<Outcome> {
    let progress = AtomicU64::new(0);
    if !io::stderr().is_terminal() {
        return fleet.run(goal, &progress);
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| show_progress(&progress, &over));
        let outcome = fleet.run(goal, &progress);
        over.store(true, Ordering::Relaxed);
        outcome
    })
}

fn show_progress(progress: &AtomicU64, over: &AtomicBool) {
    const STEP: Duration = Duration::from_millis(250);
    let mut before = 0;
    while !over.load(Ordering::Relaxed) {
        thread::sleep(STEP);
        let units = progress.load(Ordering::Relaxed);
        say(&format!("\r{units} units, {:.0}/s \x1b[K", (units - before) as f64 / STEP.as_secs_f64()));
        before = units;
    }
    say("\r\x1b[K");
}

/// Tells the person at the terminal; there is nobody to tell when that fails.
fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}
