//! The bounds of ranges of ranks, scores and members, as clients write them.
use crate::fault::{Fault, until_zero};
use crate::number::parse_f64_bound;
use crate::values::zset::{Bound, LexRange, ScoreRange};
use std::ops::Range;

const NOT_A_SCORE_RANGE: Fault = Fault::new("ERR min or max is not a float");
const NOT_A_LEX_RANGE: Fault = Fault::new("ERR min or max not valid string range item");

/// A range of scores: `(` before a bound leaves it out.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Fault> {
    let bound = |text: &[u8]| match text {
        [b'(', score @ ..] => parse_f64_bound(score).map(|score| (score, true)),
        score => parse_f64_bound(score).map(|score| (score, false)),
    };
    let (min, excludes_min) = bound(min).ok_or(NOT_A_SCORE_RANGE)?;
    let (max, excludes_max) = bound(max).ok_or(NOT_A_SCORE_RANGE)?;
    Ok(ScoreRange { min, max, excludes_min, excludes_max })
}

/// A range of members: `[` before a bound has it within, `(` leaves it out; `-` is before all, `+` behind all.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, Fault> {
    let bound = |text: &'a [u8]| match text {
        [b'[', member @ ..] => Ok(Bound::Including(member)),
        [b'(', member @ ..] => Ok(Bound::Excluding(member)),
        _ if until_zero(text) == b"-" => Ok(Bound::Least),
        _ if until_zero(text) == b"+" => Ok(Bound::Greatest),
        _ => Err(NOT_A_LEX_RANGE),
    };
    Ok(LexRange { min: bound(min)?, max: bound(max)? })
}

/// The ranks of `len` members that two numbers mean, both within, negative ones counted from the end.
pub(super) fn rank_range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_front = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let start = from_front(start).max(0) as usize;
    let end = usize::try_from(from_front(stop).saturating_add(1)).unwrap_or(0).min(len);
    start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_either_end() {
        for (start, stop, ranks) in [
            (0, -1, 0..5),
            (1, 3, 1..4),
            (-2, -1, 3..5),
            (-100, 100, 0..5),
            (3, 1, 2..2),
            (5, 9, 5..5),
            (0, -6, 0..0),
            (i64::MIN, i64::MAX, 0..5),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(rank_range(start, stop, 5), ranks, "{start} {stop}");
        }
        assert_eq!(rank_range(0, -1, 0), 0..0);
    }
}
