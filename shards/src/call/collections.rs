//! Collections behind keys: looked at, changed in place, made and removed.
use super::{Expiry, Key, Keys};
use crate::fault::{Fault, WRONG_TYPE};
use crate::keyspace::{Entry, Value, access};
use crate::shard::{Db, Shard};
use crate::values::{Hand, Held, Kind};

/// What a change of a collection gave.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Altered<T> {
    /// What the change gave back.
    pub value: T,
    /// The collection was left empty and its key is gone (or was not made).
    pub emptied: bool,
}

impl Keys<'_> {
    /// The collection that a key holds, for a command that reads: as [`Keys::lookup_read`].
    #[inline]
    pub fn read<K: Kind>(&mut self, key: Key<'_>) -> Result<Option<Held<'_, K>>, Fault> {
        self.lookup_read(key).map(|entry| entry.as_kind().ok_or(WRONG_TYPE)).transpose()
    }

    /// The collection that a key holds, for a command that is about to write: as [`Keys::lookup_write`].
    #[inline]
    pub fn to_write<K: Kind>(&mut self, key: Key<'_>) -> Result<Option<Held<'_, K>>, Fault> {
        self.lookup_write(key).map(|entry| entry.as_kind().ok_or(WRONG_TYPE)).transpose()
    }

    /// A collection that has been looked up before in this command, so that several can be seen at once.
    pub fn peek_as<K: Kind>(&self, key: Key<'_>) -> Result<Option<Held<'_, K>>, Fault> {
        self.peek(key).map(|entry| entry.as_kind().ok_or(WRONG_TYPE)).transpose()
    }

    /// Changes the collection that a key holds; nothing where it holds none. One that is left empty goes away, which the caller
    /// tells (the event of its change first, then `del`): see [`Altered`]. Tells nobody.
    #[inline]
    pub fn alter<K: Kind, T>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut K, &mut Hand<'_>) -> T,
    ) -> Result<Option<Altered<T>>, Fault> {
        if self.expire_if_due(key) {
            return Ok(None);
        }
        let no_touch = self.no_touch;
        let altered = self.alter_entry(key, |entry, hand| {
            if !no_touch {
                let used = access::used(entry.view().lru(), hand.now_ms, hand.settings, hand.dice);
                entry.view().set_lru(used);
            }
            change_kind(entry, key, hand, change)
        });
        match altered {
            None => Ok(None),
            Some(None) => Err(WRONG_TYPE),
            Some(Some(altered)) => Ok(Some(altered)),
        }
    }

    /// The same without a look at the key beforehand: whether it expires, how it is used. Nothing where it holds no such collection.
    pub(crate) fn alter_unseen<K: Kind, T>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut K, &mut Hand<'_>) -> T,
    ) -> Option<Altered<T>> {
        self.alter_entry(key, |entry, hand| change_kind(entry, key, hand, change)).flatten()
    }

    /// The same where a key that holds nothing gets a collection first; one that stays empty is not kept.
    pub fn alter_or_make<K: Kind, T>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut K, &mut Hand<'_>) -> T,
    ) -> Result<Altered<T>, Fault> {
        let mut change = Some(change);
        let change_once =
            |object: &mut K, hand: &mut Hand<'_>| change.take().map(|change| change(object, hand));
        if let Some(altered) = self.alter(key, change_once)? {
            let value = altered.value.expect("a change is made once");
            return Ok(Altered { value, emptied: altered.emptied });
        }
        let (settings, now_ms) = (self.settings, self.now_ms);
        let mut object = K::empty();
        let dice = &mut self.shard(key.hashed.slot).dice;
        let change = change.take().expect("there was nothing to change");
        let value = change(&mut object, &mut Hand { settings, dice, now_ms });
        let emptied = K::GOES_EMPTY && object.is_empty();
        if !emptied {
            self.set(key, Value::Object(object.into()), Expiry::None);
        }
        Ok(Altered { value, emptied })
    }

    /// Changes the entry of a key, which is looked up once; nothing where there is none. What it leaves empty goes.
    #[inline]
    fn alter_entry<T>(
        &mut self,
        key: Key<'_>,
        change: impl FnOnce(&mut Entry, &mut Hand<'_>) -> Option<(Altered<T>, bool)>,
    ) -> Option<Option<Altered<T>>> {
        self.keep(key);
        let (settings, now_ms) = (self.settings, self.now_ms);
        let Shard { dbs, dice, .. } = self.shard(key.hashed.slot);
        let Db { table, timed, .. } = &mut dbs[usize::from(key.db)];
        let mut hand = Hand { settings, dice, now_ms };
        let altered = table.change(key.hashed, |entry| change(entry, &mut hand))?;
        let Some((altered, is_timed_now)) = altered else { return Some(None) };
        if is_timed_now {
            timed.add(key.bytes());
        }
        if altered.emptied {
            self.bury(key);
        }
        Some(Some(altered))
    }
}

/// Changes the collection of an entry, if it is of the kind; whether it has elements with a time now that had none.
#[inline]
fn change_kind<K: Kind, T>(
    entry: &mut Entry,
    key: Key<'_>,
    hand: &mut Hand<'_>,
    change: impl FnOnce(&mut K, &mut Hand<'_>) -> T,
) -> Option<(Altered<T>, bool)> {
    entry.alter(key.bytes(), |object: &mut K| {
        let had_deadlines = object.has_deadlines();
        let value = change(object, hand);
        let is_timed_now = object.has_deadlines() && !had_deadlines;
        (Altered { value, emptied: K::GOES_EMPTY && object.is_empty() }, is_timed_now)
    })
}
