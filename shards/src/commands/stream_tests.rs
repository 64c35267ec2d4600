//! What commands on streams do beyond their replies, and that their records do it again elsewhere.
use super::testing::World;
use crate::dice::Dice;

#[test]
fn effects_are_those_of_redis() {
    let mut world = World::new();
    for (line, effects) in [
        ("XADD s * f v", "1: new s, xadd s; XADD s 1700000000000-0 f v"),
        ("XADD s 1700000000000-* f v", "1: xadd s; XADD s 1700000000000-1 f v"),
        ("XADD s 1700000000001-0 f v", "1: xadd s; XADD s 1700000000001-0 f v"),
        ("XADD s 1-1 f v", "0: ; "),
        (
            "XADD s NOMKSTREAM MAXLEN ~ 2 LIMIT 7 * f v",
            "1: xadd s; XADD s NOMKSTREAM MAXLEN = 4 1700000000001-1 f v",
        ),
        ("XADD s MAXLEN 2 1700000000002-0 f v", "1: xadd s, xtrim s; XADD s MAXLEN 2 1700000000002-0 f v"),
        ("XGROUP CREATE s g 0", "1: xgroup-create s; XGROUP CREATE s g 0"),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
            "2: xgroup-createconsumer s; XCLAIM s g c 0 1700000000001-1 TIME 1700000000000 RETRYCOUNT 1 FORCE \
             JUSTID LASTID 1700000000001-1, XGROUP SETID s g 1700000000001-1 ENTRIESREAD 4",
        ),
        ("XREADGROUP GROUP g c STREAMS s 0", "1: ; "),
        ("XREADGROUP GROUP g d STREAMS s 0", "2: xgroup-createconsumer s; XGROUP CREATECONSUMER s g d"),
        (
            "XREADGROUP GROUP g e NOACK STREAMS s >",
            "2: xgroup-createconsumer s; XGROUP CREATECONSUMER s g e, \
             XGROUP SETID s g 1700000000002-0 ENTRIESREAD 5",
        ),
        ("XREADGROUP GROUP g c STREAMS s >", "0: ; "),
        ("XREAD STREAMS s 0", "0: ; "),
        (
            "XCLAIM s g d 0 1700000000001-1 RETRYCOUNT 3",
            "1: ; XCLAIM s g d 0 1700000000001-1 TIME 1700000000000 RETRYCOUNT 3 FORCE JUSTID \
             LASTID 1700000000002-0",
        ),
        ("XCLAIM s g d 0 9-9 LASTID 1700000000009-9", "1: ; XGROUP SETID s g 1700000000009-9 ENTRIESREAD 5"),
        ("XCLAIM s g d 0 9-9", "0: ; "),
        ("XDEL s 1700000000001-1 9-9", "1: xdel s; XDEL s 1700000000001-1 9-9"),
        ("XDEL s 1700000000001-1", "0: ; "),
        (
            "XAUTOCLAIM s g f 0 0",
            "2: xgroup-createconsumer s; XGROUP CREATECONSUMER s g f, XCLAIM s g d 0 1700000000001-1 TIME \
             1700000000000 RETRYCOUNT 3 FORCE JUSTID LASTID 1700000000009-9",
        ),
        ("XACK s g 1-1", "0: ; "),
        ("XTRIM s MAXLEN ~ 1", "0: ; "),
        ("XTRIM s MAXLEN ~ 0", "1: xtrim s; XTRIM s MAXLEN = 0"),
        ("XTRIM s MAXLEN ~ 0", "0: ; "),
        ("XSETID s 1800000000000-0", "1: xsetid s; XSETID s 1800000000000-0"),
        ("XGROUP SETID s g $", "1: xgroup-setid s; XGROUP SETID s g $"),
        ("XGROUP CREATECONSUMER s g x", "1: xgroup-createconsumer s; XGROUP CREATECONSUMER s g x"),
        ("XGROUP CREATECONSUMER s g x", "0: ; "),
        ("XGROUP DELCONSUMER s g x", "1: xgroup-delconsumer s; XGROUP DELCONSUMER s g x"),
        ("XGROUP DELCONSUMER s g x", "0: ; "),
        ("XGROUP DESTROY s g", "1: xgroup-destroy s; XGROUP DESTROY s g"),
        ("XGROUP DESTROY s g", "0: ; "),
        ("XGROUP CREATE t g $ MKSTREAM", "1: new t, xgroup-create t; XGROUP CREATE t g $ MKSTREAM"),
        (
            "XADD t MINID ~ 5 1-1 f v",
            "1: xadd t, xtrim t; XADD t MINID = \
          18446744073709551615-18446744073709551615 1-1 f v",
        ),
        ("XADD t 2-0 f v", "1: xadd t; XADD t 2-0 f v"),
        ("XDELEX t ACKED IDS 1 2-0", "0: ; "),
        ("XADD t MAXLEN ~ 0 ACKED 3-0 f v", "1: xadd t; XADD t MAXLEN = 2 ACKED 3-0 f v"),
        (
            "XREADGROUP GROUP g c COUNT 1 STREAMS t >",
            "2: xgroup-createconsumer t; XCLAIM t g c 0 2-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID \
             LASTID 2-0, XGROUP SETID t g 2-0 ENTRIESREAD 2",
        ),
        ("XACKDEL t g IDS 1 2-0", "2: xdel t; XACKDEL t g IDS 1 2-0"),
        ("XTRIM t MAXLEN ~ 0 DELREF", "1: xtrim t; XTRIM t MAXLEN = 0 DELREF"),
    ] {
        world.run(line);
        assert_eq!(world.effects(), effects, "{line}");
    }
}

/// Random commands over few ids, groups and consumers.
fn random_line(dice: &mut Dice, last: &mut u64) -> String {
    let mut roll = |sides: u64| dice.below(sides);
    let group = ["g", "h"][roll(2) as usize];
    let consumer = ["a", "b", "c"][roll(3) as usize];
    let id = format!("{}-0", 1 + roll(*last + 1));
    let (count, policy) = (1 + roll(3), ["KEEPREF", "DELREF", "ACKED"][roll(3) as usize]);
    let near = last.saturating_sub(roll(7));
    match roll(16) {
        0..=3 => {
            *last += 1;
            let trim = match roll(6) {
                0 => format!("MAXLEN ~ {} {policy}", roll(9)),
                1 => format!("MINID ~ {near} {policy}"),
                2 => format!("MAXLEN {} {policy}", 3 + roll(9)),
                3 => format!("MINID ~ {near} LIMIT {}", roll(5)),
                _ => String::new(),
            };
            format!("XADD s {trim} {last}-* f {}", "x".repeat(1 + roll(3) as usize * 40))
        }
        4..=6 => format!("XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS s >"),
        7 => {
            let noack = ["", "NOACK"][roll(2) as usize];
            format!(
                "XREADGROUP GROUP {group} {consumer} {noack} CLAIM {} COUNT {count} STREAMS s >",
                roll(40)
            )
        }
        8 => format!("XACK s {group} {id}"),
        9 => format!("XDEL s {id}"),
        10 => format!("XCLAIM s {group} {consumer} {} {id} FORCE LASTID {near}", roll(3)),
        11 => format!("XAUTOCLAIM s {group} {consumer} {} {id} COUNT {count}", roll(3)),
        12 => format!("XDELEX s {policy} IDS 1 {id}"),
        13 => format!("XACKDEL s {group} {policy} IDS 1 {id}"),
        14 => match roll(4) {
            0 => format!("XGROUP SETID s {group} {id}"),
            1 => format!("XGROUP DELCONSUMER s {group} {consumer}"),
            2 => format!("XGROUP DESTROY s {group}"),
            _ => format!("XTRIM s MINID ~ {near} {policy}"),
        },
        _ => format!("XGROUP CREATE s {group} {} MKSTREAM", ["0", "$"][roll(2) as usize]),
    }
}

#[test]
fn records_do_elsewhere_what_was_done_here() {
    let mut dice = Dice::new(11);
    let (mut here, mut there) = (World::new(), World::new());
    for world in [&mut here, &mut there] {
        world.settings.stream_node_entries_max = 3;
    }
    let mut last = 0;
    for step in 0..6000 {
        let line = random_line(&mut dice, &mut last);
        here.run(&line);
        let told = here.effects();
        let records = told.split_once("; ").map_or("", |(_, records)| records);
        for record in records.split(", ").filter(|record| !record.is_empty()) {
            there.run(record);
        }
        if step % 3 == 0 {
            here.sleep_ms(1);
            there.sleep_ms(1);
        }
        for look in [
            "XRANGE s - +",
            "XINFO GROUPS s",
            "XPENDING s g - + 1000",
            "XPENDING s h - + 1000",
            "XPENDING s g",
        ] {
            assert_eq!(here.run(look), there.run(look), "{look} after {line}, which recorded {records}");
        }
    }
    assert!(last > 1000, "streams grew");
}
