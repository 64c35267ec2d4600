//! RDB files and logs of commands that others wrote: they are loaded, or it is said what is wrong with them and where.
use braid::config::Config;
use braid::persist::apply::Plan;
use braid::persist::check::examine;
use braid::persist::load::load_bytes;
use braid::shared::Shared;
use shards::shard::Shard;
use std::sync::Arc;

/// Files of a Redis and of a Valkey with every type and encoding, and the logs beside them.
const FILES: [&[u8]; 4] = [
    include_bytes!("../../data/redis-7.0.15.rdb"),
    include_bytes!("../../data/valkey-9.1.2.rdb"),
    include_bytes!("../../data/redis-7.0.15.aof"),
    include_bytes!("../../data/valkey-9.1.2.aof"),
];
/// No string grows beyond this.
const STRING_BYTES_MAX: u64 = 1 << 20;

/// The bytes are the file. What is found sound is loaded as well, on two shards.
pub fn run(bytes: &[u8]) {
    if let Err(trouble) = examine(bytes, false) {
        assert!(!trouble.what.is_empty());
        assert!(trouble.at.is_some_and(|at| at <= bytes.len() as u64 + 8), "{trouble:?}");
        return;
    }
    let config = Config { proto_max_bulk_len_bytes: STRING_BYTES_MAX, ..Config::default() };
    let shared = Arc::new(Shared::new(config, 2, 0, String::new()).expect("a server"));
    let shards = (0..2).map(|index| Box::new(Shard::new(index, 2, 16, 1))).collect();
    let plan = Plan { at_ms: 1_700_000_000_000, ..Plan::default() };
    let (_, outcome) = load_bytes(bytes, shards, &shared, plan);
    if let Err(trouble) = outcome {
        assert!(!trouble.what.is_empty());
    }
}

/// The files, and each value of them in a file of its own.
pub fn seeds() -> Vec<Vec<u8>> {
    let header = b"REDIS0011";
    let mut seeds: Vec<Vec<u8>> = FILES.map(<[u8]>::to_vec).into();
    for payload in super::payload::seeds().iter().step_by(3) {
        let (kind, value) = payload[1..].split_at(1);
        seeds.push(
            [&header[..], b"\xfe\x00\xfb\x01\x00", kind, b"\x01k", value, b"\xff\0\0\0\0\0\0\0\0"].concat(),
        );
    }
    let log = b"*2\r\n$6\r\nSELECT\r\n$1\r\n1\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$4\r\nEXEC\r\n#TS:17\r\n";
    seeds.push(log.to_vec());
    seeds
}
