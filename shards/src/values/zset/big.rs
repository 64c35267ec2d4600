//! A big sorted set: a table of its members with their scores, and a tree of their addresses in order.
//!
//! An item is one allocation (score, length, member) that the table owns. The tree borrows: it keeps the addresses of
//! those items and nothing else. A member of 13 bytes so costs 24 for the item, 10 for its word in the table, 10 in the tree.
#![expect(unsafe_code, reason = "the tree keeps addresses of items that the table owns")]
use crate::keyspace::StrRef;
use crate::keyspace::directory::View;
use crate::keyspace::item::Item;
use crate::values::member::{Member, MemberRef};
use crate::values::members::Members;
use crate::values::tree::{Ranked, Tree};
use std::cmp::Ordering;
use std::mem::ManuallyDrop;
use std::ops::Range;

pub(super) type Scored = Member<8>;

/// The items' table and their order.
#[derive(Debug, Default)]
pub(super) struct Big {
    /// Emptied before the items go.
    order: Tree<Handle>,
    items: Members<Scored>,
}

/// The address of an item in the table of the [`Big`] whose tree this stands in.
///
/// That the item lives whenever a handle is asked is what every function in this file sees to: the table never moves an item
/// (it moves words); an item enters the tree only after it has entered the table, and leaves the tree before the table gives it
/// up, or else stays in both; no two items have the same bytes, so that what the table gives up is what left the tree; and no
/// handle leaves this file but as a look that borrows the whole [`Big`].
#[derive(Clone, Copy, Default, Debug)]
struct Handle(u64);

impl Handle {
    #[inline]
    fn look<'a>(self) -> MemberRef<'a, 8> {
        // SAFETY: see above: the item lives. Callers do not keep the look beyond their borrow of the sorted set.
        unsafe { Scored::view_at(self.0) }
    }

    /// Changes the score, for one who has the whole sorted set borrowed mutably.
    fn set_score(self, score: f64) {
        // SAFETY: see above: the item lives. It is not taken from the table: this second owner is never dropped.
        let mut item = ManuallyDrop::new(unsafe { Scored::from_address(self.0) });
        item.set_prefix(score.to_le_bytes());
    }
}

impl Ranked for Handle {
    type Head = f64;
    #[inline]
    fn head(self) -> f64 {
        score_of(self.look())
    }
    #[inline]
    fn prefetch(self) {
        crate::memory::prefetch(self.0 as *const u8);
    }
}

#[inline]
pub(super) fn score_of(item: MemberRef<'_, 8>) -> f64 {
    f64::from_le_bytes(item.prefix())
}

/// The place of a member with a score.
#[inline]
fn at(score: f64, member: &[u8]) -> impl Fn(f64, Handle) -> Ordering {
    move |head, item| {
        if head < score {
            Ordering::Less
        } else if head > score {
            Ordering::Greater
        } else {
            item.look().bytes().cmp(member)
        }
    }
}

impl Big {
    /// One of these members, which are in order and all different; what comes twice is left out.
    pub(super) fn from_sorted<'a>(pairs: impl Iterator<Item = (StrRef<'a>, f64)>) -> Big {
        let mut items = Members::new();
        let mut room = [0; 20];
        let mut handles = Vec::with_capacity(pairs.size_hint().0);
        for (member, score) in pairs {
            let member = member.bytes(&mut room);
            if items.get(member).is_none() {
                handles.push(own(&mut items, member, score));
            }
        }
        Big { order: Tree::from_sorted(&handles), items }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        crate::memory::allocation_bytes(size_of::<Big>())
            + self.items.memory_bytes()
            + self.order.memory_bytes()
    }

    #[inline]
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.items.get(member).map(score_of)
    }

    /// Adds a member that is not in here.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let handle = own(&mut self.items, member, score);
        self.order.insert(handle, &at(score, member));
    }

    /// Gives a member, whose score is `old`, another one.
    pub(super) fn rescore(&mut self, member: &[u8], old: f64, score: f64) {
        let (from, to) = (at(old, member), at(score, member));
        if self.items.is_lent() {
            // A reader may see the item with its old score: another one takes its place.
            if self.order.remove(&from).is_some() {
                let address = Scored::new(score.to_le_bytes(), member).into_address();
                // SAFETY: the address is that of the item made above; the handle beside it does not own it.
                drop(self.items.replace(unsafe { Scored::from_address(address) }));
                self.order.insert(Handle(address), &to);
            }
            return;
        }
        if self.order.change_in_place(&from, &to, score >= old, |item| item.set_score(score)) {
            return;
        }
        if let Some(handle) = self.order.remove(&from) {
            handle.set_score(score);
            self.order.insert(handle, &to);
        }
    }

    /// Takes a member out, whose score it gives back.
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.score(member)?;
        self.order.remove(&at(score, member))?;
        self.items.remove(member);
        Some(score)
    }

    pub(super) fn rank(&self, member: &[u8], score: f64) -> usize {
        self.order.rank(&at(score, member))
    }

    /// How many are before a place, which is told by score alone.
    pub(super) fn rank_by_score(&self, is_before: impl Fn(f64) -> bool) -> usize {
        self.order.rank(&|head, _| if is_before(head) { Ordering::Less } else { Ordering::Greater })
    }

    /// How many are before a place among the members. Where scores differ members are not in order, and what is found is what
    /// halving the ranks comes across: always the same, however the tree has grown, as what is recorded must be.
    pub(super) fn rank_by_member(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let score_at = |rank| self.order.get(rank).map(Handle::head);
        if score_at(0) == score_at(self.len().saturating_sub(1)) {
            let before = |item: Handle| {
                if is_before(item.look().bytes()) { Ordering::Less } else { Ordering::Greater }
            };
            return self.order.rank(&|_, item| before(item));
        }
        let (mut from, mut to) = (0, self.len());
        while from < to {
            let middle = from.midpoint(to);
            if self.get(middle).is_some_and(|(member, _)| is_before(member)) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    pub(super) fn range(&self, ranks: Range<usize>) -> impl Iterator<Item = (&[u8], f64)> {
        self.order.range(ranks).map(|item| (item.look().bytes(), item.head()))
    }

    pub(super) fn range_back(&self, ranks: Range<usize>) -> impl Iterator<Item = (&[u8], f64)> {
        self.order.range_back(ranks).map(|item| (item.look().bytes(), item.head()))
    }

    /// The member of a rank.
    pub(super) fn get(&self, rank: usize) -> Option<(&[u8], f64)> {
        self.order.get(rank).map(|item| (item.look().bytes(), item.head()))
    }

    /// Takes the members of these ranks out.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        let gone: Vec<Handle> = self.order.range(ranks.clone()).collect();
        self.order.remove_range(ranks);
        // The table has them still, so they live until their turn.
        gone.iter().for_each(|item| drop(self.items.remove(item.look().bytes())));
    }

    /// Calls `visit` with about `count` members from a cursor on: see [`Members::scan`].
    pub(super) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.items.scan(cursor, count, |item| visit(item.bytes(), score_of(item)))
    }

    /// The members with their scores as they are now, in no order, for a reader; nothing where somebody is still reading.
    pub(super) fn lend(&mut self) -> Option<View<Scored>> {
        self.items.lend()
    }

    pub(super) fn copy(&self) -> Big {
        Big::from_sorted(self.range(0..self.len()).map(|(member, score)| (StrRef::Bytes(member), score)))
    }

    /// Frees about `budget` allocations; whether none is left. For one that nobody uses any more.
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        if !self.order.is_empty() {
            // A leaf holds a hundred items.
            let len = self.order.len();
            self.order.remove_range(len - len.min(budget.saturating_mul(100))..len);
            return false;
        }
        self.items.free_some(budget)
    }
}

/// Adds a member that is not in a table to it.
fn own(items: &mut Members<Scored>, member: &[u8], score: f64) -> Handle {
    let address = Scored::new(score.to_le_bytes(), member).into_address();
    // SAFETY: the address is that of the item made above; the handle beside it does not own it.
    items.insert(unsafe { Scored::from_address(address) });
    Handle(address)
}
