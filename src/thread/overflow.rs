//! Clients that do not read their replies: when they are not read either, and when they are given up
//! (`client-output-buffer-limit`).
//!
//! A client is stopped before it is given up: beyond so many unread bytes its commands are not carried out, which costs it nothing
//! it would notice. Only a limit of its class makes an end of it, at once above the hard one, after some seconds above the soft
//! one; then the limit is what stops it, so that it is met.
use super::conn::Conn;
use super::core::Core;
use crate::config::{Config, OutputBufferLimit};

/// Which of the limits holds for a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OutputClass {
    /// It asks, and is answered.
    Normal,
    /// It has subscribed to something.
    Pubsub,
    /// It copies the dataset.
    Replica,
}

/// Unread replies that a limit does not count: Redis keeps so many bytes in the client itself, and limits what goes beyond.
const UNCOUNTED_BYTES: usize = 16 * 1024;
/// A client that reads no replies is not read either beyond so many bytes of them…
const UNREAD_BYTES_MAX: usize = 64 << 20;
/// … or so many, once all clients of a thread together …
const UNREAD_BYTES_CROWDED: usize = 1 << 20;
/// … have left so many unread.
const UNREAD_BYTES_ALL: usize = 512 << 20;

impl Core {
    /// Whether a client has left so much unread that its next command must wait.
    #[inline]
    pub(crate) fn is_unread(&self, conn: &Conn) -> bool {
        let unread_bytes = conn.output_bytes();
        unread_bytes >= self.suspect_bytes && self.is_unread_to_its_limit(conn, unread_bytes)
    }

    fn is_unread_to_its_limit(&self, conn: &Conn, unread_bytes: usize) -> bool {
        if self.output_bytes > UNREAD_BYTES_ALL && unread_bytes >= UNREAD_BYTES_CROWDED {
            return true;
        }
        let limit = limit_of(&self.config, class_of(&self.config, conn));
        let counted =
            |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(UNCOUNTED_BYTES);
        let stop_bytes = match limit.hard_bytes {
            0 if limit.soft_bytes == 0 => UNREAD_BYTES_MAX,
            0 => counted(limit.soft_bytes).max(UNREAD_BYTES_MAX),
            hard_bytes => counted(hard_bytes),
        };
        unread_bytes >= stop_bytes
    }

    /// Gives a client up whose unread replies are too many by the limits of its class. For whoever adds to them.
    #[inline]
    pub(crate) fn give_up_unread(&mut self, conn: &mut Conn) {
        if conn.output_bytes() >= self.suspect_bytes || conn.over_soft_since_ms.is_some() {
            self.look_at_unread(conn);
        }
    }

    #[cold]
    fn look_at_unread(&mut self, conn: &mut Conn) {
        let limit = limit_of(&self.config, class_of(&self.config, conn));
        let bytes = conn.output_bytes().saturating_sub(UNCOUNTED_BYTES) as u64;
        let is_over = |limit_bytes: u64| limit_bytes > 0 && bytes > 0 && bytes >= limit_bytes;
        let mut give_up = is_over(limit.hard_bytes);
        if is_over(limit.soft_bytes) {
            let since_ms = *conn.over_soft_since_ms.get_or_insert(self.now_ms);
            // Whole seconds, as Redis counts them.
            give_up |= (self.now_ms / 1000 - since_ms / 1000) as u64 > limit.soft_seconds;
            self.watches_unread = true;
        } else {
            conn.over_soft_since_ms = None;
        }
        if give_up && !conn.given_up {
            crate::log::warning(format_args!(
                "Client id={} addr={} name={} omem={bytes} scheduled to be closed ASAP for overcoming of output buffer \
                 limits.",
                conn.id,
                conn.peer.address,
                String::from_utf8_lossy(&conn.session.name),
            ));
            self.stats.output_disconnections += 1;
            // Not here and now: who adds to its output may be in the middle of telling others the same.
            conn.given_up = true;
            conn.closing = true;
            conn.out = Vec::new();
        }
    }

    /// Gives up the clients that were above their soft limit for too long.
    pub(crate) fn give_up_slow_readers(&mut self) {
        if !std::mem::take(&mut self.watches_unread) {
            return;
        }
        let slow: Vec<_> =
            self.conns().filter(|conn| conn.over_soft_since_ms.is_some()).map(|conn| conn.token).collect();
        for token in slow {
            if let Some(conn) = self.check_out(token) {
                // What puts it back looks at it.
                self.check_in(conn);
            }
        }
    }

    /// Works out below how many unread bytes no limit is met, whatever the class.
    pub(crate) fn adopt_output_limits(&mut self) {
        self.suspect_bytes = [OutputClass::Normal, OutputClass::Pubsub, OutputClass::Replica]
            .into_iter()
            .map(|class| limit_of(&self.config, class))
            .flat_map(|limit| [limit.hard_bytes, limit.soft_bytes])
            .filter(|bytes| *bytes > 0)
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
            .fold(UNREAD_BYTES_CROWDED, usize::min);
    }
}

/// Whose limit holds for a client. A monitor asks like others, but is told without end: where the limit of those who ask is none,
/// that of replicas holds for it.
fn class_of(config: &Config, conn: &Conn) -> OutputClass {
    let normal = config.client_output_buffer_limit.normal;
    match &conn.session {
        session if session.is_monitor && normal.hard_bytes == 0 && normal.soft_bytes == 0 => {
            OutputClass::Replica
        }
        session if session.subscriptions.is_some() => OutputClass::Pubsub,
        _ => OutputClass::Normal,
    }
}

/// The limit of a class. A replica may lag behind as far as the backlog goes.
fn limit_of(config: &Config, class: OutputClass) -> OutputBufferLimit {
    let limits = &config.client_output_buffer_limit;
    match class {
        OutputClass::Normal => limits.normal,
        OutputClass::Pubsub => limits.pubsub,
        OutputClass::Replica => {
            let hard_bytes = match limits.replica.hard_bytes {
                0 => 0,
                bytes => bytes.max(config.repl_backlog_size_bytes),
            };
            OutputBufferLimit { hard_bytes, ..limits.replica }
        }
    }
}
