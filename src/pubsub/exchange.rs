//! The exchange: which threads have listeners for which channels and patterns, and the posts of all threads.
use super::onlooker::timed;
use super::tracking::{Invalidation, Trackers};
use shards::glob;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a client can subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A channel (SUBSCRIBE).
    Channel,
    /// All channels that match a pattern (PSUBSCRIBE).
    Pattern,
    /// A channel of the cluster's kind (SSUBSCRIBE): without a cluster a world of its own.
    Shard,
}

/// What comes by post.
#[derive(Debug)]
pub enum Message {
    /// Something was published.
    Published {
        /// [`Kind::Channel`] or [`Kind::Shard`].
        kind: Kind,
        /// To which channel.
        channel: Box<[u8]>,
        /// What.
        payload: Box<[u8]>,
    },
    /// A command took effect: the line that monitors get, whole.
    Line(Box<[u8]>),
    /// A client's copies of keys are worth nothing any more.
    Invalidation(Invalidation),
}

/// How many listeners each thread has for one thing.
type Listeners = SmallVec<[(u16, u32); 4]>;

#[derive(Debug)]
pub(super) struct State {
    /// By [`Kind`].
    listeners: [KeyedMap<Box<[u8]>, Listeners>; 3],
    /// Threads with connections in MONITOR.
    pub(super) monitors: Listeners,
    /// Clients that track keys.
    pub(super) trackers: Trackers,
    posts: Vec<VecDeque<Arc<Message>>>,
}

/// How much is in a thread's post, to be looked at without the lock. Alone in its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Post(AtomicUsize);

/// How many look on while commands take effect, to be looked at with every command. Alone in its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Onlookers {
    pub(super) all: AtomicUsize,
    pub(super) monitors: AtomicUsize,
    /// Prefixes that somebody tracks.
    pub(super) prefixes: AtomicUsize,
}

/// The exchange of a server.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    /// Subscriptions in all: while there are none, publishing takes no lock.
    subscriptions: AtomicUsize,
    pub(super) onlookers: Onlookers,
    posts: Box<[Post]>,
}

impl State {
    /// Puts something into the post of a thread.
    pub(super) fn post(&mut self, exchange: &Exchange, thread: usize, message: Arc<Message>) {
        let post = &mut self.posts[thread];
        post.push_back(message);
        exchange.posts[thread].0.store(post.len(), Ordering::SeqCst);
        crate::chaos::point();
    }

    /// The threads that a message to this channel goes to.
    fn audience(&self, kind: Kind, channel: &[u8]) -> Listeners {
        let mut threads = Listeners::new();
        self.listeners[kind as usize]
            .get(channel)
            .into_iter()
            .flatten()
            .for_each(|at| add(&mut threads, *at));
        if kind == Kind::Channel {
            let patterns = self.listeners[Kind::Pattern as usize].iter();
            let matching = patterns.filter(|(pattern, _)| glob::matches(pattern, channel, false));
            matching.flat_map(|(_, at)| at).for_each(|at| add(&mut threads, *at));
        }
        threads
    }

    /// Posts a message to every thread with listeners; how many listeners it reaches.
    pub(super) fn publish(
        &mut self,
        exchange: &Exchange,
        kind: Kind,
        channel: impl AsRef<[u8]> + Into<Box<[u8]>>,
        payload: impl Into<Box<[u8]>>,
        posted: &mut impl FnMut(usize),
    ) -> usize {
        let threads = self.audience(kind, channel.as_ref());
        if !threads.is_empty() {
            let message = Message::Published { kind, channel: channel.into(), payload: payload.into() };
            self.post_to(exchange, &threads, message, posted);
        }
        count(&threads)
    }

    /// Posts a line to every thread with monitors. Its time is that of its posting, so that times ascend.
    pub(super) fn tell_monitors(&mut self, exchange: &Exchange, line: &[u8], posted: &mut impl FnMut(usize)) {
        let threads = self.monitors.clone();
        if !threads.is_empty() {
            self.post_to(exchange, &threads, Message::Line(timed(line)), posted);
        }
    }

    fn post_to(
        &mut self,
        exchange: &Exchange,
        threads: &Listeners,
        message: Message,
        posted: &mut impl FnMut(usize),
    ) {
        let message = Arc::new(message);
        for (thread, _) in threads {
            self.post(exchange, usize::from(*thread), Arc::clone(&message));
            posted(usize::from(*thread));
        }
    }
}

impl Exchange {
    /// An exchange for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Exchange {
        let posts = (0..threads).map(|_| VecDeque::new()).collect();
        Exchange {
            state: Mutex::new(State {
                listeners: [keyed_map(), keyed_map(), keyed_map()],
                monitors: Listeners::new(),
                trackers: Trackers::default(),
                posts,
            }),
            subscriptions: AtomicUsize::new(0),
            onlookers: Onlookers::default(),
            posts: (0..threads).map(|_| Post::default()).collect(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        crate::chaos::point();
        crate::chaos::lock(&self.state)
    }

    /// Whether nobody is subscribed to anything.
    #[inline]
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.subscriptions.load(Ordering::SeqCst) == 0
    }

    /// Whether somebody wants to know what commands do: a monitor, or a client that tracks keys.
    #[inline]
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.onlookers.all.load(Ordering::SeqCst) > 0
    }

    /// Whether there is something in the post of a thread.
    #[inline]
    #[must_use]
    pub fn has_post(&self, thread: usize) -> bool {
        self.posts[thread].0.load(Ordering::SeqCst) > 0
    }

    /// Posts a message to every thread with listeners, each of which is told to `posted`; how many listeners it reaches.
    pub fn publish(
        &self,
        kind: Kind,
        channel: &[u8],
        payload: &[u8],
        mut posted: impl FnMut(usize),
    ) -> usize {
        if self.is_silent() {
            return 0;
        }
        self.lock().publish(self, kind, channel, payload, &mut posted)
    }

    /// How many listeners a message to this channel reaches now.
    #[must_use]
    pub fn audience(&self, kind: Kind, channel: &[u8]) -> usize {
        if self.is_silent() {
            return 0;
        }
        count(&self.lock().audience(kind, channel))
    }

    /// Takes what is in the post of a thread.
    pub fn collect(&self, thread: usize, into: &mut VecDeque<Arc<Message>>) {
        self.take_post(&mut self.lock(), thread, into);
    }

    fn take_post(&self, state: &mut State, thread: usize, into: &mut VecDeque<Arc<Message>>) {
        into.append(&mut state.posts[thread]);
        self.posts[thread].0.store(0, Ordering::SeqCst);
    }

    /// One more monitor on a thread. What was posted to the thread before is put into `earlier`: the new one is not to hear it.
    pub fn monitor(&self, thread: usize, earlier: &mut VecDeque<Arc<Message>>) {
        let mut state = self.lock();
        self.take_post(&mut state, thread, earlier);
        add(&mut state.monitors, (thread as u16, 1));
        self.onlookers.monitors.fetch_add(1, Ordering::SeqCst);
        self.onlookers.all.fetch_add(1, Ordering::SeqCst);
    }

    /// One monitor less on a thread; what it is still to hear is put into `earlier`.
    pub fn end_monitor(&self, thread: usize, earlier: &mut VecDeque<Arc<Message>>) {
        let mut state = self.lock();
        self.take_post(&mut state, thread, earlier);
        if let Some(at) = state.monitors.iter().position(|(other, _)| usize::from(*other) == thread) {
            state.monitors[at].1 -= 1;
            if state.monitors[at].1 == 0 {
                state.monitors.swap_remove(at);
            }
            self.onlookers.monitors.fetch_sub(1, Ordering::SeqCst);
            self.onlookers.all.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Whether there is a monitor.
    #[inline]
    #[must_use]
    pub fn is_monitored(&self) -> bool {
        self.onlookers.monitors.load(Ordering::SeqCst) > 0
    }

    /// One more listener on a thread. What was posted to the thread before is put into `earlier`: the new one is not to hear it.
    pub fn subscribe(&self, kind: Kind, to: &[u8], thread: usize, earlier: &mut VecDeque<Arc<Message>>) {
        let mut state = self.lock();
        self.take_post(&mut state, thread, earlier);
        match state.listeners[kind as usize].get_mut(to) {
            Some(listeners) => add(listeners, (thread as u16, 1)),
            None => {
                state.listeners[kind as usize].insert(to.into(), SmallVec::from_slice(&[(thread as u16, 1)]));
            }
        }
        self.subscriptions.fetch_add(1, Ordering::SeqCst);
    }

    /// One listener less on a thread; what it is still to hear is put into `earlier`.
    pub fn unsubscribe(&self, kind: Kind, to: &[u8], thread: usize, earlier: &mut VecDeque<Arc<Message>>) {
        let mut state = self.lock();
        self.take_post(&mut state, thread, earlier);
        let all = &mut state.listeners[kind as usize];
        let Some(listeners) = all.get_mut(to) else { return };
        if let Some(at) = listeners.iter().position(|(other, _)| usize::from(*other) == thread) {
            listeners[at].1 -= 1;
            if listeners[at].1 == 0 {
                listeners.swap_remove(at);
            }
            if listeners.is_empty() {
                all.remove(to);
            }
            self.subscriptions.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// How many listeners something has.
    #[must_use]
    pub fn listeners(&self, kind: Kind, to: &[u8]) -> usize {
        let state = self.lock();
        state.listeners[kind as usize].get(to).map_or(0, count)
    }

    /// How many different channels or patterns have listeners.
    #[must_use]
    pub fn len(&self, kind: Kind) -> usize {
        self.lock().listeners[kind as usize].len()
    }

    /// The channels that have listeners and match a pattern.
    #[must_use]
    pub fn matching(&self, kind: Kind, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let state = self.lock();
        let names = state.listeners[kind as usize].keys().map(|name| &**name);
        let wanted = |name: &&[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        names.filter(wanted).map(Box::from).collect()
    }
}

/// How many listeners these are.
fn count(listeners: &Listeners) -> usize {
    listeners.iter().map(|(_, count)| *count as usize).sum()
}

fn add(listeners: &mut Listeners, (thread, count): (u16, u32)) {
    match listeners.iter_mut().find(|(other, _)| *other == thread) {
        Some((_, sum)) => *sum += count,
        None => listeners.push((thread, count)),
    }
}
