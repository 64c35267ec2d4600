//! Golden scripts: one corpus of requests and replies, written by a real Redis, run against everything that serves.
//!
//! * `UPDATE=1 cargo test --test golden` lets the references write the expectations that are missing or wrong.
//! * `GOLDEN=strings/set cargo test --test golden` runs the scripts whose path contains that.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Once;
use support::runner::{self, Failure, Mode, Report};
use support::script::{Action, Script};
use support::server::{self, Server};
use support::tcp::TcpTarget;
use support::{Kind, Target};

/// Whether Braid serves: until then its runners have nothing to run against.
const BRAID_SERVES: bool = false;
/// What Braid has of that which scripts say they `!needs`: `list`, `blocking`, `tracking`, `migrate`, …
const BRAID_HAS: &[&str] = &[];

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

fn confirm_braid(shards: &str, io: &str) {
    if BRAID_SERVES {
        let binary = Path::new(env!("CARGO_BIN_EXE_braid"));
        confirm(Kind::Braid, binary, &["--shards", shards, "--io", io], BRAID_HAS);
    }
}

/// Runs the whole corpus against one server.
fn confirm(kind: Kind, binary: &Path, flags: &[&str], has: &[&str]) {
    let title = format!("{} {}", binary.file_name().unwrap_or_default().display(), flags.join(" "));
    let server = Server::start(binary, &title, flags);
    let mut target = TcpTarget::new(kind, server.address);
    let (failures, requests) = run_all(&mut target, has);
    if let Err(story) = runner::tell(kind, &title, &failures) {
        panic!("\n{story}\nThe last it logged:\n{}\n", server.log());
    }
    assert!(requests > 0, "no script had a request for {title}");
}

fn run_all(target: &mut dyn Target, has: &[&str]) -> (Vec<Failure>, usize) {
    let mut failures = Vec::new();
    let mut requests = 0;
    for path in paths() {
        let script = Script::load(&path).unwrap_or_else(|why| panic!("{why}"));
        let report = runner::run(&script, target, has, Mode::Check);
        failures.extend(report.failures);
        requests += report.requests;
        if report.is_target_broken {
            break;
        }
    }
    (failures, requests)
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

/// The harness has to notice what is wrong: otherwise all the rest proves nothing.
mod harness {
    use super::support::pattern;
    use super::support::render;
    use super::support::resp::{Reply, decode};
    use super::*;
    use std::collections::VecDeque;
    use std::time::Duration;
    use support::{ConnectionId, Outcome};

    /// A target that gives prepared replies.
    struct Parrot(VecDeque<Outcome>);

    impl Target for Parrot {
        fn kind(&self) -> Kind {
            Kind::Redis
        }
        fn connect(&mut self) -> ConnectionId {
            0
        }
        fn close(&mut self, _: ConnectionId) {}
        fn request(&mut self, id: ConnectionId, _: &[Vec<u8>], patience: Duration) -> Outcome {
            self.receive(id, patience)
        }
        fn send_raw(&mut self, _: ConnectionId, _: &[u8]) {}
        fn receive(&mut self, _: ConnectionId, _: Duration) -> Outcome {
            self.0.pop_front().unwrap_or(Outcome::Silence)
        }
        fn sleep(&mut self, _: Duration) {}
        fn now_ms(&self) -> i64 {
            0
        }
        fn reset(&mut self) -> Result<(), Outcome> {
            Ok(())
        }
    }

    fn run(text: &str, wire: &[u8], mode: Mode) -> (Script, Report) {
        let mut replies = VecDeque::new();
        let mut rest = wire;
        while let Some((reply, length)) = decode(rest).expect("the test's own RESP") {
            replies.push_back(Outcome::Reply(reply));
            rest = &rest[length..];
        }
        let script = Script::parse(Path::new("t.txt"), text).expect("the test's own script");
        let report = runner::run(&script, &mut Parrot(replies), &[], mode);
        (script, report)
    }

    #[test]
    fn a_wrong_reply_is_reported_where_it_is() {
        let (_, report) =
            run("# t\n> MGET a b\n*2\n  \"1\"\n  (nil)\n", b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n", Mode::Check);
        let story = report.failures[0].to_string();
        assert_eq!(
            story,
            "t.txt:2\n    > MGET a b\n  expected\n    *2\n      \"1\"\n  →   (nil)\n  got\n    *2\n      \"1\"\n  →   \"2\"\n"
        );
    }

    #[test]
    fn types_that_look_alike_are_told_apart() {
        for (expected, wire) in [
            ("\"1\"", &b":1\r\n"[..]),
            ("(nil)", b"*-1\r\n"),
            ("*nil", b"_\r\n"),
            ("_", b"$-1\r\n"),
            ("+OK", b"$2\r\nOK\r\n"),
            (",1", b",1.0\r\n"),
            ("*0", b"~0\r\n"),
            (":~ 2..3", b":1\r\n"),
            ("~\"a*c\"", b"$3\r\nabd\r\n"),
        ] {
            let (_, report) = run(&format!("# t\n> X\n{expected}\n"), wire, Mode::Check);
            assert_eq!(report.failures.len(), 1, "{expected} took {wire:?}");
        }
    }

    #[test]
    fn a_reply_that_nobody_asked_for_is_reported() {
        let (_, report) = run("# t\n> PING\n+PONG\n", b"+PONG\r\n+PONG\r\n", Mode::Check);
        assert_eq!(report.failures.len(), 1);
    }

    #[test]
    fn an_update_writes_replies_and_keeps_the_rest() {
        let text = "# t\n> A\n:1\n\n# c\n> B\n> C\n:~ 0..9\n";
        let (script, report) = run(text, b":2\r\n*1\r\n+x\r\n:5\r\n", Mode::Update);
        assert_eq!(script.rewritten(&report.rewrites), "# t\n> A\n:2\n\n# c\n> B\n*1\n  +x\n> C\n:~ 0..9\n");
        assert!(report.failures.is_empty());
    }

    #[test]
    fn every_type_reads_back_as_it_was_written() {
        let wire: &[u8] = b"*14\r\n+a\\b \r\n-ERR x\r\n:-5\r\n$4\r\n\"\x00\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n,1.50\r\n(123\r\n=5\r\ntxt:a\r\n~1\r\n:1\r\n>1\r\n:1\r\n%1\r\n+k\r\n*0\r\n";
        let (reply, _) = decode(wire).expect("RESP").expect("a whole reply");
        let lines = render::lines(&reply);
        let patterns = pattern::parse(&lines).expect("what render writes");
        assert!(patterns.len() == 1 && patterns[0].matches(&Outcome::Reply(reply), false), "{lines:#?}");
        assert!(!patterns[0].matches(&Outcome::Reply(Reply::Null), false));
    }
}
