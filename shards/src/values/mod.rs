//! The values that keys hold: a file a type and encoding.
pub mod listpack;
