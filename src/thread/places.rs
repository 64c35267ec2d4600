//! The places of a thread's connections, and what comes to them while the thread cannot turn its loop.
use super::conn::{Conn, Peer};
use crate::net::Token;
use crate::queues::Mail;
use crate::shared::Shared;
use crate::slowlog::Slowlog;
use std::collections::VecDeque;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::Ordering;

#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) generation: u32,
    pub(super) conn: Option<Box<Conn>>,
}

/// The places of a thread.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(super) list: Vec<Place>,
    pub(super) free: Vec<u32>,
    /// Which thread it is.
    pub(super) thread: usize,
    /// Completions of the driver that are not taken yet: there may be bytes of any connection among them.
    pub(crate) unreaped: usize,
    /// The sockets that the thread accepts from: over TCP or not.
    pub(super) listening: Vec<(RawFd, bool)>,
    /// Connections whose sockets the driver does not have yet.
    pub(super) newcomers: Vec<(Token, OwnedFd)>,
    /// Connections that have sent what is to be carried out later.
    pub(crate) to_feed: Vec<Token>,
    /// Mail that was taken from the mailbox and is to be read, before what is there.
    pub(super) held_mail: VecDeque<Mail>,
    /// When they were last looked after, while a script took too long.
    pub(super) looked_at: Option<std::time::Instant>,
    /// What of their commands took long.
    pub(crate) slowlog: Slowlog,
    /// New connections in all, to be dealt to the threads in turn.
    pub(super) next_thread: usize,
}

impl Places {
    /// Which thread's they are.
    pub(crate) fn thread_id(&self) -> usize {
        self.thread
    }
    /// How many connections there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len() - self.free.len()
    }
    /// A place for a new connection.
    pub(super) fn add(&mut self, peer: Peer, shared: &Shared, is_open: bool, now_ms: i64) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.list.push(Place::default());
            (self.list.len() - 1) as u32
        });
        let place = &mut self.list[index as usize];
        let token = Token { index, generation: place.generation };
        let id = shared.next_client_id.fetch_add(1, Ordering::Relaxed);
        let mut conn = Box::new(Conn::new(token, id, peer, now_ms));
        conn.session.authenticated = is_open;
        place.conn = Some(conn);
        token
    }
}
