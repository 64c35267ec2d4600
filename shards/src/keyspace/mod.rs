//! Where keys live: packed entries, segments of words, a table per database and shard.
pub mod access;
mod capacity;
pub(crate) mod directory;
pub mod entry;
pub mod hash;
pub mod item;
mod join;
pub(crate) mod segment;
pub mod table;
pub mod value;
pub mod walk;
mod word;

pub use entry::{Entry, EntryRef};
pub use table::{Hashed, Previous, Table};
pub use value::{StrRef, Value};
