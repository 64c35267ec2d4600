//! RDB files as a whole; the values in them are the engine's affair ([`shards::rdb`]).
pub mod read;
pub mod write;
