//! Saving: what is written is what was there when it began, other servers load it, and a disk that fails is told and forgiven.
#[path = "support/braid.rs"]
#[expect(dead_code, reason = "other tests ask more of a process")]
mod braid;
#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests send other things")]
mod client;
#[path = "support/resp.rs"]
mod resp;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "other tests begin with nothing")]
mod server;
#[path = "dump/values.rs"]
#[expect(dead_code, reason = "how values are encoded is not asked here")]
mod values;

use braid::{Braid, tell};
use client::Client;
use resp::Reply;
use server::Server;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long something may take that is done in the background.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn redis_loads_what_was_saved() {
    hand_over("redis-server", server::find_redis(), false);
}

#[test]
fn valkey_loads_what_was_saved() {
    hand_over("valkey-server", server::find_valkey(), true);
}

/// Makes values of all kinds, saves while all of them are being changed, and has the other server load the file.
fn hand_over(title: &str, binary: Option<PathBuf>, knows_timed_fields: bool) {
    let Some(binary) = binary else { return tell(&format!("SKIPPED: no {title}")) };
    for (shards, io, how) in [("1", "auto", "SAVE"), ("3", "epoll", "BGSAVE"), ("3", "auto", "BGSAVE")] {
        let braid = Braid::start(&["--shards", shards, "--io", io, "--enable-debug-command", "yes"]);
        let mut ours = Client::connect(braid.address);
        let made = make_values(&mut ours, knows_timed_fields);
        let digests: Vec<Reply> = made.iter().map(|key| digest(&mut ours, key)).collect();
        let mut pipeline: Vec<Vec<&str>> = vec![vec![how]];
        // Right behind it, and so while it is being taken.
        for key in &made {
            pipeline.push(vec!["APPEND", key, "more"]);
            pipeline.push(vec!["SADD", key, "more"]);
            pipeline.push(vec!["HSET", key, "more", "more"]);
            pipeline.push(vec!["ZADD", key, "7", "more"]);
            pipeline.push(vec!["LPUSH", key, "more"]);
            pipeline.push(vec!["XADD", key, "*", "more", "more"]);
            pipeline.push(vec!["RENAME", key, "gone"]);
        }
        pipeline.push(vec!["FLUSHALL"]);
        let commands: Vec<&[&str]> = pipeline.iter().map(Vec::as_slice).collect();
        let replies = ours.pipeline(&commands);
        assert!(!matches!(replies[0], Reply::Error(_)), "{how}: {:?}", replies[0]);
        wait_until(&mut ours, "rdb_saves:1");
        let file = std::fs::read(braid.directory.join("dump.rdb")).expect("the file");
        let theirs = Server::start_with(&binary, title, server::REFERENCE_FLAGS, |directory| {
            std::fs::write(directory.join("dump.rdb"), &file).expect("a copy");
        });
        let mut theirs = Client::connect(theirs.address);
        assert_eq!(theirs.call(&["DBSIZE"]), Reply::Int(made.len() as i64), "{how}");
        for (key, digest_before) in made.iter().zip(&digests) {
            // Valkey's digest has a score in as few digits as will do, Redis's in seventeen.
            if !(knows_timed_fields && key.starts_with("zset")) {
                assert_eq!(digest(&mut theirs, key), *digest_before, "{how} on {shards} shards: {key}");
            }
        }
    }
}

/// Makes all values there are, each under a key of its own; their keys.
fn make_values(client: &mut Client, knows_timed_fields: bool) -> Vec<String> {
    let mut made = Vec::new();
    let is_known = |value: &values::Value| knows_timed_fields || !value.has_timed_fields;
    for value in values::all().into_iter().filter(is_known) {
        for command in &value.commands {
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            let reply = client.call(&command);
            assert!(!matches!(reply, Reply::Error(_)), "{}: {reply:?}", command[..2].join(" "));
        }
        let name = if value.has_timed_fields { TIMED } else { value.name };
        let key = format!("{name}:{}", made.len());
        assert!(client.call(&["RENAME", value.name, &key]).is_ok());
        if made.len().is_multiple_of(3) {
            client.call(&["PEXPIREAT", &key, "4102444800000"]);
        }
        made.push(key);
    }
    made
}

/// What a value is. Of fields Valkey's digest does not tell that they expire: their times stand for these.
fn digest(client: &mut Client, key: &str) -> Reply {
    if key.starts_with(TIMED) {
        return client.call(&["HPEXPIRETIME", key, "FIELDS", "5", "a", "b", "c", "field:7", "field:1999"]);
    }
    client.call(&["DEBUG", "DIGEST-VALUE", key])
}

/// How the keys of hashes with fields that expire begin.
const TIMED: &str = "timed";

/// Waits until INFO persistence has a line.
fn wait_until(client: &mut Client, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Reply::Bulk(text) = client.call(&["INFO", "persistence"]) else { panic!("no text") };
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "{line} never came:\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_there(path: &Path) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !path.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    path.exists()
}

#[test]
fn a_save_point_saves_and_counts_anew() {
    for shards in ["1", "3"] {
        let braid = Braid::start(&["--shards", shards, "--save", "1 2"]);
        let mut client = Client::connect(braid.address);
        assert!(client.call(&["MSET", "a", "1", "b", "2", "c", "3"]).is_ok());
        assert!(is_there(&braid.directory.join("dump.rdb")), "{}", braid.log());
        wait_until(&mut client, "rdb_changes_since_last_save:0");
        assert!(braid.log().contains("2 changes in 1 seconds. Saving..."), "{}", braid.log());
        assert!(client.call(&["SET", "a", "4"]).is_ok());
        wait_until(&mut client, "rdb_changes_since_last_save:1");
    }
}

#[test]
fn the_end_saves_where_that_is_configured() {
    for (flags, words, is_saved) in [
        (["--save", "3600 1"], &["SHUTDOWN"][..], true),
        (["--save", "3600 1"], &["SHUTDOWN", "NOSAVE"], false),
        (["--save", ""], &["SHUTDOWN"], false),
        (["--save", ""], &["SHUTDOWN", "SAVE"], true),
        (["--save", "3600 1"], &[], true),
        (["--save", ""], &[], false),
    ] {
        let mut braid = Braid::start(&[&["--shards", "3"][..], &flags].concat());
        let mut client = Client::connect(braid.address);
        assert!(client.call(&["MSET", "a", "1", "b", "2", "c", "3"]).is_ok());
        if words.is_empty() {
            braid.signal("TERM");
        } else {
            client.send(&[words]);
        }
        assert_eq!(braid.wait().code(), Some(0), "{}", braid.log());
        assert_eq!(braid.directory.join("dump.rdb").exists(), is_saved, "{flags:?} {words:?}");
        let names = std::fs::read_dir(&braid.directory).expect("a directory");
        let mut names = names.map(|name| name.expect("a name").file_name());
        assert!(!names.any(|name| name.to_string_lossy().starts_with("temp-")), "nothing half written stays");
    }
}

#[test]
fn a_directory_that_is_gone_stops_writes_until_it_is_back() {
    let flags = ["--shards", "2", "--save", "3600 1000000", "--enable-protected-configs", "yes"];
    let mut braid = Braid::start(&flags);
    let mut client = Client::connect(braid.address);
    assert!(client.call(&["SET", "a", "1"]).is_ok());
    std::fs::remove_dir_all(&braid.directory).expect("the directory");
    client.call(&["BGSAVE"]);
    wait_until(&mut client, "rdb_last_bgsave_status:err");
    for refused in [&["SET", "a", "2"][..], &["PING"], &["DEL", "a"]] {
        let Reply::Error(text) = client.call(refused) else { panic!("{refused:?} is carried out") };
        assert!(text.starts_with(b"MISCONF Redis is configured to save RDB snapshots"), "{refused:?}");
    }
    assert_eq!(client.call(&["GET", "a"]), Reply::Bulk(b"1".to_vec()));
    // It does not end without its data having been saved, unless it is told to.
    let Reply::Error(text) = client.call(&["SHUTDOWN"]) else { panic!("it ends") };
    assert_eq!(text, b"ERR Errors trying to SHUTDOWN. Check logs.");
    std::fs::create_dir_all(&braid.directory).expect("a directory");
    let directory = braid.directory.to_str().expect("a plain path").to_owned();
    assert!(client.call(&["CONFIG", "SET", "dir", &directory]).is_ok());
    client.call(&["BGSAVE"]);
    wait_until(&mut client, "rdb_last_bgsave_status:ok");
    assert!(client.call(&["SET", "a", "2"]).is_ok());
    assert!(client.call(&["SAVE"]).is_ok());
    client.send(&[&["SHUTDOWN", "NOSAVE"]]);
    assert_eq!(braid.wait().code(), Some(0));
}

#[test]
fn scripts_and_transactions_do_not_write_what_cannot_be_saved() {
    let script = "#!lua\nreturn 1";
    let library = "#!lua name=l\nredis.register_function('writes', function() return 1 end)\n\
        redis.register_function{function_name='reads', callback=function() return 1 end, flags={'no-writes'}}";
    let flags = ["--shards", "2", "--save", "3600 1000000"];
    let braid = Braid::start(&flags);
    let mut client = Client::connect(braid.address);
    assert!(client.call(&["SET", "a", "1"]).is_ok());
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]), Reply::Bulk(b"l".to_vec()));
    let mut transactions = [Client::connect(braid.address), Client::connect(braid.address)];
    for (transaction, command) in
        transactions.iter_mut().zip([&["SET", "a", "2"][..], &["EVAL", script, "0"]])
    {
        assert!(transaction.call(&["MULTI"]).is_ok());
        assert_eq!(transaction.call(command), Reply::Simple(b"QUEUED".to_vec()));
    }
    std::fs::remove_dir_all(&braid.directory).expect("the directory");
    client.call(&["BGSAVE"]);
    wait_until(&mut client, "rdb_last_bgsave_status:err");
    let refuse = |client: &mut Client, command: &[&str], before: &str, after: &str| {
        let Reply::Error(text) = client.call(command) else { panic!("{command:?} is carried out") };
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(
            text.starts_with(&format!("{before}MISCONF Redis is configured to save")),
            "{command:?}: {text}"
        );
        assert!(text.ends_with(after), "{command:?}: {text}");
    };
    for transaction in &mut transactions {
        refuse(transaction, &["EXEC"], "EXECABORT Transaction discarded because of: ", "the RDB error.");
    }
    let writes = "return redis.call('SET', KEYS[1], 2)";
    refuse(&mut client, &["EVAL", writes, "1", "a"], "", "on @user_script:1.");
    for command in [
        &["EVAL", script, "0"][..],
        &["EVAL_RO", script, "0"],
        &["EVAL", "return redis.pcall('SET', KEYS[1], 2)", "1", "a"],
        &["FCALL", "writes", "0"],
        &["FCALL_RO", "writes", "0"],
        &["FUNCTION", "FLUSH"],
    ] {
        refuse(&mut client, command, "", "the RDB error.");
        if command[1] != "return redis.pcall('SET', KEYS[1], 2)" {
            assert!(client.call(&["MULTI"]).is_ok());
            refuse(&mut client, command, "", "the RDB error.");
            let aborted =
                Reply::Error(b"EXECABORT Transaction discarded because of previous errors.".to_vec());
            assert_eq!(client.call(&["EXEC"]), aborted, "{command:?}");
        }
    }
    for command in [
        &["EVAL", "return redis.call('STRLEN', KEYS[1])", "1", "a"][..],
        &["EVAL", "#!lua flags=no-writes\nreturn 1", "0"],
        &["FCALL", "reads", "0"],
        &["FCALL_RO", "reads", "0"],
        &["PUBLISH", "a", "b"],
    ] {
        assert!(matches!(client.call(command), Reply::Int(_)), "{command:?}");
    }
    assert_eq!(client.call(&["GET", "a"]), Reply::Bulk(b"1".to_vec()));
}

#[test]
fn to_remove_all_keys_is_to_save_that_there_are_none() {
    const FLUSHES: &[(&[&[&str]], &str)] = &[
        (&[&["FLUSHALL"]], "0"),
        (&[&["MULTI"], &["SET", "a", "2"], &["FLUSHALL"], &["SET", "c", "4"], &["EXEC"]], "1"),
        (&[&["EVAL", "redis.call('FLUSHALL') return redis.call('SET', 'b', 3)", "0"]], "1"),
    ];
    for shards in ["1", "2"] {
        let flags = ["--shards", shards, "--save", "3600 1000000"];
        let mut braid = Braid::start(&flags);
        for (commands, changes) in FLUSHES {
            let mut client = Client::connect(braid.address);
            assert!(client.call(&["MSET", "a", "1", "b", "2", "c", "3"]).is_ok());
            assert!(client.call(&["SAVE"]).is_ok());
            for command in *commands {
                assert!(!matches!(client.call(command), Reply::Error(_)), "{command:?}");
            }
            wait_until(&mut client, &format!("rdb_changes_since_last_save:{changes}"));
            braid.kill_and_start(&flags);
            let mut client = Client::connect(braid.address);
            wait_until(&mut client, "loading:0");
            assert_eq!(client.call(&["DBSIZE"]), Reply::Int(0), "{shards} {commands:?}");
        }
    }
}

#[test]
fn to_remove_all_keys_ends_a_save_of_them() {
    let flags = ["--shards", "2", "--save", "3600 1000000", "--enable-debug-command", "yes"];
    let mut braid = Braid::start(&flags);
    let mut client = Client::connect(braid.address);
    assert!(client.call(&["DEBUG", "POPULATE", "200000"]).is_ok());
    client.send(&[&["BGSAVE"], &["FLUSHALL"]]);
    assert_eq!(client.receive(), Reply::Simple(b"Background saving started".to_vec()));
    assert!(client.receive().is_ok());
    wait_until(&mut client, "rdb_bgsave_in_progress:0");
    braid.kill_and_start(&flags);
    let mut client = Client::connect(braid.address);
    wait_until(&mut client, "loading:0");
    assert_eq!(client.call(&["DBSIZE"]), Reply::Int(0));
}
