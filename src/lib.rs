//! The server: one keyspace, braided from one strand per core.

pub mod cli;
pub mod config;
pub mod log;
pub mod topology;
