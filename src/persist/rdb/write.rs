//! An RDB file, written from its header to its checksum.
use super::read::HEADER_BYTES;
use crate::config::version::REDIS_VERSION;
use crate::persist::bulk::Writer;
use shards::rdb::VERSION_VALKEY;
use shards::rdb::crc64::Running;
use shards::rdb::item::{self, opcode};
use shards::rdb::writer::{self, Out, number};
use shards::snapshot::{Chunk, Part};
use std::io;

/// What stands at the beginning of a file.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// The version of the format.
    pub version: u16,
    /// When it is written, in seconds since 1970.
    pub ctime_seconds: i64,
    /// Memory that the dataset takes, in bytes.
    pub used_bytes: u64,
    /// It is the base of append-only files.
    pub is_aof_base: bool,
    /// The code of the libraries of functions.
    pub functions: Vec<Vec<u8>>,
    /// For each database that has keys: its number, its keys, and those of them that expire.
    pub databases: Vec<(u16, u64, u64)>,
}

/// Bytes are handed on together when there are so many.
const BUFFER_BYTES: usize = 256 * 1024;

/// A file being written. What is put into it goes to the disk as it comes, however large a value is.
#[derive(Debug)]
pub struct RdbFile {
    writer: Writer,
    sum: Option<Running>,
    buffer: Vec<u8>,
    compresses: bool,
    /// The disk failed: nothing is written from then on.
    failure: Option<io::Error>,
}

impl Out for RdbFile {
    fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.hand_on();
        }
    }
    fn compresses(&self) -> bool {
        self.compresses
    }
}

impl RdbFile {
    /// Begins a file; strings are compressed or not, there is a checksum at the end or none.
    ///
    /// # Errors
    /// Those of the disk, here and below.
    pub fn begin(
        writer: Writer,
        header: &Header,
        compresses: bool,
        has_checksum: bool,
    ) -> io::Result<RdbFile> {
        let sum = has_checksum.then(Running::default);
        let mut file = RdbFile { writer, sum, buffer: Vec::new(), compresses, failure: None };
        let out = &mut file;
        // Valkey knows its own versions by another word.
        let word = if header.version == VERSION_VALKEY { "VALKEY" } else { "REDIS" };
        out.put(format!("{word}{:0width$}", header.version, width = HEADER_BYTES - word.len()).as_bytes());
        item::aux(out, "redis-ver", REDIS_VERSION);
        item::aux(out, "redis-bits", "64");
        item::aux(out, "ctime", &header.ctime_seconds.to_string());
        item::aux(out, "used-mem", &header.used_bytes.to_string());
        item::aux(out, "aof-base", if header.is_aof_base { "1" } else { "0" });
        for code in &header.functions {
            out.put(&[opcode::FUNCTION_2]);
            writer::text(out, code);
        }
        for (db, keys, expires) in &header.databases {
            item::database(out, *db);
            out.put(&[opcode::RESIZE_DB]);
            number(out, *keys);
            number(out, *expires);
        }
        file.told()?;
        Ok(file)
    }

    /// Adds keys.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn add(&mut self, chunk: Chunk) -> io::Result<()> {
        for part in chunk.parts {
            match part {
                Part::Bytes(bytes) => self.put(&bytes),
                Part::Frozen(frozen) => frozen.encode(self),
            }
            self.told()?;
        }
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.writer.len()
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writer.is_empty()
    }

    /// Ends the file: it is whole and on the disk then. How many bytes it has.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn end(mut self) -> io::Result<u64> {
        self.put(&[opcode::END]);
        self.hand_on();
        self.told()?;
        let sum = self.sum.take().map_or(0, Running::sum);
        self.writer.write(&sum.to_le_bytes())?;
        let len = self.writer.len();
        self.writer.finish()?;
        Ok(len)
    }

    fn hand_on(&mut self) {
        if self.failure.is_none() {
            if let Some(sum) = &mut self.sum {
                sum.add(&self.buffer);
            }
            self.failure = self.writer.write(&self.buffer).err();
        }
        self.buffer.clear();
        self.buffer.shrink_to(2 * BUFFER_BYTES);
    }

    fn told(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}
