//! Braid.

pub mod net;
