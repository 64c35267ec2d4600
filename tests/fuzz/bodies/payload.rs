//! RESTORE: a stranger's payload is refused, or is a value that every command can work on and that dumps as the same again.
use super::engine::Engine;
use shards::rdb::payload::{open, seal};

/// Versions that a payload may be of; the second byte of the input chooses.
const VERSIONS: [u16; 8] = [6, 8, 9, 10, 11, 12, 80, 1];
/// What is done to a value of any type; most of it is refused as of the wrong one.
const TOUCHES: &[&str] = &[
    "OBJECT ENCODING k",
    "STRLEN k",
    "GETRANGE k 1 -2",
    "LRANGE k 0 -1",
    "LINSERT k BEFORE a b",
    "LPUSH k new",
    "RPOP k",
    "LREM k 0 a",
    "SMEMBERS k",
    "SADD k new 77",
    "SREM k a",
    "SPOP k",
    "ZRANGE k 0 -1 WITHSCORES",
    "ZADD k 1.5 new",
    "ZRANGEBYSCORE k -inf 2",
    "ZPOPMAX k",
    "ZREM k a",
    "HGETALL k",
    "HSET k new 1 a 2",
    "HTTL k FIELDS 1 a",
    "HEXPIRE k 100 FIELDS 2 a new",
    "HDEL k a",
    "XRANGE k - +",
    "XREVRANGE k + -",
    "XINFO STREAM k FULL",
    "XADD k * new 1",
    "XDEL k 1-1 5-0",
    "XTRIM k MAXLEN 2",
    "XGROUP CREATE k new 0",
    "XREADGROUP GROUP g me STREAMS k >",
    "XREADGROUP GROUP g me STREAMS k 0",
    "XAUTOCLAIM k g me 0 0",
    "XPENDING k g",
    "PFCOUNT k",
    "PFADD k a b",
    "APPEND k x",
    "SETBIT k 9 1",
    "INCRBY k 2",
    "SORT k ALPHA LIMIT 0 5",
    "COPY k c",
    "MEMORY USAGE k",
    "DUMP c",
    "EXPIRE k 1000",
    "UNLINK k",
];

/// The first byte is the version, the rest is what stands in a payload before it, type first.
pub fn run(bytes: &[u8]) {
    let Some((version, value)) = bytes.split_first() else { return };
    let mut payload = value.to_vec();
    seal(&mut payload, VERSIONS[usize::from(*version) % VERSIONS.len()]);
    let mut engine = Engine::new(1);
    let restored = engine.ask(&[b"RESTORE", b"k", b"0", &payload]);
    if restored.as_deref() != Some(b"+OK\r\n") {
        return;
    }
    let dumped = engine.say("DUMP k").expect("it is the engine's");
    let again = engine.ask(&[b"RESTORE", b"again", b"0", bulk(&dumped)]).expect("it is the engine's");
    assert_eq!(again.escape_ascii().to_string(), "+OK\\r\\n", "what was taken is given, and taken again");
    assert_eq!(digest(&mut engine, "k"), digest(&mut engine, "again"), "it is the same value");
    for touch in TOUCHES {
        engine.say(touch);
    }
}

fn digest(engine: &mut Engine, key: &str) -> Option<Vec<u8>> {
    // DEBUG is not for strangers: the encoded value says as much, once both have gone the same way.
    let dumped = engine.say(&format!("DUMP {key}"))?;
    let (value, _) = open(bulk(&dumped)).expect("it was sealed a moment ago");
    // Tables are dumped in the order they have, which is theirs.
    let mut bytes = value.to_vec();
    bytes.sort_unstable();
    Some(bytes)
}

/// What is within a reply that is a bulk string.
fn bulk(reply: &[u8]) -> &[u8] {
    let begin = reply.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    reply.get(begin..reply.len() - 2).unwrap_or_default()
}

/// Dumps of small and big values of every type.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut engine = Engine::new(1);
    let mut seeds = Vec::new();
    for (made, lines) in super::requests::seeds().iter().enumerate() {
        let commands = super::protocol::commands(&lines[1..]);
        for command in commands {
            let args: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
            engine.ask(&args);
            for key in ["s", "n", "l", "o", "a", "c", "z", "y", "h", "x", "g", "p"] {
                let Some(dumped) = engine.say(&format!("DUMP {key}")) else { continue };
                if let Some((value, version)) = open(bulk(&dumped)) {
                    let at = VERSIONS.iter().position(|known| *known == version).expect("one that we write");
                    seeds.push([&[at as u8], value].concat());
                }
            }
        }
        engine.settings.list_listpack_size = -2;
        engine.settings.hash_listpack_entries_max = 128 * (made % 2);
        engine.settings.zset_listpack_entries_max = 128 * (made % 2);
    }
    // Encodings that only others write: ziplists, a zipmap, an intset, a list of strings, a set and a hash of strings.
    let old: [&[u8]; 8] = [
        b"\x03\x0a\x10\x10\x00\x00\x00\x0a\x00\x00\x00\x02\x00\x00\xf2\x02\xf3\xff\x00",
        b"\x03\x0d\x11\x11\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01a\x03\x01b\xff\x00",
        b"\x03\x09\x08\x01\x01a\x01\x00b\xff\xff",
        b"\x03\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00",
        b"\x03\x01\x02\x01a\xc0\x07",
        b"\x03\x02\x02\x01a\x01b",
        b"\x03\x04\x01\x01a\x01b",
        b"\x03\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf0\x3f",
    ];
    seeds.extend(old.map(<[u8]>::to_vec));
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}
