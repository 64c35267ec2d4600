//! Golden scripts: one corpus of requests and replies, written by a real Redis, run against everything that serves.
//!
//! * `UPDATE=1 cargo test --test golden` lets the references write the expectations that are missing or wrong.
//! * `GOLDEN=strings/set cargo test --test golden` runs the scripts whose path contains that.

mod support;

use braid::net::{Driver, IoKind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use support::engine::EngineTarget;
use support::runner::{self, Mode, Report};
use support::script::{Action, Script};
use support::server::{self, Server};
use support::simulated::SimulatedTarget;
use support::tcp::TcpTarget;
use support::{Kind, Target};

/// Whether Braid serves: until then its runners have nothing to run against.
const BRAID_SERVES: bool = true;
/// What Braid has of that which scripts say they `!needs`: `list`, `blocking`, `tracking`, `migrate`, …
const BRAID_HAS: &[&str] = &["blocking", "hash", "list", "set", "stream", "tracking", "zset"];
/// What a server has that the simulation has not.
const SERVER_HAS: &[&str] = &["blocking", "hash", "list", "set", "sockets", "stream", "tracking", "zset"];
/// So many expectations are for the bare engine too, at the least: fewer mean that the runner passes them by.
const ENGINE_REQUESTS_MIN: usize = 1_700;
/// Interleavings of each script that the simulation runs.
const SIMULATED_SEEDS: u64 = 8;

#[test]
fn every_script_says_something() {
    update_once();
    let mut complaints = Vec::new();
    for path in paths() {
        match Script::load(&path) {
            Err(why) => complaints.push(why),
            Ok(script) => complaints.extend(shortcomings(&script)),
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn redis_confirms_the_corpus() {
    let Some(binary) = server::find_redis() else { return skip("redis-server") };
    update_once();
    confirm(Kind::Redis, &binary, server::REFERENCE_FLAGS, &[]);
}

#[test]
fn valkey_confirms_the_corpus() {
    let Some(binary) = server::find_valkey() else { return skip("valkey-server") };
    update_once();
    confirm(Kind::Valkey, &binary, server::REFERENCE_FLAGS, &[]);
}

#[test]
fn braid_with_one_shard_over_uring() {
    confirm_braid("1", "uring");
}

#[test]
fn braid_with_three_shards_over_uring() {
    confirm_braid("3", "uring");
}

#[test]
fn braid_with_one_shard_over_epoll() {
    confirm_braid("1", "epoll");
}

#[test]
fn braid_with_three_shards_over_epoll() {
    confirm_braid("3", "epoll");
}

#[test]
fn the_engine_alone_on_one_shard() {
    confirm_engine(1);
}

#[test]
fn the_engine_alone_on_three_shards() {
    confirm_engine(3);
}

/// The commands themselves, without threads, sockets or clocks; whoever listens to their effects.
#[expect(clippy::print_stdout, reason = "a runner that leaves out says how much it has seen")]
fn confirm_engine(shard_count: usize) {
    for is_listened_to in [false, true] {
        let title = format!("the engine on {shard_count} shards, listened to: {is_listened_to}");
        let mut target = EngineTarget::new(shard_count, is_listened_to);
        let report = run_all(&mut target, BRAID_HAS);
        println!("{title}: {} expectations, left out {:?}", report.requests, report.left_out);
        if let Err(story) = runner::tell(Kind::Engine, &title, &report.failures) {
            panic!("\n{story}");
        }
        let is_everything = std::env::var_os("GOLDEN").is_none();
        assert!(
            report.requests >= if is_everything { ENGINE_REQUESTS_MIN } else { 1 },
            "no more than {} expectations were for {title}",
            report.requests
        );
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a runner says how much it has seen")]
fn braid_in_a_simulation() {
    for seed in 1..=SIMULATED_SEEDS {
        let title = format!("a simulation with seed {seed}");
        let mut target = SimulatedTarget::new(seed);
        let report = run_all(&mut target, BRAID_HAS);
        println!("{title}: {} expectations, {} turns", report.requests, target.turns);
        if let Err(story) = runner::tell(Kind::Simulated, &title, &report.failures) {
            panic!("\n{story}");
        }
        let is_everything = std::env::var_os("GOLDEN").is_none();
        let enough = if is_everything { ENGINE_REQUESTS_MIN } else { 1 };
        assert!(report.requests >= enough, "no more than {} expectations were for {title}", report.requests);
    }
}

fn confirm_braid(shards: &str, io: &str) {
    if io == "uring" && Driver::new(IoKind::Uring).is_err() {
        return skip("io_uring");
    }
    if BRAID_SERVES {
        let binary = Path::new(env!("CARGO_BIN_EXE_braid"));
        confirm(
            Kind::Braid,
            binary,
            &["--shards", shards, "--io", io, "--enable-debug-command", "yes"],
            SERVER_HAS,
        );
    }
}

/// Runs the whole corpus against one server.
fn confirm(kind: Kind, binary: &Path, flags: &[&str], has: &[&str]) {
    let title = format!("{} {}", binary.file_name().unwrap_or_default().display(), flags.join(" "));
    let server = Server::start(binary, &title, flags);
    let mut target = TcpTarget::new(kind, server.address);
    let report = run_all(&mut target, has);
    if let Err(story) = runner::tell(kind, &title, &report.failures) {
        panic!("\n{story}\nThe last it logged:\n{}\n", server.log());
    }
    assert!(report.requests > 0, "no script had a request for {title}");
}

/// Runs the whole corpus; the reports of its scripts as one.
fn run_all(target: &mut dyn Target, has: &[&str]) -> Report {
    let mut all = Report::default();
    for path in paths() {
        let script = Script::load(&path).unwrap_or_else(|why| panic!("{why}"));
        let report = runner::run(&script, target, has, Mode::Check);
        all.failures.extend(report.failures);
        all.requests += report.requests;
        all.left_out.extend(report.left_out);
        if report.is_target_broken {
            break;
        }
    }
    all
}

/// Lets Redis and then Valkey write what is theirs to write, if that was asked for.
fn update_once() {
    static UPDATED: Once = Once::new();
    UPDATED.call_once(|| {
        if std::env::var_os("UPDATE").is_some() {
            for (kind, binary) in [(Kind::Redis, server::find_redis()), (Kind::Valkey, server::find_valkey())]
            {
                update(kind, &binary.expect("UPDATE=1 needs both references"));
            }
        }
    });
}

fn update(kind: Kind, binary: &Path) {
    let server = Server::start(binary, "a reference", server::REFERENCE_FLAGS);
    let mut target = TcpTarget::new(kind, server.address);
    for path in paths() {
        let script = Script::load(&path).unwrap_or_else(|why| panic!("{why}"));
        let Report { rewrites, .. } = runner::run(&script, &mut target, &[], Mode::Update);
        if !rewrites.is_empty() {
            std::fs::write(&path, script.rewritten(&rewrites)).expect("the script is writable");
        }
    }
}

/// All scripts, in order; with `GOLDEN` in the environment those whose path contains it.
fn paths() -> Vec<PathBuf> {
    let wanted = std::env::var("GOLDEN").unwrap_or_default();
    let mut paths = Vec::new();
    // Relative to the package, where tests run: reports then name paths that a terminal can open.
    collect(Path::new("tests/golden"), &mut paths);
    paths.retain(|path| path.to_string_lossy().contains(&wanted));
    paths.sort();
    assert!(!paths.is_empty(), "no golden script has {wanted:?} in its path");
    paths
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the golden scripts") {
        let path = entry.expect("an entry of a directory").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
}

fn shortcomings(script: &Script) -> Vec<String> {
    let place = script.path.display();
    let mut complaints = Vec::new();
    if !script.lines.first().is_some_and(|line| line.starts_with("# ")) {
        complaints.push(format!("{place}:1: begins with no comment that says what it is about"));
    }
    let mut requests = 0;
    for step in &script.steps {
        if let Action::Request { expected, .. } | Action::Receive { expected, .. } = &step.action {
            requests += 1;
            if expected.is_empty() {
                complaints
                    .push(format!("{place}:{}: a request without a reply (UPDATE=1 writes it)", step.line));
            }
        }
    }
    if requests == 0 {
        complaints.push(format!("{place}: a script without a request"));
    }
    complaints
}

#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
fn skip(name: &str) {
    eprintln!("SKIPPED: no {name} was found, so nothing confirms the golden scripts");
}
