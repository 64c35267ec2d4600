//! From the files of a directory back to a dataset.
use super::apply::{Appliers, Plan};
use super::commit::Units;
use super::keeper::Keeper;
use super::manifest::{Directory, Epoch};
use super::replay::replay;
use super::scan::{Found, scan, settle};
use crate::log;
use crate::shared::Shared;
use shards::shard::Shard;
use smallvec::SmallVec;
use std::sync::Arc;

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
    let mut units = Units::new();
    let mut found = Vec::new();
    for shard in 0..usize::from(epoch.shards) {
        found.push(scan(directory, epoch, shard, &mut units, &mut tick)?);
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

/// Brings back what the directory of a keeper holds, into empty shards.
///
/// # Errors
/// As [`settle_last_epoch`], or a record cannot be carried out: in words for the log.
#[expect(clippy::vec_box, reason = "a shard is large, and goes from hand to hand")]
pub fn restore(
    keeper: &Keeper,
    shared: &Arc<Shared>,
    shards: Vec<Box<Shard>>,
    now_ms: i64,
) -> Result<Vec<Box<Shard>>, String> {
    let config = shared.config();
    let tails = if config.aof_load_truncated { Tails::Cut } else { Tails::Refuse };
    settle_last_epoch(keeper, tails, |_| {})?;
    let manifest = keeper.manifest().clone();
    let plan = Plan { at_ms: now_ms, ..Plan::default() };
    let mut appliers = Appliers::start(shards, shared, plan).map_err(|trouble| trouble.what)?;
    for epoch in &manifest.epochs {
        let carried_out = replay(
            &keeper.directory,
            epoch,
            |record| {
                let args: SmallVec<[&[u8]; 12]> = record.args().collect();
                appliers.command(record.db, &args).map_err(|trouble| trouble.what)
            },
            |_| {},
        );
        carried_out?;
        appliers.settle().map_err(|trouble| trouble.what)?;
    }
    let (shards, outcome) = appliers.finish();
    outcome.map_err(|trouble| trouble.what)?;
    Ok(shards)
}
