//! What is handed over arrives, in its order, on any number of shards.
use super::*;
use crate::config::Config;
use shards::call::Call;
use shards::keyspace::Hashed;

const NOW_MS: i64 = 1_700_000_000_000;

fn appliers(count: usize, duplicates: Duplicates) -> Appliers {
    let shared = Arc::new(Shared::new(Config::default(), count, 0, String::new()).expect("a server"));
    let shards = (0..count).map(|index| Box::new(Shard::new(index, count, 16, 1))).collect();
    Appliers::start(shards, &shared, Plan { at_ms: NOW_MS, duplicates }).expect("threads")
}

fn head(key: &[u8]) -> Head<'_> {
    Head { db: 0, key, kind: 0, version: 10, expires_at_ms: None, used: Used::Untold }
}

fn run(appliers: &mut Appliers, lines: &[&str]) {
    for line in lines {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        appliers.command(0, &args).expect(line);
    }
}

/// The reply of a command on what was loaded.
fn ask(shards: &mut [Box<Shard>], line: &str) -> String {
    let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let (settings, mut reply, mut effects) = (Settings::default(), Reply::default(), Effects::default());
    let entry = crate::table::table().find(args[0]).expect("a command");
    let crate::table::Handler::Engine(command) = entry.handler else { panic!("one of the engine's") };
    let mut cx = Call::new(shards, &settings, 0, NOW_MS, &mut reply, &mut effects);
    shards::commands::execute(&mut cx, command, &args);
    String::from_utf8_lossy(&reply.bytes).trim_end().replace("\r\n", " ")
}

#[test]
fn values_and_commands_come_in_their_order() {
    for count in [1, 2, 3] {
        let mut appliers = appliers(count, Duplicates::Refuse);
        for number in 0..5_000 {
            appliers.value(&head(format!("key:{number}").as_bytes()), b"\x02v1", Piece::Whole).unwrap();
        }
        run(&mut appliers, &["APPEND key:77 tail", "INCR n", "INCR n", "MSET a 1 b 2 c 3 n 9", "INCR n"]);
        run(&mut appliers, &["RENAME a d", "DEL b c key:1 key:2", "SADD s1 x y", "SADD s2 y z"]);
        run(&mut appliers, &["SINTERSTORE s3 s1 s2", "EVAL return(redis.call('set','made','by')) 0"]);
        run(&mut appliers, &["PUBLISH channel nobody-listens", "SCRIPT LOAD return(1)"]);
        let (mut shards, outcome) = appliers.finish();
        assert_eq!(outcome, Ok(()), "{count} shards");
        for (line, answer) in [
            ("GET key:77", "$6 v1tail"),
            ("GET n", "$2 10"),
            ("GET d", "$1 1"),
            ("EXISTS a b c key:1 key:2 key:3", ":1"),
            ("SMEMBERS s3", "*1 $1 y"),
            ("GET made", "$2 by"),
        ] {
            assert_eq!(ask(&mut shards, line), answer, "{line} on {count} shards");
        }
        assert_eq!(shards.iter().map(|shard| shard.len()).sum::<usize>(), 4_998 + 6);
    }
}

#[test]
fn a_flush_is_in_order_on_every_shard() {
    let mut appliers = appliers(3, Duplicates::Refuse);
    run(&mut appliers, &["MSET a 1 b 2 c 3 d 4", "FLUSHALL", "SET e 5", "SWAPDB 0 1", "SET f 6"]);
    let (mut shards, outcome) = appliers.finish();
    assert_eq!(outcome, Ok(()));
    assert_eq!(ask(&mut shards, "EXISTS a b c d e f"), ":1");
    assert_eq!(shards.iter().map(|shard| shard.dbs[1].table.len()).sum::<usize>(), 1);
}

/// A journal tells what was done to keys while they were there: that their time has come since is no reason to miss them.
#[test]
fn nothing_expires_while_it_is_loaded() {
    let mut appliers = appliers(2, Duplicates::Refuse);
    run(&mut appliers, &["SET k 5 PXAT 1000", "INCR k", "SADD s m", "PEXPIREAT s 1000", "SADD s n"]);
    run(&mut appliers, &["XADD x 1-1 f v", "XGROUP CREATE x g 0", "PEXPIREAT x 1000"]);
    run(&mut appliers, &["XCLAIM x g alice 0 1-1 TIME 1600000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1"]);
    let (mut shards, outcome) = appliers.finish();
    assert_eq!(outcome, Ok(()));
    let volatile: usize = shards.iter().map(|shard| shard.dbs[0].table.volatile_len()).sum();
    assert_eq!(volatile, 3);
    let text = |shards: &[Box<Shard>], key: &[u8]| {
        let key = Hashed::new(key);
        let owner = shards.iter().find(|shard| shard.slots.contains(&key.slot)).expect("an owner");
        let entry = owner.dbs[0].table.get(key).expect("it is there");
        (entry.string().bytes(&mut [0; 20]).to_vec(), entry.expires_at_ms())
    };
    assert_eq!(text(&shards, b"k"), (b"6".to_vec(), Some(1000)));
    assert_eq!(ask(&mut shards, "PERSIST k"), ":0", "now it is gone");
}

#[test]
fn collections_come_in_pieces() {
    let mut appliers = appliers(1, Duplicates::Refuse);
    let list = Head { kind: 1, ..head(b"list") };
    appliers.value(&list, b"\x04\x01a\x01b", Piece::First).unwrap();
    appliers.value(&list, b"\x01c", Piece::Middle).unwrap();
    appliers.value(&list, b"\x01d", Piece::Last).unwrap();
    let empty = Head { kind: 1, ..head(b"empty") };
    appliers.value(&empty, b"\x00", Piece::First).unwrap();
    appliers.value(&empty, b"", Piece::Last).unwrap();
    let (mut shards, outcome) = appliers.finish();
    assert_eq!(outcome, Ok(()));
    assert_eq!(ask(&mut shards, "LRANGE list 0 -1"), "*4 $1 a $1 b $1 c $1 d");
    assert_eq!(shards[0].len(), 1);
}

#[test]
fn troubles_tell_where() {
    let mut one = appliers(2, Duplicates::Refuse);
    one.mark(7);
    let trouble = one.command(0, &[b"NOSUCH"]).unwrap_err();
    assert_eq!(trouble, Trouble::new("Unknown command 'NOSUCH'").at(7));
    assert_eq!(one.command(16, &[b"SET", b"k", b"v"]).unwrap_err().at, Some(7));
    assert!(one.command(0, &[b"GET"]).unwrap_err().what.contains("wrong number of arguments"));
    assert!(
        one.command(0, &[b"CONFIG", b"GET", b"x"]).unwrap_err().what.contains("no command that a dataset")
    );
    one.mark(9);
    one.value(&Head { kind: 2, ..head(b"k") }, b"\x02\x01a\x01a", Piece::Whole).unwrap();
    let trouble = one.settle().unwrap_err();
    assert_eq!((trouble.at, trouble.what.as_str()), (Some(9), "key 'k' is broken: a member twice"));
    let (shards, outcome) = one.finish();
    assert_eq!((shards.len(), outcome.is_err()), (2, true));
    for (duplicates, is_fine) in [(Duplicates::Refuse, false), (Duplicates::Replace, true)] {
        let mut two = appliers(1, duplicates);
        two.value(&head(b"k"), b"\x01a", Piece::Whole).unwrap();
        two.value(&head(b"k"), b"\x01b", Piece::Whole).unwrap();
        assert_eq!(two.finish().1.is_ok(), is_fine);
    }
}
