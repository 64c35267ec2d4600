//! The server: one keyspace, braided from one strand per core.
pub mod config;
pub mod net;
