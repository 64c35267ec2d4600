//! What Redis and Valkey leave behind with `appendonly yes`: a log of commands, on its own, or several of them with an RDB file
//! before them and a manifest that names them.
pub(crate) mod log;
pub(crate) mod manifest;
