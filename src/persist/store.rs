//! What journals ask of a disk: the file system, or in tests one that loses its power.
use crate::chaos::disk;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A disk with names and files.
pub trait Store: Debug + Send + Sync {
    /// Makes a file, empty, in place of one that is there.
    ///
    /// # Errors
    /// The system's, here and below.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Stored>>;
    /// Opens a file to read it.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Stored>>;
    /// Gives a file another name, which may be another's so far.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory.
    ///
    /// # Errors
    /// The system's.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Makes a directory, if it is not there.
    ///
    /// # Errors
    /// The system's.
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    /// Sees that the names in a directory are on the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// The start of the system under which this process runs: as long as it is the same, what was written is there.
    ///
    /// Zeros where the system does not tell; then nobody relies on it.
    fn boot(&self) -> [u8; 16];
}

/// A file on it.
pub trait Stored: Debug + Send + Sync {
    /// Reads bytes from there on, as many as come at once; none at the end.
    ///
    /// # Errors
    /// The system's, here and below.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes bytes from there on.
    ///
    /// # Errors
    /// The system's; some of them may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Has it end there.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Bytes of it.
    ///
    /// # Errors
    /// The system's.
    fn len(&self) -> io::Result<u64>;
    /// Whether there are none.
    ///
    /// # Errors
    /// The system's.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Sees that all that was written is on the disk.
    ///
    /// # Errors
    /// The system's: then some of it may be lost.
    fn sync(&self) -> io::Result<()>;
    /// Its descriptor, for who has the system write to it.
    fn fd(&self) -> Option<RawFd>;
}

/// The file system.
#[derive(Debug)]
pub struct FileSystem;

impl Store for FileSystem {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Stored>> {
        let mut naming = disk::naming();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        naming.made(path);
        Ok(Box::new(file))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Stored>> {
        Ok(Box::new(File::open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _naming = disk::naming();
        std::fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let _naming = disk::naming();
        std::fs::remove_file(path)
    }
    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(directory)?.flatten().map(|entry| entry.file_name().into_string());
        Ok(names.flatten().collect())
    }
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        let _naming = disk::naming();
        std::fs::create_dir_all(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let syncing = disk::syncing_names(path);
        File::open(path)?.sync_all()?;
        syncing.succeeded();
        Ok(())
    }
    fn boot(&self) -> [u8; 16] {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or("0");
            *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
        }
        disk::boot(id)
    }
}

impl Stored for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let _writing = disk::writing(self.as_raw_fd(), offset, bytes.len());
        FileExt::write_all_at(self, bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        let _writing = disk::writing(self.as_raw_fd(), len, 0);
        File::set_len(self, len)
    }
    fn len(&self) -> io::Result<u64> {
        self.metadata().map(|facts| facts.len())
    }
    fn sync(&self) -> io::Result<()> {
        let syncing = disk::syncing(self.as_raw_fd());
        self.sync_data()?;
        syncing.succeeded();
        Ok(())
    }
    fn fd(&self) -> Option<RawFd> {
        Some(self.as_raw_fd())
    }
}

/// Reads a file from the front.
#[derive(Debug)]
pub struct Reading {
    /// The file.
    pub file: Box<dyn Stored>,
    at: u64,
}

impl Reading {
    /// From its beginning.
    #[must_use]
    pub fn new(file: Box<dyn Stored>) -> Reading {
        Reading { file, at: 0 }
    }
}

impl io::Read for Reading {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(bytes, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}

impl io::Seek for Reading {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
            io::SeekFrom::End(by) => self.file.len()?.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
