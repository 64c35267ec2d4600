//! Nobody hears of what is not yet kept: under `appendfsync always` a message, an event, an invalidation or a monitor's line of a
//! transaction or script comes when all that it did stands in the journals, not while it is still at it.

#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "crash/link.rs"]
#[expect(dead_code, reason = "other tests ask more of a connection")]
mod link;
#[path = "support/resp.rs"]
mod resp;

use braid::Braid;
use link::{Link, words};
use resp::Reply;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const FLAGS: &[&str] = &[
    "--shards",
    "2",
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--enable-debug-command",
    "yes",
    "--notify-keyspace-events",
    "KEA",
];
/// So many that some are on another thread than the one that writes.
const LISTENERS: usize = 6;
/// What a script does for so long that everybody has time to hear.
const DAWDLE: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end \
     local since = now() while now() < since + 60000 do end ";

/// Whether the journals hold this.
fn is_kept(directory: &Path, mark: &str) -> bool {
    let files = std::fs::read_dir(directory.join("appendonlydir")).expect("the journals").flatten();
    files.into_iter().any(|file| {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
    })
}

/// All the texts of what a listener gets.
fn told(reply: &Reply) -> String {
    match reply {
        Reply::Array(items) | Reply::Push(items) => items.iter().map(told).collect::<Vec<_>>().join(" "),
        Reply::Bulk(text) | Reply::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// Has listeners begin to listen with `listen`, carries `commands` out, and sees that whoever hears of it, in words with `news` in
/// them, finds `mark` kept.
fn assert_kept_when_heard(listen: &[&[&str]], commands: &[&[&str]], news: &str, mark: &str) {
    let server = Braid::start(FLAGS);
    let mut listeners: Vec<Link> = (0..LISTENERS).map(|_| Link::when_loaded(server.address)).collect();
    for link in &mut listeners {
        listen
            .iter()
            .for_each(|command| assert!(!matches!(link.call(command), Reply::Error(_)), "{command:?}"));
    }
    let mut writer = Link::when_loaded(server.address);
    let is_over = AtomicBool::new(false);
    let hear = |mut link: Link| loop {
        let heard = told(&link.receive().expect("the server lives"));
        if heard.contains(news) {
            return (is_kept(&server.directory, mark), heard);
        }
    };
    // A thread that sleeps hears of nothing before it is woken, which is when all is done: none is to sleep.
    let keep_awake = || {
        let mut link = Link::when_loaded(server.address);
        while !is_over.load(Ordering::Relaxed) {
            link.call(&["PING"]);
        }
    };
    std::thread::scope(|scope| {
        let mut listening = Vec::new();
        listeners.into_iter().for_each(|link| listening.push(scope.spawn(|| hear(link))));
        (0..LISTENERS).for_each(|_| drop(scope.spawn(keep_awake)));
        assert!(!is_kept(&server.directory, mark), "it is not done yet");
        writer.send(&commands.iter().map(|command| words(command)).collect::<Vec<_>>());
        let replies: Vec<Reply> = commands.iter().map(|_| writer.receive().expect("a reply")).collect();
        assert!(!matches!(replies.last(), Some(Reply::Error(_) | Reply::NullArray)), "{replies:?}");
        let heard: Vec<_> =
            listening.into_iter().map(|listener| listener.join().expect("it has heard")).collect();
        is_over.store(true, Ordering::Relaxed);
        for (was_kept, news) in heard {
            assert!(was_kept, "{news} came before {mark} was kept");
        }
    });
}

#[test]
fn what_a_transaction_publishes_comes_when_all_it_did_is_kept() {
    for (second, mark) in [("{a}b", "one-shard-mark"), ("c", "two-shards-mark")] {
        let commands: &[&[&str]] = &[
            &["MULTI"],
            &["SET", "{a}a", "1"],
            &["PUBLISH", "news", "first"],
            &["DEBUG", "SLEEP", "0.06"],
            &["SET", second, mark],
            &["EXEC"],
        ];
        assert_kept_when_heard(&[&["SUBSCRIBE", "news"]], commands, "first", mark);
    }
}

#[test]
fn events_of_a_transaction_come_when_all_it_did_is_kept() {
    let commands: &[&[&str]] = &[
        &["MULTI"],
        &["SET", "{a}a", "1"],
        &["DEBUG", "SLEEP", "0.06"],
        &["SET", "{a}b", "event-mark"],
        &["EXEC"],
    ];
    assert_kept_when_heard(&[&["PSUBSCRIBE", "__keyspace@*"]], commands, "{a}a", "event-mark");
}

#[test]
fn what_a_script_publishes_comes_when_all_it_did_is_kept() {
    let script = format!(
        "redis.call('SET', KEYS[1], 1) redis.call('PUBLISH', 'news', 'first') {DAWDLE} \
         redis.call('SET', KEYS[1], ARGV[1]) return 1"
    );
    let commands: &[&[&str]] = &[&["EVAL", &script, "1", "{a}a", "script-mark"]];
    assert_kept_when_heard(&[&["SUBSCRIBE", "news"]], commands, "first", "script-mark");
}

#[test]
fn copies_are_invalidated_when_what_replaces_them_is_kept() {
    let commands: &[&[&str]] = &[
        &["MULTI"],
        &["SET", "{a}a", "1"],
        &["DEBUG", "SLEEP", "0.06"],
        &["SET", "{a}b", "copy-mark"],
        &["EXEC"],
    ];
    let listen: &[&[&str]] = &[&["HELLO", "3"], &["CLIENT", "TRACKING", "ON"], &["GET", "{a}a"]];
    assert_kept_when_heard(listen, commands, "{a}a", "copy-mark");
}

#[test]
fn monitors_are_shown_what_is_kept() {
    let script =
        format!("redis.call('SET', KEYS[1], 1) {DAWDLE} redis.call('SET', KEYS[1], ARGV[1]) return 1");
    let commands: &[&[&str]] = &[&["EVAL", &script, "1", "{a}a", "monitor-mark"]];
    // The first line is of the command that ran the script.
    assert_kept_when_heard(&[&["MONITOR"]], commands, "EVAL", "monitor-mark");
}
