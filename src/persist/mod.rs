//! What survives: journals, snapshots, and their way back into memory.
pub mod apply;
pub mod check;
pub(crate) mod foreign;
pub(crate) mod intake;
pub mod load;
pub mod progress;
pub mod rdb;
pub(crate) mod window;

/// Why loading ends that was asked to.
const STOPPED: &str = "the server is asked to stop";
