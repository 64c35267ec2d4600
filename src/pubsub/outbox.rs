//! The outbox: what is to be told of a command, transaction or script, until that stands in the journals.
//!
//! Who is told of something waits for what the journals hold by then ([`crate::persist::needs`]), so nothing is posted before the frame
//! is appended that says it. All of it is then posted under one lock, and nothing of others comes in between.
use super::exchange::{Exchange, Kind};
use super::notify::Outside;
use super::tracking::Changes;

/// Room that is kept when all is told.
const KEPT_MAX: usize = 1024;

/// Something to be told.
#[derive(Debug)]
pub enum Tale {
    /// Something was published.
    Published {
        /// [`Kind::Channel`] or [`Kind::Shard`].
        kind: Kind,
        /// To which channel.
        channel: Box<[u8]>,
        /// What.
        payload: Box<[u8]>,
    },
    /// Keys changed.
    Changes(Changes),
    /// A line for monitors, but for the time.
    Line(Box<[u8]>),
}

/// What is to be told, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    tales: Vec<Tale>,
    /// Whether anybody listened to anything when the first of what is published was.
    is_heard: Option<bool>,
}

impl Outbox {
    /// Adds something.
    pub(crate) fn add(&mut self, tale: Tale) {
        self.tales.push(tale);
    }
    /// Adds a message, unless nobody listened when the first one of the same transaction or script was published: who begins to
    /// listen meanwhile hears all that it publishes, or nothing.
    pub(crate) fn publish(&mut self, exchange: &Exchange, kind: Kind, channel: &[u8], payload: &[u8]) {
        if *self.is_heard.get_or_insert_with(|| !exchange.is_silent()) {
            self.tales.push(Tale::Published { kind, channel: channel.into(), payload: payload.into() });
        }
    }
    /// What was done is kept nowhere: nobody is told of it.
    pub(crate) fn clear(&mut self) {
        self.tales.clear();
        self.is_heard = None;
    }
}

impl Outside<'_> {
    /// Posts what is to be told of what stands in the journals now: see [`Outside::end_unit`].
    #[inline]
    pub(super) fn post(&mut self) {
        self.told.is_heard = None;
        if !self.told.tales.is_empty() {
            self.post_all();
        }
    }

    #[cold]
    fn post_all(&mut self) {
        self.shared.exchange.tell(self.told.tales.drain(..), |thread| self.mailed[thread] = true);
        self.told.tales.shrink_to(KEPT_MAX);
    }
}

impl Exchange {
    /// Posts all of this, in order, to the threads of all whom it concerns, each of which is told to `posted`.
    pub fn tell(&self, tales: impl Iterator<Item = Tale>, mut posted: impl FnMut(usize)) {
        let mut state = self.lock();
        for tale in tales {
            match tale {
                Tale::Published { kind, channel, payload } => {
                    state.publish(self, kind, channel, payload, &mut posted);
                }
                Tale::Changes(changes) => state.invalidate(self, &changes, &mut posted),
                Tale::Line(line) => state.tell_monitors(self, &line, &mut posted),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::exchange::Message;
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn it_is_posted_in_order() {
        let exchange = Exchange::new(1);
        exchange.subscribe(Kind::Channel, b"c", 0, &mut VecDeque::new());
        exchange.monitor(0, &mut VecDeque::new());
        let published = |payload: &[u8]| Tale::Published {
            kind: Kind::Channel,
            channel: b"c".as_slice().into(),
            payload: payload.into(),
        };
        let line = Tale::Line(b"line".as_slice().into());
        let mut posted = Vec::new();
        exchange.tell([published(b"1"), line, published(b"2")].into_iter(), |thread| posted.push(thread));
        assert_eq!(posted, [0, 0, 0]);
        let mut post = VecDeque::new();
        exchange.collect(0, &mut post);
        let told: Vec<String> = post
            .iter()
            .map(|message| match &**message {
                Message::Published { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
                Message::Line(line) => {
                    assert!(line.starts_with(b"+") && line.ends_with(b" line\r\n"), "{line:?}");
                    "line".to_owned()
                }
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(told, ["1", "line", "2"]);
    }
}
