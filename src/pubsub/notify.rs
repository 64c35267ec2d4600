//! Keyspace notifications: what commands did to keys, as messages.
use super::exchange::Kind;
use super::outbox::{Outbox, Tale};
use super::tracking::Changes;
use crate::config::{Config, NotifyEvents};
use crate::queues::Mail;
use crate::shared::Shared;
use crate::thread::wait::thread_of;
use shards::commands::Args;
use shards::effects::{Class, Effects, Event};
use shards::reply::Reply;
use shards::waiting::Served;
use std::io::Write;
use std::sync::Arc;

/// Where effects go that leave the shards.
#[derive(Debug)]
pub(crate) struct Outside<'a> {
    /// Messages and mail.
    pub(crate) shared: &'a Arc<Shared>,
    /// Threads that get something by that: they are woken at the end of the turn.
    pub(crate) mailed: &'a mut [bool],
    /// What is told when the effects stand in the journals.
    pub(crate) told: &'a mut Outbox,
    /// On which channels events are told.
    pub(crate) events: NotifyEvents,
    /// Whose command it is (CLIENT ID); 0 for nobody's.
    pub(crate) writer: u64,
    /// `tracking-table-max-keys`.
    pub(crate) tracked_keys_max: u64,
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

impl<'a> Outside<'a> {
    /// From what a thread has, for nobody's command.
    pub(crate) fn new(
        shared: &'a Arc<Shared>,
        mailed: &'a mut [bool],
        told: &'a mut Outbox,
        config: &Config,
    ) -> Outside<'a> {
        Outside {
            shared,
            mailed,
            told,
            events: config.notify_keyspace_events,
            writer: 0,
            tracked_keys_max: config.tracking_table_max_keys,
        }
    }

    /// The same for a while, for who takes it by value.
    pub(crate) fn reborrow(&mut self) -> Outside<'_> {
        let Outside { shared, events, writer, tracked_keys_max, .. } = *self;
        Outside { shared, mailed: &mut *self.mailed, told: &mut *self.told, events, writer, tracked_keys_max }
    }

    /// Tells the events of a command, in order.
    #[cold]
    pub(crate) fn tell(&mut self, effects: &Effects) {
        if !self.shared.exchange.is_silent() {
            effects.events().iter().for_each(|event| self.tell_one(event));
        }
    }

    /// Tells clients what became of the keys that they track.
    #[cold]
    pub(crate) fn invalidate(&mut self, effects: &mut Effects) {
        if self.shared.exchange.may_concern(effects) {
            self.told.add(Tale::Changes(Changes {
                keys: std::mem::take(&mut effects.changes),
                forgotten: std::mem::take(&mut effects.forgotten),
                flushed: effects.flushed,
                writer: self.writer,
            }));
        }
    }

    /// Carries out a PUBLISH of a transaction or a script.
    pub(crate) fn publish(&mut self, sharded: bool, args: Args<'_>, reply: &mut Reply) {
        let kind = if sharded { Kind::Shard } else { Kind::Channel };
        let count = self.shared.exchange.audience(kind, args[1]);
        self.told.publish(&self.shared.exchange, kind, args[1], args[2]);
        reply.integer(count as i64);
    }

    /// Tells one who waited for keys how it ended.
    pub(crate) fn tell_served(&mut self, ticket: u64, served: Served) {
        let thread = thread_of(ticket);
        self.shared.mailboxes[thread].send(Mail::Served(ticket, served));
        self.mailed[thread] = true;
    }

    fn tell_one(&mut self, event: &Event) {
        let Event { name, db, key, .. } = event;
        let mut publish = |channel: Vec<u8>, payload: &[u8]| {
            let (channel, payload) = (channel.into(), payload.into());
            self.told.add(Tale::Published { kind: Kind::Channel, channel, payload });
        };
        if self.events.any(NotifyEvents::KEYSPACE) {
            publish(channel_of("keyspace", *db, key), name.as_bytes());
        }
        if self.events.any(NotifyEvents::KEYEVENT) {
            publish(channel_of("keyevent", *db, name.as_bytes()), key);
        }
    }
}

fn channel_of(kind: &str, db: u16, name: &[u8]) -> Vec<u8> {
    let mut channel = Vec::with_capacity(24 + name.len());
    write!(channel, "__{kind}@{db}__:").expect("a vector takes what is written");
    channel.extend_from_slice(name);
    channel
}
