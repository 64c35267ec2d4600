//! Values written and read again, and what strangers may send in their place.
use super::{Bad, Decoder, Extent, Loaded, Reader, Step, decode, encode, kind, kind_of, version_of};
use crate::digest;
use crate::keyspace::{Entry, Value};
use crate::settings::Settings;
use crate::values::list::Side;
use crate::values::stream::{Facts, Group, Id, Pending};
use crate::values::zset::{Change, Limits, When};
use crate::values::{Hash, Kind, List, Object, Set, Stream, Zset};
use proptest::prelude::*;

/// Thresholds so low that every encoding comes up.
fn tiny() -> Settings {
    Settings {
        hash_listpack_entries_max: 4,
        hash_listpack_value_bytes_max: 8,
        list_listpack_size: 4,
        list_compress_depth: 1,
        set_intset_entries_max: 4,
        set_listpack_entries_max: 4,
        set_listpack_value_bytes_max: 8,
        zset_listpack_entries_max: 4,
        zset_listpack_value_bytes_max: 8,
        stream_node_entries_max: 3,
        ..Settings::default()
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        (-200i64..200).prop_map(|int| int.to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..12),
        ("[ab]{1,3}", 1usize..40).prop_map(|(word, times)| word.repeat(times).into_bytes()),
    ]
}

fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(text(), 1..20)
}

fn list() -> impl Strategy<Value = Object> {
    texts().prop_map(|items| {
        let mut list = List::empty();
        items.iter().for_each(|item| list.push(Side::Right, &[item], &tiny()));
        list.into()
    })
}

fn set() -> impl Strategy<Value = Object> {
    texts().prop_map(|members| {
        let mut set = Set::empty();
        for member in &members {
            set.add(member, &tiny());
        }
        set.into()
    })
}

fn zset() -> impl Strategy<Value = Object> {
    let score = prop_oneof![any::<f64>(), (-5i32..5).prop_map(f64::from), Just(f64::INFINITY)];
    // The sign of a zero is lost in a listpack, as with Redis.
    let score =
        score.prop_filter("a score is a number", |score| !score.is_nan()).prop_map(|score| score + 0.0);
    prop::collection::vec((text(), score), 1..20).prop_map(|pairs| {
        let mut zset = Zset::empty();
        for (member, score) in &pairs {
            let added = zset.add(member, Change::To(*score), When::default(), Limits::of(&tiny()));
            added.expect("no score is added to another");
        }
        zset.into()
    })
}

fn hash() -> impl Strategy<Value = Object> {
    let time = prop::option::of(1i64..1 << 45);
    prop::collection::vec((text(), text(), time), 1..12).prop_map(|fields| {
        let mut hash = Hash::empty();
        for (field, value, expires_at_ms) in &fields {
            hash.set(field, value, false, &tiny());
            if expires_at_ms.is_some() {
                hash.set_expiry(field, *expires_at_ms);
            }
        }
        hash.into()
    })
}

fn stream() -> impl Strategy<Value = Object> {
    let entries = prop::collection::vec((0u64..3, text(), text(), any::<bool>()), 0..20);
    let groups = prop::collection::vec((text(), prop::collection::vec((text(), 0u64..40), 0..6)), 0..4);
    (entries, groups).prop_map(|(entries, groups)| {
        let mut stream = Stream::empty();
        for (at, (gap, name, value, _)) in entries.iter().enumerate() {
            stream.append(Id::new(3 + at as u64 * 2 + gap / 2, 7 + gap % 2), &[[name, value]], &tiny());
        }
        for (at, (gap, ..)) in entries.iter().enumerate().filter(|(_, entry)| entry.3) {
            stream.delete(Id::new(3 + at as u64 * 2 + gap / 2, 7 + gap % 2));
        }
        for (name, pending) in &groups {
            stream.add_group(name, group(pending));
        }
        stream.into()
    })
}

fn group(pending: &[(Vec<u8>, u64)]) -> Group {
    let mut group = Group::new(Id::new(9, 0), Some(3));
    for (consumer, ms) in pending {
        let found = group.find(consumer).or_else(|| group.add_consumer(consumer, 1_000));
        let consumer = found.expect("it is there, or new");
        group.deliver(Id::new(*ms, 0), Pending { delivered_at_ms: 5, deliveries: 2, consumer });
    }
    group
}

fn object() -> impl Strategy<Value = Object> {
    prop_oneof![list(), set(), zset(), hash(), stream()]
}

fn entry(value: Value<'_>) -> Entry {
    Entry::new(b"key", value, None, 0, false)
}

/// A value as it is written: its type, and the bytes behind it.
fn written(entry: &Entry, version: u16) -> (u8, Vec<u8>) {
    let mut out = Vec::new();
    encode(entry.view(), version, &mut out);
    (kind_of(entry.view(), version), out)
}

fn read(kind: u8, version: u16, bytes: &[u8], settings: &Settings) -> Result<Entry, Bad> {
    Ok(match decode(kind, version, bytes, settings)? {
        Loaded::String(text) => entry(Value::from_client(&text.into_vec())),
        Loaded::Object(object) => entry(Value::Object(object)),
    })
}

proptest! {
    #[test]
    fn what_is_written_comes_back(object in object(), rich: bool) {
        let before = entry(Value::Object(object));
        let version = if rich { super::VERSION_RICH } else { 0 }.max(version_of(before.view()));
        let (kind, bytes) = written(&before, version);
        for settings in [tiny(), Settings::default()] {
            let after = read(kind, version, &bytes, &settings).unwrap();
            prop_assert_eq!(digest::of_value(after.view()), digest::of_value(before.view()));
        }
        // Under the same settings it is packed the same way, so that the same is written again.
        let again = read(kind, version, &bytes, &tiny()).unwrap();
        prop_assert_eq!(again.view().encoding(), before.view().encoding());
        let (kind_again, bytes_again) = written(&again, version);
        prop_assert_eq!(kind_again, kind);
        prop_assert_eq!(bytes_again.len(), bytes.len());
    }

    #[test]
    fn strings_come_back(text in text()) {
        let before = entry(Value::from_client(&text));
        let (kind, bytes) = written(&before, 10);
        let after = read(kind, 10, &bytes, &Settings::default()).unwrap();
        prop_assert_eq!(after.view().string().bytes(&mut [0; 20]).to_vec(), text);
        prop_assert_eq!(after.view().encoding(), before.view().encoding());
    }

    #[test]
    fn windows_may_end_anywhere(object in object(), step in 1usize..40, budget in 1usize..5) {
        let before = entry(Value::Object(object));
        let version = version_of(before.view());
        let (kind, bytes) = written(&before, version);
        let (mut decoder, mut from, mut to) = (Decoder::new(kind, version), 0, 0);
        let object = loop {
            let mut reader = Reader::new(&bytes[from..to]);
            let result = decoder.step(&mut reader, &tiny(), budget);
            from += reader.position();
            match result {
                Err(Bad::Short) => to = (to + step).min(bytes.len()),
                Ok(Step::More) => {}
                Ok(Step::Done(Loaded::Object(object))) => break object,
                other => panic!("{other:?}"),
            }
        };
        prop_assert_eq!(from, bytes.len());
        prop_assert_eq!(digest::of_value(entry(Value::Object(object)).view()), digest::of_value(before.view()));
    }

    #[test]
    fn pieces_that_an_extent_tells_hold_whole_elements(object in object(), step in 1usize..40) {
        let before = entry(Value::Object(object));
        let version = version_of(before.view());
        let (kind, bytes) = written(&before, version);
        let (mut extent, mut decoder, mut from, mut to) = (Extent::new(kind, version), Decoder::new(kind, version), 0, 0);
        loop {
            let mut reader = Reader::new(&bytes[from..to]);
            let is_whole = extent.step(&mut reader).unwrap();
            let mut piece = Reader::new(&bytes[from..from + reader.position()]);
            from += reader.position();
            match decoder.step(&mut piece, &tiny(), usize::MAX) {
                Ok(Step::Done(Loaded::Object(object))) => {
                    prop_assert_eq!(digest::of_value(entry(Value::Object(object)).view()), digest::of_value(before.view()));
                    break;
                }
                Err(Bad::Short) if !is_whole => prop_assert_eq!(piece.left(), 0),
                other => panic!("{other:?}"),
            }
            to = (to + step).min(bytes.len());
        }
        prop_assert_eq!(from, bytes.len());
    }

    #[test]
    fn what_is_cut_off_is_missed(object in object(), at in any::<prop::sample::Index>()) {
        let before = entry(Value::Object(object));
        let version = version_of(before.view());
        let (kind, bytes) = written(&before, version);
        let cut = at.index(bytes.len());
        prop_assert_eq!(read(kind, version, &bytes[..cut], &tiny()).err(), Some(Bad::Short));
    }

    #[test]
    fn mutants_do_no_harm(
        object in object(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        rich: bool,
    ) {
        let before = entry(Value::Object(object));
        let version = if rich { super::VERSION_RICH } else { 0 }.max(version_of(before.view()));
        let (kind, mut bytes) = written(&before, version);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        use_up(kind, version, &bytes);
    }

    #[test]
    fn noise_does_no_harm(kind in 0u8..30, version in 1u16..13, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        use_up(kind, version, &bytes);
    }
}

/// What is taken from a stranger serves as well as anything else: it is seen whole, changed and written again.
fn use_up(kind: u8, version: u16, bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let is_whole = Extent::new(kind, version).step(&mut reader) == Ok(true) && reader.left() == 0;
    let Ok(taken) = read(kind, version, bytes, &tiny()) else { return };
    assert!(is_whole, "what is read reaches as far as was told");
    let digest = digest::of_value(taken.view());
    assert!(taken.view().memory_bytes() > 0);
    let version = version_of(taken.view());
    let (kind, again) = written(&taken, version);
    let again = read(kind, version, &again, &tiny()).expect("what we write ourselves is sound");
    assert_eq!(digest::of_value(again.view()), digest);
    if let Some(mut object) = taken.view().as_object().map(|object| object.copy()) {
        change(&mut object);
        while !object.free_some(3) {}
    }
}

fn change(object: &mut Object) {
    let member = b"one more";
    match object {
        Object::List(list) => {
            list.push(Side::Left, &[member], &tiny());
            list.set(-1, member, &tiny());
            list.remove_range(0..list.len() / 2);
            list.shrink(&tiny());
        }
        Object::Set(set) => {
            set.add(member, &tiny());
            assert!(set.remove(member));
        }
        Object::Zset(zset) => {
            let added = zset.add(member, Change::To(0.5), When::default(), Limits::of(&tiny()));
            added.expect("no score is added to another");
            assert!(zset.rank(member).is_some());
            zset.remove_ranks(0..zset.len() / 2);
        }
        Object::Hash(hash) => {
            hash.set(member, member, true, &tiny());
            hash.set_expiry(member, Some(77));
            assert!(hash.remove(member));
        }
        Object::Stream(stream) => {
            if let Some(id) = stream.facts().last_id.next() {
                stream.append(id, &[[member, member]], &tiny());
                assert!(stream.delete(id));
            }
            stream.delete(stream.first_id());
        }
    }
}

#[test]
fn modules_are_told_apart() {
    for kind in [kind::MODULE, kind::MODULE_2] {
        assert_eq!(decode(kind, 10, b"\x81\0\0\0\0\0\0\0\x01", &tiny()).err(), Some(Bad::Module));
    }
    assert!(matches!(decode(8, 10, b"\x01", &tiny()), Err(Bad::Data(_))));
}

#[test]
fn counts_cost_nothing() {
    // A thousand million elements, and none of them there.
    let promise = b"\x81\0\0\0\0\x40\0\0\0";
    for kind in
        [kind::LIST, kind::SET, kind::ZSET, kind::HASH, kind::ZSET_2, kind::LIST_QUICKLIST_2, kind::STREAM_3]
    {
        assert_eq!(decode(kind, 10, promise, &tiny()).err(), Some(Bad::Short));
    }
}

/// The fields of a hash that expire, in the forms that servers had for them: `a` = 1 at 1,000 and `b` = 2, never.
#[test]
fn fields_expire_in_every_form() {
    let least = b"\xe8\x03\0\0\0\0\0\0";
    let triples = {
        let mut pack = crate::values::listpack::Listpack::new();
        [&b"a"[..], b"1", b"1000", b"b", b"2", b"0"].iter().for_each(|element| pack.push_back(element));
        let mut out = Vec::new();
        super::writer::blob(&mut out, pack.as_bytes());
        out
    };
    let never = [0xff; 8];
    let forms = [
        (kind::HASH_2, 80, [&b"\x02\x01a\xc0\x01"[..], least, b"\x01b\xc0\x02", &never].concat()),
        (kind::HASH_2, 12, b"\x02\x43\xe8\x01a\xc0\x01\x00\x01b\xc0\x02".to_vec()),
        (kind::HASH_LISTPACK_TTL_EARLY, 12, triples.clone()),
        (kind::HASH_TTL, 12, [b"\x02", &least[..], b"\x01\x01a\xc0\x01\x00\x01b\xc0\x02"].concat()),
        (kind::HASH_LISTPACK_TTL, 12, [&least[..], &triples].concat()),
    ];
    for (kind, version, bytes) in forms {
        let loaded = decode(kind, version, &bytes, &Settings::default()).unwrap();
        let Loaded::Object(Object::Hash(hash)) = loaded else { panic!("type {kind} is a hash") };
        let of = |field: &[u8]| hash.find(field).map(|pair| pair.expires_at_ms);
        let mut reader = Reader::new(&bytes);
        assert_eq!((Extent::new(kind, version).step(&mut reader), reader.left()), (Ok(true), 0));
        assert_eq!((hash.len(), of(b"a"), of(b"b")), (2, Some(Some(1000)), Some(None)), "type {kind}");
    }
}

/// A deleted entry beyond the last id is no fault: Redis writes that where XSETID went back. What comes next may be there.
#[test]
fn streams_end_before_what_was_deleted() {
    let mut stream = Stream::empty();
    for ms in [1, 3] {
        stream.append(Id::new(ms, 0), &[[b"f", b"v"]], &tiny());
    }
    assert!(stream.delete(Id::new(3, 0)));
    for last_id in [Id::new(2, u64::MAX), Id::new(1, 0)] {
        stream.set_facts(Facts { last_id, ..stream.facts() });
        let (kind, bytes) = written(&entry(Value::Object(stream.copy().into())), 0);
        assert!(read(kind, 0, &bytes, &tiny()).is_ok());
        use_up(kind, 0, &bytes);
    }
    stream.set_facts(Facts { last_id: Id::new(0, 9), ..stream.facts() });
    let (kind, bytes) = written(&entry(Value::Object(stream.into())), 0);
    assert_eq!(read(kind, 0, &bytes, &tiny()).err(), Some(Bad::Data("a broken stream")));
}

/// Streams as Redis 5 wrote them have no facts beyond their last id; groups get their counters from the entries.
#[test]
fn streams_of_redis_5_are_read() {
    let mut stream = Stream::empty();
    stream.append(Id::new(1, 1), &[[b"f", b"v"]], &tiny());
    stream.append(Id::new(2, 1), &[[b"f", b"v"]], &tiny());
    let (base, pack) = stream.nodes().next().expect("a node");
    let mut bytes = vec![1, 16];
    bytes.extend([base.ms.to_be_bytes(), base.seq.to_be_bytes()].concat());
    super::writer::blob(&mut bytes, pack.as_bytes());
    // Two entries, last id 2-1, one group that has read 1-1, which is pending with one consumer.
    bytes.extend(b"\x02\x02\x01\x01\x01g\x01\x01\x01");
    let id = [1u64.to_be_bytes(), 1u64.to_be_bytes()].concat();
    bytes.extend([&id[..], &[5; 8], b"\x01\x01\x01c", &[6; 8], b"\x01", &id].concat());
    let loaded = decode(kind::STREAM, 9, &bytes, &Settings::default()).unwrap();
    let Loaded::Object(Object::Stream(stream)) = loaded else { panic!("a stream") };
    assert_eq!((stream.len(), stream.facts().entries_added), (2, 2));
    let group = stream.group(b"g").expect("the group");
    assert_eq!((group.last_id, group.entries_read, group.pending_len()), (Id::new(1, 1), Some(1), 1));
}
