//! How fast a thread is of late: a few past readings of its counters.
use std::collections::VecDeque;

/// How far back the rates look, in ms.
const WINDOW_MS: i64 = 1600;
/// Readings are at least so far apart, in ms.
const STEP_MS: i64 = 100;

/// Counters of a thread at some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Commands.
    pub commands: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Turns of the loop.
    pub turns: u64,
}

/// What happened in a second, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the counters of a reading, by the second")]
pub struct Rate {
    pub commands: f64,
    pub bytes_in: f64,
    pub bytes_out: f64,
    pub turns: f64,
}

/// The readings.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    readings: VecDeque<Reading>,
}

impl Rates {
    /// Whether it is time for a reading.
    #[must_use]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.readings.back().is_none_or(|last| now_ms - last.at_ms >= STEP_MS)
    }
    /// Keeps a reading, and of those that are too old the youngest: an idle thread has no others.
    pub fn add(&mut self, reading: Reading) {
        while self.readings.get(1).is_some_and(|second| reading.at_ms - second.at_ms >= WINDOW_MS) {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }
    /// The rate up to this reading.
    #[must_use]
    pub fn until(&self, now: Reading) -> Rate {
        let recent = self.readings.iter().rev().find(|reading| now.at_ms - reading.at_ms >= WINDOW_MS);
        let Some(then) = recent.or_else(|| self.readings.front()).filter(|then| then.at_ms < now.at_ms)
        else {
            return Rate::default();
        };
        let seconds = (now.at_ms - then.at_ms) as f64 / 1000.0;
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        Rate {
            commands: rate(now.commands, then.commands),
            bytes_in: rate(now.bytes_in, then.bytes_in),
            bytes_out: rate(now.bytes_out, then.bytes_out),
            turns: rate(now.turns, then.turns),
        }
    }
    /// Forgets them.
    pub fn clear(&mut self) {
        self.readings.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(at_ms: i64, commands: u64) -> Reading {
        Reading { at_ms, commands, ..Reading::default() }
    }

    #[test]
    fn the_rate_is_that_of_late() {
        let mut rates = Rates::default();
        assert_eq!(rates.until(at(5, 5)).commands, 0.0);
        // Busy for ten seconds, then idle.
        (0..=100).for_each(|step| rates.add(at(step * 100, step as u64 * 50)));
        assert!((rates.until(at(10_000, 5000)).commands - 500.0).abs() < 1.0);
        assert!(rates.readings.len() < 20);
        assert!(rates.until(at(60_000, 5001)).commands < 0.1);
        assert!(!rates.is_due(10_050) && rates.is_due(10_100));
    }
}
