//! Set commands where golden scripts cannot see: changes counted, events told, records written.
use super::testing::World;

#[test]
fn members_come_and_go_with_their_events() {
    World::new().play(&[
        ("SADD s a b a", ":2", "2: new s, sadd s; SADD s a b a"),
        ("SADD s a", ":0", "0: ; "),
        ("SREM s x", ":0", "0: ; "),
        ("SREM s a x", ":1", "1: srem s; SREM s a x"),
        ("SREM s b", ":1", "1: srem s, del s; SREM s b"),
        ("SREM s b", ":0", "0: ; "),
    ]);
}

#[test]
fn a_move_is_told_as_both_its_halves() {
    World::new().play(&[
        ("SADD a x y", ":2", "2: new a, sadd a; SADD a x y"),
        ("SMOVE a b x", ":1", "2: srem a, new b, sadd b; SMOVE a b x"),
        ("SMOVE a a y", ":1", "0: ; "),
        ("SADD b y", ":1", "1: sadd b; SADD b y"),
        ("SMOVE a b y", ":1", "1: srem a, del a; SMOVE a b y"),
        ("SMOVE a b y", ":0", "0: ; "),
    ]);
}

#[test]
fn what_is_popped_is_recorded_by_name() {
    let mut world = World::new();
    world.play(&[
        ("SADD s a", ":1", "1: new s, sadd s; SADD s a"),
        ("SPOP s", "\"a\"", "1: spop s, del s; SREM s a"),
        ("SPOP s", "(nil)", "0: ; "),
        ("SADD s 1 2 3", ":3", "3: new s, sadd s; SADD s 1 2 3"),
        ("SPOP s 0", "*0", "0: ; "),
        ("SPOP s 3", "*3 \"1\" \"2\" \"3\"", "3: spop s, del s; DEL s"),
    ]);
    for members in [10, 40, 400] {
        let all: Vec<String> = (0..members).map(|index| format!("m{index}")).collect();
        for count in [1, members / 2, members - 1] {
            world.run("DEL s");
            world.run(&format!("SADD s {}", all.join(" ")));
            let popped = world.run(&format!("SPOP s {count}"));
            let names = popped.split_once(' ').expect("a set of some").1.replace('"', "");
            assert_eq!(world.effects(), format!("{count}: spop s; SREM s {names}"));
            assert_eq!(world.run("SCARD s"), format!(":{}", members - count));
            // The record, applied to the same set, leaves the same.
            world.run(&format!("SADD copy {}", all.join(" ")));
            world.run(&format!("SREM copy {names}"));
            assert_eq!(world.run("SDIFFSTORE d s copy"), ":0");
            assert_eq!(world.run("SDIFFSTORE d copy s"), ":0");
            world.run("DEL copy");
        }
    }
}

#[test]
fn many_popped_at_once_are_recorded_in_several() {
    let mut world = World::new();
    let all: Vec<String> = (0..5000).map(|index| format!("m{index}")).collect();
    world.run(&format!("SADD s {}", all.join(" ")));
    world.run("SPOP s 2500");
    let effects = world.effects();
    let records: Vec<usize> = effects
        .split_once("; ")
        .expect("events and records")
        .1
        .split(", ")
        .map(|record| record.split(' ').count() - 2)
        .collect();
    assert_eq!(records, [1024, 1024, 452]);
}

#[test]
fn stored_results_are_told_or_the_key_is_gone() {
    World::new().play(&[
        ("SADD a 1 2", ":2", "2: new a, sadd a; SADD a 1 2"),
        ("SADD b 2 3", ":2", "2: new b, sadd b; SADD b 2 3"),
        ("SINTERSTORE d a b", ":1", "1: new d, sinterstore d; SINTERSTORE d a b"),
        ("SUNIONSTORE d a b", ":3", "1: sunionstore d; SUNIONSTORE d a b"),
        ("SDIFFSTORE d a b", ":1", "1: sdiffstore d; SDIFFSTORE d a b"),
        ("SDIFFSTORE d a a", ":0", "1: del d; SDIFFSTORE d a a"),
        ("SINTERSTORE d a missing", ":0", "0: ; "),
        ("SINTERSTORE a a b", ":1", "1: sinterstore a; SINTERSTORE a a b"),
        ("SUNIONSTORE a missing", ":0", "1: del a; SUNIONSTORE a missing"),
    ]);
}

#[test]
fn a_set_that_was_popped_nearly_empty_keeps_its_expiry() {
    let mut world = World::new();
    let all: Vec<String> = (0..300).map(|index| format!("m{index}")).collect();
    world.run(&format!("SADD s {}", all.join(" ")));
    world.run("EXPIRE s 100");
    world.run("SPOP s 299");
    assert_eq!(world.run("OBJECT ENCODING s"), "\"listpack\"");
    assert_eq!(world.run("TTL s"), ":100");
}

#[test]
fn a_walk_over_a_set_that_changes_meets_what_stays() {
    let mut world = World::new();
    let all: Vec<String> = (0..3000).map(|index| format!("m{index}")).collect();
    world.run(&format!("SADD s {}", all.join(" ")));
    let (mut cursor, mut seen, mut step) = ("0".to_owned(), std::collections::BTreeSet::new(), 0);
    loop {
        let reply = world.run(&format!("SSCAN s {cursor} COUNT 50"));
        let mut words = reply.split(' ').map(|word| word.trim_matches('"').to_owned());
        cursor = words.nth(1).expect("a cursor");
        seen.extend(words.skip(1));
        if cursor == "0" {
            break;
        }
        step += 1;
        world.run(&format!(
            "SADD s {}",
            (0..100).map(|index| format!("x{step}:{index} ")).collect::<String>()
        ));
        let gone: String = (1000..2900).skip(step * 40).take(40).map(|index| format!("m{index} ")).collect();
        world.run(&format!("SREM s none {gone}"));
    }
    let stays = all[..1000].iter().chain(&all[2900..]);
    assert!(stays.into_iter().all(|member| seen.contains(member)));
}
