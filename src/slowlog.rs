//! The slow log of a thread: the commands of its connections that took long.
//!
//! A command is timed where it runs, which may be on another thread; that thread mails what was slow ([`Noticed`]) to the
//! connection's thread, which knows the client. SLOWLOG puts the threads' logs together by the numbers of their entries.
use crate::config::Config;
use crate::table::{CommandId, table};
use std::collections::VecDeque;

/// Arguments and bytes of an argument that an entry keeps, at most.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// A command that took long.
#[derive(Clone, Debug)]
pub struct Noticed {
    /// Which command.
    pub id: CommandId,
    /// How long it ran, in microseconds.
    pub duration_us: u64,
    /// Its arguments, shortened, secrets left out.
    pub args: Vec<Vec<u8>>,
}

impl Noticed {
    /// A command ran so long.
    #[must_use]
    pub fn new(id: CommandId, duration_us: u64, args: &[&[u8]]) -> Noticed {
        let name = table().entry(id).spec.name;
        // What asked all threads has no arguments left when it is answered.
        let args = if args.is_empty() {
            name.split('|').map(|word| word.as_bytes().to_vec()).collect()
        } else {
            shown(name, args)
        };
        Noticed { id, duration_us, args }
    }
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number, ascending over all threads.
    pub id: u64,
    /// When it was noticed, in seconds since 1970.
    pub at_seconds: i64,
    /// The command.
    pub command: Noticed,
    /// The client's address.
    pub address: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// The log of one thread.
#[derive(Debug, Default)]
pub struct Slowlog {
    entries: VecDeque<Entry>,
}

impl Slowlog {
    /// Adds an entry; the oldest go.
    pub fn add(&mut self, entry: Entry, config: &Config) {
        self.entries.push_back(entry);
        self.trim(config);
    }
    /// Keeps as many as the configuration says.
    pub fn trim(&mut self, config: &Config) {
        while self.entries.len() as u64 > config.slowlog_max_len {
            self.entries.pop_front();
        }
    }
    /// The entries, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
    /// Forgets them all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The arguments as an entry shows them.
fn shown(name: &str, args: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
    let mut shown: Vec<Vec<u8>> = args[..kept]
        .iter()
        .enumerate()
        .map(|(index, arg)| if is_secret(name, args, index) { b"(redacted)".to_vec() } else { shorten(arg) })
        .collect();
    if kept < args.len() {
        shown.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    shown
}

fn shorten(arg: &[u8]) -> Vec<u8> {
    if arg.len() <= ARG_BYTES_MAX {
        return arg.to_vec();
    }
    let mut text = arg[..ARG_BYTES_MAX].to_vec();
    text.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
    text
}

/// Whether an argument is a password or may be one.
pub(crate) fn is_secret(name: &str, args: &[&[u8]], index: usize) -> bool {
    let behind = |word: &str, reach: usize| {
        let from = index.saturating_sub(reach).max(1).min(index);
        args[from..index].iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    match name {
        "auth" => index > 0,
        "hello" => behind("auth", 2),
        "acl|setuser" => index > 2,
        "migrate" => behind("auth", 1) || behind("auth2", 2),
        "config|set" => index % 2 == 1 && index > 2 && is_sensitive(args[index - 1]),
        _ => false,
    }
}

fn is_sensitive(parameter: &[u8]) -> bool {
    let found = std::str::from_utf8(parameter).ok().and_then(crate::config::Parameter::find);
    found.is_some_and(|parameter| parameter.has(crate::config::Flags::SENSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(name: &str, args: &[&str]) -> Vec<String> {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        shown(name, &args).into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn secrets_are_not_kept() {
        let hidden = "(redacted)";
        assert_eq!(texts("auth", &["AUTH", "u", "p"]), ["AUTH", hidden, hidden]);
        let hello = ["HELLO", "3", "AUTH", "u", "p", "SETNAME", "n"];
        assert_eq!(texts("hello", &hello), ["HELLO", "3", "AUTH", hidden, hidden, "SETNAME", "n"]);
        let set = ["CONFIG", "SET", "requirepass", "x", "hz", "10"];
        assert_eq!(texts("config|set", &set), ["CONFIG", "SET", "requirepass", hidden, "hz", "10"]);
        assert_eq!(texts("set", &["SET", "auth", "p"]), ["SET", "auth", "p"]);
    }

    #[test]
    fn long_commands_are_shortened() {
        let long = "x".repeat(200);
        assert_eq!(texts("echo", &["ECHO", &long])[1], format!("{}... (72 more bytes)", "x".repeat(128)));
        let many = texts("del", &["a"; 40]);
        assert_eq!((many.len(), many[31].as_str()), (32, "... (9 more arguments)"));
        assert_eq!(texts("del", &["a"; 32]).len(), 32);
    }

    #[test]
    fn the_oldest_go() {
        let config = Config { slowlog_max_len: 2, ..Config::default() };
        let mut log = Slowlog::default();
        for id in 0..5 {
            let command = Noticed { id: 0, duration_us: 1, args: Vec::new() };
            log.add(Entry { id, at_seconds: 0, command, address: String::new(), name: Vec::new() }, &config);
        }
        assert_eq!(log.entries().map(|entry| entry.id).collect::<Vec<_>>(), [3, 4]);
    }
}
