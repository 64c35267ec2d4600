//! What commands record is what they did: the requests of the golden scripts are sent to a server that writes journals; killed
//! and started again with other numbers of shards it has the same dataset. What every request left of its key is copied, so that it
//! is compared as well.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "crash/link.rs"]
#[expect(dead_code, reason = "other tests ask for numbers")]
mod link;
#[path = "support/quote.rs"]
mod quote;
#[path = "support/resp.rs"]
mod resp;

use braid::{Braid, tell};
use link::{Link, text};
use resp::{Reply, encode};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The families whose scripts are about data.
const FAMILIES: &[&str] = &[
    "bitmaps",
    "expiry",
    "geo",
    "hashes",
    "hyperloglog",
    "keys",
    "lists",
    "scan",
    "scripting",
    "sets",
    "streams",
    "strings",
    "transactions",
    "zsets",
];
/// What is about the server, or would reach beyond the database that a script has for itself.
const LEFT_OUT: &[&str] = &[
    "acl",
    "auth",
    "bgrewriteaof",
    "bgsave",
    "client",
    "config",
    "debug",
    "flushall",
    "monitor",
    "psubscribe",
    "quit",
    "reset",
    "replicaof",
    "save",
    "select",
    "shutdown",
    "slaveof",
    "subscribe",
    "ssubscribe",
    "swapdb",
    "wait",
    "waitaof",
];
/// Fewer requests mean that the corpus was not found.
const REQUESTS_MIN: usize = 4000;
/// Fewer keys to compare mean that copies were not made.
const KEYS_MIN: usize = 1500;

/// Deletes what may expire before it is compared; that is recorded too.
const SETTLE: &str = "
    local time = redis.call('TIME')
    local soon = (time[1] + 200) * 1000
    for _, key in ipairs(redis.call('KEYS', '*')) do
        local at = redis.call('PEXPIRETIME', key)
        local is_volatile = at >= 0 and at < soon
        if redis.call('TYPE', key).ok == 'hash' then
            for _, field in ipairs(redis.call('HKEYS', key)) do
                local at = redis.call('HPEXPIRETIME', key, 'FIELDS', 1, field)[1]
                is_volatile = is_volatile or at >= 0 and at < soon
            end
        end
        if is_volatile then redis.call('DEL', key) end
    end
    return redis.call('DBSIZE')";

#[test]
fn the_dataset_comes_back_whatever_made_it() {
    let scripts = scripts();
    let databases = (scripts.len() + 1).to_string();
    let flags = |shards: &'static str| {
        [
            "--appendonly",
            "yes",
            "--appendfsync",
            "no",
            "--save",
            "",
            "--enable-debug-command",
            "yes",
            "--databases",
        ]
        .into_iter()
        .map(str::to_owned)
        .chain([databases.clone(), "--shards".to_owned(), shards.to_owned()])
        .collect::<Vec<String>>()
    };
    let start_flags = flags("2");
    let mut server = Braid::start(&start_flags.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sent = 0;
    for (number, path) in scripts.iter().enumerate() {
        sent += play(&server, path, number + 1);
    }
    assert!(sent > REQUESTS_MIN, "only {sent} requests");
    let mut link = Link::when_loaded(server.address);
    for number in 0..=scripts.len() {
        assert!(link.call(&["SELECT", &number.to_string()]) == Reply::Simple(b"OK".to_vec()));
        let settled = link.call(&["EVAL", SETTLE, "0"]);
        assert!(matches!(settled, Reply::Int(_)), "database {number}: {settled:?}");
    }
    let before = fingerprints(&mut link, &scripts);
    assert!(before.len() > KEYS_MIN, "only {} keys", before.len());
    tell(&format!("{sent} requests of {} scripts made {} keys", scripts.len(), before.len()));
    for shards in ["3", "1"] {
        let flags = flags(shards);
        server.kill_and_start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        compare(&before, &fingerprints(&mut Link::when_loaded(server.address), &scripts), shards);
    }
}

fn scripts() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for family in FAMILIES {
        let directory = Path::new("tests/golden").join(family);
        let entries = std::fs::read_dir(directory).expect("the golden scripts");
        paths.extend(entries.flatten().map(|entry| entry.path()));
    }
    paths.sort();
    paths
}

/// Sends the requests of a script to a database of its own; how many.
fn play(server: &Braid, path: &Path, database: usize) -> usize {
    let text = std::fs::read_to_string(path).expect("a script");
    let mut links: BTreeMap<String, Link> = BTreeMap::new();
    let mut sent = 0;
    for (number, line) in text.lines().enumerate() {
        let Some((connection, request)) = line.split_once("> ") else { continue };
        let is_request = connection.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Names stand for what others were answered; and scripts that never end are another matter.
        if !is_request || request.contains("${") || request.contains("while true") {
            continue;
        }
        let Ok(args) = quote::split(request) else { continue };
        let name = args.first().map_or_else(String::new, |name| String::from_utf8_lossy(name).to_lowercase());
        if LEFT_OUT.contains(&name.as_str()) {
            continue;
        }
        let link = links.entry(connection.to_owned()).or_insert_with(|| {
            let mut link = Link::when_loaded(server.address);
            link.call(&["SELECT", &database.to_string()]);
            link
        });
        sent += 1;
        link.send_bytes(&encode(&args));
        // Who waits for keys is answered later, if ever.
        let waits = name.starts_with('b') && !name.starts_with("bit") || name.starts_with("xread");
        let patience = Duration::from_millis(if waits { 30 } else { 5000 });
        let is_done = link.receive_within(patience).is_ok_and(|reply| !matches!(reply, Reply::Error(_)));
        // The keys are among the first arguments; what is none is not copied.
        for (place, key) in args.iter().enumerate().skip(1).take(3).filter(|_| is_done) {
            let copy = format!("{}:{}:{place}", path.display(), number + 1).into_bytes();
            let args = [b"COPY".to_vec(), key.clone(), copy, b"DB".to_vec(), b"0".to_vec()];
            link.send_bytes(&encode(&args));
            drop(link.receive_within(patience));
        }
    }
    sent
}

/// What there is to say of each key, by database and name.
type Fingerprints = BTreeMap<(String, Vec<u8>), String>;

fn fingerprints(link: &mut Link, scripts: &[PathBuf]) -> Fingerprints {
    let mut prints = Fingerprints::new();
    for number in 0..=scripts.len() {
        link.call(&["SELECT", &number.to_string()]);
        let Reply::Array(keys) = link.call(&["KEYS", "*"]) else { panic!("KEYS gives keys") };
        for key in keys {
            let Reply::Bulk(key) = key else { panic!("a key is a text") };
            let mut ask = |words: &[&str]| {
                let words = words.iter().map(|word| word.as_bytes().to_vec());
                link.send_bytes(&encode(&words.chain([key.clone()]).collect::<Vec<_>>()));
                link.receive().expect("the server lives")
            };
            let kind = text(&ask(&["TYPE"]));
            let mut print =
                format!("{kind} {:?} {:?}", ask(&["DEBUG", "DIGEST-VALUE"]), ask(&["PEXPIRETIME"]));
            if kind == "stream" {
                print += &format!(" {:?}", ask(&["XINFO", "GROUPS"]));
            }
            let script = number.checked_sub(1).map_or_else(|| Path::new("none"), |at| &*scripts[at]);
            prints.insert((script.display().to_string(), key), print);
        }
    }
    prints
}

fn compare(before: &Fingerprints, after: &Fingerprints, shards: &str) {
    let mut complaints = Vec::new();
    for ((script, key), print) in before {
        let now = after.get(&(script.clone(), key.clone()));
        if now != Some(print) {
            complaints.push(format!("{script}, {}: was {print}, is {now:?}", quote::quote(key)));
        }
    }
    for (script, key) in after.keys().filter(|name| !before.contains_key(*name)) {
        complaints.push(format!("{script}, {}: was not there", quote::quote(key)));
    }
    let count = complaints.len();
    complaints.truncate(20);
    assert!(count == 0, "with {shards} shards {count} keys are others:\n{}", complaints.join("\n"));
}
