//! Measures RESP servers: a load generator, a floor to compare with, and runs of several servers side by side.
//!
//! ```text
//!   bin/load ──────────────┐
//!                          ├→ fleet (threads) → driver (one thread's loop) → client/ (sockets, reply scanner)
//!   bin/compare → compare/ ┘        └→ workload/ (templates, keys, mix)         └→ outcome → report
//!                    └→ process (CPU, memory of a server), machine (cores, limits)
//!   bin/floor: the cheapest server there can be, to know what is left to win
//! ```
//!
//! The client shares no code with the server: it has to be able to disagree with it.

pub mod client;
pub mod commands;
pub mod compare;
pub mod driver;
pub mod fleet;
pub mod floor;
pub mod histogram;
pub mod machine;
pub mod outcome;
pub mod process;
pub mod random;
pub mod report;
pub mod workload;
