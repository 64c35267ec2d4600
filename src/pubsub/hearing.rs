//! Hearing: what comes by post reaches the connections of the thread.
use super::exchange::{Kind, Message};
use super::tracking::{Invalidation, News};
use crate::net::Token;
use crate::thread::conn::Conn;
use crate::thread::core::Core;
use shards::glob;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::reply::{Reply, Resp};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a connection is subscribed to.
#[derive(Debug)]
pub struct Subscriptions {
    /// By [`Kind`].
    names: [KeyedMap<Box<[u8]>, ()>; 3],
}

impl Default for Subscriptions {
    fn default() -> Subscriptions {
        Subscriptions { names: [keyed_map(), keyed_map(), keyed_map()] }
    }
}

impl Subscriptions {
    /// How many there are of a kind.
    #[must_use]
    pub fn len(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }
    /// What Redis tells as the number of subscriptions: of the cluster's kind, or of the others together.
    #[must_use]
    pub fn told(&self, kind: Kind) -> usize {
        if kind == Kind::Shard { self.len(kind) } else { self.len(Kind::Channel) + self.len(Kind::Pattern) }
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(KeyedMap::is_empty)
    }
    /// All of a kind, in no order.
    #[must_use]
    pub fn names(&self, kind: Kind) -> Vec<Box<[u8]>> {
        self.names[kind as usize].keys().cloned().collect()
    }
}

/// The listeners of one thread.
#[derive(Debug)]
pub struct Hearing {
    /// By [`Kind`]: the connections for each name.
    listeners: [KeyedMap<Box<[u8]>, Vec<Token>>; 3],
    /// What was taken from the post and is not told yet.
    heard: VecDeque<Arc<Message>>,
    /// What connections are to get that are being served at the moment.
    late: Vec<(Token, Late)>,
    /// The connections in MONITOR.
    monitors: Vec<Token>,
}

/// What a connection has missed.
#[derive(Debug)]
enum Late {
    /// Something published, in these words.
    Words(Vec<Box<[u8]>>),
    /// A line, an invalidation.
    Message(Arc<Message>),
}

impl Default for Hearing {
    fn default() -> Hearing {
        Hearing {
            listeners: [keyed_map(), keyed_map(), keyed_map()],
            heard: VecDeque::new(),
            late: Vec::new(),
            monitors: Vec::new(),
        }
    }
}

/// A message as clients of either protocol get it, rendered once a thread.
struct Rendered<'a> {
    words: &'a [&'a [u8]],
    bytes: [Option<Vec<u8>>; 2],
}

impl<'a> Rendered<'a> {
    fn new(words: &'a [&'a [u8]]) -> Rendered<'a> {
        Rendered { words, bytes: [None, None] }
    }
    fn bytes(&mut self, resp: Resp) -> &[u8] {
        self.bytes[usize::from(resp == Resp::V3)].get_or_insert_with(|| {
            let mut reply = Reply::new(resp);
            reply.push(self.words.len());
            self.words.iter().for_each(|word| reply.bulk(word));
            reply.bytes
        })
    }
}

impl Core {
    /// Tells the thread's connections what came by post. Cheap when nothing did.
    #[inline]
    pub(crate) fn hear(&mut self) {
        if self.shared.exchange.has_post(self.id) && !self.is_stand_in {
            self.hear_post();
        }
    }

    #[cold]
    fn hear_post(&mut self) {
        let mut heard = std::mem::take(&mut self.hearing.heard);
        self.shared.exchange.collect(self.id, &mut heard);
        self.tell(heard);
    }

    /// Tells the thread's connections these messages, in order.
    fn tell(&mut self, mut messages: VecDeque<Arc<Message>>) {
        for message in messages.drain(..) {
            let (kind, channel, payload) = match &*message {
                Message::Published { kind, channel, payload } => (kind, channel, payload),
                Message::Line(_) => {
                    self.hearing.monitors.clone().into_iter().for_each(|to| self.tell_one(to, &message));
                    continue;
                }
                Message::Invalidation(invalidation) => {
                    self.tell_one(invalidation.to, &message);
                    continue;
                }
            };
            let word: &[u8] = if *kind == Kind::Shard { b"smessage" } else { b"message" };
            let tokens = self.hearing.listeners[*kind as usize].get(channel).cloned();
            let words = [word, channel, payload];
            self.tell_all(&tokens.unwrap_or_default(), &mut Rendered::new(&words));
            if *kind == Kind::Channel {
                let patterns = &self.hearing.listeners[Kind::Pattern as usize];
                let matching: Vec<_> = patterns
                    .iter()
                    .filter(|(pattern, _)| glob::matches(pattern, channel, false))
                    .map(|(pattern, tokens)| (pattern.clone(), tokens.clone()))
                    .collect();
                for (pattern, tokens) in matching {
                    let words: [&[u8]; 4] = [b"pmessage", &pattern, channel, payload];
                    self.tell_all(&tokens, &mut Rendered::new(&words));
                }
            }
        }
        self.hearing.heard = messages;
    }

    fn tell_all(&mut self, tokens: &[Token], message: &mut Rendered<'_>) {
        for &token in tokens {
            match self.check_out(token) {
                Some(mut conn) => {
                    conn.push(message.bytes(conn.session.resp));
                    self.raise_for_push(&mut conn);
                    self.check_in(conn);
                }
                // It is being served at the moment.
                None => {
                    let words = message.words.iter().map(|word| (*word).into()).collect();
                    self.hearing.late.push((token, Late::Words(words)));
                }
            }
        }
    }

    /// Tells a connection a line or an invalidation.
    fn tell_one(&mut self, token: Token, message: &Arc<Message>) {
        if let Some(mut conn) = self.check_out(token) {
            let mut bytes = Vec::new();
            render(message, &mut conn, &mut bytes);
            conn.push(&bytes);
            self.raise_for_push(&mut conn);
            self.check_in(conn);
        } else if self.is_out(token) {
            self.hearing.late.push((token, Late::Message(Arc::clone(message))));
        }
    }

    /// Gives a connection that is being served what it has missed meanwhile.
    #[inline]
    pub(crate) fn catch_up(&mut self, conn: &mut Conn) {
        if !self.hearing.late.is_empty() {
            let mut bytes = Vec::new();
            self.take_late(conn, &mut bytes);
            conn.push(&bytes);
        }
    }

    /// The same, into a reply that is being written to the connection.
    pub(crate) fn take_late(&mut self, conn: &mut Conn, out: &mut Vec<u8>) {
        let count = self.hearing.late.len();
        self.hearing.late.retain(|(token, late)| {
            if *token == conn.token {
                match late {
                    Late::Words(words) => {
                        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
                        out.extend_from_slice(Rendered::new(&words).bytes(conn.session.resp));
                    }
                    Late::Message(message) => render(message, conn, out),
                }
            }
            *token != conn.token
        });
        if self.hearing.late.len() < count {
            self.raise_for_push(conn);
        }
    }

    /// A connection is a monitor from now on. What came before is told to those who were before.
    pub(crate) fn monitor(&mut self, conn: &mut Conn) {
        let mut earlier = std::mem::take(&mut self.hearing.heard);
        self.shared.exchange.monitor(self.id, &mut earlier);
        self.tell(earlier);
        self.hearing.monitors.push(conn.token);
        conn.session.is_monitor = true;
    }

    /// A connection is none any more (RESET, and when it goes).
    pub(crate) fn end_monitor(&mut self, conn: &mut Conn) {
        if !std::mem::take(&mut conn.session.is_monitor) {
            return;
        }
        let mut earlier = std::mem::take(&mut self.hearing.heard);
        self.shared.exchange.end_monitor(self.id, &mut earlier);
        self.tell(earlier);
        self.catch_up(conn);
        self.hearing.monitors.retain(|token| *token != conn.token);
    }

    /// A connection tracks keys no longer.
    pub(crate) fn end_tracking(&self, conn: &mut Conn) {
        if conn.session.tracking.take().is_some() {
            self.shared.exchange.end_tracking(conn.id);
        }
    }

    /// A connection goes: it hears nothing more, and nobody counts on it.
    pub(crate) fn end_hearing(&mut self, conn: &mut Conn) {
        self.unsubscribe_all(conn);
        self.end_monitor(conn);
        self.end_tracking(conn);
        self.shared.exchange.gone(conn.id);
        self.hearing.late.retain(|(token, _)| *token != conn.token);
    }

    /// Subscribes a connection; whether it was not yet. What came before is told to those who listened before.
    pub(crate) fn subscribe(&mut self, conn: &mut Conn, kind: Kind, name: &[u8], out: &mut Vec<u8>) -> bool {
        let subscriptions = conn.session.subscriptions.get_or_insert_default();
        if subscriptions.names[kind as usize].insert(name.into(), ()).is_some() {
            return false;
        }
        let mut earlier = std::mem::take(&mut self.hearing.heard);
        self.shared.exchange.subscribe(kind, name, self.id, &mut earlier);
        self.tell(earlier);
        self.take_late(conn, out);
        self.hearing.listeners[kind as usize].entry(name.into()).or_default().push(conn.token);
        true
    }

    /// Ends a subscription of a connection; whether it had it.
    pub(crate) fn unsubscribe(
        &mut self,
        conn: &mut Conn,
        kind: Kind,
        name: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(subscriptions) = &mut conn.session.subscriptions else { return false };
        if subscriptions.names[kind as usize].remove(name).is_none() {
            return false;
        }
        let mut earlier = std::mem::take(&mut self.hearing.heard);
        self.shared.exchange.unsubscribe(kind, name, self.id, &mut earlier);
        self.tell(earlier);
        self.take_late(conn, out);
        let all = &mut self.hearing.listeners[kind as usize];
        if let Some(tokens) = all.get_mut(name) {
            if let Some(at) = tokens.iter().position(|token| *token == conn.token) {
                tokens.swap_remove(at);
            }
            if tokens.is_empty() {
                all.remove(name);
            }
        }
        if conn.session.subscriptions.as_deref().is_some_and(Subscriptions::is_empty) {
            conn.session.subscriptions = None;
        }
        true
    }

    /// Ends all subscriptions of a connection (RESET, and when it goes).
    pub(crate) fn unsubscribe_all(&mut self, conn: &mut Conn) {
        for kind in [Kind::Channel, Kind::Pattern, Kind::Shard] {
            let names = conn.session.subscriptions.as_ref().map(|own| own.names(kind)).unwrap_or_default();
            for name in names {
                self.unsubscribe(conn, kind, &name, &mut Vec::new());
            }
        }
    }

    /// Publishes, and wakes the threads that have listeners at the end of the turn; how many listeners it reaches.
    pub(crate) fn publish(&mut self, kind: Kind, channel: &[u8], payload: &[u8]) -> usize {
        let Core { shared, mailed, .. } = self;
        shared.exchange.publish(kind, channel, payload, |thread| mailed[thread] = true)
    }
}

/// Where clients of RESP2 hear of the keys that another one tracks.
const INVALIDATE: &[u8] = b"__redis__:invalidate";

/// What a connection gets of a line or an invalidation: nothing if it has no ear for it.
fn render(message: &Message, conn: &mut Conn, out: &mut Vec<u8>) {
    match message {
        // After its last reply nothing comes.
        _ if conn.closing => {}
        Message::Line(line) => out.extend_from_slice(line),
        Message::Invalidation(Invalidation { news, .. }) => render_news(news, conn, out),
        Message::Published { .. } => {}
    }
}

fn render_news(news: &News, conn: &mut Conn, out: &mut Vec<u8>) {
    let is_resp3 = conn.session.resp == Resp::V3;
    let mut reply = Reply { bytes: std::mem::take(out), resp: conn.session.resp };
    match news {
        News::RedirectBroken(id) => {
            if let Some(tracking) = &mut conn.session.tracking {
                tracking.is_broken = true;
            }
            if is_resp3 {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(*id as i64);
            }
        }
        News::Invalid { keys, is_redirected } => {
            let hears = if is_resp3 {
                reply.push(2);
                reply.bulk(b"invalidate");
                true
            } else if *is_redirected && conn.session.subscriptions.is_some() {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(INVALIDATE);
                true
            } else {
                false
            };
            match keys {
                _ if !hears => {}
                Some(keys) => reply.bulks(keys.iter().map(|key| &**key)),
                None => reply.null(),
            }
        }
    }
    *out = reply.bytes;
}
