//! Carrying out what journals say: the strands of an epoch are read side by side, and where they cross, at units, wait for each
//! other.
//!
//! Between two units the journals of different shards concern different keys, so it does not matter which is read first. The
//! records of a unit stand in one of its parts; they are handed over when all its participants have got there, and nothing that stands behind
//! a part before that. So what is handed over is an order in which one thread could have done it all, however many shards there are now.
use super::format::Frame;
use super::manifest::{Directory, Epoch};
use super::scan::BlockReader;
use shards::effects::Record;
use shards::tail::Extent;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

/// Frames of one shard that are read on before another's turn comes: enough to find what is read in the cache, and no more.
const TURN_FRAMES: usize = 4096;

/// One shard's journal while it is read.
#[derive(Debug)]
struct Strand {
    /// Those that are yet to be read.
    files: VecDeque<PathBuf>,
    reader: Option<BlockReader>,
    /// The frames of a block, and how many bytes of them are done.
    frames: Vec<u8>,
    done: usize,
    lsn: u64,
    until: u64,
    /// It waits for this unit.
    waits_for: Option<u64>,
}

/// A unit that some have reached.
#[derive(Debug, Default)]
struct Meeting {
    missing: usize,
    records: Vec<u8>,
}

/// Hands over the records of an epoch, which is settled, in an order in which they may be carried out.
///
/// # Errors
/// A file cannot be read or holds less than what counts; or `carry_out`'s, which is told where the record stands.
pub fn replay<E: From<String>>(
    directory: &Directory,
    epoch: &Epoch,
    mut carry_out: impl FnMut(Record<'_>) -> Result<(), E>,
    mut tick: impl FnMut(u64),
) -> Result<(), E> {
    let until = epoch.until.clone().unwrap_or_default();
    let mut strands: Vec<Strand> = (0..usize::from(epoch.shards))
        .map(|shard| {
            let files = epoch.pieces.iter().map(|piece| directory.file(&piece.files[shard]));
            Strand {
                files: files.collect(),
                reader: None,
                frames: Vec::new(),
                done: 0,
                lsn: epoch.from.get(shard).copied().unwrap_or(0),
                until: until.get(shard).copied().unwrap_or(0),
                waits_for: None,
            }
        })
        .collect();
    let mut meetings: HashMap<u64, Meeting> = HashMap::new();
    loop {
        let mut moved = false;
        for at in 0..strands.len() {
            for _ in 0..TURN_FRAMES {
                if strands[at].waits_for.is_some() || !strands[at].fetch(directory, &mut tick)? {
                    break;
                }
                moved = true;
                let strand = &mut strands[at];
                let mut rest = &strand.frames[strand.done..];
                let frame = Frame::take(&mut rest)
                    .ok_or_else(|| "a frame that was whole is not any more".to_owned())?;
                strand.done += frame.len;
                strand.lsn += frame.len as u64;
                match frame.unit.filter(|_| frame.extent == Extent::Whole) {
                    // What a part of several frames holds concerns its shard alone.
                    None => hand_over(frame.records, &mut carry_out)?,
                    Some((unit, participants)) => {
                        let meeting = meetings
                            .entry(unit)
                            .or_insert_with(|| Meeting { missing: participants.len(), records: Vec::new() });
                        meeting.missing -= 1;
                        meeting.records.extend_from_slice(frame.records);
                        strand.waits_for = Some(unit);
                        if meeting.missing == 0 {
                            let meeting = meetings.remove(&unit).unwrap_or_default();
                            hand_over(&meeting.records, &mut carry_out)?;
                            strands.iter_mut().for_each(|strand| {
                                strand.waits_for.take_if(|awaited| *awaited == unit);
                            });
                        }
                    }
                }
            }
        }
        if !moved {
            break;
        }
    }
    if strands.iter().any(|strand| strand.lsn < strand.until) {
        return Err("Journals that count do not fit together: a unit has not all its parts."
            .to_owned()
            .into());
    }
    Ok(())
}

fn hand_over<E>(records: &[u8], carry_out: &mut impl FnMut(Record<'_>) -> Result<(), E>) -> Result<(), E> {
    Record::all(records).try_for_each(carry_out)
}

impl Strand {
    /// Sees that there is a frame that counts; whether there is.
    fn fetch(&mut self, directory: &Directory, tick: &mut impl FnMut(u64)) -> Result<bool, String> {
        if self.lsn >= self.until {
            return Ok(false);
        }
        while self.done >= self.frames.len() {
            let Some(reader) = &mut self.reader else {
                let Some(path) = self.files.pop_front() else {
                    return Err("A journal is shorter than what counts of it.".to_owned());
                };
                self.reader = BlockReader::open(&*directory.store, &path)?;
                continue;
            };
            match reader.next(Some(self.lsn))? {
                Some(block) => {
                    self.frames.clear();
                    self.frames.extend_from_slice(block.frames);
                    self.done = 0;
                    tick(block.frames.len() as u64);
                }
                None => self.reader = None,
            }
        }
        Ok(true)
    }
}
