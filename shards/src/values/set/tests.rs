//! Sets against a tree of byte strings, with limits so small that every conversion comes up; draws; algebra.
use super::algebra::{difference, intersect, intersection, subtract, union, unite};
use super::*;
use crate::dice::Dice;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Model = BTreeSet<Vec<u8>>;

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if cfg!(miri) { 4 } else { count })
}

/// Limits between those at which nothing is packed and those that a few members reach.
fn limits() -> impl Strategy<Value = Settings> {
    (0usize..12, 0usize..12, 0usize..8).prop_map(|(ints, entries, value)| Settings {
        set_intset_entries_max: ints,
        set_listpack_entries_max: entries,
        set_listpack_value_bytes_max: value,
        ..Settings::default()
    })
}

/// Members that are often the same: integers, what only looks like one, binary ones, long ones.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (-15i64..15).prop_map(|int| int.to_string().into_bytes()),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(|int| int.to_string().into_bytes()),
        1 => (0u8..5).prop_map(|digit| format!("0{digit}").into_bytes()),
        3 => proptest::collection::vec(0u8..4, 0..3),
        1 => (1usize..300).prop_map(|len| vec![b'x'; len]),
    ]
}

fn members_of(set: &Set) -> Vec<Vec<u8>> {
    set.iter().map(text).collect()
}

fn text(member: StrRef<'_>) -> Vec<u8> {
    member.bytes(&mut [0; 20]).to_vec()
}

fn set_of<'a>(members: impl IntoIterator<Item = &'a Vec<u8>>, settings: &Settings) -> Set {
    let mut set = Set::empty();
    for member in members {
        set.add(member, settings);
    }
    set
}

/// That a set holds what the model holds, each member once.
fn check(set: &Set, model: &Model) {
    let members = members_of(set);
    assert_eq!(members.len(), model.len());
    assert_eq!(set.len(), model.len());
    assert_eq!(&members.into_iter().collect::<Model>(), model);
}

proptest! {
    #![proptest_config(cases(400))]
    #[test]
    fn behaves_as_a_set(
        settings in limits(),
        steps in proptest::collection::vec((member(), 0u8..3), 0..60),
        probe in member(),
    ) {
        let (mut set, mut model) = (Set::empty(), Model::new());
        for (member, step) in steps {
            if step == 0 {
                prop_assert_eq!(set.remove(&member), model.remove(&member));
            } else {
                prop_assert_eq!(set.add(&member, &settings), model.insert(member));
            }
            prop_assert_eq!(set.contains(&probe), model.contains(&probe));
            let longest = model.iter().map(Vec::len).max().unwrap_or(0);
            match set.encoding() {
                "intset" => prop_assert!(set.len() <= settings.set_intset_entries_max),
                "listpack" => prop_assert!(
                    set.len() <= settings.set_listpack_entries_max
                        && longest <= settings.set_listpack_value_bytes_max
                ),
                _ => {}
            }
        }
        check(&set, &model);
        check(&set.copy(), &model);
        let (mut seen, mut cursor) = (Model::new(), 0);
        loop {
            cursor = set.scan(cursor, 3, |member| {
                seen.insert(text(member));
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&seen, &model);
        let encoding = set.encoding();
        // SAFETY: the word is of the set, which is given away.
        let mut back = unsafe { Set::from_word(set.into_word()) };
        prop_assert_eq!(back.encoding(), encoding);
        check(&back, &model);
        while !back.free_some(5) {}
    }

    #[test]
    fn sets_are_reckoned_with(
        settings in limits(),
        lists in proptest::collection::vec(proptest::collection::vec(member(), 0..40), 1..6),
        twice in any::<bool>(),
        limit in 1usize..5,
    ) {
        let mut models: Vec<Model> = lists.iter().map(|list| list.iter().cloned().collect()).collect();
        let mut sets: Vec<Set> = lists.iter().map(|list| set_of(list, &settings)).collect();
        if twice {
            models.push(models[0].clone());
            sets.push(sets[0].copy());
        }
        let sets: Vec<&Set> = sets.iter().collect();
        let mut all = models[0].clone();
        models.iter().for_each(|model| all.retain(|member| model.contains(member)));
        check(&intersection(&sets, &settings), &all);
        let mut some = Vec::new();
        intersect(&sets, |member| {
            some.push(text(member));
            some.len() < limit
        });
        prop_assert_eq!(some.len(), all.len().min(limit));
        prop_assert!(some.iter().all(|member| all.contains(member)));

        let any: Model = models.iter().flatten().cloned().collect();
        check(&union(&sets, &settings), &any);
        let mut united = Vec::new();
        unite(&sets, |member| united.push(text(member)));
        prop_assert_eq!(united.len(), any.len(), "each once");
        prop_assert_eq!(united.into_iter().collect::<Model>(), any);

        let mut rest = models[0].clone();
        rest.retain(|member| !models[1..].iter().any(|model| model.contains(member)));
        check(&difference(sets[0], &sets[1..], &settings), &rest);
        let mut subtracted = Vec::new();
        subtract(sets[0], &sets[1..], &settings, |member| subtracted.push(text(member)));
        prop_assert_eq!(subtracted.len(), rest.len(), "each once");
        prop_assert_eq!(subtracted.into_iter().collect::<Model>(), rest);
    }

    #[test]
    fn draws_are_of_members(
        settings in limits(),
        list in proptest::collection::btree_set(member(), 1..50),
        count in 0usize..60,
        seed in any::<u64>(),
    ) {
        let mut set = set_of(&list, &settings);
        let mut dice = Dice::new(seed);
        let drawn: Vec<_> = set.draw_different(count, &mut dice).into_iter().map(text).collect();
        prop_assert_eq!(drawn.len(), count.min(list.len()));
        prop_assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len(), "all are different");
        prop_assert!(drawn.iter().all(|member| list.contains(member)));
        let (drawn, left) = set.draw_and_leave(count, &mut dice);
        prop_assert_eq!(drawn.len(), count.min(list.len()));
        let both: Model = drawn.into_iter().chain(left).map(text).collect();
        prop_assert_eq!(&both, &list);
        let mut times = 0;
        set.draw_with_repeats(count as u64, &mut dice, |member| {
            times += 1;
            assert!(list.contains(&text(member)));
        });
        prop_assert_eq!(times, count);
        let taken: Model = (0..list.len()).map(|_| set.take_random(&mut dice).to_vec()).collect();
        prop_assert_eq!(taken, list);
        prop_assert!(set.is_empty());
    }
}

/// Fails where something that ought to come up `expected` times each did not, by far more than chance allows.
fn assert_uniform(times: &BTreeMap<Vec<u8>, u32>, of: usize, expected: f64) {
    assert_eq!(times.len(), of, "every member comes up");
    let chi_square: f64 = times.values().map(|times| (f64::from(*times) - expected).powi(2) / expected).sum();
    let freedom = (of - 1) as f64;
    // Members drawn together are not independent of each other, which only makes the sum smaller.
    assert!(chi_square < freedom + 6.0 * (2.0 * freedom).sqrt(), "{chi_square} where {freedom} is due");
}

#[test]
fn draws_are_uniform_in_every_encoding() {
    let settings = Settings::default();
    let rounds: usize = if cfg!(miri) { 100 } else { 20_000 };
    for (encoding, len, prefix) in [("intset", 60, ""), ("listpack", 60, "m"), ("hashtable", 600, "m")] {
        let members: Model = (0..len).map(|index| format!("{prefix}{index}").into_bytes()).collect();
        let set = set_of(&members, &settings);
        assert_eq!(set.encoding(), encoding);
        let mut dice = Dice::new(11);
        // Few enough to be drawn one by one, and so many that the set is walked.
        for count in [1, len / 10, len / 2, len - 1] {
            let rounds = rounds / count + 500;
            let mut different: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
            let (mut repeats, mut left) = (different.clone(), different.clone());
            for _ in 0..rounds {
                let mut add = |member| *different.entry(text(member)).or_default() += 1;
                set.draw_different(count, &mut dice).into_iter().for_each(&mut add);
                set.draw_with_repeats(count as u64, &mut dice, |member| {
                    *repeats.entry(text(member)).or_default() += 1;
                });
                for member in set.draw_and_leave(len - count, &mut dice).1 {
                    *left.entry(text(member)).or_default() += 1;
                }
            }
            let expected = (rounds * count) as f64 / len as f64;
            if !cfg!(miri) {
                [different, repeats, left].iter().for_each(|times| assert_uniform(times, len, expected));
            }
        }
    }
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let settings = Settings {
        set_intset_entries_max: 4,
        set_listpack_entries_max: 3,
        set_listpack_value_bytes_max: 5,
        ..Settings::default()
    };
    for (members, encoding) in [
        (&["1", "2", "3", "4"][..], "intset"),
        (&["1", "2", "3", "4", "5"], "hashtable"),
        (&["1", "2", "a"], "listpack"),
        (&["1", "2", "3", "a"], "hashtable"),
        (&["a", "b", "c"], "listpack"),
        (&["a", "b", "c", "d"], "hashtable"),
        (&["a", "b", "c", "c"], "listpack"),
        (&["abcde"], "listpack"),
        (&["abcdef"], "hashtable"),
        (&["123456"], "intset"),
        (&["123456", "a"], "hashtable"),
        (&["-12345", "a"], "hashtable"),
        (&["01"], "listpack"),
    ] {
        let members: Vec<Vec<u8>> = members.iter().map(|member| member.as_bytes().to_vec()).collect();
        assert_eq!(set_of(&members, &settings).encoding(), encoding, "{members:?}");
    }
    for (count, member, encoding) in
        [(4, "1", "intset"), (5, "1", "hashtable"), (3, "a", "listpack"), (4, "a", "hashtable")]
    {
        let mut set = Set::empty();
        set.expect(count, member.as_bytes(), &settings);
        assert_eq!(set.encoding(), encoding);
    }
    let mut set = set_of(&[b"1".to_vec()], &settings);
    set.expect(4, b"a", &settings);
    assert_eq!(set.encoding(), "intset");
    set.expect(5, b"1", &settings);
    assert_eq!(set.encoding(), "hashtable");
    assert_eq!(members_of(&set), [b"1"]);
}

#[test]
fn what_is_stored_has_redis_s_encoding() {
    let settings = Settings { set_intset_entries_max: 4, set_listpack_entries_max: 3, ..Settings::default() };
    let set = |words: &str| {
        let members: Vec<Vec<u8>> = words.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        set_of(&members, &settings)
    };
    let (table, ints, packed) = (set("1 2 3 4 a b"), set("1 2 3 4"), set("1 2 a"));
    // Integers alone become an intset again, whatever they were in.
    assert_eq!(intersection(&[&table, &set("1 2 3 4 c d")], &settings).encoding(), "intset");
    assert_eq!(intersection(&[&table, &ints], &settings).encoding(), "intset");
    assert_eq!(intersection(&[&table, &packed], &settings).encoding(), "listpack");
    assert_eq!(intersection(&[&table, &table], &settings).encoding(), "hashtable");
    assert_eq!(union(&[&ints, &set("5")], &settings).encoding(), "hashtable");
    assert_eq!(union(&[&packed, &set("1")], &settings).encoding(), "listpack");
    assert_eq!(difference(&table, &[&set("a b")], &settings).encoding(), "intset");
    // Taken out of a copy: that has the encoding of all that was in it.
    let others = [&set("1 2 3"), &set("4 a"), &set("x"), &set("x")];
    let rest = difference(&table, &others, &settings);
    assert_eq!((rest.encoding(), members_of(&rest)), ("hashtable", vec![b"b".to_vec()]));
}

#[test]
fn large_tables_are_reckoned_with() {
    let settings = Settings::default();
    let numbers = |from: usize, to: usize, step| -> Model {
        (from..to).step_by(step).map(|number| format!("m{number}").into_bytes()).collect()
    };
    let models = [numbers(0, 6000, 1), numbers(0, 9000, 2), numbers(0, 9000, 3), numbers(0, 30, 6)];
    let sets: Vec<Set> = models.iter().map(|model| set_of(model, &settings)).collect();
    let sets: Vec<&Set> = sets.iter().collect();
    check(&intersection(&sets[..3], &settings), &numbers(0, 6000, 6));
    check(&intersection(&sets, &settings), &models[3]);
    check(&union(&sets, &settings), &models.iter().flatten().cloned().collect());
    let mut united = Vec::new();
    unite(&sets, |member| united.push(text(member)));
    let model: Model = models.iter().flatten().cloned().collect();
    assert_eq!((united.len(), united.into_iter().collect::<Model>()), (model.len(), model));
    let rest = numbers(0, 6000, 1)
        .into_iter()
        .filter(|member| !models[1..].iter().any(|model| model.contains(member)));
    check(&difference(sets[0], &sets[1..], &settings), &rest.collect());
}

#[test]
fn tables_of_any_two_sizes_are_joined() {
    let settings = Settings { set_listpack_entries_max: 0, set_intset_entries_max: 0, ..Settings::default() };
    let sizes: &[usize] = if cfg!(miri) { &[33, 70] } else { &[31, 32, 33, 200, 641, 1030, 2500, 8000] };
    let numbers = |from: usize, to: usize| -> Model {
        (from..to).map(|number| format!("m{number}").into_bytes()).collect()
    };
    for one in sizes {
        for other in sizes {
            for shared in [0, 1, one.min(other) / 2, *one.min(other)] {
                let models = [numbers(0, *one), numbers(one - shared, one - shared + other)];
                let sets = models.each_ref().map(|model| set_of(model, &settings));
                check(&intersection(&[&sets[0], &sets[1]], &settings), &numbers(one - shared, *one));
            }
        }
    }
}

#[test]
fn a_big_set_s_members_take_what_they_may() {
    let count = if cfg!(miri) { 2000 } else { 1_000_000 };
    let settings = Settings::default();
    let mut set = Set::empty();
    for index in 0..count {
        set.add(format!("member:{index:07}").as_bytes(), &settings);
    }
    let each = set.memory_bytes() as f64 / f64::from(count);
    assert!(each <= 26.0 || cfg!(miri), "{each} bytes a member of 14 bytes");
    // Made in its size at once.
    let again = union(&[&set], &settings);
    let each = again.memory_bytes() as f64 / f64::from(count);
    assert!(each <= 26.0 || cfg!(miri), "{each} bytes a member of 14 bytes");
}
