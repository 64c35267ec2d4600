//! What there is to load when the server starts, and loading it on a thread of its own while clients are told to wait.
use super::apply::{Appliers, Plan, Trouble};
use super::bulk::Disk;
use super::foreign::log::End;
use super::foreign::manifest::Manifest;
use super::intake::Intake;
use super::keeper::{Keeper, directory_of};
use super::save;
use super::window::Source;
use crate::config::{Config, Io};
use crate::log;
use crate::queues::Strand;
use crate::shared::Shared;
use crate::thread::wall_ms;
use shards::shard::Shard;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

/// Files of so many bytes are read past the page cache, which the memory for the dataset can do without.
pub(super) const BULK_BYTES: u64 = 16 << 20;

/// What there is to load. Paths are relative to `dir`, where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// An RDB file.
    Rdb(PathBuf),
    /// The log of Redis before version 7, or what is like it.
    Log(PathBuf),
    /// The files of Redis 7 and Valkey: a manifest.
    Manifest(PathBuf),
    /// Journals.
    Journals,
}

/// What there is to load, as the configuration has it: with `appendonly` the append-only files, and where there are none what else
/// there is, so that nobody's data is left behind; without it the RDB file.
#[must_use]
pub fn find(config: &Config) -> Option<Found> {
    let existing = |path: PathBuf| path.exists().then_some(path);
    let rdb = || existing(PathBuf::from(&config.dbfilename)).map(Found::Rdb);
    if !config.appendonly {
        return rdb();
    }
    if Path::new(&config.appenddirname).join(super::manifest::FILE_NAME).exists() {
        return Some(Found::Journals);
    }
    let manifest = Path::new(&config.appenddirname).join(format!("{}.manifest", config.appendfilename));
    existing(manifest)
        .map(Found::Manifest)
        .or_else(|| existing(PathBuf::from(&config.appendfilename)).map(Found::Log))
        .or_else(rdb)
}

/// A loading under way.
#[derive(Debug)]
pub struct Loader(JoinHandle<Result<(), String>>);

impl Loader {
    /// Begins to load; the shards, empty and in order, go to their threads when all is there.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn begin(found: Found, shards: Vec<Box<Shard>>, shared: &Arc<Shared>) -> Result<Loader, String> {
        shared.loading.store(true, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        let load = move || {
            let shards = load(&found, shards, &shared)?;
            send_home(shards, &shared);
            Ok(())
        };
        let spawned = std::thread::Builder::new().name("load".to_owned()).spawn(load);
        spawned.map(Loader).map_err(|error| format!("Can't start a thread: {error}"))
    }

    /// Waits until all is loaded.
    ///
    /// # Errors
    /// Why it cannot be, in words for the log.
    ///
    /// # Panics
    /// The loading thread did.
    pub fn wait(self) -> Result<(), String> {
        self.0.join().expect("a panic ends the process")
    }
}

/// Loads a file that is in memory, an RDB file or a log of commands, into shards that are empty; they come back with all that
/// was loaded before something was found wrong. Checksums do not count.
///
/// # Errors
/// What is wrong with it, and where.
pub fn load_bytes(
    bytes: &[u8],
    shards: Vec<Box<Shard>>,
    shared: &Arc<Shared>,
    plan: Plan,
) -> (Vec<Box<Shard>>, Result<(), Trouble>) {
    let mut appliers = match Appliers::start(shards, shared, plan) {
        Ok(appliers) => appliers,
        Err(trouble) => return (Vec::new(), Err(trouble)),
    };
    let mut intake = Intake::new(&mut appliers, &shared.progress);
    intake.checks_sums = false;
    let outcome = intake.log(bytes);
    let (shards, finished) = appliers.finish();
    (shards, outcome.and(finished))
}

/// Puts the shards where their threads find them. From now on clients are served.
#[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
fn send_home(shards: Vec<Box<Shard>>, shared: &Shared) {
    for shard in shards {
        let index = shard.index;
        shared.published[index].publish(&shard);
        shared.queues[index].put(Strand { shard, stalled: None });
    }
    shared.loading.store(false, Ordering::SeqCst);
    for mailbox in &shared.mailboxes {
        if let Some(waker) = mailbox.waker() {
            waker.wake();
        }
    }
}

/// Loads it all into the shards.
#[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
fn load(found: &Found, shards: Vec<Box<Shard>>, shared: &Arc<Shared>) -> Result<Vec<Box<Shard>>, String> {
    let plan = Plan { at_ms: wall_ms(), ..Plan::default() };
    if shared.config().appendonly {
        open_keeper(shared)?;
    }
    let mut appliers = Appliers::start(shards, shared, plan).map_err(|trouble| trouble.what)?;
    let loaded = load_into(found, &mut appliers, shared);
    let (mut shards, outcome) = appliers.finish();
    loaded?;
    outcome.map_err(|trouble| trouble.what)?;
    if shared.config().appendonly {
        go_on(found, shared, &mut shards)?;
    }
    Ok(shards)
}

/// Begins the journals of a server that starts with nothing.
///
/// # Errors
/// Why it cannot, in words for the log.
pub fn begin_journals(shared: &Arc<Shared>, shards: &mut [Box<Shard>]) -> Result<(), String> {
    open_keeper(shared)?.begin(shared, shards, Vec::new())
}

fn open_keeper(shared: &Arc<Shared>) -> Result<&Keeper, String> {
    let keeper = Keeper::open(directory_of(&shared.config()))?;
    drop(shared.keeper.set(keeper));
    shared.keeper.get().ok_or_else(|| "the journals' directory is not open".to_owned())
}

/// Goes on with journals behind what was loaded. What was another's becomes their base, so that from the first write on all is kept.
fn go_on(found: &Found, shared: &Arc<Shared>, shards: &mut [Box<Shard>]) -> Result<(), String> {
    let Some(keeper) = shared.keeper.get() else { return Ok(()) };
    if matches!(found, Found::Journals) {
        return keeper.begin(shared, shards, Vec::new());
    }
    log::notice(format_args!("Taking over what was loaded: from now on it is kept in Braid's own files"));
    let generation = keeper.next_generation();
    let names: Vec<String> =
        (0..shards.len()).map(|shard| keeper.directory.base_name(generation, shard)).collect();
    let paths = names.iter().map(|name| keeper.directory.file(name)).collect();
    save::bases_in_hand(shared, shards, paths, wall_ms())?;
    keeper.begin(shared, shards, names)
}

/// Hands what was found over to appliers.
///
/// # Errors
/// Why it cannot be loaded, in words for the log.
pub(crate) fn load_into(found: &Found, appliers: &mut Appliers, shared: &Shared) -> Result<(), String> {
    let (started, now_ms) = (Instant::now(), wall_ms());
    let config = shared.config();
    if matches!(found, Found::Journals) {
        super::restore::restore(appliers, shared)?;
        let seconds = started.elapsed().as_secs_f64();
        log::notice(format_args!("DB loaded from journals: {seconds:.3} seconds"));
        return Ok(());
    }
    let files = Files::of(found)?;
    let bytes = files.bytes()?;
    shared.progress.begin(now_ms, bytes);
    let (disk, why_not) = Disk::new(config.io != Io::Epoll && bytes >= BULK_BYTES);
    if let Some(why) = why_not {
        log::verbose(format_args!("Files are read through the page cache: {why}"));
    }
    let mut intake = Intake::new(appliers, &shared.progress);
    intake.checks_sums = config.rdbchecksum;
    intake.expires_before_ms = Some(now_ms);
    match found {
        Found::Rdb(path) => {
            let outcome = open(path, &disk).map_err(Trouble::new).and_then(|file| intake.rdb(file));
            outcome.map_err(|trouble| rdb_refused(path, &trouble))?;
            tell_keys(shared);
            log::notice(format_args!("DB loaded from disk: {:.3} seconds", started.elapsed().as_secs_f64()));
        }
        Found::Log(_) | Found::Manifest(_) | Found::Journals => {
            let count = files.0.len();
            for (index, file) in files.0.iter().enumerate() {
                let is_last = index + 1 == count;
                load_log(file, is_last, &mut intake, (&config, &disk))?;
            }
            log::notice(format_args!(
                "DB loaded from append only file: {:.3} seconds",
                started.elapsed().as_secs_f64()
            ));
        }
    }
    Ok(())
}

/// The files of a dataset, each with what it is called in the log, in order.
struct Files(Vec<(PathBuf, &'static str)>);

impl Files {
    fn of(found: &Found) -> Result<Files, String> {
        Ok(Files(match found {
            Found::Journals => Vec::new(),
            Found::Rdb(path) => vec![(path.clone(), "disk")],
            Found::Log(path) => vec![(path.clone(), "append only file")],
            Found::Manifest(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| format!("Can't read the AOF manifest {}: {error}", path.display()))?;
                let manifest =
                    Manifest::parse(&text).map_err(|what| format!("Reading {}: {what}", path.display()))?;
                let directory = path.parent().unwrap_or_else(|| Path::new(""));
                let base_count = usize::from(manifest.base.is_some());
                let named = manifest.files().enumerate().map(|(index, name)| {
                    (directory.join(name), if index < base_count { "base file" } else { "incr file" })
                });
                named.collect()
            }
        }))
    }

    fn bytes(&self) -> Result<u64, String> {
        let mut bytes = 0;
        for (path, _) in &self.0 {
            let facts = std::fs::metadata(path).map_err(|error| {
                format!("The file {} that is part of the dataset can't be opened: {error}", path.display())
            })?;
            bytes += facts.len();
        }
        Ok(bytes)
    }
}

/// Loads one of the logs of a dataset.
fn load_log(
    (path, title): &(PathBuf, &str),
    is_last: bool,
    intake: &mut Intake<'_>,
    (config, disk): (&Config, &Disk),
) -> Result<(), String> {
    let started = Instant::now();
    let outcome = open(path, disk).map_err(Trouble::new).and_then(|file| intake.log(file));
    let shown = path.display();
    match outcome {
        Ok(End::Whole) => {}
        Ok(End::Torn(at)) if !is_last => {
            return Err(format!(
                "Fatal error: the truncated file {shown} is not the last file (it is whole up to offset {at})"
            ));
        }
        Ok(End::Torn(at)) if config.aof_load_truncated => truncate(path, at)?,
        Ok(End::Torn(at)) => {
            return Err(format!(
                "Unexpected end of file reading the append only file {shown}: it is whole up to offset {at}. You can: 1) \
                 Make a backup of your AOF file, then use 'braid check --fix {shown}'. 2) Alternatively you can set the \
                 'aof-load-truncated' configuration option to yes and restart the server."
            ));
        }
        Err(trouble) => return Err(log_refused(path, &trouble)),
    }
    log::notice(format_args!(
        "DB loaded from {title} {}: {:.3} seconds",
        path.file_name().unwrap_or_default().display(),
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

pub(super) fn open(path: &Path, disk: &Disk) -> Result<Box<dyn Source>, String> {
    let open = || -> std::io::Result<Box<dyn Source>> {
        let file = File::open(path)?;
        let facts = file.metadata()?;
        // What is small is read before direct I/O is set up, and what is no file (a pipe) has none.
        if facts.is_file() && facts.len() >= BULK_BYTES {
            return Ok(Box::new(disk.open(path)?));
        }
        Ok(Box::new(file))
    };
    open().map_err(|error| format!("it can't be opened: {error}"))
}

/// Cuts off the torn tail of the last log, so that what is appended from now on stands behind whole commands.
fn truncate(path: &Path, at: u64) -> Result<(), String> {
    let shown = path.display();
    log::warning(format_args!("!!! Warning: short read while loading the AOF file {shown}!!!"));
    log::warning(format_args!("!!! Truncating the AOF {shown} at offset {at} !!!"));
    let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
        file.set_len(at)?;
        file.sync_all()
    });
    cut.map_err(|error| format!("Error truncating the AOF file {shown}: {error}"))?;
    log::warning(format_args!("AOF {shown} loaded anyway because aof-load-truncated is enabled"));
    Ok(())
}

fn tell_keys(shared: &Shared) {
    log::notice(format_args!(
        "Done loading RDB, keys loaded: {}, keys expired: {}.",
        shared.progress.keys_loaded.load(Ordering::Relaxed),
        shared.progress.keys_expired.load(Ordering::Relaxed)
    ));
}

fn place(trouble: &Trouble) -> String {
    trouble.at.map_or_else(String::new, |at| format!(" at offset {at} (0x{at:x})"))
}

pub(super) fn rdb_refused(path: &Path, trouble: &Trouble) -> String {
    let (shown, what) = (path.display(), &trouble.what);
    format!(
        "Can't load the RDB file {shown}: {what}{}.\n\
         Fatal error loading the DB. The file is as it was; 'braid check {shown}' tells more.",
        place(trouble)
    )
}

fn log_refused(path: &Path, trouble: &Trouble) -> String {
    let (shown, what) = (path.display(), &trouble.what);
    format!(
        "Can't load the append only file {shown}: {what}{}.\n\
         Fatal error loading the DB. Make a backup of your AOF file, then use 'braid check --fix {shown}'.",
        place(trouble)
    )
}
