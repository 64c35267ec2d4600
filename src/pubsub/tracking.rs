//! Tracking at the exchange: who tracks keys, and the posting of invalidations.
//!
//! Which client may have which key is known to the key's shard (`shards::tracked`); what the client wants done about it, and
//! where it is, is known here. A redirection is followed when an invalidation is posted, so that it goes straight to the
//! thread of the one who gets it.
use super::exchange::{Exchange, Message, State};
use crate::net::Token;
use shards::effects::Effects;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::tracked::Clients;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Where a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Its thread.
    pub thread: usize,
    /// Its place there.
    pub token: Token,
}

/// To whom a client's invalidations go instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// The CLIENT ID.
    pub id: u64,
    /// Where it is; nowhere once it is gone.
    pub place: Option<Place>,
}

/// What the exchange knows of a client that tracks keys.
#[derive(Clone, Debug)]
pub struct Tracker {
    /// Where it is.
    pub place: Place,
    /// It does not want to hear of its own changes.
    pub no_loop: bool,
    /// To whom its invalidations go.
    pub redirect: Option<Redirect>,
    /// It wants to hear of all keys with one of these prefixes (BCAST), not of those it has read.
    pub prefixes: Option<Vec<Box<[u8]>>>,
}

/// All clients that track keys.
#[derive(Debug)]
pub(super) struct Trackers {
    by_id: KeyedMap<u64, Tracker>,
    prefixes: BTreeMap<Box<[u8]>, Vec<u64>>,
}

impl Default for Trackers {
    fn default() -> Trackers {
        Trackers { by_id: keyed_map(), prefixes: BTreeMap::new() }
    }
}

/// What a connection is told of keys.
#[derive(Debug)]
pub struct Invalidation {
    /// The connection.
    pub to: Token,
    /// What.
    pub news: News,
}

/// What a client hears about its copies.
#[derive(Debug)]
pub enum News {
    /// They are worth nothing: of these keys, or of all.
    Invalid {
        /// The keys; all if there is no list.
        keys: Option<Arc<[Box<[u8]>]>>,
        /// It is another client that tracks them.
        is_redirected: bool,
    },
    /// They may be worth nothing, but the client with this id that was to hear of it is gone.
    RedirectBroken(u64),
}

/// What changed, by whose command.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The keys, each with the clients that may have a copy.
    pub keys: Vec<(Box<[u8]>, Clients)>,
    /// Keys that did not change, but are tracked no longer.
    pub forgotten: Vec<(Box<[u8]>, Clients)>,
    /// All keys.
    pub flushed: bool,
    /// The CLIENT ID of the writer; 0 for none.
    pub writer: u64,
}

impl Trackers {
    fn remove(&mut self, id: u64) -> Option<Tracker> {
        let tracker = self.by_id.remove(&id)?;
        for prefix in tracker.prefixes.iter().flatten() {
            if let Some(clients) = self.prefixes.get_mut(prefix) {
                clients.retain(|other| *other != id);
                if clients.is_empty() {
                    self.prefixes.remove(prefix);
                }
            }
        }
        Some(tracker)
    }

    /// Who is told what of these changes, in Redis's order: first those that have read the keys, then prefix by prefix.
    fn addressees(&self, changes: &Changes) -> Vec<(usize, Invalidation)> {
        let mut told = Vec::new();
        if changes.flushed {
            told.extend(self.by_id.values().map(|tracker| tracker.news(None)));
        }
        let is_own = |id: u64, tracker: &Tracker| tracker.no_loop && id == changes.writer;
        for (key, clients) in changes.keys.iter().chain(&changes.forgotten) {
            let mut keys: Option<Arc<[Box<[u8]>]>> = None;
            for id in clients {
                if let Some(tracker) = self.by_id.get(id)
                    && tracker.prefixes.is_none()
                    && !is_own(*id, tracker)
                {
                    let keys = keys.get_or_insert_with(|| Arc::new([key.clone()]));
                    told.push(tracker.news(Some(keys)));
                }
            }
        }
        for (prefix, clients) in &self.prefixes {
            let begin_so = changes.keys.iter().map(|(key, _)| key).filter(|key| key.starts_with(prefix));
            let mut keys: Vec<Box<[u8]>> = begin_so.cloned().collect();
            if keys.is_empty() {
                continue;
            }
            keys.sort_unstable();
            keys.dedup();
            let keys = keys.into();
            let trackers = clients.iter().filter_map(|id| Some((*id, self.by_id.get(id)?)));
            told.extend(
                trackers
                    .filter(|(id, tracker)| !is_own(*id, tracker))
                    .map(|(_, tracker)| tracker.news(Some(&keys))),
            );
        }
        told
    }
}

impl Tracker {
    /// What it is told of keys, or whoever stands for it; on which thread.
    fn news(&self, keys: Option<&Arc<[Box<[u8]>]>>) -> (usize, Invalidation) {
        let (place, news) = match self.redirect {
            Some(Redirect { id, place: None }) => (self.place, News::RedirectBroken(id)),
            redirect => {
                let place = redirect.and_then(|redirect| redirect.place);
                let keys = keys.cloned();
                (place.unwrap_or(self.place), News::Invalid { keys, is_redirected: place.is_some() })
            }
        };
        (place.thread, Invalidation { to: place.token, news })
    }
}

impl State {
    /// Posts what changed to the threads of all whom it concerns.
    pub(super) fn invalidate(
        &mut self,
        exchange: &Exchange,
        changes: &Changes,
        posted: &mut impl FnMut(usize),
    ) {
        for (thread, invalidation) in self.trackers.addressees(changes) {
            self.post(exchange, thread, Arc::new(Message::Invalidation(invalidation)));
            posted(thread);
        }
    }
}

impl Exchange {
    /// A client tracks keys from now on, or in another way.
    pub fn track(&self, id: u64, tracker: Tracker) {
        let State { trackers, .. } = &mut *self.lock();
        if trackers.remove(id).is_none() {
            self.onlookers.all.fetch_add(1, Ordering::SeqCst);
        }
        for prefix in tracker.prefixes.iter().flatten() {
            trackers.prefixes.entry(prefix.clone()).or_default().push(id);
        }
        trackers.by_id.insert(id, tracker);
        self.onlookers.prefixes.store(trackers.prefixes.len(), Ordering::SeqCst);
    }

    /// A client tracks keys no longer.
    pub fn end_tracking(&self, id: u64) {
        let State { trackers, .. } = &mut *self.lock();
        if trackers.remove(id).is_some() {
            self.onlookers.all.fetch_sub(1, Ordering::SeqCst);
            self.onlookers.prefixes.store(trackers.prefixes.len(), Ordering::SeqCst);
        }
    }

    /// A connection goes: nothing can be redirected to it any more.
    pub fn gone(&self, id: u64) {
        if self.is_watched() {
            let State { trackers, .. } = &mut *self.lock();
            let redirects = trackers.by_id.values_mut().filter_map(|tracker| tracker.redirect.as_mut());
            redirects.filter(|redirect| redirect.id == id).for_each(|redirect| redirect.place = None);
        }
    }

    /// Whether what a command did to keys could concern somebody.
    pub(super) fn may_concern(&self, effects: &Effects) -> bool {
        let mut keys = effects.changes.iter().chain(&effects.forgotten);
        effects.flushed
            || !effects.changes.is_empty() && self.onlookers.prefixes.load(Ordering::SeqCst) > 0
            || keys.any(|(_, clients)| !clients.is_empty())
    }

    /// Clients that track keys.
    #[must_use]
    pub fn trackers(&self) -> usize {
        self.lock().trackers.by_id.len()
    }

    /// Different prefixes that are tracked.
    #[must_use]
    pub fn tracked_prefixes(&self) -> usize {
        self.onlookers.prefixes.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::Tale;
    use std::collections::VecDeque;

    fn tracker(thread: usize, index: u32) -> Tracker {
        let place = Place { thread, token: Token { index, generation: 0 } };
        Tracker { place, no_loop: false, redirect: None, prefixes: None }
    }

    fn invalidate(exchange: &Exchange, changes: Changes) {
        exchange.tell(std::iter::once(Tale::Changes(changes)), |_| {});
    }

    fn posted(exchange: &Exchange, thread: usize) -> Vec<String> {
        let mut post = VecDeque::new();
        exchange.collect(thread, &mut post);
        let told = |message: &Arc<Message>| match &**message {
            Message::Invalidation(Invalidation { to, news: News::Invalid { keys, .. } }) => {
                let keys = keys.iter().flat_map(|keys| keys.iter());
                format!("{}: {}", to.index, keys.map(|key| String::from_utf8_lossy(key)).collect::<String>())
            }
            Message::Invalidation(Invalidation { to, news }) => format!("{}: {news:?}", to.index),
            other => format!("{other:?}"),
        };
        post.iter().map(told).collect()
    }

    #[test]
    fn a_change_goes_to_whoever_has_the_key_and_to_prefixes() {
        let exchange = Exchange::new(2);
        exchange.track(1, tracker(0, 11));
        exchange.track(2, Tracker { prefixes: Some(vec![b"a".as_slice().into()]), ..tracker(1, 22) });
        let keys = vec![
            (b"ab".as_slice().into(), Clients::from_slice(&[1, 9])),
            (b"aa".as_slice().into(), Clients::new()),
            (b"b".as_slice().into(), Clients::from_slice(&[2])),
        ];
        let own = || Changes { keys: keys.clone(), writer: 1, ..Changes::default() };
        invalidate(&exchange, own());
        assert_eq!(posted(&exchange, 0), ["11: ab"]);
        assert_eq!(posted(&exchange, 1), ["22: aaab"]);
        exchange.track(1, Tracker { no_loop: true, ..tracker(0, 11) });
        invalidate(&exchange, own());
        assert!(posted(&exchange, 0).is_empty());
        exchange.end_tracking(1);
        exchange.end_tracking(2);
        assert!(!exchange.is_watched() && exchange.tracked_prefixes() == 0);
    }

    #[test]
    fn who_redirects_to_one_that_is_gone_is_told() {
        let exchange = Exchange::new(2);
        let place = Some(Place { thread: 1, token: Token { index: 77, generation: 0 } });
        exchange.track(1, Tracker { redirect: Some(Redirect { id: 7, place }), ..tracker(0, 11) });
        let flushed = || Changes { flushed: true, ..Changes::default() };
        invalidate(&exchange, flushed());
        assert_eq!(posted(&exchange, 1), ["77: "]);
        exchange.gone(7);
        invalidate(&exchange, flushed());
        assert_eq!(posted(&exchange, 0), ["11: RedirectBroken(7)"]);
    }
}
