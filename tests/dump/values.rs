//! The values that are passed: of every type, in every encoding, small and large.

/// A value and how it is made.
pub(crate) struct Value {
    /// Its key.
    pub(crate) name: &'static str,
    /// Directives under which it is made.
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// The commands that make it.
    pub(crate) commands: Vec<Vec<String>>,
    /// How it is to be encoded where it arrives; nothing where servers differ.
    pub(crate) encoding: Option<&'static str>,
    /// Only servers with fields that expire can make it.
    pub(crate) has_timed_fields: bool,
}

fn value(name: &'static str, encoding: &'static str, commands: Vec<Vec<String>>) -> Value {
    let encoding = Some(encoding).filter(|name| !name.is_empty());
    Value { name, settings: &[], commands, encoding, has_timed_fields: false }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// One command with many arguments behind `head`.
fn many(head: &str, count: usize, args: impl Fn(usize) -> Vec<String>) -> Vec<Vec<String>> {
    let mut command = words(head);
    command.extend((0..count).flat_map(args));
    vec![command]
}

pub(crate) fn all() -> Vec<Value> {
    [strings(), lists(), sets(), sorted_sets(), hashes(), streams(), under_other_settings()]
        .into_iter()
        .flatten()
        .collect()
}

fn strings() -> Vec<Value> {
    let set = |text: &str| vec![vec!["SET".to_owned(), "string".to_owned(), text.to_owned()]];
    let noise = || (0..5000).map(|at| char::from(b'!' + (at * at % 89) as u8)).collect::<String>();
    vec![
        value("string", "embstr", set("hello")),
        value("string", "embstr", set("")),
        value("string", "int", set("-128")),
        value("string", "int", set("32767")),
        value("string", "int", set("-2147483648")),
        value("string", "int", set("9223372036854775807")),
        value("string", "embstr", set("0123")),
        value("string", "embstr", set("9223372036854775808")),
        value("string", "raw", set(&"x".repeat(100_000))),
        value("string", "raw", set(&"pattern of words ".repeat(300))),
        value("string", "raw", set(&noise())),
    ]
}

fn lists() -> Vec<Value> {
    let item = |at: usize| vec![format!("item:{at}")];
    vec![
        value("list", "", vec![words("RPUSH list a 1 -1 200 70000 -9223372036854775808 b")]),
        value("list", "", many("RPUSH list", 1, |_| vec!["x".repeat(63)])),
        value("list", "quicklist", many("RPUSH list", 5000, item)),
        value("list", "quicklist", many("LPUSH list", 3, |at| vec![format!("{at}").repeat(20_000)])),
        value("list", "quicklist", many("RPUSH list", 600, |at| vec!["y".repeat(at)])),
    ]
}

fn sets() -> Vec<Value> {
    vec![
        value("set", "intset", vec![words("SADD set 1 -5 300")]),
        value("set", "intset", vec![words("SADD set 1 70000")]),
        value("set", "intset", vec![words("SADD set 1 -9223372036854775808 9223372036854775807")]),
        value("set", "", vec![words("SADD set a b 17 -4")]),
        value("set", "hashtable", many("SADD set", 600, |at| vec![at.to_string()])),
        value("set", "hashtable", many("SADD set", 3000, |at| vec![format!("member:{at}")])),
        value("set", "hashtable", many("SADD set", 3, |at| vec![at.to_string().repeat(100)])),
    ]
}

fn sorted_sets() -> Vec<Value> {
    let scores = "ZADD zset 1 a 1 b -inf least +inf most 3.14 pi 1e-300 tiny -1e17 c 0.1 d 5e-324 e 17 17";
    vec![
        value("zset", "listpack", vec![words(scores)]),
        value(
            "zset",
            "skiplist",
            many("ZADD zset", 1000, |at| vec![(at % 97).to_string(), format!("m:{at}")]),
        ),
        value(
            "zset",
            "skiplist",
            many("ZADD zset", 300, |at| vec![format!("{}", at as f64 / 7.0), at.to_string()]),
        ),
        value("zset", "skiplist", many("ZADD zset", 2, |at| vec![at.to_string(), at.to_string().repeat(70)])),
        value(
            "zset",
            "skiplist",
            vec![many("ZADD zset", 200, |at| vec![at.to_string(), format!("{at}")]).remove(0), words(scores)],
        ),
    ]
}

fn hashes() -> Vec<Value> {
    let pair = |at: usize| vec![format!("field:{at}"), format!("{}", at * at)];
    let timed = |commands| Value { has_timed_fields: true, ..value("hash", "", commands) };
    vec![
        value("hash", "listpack", vec![words("HSET hash f v n 17 -1 -1")]),
        value("hash", "hashtable", many("HSET hash", 2000, pair)),
        value("hash", "hashtable", many("HSET hash", 1, |_| vec!["long".to_owned(), "v".repeat(65)])),
        timed(vec![words("HSET hash a 1 b 2 c 3"), words("HEXPIREAT hash 4102444800 FIELDS 2 a c")]),
        timed(
            [
                many("HSET hash", 2000, pair),
                vec![words("HPEXPIREAT hash 4102444800123 FIELDS 2 field:7 field:1999")],
            ]
            .concat(),
        ),
    ]
}

/// With everything that a stream may have: deleted entries, gaps, groups, consumers, pending entries.
pub(crate) fn streams() -> Vec<Value> {
    let entry = |at: usize| {
        words(&format!("XADD stream {}-{} name {at} other value:{at}", 1000 + at / 3, at % 3 + 1))
    };
    let entries = |count: usize| (0..count).map(entry).collect::<Vec<_>>();
    let lines = |lines: &[&str]| lines.iter().map(|line| words(line)).collect::<Vec<_>>();
    let groups = lines(&[
        "XGROUP CREATE stream readers 0",
        "XGROUP CREATE stream 17 $ ENTRIESREAD 5",
        "XGROUP CREATECONSUMER stream readers idle",
        "XREADGROUP GROUP readers alice COUNT 10 STREAMS stream >",
        "XREADGROUP GROUP readers bob COUNT 5 STREAMS stream >",
        "XACK stream readers 1000-2 1001-1",
        "XCLAIM stream readers carol 0 1000-1 RETRYCOUNT 7 TIME 1700000000000",
    ]);
    let deleted = lines(&["XDEL stream 1000-1 1002-2", "XTRIM stream MINID 1001"]);
    vec![
        value("stream", "stream", entries(1)),
        value("stream", "stream", [entries(30), deleted.clone()].concat()),
        value(
            "stream",
            "stream",
            [entries(1000), lines(&["XADD stream 9999999999999-18446744073709551615 x y z 1"])].concat(),
        ),
        value("stream", "stream", [entries(40), groups.clone()].concat()),
        value("stream", "stream", [entries(400), groups, deleted].concat()),
        value("stream", "stream", lines(&["XGROUP CREATE stream g $ MKSTREAM"])),
        value("stream", "stream", lines(&["XADD stream 5-5 a b", "XDEL stream 5-5"])),
        value(
            "stream",
            "stream",
            lines(&["XADD stream 5-5 a b", "XSETID stream 9-9 ENTRIESADDED 100 MAXDELETEDID 7-7"]),
        ),
    ]
}

/// What another server packs in other sizes than ours.
fn under_other_settings() -> Vec<Value> {
    let under = |settings, value| Value { settings, ..value };
    let pair = |at: usize| vec![format!("{at}"), format!("m:{at}")];
    vec![
        under(
            &[("list-max-listpack-size", "10")],
            value("list", "", many("RPUSH list", 300, |at| vec![at.to_string()])),
        ),
        under(
            &[("list-max-listpack-size", "-5")],
            value("list", "quicklist", many("RPUSH list", 20_000, |at| vec![format!("item:{at}")])),
        ),
        under(
            &[("list-compress-depth", "1"), ("list-max-listpack-size", "100")],
            value("list", "", many("RPUSH list", 3000, |at| vec![format!("item:{}", at % 7)])),
        ),
        under(
            &[("hash-max-listpack-entries", "5000")],
            value("hash", "hashtable", many("HSET hash", 2000, pair)),
        ),
        under(&[("hash-max-listpack-entries", "2")], value("hash", "listpack", many("HSET hash", 5, pair))),
        under(
            &[("zset-max-listpack-entries", "5000")],
            value("zset", "skiplist", many("ZADD zset", 2000, pair)),
        ),
        under(&[("zset-max-listpack-entries", "0")], value("zset", "listpack", many("ZADD zset", 5, pair))),
        under(
            &[("set-max-intset-entries", "5000")],
            value("set", "hashtable", many("SADD set", 2000, |at| vec![at.to_string()])),
        ),
        under(
            &[("set-max-intset-entries", "2")],
            value("set", "", many("SADD set", 5, |at| vec![at.to_string()])),
        ),
        under(
            &[("stream-node-max-entries", "3")],
            value(
                "stream",
                "stream",
                (1..100).map(|at| words(&format!("XADD stream {at}-1 f {at}"))).collect(),
            ),
        ),
    ]
}
