//! Every type of value in every encoding, as commands.
use super::client::Client;

/// Fills a server with them, in three databases. `expires_fields` for those that know fields that expire.
pub(crate) fn fill(client: &mut Client, expires_fields: bool) {
    const FAR_MS: &str = "4102444800000";
    for db in ["0", "3", "15"] {
        run(client, &["SELECT", db]);
        let long = "abc".repeat(1000);
        for (key, value) in [
            ("int8", "8"),
            ("int16", "-3000"),
            ("int32", "2000000000"),
            ("int64", "9223372036854775807"),
            ("short", "hello"),
            ("empty", ""),
            ("", "of no name"),
            ("digits", "999999999999999999999999"),
            ("packed", &long),
            ("number:7", "12"),
        ] {
            run(client, &["SET", key, value]);
        }
        run(client, &["SET", "expires", "v", "PXAT", FAR_MS]);
        run(client, &["SETBIT", "bits", "100003", "1"]);
        run(client, &["PFADD", "hll", "a", "b", "c"]);
        run(client, &["RPUSH", "list-large", &"z".repeat(70_000), "y", &"x".repeat(9000)]);
        run(client, &["ZADD", "zset-odd", "inf", "a", "-inf", "b", "0", "c", "1.5", "d"]);
        run(client, &["SADD", "intset-64", "1", "1099511627776", "-5"]);
        run(client, &["HSET", "hash-long", "f", &"v".repeat(200)]);
        many(client, &["RPUSH", "list"], 10, |at| vec![format!("e{at}")]);
        many(client, &["RPUSH", "list-big"], 3000, |at| vec![format!("element {at}").repeat(5)]);
        many(client, &["SADD", "intset"], 100, |at| vec![at.to_string()]);
        many(client, &["SADD", "set-of-ints"], 1000, |at| vec![at.to_string()]);
        many(client, &["SADD", "set"], 20, |at| vec![format!("m{at}")]);
        many(client, &["SADD", "set-big"], 2000, |at| vec![format!("member {at}")]);
        many(client, &["HSET", "hash"], 20, |at| vec![format!("f{at}"), at.to_string()]);
        many(client, &["HSET", "hash-big"], 2000, |at| vec![format!("f{at}"), format!("v{at}")]);
        many(client, &["ZADD", "zset"], 20, |at| vec![format!("{}", at as f64 * 1.5), format!("m{at}")]);
        many(client, &["ZADD", "zset-big"], 2000, |at| {
            vec![format!("{}", at as f64 / 4.0), format!("m{at}")]
        });
        stream(client);
        if db == "15" {
            huge(client);
        }
        if expires_fields {
            run(client, &["HSET", "timed", "a", "1", "b", "2"]);
            run(client, &["HPEXPIREAT", "timed", FAR_MS, "FIELDS", "1", "a"]);
            many(client, &["HSET", "timed-big"], 600, |at| vec![format!("f{at}"), format!("v{at}")]);
            run(client, &["HPEXPIREAT", "timed-big", FAR_MS, "FIELDS", "2", "f1", "f500"]);
        }
    }
}

fn stream(client: &mut Client) {
    for at in 1..=250 {
        run(client, &["XADD", "stream", &format!("{at}-1"), "field", &at.to_string(), "other", "x"]);
    }
    run(client, &["XDEL", "stream", "5-1", "100-1"]);
    run(client, &["XGROUP", "CREATE", "stream", "g", "0"]);
    run(client, &["XGROUP", "CREATE", "stream", "g2", "$"]);
    for (who, count) in [("alice", "10"), ("bob", "3")] {
        run(client, &["XREADGROUP", "GROUP", "g", who, "COUNT", count, "STREAMS", "stream", ">"]);
    }
    run(client, &["XACK", "stream", "g", "2-1"]);
    run(client, &["XADD", "stream-empty", "1-1", "a", "b"]);
    run(client, &["XGROUP", "CREATE", "stream-empty", "g", "0"]);
    run(client, &["XDEL", "stream-empty", "1-1"]);
}

/// Values that are longer than what is looked at in one go.
fn huge(client: &mut Client) {
    let noise = |seed: usize, words: usize| {
        let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
        let mut word = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:x}")
        };
        (0..words).map(|_| word()).collect::<String>()
    };
    run(client, &["SET", "huge", &noise(1, 200_000)]);
    many(client, &["HSET", "hash-huge"], 20_000, |at| vec![format!("f{at}"), noise(at, 6)]);
    many(client, &["RPUSH", "list-huge"], 20_000, |at| vec![noise(at, 6)]);
    many(client, &["ZADD", "zset-huge"], 20_000, |at| vec![at.to_string(), noise(at, 5)]);
}

/// Writes of kinds that are none of one key: what a log has beside plain commands.
pub(crate) fn change(client: &mut Client) {
    run(client, &["SELECT", "3"]);
    run(client, &["MSET", "m1", "1", "m2", "2", "m3", "3", "m4", "4"]);
    run(client, &["RENAME", "m1", "renamed"]);
    run(client, &["DEL", "m2", "m3", "int8"]);
    run(client, &["SINTERSTORE", "both", "intset", "set-of-ints"]);
    run(client, &["COPY", "hash", "hash-copied"]);
    run(client, &["LMOVE", "list", "list-big", "LEFT", "RIGHT"]);
    run(
        client,
        &["EVAL", "redis.call('SET', 'scripted', ARGV[1]) redis.call('INCR', 'counted')", "0", "yes"],
    );
    run(client, &["MULTI"]);
    for command in [&["INCR", "counted"][..], &["APPEND", "short", " there"], &["SPOP", "set"]] {
        run(client, command);
    }
    run(client, &["EXEC"]);
    run(client, &["MOVE", "empty", "0"]);
    run(client, &["SWAPDB", "0", "15"]);
    run(client, &["EXPIRE", "renamed", "100000"]);
    run(client, &["SET", "gone", "v", "PX", "1"]);
    run(client, &["SELECT", "0"]);
    run(client, &["SORT", "intset", "STORE", "sorted"]);
}

fn run(client: &mut Client, command: &[&str]) {
    let reply = client.call(command);
    assert!(!matches!(reply, super::resp::Reply::Error(_)), "{command:?}: {reply:?}");
}

/// A command with many elements.
fn many(client: &mut Client, head: &[&str], count: usize, element: impl Fn(usize) -> Vec<String>) {
    let elements: Vec<_> = (0..count).flat_map(element).collect();
    let words: Vec<_> = head.iter().copied().chain(elements.iter().map(String::as_str)).collect();
    run(client, &words);
}
