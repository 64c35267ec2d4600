//! The target without a server: shards in hand, commands called on the spot, a clock that only the script moves.

use super::resp::{Reply, decode};
use super::{ConnectionId, Kind, Outcome, Target};
use braid::table::{Handler, table};
use shards::call::Call;
use shards::commands::{Args, Command, execute, resolve};
use shards::effects::{Class, Effects, Listen};
use shards::fault::{DB_RANGE, Fault, NOT_INTEGER};
use shards::number::parse_i64;
use shards::reply::{Reply as Writer, Resp};
use shards::settings::Settings;
use shards::shard::Shard;
use std::time::Duration;

/// When the engine's time begins, ms since 1970. It stands still but for `!sleep-ms`.
const START_MS: i64 = 1_800_000_000_000;
/// Entries that active expiry looks at in one go: few, so that a sweep takes several.
const SWEEP_ENTRIES: usize = 64;

/// SELECT's answer to an integer of more than 32 bits.
const NO_INT: Fault = Fault::new("ERR value is out of range, value must between -2147483648 and 2147483647");

/// Shards without threads, sockets and clocks.
pub(crate) struct EngineTarget {
    #[expect(clippy::vec_box, reason = "a call takes boxed shards, for they travel")]
    shards: Vec<Box<Shard>>,
    settings: Settings,
    listen: Listen,
    now_ms: i64,
    sessions: Vec<Option<Session>>,
}

/// What the engine is told of a connection.
#[derive(Clone, Copy, Default)]
struct Session {
    db: u16,
    resp: Resp,
}

/// Who carries out a request.
#[derive(Clone, Copy)]
enum Doer {
    /// The engine.
    Engine(&'static Command),
    /// This target, which keeps what a connection is.
    Select,
    Hello,
    /// A server, which is not here.
    Server,
    /// There is no such command.
    Nobody,
}

impl EngineTarget {
    /// An engine of so many shards. Where somebody listens, every event is told and every change recorded:
    /// another way through many commands, with the same replies.
    pub(crate) fn new(shard_count: usize, is_listened_to: bool) -> EngineTarget {
        let events = if is_listened_to { Class(!Class::NONE.0) } else { Class::NONE };
        let settings = Settings::default();
        EngineTarget {
            shards: fresh(shard_count, &settings),
            settings,
            listen: Listen { records: is_listened_to, events },
            now_ms: START_MS,
            sessions: Vec::new(),
        }
    }

    fn call(&mut self, session: &mut Session, args: Args<'_>) -> Vec<u8> {
        let mut reply = Writer::new(session.resp);
        let outcome = match doer(args) {
            Doer::Engine(command) => match resolve(command, args) {
                Ok(command) => return self.execute(*session, command, args),
                Err(fault) => Err(fault),
            },
            Doer::Select => self.select(session, args).map(|()| reply.ok()),
            Doer::Hello => hello(session, args).map(|()| reply.ok()),
            Doer::Server => Err(Fault::new("ERR the engine is asked for what servers do")),
            Doer::Nobody => Err(braid::admit::unknown_command(args)),
        };
        if let Err(fault) = outcome {
            reply.error(&fault.0);
        }
        reply.bytes
    }

    fn execute(&mut self, session: Session, command: &Command, args: Args<'_>) -> Vec<u8> {
        let (mut reply, mut effects) = (Writer::new(session.resp), Effects::new(self.listen));
        let shards = &mut self.shards[..];
        let mut cx = Call::new(shards, &self.settings, session.db, self.now_ms, &mut reply, &mut effects);
        execute(&mut cx, command, args);
        reply.bytes
    }

    fn select(&self, session: &mut Session, args: Args<'_>) -> Result<(), Fault> {
        let [_, index] = args else { return Err(Fault::arity("select")) };
        let index = parse_i64(index).ok_or(NOT_INTEGER)?;
        let index = i32::try_from(index).map_err(|_| NO_INT)?;
        let known = u16::try_from(index).ok().filter(|db| *db < self.settings.databases);
        session.db = known.ok_or(DB_RANGE)?;
        Ok(())
    }

    /// Removes what has expired, as a server does while nobody asks.
    fn sweep(&mut self) {
        for shard in &mut self.shards {
            let (mut reply, mut effects) = (Writer::default(), Effects::new(self.listen));
            let shard = std::slice::from_mut(shard);
            let mut cx = Call::new(shard, &self.settings, 0, self.now_ms, &mut reply, &mut effects);
            while !shards::expiry::sweep(&mut cx.keys, SWEEP_ENTRIES).round_done {}
        }
    }
}

impl Target for EngineTarget {
    fn kind(&self) -> Kind {
        Kind::Engine
    }

    fn knows(&self, args: &[Vec<u8>]) -> bool {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        !matches!(doer(&args), Doer::Hello | Doer::Server)
    }

    fn connect(&mut self) -> ConnectionId {
        self.sessions.push(Some(Session::default()));
        self.sessions.len() - 1
    }

    fn close(&mut self, connection: ConnectionId) {
        self.sessions[connection] = None;
    }

    fn request(&mut self, connection: ConnectionId, args: &[Vec<u8>], _patience: Duration) -> Outcome {
        let Some(mut session) = self.sessions[connection] else { return Outcome::Closed };
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let bytes = self.call(&mut session, &args);
        self.sessions[connection] = Some(session);
        match decode(&bytes) {
            Ok(Some((reply, len))) if len == bytes.len() => Outcome::Reply(reply),
            _ => Outcome::Garbage(bytes),
        }
    }

    fn send_raw(&mut self, _connection: ConnectionId, bytes: &[u8]) {
        unreachable!("raw bytes are for servers: {}", bytes.escape_ascii());
    }

    fn receive(&mut self, connection: ConnectionId, _patience: Duration) -> Outcome {
        if self.sessions[connection].is_some() { Outcome::Silence } else { Outcome::Closed }
    }

    fn sleep(&mut self, time: Duration) {
        self.now_ms += i64::try_from(time.as_millis()).expect("no script sleeps for ever");
        self.sweep();
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Empties the engine by its own means: the tables of the script before are still being freed when the next one begins.
    fn reset(&mut self) -> Result<(), Outcome> {
        self.sessions.clear();
        let fresh = self.connect();
        let flushed = self.request(fresh, &[b"FLUSHALL".to_vec()], Duration::ZERO);
        self.sessions.clear();
        self.shards.iter_mut().for_each(|shard| shard.free_some(SWEEP_ENTRIES));
        if flushed == Outcome::Reply(Reply::Simple(b"OK".to_vec())) { Ok(()) } else { Err(flushed) }
    }
}

#[expect(clippy::vec_box, reason = "a call takes boxed shards, for they travel")]
fn fresh(count: usize, settings: &Settings) -> Vec<Box<Shard>> {
    (0..count).map(|index| Box::new(Shard::new(index, count, settings.databases, 7))).collect()
}

/// Found in the one table that a server looks in.
fn doer(args: Args<'_>) -> Doer {
    let Some(entry) = table().find(args[0]) else { return Doer::Nobody };
    let sub = args.get(1).and_then(|word| table().find_sub(entry, word));
    match (entry.handler, sub.map(|sub| sub.handler)) {
        (Handler::Engine(command), _) => Doer::Engine(command),
        // DEBUG and MEMORY are in two halves.
        (Handler::Server(_), Some(Handler::Engine(command))) => Doer::Engine(command),
        _ if entry.spec.name == "select" => Doer::Select,
        _ if entry.spec.name == "hello" => Doer::Hello,
        (Handler::Server(_) | Handler::Script(_), _) => Doer::Server,
    }
}

/// What `!resp` asks for. The greeting is the server's: scripts that look at it are not for the engine.
fn hello(session: &mut Session, args: Args<'_>) -> Result<(), Fault> {
    session.resp = match args {
        [_, b"2"] => Resp::V2,
        [_, b"3"] => Resp::V3,
        _ => return Err(Fault::new("NOPROTO unsupported protocol version")),
    };
    Ok(())
}
