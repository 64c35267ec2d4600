//! Clients and applications that others wrote must find nothing strange: redis-rs, redis-py, ioredis, node-redis, redis-cli,
//! redis-benchmark; BullMQ, rate-limiter-flexible, socket.io, RQ, Celery, Sidekiq and locks.
//!
//! `scripts/install-test-tools` gets them. What is not there is skipped, and says so.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests look closer at replies")]
mod client;
#[path = "interop/redis_rs.rs"]
mod redis_rs;
#[path = "support/resp.rs"]
mod resp;

use braid::{Braid, tell};
use client::{Client, request};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const PYTHON: &str = "tests/.venv/bin/python3";
const SHARDS: [&str; 2] = ["1", "3"];
const NODE_MODULES: &str = "tests/.tools/node_modules";

#[test]
fn redis_rs_is_content() {
    for shards in ["1", "3"] {
        let server = Braid::start(&["--shards", shards]);
        for protocol in [redis::ProtocolVersion::RESP2, redis::ProtocolVersion::RESP3] {
            redis_rs::converse(server.address, protocol);
        }
    }
}

#[test]
fn redis_py_is_content() {
    if !Path::new(PYTHON).exists() {
        return tell("SKIPPED: no redis-py in tests/.venv");
    }
    for script in ["redis_py", "redis_py_types", "redis_py_messages"] {
        converse(|port| command(PYTHON, &[&format!("tests/interop/{script}.py"), port]));
    }
}

#[test]
fn ioredis_is_content() {
    if !Path::new(NODE_MODULES).join("ioredis").exists() {
        return tell("SKIPPED: no ioredis in tests/.tools");
    }
    for script in ["ioredis", "ioredis_types", "ioredis_messages"] {
        converse(|port| node(&format!("tests/interop/{script}.js"), port));
    }
}

#[test]
fn node_redis_is_content() {
    if !Path::new(NODE_MODULES).join("redis").exists() {
        return tell("SKIPPED: no node-redis in tests/.tools");
    }
    for script in ["node_redis", "node_redis_types", "node_redis_messages"] {
        converse(|port| node(&format!("tests/interop/{script}.js"), port));
    }
}

#[test]
fn bullmq_is_content() {
    node_application("bullmq", "bullmq");
}

#[test]
fn rate_limiter_flexible_is_content() {
    node_application("rate-limiter-flexible", "rate_limiter_flexible");
}

#[test]
fn socket_io_is_content() {
    node_application("@socket.io/redis-adapter", "socket_io");
}

#[test]
fn rq_is_content() {
    python_application("rq", "rq");
}

#[test]
fn celery_is_content() {
    python_application("celery", "celery");
}

#[test]
fn locks_of_python_are_content() {
    python_application("redis_lock", "locks");
}

#[test]
fn sidekiq_is_content() {
    if !has("sidekiq") {
        return tell("SKIPPED: no sidekiq");
    }
    converse_at_once(|port| command("ruby", &["tests/interop/app_sidekiq.rb", port]));
}

#[test]
fn redis_cli_loads_a_million_keys_and_finds_them() {
    const COUNT: usize = 1_000_000;
    if !has("redis-cli") {
        return tell("SKIPPED: no redis-cli");
    }
    let server = Braid::start(&["--shards", "3"]);
    let port = server.address.port().to_string();
    let commands: Vec<u8> =
        (0..COUNT).flat_map(|index| request(&[&["SET", &format!("key:{index}"), "value"]])).collect();
    let mut loading = command("redis-cli", &["-p", &port, "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli starts");
    loading.stdin.take().expect("its input").write_all(&commands).expect("it reads");
    let output = loading.wait_with_output().expect("it ends");
    assert_fine(&output, &format!("errors: 0, replies: {COUNT}"));
    assert_eq!(Client::connect(server.address).call(&["DBSIZE"]).number(), COUNT as i64);

    let output = run(&mut command("redis-cli", &["-p", &port, "--scan", "--pattern", "key:99999*"]));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 11);
    let output = run(&mut command("redis-cli", &["-p", &port, "--bigkeys"]));
    assert_fine(&output, "Sampled 1000000 keys in the keyspace");
}

#[test]
fn redis_cli_measures_latency() {
    if !has("redis-cli") {
        return tell("SKIPPED: no redis-cli");
    }
    let server = Braid::start(&["--shards", "3"]);
    let port = server.address.port().to_string();
    // Into a pipe it measures for a second, says so in one line and ends.
    let output = run(&mut command("redis-cli", &["-p", &port, "--latency", "--raw"]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() == 4 && numbers[3] >= 1.0, "minimum, maximum, average, samples: {text:?}");
}

#[test]
fn redis_benchmark_runs_to_its_end() {
    if !has("redis-benchmark") {
        return tell("SKIPPED: no redis-benchmark");
    }
    let cases: [(&str, &[&str]); 4] = [
        ("1", &["-P", "16", "-n", "100000"]),
        ("3", &["-P", "16", "-n", "100000"]),
        ("3", &["-c", "1000", "-n", "20000"]),
        ("3", &["--threads", "2", "-n", "20000"]),
    ];
    for (shards, flags) in cases {
        let server = Braid::start(&["--shards", shards]);
        let port = server.address.port().to_string();
        let mut benchmark =
            command("redis-benchmark", &["-p", &port, "-q", "-r", "1000", "-t", "ping,set,get,incr,mset"]);
        let output = run(benchmark.args(flags));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for name in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
            assert!(text.contains(&format!("{name}: ")), "{flags:?}: no figures of {name} in {text}");
        }
        assert!(text.contains("requests per second"), "{text}");
    }
}

/// Runs a script against servers of one shard and of several.
fn converse(script: impl Fn(&str) -> Command) {
    for shards in SHARDS {
        converse_with(shards, &script);
    }
}

fn converse_with(shards: &str, script: impl Fn(&str) -> Command) {
    let server = Braid::start(&["--shards", shards]);
    let output = run(&mut script(&server.address.port().to_string()));
    assert_fine(&output, "fine");
}

fn node_application(module: &str, script: &str) {
    if !Path::new(NODE_MODULES).join(module).exists() {
        return tell(&format!("SKIPPED: no {module} in tests/.tools"));
    }
    converse_at_once(|port| node(&format!("tests/interop/app_{script}.js"), port));
}

fn python_application(module: &str, script: &str) {
    let has_it =
        Command::new(PYTHON).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    if !has_it.is_ok_and(|status| status.success()) {
        return tell(&format!("SKIPPED: no {module} in tests/.venv"));
    }
    converse_at_once(|port| command(PYTHON, &[&format!("tests/interop/app_{script}.py"), port]));
}

/// Runs an application, which mostly waits, against both kinds of servers at the same time.
fn converse_at_once(script: impl Fn(&str) -> Command + Sync) {
    std::thread::scope(|scope| {
        for shards in SHARDS {
            scope.spawn(|| converse_with(shards, &script));
        }
    });
}

fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn node(script: &str, port: &str) -> Command {
    let mut node = command("node", &[script, port]);
    node.env("NODE_PATH", NODE_MODULES);
    node
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Runs a program that must end well within two minutes.
fn run(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let id = child.id().to_string();
    let (done, is_done) = std::sync::mpsc::channel();
    let guard = std::thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(120)).is_err() {
            let _killed = Command::new("kill").args(["-9", &id]).status();
        }
    });
    let output = child.wait_with_output().expect("it ends");
    done.send(()).expect("the guard waits");
    guard.join().expect("the guard ends");
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, said(&output));
    output
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn assert_fine(output: &Output, text: &str) {
    assert!(output.status.success() && said(output).contains(text), "no {text:?} in:\n{}", said(output));
}
