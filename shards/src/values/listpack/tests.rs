//! The listpack against a plain vector, and against the bytes of strangers.
use super::*;
use proptest::prelude::*;

fn text(value: StrRef<'_>) -> Vec<u8> {
    value.bytes(&mut [0; 20]).to_vec()
}

fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
    pack.iter().map(text).collect()
}

fn packed(values: &[&[u8]]) -> Listpack {
    let mut pack = Listpack::new();
    values.iter().for_each(|value| pack.push_back(value));
    pack
}

#[test]
fn bytes_are_those_of_redis() {
    assert_eq!(Listpack::new().as_bytes(), b"\x07\0\0\0\0\0\xff");
    // What DUMP of Redis 7.0.15 has for RPUSH l a 1 -1 1000 40000 -8388608 70000000000 "" (a quicklist's node).
    let pack = packed(&[b"a", b"1", b"-1", b"1000", b"40000", b"-8388608", b"70000000000", b""]);
    let elements: &[&[u8]] = &[
        b"\x81a\x02",
        b"\x01\x01",
        b"\xdf\xff\x02",
        b"\xc3\xe8\x02",
        b"\xf2\x40\x9c\0\x04",
        b"\xf2\0\0\x80\x04",
        b"\xf4\0\x3c\x53\x4c\x10\0\0\0\x09",
        b"\x80\x01",
    ];
    let elements = elements.concat();
    let mut whole = vec![elements.len() as u8 + 7, 0, 0, 0, 8, 0];
    whole.extend_from_slice(&elements);
    whole.push(0xff);
    assert_eq!(pack.as_bytes(), whole);
}

#[test]
fn lengths_cross_each_limit() {
    let lens = [0, 1, 62, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_377, 16_378, 16_379, 16_380, 2_097_146];
    let mut pack = Listpack::new();
    for (count, len) in lens.into_iter().enumerate() {
        pack.push_back(&vec![b'x'; len]);
        assert_eq!(pack.len(), count + 1);
    }
    assert_eq!(pack.iter().map(StrRef::len).collect::<Vec<_>>(), lens);
    assert_eq!(
        pack.iter().rev().map(StrRef::len).collect::<Vec<_>>(),
        lens.into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(Listpack::from_bytes(pack.as_bytes()), Some(pack));
}

#[test]
fn more_elements_than_the_header_counts() {
    let mut pack = Listpack::new();
    for _ in 0..65_534 {
        pack.push_back(b"1");
    }
    assert_eq!((pack.count(), pack.len()), (65_534, 65_534));
    pack.push_back(b"2");
    assert_eq!((pack.count(), pack.len()), (COUNT_UNKNOWN, 65_535));
    pack.push_front(b"3");
    assert_eq!((pack.count(), pack.len()), (COUNT_UNKNOWN, 65_536));
    assert_eq!(pack.seek(65_535).map(|at| pack.get(at)), Some(StrRef::Int(2)));
    assert_eq!(pack.seek(-65_536).map(|at| pack.get(at)), Some(StrRef::Int(3)));
    assert_eq!((pack.seek(65_536), pack.seek(-65_537)), (None, None));
    assert_eq!(Listpack::from_bytes(pack.as_bytes()).map(|pack| pack.len()), Some(65_536));
    pack.remove_range(0, 2);
    assert_eq!((pack.count(), pack.len()), (65_534, 65_534));
}

#[test]
fn an_address_keeps_the_listpack() {
    let address = packed(&[b"a", b"7"]).into_address();
    assert_eq!(address & 7, 0);
    // SAFETY: the address is given back once.
    let pack = unsafe { Listpack::from_address(address) };
    assert_eq!(texts(&pack), [b"a", b"7"]);
    assert_eq!(pack.memory_bytes(), 16);
    assert_eq!(size_of::<Option<Listpack>>(), 8);
}

#[test]
fn find_skips() {
    let pack = packed(&[b"a", b"b", b"b", b"7", b"7", b"a"]);
    let index = |value: &[u8], from: i64, skip| {
        let at = pack.find(pack.seek(from).unwrap(), value, skip)?;
        (0..6).find(|index| pack.seek(*index) == Some(at))
    };
    assert_eq!(index(b"b", 0, 0), Some(1));
    assert_eq!(index(b"b", 0, 1), Some(2));
    assert_eq!(index(b"7", 1, 1), Some(3));
    assert_eq!(index(b"7", 0, 1), Some(4));
    assert_eq!(index(b"a", 1, 0), Some(5));
    assert_eq!(index(b"07", 0, 0), None);
    assert_eq!(index(b"a", 0, 5), Some(0));
    assert_eq!(index(b"b", 0, 6), None);
}

/// Elements of every encoding.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => proptest::collection::vec(any::<u8>(), 0..70),
        1 => proptest::collection::vec(any::<u8>(), 120..140),
        1 => (4090usize..4100).prop_map(|len| vec![b'y'; len]),
        2 => any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        4 => (0u32..63, any::<i64>()).prop_map(|(shift, value)| (value >> shift).to_string().into_bytes()),
        1 => Just(b"-0".to_vec()),
        1 => Just(b"9223372036854775808".to_vec()),
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Back(Vec<u8>),
    Front(Vec<u8>),
    Before(usize, Vec<u8>),
    After(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(i64, usize),
    Split(usize, bool),
    Find(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    prop_oneof![
        3 => value().prop_map(Back),
        2 => value().prop_map(Front),
        2 => (0usize..40, value()).prop_map(|(at, value)| Before(at, value)),
        2 => (0usize..40, value()).prop_map(|(at, value)| After(at, value)),
        2 => (0usize..40, value()).prop_map(|(at, value)| Replace(at, value)),
        2 => (0usize..40).prop_map(Remove),
        1 => (-40i64..40, 0usize..6).prop_map(|(at, count)| RemoveRange(at, count)),
        1 => (0usize..40, any::<bool>()).prop_map(|(at, keep)| Split(at, keep)),
        1 => (0usize..40, 0usize..40, 0usize..4).prop_map(|(from, what, skip)| Find(from, what, skip)),
    ]
}

fn apply(pack: &mut Listpack, model: &mut Vec<Vec<u8>>, change: Change) {
    let wrap = |at: usize, model: &[Vec<u8>]| at % model.len().max(1);
    let seek = |pack: &Listpack, at: usize| pack.seek(at as i64);
    match change {
        Change::Back(value) => {
            pack.push_back(&value);
            model.push(value);
        }
        Change::Front(value) => {
            pack.push_front(&value);
            model.insert(0, value);
        }
        Change::RemoveRange(index, count) => {
            let start = if index < 0 { index + model.len() as i64 } else { index };
            if (0..model.len() as i64).contains(&start) {
                let start = start as usize;
                model.drain(start..(start + count).min(model.len()));
            }
            pack.remove_range(index, count);
        }
        Change::Split(at, keep_front) => {
            let at = at.min(model.len());
            let tail = pack.split_off(at);
            let model_tail = model.split_off(at);
            assert_eq!(texts(&tail), model_tail);
            if keep_front {
                pack.append(&tail);
                model.extend(model_tail);
            }
        }
        _ if model.is_empty() => {}
        Change::Before(at, value) => {
            let at = wrap(at, model);
            let stands = pack.insert_before(seek(pack, at).unwrap(), &value);
            assert_eq!(text(pack.get(stands)), value);
            model.insert(at, value);
        }
        Change::After(at, value) => {
            let at = wrap(at, model);
            let stands = pack.insert_after(seek(pack, at).unwrap(), &value);
            assert_eq!(text(pack.get(stands)), value);
            model.insert(at + 1, value);
        }
        Change::Replace(at, value) => {
            let at = wrap(at, model);
            let stands = pack.replace(seek(pack, at).unwrap(), &value);
            assert_eq!(text(pack.get(stands)), value);
            model[at] = value;
        }
        Change::Remove(at) => {
            let at = wrap(at, model);
            let next = pack.remove(seek(pack, at).unwrap());
            model.remove(at);
            assert_eq!(next.map(|next| text(pack.get(next))).as_ref(), model.get(at));
        }
        Change::Find(from, what, skip) => {
            let (from, what) = (wrap(from, model), model[wrap(what, model)].clone());
            let found = pack.find(seek(pack, from).unwrap(), &what, skip);
            let expected = (from..model.len()).step_by(skip + 1).find(|at| model[*at] == what);
            assert_eq!(found, expected.map(|at| seek(pack, at).unwrap()));
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_a_vector_does(changes in proptest::collection::vec(change(), 0..60)) {
        let (mut pack, mut model) = (Listpack::new(), Vec::new());
        for change in changes {
            apply(&mut pack, &mut model, change);
            prop_assert_eq!(texts(&pack), &model[..]);
            prop_assert_eq!((pack.len(), pack.is_empty()), (model.len(), model.is_empty()));
            let backwards: Vec<_> = pack.iter().rev().map(text).collect();
            prop_assert!(backwards.iter().eq(model.iter().rev()));
            let again = Listpack::from_bytes(pack.as_bytes());
            prop_assert_eq!(again.as_ref().map(Listpack::as_bytes), Some(pack.as_bytes()));
        }
        for (index, value) in model.iter().enumerate() {
            let at = pack.seek(index as i64).unwrap();
            prop_assert_eq!(pack.seek(index as i64 - model.len() as i64), Some(at));
            prop_assert_eq!(&text(pack.get(at)), value);
        }
        prop_assert_eq!(pack.clone(), pack);
    }

    /// Whatever bytes pass as a listpack can be walked and changed like one.
    #[test]
    fn hostile_bytes_are_refused_or_harmless(
        values in proptest::collection::vec(value(), 0..8),
        wounds in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut pack = Listpack::new();
        values.iter().for_each(|value| pack.push_back(value));
        let mut bytes = pack.as_bytes().to_vec();
        for (index, byte) in wounds {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
            let len = bytes.len() as u32;
            if let Some(total) = bytes.first_chunk_mut() {
                *total = len.to_le_bytes();
            }
        }
        if let Some(mut pack) = Listpack::from_bytes(&bytes) {
            let forwards = texts(&pack);
            let mut backwards: Vec<_> = pack.iter().rev().map(text).collect();
            backwards.reverse();
            prop_assert_eq!(&forwards, &backwards);
            prop_assert_eq!(pack.len(), forwards.len());
            for value in &forwards {
                prop_assert!(pack.find(pack.first().unwrap(), value, 0).is_some());
            }
            pack.push_front(b"x");
            pack.truncate(1);
            prop_assert_eq!(texts(&pack), [b"x"]);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = bytes;
        if let Some(last) = bytes.last_mut() {
            *last = END;
        }
        let len = bytes.len() as u32;
        if let Some(total) = bytes.first_chunk_mut() {
            *total = len.to_le_bytes();
        }
        if let Some(pack) = Listpack::from_bytes(&bytes) {
            prop_assert_eq!(pack.len(), pack.iter().count());
        }
    }
}

#[test]
fn room_stays_until_it_is_not_needed() {
    let mut pack = Listpack::with_room(1000);
    let mut grows = Listpack::new();
    for index in 0..400 {
        let value = format!("element {index}");
        pack.push_back(value.as_bytes());
        grows.push_back(value.as_bytes());
        let total = grows.as_bytes().len();
        assert_eq!(pack.as_bytes(), grows.as_bytes());
        assert_eq!(pack.memory_bytes(), if total <= 1024 { 1024 } else { grows.memory_bytes() });
    }
    let mut pack = Listpack::with_room(1000);
    (0..60).for_each(|_| pack.push_back(b"element 1234"));
    while pack.len() > 1 {
        pack.remove_range(0, 1);
        let total = pack.as_bytes().len();
        let is_half = total <= 512;
        assert_eq!(pack.memory_bytes(), if is_half { pack.clone().memory_bytes() } else { 1024 }, "{total}");
    }
    let mut pack = Listpack::with_room(2000);
    pack.push_back(b"one");
    assert_eq!(pack.memory_bytes(), 2048);
    // SAFETY: the address is turned back once.
    let again = unsafe { Listpack::from_address(pack.clone().into_address()) };
    assert_eq!((again.memory_bytes(), again), (16, pack.clone()));
    pack.fit();
    assert_eq!((pack.memory_bytes(), texts(&pack)), (16, vec![b"one".to_vec()]));
    // No room is told that is beyond what fits in beside an address, or that is none.
    for room in [0, 7, 100, 1 << 20] {
        assert_eq!(Listpack::with_room(room).memory_bytes(), 8);
    }
}
