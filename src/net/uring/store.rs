//! Files over the ring: written at a known place, then synced.
//!
//! A sync is queued when the write's result is there, and not linked to it: a chain that a full queue cuts in two would sync
//! before it has written.
#![expect(unsafe_code, reason = "operations point to buffers")]
use super::{STORE_SYNC, STORE_WRITE, Uring};
use crate::chaos::disk;
use crate::net::{Completion, Store, Tag};
use io_uring::opcode;
use io_uring::types::{Fd, FsyncFlags};
use std::io;

/// Bytes that one write takes at most.
const WRITE_BYTES_MAX: usize = 1 << 30;

/// A store, and the operation of it that is under way.
pub(super) struct Storing {
    store: Store,
    operation: Option<Operation>,
}

enum Operation {
    Write { _told: disk::Writing },
    Sync(disk::Syncing),
}

impl Uring {
    /// Queues a write, a sync or both.
    pub(in crate::net) fn store(&mut self, store: Store) {
        let place = self.stores.iter().position(Option::is_none).unwrap_or(self.stores.len());
        if place == self.stores.len() {
            self.stores.push(None);
        }
        self.stores[place] = Some(Storing { store, operation: None });
        self.push_store(place);
    }

    /// Queues what is next for a store: the rest of the bytes, or the sync.
    fn push_store(&mut self, place: usize) {
        let Some(Some(Storing { store, operation })) = self.stores.get_mut(place) else { return };
        let rest = &store.bytes[store.start..];
        let fd = Fd(store.fd);
        *operation = None;
        let (entry, kind) = if rest.is_empty() {
            *operation = Some(Operation::Sync(disk::syncing(store.fd)));
            (opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build(), STORE_SYNC)
        } else {
            let len = rest.len().min(WRITE_BYTES_MAX) as u32;
            *operation =
                Some(Operation::Write { _told: disk::writing(store.fd, store.offset, len as usize) });
            (opcode::Write::new(fd, rest.as_ptr(), len).offset(store.offset).build(), STORE_WRITE)
        };
        let tag = Tag { kind, generation: 0, index: place as u32 };
        // SAFETY: the buffer stays in `stores` until the result is known, and the descriptor is open as long: who queued it
        // keeps the file.
        unsafe { self.push(entry, tag) };
    }

    /// Handles a result: goes on, or tells that it is done.
    pub(super) fn stored(&mut self, tag: Tag, outcome: i32) -> Option<Completion> {
        let place = tag.index as usize;
        let Storing { store, operation } = self.stores.get_mut(place)?.as_mut()?;
        let failed = match -outcome {
            libc::EAGAIN | libc::EINTR => None,
            errno @ 1.. => Some(io::Error::from_raw_os_error(errno)),
            0 if tag.kind == STORE_WRITE => Some(io::ErrorKind::WriteZero.into()),
            _ => {
                let written = usize::try_from(outcome).unwrap_or(0);
                store.start += written;
                store.offset += written as u64;
                None
            }
        };
        let is_written = store.start == store.bytes.len();
        let is_synced = tag.kind == STORE_SYNC && outcome == 0;
        match operation.take() {
            Some(Operation::Sync(told)) if is_synced => told.succeeded(),
            _ => {}
        }
        if failed.is_none() && !(is_written && (is_synced || !store.sync)) {
            self.push_store(place);
            return None;
        }
        let Storing { store, .. } = self.stores[place].take()?;
        let is_sync = tag.kind == STORE_SYNC;
        Some(Completion::Stored {
            number: store.number,
            bytes: store.bytes,
            is_sync,
            result: failed.map_or(Ok(()), Err),
        })
    }
}
