//! Tests of the harness itself: it has to notice what is wrong, otherwise all the scripts prove nothing.

use super::resp::{Reply, decode};
use super::runner::{self, Mode, Report};
use super::script::Script;
use super::{ConnectionId, Kind, Outcome, Target, pattern, render};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

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
