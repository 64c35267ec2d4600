//! How far the loading of a dataset is: what INFO tells of it, and a line on the terminal.
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Figures of the loading under way, or of the last one.
#[derive(Debug, Default)]
pub struct Progress {
    /// When it began, ms since 1970.
    pub started_ms: AtomicI64,
    /// Bytes of all files.
    pub total_bytes: AtomicU64,
    /// Bytes that have been read.
    pub loaded_bytes: AtomicU64,
    /// Memory that the server used which wrote the RDB file, as it says itself, in bytes.
    pub used_memory_bytes: AtomicU64,
    /// Keys of RDB files that were loaded.
    pub keys_loaded: AtomicU64,
    /// Keys of RDB files that were not, for their time had come.
    pub keys_expired: AtomicU64,
}

impl Progress {
    /// Loading begins.
    pub fn begin(&self, now_ms: i64, total_bytes: u64) {
        self.started_ms.store(now_ms, Relaxed);
        self.total_bytes.store(total_bytes, Relaxed);
        let counts = [&self.loaded_bytes, &self.used_memory_bytes, &self.keys_loaded, &self.keys_expired];
        counts.iter().for_each(|count| count.store(0, Relaxed));
    }
    /// How much of the bytes has been read, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        let total = self.total_bytes.load(Relaxed).max(1);
        (self.loaded_bytes.load(Relaxed) as f64 / total as f64).min(1.0)
    }
    /// How many seconds more it takes if it goes on like this; 1 where that cannot be told.
    #[must_use]
    pub fn eta_seconds(&self, now_ms: i64) -> i64 {
        let elapsed_ms = (now_ms - self.started_ms.load(Relaxed)).max(0) as f64;
        match self.share() {
            0.0 => 1,
            share => (elapsed_ms * (1.0 - share) / share / 1000.0) as i64,
        }
    }
}

/// A bar on the terminal where standard error is one; nothing elsewhere.
#[derive(Debug)]
pub(crate) struct Bar {
    is_shown: bool,
    since: Instant,
    drawn: Option<Instant>,
}

/// How often it is drawn, at most; and after how long for the first time.
const REST: Duration = Duration::from_millis(150);
const WIDTH: usize = 32;

impl Bar {
    pub(crate) fn new() -> Bar {
        Bar { is_shown: std::io::stderr().is_terminal(), since: Instant::now(), drawn: None }
    }
    /// Draws it, if that is due.
    pub(crate) fn show(&mut self, what: &str, done: u64, total: u64) {
        let is_due = self.drawn.unwrap_or(self.since).elapsed() >= REST;
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            write(&line(what, done, total, self.since.elapsed()));
        }
    }
    /// Takes it away.
    pub(crate) fn end(&mut self) {
        if self.drawn.take().is_some() {
            write("\r\x1b[K");
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let share = (done as f64 / total.max(1) as f64).min(1.0);
    let full = (share * WIDTH as f64) as usize;
    let bar = format!("{}{}", "=".repeat(full), " ".repeat(WIDTH - full));
    let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let rate = mb(done) / elapsed.as_secs_f64().max(0.001);
    let left = (mb(total.saturating_sub(done)) / rate.max(0.001)).ceil();
    let (done, total, percent) = (mb(done), mb(total), share * 100.0);
    format!("\r\x1b[K{what} [{bar}] {percent:3.0}% {done:.0}/{total:.0} MB, {rate:.0} MB/s, {left:.0} s left")
}

/// There is nobody to tell if the terminal is gone.
fn write(text: &str) {
    let mut terminal = std::io::stderr();
    drop(terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_how_far_it_is() {
        let progress = Progress::default();
        progress.begin(10_000, 400);
        assert_eq!((progress.share(), progress.eta_seconds(12_000)), (0.0, 1));
        progress.loaded_bytes.store(100, Relaxed);
        assert_eq!((progress.share(), progress.eta_seconds(12_000)), (0.25, 6));
        progress.loaded_bytes.store(500, Relaxed);
        assert_eq!((progress.share(), progress.eta_seconds(12_000)), (1.0, 0));
    }

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        let text = line("Loading", 50 << 20, 200 << 20, Duration::from_secs(2));
        let bar = format!("[{}{}]", "=".repeat(8), " ".repeat(24));
        assert_eq!(text, format!("\r\x1b[KLoading {bar}  25% 50/200 MB, 25 MB/s, 6 s left"));
    }
}
