//! What is to be done on one shard while a dataset is loaded: values and commands, in order, copied once.
use super::{Head, Piece, Used};
use crate::table::CommandId;
use shards::commands::Args;
use shards::keyspace::Hashed;
use shards::keyspace::hash::hash_of;
use smallvec::SmallVec;

/// A batch this long is on its way: bytes, and entries.
const BYTES_MANY: usize = 64 * 1024;
const OPS_MANY: usize = 1024;
/// Room that an emptied batch keeps, in bytes, at most.
const BYTES_KEPT_MAX: usize = 1 << 20;

/// A batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    pub(super) ops: Vec<Op>,
}

/// A value, a piece of one, or a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    /// Where it stands in its file.
    pub(super) at: u64,
    begin: usize,
    pub(super) db: u16,
    slot: u16,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Value {
        kind: u8,
        version: u16,
        key_len: u32,
        len: usize,
        expires_at_ms: Option<i64>,
        used: Used,
        piece: Piece,
    },
    Command {
        id: CommandId,
        count: u32,
    },
}

impl Batch {
    /// Adds a value, or a piece of one.
    #[inline]
    pub(super) fn add_value(&mut self, at: u64, slot: u16, head: &Head<'_>, bytes: &[u8], piece: Piece) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(head.key);
        self.bytes.extend_from_slice(bytes);
        let Head { kind, version, expires_at_ms, used, .. } = *head;
        let key_len = head.key.len() as u32;
        let what = What::Value { kind, version, key_len, len: bytes.len(), expires_at_ms, used, piece };
        self.ops.push(Op { at, begin, db: head.db, slot, what });
    }

    /// Adds a command; `slot` is that of its first argument, where that is its key.
    #[inline]
    pub(super) fn add_command(&mut self, at: u64, slot: Option<u16>, db: u16, id: CommandId, args: Args<'_>) {
        let begin = self.bytes.len();
        for arg in args {
            self.bytes.extend_from_slice(&arg.len().to_le_bytes());
            self.bytes.extend_from_slice(arg);
        }
        let what = What::Command { id, count: args.len() as u32 };
        self.ops.push(Op { at, begin, db, slot: slot.unwrap_or(NO_SLOT), what });
    }

    /// Whether it is worth sending.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BYTES_MANY || self.ops.len() >= OPS_MANY
    }
    /// Bytes that it holds.
    pub(super) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
    /// Forgets what it held and keeps the room, unless that is large.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ops.clear();
        self.bytes.shrink_to(BYTES_KEPT_MAX);
    }

    /// Key and bytes of a value.
    #[inline]
    pub(super) fn value(&self, op: &Op, key_len: u32, len: usize) -> (&[u8], &[u8]) {
        self.bytes[op.begin..][..key_len as usize + len].split_at(key_len as usize)
    }

    /// The arguments of a command.
    #[inline]
    pub(super) fn args(&self, op: &Op, count: u32) -> SmallVec<[&[u8]; 12]> {
        let mut rest = &self.bytes[op.begin..];
        (0..count).map(|_| take_arg(&mut rest)).collect()
    }

    /// The key that an entry is about, if it is about one: hashed.
    #[inline]
    pub(super) fn hashed(&self, op: &Op) -> Option<Hashed<'_>> {
        if op.slot == NO_SLOT {
            return None;
        }
        let mut rest = &self.bytes[op.begin..];
        let bytes = match op.what {
            What::Value { key_len, .. } => &rest[..key_len as usize],
            What::Command { .. } => {
                take_arg(&mut rest);
                take_arg(&mut rest)
            }
        };
        Some(Hashed { bytes, hash: hash_of(bytes), slot: op.slot })
    }
}

impl Op {
    /// The slot of the key that it is about, if it is about one.
    #[inline]
    pub(super) fn place(&self) -> Option<u16> {
        (self.slot != NO_SLOT).then_some(self.slot)
    }
}

/// Stands for none.
const NO_SLOT: u16 = u16::MAX;

/// Takes the first argument off a buffer of them.
#[inline]
fn take_arg<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (len, tail) = rest.split_first_chunk().expect("an argument stands behind its length");
    let (arg, tail) = tail.split_at(usize::from_le_bytes(*len));
    *rest = tail;
    arg
}
