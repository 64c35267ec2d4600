//! The versions that the server announces.

/// The version of Redis whose behaviour Braid keeps, announced by INFO and HELLO because clients switch features on it.
pub const REDIS_VERSION: &str = "7.4.7";

/// The version of Braid itself.
pub const BRAID_VERSION: &str = env!("CARGO_PKG_VERSION");
