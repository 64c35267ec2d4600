//! What survives: journals, snapshots, and their way back into memory.
pub mod apply;
pub mod bulk;
pub mod clerk;
pub mod commit;
pub mod epoch;
pub mod files;
pub mod format;
pub mod journal;
pub mod keeper;
pub mod manifest;
pub mod needs;
pub mod record;
pub mod replay;
pub mod restore;
pub mod scan;

/// Why loading ends that was asked to.
const STOPPED: &str = "the server is asked to stop";
