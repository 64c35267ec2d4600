//! What a power cut leaves of a directory.
//!
//! Everything that was synced, and of the rest what the dice say: of a file the bytes written since in pieces that begin and end anywhere,
//! each of them there or not, zeros, or garbage; its length grown or not. Names, too, are there as they were or as they are, each by itself;
//! but a file that had a name and has another keeps one of them, as a rename is one step on any file system of today. Bytes that
//! were synced are never harmed, though others were written beside them.
use super::shadow::{Names, Shadow, common};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

/// Has a directory, whose disk nobody uses any more, hold what a power cut may leave.
///
/// # Errors
/// The system's; then it holds a part of what is to be.
pub fn lose(root: &Path, seed: u64) -> io::Result<()> {
    let shadow = Shadow::of(root)?;
    let mut dice = Dice(seed);
    let known: BTreeSet<u64> = shadow.inodes()?.into_iter().collect();
    let mut live = shadow.all_names()?;
    live.retain(|_, inode| *inode == 0 || known.contains(inode));
    let left = names_left(&shadow.names()?, &live, &mut dice);
    // Either all files fare alike, or each has its own luck.
    let common_luck = (dice.below(3) == 0).then(|| dice.below(4));
    let mut contents = BTreeMap::new();
    for inode in left.values().filter(|inode| **inode != 0) {
        if !contents.contains_key(inode) {
            let (kept, live) = (fs::read(shadow.kept(*inode))?, fs::read(shadow.live(*inode))?);
            let luck = common_luck.unwrap_or_else(|| dice.below(4));
            contents.insert(*inode, bytes_left(kept, &live, luck, &mut dice));
        }
    }
    for name in live.keys().filter(|name| !left.contains_key(*name)) {
        let gone = if name.ends_with('/') { fs::remove_dir_all } else { |path| fs::remove_file(path) };
        match gone(root.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for (name, inode) in &left {
        match contents.get(inode) {
            None => fs::create_dir_all(root.join(name))?,
            // Another file takes the place: what is still on its way to the old one comes too late.
            Some(bytes) => {
                fs::write(shadow.draft(), bytes)?;
                fs::rename(shadow.draft(), root.join(name))?;
            }
        }
    }
    shadow.begin(left.into_keys().collect())?;
    shadow.count_boot()
}

/// The names that are left, of those on the disk and those that the system showed.
fn names_left(kept: &Names, live: &Names, dice: &mut Dice) -> Names {
    let luck = dice.below(3);
    let mut left = Names::new();
    let names: BTreeSet<&String> = kept.keys().chain(live.keys()).collect();
    for name in names {
        let is_new = luck == 1 || luck == 2 && dice.below(2) == 0;
        let inode = if is_new { live.get(name) } else { kept.get(name) };
        left.extend(inode.map(|inode| (name.clone(), *inode)));
    }
    // Renamed is not removed.
    for (name, inode) in kept.iter().filter(|(_, inode)| **inode != 0) {
        let has_name = left.values().any(|named| named == inode);
        if !has_name && live.values().any(|named| named == inode) {
            left.insert(name.clone(), *inode);
        }
    }
    let directories: BTreeSet<String> = left.keys().filter(|name| name.ends_with('/')).cloned().collect();
    // What is in a directory that is not there is lost with it.
    left.retain(|name, _| {
        name.split_once('/').is_none_or(|(within, _)| directories.contains(&format!("{within}/")))
    });
    left
}

/// What is left of a file.
fn bytes_left(kept: Vec<u8>, live: &[u8], luck: u64, dice: &mut Dice) -> Vec<u8> {
    match luck {
        0 => return kept,
        1 => return live.to_vec(),
        _ => {}
    }
    let first = common(&kept, live);
    let (shorter, longer) = (kept.len().min(live.len()), kept.len().max(live.len()));
    let len = match dice.below(3) {
        0 => kept.len(),
        1 => live.len(),
        _ => shorter + dice.below((longer - shorter) as u64 + 1) as usize,
    };
    let mut left = kept.clone();
    left.resize(len, 0);
    let mut at = first;
    while at < len {
        let most = if dice.below(4) == 0 { 16 } else { (len - first) as u64 };
        let end = len.min(at + 1 + dice.below(most) as usize);
        let fate = dice.below(5);
        for at in at..end.min(live.len()) {
            // What was synced stays.
            let is_open = kept.get(at) != Some(&live[at]);
            match fate {
                0 => {}
                1 if is_open => left[at] = dice.below(256) as u8,
                2 if is_open && at >= kept.len() => left[at] = 0,
                1 | 2 => {}
                _ => left[at] = live[at],
            }
        }
        at = end;
    }
    left
}

/// Dice from a seed.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    /// A number less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ mixed >> 31) * u128::from(end)) >> 64) as u64
    }
}
