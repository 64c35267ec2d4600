//! redis-rs against a server: pipelines, transactions, optimistic locking, scanning, bytes of all kinds.
use redis::{
    Commands, Connection, ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo, Value,
};
use std::collections::BTreeSet;
use std::net::SocketAddr;

const KEYS: i64 = 500;

/// Talks to the server with one protocol; panics at the first thing that is strange.
pub(crate) fn converse(address: SocketAddr, protocol: ProtocolVersion) {
    let mut connection = connect(address, protocol);
    let pong: String = redis::cmd("PING").query(&mut connection).expect("an answer");
    assert_eq!(pong, "PONG");
    redis::cmd("FLUSHALL").exec(&mut connection).expect("an empty server");

    keep_all_bytes(&mut connection);
    run_pipelines(&mut connection);
    lock_optimistically(&mut connection, &mut connect(address, protocol));
    find_by_scanning(&mut connection);
    expire_and_delete(&mut connection);
    refuse_nonsense(&mut connection);
    if protocol == ProtocolVersion::RESP3 {
        answer_in_types_of_resp3(&mut connection);
    }
}

fn connect(address: SocketAddr, protocol: ProtocolVersion) -> Connection {
    let info = ConnectionAddr::Tcp(address.ip().to_string(), address.port())
        .into_connection_info()
        .expect("an address")
        .set_redis_settings(RedisConnectionInfo::default().set_protocol(protocol));
    redis::Client::open(info).and_then(|client| client.get_connection()).expect("a connection")
}

fn keep_all_bytes(connection: &mut Connection) {
    let bytes: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let () = connection.set(&bytes, &bytes).expect("a reply");
    let kept: Vec<u8> = connection.get(&bytes).expect("a reply");
    assert_eq!(kept, bytes);
    let none: Option<Vec<u8>> = connection.get(&bytes[1..]).expect("a reply");
    assert_eq!(none, None);
}

/// Over many keys, plain and as one transaction: the same replies in the same order.
fn run_pipelines(connection: &mut Connection) {
    for atomic in [false, true] {
        let mut pipe = redis::pipe();
        if atomic {
            pipe.atomic();
        }
        for index in 0..KEYS {
            let key = format!("key:{index}");
            pipe.set(&key, index).ignore().incr(&key, 1).get(&key);
        }
        let replies: Vec<(i64, i64)> = pipe.query::<Vec<i64>>(connection).map(pairs).expect("replies");
        let expected: Vec<(i64, i64)> = (1..=KEYS).map(|value| (value, value)).collect();
        assert_eq!(replies, expected, "atomic: {atomic}");
    }
}

fn pairs(flat: Vec<i64>) -> Vec<(i64, i64)> {
    flat.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// A change by another client between WATCH and EXEC is noticed, and the transaction runs again over what is there then.
fn lock_optimistically(connection: &mut Connection, other: &mut Connection) {
    let () = connection.mset(&[("from", 10), ("to", 0)]).expect("a reply");
    let mut attempts = 0;
    let (from, to): (i64, i64) = redis::transaction(connection, &["from", "to"], |connection, pipe| {
        attempts += 1;
        let (from, to): (i64, i64) = connection.mget(&["from", "to"])?;
        if attempts == 1 {
            let () = other.set("to", 1)?;
        }
        pipe.set("from", from - 5).ignore().set("to", to + 5).ignore().get("from").get("to").query(connection)
    })
    .expect("the second attempt succeeds");
    assert_eq!((attempts, from, to), (2, 5, 6));
}

/// Everything is found, and nothing twice.
fn find_by_scanning(connection: &mut Connection) {
    let found: Vec<String> = connection
        .scan_match("key:*")
        .expect("a cursor")
        .collect::<Result<_, _>>()
        .expect("keys are texts and the server answers");
    let expected: BTreeSet<String> = (0..KEYS).map(|index| format!("key:{index}")).collect();
    assert_eq!(found.len(), expected.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
}

fn expire_and_delete(connection: &mut Connection) {
    let is_set: bool = connection.expire("key:1", 100).expect("a reply");
    let ttl: i64 = connection.ttl("key:1").expect("a reply");
    assert!(is_set && (91..=100).contains(&ttl), "{is_set} {ttl}");
    let deleted: usize = connection.del(&["from", "to", "none"]).expect("a reply");
    assert_eq!(deleted, 2);
}

fn refuse_nonsense(connection: &mut Connection) {
    let refused = redis::cmd("NOSUCH").exec(connection).expect_err("nobody knows it");
    assert!(refused.to_string().contains("unknown command"), "{refused}");
    // A mistake in the middle of a transaction gives it up as a whole.
    let given_up = redis::pipe().atomic().set("kept", 1).cmd("GET").exec(connection);
    assert_eq!(given_up.expect_err("GET wants a key").code(), Some("EXECABORT"));
    let kept: bool = connection.exists("kept").expect("a reply");
    assert!(!kept, "a transaction that was given up changed something");
}

fn answer_in_types_of_resp3(connection: &mut Connection) {
    let settings: Value =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory").query(connection).expect("a reply");
    assert!(matches!(settings, Value::Map(_)), "{settings:?}");
    let hello: Value = redis::cmd("HELLO").query(connection).expect("a reply");
    let Value::Map(fields) = hello else { panic!("{hello:?} is no map") };
    let is_proto = |(name, value): &(Value, Value)| {
        *name == Value::BulkString(b"proto".to_vec()) && *value == Value::Int(3)
    };
    assert!(fields.iter().any(is_proto), "{fields:?}");
}
