//! The context of a command: the shards in its hands, time, chance, the reply and the effects.
//!
//! A command never knows on how many shards it runs: it makes a [`Key`] of an argument and asks the context for what that
//! key holds. One shard in hand is the common case; a gathered unit brings several.
mod collections;

pub use collections::Altered;

use crate::effects::{Class, Effects};
use crate::fault::{Fault, WRONG_TYPE};
use crate::keyspace::{Entry, EntryRef, Hashed, Previous, StrRef, Value, access};
use crate::reply::Reply;
use crate::settings::Settings;
use crate::shard::{Db, Shard};
use crate::waiting::Wait;

/// A key in a database, its hash and slot worked out once.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The database.
    pub db: u16,
    /// The key's bytes, hash and slot.
    pub hashed: Hashed<'a>,
}

impl<'a> Key<'a> {
    /// The bytes.
    #[inline]
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.hashed.bytes
    }
}

/// What becomes of a key's expiry when it gets a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// There is none afterwards.
    None,
    /// It stays as it is.
    Keep,
    /// At this time, ms since 1970.
    At(i64),
}

/// The context of a command. What it asks of [`Keys`] it may ask of this; `cx.keys` by name lets a value be looked at
/// while the reply is written.
#[derive(Debug)]
pub struct Call<'a> {
    /// The keys of the shards in hand.
    pub keys: Keys<'a>,
    /// Where the reply goes.
    pub reply: &'a mut Reply,
}

impl<'a> std::ops::Deref for Call<'a> {
    type Target = Keys<'a>;
    #[inline]
    fn deref(&self) -> &Keys<'a> {
        &self.keys
    }
}

impl<'a> std::ops::DerefMut for Call<'a> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Keys<'a> {
        &mut self.keys
    }
}

/// The keys of the shards in hand, with the time, the settings and the effects that go with using them.
#[derive(Debug)]
pub struct Keys<'a> {
    shards: &'a mut [Box<Shard>],
    /// The directives that the engine reads.
    pub settings: &'a Settings,
    /// The database that the connection has selected.
    pub db: u16,
    /// The time of the command, ms since 1970: one for all of a unit.
    pub now_ms: i64,
    /// Where the effects go.
    pub effects: &'a mut Effects,
    /// A key of the command that was hashed beforehand.
    hint: Option<Hashed<'a>>,
    /// Reads leave LRU and LFU as they are (CLIENT NO-TOUCH).
    pub no_touch: bool,
}

impl<'a> Call<'a> {
    /// A context over `shards`, in the order of their slots, at least one. A shard's time is the greatest it has seen.
    pub fn new(
        shards: &'a mut [Box<Shard>],
        settings: &'a Settings,
        db: u16,
        now_ms: i64,
        reply: &'a mut Reply,
        effects: &'a mut Effects,
    ) -> Call<'a> {
        let now_ms = shards.iter().fold(now_ms, |latest, shard| latest.max(shard.now_ms));
        shards.iter_mut().for_each(|shard| shard.now_ms = now_ms);
        Call { keys: Keys { shards, settings, db, now_ms, effects, hint: None, no_touch: false }, reply }
    }

    /// The same for the next command of a run: another database, a key already hashed.
    #[inline]
    pub fn turn_to(&mut self, db: u16, hint: Option<Hashed<'a>>) {
        self.keys.db = db;
        self.keys.hint = hint;
    }
}

/// The shard of a slot among those in hand.
#[inline]
fn shard_in(shards: &mut [Box<Shard>], slot: u16) -> &mut Shard {
    match shards {
        [only] => only,
        several => several
            .iter_mut()
            .find(|shard| shard.slots.contains(&slot))
            .expect("a unit gathers the shards of all its keys before it runs"),
    }
}

impl Keys<'_> {
    /// A key of the selected database.
    #[inline]
    #[must_use]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        self.key_in(self.db, bytes)
    }

    /// A key of a given database.
    #[inline]
    #[must_use]
    pub fn key_in<'k>(&self, db: u16, bytes: &'k [u8]) -> Key<'k> {
        match self.hint {
            Some(hint) if std::ptr::eq(hint.bytes, bytes) => Key { db, hashed: Hashed { bytes, ..hint } },
            _ => Key { db, hashed: Hashed::new(bytes) },
        }
    }

    /// All shards in hand.
    #[must_use]
    pub fn shards(&self) -> &[Box<Shard>] {
        self.shards
    }
    /// All shards in hand, to be changed.
    pub fn shards_mut(&mut self) -> &mut [Box<Shard>] {
        self.shards
    }

    /// Whether the shard of a slot is in hand: it always is for the keys of a command that was sent here, but not for all keys of
    /// one that waited and is run again where one of them was fed.
    #[must_use]
    pub fn is_in_hand(&self, slot: u16) -> bool {
        self.shards.iter().any(|shard| shard.slots.contains(&slot))
    }

    /// The command waits for its keys, if it may: it writes no reply then.
    #[must_use]
    pub fn wait_for(&mut self, wait: Wait) -> bool {
        let may_wait = self.effects.may_wait;
        if may_wait {
            self.effects.wait = Some(wait);
        }
        may_wait
    }

    /// A key got or lost something that somebody may wait for.
    #[inline]
    pub fn signal(&mut self, key: Key<'_>) {
        let waiters = &self.db(key).waiters;
        if !waiters.is_empty() && waiters.has(key.bytes()) {
            let ready = (key.db, Box::from(key.bytes()));
            if !self.effects.ready.contains(&ready) {
                self.effects.ready.push_back(ready);
            }
        }
    }

    /// The shard of a slot.
    #[inline]
    pub fn shard(&mut self, slot: u16) -> &mut Shard {
        shard_in(self.shards, slot)
    }

    #[inline]
    fn db(&mut self, key: Key<'_>) -> &mut Db {
        &mut self.shard(key.hashed.slot).dbs[usize::from(key.db)]
    }

    /// The entry of a key is about to be changed, moved or removed: a snapshot that is being taken gets it as it is.
    #[inline]
    fn keep(&mut self, key: Key<'_>) {
        let shard = self.shard(key.hashed.slot);
        if shard.has_snapshot() {
            shard.keep_for_snapshot(key.db, key.hashed);
        }
    }

    /// What a key holds, expired keys being gone. Counts nothing and leaves LRU as it is.
    #[inline]
    pub fn lookup(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        if self.expire_if_due(key) {
            return None;
        }
        self.db(key).table.get(key.hashed)
    }

    /// Removes a key whose time has come, before it is looked at. Costs a lookup only where keys expire at all. Gives back
    /// whether it is still there, for it must not be removed now, though nobody shall see it.
    #[inline]
    fn expire_if_due(&mut self, key: Key<'_>) -> bool {
        let now_ms = self.now_ms;
        let is_loading = self.settings.loading_at_ms.is_some();
        let table = &self.db(key).table;
        if table.volatile_len() > 0 && !is_loading {
            let expires_at_ms = table.get(key.hashed).and_then(EntryRef::expires_at_ms);
            if expires_at_ms.is_some_and(|at| at < now_ms) {
                self.expire(key);
                return self.settings.keep_expired;
            }
        }
        false
    }

    /// What a key holds that has been looked up before in this command: so that several can be seen at once.
    #[must_use]
    pub fn peek(&self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let shard = self.shards.iter().find(|shard| shard.slots.contains(&key.hashed.slot))?;
        let entry = shard.dbs[usize::from(key.db)].table.get(key.hashed);
        entry.filter(|entry| !self.settings.keep_expired || !entry.is_expired(self.now_ms))
    }

    /// What a key holds, for a command that reads: counts a hit or a miss, marks the entry as used.
    #[inline]
    pub fn lookup_read(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let is_kept = self.expire_if_due(key);
        let (now_ms, settings, no_touch) = (self.now_ms, self.settings, self.no_touch);
        let Keys { shards, effects, .. } = self;
        let Shard { dbs, dice, counts, .. } = shard_in(shards, key.hashed.slot);
        let found = dbs[usize::from(key.db)].table.get(key.hashed);
        let Some(entry) = found.filter(|_| !is_kept) else {
            counts.keyspace_misses += 1;
            effects.event(Class::MISS, "keymiss", key.db, key.bytes());
            return None;
        };
        counts.keyspace_hits += 1;
        if !no_touch {
            entry.set_lru(access::used(entry.lru(), now_ms, settings, dice));
        }
        Some(entry)
    }

    /// What a key holds, for a command that asks about the key and does not use it (EXISTS, TYPE, TTL): counts a hit or
    /// a miss, leaves LRU as it is.
    pub fn lookup_about(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.lookup_counted(key, Class::MISS)
    }

    /// The same for OBJECT, which tells nobody of a miss.
    pub fn lookup_object(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        self.lookup_counted(key, Class::NONE)
    }

    fn lookup_counted(&mut self, key: Key<'_>, miss: Class) -> Option<EntryRef<'_>> {
        let is_kept = self.expire_if_due(key);
        let Keys { shards, effects, .. } = self;
        let Shard { dbs, counts, .. } = shard_in(shards, key.hashed.slot);
        let entry = dbs[usize::from(key.db)].table.get(key.hashed).filter(|_| !is_kept);
        if entry.is_some() {
            counts.keyspace_hits += 1;
        } else {
            counts.keyspace_misses += 1;
            effects.event(miss, "keymiss", key.db, key.bytes());
        }
        entry
    }

    /// What a key holds, for a command that is about to write: marks the entry as used.
    pub fn lookup_write(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        if self.expire_if_due(key) {
            return None;
        }
        self.touch(key)
    }

    /// Marks the entry as used now.
    #[inline]
    fn touch(&mut self, key: Key<'_>) -> Option<EntryRef<'_>> {
        let (now_ms, settings, no_touch) = (self.now_ms, self.settings, self.no_touch);
        let shard = self.shard(key.hashed.slot);
        let Shard { dbs, dice, .. } = shard;
        let entry = dbs[usize::from(key.db)].table.get(key.hashed)?;
        if !no_touch {
            entry.set_lru(access::used(entry.lru(), now_ms, settings, dice));
        }
        Some(entry)
    }

    /// Whether a key is there.
    pub fn exists(&mut self, key: Key<'_>) -> bool {
        self.lookup(key).is_some()
    }

    /// Gives a key a value, whatever it held; whether it held one. Tells nobody: see [`Call::wrote`].
    #[inline]
    pub fn set(&mut self, key: Key<'_>, value: Value<'_>, expiry: Expiry) -> bool {
        // That an expired key was there is worth a look only if someone hears of it.
        let listened = self.effects.listen.events != Class::NONE;
        let previous = if expiry == Expiry::Keep || self.settings.lfu || listened {
            self.lookup(key).map(|entry| (entry.expires_at_ms(), entry.lru()))
        } else {
            None
        };
        let expires_at_ms = match expiry {
            Expiry::None => None,
            Expiry::Keep => previous.and_then(|(at, _)| at),
            Expiry::At(at) => Some(at),
        };
        let has_deadlines = matches!(&value, Value::Object(object) if object.has_deadlines());
        self.keep(key);
        let (now_ms, settings) = (self.now_ms, self.settings);
        let shard = self.shard(key.hashed.slot);
        let Shard { dbs, dice, version, .. } = shard;
        if has_deadlines {
            dbs[usize::from(key.db)].timed.add(key.bytes());
        }
        let lru = match previous {
            Some((_, lru)) => access::used(lru, now_ms, settings, dice),
            None => access::fresh(now_ms, settings),
        };
        let mut existed = true;
        let is_awaited = !dbs[usize::from(key.db)].waiters.is_empty();
        match dbs[usize::from(key.db)].table.set(key.hashed, value, expires_at_ms, lru, *version) {
            Previous::Overwritten => {}
            Previous::Replaced(entry) => shard.bury(entry),
            Previous::None => {
                self.notify(Class::NEW, "new", key);
                existed = false;
            }
        }
        if is_awaited {
            self.signal(key);
        }
        existed
    }

    /// Gives a key that is there another value and leaves its expiry: in place where that is possible. Tells nobody.
    #[inline]
    pub fn update(&mut self, key: Key<'_>, value: Value<'_>) {
        self.keep(key);
        let Shard { dbs, version, .. } = self.shard(key.hashed.slot);
        let version = *version;
        let mut leftover = Some(value);
        dbs[usize::from(key.db)].table.change_same_size(key.hashed, |entry| {
            if entry.view().version() == version
                && let Some(value) = leftover.take()
            {
                leftover = entry.overwrite(value).err();
            }
        });
        if let Some(value) = leftover {
            self.set(key, value, Expiry::Keep);
        }
    }

    /// Gives a key that is not there an entry that was made elsewhere (RENAME, COPY, MOVE): whole, with its expiry.
    pub fn put(&mut self, key: Key<'_>, entry: Entry) {
        let expires_at_ms = entry.view().expires_at_ms();
        let mut entry = if entry.view().has_key(key.bytes()) {
            entry
        } else {
            entry.repack(Some(key.bytes()), expires_at_ms)
        };
        let shard = self.shard(key.hashed.slot);
        // New to this key: no snapshot that has begun is to have it.
        entry.set_version(shard.version);
        let db = &mut shard.dbs[usize::from(key.db)];
        if entry.view().as_object().is_some_and(|object| object.has_deadlines()) {
            db.timed.add(key.bytes());
        }
        db.table.insert(key.hashed, entry);
        self.notify(Class::NEW, "new", key);
        self.signal(key);
    }

    /// Takes a key out, entry and all.
    pub fn take(&mut self, key: Key<'_>) -> Option<Entry> {
        self.signal(key);
        self.keep(key);
        self.db(key).table.remove(key.hashed)
    }

    /// Changes an entry in place (its expiry excepted).
    pub fn change<T>(&mut self, key: Key<'_>, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.keep(key);
        self.db(key).table.change(key.hashed, change)
    }

    /// The bytes of a string that is about to be changed in place, grown with zeros to at least `len_min`; a missing key
    /// is made. OBJECT ENCODING says `raw` from then on.
    pub fn bytes_mut<T>(&mut self, key: Key<'_>, len_min: usize, change: impl FnOnce(&mut [u8]) -> T) -> T {
        self.keep(key);
        let (now_ms, settings) = (self.now_ms, self.settings);
        let shard = self.shard(key.hashed.slot);
        let version = shard.version;
        let table = &mut shard.dbs[usize::from(key.db)].table;
        let mut fresh = false;
        // In place where the length stays or the value has a vector of its own; else as a new entry.
        let fits = table.change_same_size(key.hashed, |entry| {
            entry.bytes_mut().is_some_and(|bytes| bytes.len() >= len_min)
        });
        match fits {
            Some(true) => {}
            Some(false) => {
                let grown = table.change(key.hashed, |entry| {
                    entry.vec_mut().map(|bytes| bytes.resize(len_min.max(bytes.len()), 0)).is_some()
                });
                if grown == Some(false) {
                    table.replace(key.hashed, |entry| {
                        let expires_at_ms = entry.view().expires_at_ms();
                        let mut bytes = entry.view().string().bytes(&mut [0; 20]).to_vec();
                        bytes.resize(len_min.max(bytes.len()), 0);
                        Entry::new(
                            key.bytes(),
                            Value::Owned(bytes),
                            expires_at_ms,
                            entry.view().lru(),
                            version,
                        )
                    });
                }
            }
            None => {
                fresh = true;
                let lru = access::fresh(now_ms, settings);
                let _nothing = table.set(key.hashed, Value::Owned(vec![0; len_min]), None, lru, version);
            }
        }
        let change = |entry: &mut Entry| {
            entry.mark_raw();
            change(entry.bytes_mut().expect("made of bytes above"))
        };
        let result = table.change_same_size(key.hashed, change).expect("made above");
        if fresh {
            self.notify(Class::NEW, "new", key);
        }
        result
    }

    /// Sets or takes away a key's expiry; whether the key is there.
    pub fn set_expiry(&mut self, key: Key<'_>, expires_at_ms: Option<i64>) -> bool {
        self.keep(key);
        let table = &mut self.db(key).table;
        if let Some(at) = expires_at_ms
            && table.change_same_size(key.hashed, |entry| entry.set_expiry(at)) == Some(true)
        {
            return true;
        }
        table.replace(key.hashed, |entry| entry.repack(None, expires_at_ms))
    }

    /// Removes a key; whether it was there. Tells nobody.
    pub fn remove(&mut self, key: Key<'_>) -> bool {
        self.expire_if_due(key);
        self.bury(key)
    }

    /// Takes a key out and frees what it held, in slices where that is much; whether it was there.
    fn bury(&mut self, key: Key<'_>) -> bool {
        self.signal(key);
        self.keep(key);
        let Shard { dbs, .. } = self.shard(key.hashed.slot);
        match dbs[usize::from(key.db)].table.remove(key.hashed) {
            Some(entry) => self.shard(key.hashed.slot).bury(entry),
            None => return false,
        }
        true
    }

    /// A write happened: the dataset is one change further, WATCHers of the key learn of it, an event is told.
    #[inline]
    pub fn wrote(&mut self, key: Key<'_>, class: Class, event: &'static str) {
        self.effects.dirty += 1;
        self.changed(key);
        self.notify(class, event, key);
    }

    /// A key changed: those who WATCH it learn of it.
    #[inline]
    pub fn changed(&mut self, key: Key<'_>) {
        self.db(key).watches.changed(key.bytes());
        if self.effects.names_changes {
            self.name_change(key);
        }
    }

    #[cold]
    fn name_change(&mut self, key: Key<'_>) {
        let clients = self.shard(key.hashed.slot).tracked.forget(key.bytes()).unwrap_or_default();
        self.effects.changes.push((key.bytes().into(), clients));
    }

    /// Tells an event, without a change.
    #[inline]
    pub fn notify(&mut self, class: Class, event: &'static str, key: Key<'_>) {
        self.effects.event(class, event, key.db, key.bytes());
    }

    /// Records what happened in place of the command as it came: deterministic, with absolute times.
    pub fn record(&mut self, args: &[&[u8]]) {
        self.effects.record_instead(self.db, args);
    }

    /// Removes a key because memory is short.
    pub fn evict(&mut self, key: Key<'_>) {
        if self.bury(key) {
            self.shard(key.hashed.slot).counts.evicted_keys += 1;
            self.effects.record(key.db, &[b"DEL", key.bytes()]);
            self.changed(key);
            self.notify(Class::EVICTED, "evicted", key);
        }
    }

    /// Removes a key whose time has come.
    pub fn expire(&mut self, key: Key<'_>) {
        if !self.settings.keep_expired && self.bury(key) {
            self.shard(key.hashed.slot).counts.expired_keys += 1;
            self.effects.record(key.db, &[b"DEL", key.bytes()]);
            self.changed(key);
            self.notify(Class::EXPIRED, "expired", key);
        }
    }

    /// The string that a key holds, for a command that reads.
    #[inline]
    pub fn read_string(&mut self, key: Key<'_>) -> Result<Option<StrRef<'_>>, Fault> {
        self.lookup_read(key).map(|entry| entry.as_string().ok_or(WRONG_TYPE)).transpose()
    }

    /// The string that a key holds, for a command that is about to write.
    #[inline]
    pub fn string_to_write(&mut self, key: Key<'_>) -> Result<Option<StrRef<'_>>, Fault> {
        self.lookup_write(key).map(|entry| entry.as_string().ok_or(WRONG_TYPE)).transpose()
    }
}
