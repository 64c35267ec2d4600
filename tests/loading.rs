//! Datasets that Redis and Valkey have written, loaded: all of it, on any number of shards, or a clear word why not.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "other tests look closer at replies")]
mod client;
#[path = "loading/process.rs"]
mod process;
#[path = "support/resp.rs"]
mod resp;
#[path = "support/server.rs"]
#[expect(dead_code, reason = "golden tests start servers by it")]
mod server;
#[path = "loading/values.rs"]
mod values;

use client::Client;
use process::{Directory, Process, braid, check, dataset, refuse};
use resp::Reply;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The servers whose files are read: each with whether it knows fields that expire.
fn references() -> Vec<(&'static str, PathBuf, bool)> {
    let found = [("redis", server::find_redis(), false), ("valkey", server::find_valkey(), true)];
    let there = |(name, path, knows): (_, Option<_>, _)| match path {
        Some(path) => Some((name, path, knows)),
        None => {
            // Where they are not installed there is nothing to compare with; a run of all tests has them.
            let _unheard = writeln!(std::io::stderr(), "SKIPPED: no {name} to write files");
            None
        }
    };
    found.into_iter().filter_map(there).collect()
}

fn ok(client: &mut Client, command: &[&str]) {
    let reply = client.call(command);
    assert!(matches!(reply, Reply::Simple(_)), "{command:?}: {reply:?}");
}

/// Braid with what is in a directory, on so many shards, has this dataset.
fn assert_loads(directory: &Directory, flags: &[&str], expected: &[String]) {
    for shards in ["1", "3"] {
        let copy = directory.copy(&format!("{}-{shards}", flags.len()));
        let braid = Process::start(&braid(), &copy, &[flags, &["--shards", shards]].concat());
        let loaded = dataset(&mut braid.client());
        assert_same(&loaded, expected);
    }
}

/// Two datasets are the same.
fn assert_same(one: &[String], other: &[String]) {
    for (ours, theirs) in one.iter().zip(other) {
        assert!(ours == theirs, "{ours:.300} is not {theirs:.300}");
    }
    assert_eq!(one.len(), other.len());
}

#[test]
fn rdb_files_are_loaded() {
    for (name, binary, expires_fields) in references() {
        let directory = Directory::new(&format!("rdb-{name}"));
        let reference = Process::start(&binary, &directory, &[]);
        let mut client = reference.client();
        values::fill(&mut client, expires_fields);
        values::change(&mut client);
        ok(&mut client, &["SAVE"]);
        let expected = dataset(&mut client);
        assert!(expected.len() > 80);
        assert_loads(&directory, &[], &expected);
        // With `appendonly` and no append-only file nobody's data is left behind.
        assert_loads(&directory, &["--appendonly", "yes"], &expected);
        let (said, is_fine) = check(&[directory.file("dump.rdb").to_str().expect("a path")]);
        // Who saves writes keys, too, whose time has come since.
        let counted = said.split("keys (").count() == 2 && said.contains(" in 3 databases, ");
        assert!(is_fine && counted && said.contains("dump.rdb: OK"), "{said}");
    }
}

#[test]
fn append_only_files_are_loaded() {
    for (name, binary, expires_fields) in references() {
        let directory = Directory::new(&format!("aof-{name}"));
        let reference = Process::start(&binary, &directory, &["--appendonly", "yes"]);
        let mut client = reference.client();
        values::fill(&mut client, expires_fields);
        values::change(&mut client);
        let expected = dataset(&mut client);
        assert_loads(&directory, &["--appendonly", "yes"], &expected);
        ok(&mut client, &["FLUSHALL"]);
        values::fill(&mut client, expires_fields);
        ok(&mut client, &["BGREWRITEAOF"]);
        let deadline = Instant::now() + Duration::from_secs(30);
        let says = |client: &mut Client, what: &str| {
            let Reply::Bulk(text) = client.call(&["INFO", "persistence"]) else { panic!("a text") };
            String::from_utf8_lossy(&text).contains(what)
        };
        while !says(&mut client, "aof_rewrite_in_progress:0") || !says(&mut client, "aof_rewrite_scheduled:0")
        {
            assert!(Instant::now() < deadline, "it rewrites for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
        values::change(&mut client);
        let expected = dataset(&mut client);
        drop(reference);
        assert_loads(&directory, &["--appendonly", "yes"], &expected);
        let manifest = directory.file("appendonlydir/appendonly.aof.manifest");
        let (said, is_fine) = check(&[manifest.to_str().expect("a path")]);
        assert!(is_fine && said.contains("names 2 files"), "{said}");
        // All in one file, as it was before version 7: an RDB file with a log behind it.
        let one = Directory::new(&format!("one-{name}"));
        let mut all = Vec::new();
        for kind in ["base.rdb", "incr.aof"] {
            all.extend(
                std::fs::read(directory.file(&format!("appendonlydir/appendonly.aof.2.{kind}"))).expect(kind),
            );
        }
        std::fs::write(one.file("appendonly.aof"), all).expect("a file");
        assert_loads(&one, &["--appendonly", "yes"], &expected);
    }
}

fn resp(commands: &[&[&str]]) -> Vec<u8> {
    client::request(commands)
}

#[test]
fn a_torn_tail_is_cut_off_or_refused() {
    let whole = resp(&[&["SET", "a", "1"], &["SET", "b", "2"]]);
    for tail in [resp(&[&["SET", "c", "3"]])[..20].to_vec(), resp(&[&["MULTI"], &["SET", "c", "3"]])] {
        let directory = Directory::new("torn");
        let file = directory.file("appendonly.aof");
        std::fs::write(&file, [&whole[..], &tail].concat()).expect("a file");
        let path = file.to_str().expect("a path");
        let flags = ["--appendonly", "yes", "--aof-load-truncated", "no"];
        let refused = refuse(&directory, &flags);
        let said = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1));
        let at = format!("it is whole up to offset {}", whole.len());
        assert!(
            said.contains("Unexpected end of file")
                && said.contains(&at)
                && said.contains("braid check --fix")
        );
        let (said, is_fine) = check(&[path]);
        assert!(!is_fine && said.contains(&at), "{said}");
        assert_eq!(std::fs::metadata(&file).expect("it is there").len() as usize, whole.len() + tail.len());
        let copy = directory.copy("torn-fixed");
        let (said, is_fine) =
            check(&["--fix", "--yes", copy.file("appendonly.aof").to_str().expect("a path")]);
        assert!(is_fine && said.contains("cut off, and OK now"), "{said}");
        assert_eq!(std::fs::read(copy.file("appendonly.aof")).expect("it is there"), whole);
        let braid = Process::start(&braid(), &directory, &["--appendonly", "yes"]);
        assert_eq!(braid.client().call(&["DBSIZE"]), Reply::Int(2));
        assert_eq!(std::fs::read(&file).expect("it is there"), whole);
    }
}

#[test]
fn broken_files_are_refused_and_left_as_they_are() {
    let log = [resp(&[&["SET", "a", "1"]]), b"nonsense\r\n".to_vec()].concat();
    let unknown = resp(&[&["SET", "a", "1"], &["NOSUCH", "a"]]);
    // A string, and a list that says it has nine elements.
    let rdb = b"REDIS0010\xfe\x00\x00\x01a\x011\x01\x01b\x09\x01x\xff\0\0\0\0\0\0\0\0";
    let sum = b"REDIS0010\xfe\x00\x00\x01a\x011\xff\x01\x02\x03\x04\x05\x06\x07\x08";
    for (name, bytes, flags, what) in [
        ("appendonly.aof", &log[..], "yes", "expected '*', got 'n' at offset 27"),
        ("appendonly.aof", &unknown, "yes", "Unknown command 'NOSUCH' at offset 27"),
        ("dump.rdb", rdb, "no", "broken data: a string of no known encoding at offset 16"),
        ("dump.rdb", sum, "no", "Wrong RDB checksum expected: (807060504030201)"),
        ("dump.rdb", b"no RDB at all", "no", "Wrong signature trying to load DB from file at offset 0"),
        ("dump.rdb", b"REDIS0099\xff", "no", "Can't handle RDB format version 99"),
    ] {
        let directory = Directory::new("broken");
        std::fs::write(directory.file(name), bytes).expect("a file");
        let refused = refuse(&directory, &["--appendonly", flags]);
        let said = String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains(what) && said.contains("braid check") && !said.contains("Ready to accept"),
            "{said}"
        );
        assert_eq!(std::fs::read(directory.file(name)).expect("it is there"), bytes);
        let (said, is_fine) = check(&[directory.file(name).to_str().expect("a path")]);
        assert!(!is_fine && said.contains("at offset"), "{said}");
    }
}

#[test]
fn a_manifest_that_names_what_is_not_there_is_refused() {
    let directory = Directory::new("manifest");
    std::fs::create_dir(directory.file("appendonlydir")).expect("a directory");
    let manifest = directory.file("appendonlydir/appendonly.aof.manifest");
    std::fs::write(&manifest, "file appendonly.aof.1.base.rdb seq 1 type b\n").expect("a file");
    let refused = refuse(&directory, &["--appendonly", "yes"]);
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(refused.status.code() == Some(1) && said.contains("appendonly.aof.1.base.rdb"), "{said}");
}

/// The file is a pipe, so that the loading takes as long as the test wants.
#[test]
fn clients_wait_while_it_is_loaded() {
    for shards in ["1", "3"] {
        let directory = Directory::new("pipe");
        let pipe = directory.file("dump.rdb");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let braid = Process::start(&braid(), &directory, &["--shards", shards]);
        let mut client = Client::connect(braid.address);
        let loading = Reply::Error(b"LOADING Redis is loading the dataset in memory".to_vec());
        for command in [&["GET", "a"][..], &["SET", "a", "2"], &["PING"], &["DBSIZE"], &["SAVE"]] {
            assert_eq!(client.call(command), loading, "{command:?}");
        }
        let persistence = |client: &mut Client| {
            let Reply::Bulk(text) = client.call(&["INFO", "persistence"]) else { panic!("a text") };
            String::from_utf8(text).expect("a text")
        };
        let text = persistence(&mut client);
        for line in ["loading:1", "async_loading:0", "loading_start_time:", "loading_loaded_perc:0.00"] {
            assert!(text.contains(line), "{line} in {text}");
        }
        // What may be sent meanwhile is done when all is there.
        client.send(&[&["WATCH", "a"], &["UNWATCH"]]);
        write_slowly(&pipe);
        assert!(client.receive().is_ok() && client.receive().is_ok());
        let mut client = braid.client();
        assert_eq!(client.call(&["GET", "a"]), Reply::Bulk(b"1".to_vec()));
        assert_eq!(client.call(&["MGET", "a", "b", "c"]).items().len(), 3);
        assert!(persistence(&mut client).contains("rdb_last_load_keys_loaded:2"));
    }
}

fn write_slowly(pipe: &Path) {
    let bytes = b"REDIS0010\xfe\x00\xfb\x02\x00\x00\x01a\x011\x00\x01b\x012\xff\0\0\0\0\0\0\0\0";
    let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).expect("somebody reads");
    for piece in bytes.chunks(5) {
        pipe.write_all(piece).expect("somebody reads");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_dataset_is_reloaded_whole() {
    for shards in ["1", "3"] {
        let directory = Directory::new("reload");
        let braid = Process::start(&braid(), &directory, &["--shards", shards]);
        let mut client = braid.client();
        values::fill(&mut client, true);
        values::change(&mut client);
        let expected = dataset(&mut client);
        ok(&mut client, &["DEBUG", "RELOAD"]);
        assert_same(&dataset(&mut client), &expected);
        ok(&mut client, &["SELECT", "0"]);
        ok(&mut client, &["SET", "short", "changed"]);
        let refused = Reply::Error(b"ERR Error trying to load the RDB dump, check server logs.".to_vec());
        assert_eq!(client.call(&["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"]), refused);
        ok(&mut client, &["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE"]);
        assert_same(&dataset(&mut client), &expected);
        ok(&mut client, &["FLUSHALL"]);
        ok(&mut client, &["DEBUG", "RELOAD", "NOSAVE"]);
        assert_same(&dataset(&mut client), &expected);
        let Reply::Error(text) = client.call(&["DEBUG", "RELOAD", "TWICE"]) else { panic!("an error") };
        assert!(text.starts_with(b"ERR DEBUG RELOAD only supports"));
    }
}

#[test]
fn what_braid_saves_redis_loads() {
    for (name, binary, expires_fields) in references() {
        let directory = Directory::new(&format!("back-{name}"));
        let braid = Process::start(&braid(), &directory, &["--shards", "2"]);
        let mut client = braid.client();
        values::fill(&mut client, expires_fields);
        values::change(&mut client);
        ok(&mut client, &["SAVE"]);
        let expected = dataset(&mut client);
        let reference = Process::start(&binary, &directory, &[]);
        assert_same(&dataset(&mut reference.client()), &expected);
    }
}
