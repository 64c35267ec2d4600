//! A small sorted set: a listpack of members and scores by turns, in order, exactly as Redis has it.
use super::range::{LexRange, ScoreRange, compare};
use crate::keyspace::StrRef;
use crate::number::{format_double, format_i64, parse_f64};
use crate::values::listpack::{At, Listpack};
use std::ops::Range;

/// The score that an element of the listpack is.
#[inline]
fn score_of(element: StrRef<'_>) -> f64 {
    match element {
        StrRef::Int(value) => value as f64,
        StrRef::Bytes(text) => parse_f64(text).unwrap_or(0.0),
    }
}

/// The integer as which a score is kept, where it is one: the sign of a zero goes lost, as with Redis.
fn integer_of(score: f64) -> Option<i64> {
    (score.abs() <= (i64::MAX / 2) as f64 && score.trunc() == score).then_some(score as i64)
}

fn with_text<T>(score: f64, act: impl FnOnce(&[u8]) -> T) -> T {
    match integer_of(score) {
        Some(integer) => act(format_i64(integer, &mut [0; 20])),
        None => act(format_double(score).as_bytes()),
    }
}

/// Members with their scores, in order, from either end.
pub(super) fn pairs(pack: &Listpack) -> impl DoubleEndedIterator<Item = (StrRef<'_>, f64)> {
    Pairs(pack.iter())
}

struct Pairs<'a>(crate::values::listpack::Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (StrRef<'a>, f64);
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = self.0.next()?;
        Some((member, score_of(self.0.next()?)))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let score = score_of(self.0.next_back()?);
        Some((self.0.next_back()?, score))
    }
}

/// Where a member stands, and its score.
#[inline]
pub(super) fn find(pack: &Listpack, member: &[u8]) -> Option<(At, f64)> {
    let at = pack.find(pack.first()?, member, 1)?;
    Some((at, score_of(pack.get(pack.next(at)?))))
}

/// Adds a member that is not in here.
pub(super) fn insert(pack: &mut Listpack, member: &[u8], score: f64) {
    let mut room = [0; 20];
    let mut next = pack.first();
    // What is added is often the greatest.
    if pairs(pack).next_back().is_some_and(|(last, its)| is_before((last, its), (member, score), &mut room)) {
        next = None;
    }
    while let Some(at) = next {
        let Some(at_score) = pack.next(at) else { break };
        if !is_before((pack.get(at), score_of(pack.get(at_score))), (member, score), &mut room) {
            let at = pack.insert_before(at, member);
            with_text(score, |text| pack.insert_after(at, text));
            return;
        }
        next = pack.next(at_score);
    }
    push(pack, member, score);
}

fn is_before(one: (StrRef<'_>, f64), other: (&[u8], f64), room: &mut [u8; 20]) -> bool {
    compare((one.1, one.0.bytes(room)), (other.1, other.0)).is_lt()
}

/// Adds a member that belongs behind all others.
pub(super) fn push(pack: &mut Listpack, member: &[u8], score: f64) {
    pack.push_back(member);
    with_text(score, |text| pack.push_back(text));
}

/// Takes the member at `at` out, with its score.
pub(super) fn remove(pack: &mut Listpack, at: At) {
    if let Some(score) = pack.remove(at) {
        pack.remove(score);
    }
}

/// Gives the member at `at` another score.
pub(super) fn rescore(pack: &mut Listpack, at: At, member: &[u8], score: f64) {
    let mut room = [0; 20];
    let place = (member, score);
    let score_at = pack.next(at);
    let previous = pack.prev(at).map(|its| score_of(pack.get(its)));
    let is_behind_previous = previous.is_none_or(|previous| previous < score);
    let next = score_at.and_then(|score_at| pack.next(score_at));
    let next_score = next.and_then(|next| pack.next(next)).map(|its| score_of(pack.get(its)));
    let is_before_next = match (next, next_score) {
        (Some(next), Some(its)) => !is_before((pack.get(next), its), place, &mut room),
        _ => true,
    };
    match score_at {
        Some(score_at) if is_behind_previous && is_before_next => {
            with_text(score, |text| pack.replace(score_at, text));
        }
        _ => {
            remove(pack, at);
            insert(pack, member, score);
        }
    }
}

/// The ranks of the pairs whose scores are in a range.
pub(super) fn ranks_by_score(pack: &Listpack, range: &ScoreRange) -> Range<usize> {
    let mut ranks = 0..0;
    for (_, score) in pairs(pack) {
        if range.is_above(score) {
            ranks.start += 1;
        } else if range.is_below(score) {
            break;
        }
        ranks.end += 1;
    }
    ranks
}

/// The ranks of the pairs whose members are in a range, found from the end that is asked for: where scores differ it shows.
pub(super) fn ranks_by_lex(pack: &Listpack, range: &LexRange<'_>, back: bool) -> Range<usize> {
    let is_above = |member: StrRef<'_>| range.is_above(member.bytes(&mut [0; 20]));
    let is_below = |member: StrRef<'_>| range.is_below(member.bytes(&mut [0; 20]));
    let members = || pairs(pack).map(|(member, _)| member);
    if members().next().is_none_or(is_below) || members().next_back().is_some_and(is_above) {
        return 0..0;
    }
    if back {
        let behind = members().rev().take_while(|member| is_below(*member)).count();
        let within = members().rev().skip(behind).take_while(|member| !is_above(*member)).count();
        let end = pack.len() / 2 - behind;
        return end - within..end;
    }
    let start = members().take_while(|member| is_above(*member)).count();
    start..start + members().skip(start).take_while(|member| !is_below(*member)).count()
}
