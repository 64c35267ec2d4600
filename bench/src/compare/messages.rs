//! The suite about what clients tell each other: channels, queues that are waited for, streams, and scripts that guard things.

use super::cases::{Beside, Case, Group};
use super::servers::Setup;
use crate::client::listeners::Part;

/// Gives a lock back, if it is still one's own; its SHA-1 is [`RELEASE_SHA`].
const RELEASE: &str =
    "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";
const RELEASE_SHA: &str = "2e47b373b4dbd63ee966d2eb9fe24ed6a138ad4e";

/// A bucket of a hundred tokens, into which ARGV[1] fall each millisecond; its SHA-1 is [`BUCKET_SHA`].
const BUCKET: &str = "local time = redis.call('time') local now = time[1] * 1000 + math.floor(time[2] / 1000) \
    local bucket = redis.call('hmget', KEYS[1], 'tokens', 'at') \
    local tokens = math.min(100, (tonumber(bucket[1]) or 100) + (now - (tonumber(bucket[2]) or now)) * ARGV[1]) \
    local passed = 0 if tokens >= 1 then tokens = tokens - 1 passed = 1 end \
    redis.call('hset', KEYS[1], 'tokens', tokens, 'at', now) redis.call('pexpire', KEYS[1], 60000) return passed";
const BUCKET_SHA: &str = "794a84422721cd7eeb37c99146af17fce4535da2";

/// Reckons for a while, so that the server has more to do than its clients; its SHA-1 is [`WORK_SHA`].
const WORK: &str =
    "local sum = 0 for i = 1, 5000 do sum = sum + i % 7 end return redis.call('incrby', KEYS[1], sum % 10)";
const WORK_SHA: &str = "db08140c8da154bf8e56c8ee52c04c7e5f8d3167";

/// Everything on one shard; scripts on one shard and on two; everything else on two.
pub(super) fn groups() -> Vec<Group> {
    let one = Setup { shards: Some(1), cores: vec![0], ..Setup::default() };
    let both = |shards| Setup { shards: Some(shards), ..Setup::default() };
    let all = || talk().into_iter().chain(scripts()).collect();
    vec![
        group("1 shard on core 0, load on core 1", one, vec![1], all()),
        group("1 shard, servers and load on both cores", both(1), Vec::new(), scripts()),
        group("2 shards, servers and load on both cores", both(2), Vec::new(), all()),
    ]
}

/// Clients that hear from each other.
fn talk() -> Vec<Case> {
    let mut cases = vec![
        beside(
            case("PUBLISH 1 to 1", 50, 1, "PUBLISH news:{conn} {value:32}", &[]),
            Part { connections: 50, first: "SUBSCRIBE news:{conn}".to_owned(), ..Part::default() },
            1,
        ),
        beside(
            case("PUBLISH 1 to 1", 50, 16, "PUBLISH news:{conn} {value:32}", &[]),
            Part { connections: 50, first: "SUBSCRIBE news:{conn}".to_owned(), ..Part::default() },
            1,
        ),
        beside(
            case("PUBLISH 1 to 1000", 1, 1, "PUBLISH news {value:32}", &[]),
            Part { connections: 1000, first: "SUBSCRIBE news".to_owned(), ..Part::default() },
            1000,
        ),
    ];
    for connections in [1, 50] {
        cases.push(beside(
            case(
                "LPUSH, BRPOP, and back",
                connections,
                1,
                "LPUSH ask:{conn} {value:32}; BRPOP answer:{conn} 10",
                &[],
            ),
            Part {
                connections,
                in_turn: vec!["BRPOP ask:{conn} 10".to_owned(), "LPUSH answer:{conn} {value:32}".to_owned()],
                ..Part::default()
            },
            0,
        ));
    }
    for depth in [1, 16] {
        cases.push(beside(
            case(
                "XADD, 10 wait in XREADGROUP",
                50,
                depth,
                "XADD jobs MAXLEN ~ 10000 * name {random:100000} text {value:32}",
                &[(1, "XGROUP CREATE jobs workers $ MKSTREAM".to_owned())],
            ),
            Part {
                connections: 10,
                in_turn: vec![
                    "XREADGROUP GROUP workers worker:{conn} COUNT 10 BLOCK 10000 NOACK STREAMS jobs >"
                        .to_owned(),
                ],
                ..Part::default()
            },
            0,
        ));
    }
    cases
}

/// Scripts with one key each.
fn scripts() -> Vec<Case> {
    let lock = format!("SET lock:{{key.a}} token NX PX 30000; EVALSHA {RELEASE_SHA} 1 lock:{{key.a}} token");
    let bucket = format!("EVALSHA {BUCKET_SHA} 1 bucket:{{key}} 1");
    let work = format!("EVALSHA {WORK_SHA} 1 sum:{{key}}");
    let load = |script: &str| [(1, format!("SCRIPT LOAD \"{script}\""))];
    let mut cases: Vec<Case> = [1, 16]
        .into_iter()
        .flat_map(|depth| {
            [
                case("lock: SET NX, EVALSHA", 50, depth, &lock, &load(RELEASE)),
                case("token bucket: EVALSHA", 50, depth, &bucket, &load(BUCKET)),
            ]
        })
        .collect();
    cases.push(case("5,000 rounds of a loop: EVALSHA", 50, 16, &work, &load(WORK)));
    cases
}

fn group(place: &str, setup: Setup, load_cores: Vec<usize>, cases: Vec<Case>) -> Group {
    Group {
        title: format!("{place}: messages and scripts; a unit counted once, with all who hear it"),
        setup,
        load_threads: if load_cores.is_empty() { 2 } else { 1 },
        load_cores,
        keys: 100_000,
        per: "unit",
        cases,
    }
}

fn case(name: &str, connections: usize, depth: u64, unit: &str, preload: &[(u64, String)]) -> Case {
    Case {
        name: format!("{name} c={connections} P={depth}"),
        units: vec![(1, unit.to_owned())],
        connections,
        depth,
        // A lock may be another's.
        nils_allowed: true,
        floor_reply: None,
        preload: match preload {
            // What others left must not be there.
            [] => vec![(1, "DEL nothing".to_owned())],
            some => some.to_vec(),
        },
        units_max: None,
        beside: None,
    }
}

fn beside(case: Case, part: Part, heard_of_unit: u64) -> Case {
    Case { beside: Some(Beside { part, heard_of_unit }), ..case }
}
