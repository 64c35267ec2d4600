//! Redis's RDB format of values: what DUMP writes, RESTORE reads, and snapshots are made of. Pure functions over bytes.
//!
//! * [`Decoder`] reads a value of any encoding that a Redis or Valkey ever wrote, from a window of bytes, in bounded
//!   steps: each takes whole elements, so that a reader of files may bring the next window in between. What it makes is
//!   encoded as our own thresholds say.
//! * [`encode`] writes the encodings that every server since Redis 7.0 loads.
//! * [`payload`] is what DUMP puts round a value: version and checksum.
//!
//! Bytes of strangers are checked before anything is made of them, and never cost memory that they do not fill.
pub mod crc64;
pub mod decode;
pub mod encode;
pub mod extent;
mod hash;
pub mod item;
mod list;
mod packed;
pub mod payload;
pub mod reader;
mod set;
mod stream;
#[cfg(test)]
mod tests;
pub mod writer;
mod zset;

pub use decode::{Decoder, Loaded, Step, decode};
pub use encode::{encode, encode_object, kind_of, serialized_bytes, version_of};
pub(crate) use encode::{encode_lent, stream_tail};
pub use extent::Extent;
pub use reader::Reader;

/// Types of values, as the byte before a value names them.
mod kind {
    pub(super) const STRING: u8 = 0;
    pub(super) const LIST: u8 = 1;
    pub(super) const SET: u8 = 2;
    pub(super) const ZSET: u8 = 3;
    pub(super) const HASH: u8 = 4;
    pub(super) const ZSET_2: u8 = 5;
    pub(super) const MODULE: u8 = 6;
    pub(super) const MODULE_2: u8 = 7;
    pub(super) const HASH_ZIPMAP: u8 = 9;
    pub(super) const LIST_ZIPLIST: u8 = 10;
    pub(super) const SET_INTSET: u8 = 11;
    pub(super) const ZSET_ZIPLIST: u8 = 12;
    pub(super) const HASH_ZIPLIST: u8 = 13;
    pub(super) const LIST_QUICKLIST: u8 = 14;
    pub(super) const STREAM: u8 = 15;
    pub(super) const HASH_LISTPACK: u8 = 16;
    pub(super) const ZSET_LISTPACK: u8 = 17;
    pub(super) const LIST_QUICKLIST_2: u8 = 18;
    pub(super) const STREAM_2: u8 = 19;
    pub(super) const SET_LISTPACK: u8 = 20;
    pub(super) const STREAM_3: u8 = 21;
    /// Valkey 9: fields with absolute times.
    pub(super) const HASH_2: u8 = 22;
    /// What Redis meant by this number before it released 7.4; the decoder gives it a number of its own.
    pub(super) const HASH_TTL_EARLY: u8 = u8::MAX;
    pub(super) const UNKNOWN: u8 = u8::MAX - 1;
    pub(super) const HASH_LISTPACK_TTL_EARLY: u8 = 23;
    /// Redis 7.4: fields with times above the least of them.
    pub(super) const HASH_TTL: u8 = 24;
    pub(super) const HASH_LISTPACK_TTL: u8 = 25;
}

/// First bytes of lengths.
const LEN_32: u8 = 0x80;
const LEN_64: u8 = 0x81;
/// Encodings of strings that are no plain bytes.
const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const LZF: u8 = 3;

/// The version that says what a payload without fields that expire may hold: that of Redis 7.0.
pub const VERSION_COMMON: u16 = 10;
/// The version of Redis 7.2: sets in listpacks, and when a stream's consumers were last active.
const VERSION_RICH: u16 = 11;
/// The version of Valkey 9, whose hashes have fields that expire.
pub const VERSION_VALKEY: u16 = 80;
/// The last version of Redis that is known.
const VERSION_REDIS_MAX: u16 = 12;

/// Whether values of this version of the format can be read.
#[must_use]
pub fn is_known_version(version: u16) -> bool {
    (1..=VERSION_REDIS_MAX).contains(&version) || version == VERSION_VALKEY
}

/// Why bytes are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// The window ends within: with more bytes it may be one.
    Short,
    /// They are broken, and how.
    Data(&'static str),
    /// It is a module's, and there are none here.
    Module,
    /// A collection without elements.
    Empty,
}
