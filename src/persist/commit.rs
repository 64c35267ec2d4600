//! The commit point of each shard's journal: up to where what it holds is safe *and* whole.
//!
//! Safe is what the policy asks for: on the disk (`always`) or with the kernel. Whole is a frame if the other parts of its
//! unit and what it comes after are committed too. Where the journals end after a crash, [`cut`] finds the greatest prefixes that are
//! whole; the commit points of a running server are found by the same function from what is safe. So what lies
//! before a commit point is kept by every restore: a restore starts from at least as much, and [`cut`] never gives less for more.
use shards::tail::{Extent, FrameHead, Point};
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};

/// A frame that counts only if others do.
#[derive(Clone, Debug)]
pub struct Tied {
    /// Where it begins.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// The unit that it is a part of.
    pub unit: Option<u64>,
    /// What it comes after.
    pub after: SmallVec<[Point; 2]>,
}

/// Where the parts of units end, by unit: each participant's, once it is known.
pub type Units = HashMap<u64, SmallVec<[(u16, Option<u64>); 4]>>;

/// A frame of a unit ends here in a shard's journal, and with it the unit's part there, unless the frame only opens that.
pub(super) fn note_part(units: &mut Units, unit: (u64, &[u16]), shard: usize, extent: Extent, end: u64) {
    let (unit, participants) = unit;
    let parts =
        units.entry(unit).or_insert_with(|| participants.iter().map(|shard| (*shard, None)).collect());
    if extent != Extent::Opens {
        parts.iter_mut().filter(|part| usize::from(part.0) == shard).for_each(|part| part.1 = Some(end));
    }
}

/// The greatest prefixes, none longer than in `ends`, in which every frame is whole. `tied` are the frames that depend on others, in
/// order, for each shard; those before the commit points may be missing.
#[must_use]
pub fn cut(ends: &[u64], tied: &[VecDeque<Tied>], units: &Units) -> Vec<u64> {
    let mut ends = ends.to_vec();
    loop {
        let mut changed = false;
        for shard in 0..ends.len() {
            let first = tied[shard]
                .iter()
                .take_while(|frame| frame.start < ends[shard])
                .find(|frame| !is_whole(frame, &ends, units));
            if let Some(frame) = first {
                ends[shard] = frame.start;
                changed = true;
            }
        }
        if !changed {
            return ends;
        }
    }
}

fn is_whole(frame: &Tied, ends: &[u64], units: &Units) -> bool {
    let reaches = |shard: u16, lsn: u64| ends.get(usize::from(shard)).is_some_and(|end| *end >= lsn);
    let unit = frame.unit.is_none_or(|unit| {
        units
            .get(&unit)
            .is_some_and(|parts| parts.iter().all(|(shard, end)| end.is_some_and(|end| reaches(*shard, end))))
    });
    unit && frame.after.iter().all(|point| reaches(point.shard, point.lsn))
}

/// The ties between the journals of a running server, as far as they are not committed.
#[derive(Debug)]
pub struct Commit {
    safe: Vec<u64>,
    committed: Vec<u64>,
    tied: Vec<VecDeque<Tied>>,
    units: Units,
}

impl Commit {
    /// For journals that are committed up to here.
    #[must_use]
    pub fn new(ends: &[u64]) -> Commit {
        Commit {
            safe: ends.to_vec(),
            committed: ends.to_vec(),
            tied: ends.iter().map(|_| VecDeque::new()).collect(),
            units: Units::new(),
        }
    }
    /// A frame was appended to a shard's journal. Said before anything behind it can be safe.
    pub fn tie(&mut self, shard: usize, start: u64, end: u64, head: FrameHead<'_>) {
        if let Some(unit) = head.unit {
            note_part(&mut self.units, unit, shard, head.extent, end);
        }
        let after = head.after.iter().filter(|point| self.committed[usize::from(point.shard)] < point.lsn);
        let unit = head.unit.map(|(unit, _)| unit);
        let frame = Tied { start, end, unit, after: after.copied().collect() };
        self.tied[shard].push_back(frame);
    }
    /// A shard's journal is safe up to here; the commit points that follow.
    pub fn is_safe(&mut self, shard: usize, lsn: u64) -> &[u64] {
        self.safe[shard] = self.safe[shard].max(lsn);
        self.committed = cut(&self.safe, &self.tied, &self.units);
        for (shard, tied) in self.tied.iter_mut().enumerate() {
            while tied.front().is_some_and(|frame| frame.end <= self.committed[shard]) {
                // All its parts are committed with it.
                let frame = tied.pop_front();
                frame.and_then(|frame| frame.unit).map(|unit| self.units.remove(&unit));
            }
        }
        &self.committed
    }
    /// How many frames wait for others.
    #[must_use]
    pub fn tied_len(&self) -> usize {
        self.tied.iter().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(shard: u16, lsn: u64) -> Point {
        Point { shard, lsn }
    }

    fn part(unit: u64, shards: &[u16]) -> FrameHead<'_> {
        FrameHead { unit: Some((unit, shards)), ..FrameHead::default() }
    }

    #[test]
    fn what_depends_on_nothing_is_committed_when_safe() {
        let mut commit = Commit::new(&[0, 0]);
        assert_eq!(commit.is_safe(0, 10), [10, 0]);
        assert_eq!(commit.is_safe(1, 5), [10, 5]);
    }

    #[test]
    fn a_unit_is_committed_on_all_its_shards_at_once() {
        let mut commit = Commit::new(&[0, 0]);
        commit.tie(0, 10, 20, part(1, &[0, 1]));
        assert_eq!(commit.is_safe(0, 30), [10, 0], "the other part is not even written");
        commit.tie(1, 5, 9, part(1, &[0, 1]));
        assert_eq!(commit.is_safe(1, 8), [10, 5]);
        assert_eq!(commit.is_safe(1, 9), [30, 9]);
        assert_eq!(commit.tied_len(), 0);
    }

    #[test]
    fn what_comes_after_waits_and_so_does_what_stands_behind() {
        let mut commit = Commit::new(&[0, 0, 0]);
        commit.tie(1, 4, 8, FrameHead { after: &[point(0, 10)], ..FrameHead::default() });
        commit.tie(2, 0, 6, part(9, &[1, 2]));
        commit.tie(1, 8, 12, part(9, &[1, 2]));
        assert_eq!(commit.is_safe(1, 12), [0, 4, 0]);
        assert_eq!(commit.is_safe(2, 7), [0, 4, 0], "its unit stands behind a frame that is not whole");
        assert_eq!(commit.is_safe(0, 10), [10, 12, 7]);
    }

    #[test]
    fn units_that_cross_are_committed_together() {
        let mut commit = Commit::new(&[0, 0]);
        commit.tie(0, 0, 5, part(1, &[0, 1]));
        commit.tie(0, 5, 10, part(2, &[0, 1]));
        commit.tie(1, 0, 5, part(1, &[0, 1]));
        commit.tie(1, 5, 10, FrameHead { after: &[point(0, 5)], ..part(2, &[0, 1]) });
        assert_eq!(commit.is_safe(0, 10), [0, 0]);
        assert_eq!(commit.is_safe(1, 7), [5, 5]);
        assert_eq!(commit.is_safe(1, 10), [10, 10]);
    }

    #[test]
    fn a_part_of_several_frames_is_cut_before_the_first() {
        let bound = |extent| FrameHead { extent, ..part(1, &[0, 1]) };
        let mut commit = Commit::new(&[0, 0, 0]);
        commit.tie(0, 10, 14, bound(Extent::Opens));
        commit.tie(0, 20, 28, FrameHead { after: &[point(2, 7)], ..FrameHead::default() });
        commit.tie(0, 30, 34, bound(Extent::Closes));
        assert_eq!(commit.is_safe(0, 40), [10, 0, 0], "the other part is not even written");
        commit.tie(1, 5, 9, bound(Extent::Opens));
        commit.tie(1, 15, 19, bound(Extent::Closes));
        assert_eq!(commit.is_safe(1, 19), [10, 5, 0], "of one part something in the middle does not count");
        assert_eq!(commit.is_safe(2, 7), [40, 19, 7]);
        assert_eq!(commit.tied_len(), 0);
    }
}
