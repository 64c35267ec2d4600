//! Keyspace notifications: what commands did to keys, as messages.
use super::exchange::{Exchange, Kind};
use crate::config::NotifyEvents;
use shards::effects::{Class, Effects, Event};
use std::io::Write;

/// Where effects go that leave the shards.
#[derive(Debug)]
pub(crate) struct Outside<'a> {
    /// Messages.
    pub(crate) exchange: &'a Exchange,
    /// Threads that get something by that: they are woken at the end of the turn.
    pub(crate) mailed: &'a mut [bool],
    /// On which channels events are told.
    pub(crate) events: NotifyEvents,
}

/// The classes of events that `notify-keyspace-events` asks for; none unless it names a channel for them.
pub(crate) fn classes_of(events: NotifyEvents) -> Class {
    const CLASSES: [(u32, Class); 11] = [
        (NotifyEvents::GENERIC, Class::GENERIC),
        (NotifyEvents::STRING, Class::STRING),
        (NotifyEvents::LIST, Class::LIST),
        (NotifyEvents::SET, Class::SET),
        (NotifyEvents::HASH, Class::HASH),
        (NotifyEvents::ZSET, Class::ZSET),
        (NotifyEvents::EXPIRED, Class::EXPIRED),
        (NotifyEvents::EVICTED, Class::EVICTED),
        (NotifyEvents::STREAM, Class::STREAM),
        (NotifyEvents::NEW, Class::NEW),
        (NotifyEvents::KEY_MISS, Class::MISS),
    ];
    if !events.any(NotifyEvents::KEYSPACE | NotifyEvents::KEYEVENT) {
        return Class::NONE;
    }
    let asked = CLASSES.iter().filter(|(bit, _)| events.any(*bit));
    asked.fold(Class::NONE, |classes, (_, class)| Class(classes.0 | class.0))
}

impl Outside<'_> {
    /// Publishes the events of a command, in order.
    #[cold]
    pub(crate) fn tell(&mut self, effects: &Effects) {
        if !self.exchange.is_silent() {
            effects.events().iter().for_each(|event| self.tell_one(event));
        }
    }

    fn tell_one(&mut self, event: &Event) {
        let Event { name, db, key, .. } = event;
        let mut publish = |channel: &[u8], payload: &[u8]| {
            self.exchange.publish(Kind::Channel, channel, payload, |thread| self.mailed[thread] = true);
        };
        if self.events.any(NotifyEvents::KEYSPACE) {
            publish(&channel_of("keyspace", *db, key), name.as_bytes());
        }
        if self.events.any(NotifyEvents::KEYEVENT) {
            publish(&channel_of("keyevent", *db, name.as_bytes()), key);
        }
    }
}

fn channel_of(kind: &str, db: u16, name: &[u8]) -> Vec<u8> {
    let mut channel = Vec::with_capacity(24 + name.len());
    write!(channel, "__{kind}@{db}__:").expect("a vector takes what is written");
    channel.extend_from_slice(name);
    channel
}
