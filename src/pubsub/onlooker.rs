//! Onlookers: what a command is to monitors and to clients that track keys, told by whoever runs it when it takes effect.
use super::notify::Outside;
use super::outbox::Tale;
use crate::route;
use crate::slowlog::is_secret;
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::effects::Effects;
use shards::keyspace::Hashed;
use shards::shard::Shard;
use shards::spec::{Flags, Group, Spec};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Whose command it is, as onlookers want to know it. Goes with the command wherever it is carried out.
#[derive(Debug)]
pub struct Author {
    /// The CLIENT ID.
    pub id: u64,
    /// What monitors are shown of the connection.
    pub address: String,
    /// There was a monitor when the command was entered, and it was entered in one piece.
    pub is_shown: bool,
    /// What else monitors are shown of a transaction.
    pub transaction: Option<Transcript>,
}

/// Lines of a transaction that its commands of the engine do not make.
#[derive(Debug, Default)]
pub struct Transcript {
    /// Those of the server's commands, each with the number of the engine's command that it stands before.
    pub asides: Vec<(usize, Vec<u8>)>,
    /// That of EXEC.
    pub end: Vec<u8>,
}

/// A line but for the time: database, address and arguments.
pub(crate) fn line(spec: &Spec, db: u16, address: &str, args: Args<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(32 + args.iter().map(|arg| arg.len() + 3).sum::<usize>());
    write!(line, "[{db} {address}]").expect("a vector takes what is written");
    for (index, arg) in args.iter().enumerate() {
        line.push(b' ');
        quote(&mut line, if is_secret(spec.name, args, index) { b"(redacted)" } else { arg });
    }
    line
}

/// The line as monitors get it now.
pub(super) fn timed(line: &[u8]) -> Box<[u8]> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut whole = format!("+{}.{:06} ", now.as_secs(), now.subsec_micros()).into_bytes();
    whole.extend_from_slice(line);
    whole.extend_from_slice(b"\r\n");
    whole.into_boxed_slice()
}

/// Whether monitors are shown a command.
pub(crate) fn is_shown(spec: &Spec) -> bool {
    !spec.flags.has_any(Flags::SKIP_MONITOR.and(Flags::ADMIN))
}

/// A string in quotes, with escapes for what cannot be shown.
fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => write!(out, "\\x{byte:02x}").expect("a vector takes what is written"),
        }
    }
    out.push(b'"');
}

impl Outside<'_> {
    /// Shows monitors a line.
    #[cold]
    pub(crate) fn tell_monitors(&mut self, line: &[u8]) {
        self.told.add(Tale::Line(line.into()));
    }

    /// Shows monitors a command that takes effect now.
    #[cold]
    pub(crate) fn show(&mut self, author: &Author, spec: &Spec, db: u16, args: Args<'_>) {
        if author.is_shown && self.shared.exchange.is_monitored() && is_shown(spec) {
            self.tell_monitors(&line(spec, db, &author.address, args));
        }
    }

    /// Shows monitors a command that runs a script, before what the script does.
    #[cold]
    pub(crate) fn show_script(&mut self, author: &Author, spec: &Spec, db: u16, args: Args<'_>) {
        if author.is_shown && self.shared.exchange.is_monitored() && !is_shown(spec) {
            self.tell_monitors(&line(spec, db, &author.address, args));
        }
    }

    /// Shows monitors a command of a script, which has taken effect.
    #[cold]
    pub(crate) fn show_within(&mut self, spec: &Spec, db: u16, args: Args<'_>) {
        if is_shown(spec) {
            self.tell_monitors(&line(spec, db, "lua", args));
        }
    }

    /// Remembers which keys a client has read, on the shards in hand. Where that is too many, some are forgotten, which their
    /// clients are told with the effects of the command.
    #[cold]
    pub(crate) fn remember(
        &self,
        client: u64,
        spec: &Spec,
        args: Args<'_>,
        shards: &mut [Box<Shard>],
        effects: &mut Effects,
    ) {
        // Of a script it is the commands that read.
        if !spec.flags.has(Flags::READ) || spec.group == Group::Scripting {
            return;
        }
        for (at, _) in route::keys_of(spec, args) {
            let slot = Hashed::new(args[at]).slot;
            let Some(shard) = shards.iter_mut().find(|shard| shard.slots.contains(&slot)) else { continue };
            if shard.tracked.remember(args[at], client) {
                self.forget_some(shard, effects);
            }
        }
    }

    /// Forgets keys of a shard until all shards together have no more than `tracking-table-max-keys`.
    fn forget_some(&self, shard: &mut Shard, effects: &mut Effects) {
        let others = self.shared.published.iter().enumerate().filter(|(index, _)| *index != shard.index);
        let of_others: u64 = others.map(|(_, figures)| figures.tracked().0).sum();
        while self.tracked_keys_max > 0
            && of_others + shard.tracked.len() as u64 > self.tracked_keys_max
            && let Some(key) = shard.tracked.any(&mut shard.dice)
        {
            let clients = shard.tracked.forget(&key).unwrap_or_default();
            effects.forgotten.push(((*key).into(), clients));
        }
    }
}

impl Core {
    /// Shows monitors a command of the server, which took effect now.
    #[cold]
    pub(crate) fn show(&mut self, conn: &Conn, spec: &Spec, args: Args<'_>) {
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
        outside.show(&conn.author(), spec, conn.session.db, args);
        outside.post();
    }

    /// Shows monitors a transaction that was all the server's.
    pub(crate) fn show_transcript(&mut self, transcript: &Transcript) {
        let mut outside = Outside::new(&self.shared, &mut self.mailed, &mut self.told, &self.config);
        transcript.asides.iter().for_each(|(_, line)| outside.tell_monitors(line));
        outside.tell_monitors(&transcript.end);
        outside.post();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_escaped_and_what_may_not_be_is_not() {
        let spec = |name| Spec { name, ..Spec::DEFAULT };
        let shown = line(&spec("set"), 3, "1.2.3.4:5", &[b"SET", b"a\"\\\n", b"\x01\xff\x07"]);
        assert_eq!(shown, br#"[3 1.2.3.4:5] "SET" "a\"\\\n" "\x01\xff\a""#);
        let hidden = line(&spec("auth"), 0, "unix:/s", &[b"auth", b"me", b"secret"]);
        assert_eq!(hidden, br#"[0 unix:/s] "auth" "(redacted)" "(redacted)""#);
    }
}
