//! What a thread counts: commands, errors, bytes, turns.
use crate::table::{CommandId, table};
use quanta::Clock;
use std::collections::BTreeMap;

/// Figures of one command.
#[derive(Clone, Copy, Debug, Default)]
pub struct CommandStat {
    /// How often it ran.
    pub calls: u64,
    /// How long it ran in all, in ticks of the clock.
    pub ticks: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it failed.
    pub failed: u64,
}

/// Kinds of errors that are told apart, at most: a client can make any number with a script.
const ERRORS_MAX: usize = 128;

/// Figures of one thread since start or CONFIG RESETSTAT.
#[derive(Debug)]
pub struct Stats {
    clock: Clock,
    last: u64,
    /// By command.
    pub commands: Vec<CommandStat>,
    /// Error replies by their first word.
    pub errors: BTreeMap<String, u64>,
    /// Error replies in all.
    pub errors_total: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// When it began to count, in ticks.
    pub since: u64,
    /// Time spent waiting, in ticks.
    pub idle_ticks: u64,
    /// Runs and parts of units that this thread's connections sent to other shards.
    pub hops: u64,
    /// Units entered by this thread's connections.
    pub units: u64,
    /// Runs served on a shard of a sleeping thread.
    pub taken: u64,
    /// What the connections' memory was when it was last counted.
    pub clients_bytes: u64,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats {
            clock: Clock::new(),
            last: 0,
            commands: vec![CommandStat::default(); table().entries().len()],
            errors: BTreeMap::new(),
            errors_total: 0,
            bytes_in: 0,
            bytes_out: 0,
            turns: 0,
            since: 0,
            idle_ticks: 0,
            hops: 0,
            units: 0,
            taken: 0,
            clients_bytes: 0,
        }
    }
}

impl Stats {
    /// The time from which the next command is measured is now.
    #[inline]
    pub fn begin(&mut self) {
        self.last = self.clock.raw();
    }
    /// A reading of the clock, in ticks.
    #[inline]
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.clock.raw()
    }
    /// A command ran, since the last one or [`Stats::begin`]; `reply` is its reply.
    #[inline]
    pub fn ran(&mut self, id: CommandId, reply: &[u8]) {
        let now = self.clock.raw();
        let stat = &mut self.commands[usize::from(id)];
        stat.calls += 1;
        stat.ticks += now.saturating_sub(self.last);
        self.last = now;
        if reply.first() == Some(&b'-') {
            stat.failed += 1;
            self.error(reply);
        }
    }
    /// A command was refused with this reply.
    pub fn rejected(&mut self, id: Option<CommandId>, reply: &[u8]) {
        if let Some(id) = id {
            self.commands[usize::from(id)].rejected += 1;
        }
        self.error(reply);
    }
    /// An error reply went out.
    pub fn error(&mut self, reply: &[u8]) {
        self.errors_total += 1;
        let code = reply[1..].split(|byte| matches!(byte, b' ' | b'\r')).next().unwrap_or_default();
        let code = String::from_utf8_lossy(code).into_owned();
        if self.errors.len() < ERRORS_MAX || self.errors.contains_key(&code) {
            *self.errors.entry(code).or_default() += 1;
        }
    }
    /// Ticks as nanoseconds.
    #[must_use]
    pub fn nanoseconds(&self, ticks: u64) -> u64 {
        self.clock.delta_as_nanos(0, ticks)
    }
    /// CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        *self =
            Stats { clock: self.clock.clone(), last: self.last, since: self.clock.raw(), ..Stats::default() };
    }
}
