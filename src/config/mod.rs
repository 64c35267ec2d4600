//! The configuration: one table of parameters, and everything that is read off it.
//!
//! [`table`] is the single truth. From it come the typed [`Config`], its defaults, CONFIG GET and CONFIG SET
//! ([`runtime`]), CONFIG REWRITE ([`rewrite`]), the reader of redis.conf ([`mod@file`]), `--help` and the tables of the
//! manual ([`manual`]).

pub mod choices;
pub mod file;
pub mod lists;
pub mod manual;
pub mod parameter;
pub mod pending;
pub mod rewrite;
pub mod runtime;
pub mod table;
pub mod version;

mod checks;
mod paths;
mod values;
mod words;

pub(crate) use checks::os_text;
pub use choices::*;
pub use file::{ConfigError, Sources, load};
pub use lists::*;
pub use parameter::{Flags, Group, Kind, Parameter};
pub use runtime::{Caller, SetError};
pub use table::{Config, TABLE};
pub(crate) use words::{quote, split as split_words};
