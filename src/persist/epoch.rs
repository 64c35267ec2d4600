//! The beginning of an epoch: new files for every shard, named by a manifest, on the disk before anything is written to them.
use super::files::JournalFile;
use super::format::FileHead;
use super::journal::Journal;
use super::manifest::{Directory, Epoch, Manifest, Piece};
use std::io;
use std::sync::Arc;

/// Makes the files of another piece for so many shards. The manifest is not changed.
///
/// # Errors
/// The system's.
pub fn make_piece(
    directory: &Directory,
    generation: u64,
    lsns: &[u64],
) -> io::Result<(Piece, Vec<Arc<JournalFile>>)> {
    let boot = directory.store.boot();
    let mut piece = Piece { generation, files: Vec::new() };
    let mut files = Vec::new();
    for (shard, lsn) in lsns.iter().enumerate() {
        let name = directory.increment_name(generation, shard);
        let head = FileHead { shard: shard as u16, shards: lsns.len() as u16, generation, lsn: *lsn, boot };
        files.push(Arc::new(JournalFile::create(&*directory.store, &directory.file(&name), &head)?));
        piece.files.push(name);
    }
    directory.sync()?;
    Ok((piece, files))
}

/// Begins an epoch of so many shards: its first piece stands in the manifest when this returns.
///
/// # Errors
/// The system's; then the manifest on the disk is as it was.
pub fn begin(
    directory: &Directory,
    manifest: &mut Manifest,
    shards: usize,
) -> io::Result<Vec<Arc<JournalFile>>> {
    let (piece, files) = make_piece(directory, manifest.next_generation(), &vec![0; shards])?;
    // Epochs of which nothing counts are not worth a line.
    manifest.epochs.retain(|epoch| epoch.until.as_ref() != Some(&epoch.from));
    manifest.epochs.push(Epoch {
        shards: shards as u16,
        from: vec![0; shards],
        until: None,
        pieces: vec![piece],
    });
    directory.write_manifest(manifest)?;
    directory.remove_others(manifest);
    Ok(files)
}

/// Settles up to where the last epoch counts, and sees that what is kept of it is on the disk. The manifest on the disk is as it
/// was.
///
/// # Errors
/// The system's, in words for the log.
pub fn settle(directory: &Directory, manifest: &mut Manifest, until: Vec<u64>) -> Result<(), String> {
    let Some(last) = manifest.epochs.last_mut() else { return Ok(()) };
    last.until = Some(until);
    for name in last.pieces.iter().flat_map(|piece| &piece.files) {
        let path = directory.file(name);
        let synced = directory.store.open(&path).and_then(|file| file.sync());
        synced.map_err(|error| format!("Can't sync {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Ends the last epoch where its journals are written to their end: the manifest says then, on the disk, up to where they count.
///
/// # Errors
/// The system's, in words for the log; then the next start finds out for itself.
pub fn end(directory: &Directory, manifest: &mut Manifest, journal: &Journal) -> Result<(), String> {
    let pieces = manifest.epochs.last().map_or(&[][..], |epoch| &epoch.pieces);
    if pieces.iter().all(|piece| Some(piece.generation) != journal.generation()) {
        // Journals that were to begin with bases, which are not there: no manifest names them.
        return Ok(());
    }
    journal.finish();
    settle(directory, manifest, journal.committed())?;
    directory.write_manifest(manifest).map_err(|error| format!("Can't write the manifest: {error}"))
}
