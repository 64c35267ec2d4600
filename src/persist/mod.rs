//! What survives: journals, snapshots, and their way back into memory.
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
