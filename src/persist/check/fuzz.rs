//! Files that Redis and Valkey wrote, and what becomes of them when bytes change: a clear word, never a panic, whoever reads them.
use super::*;
use crate::config::Config;
use crate::persist::apply::Plan;
use crate::persist::load::load_bytes;
use crate::shared::Shared;
use proptest::prelude::*;
use shards::shard::Shard;
use std::sync::Arc;

/// Every type and encoding.
const FILES: [&[u8]; 4] = [
    include_bytes!("../../../tests/data/redis-7.0.15.rdb"),
    include_bytes!("../../../tests/data/valkey-9.1.2.rdb"),
    include_bytes!("../../../tests/data/redis-7.0.15.aof"),
    include_bytes!("../../../tests/data/valkey-9.1.2.aof"),
];

/// Reads it as `braid check` does.
fn census(bytes: &[u8], checks_sums: bool) -> (Census, Result<End, Trouble>) {
    let (mut census, mut window) = (Census::default(), Window::new(bytes));
    let mut read = || {
        if rdb::is_rdb(bytes) {
            rdb::read(&mut window, &mut census, checks_sums)?;
        }
        log::read(&mut window, &mut census)
    };
    let outcome = read();
    (census, outcome)
}

/// Loads it as a server does, on so many shards; how many keys there are then.
fn load(bytes: &[u8], shard_count: usize) -> (usize, Result<(), Trouble>) {
    let shared = Arc::new(Shared::new(Config::default(), shard_count, 0, String::new()).expect("a server"));
    let shards = (0..shard_count).map(|index| Box::new(Shard::new(index, shard_count, 16, 1))).collect();
    let plan = Plan { at_ms: 1_700_000_000_000, ..Plan::default() };
    let (shards, outcome) = load_bytes(bytes, shards, &shared, plan);
    (shards.iter().map(|shard| shard.len()).sum(), outcome)
}

#[test]
fn they_are_read_whole() {
    for file in FILES {
        let (census, outcome) = census(file, true);
        assert_eq!(outcome, Ok(End::Whole));
        let counts: [usize; 2] = [1, 3].map(|shard_count| {
            let (len, outcome) = load(file, shard_count);
            assert_eq!(outcome, Ok(()));
            len
        });
        assert_eq!(counts[0], counts[1]);
        if census.has_rdb || rdb::is_rdb(file) {
            assert_eq!(census.keys.iter().sum::<u64>() as usize, counts[0]);
            assert!(census.keys.iter().all(|count| *count > 0), "every type: {:?}", census.keys);
        }
    }
}

#[test]
fn what_is_cut_off_is_told() {
    for file in FILES {
        for len in 0..file.len() {
            let (_, outcome) = census(&file[..len], true);
            if rdb::is_rdb(file) {
                let trouble = outcome.err();
                assert!(len < 6 || trouble.is_some_and(|trouble| trouble.at.is_some()), "{len} bytes");
            } else if let Ok(End::Torn(at)) = outcome {
                assert!(at as usize <= len);
                assert_eq!(census(&file[..at as usize], true).1, Ok(End::Whole), "{len} bytes");
            } else {
                assert_eq!(outcome, Ok(End::Whole), "{len} bytes");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

/// Bytes that mean something come often: lengths of all forms, types, marks.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>(),
        0u8..26,
        Just(0x80),
        Just(0x81),
        0xc0u8..0xc4,
        244u8..=255,
        Just(b'*'),
        Just(b'$'),
        b'0'..=b'9'
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), byte()).prop_map(|(at, byte)| Change::Set(at, byte)),
        1 => (any::<prop::sample::Index>(), 1usize..40).prop_map(|(at, len)| Change::Cut(at, len)),
        1 => (any::<prop::sample::Index>(), prop::collection::vec(byte(), 1..10))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(file: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for change in changes {
        match change {
            Change::Set(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Cut(at, len) => {
                let at = at.index(bytes.len());
                let end = (at + len).min(bytes.len() - 1).max(at);
                bytes.drain(at..end);
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn mutants_are_read_or_refused(file in 0..FILES.len(), changes in prop::collection::vec(change(), 1..5)) {
        let bytes = changed(FILES[file], &changes);
        let (_, outcome) = census(&bytes, false);
        if let Err(trouble) = outcome {
            prop_assert!(trouble.at.is_some_and(|at| at <= bytes.len() as u64 + 8), "{trouble:?}");
            prop_assert!(!trouble.what.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn mutants_are_loaded_or_refused(
        file in 0..FILES.len(),
        changes in prop::collection::vec(change(), 1..5),
        shard_count in 1usize..4,
    ) {
        let bytes = changed(FILES[file], &changes);
        let (len, outcome) = load(&bytes, shard_count);
        prop_assert!(outcome.is_err() || len < 10_000);
    }
}
