//! Rewriting: the dataset as it is takes the place of the journals that made it, while they go on.
//!
//! ```text
//!   new files ─→ manifest names them ─→ one unit over all shards: snapshot begins, journals go on in the new files
//!            ─→ snapshot ends, a base a shard ─→ all before the unit is committed ─→ manifest: bases + new files ─→ old files go
//! ```
//!
//! Whenever the server dies, one of the two manifests stands: the first names all that was ever written, the second all that makes the
//! same dataset. What is acknowledged meanwhile stands in the new files, which both name. A failed sync is mended like this too: what
//! may be lost on the disk is in memory, and comes into the bases ([`Journal::rebased`](super::journal::Journal::rebased)).
//!
//! `CONFIG SET appendonly yes` is the same, but that no manifest names anything before the bases are there.
use super::clerk::tell_holders;
use super::epoch::make_piece;
use super::files::JournalFile;
use super::keeper::{Keeper, directory_of, policy_of};
use super::manifest::{Epoch, Manifest};
use super::save;
use super::saves::{Purpose, Refused};
use super::snapshot::{Sinks, Snapshot};
use crate::coordinate::unasked::Errand;
use crate::log;
use crate::queues::Mail;
use crate::shared::Shared;
use crate::thread::wall_ms;
use shards::reply::Reply;
use shards::shard::Shard;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether what must come first has.
const LOOK: Duration = Duration::from_millis(5);
/// After a rewrite failed, the next one that nobody asked for comes no sooner, in ms.
const RETRY_MS: i64 = 60_000;

/// The rewrites of a server.
#[derive(Debug, Default)]
pub struct Rewrites {
    is_running: AtomicBool,
    facts: Mutex<Facts>,
}

/// What INFO tells of them.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named as INFO names them")]
pub struct Facts {
    pub is_scheduled: bool,
    pub running_since_ms: Option<i64>,
    pub took_seconds: i64,
    pub is_ok: bool,
    pub rewrites: u64,
    pub failures_in_a_row: u64,
    pub tried_ms: i64,
}

impl Default for Facts {
    fn default() -> Facts {
        Facts {
            is_scheduled: false,
            running_since_ms: None,
            took_seconds: -1,
            is_ok: true,
            rewrites: 0,
            failures_in_a_row: 0,
            tried_ms: 0,
        }
    }
}

impl Rewrites {
    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        *self.lock()
    }
    /// Whether one is under way.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::SeqCst)
    }
    /// One is to begin as soon as it can; whether it was to.
    pub fn schedule(&self, is_wanted: bool) -> bool {
        std::mem::replace(&mut self.lock().is_scheduled, is_wanted)
    }
    fn began(&self) {
        let mut facts = self.lock();
        facts.is_scheduled = false;
        facts.running_since_ms = Some(wall_ms());
        facts.tried_ms = wall_ms();
    }
    fn ended(&self, is_ok: bool) {
        let mut facts = self.lock();
        facts.is_ok = is_ok;
        facts.took_seconds = facts.running_since_ms.take().map_or(-1, |since| (wall_ms() - since) / 1000);
        facts.rewrites += u64::from(is_ok);
        facts.failures_in_a_row = if is_ok { 0 } else { facts.failures_in_a_row + 1 };
        drop(facts);
        self.is_running.store(false, Ordering::SeqCst);
    }
    /// Whether it is time for a rewrite that somebody asked for, or that the size of the files asks for.
    #[must_use]
    pub fn is_due(&self, shared: &Shared, now_ms: i64) -> bool {
        if self.is_running() || shared.saves.is_active() || !shared.journal.is_on() {
            return false;
        }
        let facts = self.facts();
        if facts.is_scheduled {
            return true;
        }
        if !facts.is_ok && now_ms - facts.tried_ms < RETRY_MS {
            return false;
        }
        let config = shared.config();
        let (percentage, least) =
            (config.auto_aof_rewrite_percentage, config.auto_aof_rewrite_min_size_bytes);
        let Some(keeper) = shared.keeper.get() else { return false };
        let (size, base) = (keeper.size_bytes(), keeper.base_bytes().max(1));
        let growth = size.saturating_sub(base).saturating_mul(100) / base;
        let is_due = percentage > 0 && size > least && growth >= u64::from(percentage);
        if is_due {
            log::notice(format_args!("Starting automatic rewriting of AOF on {growth}% growth"));
        }
        is_due || keeper.manifest().epochs.len() > EPOCHS_MAX
    }
}

/// So many starts of the server may lie between two rewrites.
const EPOCHS_MAX: usize = 16;

/// Begins a rewrite on a thread of its own; or, where there are no journals yet, begins those with bases.
///
/// # Errors
/// One is under way, or no thread could be started: in words.
pub fn start(shared: &Arc<Shared>) -> Result<(), String> {
    if shared.rewrites.is_running.swap(true, Ordering::SeqCst) {
        return Err("one is under way".to_owned());
    }
    shared.rewrites.began();
    let owner = Arc::clone(shared);
    let spawned = std::thread::Builder::new().name("rewrite".to_owned()).spawn(move || {
        let outcome = carry_out(&owner);
        match &outcome {
            Ok(()) => log::notice(format_args!("Background AOF rewrite finished successfully")),
            Err(why) => log::warning(format_args!("Background AOF rewrite failed: {why}")),
        }
        owner.rewrites.ended(outcome.is_ok());
    });
    spawned.map(drop).map_err(|error| {
        shared.rewrites.ended(false);
        format!("Can't start a thread: {error}")
    })
}

fn carry_out(shared: &Arc<Shared>) -> Result<(), String> {
    let keeper = keeper_of(shared)?;
    let is_first = !shared.journal.is_on();
    log::notice(format_args!("Background append only file rewriting started"));
    let generation = keeper.next_generation();
    let lsns: Vec<u64> = (0..shared.shard_count()).map(|shard| shared.journal.appended(shard)).collect();
    let told =
        |error: std::io::Error| format!("can't write to {}: {error}", keeper.directory.path().display());
    let (piece, files) = make_piece(&keeper.directory, generation, &lsns).map_err(told)?;
    if !is_first {
        let mut manifest = keeper.manifest();
        manifest.epochs.last_mut().ok_or("there is no epoch to go on with")?.pieces.push(piece.clone());
        keeper.directory.write_manifest(&manifest).map_err(told)?;
        keeper.add_live(files.clone());
    }
    let names: Vec<String> =
        (0..lsns.len()).map(|shard| keeper.directory.base_name(generation, shard)).collect();
    let paths = names.iter().map(|name| keeper.directory.file(name)).collect();
    let snapshot = prepare(shared, Sinks::PerShard(paths))?;
    let switch = Arc::new(Switch {
        shared: Arc::clone(shared),
        snapshot: Arc::clone(&snapshot),
        files: files.clone(),
        ends: Mutex::new(None),
    });
    shared.mailboxes[0].deliver(Mail::Errand(Arc::clone(&switch) as Arc<dyn Errand>));
    let outcome = snapshot.wait();
    if let Err(why) = outcome.result {
        if is_first {
            shared.mailboxes[0].deliver(Mail::Errand(Arc::new(Off(Arc::clone(shared)))));
        }
        return Err(why);
    }
    let ends = switch.ends.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let ends = ends.ok_or("the shards were not reached")?;
    while !shared.journal.is_kept_before(&ends) {
        if shared.stopping.load(Ordering::Relaxed) {
            return Err("the server stops".to_owned());
        }
        std::thread::sleep(LOOK);
    }
    let mut manifest = keeper.manifest();
    if shared.stopping.load(Ordering::SeqCst) {
        // It may say already up to where the journals count.
        return Err("the server stops".to_owned());
    }
    let mut epoch = match manifest.epochs.last() {
        Some(last) if !is_first => last.clone(),
        _ => Epoch { shards: lsns.len() as u16, pieces: vec![piece], ..Epoch::default() },
    };
    epoch.pieces.retain(|piece| piece.generation >= generation);
    (epoch.from, epoch.until) = (ends.clone(), None);
    let rewritten = Manifest { bases: names, epochs: vec![epoch] };
    keeper.directory.write_manifest(&rewritten).map_err(told)?;
    *manifest = rewritten;
    shared.journal.named();
    keeper.rewrote(&manifest, files, outcome.bytes);
    drop(manifest);
    if shared.journal.rebased(&ends) {
        tell_holders(shared);
    }
    if !shared.config().appendonly {
        // Somebody wanted the files, and no more.
        shared.mailboxes[0].deliver(Mail::Errand(Arc::new(Off(Arc::clone(shared)))));
    }
    Ok(())
}

/// The keeper of the directory; made where there has been none so far.
fn keeper_of(shared: &Arc<Shared>) -> Result<&Keeper, String> {
    if shared.keeper.get().is_none() {
        let keeper = Keeper::open(directory_of(&shared.config()))?;
        drop(shared.keeper.set(keeper));
    }
    shared.keeper.get().ok_or_else(|| "the journal's directory is not open".to_owned())
}

/// Makes a snapshot ready, when there is no other.
fn prepare(shared: &Arc<Shared>, sinks: Sinks) -> Result<Arc<Snapshot>, String> {
    loop {
        let order = save::order(shared, sinks.clone());
        match shared.saves.prepare(shared, Purpose::Rewrite, order, |_| {}) {
            Ok(snapshot) => return Ok(snapshot),
            Err(Refused::Failed(why)) => return Err(why),
            Err(Refused::Busy(_)) if shared.stopping.load(Ordering::Relaxed) => {
                return Err("the server stops".to_owned());
            }
            Err(Refused::Busy(_)) => std::thread::sleep(LOOK),
        }
    }
}

/// All shards at one instant: the snapshot begins, and journals go on in new files.
#[derive(Debug)]
struct Switch {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    files: Vec<Arc<JournalFile>>,
    /// Where the old files end.
    ends: Mutex<Option<Vec<u64>>>,
}

impl Errand for Switch {
    fn run(&self, shards: &mut [Box<Shard>], _now_ms: i64, _reply: &mut Reply) {
        let journal = &self.shared.journal;
        let policy = policy_of(&self.shared.config());
        journal.begin(1);
        let unit = journal.new_unit();
        let mut ends = Vec::with_capacity(shards.len());
        for (shard, file) in shards.iter_mut().zip(&self.files) {
            self.snapshot.begin(shard);
            journal.mark(shard, unit);
            journal.hand_in(shard);
            ends.push(journal.appended(shard.index));
            journal.begin_shard(shard, Arc::clone(file), policy);
        }
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = Some(ends);
    }
}

/// The server's threads have ended: what was done is brought to the disk, and the manifest says up to where it counts.
///
/// No mark can say it: threads end one by one, and some may have left a unit of which others have carried out their parts.
pub fn end(shared: &Shared) {
    let journal = &shared.journal;
    if !journal.is_on() {
        return;
    }
    let strands: Vec<_> = shared.queues.iter().filter_map(|queue| queue.take()).collect();
    let mut shards: Vec<_> = strands.into_iter().map(|strand| strand.shard).collect();
    if !journal.write_out(&mut shards) {
        return log::warning(format_args!("The journals could not be written to their end"));
    }
    if let Some(Err(why)) = shared.keeper.get().map(|keeper| keeper.end(journal)) {
        log::warning(format_args!("The journals could not be ended: {why}"));
    }
}

/// `CONFIG SET appendonly no`: the journals end here, at one instant.
#[derive(Debug)]
pub struct Off(pub Arc<Shared>);

impl Errand for Off {
    fn run(&self, shards: &mut [Box<Shard>], _now_ms: i64, _reply: &mut Reply) {
        let journal = &self.0.journal;
        let unit = journal.new_unit();
        for shard in shards.iter_mut().filter(|shard| shard.tail.is_some()) {
            journal.mark(shard, unit);
            journal.hand_in(shard);
            shard.tail = None;
        }
        journal.end();
    }
}
