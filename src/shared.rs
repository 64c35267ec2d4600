//! What all threads of a server share: queues, mailboxes, the gate, the configuration, counters.
use crate::config::Config;
use crate::coordinate::gate::Gate;
use crate::coordinate::spanning::Spanning;
use crate::listeners::Listeners;
use crate::persist::journal::Journal;
use crate::persist::keeper::Keeper;
use crate::persist::progress::Progress;
use crate::persist::rewrite::Rewrites;
use crate::persist::saves::Saves;
use crate::pubsub::Exchange;
use crate::queues::{Mail, Mailbox, Queue, mailboxes, queues};
use crate::script::Scripts;
use crate::table::Names;
use shards::settings::Settings;
use shards::shard::Shard;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What CLIENT PAUSE holds back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Paused {
    /// Nothing.
    #[default]
    No,
    /// Commands that write.
    Writes,
    /// All commands.
    All,
}

/// How often it is looked at how much memory is used, where that matters: not before so many milliseconds are over.
const MEASURE_MS: i64 = 5;

/// What all threads share.
#[derive(Debug)]
pub struct Shared {
    /// A queue for each shard.
    pub queues: Box<[Queue]>,
    /// A mailbox for each thread; thread t owns shard t.
    pub mailboxes: Box<[Mailbox]>,
    /// How units enter.
    pub gate: Gate,
    /// What the shards write down.
    pub journal: Journal,
    /// Where they write it, once they do.
    pub keeper: OnceLock<Keeper>,
    /// What became of the journals' rewrites.
    pub rewrites: Rewrites,
    /// Who listens to what.
    pub exchange: Exchange,
    /// What each shard last said of itself.
    pub published: Box<[Published]>,
    /// The sockets that new clients come to.
    pub listeners: Listeners,
    /// The names of commands.
    pub names: Names,
    /// What was saved when.
    pub saves: Saves,
    /// The scripts that are known.
    pub(crate) scripts: Scripts,
    /// When the server started, ms since 1970.
    pub started_ms: i64,
    /// INFO's run_id: 40 hexadecimal digits.
    pub run_id: String,
    /// INFO's master_replid, which DEBUG CHANGE-REPL-ID changes.
    pub replication_id: Mutex<String>,
    /// The number of the next entry of the slow log.
    pub next_slowlog_id: AtomicU64,
    /// Memory of the process when it had started, in bytes.
    pub startup_bytes: AtomicUsize,
    /// The most memory of the process that was seen, in bytes.
    pub peak_bytes: AtomicUsize,
    /// The next CLIENT ID.
    pub next_client_id: AtomicU64,
    /// Connected clients.
    pub clients: AtomicUsize,
    /// Clients that were refused because there were too many.
    pub rejected_connections: AtomicU64,
    /// Connections accepted.
    pub connections_received: AtomicU64,
    /// How many clients the descriptors allow, at most.
    pub clients_max: AtomicUsize,
    /// Who waits for keys on several shards, or may come to.
    pub spanning: Spanning,
    /// How far the loading of the dataset is.
    pub progress: Progress,
    /// The dataset is being loaded.
    pub loading: AtomicBool,
    /// CLIENT PAUSE: twice the time until when (ms since 1970), and 1 more if it holds all commands; 0 for none.
    pause: AtomicI64,
    /// How many bytes more than `maxmemory` were used when it was last looked at.
    over_bytes: AtomicU64,
    /// When that was, ms since 1970.
    measured_ms: AtomicI64,
    /// The driver of the socket loops.
    pub io_name: Mutex<&'static str>,
    /// A signal, or SHUTDOWN, asked to stop.
    pub stopping: AtomicBool,
    config: Mutex<Arc<Config>>,
    config_version: AtomicU64,
}

/// Figures of a shard that others may read at any time.
#[derive(Debug)]
pub struct Published {
    /// For each database: keys, and keys that expire.
    pub dbs: Box<[(AtomicU64, AtomicU64)]>,
    /// For each database: how long the keys that expire have to live, in ms on average.
    pub ttl_ms: Box<[AtomicI64]>,
    /// For each database: hashes with fields that expire.
    pub timed: Box<[AtomicU64]>,
    /// Its owner wakes by itself to look for keys whose time has come.
    pub is_swept: AtomicBool,
    /// The counts at the last CONFIG RESETSTAT: hits, misses, expired, evicted, expired fields.
    reset_at: [AtomicU64; 5],
    /// Figures of [`shards::shard::Counts`].
    pub hits: AtomicU64,
    /// Lookups without.
    pub misses: AtomicU64,
    /// Keys whose time came.
    pub expired: AtomicU64,
    /// Keys that memory forced out.
    pub evicted: AtomicU64,
    /// Fields of hashes whose time came.
    pub expired_fields: AtomicU64,
    /// Commands run on it.
    pub commands: AtomicU64,
    /// Changes since the last save.
    pub dirty: AtomicU64,
    /// Bytes of keys and values.
    pub entries_bytes: AtomicU64,
    /// Tracked keys, and how many clients they have together.
    tracked: (AtomicU64, AtomicU64),
}

impl Published {
    fn new(databases: usize) -> Published {
        let zero = || AtomicU64::new(0);
        Published {
            dbs: (0..databases).map(|_| (zero(), zero())).collect(),
            ttl_ms: (0..databases).map(|_| AtomicI64::new(0)).collect(),
            timed: (0..databases).map(|_| zero()).collect(),
            is_swept: AtomicBool::new(false),
            reset_at: std::array::from_fn(|_| zero()),
            hits: zero(),
            misses: zero(),
            expired: zero(),
            evicted: zero(),
            expired_fields: zero(),
            commands: zero(),
            dirty: zero(),
            entries_bytes: zero(),
            tracked: (zero(), zero()),
        }
    }
    /// Says how the shard stands. Called by its holder before the replies of what changed it are released.
    pub fn publish(&self, shard: &Shard) {
        let counts = &shard.counts;
        let figures = [
            (&self.hits, counts.keyspace_hits),
            (&self.misses, counts.keyspace_misses),
            (&self.expired, counts.expired_keys),
            (&self.evicted, counts.evicted_keys),
            (&self.expired_fields, counts.expired_fields),
            (&self.commands, counts.commands),
        ];
        figures.iter().for_each(|(place, value)| place.store(*value, Ordering::Relaxed));
        if self.tracked.0.load(Ordering::Relaxed) > 0 || !shard.tracked.is_empty() {
            self.tracked.0.store(shard.tracked.len() as u64, Ordering::Relaxed);
            self.tracked.1.store(shard.tracked.items() as u64, Ordering::Relaxed);
        }
        // A gathered unit counts its changes on one of its shards, so the bytes are looked at too.
        let entries_bytes = shard.entries_bytes() as u64;
        let changed = self.dirty.load(Ordering::Relaxed) != counts.dirty
            || self.entries_bytes.load(Ordering::Relaxed) != entries_bytes;
        if changed || self.has_volatile() {
            self.dirty.store(counts.dirty, Ordering::Relaxed);
            self.entries_bytes.store(entries_bytes, Ordering::Relaxed);
            for (place, db) in self.dbs.iter().zip(&shard.dbs) {
                place.0.store(db.table.len() as u64, Ordering::Relaxed);
                place.1.store(db.table.volatile_len() as u64, Ordering::Relaxed);
            }
            for (place, db) in self.ttl_ms.iter().zip(&shard.dbs) {
                place.store(db.average_ttl_ms(), Ordering::Relaxed);
            }
            for (place, db) in self.timed.iter().zip(&shard.dbs) {
                place.store(db.timed_len() as u64, Ordering::Relaxed);
            }
        }
    }
    /// Whether it has keys, or any that expire.
    #[must_use]
    pub fn has_keys(&self, that_expire: bool) -> bool {
        let len =
            |db: &(AtomicU64, AtomicU64)| if that_expire { &db.1 } else { &db.0 }.load(Ordering::Relaxed);
        self.dbs.iter().any(|db| len(db) > 0)
    }
    /// Tracked keys, and how many clients they have together.
    #[must_use]
    pub fn tracked(&self) -> (u64, u64) {
        (self.tracked.0.load(Ordering::Relaxed), self.tracked.1.load(Ordering::Relaxed))
    }
    /// Whether it has keys that expire, or fields of hashes.
    #[must_use]
    pub fn has_volatile(&self) -> bool {
        self.dbs.iter().map(|db| &db.1).chain(&self.timed).any(|count| count.load(Ordering::Relaxed) > 0)
    }
    /// Whether its sleeping owner should be woken: it has something that expires, and does not know.
    #[must_use]
    pub fn wants_sweeps(&self) -> bool {
        !self.is_swept.load(Ordering::Relaxed) && self.has_volatile()
    }
    /// Hits, misses, expired keys, evicted keys and expired fields since the last CONFIG RESETSTAT.
    #[must_use]
    pub fn since_reset(&self) -> [u64; 5] {
        let now = self.resettable();
        std::array::from_fn(|at| now[at].saturating_sub(self.reset_at[at].load(Ordering::Relaxed)))
    }
    /// CONFIG RESETSTAT: the counts begin anew. The shard's own go on, in whose hands it may be.
    pub fn reset(&self) {
        self.reset_at
            .iter()
            .zip(self.resettable())
            .for_each(|(place, now)| place.store(now, Ordering::Relaxed));
    }
    fn resettable(&self) -> [u64; 5] {
        let counts = [&self.hits, &self.misses, &self.expired, &self.evicted, &self.expired_fields];
        counts.map(|count| count.load(Ordering::Relaxed))
    }
}

impl Shared {
    /// What the threads of a server of so many shards share.
    ///
    /// # Errors
    /// `rename-command` lines that cannot be.
    pub fn new(config: Config, shard_count: usize, now_ms: i64, run_id: String) -> Result<Shared, String> {
        let names = Names::new(&config.renamed_commands)?;
        let databases = config.databases as usize;
        Ok(Shared {
            queues: queues(shard_count),
            mailboxes: mailboxes(shard_count),
            gate: Gate::new(shard_count),
            journal: Journal::new(shard_count),
            keeper: OnceLock::new(),
            rewrites: Rewrites::default(),
            exchange: Exchange::new(shard_count),
            published: (0..shard_count).map(|_| Published::new(databases)).collect(),
            listeners: Listeners::default(),
            names,
            saves: Saves::new(now_ms),
            scripts: Scripts::default(),
            started_ms: now_ms,
            replication_id: Mutex::new(run_id.chars().rev().collect()),
            run_id,
            next_slowlog_id: AtomicU64::new(0),
            startup_bytes: AtomicUsize::new(0),
            peak_bytes: AtomicUsize::new(0),
            next_client_id: AtomicU64::new(1),
            clients: AtomicUsize::new(0),
            rejected_connections: AtomicU64::new(0),
            connections_received: AtomicU64::new(0),
            clients_max: AtomicUsize::new(config.maxclients as usize),
            spanning: Spanning::new(shard_count),
            progress: Progress::default(),
            loading: AtomicBool::new(false),
            pause: AtomicI64::new(0),
            over_bytes: AtomicU64::new(0),
            measured_ms: AtomicI64::new(0),
            io_name: Mutex::new("none"),
            stopping: AtomicBool::new(false),
            config: Mutex::new(Arc::new(config)),
            config_version: AtomicU64::new(1),
        })
    }
    /// Asks every thread to stop: SHUTDOWN, a signal.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.mailboxes.iter().for_each(|mailbox| mailbox.deliver(Mail::Stop));
    }
    /// Changes to the dataset since the start, as the shards last said.
    #[must_use]
    pub fn dirty(&self) -> u64 {
        self.published.iter().map(|shard| shard.dirty.load(Ordering::Relaxed)).sum()
    }
    /// How many shards, and threads, there are.
    #[inline]
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.queues.len()
    }
    /// Pauses until then; a pause that is under way is made neither shorter nor less of one.
    pub fn pause(&self, until_ms: i64, all: bool, now_ms: i64) {
        let wanted = until_ms.min(i64::MAX / 2);
        let longer = |pause: i64| match pause >> 1 {
            until_ms if until_ms > now_ms => wanted.max(until_ms) << 1 | pause & 1 | i64::from(all),
            _ => wanted << 1 | i64::from(all),
        };
        let mut pause = self.pause.load(Ordering::Relaxed);
        while let Err(other) =
            self.pause.compare_exchange(pause, longer(pause), Ordering::Relaxed, Ordering::Relaxed)
        {
            pause = other;
        }
    }
    /// Ends a pause.
    pub fn unpause(&self) {
        self.pause.store(0, Ordering::Relaxed);
    }
    /// Until when it pauses, or paused last, ms since 1970.
    pub fn paused_until_ms(&self) -> i64 {
        self.pause.load(Ordering::Relaxed) >> 1
    }
    /// What is paused at a time.
    #[inline]
    pub fn paused(&self, now_ms: i64) -> Paused {
        let pause = self.pause.load(Ordering::Relaxed);
        match (pause >> 1 > now_ms, pause & 1 == 1) {
            (false, _) => Paused::No,
            (true, false) => Paused::Writes,
            (true, true) => Paused::All,
        }
    }
    /// Whether more memory is used than `maxmemory`: as of a few milliseconds ago.
    #[inline]
    pub fn is_over_limit(&self, limit_bytes: u64, now_ms: i64) -> bool {
        if limit_bytes == 0 {
            return false;
        }
        if now_ms - self.measured_ms.load(Ordering::Relaxed) >= MEASURE_MS {
            self.measure_memory(limit_bytes, now_ms);
        }
        self.over_bytes() > 0
    }
    /// How many bytes more than `maxmemory` were used when it was last looked at.
    #[inline]
    pub fn over_bytes(&self) -> u64 {
        self.over_bytes.load(Ordering::Relaxed)
    }
    /// Looks whether more memory is used than `maxmemory`.
    pub fn measure_memory(&self, limit_bytes: u64, now_ms: i64) {
        if limit_bytes > 0 {
            self.measured_ms.store(now_ms, Ordering::Relaxed);
            let over_bytes = (crate::memory::usage().allocated as u64).saturating_sub(limit_bytes);
            self.over_bytes.store(over_bytes, Ordering::Relaxed);
        }
    }
    /// The configuration.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.lock().unwrap_or_else(PoisonError::into_inner))
    }
    /// Changes with every change of the configuration.
    #[inline]
    pub fn config_version(&self) -> u64 {
        self.config_version.load(Ordering::Acquire)
    }
    /// Puts another configuration in place: what `change` makes of the present one.
    ///
    /// # Errors
    /// Those of `change`; then nothing is changed.
    pub fn change_config<E>(&self, change: impl FnOnce(&Config) -> Result<Config, E>) -> Result<(), E> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        *config = Arc::new(change(&config)?);
        self.config_version.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// The part of the configuration that the engine reads.
#[must_use]
pub fn settings_of(config: &Config) -> Settings {
    Settings {
        databases: config.databases as u16,
        string_bytes_max: config.proto_max_bulk_len_bytes as usize,
        lfu: config.maxmemory_policy.name().ends_with("-lfu"),
        lfu_log_factor: config.lfu_log_factor,
        lfu_decay_minutes: config.lfu_decay_minutes,
        active_expire: true,
        keep_expired: false,
        loading_at_ms: None,
        hash_listpack_entries_max: config.hash_max_listpack_entries as usize,
        hash_listpack_value_bytes_max: config.hash_max_listpack_value_bytes as usize,
        list_listpack_size: config.list_max_listpack_size,
        list_compress_depth: config.list_compress_depth,
        set_intset_entries_max: config.set_max_intset_entries as usize,
        set_listpack_entries_max: config.set_max_listpack_entries as usize,
        set_listpack_value_bytes_max: config.set_max_listpack_value_bytes as usize,
        zset_listpack_entries_max: config.zset_max_listpack_entries as usize,
        zset_listpack_value_bytes_max: config.zset_max_listpack_value_bytes as usize,
        hll_sparse_bytes_max: config.hll_sparse_max_bytes as usize,
        stream_node_bytes_max: config.stream_node_max_bytes as usize,
        stream_node_entries_max: config.stream_node_max_entries as usize,
    }
}
