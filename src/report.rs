//! What the threads and shards say of themselves, gathered for INFO, MEMORY and LATENCY.
use crate::commands::{Server, Verdict};
use crate::histogram::Histogram;
use crate::latency::Monitor;
use crate::memory::{self, Usage};
use crate::process::{self, CpuTime, Whose};
use crate::rates::Rate;
use crate::shared::Shared;
use crate::stats::{CommandStat, Stats};
use crate::table::{CommandId, table};
use crate::thread::conn::Hold;
use crate::thread::core::Core;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// What one thread says, with the shard it owns.
#[derive(Debug)]
pub struct ThreadReport {
    /// Which thread.
    pub id: usize,
    /// What it counts.
    pub stats: Stats,
    /// How fast it is of late.
    pub rate: Rate,
    /// How long it waited and how long it did not, since it began to count, in ticks.
    pub busy_share: f64,
    /// Its CPU time.
    pub cpu: CpuTime,
    /// Its slow events.
    pub monitor: Monitor,
    /// Its connections.
    pub clients: ClientsReport,
    /// Requests that wait for its shard.
    pub queue_len: usize,
    /// Bytes of the shard's tables, entries aside; unknown while the shard is in other hands.
    pub table_bytes: usize,
    /// Keys that are watched, in all databases.
    pub watched_keys: usize,
}

/// What a thread's connections amount to.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientsReport {
    /// Connections.
    pub count: usize,
    /// Bytes of memory.
    pub bytes: usize,
    /// The largest input and the largest output that waits, in bytes.
    pub input_bytes_max: usize,
    /// See [`ClientsReport::input_bytes_max`].
    pub output_bytes_max: usize,
    /// Connections that wait in a blocking command.
    pub blocked: usize,
    /// Connections that watch keys.
    pub watching: usize,
    /// Connections that listen to channels.
    pub listening: usize,
}

/// What all say.
#[derive(Debug)]
pub struct Report {
    /// By thread.
    pub threads: Vec<ThreadReport>,
    /// What the allocator says.
    pub memory: Usage,
    /// Resident memory, in bytes.
    pub resident_bytes: usize,
    /// Memory at the start, in bytes.
    pub startup_bytes: usize,
    /// The most memory that was seen, in bytes.
    pub peak_bytes: usize,
}

impl Report {
    /// Asks all threads, and writes the reply from what they say.
    pub fn ask(write: impl FnOnce(&mut Server<'_>, &Report) + Send + 'static) -> Verdict {
        let gathered = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&gathered);
        Verdict::ask(
            move |core| {
                let report = core.report();
                all.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            },
            move |cx| {
                let mut threads =
                    std::mem::take(&mut *gathered.lock().unwrap_or_else(PoisonError::into_inner));
                threads.sort_unstable_by_key(|thread: &ThreadReport| thread.id);
                write(cx, &Report::new(&cx.core.shared.clone(), threads));
                Verdict::Done
            },
        )
    }

    fn new(shared: &Shared, threads: Vec<ThreadReport>) -> Report {
        let memory = memory::usage();
        let peak_bytes =
            shared.peak_bytes.fetch_max(memory.allocated, Ordering::Relaxed).max(memory.allocated);
        Report {
            threads,
            memory,
            resident_bytes: process::resident_bytes(),
            startup_bytes: shared.startup_bytes.load(Ordering::Relaxed),
            peak_bytes,
        }
    }

    /// A figure of the threads' counts, added up.
    pub fn sum(&self, figure: impl Fn(&Stats) -> u64) -> u64 {
        self.threads.iter().map(|thread| figure(&thread.stats)).sum()
    }
    /// A rate of the threads, added up.
    pub fn rate(&self, figure: impl Fn(&Rate) -> f64) -> f64 {
        self.threads.iter().map(|thread| figure(&thread.rate)).sum()
    }
    /// All connections.
    #[must_use]
    pub fn clients(&self) -> ClientsReport {
        self.threads.iter().map(|thread| thread.clients).fold(ClientsReport::default(), |all, one| {
            ClientsReport {
                count: all.count + one.count,
                bytes: all.bytes + one.bytes,
                input_bytes_max: all.input_bytes_max.max(one.input_bytes_max),
                output_bytes_max: all.output_bytes_max.max(one.output_bytes_max),
                blocked: all.blocked + one.blocked,
                watching: all.watching + one.watching,
                listening: all.listening + one.listening,
            }
        })
    }
    /// The commands that came, with what all threads counted of them.
    #[must_use]
    pub fn commands(&self) -> Vec<(CommandId, CommandStat)> {
        let ids = 0..table().entries().len() as CommandId;
        ids.map(|id| (id, self.command(id))).filter(|(_, stat)| stat.calls + stat.rejected > 0).collect()
    }
    fn command(&self, id: CommandId) -> CommandStat {
        let mut all = CommandStat::default();
        for stat in self.threads.iter().map(|thread| &thread.stats.commands[usize::from(id)]) {
            all.calls += stat.calls;
            all.ticks += stat.ticks;
            all.rejected += stat.rejected;
            all.failed += stat.failed;
            if let Some(durations) = &stat.durations {
                all.durations.get_or_insert_with(Box::<Histogram>::default).merge(durations);
            }
        }
        all
    }
    /// Error replies by their first word.
    #[must_use]
    pub fn errors(&self) -> BTreeMap<&str, u64> {
        let mut all = BTreeMap::new();
        for (code, count) in self.threads.iter().flat_map(|thread| &thread.stats.errors) {
            *all.entry(code.as_str()).or_default() += count;
        }
        all
    }
    /// Ticks of the threads' clock as microseconds.
    #[must_use]
    pub fn microseconds(&self, ticks: u64) -> f64 {
        self.threads[0].stats.nanoseconds(ticks) as f64 / 1000.0
    }
    /// Bytes that are no keys and values: what the server takes when empty, connections, tables.
    #[must_use]
    pub fn overhead_bytes(&self) -> usize {
        self.startup_bytes + self.clients().bytes + self.table_bytes()
    }
    /// Bytes of the shards' tables.
    #[must_use]
    pub fn table_bytes(&self) -> usize {
        self.threads.iter().map(|thread| thread.table_bytes).sum()
    }
    /// Bytes of keys and values: all that is not overhead.
    #[must_use]
    pub fn dataset_bytes(&self) -> usize {
        self.memory.allocated.saturating_sub(self.overhead_bytes())
    }
}

impl Core {
    /// Publishes the figures of its shard, with everything that has entered it by now.
    pub(crate) fn publish_own(&mut self) {
        self.nudge(self.id);
        self.settle();
        if let Some(strand) = &self.strands[self.id] {
            self.shared.published[self.id].publish(&strand.shard);
        }
    }

    fn report(&mut self) -> ThreadReport {
        self.publish_own();
        let shard = self.strands[self.id].as_ref().map(|strand| &strand.shard);
        let elapsed = self.stats.ticks().saturating_sub(self.stats.since);
        let idle_share = self.stats.idle_ticks as f64 / elapsed.max(1) as f64;
        ThreadReport {
            id: self.id,
            rate: self.rates.until(self.reading()),
            busy_share: (1.0 - idle_share).clamp(0.0, 1.0),
            cpu: process::cpu_time(Whose::Thread),
            monitor: self.monitor.clone(),
            clients: self.report_clients(),
            queue_len: self.shared.queues[self.id].len(),
            table_bytes: shard.map_or(0, |shard| shard.table_bytes()),
            watched_keys: shard.map_or(0, |shard| shard.dbs.iter().map(|db| db.watches.len()).sum()),
            stats: self.stats.clone(),
        }
    }

    fn report_clients(&self) -> ClientsReport {
        let mut all = ClientsReport { count: self.conn_count, ..ClientsReport::default() };
        for conn in self.conns() {
            all.bytes += conn.memory_bytes();
            all.input_bytes_max = all.input_bytes_max.max(conn.input.bytes.len());
            all.output_bytes_max = all.output_bytes_max.max(conn.output_bytes());
            all.blocked += usize::from(conn.hold == Some(Hold::Wait));
            all.watching += usize::from(conn.session.watching.is_some());
            all.listening += usize::from(conn.session.subscriptions.is_some());
        }
        all
    }
}
