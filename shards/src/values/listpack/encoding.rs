//! How one element of a listpack is written: its head, its data, and its length once more at its end, to walk backwards.
//!
//! ```text
//! 0xxxxxxx                      an integer 0..=127
//! 10xxxxxx                      bytes, up to 63
//! 110xxxxx xxxxxxxx             an integer of 13 bits
//! 1110xxxx xxxxxxxx             bytes, up to 4095
//! 11110000 and 4 bytes          bytes, a length of 32 bits
//! 11110001 … 11110100           an integer of 16, 24, 32, 64 bits, little-endian
//! 11111111                      the end of the listpack
//! ```
use crate::keyspace::StrRef;
use crate::number::parse_i64;

/// The byte after the last element.
pub(super) const END: u8 = 0xff;

const BYTES_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// An element about to be written: its head (for an integer, all of it) and its data.
#[derive(Clone, Copy)]
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// The element of a client's bytes: an integer where they are the canonical text of one.
    #[inline]
    pub(super) fn new(value: &'a [u8]) -> Encoded<'a> {
        match parse_i64(value) {
            Some(value) => Encoded::int(value),
            None => Encoded::bytes(value),
        }
    }

    /// The element of an integer, in the shortest form.
    #[inline]
    pub(super) fn int(value: i64) -> Encoded<'a> {
        let low = value.to_le_bytes();
        let (head, head_len) = match value {
            0..=127 => ([low[0], 0, 0, 0, 0, 0, 0, 0, 0], 1),
            -4096..=4095 => ([0xc0 | (low[1] & 0x1f), low[0], 0, 0, 0, 0, 0, 0, 0], 2),
            -0x8000..=0x7fff => ([INT_16, low[0], low[1], 0, 0, 0, 0, 0, 0], 3),
            -0x80_0000..=0x7f_ffff => ([INT_24, low[0], low[1], low[2], 0, 0, 0, 0, 0], 4),
            -0x8000_0000..=0x7fff_ffff => ([INT_32, low[0], low[1], low[2], low[3], 0, 0, 0, 0], 5),
            _ => ([INT_64, low[0], low[1], low[2], low[3], low[4], low[5], low[6], low[7]], 9),
        };
        Encoded { head, head_len, data: &[] }
    }

    #[inline]
    fn bytes(data: &'a [u8]) -> Encoded<'a> {
        let len = (data.len() as u32).to_le_bytes();
        let (head, head_len) = match data.len() {
            0..=63 => ([0x80 | len[0], 0, 0, 0, 0, 0, 0, 0, 0], 1),
            64..=4095 => ([0xe0 | len[1], len[0], 0, 0, 0, 0, 0, 0, 0], 2),
            _ => ([BYTES_32, len[0], len[1], len[2], len[3], 0, 0, 0, 0], 5),
        };
        Encoded { head, head_len, data }
    }

    /// How many bytes [`Encoded::write`] fills.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let len = self.head_len + self.data.len();
        len + backlen_bytes(len)
    }

    /// Fills `room`, which is exactly as long as needed.
    #[inline]
    pub(super) fn write(&self, room: &mut [u8]) {
        let len = self.head_len + self.data.len();
        let (head, rest) = room.split_at_mut(self.head_len);
        head.copy_from_slice(&self.head[..self.head_len]);
        let (data, backlen) = rest.split_at_mut(self.data.len());
        data.copy_from_slice(self.data);
        write_backlen(len, backlen);
    }
}

/// How many bytes the length at an element's end takes. (The limits are those of Redis, one short of what would fit.)
#[inline]
pub(super) fn backlen_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Fills `room` with seven bits a byte, most significant first; all but the first byte say that there are more before them.
#[inline]
fn write_backlen(len: usize, room: &mut [u8]) {
    let mut rest = len;
    for byte in room.iter_mut().rev() {
        *byte = (rest & 127) as u8 | 128;
        rest >>= 7;
    }
    room[0] &= 127;
}

/// Whether `room` holds exactly what is written at the end of an element of `len` bytes.
pub(super) fn is_backlen(room: &[u8], len: usize) -> bool {
    let mut own = [0; 5];
    let own = &mut own[..backlen_bytes(len)];
    write_backlen(len, own);
    room == own
}

/// Reads the length at the end of `bytes`, which end with an element: its bytes in all, that length included.
#[inline]
pub(super) fn last_entry_bytes(bytes: &[u8]) -> usize {
    let mut len = 0;
    let mut shift = 0;
    for byte in bytes.iter().rev().take(5) {
        len |= usize::from(byte & 127) << shift;
        if byte & 128 == 0 {
            break;
        }
        shift += 7;
    }
    len + backlen_bytes(len)
}

/// The element that `entry` begins with, and the bytes of its head and data; none at the end, or where it is no element.
#[inline]
pub(super) fn decode(entry: &[u8]) -> Option<(StrRef<'_>, usize)> {
    let first = *entry.first()?;
    let int = |value: i64, len: usize| Some((StrRef::Int(value), len));
    match first {
        0..=0x7f => int(i64::from(first), 1),
        0x80..=0xbf => bytes_at(entry, 1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let value = u16::from(first & 0x1f) << 8 | u16::from(*entry.get(1)?);
            int(i64::from((value << 3) as i16 >> 3), 2)
        }
        0xe0..=0xef => bytes_at(entry, 2, usize::from(first & 0x0f) << 8 | usize::from(*entry.get(1)?)),
        BYTES_32 => bytes_at(entry, 5, u32::from_le_bytes(array(entry)?) as usize),
        INT_16 => int(i64::from(i16::from_le_bytes(array(entry)?)), 3),
        INT_24 => {
            let [low, middle, high] = array(entry)?;
            int(i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8), 4)
        }
        INT_32 => int(i64::from(i32::from_le_bytes(array(entry)?)), 5),
        INT_64 => int(i64::from_le_bytes(array(entry)?), 9),
        _ => None,
    }
}

/// The bytes of the head and data of the element that `entry` begins with; none at the end.
#[inline]
pub(super) fn measure(entry: &[u8]) -> Option<usize> {
    let first = *entry.first()?;
    Some(match first {
        0..=0x7f => 1,
        0x80..=0xbf => 1 + usize::from(first & 0x3f),
        0xc0..=0xdf => 2,
        0xe0..=0xef => 2 + (usize::from(first & 0x0f) << 8 | usize::from(*entry.get(1)?)),
        BYTES_32 => 5 + u32::from_le_bytes(array(entry)?) as usize,
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

#[inline]
fn bytes_at(entry: &[u8], at: usize, len: usize) -> Option<(StrRef<'_>, usize)> {
    Some((StrRef::Bytes(entry.get(at..at + len)?), at + len))
}

/// The `N` bytes after the first.
#[inline]
fn array<const N: usize>(entry: &[u8]) -> Option<[u8; N]> {
    entry.get(1..)?.first_chunk().copied()
}
