//! Journals that end anywhere, or in which anything is other than it was written: an error in words, or what stood before.
use crate::dice::Dice;
use crate::disk::{Crash, Disk};
use crate::life::Life;
use crate::world::{check_whole, restore};
use braid::config::Loglevel;
use braid::persist::format::{HEAD_BYTES, read_block_head};
use braid::persist::manifest::{Directory, FILE_NAME, Manifest};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A life that ended, and what it left.
struct Left {
    disk: Disk,
    life: Life,
}

fn on(disk: &Disk) -> Directory {
    Directory::on(Arc::new(disk.clone()), PathBuf::from("/aof"), "a")
}

/// Lives of which something is left.
fn left() -> Vec<Left> {
    braid::log::set_level(Loglevel::Nothing);
    let life = |seed: u64| {
        let disk = Disk::new(seed, false);
        let life = Life::begin(0, Dice::new(seed), on(&disk), Manifest::default(), Vec::new());
        let mut life = life.expect("nothing fails");
        life.run(150, &disk);
        disk.crash(Crash::Kill);
        Left { disk, life }
    };
    (1..=6).map(life).collect()
}

impl Left {
    fn journals(&self) -> Vec<PathBuf> {
        let is_journal = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "braid");
        self.disk.paths().into_iter().filter(is_journal).collect()
    }
    /// Looks at what comes back with other bytes in a file; whether anything does.
    fn with(&self, path: &Path, bytes: &[u8], is_dark: bool, what: &str) -> bool {
        let disk = self.disk.copy();
        disk.set_bytes(path, bytes);
        if is_dark {
            disk.crash(Crash::Power);
        }
        match restore(&disk, &on(&disk)) {
            Ok(restored) => {
                let whole = check_whole(&self.life, &restored.ops);
                assert!(whole.is_ok(), "{}, {what}: {}", path.display(), whole.err().unwrap_or_default());
                true
            }
            Err(why) => {
                assert!(why.contains("/aof/"), "an error that names no file: {why}");
                false
            }
        }
    }
}

/// Of space that was laid out and not used, every so many bytes are enough.
const ZEROS_STEP: usize = 50;

/// Where what was written of a journal ends, and a little more.
fn written(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.len().min(end + 2 * ZEROS_STEP)
}

#[test]
fn a_journal_may_end_anywhere() {
    let mut came_back = 0;
    for left in left() {
        for path in left.journals() {
            let bytes = left.disk.bytes(&path).expect("it is there");
            let written = written(&bytes);
            for len in (0..written).chain((written..bytes.len()).step_by(ZEROS_STEP)) {
                let is_dark = len % 2 == 0;
                came_back += usize::from(left.with(&path, &bytes[..len], is_dark, &format!("cut at {len}")));
            }
        }
    }
    assert!(came_back > 500, "only {came_back} came back");
}

#[test]
fn no_bit_may_change() {
    let mut came_back = 0;
    for (number, left) in left().into_iter().enumerate() {
        for path in left.journals() {
            let bytes = left.disk.bytes(&path).expect("it is there");
            let (written, all) = (written(&bytes) * 8, bytes.len() * 8);
            for bit in (number % 3..written).step_by(3).chain((written..all).step_by(3 * ZEROS_STEP)) {
                let mut bytes = bytes.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                came_back += usize::from(left.with(&path, &bytes, bit % 2 == 0, &format!("bit {bit}")));
            }
        }
    }
    assert!(came_back > 500, "only {came_back} came back");
}

/// With checksums that fit, nonsense gets to where frames are read.
#[test]
fn nonsense_is_told() {
    let mut dice = Dice::new(7);
    let all = left();
    for round in 0..6000 {
        let left = &all[round % all.len()];
        let journals = left.journals();
        let path = journals[dice.below(journals.len())].clone();
        let mut bytes = left.disk.bytes(&path).expect("it is there");
        for _ in 0..dice.within(1..=4) {
            mutate(&mut bytes, &mut dice);
        }
        mend_checksums(&mut bytes);
        let disk = left.disk.copy();
        disk.set_bytes(&path, &bytes);
        // Whatever it says, it says it.
        drop(restore(&disk, &on(&disk)).map(|restored| restored.ops));
    }
}

#[test]
fn a_manifest_of_nonsense_is_told() {
    let mut dice = Dice::new(8);
    let all = left();
    let path = Path::new("/aof").join(FILE_NAME);
    let mut refused = 0;
    for round in 0..6000 {
        let left = &all[round % all.len()];
        let mut bytes = left.disk.bytes(&path).expect("it is there");
        let end = bytes.len() - "end 00000000\n".len();
        bytes.truncate(end);
        for _ in 0..dice.within(1..=3) {
            mutate(&mut bytes, &mut dice);
        }
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let crc = crc32c(text.as_bytes());
        let disk = left.disk.copy();
        disk.set_bytes(&path, format!("{text}end {crc:08x}\n").as_bytes());
        refused += usize::from(restore(&disk, &on(&disk)).is_err());
    }
    assert!(refused > 500, "only {refused} were refused");
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    match dice.below(6) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.pick(&[0, 1, 2, 4, 0x7f, 0x80, 0xff, b' ', b'\n', b'9']),
        2 => drop(bytes.remove(at)),
        3 => bytes.insert(at, dice.below(256) as u8),
        4 => {
            let end = dice.within(at..=bytes.len().min(at + 12));
            let piece = bytes[at..end].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        _ => {
            let end = bytes.len().min(at + 10);
            bytes[at..end].fill(0xff);
        }
    }
}

/// Makes the checksums of the head and of all blocks fit what they are now.
fn mend_checksums(bytes: &mut [u8]) {
    if bytes.len() < HEAD_BYTES {
        return;
    }
    let crc = crc32c(&bytes[13..HEAD_BYTES]);
    bytes[9..13].copy_from_slice(&crc.to_le_bytes());
    let mut at = HEAD_BYTES;
    while let Some(head) = read_block_head(&bytes[at..]) {
        let end = usize::try_from(head.len).ok().and_then(|len| len.checked_add(at + head.head_bytes));
        let Some(end) = end.filter(|end| *end <= bytes.len()) else { return };
        let crc = crc32c(&bytes[at + 4..end]);
        bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        at = end;
    }
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    });
    !crc
}
