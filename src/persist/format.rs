//! The bytes of a journal's files: a head, then blocks of frames. Pure functions over bytes.
//!
//! ```text
//!   file  = head block*
//!   head  = "BRAIDJNL" version:u8 crc32c:u32(of the rest) shard:u16 shards:u16 generation:u64 lsn:u64 boot:16 bytes
//!   block = crc32c:u32(of the rest) lsn:u64 len:varint lag:varint policy:u8 frame*        (numbers little-endian)
//!   frame = bits:u8 [unit:varint count:varint shard:varint*] [count:varint (shard:varint lsn:varint)*] len:varint record*
//! ```
//!
//! A block is what one write brought: nothing of it was acknowledged before all of it was written, so it is kept whole or not
//! at all. `lsn` is where its frames begin in the shard's journal (counted in bytes of frames, through all files), which ties a block to its place: one that is
//! found elsewhere, or behind a hole, is none. `lag` says how much of the journal, up to this block, was not known to be
//! on the disk when it was written: what lies before is *not* to be missing after any crash.
use shards::effects::{Record, push_varint, take_varint};
use shards::tail::{Extent, Point, bits};
use smallvec::SmallVec;

/// The first bytes of a journal's file.
pub const MAGIC: &[u8; 8] = b"BRAIDJNL";
/// The version of the format. The first knew no unit's part of several frames.
pub const VERSION: u8 = 2;
/// Bytes of a file's head.
pub const HEAD_BYTES: usize = 8 + 1 + 4 + 2 + 2 + 8 + 8 + 16;
/// Bytes of a block's head, at most.
pub const BLOCK_HEAD_BYTES_MAX: usize = 4 + 8 + 10 + 10 + 1;

/// When what was written is to be on the disk (`appendfsync`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(missing_docs, reason = "named as the directive's values")]
pub enum Policy {
    Always,
    #[default]
    EverySecond,
    No,
}

impl Policy {
    /// Its byte in a block.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Policy::Always => 0,
            Policy::EverySecond => 1,
            Policy::No => 2,
        }
    }
    /// The policy of a byte.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Policy> {
        [Policy::Always, Policy::EverySecond, Policy::No].get(usize::from(code)).copied()
    }
}

/// The head of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileHead {
    /// Whose journal it is a piece of.
    pub shard: u16,
    /// How many shards there were.
    pub shards: u16,
    /// Which piece.
    pub generation: u64,
    /// Where it begins in the shard's journal.
    pub lsn: u64,
    /// The start of the system under which it was begun: as long as that runs, what was written is there.
    pub boot: [u8; 16],
}

impl FileHead {
    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut rest = Vec::with_capacity(HEAD_BYTES);
        rest.extend_from_slice(&self.shard.to_le_bytes());
        rest.extend_from_slice(&self.shards.to_le_bytes());
        rest.extend_from_slice(&self.generation.to_le_bytes());
        rest.extend_from_slice(&self.lsn.to_le_bytes());
        rest.extend_from_slice(&self.boot);
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&crc32c::crc32c(&rest).to_le_bytes());
        bytes.extend_from_slice(&rest);
        bytes
    }
    /// The head that these bytes begin with.
    ///
    /// # Errors
    /// Why they are none.
    pub fn read(bytes: &[u8]) -> Result<FileHead, &'static str> {
        if bytes.len() >= MAGIC.len() && !bytes.starts_with(MAGIC) {
            return Err("this is not a journal of Braid");
        }
        match bytes.get(MAGIC.len()) {
            Some(0) => return Err("its head is damaged"),
            Some(version) if *version > VERSION => return Err("it was written by a newer version of Braid"),
            _ => {}
        }
        let mut rest = bytes.get(MAGIC.len() + 1..HEAD_BYTES).ok_or("its head is incomplete")?;
        let crc = u32::from_le_bytes(take(&mut rest));
        if crc32c::crc32c(rest) != crc {
            return Err("its head is damaged");
        }
        let shard = u16::from_le_bytes(take(&mut rest));
        let shards = u16::from_le_bytes(take(&mut rest));
        let generation = u64::from_le_bytes(take(&mut rest));
        let lsn = u64::from_le_bytes(take(&mut rest));
        Ok(FileHead { shard, shards, generation, lsn, boot: take(&mut rest) })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (first, rest) = bytes.split_first_chunk().expect("the length has been looked at");
    *bytes = rest;
    *first
}

/// What a block's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockHead {
    /// Where its frames begin in the shard's journal.
    pub lsn: u64,
    /// Bytes of its frames.
    pub len: u64,
    /// Up to where the journal was known to be on the disk when the block was written.
    pub synced: u64,
    /// What was acknowledged when.
    pub policy: Policy,
    /// Bytes of the head itself.
    pub head_bytes: usize,
}

/// Puts a head before frames: the block that is written, with room for the head left at the beginning of `frames`.
///
/// `frames` begins with [`BLOCK_HEAD_BYTES_MAX`] bytes of room; where the block begins in it is given back.
pub fn seal(frames: &mut [u8], lsn: u64, synced: u64, policy: Policy) -> usize {
    let len = (frames.len() - BLOCK_HEAD_BYTES_MAX) as u64;
    let mut head = Vec::with_capacity(BLOCK_HEAD_BYTES_MAX);
    head.extend_from_slice(&lsn.to_le_bytes());
    push_varint(&mut head, len);
    push_varint(&mut head, lsn.saturating_sub(synced));
    head.push(policy.code());
    let start = BLOCK_HEAD_BYTES_MAX - head.len() - 4;
    frames[start + 4..BLOCK_HEAD_BYTES_MAX].copy_from_slice(&head);
    let crc = crc32c::crc32c(&frames[start + 4..]);
    frames[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    start
}

/// Reads the head of a block. Nothing if the bytes end within, or say nonsense.
#[must_use]
pub fn read_block_head(bytes: &[u8]) -> Option<BlockHead> {
    let mut rest = bytes.get(12..)?;
    let lsn = u64::from_le_bytes(bytes[4..12].try_into().expect("eight bytes"));
    let len = take_varint(&mut rest)?;
    let lag = take_varint(&mut rest)?;
    let (policy, tail) = rest.split_first()?;
    let synced = lsn.checked_sub(lag)?;
    let policy = Policy::from_code(*policy)?;
    Some(BlockHead { lsn, len, synced, policy, head_bytes: bytes.len() - tail.len() })
}

/// Whether a block's bytes, its head included, are as they were written.
#[must_use]
pub fn is_whole(block: &[u8]) -> bool {
    let (crc, rest) = block.split_at(4);
    crc32c::crc32c(rest).to_le_bytes() == *crc
}

/// A frame, as it is read.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// The unit that it is a part of, with its participants.
    pub unit: Option<(u64, SmallVec<[u16; 4]>)>,
    /// How much of the part.
    pub extent: Extent,
    /// What it comes after.
    pub after: SmallVec<[Point; 2]>,
    /// It is the mark of a cut over all shards.
    pub is_mark: bool,
    /// Its records, packed; see [`Record::take`].
    pub records: &'a [u8],
    /// Bytes of all of it.
    pub len: usize,
}

impl<'a> Frame<'a> {
    /// Takes the first frame off the frames of a block. Nothing if that is none.
    pub fn take(frames: &mut &'a [u8]) -> Option<Frame<'a>> {
        let mut rest = *frames;
        let (bits, tail) = rest.split_first()?;
        rest = tail;
        let extent = match bits & (bits::OPENS | bits::CLOSES) {
            0 => Extent::Whole,
            _ if bits & bits::UNIT == 0 => return None,
            bits::OPENS => Extent::Opens,
            bits::CLOSES => Extent::Closes,
            _ => return None,
        };
        if bits & !(bits::UNIT | bits::AFTER | bits::MARK | bits::OPENS | bits::CLOSES) != 0 {
            return None;
        }
        let unit = if bits & bits::UNIT == 0 {
            None
        } else {
            let unit = take_varint(&mut rest)?;
            let count = take_count(&mut rest).filter(|count| *count > 0)?;
            let shards: Option<_> = (0..count).map(|_| take_shard(&mut rest)).collect();
            Some((unit, shards?))
        };
        let mut after = SmallVec::new();
        if bits & bits::AFTER != 0 {
            for _ in 0..take_count(&mut rest)? {
                after.push(Point { shard: take_shard(&mut rest)?, lsn: take_varint(&mut rest)? });
            }
        }
        let len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let (records, tail) = rest.split_at_checked(len)?;
        let len = frames.len() - tail.len();
        *frames = tail;
        Some(Frame { unit, extent, after, is_mark: bits & bits::MARK != 0, records, len })
    }
    /// The records, unless there is something among them that is none.
    #[must_use]
    pub fn checked_records(&self) -> Option<usize> {
        let mut rest = self.records;
        let mut count = 0;
        while !rest.is_empty() {
            Record::take(&mut rest)?;
            count += 1;
        }
        Some(count)
    }
}

/// A number of things that each take at least a byte.
fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(take_varint(rest)?).ok()?;
    (count <= rest.len()).then_some(count)
}

fn take_shard(rest: &mut &[u8]) -> Option<u16> {
    u16::try_from(take_varint(rest)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shards::tail::{FrameHead, Tail};

    fn frames() -> Vec<u8> {
        let mut tail = Tail::new(100, 0);
        let after = [Point { shard: 1, lsn: 77 }];
        tail.append(FrameHead::default(), b"\0\x01\x01a");
        tail.append(FrameHead { unit: Some((300, &[0, 2])), after: &after, ..FrameHead::default() }, b"");
        for extent in [Extent::Opens, Extent::Closes] {
            tail.append(FrameHead { unit: Some((9, &[0])), extent, ..FrameHead::default() }, b"");
        }
        tail.append(FrameHead { is_mark: true, ..FrameHead::default() }, b"");
        tail.swap(Vec::new())
    }

    fn block() -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_HEAD_BYTES_MAX];
        bytes.extend_from_slice(&frames());
        let start = seal(&mut bytes, 100, 60, Policy::Always);
        bytes.split_off(start)
    }

    #[test]
    fn frames_come_back() {
        let bytes = frames();
        let mut rest = &bytes[..];
        let plain = Frame::take(&mut rest).expect("a frame");
        assert_eq!((plain.records, plain.checked_records()), (&b"\0\x01\x01a"[..], Some(1)));
        let part = Frame::take(&mut rest).expect("a frame");
        assert_eq!(part.unit.map(|(unit, shards)| (unit, shards.to_vec())), Some((300, vec![0, 2])));
        assert_eq!((part.after.to_vec(), part.extent), (vec![Point { shard: 1, lsn: 77 }], Extent::Whole));
        assert_eq!(Frame::take(&mut rest).expect("a frame").extent, Extent::Opens);
        assert_eq!(Frame::take(&mut rest).expect("a frame").extent, Extent::Closes);
        assert!(Frame::take(&mut rest).expect("a frame").is_mark);
        assert!(rest.is_empty());
    }

    #[test]
    fn what_opens_or_closes_does_so_for_a_unit() {
        for bits in [bits::OPENS, bits::CLOSES, bits::UNIT | bits::OPENS | bits::CLOSES, 32] {
            assert!(Frame::take(&mut &[bits, 1, 1, 0, 0, 0][..]).is_none(), "{bits}");
        }
        assert!(Frame::take(&mut &[bits::UNIT | bits::OPENS, 1, 1, 0, 0, 0][..]).is_some());
    }

    #[test]
    fn a_block_knows_its_place_and_every_bit_of_itself() {
        let block = block();
        let head = read_block_head(&block).expect("a head");
        assert_eq!((head.lsn, head.synced, head.policy), (100, 60, Policy::Always));
        assert_eq!(head.head_bytes + head.len as usize, block.len());
        assert!(is_whole(&block));
        for bit in 0..block.len() * 8 {
            let mut broken = block.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_whole(&broken), "bit {bit}");
        }
    }

    #[test]
    fn what_is_cut_off_is_no_frame() {
        let bytes = frames();
        let first = Frame::take(&mut &bytes[..]).expect("a frame").len;
        for len in 0..bytes.len() {
            let mut rest = &bytes[..len];
            let mut taken = 0;
            while let Some(frame) = Frame::take(&mut rest) {
                taken += frame.len;
            }
            assert!(taken <= len && (len < first) == (taken == 0), "{len}");
        }
    }

    #[test]
    fn a_head_comes_back_or_says_why_not() {
        let head = FileHead { shard: 3, shards: 4, generation: 9, lsn: 1 << 40, boot: [7; 16] };
        let bytes = head.to_bytes();
        assert_eq!(bytes.len(), HEAD_BYTES);
        assert_eq!(FileHead::read(&bytes), Ok(head));
        assert!(FileHead::read(&bytes[..20]).is_err());
        assert!(FileHead::read(b"REDIS0011 something else, longer than a head is").is_err());
        let of_version = |version| [&bytes[..8], &[version], &bytes[9..]].concat();
        assert_eq!(FileHead::read(&of_version(1)), Ok(head), "it is read on");
        assert!(FileHead::read(&of_version(0)).is_err() && FileHead::read(&of_version(VERSION + 1)).is_err());
        for at in 9..HEAD_BYTES {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert!(FileHead::read(&broken).is_err(), "{at}");
        }
    }
}
