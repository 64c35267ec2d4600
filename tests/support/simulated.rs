//! The target whose threads take their turns as the dice say: a server's cores with their shards, mailboxes and doors, on one
//! thread of the test. Sockets are played, and time passes only while everybody waits.
//!
//! `tests/simulation.rs` deschedules within a turn and judges whole histories; here the interleaving is of whole turns, and
//! the commands are all those of the corpus.

use super::resp::{Reply, decode, encode};
use super::{ConnectionId, Kind, Outcome, Target};
use braid::config::Config;
use braid::config::choices::Protected;
use braid::net::Token;
use braid::queues::Strand;
use braid::shared::Shared;
use braid::thread::conn::Peer;
use braid::thread::core::{Core, Intent};
use shards::dice::Dice;
use shards::shard::Shard;
use std::sync::Arc;
use std::time::Duration;

/// When time begins, ms since 1970.
const START_MS: i64 = 1_800_000_000_000;
/// The port of a script's first client.
const FIRST_PORT: usize = 40_000;
/// How far the clock jumps when everybody waits for it.
const TICK_MS: i64 = 5;
/// How often expired keys are looked for, where nobody asks for them.
const SWEEP_EVERY_MS: i64 = 100;
/// Turns after which a server is taken to run in circles.
const TURNS_MAX: usize = 1_000_000;
/// Discarded entries that a turn frees.
const FREED_MAX: usize = 64;

pub(crate) struct SimulatedTarget {
    seed: u64,
    dice: Dice,
    stations: Vec<Station>,
    lines: Vec<Line>,
    now_ms: i64,
    /// Turns taken, over all scripts.
    pub(crate) turns: usize,
}

/// A thread of the server.
struct Station {
    core: Core,
    is_asleep: bool,
    /// Somebody woke it, or will have before it sleeps.
    is_woken: bool,
}

/// A connection, seen from its client.
#[derive(Default)]
struct Line {
    station: usize,
    token: Option<Token>,
    /// Bytes under way to the server.
    sent: Vec<u8>,
    /// Bytes that came and are not yet a whole reply.
    got: Vec<u8>,
}

impl SimulatedTarget {
    /// A server whose every script is interleaved as `seed` says, whatever scripts came before it.
    pub(crate) fn new(seed: u64) -> SimulatedTarget {
        let dice = Dice::new(seed);
        SimulatedTarget { seed, dice, stations: Vec::new(), lines: Vec::new(), now_ms: START_MS, turns: 0 }
    }

    /// Lets somebody who can have a turn; whether anybody could.
    fn turn(&mut self) -> bool {
        let lines = &self.lines;
        let has_input = |at: usize| lines.iter().any(|line| line.station == at && !line.sent.is_empty());
        let ready = |at: &usize| {
            let station = &self.stations[*at];
            !station.is_asleep || station.is_woken || has_input(*at)
        };
        let ready: Vec<usize> = (0..self.stations.len()).filter(ready).collect();
        if ready.is_empty() {
            return false;
        }
        let at = ready[self.dice.below(ready.len() as u64) as usize];
        self.turns += 1;
        self.turn_of(at);
        true
    }

    /// The turn of `src/thread/mod.rs`, with played sockets.
    fn turn_of(&mut self, at: usize) {
        let station = &mut self.stations[at];
        let core = &mut station.core;
        if std::mem::take(&mut station.is_asleep) {
            core.get_up();
        }
        station.is_woken = false;
        core.begin_turn(self.now_ms);
        for line in self.lines.iter_mut().filter(|line| line.station == at) {
            receive(core, line, &mut self.dice);
        }
        core.serve_own();
        assert!(core.read_mail().is_none(), "nobody sends clients or an end");
        if let Some(strand) = &mut core.strands[at] {
            strand.shard.free_some(FREED_MAX);
        }
        core.snapshot_slice();
        core.sweep_slice(SWEEP_EVERY_MS);
        core.end_waits();
        core.end_sync_waits();
        core.end_pause();
        core.settle();
        if let Some(strand) = &core.strands[at] {
            core.shared.published[at].publish(&strand.shard);
        }
        flush(core, &mut self.lines);
        let woken: Vec<usize> = std::iter::from_fn(|| core.next_to_wake()).collect();
        if core.fall_asleep() {
            station.is_asleep = true;
        } else {
            core.get_up();
        }
        woken.into_iter().for_each(|thread| self.stations[thread].is_woken = true);
    }

    /// Lets turns pass until a reply has come on a connection, or nothing will.
    fn wait_for(&mut self, connection: ConnectionId, patience: Duration) -> Outcome {
        let deadline_ms = self.now_ms + i64::try_from(patience.as_millis()).expect("patience ends");
        for _turn in 0..TURNS_MAX {
            let line = &mut self.lines[connection];
            match decode(&line.got) {
                Err(_) => return Outcome::Garbage(std::mem::take(&mut line.got)),
                Ok(Some((reply, length))) => {
                    line.got.drain(..length);
                    return Outcome::Reply(reply);
                }
                Ok(None) if line.token.is_none() => return Outcome::Closed,
                Ok(None) => {}
            }
            if !self.turn() {
                if self.now_ms >= deadline_ms {
                    return Outcome::Silence;
                }
                self.tick();
            }
        }
        panic!("seed {}: after {TURNS_MAX} turns nobody has got on", self.seed);
    }

    /// Lets turns pass until everybody waits.
    fn settle(&mut self) {
        let is_quiet = (0..TURNS_MAX).any(|_turn| !self.turn());
        assert!(is_quiet, "seed {}: after {TURNS_MAX} turns somebody still has something to do", self.seed);
    }

    /// Everybody waits: the clock goes on, and everybody looks at it.
    fn tick(&mut self) {
        self.now_ms += TICK_MS;
        self.stations.iter_mut().for_each(|station| station.is_woken = true);
    }
}

impl Target for SimulatedTarget {
    fn kind(&self) -> Kind {
        Kind::Simulated
    }

    fn connect(&mut self) -> ConnectionId {
        let station = self.dice.below(self.stations.len() as u64) as usize;
        let peer = Peer {
            address: format!("127.0.0.1:{}", FIRST_PORT + self.lines.len()),
            local_address: "127.0.0.1:6379".into(),
            is_unix: false,
            fd: self.lines.len() as i32,
        };
        let token = self.stations[station].core.open_conn(peer);
        self.stations[station].core.shared.clients.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.lines.push(Line { station, token: Some(token), ..Line::default() });
        self.lines.len() - 1
    }

    fn close(&mut self, connection: ConnectionId) {
        let Line { station, token, .. } = std::mem::take(&mut self.lines[connection]);
        if let Some(token) = token {
            self.stations[station].core.close(token);
            self.stations[station].is_woken = true;
        }
    }

    fn request(&mut self, connection: ConnectionId, args: &[Vec<u8>], patience: Duration) -> Outcome {
        self.send_raw(connection, &encode(args));
        self.wait_for(connection, patience)
    }

    fn send_raw(&mut self, connection: ConnectionId, bytes: &[u8]) {
        let line = &mut self.lines[connection];
        if line.token.is_some() {
            line.sent.extend_from_slice(bytes);
        }
    }

    fn receive(&mut self, connection: ConnectionId, patience: Duration) -> Outcome {
        self.wait_for(connection, patience)
    }

    fn sleep(&mut self, time: Duration) {
        let until_ms = self.now_ms + i64::try_from(time.as_millis()).expect("no script sleeps for ever");
        while self.now_ms < until_ms {
            self.settle();
            self.tick();
        }
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Another server, of two to four shards.
    fn reset(&mut self) -> Result<(), Outcome> {
        self.dice = Dice::new(self.seed);
        self.lines.clear();
        if let Some(before) = self.stations.first() {
            // Its writer may be at the same file still.
            before.core.shared.saves.abandon();
        }
        let count = 2 + self.dice.below(3) as usize;
        // What scripts save is nobody's.
        let dump = std::env::temp_dir().join(format!("braid-simulated-{}.rdb", std::process::id()));
        let dbfilename = dump.to_string_lossy().into_owned();
        let config = Config { enable_debug_command: Protected::Yes, dbfilename, ..Config::default() };
        let databases = u16::try_from(config.databases).expect("databases are few");
        let shared = Shared::new(config, count, self.now_ms, "0".repeat(40)).expect("nothing is renamed");
        let shared = Arc::new(shared);
        let station = |id| {
            let shard = Box::new(Shard::new(id, count, databases, id as u64));
            let core = Core::new(id, Arc::clone(&shared), Some(Strand { shard, stalled: None }));
            Station { core, is_asleep: false, is_woken: false }
        };
        self.stations = (0..count).map(station).collect();
        let fresh = self.connect();
        let pong = self.request(fresh, &[b"PING".to_vec()], Duration::ZERO);
        self.close(fresh);
        self.settle();
        if pong == Outcome::Reply(Reply::Simple(b"PONG".to_vec())) { Ok(()) } else { Err(pong) }
    }
}

/// What a client has sent arrives: all of it, some of it, or not yet.
fn receive(core: &mut Core, line: &mut Line, dice: &mut Dice) {
    let Some(mut conn) = line.token.and_then(|token| core.check_out(token)) else {
        return line.sent.clear();
    };
    let count = match dice.below(4) {
        0 => 0,
        1 => dice.below(line.sent.len() as u64 + 1) as usize,
        _ => line.sent.len(),
    };
    if count > 0 {
        let bytes: Vec<u8> = line.sent.drain(..count).collect();
        core.received(&mut conn, &bytes);
    }
    core.check_in(conn);
}

/// What connections have to send arrives; those that are done with are closed.
fn flush(core: &mut Core, lines: &mut [Line]) {
    while let Some(token) = core.to_flush.pop() {
        let Some(mut conn) = core.check_out(token) else { continue };
        conn.listed = false;
        let bytes = std::mem::take(&mut conn.out);
        conn.dead |= conn.given_up;
        conn.dead |= conn.closing && !conn.has_pending() && conn.hold.is_none();
        core.check_in_flushed(conn);
        if let Some(line) = line_of(core.id, token, lines) {
            line.got.extend_from_slice(&bytes);
        }
    }
    for intent in std::mem::take(&mut core.intents) {
        if let Intent::Remove(token) = intent {
            core.free_place(token);
            if let Some(line) = line_of(core.id, token, lines) {
                line.token = None;
            }
        }
    }
}

fn line_of(station: usize, token: Token, lines: &mut [Line]) -> Option<&mut Line> {
    lines.iter_mut().find(|line| line.station == station && line.token == Some(token))
}
