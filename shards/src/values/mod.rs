//! What keys hold beyond strings: one file a type and encoding.
pub mod field;
pub mod member;
pub mod members;
mod packed;
