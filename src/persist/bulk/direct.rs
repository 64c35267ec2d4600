//! Direct I/O with read-ahead and write-behind, by glommio: the page cache keeps what shards and other processes need.
//!
//! Its executor runs on the caller's thread, and only while a call waits.
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::io::{
    DmaFile, DmaStreamReader, DmaStreamReaderBuilder, DmaStreamWriter, DmaStreamWriterBuilder,
};
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use std::io;
use std::path::Path;
use std::rc::Rc;

/// Bytes of a buffer.
const BUFFER_BYTES: usize = 256 * 1024;
/// Buffers on their way to or from the disk.
const BUFFERS_AHEAD: usize = 4;
/// Memory that is registered with the kernel: what the buffers of a file or two take.
const REGISTERED_BYTES: usize = 4 << 20;
/// Requests of a ring.
const RING_DEPTH: usize = 64;

/// What runs this thread's direct files.
#[derive(Debug)]
pub(super) struct Direct(Rc<LocalExecutor>);

impl Direct {
    /// The executor, or why there can be none.
    pub(super) fn new() -> Result<Direct, String> {
        let builder = LocalExecutorBuilder::new(Placement::Unbound);
        let made = builder.io_memory(REGISTERED_BYTES).ring_depth(RING_DEPTH).make();
        made.map(|executor| Direct(Rc::new(executor))).map_err(|error| error.to_string())
    }

    pub(super) fn create(&self, path: &Path) -> io::Result<Writer> {
        let file = self.0.run(DmaFile::create(path)).map_err(io::Error::from)?;
        let stream = self.0.run(async {
            let builder = DmaStreamWriterBuilder::new(file);
            // Its own sync would come before the last block is cut to its length, which was not kept then.
            let builder = builder.with_sync_on_close_disabled(true);
            builder.with_buffer_size(BUFFER_BYTES).with_write_behind(BUFFERS_AHEAD).build()
        });
        Ok(Writer { executor: Rc::clone(&self.0), stream: Some(stream) })
    }

    /// The file, and how long it is.
    pub(super) fn open(&self, path: &Path) -> io::Result<(Reader, u64)> {
        let opened = self.0.run(async {
            let file = DmaFile::open(path).await?;
            let len = file.file_size().await?;
            let builder = DmaStreamReaderBuilder::new(file);
            Ok((builder.with_buffer_size(BUFFER_BYTES).with_read_ahead(BUFFERS_AHEAD).build(), len))
        });
        let (stream, len) = opened.map_err(|error: glommio::GlommioError<()>| io::Error::from(error))?;
        Ok((Reader { executor: Rc::clone(&self.0), stream: Some(stream) }, len))
    }
}

/// Whoever has a stream has it until this is dropped.
const HAS_STREAM: &str = "the stream is there until the end";

/// A file that is written.
#[derive(Debug)]
pub(super) struct Writer {
    executor: Rc<LocalExecutor>,
    stream: Option<DmaStreamWriter>,
}

impl Writer {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Writer { executor, stream } = self;
        executor.run(stream.as_mut().expect(HAS_STREAM).write_all(bytes))
    }

    /// Writes what is left and closes. The file is the caller's to sync.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let mut stream = self.stream.take().expect(HAS_STREAM);
        self.executor.run(async move {
            let closed = stream.close().await;
            drop(stream);
            closed
        })
    }
}

impl Drop for Writer {
    /// A stream goes within its executor, whose tasks it ends: one that is given up has writes under way, and waits for them.
    fn drop(&mut self) {
        if let Some(mut stream) = self.stream.take() {
            self.executor.run(async move {
                // Nobody wants the file.
                drop(stream.close().await);
                drop(stream);
            });
        }
    }
}

/// A file that is read.
#[derive(Debug)]
pub(super) struct Reader {
    executor: Rc<LocalExecutor>,
    stream: Option<DmaStreamReader>,
}

impl Reader {
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Reader { executor, stream } = self;
        executor.run(stream.as_mut().expect(HAS_STREAM).read(into))
    }
}

impl Drop for Reader {
    /// As [`Writer`]'s: it may be reading ahead.
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.executor.run(async move {
                drop(stream.close().await);
            });
        }
    }
}
