//! Tests of packed entries.
use super::*;
use crate::settings::Settings;
use crate::values::list::Side;
use crate::values::{Hash, List, Set, Zset};
use proptest::prelude::*;

fn text(entry: &Entry) -> Vec<u8> {
    entry.view().string().bytes(&mut [0; 20]).to_vec()
}

#[test]
fn sizes_are_within_the_budget() {
    let size =
        |value: Value<'_>, expiry| Entry::new(&[b'k'; 16], value, expiry, 0, false).view().memory_bytes();
    assert_eq!(size(Value::Int(123), None), 24);
    assert_eq!(size(Value::Int(123), Some(1)), 32);
    assert_eq!(size(Value::Bytes(b"12345678"), None), 32);
    assert_eq!(size(Value::Bytes(b"12345678"), Some(1)), 40);
    assert_eq!(size(Value::Bytes(&[0; 32]), None), 56);
}

#[test]
fn encodings_have_redis_names() {
    let name = |value: Value<'_>| Entry::new(b"k", value, None, 0, false).view().encoding();
    assert_eq!(name(Value::Int(i64::MIN)), "int");
    assert_eq!(name(Value::Bytes(&[b'x'; 44])), "embstr");
    assert_eq!(name(Value::Bytes(&[b'x'; 45])), "raw");
    assert_eq!(name(Value::Raw(b"x")), "raw");
    assert_eq!(name(Value::Bytes(&[b'x'; 5000])), "raw");
}

#[test]
fn a_large_string_that_is_lent_is_copied_when_it_is_changed() {
    let mut entry = Entry::new(b"k", Value::Bytes(&[b'x'; 5000]), None, 0, false);
    let bytes = entry.view().memory_bytes();
    let address = |entry: &Entry| match entry.view().string() {
        StrRef::Bytes(bytes) => bytes.as_ptr(),
        StrRef::Int(_) => std::ptr::null(),
    };
    let own = address(&entry);
    entry.vec_mut().expect("a large one")[0] = b'y';
    assert_eq!(address(&entry), own, "nobody reads it");
    let lent = entry.share().expect("a large one");
    assert_eq!(lent.as_ptr(), own);
    entry.bytes_mut().expect("bytes")[1] = b'z';
    entry.vec_mut().expect("a large one").push(b'!');
    assert_eq!((&lent[..3], lent.len()), (&b"yxx"[..], 5000), "as it was");
    let now = text(&entry);
    assert_eq!((&now[..3], now.len()), (&b"yzx"[..], 5001));
    drop(lent);
    entry.vec_mut().expect("a large one").truncate(5000);
    entry.vec_mut().expect("a large one").shrink_to_fit();
    assert_eq!(entry.view().memory_bytes(), bytes);

    let lent = entry.share().expect("a large one");
    drop(entry);
    assert_eq!(lent.len(), 5000, "it outlives the entry");
    assert!(Entry::new(b"k", Value::Bytes(b"small"), None, 0, false).share().is_none());
}

fn list() -> Value<'static> {
    Value::Object(List::empty().into())
}

#[test]
fn a_collection_moves_with_its_entry() {
    let mut entry = Entry::new(b"k", list(), None, 3, true);
    assert_eq!((entry.view().type_name(), entry.view().is_string()), ("list", false));
    assert_eq!(entry.alter(b"k", |list: &mut List| list.len()), Some(0));
    assert_eq!(entry.alter(b"k", |_: &mut Hash| ()), None, "of another kind");
    let key = [b'x'; 300];
    let mut entry = entry.repack(Some(&key), Some(9));
    assert_eq!((entry.view().lru(), entry.view().version()), (3, true));
    assert!(entry.view().as_kind::<List>().is_some());
    assert!(entry.take_object().is_none(), "it has no memory of its own");
    push(&mut entry, &key, &[b'y'; INLINE_BYTES_MAX]);
    assert!(entry.take_object().is_some() && entry.take_object().is_none(), "taken once");
    assert!(entry.view().is_string());
}

fn push(entry: &mut Entry, key: &[u8], value: &[u8]) {
    entry.alter(key, |list: &mut List| list.push(Side::Right, &[value], &Settings::default())).unwrap();
}

fn length(entry: &Entry) -> usize {
    entry.view().as_kind::<List>().unwrap().len()
}

#[test]
fn a_collection_moves_out_when_it_is_long_and_in_when_it_is_short() {
    for key in [&b"k"[..], &[b'k'; 300], &[b'k'; INLINE_BYTES_MAX + 1]] {
        let mut entry = Entry::new(key, list(), Some(7), 3, true);
        for count in 1..=40 {
            push(&mut entry, key, &[b'x'; 40]);
            assert_eq!(length(&entry), count);
            assert_eq!(entry.view().is_in_line(), key.len() <= INLINE_BYTES_MAX && count <= 24, "{count}");
        }
        for count in (0..40).rev() {
            entry.alter(key, |list: &mut List| list.pop(Side::Left, |_| ())).unwrap();
            assert_eq!(length(&entry), count);
            assert_eq!(entry.view().is_in_line(), key.len() <= INLINE_BYTES_MAX && count <= 12, "{count}");
        }
        let view = entry.view();
        assert_eq!((view.key(), view.expires_at_ms(), view.lru(), view.version()), (key, Some(7), 3, true));
    }
}

#[test]
fn a_small_collection_is_one_allocation() {
    let mut hash = Hash::empty();
    for field in 0..5 {
        let (field, value) = (format!("field{field}"), format!("value{field}"));
        hash.set(field.as_bytes(), value.as_bytes(), false, &Settings::default());
    }
    let entry = Entry::new(&[b'k'; 16], Value::Object(hash.into()), None, 0, false);
    assert_eq!(entry.view().memory_bytes(), 112, "header 5, key 16, listpack 87");
    let mut set = Set::empty();
    [b"1", b"2"].iter().for_each(|member| assert!(set.add(*member, &Settings::default())));
    let entry = Entry::new(&[b'k'; 16], Value::Object(set.into()), None, 0, false);
    assert_eq!(entry.view().memory_bytes(), 40, "header 5, key 16, intset 12");
}

#[test]
fn a_panic_while_a_collection_changes_frees_nothing_twice() {
    let mut entry = Entry::new(b"k", list(), None, 0, false);
    let change = std::panic::AssertUnwindSafe(|| {
        entry.alter(b"k", |list: &mut List| {
            *list = List::empty();
            panic!("as a bug would");
        });
    });
    assert!(std::panic::catch_unwind(change).is_err());
    assert_eq!((entry.view().key(), length(&entry)), (&b"k"[..], 0));
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        key in proptest::collection::vec(any::<u8>(), 0..600),
        value in proptest::collection::vec(any::<u8>(), 0..3000),
        expiry in proptest::option::of(any::<i64>()),
        lru in 0u32..1 << 24,
        version in any::<bool>(),
    ) {
        let entry = Entry::new(&key, Value::Bytes(&value), expiry, lru, version);
        prop_assert_eq!(entry.view().key(), &key[..]);
        prop_assert_eq!(&text(&entry), &value);
        prop_assert_eq!(entry.view().expires_at_ms(), expiry);
        prop_assert_eq!((entry.view().lru(), entry.view().version()), (lru, version));
        let entry = entry.repack(Some(b"other"), Some(7));
        prop_assert_eq!((entry.view().key(), entry.view().expires_at_ms()), (&b"other"[..], Some(7)));
        prop_assert_eq!(text(&entry), value);
    }

    #[test]
    fn integers_come_out(value in prop_oneof![any::<i64>(), -(1i64 << 24)..1 << 24]) {
        let entry = Entry::new(b"k", Value::Int(value), None, 1, false);
        prop_assert_eq!(entry.view().string(), StrRef::Int(value));
    }

    /// Sets go from intset to listpack to table, sorted sets, hashes and lists out of their listpacks and lists back into them,
    /// while the entry is looked at, copied and packed anew: what stands in it is always what a plain set has.
    #[test]
    fn collections_in_line_are_those_of_a_model(
        steps in proptest::collection::vec((any::<bool>(), 0u32..200, 0usize..4), 1..150),
        key in proptest::collection::vec(any::<u8>(), 0..40),
        expiry in proptest::option::of(any::<i64>()),
    ) {
        let settings = Settings::default();
        let make = |object: Object| Entry::new(&key, Value::Object(object), expiry, 5, false);
        let mut set = make(Set::empty().into());
        let mut zset = make(Zset::empty().into());
        let mut hash = make(Hash::empty().into());
        let mut list = make(List::empty().into());
        let mut model = std::collections::BTreeSet::new();
        for (adds, number, kind) in steps {
            let member = if kind == 0 { format!("member:{number:040}") } else { number.to_string() };
            let bytes = member.as_bytes();
            let changed = if adds { model.insert(member.clone()) } else { model.remove(&member) };
            let limits = crate::values::zset::Limits::of(&settings);
            let in_set = set.alter(&key, |set: &mut Set| if adds { set.add(bytes, &settings) } else { set.remove(bytes) });
            prop_assert_eq!(in_set, Some(changed));
            let in_hash = hash.alter(&key, |hash: &mut Hash| {
                if adds { hash.set(bytes, b"value", false, &settings) } else { hash.remove(bytes) }
            });
            prop_assert_eq!(in_hash, Some(changed));
            zset.alter(&key, |zset: &mut Zset| {
                let score = crate::values::zset::Change::To(f64::from(number));
                if adds {
                    zset.add(bytes, score, Default::default(), limits).map(|_| ())
                } else {
                    zset.remove(bytes).map_or(Ok(()), |_| Ok(()))
                }
            }).unwrap().unwrap();
            list.alter(&key, |list: &mut List| {
                if adds && changed { list.push(Side::Left, &[bytes], &settings) }
                if !adds && changed {
                    list.remove_equal(Side::Left, bytes, 1);
                    list.shrink(&settings);
                }
            });
            if kind == 1 {
                set = set.repack(None, expiry);
                zset = zset.view().copy(&key, 5);
            }
            for entry in [&set, &zset, &hash, &list] {
                prop_assert_eq!(entry.view().as_object().unwrap().len(), model.len());
                prop_assert_eq!((entry.view().key(), entry.view().expires_at_ms()), (&key[..], expiry));
            }
        }
        let mut members: Vec<String> = Vec::new();
        set.view().as_kind::<Set>().unwrap().iter()
            .for_each(|member| members.push(String::from_utf8(member.bytes(&mut [0; 20]).to_vec()).unwrap()));
        members.sort();
        prop_assert!(members.iter().eq(&model));
        prop_assert!(model.iter().all(|member| zset.view().as_kind::<Zset>().unwrap().score(member.as_bytes()).is_some()));
        prop_assert!(model.iter().all(|member| hash.view().as_kind::<Hash>().unwrap().find(member.as_bytes()).is_some()));
    }
}
