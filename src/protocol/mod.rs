//! The wire's reading half. The writing half, with the commands, is `shards::reply`.
pub mod inline;
pub mod parse;
