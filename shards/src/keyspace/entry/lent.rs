//! A collection on loan from its entry, and its way back: in line, behind a word, or into an entry packed anew.
#![expect(unsafe_code, reason = "the collection is out of its entry, whose memory it may have taken along")]
use super::{Entry, FORM, INLINE_BYTES_MAX, INT64, VERSION};
use crate::keyspace::value::Value;
use crate::values::{FIRST_IN_LINE, Kind};
use std::mem::ManuallyDrop;

/// A collection that has shrunk to this many bytes moves in. It moves out when it has twice as many, lest one at the limit
/// goes to and fro.
const MOVES_IN_BYTES_MAX: usize = INLINE_BYTES_MAX / 2;

/// A collection while it is changed. Its entry is whole again when this goes, after a panic too.
pub(super) struct Lent<'a, K: Kind> {
    entry: &'a mut Entry,
    key: &'a [u8],
    value: ManuallyDrop<K>,
    /// What is in the entry beside: a collection in line may take all of it along and free it.
    flags: u8,
    lru: u32,
    expires_at_ms: Option<i64>,
}

impl<'a, K: Kind> Lent<'a, K> {
    /// What was made of an entry's word or run; the entry is left alone until this goes.
    #[inline]
    pub(super) fn new(entry: &'a mut Entry, key: &'a [u8], value: K) -> Lent<'a, K> {
        let view = entry.view();
        let (flags, lru, expires_at_ms) = (view.byte(0), view.lru(), view.expires_at_ms());
        Lent { entry, key, value: ManuallyDrop::new(value), flags, lru, expires_at_ms }
    }

    /// The collection.
    #[inline]
    pub(super) fn value_mut(&mut self) -> &mut K {
        &mut self.value
    }

    /// An entry for a collection that has left the one it was in.
    #[cold]
    fn packed_anew(&self, value: K) -> Entry {
        let version = self.flags & VERSION != 0;
        Entry::new(self.key, Value::Object(value.into()), self.expires_at_ms, self.lru, version)
    }
}

impl<K: Kind> Drop for Lent<'_, K> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is taken here and nowhere else.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        let was_in_line = self.flags & FORM >= FIRST_IN_LINE;
        let (len, lead) = value.as_line().map_or((usize::MAX, 0), |line| (line.bytes.len(), line.lead));
        if lead > 0 && len <= INLINE_BYTES_MAX {
            // It is still at the end of its entry, which moved along if it moved.
            let run = value.into_run().unwrap_or_else(|_| unreachable!("what has a line is a run"));
            self.entry.0 = run.start();
        } else if was_in_line || len <= MOVES_IN_BYTES_MAX && self.key.len() <= INLINE_BYTES_MAX {
            let anew = self.packed_anew(value);
            let mut old = ManuallyDrop::new(std::mem::replace(self.entry, anew));
            if !was_in_line {
                old.view().put(0, &[self.flags & !FORM | INT64]);
                // SAFETY: the old entry is dropped once; it holds a number in place of the collection. One that had the
                // collection in line went with it.
                unsafe { ManuallyDrop::drop(&mut old) };
            }
        } else {
            let at = self.entry.view().shape().value_at();
            self.entry.view().put(at, &value.into_word().to_le_bytes());
        }
    }
}
