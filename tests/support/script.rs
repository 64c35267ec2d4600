//! The script language: what a golden file says, step by step, and how its expectations are written anew.
//!
//! ```text
//! # A comment.
//! !server-only                    a directive alone in its paragraph holds to the end of the script,
//!
//! !unordered                      directly above a request it holds for that request
//! > MGET a b                      a request on the nameless connection, quoted as in redis-cli
//! *2                              the reply it must get, as `pattern.rs` reads it
//!   "1"
//!   (nil)
//! a> GET "k\x00"                  a request on a connection of its own, opened when first named
//! a<                              one more reply or push there, without a request
//! ```
//!
//! Directives:
//! * `!redis-only`, `!valkey-only`: only that reference knows it, and writes the expectation.
//! * `!reference none <why>`: written by hand, since Braid follows a newer Redis; no reference is asked.
//! * `!server-only`: about connections or the server; the bare engine does not run it.
//! * `!needs list`: runs where that exists: a type of value, or another thing that Braid may not have yet.
//! * `!unordered`: elements of arrays, sets and maps may come in any order.
//! * `!scan`: repeats the SCAN, HSCAN, … from cursor to cursor; all elements, sorted, each once, are expected.
//! * `!raw`: the arguments are sent as they are, one after the other; all that comes back is expected.
//! * `!let id`: names the reply; `${id}`, `${id+1}`, `${now_ms-5}`, `${now_s}` stand for values on all lines below.
//! * `!sleep-ms 20`, `!resp 3 [connection]`, `!close [connection]`: steps of their own.
//!
//! `(silence)` expects that nothing comes, `(closed)` that the connection ends.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Kind;

/// A golden file, read.
pub(crate) struct Script {
    pub(crate) path: PathBuf,
    pub(crate) lines: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

/// One thing to do, and for whom.
#[derive(Debug)]
pub(crate) struct Step {
    /// Line in the file, from 1.
    pub(crate) line: usize,
    pub(crate) terms: Terms,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    /// `text` is unquoted only when it runs, as it may hold names. `expected` are indices of lines.
    Request {
        connection: String,
        text: String,
        expected: Range<usize>,
    },
    Receive {
        connection: String,
        expected: Range<usize>,
    },
    Sleep(Duration),
    Protocol {
        connection: String,
        version: String,
    },
    Close {
        connection: String,
    },
}

/// The directives that hold for a step.
#[derive(Clone, Default, Debug)]
pub(crate) struct Terms {
    pub(crate) writer: Writer,
    pub(crate) server_only: bool,
    pub(crate) needs: Vec<String>,
    pub(crate) unordered: bool,
    pub(crate) raw: bool,
    pub(crate) scan: bool,
    /// The name its reply gets.
    pub(crate) name: Option<String>,
}

/// Who knows the truth about a step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    /// Redis writes, Valkey must agree.
    #[default]
    Both,
    Redis,
    Valkey,
    Nobody,
}

impl Script {
    /// Reads a file; errors say where they are.
    pub(crate) fn load(path: &Path) -> Result<Script, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Script::parse(path, &text)
    }

    /// Reads the text of a script.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Script, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut reader = Reader::default();
        for (index, line) in lines.iter().enumerate() {
            reader.line(index, line).map_err(|why| format!("{}:{}: {why}", path.display(), index + 1))?;
        }
        Ok(Script { path: path.to_owned(), lines, steps: reader.steps })
    }

    /// The text with some expectations replaced: each by the range of its old lines.
    pub(crate) fn rewritten(&self, rewrites: &[(Range<usize>, Vec<String>)]) -> String {
        let mut lines = self.lines.clone();
        for (range, expected) in rewrites.iter().rev() {
            lines.splice(range.clone(), expected.iter().cloned());
        }
        lines.join("\n") + "\n"
    }
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    /// Directives that hold to the end.
    standing: Terms,
    /// Directives of the paragraph at hand.
    paragraph: Terms,
    /// Whether lines without a mark belong to the last step.
    expecting: bool,
}

impl Reader {
    fn line(&mut self, index: usize, line: &str) -> Result<(), String> {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            self.standing = self.paragraph.clone();
            self.expecting = false;
        } else if trimmed == "#" || trimmed.starts_with("# ") {
            self.expecting = false;
        } else if let Some(directive) = trimmed.strip_prefix('!') {
            self.expecting = false;
            self.directive(index, directive)?;
        } else if let Some((connection, mark, text)) = spoken(line) {
            self.speak(index, connection, mark, text);
        } else if self.expecting {
            self.extend_expectation(index);
        } else {
            return Err(format!("neither a request nor the reply to one: {line}"));
        }
        Ok(())
    }

    fn speak(&mut self, index: usize, connection: &str, mark: char, text: &str) {
        let (connection, expected) = (connection.to_owned(), index + 1..index + 1);
        let action = match mark {
            '>' => Action::Request { connection, text: text.to_owned(), expected },
            _ => Action::Receive { connection, expected },
        };
        let terms = std::mem::replace(&mut self.paragraph, self.standing.clone());
        self.steps.push(Step { line: index + 1, terms, action });
        self.expecting = true;
    }

    fn extend_expectation(&mut self, index: usize) {
        if let Some(Action::Request { expected, .. } | Action::Receive { expected, .. }) =
            self.steps.last_mut().map(|step| &mut step.action)
        {
            expected.end = index + 1;
        }
    }

    fn directive(&mut self, index: usize, text: &str) -> Result<(), String> {
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let terms = &mut self.paragraph;
        match name {
            "redis-only" => terms.writer = Writer::Redis,
            "valkey-only" => terms.writer = Writer::Valkey,
            "reference" if argument.starts_with("none ") => terms.writer = Writer::Nobody,
            "server-only" => terms.server_only = true,
            "needs" if !argument.is_empty() => terms.needs.push(argument.to_owned()),
            "unordered" => terms.unordered = true,
            "raw" => terms.raw = true,
            "scan" => terms.scan = true,
            "let" if !argument.is_empty() => terms.name = Some(argument.to_owned()),
            _ => {
                let action = step(name, argument).ok_or_else(|| format!("unknown directive !{text}"))?;
                self.steps.push(Step { line: index + 1, terms: self.standing.clone(), action });
            }
        }
        Ok(())
    }
}

fn step(name: &str, argument: &str) -> Option<Action> {
    match name {
        "sleep-ms" => Some(Action::Sleep(Duration::from_millis(argument.parse().ok()?))),
        "resp" => {
            let (version, connection) = argument.split_once(' ').unwrap_or((argument, ""));
            Some(Action::Protocol { connection: connection.into(), version: version.into() })
        }
        "close" => Some(Action::Close { connection: argument.into() }),
        _ => None,
    }
}

/// `name> text` or `name<`: the connection, the mark, the text.
fn spoken(line: &str) -> Option<(&str, char, &str)> {
    let (name, text) = line.split_at(line.find(['<', '>'])?);
    let mark = text.chars().next()?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_alone = text.len() == 1 || text.as_bytes()[1] == b' ';
    (is_name && is_alone).then(|| (name, mark, text[1..].trim_start()))
}

impl Terms {
    /// Whether a target of that kind, which has those things, runs the step.
    pub(crate) fn include(&self, kind: Kind, has: &[&str]) -> bool {
        let has_all = || self.needs.iter().all(|needed| has.contains(&needed.as_str()));
        match kind {
            Kind::Redis => matches!(self.writer, Writer::Both | Writer::Redis),
            Kind::Valkey => matches!(self.writer, Writer::Both | Writer::Valkey),
            Kind::Braid | Kind::Simulated => has_all(),
            Kind::Engine => !self.server_only && !self.raw && has_all(),
        }
    }

    /// Whether that target's reply may become the expectation.
    pub(crate) fn written_by(&self, kind: Kind) -> bool {
        match self.writer {
            Writer::Both | Writer::Redis => kind == Kind::Redis,
            Writer::Valkey => kind == Kind::Valkey,
            Writer::Nobody => false,
        }
    }
}

/// Values that scripts call by name.
pub(crate) type Names = BTreeMap<String, String>;

/// Replaces every `${name}`, `${name+1}`, `${name-1}`.
pub(crate) fn expand(text: &str, names: &Names) -> Result<String, String> {
    let Some((head, tail)) = text.split_once("${") else { return Ok(text.to_owned()) };
    let (inside, tail) = tail.split_once('}').ok_or_else(|| format!("no end: ${{{tail}"))?;
    let at = inside.find(['+', '-']).unwrap_or(inside.len());
    let (name, offset) = inside.split_at(at);
    let value = names.get(name).ok_or_else(|| format!("no value has the name {name}"))?;
    let value = if offset.is_empty() { value.clone() } else { shifted(value, offset)? };
    Ok(format!("{head}{value}{}", expand(tail, names)?))
}

fn shifted(value: &str, offset: &str) -> Result<String, String> {
    match (value.parse::<i64>(), offset.parse::<i64>()) {
        (Ok(value), Ok(offset)) => Ok((value + offset).to_string()),
        _ => Err(format!("no sum: {value}{offset}")),
    }
}
