//! The suite about data types: redis-benchmark's tests, what people build, and commands that do real work.

use super::cases::{Case, Group};
use super::servers::Setup;

/// A load: its name, what it needs beforehand, its units with their weights.
type Row = (&'static str, &'static [(u64, &'static str)], &'static [(u32, &'static str)]);

/// Members of what is popped from, and how many are popped: fewer, the load before the measurement included.
const POPPED_OF: u64 = 1_000_000;
const POPPED: u64 = 600_000;

/// The tests of redis-benchmark that the other suites do not have.
const BENCHMARK: &[Row] = &[
    ("INCR", &[], &[(1, "INCR counter:{random:100000}")]),
    ("LPUSH", &[], &[(1, "LPUSH list {value}")]),
    ("RPUSH", &[], &[(1, "RPUSH list {value}")]),
    ("LPOP", &[(POPPED_OF, "LPUSH list {value}")], &[(1, "LPOP list")]),
    ("RPOP", &[(POPPED_OF, "LPUSH list {value}")], &[(1, "RPOP list")]),
    ("SADD", &[], &[(1, "SADD set element:{random:100000}")]),
    ("HSET", &[], &[(1, "HSET hash element:{random:100000} {value}")]),
    ("SPOP", &[(POPPED_OF, "SADD set element:{key}")], &[(1, "SPOP set")]),
    ("ZADD", &[], &[(1, "ZADD zset {random:100000} element:{random:100000}")]),
    ("ZPOPMIN", &[(POPPED_OF, "ZADD zset {random:100000} element:{key}")], &[(1, "ZPOPMIN zset")]),
    ("LRANGE_100", &[(10_000, "LPUSH list {value}")], &[(1, "LRANGE list 0 99")]),
    ("LRANGE_300", &[(10_000, "LPUSH list {value}")], &[(1, "LRANGE list 0 299")]),
    ("LRANGE_500", &[(10_000, "LPUSH list {value}")], &[(1, "LRANGE list 0 499")]),
    ("LRANGE_600", &[(10_000, "LPUSH list {value}")], &[(1, "LRANGE list 0 599")]),
    (
        "MSET",
        &[],
        &[(
            1,
            "MSET {key} {value} {key} {value} {key} {value} {key} {value} {key} {value} \
             {key} {value} {key} {value} {key} {value} {key} {value} {key} {value}",
        )],
    ),
];

/// What guides tell people to build.
const REAL: &[Row] = &[
    (
        "sessions: 8 HGETALL, 1 HSET+EXPIRE",
        &[(
            100_000,
            "HSET session:{key} user {value:8} token {value:16} ip {value:12} seen 1700000000 cart 3",
        )],
        &[
            (8, "HGETALL session:{key}"),
            (
                1,
                "HSET session:{key.a} seen 17{random:100000000} cart {random:10}; EXPIRE session:{key.a} 3600",
            ),
        ],
    ),
    (
        "leaderboard: 4 ZINCRBY, 4 ZREVRANK, 2 ZREVRANGE",
        &[(100_000, "ZADD board {random:1000000} {key}")],
        &[
            (4, "ZINCRBY board {random:10} {key}"),
            (4, "ZREVRANK board {key}"),
            (2, "ZREVRANGE board 0 9 WITHSCORES"),
        ],
    ),
    ("queue: LPUSH+RPOP", &[(1000, "LPUSH queue {value:64}")], &[(1, "LPUSH queue {value:64}; RPOP queue")]),
    (
        "rate limiter in MULTI",
        &[],
        &[(
            1,
            "MULTI; ZADD limit:{key.a} {random.t:1000000000} {random.t:1000000000}; \
             ZREMRANGEBYSCORE limit:{key.a} 0 900000000; ZCARD limit:{key.a}; EXPIRE limit:{key.a} 60; EXEC",
        )],
    ),
    (
        "tags: 1 SADD, 4 SINTER",
        &[(20_000, "SADD tag:{random:100} item:{random:1000}")],
        &[(1, "SADD tag:{random:100} item:{random:1000}"), (4, "SINTER tag:{random:100} tag:{random:100}")],
    ),
    (
        "stream with group: XADD+XREADGROUP",
        &[(1, "XGROUP CREATE stream group $ MKSTREAM")],
        &[(
            1,
            "XADD stream MAXLEN ~ 10000 * name {random:100000} text {value:32}; \
             XREADGROUP GROUP group worker COUNT 1 NOACK STREAMS stream >",
        )],
    ),
    (
        "geo search: 10 nearest of 100,000",
        &[(100_000, "GEOADD geo {random:180}.{random:1000000} {random:80}.{random:1000000} {key}")],
        &[(1, "GEOSEARCH geo FROMLONLAT {random:180}.5 {random:80}.5 BYRADIUS 100 km ASC COUNT 10")],
    ),
];

/// Commands whose own work is what counts.
const HEAVY: &[Row] = &[
    (
        "SINTER of 10,000 and 10,000",
        &[(10_000, "SADD one {key}"), (5_000, "SADD two {key}"), (5_000, "SADD two other:{key}")],
        &[(1, "SINTER one two")],
    ),
    (
        "ZUNIONSTORE of 100,000 and 100,000",
        &[
            (100_000, "ZADD one {random:1000000} {key}"),
            (50_000, "ZADD two {random:1000000} {key}"),
            (50_000, "ZADD two {random:1000000} other:{key}"),
        ],
        &[(1, "ZUNIONSTORE sum 2 one two")],
    ),
    ("SORT of 100,000", &[(100_000, "RPUSH list {random:1000000}")], &[(1, "SORT list")]),
    (
        "BITOP AND of 10 MB",
        &[(1, "SETRANGE one 10485759 x"), (1, "SETRANGE two 10485759 y")],
        &[(1, "BITOP AND both one two")],
    ),
    ("BITCOUNT of 10 MB", &[(1, "SETRANGE one 10485759 x")], &[(1, "BITCOUNT one")]),
    (
        "PFCOUNT of 2 keys",
        &[(50_000, "PFADD one {key}"), (50_000, "PFADD two other:{key}")],
        &[(1, "PFCOUNT one two")],
    ),
    ("LRANGE 600", &[(10_000, "RPUSH list item:{key}")], &[(1, "LRANGE list 0 599")]),
    (
        "GEOSEARCH within 1,000 km of 100,000",
        &[(100_000, "GEOADD geo {random:180}.{random:1000000} {random:80}.{random:1000000} {key}")],
        &[(1, "GEOSEARCH geo FROMLONLAT {random:180}.5 {random:80}.5 BYRADIUS 1000 km")],
    ),
];

/// Every load on one shard, at both depths; the heavy ones without a pipeline.
pub(super) fn groups() -> Vec<Group> {
    let light = |rows: &[Row]| {
        rows.iter()
            .flat_map(|row| [1, 16].map(|depth| case(row, 50, depth, &format!(" P={depth}"))))
            .collect()
    };
    let heavy = HEAVY.iter().map(|row| case(row, 2, 1, "")).collect();
    vec![
        group("redis-benchmark's tests; c=50, 3-byte values", "command", light(BENCHMARK)),
        group("what people build; c=50, a unit counted once", "unit", light(REAL)),
        group("real work; c=2 P=1", "command", heavy),
    ]
}

fn group(title: &str, per: &'static str, cases: Vec<Case>) -> Group {
    Group {
        title: format!("1 shard on core 0, load on core 1: {title}"),
        setup: Setup { shards: Some(1), cores: vec![0], ..Setup::default() },
        load_cores: vec![1],
        load_threads: 1,
        keys: 100_000,
        per,
        cases,
    }
}

fn case((name, preload, units): &Row, connections: usize, depth: u64, suffix: &str) -> Case {
    let is_popped = preload.iter().any(|(count, _)| *count == POPPED_OF);
    Case {
        name: format!("{name}{suffix}"),
        units: units.iter().map(|(weight, text)| (*weight, (*text).to_owned())).collect(),
        connections,
        depth,
        // A key that nobody wrote yet, a queue that another emptied.
        nils_allowed: true,
        floor_reply: None,
        preload: match preload {
            // What others left must not be there.
            [] => vec![(1, "DEL nothing".to_owned())],
            some => some.iter().map(|(count, text)| (*count, (*text).to_owned())).collect(),
        },
        units_max: is_popped.then_some(POPPED),
        beside: None,
    }
}
