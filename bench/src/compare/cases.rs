//! The suites about speed: which load, on which cores, for which tables.

use super::servers::Setup;
use super::{messages, types};
use crate::client::listeners::Part;

/// One load, applied to every server in turn: a line of a table.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name in the table.
    pub name: String,
    /// Units and their weights.
    pub units: Vec<(u32, String)>,
    /// Connections.
    pub connections: usize,
    /// Units under way on each.
    pub depth: u64,
    /// Whether replies may be nil without being wrong.
    pub nils_allowed: bool,
    /// What a floor server has to answer; none: it cannot take part.
    pub floor_reply: Option<&'static str>,
    /// What an empty dataset is filled with before each measurement: units, and how often each is sent, the keys in it being
    /// those below that number in order. Nothing: the dataset stays as it is.
    pub preload: Vec<(u64, String)>,
    /// A measurement ends after this many units, before what was filled in is used up.
    pub units_max: Option<u64>,
    /// Other clients that take part.
    pub beside: Option<Beside>,
}

/// Clients beside the load.
#[derive(Clone, Debug)]
pub struct Beside {
    /// What they do.
    pub part: Part,
    /// How many messages of theirs a unit is; it counts when all are heard. 0: they come and go.
    pub heard_of_unit: u64,
}

/// Cases on servers that are started the same way: a table.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its heading.
    pub title: String,
    /// How the servers are started.
    pub setup: Setup,
    /// The cores of the load generator; none: all.
    pub load_cores: Vec<usize>,
    /// Its threads.
    pub load_threads: usize,
    /// Keys, all present before the first case.
    pub keys: u64,
    /// What is counted: `command`, or `unit` where several commands belong together.
    pub per: &'static str,
    /// The lines.
    pub cases: Vec<Case>,
}

const GET: &str = "GET {key}";
const SET: &str = "SET {key} {value}";
const KEYS: u64 = 100_000;

/// The groups of a suite by name; none if there is no such suite about speed.
#[must_use]
pub fn suite(name: &str) -> Option<Vec<Group>> {
    match name {
        "issue" => Some(issue()),
        "throughput" => Some(throughput()),
        "units" => Some(units()),
        "types" => Some(types::groups()),
        "messages" => Some(messages::groups()),
        _ => None,
    }
}

/// GET and SET of 3 bytes at three depths; on one shard with a core of its own, and on two that share both cores with the load.
fn issue() -> Vec<Group> {
    let cases = || {
        let depths = [1, 16, 100];
        depths.iter().flat_map(|&depth| get_and_set(50, depth, &format!("P={depth}"))).collect::<Vec<_>>()
    };
    vec![
        Group {
            title: "1 shard on core 0, load on core 1; c=50, 16-byte keys, 3-byte values, 100,000 keys"
                .to_owned(),
            setup: Setup { shards: Some(1), cores: vec![0], ..Setup::default() },
            load_cores: vec![1],
            load_threads: 1,
            keys: KEYS,
            per: "command",
            cases: cases(),
        },
        Group {
            title:
                "2 shards, servers and load on both cores; c=50, 16-byte keys, 3-byte values, 100,000 keys"
                    .to_owned(),
            ..shared_cores(Some(2), "command", cases())
        },
    ]
}

/// GET and SET with all defaults, from one connection to ten thousand.
fn throughput() -> Vec<Group> {
    let mut cases = Vec::new();
    for connections in [1, 50, 1000, 10_000] {
        for depth in [1, 16] {
            cases.extend(get_and_set(connections, depth, &format!("c={connections} P={depth}")));
        }
    }
    let mut group = shared_cores(None, "command", cases);
    group.title = "Everything on the machine, defaults; 16-byte keys, 3-byte values, 100,000 keys".to_owned();
    group.setup.many_connections = true;
    vec![group]
}

/// What spans shards: many keys in a command, transactions, and a few heavy ones beside many light ones.
fn units() -> Vec<Group> {
    [2, 8].iter().map(|&shards| unit_group(shards)).collect()
}

fn unit_group(shards: usize) -> Group {
    let ten = |text: &str| [text; 10].join(" ");
    let rename =
        "SET r:{conn}:{random.a:100} {value}; RENAME r:{conn}:{random.a:100} r:{conn}:{random.b:100}";
    let watch = "WATCH {key.a} {key.b}; GET {key.a}; MULTI; SET {key.a} {value}; SET {key.b} {value}; EXEC";
    let mut cases = Vec::new();
    for depth in [1, 16] {
        let case = |name: &str, units: &[(u32, &str)]| Case {
            name: format!("{name} P={depth}"),
            units: units.iter().map(|(weight, text)| (*weight, (*text).to_owned())).collect(),
            connections: 50,
            depth,
            // Two clients may watch the same key.
            nils_allowed: name.contains("WATCH"),
            floor_reply: None,
            preload: Vec::new(),
            units_max: None,
            beside: None,
        };
        cases.push(case("GET", &[(1, GET)]));
        cases.push(case("MGET 10 keys", &[(1, &format!("MGET {}", ten("{key}")))]));
        cases.push(case("MSET 10 keys", &[(1, &format!("MSET {}", ten("{key} {value}")))]));
        cases.push(case("MULTI 4 keys", &[(1, &format!("MULTI; {SET}; {GET}; {SET}; {GET}; EXEC"))]));
        cases.push(case("GET, 5% SET+RENAME", &[(95, GET), (5, rename)]));
        cases.push(case("GET, 5% EXEC under WATCH", &[(95, GET), (5, watch)]));
    }
    Group {
        title: format!(
            "{shards} shards, servers and load on both cores; c=50, 3-byte values, 100,000 keys, a unit counted once"
        ),
        ..shared_cores(Some(shards), "unit", cases)
    }
}

fn shared_cores(shards: Option<usize>, per: &'static str, cases: Vec<Case>) -> Group {
    Group {
        title: String::new(),
        setup: Setup { shards, ..Setup::default() },
        load_cores: Vec::new(),
        load_threads: 2,
        keys: KEYS,
        per,
        cases,
    }
}

fn get_and_set(connections: usize, depth: u64, name: &str) -> [Case; 2] {
    let case = |verb: &str, unit: &str, reply| Case {
        name: format!("{verb} {name}"),
        units: vec![(1, unit.to_owned())],
        connections,
        depth,
        nils_allowed: false,
        floor_reply: Some(reply),
        preload: Vec::new(),
        units_max: None,
        beside: None,
    };
    [case("GET", GET, "value"), case("SET", SET, "ok")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Distribution, KeyShape, Workload};

    #[test]
    fn every_case_can_be_sent() {
        for name in ["issue", "throughput", "units", "types", "messages"] {
            for group in suite(name).unwrap() {
                let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: group.keys };
                for case in &group.cases {
                    let workload = Workload::new(&case.units, &shape, Distribution::Uniform, &[3], 1);
                    assert!(workload.is_ok(), "{}: {workload:?}", case.name);
                    for (count, unit) in &case.preload {
                        let shape = KeyShape { count: *count, ..shape.clone() };
                        let units = [(1, unit.clone())];
                        let workload = Workload::new(&units, &shape, Distribution::Sequential, &[3], 1);
                        assert!(workload.is_ok(), "{}: {workload:?}", case.name);
                    }
                }
            }
        }
        assert!(suite("memory").is_none());
    }
}
