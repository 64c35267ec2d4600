//! Tests of packed entries.
use super::*;
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

fn list() -> Value<'static> {
    Value::Object(crate::values::List::empty().into())
}

#[test]
fn a_collection_moves_with_its_entry() {
    let mut entry = Entry::new(b"k", list(), None, 3, true);
    assert_eq!((entry.view().type_name(), entry.view().is_string()), ("list", false));
    assert_eq!(entry.alter(|list: &mut crate::values::List| list.len()), Some(0));
    assert_eq!(entry.alter(|_: &mut crate::values::Hash| ()), None, "of another kind");
    let mut entry = entry.repack(Some(&[b'x'; 300]), Some(9));
    assert_eq!((entry.view().lru(), entry.view().version()), (3, true));
    assert!(entry.view().as_kind::<crate::values::List>().is_some());
    assert!(entry.take_object().is_some() && entry.take_object().is_none(), "taken once");
    assert!(entry.view().is_string());
}

#[test]
fn a_panic_while_a_collection_changes_frees_nothing_twice() {
    let mut entry = Entry::new(b"k", list(), None, 0, false);
    let change = std::panic::AssertUnwindSafe(|| {
        entry.alter(|_: &mut crate::values::List| panic!("as a bug would"));
    });
    assert!(std::panic::catch_unwind(change).is_err());
    assert!(entry.view().is_string());
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
}
