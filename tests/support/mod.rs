//! What the golden tests run on: targets, and the script language that speaks to them.
//!
//! A script is run against anything that is a [`Target`]. `tcp.rs` is the one for servers (Redis, Valkey, Braid);
//! `engine.rs` beside it is the bare engine's: a request is executed on the spot, sleeping moves the clock that the engine
//! is given, and raw bytes never reach it. `simulated.rs` is Braid without its sockets, its threads in turns from a seed.

pub(crate) mod engine;
mod harness;
pub(crate) mod pattern;
pub(crate) mod quote;
pub(crate) mod render;
pub(crate) mod resp;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod simulated;
pub(crate) mod tcp;

use resp::Reply;
use std::time::Duration;

/// Who answers. Scripts can be meant for some of them only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The reference that writes expectations unless a script says otherwise.
    Redis,
    /// The reference for what Redis learned after the version at hand.
    Valkey,
    /// Braid behind its sockets.
    Braid,
    /// Braid's engine without connections or a server around it.
    Engine,
    /// Braid's threads and shards in turns, without sockets.
    Simulated,
}

/// What came back within the time that was granted.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    /// Nothing: the target is quiet, or waits.
    Silence,
    /// The target closed the connection.
    Closed,
    /// Bytes that are no RESP.
    Garbage(Vec<u8>),
}

/// A connection, by its number in the target's own list.
pub(crate) type ConnectionId = usize;

/// Something that takes requests and gives replies.
pub(crate) trait Target {
    fn kind(&self) -> Kind;

    /// Whether the request is for it at all; what is not is left out.
    fn knows(&self, _args: &[Vec<u8>]) -> bool {
        true
    }

    /// Opens a fresh connection: RESP2, database 0. One that cannot be opened counts as closed.
    fn connect(&mut self) -> ConnectionId;

    /// Closes a connection as a client that goes away.
    fn close(&mut self, connection: ConnectionId);

    /// Sends one request and waits at most `patience` for its reply.
    fn request(&mut self, connection: ConnectionId, args: &[Vec<u8>], patience: Duration) -> Outcome;

    /// Sends bytes as they are.
    fn send_raw(&mut self, connection: ConnectionId, bytes: &[u8]);

    /// Waits at most `patience` for one more reply or push.
    fn receive(&mut self, connection: ConnectionId, patience: Duration) -> Outcome;

    /// Lets time pass.
    fn sleep(&mut self, time: Duration);

    /// The target's wall clock, in milliseconds since the epoch.
    fn now_ms(&self) -> i64;

    /// Forgets all connections and all data; the reply to what was not obeyed otherwise.
    fn reset(&mut self) -> Result<(), Outcome>;
}
