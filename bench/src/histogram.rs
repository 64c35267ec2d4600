//! Latencies with their percentiles, in nanoseconds, to three significant digits.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Longer latencies count as this long: ten minutes, in nanoseconds.
const LATENCY_NS_MAX: u64 = 600_000_000_000;

/// The percentiles that are reported, and their names.
pub const PERCENTILES: [(&str, f64); 6] =
    [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9), ("p99.99", 99.99), ("max", 100.0)];

/// Latencies seen so far.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are in order"))
    }
}

impl Latencies {
    /// Notes a latency that `times` units had.
    #[inline]
    pub fn record(&mut self, ns: u64, times: u64) {
        self.0.saturating_record_n(ns.max(1), times);
    }

    /// Adds those of another thread or round.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// How many have been noted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that `percent` of the units did not exceed, in microseconds; 0 if there are none.
    #[must_use]
    pub fn percentile_us(&self, percent: f64) -> f64 {
        self.0.value_at_percentile(percent) as f64 / 1000.0
    }

    /// The longest, in microseconds.
    #[must_use]
    pub fn max_us(&self) -> f64 {
        self.0.max() as f64 / 1000.0
    }

    /// The mean and [`PERCENTILES`], in microseconds.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut all = json!({ "mean": self.0.mean() / 1000.0 });
        for (name, percent) in PERCENTILES {
            all[name] = json!(self.percentile_us(percent));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_thousandth() {
        let mut latencies = Latencies::default();
        for us in 1..=100_000 {
            latencies.record(us * 1000, 1);
        }
        for (percent, us) in [(50.0, 50_000.0), (99.0, 99_000.0), (99.9, 99_900.0), (100.0, 100_000.0)] {
            let seen = latencies.percentile_us(percent);
            assert!((seen - us).abs() <= us / 1000.0, "p{percent}: {seen}");
        }
    }

    #[test]
    fn out_of_bounds_is_kept_at_the_bound() {
        let mut latencies = Latencies::default();
        latencies.record(0, 2);
        latencies.record(u64::MAX, 1);
        assert_eq!(latencies.count(), 3);
        assert!(latencies.max_us() >= LATENCY_NS_MAX as f64 / 1000.0);
    }

    #[test]
    fn histograms_add_up() {
        let (mut a, mut b) = (Latencies::default(), Latencies::default());
        a.record(10, 5);
        b.record(1_000_000, 5);
        a.add(&b);
        assert_eq!(a.count(), 10);
        assert!(a.percentile_us(40.0) < 1.0 && a.percentile_us(90.0) > 900.0);
    }
}
