//! Starts over journals that are not as they were left: torn ends, damage, files that are gone; and `braid check`, which tells and mends.

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
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const FLAGS: &[&str] = &["--shards", "2", "--appendonly", "yes", "--appendfsync", "always"];

/// A server that has written twenty keys, each in a block of its own.
fn written() -> Braid {
    let server = Braid::start(FLAGS);
    let mut link = Link::when_loaded(server.address);
    for key in 0..20 {
        let reply = link.ask(&["SET", &format!("k{key}"), "v"]);
        assert_eq!(reply, Some(Reply::Simple(b"OK".to_vec())));
    }
    server
}

fn keys(server: &Braid) -> i64 {
    match Link::when_loaded(server.address).ask(&["DBSIZE"]) {
        Some(Reply::Int(keys)) => keys,
        other => panic!("no number of keys: {other:?}"),
    }
}

fn journals(server: &Braid) -> PathBuf {
    server.directory.join("appendonlydir")
}

fn pieces(server: &Braid) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(journals(server)).expect("the directory").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "braid"))
        .collect()
}

/// The journal of the shard that has written more.
fn longest(server: &Braid) -> PathBuf {
    pieces(server).into_iter().max_by_key(|path| bytes_of(path).len()).expect("a journal")
}

/// A journal without the space that is laid out at its end.
fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("a journal");
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

/// It ends by itself, with code 1; what it logged.
fn refusal(server: &mut Braid) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = server.has_ended() {
            assert_eq!(status.code(), Some(1), "{}", server.log());
            return server.log();
        }
        assert!(Instant::now() < deadline, "it starts: {}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn check(args: &[&str], path: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_braid"));
    command.arg("check").args(args).arg(path).output().expect("braid runs")
}

#[test]
fn a_torn_end_is_left_out_unless_that_is_forbidden() {
    let mut server = written();
    // Nothing is written while it is being torn: the server is stopped.
    server.signal("STOP");
    let path = longest(&server);
    let laid_out = std::fs::metadata(&path).expect("the journal").len() as usize;
    let bytes = bytes_of(&path);
    // A block of a crash that was not written to the end: its beginning once more.
    let mut torn = [&bytes[..], &bytes[bytes.len() - 20..bytes.len() - 3]].concat();
    torn.resize(laid_out.max(torn.len()), 0);
    std::fs::write(&path, torn).expect("a torn journal");
    server.kill_and_spawn(&[FLAGS, &["--aof-load-truncated", "no"]].concat());
    let log = refusal(&mut server);
    assert!(log.contains("aof-load-truncated") && log.contains("17 bytes"), "{log}");
    server.kill_and_start(FLAGS);
    assert_eq!(keys(&server), 20, "what was acknowledged is there");
    assert!(server.log().contains("are left out"), "{}", server.log());
}

#[test]
fn space_that_is_laid_out_is_no_torn_end_and_is_given_back() {
    let is_laid_out =
        |path: &PathBuf| std::fs::read(path).expect("a journal").len() > bytes_of(path).len() + 4096;
    let laid_out = |server: &Braid| pieces(server).iter().filter(|path| is_laid_out(path)).count();
    // Where the disk is slow at the moment, no space is laid out.
    let write_until_there_are = |server: &Braid, more: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while laid_out(server) < more {
            assert!(Instant::now() < deadline, "no zeros stand behind what is written");
            Link::when_loaded(server.address).ask(&["SET", "k1", "w"]);
        }
    };
    let mut server = written();
    write_until_there_are(&server, 1);
    let path = longest(&server);
    server.signal("KILL");
    server.wait();
    let old = laid_out(&server);
    let manifest = journals(&server).join("braid.manifest");
    assert!(check(&[], &path).status.success() && check(&[], &manifest).status.success());
    server.kill_and_start(&[FLAGS, &["--aof-load-truncated", "no"]].concat());
    assert_eq!(keys(&server), 20);
    assert!(!server.log().contains("left out"), "{}", server.log());
    write_until_there_are(&server, old + 1);
    server.signal("TERM");
    server.wait();
    assert_eq!(laid_out(&server), old, "what was being written ends where it ends");
}

#[test]
fn damage_is_told_and_mended_only_when_that_is_wanted() {
    let mut server = written();
    let path = longest(&server);
    let mut bytes = bytes_of(&path);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&path, bytes).expect("a damaged journal");
    server.kill_and_spawn(FLAGS);
    let log = refusal(&mut server);
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(log.contains(&name) && log.contains("damaged at offset") && log.contains("braid check"), "{log}");
    let manifest = journals(&server).join("braid.manifest");
    let told = check(&[], &manifest);
    assert_eq!(told.status.code(), Some(1), "{}", String::from_utf8_lossy(&told.stdout));
    assert!(String::from_utf8_lossy(&told.stdout).contains("damaged at offset"));
    // Nobody says yes.
    assert!(!check(&["--fix"], &manifest).status.success());
    server.kill_and_spawn(FLAGS);
    refusal(&mut server);
    let mended = check(&["--fix", "--yes"], &manifest);
    assert!(mended.status.success(), "{}", String::from_utf8_lossy(&mended.stdout));
    server.kill_and_start(FLAGS);
    let left = keys(&server);
    assert!((1..20).contains(&left), "{left} keys are left");
    assert!(check(&[], &manifest).status.success(), "it is whole now");
}

#[test]
fn it_does_not_start_over_files_that_are_gone_or_changed() {
    let mut server = written();
    let path = longest(&server);
    let bytes = std::fs::read(&path).expect("the journal");
    std::fs::remove_file(&path).expect("it was there");
    server.kill_and_spawn(FLAGS);
    assert!(refusal(&mut server).contains("No such file"), "{}", server.log());
    std::fs::write(&path, bytes).expect("it is back");
    let manifest = journals(&server).join("braid.manifest");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    std::fs::write(&manifest, text.replace("shards 2", "shards 3")).expect("another");
    server.kill_and_spawn(FLAGS);
    assert!(refusal(&mut server).contains("checksum"), "{}", server.log());
    std::fs::write(&manifest, text).expect("the first one again");
    server.kill_and_start(FLAGS);
    assert_eq!(keys(&server), 20);
}

/// Marks, which bound what a power cut may take, come though the thread that makes them has nothing else to do, and whenever journals began.
#[test]
fn marks_are_made_while_the_first_thread_has_no_clients() {
    const PATIENCE: Duration = Duration::from_secs(8);
    for begins_later in [false, true] {
        let appendonly = if begins_later { "no" } else { "yes" };
        let server = Braid::start(&["--shards", "3", "--save", "", "--appendonly", appendonly]);
        let mut links: Vec<Link> = (0..4).map(|_| Link::when_loaded(server.address)).collect();
        let is_elsewhere = |link: &mut Link| {
            let Reply::Bulk(line) = link.call(&["CLIENT", "INFO"]) else { panic!("a line of text") };
            !String::from_utf8_lossy(&line).contains(" io-thread=0 ")
        };
        let elsewhere = links.iter_mut().position(is_elsewhere).expect("one on another thread");
        let mut link = links.swap_remove(elsewhere);
        if begins_later {
            link.call(&["CONFIG", "SET", "appendonly", "yes"]);
        }
        // So that the first thread sleeps by now.
        std::thread::sleep(Duration::from_secs(1));
        let lengths = || {
            let is_journal = |path: &PathBuf| path.to_string_lossy().ends_with(".incr.braid");
            let found = pieces(&server).into_iter().filter(is_journal);
            found.map(|path| path.metadata().map_or(0, |facts| facts.len())).collect::<Vec<_>>()
        };
        let (before, until) = (lengths(), Instant::now() + PATIENCE);
        let have_all_grown = || {
            let now = lengths();
            now.len() == 3 && before.len() == 3 && now.iter().zip(&before).all(|(now, before)| now > before)
        };
        // Of one shard; what the others' journals get are marks.
        while !have_all_grown() {
            assert!(Instant::now() < until, "{before:?}, then {:?}, begins later: {begins_later}", lengths());
            link.call(&["SET", "key", "value"]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn two_servers_do_not_write_to_one_directory() {
    let server = written();
    let directory = server.directory.to_string_lossy().into_owned();
    let second = Command::new(env!("CARGO_BIN_EXE_braid"))
        .args(["--port", "0", "--unixsocket", &format!("{directory}/second.sock"), "--dir", &directory])
        .args(FLAGS)
        .output()
        .expect("braid runs");
    assert_eq!(second.status.code(), Some(1));
    let told = [second.stdout, second.stderr].concat();
    assert!(
        String::from_utf8_lossy(&told).contains("Another server writes to"),
        "{}",
        String::from_utf8_lossy(&told)
    );
    let mut link = Link::when_loaded(server.address);
    assert!(link.send(&[words(&["SET", "still", "there"])]));
}

#[test]
fn what_debug_populate_made_comes_back() {
    let mut server = Braid::start(&[FLAGS, &["--enable-debug-command", "yes"]].concat());
    let mut link = Link::when_loaded(server.address);
    assert_eq!(link.call(&["SET", "key:7", "mine"]), Reply::Simple(b"OK".to_vec()));
    for populate in [&["DEBUG", "POPULATE", "1000"][..], &["DEBUG", "POPULATE", "100", "long", "300"]] {
        assert_eq!(link.call(populate), Reply::Simple(b"OK".to_vec()));
    }
    let digest = link.call(&["DEBUG", "DIGEST"]);
    for shards in ["3", "1"] {
        let flags = [&["--shards", shards][..], &FLAGS[2..], &["--enable-debug-command", "yes"]].concat();
        server.kill_and_start(&flags);
        assert_eq!(keys(&server), 1100);
        assert_eq!(Link::when_loaded(server.address).call(&["DEBUG", "DIGEST"]), digest);
    }
}

#[test]
fn half_a_script_that_the_end_cut_off_is_not_restored() {
    let mut server = Braid::start(&[FLAGS, &["--busy-reply-threshold", "50"]].concat());
    let (mut link, mut busy) = (Link::when_loaded(server.address), Link::when_loaded(server.address));
    assert_eq!(link.call(&["SET", "before", "1"]), Reply::Simple(b"OK".to_vec()));
    let script = "redis.call('SET', KEYS[1], 1) while true do end";
    busy.send(&[
        words(&["MULTI"]),
        words(&["SET", "first", "1"]),
        words(&["EVAL", script, "1", "half"]),
        words(&["EXEC"]),
    ]);
    while !matches!(link.call(&["PING"]), Reply::Error(text) if text.starts_with(b"BUSY")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    link.send(&[words(&["SHUTDOWN", "NOSAVE"])]);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    server.kill_and_start(FLAGS);
    let found = Link::when_loaded(server.address).call(&["EXISTS", "before", "first", "half"]);
    assert_eq!(found, Reply::Int(1), "none of the transaction");
}
