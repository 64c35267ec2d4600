//! Runs servers side by side under the same load and prints what they did and what it cost them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use braid_bench::compare::servers::Server;
use braid_bench::compare::{Bench, Scale, cases, growth, memory, saving, say, speed, tables};
use braid_bench::machine;
use clap::Parser;
use serde_json::{Value, json};

/// Compares Redis-compatible servers: throughput, CPU time a command, memory a key, pauses while growing.
#[derive(Debug, Parser)]
#[command(name = "compare", version)]
struct Args {
    /// Suites: issue, throughput, units, types, messages, memory, growth, persistence
    #[arg(required = true, value_parser = ["issue", "throughput", "units", "types", "messages", "memory", "growth", "persistence"])]
    suites: Vec<String>,
    /// Servers: redis, valkey, braid, braid-epoll, floor, floor-epoll
    #[arg(long, value_delimiter = ',', default_value = "redis,valkey,braid,floor")]
    servers: Vec<String>,
    /// Where a server's program is, as NAME=FILE (repeatable); else beside this program, else in PATH
    #[arg(long, value_parser = name_and_value)]
    path: Vec<(String, String)>,
    /// More options for a server, as NAME=OPTIONS (repeatable): "valkey=--io-threads 2"
    #[arg(long, value_parser = name_and_value)]
    extra: Vec<(String, String)>,
    /// First of the ports that servers listen on
    #[arg(long, default_value_t = 21_300)]
    port: u16,
    /// Rounds over all servers; medians are reported
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of each measurement
    #[arg(long)]
    seconds: Option<f64>,
    /// Keys of the memory suite
    #[arg(long)]
    memory_keys: Option<u64>,
    /// Keys of the growth suite
    #[arg(long)]
    growth_keys: Option<u64>,
    /// Commands each second that the persistence suite offers; without it as many as are answered
    #[arg(long)]
    rate: Option<f64>,
    /// Only cases whose name contains this text
    #[arg(long, default_value = "")]
    only: String,
    /// Short rounds, few keys: a smoke test
    #[arg(long)]
    quick: bool,
    /// Write everything to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the tables to this file as well
    #[arg(long)]
    markdown: Option<PathBuf>,
}

/// What all suites gave.
#[derive(Default)]
struct Results {
    markdown: String,
    json: BTreeMap<String, Value>,
    failed: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("compare: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Says whether anything failed.
fn run(args: &Args) -> io::Result<bool> {
    machine::allow_descriptors()?;
    let bench = Bench { servers: find_servers(args)?, port: args.port, scale: scale(args)? };
    let mut results = Results::default();
    for suite in &args.suites {
        run_suite(&bench, suite, &args.only, &mut results);
    }
    write!(io::stdout(), "{}", results.markdown)?;
    if let Some(path) = &args.markdown {
        fs::write(path, &results.markdown)?;
    }
    if let Some(path) = &args.json {
        let all = json!({ "machine": describe_machine(), "failed": results.failed, "suites": results.json });
        fs::write(path, format!("{all:#}\n"))?;
    }
    Ok(results.failed)
}

fn run_suite(bench: &Bench, suite: &str, only: &str, results: &mut Results) {
    let json = match suite {
        "memory" => {
            let rows = memory::run(bench);
            results.failed |= rows.iter().any(|row| row.bytes.iter().any(Result::is_err));
            results.markdown += &tables::memory_markdown(bench, &rows);
            rows.iter().map(memory::Row::to_json).collect()
        }
        "growth" => {
            let rows = growth::run(bench);
            results.failed |= rows.iter().any(|row| row.parts.is_err());
            results.markdown += &tables::growth_markdown(bench, &rows);
            rows.iter().map(growth::Row::to_json).collect()
        }
        "persistence" => {
            let rows = saving::run(bench);
            results.failed |= rows.iter().any(|row| row.cost.is_err());
            results.markdown += &tables::saving_markdown(bench, &rows);
            rows.iter().map(saving::Row::to_json).collect()
        }
        name => {
            let mut all = Vec::new();
            for mut group in cases::suite(name).unwrap_or_default() {
                group.cases.retain(|case| case.name.contains(only));
                let table = speed::run(bench, &group);
                results.failed |= tables::has_failures(&table);
                results.markdown += &tables::speed_markdown(bench, &table);
                all.push(tables::speed_json(bench, &table));
            }
            Value::Array(all)
        }
    };
    results.json.insert(suite.to_owned(), json);
}

/// The servers that are there; the others are left out with a word.
fn find_servers(args: &Args) -> io::Result<Vec<Server>> {
    let given = |all: &[(String, String)], name: &str| {
        all.iter().find(|(server, _)| server == name).map(|(_, value)| value.clone())
    };
    let mut found = Vec::new();
    for name in &args.servers {
        let path = given(&args.path, name).map(PathBuf::from);
        let extra = given(&args.extra, name).unwrap_or_default();
        let extra = extra.split_whitespace().map(str::to_owned).collect();
        match Server::find(name, path.as_deref(), extra) {
            Ok(server) => found.push(server),
            Err(error) => say(&format!("left out: {error}")),
        }
    }
    if found.is_empty() { Err(io::Error::other("none of the servers was found")) } else { Ok(found) }
}

fn scale(args: &Args) -> io::Result<Scale> {
    let base = if args.quick { Scale::quick() } else { Scale::default() };
    let round = args.seconds.map(Duration::try_from_secs_f64).transpose().map_err(io::Error::other)?;
    Ok(Scale {
        rounds: args.rounds.unwrap_or(base.rounds).max(1),
        round: round.unwrap_or(base.round),
        memory_keys: args.memory_keys.unwrap_or(base.memory_keys).max(1),
        growth_keys: args.growth_keys.unwrap_or(base.growth_keys).max(10),
        saving_rate: args.rate.filter(|rate| *rate > 0.0),
        ..base
    })
}

fn describe_machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, model)| model));
    json!({
        "cores": machine::cores().len(),
        "cpu": model,
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load_average_after": read("/proc/loadavg"),
    })
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text}: expected NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
