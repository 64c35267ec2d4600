//! The beginning of an epoch: new files for every shard, named by a manifest, on the disk before anything is written to them.
use super::files::JournalFile;
use super::format::FileHead;
use super::manifest::{Directory, Epoch, Manifest, Piece};
use std::io;
use std::sync::Arc;

/// The start of the system under which this process runs: as long as it is the same, what was written is there.
///
/// Zeros where the system does not tell; then nobody relies on it.
#[must_use]
pub fn boot_id() -> [u8; 16] {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or("0");
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    id
}

/// Whether what was written under that start of the system is there, synced or not.
#[must_use]
pub fn is_same_boot(boot: [u8; 16]) -> bool {
    boot != [0; 16] && boot == boot_id()
}

/// Makes the files of another piece for so many shards. The manifest is not changed.
///
/// # Errors
/// The system's.
pub fn make_piece(
    directory: &Directory,
    generation: u64,
    lsns: &[u64],
) -> io::Result<(Piece, Vec<Arc<JournalFile>>)> {
    let boot = boot_id();
    let mut piece = Piece { generation, files: Vec::new() };
    let mut files = Vec::new();
    for (shard, lsn) in lsns.iter().enumerate() {
        let name = directory.increment_name(generation, shard);
        let head = FileHead { shard: shard as u16, shards: lsns.len() as u16, generation, lsn: *lsn, boot };
        files.push(Arc::new(JournalFile::create(&directory.file(&name), &head)?));
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
