//! What crosses shards: runs of commands, units, the gate they enter by, questions to all threads.
pub mod batch;
pub(crate) mod desk;
pub mod enter;
pub mod exec;
pub mod gate;
pub mod merge;
pub mod sheaf;
pub mod spanning;
pub mod survey;
pub mod unasked;
pub mod unit;
