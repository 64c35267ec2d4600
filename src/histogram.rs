//! A histogram of durations: sixteen buckets for each doubling, so that a percentile is off by a sixteenth at most.

/// Buckets for each doubling, as a power of two.
const FINE_BITS: u32 = 4;
const FINE: usize = 1 << FINE_BITS;
/// Durations of so many bits and more share the last buckets: with ticks of a third of a nanosecond that is an hour.
const BITS_MAX: u32 = 44;
const BUCKETS: usize = (BITS_MAX - FINE_BITS + 1) as usize * FINE;

/// How often durations of each size came, in whatever unit the caller counts.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: Box::new([0; BUCKETS]) }
    }
}

impl Histogram {
    /// A duration came.
    #[inline]
    pub fn add(&mut self, value: u64) {
        self.counts[bucket(value)] += 1;
    }
    /// Takes in what another one has counted.
    pub fn merge(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts[..]).for_each(|(mine, theirs)| *mine += theirs);
    }
    /// How many came.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// Whether none came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The duration that `percent` of all do not exceed; 0 where none came.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((self.len() as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut seen = 0;
        self.filled()
            .find_map(|(greatest, count)| {
                seen += count;
                (seen >= wanted).then_some(greatest)
            })
            .unwrap_or(0)
    }
    /// The buckets that are not empty, ascending: the greatest duration that falls into it, and how many did.
    pub fn filled(&self) -> impl Iterator<Item = (u64, u64)> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(index, count)| (greatest_in(index), *count))
    }
}

/// Below [`FINE`] a bucket for each value; above, the bits behind the first one choose among those of the doubling.
fn bucket(value: u64) -> usize {
    if value < FINE as u64 {
        return value as usize;
    }
    let value = value.min((1 << BITS_MAX) - 1);
    let shift = value.ilog2() - FINE_BITS;
    (shift as usize + 1) * FINE + ((value >> shift) as usize - FINE)
}

fn greatest_in(index: usize) -> u64 {
    if index < FINE {
        return index as u64;
    }
    let (doubling, fine) = (index / FINE - 1, index % FINE);
    (((FINE + fine + 1) as u64) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_falls_into_a_bucket_that_ends_at_most_a_sixteenth_above_it() {
        let values =
            (0..2000).chain((0..44).flat_map(|bit| [1 << bit, (1 << bit) + 1, (1 << (bit + 1)) - 1]));
        for value in values {
            let greatest = greatest_in(bucket(value));
            assert!(
                (value..=value + value / 16).contains(&greatest),
                "{value} is in the bucket up to {greatest}"
            );
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_count_from_below() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.percentile(50.0), histogram.is_empty()), (0, true));
        (1..=10).for_each(|value| histogram.add(value));
        assert_eq!(histogram.percentile(50.0), 5);
        assert_eq!(histogram.percentile(100.0), 10);
        assert_eq!(histogram.percentile(0.0), 1);
        let mut twice = histogram.clone();
        twice.merge(&histogram);
        assert_eq!((twice.len(), twice.percentile(99.9)), (20, 10));
    }
}
