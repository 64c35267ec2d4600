//! The tail of a shard's journal: what was done on the shard and is not yet in anybody's hands to be written.
//!
//! It travels with the shard, so that whoever holds the shard appends to it without asking anybody. Positions in a shard's
//! journal (*LSN*) count bytes of frames from the journal's beginning, whatever files they come to stand in.
use crate::effects::push_varint;
use crate::slot::SLOT_COUNT;

/// A position that a frame depends on: so many bytes of that shard's journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Point {
    /// The shard.
    pub shard: u16,
    /// Where the frame that is meant ends in its journal.
    pub lsn: u64,
}

/// How much a frame is of its unit's part on its shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// The first frame of several. The part is made of commands of one connection, each with a frame of its own, and concerns
    /// nobody but its shard: it counts if the others do, and is carried out without them.
    Opens,
    /// The last of them. Both are of the same block, so that a journal has all of the part or nothing.
    Closes,
}

/// What a frame says beside its records.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameHead<'a> {
    /// The unit that it is a part of, with its participants: it counts if all their parts do.
    pub unit: Option<(u64, &'a [u16])>,
    /// How much of the part.
    pub extent: Extent,
    /// What the same connection did before elsewhere: it counts if that does.
    pub after: &'a [Point],
    /// It is the mark of a cut over all shards.
    pub is_mark: bool,
}

/// Bits of a frame's first byte.
pub mod bits {
    /// A unit's number and participants follow.
    pub const UNIT: u8 = 1;
    /// What it comes after follows.
    pub const AFTER: u8 = 2;
    /// It is a mark.
    pub const MARK: u8 = 4;
    /// It opens a unit's part of several frames.
    pub const OPENS: u8 = 8;
    /// It closes one.
    pub const CLOSES: u8 = 16;
}

/// The tail of a journal.
#[derive(Debug)]
pub struct Tail {
    /// Frames, behind room for the head of the block that they come to stand in.
    bytes: Vec<u8>,
    room: usize,
    /// Frames among them.
    frames: u64,
    end: u64,
    /// For each slot, where the last frame ends that touched a key of it.
    touched: Box<[u64]>,
    /// Where the last frame ends that may have touched any key.
    touched_all: u64,
}

impl Tail {
    /// An empty tail of a journal that is `lsn` bytes long. What is taken from it begins with `room` bytes of room.
    #[must_use]
    pub fn new(lsn: u64, room: usize) -> Tail {
        let touched = vec![0; usize::from(SLOT_COUNT)].into_boxed_slice();
        Tail { bytes: vec![0; room], room, frames: 0, end: lsn, touched, touched_all: lsn }
    }
    /// Where the journal ends, what is in the tail included.
    #[inline]
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }
    /// Whether nothing waits to be taken.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == self.room
    }
    /// Bytes that wait to be taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.room
    }
    /// How many frames wait to be taken.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }
    /// Takes what is there, behind the room, and leaves an empty buffer in its place.
    pub fn swap(&mut self, mut empty: Vec<u8>) -> Vec<u8> {
        self.frames = 0;
        empty.clear();
        empty.resize(self.room, 0);
        std::mem::replace(&mut self.bytes, empty)
    }
    /// Appends a frame with these packed records; where it ends.
    pub fn append(&mut self, head: FrameHead<'_>, records: &[u8]) -> u64 {
        let start = self.bytes.len();
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        self.bytes.push(
            bit(head.unit.is_some(), bits::UNIT)
                | bit(!head.after.is_empty(), bits::AFTER)
                | bit(head.is_mark, bits::MARK)
                | bit(head.extent == Extent::Opens, bits::OPENS)
                | bit(head.extent == Extent::Closes, bits::CLOSES),
        );
        if let Some((unit, participants)) = head.unit {
            push_varint(&mut self.bytes, unit);
            push_varint(&mut self.bytes, participants.len() as u64);
            participants.iter().for_each(|shard| push_varint(&mut self.bytes, (*shard).into()));
        }
        if !head.after.is_empty() {
            push_varint(&mut self.bytes, head.after.len() as u64);
            for point in head.after {
                push_varint(&mut self.bytes, point.shard.into());
                push_varint(&mut self.bytes, point.lsn);
            }
        }
        push_varint(&mut self.bytes, records.len() as u64);
        self.bytes.extend_from_slice(records);
        self.frames += 1;
        self.end += (self.bytes.len() - start) as u64;
        self.end
    }
    /// The frame that ends here may have touched any key.
    pub fn touch_all(&mut self) {
        self.touched_all = self.end;
    }
    /// Up to where the journal must be kept for what is seen now of the keys of some slots to be true after a crash, these having been
    /// written where the journal has grown since `before`. `slots` are none where the keys may be any.
    #[inline]
    pub fn look_back(&mut self, before: u64, slots: Option<&[u16]>) -> u64 {
        match slots {
            Some(slots) if self.end == before => slots.iter().map(|slot| self.seen(*slot)).max().unwrap_or(0),
            Some(slots) => {
                slots.iter().for_each(|slot| self.touched[usize::from(*slot)] = self.end);
                self.end
            }
            None => {
                if self.end > before {
                    self.touch_all();
                }
                self.end
            }
        }
    }
    #[inline]
    fn seen(&self, slot: u16) -> u64 {
        self.touched[usize::from(slot)].max(self.touched_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_waits_for_what_was_last_done_there() {
        let mut tail = Tail::new(100, 0);
        let write = |tail: &mut Tail, slots: Option<&[u16]>| {
            let before = tail.end();
            tail.append(FrameHead::default(), b"\0\x01\x01a");
            tail.look_back(before, slots)
        };
        let first = write(&mut tail, Some(&[1, 2]));
        let second = write(&mut tail, Some(&[3]));
        let end = tail.end();
        assert_eq!(tail.look_back(end, Some(&[1])), first);
        assert_eq!(tail.look_back(end, Some(&[1, 3])), second);
        assert_eq!(tail.look_back(end, Some(&[4])), 100, "nothing since the journal began");
        assert_eq!(tail.look_back(end, None), end, "it may have looked at anything");
        assert_eq!(tail.look_back(end, Some(&[4])), 100, "to look touches nothing");
        let third = write(&mut tail, None);
        assert_eq!(tail.look_back(third, Some(&[4])), third);
    }
}
