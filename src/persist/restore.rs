//! From the files of a directory back to a dataset.
use super::apply::{Appliers, Trouble};
use super::bulk::Disk;
use super::commit::Units;
use super::intake::Intake;
use super::keeper::Keeper;
use super::load::{BULK_BYTES, open, rdb_refused};
use super::manifest::{Directory, Epoch};
use super::progress::Bar;
use super::replay::replay;
use super::scan::{Found, MARKS_KEPT, is_too_much_forgotten, scan, settle};
use crate::config::Io;
use crate::log;
use crate::shared::Shared;
use crate::thread::wall_ms;
use smallvec::SmallVec;
use std::sync::atomic::Ordering;

/// How a restore goes about a torn tail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tails {
    /// It is left out, and the log says so (`aof-load-truncated yes`).
    Cut,
    /// It is an error.
    Refuse,
}

/// Settles up to where the journals of a directory count; what is kept is on the disk when this returns.
///
/// # Errors
/// Something is damaged that must not be, or cannot be read: in words for the log.
pub fn settle_last_epoch(keeper: &Keeper, tails: Tails, tick: impl FnMut(u64)) -> Result<(), String> {
    let last = keeper.manifest().epochs.last().cloned();
    let Some(last) = last.filter(|epoch| epoch.until.is_none()) else { return Ok(()) };
    let until = where_it_ends(&keeper.directory, &last, tails, tick)?;
    keeper.settle(until)
}

/// Up to where the journals of an epoch count.
///
/// # Errors
/// As [`settle_last_epoch`].
pub fn where_it_ends(
    directory: &Directory,
    epoch: &Epoch,
    tails: Tails,
    mut tick: impl FnMut(u64),
) -> Result<Vec<u64>, String> {
    let mut look = |marks_kept| -> Result<(Vec<Found>, Units), String> {
        let mut units = Units::new();
        let shards = 0..usize::from(epoch.shards);
        let found = shards.map(|shard| scan(directory, epoch, shard, &mut units, marks_kept, &mut tick));
        let found = found.collect::<Result<_, _>>()?;
        Ok((found, units))
    };
    let (mut found, mut units) = look(MARKS_KEPT)?;
    if is_too_much_forgotten(&found) {
        (found, units) = look(usize::MAX)?;
    }
    // Zeros: the system does not tell when it was started.
    let boot = directory.store.boot();
    let same_boot = boot != [0; 16] && found.iter().all(|found| found.boot == boot);
    let until = settle(&found, &units, same_boot);
    tell_tails(&found, &until, tails)?;
    Ok(until)
}

fn tell_tails(found: &[Found], until: &[u64], tails: Tails) -> Result<(), String> {
    for (shard, (found, until)) in found.iter().zip(until).enumerate() {
        if let Some((path, offset, len)) = &found.tail {
            let what = format!(
                "{} ends in {len} bytes that were not written to the end, from offset {offset} on",
                path.display()
            );
            if tails == Tails::Refuse {
                return Err(format!(
                    "{what}. Set aof-load-truncated to yes to start without them, or look with `braid check {}`.",
                    path.display()
                ));
            }
            log::warning(format_args!("{what}: they are left out, as nothing of them was acknowledged."));
        }
        if found.end > *until {
            log::warning(format_args!(
                "Shard {shard}: {} bytes of the journal are left out: what they depend on was not written in time.",
                found.end - until
            ));
        }
    }
    Ok(())
}

/// Brings back what the journals' directory holds, whose keeper the server has.
///
/// # Errors
/// As [`settle_last_epoch`], or something cannot be carried out: in words for the log.
pub(crate) fn restore(appliers: &mut Appliers, shared: &Shared) -> Result<(), String> {
    let config = shared.config();
    let keeper = shared.keeper.get().ok_or("the journals' directory is not open")?;
    let tails = if config.aof_load_truncated { Tails::Cut } else { Tails::Refuse };
    let manifest = keeper.manifest().clone();
    let bytes = |name: &str| std::fs::metadata(keeper.directory.file(name)).map_or(0, |file| file.len());
    let base_bytes: u64 = manifest.bases.iter().map(|name| bytes(name)).sum();
    let all_bytes: u64 = manifest.files().map(bytes).sum();
    // Journals are read twice: first it is found out up to where they count.
    shared.progress.begin(wall_ms(), base_bytes + 2 * (all_bytes - base_bytes));
    let mut way = Way { shared, bar: Bar::new(), tell_at: 0 };
    let mut manifest = manifest;
    if shared.journal.is_on() {
        // DEBUG LOADAOF: nothing is settled, all that was done counts.
        if let Some(last) = manifest.epochs.last_mut() {
            last.until =
                Some((0..shared.shard_count()).map(|shard| shared.journal.appended(shard)).collect());
        }
    } else {
        settle_last_epoch(keeper, tails, |bytes| way.add(bytes))?;
        manifest = keeper.manifest().clone();
    }
    let (disk, _) = Disk::new(config.io != Io::Epoll && base_bytes >= BULK_BYTES);
    let mut intake = Intake::new(appliers, &shared.progress);
    intake.before_bytes = shared.progress.loaded_bytes.load(Ordering::Relaxed);
    intake.checks_sums = config.rdbchecksum;
    for name in &manifest.bases {
        let path = keeper.directory.file(name);
        let outcome = open(&path, &disk).map_err(Trouble::new).and_then(|file| intake.rdb(file));
        outcome.map_err(|trouble| rdb_refused(&path, &trouble))?;
    }
    drop(intake);
    for epoch in &manifest.epochs {
        replay(
            &keeper.directory,
            epoch,
            |record| {
                let args: SmallVec<[&[u8]; 12]> = record.args().collect();
                appliers.command(record.db, &args).map_err(|trouble| trouble.what)
            },
            |bytes| way.add(bytes),
        )?;
        appliers.settle().map_err(|trouble| trouble.what)?;
    }
    Ok(())
}

/// How far a restore is.
struct Way<'a> {
    shared: &'a Shared,
    bar: Bar,
    tell_at: u64,
}

/// Bytes between two looks at how far one is.
const TOLD_BYTES: u64 = 1 << 20;

impl Way<'_> {
    fn add(&mut self, bytes: u64) {
        let progress = &self.shared.progress;
        let done = progress.loaded_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if done >= self.tell_at {
            self.tell_at = done + TOLD_BYTES;
            self.bar.show("Loading", done, progress.total_bytes.load(Ordering::Relaxed));
        }
    }
}
