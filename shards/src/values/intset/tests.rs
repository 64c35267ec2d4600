//! Intsets against a tree of integers, and against bytes that strangers send.
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Integers of every width, near their ends too, and often the same.
fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -20i64..20,
        1 => (i64::from(i16::MIN) - 2)..(i64::from(i16::MIN) + 2),
        1 => (i64::from(i16::MAX) - 2)..(i64::from(i16::MAX) + 2),
        1 => (i64::from(i32::MIN) - 2)..(i64::from(i32::MIN) + 2),
        1 => (i64::from(i32::MAX) - 2)..(i64::from(i32::MAX) + 2),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()],
    ]
}

fn cases(count: u32) -> ProptestConfig {
    ProptestConfig::with_cases(if cfg!(miri) { 4 } else { count })
}

proptest! {
    #![proptest_config(cases(500))]
    #[test]
    fn behaves_as_a_set(steps in proptest::collection::vec((integer(), any::<bool>()), 0..120), probe in integer()) {
        let (mut own, mut model) = (Intset::new(), BTreeSet::new());
        let mut widest = 2;
        for (value, adds) in steps {
            if adds {
                prop_assert_eq!(own.insert(value), model.insert(value));
                widest = widest.max(width_of(value));
            } else {
                prop_assert_eq!(own.remove(value), model.remove(&value));
            }
            prop_assert_eq!(own.len(), model.len());
            prop_assert_eq!(own.contains(probe), model.contains(&probe));
            prop_assert_eq!(own.width(), widest);
        }
        prop_assert!(own.iter().eq(model.iter().copied()));
        prop_assert!(own.iter().rev().eq(model.iter().rev().copied()));
        prop_assert_eq!(own.get(model.len()), None);
        for from in 0..=own.len() {
            let sought = own.iter().skip(from).position(|value| value >= probe);
            prop_assert_eq!(own.seek(from, probe), sought.map_or(own.len(), |at| from + at));
        }
        let ascending: Vec<i64> = model.into_iter().collect();
        prop_assert!(Intset::from_ascending(&ascending).iter().eq(own.iter()));
        let back = Intset::from_bytes(own.as_bytes());
        prop_assert_eq!(back.map(|back| back.as_bytes().to_vec()), (!own.is_empty()).then(|| own.as_bytes().to_vec()));
        let clone = own.clone();
        prop_assert_eq!(clone.as_bytes(), own.as_bytes());
        // SAFETY: the address is of the clone, which is given away.
        let again = unsafe { Intset::from_address(clone.into_address()) };
        prop_assert_eq!(again.as_bytes(), own.as_bytes());
    }

    #[test]
    fn a_stranger_s_bytes_are_taken_only_if_sound(
        values in proptest::collection::btree_set(integer(), 1..20),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in 0usize..12,
    ) {
        let values: Vec<i64> = values.into_iter().collect();
        let own = Intset::from_ascending(&values);
        let mut bytes = own.as_bytes().to_vec();
        if cut > 0 {
            prop_assert!(Intset::from_bytes(&bytes[..bytes.len().saturating_sub(cut)]).is_none());
            bytes.resize(bytes.len() + cut, byte);
            prop_assert!(Intset::from_bytes(&bytes).is_none());
            return Ok(());
        }
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Some(changed) = Intset::from_bytes(&bytes) {
            prop_assert_eq!(changed.as_bytes(), &bytes);
            prop_assert!(changed.iter().is_sorted_by(|one, next| one < next));
            prop_assert!(changed.iter().all(|value| changed.contains(value)));
        }
    }
}

#[test]
fn the_bytes_are_redis_s() {
    let mut set = Intset::new();
    assert_eq!(set.as_bytes(), [2, 0, 0, 0, 0, 0, 0, 0]);
    set.insert(5);
    set.insert(-2);
    assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 5, 0]);
    set.insert(0x1_0000);
    assert_eq!(set.as_bytes(), [4, 0, 0, 0, 3, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 1, 0]);
    set.remove(0x1_0000);
    assert_eq!(set.as_bytes(), [4, 0, 0, 0, 2, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 5, 0, 0, 0]);
}

#[test]
fn a_width_that_is_none_or_a_length_that_overflows_is_refused() {
    for bytes in [
        &[][..],
        &[2, 0, 0, 0, 0, 0, 0, 0],
        &[3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3],
        &[2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0],
        &[8, 0, 0, 0, 1, 0, 0, 0x20, 1, 0, 0, 0, 0, 0, 0, 0],
        &[2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0],
        &[2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0],
    ] {
        assert!(Intset::from_bytes(bytes).is_none(), "{bytes:?}");
    }
}
