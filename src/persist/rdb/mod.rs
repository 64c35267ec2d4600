//! RDB files, whole.
pub mod read;
