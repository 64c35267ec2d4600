//! Checking journals: all that a manifest names, or one piece by itself.
use super::{Bar, Checker};
use crate::persist::commit::Units;
use crate::persist::manifest::{self, Directory, Epoch, Manifest};
use crate::persist::scan::{BlockReader, Found, look_through, settle};
use crate::persist::store::FileSystem;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// The name of the manifest of journals.
pub(super) const MANIFEST: &str = manifest::FILE_NAME;

impl<W: Write, R: BufRead> Checker<'_, W, R> {
    /// Journals and their bases, as their manifest names them.
    pub(super) fn journals(&mut self, path: &Path) -> io::Result<bool> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let named = match text.and_then(|text| Manifest::from_text(&text)) {
            Ok(named) => named,
            Err(what) => {
                writeln!(self.out, "{shown}: {what}")?;
                return Ok(false);
            }
        };
        let (bases, epochs) = (named.bases.len(), named.epochs.len());
        writeln!(
            self.out,
            "{shown}: names {bases} base file(s) and the journals of {epochs} run(s) of the server"
        )?;
        let mut all_fine = true;
        for name in &named.bases {
            all_fine &= self.file(&path.with_file_name(name), false)?;
        }
        let directory = Directory::new(path.parent().map(Path::to_owned).unwrap_or_default(), "");
        for (at, epoch) in named.epochs.iter().enumerate() {
            let is_last = at + 1 == named.epochs.len();
            all_fine &= self.epoch(path, &directory, epoch, is_last.then_some(&named))?;
        }
        Ok(all_fine)
    }

    /// The journals that one run of a server wrote. Those of the last run may be cut back to what is valid.
    fn epoch(
        &mut self,
        path: &Path,
        directory: &Directory,
        epoch: &Epoch,
        last_of: Option<&Manifest>,
    ) -> io::Result<bool> {
        let mut units = Units::new();
        let mut all = Vec::new();
        let mut is_fine = true;
        for shard in 0..usize::from(epoch.shards) {
            let mut bar = Bar::new();
            let total = bytes_of(directory, epoch, shard);
            let mut done = 0;
            let tick = |bytes| {
                done += bytes;
                bar.show("Checking", done, total);
            };
            let found = look_through(directory, epoch, shard, &mut units, usize::MAX, tick);
            bar.end();
            match found {
                Ok(found) => {
                    is_fine &= self.tell(shard, &found, epoch)?;
                    all.push(found);
                }
                Err(what) => {
                    writeln!(self.out, "{what}")?;
                    return Ok(false);
                }
            }
        }
        if is_fine {
            return Ok(true);
        }
        let Some(manifest) = last_of.filter(|_| epoch.until.is_none()) else { return Ok(false) };
        if !self.asked.fixes {
            writeln!(self.out, "{}: use --fix to keep what is whole before the damage", path.display())?;
            return Ok(false);
        }
        self.keep_valid(path, directory, manifest, settle(&all, &units, true))
    }

    /// Tells of a shard's journal; whether nothing is wrong with it.
    fn tell(&mut self, shard: usize, found: &Found, epoch: &Epoch) -> io::Result<bool> {
        let (records, bytes) = (found.records, found.end - found.start);
        writeln!(
            self.out,
            "shard {shard} of {}: {records} records in {bytes} bytes of frames",
            epoch.shards
        )?;
        if let Some((path, offset, len)) = &found.tail {
            let shown = path.display();
            writeln!(
                self.out,
                "{shown}: whole up to offset {offset} (0x{offset:x}); {len} bytes behind it are not"
            )?;
        }
        let until = epoch.until.as_ref().and_then(|until| until.get(shard));
        if let Some(until) = until.filter(|until| **until > found.end) {
            writeln!(self.out, "shard {shard}: {} bytes that count are missing", until - found.end)?;
            return Ok(false);
        }
        match &found.damage {
            Some(damage) if until.is_none_or(|until| *until > found.end) => {
                writeln!(self.out, "{damage}")?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }

    /// Has the manifest say that the journals count up to there and no further.
    fn keep_valid(
        &mut self,
        path: &Path,
        directory: &Directory,
        manifest: &Manifest,
        until: Vec<u64>,
    ) -> io::Result<bool> {
        let shown = path.display();
        writeln!(
            self.out,
            "What stands in the journals behind the damage, and what depends on it, will not be read any more."
        )?;
        if !self.is_wanted()? {
            writeln!(self.out, "{shown}: left as it is")?;
            return Ok(false);
        }
        let mut mended = manifest.clone();
        mended.epochs.iter_mut().next_back().into_iter().for_each(|last| last.until = Some(until.clone()));
        match directory.write_manifest(&mended) {
            Ok(()) => writeln!(self.out, "{shown}: says now up to where the journals count, and OK")?,
            Err(error) => writeln!(self.out, "{shown}: can't be written: {error}")?,
        }
        Ok(directory.read_manifest().is_ok_and(|read| read == Some(mended)))
    }

    /// One piece of one shard's journal, by itself.
    pub(super) fn piece(&mut self, path: &Path) -> io::Result<bool> {
        let shown = path.display();
        let mut reader = match BlockReader::open(&FileSystem, path) {
            Ok(Some(reader)) => reader,
            Ok(None) => {
                writeln!(self.out, "{shown}: empty: nothing was written after it was made")?;
                return Ok(true);
            }
            Err(what) => {
                writeln!(self.out, "{what}")?;
                return Ok(false);
            }
        };
        let head = reader.head;
        let (mut blocks, mut lsn) = (0, None);
        let outcome = loop {
            match reader.next(lsn) {
                Ok(Some(block)) => {
                    blocks += 1;
                    lsn = Some(block.lsn + block.frames.len() as u64);
                }
                Ok(None) => break Ok(()),
                Err(what) => break Err(what),
            }
        };
        let at = reader.offset();
        let outcome = outcome.and_then(|()| reader.bytes_left());
        writeln!(
            self.out,
            "{shown}: shard {} of {}, piece {}: {blocks} whole blocks",
            head.shard, head.shards, head.generation
        )?;
        match outcome {
            Ok(0) => {
                writeln!(self.out, "{shown}: OK")?;
                Ok(true)
            }
            Ok(left) => {
                let len = at + left;
                writeln!(
                    self.out,
                    "{shown}: whole up to offset {at} (0x{at:x}) of {len}. Check the {MANIFEST} beside it, which tells whether that is damage or \
                     what a crash leaves"
                )?;
                Ok(false)
            }
            Err(what) => {
                writeln!(self.out, "{what}")?;
                Ok(false)
            }
        }
    }
}

fn bytes_of(directory: &Directory, epoch: &Epoch, shard: usize) -> u64 {
    let files = epoch.pieces.iter().filter_map(|piece| piece.files.get(shard));
    files.filter_map(|name| std::fs::metadata(directory.file(name)).ok()).map(|file| file.len()).sum()
}
