//! Tests of the commands on hashes: what they record, tell and count.
use super::testing::World;
use crate::settings::Settings;

const AT_MS: i64 = super::testing::START_MS;

/// The same in a listpack and in a table.
fn worlds() -> [World; 2] {
    [512, 0].map(|entries_max| {
        let mut world = World::new();
        world.settings = Settings { hash_listpack_entries_max: entries_max, ..Settings::default() };
        world
    })
}

#[test]
fn writes_have_the_effects_of_redis() {
    for mut world in worlds() {
        world.play(&[
            ("HSET h a 1 b 2", ":2", "2: new h, hset h; HSET h a 1 b 2"),
            ("HSET h a 1", ":0", "1: hset h; HSET h a 1"),
            ("HMSET h c 3", "+OK", "1: hset h; HMSET h c 3"),
            ("HSETNX h a 5", ":0", "0: ; "),
            ("HSETNX h d 5", ":1", "1: hset h; HSETNX h d 5"),
            ("HINCRBY h d 2", ":7", "1: hincrby h; HINCRBY h d 2"),
            ("HINCRBYFLOAT h d 0.5", "\"7.5\"", "1: hincrbyfloat h; HSET h d 7.5"),
            ("HDEL h x y", ":0", "0: ; "),
            ("HDEL h a x b", ":2", "2: hdel h; HDEL h a x b"),
            ("HGETDEL h FIELDS 2 x c", "*2 (nil) \"3\"", "1: hdel h; HDEL h c"),
            ("HINCRBY h d 1", "-ERR hash value is not an integer", "0: ; "),
            ("HINCRBY none d x", "-ERR value is not an integer or out of range", "0: ; "),
            ("HDEL h d", ":1", "1: hdel h, del h; HDEL h d"),
            (
                "HINCRBY none d 9223372036854775807",
                ":9223372036854775807",
                "1: new none, hincrby none; HINCRBY none d 9223372036854775807",
            ),
            ("HINCRBY none d 1", "-ERR increment or decrement would overflow", "0: ; "),
            ("EXISTS h none", ":1", "0: ; "),
        ]);
    }
}

#[test]
fn expiries_are_recorded_as_points_in_time() {
    let at = |ms: i64| AT_MS + ms;
    for mut world in worlds() {
        world.run("HSET h a 1 b 2 c 3 d 4");
        let set = format!("2: hexpire h; HPEXPIREAT h {} FIELDS 2 a b", at(10_000));
        let extended = format!("1: hexpire h; HPEXPIREAT h {} FIELDS 1 a", at(20_000));
        let got = format!("1: hexpire h; HPEXPIREAT h {} FIELDS 1 c", at(5));
        let made = format!("2: hset h, hexpire h; HSETEX h PXAT {} FIELDS 2 e 5 f 6", at(7_000));
        world.play(&[
            ("HEXPIRE h 10 FIELDS 3 a b x", "*3 :1 :1 :-2", &set),
            ("HEXPIRE h 5 GT FIELDS 1 a", "*1 :0", "0: ; "),
            ("HEXPIRE h 20 GT FIELDS 2 a c", "*2 :1 :0", &extended),
            ("HPERSIST h FIELDS 3 a c x", "*3 :1 :-1 :-2", "1: hpersist h; HPERSIST h FIELDS 3 a c x"),
            ("HGETEX h PX 5 FIELDS 2 c x", "*2 \"3\" (nil)", &got),
            ("HGETEX h PERSIST FIELDS 2 c d", "*2 \"3\" \"4\"", "1: hpersist h; HPERSIST h FIELDS 1 c"),
            ("HGETEX h FIELDS 1 c", "*1 \"3\"", "0: ; "),
            ("HSETEX h FXX EX 7 FIELDS 2 a 1 x 2", ":0", "0: ; "),
            ("HSETEX h FNX EX 7 FIELDS 2 e 5 f 6", ":1", &made),
            ("HINCRBYFLOAT h e 1", "\"6\"", "1: hincrbyfloat h; HSETEX h KEEPTTL FIELDS 1 e 6"),
            ("HPTTL h FIELDS 3 e a x", "*3 :7000 :-1 :-2", "0: ; "),
            ("HSET h e 1", ":0", "1: hset h; HSET h e 1"),
            ("HPTTL h FIELDS 1 e", "*1 :-1", "0: ; "),
            ("HEXPIREAT h 1 FIELDS 3 a b x", "*3 :2 :2 :-2", "2: hdel h; HDEL h a b"),
            ("HSETEX h EXAT 1 FIELDS 1 c 9", ":1", "1: hset h, hdel h; HDEL h c"),
        ]);
        assert_eq!(world.run("HLEN h"), ":3");
    }
}

#[test]
fn fields_whose_time_has_come_are_gone_and_told() {
    for mut world in worlds() {
        world.run("HSET h a 1 b 2 c 3");
        world.run("HPEXPIRE h 10 FIELDS 2 a b");
        world.sleep_ms(10);
        world.play(&[("HMGET h a b c", "*3 \"1\" \"2\" \"3\"", "0: ; ")]);
        world.sleep_ms(1);
        world.play(&[
            ("HMGET h a b c", "*3 (nil) (nil) \"3\"", "0: hexpired h; HDEL h a b"),
            ("HMGET h a b c", "*3 (nil) (nil) \"3\"", "0: ; "),
            (
                "HSETEX h PX 10 FIELDS 1 a 5",
                ":1",
                &format!("1: hset h, hexpire h; HSETEX h PXAT {} FIELDS 1 a 5", AT_MS + 21),
            ),
        ]);
        world.sleep_ms(11);
        world.play(&[
            ("HINCRBY h a 1", ":1", "1: hexpired h, hincrby h; HDEL h a, HINCRBY h a 1"),
            (
                "HPEXPIRE h 5 FIELDS 2 a c",
                "*2 :1 :1",
                &format!("2: hexpire h; HPEXPIREAT h {} FIELDS 2 a c", AT_MS + 27),
            ),
        ]);
        world.sleep_ms(6);
        world.run("HMGET h c a");
        assert!(world.effects().starts_with("0: hexpired h, del h; HDEL h "), "{}", world.effects());
        world.play(&[("EXISTS h", ":0", "0: ; "), ("HLEN h", ":0", "0: ; ")]);
    }
}
