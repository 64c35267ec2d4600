//! WAITAOF: connections that wait until what was written is on the disk.
use super::conn::{Assembly, Conn, Hold};
use super::core::Core;
use crate::net::Token;
use shards::reply::{Reply, Resp};

/// How often it is looked whether it is, in ms.
const LOOK_MS: i64 = 5;

/// A connection that waits.
#[derive(Debug)]
pub(crate) struct SyncWait {
    token: Token,
    sequence: u64,
    resp: Resp,
    /// Up to where each journal is to be on the disk.
    ends: Vec<u64>,
    /// It wants replicas too, of which there are none: it waits until its time is over.
    in_vain: bool,
    until_ms: i64,
}

impl Core {
    /// Where the journals end now.
    pub(crate) fn journal_ends(&self) -> Vec<u64> {
        (0..self.shared.shard_count()).map(|shard| self.shared.journal.appended(shard)).collect()
    }

    /// Answers a connection when what was written so far is on the disk, or its time is over.
    pub(crate) fn wait_for_sync(&mut self, conn: &mut Conn, (local, replicas): (i64, i64), until_ms: i64) {
        let sequence = conn.expect(Assembly::Plain, 1, 0);
        conn.hold = Some(Hold::Wait);
        self.sync_waits.push(SyncWait {
            token: conn.token,
            sequence,
            resp: conn.session.resp,
            ends: if local > 0 { self.journal_ends() } else { Vec::new() },
            in_vain: replicas > 0,
            until_ms,
        });
    }

    /// Answers those whose waiting is over.
    pub fn end_sync_waits(&mut self) {
        for wait in std::mem::take(&mut self.sync_waits) {
            let is_synced = self.shared.journal.is_on_disk(&wait.ends);
            if wait.until_ms > self.now_ms && (!is_synced || wait.in_vain) {
                if self.is_there(wait.token) {
                    self.sync_waits.push(wait);
                }
                continue;
            }
            let Some(mut conn) = self.check_out(wait.token) else { continue };
            let mut reply = Reply::new(wait.resp);
            reply.array(2);
            reply.integer(i64::from(is_synced));
            reply.integer(0);
            conn.hold = None;
            conn.answered(wait.sequence, reply.bytes, &mut self.pool);
            self.feed_input(&mut conn);
            self.check_in(conn);
        }
    }

    /// How long until it is looked again, in ms.
    pub(crate) fn sync_wait_due_in_ms(&self) -> Option<i64> {
        (!self.sync_waits.is_empty()).then_some(LOOK_MS)
    }
}
