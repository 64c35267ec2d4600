//! What survives: journals, snapshots, and their way back into memory.
pub mod apply;

/// Why loading ends that was asked to.
const STOPPED: &str = "the server is asked to stop";
