//! Sorted sets: members, each with a score, in the order of scores, those of the same score in the order of their bytes.
//!
//! A small one is a listpack ([`packed`]), a big one a table and a tree ([`big`]). Ranks count from 0, the least score.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
pub mod algebra;
mod big;
mod packed;
pub mod range;
#[cfg(test)]
mod tests;

use super::listpack::Listpack;
use super::member::{Member, MemberRef};
use super::run::Run;
use super::{Kind, Line, TAG};
use crate::digest::Digest;
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::number::format_g17;
use crate::settings::Settings;
use big::Big;
pub use range::{Bound, LexRange, ScoreRange};
use std::ops::Range;

/// A sorted set.
#[derive(Debug)]
pub enum Zset {
    /// Members and scores by turns, as Redis has them.
    Packed(Listpack),
    /// What OBJECT ENCODING calls a skiplist.
    #[expect(private_interfaces, reason = "how a big one is built is its own affair")]
    Big(Box<Big>),
}

/// The tag of a word that is a [`Big`]'s address.
const BIG: u64 = 1;
/// The form of a listpack that stands in line.
const PACKED_IN_LINE: u8 = 14;

/// Up to where a sorted set is packed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Members at most.
    pub entries_max: usize,
    /// The longest member at most, in bytes.
    pub member_bytes_max: usize,
}

impl Limits {
    /// Those that the directives set.
    #[must_use]
    pub fn of(settings: &Settings) -> Limits {
        Limits {
            entries_max: settings.zset_listpack_entries_max,
            member_bytes_max: settings.zset_listpack_value_bytes_max,
        }
    }
}

/// What a member's score is to become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// This.
    To(f64),
    /// So much more than it is; this, where there is none.
    By(f64),
}

/// On which conditions a member is added or its score changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Only where it is missing (NX).
    pub missing: bool,
    /// Only where it is there (XX).
    pub present: bool,
    /// The score of one that is there may only rise (GT).
    pub rises: bool,
    /// The score of one that is there may only fall (LT).
    pub falls: bool,
}

/// What came of adding a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Added {
    /// It is new, with this score.
    New(f64),
    /// It has this score now, and had another one.
    Rescored(f64),
    /// It has this score as before.
    Same(f64),
    /// A condition did not hold.
    Refused,
}

/// A score would be no number (infinity less infinity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl Zset {
    /// One of these members, which are all different: sorted and built at once.
    #[must_use]
    pub fn from_unsorted(mut pairs: Vec<(StrRef<'_>, f64)>, limits: Limits) -> Zset {
        sort(&mut pairs);
        Zset::from_sorted(&pairs, limits)
    }

    /// One of these members, which are in order and all different.
    #[must_use]
    pub fn from_sorted(pairs: &[(StrRef<'_>, f64)], limits: Limits) -> Zset {
        let fits = pairs.len() <= limits.entries_max
            && pairs.iter().all(|(member, _)| member.len() <= limits.member_bytes_max);
        let mut room = [0; 20];
        if !fits {
            return Zset::Big(Box::new(Big::from_sorted(pairs.iter().copied())));
        }
        let mut pack = Listpack::new();
        pairs.iter().for_each(|(member, score)| packed::push(&mut pack, member.bytes(&mut room), *score));
        Zset::Packed(pack)
    }

    /// One without members that expects so many, the first of which is so long: not packed where that is beyond the limits.
    #[must_use]
    pub fn expecting(count: usize, member_bytes: usize, limits: Limits) -> Zset {
        if count > limits.entries_max || member_bytes > limits.member_bytes_max {
            Zset::Big(Box::default())
        } else {
            Zset::empty()
        }
    }

    /// The score of a member.
    #[inline]
    #[must_use]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pack) => packed::find(pack, member).map(|(_, score)| score),
            Zset::Big(big) => big.score(member),
        }
    }

    /// Adds a member, or changes its score.
    pub fn add(
        &mut self,
        member: &[u8],
        change: Change,
        when: When,
        limits: Limits,
    ) -> Result<Added, NotANumber> {
        if let Zset::Packed(pack) = self {
            let found = packed::find(pack, member);
            let added = decide(found.map(|(_, score)| score), change, when)?;
            match (added, found) {
                (Added::New(score), _) => self.insert(member, score, limits),
                (Added::Rescored(score), Some((at, _))) => packed::rescore(pack, at, member, score),
                _ => {}
            }
            return Ok(added);
        }
        let old = self.score(member);
        let added = decide(old, change, when)?;
        match (added, old, self) {
            (Added::New(score), _, Zset::Big(big)) => big.insert(member, score),
            (Added::Rescored(score), Some(old), Zset::Big(big)) => big.rescore(member, old, score),
            _ => {}
        }
        Ok(added)
    }

    /// The members with their scores as they are now, in no order, for a reader; nothing where it is small, or somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<View<Member<8>>> {
        if let Zset::Big(big) = self { big.lend() } else { None }
    }

    /// The score with which a member is kept.
    pub(crate) fn score_of(member: MemberRef<'_, 8>) -> f64 {
        big::score_of(member)
    }

    /// Adds a member that is not in here.
    fn insert(&mut self, member: &[u8], score: f64, limits: Limits) {
        if let Zset::Packed(_) = self
            && (self.len() >= limits.entries_max || member.len() > limits.member_bytes_max)
        {
            self.unpack();
        }
        match self {
            Zset::Packed(pack) => packed::insert(pack, member, score),
            Zset::Big(big) => big.insert(member, score),
        }
    }

    /// Makes a big one of a packed one, where more members are coming than a packed one may have.
    pub fn expect_more(&mut self, count: usize, limits: Limits) {
        if count > limits.entries_max {
            self.unpack();
        }
    }

    fn unpack(&mut self) {
        if let Zset::Packed(pack) = self {
            let big = Big::from_sorted(packed::pairs(pack));
            *self = Zset::Big(Box::new(big));
        }
    }

    /// Takes a member out; the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pack) => {
                let (at, score) = packed::find(pack, member)?;
                packed::remove(pack, at);
                Some(score)
            }
            Zset::Big(big) => big.remove(member),
        }
    }

    /// Takes the members of these ranks, all of which exist, out.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        match self {
            Zset::Packed(pack) => pack.remove_range(2 * ranks.start as i64, 2 * ranks.len()),
            Zset::Big(big) => big.remove_ranks(ranks),
        }
    }

    /// Rank and score of a member.
    #[must_use]
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Zset::Packed(pack) => {
                let mut room = [0; 20];
                let mut pairs = packed::pairs(pack).enumerate();
                pairs
                    .find(|(_, (its, _))| its.bytes(&mut room) == member)
                    .map(|(rank, (_, score))| (rank, score))
            }
            Zset::Big(big) => {
                let score = big.score(member)?;
                Some((big.rank(member, score), score))
            }
        }
    }

    /// The ranks of the members whose scores are in a range.
    #[must_use]
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        match self {
            Zset::Packed(pack) => packed::ranks_by_score(pack, range),
            Zset::Big(big) => {
                let start = big.rank_by_score(|score| range.is_above(score));
                start..big.rank_by_score(|score| !range.is_below(score)).max(start)
            }
        }
    }

    /// The ranks of the members that are in a range, where all have the same score. Where they have not, a packed one tells what
    /// Redis tells, which depends on the end from which it is looked through.
    #[must_use]
    pub fn ranks_by_lex(&self, range: &LexRange<'_>, back: bool) -> Range<usize> {
        match self {
            Zset::Packed(pack) => packed::ranks_by_lex(pack, range, back),
            Zset::Big(big) => {
                let start = big.rank_by_member(|member| range.is_above(member));
                start..big.rank_by_member(|member| !range.is_below(member)).max(start)
            }
        }
    }

    /// Calls `visit` with the members of these ranks in order, the last one first where `back`.
    pub fn walk<'a>(&'a self, ranks: Range<usize>, back: bool, mut visit: impl FnMut(StrRef<'a>, f64)) {
        let mut visit_bytes = |(member, score): (&'a [u8], f64)| visit(StrRef::Bytes(member), score);
        match self {
            Zset::Big(big) if back => big.range_back(ranks).for_each(visit_bytes),
            Zset::Big(big) => big.range(ranks).for_each(&mut visit_bytes),
            Zset::Packed(pack) if back => {
                let skipped = pack.len() / 2 - ranks.end.min(pack.len() / 2);
                let pairs = packed::pairs(pack).rev().skip(skipped).take(ranks.len());
                pairs.for_each(|(member, score)| visit(member, score));
            }
            Zset::Packed(pack) => {
                let pairs = packed::pairs(pack).skip(ranks.start).take(ranks.len());
                pairs.for_each(|(member, score)| visit(member, score));
            }
        }
    }

    /// Calls `visit` with every member in order.
    pub fn each<'a>(&'a self, visit: impl FnMut(StrRef<'a>, f64)) {
        self.walk(0..self.len(), false, visit);
    }

    /// The members of these ranks in order.
    #[must_use]
    pub fn pairs(&self, ranks: Range<usize>) -> Vec<(StrRef<'_>, f64)> {
        let mut pairs = Vec::with_capacity(ranks.len());
        self.walk(ranks, false, |member, score| pairs.push((member, score)));
        pairs
    }

    /// The member of a rank.
    #[must_use]
    pub fn get(&self, rank: usize) -> Option<(StrRef<'_>, f64)> {
        match self {
            Zset::Packed(pack) => packed::pairs(pack).nth(rank),
            Zset::Big(big) => big.get(rank).map(|(member, score)| (StrRef::Bytes(member), score)),
        }
    }

    /// Calls `visit` with about `count` members from a cursor on, 0 being where to begin; gives back the cursor to go on
    /// from, 0 at the end. A packed one is visited as a whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match self {
            Zset::Packed(_) => {
                self.each(|member, score| visit(member.bytes(&mut [0; 20]), score));
                0
            }
            Zset::Big(big) => big.scan(cursor, count, visit),
        }
    }
}

/// Sorts members by score and bytes.
pub fn sort(pairs: &mut [(StrRef<'_>, f64)]) {
    pairs.sort_by(|one, other| {
        let (mut room, mut other_room) = ([0; 20], [0; 20]);
        range::compare((one.1, one.0.bytes(&mut room)), (other.1, other.0.bytes(&mut other_room)))
    });
}

/// What is to come of a member that has the score `old`, or is missing.
fn decide(old: Option<f64>, change: Change, when: When) -> Result<Added, NotANumber> {
    let Some(old) = old else {
        let (Change::To(score) | Change::By(score)) = change;
        return Ok(if when.present { Added::Refused } else { Added::New(score) });
    };
    if when.missing {
        return Ok(Added::Refused);
    }
    let score = match change {
        Change::To(score) => score,
        Change::By(more) => old + more,
    };
    if score.is_nan() {
        return Err(NotANumber);
    }
    if (when.falls && score >= old) || (when.rises && score <= old) {
        return Ok(Added::Refused);
    }
    Ok(if score == old { Added::Same(score) } else { Added::Rescored(score) })
}

impl Kind for Zset {
    const FORM: u8 = 9;
    const NAME: &'static str = "zset";
    const TYPE: u32 = 3;
    const IN_LINE: &'static [u8] = &[PACKED_IN_LINE];

    fn empty() -> Self {
        Zset::Packed(Listpack::new())
    }
    fn into_word(self) -> u64 {
        match self {
            Zset::Packed(pack) => pack.into_address(),
            Zset::Big(big) => Box::into_raw(big) as u64 | BIG,
        }
    }
    unsafe fn from_word(word: u64) -> Self {
        if word & TAG == BIG {
            // SAFETY: the word came from `into_word`, which tags the addresses of boxes of this type so.
            Zset::Big(unsafe { Box::from_raw((word & !TAG) as *mut Big) })
        } else {
            // SAFETY: the word came from `into_word`, which leaves the addresses of listpacks untagged.
            Zset::Packed(unsafe { Listpack::from_address(word) })
        }
    }
    #[inline]
    fn as_line(&self) -> Option<Line<'_>> {
        if let Zset::Packed(pack) = self { Some(pack.as_line(PACKED_IN_LINE)) } else { None }
    }
    #[inline]
    fn into_run(self) -> Result<Run, Self> {
        if let Zset::Packed(pack) = self { Ok(pack.into_run()) } else { Err(self) }
    }
    #[inline]
    unsafe fn from_run(form: u8, run: Run) -> Option<Self> {
        // SAFETY: only a listpack stands in line, and the caller says that it does.
        (form == PACKED_IN_LINE).then(|| Zset::Packed(unsafe { Listpack::from_run(run) }))
    }
    #[inline]
    fn len(&self) -> usize {
        match self {
            Zset::Packed(pack) => pack.len() / 2,
            Zset::Big(big) => big.len(),
        }
    }
    fn encoding(&self) -> &'static str {
        match self {
            Zset::Packed(_) => "listpack",
            Zset::Big(_) => "skiplist",
        }
    }
    fn memory_bytes(&self) -> usize {
        match self {
            Zset::Packed(pack) => pack.memory_bytes(),
            Zset::Big(big) => big.memory_bytes(),
        }
    }
    fn copy(&self) -> Self {
        match self {
            Zset::Packed(pack) => Zset::Packed(pack.clone()),
            Zset::Big(big) => Zset::Big(Box::new(big.copy())),
        }
    }
    fn digest(&self, digest: &mut Digest) {
        self.each(|member, score| {
            let mut element = Digest::default();
            element.mix(member.bytes(&mut [0; 20]));
            element.mix(format_g17(score).as_bytes());
            digest.add_element(element);
        });
    }
    fn free_cost(&self) -> usize {
        match self {
            Zset::Packed(_) => 1,
            Zset::Big(big) => big.len(),
        }
    }
    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Zset::Packed(_) => true,
            Zset::Big(big) => big.free_some(budget),
        }
    }
}
