//! Unions, intersections and differences of sorted sets, and of sets, whose members all have the score 1.
use super::Zset;
use crate::keyspace::StrRef;
use crate::keyspace::hash::hash_of;
use crate::values::{Kind, Set};

/// What is reckoned with.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A sorted set.
    Zset(&'a Zset),
    /// A set.
    Set(&'a Set),
    /// A key that is missing.
    Nothing,
}

/// An input with its weight.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The members.
    pub source: Source<'a>,
    /// What each score is multiplied by.
    pub weight: f64,
}

/// What becomes of the scores that a member has in several inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// They are added.
    #[default]
    Sum,
    /// The least counts.
    Min,
    /// The greatest counts.
    Max,
}

/// Members with their scores, in no order.
pub type Pairs<'a> = Vec<(StrRef<'a>, f64)>;

impl<'a> Source<'a> {
    /// How many members there are.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Source::Zset(zset) => zset.len(),
            Source::Set(set) => set.len(),
            Source::Nothing => 0,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn each(self, mut visit: impl FnMut(StrRef<'a>, f64)) {
        match self {
            Source::Zset(zset) => zset.each(visit),
            Source::Set(set) => set.iter().for_each(|member| visit(member, 1.0)),
            Source::Nothing => {}
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Zset(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::Nothing => None,
        }
    }
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinities of both signs add up to nothing.
            Aggregate::Sum => number_or_zero(one + other),
            Aggregate::Min if other < one => other,
            Aggregate::Max if other > one => other,
            Aggregate::Min | Aggregate::Max => one,
        }
    }
}

fn number_or_zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

/// The smaller first: of equal ones the order in which they were given decides how floating sums are rounded.
fn by_len<'a>(inputs: &[Input<'a>]) -> Vec<Input<'a>> {
    let mut inputs = inputs.to_vec();
    inputs.sort_by_key(|input| input.source.len());
    inputs
}

/// The members of any input.
#[must_use]
pub fn union<'a>(inputs: &[Input<'a>], aggregate: Aggregate) -> Pairs<'a> {
    let inputs = by_len(inputs);
    let Some((last, before)) = inputs.split_last() else { return Vec::new() };
    let before_len = before.iter().map(|input| input.source.len()).sum();
    let mut gathered = Gathered::new(before_len, before_len + last.source.len());
    for input in &inputs {
        // Nobody looks for the members of the last one, which is the largest.
        let is_last = std::ptr::eq(input, last);
        input.source.each(|member, score| {
            let score = number_or_zero(input.weight * score);
            let mut room = [0; 20];
            let bytes = member.bytes(&mut room);
            let hash = if before_len > 0 { hash_of(bytes) } else { 0 };
            match gathered.find(hash, bytes) {
                Ok(at) => gathered.pairs[at].1 = aggregate.of(gathered.pairs[at].1, score),
                Err(slot) => {
                    gathered.pairs.push((member, score));
                    if !is_last {
                        gathered.slots[slot] = mark(hash) | gathered.pairs.len() as u64;
                    }
                }
            }
        });
    }
    gathered.pairs
}

/// Members gathered so far, and an open-addressing table of where they stand.
struct Gathered<'a> {
    pairs: Pairs<'a>,
    /// The upper half of a member's hash, and in the lower half its place in `pairs` plus 1; 0 where there is none.
    slots: Vec<u64>,
}

fn mark(hash: u64) -> u64 {
    hash & !u64::from(u32::MAX)
}

impl Gathered<'_> {
    /// Room for `len` members of which `sought_len` are looked for.
    fn new(sought_len: usize, len: usize) -> Self {
        let slots = if sought_len == 0 { 0 } else { (2 * sought_len).next_power_of_two() };
        Gathered { pairs: Vec::with_capacity(len), slots: vec![0; slots] }
    }

    /// The place of a member, or the slot that would tell it.
    fn find(&self, hash: u64, member: &[u8]) -> Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mut slot = hash as usize & (self.slots.len() - 1);
        loop {
            let word = self.slots[slot];
            if word == 0 {
                return Err(slot);
            }
            let place = (word as u32 - 1) as usize;
            if mark(word) == mark(hash) && self.pairs[place].0.bytes(&mut [0; 20]) == member {
                return Ok(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

/// Calls `take` with each member that all inputs have, as long as it says to go on.
pub fn intersect<'a>(
    inputs: &[Input<'a>],
    aggregate: Aggregate,
    mut take: impl FnMut(StrRef<'a>, f64) -> bool,
) {
    let inputs = by_len(inputs);
    let Some((smallest, others)) = inputs.split_first() else { return };
    let mut goes_on = true;
    smallest.source.each(|member, score| {
        if !goes_on {
            return;
        }
        let mut room = [0; 20];
        let bytes = member.bytes(&mut room);
        let first = number_or_zero(smallest.weight * score);
        let together = others.iter().try_fold(first, |sum, input| {
            input.source.score(bytes).map(|score| aggregate.of(sum, input.weight * score))
        });
        goes_on = together.is_none_or(|score| take(member, score));
    });
}

/// The members that all inputs have.
#[must_use]
pub fn intersection<'a>(inputs: &[Input<'a>], aggregate: Aggregate) -> Pairs<'a> {
    let mut pairs = Vec::new();
    intersect(inputs, aggregate, |member, score| {
        pairs.push((member, score));
        true
    });
    pairs
}

/// The members of the first source that no other has.
#[must_use]
pub fn difference<'a>(first: Source<'a>, others: &[Source<'a>]) -> Pairs<'a> {
    let mut pairs = Vec::new();
    first.each(|member, score| {
        let mut room = [0; 20];
        let bytes = member.bytes(&mut room);
        if others.iter().all(|other| other.score(bytes).is_none()) {
            pairs.push((member, score));
        }
    });
    pairs
}
