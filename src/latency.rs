//! The latency monitor of a thread: events that took longer than `latency-monitor-threshold`, by kind.
use std::collections::{BTreeMap, VecDeque};

/// Samples that are kept of each kind of event, at most.
const SAMPLES_MAX: usize = 160;

/// The worst event of one second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sample {
    /// Which second, since 1970.
    pub at_seconds: i64,
    /// How long it took, in ms.
    pub latency_ms: u64,
}

/// The events of one kind.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
    /// The longest ever, in ms.
    pub max_ms: u64,
}

/// The events of all kinds, by name.
#[derive(Clone, Debug, Default)]
pub struct Monitor(BTreeMap<&'static str, Series>);

impl Series {
    /// An event: of each second the worst is kept.
    pub fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.latency_ms);
        match self.samples.iter_mut().rev().find(|known| known.at_seconds <= sample.at_seconds) {
            Some(known) if known.at_seconds == sample.at_seconds => {
                known.latency_ms = known.latency_ms.max(sample.latency_ms);
            }
            _ => {
                let at = self.samples.partition_point(|known| known.at_seconds < sample.at_seconds);
                self.samples.insert(at, sample);
            }
        }
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
    /// The samples, the oldest first.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> {
        self.samples.iter().copied()
    }
    /// The youngest.
    #[must_use]
    pub fn latest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }
}

impl Monitor {
    /// An event of a kind.
    pub fn add(&mut self, kind: &'static str, sample: Sample) {
        self.0.entry(kind).or_default().add(sample);
    }
    /// Takes in what another thread's monitor has.
    pub fn merge(&mut self, other: &Monitor) {
        for (kind, theirs) in &other.0 {
            let mine = self.0.entry(kind).or_default();
            theirs.samples().for_each(|sample| mine.add(sample));
            mine.max_ms = mine.max_ms.max(theirs.max_ms);
        }
    }
    /// The kinds of events that happened.
    pub fn series(&self) -> impl ExactSizeIterator<Item = (&'static str, &Series)> {
        self.0.iter().map(|(kind, series)| (*kind, series))
    }
    /// One kind of event.
    #[must_use]
    pub fn find(&self, kind: &[u8]) -> Option<(&'static str, &Series)> {
        self.series().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(kind))
    }
    /// Forgets one kind, if it is there.
    pub fn forget(&mut self, kind: &[u8]) {
        self.0.retain(|name, _| !name.as_bytes().eq_ignore_ascii_case(kind));
    }
    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_second_the_worst_is_kept() {
        let mut one = Monitor::default();
        let mut other = Monitor::default();
        for (at_seconds, latency_ms) in [(1, 5), (1, 9), (1, 7), (3, 2)] {
            one.add("command", Sample { at_seconds, latency_ms });
        }
        other.add("command", Sample { at_seconds: 2, latency_ms: 4 });
        other.add("command", Sample { at_seconds: 3, latency_ms: 8 });
        one.merge(&other);
        let (_, series) = one.find(b"COMMAND").unwrap();
        let samples: Vec<_> = series.samples().map(|sample| (sample.at_seconds, sample.latency_ms)).collect();
        assert_eq!(samples, [(1, 9), (2, 4), (3, 8)]);
        assert_eq!((series.max_ms, series.latest().map(|sample| sample.latency_ms)), (9, Some(8)));
        one.forget(b"command");
        assert_eq!(one.series().len(), 0);
    }

    #[test]
    fn the_oldest_go() {
        let mut series = Series::default();
        (0..200).for_each(|at_seconds| series.add(Sample { at_seconds, latency_ms: 1 }));
        assert_eq!(
            (series.samples().len(), series.samples().next().map(|sample| sample.at_seconds)),
            (160, Some(40))
        );
    }
}
