//! Ranges of scores and of members, as the commands on sorted sets bound them.
use std::cmp::Ordering;

/// Scores between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The lower bound.
    pub min: f64,
    /// The upper bound.
    pub max: f64,
    /// The lower bound itself is out of the range.
    pub excludes_min: bool,
    /// The upper bound itself is out of the range.
    pub excludes_max: bool,
}

impl ScoreRange {
    /// From one score to another, both within.
    #[must_use]
    pub fn closed(min: f64, max: f64) -> ScoreRange {
        ScoreRange { min, max, excludes_min: false, excludes_max: false }
    }
    /// Whether a score lies before the range.
    #[inline]
    #[must_use]
    pub fn is_above(&self, score: f64) -> bool {
        score < self.min || (self.excludes_min && score == self.min)
    }
    /// Whether a score lies behind the range.
    #[inline]
    #[must_use]
    pub fn is_below(&self, score: f64) -> bool {
        score > self.max || (self.excludes_max && score == self.max)
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<'a> {
    /// Before every member (`-`).
    Least,
    /// Behind every member (`+`).
    Greatest,
    /// At this member, which is within (`[`).
    Including(&'a [u8]),
    /// At this member, which is out (`(`).
    Excluding(&'a [u8]),
}

/// Members between two bounds, in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// The lower bound.
    pub min: Bound<'a>,
    /// The upper bound.
    pub max: Bound<'a>,
}

impl LexRange<'_> {
    /// Whether a member lies before the range.
    #[must_use]
    pub fn is_above(&self, member: &[u8]) -> bool {
        match self.min {
            Bound::Least => false,
            Bound::Greatest => true,
            Bound::Including(min) => member < min,
            Bound::Excluding(min) => member <= min,
        }
    }
    /// Whether a member lies behind the range.
    #[must_use]
    pub fn is_below(&self, member: &[u8]) -> bool {
        match self.max {
            Bound::Least => true,
            Bound::Greatest => false,
            Bound::Including(max) => member > max,
            Bound::Excluding(max) => member >= max,
        }
    }
}

/// The order of a sorted set: by score, members of the same score by their bytes.
#[inline]
#[must_use]
pub fn compare(one: (f64, &[u8]), other: (f64, &[u8])) -> Ordering {
    // No score is a NaN.
    match one.0.partial_cmp(&other.0) {
        Some(Ordering::Equal) | None => one.1.cmp(other.1),
        Some(order) => order,
    }
}
