//! The server's commands: what needs no keys, or the connection itself. A file a family, each beginning with its table.
use crate::coordinate::survey::{Ask, Finish};
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::Fault;
use shards::reply::Reply;
use shards::spec::Spec;

mod auth;
mod client;
mod cluster;
mod command;
mod config;
mod connection;
mod debug;
mod function;
mod help;
mod info;
mod latency;
mod memory;
mod module;
mod monitor;
mod persistence;
mod pubsub;
mod replication;
mod script;
mod server;
mod slowlog;
mod transaction;

pub(crate) use self::auth::{authenticate, introduce};

/// A command of the server: its facts and its function.
#[derive(Clone, Copy, Debug)]
pub struct ServerCommand {
    /// The facts.
    pub spec: Spec,
    /// What it does.
    pub run: fn(&mut Server<'_>, Args<'_>) -> Result<Verdict, Fault>,
    /// The commands below this one (`CLIENT LIST`); `run` is then called only where none fits.
    pub subcommands: &'static [ServerCommand],
}

/// What a command of the server has to do with: its thread, its connection, and the reply.
#[derive(Debug)]
pub struct Server<'a> {
    /// The thread.
    pub core: &'a mut Core,
    /// The connection.
    pub conn: &'a mut Conn,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
}

/// How a command of the server ended.
pub enum Verdict {
    /// The reply is written.
    Done,
    /// The reply is written; the connection is closed behind it.
    Close,
    /// Every thread is asked, and the reply written when all have answered. The connection waits.
    Ask(Ask, Finish),
    /// The reply comes from the shards (EXEC, WATCH): they are entered as soon as this thread's part is written.
    Enter(Enter),
    /// The reply is this one, and goes out at that time (ms since 1970), if that is not past. The connection waits. In a
    /// transaction nothing waits.
    Wait {
        /// When.
        until_ms: i64,
        /// The reply.
        reply: Vec<u8>,
    },
}

/// What enters shards.
pub type Enter = Box<dyn FnOnce(&mut Core, &mut Conn) + Send>;

impl Verdict {
    /// Goes to the shards.
    pub fn enter(enter: impl FnOnce(&mut Core, &mut Conn) + Send + 'static) -> Verdict {
        Verdict::Enter(Box::new(enter))
    }
    /// Asks every thread; writes the reply when all have answered.
    pub fn ask(
        ask: impl Fn(&mut Core) + Send + Sync + 'static,
        finish: impl FnOnce(&mut Server<'_>) -> Verdict + Send + 'static,
    ) -> Verdict {
        Verdict::Ask(Box::new(ask), Box::new(finish))
    }
}

/// How a command of the server ends.
pub type Outcome = Result<Verdict, Fault>;

/// Every family.
pub const FAMILIES: &[&[ServerCommand]] = &[
    connection::COMMANDS,
    auth::COMMANDS,
    client::COMMANDS,
    command::COMMANDS,
    transaction::COMMANDS,
    config::COMMANDS,
    info::COMMANDS,
    server::COMMANDS,
    persistence::COMMANDS,
    replication::COMMANDS,
    memory::COMMANDS,
    slowlog::COMMANDS,
    latency::COMMANDS,
    debug::COMMANDS,
    pubsub::COMMANDS,
    module::COMMANDS,
    monitor::COMMANDS,
    cluster::COMMANDS,
    script::COMMANDS,
    function::COMMANDS,
];
