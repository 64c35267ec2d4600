//! Giving keys the values that a file has for them: no command, no effects, nobody who looks.
use crate::keyspace::{Hashed, Previous, Value};
use crate::rdb::Loaded;
use crate::rdb::reader::Text;
use crate::shard::Shard;
use crate::values::Object;

impl Shard {
    /// Gives a key of one of its slots a value that was read, with its expiry and its LRU or LFU bits; whether the key was
    /// there already. What it held then is gone.
    pub fn load(
        &mut self,
        db: u16,
        key: Hashed<'_>,
        loaded: Loaded<'_>,
        expires_at_ms: Option<i64>,
        lru: u32,
    ) -> bool {
        match loaded {
            Loaded::String(Text::Int(number)) => self.put(db, key, Value::Int(number), expires_at_ms, lru),
            Loaded::String(Text::Plain(bytes)) => {
                self.put(db, key, Value::from_client(bytes), expires_at_ms, lru)
            }
            Loaded::String(Text::Unpacked(bytes)) => {
                self.put(db, key, Value::from_client(&bytes), expires_at_ms, lru)
            }
            Loaded::Object(object) => self.put_object(db, key, object, expires_at_ms, lru),
        }
    }

    fn put_object(
        &mut self,
        db: u16,
        key: Hashed<'_>,
        object: Object,
        expires_at_ms: Option<i64>,
        lru: u32,
    ) -> bool {
        if object.has_deadlines() {
            self.dbs[usize::from(db)].timed.add(key.bytes);
        }
        self.put(db, key, Value::Object(object), expires_at_ms, lru)
    }

    #[inline]
    fn put(
        &mut self,
        db: u16,
        key: Hashed<'_>,
        value: Value<'_>,
        expires_at_ms: Option<i64>,
        lru: u32,
    ) -> bool {
        if self.has_snapshot() {
            self.keep_for_snapshot(db, key);
        }
        let version = self.version;
        match self.dbs[usize::from(db)].table.set(key, value, expires_at_ms, lru, version) {
            Previous::None => false,
            Previous::Overwritten => true,
            Previous::Replaced(entry) => {
                self.bury(entry);
                true
            }
        }
    }
}
