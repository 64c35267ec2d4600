//! What all threads of a server share: queues, mailboxes, the gate, the configuration, counters.
use crate::config::Config;
use crate::coordinate::gate::Gate;
use crate::queues::{Mailbox, Queue, mailboxes, queues};
use crate::table::Names;
use shards::settings::Settings;
use shards::shard::Shard;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What all threads share.
#[derive(Debug)]
pub struct Shared {
    /// A queue for each shard.
    pub queues: Box<[Queue]>,
    /// A mailbox for each thread; thread t owns shard t.
    pub mailboxes: Box<[Mailbox]>,
    /// How units enter.
    pub gate: Gate,
    /// What each shard last said of itself.
    pub published: Box<[Published]>,
    /// The names of commands.
    pub names: Names,
    /// When the server started, ms since 1970.
    pub started_ms: i64,
    /// INFO's run_id: 40 hexadecimal digits.
    pub run_id: String,
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
    /// CLIENT PAUSE: until when (ms since 1970, 0 for not), and whether reads go on.
    pub paused_until_ms: AtomicI64,
    /// CLIENT PAUSE … WRITE: reads go on.
    pub paused_writes_only: AtomicBool,
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
    /// Figures of [`shards::shard::Counts`].
    pub hits: AtomicU64,
    /// Lookups without.
    pub misses: AtomicU64,
    /// Keys whose time came.
    pub expired: AtomicU64,
    /// Keys that memory forced out.
    pub evicted: AtomicU64,
    /// Commands run on it.
    pub commands: AtomicU64,
    /// Changes since the last save.
    pub dirty: AtomicU64,
    /// Bytes of keys and values.
    pub entries_bytes: AtomicU64,
}

impl Published {
    fn new(databases: usize) -> Published {
        let zero = || AtomicU64::new(0);
        Published {
            dbs: (0..databases).map(|_| (zero(), zero())).collect(),
            hits: zero(),
            misses: zero(),
            expired: zero(),
            evicted: zero(),
            commands: zero(),
            dirty: zero(),
            entries_bytes: zero(),
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
            (&self.commands, counts.commands),
        ];
        figures.iter().for_each(|(place, value)| place.store(*value, Ordering::Relaxed));
        if self.dirty.load(Ordering::Relaxed) != counts.dirty || counts.expired_keys > 0 {
            self.dirty.store(counts.dirty, Ordering::Relaxed);
            self.entries_bytes.store(shard.entries_bytes() as u64, Ordering::Relaxed);
            for (place, db) in self.dbs.iter().zip(&shard.dbs) {
                place.0.store(db.table.len() as u64, Ordering::Relaxed);
                place.1.store(db.table.volatile_len() as u64, Ordering::Relaxed);
            }
        }
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
            published: (0..shard_count).map(|_| Published::new(databases)).collect(),
            names,
            started_ms: now_ms,
            run_id,
            next_client_id: AtomicU64::new(1),
            clients: AtomicUsize::new(0),
            rejected_connections: AtomicU64::new(0),
            connections_received: AtomicU64::new(0),
            clients_max: AtomicUsize::new(config.maxclients as usize),
            paused_until_ms: AtomicI64::new(0),
            paused_writes_only: AtomicBool::new(false),
            io_name: Mutex::new("none"),
            stopping: AtomicBool::new(false),
            config: Mutex::new(Arc::new(config)),
            config_version: AtomicU64::new(1),
        })
    }
    /// How many shards, and threads, there are.
    #[inline]
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.queues.len()
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
    }
}
