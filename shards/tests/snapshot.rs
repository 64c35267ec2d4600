//! A snapshot taken while commands run is the dataset as it was when it began: every type, every way in which a key changes, moves or goes.
use proptest::prelude::*;
use shards::call::Call;
use shards::commands::{FAMILIES, execute};
use shards::digest::of_value;
use shards::effects::Effects;
use shards::eviction::{Judge, Policy, evict_one};
use shards::expiry::sweep;
use shards::keyspace::{Entry, Value};
use shards::rdb::item::opcode;
use shards::rdb::{Decoder, Loaded, Reader, Step};
use shards::reply::Reply;
use shards::settings::Settings;
use shards::shard::Shard;
use shards::snapshot::{Chunk, Manner, Part, UsageKept};
use std::collections::BTreeMap;

const START_MS: i64 = 1_700_000_000_000;

/// Key in its database, with the digest of its value and its expiry.
type Content = BTreeMap<(u16, Vec<u8>), (String, Option<i64>)>;

struct World {
    #[expect(clippy::vec_box, reason = "a call takes boxed shards, for they travel")]
    shards: Vec<Box<Shard>>,
    settings: Settings,
    now_ms: i64,
    effects: Effects,
}

impl World {
    fn new(count: usize) -> World {
        // Small thresholds: many pieces of few elements.
        let settings = Settings {
            databases: 3,
            list_listpack_size: 5,
            stream_node_entries_max: 4,
            hash_listpack_entries_max: 16,
            ..Settings::default()
        };
        let shards = (0..count).map(|index| Box::new(Shard::new(index, count, 3, 7))).collect();
        World { shards, settings, now_ms: START_MS, effects: Effects::default() }
    }

    fn run(&mut self, db: u16, args: &[String]) {
        let name = args[0].to_lowercase();
        let commands = FAMILIES.iter().copied().flatten();
        let command = commands.into_iter().find(|command| command.spec.name == name).expect("a command");
        let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        let mut reply = Reply::default();
        let World { shards, settings, now_ms, effects } = self;
        let mut cx = Call::new(shards, settings, db, *now_ms, &mut reply, effects);
        execute(&mut cx, command, &args);
        effects.clear();
    }

    /// What is done by itself: expiry, eviction, freeing.
    fn idle(&mut self, what: u8) {
        self.now_ms += 10;
        let World { shards, settings, now_ms, effects } = self;
        for shard in shards {
            shard.free_some(50);
            let mut reply = Reply::default();
            let mut cx = Call::new(std::slice::from_mut(shard), settings, 0, *now_ms, &mut reply, effects);
            match what {
                0 => drop(evict_one(
                    &mut cx.keys,
                    Policy { judge: Judge::Random, only_volatile: false, samples: 3 },
                )),
                _ => drop(sweep(&mut cx.keys, 20)),
            }
            effects.clear();
        }
    }

    fn content(&self) -> Content {
        let dbs = self.shards.iter().flat_map(|shard| shard.dbs.iter().enumerate());
        let entries = dbs.flat_map(|(db, held)| held.table.iter().map(move |entry| (db as u16, entry)));
        let tell = |(db, entry): (u16, shards::keyspace::EntryRef<'_>)| {
            ((db, entry.key().to_vec()), (of_value(entry).to_string(), entry.expires_at_ms()))
        };
        entries.map(tell).collect()
    }

    fn begin(&mut self) {
        let manner = Manner { compresses: true, usage: UsageKept::Idle };
        self.shards.iter_mut().for_each(|shard| shard.begin_snapshot(manner, &self.settings));
    }

    /// A step of every shard's sweep; whether all are through.
    fn step(&mut self, budget: usize, chunks: &mut Vec<Chunk>) -> bool {
        let mut is_done = true;
        for shard in &mut self.shards {
            chunks.extend(std::iter::from_fn(|| shard.take_chunk()));
            is_done &= shard.sweep_snapshot(budget, self.now_ms);
            chunks.extend(std::iter::from_fn(|| shard.take_chunk()));
        }
        is_done
    }

    fn finish(&mut self, chunks: &mut Vec<Chunk>) {
        while !self.step(100, chunks) {}
    }
}

/// What chunks hold, read as a file is read.
fn read(chunks: Vec<Chunk>, settings: &Settings) -> Content {
    let mut content = Content::new();
    for chunk in chunks {
        let mut bytes = Vec::new();
        for part in chunk.parts {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(&part),
                Part::Frozen(frozen) => frozen.encode(&mut bytes),
            }
        }
        let before = content.len();
        read_chunk(&bytes, settings, &mut content);
        assert_eq!((content.len() - before) as u64, chunk.keys, "each key once, and counted");
    }
    content
}

fn read_chunk(bytes: &[u8], settings: &Settings, content: &mut Content) {
    let mut reader = Reader::new(bytes);
    let (mut db, mut expires_at_ms) = (None, None);
    while reader.left() > 0 {
        match reader.bytes(1).expect("a byte")[0] {
            opcode::SELECT_DB => db = Some(reader.number().expect("a database") as u16),
            opcode::EXPIRES_MS => expires_at_ms = Some(reader.milliseconds().expect("a time")),
            opcode::IDLE => drop(reader.number().expect("seconds")),
            kind => {
                let key = reader.string().expect("a key").view().bytes(&mut [0; 20]).to_vec();
                let mut decoder = Decoder::new(kind, 80);
                let loaded = loop {
                    match decoder.step(&mut reader, settings, 1000).expect("a value") {
                        Step::More => {}
                        Step::Done(loaded) => break loaded,
                    }
                };
                let mut room = [0; 20];
                let entry = match &loaded {
                    Loaded::String(text) => Value::from_client(text.view().bytes(&mut room)),
                    Loaded::Object(_) => Value::Int(0),
                };
                let entry = match loaded {
                    Loaded::Object(object) => {
                        Entry::new(&key, Value::Object(object), expires_at_ms, 0, false)
                    }
                    Loaded::String(_) => Entry::new(&key, entry, expires_at_ms, 0, false),
                };
                let told = (of_value(entry.view()).to_string(), expires_at_ms.take());
                let place = (db.expect("a chunk begins with its database"), key);
                assert!(content.insert(place, told).is_none(), "no key is written twice");
            }
        }
    }
}

/// One of the things that happen.
#[derive(Clone, Debug)]
struct Act {
    what: u8,
    db: u16,
    key: u8,
    a: u16,
    b: u16,
}

fn acts(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Act>> {
    let act = (0u8..72, 0u16..3, 0u8..6, 0u16..400, 0u16..400);
    prop::collection::vec(act.prop_map(|(what, db, key, a, b)| Act { what, db, key, a, b }), len)
}

/// The words of a command.
fn words(line: String) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Many arguments behind a head.
fn many(head: String, count: u16, args: impl Fn(u16) -> String) -> Vec<String> {
    let tail: Vec<String> = (0..count).map(args).collect();
    words(format!("{head} {}", tail.join(" ")))
}

impl Act {
    fn command(&self) -> Vec<String> {
        let Act { what, key: k, a, b, .. } = self;
        let far = START_MS + 100_000 + i64::from(*b);
        let soon = START_MS + i64::from(*b) * 2;
        let noise = "noise".repeat(usize::from(*a) * 8);
        match what {
            0 => many(format!("HSET h{k}"), 1 + a / 2, |at| format!("f{} v{b}", at * 3 % 400)),
            1..=4 => words(format!("HSET h{k} f{a} v{b}")),
            5 => words(format!("HSET h{k} f{a} {}", "w".repeat(usize::from(*b)))),
            6..=8 => words(format!("HDEL h{k} f{a} f{b}")),
            9 => words(format!("HINCRBY h{k} n{} {b}", a % 50)),
            10 => words(format!("HPEXPIREAT h{k} {far} FIELDS 1 f{a}")),
            11 => words(format!("HPEXPIREAT h{k} {soon} FIELDS 1 f{a}")),
            12 => words(format!("HPERSIST h{k} FIELDS 1 f{a}")),
            13 => words(format!("HGETDEL h{k} FIELDS 1 f{a}")),
            14 => many(format!("SADD s{k}"), 1 + a / 2, |at| format!("m{}", at * 7 % 400)),
            15..=17 => words(format!("SADD s{k} m{a} {b}")),
            18..=20 => words(format!("SREM s{k} m{a} m{b}")),
            21 => words(format!("SPOP s{k} {}", a % 20)),
            22 => words(format!("SMOVE s{k} s{} m{a}", b % 6)),
            23 => words(format!("SUNIONSTORE s{k} s{} s{}", a % 6, b % 6)),
            24 => many(format!("ZADD z{k}"), 1 + a / 2, |at| format!("{} m{}", at * 11 % 97, at * 5 % 400)),
            25..=28 => words(format!("ZADD z{k} {b} m{a}")),
            29..=30 => words(format!("ZINCRBY z{k} 1.5 m{a}")),
            31..=32 => words(format!("ZREM z{k} m{a} m{b}")),
            33 => words(format!("ZREMRANGEBYRANK z{k} {a} {}", a + b % 30)),
            34 => words(format!("ZPOPMIN z{k} {}", a % 20)),
            35 => words(format!("ZRANGESTORE z{k} z{} 0 {b}", a % 6)),
            36 => many(format!("RPUSH l{k}"), 1 + a / 2, |at| format!("e{at}")),
            37..=38 => words(format!("RPUSH l{k} e{a} e{b}")),
            39..=40 => words(format!("LPUSH l{k} e{a} {b}")),
            41 => words(format!("LPOP l{k} {}", a % 9)),
            42 => words(format!("RPOP l{k} {}", a % 9)),
            43 => words(format!("LSET l{k} {a} x{b}")),
            44 => words(format!("LINSERT l{k} AFTER e{a} y{b}")),
            45 => words(format!("LREM l{k} 0 e{a}")),
            46 => words(format!("LTRIM l{k} {} -{}", a % 20, 1 + b % 20)),
            47 => words(format!("LMOVE l{k} l{} LEFT RIGHT", a % 6)),
            48..=50 => words(format!("XADD x{k} * f{a} {b} g {}", "v".repeat(usize::from(*b)))),
            51 => words(format!("XTRIM x{k} MAXLEN {}", a % 50)),
            52 => words(format!("XGROUP CREATE x{k} g{} 0 MKSTREAM", a % 2)),
            53 => words(format!("XREADGROUP GROUP g{} c{} COUNT 5 STREAMS x{k} >", a % 2, b % 3)),
            54 => words(format!("XSETID x{k} {}-1", far * 100)),
            55 => words(format!("SET t{k} {noise}v{b}")),
            56 => words(format!("APPEND t{k} {noise}")),
            57 => words(format!("SETRANGE t{k} {a} v{b}")),
            58 => words(format!("SETBIT t{k} {b} 1")),
            59 => words(format!("INCRBY n{k} {b}")),
            60 => words(format!("PFADD p{k} {a} {b}")),
            61 => words(format!("DEL {}{k}", kind(*a))),
            62 => words(format!("PEXPIREAT {}{k} {far}", kind(*a))),
            63 => words(format!("PEXPIREAT {}{k} {soon}", kind(*a))),
            64 => words(format!("PERSIST {}{k}", kind(*a))),
            65 => words(format!("RENAME {}{k} {}{}", kind(*a), kind(*a), b % 6)),
            66 => words(format!("COPY {}{k} {}{} DB {} REPLACE", kind(*a), kind(*a), b % 6, a % 3)),
            67 => words(format!("MOVE {}{k} {}", kind(*a), b % 3)),
            68 => words(format!("SWAPDB {} {}", a % 3, b % 3)),
            69 if b % 4 == 0 => words("FLUSHDB".to_owned()),
            70 if b % 16 == 0 => words("FLUSHALL".to_owned()),
            _ => words(format!("GETDEL t{k}")),
        }
    }
}

/// The letter with which keys of one of the types begin.
fn kind(a: u16) -> char {
    ['h', 's', 'z', 'l', 'x', 't', 'n', 'p'][usize::from(a % 8)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 200 }))]

    #[test]
    fn a_snapshot_is_the_dataset_at_its_beginning(
        count in 1usize..4,
        before in acts(0..300),
        during in acts(0..300),
        after in acts(0..30),
        budget in 1usize..40,
        every in 1usize..20,
        gives_up in any::<bool>(),
    ) {
        let mut world = World::new(count);
        before.iter().for_each(|act| world.run(act.db, &act.command()));
        let expected = world.content();
        world.begin();
        let mut chunks = Vec::new();
        for (index, act) in during.iter().enumerate() {
            world.run(act.db, &act.command());
            if index % every == 0 {
                world.step(budget, &mut chunks);
            }
            if index % 5 == 0 {
                world.idle(act.what % 4);
            }
        }
        world.finish(&mut chunks);
        prop_assert_eq!(read(chunks, &world.settings), expected);
        // The next one begins with all entries of one version, were it given up or not.
        if gives_up {
            world.begin();
            after.iter().for_each(|act| world.run(act.db, &act.command()));
            world.step(budget, &mut Vec::new());
            world.shards.iter_mut().for_each(|shard| shard.give_up_snapshot());
            after.iter().rev().for_each(|act| world.run(act.db, &act.command()));
            let mut none = Vec::new();
            world.finish(&mut none);
            prop_assert!(none.is_empty());
        }
        let expected = world.content();
        world.begin();
        let mut chunks = Vec::new();
        after.iter().for_each(|act| world.run(act.db, &act.command()));
        world.finish(&mut chunks);
        prop_assert_eq!(read(chunks, &world.settings), expected);
        // Nothing that was lent is lost: all can be freed.
        world.run(0, &words("FLUSHALL".to_owned()));
        prop_assert!(world.content().is_empty());
    }
}

/// What had stood in its entry brought that entry's head along into a node, and back.
#[test]
fn a_list_that_grew_and_shrank_keeps_what_its_entry_says() {
    let mut world = World::new(1);
    (0..3).for_each(|_| world.run(0, &words("RPUSH l0 a b".to_owned())));
    world.run(0, &words(format!("PEXPIREAT l0 {}", START_MS + 5)));
    world.run(0, &words("RPOP l0 4".to_owned()));
    let content = world.content();
    assert_eq!(content[&(0, b"l0".to_vec())].1, Some(START_MS + 5));
}
