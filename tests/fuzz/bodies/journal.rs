//! Journals of our own whose frames say anything, checksums being right: they are cut off or refused, and what is left is replayed.
use braid::persist::format::{BLOCK_HEAD_BYTES_MAX, FileHead, Policy, seal};
use braid::persist::manifest::{Directory, Epoch, Manifest, Piece};
use braid::persist::replay::replay;
use braid::persist::restore::{Tails, where_it_ends};
use braid::persist::store::{Store, Stored};
use shards::effects::{Class, Effects, Listen};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SHARDS: usize = 2;

/// A byte says what follows: frames for one shard or the other in a block that is whole (0, 1), bytes as they are (2, 3), or a manifest (else).
/// Then comes the length in two bytes, and so on.
pub fn run(bytes: &[u8]) {
    let mut files: [Vec<u8>; SHARDS] = std::array::from_fn(|shard| {
        let head =
            FileHead { shard: shard as u16, shards: SHARDS as u16, generation: 1, lsn: 0, boot: [7; 16] };
        head.to_bytes()
    });
    let (mut lsns, mut rest) = ([0; SHARDS], bytes);
    while let [what, low, high, tail @ ..] = rest {
        let len = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (piece, tail) = tail.split_at(len);
        rest = tail;
        let shard = usize::from(*what) % SHARDS;
        match what {
            0 | 1 => {
                let policy = Policy::from_code((len % 3) as u8).expect("there are three");
                let mut block = [&[0; BLOCK_HEAD_BYTES_MAX][..], piece].concat();
                let begin = seal(&mut block, lsns[shard], lsns[shard] / 2, policy);
                files[shard].extend_from_slice(&block[begin..]);
                lsns[shard] += len as u64;
            }
            2 | 3 => files[shard].extend_from_slice(piece),
            _ => read_manifest(piece),
        }
    }
    restore(files);
}

fn restore(files: [Vec<u8>; SHARDS]) {
    let names: Vec<String> = (0..SHARDS).map(|shard| format!("a.1.{shard}.incr.braid")).collect();
    let disk = Disk(names.iter().map(PathBuf::from).zip(files).collect());
    let directory = Directory::on(Arc::new(disk), PathBuf::new(), "a");
    let mut epoch = Epoch {
        shards: SHARDS as u16,
        from: vec![0; SHARDS],
        until: None,
        pieces: vec![Piece { generation: 1, files: names }],
    };
    for tails in [Tails::Refuse, Tails::Cut] {
        let Ok(until) = where_it_ends(&directory, &epoch, tails, |_| {}) else { continue };
        epoch.until = Some(until);
        let mut records = 0;
        let carry_out = |_: shards::effects::Record<'_>| {
            records += 1;
            Ok::<(), String>(())
        };
        let outcome = replay(&directory, &epoch, carry_out, |_| {});
        // Journals that do not fit together no crash explains: a server says so and does not start.
        assert!(outcome.is_ok() || records == 0 || outcome.is_err_and(|what| !what.is_empty()));
        epoch.until = None;
    }
}

fn read_manifest(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    if let Ok(manifest) = Manifest::from_text(&text) {
        let again = manifest.to_text();
        assert_eq!(Manifest::from_text(&again).as_ref(), Ok(&manifest), "{again}");
    }
}

/// Frames of one command, of a unit over both shards, of a command behind another's, of a mark; a manifest.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut effects = Effects::new(Listen { records: true, events: Class::NONE });
    effects.record(0, &[b"SET", b"k", b"v"]);
    let records = effects.record_bytes().to_vec();
    let frame = |head: &[u8]| [head, &[records.len() as u8], &records].concat();
    let part = |what: u8, bytes: &[u8]| [&[what, bytes.len() as u8, 0], bytes].concat();
    let (plain, unit) = (frame(&[0]), frame(&[1, 9, 2, 0, 1]));
    let (behind, mark) = (frame(&[2, 1, 0, 4]), frame(&[5, 9, 2, 0, 1]));
    let manifest = Manifest {
        bases: vec!["a.1.0.base.rdb".to_owned()],
        epochs: vec![Epoch {
            shards: 2,
            from: vec![0, 0],
            until: Some(vec![5, 9]),
            pieces: vec![Piece { generation: 1, files: vec!["a".to_owned(), "b".to_owned()] }],
        }],
    };
    vec![
        [part(0, &plain), part(1, &plain), part(0, &plain)].concat(),
        [part(0, &unit), part(1, &unit), part(1, &plain)].concat(),
        [part(0, &plain), part(1, &behind)].concat(),
        [part(0, &mark), part(1, &mark), part(0, &plain), part(2, b"torn")].concat(),
        [part(0, &[&plain[..], &unit].concat()), part(1, &unit), part(1, &unit)].concat(),
        part(9, manifest.to_text().as_bytes()),
    ]
}

/// A disk that is only read.
#[derive(Debug)]
struct Disk(BTreeMap<PathBuf, Vec<u8>>);

#[derive(Debug)]
struct Bytes(Vec<u8>);

fn read_only() -> io::Error {
    io::ErrorKind::ReadOnlyFilesystem.into()
}

impl Store for Disk {
    fn create(&self, _: &Path) -> io::Result<Box<dyn Stored>> {
        Err(read_only())
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Stored>> {
        let bytes = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Bytes(bytes.clone())))
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(read_only())
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(read_only())
    }
    fn names(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.0.keys().map(|path| path.to_string_lossy().into_owned()).collect())
    }
    fn make_directory(&self, _: &Path) -> io::Result<()> {
        Err(read_only())
    }
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn boot(&self) -> [u8; 16] {
        [7; 16]
    }
}

impl Stored for Bytes {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(read_only())
    }
    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(read_only())
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn fd(&self) -> Option<RawFd> {
        None
    }
}
