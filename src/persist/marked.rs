//! The marks that are made, and the last of which the disk has all parts: what stands before it no power cut takes.
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Marks under way that are remembered: more only where nothing is ever synced.
const MARKS_MAX: usize = 64;

/// What is known of the marks of a server.
#[derive(Debug)]
pub(super) struct Marked {
    /// Where the last one ends of which the disk has all parts.
    kept: Vec<u64>,
    /// Those behind it, by unit, and where they end on the shards that they have reached.
    under_way: VecDeque<(u64, SmallVec<[Option<u64>; 8]>)>,
}

impl Marked {
    /// None yet, of so many shards.
    pub(super) fn new(shard_count: usize) -> Marked {
        Marked { kept: vec![0; shard_count], under_way: VecDeque::new() }
    }
    /// Journals begin here: what stands before is kept elsewhere.
    pub(super) fn begin(&mut self, lsns: &[u64]) {
        self.kept = lsns.to_vec();
        self.under_way.clear();
    }
    /// Where the last mark ends of which the disk has all parts.
    pub(super) fn kept(&self) -> &[u64] {
        &self.kept
    }
    /// A mark has reached a shard, and ends there.
    pub(super) fn add(&mut self, unit: u64, shard: usize, end: u64) {
        let ends = match self.under_way.iter_mut().rev().find(|mark| mark.0 == unit) {
            Some(mark) => &mut mark.1,
            None => {
                if self.under_way.len() == MARKS_MAX {
                    self.under_way.pop_front();
                }
                self.under_way.push_back((unit, self.kept.iter().map(|_| None).collect()));
                &mut self.under_way.back_mut().expect("just pushed").1
            }
        };
        ends[shard] = Some(end);
    }
    /// Finds the last one that is on the disk, where `synced` tells up to where a shard's journal is.
    pub(super) fn look(&mut self, synced: impl Fn(usize) -> u64) {
        let is_kept = |ends: &[Option<u64>]| {
            ends.iter().enumerate().all(|(shard, end)| end.is_some_and(|end| end <= synced(shard)))
        };
        let Some(at) = self.under_way.iter().rposition(|mark| is_kept(&mark.1)) else { return };
        let (_, ends) = &self.under_way[at];
        for (kept, end) in self.kept.iter_mut().zip(ends) {
            *kept = (*kept).max(end.unwrap_or(0));
        }
        self.under_way.drain(..=at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_counts_when_the_disk_has_all_its_parts() {
        let mut marked = Marked::new(2);
        marked.add(1, 0, 10);
        marked.look(|_| 100);
        assert_eq!(marked.kept(), [0, 0], "it has not reached all shards");
        marked.add(1, 1, 20);
        marked.add(2, 1, 30);
        marked.add(2, 0, 40);
        marked.look(|shard| [15, 15][shard]);
        assert_eq!(marked.kept(), [0, 0]);
        marked.look(|shard| [15, 35][shard]);
        assert_eq!(marked.kept(), [10, 20]);
        marked.look(|shard| [40, 35][shard]);
        assert_eq!(marked.kept(), [40, 30]);
    }
}
