//! Giving keys the values that a file has for them: no command, no effects, nobody who looks.
use crate::keyspace::{Hashed, Previous, Value};
use crate::rdb::Loaded;
use crate::rdb::reader::Text;
use crate::shard::Shard;

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
        let unpacked;
        let value = match loaded {
            Loaded::String(Text::Int(number)) => Value::Int(number),
            Loaded::String(Text::Plain(bytes)) => Value::from_client(bytes),
            Loaded::String(Text::Unpacked(bytes)) => {
                unpacked = bytes;
                Value::from_client(&unpacked)
            }
            Loaded::Object(object) => {
                if object.has_deadlines() {
                    self.dbs[usize::from(db)].timed.add(key.bytes);
                }
                Value::Object(object)
            }
        };
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
