//! What commands on sorted sets do beyond their replies: changes, events, records; and big ones, which golden scripts have few of.
use super::testing::World;

#[test]
fn changes_are_told_as_redis_tells_them() {
    let mut world = World::new();
    world.play(&[
        ("ZADD z 1 a 2 b", ":2", "2: new z, zadd z; ZADD z 1 a 2 b"),
        ("ZADD z 1 a", ":0", "0: ; "),
        ("ZADD z CH 2 a 3 c", ":2", "2: zadd z; ZADD z CH 2 a 3 c"),
        ("ZADD missing XX 1 a", ":0", "0: ; "),
        ("ZADD z NX 9 a", ":0", "0: ; "),
        ("ZADD z INCR 1 a", "\"3\"", "1: zincr z; ZADD z INCR 1 a"),
        ("ZINCRBY z 0 a", "\"3\"", "0: ; "),
        ("ZINCRBY z 1 a", "\"4\"", "1: zincr z; ZINCRBY z 1 a"),
        ("ZREM z x", ":0", "0: ; "),
        ("ZREM z a b x", ":2", "2: zrem z; ZREM z a b x"),
        ("ZREM z c", ":1", "1: zrem z, del z; ZREM z c"),
        ("ZREM z c", ":0", "0: ; "),
    ]);
}

#[test]
fn what_is_popped_is_recorded() {
    let mut world = World::new();
    world.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    world.play(&[
        ("ZPOPMIN z 2", "*4 \"a\" \"1\" \"b\" \"2\"", "2: zpopmin z; ZPOPMIN z 2"),
        ("ZPOPMAX z", "*2 \"e\" \"5\"", "1: zpopmax z; ZPOPMAX z"),
        ("ZPOPMIN z 0", "*0", "0: ; "),
        ("ZMPOP 2 missing z MAX", "*2 \"z\" *1 *2 \"d\" \"4\"", "1: zpopmax z; ZPOPMAX z 1"),
        ("ZMPOP 1 z MIN COUNT 9", "*2 \"z\" *1 *2 \"c\" \"3\"", "1: zpopmin z, del z; ZPOPMIN z 1"),
        ("ZMPOP 1 z MIN COUNT 9", "*nil", "0: ; "),
    ]);
}

#[test]
fn what_is_removed_by_range_is_told() {
    let mut world = World::new();
    world.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    world.play(&[
        ("ZREMRANGEBYRANK z 9 10", ":0", "0: ; "),
        ("ZREMRANGEBYRANK z 0 1", ":2", "2: zremrangebyrank z; ZREMRANGEBYRANK z 0 1"),
        ("ZREMRANGEBYSCORE z 5 5", ":1", "1: zremrangebyscore z; ZREMRANGEBYSCORE z 5 5"),
        ("ZREMRANGEBYLEX z - +", ":2", "2: zremrangebylex z, del z; ZREMRANGEBYLEX z - +"),
    ]);
}

#[test]
fn what_is_stored_is_told() {
    let mut world = World::new();
    world.run("ZADD x 1 a 2 b");
    world.run("ZADD y 1 b 2 c");
    world.play(&[
        ("ZRANGESTORE d x 0 0", ":1", "1: new d, zrangestore d; ZRANGESTORE d x 0 0"),
        ("ZRANGESTORE d x 5 9", ":0", "1: del d; ZRANGESTORE d x 5 9"),
        ("ZRANGESTORE d x 5 9", ":0", "0: ; "),
        ("ZUNIONSTORE d 2 x y", ":3", "1: new d, zunionstore d; ZUNIONSTORE d 2 x y"),
        ("ZINTERSTORE d 2 x y", ":1", "1: zinterstore d; ZINTERSTORE d 2 x y"),
        ("ZDIFFSTORE d 2 x y", ":1", "1: zdiffstore d; ZDIFFSTORE d 2 x y"),
        ("ZDIFFSTORE d 2 x x", ":0", "1: del d; ZDIFFSTORE d 2 x x"),
        ("ZUNION 2 x y", "*3 \"a\" \"c\" \"b\"", "0: ; "),
    ]);
}

/// `ZADD key` with so many members `<letter><number>`, whose scores are given by their number.
fn add_many(
    world: &mut World,
    key: &str,
    letter: char,
    numbers: std::ops::Range<i64>,
    score: impl Fn(i64) -> i64,
) {
    let pairs = numbers.map(|number| format!(" {} {letter}{number:03}", score(number)));
    world.run(&format!("ZADD {key}{}", pairs.collect::<String>()));
}

#[test]
fn big_ones_answer_as_small_ones_do() {
    let mut answers = Vec::new();
    for entries_max in [1000, 0] {
        let mut world = World::new();
        world.settings.zset_listpack_entries_max = entries_max;
        add_many(&mut world, "x", 'm', 0..300, |number| number % 7);
        add_many(&mut world, "y", 'm', 200..500, |number| -number);
        add_many(&mut world, "lex", 'm', 0..300, |_| 0);
        let encoding = if entries_max > 0 { "\"listpack\"" } else { "\"skiplist\"" };
        assert_eq!(world.run("OBJECT ENCODING x"), encoding);
        let replies: Vec<String> = [
            "ZRANGE x 0 -1 WITHSCORES",
            "ZRANGE x 5 250 REV WITHSCORES",
            "ZRANGEBYSCORE x 2 (5",
            "ZREVRANGEBYSCORE x 6 (3 WITHSCORES LIMIT 20 30",
            "ZCOUNT x 1 3",
            "ZRANGEBYLEX lex [m010 (m020",
            "ZREVRANGEBYLEX lex + - LIMIT 100 5",
            "ZLEXCOUNT lex (m100 [m200",
            "ZRANK x m123",
            "ZREVRANK x m123",
            "ZMSCORE x m000 m299 m300",
            "ZUNION 2 x y WITHSCORES",
            "ZINTER 2 x y WEIGHTS 2 3 AGGREGATE MIN WITHSCORES",
            "ZDIFF 2 x y",
            "ZINTERCARD 2 x y LIMIT 40",
            "ZRANGESTORE d x 1 4 BYSCORE LIMIT 3 200",
            "ZRANGE d 0 -1 WITHSCORES",
            "ZREMRANGEBYRANK d 10 60",
            "ZREMRANGEBYSCORE d 2 3",
            "ZRANGE d 0 -1 WITHSCORES",
            "ZINCRBY x 3 m000",
            "ZINCRBY x -1.5 m123",
            "ZADD x GT 100 m005 LT 1 m006",
            "ZADD x GT CH 100 m005 0 m006 3 m008",
            "ZPOPMAX x 40",
            "ZPOPMIN x 3",
            "ZRANGE x 0 -1 WITHSCORES",
            "DEBUG DIGEST-VALUE x y lex",
            "COPY x copied",
            "DEBUG DIGEST-VALUE copied",
            "ZREMRANGEBYLEX lex - (m250",
            "ZRANGE lex 0 -1",
            "ZREMRANGEBYRANK lex 0 -1",
            "EXISTS lex",
        ]
        .iter()
        .map(|line| format!("{line}: {}", world.run(line)))
        .collect();
        answers.push(replies);
    }
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn a_walk_through_a_big_one_sees_all() {
    let mut world = World::new();
    add_many(&mut world, "z", 'm', 0..1000, |number| number);
    let (mut cursor, mut seen) = ("0".to_owned(), std::collections::BTreeSet::new());
    loop {
        let reply = world.run(&format!("ZSCAN z {cursor} COUNT 50"));
        let words: Vec<&str> = reply.split(' ').map(|word| word.trim_matches('"')).collect();
        seen.extend(words[3..].chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())));
        cursor = words[1].to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert!((0..1000).all(|number| seen.contains(&(format!("m{number:03}"), number.to_string()))));
    assert_eq!(seen.len(), 1000);
}
