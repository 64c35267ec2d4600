//! Tests of the commands on keys, over one shard and over several.
use super::{Command, FAMILIES, debug, execute, memory, resolve};
use crate::call::Call;
use crate::effects::{Class, Effects, Listen};
use crate::expiry::{self, Progress};
use crate::keyspace::walk::slot_of_cursor;
use crate::reply::{Reply, Resp};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::slot::{shard_of_slot, slot_of};
use crate::watch::Watch;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Shards all in one hand, as a gathered unit has them.
struct World {
    #[expect(clippy::vec_box, reason = "a call takes shards as their owners hold them, boxed")]
    shards: Vec<Box<Shard>>,
    settings: Settings,
    db: u16,
    now_ms: i64,
    resp: Resp,
    /// What the last command recorded, and the events it told.
    records: Vec<String>,
    events: Vec<String>,
    dirty: u64,
}

impl World {
    fn new(count: usize) -> World {
        World {
            shards: (0..count).map(|index| Box::new(Shard::new(index, count, 16, 7))).collect(),
            settings: Settings::default(),
            db: 0,
            now_ms: 1_700_000_000_000,
            resp: Resp::V2,
            records: Vec::new(),
            events: Vec::new(),
            dirty: 0,
        }
    }

    /// Runs something with a context over the shards from `first` to `last`.
    fn with<T>(
        &mut self,
        shards: std::ops::Range<usize>,
        run: impl FnOnce(&mut Call<'_>) -> T,
    ) -> (T, String) {
        let every = Class(!Class::MISS.0);
        let mut effects = Effects::new(Listen { records: true, events: every });
        let mut reply = Reply::new(self.resp);
        let shards = &mut self.shards[shards];
        let mut cx = Call::new(shards, &self.settings, self.db, self.now_ms, &mut reply, &mut effects);
        let result = run(&mut cx);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.records = effects
            .records()
            .map(|record| {
                let args: Vec<_> = record.args().map(text).collect();
                format!("{}: {}", record.db, args.join(" "))
            })
            .collect();
        self.events = effects
            .events()
            .iter()
            .map(|event| format!("{} {}@{}", event.name, text(&event.key), event.db))
            .collect();
        self.dirty = effects.dirty;
        (result, text(&reply.bytes).trim_end().replace("\r\n", " "))
    }

    fn run_on(&mut self, shards: std::ops::Range<usize>, line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.with(shards, |cx| match resolve(command(&args), &args) {
            Ok(command) => execute(cx, command, &args),
            Err(fault) => cx.reply.error(&fault.0),
        })
        .1
    }

    /// Runs a command over all shards; the reply, line ends as blanks.
    fn run(&mut self, line: &str) -> String {
        let all = 0..self.shards.len();
        self.run_on(all, line)
    }

    #[track_caller]
    fn check(&mut self, line: &str, reply: &str) {
        assert_eq!(self.run(line), reply, "{line}");
    }

    /// A whole SCAN, each call on the one shard that its cursor names; how many calls it took.
    fn scan(&mut self, options: &str) -> (Vec<String>, usize) {
        let (mut cursor, mut keys, mut calls) = (String::from("0"), Vec::new(), 0);
        loop {
            calls += 1;
            let slot = slot_of_cursor(super::scan::parse_cursor(cursor.as_bytes()).unwrap()).unwrap();
            let shard = shard_of_slot(slot, self.shards.len());
            let reply = self.run_on(shard..shard + 1, &format!("SCAN {cursor}{options}"));
            let words: Vec<&str> = reply.split(' ').collect();
            keys.extend(words[4..].iter().skip(1).step_by(2).map(|key| (*key).to_owned()));
            cursor = words[2].to_owned();
            if cursor == "0" {
                return (keys, calls);
            }
        }
    }

    fn watch(&mut self, key: &str) -> Arc<Watch> {
        let watch = Arc::new(Watch::default());
        let shard = shard_of_slot(slot_of(key.as_bytes()), self.shards.len());
        self.shards[shard].dbs[usize::from(self.db)].watches.add(key.as_bytes(), &watch);
        watch
    }
}

fn command(args: &[&[u8]]) -> &'static Command {
    match [args[0], args.get(1).unwrap_or(&&b""[..])] {
        [b"MEMORY", _] => &memory::USAGE,
        [b"DEBUG", b"OBJECT"] => &debug::OBJECT,
        [b"DEBUG", b"DIGEST"] => &debug::DIGEST,
        [b"DEBUG", b"DIGEST-VALUE"] => &debug::DIGEST_VALUE,
        [name, _] => FAMILIES
            .iter()
            .flat_map(|family| family.iter())
            .find(|command| name.eq_ignore_ascii_case(command.spec.name.as_bytes()))
            .expect("a command of the engine"),
    }
}

fn worlds() -> impl Iterator<Item = World> {
    [1, 3, 5].into_iter().map(World::new)
}

#[test]
fn keys_are_counted_and_deleted() {
    for mut world in worlds() {
        world.check("SET a 1", "+OK");
        world.check("SET b 2", "+OK");
        world.check("EXISTS a b a nope", ":3");
        world.check("TOUCH a b nope", ":2");
        world.check("TYPE a", "+string");
        world.check("TYPE nope", "+none");
        world.check("DBSIZE", ":2");
        world.check("DEL a nope a", ":1");
        assert_eq!(
            (&*world.records, &*world.events),
            (&["0: DEL a nope a".into()][..], &["del a@0".into()][..])
        );
        world.check("UNLINK b b", ":1");
        world.check("DEL b", ":0");
        assert!(world.records.is_empty() && world.dirty == 0);
        world.check("DBSIZE", ":0");
    }
}

#[test]
fn a_key_whose_time_came_is_gone_and_recorded_beside_the_command() {
    let mut world = World::new(3);
    for line in ["SET a 1", "PEXPIRE a 10", "SET b 2"] {
        world.run(line);
    }
    world.now_ms += 11;
    world.check("TTL a", ":-2");
    assert_eq!(world.records, ["0: DEL a"]);
    assert_eq!(world.events, ["expired a@0"]);
    world.run("SET a 1");
    world.run("PEXPIRE a 10");
    world.now_ms += 11;
    // The rename stands in the journal although a removal was recorded while it ran.
    world.check("RENAME b a", "+OK");
    assert_eq!(world.records, ["0: DEL a", "0: RENAME b a"]);
}

#[test]
fn hits_and_misses_are_counted() {
    let mut world = World::new(1);
    world.run("SET a 1");
    for line in
        ["EXISTS a nope", "TYPE a", "TTL nope", "OBJECT ENCODING nope", "TOUCH a", "COPY a b", "DEL a nope"]
    {
        world.run(line);
    }
    let counts = world.shards[0].counts;
    assert_eq!((counts.keyspace_hits, counts.keyspace_misses), (4, 3));
}

#[test]
fn keys_are_renamed() {
    for mut world in worlds() {
        world.check("RENAME a b", "-ERR no such key");
        world.check("RENAMENX a a", "-ERR no such key");
        world.run("SET a 1");
        world.run("PEXPIRE a 500");
        world.run("SET b 2");
        world.check("RENAME a a", "+OK");
        world.check("RENAMENX a a", ":0");
        world.check("RENAMENX a b", ":0");
        let watches = [world.watch("a"), world.watch("b")];
        world.check("RENAME a b", "+OK");
        assert!(watches.iter().all(|watch| watch.is_dirty()));
        assert_eq!(world.records, ["0: RENAME a b"]);
        assert_eq!(world.events, ["new b@0", "rename_from a@0", "rename_to b@0"]);
        world.check("GET b", "$1 1");
        world.check("PTTL b", ":500");
        world.check("RENAMENX b c", ":1");
        world.check("KEYS *", "*1 $1 c");
    }
}

#[test]
fn keys_are_copied_and_moved() {
    for mut world in worlds() {
        world.run("SET a 1");
        world.run("PEXPIRE a 500");
        world.check("COPY a b", ":1");
        assert_eq!(world.events, ["new b@0", "copy_to b@0"]);
        world.check("PTTL b", ":500");
        world.check("COPY a b", ":0");
        world.run("SET a 7");
        world.check("COPY a b REPLACE", ":1");
        world.check("GET b", "$1 7");
        world.check("PTTL b", ":-1");
        world.check("COPY a a", "-ERR source and destination objects are the same");
        world.check("COPY a a DB 1", ":1");
        world.check("COPY a c DB 16", "-ERR DB index is out of range");
        world.check("COPY a c REPLACE DB", "-ERR syntax error");
        world.check("MOVE a 1", ":0");
        world.check("MOVE a 2", ":1");
        assert_eq!(world.events, ["new a@2", "move_from a@0", "move_to a@2"]);
        world.check("MOVE a 0", "-ERR source and destination objects are the same");
        world.check("MOVE a -1", "-ERR DB index is out of range");
        let range = "-ERR value is out of range, value must between -2147483648 and 2147483647";
        world.check("MOVE a 2147483648", range);
        world.check("EXISTS a", ":0");
        world.db = 2;
        world.check("GET a", "$1 7");
    }
}

#[test]
fn ends_are_given_under_conditions() {
    let mut world = World::new(1);
    world.run("SET k v");
    let now_ms = world.now_ms;
    for (line, reply) in [
        ("EXPIRE nope 10", ":0"),
        ("EXPIRE k 10 XX", ":0"),
        ("EXPIRE k 10 GT", ":0"),
        ("EXPIRE k 10 lt", ":1"),
        ("EXPIRE k 20 NX", ":0"),
        ("EXPIRE k 5 GT XX", ":0"),
        ("EXPIRE k 10 GT", ":0"),
        ("EXPIRE k 20 XX GT", ":1"),
        ("TTL k", ":20"),
        ("PTTL k", ":20000"),
        ("EXPIRE k 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE k x what", "-ERR Unsupported option what"),
        ("EXPIRE k x", "-ERR value is not an integer or out of range"),
        ("EXPIRE k 9223372036854775", "-ERR invalid expire time in 'expire' command"),
        ("EXPIREAT k 9223372036854775807", "-ERR invalid expire time in 'expireat' command"),
        ("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("PEXPIREAT k 9223372036854775807", ":1"),
        ("EXPIRETIME k", ":9223372036854776"),
        ("PEXPIRETIME k", ":9223372036854775807"),
        ("PERSIST k", ":1"),
        ("PERSIST k", ":0"),
        ("TTL k", ":-1"),
        ("EXPIRETIME k", ":-1"),
        ("PEXPIRETIME nope", ":-2"),
        ("PEXPIRE k 1499", ":1"),
        ("TTL k", ":1"),
        ("PEXPIRE k 1500", ":1"),
        ("TTL k", ":2"),
    ] {
        world.check(line, reply);
    }
    world.check("EXPIRE k 100", ":1");
    assert_eq!(world.records, [format!("0: PEXPIREAT k {}", now_ms + 100_000)]);
    assert_eq!(world.events, ["expire k@0"]);
    world.check("PEXPIRE k -9223372036854775808", ":1");
    assert_eq!((&*world.records, &*world.events), (&["0: DEL k".into()][..], &["del k@0".into()][..]));
    world.check("EXISTS k", ":0");
}

#[test]
fn databases_are_emptied_and_exchanged() {
    for mut world in worlds() {
        for key in ["a", "b", "c", "d"] {
            world.run(&format!("SET {key} zero"));
        }
        world.db = 1;
        world.run("SET a one");
        let (there, missing) = (world.watch("d"), world.watch("nope"));
        world.check("SWAPDB 0 1", "+OK");
        assert_eq!((world.dirty, &*world.records), (1, &["1: SWAPDB 0 1".into()][..]));
        assert!(there.is_dirty() && !missing.is_dirty());
        world.check("DBSIZE", ":4");
        world.check("SWAPDB x 1", "-ERR invalid first DB index");
        world.check("SWAPDB 0 2147483648", "-ERR invalid second DB index");
        world.check("SWAPDB 0 16", "-ERR DB index is out of range");
        let (there, missing) = (world.watch("d"), world.watch("nope"));
        world.check("FLUSHDB ASYNC", "+OK");
        assert!(there.is_dirty() && !missing.is_dirty());
        assert_eq!((world.dirty, &*world.records), (4, &["1: FLUSHDB ASYNC".into()][..]));
        world.check("FLUSHDB", "+OK");
        assert_eq!((world.dirty, world.records.len()), (0, 1));
        world.db = 0;
        world.check("GET a", "$3 one");
        world.check("FLUSHALL now", "-ERR syntax error");
        world.check("FLUSHALL sync", "+OK");
        world.check("DBSIZE", ":0");
        for shard in &mut world.shards {
            while shard.has_discarded() {
                shard.free_some(10);
            }
            assert_eq!(shard.entries_bytes(), 0);
        }
    }
}

#[test]
fn a_scan_goes_over_all_shards() {
    for mut world in worlds() {
        let keys: BTreeSet<String> = (0..300)
            .map(|key| if key % 3 == 0 { format!("{{t}}{key}") } else { format!("k{key}") })
            .collect();
        keys.iter().for_each(|key| drop(world.run(&format!("SET {key} v"))));
        for options in ["", " COUNT 1", " COUNT 1000", " TYPE STRING", " MATCH *"] {
            let (found, calls) = world.scan(options);
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), keys, "{options}");
            assert!(calls <= 300 + world.shards.len());
        }
        assert_eq!(world.scan(" TYPE list").0, Vec::<String>::new());
        let tagged = world.scan(" MATCH {t}*").0;
        assert_eq!(tagged.len(), 100);
        assert_eq!(world.run("KEYS {t}*").split(' ').filter(|word| word.starts_with('{')).count(), 100);
        for key in keys.iter().skip(1) {
            world.run(&format!("PEXPIRE {key} 1"));
        }
        world.now_ms += 2;
        let only = keys.first().unwrap();
        world.check("KEYS *", &format!("*1 ${} {only}", only.len()));
        world.check("RANDOMKEY", &format!("${} {only}", only.len()));
        assert_eq!(world.scan("").0, [only.as_str()]);
        world.check("DBSIZE", ":1");
        world.run(&format!("DEL {only}"));
        world.check("RANDOMKEY", "$-1");
    }
}

#[test]
fn scan_reads_its_arguments_as_redis_does() {
    let mut world = World::new(2);
    for (line, reply) in [
        ("SCAN -1", "-ERR invalid cursor"),
        ("SCAN ", "-ERR invalid cursor"),
        ("SCAN 18446744073709551616", "-ERR invalid cursor"),
        ("SCAN 0x", "-ERR invalid cursor"),
        ("SCAN 18446744073709551615", "*2 $1 0 *0"),
        ("SCAN 0 COUNT", "-ERR syntax error"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
        ("SCAN 0 WHAT 1", "-ERR syntax error"),
    ] {
        world.check(line, reply);
    }
}

#[test]
fn objects_tell_how_they_are_kept() {
    let mut world = World::new(1);
    for (line, reply) in [
        ("SET k 12", "+OK"),
        ("OBJECT ENCODING k", "$3 int"),
        ("object refcount k", ":1"),
        ("OBJECT REFCOUNT nope", "$-1"),
        ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
        ("OBJECT", "-ERR wrong number of arguments for 'object' command"),
        ("oBject what k", "-ERR unknown subcommand 'what'. Try OBJECT HELP."),
        ("OBJECT FREQ nope", "$-1"),
        ("MEMORY USAGE k", ":24"),
        ("MEMORY USAGE k SAMPLES 0 SAMPLES 9", ":24"),
        ("MEMORY USAGE k SAMPLES -1", "-ERR syntax error"),
        ("MEMORY USAGE k SAMPLES", "-ERR syntax error"),
        ("MEMORY USAGE nope", "$-1"),
        ("DEBUG OBJECT nope", "-ERR no such key"),
    ] {
        world.check(line, reply);
    }
    assert!(world.run("OBJECT FREQ k").starts_with("-ERR An LFU maxmemory policy is not selected"));
    world.now_ms += 5000;
    world.check("OBJECT IDLETIME k", ":5");
    world.check("EXISTS k", ":1");
    world.check("OBJECT IDLETIME k", ":5");
    world.check("TOUCH k", ":1");
    world.check("OBJECT IDLETIME k", ":0");
    assert!(world.run("DEBUG OBJECT k").contains("refcount:1 encoding:int serializedlength:2 lru:"));
    world.settings.lfu = true;
    assert!(world.run("OBJECT IDLETIME k").starts_with("-ERR An LFU maxmemory policy is selected"));
    world.run("SET new 1");
    world.check("OBJECT FREQ new", ":5");
    world.resp = Resp::V3;
    world.check("OBJECT ENCODING nope", "_");
}

#[test]
fn digests_are_those_of_redis() {
    // Answers of Redis 7.0.15.
    for mut world in worlds() {
        world.check("DEBUG DIGEST", &format!("+{}", "0".repeat(40)));
        world.run("SET a 1");
        world.check("DEBUG DIGEST", "+943d800368fb9c0e951138f1bc0e313ac769d91f");
        world.run("SET b two");
        world.run("EXPIRE b 1000");
        world.check("DEBUG DIGEST", "+d2e6f71e0ce78b96aaa6b50420248297b4cb2136");
        let values = "*3 +b4fc66738120fba0b5aa500ab5c2bf89cea1c5da +5beb45c1a8d062d945d847e97251639ede307cb6";
        world.check("DEBUG DIGEST-VALUE a b nope", &format!("{values} +{}", "0".repeat(40)));
        world.db = 3;
        world.run("SET a 1");
        world.run(&format!("SET {{t}}long {}", "x".repeat(88)));
        world.check("DEBUG DIGEST", "+a35a585dab5b0e668f0cf6ecf72a85df6b10f000");
    }
}

/// Sweeps until a round is done; what was seen and removed in it.
fn sweep_round(world: &mut World, shard: usize, budget: usize) -> Progress {
    let mut sum = Progress::default();
    while !sum.round_done {
        let (step, _) = world.with(shard..shard + 1, |cx| expiry::sweep(&mut cx.keys, budget));
        assert!(step.seen <= budget.saturating_add(100), "{step:?}");
        sum.seen += step.seen;
        sum.expired += step.expired;
        sum.round_done = step.round_done;
    }
    sum
}

#[test]
fn a_sweep_removes_what_expired_and_nothing_else() {
    let mut world = World::new(1);
    for key in 0..3000 {
        world.db = key % 3 * 5;
        world.run(&format!("SET {{hot}}{key} v"));
        world.run(&format!("SET k{key} v"));
        if key % 2 == 0 {
            world.run(&format!("PEXPIRE {{hot}}{key} 100"));
            world.run(&format!("PEXPIRE k{key} {}", if key % 4 == 0 { 100 } else { 9000 }));
        }
    }
    assert_eq!(sweep_round(&mut world, 0, 200).expired, 0);
    let average = world.shards[0].dbs[5].average_ttl_ms();
    assert!((100..9000).contains(&average), "{average}");
    world.now_ms += 100;
    let done = sweep_round(&mut world, 0, 200);
    assert_eq!((done.seen, done.expired), (3000, 2250));
    assert!(done.is_worthwhile());
    assert_eq!(world.shards[0].counts.expired_keys, 2250);
    assert_eq!(world.shards[0].len(), 6000 - 2250);
    assert!(!sweep_round(&mut world, 0, 200).is_worthwhile());
    world.now_ms += 9000;
    sweep_round(&mut world, 0, usize::MAX);
    assert_eq!(world.shards[0].dbs.iter().map(|db| db.table.volatile_len()).sum::<usize>(), 0);
    assert_eq!(world.shards[0].dbs[5].average_ttl_ms(), 0);
}

#[test]
fn a_sweep_tells_what_it_did() {
    let mut world = World::new(1);
    world.db = 2;
    world.run("SET k v");
    world.run("PEXPIRE k 1");
    let watch = world.watch("k");
    world.now_ms += 2;
    world.with(0..1, |cx| expiry::sweep(&mut cx.keys, 1000));
    assert_eq!((&*world.records, &*world.events), (&["2: DEL k".into()][..], &["expired k@2".into()][..]));
    assert!(watch.is_dirty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 40 }))]
    /// Whatever comes and goes between its calls, a SCAN over several shards sees the keys that stay.
    #[test]
    fn a_scan_sees_what_stays(
        shard_count in 1usize..5,
        count in 1usize..40,
        waves in proptest::collection::vec((0u32..6000, 0u32..6000, any::<bool>()), 1..12),
    ) {
        let mut world = World::new(shard_count);
        let name = |key: u32| if key.is_multiple_of(2) { format!("{{hot}}{key}") } else { format!("k{key}") };
        let change = |world: &mut World, (one, other, add): (u32, u32, bool)| {
            for key in one.min(other)..one.max(other) {
                // Every hundredth stays.
                if !key.is_multiple_of(100) {
                    world.run(&if add { format!("SET {} v", name(key)) } else { format!("DEL {}", name(key)) });
                }
            }
        };
        (0..60).for_each(|key| drop(world.run(&format!("SET {} v", name(key * 100)))));
        let (mut waves, mut cursor, mut seen) = (waves.into_iter(), String::from("0"), BTreeSet::new());
        change(&mut world, (0, 6000, true));
        loop {
            let slot = slot_of_cursor(cursor.parse().unwrap()).unwrap();
            let shard = shard_of_slot(slot, shard_count);
            let reply = world.run_on(shard..shard + 1, &format!("SCAN {cursor} COUNT {}", count * 10));
            let words: Vec<&str> = reply.split(' ').collect();
            seen.extend(words[4..].iter().map(|word| (*word).to_owned()));
            cursor = words[2].to_owned();
            if cursor == "0" { break; }
            if let Some(wave) = waves.next() { change(&mut world, wave); }
        }
        for key in (0..60).map(|key| name(key * 100)) {
            prop_assert!(seen.contains(&key), "missed {key}");
        }
    }
}
