//! Connections that let a time pass before they are answered (WAIT).
use super::conn::{Assembly, Conn, Hold};
use super::core::Core;
use crate::net::Token;

/// A connection that waits.
#[derive(Debug)]
pub struct Waiter {
    token: Token,
    sequence: u64,
    /// Ms since 1970.
    until_ms: i64,
    reply: Vec<u8>,
}

impl Core {
    /// Answers a connection when its time has come; at once if it has.
    pub(crate) fn wait(&mut self, conn: &mut Conn, until_ms: i64, reply: Vec<u8>) {
        let sequence = conn.expect(Assembly::Plain, 1, 0);
        if until_ms <= self.now_ms {
            return conn.answered(sequence, reply, &mut self.pool);
        }
        conn.hold = Some(Hold::Wait);
        self.waiters.push(Waiter { token: conn.token, sequence, until_ms, reply });
    }

    /// Answers those whose time has come.
    pub fn end_waits(&mut self) {
        while let Some(at) = self.waiters.iter().position(|waiter| waiter.until_ms <= self.now_ms) {
            let waiter = self.waiters.swap_remove(at);
            if let Some(mut conn) = self.check_out(waiter.token) {
                conn.hold = None;
                conn.answered(waiter.sequence, waiter.reply, &mut self.pool);
                self.feed_input(&mut conn);
                self.check_in(conn);
            }
        }
    }

    /// A connection goes: it waits no longer.
    pub(crate) fn forget_waiter(&mut self, token: Token) {
        self.waiters.retain(|waiter| waiter.token != token);
    }

    /// How long until somebody's time comes, in ms, if somebody waits.
    pub(crate) fn wait_due_in_ms(&self) -> Option<i64> {
        self.waiters.iter().map(|waiter| (waiter.until_ms - self.now_ms).max(0)).min()
    }
}
