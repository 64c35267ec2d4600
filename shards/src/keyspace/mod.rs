//! Where keys live: packed entries, segments of words, a table per database and shard.
pub mod access;
pub mod entry;
pub mod hash;
pub mod segment;
pub mod table;

pub use entry::{Entry, EntryRef, StrRef, Value};
pub use table::{Hashed, Previous, Table};
