//! Looking after connections while a script takes too long on their thread.
//!
//! The loop does not turn meanwhile: the script was called by it. So sockets are read and written here by plain calls
//! ([`crate::net::aside`]), and of the commands that come, those are answered that need nothing but the connection: all that are refused because a
//! script is running, and the few that end it or that a client begins with. What else there is (what may be carried out all the same, but not here)
//! waits with its connection until the script is over. Nothing is read of a connection whose earlier input the driver may still hold.
use super::conn::{Conn, Hold, Multi, Peer, ReplyMode};
use super::core::Core;
use super::places::Places;
use super::{Thread, wall_ms};
use crate::admit::{unknown_command, unknown_subcommand};
use crate::commands;
use crate::config::Config;
use crate::coordinate::batch::Run;
use crate::net::{Token, aside};
use crate::protocol::inline;
use crate::protocol::parse::{Found, Limits, Parser, UNAUTHENTICATED};
use crate::queues::Mail;
use crate::script::busy::Kind;
use crate::script::desk;
use crate::shared::Shared;
use crate::table::{Entry, table};
use shards::commands::Args;
use shards::fault::Fault;
use shards::reply::Reply;
use shards::spec::Flags;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Time between two looks at the sockets.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Descriptors that are looked at together: the connections of a thread take turns beyond that.
const LOOKED_AT_MAX: usize = 4096;

/// What becomes of a command.
enum Fate {
    /// It is answered.
    Answered,
    /// It is carried out when the script is over.
    Later,
}

impl Places {
    /// Looks after the connections, if that is due, while a script of this kind runs.
    pub(crate) fn look_after(&mut self, shared: &Shared, kind: Kind) {
        if self.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked_at = Some(Instant::now());
        self.take_mail(shared);
        let config = shared.config();
        let mut tokens: Vec<(RawFd, Token)> = self.addressable().collect();
        tokens.truncate(LOOKED_AT_MAX);
        let mut fds: Vec<RawFd> = tokens.iter().map(|(fd, _)| *fd).collect();
        fds.extend(self.listening.iter().map(|(fd, _)| *fd));
        for fd in aside::readable(&fds) {
            if let Some((_, is_unix)) = self.listening.iter().find(|(listening, _)| *listening == fd) {
                self.welcome(fd, *is_unix, shared, &config);
            } else if let Some((_, token)) = tokens.iter().find(|(other, _)| *other == fd) {
                self.hear_out(*token, shared, &config, kind);
            }
        }
        for (fd, token) in tokens {
            self.write_out(fd, token);
        }
    }

    /// The connections of which it is certain what comes next.
    fn addressable(&self) -> impl Iterator<Item = (RawFd, Token)> {
        let is_known =
            |conn: &&Conn| self.unreaped == 0 || self.newcomers.iter().any(|(token, _)| *token == conn.token);
        let is_free = |conn: &&Conn| {
            conn.hold.is_none()
                && !conn.has_pending()
                && conn.sending_bytes == 0
                && !(conn.closing || conn.dead || conn.ended || conn.given_up || conn.reading_paused)
                && !self.to_feed.contains(&conn.token)
        };
        let conns = self.list.iter().filter_map(|place| place.conn.as_deref());
        conns.filter(is_known).filter(is_free).map(|conn| (conn.peer.fd, conn.token))
    }

    fn get(&mut self, token: Token) -> Option<&mut Conn> {
        let place = self.list.get_mut(token.index as usize)?;
        place.conn.as_deref_mut().filter(|conn| conn.token == token)
    }

    /// Takes those new connections from the mail that were sent here by another thread. All else waits.
    fn take_mail(&mut self, shared: &Shared) {
        while let Some(mail) = shared.mailboxes[self.thread].receive() {
            match mail {
                Mail::Client(socket, peer) => self.admit(socket, peer, shared),
                other => self.held_mail.push_back(other),
            }
        }
    }

    fn admit(&mut self, socket: OwnedFd, peer: Peer, shared: &Shared) {
        let token = self.add(peer, shared, shared.config().requirepass.is_empty(), wall_ms());
        self.newcomers.push((token, socket));
    }

    /// A new connection: it goes to the threads in turn, but to this one only where there is no other.
    fn welcome(&mut self, listening: RawFd, is_unix: bool, shared: &Shared, config: &Config) {
        let Ok(socket) = aside::accept(listening) else { return };
        let peer = crate::server::peer_of(&socket, is_unix, &config.unixsocket);
        if let Some(refusal) = crate::server::refusal(shared, config, &peer) {
            return crate::server::refuse(&socket, &refusal);
        }
        shared.clients.fetch_add(1, Ordering::Relaxed);
        shared.connections_received.fetch_add(1, Ordering::Relaxed);
        let threads = shared.shard_count();
        if threads > 1 {
            self.next_thread += 1;
            let other = (self.thread + 1 + self.next_thread % (threads - 1)) % threads;
            return shared.mailboxes[other].deliver(Mail::Client(socket, peer));
        }
        self.admit(socket, peer, shared);
    }

    /// Reads what a connection has sent, and answers what can be.
    fn hear_out(&mut self, token: Token, shared: &Shared, config: &Config, kind: Kind) {
        let Some(conn) = self.get(token) else { return };
        let before = conn.input.bytes.len();
        aside::receive(conn.peer.fd, &mut conn.input.bytes);
        conn.totals.bytes_in += (conn.input.bytes.len() - before) as u64;
        conn.active_ms = wall_ms();
        let mut input = std::mem::take(&mut conn.input);
        let mut fate = Fate::Answered;
        while matches!(fate, Fate::Answered) && !input.is_empty() && !conn.closing {
            let mut spans = Vec::new();
            let window = input.rest();
            let limits = limits_of(conn, config);
            let consumed = match conn.parser.parse(window, limits, &mut spans) {
                Found::Incomplete { .. } => break,
                Found::Broken(_) => {
                    fate = Fate::Later;
                    0
                }
                Found::Command { consumed, .. } => {
                    let words = spans.iter().map(|(at, len)| &window[*at as usize..][..*len as usize]);
                    let words: Vec<Vec<u8>> = if window[0] == b'*' {
                        words.map(<[u8]>::to_vec).collect()
                    } else {
                        words.map(inline::unescape).collect()
                    };
                    let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                    fate = if args.is_empty() {
                        Fate::Answered
                    } else {
                        answer(conn, &args, shared, config, kind)
                    };
                    consumed
                }
            };
            match fate {
                Fate::Answered => input.consume(consumed),
                Fate::Later => conn.parser = Parser::default(),
            }
        }
        conn.input = input;
        if matches!(fate, Fate::Later) {
            self.to_feed.push(token);
        }
    }

    /// Sends a connection what was written for it.
    fn write_out(&mut self, fd: RawFd, token: Token) {
        let Some(conn) = self.get(token) else { return };
        if !conn.out.is_empty() {
            let sent = aside::send(fd, &conn.out);
            conn.out.drain(..sent);
            conn.totals.bytes_out += sent as u64;
        }
        if !conn.out.is_empty() && !self.to_feed.contains(&token) {
            self.to_feed.push(token);
        }
    }
}

fn limits_of(conn: &Conn, config: &Config) -> Limits {
    if conn.session.authenticated || config.requirepass.is_empty() {
        Limits { bulk_bytes_max: config.proto_max_bulk_len_bytes as usize, args_max: i32::MAX as usize }
    } else {
        UNAUTHENTICATED
    }
}

/// Answers a command, if that can be done here.
fn answer(conn: &mut Conn, args: Args<'_>, shared: &Shared, config: &Config, kind: Kind) -> Fate {
    if conn.session.reply_mode == ReplyMode::SkipNext {
        conn.session.reply_mode = ReplyMode::Skip;
    }
    let mut reply = conn.begin_reply();
    let start = reply.bytes.len();
    let outcome = match refusal(conn, args, shared, config, kind) {
        Ok(entry) => carry_out(entry.spec.name, conn, &mut reply, args, shared, config, kind),
        Err(fault) if conn.session.multi.is_some() && args[0].eq_ignore_ascii_case(b"exec") => {
            abort(conn, &fault)
        }
        Err(fault) => {
            conn.session.multi.iter_mut().for_each(|multi| multi.aborted = true);
            Some(Err(fault))
        }
    };
    if let Some(Err(fault)) = &outcome {
        reply.bytes.truncate(start);
        reply.error(&fault.0);
    }
    conn.end_reply(reply);
    if outcome.is_none() {
        return Fate::Later;
    }
    conn.totals.commands += 1;
    if conn.session.reply_mode == ReplyMode::Skip {
        conn.session.reply_mode = ReplyMode::On;
    }
    Fate::Answered
}

/// EXEC is refused, and its transaction given up; unless it watches keys, which takes their shards.
fn abort(conn: &mut Conn, why: &Fault) -> Option<Result<(), Fault>> {
    if conn.session.watching.is_some() {
        return None;
    }
    conn.session.multi = None;
    let why = why.0.strip_prefix(b"ERR ").unwrap_or(&why.0);
    Some(Err(Fault::text([b"EXECABORT Transaction discarded because of: ", why].concat())))
}

/// Carries out a command, if that takes no more than the connection.
fn carry_out(
    name: &str,
    conn: &mut Conn,
    reply: &mut Reply,
    args: Args<'_>,
    shared: &Shared,
    config: &Config,
    kind: Kind,
) -> Option<Result<(), Fault>> {
    Some(match name {
        "script|kill" => shared.scripts.busy.kill(Kind::Script).map(|()| reply.ok()),
        "function|kill" => shared.scripts.busy.kill(Kind::Function).map(|()| reply.ok()),
        "function|stats" => desk::write_stats(&shared.scripts, reply),
        "auth" => commands::authenticate(config, conn, reply, args),
        "hello" => commands::introduce(config, conn, reply, args),
        "shutdown" if args[1..].iter().any(|word| word.eq_ignore_ascii_case(b"nosave")) => {
            crate::log::warning(format_args!("User requested shutdown..."));
            shared.stop();
            Ok(())
        }
        "shutdown" => Err(kind.refusal()),
        "multi" if conn.session.multi.is_none() => {
            let run = Run::new(conn.origin(0, u64::MAX));
            conn.session.multi = Some(Multi::new(Box::new(run)));
            reply.ok();
            Ok(())
        }
        "discard" if conn.session.multi.is_some() && conn.session.watching.is_none() => {
            conn.session.multi = None;
            reply.ok();
            Ok(())
        }
        _ => return None,
    })
}

/// Why a command is refused, if it is. The order of questions is that of [`Core::admit`].
fn refusal(
    conn: &Conn,
    args: Args<'_>,
    shared: &Shared,
    config: &Config,
    kind: Kind,
) -> Result<&'static Entry, Fault> {
    let id = shared.names.find(args[0]).ok_or_else(|| unknown_command(args))?;
    let mut entry = table().entry(id);
    if !entry.subcommands.is_empty() && args.len() > 1 && !entry.takes_rest {
        entry = table().find_sub(entry, args[1]).ok_or_else(|| unknown_subcommand(entry, args))?;
    }
    if !entry.spec.fits(args.len()) {
        return Err(Fault::arity(entry.spec.name));
    }
    let needs_auth = !conn.session.authenticated && !config.requirepass.is_empty();
    if needs_auth && !entry.spec.flags.has(Flags::NO_AUTH) {
        return Err(Fault::new("NOAUTH Authentication required."));
    }
    if entry.spec.flags.has(Flags::ALLOW_BUSY) { Ok(entry) } else { Err(kind.refusal()) }
}

impl Core {
    /// Puts off a script, if there is more to take from the driver: should it take too long, it is certain then what the other
    /// connections have sent.
    pub(crate) fn puts_off(&mut self, conn: &mut Conn) -> bool {
        let is_put_off = self.places.unreaped > 0 && conn.session.multi.is_none();
        if is_put_off {
            conn.hold = Some(Hold::Turn);
            self.places.to_feed.push(conn.token);
        }
        is_put_off
    }

    /// Goes on with connections whose turn had to wait: scripts came while there was more to take from the driver, or the thread was
    /// busy with one.
    pub(crate) fn feed_waiting(&mut self) {
        for token in std::mem::take(&mut self.places.to_feed) {
            if let Some(mut conn) = self.check_out(token) {
                if conn.hold == Some(Hold::Turn) {
                    conn.hold = None;
                }
                self.feed_input(&mut conn);
                self.check_in(conn);
            }
        }
    }
}

impl Thread {
    /// Takes over what was done while a script took too long.
    pub(super) fn catch_up_with_places(&mut self) {
        for (token, socket) in std::mem::take(&mut self.core.places.newcomers) {
            self.core.conn_count += 1;
            self.driver.add(token, socket);
        }
        self.core.feed_waiting();
    }
}
