//! A transaction whose commands of the server wait for the shards' verdict: what the connection keeps meanwhile.
use super::{Assembly, Conn, Hold, Piece, Pool, Returned};
use crate::coordinate::exec::Deferred;

impl Conn {
    /// The place that was kept last is a transaction's, some commands of which are carried out here once the shards have told
    /// that it is not given up. Until then nothing else of the connection is.
    pub fn defer(&mut self, deferred: Deferred) {
        if let Some(last) = self.pending.back_mut() {
            last.deferred = true;
            self.deferred = Some(Box::new(deferred));
            self.hold = Some(Hold::Exec);
        }
    }

    /// Whether the transaction that was entered last was given up, once that is known.
    #[must_use]
    pub fn was_aborted(&self) -> Option<bool> {
        self.pending.back()?.returned.as_ref().map(Returned::is_aborted)
    }

    /// The deferred commands are carried out, with these replies (none, if the transaction was given up): the connection
    /// goes on.
    pub fn complete(&mut self, replies: Vec<Vec<u8>>, pool: &mut Pool) {
        self.hold = None;
        if let Some(last) = self.pending.back_mut() {
            last.deferred = false;
            if let Assembly::Exec(pieces) = &mut last.assembly {
                let known = pieces.iter_mut().filter(|piece| matches!(piece, Piece::Known(_)));
                known.zip(replies).for_each(|(piece, reply)| *piece = Piece::Known(reply));
            }
        }
        self.release(pool);
    }

    /// Whether it is over. What its shards have done of a transaction is done: it stays until the rest is, gone or not.
    #[must_use]
    pub fn may_go(&self) -> bool {
        self.dead && self.deferred.is_none()
    }
}
