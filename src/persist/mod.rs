//! What outlives the process: snapshots.
pub mod bulk;
