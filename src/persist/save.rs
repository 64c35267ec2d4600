//! How to save: in the background, or at once with all shards in hand.
use super::saves::{Purpose, Refused};
use super::snapshot::{Order, Progress, Sinks, Snapshot};
use crate::config::{Config, Io};
use crate::coordinate::unasked::Errand;
use crate::log;
use crate::queues::Mail;
use crate::shared::{Shared, settings_of};
use shards::fault::Fault;
use shards::reply::Reply;
use shards::shard::Shard;
use shards::snapshot::{Manner, UsageKept};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Entries between two looks at how much the writer has in hand.
const STEP: usize = 256;
/// How long to wait when that is too much.
const REST: Duration = Duration::from_micros(200);

/// What a snapshot to these files is like by the configuration.
#[must_use]
pub fn order(shared: &Arc<Shared>, sinks: Sinks) -> Order {
    let config = shared.config();
    let policy = config.maxmemory_policy.name();
    let usage = if policy.ends_with("-lfu") {
        UsageKept::Frequency
    } else if policy.ends_with("-lru") {
        UsageKept::Idle
    } else {
        UsageKept::None
    };
    Order {
        is_aof_base: matches!(sinks, Sinks::PerShard(_)),
        sinks,
        manner: Manner { compresses: config.rdbcompression, usage },
        settings: Arc::new(settings_of(&config)),
        has_checksum: config.rdbchecksum,
        shared: Arc::clone(shared),
        wants_direct: config.io != Io::Epoll,
        shard_count: shared.shard_count(),
    }
}

/// Where `dbfilename` is, whatever becomes of the working directory.
#[must_use]
pub fn dump_path(config: &Config) -> PathBuf {
    let name = Path::new(&config.dbfilename);
    std::env::current_dir().map_or_else(|_| name.to_owned(), |directory| directory.join(name))
}

/// Makes a snapshot into `dbfilename` ready.
///
/// # Errors
/// Why there can be none now.
pub fn prepare(shared: &Arc<Shared>, purpose: Purpose) -> Result<Arc<Snapshot>, Refused> {
    let config = shared.config();
    let order = order(shared, Sinks::One(dump_path(&config)));
    shared.saves.prepare(shared, purpose, order, |_| {})
}

/// Saves what these shards, which are all there are, hold. A snapshot that is under way is given up.
///
/// # Errors
/// Why it failed, in words.
pub fn save_in_hand(
    shared: &Arc<Shared>,
    shards: &mut [Box<Shard>],
    purpose: Purpose,
    now_ms: i64,
) -> Result<(), String> {
    if let Some(before) = shared.saves.current().filter(|_| shards.iter().any(|shard| shard.has_snapshot())) {
        before.give_up("another one takes its place");
        // It is given up, so that is how it ends.
        drop(carry_through(&before, shards, now_ms));
    }
    let snapshot = prepare(shared, purpose).map_err(|refused| match refused {
        Refused::Failed(why) => why,
        Refused::Busy(_) => "another one is under way".to_owned(),
    })?;
    shards.iter_mut().for_each(|shard| snapshot.begin(shard));
    carry_through(&snapshot, shards, now_ms)
}

/// FLUSHALL has emptied these shards. Where there are save points, `dbfilename` is to tell so at once, as with Redis: a save that is
/// under way is given up, and an empty dataset saved, unless one that is about to begin will do that.
#[cold]
pub fn save_emptied(shared: &Arc<Shared>, shards: &mut [Box<Shard>], now_ms: i64) {
    let is_loading = shared.loading.load(Ordering::Relaxed);
    if is_loading || shared.config().save.0.is_empty() || shards.len() < shared.shard_count() {
        return;
    }
    let saves = &shared.saves;
    match (saves.current(), saves.purpose()) {
        (Some(before), Some(Purpose::Background)) => {
            if !before.has_begun() {
                return;
            }
            before.give_up("all keys are removed");
            drop(carry_through(&before, shards, now_ms));
        }
        (Some(_), _) => {
            // A rewrite: it tells so too. The save comes behind it.
            saves.schedule(true);
            return;
        }
        (None, _) => {}
    }
    if let Err(why) = save_in_hand(shared, shards, Purpose::Emptied, now_ms) {
        log::warning(format_args!("Can't save the empty dataset: {why}"));
    }
}

/// Writes what these shards, which are all there are, hold into a file each.
///
/// # Errors
/// Why it failed, in words.
pub fn bases_in_hand(
    shared: &Arc<Shared>,
    shards: &mut [Box<Shard>],
    paths: Vec<PathBuf>,
    now_ms: i64,
) -> Result<(), String> {
    let order = order(shared, Sinks::PerShard(paths));
    let snapshot =
        shared.saves.prepare(shared, Purpose::Rewrite, order, |_| {}).map_err(|refused| match refused {
            Refused::Failed(why) => why,
            Refused::Busy(_) => "another snapshot is under way".to_owned(),
        })?;
    shards.iter_mut().for_each(|shard| snapshot.begin(shard));
    carry_through(&snapshot, shards, now_ms)
}

/// Goes on with a snapshot to its end.
fn carry_through(snapshot: &Snapshot, shards: &mut [Box<Shard>], now_ms: i64) -> Result<(), String> {
    for shard in shards.iter_mut().filter(|shard| shard.has_snapshot()) {
        loop {
            match snapshot.step(shard, STEP, now_ms) {
                Progress::More => {}
                Progress::Clogged => std::thread::sleep(REST),
                Progress::Done => break,
            }
        }
    }
    snapshot.wait().result
}

/// BGSAVE: begins a snapshot, and says so.
#[derive(Debug)]
pub struct Begin(pub Arc<Snapshot>);

impl Errand for Begin {
    fn run(&self, shards: &mut [Box<Shard>], _now_ms: i64, reply: &mut Reply) {
        shards.iter_mut().for_each(|shard| self.0.begin(shard));
        reply.status("Background saving started");
    }
}

/// SAVE, and the saving of SHUTDOWN, all shards being in hand.
#[derive(Debug)]
pub struct Save {
    /// The server.
    pub shared: Arc<Shared>,
    /// What is done then.
    pub then: Then,
}

/// What is done after a save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Who asked is answered.
    Answer,
    /// The server stops, if it went well.
    Stop,
    /// The server stops, however it went.
    StopAnyway,
}

impl Save {
    /// Whether a snapshot is ready and about to begin on these shards, so that there can be no other.
    fn is_early(&self, shards: &[Box<Shard>]) -> bool {
        self.shared.saves.current().is_some_and(|current| !current.has_begun())
            && !shards.iter().any(|shard| shard.has_snapshot())
    }
}

impl Errand for Save {
    fn run(&self, shards: &mut [Box<Shard>], now_ms: i64, reply: &mut Reply) {
        if self.then == Then::Answer && self.shared.saves.purpose() == Some(Purpose::Background) {
            return reply.error(b"ERR Background save already in progress");
        }
        if self.then != Then::Answer {
            log::notice(format_args!("Saving the final RDB snapshot before exiting."));
        }
        if self.then != Then::Answer && self.is_early(shards) {
            // It has its turn behind the one that is about to begin.
            let again = Save { shared: Arc::clone(&self.shared), then: self.then };
            return self.shared.mailboxes[0].deliver(Mail::Errand(Arc::new(again)));
        }
        let saved = save_in_hand(&self.shared, shards, Purpose::Foreground, now_ms);
        match (self.then, saved) {
            (Then::Answer, Ok(())) => reply.ok(),
            (Then::Answer, Err(_)) => reply.error(b"ERR"),
            (Then::Stop, Err(_)) => {
                log::warning(format_args!("Error trying to save the DB, can't exit."));
                reply.error(&SHUTDOWN_FAILED.0);
            }
            (Then::Stop | Then::StopAnyway, saved) => {
                if saved.is_err() {
                    log::warning(format_args!("Error trying to save the DB."));
                }
                self.shared.stop();
            }
        }
    }
}

/// What SHUTDOWN answers where it cannot.
pub const SHUTDOWN_FAILED: Fault = Fault::new("ERR Errors trying to SHUTDOWN. Check logs.");

/// How the server is to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leave {
    /// It saves first, whatever is configured.
    pub save: bool,
    /// It does not, whatever is configured.
    pub nosave: bool,
    /// It stops even where saving fails.
    pub force: bool,
}

impl Leave {
    /// The save that comes first, if one does: with all shards in hand.
    #[must_use]
    pub fn save_first(self, shared: &Arc<Shared>) -> Option<Arc<Save>> {
        let is_loading = shared.loading.load(Ordering::Relaxed);
        let saves = self.save || (!self.nosave && !shared.config().save.0.is_empty());
        let then = if self.force { Then::StopAnyway } else { Then::Stop };
        (saves && !is_loading).then(|| Arc::new(Save { shared: Arc::clone(shared), then }))
    }
}
