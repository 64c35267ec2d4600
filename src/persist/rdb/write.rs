//! An RDB file, written from its header to its checksum.
use crate::config::version::REDIS_VERSION;
use crate::persist::bulk::Writer;
use shards::rdb::crc64::Running;
use shards::rdb::item::{self, opcode};
use shards::rdb::writer::{self, Out, Text, number};
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

/// A file being written.
#[derive(Debug)]
pub struct RdbFile {
    writer: Writer,
    sum: Option<Running>,
    /// A value that is large is serialized here.
    text: Text,
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
        let text = Text { bytes: Vec::new(), is_plain: !compresses };
        let mut file = RdbFile { writer, sum: has_checksum.then(Running::default), text };
        let mut out = Text { bytes: Vec::new(), is_plain: !compresses };
        out.put(format!("REDIS{:04}", header.version).as_bytes());
        item::aux(&mut out, "redis-ver", REDIS_VERSION);
        item::aux(&mut out, "redis-bits", "64");
        item::aux(&mut out, "ctime", &header.ctime_seconds.to_string());
        item::aux(&mut out, "used-mem", &header.used_bytes.to_string());
        item::aux(&mut out, "aof-base", if header.is_aof_base { "1" } else { "0" });
        for code in &header.functions {
            out.put(&[opcode::FUNCTION_2]);
            writer::text(&mut out, code);
        }
        for (db, keys, expires) in &header.databases {
            item::database(&mut out, *db);
            out.put(&[opcode::RESIZE_DB]);
            number(&mut out, *keys);
            number(&mut out, *expires);
        }
        file.put(&out.bytes)?;
        Ok(file)
    }

    /// Adds keys.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn add(&mut self, chunk: Chunk) -> io::Result<()> {
        for part in chunk.parts {
            match part {
                Part::Bytes(bytes) => self.put(&bytes)?,
                Part::Frozen(frozen) => {
                    let mut text = std::mem::take(&mut self.text);
                    frozen.encode(&mut text);
                    let put = self.put(&text.bytes);
                    text.bytes.clear();
                    text.bytes.shrink_to(1 << 20);
                    self.text = text;
                    put?;
                }
            }
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
        self.put(&[opcode::END])?;
        let sum = self.sum.take().map_or(0, Running::sum);
        self.writer.write(&sum.to_le_bytes())?;
        let len = self.writer.len();
        self.writer.finish()?;
        Ok(len)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(sum) = &mut self.sum {
            sum.add(bytes);
        }
        self.writer.write(bytes)
    }
}
