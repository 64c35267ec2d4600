//! Tests of hashes: against a map, in all encodings.
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    /// Field, value, whether the expiry stays.
    Set(u8, u16, bool),
    Remove(u8),
    SetExpiry(u8, Option<i64>),
    /// Time passes, and some of these fields are asked for.
    Shed(Vec<u8>, i64),
    Reap(usize, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let field = || 0u8..30;
    let step = prop_oneof![
        6 => (field(), any::<u16>(), any::<bool>()).prop_map(|(field, value, keep)| Step::Set(field, value, keep)),
        3 => field().prop_map(Step::Remove),
        4 => (field(), proptest::option::of(1i64..100)).prop_map(|(field, at)| Step::SetExpiry(field, at)),
        1 => (proptest::collection::vec(field(), 0..5), 0i64..10).prop_map(|(fields, ms)| Step::Shed(fields, ms)),
        1 => (1usize..20, 0i64..10).prop_map(|(budget, ms)| Step::Reap(budget, ms)),
    ];
    proptest::collection::vec(step, 1..200)
}

/// Names that are numbers and names that are not, one of them long.
fn name(field: u8) -> Vec<u8> {
    match field {
        0 => b"long".repeat(30),
        1 => Vec::new(),
        2..15 => (i64::from(field) * 1_000_003 - 5_000_000).to_string().into_bytes(),
        _ => format!("field {field}").into_bytes(),
    }
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn fields_of(hash: &Hash) -> Model {
    let mut fields = Model::new();
    hash.each(|pair| {
        let value = pair.value.bytes(&mut [0; 20]).to_vec();
        let twice = fields.insert(pair.field.bytes(&mut [0; 20]).to_vec(), (value, pair.expires_at_ms));
        assert!(twice.is_none(), "a field is seen once");
    });
    fields
}

fn names(names: &[Box<[u8]>]) -> BTreeSet<Vec<u8>> {
    names.iter().map(|name| name.to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 400 }))]
    #[test]
    fn behaves_as_a_map(
        steps in steps(),
        entries_max in prop_oneof![Just(0usize), Just(3), Just(12), Just(512)],
        value_bytes_max in prop_oneof![Just(4usize), Just(64), Just(1000)],
    ) {
        let settings = Settings {
            hash_listpack_entries_max: entries_max,
            hash_listpack_value_bytes_max: value_bytes_max,
            ..Settings::default()
        };
        let mut hash = Hash::empty();
        let mut model = Model::new();
        let mut now_ms = 0;
        for step in steps {
            match step {
                Step::Set(field, value, keep) => {
                    let (field, value) = (name(field), value.to_string().into_bytes());
                    let kept = model.get(&field).and_then(|(_, expiry)| *expiry).filter(|_| keep);
                    let is_new = model.insert(field.clone(), (value.clone(), kept)).is_none();
                    prop_assert_eq!(hash.set(&field, &value, keep, &settings), is_new);
                }
                Step::Remove(field) => {
                    prop_assert_eq!(hash.remove(&name(field)), model.remove(&name(field)).is_some());
                }
                Step::SetExpiry(field, expires_at_ms) => {
                    hash.set_expiry(&name(field), expires_at_ms);
                    if let Some((_, expiry)) = model.get_mut(&name(field)) { *expiry = expires_at_ms; }
                }
                Step::Shed(fields, ms) => {
                    now_ms += ms;
                    let fields: Vec<Vec<u8>> = fields.into_iter().map(name).collect();
                    let is_timed = matches!(hash, Hash::Timed(_));
                    let due = |(field, (_, expiry)): &(&Vec<u8>, &(Vec<u8>, Option<i64>))| {
                        expiry.is_some_and(|at_ms| at_ms < now_ms) && (is_timed || fields.contains(*field))
                    };
                    let due: BTreeSet<Vec<u8>> = model.iter().filter(due).map(|(field, _)| field.clone()).collect();
                    let asked: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                    prop_assert_eq!(names(&hash.shed(&asked, now_ms)), due.clone());
                    model.retain(|field, _| !due.contains(field));
                }
                Step::Reap(budget, ms) => {
                    now_ms += ms;
                    let gone = names(&hash.reap(budget, now_ms).0);
                    let is_due = |field: &Vec<u8>| model[field].1.is_some_and(|at_ms| at_ms < now_ms);
                    prop_assert!(gone.iter().all(is_due));
                    model.retain(|field, _| !gone.contains(field));
                }
            }
            prop_assert_eq!(hash.len(), model.len());
            prop_assert_eq!(hash.is_empty(), model.is_empty());
            prop_assert_eq!(hash.has_deadlines(), model.values().any(|(_, expiry)| expiry.is_some()));
            let soonest = model.values().filter_map(|(_, expiry)| *expiry).min();
            prop_assert!(hash.next_expiry_ms() <= soonest, "{:?} after {soonest:?}", hash.next_expiry_ms());
        }
        prop_assert_eq!(fields_of(&hash), model.clone());
        prop_assert_eq!(fields_of(&hash.copy()), model.clone());
        for (field, (value, expiry)) in &model {
            let live = expiry.is_none_or(|at_ms| at_ms >= now_ms);
            let found = hash.get(field, now_ms).map(|value| value.bytes(&mut [0; 20]).to_vec());
            prop_assert_eq!(found, live.then(|| value.clone()));
        }
        if model.len() > entries_max { prop_assert_eq!(hash.encoding(), "hashtable"); }
        // Everything goes in the end.
        let mut rounds = 0;
        while hash.has_due(i64::MAX) {
            let gone = hash.reap(3, i64::MAX).0;
            model.retain(|field, _| !gone.iter().any(|name| **name == **field));
            rounds += 1;
            prop_assert!(rounds < 1000, "a round comes to an end");
        }
        prop_assert_eq!(fields_of(&hash), model);
        while !hash.free_some(2) {}
    }
}

#[test]
fn fields_that_expire_stand_in_the_order_of_redis() {
    let settings = Settings::default();
    let mut hash = Hash::empty();
    for field in ["a", "b", "c", "d"] {
        hash.set(field.as_bytes(), b"1", false, &settings);
    }
    let order = |hash: &Hash| {
        let mut order = String::new();
        hash.each(|pair| order += std::str::from_utf8(pair.field.bytes(&mut [0; 20])).unwrap());
        order
    };
    hash.set_expiry(b"c", Some(20));
    hash.set_expiry(b"b", Some(10));
    hash.set_expiry(b"d", Some(20));
    assert_eq!((order(&hash).as_str(), hash.encoding()), ("bcda", "listpackex"));
    hash.set(b"b", b"2", true, &settings);
    assert_eq!((order(&hash).as_str(), hash.next_expiry_ms()), ("bcda", Some(10)));
    hash.set(b"b", b"2", false, &settings);
    assert_eq!((order(&hash).as_str(), hash.next_expiry_ms()), ("cdab", Some(20)));
}

#[test]
fn draws_find_every_field() {
    for entries_max in [512, 0] {
        let settings = Settings { hash_listpack_entries_max: entries_max, ..Settings::default() };
        let mut hash = Hash::empty();
        for field in 0..20 {
            hash.set(&name(field), b"v", false, &settings);
        }
        if entries_max > 0 {
            hash.set_expiry(&name(3), Some(7));
        }
        let mut dice = Dice::new(1);
        let draw = |dice: &mut Dice| hash.random(dice).field.bytes(&mut [0; 20]).to_vec();
        let seen: BTreeSet<Vec<u8>> = (0..500).map(|_| draw(&mut dice)).collect();
        assert_eq!(seen.len(), 20, "{}", hash.encoding());
    }
}

#[test]
fn hashes_are_within_their_budgets() {
    use crate::keyspace::{Entry, Value};
    let settings = Settings::default();
    let mut small = Hash::empty();
    for field in ["name", "email", "age", "city", "visits"] {
        small.set(field.as_bytes(), b"common", false, &settings);
    }
    let entry = Entry::new(b"session:00012345", Value::Object(small.into()), None, 0, false);
    // The entry's word in its table takes 10 bytes.
    assert!(entry.view().memory_bytes() + 10 <= 130, "{}", entry.view().memory_bytes());
    let mut big = Hash::empty();
    let count = if cfg!(miri) { 600 } else { 300_000 };
    for index in 0..count {
        big.set(
            format!("field:{index:06}").as_bytes(),
            format!("value:{index:06}").as_bytes(),
            false,
            &settings,
        );
    }
    let each = big.memory_bytes() as f64 / f64::from(count);
    assert!(cfg!(miri) || each <= 43.0, "{each:.1} bytes a field");
}
