//! A collection as it was at one instant, to be written out by another thread: see [`super::lease`].
use super::field::Field;
use super::member::Member;
use super::{Hash, Kind, List, Set, Stream, Zset, quicklist, stream};
use crate::keyspace::Entry;
use crate::keyspace::directory::View;

/// What is written of a stream besides its nodes.
pub(crate) type StreamTail = Vec<u8>;

/// A collection that is lent.
#[derive(Debug)]
pub(crate) enum Lent {
    /// Fields, and whether their times are told.
    Hash(View<Field>, bool),
    Set(View<Member<0>>),
    Zset(View<Member<8>>),
    List(quicklist::View),
    Stream(stream::View, StreamTail),
}

impl Lent {
    /// Lends the collection of an entry, if it is one of many pieces that nobody is reading. `tail_of` tells what is written of a stream
    /// besides its nodes.
    pub(crate) fn of(entry: &mut Entry, tail_of: impl FnOnce(&Stream) -> StreamTail) -> Option<Lent> {
        let hash = |hash: &mut Hash| {
            let has_times = hash.has_deadlines();
            hash.lend().map(|view| Lent::Hash(view, has_times))
        };
        let stream = |stream: &mut Stream| {
            let tail = tail_of(stream);
            stream.lend().map(|view| Lent::Stream(view, tail))
        };
        let key = entry.view().key().to_vec();
        let lent =
            entry.alter(&key, hash).or_else(|| entry.alter(&key, |set: &mut Set| set.lend().map(Lent::Set)));
        let lent = lent.or_else(|| entry.alter(&key, |zset: &mut Zset| zset.lend().map(Lent::Zset)));
        let lent = lent.or_else(|| entry.alter(&key, |list: &mut List| list.lend().map(Lent::List)));
        lent.or_else(|| entry.alter(&key, stream)).flatten()
    }
}
