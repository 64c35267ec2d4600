//! What a thread counts: commands, errors, bytes, turns.
use crate::config::Config;
use crate::histogram::Histogram;
use crate::slowlog::Noticed;
use crate::table::{CommandId, table};
use quanta::Clock;
use std::collections::BTreeMap;

/// Figures of one command.
#[derive(Clone, Debug, Default)]
pub struct CommandStat {
    /// How often it ran.
    pub calls: u64,
    /// How long it ran in all, in ticks of the clock.
    pub ticks: u64,
    /// How often it was refused before it ran.
    pub rejected: u64,
    /// How often it failed.
    pub failed: u64,
    /// How its durations are spread, in ticks, once it ran under `latency-tracking`.
    pub durations: Option<Box<Histogram>>,
}

/// Kinds of errors that are told apart, at most: a client can make any number with a script.
const ERRORS_MAX: usize = 128;

/// What of a command's duration is to be kept, from the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Watchfulness {
    /// Commands that run so many ticks are noticed: `slowlog-log-slower-than` and `latency-monitor-threshold`.
    noticed_ticks: u64,
    /// `latency-tracking`.
    keeps_durations: bool,
}

/// Figures of one thread since start or CONFIG RESETSTAT.
#[derive(Clone, Debug)]
pub struct Stats {
    clock: Clock,
    last: u64,
    watchfulness: Watchfulness,
    /// Commands that were noticed and not yet told to their connections' threads.
    pub noticed: Vec<Noticed>,
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
    /// Time spent on active expiry, in microseconds.
    pub expiry_us: u64,
    /// Slices of active expiry that were too short for what was to be done.
    pub expiry_slices_used_up: u64,
    /// Pieces of input that came.
    pub reads: u64,
    /// Buffers sent.
    pub writes: u64,
    /// Clients given up because they sent too much without finishing a command.
    pub query_disconnections: u64,
    /// Clients given up because they did not read.
    pub output_disconnections: u64,
}

impl Default for Stats {
    fn default() -> Stats {
        let clock = Clock::new();
        Stats {
            since: clock.raw(),
            clock,
            last: 0,
            watchfulness: Watchfulness { noticed_ticks: u64::MAX, keeps_durations: false },
            noticed: Vec::new(),
            commands: vec![CommandStat::default(); table().entries().len()],
            errors: BTreeMap::new(),
            errors_total: 0,
            bytes_in: 0,
            bytes_out: 0,
            turns: 0,
            idle_ticks: 0,
            hops: 0,
            units: 0,
            taken: 0,
            expiry_us: 0,
            expiry_slices_used_up: 0,
            reads: 0,
            writes: 0,
            query_disconnections: 0,
            output_disconnections: 0,
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
    /// A command ran, since the last one or [`Stats::begin`]; `reply` is its reply. Gives back how many ticks it took, if those
    /// are so many that [`Stats::notice`] is to be told.
    #[inline]
    #[must_use]
    pub fn ran(&mut self, id: CommandId, reply: &[u8]) -> Option<u64> {
        let now = self.clock.raw();
        let ticks = now.saturating_sub(self.last);
        let stat = &mut self.commands[usize::from(id)];
        stat.calls += 1;
        stat.ticks += ticks;
        self.last = now;
        if self.watchfulness.keeps_durations {
            stat.durations.get_or_insert_default().add(ticks);
        }
        if reply.first() == Some(&b'-') {
            stat.failed += 1;
            self.error(reply);
        }
        (ticks >= self.watchfulness.noticed_ticks).then_some(ticks)
    }
    /// A command ran within a script, since a reading of the clock. The script's own time goes on.
    pub fn ran_within(&mut self, id: CommandId, since: u64, reply: &[u8]) {
        let ticks = self.clock.raw().saturating_sub(since);
        let stat = &mut self.commands[usize::from(id)];
        stat.calls += 1;
        stat.ticks += ticks;
        if self.watchfulness.keeps_durations {
            stat.durations.get_or_insert_default().add(ticks);
        }
        if reply.first() == Some(&b'-') {
            stat.failed += 1;
        }
    }
    /// A share of a command ran that another shard counts: only its time is added.
    pub fn ran_share(&mut self, id: CommandId) {
        let now = self.clock.raw();
        self.commands[usize::from(id)].ticks += now.saturating_sub(self.last);
        self.last = now;
    }
    /// A command took long.
    #[cold]
    pub fn notice(&mut self, id: CommandId, args: &[&[u8]], ticks: u64) {
        if !table().entry(id).spec.flags.has(shards::spec::Flags::SKIP_SLOWLOG) {
            self.noticed.push(Noticed::new(id, self.nanoseconds(ticks) / 1000, args));
        }
    }
    /// Follows the configuration.
    pub fn follow(&mut self, config: &Config) {
        let slow_us = u64::try_from(config.slowlog_log_slower_than_us).ok();
        let latency_us = Some(config.latency_monitor_threshold_ms).filter(|ms| *ms > 0);
        let latency_us = latency_us.map(|ms| ms.saturating_mul(1000));
        let noticed_us = slow_us.into_iter().chain(latency_us).min();
        self.watchfulness = Watchfulness {
            noticed_ticks: noticed_us.map_or(u64::MAX, |us| self.ticks_of(us)),
            keeps_durations: config.latency_tracking,
        };
    }
    /// Microseconds as ticks.
    #[must_use]
    pub fn ticks_of(&self, microseconds: u64) -> u64 {
        /// So many that the quotient is exact enough.
        const TICKS: u64 = 1 << 40;
        let ticks =
            u128::from(microseconds) * 1000 * u128::from(TICKS) / u128::from(self.nanoseconds(TICKS).max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
    /// Commands that ran, in all.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.commands.iter().map(|stat| stat.calls).sum()
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
        let (clock, since, noticed) =
            (self.clock.clone(), self.clock.raw(), std::mem::take(&mut self.noticed));
        *self = Stats {
            clock,
            since,
            noticed,
            last: self.last,
            watchfulness: self.watchfulness,
            ..Stats::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_noticed() {
        let mut stats = Stats::default();
        let mut config = Config { slowlog_log_slower_than_us: 2_000, ..Config::default() };
        let id = table().find(b"get").unwrap().id;
        let run = |stats: &mut Stats| {
            stats.begin();
            std::thread::sleep(std::time::Duration::from_millis(3));
            if let Some(ticks) = stats.ran(id, b"$-1\r\n") {
                stats.notice(id, &[b"get", b"key"], ticks);
            }
            std::mem::take(&mut stats.noticed)
        };
        stats.follow(&config);
        let noticed = run(&mut stats);
        assert!((3_000..100_000).contains(&noticed[0].duration_us), "{noticed:?}");
        assert_eq!(noticed[0].args, [b"get", b"key"]);
        config.slowlog_log_slower_than_us = -1;
        stats.follow(&config);
        assert!(run(&mut stats).is_empty());
        config.latency_monitor_threshold_ms = 1;
        stats.follow(&config);
        assert_eq!(run(&mut stats).len(), 1);
        let stat = &stats.commands[usize::from(id)];
        assert_eq!((stat.calls, stat.durations.as_ref().map(|durations| durations.len())), (3, Some(3)));
        stats.reset();
        assert_eq!((stats.calls(), run(&mut stats).len()), (0, 1));
    }
}
