//! Values by id, in order: sorted vectors, full where ids only grow, in a queue that grows and shrinks at its ends.
use super::Id;
use std::collections::{VecDeque, vec_deque};
use std::iter::{Chain, Flatten};
use std::slice;

/// A vector of so many is split, or followed by another.
const CHUNK_MAX: usize = 64;

/// Values by id.
#[derive(Clone, Debug)]
pub(super) struct Sorted<V> {
    /// None is empty.
    chunks: VecDeque<Vec<(Id, V)>>,
    len: usize,
}

/// Values between two ids, with theirs: some of a chunk, whole chunks, and some of another.
pub(super) type Between<'a, V> = Chain<Chain<Part<'a, V>, Whole<'a, V>>, Part<'a, V>>;
type Part<'a, V> = slice::Iter<'a, (Id, V)>;
type Whole<'a, V> = Flatten<vec_deque::Iter<'a, Vec<(Id, V)>>>;

impl<V> Default for Sorted<V> {
    fn default() -> Self {
        Sorted { chunks: VecDeque::new(), len: 0 }
    }
}

impl<V> Sorted<V> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many allocations they take, about.
    pub(super) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The value of an id.
    pub(super) fn get(&self, id: Id) -> Option<&V> {
        let chunk = self.chunks.get(self.chunk_of(id)?)?;
        let at = chunk.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        Some(&chunk[at].1)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut V> {
        let index = self.chunk_of(id)?;
        let chunk = &mut self.chunks[index];
        let at = chunk.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        Some(&mut chunk[at].1)
    }

    /// The value of the least id.
    pub(super) fn first(&self) -> Option<&(Id, V)> {
        self.chunks.front()?.first()
    }

    /// The value of the greatest id.
    pub(super) fn last(&self) -> Option<&(Id, V)> {
        self.chunks.back()?.last()
    }

    /// The same, to be changed.
    pub(super) fn last_mut(&mut self) -> Option<&mut (Id, V)> {
        self.chunks.back_mut()?.last_mut()
    }

    /// The value of the greatest id that is not beyond this one.
    pub(super) fn up_to(&self, id: Id) -> Option<&(Id, V)> {
        let chunk = &self.chunks[self.chunk_of(id)?];
        chunk[..chunk.partition_point(|(own, _)| *own <= id)].last()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &(Id, V)> {
        let mut all = self.between(Id::MIN, Id::MAX);
        (0..self.len).map(move |_| all.next().expect("there are as many as it says"))
    }

    /// All of them, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (Id, V)> {
        self.chunks.iter_mut().flatten()
    }

    /// All of them, taken out.
    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        self.chunks.into_iter().flatten().map(|(_, value)| value)
    }

    /// Gives an id a value; the one that it had.
    pub(super) fn insert(&mut self, id: Id, value: V) -> Option<V> {
        let mut index = self.chunk_of(id).unwrap_or(0);
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.chunks.push_back(vec![(id, value)]);
            self.len += 1;
            return None;
        };
        let mut at = match chunk.binary_search_by_key(&id, |(own, _)| *own) {
            Ok(at) => return Some(std::mem::replace(&mut chunk[at].1, value)),
            Err(at) => at,
        };
        self.len += 1;
        if chunk.len() == CHUNK_MAX {
            // Behind the last one there will be more; within, both halves get room.
            let kept = if at == CHUNK_MAX { CHUNK_MAX } else { CHUNK_MAX / 2 };
            let tail = chunk.split_off(kept);
            self.chunks.insert(index + 1, tail);
            if at >= kept {
                (index, at) = (index + 1, at - kept);
            }
        }
        self.chunks[index].insert(at, (id, value));
        None
    }

    /// Takes an id's value out.
    pub(super) fn remove(&mut self, id: Id) -> Option<V> {
        let index = self.chunk_of(id)?;
        let chunk = &mut self.chunks[index];
        let at = chunk.binary_search_by_key(&id, |(own, _)| *own).ok()?;
        let (_, value) = chunk.remove(at);
        self.len -= 1;
        let len = chunk.len();
        if len == 0 {
            self.chunks.remove(index);
        } else if len * 4 <= chunk.capacity() {
            chunk.shrink_to(len * 2);
            self.join(index);
            index.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
        Some(value)
    }

    /// Puts a chunk and the next one together, where both are small.
    fn join(&mut self, index: usize) {
        let next_len = self.chunks.get(index + 1).map_or(CHUNK_MAX, Vec::len);
        if self.chunks[index].len() + next_len <= CHUNK_MAX / 2
            && let Some(mut next) = self.chunks.remove(index + 1)
        {
            self.chunks[index].append(&mut next);
        }
    }

    /// All from an id on, in order.
    pub(super) fn range(&self, from: Id) -> impl DoubleEndedIterator<Item = (Id, &V)> {
        self.between(from, Id::MAX).map(|(id, value)| (*id, value))
    }

    /// All from an id to another, both included, in order.
    pub(super) fn between(&self, from: Id, to: Id) -> Between<'_, V> {
        let part = |index: usize| {
            let chunk = &self.chunks[index];
            let end = chunk.partition_point(|(id, _)| *id <= to);
            chunk[chunk.partition_point(|(id, _)| *id < from).min(end)..end].iter()
        };
        let first = self.chunk_of(from).unwrap_or(0);
        let Some(last) = self.chunk_of(to) else {
            return [].iter().chain(self.chunks.range(..0).flatten()).chain(&[]);
        };
        let whole = self.chunks.range((first + 1).min(last)..last).flatten();
        part(first.min(last)).chain(whole).chain(if first < last { part(last) } else { [].iter() })
    }

    /// Gives about `budget` allocations back; whether there is nothing left.
    pub(super) fn free_some(&mut self, budget: &mut usize) -> bool {
        while *budget > 0 && self.chunks.pop_front().is_some() {
            *budget -= 1;
        }
        self.chunks.is_empty()
    }

    /// The chunk in which an id is, if it is anywhere; none where all begin behind it.
    fn chunk_of(&self, id: Id) -> Option<usize> {
        self.chunks.partition_point(|chunk| chunk[0].0 <= id).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_does_what_a_map_does(
            steps in prop::collection::vec((0..5u8, 0..400u64), 1..900),
            grown in 0..300u64,
        ) {
            let (mut sorted, mut model) = (Sorted::default(), BTreeMap::new());
            for ms in 0..grown {
                sorted.insert(Id::new(ms, 1), ms);
                model.insert(Id::new(ms, 1), ms);
            }
            for (index, (act, ms)) in steps.into_iter().enumerate() {
                let id = Id::new(ms, 1);
                if act < 2 {
                    prop_assert_eq!(sorted.insert(id, index as u64), model.insert(id, index as u64));
                } else {
                    prop_assert_eq!(sorted.remove(id), model.remove(&id));
                }
                prop_assert_eq!(sorted.get(id), model.get(&id));
                prop_assert_eq!(sorted.len(), model.len());
                prop_assert!(sorted.chunks.iter().all(|chunk| (1..=CHUNK_MAX).contains(&chunk.len())));
            }
            for from in [Id::MIN, Id::new(100, 0), Id::new(100, 1), Id::new(399, 2), Id::MAX] {
                let expected: Vec<_> = model.range(from..).map(|(id, value)| (*id, value)).collect();
                prop_assert_eq!(sorted.range(from).collect::<Vec<_>>(), expected.clone());
                let mut backwards: Vec<_> = sorted.range(from).rev().collect();
                backwards.reverse();
                prop_assert_eq!(backwards, expected);
                let up_to = model.range(..=from).next_back().map(|(id, value)| (*id, *value));
                prop_assert_eq!(sorted.up_to(from), up_to.as_ref());
                for to in [Id::MIN, Id::new(99, 0), Id::new(100, 1), Id::new(230, 0), Id::MAX] {
                    let expected: Vec<_> = model.iter().filter(|(id, _)| (from..=to).contains(*id)).collect();
                    let between = sorted.between(from, to).map(|(id, value)| (id, value));
                    prop_assert_eq!(between.clone().collect::<Vec<_>>(), expected.clone());
                    prop_assert!(between.rev().eq(expected.into_iter().rev()));
                }
            }
            let all: Vec<_> = model.iter().map(|(id, value)| (*id, *value)).collect();
            prop_assert_eq!((sorted.first(), sorted.last()), (all.first(), all.last()));
            prop_assert_eq!(sorted.iter().len(), all.len());
            prop_assert!(sorted.iter().eq(&all));
            if let Some(&(id, _)) = all.last() {
                sorted.last_mut().unwrap().1 = 7;
                prop_assert_eq!(sorted.get_mut(id), Some(&mut 7));
            }
            prop_assert_eq!(sorted.iter_mut().count(), all.len());
            prop_assert_eq!(sorted.into_values().count(), all.len());
        }
    }

    #[test]
    fn ids_that_only_grow_fill_the_chunks() {
        let mut sorted = Sorted::default();
        for ms in 0..640 {
            sorted.insert(Id::new(ms, 0), ms);
        }
        assert_eq!(sorted.chunk_count(), 10);
        // All but a few go, one by one, from all over.
        for ms in (0..640).filter(|ms| ms % 40 != 0) {
            sorted.remove(Id::new(ms, 0));
        }
        assert_eq!(sorted.chunk_count(), 1);
        let room: usize = sorted.chunks.iter().map(Vec::capacity).sum();
        assert!(room <= 4 * sorted.len(), "room for {room}");
    }
}
