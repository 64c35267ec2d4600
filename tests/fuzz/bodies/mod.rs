//! What is fuzzed: each target takes a stranger's bytes and panics where Braid does what it must not.
//!
//! libFuzzer runs them (`scripts/fuzz`, through `tests/fuzz/targets`), and so does an ordinary test (`tests/fuzz.rs`) over their
//! seeds and some thousands of mutants, so that they cannot rot.

pub mod config;
pub mod engine;
pub mod files;
pub mod journal;
pub mod mutants;
pub mod payload;
pub mod protocol;
pub mod requests;

/// A target.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Where to begin: inputs that reach deep.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How many mutants the ordinary test tries.
    pub mutants: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "protocol", run: protocol::run, seeds: protocol::seeds, mutants: 20_000 },
    Target { name: "config", run: config::run, seeds: config::seeds, mutants: 300 },
    Target { name: "requests", run: requests::run, seeds: requests::seeds, mutants: 3000 },
    Target { name: "payload", run: payload::run, seeds: payload::seeds, mutants: 8000 },
    Target { name: "files", run: files::run, seeds: files::seeds, mutants: 800 },
    Target { name: "journal", run: journal::run, seeds: journal::seeds, mutants: 8000 },
];
