//! Several lives of a server on one disk, each ended by a crash; after each it is looked at what is left.
use crate::dataset::{OpId, op_of, read_base};
use crate::dice::Dice;
use crate::disk::{Crash, Disk};
use crate::life::Life;
use braid::persist::epoch::settle;
use braid::persist::manifest::{Directory, Manifest};
use braid::persist::replay::replay;
use braid::persist::restore::{Tails, where_it_ends};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

/// What a seed showed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Writes that came back after a crash.
    pub(crate) restored: usize,
    /// Those that did not have to, and did not.
    pub(crate) lost: usize,
    pub(crate) crashes: usize,
    /// Servers that stopped because they were asked to.
    pub(crate) stopped: usize,
    /// How often somebody was told that all is on the disk.
    pub(crate) told: usize,
    /// How often a sync waited for those whom another had served.
    pub(crate) gathered: usize,
    pub(crate) acknowledged: usize,
    pub(crate) failure: Option<String>,
}

/// What was read back: operations in the order in which they are carried out, each once for every record of it.
pub(crate) struct Restored {
    pub(crate) manifest: Manifest,
    pub(crate) ops: Vec<Said>,
}

/// An operation as a record says it, of a key, or a base.
pub(crate) struct Said {
    op: OpId,
    key: Option<Vec<u8>>,
}

/// Plays one seed.
pub(crate) fn run(seed: u64, is_liar: bool) -> Seen {
    let mut seen = Seen::default();
    if let Err(why) = play(seed, is_liar, &mut seen) {
        seen.failure = Some(format!("seed {seed}: {why}"));
    }
    seen
}

fn play(seed: u64, is_liar: bool, seen: &mut Seen) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let disk = Disk::new(seed ^ 0xd15c, is_liar);
    let directory = Directory::on(Arc::new(disk.clone()), PathBuf::from("/aof"), "a");
    let mut life: Option<Life> = None;
    // Whether the power has failed since that life ended.
    let mut was_dark = false;
    let lives = dice.within(1..=3);
    let mut number = 0;
    loop {
        // Restoring may be cut short as well.
        disk.set_fuse(dice.once_in(3).then(|| dice.within(1..=12)));
        let restored = restore(&disk, &directory);
        let next = match restored {
            Err(_) if disk.is_dead() => None,
            Err(why) => return Err(why),
            Ok(restored) => {
                if let Some(life) = &life {
                    check(life, &restored.ops, was_dark, seen)?;
                }
                let luck = Dice::new(seed ^ (number as u64 + 1) << 32);
                let kept = unique(&restored.ops);
                match Life::begin(number, luck, directory.clone(), restored.manifest, kept) {
                    Ok(_) | Err(_) if disk.is_dead() => None,
                    Err(error) => return Err(format!("no life begins: {error}")),
                    Ok(next) => Some(next),
                }
            }
        };
        if let Some(mut next) = next {
            if number == lives {
                return Ok(());
            }
            number += 1;
            was_dark = false;
            disk.set_fuse(dice.once_in(2).then(|| dice.within(1..=60)));
            next.run(dice.within(10..=300), &disk);
            seen.told += next.asked;
            seen.gathered += next.gathered;
            if dice.once_in(4) && !disk.is_dead() {
                next.stop(&disk);
                seen.stopped += usize::from(next.has_stopped);
            }
            life = Some(next);
        }
        let crash = dice.pick(&[Crash::Kill, Crash::Power]);
        was_dark |= disk.crash(crash);
        seen.crashes += 1;
    }
}

pub(crate) fn restore(disk: &Disk, directory: &Directory) -> Result<Restored, String> {
    let mut manifest = directory.read_manifest()?.unwrap_or_default();
    if let Some(last) = manifest.epochs.last().filter(|epoch| epoch.until.is_none()).cloned() {
        let until = where_it_ends(directory, &last, Tails::Cut, |_| {})?;
        settle(directory, &mut manifest, until)?;
    }
    let mut ops = Vec::new();
    for base in &manifest.bases {
        ops.extend(read_base(disk, directory.file(base))?.into_iter().map(|op| Said { op, key: None }));
    }
    for epoch in &manifest.epochs {
        replay(
            directory,
            epoch,
            |record| {
                let args: Vec<&[u8]> = record.args().collect();
                // Of an MSET every key says it, as every part of a fan-out does.
                for said in args[1..].chunks_exact(2) {
                    ops.extend(op_of(said[1]).map(|op| Said { op, key: Some(said[0].to_vec()) }));
                }
                Ok::<_, String>(())
            },
            |_| {},
        )?;
    }
    Ok(Restored { manifest, ops })
}

/// Each operation once, where it first stands.
fn unique<'a>(said: impl IntoIterator<Item = &'a Said>) -> Vec<OpId> {
    let mut known = BTreeSet::new();
    said.into_iter().map(|said| said.op).filter(|op| known.insert(*op)).collect()
}

/// Whether what is left of a life keeps the promises that were made, and is whole.
fn check(life: &Life, restored: &[Said], was_dark: bool, seen: &mut Seen) -> Result<(), String> {
    let left = check_whole(life, restored)?;
    check_promises(life, was_dark, &left)?;
    seen.restored += left.len();
    seen.lost += life.ops.iter().filter(|op| op.writes()).count() - left.len();
    seen.acknowledged += life.acknowledged.len();
    Ok(())
}

/// What is left of a life, if that is something that it did: units whole, nothing without what came before.
pub(crate) fn check_whole(life: &Life, restored: &[Said]) -> Result<BTreeSet<usize>, String> {
    let number = life.number();
    let ops = unique(restored);
    if ops.get(..life.kept.len()) != Some(&life.kept[..]) {
        return Err(format!("what was there before life {number} is not: {:?} of {:?}", ops, life.kept));
    }
    let mut parts: HashMap<usize, usize> = HashMap::new();
    for (_, op) in restored.iter().map(|said| said.op).filter(|(of, _)| *of == number) {
        *parts.entry(op).or_default() += 1;
    }
    let left: BTreeSet<usize> = ops[life.kept.len()..].iter().map(|(_, op)| *op).collect();
    let is_left = |op: &usize| parts.contains_key(op);
    // Units are whole: bases name an operation once, journals once for every part.
    let based = life.based();
    for (op, count) in &parts {
        let all = life.ops[*op].records();
        if *count != all && !based.contains(op) {
            return Err(format!("of operation {op} {count} of {all} records are left"));
        }
    }
    // What each shard did is there in its order, from the beginning.
    for (shard, done) in life.done.iter().enumerate() {
        let is_here = |said: &&Said| {
            said.op.0 == number
                && life.ops[said.op.1].shards.contains(&shard)
                && said.key.as_ref().is_none_or(|key| life.is_on(shard, key))
        };
        let there: Vec<usize> =
            unique(restored.iter().filter(is_here)).into_iter().map(|(_, op)| op).collect();
        if !done.starts_with(&there) {
            return Err(format!("shard {shard} did {done:?}, but {there:?} is left"));
        }
    }
    // So it is with each client.
    for conn in 0..life.ops.iter().map(|op| op.conn + 1).max().unwrap_or(0) {
        let mut sent = (0..life.ops.len()).filter(|op| life.ops[*op].conn == conn && life.ops[*op].writes());
        let gone = sent.find(|op| !is_left(op));
        if let Some(later) = sent.find(is_left) {
            return Err(format!("a client's operation {later} is left, but {gone:?} before it is not"));
        }
    }
    Ok(left)
}

fn check_promises(life: &Life, was_dark: bool, left: &BTreeSet<usize>) -> Result<(), String> {
    let is_left = |op: &usize| left.contains(op);
    let promised = if was_dark && !life.has_stopped { &life.strict } else { &life.acknowledged };
    if let Some(op) = promised.iter().find(|op| !is_left(op)) {
        return Err(format!("operation {op} was acknowledged and is not there; dark: {was_dark}"));
    }
    for (done, count) in life.done.iter().zip(life.marked()) {
        if let Some(op) = done[..count].iter().find(|op| !is_left(op)) {
            return Err(format!("operation {op} stood before a mark that was on the disk, and is not there"));
        }
    }
    Ok(())
}
