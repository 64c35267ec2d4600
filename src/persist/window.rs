//! A file seen through a window that moves from its beginning to its end, and knows where it is.
use super::bulk;
use shards::rdb::crc64::Running;
use std::fs::File;
use std::io::{self, Read};

/// Something that is read from its beginning to its end.
pub(crate) trait Source {
    /// Appends up to `max` bytes to `into`; how many, 0 only at the end.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize>;
}

impl Source for File {
    fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let start = into.len();
        into.resize(start + max, 0);
        let read = loop {
            match Read::read(self, &mut into[start..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        into.truncate(start + read.as_ref().copied().unwrap_or(0));
        read
    }
}

impl Source for bulk::Reader {
    fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        bulk::Reader::read(self, into, max)
    }
}

impl Source for Box<dyn Source> {
    fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        (**self).read(into, max)
    }
}

impl Source for &[u8] {
    fn read(&mut self, into: &mut Vec<u8>, max: usize) -> io::Result<usize> {
        let (head, rest) = self.split_at(max.min(self.len()));
        into.extend_from_slice(head);
        *self = rest;
        Ok(head.len())
    }
}

/// Bytes read at a time, unless what is looked at is longer.
const PIECE_BYTES: usize = 256 * 1024;

/// The window.
#[derive(Debug)]
pub(crate) struct Window<S> {
    source: S,
    bytes: Vec<u8>,
    /// How much of the bytes has been used.
    used: usize,
    /// Where the bytes begin in the file.
    base: u64,
    checksum: Option<Running>,
}

impl<S: Source> Window<S> {
    /// At the beginning, with nothing in it.
    pub(crate) fn new(source: S) -> Window<S> {
        Window { source, bytes: Vec::new(), used: 0, base: 0, checksum: None }
    }
    /// What has been read and not been used.
    #[inline]
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.used..]
    }
    /// Where the rest begins in the file.
    #[inline]
    pub(crate) fn at(&self) -> u64 {
        self.base + self.used as u64
    }
    /// So many bytes more are used.
    pub(crate) fn consume(&mut self, len: usize) {
        if let Some(checksum) = &mut self.checksum {
            checksum.add(&self.bytes[self.used..][..len]);
        }
        self.used += len;
    }
    /// Reads on: the rest gets longer, as long again where all of it is needed at once. Whether there was more.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        self.bytes.drain(..self.used);
        self.base += self.used as u64;
        self.used = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(4 * PIECE_BYTES);
        }
        let max = PIECE_BYTES.max(self.bytes.len());
        self.source.read(&mut self.bytes, max).map(|len| len > 0)
    }
    /// Reads until there are so many bytes; whether there are.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn fill_to(&mut self, len: usize) -> io::Result<bool> {
        while self.rest().len() < len {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
    /// What is used from here on is summed up.
    pub(crate) fn begin_checksum(&mut self) {
        self.checksum = Some(Running::default());
    }
    /// The checksum of what was used since it began.
    pub(crate) fn end_checksum(&mut self) -> Option<u64> {
        self.checksum.take().map(Running::sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_where_it_is() {
        let file: Vec<u8> = (0..PIECE_BYTES * 3 + 7).map(|at| at as u8).collect();
        let mut window = Window::new(&file[..]);
        assert!(window.fill_to(10).unwrap());
        window.consume(10);
        window.begin_checksum();
        let mut seen = 10;
        loop {
            assert_eq!(window.at(), seen as u64);
            assert_eq!(window.rest(), &file[seen..][..window.rest().len()]);
            let step = window.rest().len().min(100_001);
            window.consume(step);
            seen += step;
            if window.rest().is_empty() && !window.fill().unwrap() {
                break;
            }
        }
        assert_eq!(seen, file.len());
        assert_eq!(window.end_checksum(), Some(shards::rdb::crc64::crc64(&file[10..])));
        assert!(!window.fill_to(1).unwrap());
    }

    #[test]
    fn it_grows_with_what_is_looked_at() {
        let file = vec![1; PIECE_BYTES * 9];
        let mut window = Window::new(&file[..]);
        let mut fills = 0;
        while window.fill().unwrap() {
            fills += 1;
        }
        assert_eq!((window.rest().len(), fills), (file.len(), 5));
    }
}
