//! What stands in a file between its values: opcodes, and what is told of a key before its value.
use super::writer::{self, Out, milliseconds, number};

/// The bytes that begin an item which is no value.
pub mod opcode {
    /// Code of functions.
    pub const FUNCTION_2: u8 = 245;
    /// How often the next key is used (LFU).
    pub const FREQUENCY: u8 = 249;
    /// For how long it was not (LRU), in seconds.
    pub const IDLE: u8 = 248;
    /// Something about the file: a name and a text.
    pub const AUX: u8 = 250;
    /// How many keys a database has, and how many of them expire.
    pub const RESIZE_DB: u8 = 251;
    /// When the next key expires, in milliseconds.
    pub const EXPIRES_MS: u8 = 252;
    /// The keys that follow are of this database.
    pub const SELECT_DB: u8 = 254;
    /// The end; the checksum of all before it follows.
    pub const END: u8 = 255;
}

/// How a key was used: as much of it as the file is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Nothing.
    Untold,
    /// Seconds since it was last used.
    Idle(u64),
    /// The counter of LFU.
    Frequency(u8),
}

/// Writes all of a key that stands before its value: expiry (ms since 1970), use, type, name.
pub fn key(out: &mut impl Out, name: &[u8], kind: u8, expires_at_ms: Option<i64>, usage: Usage) {
    if let Some(at_ms) = expires_at_ms {
        out.put(&[opcode::EXPIRES_MS]);
        milliseconds(out, at_ms);
    }
    match usage {
        Usage::Untold => {}
        Usage::Idle(seconds) => {
            out.put(&[opcode::IDLE]);
            number(out, seconds);
        }
        Usage::Frequency(count) => out.put(&[opcode::FREQUENCY, count]),
    }
    out.put(&[kind]);
    writer::text(out, name);
}

/// Says of which database the keys are that follow.
pub fn database(out: &mut impl Out, db: u16) {
    out.put(&[opcode::SELECT_DB]);
    number(out, db.into());
}

/// Tells something about the file.
pub fn aux(out: &mut impl Out, name: &str, text: &str) {
    out.put(&[opcode::AUX]);
    writer::text(out, name.as_bytes());
    writer::text(out, text.as_bytes());
}
