//! Servers side by side: the same load on each in turn, what it cost them, and tables of it.

pub mod cases;
pub mod growth;
pub mod memory;
pub mod messages;
pub mod saving;
pub mod servers;
pub mod speed;
pub mod tables;
pub mod types;

use std::io::{self, Write};
use std::time::Duration;

use servers::Server;

/// How long and how large the measurements are.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Rounds over all servers; medians are reported.
    pub rounds: usize,
    /// Length of a measurement within a round.
    pub round: Duration,
    /// Load before each measurement that does not count.
    pub warmup: Duration,
    /// How long a server is left alone before its memory is read: rehashing ends, and allocators give back what they no
    /// longer use (jemalloc within ten seconds).
    pub settle: Duration,
    /// Keys of the memory suite.
    pub memory_keys: u64,
    /// Keys of the growth suite.
    pub growth_keys: u64,
    /// Commands offered each second while a snapshot is taken; none: as many as are answered.
    pub saving_rate: Option<f64>,
}

impl Default for Scale {
    fn default() -> Self {
        Self {
            rounds: 5,
            round: Duration::from_secs(2),
            warmup: Duration::from_millis(300),
            settle: Duration::from_secs(12),
            memory_keys: 1_000_000,
            growth_keys: 20_000_000,
            saving_rate: None,
        }
    }
}

impl Scale {
    /// Short rounds and few keys: shows that everything works, not how fast it is.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            rounds: 1,
            round: Duration::from_millis(400),
            warmup: Duration::from_millis(100),
            settle: Duration::from_millis(300),
            memory_keys: 20_000,
            growth_keys: 200_000,
            saving_rate: None,
        }
    }
}

/// What all suites are run on.
#[derive(Clone, Debug)]
pub struct Bench {
    /// The servers, in the order of the tables; ratios are to the one named `redis`, or else to the first.
    pub servers: Vec<Server>,
    /// Servers listen on this port and those after it.
    pub port: u16,
    /// How long and how large.
    pub scale: Scale,
}

impl Bench {
    /// The place of the server that ratios refer to.
    #[must_use]
    pub fn reference(&self) -> usize {
        self.servers.iter().position(|server| server.name == "redis").unwrap_or(0)
    }
}

/// Tells whoever waits how far the run is.
pub fn say(text: &str) {
    // Nobody is there to be told when this fails.
    let _ = writeln!(io::stderr(), "{text}");
}

/// The middle of some numbers; 0 of none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        n if n % 2 == 1 => numbers[n / 2],
        n => f64::midpoint(numbers[n / 2 - 1], numbers[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
