//! Braid's engine. *src serves, shards remember.*
mod bits;
pub mod call;
pub mod commands;
pub mod dice;
pub mod effects;
pub mod extended;
pub mod fault;
pub mod keyspace;
pub mod memory;
pub mod number;
pub mod reply;
pub mod settings;
pub mod shard;
pub mod slot;
pub mod spec;
pub mod watch;
