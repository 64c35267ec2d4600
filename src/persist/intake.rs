//! Files into a dataset: an RDB file or a log of commands, handed over to the appliers.
use super::apply::{Appliers, Head, Piece, Trouble};
use super::foreign::log::{self, End, LogSink};
use super::progress::{Bar, Progress};
use super::rdb::read::{self as rdb, Sink};
use super::window::{Source, Window};
use crate::thread::wall_ms;
use shards::commands::Args;
use std::sync::atomic::Ordering::Relaxed;

/// The way of one file after the other into the appliers.
#[derive(Debug)]
pub(crate) struct Intake<'a> {
    appliers: &'a mut Appliers,
    progress: &'a Progress,
    /// Bytes of the files before this one.
    pub(crate) before_bytes: u64,
    /// Where it is to be told again how far it is.
    tell_at: u64,
    bar: Bar,
    /// `rdbchecksum`.
    pub(crate) checks_sums: bool,
    /// Keys of RDB files whose time has come by then are passed over.
    pub(crate) expires_before_ms: Option<i64>,
}

/// Bytes between two looks at how far one is.
const TOLD_BYTES: u64 = 1 << 18;

impl<'a> Intake<'a> {
    /// A way into these.
    pub(crate) fn new(appliers: &'a mut Appliers, progress: &'a Progress) -> Intake<'a> {
        Intake {
            appliers,
            progress,
            before_bytes: 0,
            tell_at: 0,
            bar: Bar::new(),
            checks_sums: true,
            expires_before_ms: None,
        }
    }

    /// Takes in an RDB file, which is to be all there is.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn rdb<S: Source>(&mut self, source: S) -> Result<(), Trouble> {
        let mut window = Window::new(source);
        rdb::read(&mut window, self, self.checks_sums)?;
        self.end_file(window.at())
    }

    /// Takes in a log of commands, or an RDB file with or without such a log behind it.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(crate) fn log<S: Source>(&mut self, source: S) -> Result<End, Trouble> {
        let mut window = Window::new(source);
        let failed = |error: std::io::Error| Trouble::new(format!("it cannot be read: {error}"));
        window.fill_to(rdb::HEADER_BYTES).map_err(failed)?;
        if rdb::is_rdb(window.rest()) {
            // What expired is there: the log behind it goes on from it.
            let expires_before_ms = self.expires_before_ms.take();
            let outcome = rdb::read(&mut window, self, self.checks_sums);
            self.expires_before_ms = expires_before_ms;
            outcome?;
        }
        let end = log::read(&mut window, self)?;
        self.end_file(window.at())?;
        Ok(end)
    }

    /// Waits for all of a file, so that what is wrong with it is known.
    fn end_file(&mut self, len: u64) -> Result<(), Trouble> {
        self.came_to(len);
        (self.before_bytes, self.tell_at) = (self.before_bytes + len, 0);
        self.appliers.settle()
    }
}

impl Sink for Intake<'_> {
    #[inline]
    fn mark(&mut self, at: u64) {
        self.appliers.mark(at);
        if at >= self.tell_at {
            self.came_to(at);
        }
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Trouble> {
        let text = String::from_utf8_lossy(value);
        match name {
            b"redis-ver" | b"valkey-ver" => {
                crate::log::notice(format_args!("Loading RDB produced by version {text}"));
            }
            b"ctime" => {
                let age = wall_ms() / 1000 - text.parse::<i64>().unwrap_or(0);
                crate::log::notice(format_args!("RDB age {} seconds", age.max(0)));
            }
            b"used-mem" => {
                let bytes: u64 = text.parse().unwrap_or(0);
                let mb = bytes as f64 / f64::from(1 << 20);
                crate::log::notice(format_args!("RDB memory usage when created {mb:.2} Mb"));
                self.progress.used_memory_bytes.store(bytes, Relaxed);
            }
            b"aof-base" if value == b"1" => crate::log::notice(format_args!("RDB is base AOF")),
            b"aof-preamble" if value == b"1" => crate::log::notice(format_args!("RDB has an AOF tail")),
            // Before version 7, scripts were kept.
            b"lua" => self.appliers.command(0, &[b"SCRIPT", b"LOAD", value])?,
            _ => {}
        }
        Ok(())
    }

    fn function(&mut self, code: &[u8]) -> Result<(), Trouble> {
        self.appliers.function(code)
    }

    #[inline]
    fn value(&mut self, head: &Head<'_>, bytes: &[u8], piece: Piece) -> Result<(), Trouble> {
        let is_over = |at_ms: i64| self.expires_before_ms.is_some_and(|before_ms| at_ms < before_ms);
        let count = if head.expires_at_ms.is_some_and(is_over) {
            &self.progress.keys_expired
        } else {
            self.appliers.value(head, bytes, piece)?;
            &self.progress.keys_loaded
        };
        if matches!(piece, Piece::Whole | Piece::Last) {
            // One thread writes it.
            count.store(count.load(Relaxed) + 1, Relaxed);
        }
        Ok(())
    }
}

impl LogSink for Intake<'_> {
    #[inline]
    fn command(&mut self, db: u16, args: Args<'_>) -> Result<(), Trouble> {
        self.appliers.command(db, args)
    }

    fn came_to(&mut self, at: u64) {
        self.tell_at = at + TOLD_BYTES;
        let done = self.before_bytes + at;
        self.progress.loaded_bytes.store(done, Relaxed);
        self.bar.show("Loading", done, self.progress.total_bytes.load(Relaxed));
    }
}
