//! Large files written or read from one end to the other: past the page cache where the system lets us, plainly else.
//!
//! A [`Disk`] belongs to the thread that uses it, and so do its files: not one of the shards' threads, for its calls wait.
mod direct;

use crate::chaos::disk;
use direct::Direct;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Bytes that are handed to the system together.
pub const PIECE_BYTES: usize = 256 * 1024;

/// A thread's way to bulk files.
#[derive(Debug)]
pub struct Disk(Option<Direct>);

impl Disk {
    /// By direct I/O, or plainly where io_uring is refused, or not wanted; then why that is.
    #[must_use]
    pub fn new(wants_direct: bool) -> (Disk, Option<String>) {
        if !wants_direct {
            return (Disk(None), None);
        }
        match Direct::new() {
            Ok(direct) => (Disk(Some(direct)), None),
            Err(why) => (Disk(None), Some(why)),
        }
    }

    /// A file to be written, empty at first whatever it held.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&self, path: &Path) -> io::Result<Writer> {
        let mut naming = disk::naming();
        // A file system may know no direct I/O: it is tried for every file.
        let file = match self.0.as_ref().and_then(|direct| direct.create(path).ok()) {
            Some(writer) => Sink::Direct(writer),
            None => Sink::Plain(BufWriter::with_capacity(PIECE_BYTES, File::create(path)?)),
        };
        naming.made_untold(path);
        Ok(Writer { file, path: path.to_owned(), len: 0 })
    }

    /// A file to be read from its beginning.
    ///
    /// # Errors
    /// The system's.
    pub fn open(&self, path: &Path) -> io::Result<Reader> {
        if let Some((reader, len)) = self.0.as_ref().and_then(|direct| direct.open(path).ok()) {
            return Ok(Reader { file: Source::Direct(reader), len });
        }
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        Ok(Reader { file: Source::Plain(file), len })
    }
}

/// A file that is written from its beginning to its end.
#[derive(Debug)]
pub struct Writer {
    file: Sink,
    path: PathBuf,
    len: u64,
}

#[derive(Debug)]
enum Sink {
    Plain(BufWriter<File>),
    Direct(direct::Writer),
}

impl Writer {
    /// Appends bytes. They may reach the file later, and what fails then is told by a later call, [`Writer::finish`] at last.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        match &mut self.file {
            Sink::Plain(file) => file.write_all(bytes),
            Sink::Direct(file) => file.write(bytes),
        }
    }

    /// Bytes appended so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the file: all of it is on the disk when this returns.
    ///
    /// # Errors
    /// The system's: then nothing is known of the file.
    pub fn finish(self) -> io::Result<()> {
        let file = match self.file {
            Sink::Plain(file) => file.into_inner().map_err(io::IntoInnerError::into_error)?,
            Sink::Direct(file) => {
                file.finish()?;
                File::open(self.path)?
            }
        };
        let syncing = disk::syncing(file.as_raw_fd());
        file.sync_all()?;
        syncing.succeeded();
        Ok(())
    }
}

/// A file that is read from its beginning to its end.
#[derive(Debug)]
pub struct Reader {
    file: Source,
    len: u64,
}

#[derive(Debug)]
enum Source {
    Plain(File),
    Direct(direct::Reader),
}

impl Reader {
    /// Bytes of the file when it was opened.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it was empty then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends up to `max` bytes to `into`; how many, 0 only at the end of the file.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let start = into.len();
        into.resize(start + max, 0);
        let read = match &mut self.file {
            Source::Plain(file) => read_plainly(file, &mut into[start..]),
            Source::Direct(file) => file.read(&mut into[start..]),
        };
        into.truncate(start + read.as_ref().copied().unwrap_or(0));
        read
    }
}

fn read_plainly(file: &mut File, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a file in pieces of odd sizes and reads it again.
    fn round_trip(disk: &Disk, name: &str) {
        let path = std::env::temp_dir().join(format!("braid-bulk-{}-{name}", std::process::id()));
        let bytes: Vec<u8> =
            (0..3_000_001u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let mut writer = disk.create(&path).unwrap();
        bytes.chunks(77_777).for_each(|piece| writer.write(piece).unwrap());
        assert_eq!(writer.len(), bytes.len() as u64);
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let mut reader = disk.open(&path).unwrap();
        assert_eq!(reader.len(), bytes.len() as u64);
        let mut read = Vec::new();
        while reader.read(&mut read, 100_003).unwrap() > 0 {}
        assert_eq!(read, bytes);
        // What was there is gone when it is written anew, its length too.
        let mut writer = disk.create(&path).unwrap();
        writer.write(b"short").unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
        // What is given up in the middle goes without ado.
        let mut writer = disk.create(&path).unwrap();
        bytes.chunks(77_777).for_each(|piece| writer.write(piece).unwrap());
        drop(writer);
        std::fs::write(&path, &bytes).unwrap();
        let mut reader = disk.open(&path).unwrap();
        assert!(reader.read(&mut Vec::new(), 1000).unwrap() > 0);
        drop(reader);
        std::fs::remove_file(&path).unwrap();
        assert!(disk.open(&path).is_err());
    }

    #[test]
    fn what_is_written_plainly_is_read() {
        round_trip(&Disk::new(false).0, "plain");
    }

    #[test]
    fn what_is_written_directly_is_read() {
        // Where io_uring is refused this is the plain way again.
        round_trip(&Disk::new(true).0, "direct");
    }

    #[test]
    fn a_directory_that_is_gone_is_told() {
        for wants_direct in [false, true] {
            let (disk, _) = Disk::new(wants_direct);
            assert!(disk.create(Path::new("/nonexistent/dump.rdb")).is_err());
        }
    }
}
