//! Runs a script against a target and tells, so that it is a pleasure to read, what went otherwise.

use super::pattern::{self, Pattern};
use super::resp::Reply;
use super::script::{Action, Names, Script, Step, expand};
use super::{ConnectionId, Kind, Outcome, Target, quote, render};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// How long a reply may take. Generous: test machines are busy.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it must be quiet to count as silence.
const SILENCE: Duration = Duration::from_millis(40);
/// A scan that has not ended after so many requests never will.
const SCAN_TURNS_MAX: usize = 100_000;
/// How long raw bytes may take to be answered when nobody knows yet how many replies will come.
const EXPLORING: Duration = Duration::from_millis(300);

/// The arguments of a request.
type Args = Vec<Vec<u8>>;

/// What to do with a reply that is not the expected one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Check,
    /// Let the references write it into the script.
    Update,
}

/// What came of a run.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) failures: Vec<Failure>,
    /// Expectations to replace, in the order of the file.
    pub(crate) rewrites: Vec<(Range<usize>, Vec<String>)>,
    /// Requests that were made.
    pub(crate) requests: usize,
    /// Requests that the target does not know, and was not asked.
    pub(crate) left_out: Vec<String>,
    /// Whether the target could not even be emptied: no further script can run.
    pub(crate) is_target_broken: bool,
}

/// A reply that was not as expected.
pub(crate) struct Failure {
    /// `file:line`
    pub(crate) place: String,
    /// The request as the script has it, or what else happened there.
    pub(crate) request: String,
    pub(crate) expected: Vec<String>,
    pub(crate) got: Vec<String>,
}

/// Runs all steps that are meant for the target; `has` is what it has of that which steps need.
pub(crate) fn run(script: &Script, target: &mut dyn Target, has: &[&str], mode: Mode) -> Report {
    let mut run = Run {
        script,
        target,
        mode,
        connections: BTreeMap::new(),
        dead: BTreeSet::new(),
        names: Names::new(),
        report: Report::default(),
    };
    if let Err(outcome) = run.target.reset() {
        run.report.is_target_broken = true;
        run.tell(1, "(FLUSHALL before the script)", &["+OK".to_owned()], render::outcomes(&[outcome]));
        return run.report;
    }
    for step in &script.steps {
        if step.terms.include(run.target.kind(), has) {
            run.step(step);
        }
    }
    run.expect_quiet();
    run.report
}

struct Run<'a> {
    script: &'a Script,
    target: &'a mut dyn Target,
    mode: Mode,
    connections: BTreeMap<String, ConnectionId>,
    /// Connections that ended or fell silent unexpectedly: nothing more is asked there.
    dead: BTreeSet<String>,
    names: Names,
    report: Report,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        match &step.action {
            Action::Sleep(time) => self.target.sleep(*time),
            Action::Close { connection } => {
                if let Some(id) = self.connections.remove(connection) {
                    self.target.close(id);
                }
            }
            Action::Protocol { connection, version } => self.speak(connection, version),
            Action::Request { connection, text, expected } => {
                self.exchange(step, connection, Some(text), expected.clone());
            }
            Action::Receive { connection, expected } => {
                self.exchange(step, connection, None, expected.clone());
            }
        }
    }

    fn exchange(&mut self, step: &Step, connection: &str, text: Option<&str>, range: Range<usize>) {
        if self.dead.contains(connection) {
            return;
        }
        self.report.requests += 1;
        let written = &self.script.lines[range.clone()];
        let (patterns, args) = match self.read(written, text) {
            Ok(read) => read,
            Err(why) => return self.fail(step.line, written, vec![format!("(cannot run) {why}")]),
        };
        if let Some(args) = args.as_ref().filter(|args| !self.target.knows(args)) {
            self.report.requests -= 1;
            return self.report.left_out.push(String::from_utf8_lossy(&args[0]).to_lowercase());
        }
        let id = self.connection(connection);
        let got = self.gather(id, step, args.as_deref(), &patterns);
        self.remember(step, &got);
        if !patterns.is_empty() && fits(&patterns, &got, step.terms.unordered) {
            return;
        }
        let writable = step.terms.written_by(self.target.kind()) && !patterns.iter().any(Pattern::has_holes);
        if self.mode == Mode::Update && writable {
            return self.report.rewrites.push((range, render::outcomes(&got)));
        }
        if !is_alive(&got) {
            self.dead.insert(connection.to_owned());
        }
        self.fail(step.line, written, render::outcomes(&got));
    }

    /// Puts in the names, takes the request and its expectation apart.
    fn read(
        &mut self,
        written: &[String],
        text: Option<&str>,
    ) -> Result<(Vec<Pattern>, Option<Args>), String> {
        let now_ms = self.target.now_ms();
        self.names.insert("now_ms".into(), now_ms.to_string());
        self.names.insert("now_s".into(), (now_ms / 1000).to_string());
        let lines: Vec<String> =
            written.iter().map(|line| expand(line, &self.names)).collect::<Result<_, _>>()?;
        let args = text.map(|text| quote::split(&expand(text, &self.names)?)).transpose()?;
        Ok((pattern::parse(&lines)?, args))
    }

    /// Makes the request and collects as many outcomes as are expected; of raw bytes all that come.
    fn gather(
        &mut self,
        id: ConnectionId,
        step: &Step,
        args: Option<&[Vec<u8>]>,
        wanted: &[Pattern],
    ) -> Vec<Outcome> {
        let raw = step.terms.raw && args.is_some();
        let patience = |pattern: Option<&Pattern>| match pattern {
            Some(Pattern::Silence) => SILENCE,
            None if raw => EXPLORING,
            _ => PATIENCE,
        };
        let first = match args {
            Some(args) if raw => {
                self.target.send_raw(id, &args.concat());
                self.target.receive(id, patience(wanted.first()))
            }
            Some(args) if step.terms.scan => self.scan(id, args.to_vec()),
            Some(args) => self.target.request(id, args, patience(wanted.first())),
            None => self.target.receive(id, patience(wanted.first())),
        };
        let mut got = vec![first];
        while is_alive(&got) && got.len() < wanted.len() {
            got.push(self.target.receive(id, patience(wanted.get(got.len()))));
        }
        if raw {
            self.gather_rest(id, &mut got);
        }
        got
    }

    fn gather_rest(&mut self, id: ConnectionId, got: &mut Vec<Outcome>) {
        let patience = if self.mode == Mode::Update { EXPLORING } else { SILENCE / 4 };
        while is_alive(got) {
            match self.target.receive(id, patience) {
                Outcome::Silence => return,
                more => got.push(more),
            }
        }
    }

    /// Follows a SCAN from cursor to cursor; the first reply that is none ends it.
    fn scan(&mut self, id: ConnectionId, mut args: Vec<Vec<u8>>) -> Outcome {
        let cursor_at = if args[0].eq_ignore_ascii_case(b"SCAN") { 1 } else { 2 };
        let mut elements: Vec<Vec<u8>> = Vec::new();
        for _turn in 0..SCAN_TURNS_MAX {
            let outcome = self.target.request(id, &args, PATIENCE);
            let Outcome::Reply(Reply::Array(parts)) = &outcome else { return outcome };
            let [Reply::Bulk(cursor), Reply::Array(found)] = &parts[..] else { return outcome };
            elements.extend(
                found.iter().filter_map(|it| if let Reply::Bulk(it) = it { Some(it.clone()) } else { None }),
            );
            if cursor == b"0" {
                elements.sort();
                elements.dedup();
                return Outcome::Reply(Reply::Array(elements.into_iter().map(Reply::Bulk).collect()));
            }
            args[cursor_at].clone_from(cursor);
        }
        Outcome::Silence
    }

    fn remember(&mut self, step: &Step, got: &[Outcome]) {
        let Some(name) = &step.terms.name else { return };
        let value = match got.last() {
            Some(Outcome::Reply(Reply::Int(value))) => value.to_string(),
            Some(Outcome::Reply(Reply::Bulk(text) | Reply::Simple(text))) => {
                String::from_utf8_lossy(text).into_owned()
            }
            _ => return,
        };
        self.names.insert(name.clone(), value);
    }

    fn connection(&mut self, name: &str) -> ConnectionId {
        match self.connections.get(name) {
            Some(id) => *id,
            None => {
                let id = self.target.connect();
                self.connections.insert(name.to_owned(), id);
                id
            }
        }
    }

    fn speak(&mut self, connection: &str, version: &str) {
        let id = self.connection(connection);
        let hello = [b"HELLO".to_vec(), version.as_bytes().to_vec()];
        let _greeting = self.target.request(id, &hello, PATIENCE);
    }

    /// At the end nobody must have got anything unasked.
    fn expect_quiet(&mut self) {
        for (name, id) in std::mem::take(&mut self.connections) {
            let end = self.target.receive(id, Duration::ZERO);
            if matches!(end, Outcome::Reply(_) | Outcome::Garbage(_)) && !self.dead.contains(&name) {
                let what = format!("(the end, on connection \"{name}\")");
                let got = render::outcomes(&[end]);
                self.tell(self.script.lines.len(), &what, &["(silence)".to_owned()], got);
            }
        }
    }

    fn fail(&mut self, line: usize, expected: &[String], got: Vec<String>) {
        let request = &self.script.lines[line - 1];
        if expected.is_empty() {
            self.tell(line, request, &["(nothing is written yet: UPDATE=1 does it)".to_owned()], got);
        } else {
            self.tell(line, request, expected, got);
        }
    }

    fn tell(&mut self, line: usize, request: &str, expected: &[String], got: Vec<String>) {
        let place = format!("{}:{line}", self.script.path.display());
        let (request, expected) = (request.to_owned(), expected.to_vec());
        self.report.failures.push(Failure { place, request, expected, got });
    }
}

fn fits(patterns: &[Pattern], got: &[Outcome], unordered: bool) -> bool {
    patterns.len() == got.len()
        && patterns.iter().zip(got).all(|(pattern, outcome)| pattern.matches(outcome, unordered))
}

fn is_alive(got: &[Outcome]) -> bool {
    matches!(got.last(), Some(Outcome::Reply(_)))
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.place)?;
        writeln!(out, "    {}", self.request)?;
        let same =
            self.expected.iter().zip(&self.got).take_while(|(old, new)| old.trim() == new.trim()).count();
        block(out, "expected", &self.expected, same)?;
        block(out, "got", &self.got, same)
    }
}

/// Lines under a title, with an arrow at the first that differs.
fn block(out: &mut fmt::Formatter<'_>, title: &str, lines: &[String], same: usize) -> fmt::Result {
    writeln!(out, "  {title}")?;
    for (index, line) in lines.iter().enumerate() {
        let mark = if index == same && lines.len() > 1 { "→" } else { " " };
        writeln!(out, "  {mark} {line}")?;
    }
    Ok(())
}

/// All failures of a target as one text; those beyond the first pages are counted by script.
pub(crate) fn tell(kind: Kind, title: &str, failures: &[Failure]) -> Result<(), String> {
    const SHOWN_MAX: usize = 40;
    if failures.is_empty() {
        return Ok(());
    }
    let mut text =
        format!("{} replies of {title} ({kind:?}) are not as the scripts say:\n\n", failures.len());
    for failure in failures.iter().take(SHOWN_MAX) {
        text.push_str(&format!("{failure}\n"));
    }
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in failures.iter().skip(SHOWN_MAX) {
        let script = failure.place.split(':').next().unwrap_or_default();
        *others.entry(script).or_default() += 1;
    }
    for (script, count) in others {
        text.push_str(&format!("and {count} more in {script}\n"));
    }
    Err(text)
}
