//! Looking through the journals of an epoch: what of them is valid, and up to where they count.
//!
//! **Why a restore keeps what was acknowledged.** Under `always` a reply leaves when its commit point is reached over what was synced;
//! under the other policies over what was written. A process that is killed leaves to the kernel all that was written, so as long as the
//! system was not started anew since (the files say under which start they were written), the journals hold at least what the commit points
//! were made of, and [`cut`](super::commit::cut) gives no less for more. After a new start of the system only what was synced is certain:
//! under `always` that is what commit points were made of; else the journals are cut back to the last *mark*, a cut over all shards
//! that is made every second before the files are synced: what is lost is what came after it, and what is left of each client is a prefix.
//!
//! **Why no unit is torn and no pipeline is out of order.** A part of several frames is cut before the first, which counts only with the last of each part.
//! What is kept is a result of `cut`, or a mark; a mark is a unit over all
//! shards, so whatever was entered before it is behind it nowhere.
//!
//! **Tails.** A block that is not whole, or not in its place, ends a journal. Where a later block says that the journal was synced
//! beyond that place, it is damage, and an error; else it is what a crash leaves, whatever stands behind it. Zeros up to the end of a file are nothing:
//! space that was laid out ahead ([`super::files`]).
use super::commit::{Tied, Units, cut, note_part};
use super::format::{BLOCK_HEAD_BYTES_MAX, FileHead, Frame, HEAD_BYTES, Policy, is_whole, read_block_head};
use super::manifest::{Directory, Epoch, FILE_NAME};
use super::store::{Reading, Store};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

/// How the blocks of one file are read.
#[derive(Debug)]
pub struct BlockReader {
    file: BufReader<Reading>,
    path: PathBuf,
    /// What its head says.
    pub head: FileHead,
    len: u64,
    at: u64,
    block: Vec<u8>,
}

/// A block that was read.
#[derive(Debug)]
pub struct Block<'a> {
    /// Where its frames begin in the journal.
    pub lsn: u64,
    /// Up to where the journal was known to be on the disk.
    pub synced: u64,
    /// What was acknowledged when.
    pub policy: Policy,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its frames.
    pub frames: &'a [u8],
}

/// Bytes that are read at once, at most.
const READ_BYTES_MAX: u64 = 1 << 20;

impl BlockReader {
    /// Opens a file; nothing where not even the head is there, as a crash right after it was made leaves it.
    ///
    /// # Errors
    /// It cannot be read, or is another's: in words for the log.
    pub fn open(store: &dyn Store, path: &Path) -> Result<Option<BlockReader>, String> {
        let told = |error| told(path, &error);
        let file = store.open(path).map_err(told)?;
        let len = file.len().map_err(told)?;
        let mut file = BufReader::with_capacity(READ_BYTES_MAX.min(len) as usize, Reading::new(file));
        let mut bytes = vec![0; HEAD_BYTES.min(usize::try_from(len).unwrap_or(HEAD_BYTES))];
        file.read_exact(&mut bytes).map_err(told)?;
        match FileHead::read(&bytes) {
            Ok(head) => {
                let (path, at) = (path.to_owned(), HEAD_BYTES as u64);
                Ok(Some(BlockReader { file, path, head, len, at, block: Vec::new() }))
            }
            Err(_) if bytes.len() < HEAD_BYTES => Ok(None),
            Err(why) => Err(format!("{}: {why}.", path.display())),
        }
    }
    /// Where the next block begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }
    /// Whether nothing is left of it.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.at >= self.len
    }
    /// Bytes from here on that are not merely laid out.
    ///
    /// # Errors
    /// The system's, in words for the log.
    pub fn bytes_left(&mut self) -> Result<u64, String> {
        self.seek(self.at)?;
        let (mut seen, mut left) = (0, 0);
        loop {
            let bytes = self.file.fill_buf().map_err(|error| told(&self.path, &error))?;
            if bytes.is_empty() {
                return self.seek(self.at).map(|()| left);
            }
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                left = seen + last as u64 + 1;
            }
            let len = bytes.len();
            seen += len as u64;
            self.file.consume(len);
        }
    }
    /// The next block, if a whole one stands there that begins at `lsn` (or anywhere). Else the reader stays where it is.
    ///
    /// # Errors
    /// The system's, in words for the log.
    pub fn next(&mut self, lsn: Option<u64>) -> Result<Option<Block<'_>>, String> {
        if self.is_at_end() {
            return Ok(None);
        }
        let Some(head_and_rest) = self.read_block()? else { return Ok(None) };
        let head = head_and_rest;
        if lsn.is_some_and(|lsn| lsn != head.lsn) || !is_whole(&self.block) {
            self.seek(self.at)?;
            return Ok(None);
        }
        let offset = self.at;
        self.at += self.block.len() as u64;
        let frames = &self.block[head.head_bytes..];
        Ok(Some(Block { lsn: head.lsn, synced: head.synced, policy: head.policy, offset, frames }))
    }
    /// Reads what claims to be a block, if the file is long enough for it.
    fn read_block(&mut self) -> Result<Option<super::format::BlockHead>, String> {
        let left = self.len - self.at;
        let some = (BLOCK_HEAD_BYTES_MAX as u64).min(left) as usize;
        self.block.resize(some, 0);
        self.fill(0)?;
        let head = read_block_head(&self.block)
            .filter(|head| head.len.checked_add(head.head_bytes as u64).is_some_and(|len| len <= left));
        let Some(head) = head else {
            self.seek(self.at)?;
            return Ok(None);
        };
        let whole = head.head_bytes + head.len as usize;
        if whole <= some {
            self.block.truncate(whole);
            self.seek(self.at + whole as u64)?;
        } else {
            self.block.resize(whole, 0);
            self.fill(some)?;
        }
        Ok(Some(head))
    }
    fn fill(&mut self, from: usize) -> Result<(), String> {
        self.file.read_exact(&mut self.block[from..]).map_err(|error| told(&self.path, &error))
    }
    fn seek(&mut self, to: u64) -> Result<(), String> {
        let here = self.file.stream_position().map_err(|error| told(&self.path, &error))?;
        let by = to as i64 - here as i64;
        self.file.seek_relative(by).map_err(|error| told(&self.path, &error))
    }
    /// The greatest sync mark of the whole blocks behind something that is none. They claim to begin after `lsn`.
    ///
    /// # Errors
    /// The system's, in words for the log.
    pub fn synced_behind(&mut self, lsn: u64) -> Result<u64, String> {
        self.seek(self.at)?;
        let mut rest = Vec::new();
        self.file.read_to_end(&mut rest).map_err(|error| told(&self.path, &error))?;
        let mut synced = 0;
        let mut at = 1;
        while at + 12 < rest.len() {
            // A block behind the damage begins later in the journal, but by no more than there are bytes between.
            let claimed = u64::from_le_bytes(rest[at + 4..at + 12].try_into().expect("eight bytes"));
            let step = (claimed > lsn && claimed - lsn <= at as u64)
                .then(|| read_block_head(&rest[at..rest.len().min(at + BLOCK_HEAD_BYTES_MAX)]))
                .flatten()
                .and_then(|head| {
                    Some((
                        head,
                        rest.get(at..at + head.head_bytes.checked_add(usize::try_from(head.len).ok()?)?)?,
                    ))
                })
                .filter(|(_, block)| is_whole(block));
            at += match step {
                Some((head, block)) => {
                    synced = synced.max(head.synced);
                    block.len()
                }
                None => 1,
            };
        }
        Ok(synced)
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("Can't read {}: {error}", path.display())
}

/// What was found in one shard's journal.
#[derive(Debug, Default)]
pub struct Found {
    /// Where it begins.
    pub start: u64,
    /// Where what is valid ends.
    pub end: u64,
    /// Frames that depend on others, from `forgotten_to` on.
    pub tied: VecDeque<Tied>,
    /// Those before this place are not kept: it is long ago.
    pub forgotten_to: u64,
    /// Marks: their units, and where they end.
    pub marks: Vec<(u64, u64)>,
    /// What was not written under `always`: stretches, from where to where.
    pub lax: Vec<(u64, u64)>,
    /// Bytes behind the valid ones, and in which file, from which offset on.
    pub tail: Option<(PathBuf, u64, u64)>,
    /// Records.
    pub records: u64,
    /// Under which start of the system it was last begun.
    pub boot: [u8; 16],
    /// What is wrong that no crash explains, in words for the log.
    pub damage: Option<String>,
}

/// Looks through the journal of one shard; `tick` is told of bytes that were read.
///
/// # Errors
/// It cannot be read or is damaged where it must not be: in words for the log.
pub fn scan(
    directory: &Directory,
    epoch: &Epoch,
    shard: usize,
    units: &mut Units,
    marks_kept: usize,
    tick: impl FnMut(u64),
) -> Result<Found, String> {
    let found = look_through(directory, epoch, shard, units, marks_kept, tick)?;
    found.damage.clone().map_or(Ok(found), Err)
}

/// How many marks back it is remembered what depends on what. They are a second apart, and the last that all shards have is hardly ever
/// so far back.
pub const MARKS_KEPT: usize = 8;

/// The same, but that damage is told beside what is valid before it.
///
/// # Errors
/// It cannot be read: in words for the log.
pub fn look_through(
    directory: &Directory,
    epoch: &Epoch,
    shard: usize,
    units: &mut Units,
    marks_kept: usize,
    mut tick: impl FnMut(u64),
) -> Result<Found, String> {
    let start = epoch.from.get(shard).copied().unwrap_or(0);
    let mut found = Found { start, end: start, forgotten_to: start, ..Found::default() };
    let mut synced = 0;
    let mut broken: Option<(PathBuf, u64)> = None;
    for (number, piece) in epoch.pieces.iter().enumerate() {
        let path = directory.file(&piece.files[shard]);
        let Some(mut reader) = open_piece(directory, &path, epoch, shard, piece.generation)? else {
            note_break(&mut broken, &mut found, &path, 0, 0);
            continue;
        };
        found.boot = reader.head.boot;
        if broken.is_some() {
            // Behind a break only what it says of syncs matters.
            while let Some(block) = reader.next(None)? {
                synced = synced.max(block.synced);
            }
            continue;
        }
        while let Some(block) = reader.next(Some(found.end))? {
            synced = synced.max(block.synced);
            tick(block.frames.len() as u64);
            let (offset, len) = (block.offset, block.frames.len() as u64);
            if take_frames(&block, &mut found, shard, units).is_none() {
                found.damage = Some(damage(&path, offset, "a whole block with frames that make no sense"));
                note_break(&mut broken, &mut found, &path, offset, len);
                return Ok(found);
            }
            forget_old(&mut found, units, marks_kept);
        }
        let next = next_lsn(directory, epoch, number + 1, shard)?;
        if next == Some(found.end) {
            // What may stand at the end of this piece is left of a write that failed and was tried again.
            continue;
        }
        let (offset, len) = (reader.offset(), reader.bytes_left()?);
        if len > 0 {
            synced = synced.max(reader.synced_behind(found.end)?);
        }
        if len > 0 || next.is_some() {
            note_break(&mut broken, &mut found, &path, offset, len);
        }
    }
    if let Some((path, offset)) = broken.filter(|_| synced > found.end) {
        found.damage =
            Some(damage(&path, offset, "bytes that were safely on the disk are not as they were written"));
    }
    Ok(found)
}

/// Where the first block stands of the pieces from this one on.
fn next_lsn(directory: &Directory, epoch: &Epoch, from: usize, shard: usize) -> Result<Option<u64>, String> {
    for piece in &epoch.pieces[from..] {
        let path = directory.file(&piece.files[shard]);
        if let Some(mut reader) = open_piece(directory, &path, epoch, shard, piece.generation)?
            && let Some(block) = reader.next(None)?
        {
            return Ok(Some(block.lsn));
        }
    }
    Ok(None)
}

fn open_piece(
    directory: &Directory,
    path: &Path,
    epoch: &Epoch,
    shard: usize,
    generation: u64,
) -> Result<Option<BlockReader>, String> {
    let reader = BlockReader::open(&*directory.store, path)?;
    if let Some(reader) = &reader {
        let head = &reader.head;
        let is_it =
            (usize::from(head.shard), head.shards, head.generation) == (shard, epoch.shards, generation);
        if !is_it {
            return Err(format!(
                "{} is another piece than the manifest says: it is shard {} of {}, generation {}.",
                path.display(),
                head.shard,
                head.shards,
                head.generation
            ));
        }
    }
    Ok(reader)
}

fn note_break(broken: &mut Option<(PathBuf, u64)>, found: &mut Found, path: &Path, offset: u64, len: u64) {
    if broken.is_none() {
        *broken = Some((path.to_owned(), offset));
        if len > 0 {
            found.tail = Some((path.to_owned(), offset, len));
        }
    }
}

fn damage(path: &Path, offset: u64, what: &str) -> String {
    // It is all the files together that tell what can be kept.
    let manifest = path.with_file_name(FILE_NAME);
    format!(
        "{} is damaged at offset {offset}: {what}. `braid check {}` says more, and with --fix keeps what stands before it.",
        path.display(),
        manifest.display()
    )
}

/// Forgets what depends on what before the mark that is so many marks back.
fn forget_old(found: &mut Found, units: &mut Units, marks_kept: usize) {
    let Some(old) = found.marks.len().checked_sub(marks_kept).filter(|_| marks_kept > 0) else { return };
    found.forgotten_to = found.marks.get(old).map_or(found.forgotten_to, |mark| mark.1);
    while found.tied.front().is_some_and(|frame| frame.end <= found.forgotten_to) {
        let unit = found.tied.pop_front().and_then(|frame| frame.unit);
        unit.map(|unit| units.remove(&unit));
    }
}

/// Whether too much was forgotten to settle up to where journals count.
#[must_use]
pub fn is_too_much_forgotten(found: &[Found]) -> bool {
    let ends: Vec<u64> = found.iter().map(|found| found.end).collect();
    let mark = last_mark(found, &ends).unwrap_or_else(|| found.iter().map(|found| found.start).collect());
    found.iter().zip(&mark).any(|(found, mark)| found.forgotten_to > *mark)
}

/// Takes the frames of a block; nothing if they are none.
fn take_frames(block: &Block<'_>, found: &mut Found, shard: usize, units: &mut Units) -> Option<()> {
    let mut rest = block.frames;
    let mut start = block.lsn;
    while !rest.is_empty() {
        let frame = Frame::take(&mut rest)?;
        let end = start + frame.len as u64;
        found.records += frame.checked_records()? as u64;
        if let Some((unit, participants)) = &frame.unit {
            note_part(units, (*unit, participants), shard, frame.extent, end);
            if frame.is_mark {
                found.marks.push((*unit, end));
            }
        }
        if frame.unit.is_some() || !frame.after.is_empty() {
            let unit = frame.unit.map(|(unit, _)| unit);
            found.tied.push_back(Tied { start, end, unit, after: frame.after });
        }
        start = end;
    }
    if block.policy != Policy::Always {
        match found.lax.last_mut().filter(|last| last.1 == block.lsn) {
            Some(last) => last.1 = start,
            None => found.lax.push((block.lsn, start)),
        }
    }
    found.end = start;
    Some(())
}

/// Up to where the journals of an epoch count, from what was found in them. `is_same_boot`: the system was not started anew since.
#[must_use]
pub fn settle(found: &[Found], units: &Units, is_same_boot: bool) -> Vec<u64> {
    let ends: Vec<u64> = found.iter().map(|found| found.end).collect();
    // What stands before a mark that is whole is whole: only what stands behind it needs a look.
    let mark = last_mark(found, &ends).unwrap_or_else(|| found.iter().map(|found| found.start).collect());
    let behind = |(found, mark): (&Found, &u64)| {
        let before = found.tied.partition_point(|frame| frame.end <= *mark);
        found.tied.range(before..).cloned().collect()
    };
    let tied: Vec<_> = found.iter().zip(&mark).map(behind).collect();
    let whole = cut(&ends, &tied, units);
    if is_same_boot {
        return whole;
    }
    // Between it and there nothing but what was on the disk before it was acknowledged?
    let is_strict = found.iter().zip(mark.iter().zip(&whole)).all(|(found, (mark, whole))| {
        found.lax.iter().rev().take_while(|lax| lax.1 > *mark).all(|lax| lax.0.max(*mark) >= *whole)
    });
    if is_strict { whole } else { mark.to_vec() }
}

/// Where the last mark ends that all of them have.
fn last_mark(found: &[Found], ends: &[u64]) -> Option<SmallVec<[u64; 8]>> {
    let of_all = |unit: u64| -> Option<SmallVec<[u64; 8]>> {
        let marks =
            found.iter().map(|found| found.marks.iter().rev().find(|mark| mark.0 == unit).map(|mark| mark.1));
        marks.zip(ends).map(|(mark, end)| mark.filter(|mark| mark <= end)).collect()
    };
    found[0].marks.iter().rev().find_map(|mark| of_all(mark.0))
}
