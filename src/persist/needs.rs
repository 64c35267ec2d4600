//! What replies wait for: positions of journals that must be committed before a client may see them.
use super::journal::Journal;
use shards::tail::Point;
use smallvec::SmallVec;

/// Positions, one a shard at most.
#[derive(Clone, Debug, Default)]
pub struct Needs(SmallVec<[Point; 2]>);

impl Needs {
    /// Whether there is nothing to wait for.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// This must be committed too.
    #[inline]
    pub fn raise(&mut self, point: Point, journal: &Journal) {
        if point.lsn > 0 && !journal.is_committed(point) {
            self.raise_uncommitted(point);
        }
    }
    fn raise_uncommitted(&mut self, point: Point) {
        match self.0.iter_mut().find(|known| known.shard == point.shard) {
            Some(known) => known.lsn = known.lsn.max(point.lsn),
            None => self.0.push(point),
        }
    }
    /// All that has been done so far must be committed.
    #[cold]
    pub fn raise_all(&mut self, journal: &Journal) {
        for shard in 0..journal.shard_count() {
            self.raise(Point { shard: shard as u16, lsn: journal.appended(shard) }, journal);
        }
    }
    /// Forgets what is committed; whether nothing is left.
    #[inline]
    pub fn are_met(&mut self, journal: &Journal) -> bool {
        self.0.is_empty() || {
            self.0.retain(|point| !journal.is_committed(*point));
            self.0.is_empty()
        }
    }
    /// Those on other shards, as far as they are not committed.
    #[inline]
    #[must_use]
    pub fn elsewhere(&self, shard: usize, journal: &Journal) -> SmallVec<[Point; 2]> {
        let others = self.0.iter().filter(|point| usize::from(point.shard) != shard);
        others.filter(|point| !journal.is_committed(**point)).copied().collect()
    }
    /// All of them.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.0
    }
}
