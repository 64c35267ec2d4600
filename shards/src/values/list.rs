//! The kind `list`: a listpack while small, nodes of listpacks beyond `list-max-listpack-size`.
#![expect(unsafe_code, reason = "an entry keeps the address of what this holds")]
use super::listpack::{Listpack, Wanted};
use super::quicklist::{self, Limit, Quicklist};
use super::run::Run;
use super::{Kind, Line, TAG};
use crate::digest::Digest;
use crate::keyspace::StrRef;
use crate::memory::allocation_bytes;
use crate::settings::Settings;
use std::ops::{ControlFlow, Range};

/// The tag of a word that is the address of a quicklist; that of a listpack is 0.
const QUICK: u64 = 1;
/// The form of a listpack that stands in line.
const PACK_IN_LINE: u8 = 12;

/// A list, in one of its encodings. An entry keeps only the address of what is inside.
#[derive(Debug)]
pub enum List {
    /// All elements in one allocation.
    Pack(Listpack),
    /// Nodes of elements.
    Quick(Box<Quicklist>),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl Side {
    /// Adds an element at this end.
    #[inline]
    pub(super) fn push(self, pack: &mut Listpack, value: &[u8]) {
        match self {
            Side::Left => pack.push_front(value),
            Side::Right => pack.push_back(value),
        }
    }

    /// Removes the element at this end, shown to `take` first.
    #[inline]
    pub(super) fn pop<T>(self, pack: &mut Listpack, take: impl FnOnce(StrRef<'_>) -> T) -> Option<T> {
        let at = if self == Side::Left { pack.first()? } else { pack.last()? };
        let taken = take(pack.get(at));
        pack.remove(at);
        Some(taken)
    }
}

impl List {
    /// Grows out of a listpack, if one that gains `count` elements of `bytes` in all is too much by the settings. Comes before
    /// elements are added, as in Redis.
    pub fn make_room(&mut self, bytes: usize, count: usize, settings: &Settings) {
        if let List::Pack(pack) = self
            && Limit::new(settings.list_listpack_size)
                .is_exceeded(pack.as_bytes().len() + bytes, pack.len() + count)
        {
            // A node is an allocation of its own: what stood in an entry has that entry's head before it, which says things of old.
            *self = List::Quick(Box::new(Quicklist::new(pack.clone(), settings)));
        }
    }

    /// All nodes as they are now, for a reader; nothing where it is small, or somebody is still reading.
    pub(crate) fn lend(&mut self) -> Option<quicklist::View> {
        if let List::Quick(quick) = self { quick.lend() } else { None }
    }

    /// Becomes a listpack again, if it has shrunk enough. Comes after elements were removed.
    pub fn shrink(&mut self, settings: &Settings) {
        if let List::Quick(quick) = self
            && let Some(pack) = quick.take_small(settings)
        {
            *self = List::Pack(pack);
        }
    }

    /// Adds elements at an end, one after another.
    pub fn push(&mut self, side: Side, values: &[&[u8]], settings: &Settings) {
        self.make_room(values.iter().map(|value| value.len()).sum(), values.len(), settings);
        values.iter().for_each(|value| self.push_as_is(side, value));
    }

    /// Adds an element at an end, room having been made.
    #[inline]
    pub fn push_as_is(&mut self, side: Side, value: &[u8]) {
        match self {
            List::Pack(pack) => side.push(pack, value),
            List::Quick(quick) => quick.push(side, value),
        }
    }

    /// Removes the element at an end, shown to `take` first. [`List::shrink`] is left to the caller.
    pub fn pop<T>(&mut self, side: Side, take: impl FnOnce(StrRef<'_>) -> T) -> Option<T> {
        match self {
            List::Pack(pack) => side.pop(pack, take),
            List::Quick(quick) => quick.pop(side, take),
        }
    }

    /// Where in the list an index of a client's is, which counts from the end where it is negative.
    #[must_use]
    pub fn index(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 { index.checked_add(len as i64)? } else { index };
        usize::try_from(index).ok().filter(|index| *index < len)
    }

    /// The elements between two indexes of a client's, both included, as far as they exist.
    #[must_use]
    pub fn range(&self, start: i64, stop: i64) -> Range<usize> {
        let len = self.len() as i64;
        let place = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index.min(len) };
        let stop = if stop < 0 { stop.saturating_add(len) } else { stop.min(len - 1) };
        let start = place(start);
        if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
    }

    /// Shows elements from an index on, towards an end, until told to stop.
    #[inline]
    pub fn each(&self, index: usize, towards: Side, mut show: impl FnMut(StrRef<'_>) -> ControlFlow<()>) {
        let pack = match self {
            List::Pack(pack) => pack,
            List::Quick(quick) => return quick.each(index, towards, show),
        };
        let Some(at) = pack.seek(index as i64) else { return };
        let _ = match towards {
            Side::Right => pack.iter_from(at).try_for_each(&mut show),
            Side::Left => pack.iter_to(at).rev().try_for_each(&mut show),
        };
    }

    /// Shows `count` elements from an index on, towards an end.
    #[inline]
    pub fn each_of(&self, index: usize, count: usize, towards: Side, mut show: impl FnMut(StrRef<'_>)) {
        let mut left = count;
        if left > 0 {
            self.each(index, towards, |element| {
                show(element);
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        }
    }

    /// Shows how far from an end (0: the element there) the elements are that are `value`, nearest first, until told to stop or
    /// `window` elements have been looked at.
    pub fn positions(
        &self,
        from: Side,
        value: &[u8],
        window: usize,
        mut show: impl FnMut(usize) -> ControlFlow<()>,
    ) {
        let show = |place| if place < window { show(place) } else { ControlFlow::Break(()) };
        match self {
            List::Pack(pack) => {
                let _ = quicklist::positions(pack, from, &Wanted::new(value), show);
            }
            List::Quick(quick) => quick.positions(from, value, window, show),
        }
    }

    /// Puts a value in the place of the element at an index of a client's; whether there is one.
    pub fn set(&mut self, index: i64, value: &[u8], settings: &Settings) -> bool {
        self.make_room(value.len(), 1, settings);
        let Some(index) = self.index(index) else { return false };
        match self {
            List::Pack(pack) => {
                let at = pack.seek(index as i64).expect("within the length");
                pack.replace(at, value);
            }
            List::Quick(quick) => quick.set(index, value),
        }
        self.shrink(settings);
        true
    }

    /// Adds a value beside the first element that is `pivot`; whether there is one.
    pub fn insert_beside(&mut self, pivot: &[u8], value: &[u8], after: bool, settings: &Settings) -> bool {
        self.make_room(value.len(), 1, settings);
        let pack = match self {
            List::Pack(pack) => pack,
            List::Quick(quick) => return quick.insert_beside(pivot, value, after),
        };
        let found = pack.first().and_then(|first| pack.find(first, pivot, 0));
        match found {
            Some(at) if after => drop(pack.insert_after(at, value)),
            Some(at) => drop(pack.insert_before(at, value)),
            None => {}
        }
        found.is_some()
    }

    /// Removes elements that are `value`, at most `max`, from a side on; how many. [`List::shrink`] is left to the caller.
    pub fn remove_equal(&mut self, from: Side, value: &[u8], max: usize) -> usize {
        match self {
            List::Pack(pack) => quicklist::remove_equal(pack, from, &Wanted::new(value), max),
            List::Quick(quick) => quick.remove_equal(from, value, max),
        }
    }

    /// Removes a range of elements that exist. [`List::shrink`] is left to the caller.
    pub fn remove_range(&mut self, range: Range<usize>) {
        match self {
            List::Pack(pack) => pack.remove_range(range.start as i64, range.len()),
            List::Quick(quick) => quick.remove_range(range.start, range.len()),
        }
    }
}

impl Kind for List {
    const FORM: u8 = 7;
    const NAME: &'static str = "list";
    const TYPE: u32 = 1;
    const IN_LINE: &'static [u8] = &[PACK_IN_LINE];

    fn empty() -> Self {
        List::Pack(Listpack::new())
    }
    fn into_word(self) -> u64 {
        match self {
            List::Pack(pack) => pack.into_address(),
            List::Quick(quick) => Box::into_raw(quick) as u64 | QUICK,
        }
    }
    unsafe fn from_word(word: u64) -> Self {
        if word & TAG == QUICK {
            // SAFETY: a word with this tag came from a box, which nobody else turns back: the caller's promise.
            List::Quick(unsafe { Box::from_raw((word & !TAG) as *mut Quicklist) })
        } else {
            // SAFETY: a word without a tag is the address of a listpack, which nobody else turns back.
            List::Pack(unsafe { Listpack::from_address(word) })
        }
    }
    #[inline]
    fn as_line(&self) -> Option<Line<'_>> {
        if let List::Pack(pack) = self { Some(pack.as_line(PACK_IN_LINE)) } else { None }
    }
    #[inline]
    fn into_run(self) -> Result<Run, List> {
        if let List::Pack(pack) = self { Ok(pack.into_run()) } else { Err(self) }
    }
    #[inline]
    unsafe fn from_run(form: u8, run: Run) -> Option<List> {
        // SAFETY: only a listpack stands in line, and the caller says that it does.
        (form == PACK_IN_LINE).then(|| List::Pack(unsafe { Listpack::from_run(run) }))
    }
    fn len(&self) -> usize {
        match self {
            List::Pack(pack) => pack.len(),
            List::Quick(quick) => quick.len(),
        }
    }
    fn encoding(&self) -> &'static str {
        match self {
            List::Pack(_) => "listpack",
            List::Quick(_) => "quicklist",
        }
    }
    fn memory_bytes(&self) -> usize {
        match self {
            List::Pack(pack) => pack.memory_bytes(),
            List::Quick(quick) => allocation_bytes(size_of::<Quicklist>()) + quick.memory_bytes(),
        }
    }
    fn copy(&self) -> Self {
        match self {
            List::Pack(pack) => List::Pack(pack.clone()),
            List::Quick(quick) => List::Quick(quick.clone()),
        }
    }
    fn digest(&self, digest: &mut Digest) {
        self.each(0, Side::Right, |element| {
            digest.mix(element.bytes(&mut [0; 20]));
            ControlFlow::Continue(())
        });
    }
    fn free_cost(&self) -> usize {
        match self {
            List::Pack(_) => 1,
            List::Quick(quick) => 1 + quick.node_count(),
        }
    }
    fn free_some(&mut self, budget: usize) -> bool {
        match self {
            List::Pack(pack) => {
                *pack = Listpack::new();
                true
            }
            List::Quick(quick) => quick.free_some(budget),
        }
    }
}
