//! Streams against a plain model, in nodes so small that every step meets their edges.
use super::node::{Node, SAME_NAMES};
use super::*;
use crate::keyspace::StrRef;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A stream as a map, and which of its entries are in the same node.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<Id, Fields>,
    added: u64,
    max_deleted_id: Id,
    last_id: Id,
    /// XSETID went back, maybe behind entries that are deleted.
    is_set_back: bool,
    /// Who reads the nodes as they were.
    view: Option<View>,
}

#[derive(Clone, Debug)]
enum Step {
    /// So far beyond the last id, with these fields.
    Append((u64, u64), Fields),
    /// The entry at an index, and an id that may not be there.
    Delete(prop::sample::Index, u64),
    /// To a length or an id at an index; approximately; with a limit.
    Trim(bool, prop::sample::Index, bool, Option<u64>),
    /// Nodes are taken out and put into a new stream.
    Reload,
    Copy,
    /// A reader gets the nodes, until the next one comes.
    Lend,
    /// The last id is that of the last entry again, as XSETID makes it.
    SetBack,
}

fn fields() -> impl Strategy<Value = Fields> {
    let name =
        prop_oneof![Just(b"f".to_vec()), Just(b"17".to_vec()), prop::collection::vec(any::<u8>(), 0..3)];
    let value = prop_oneof![Just(b"-5".to_vec()), prop::collection::vec(any::<u8>(), 0..90)];
    prop::collection::vec((name, value), 1..4)
}

fn step() -> impl Strategy<Value = Step> {
    let distance = prop_oneof![(Just(0), 1..3u64), (1..5u64, 0..3u64), (Just(1u64 << 40), Just(u64::MAX))];
    prop_oneof![
        6 => (distance, fields()).prop_map(|(distance, fields)| Step::Append(distance, fields)),
        3 => (any::<prop::sample::Index>(), 0..9u64).prop_map(|(index, ms)| Step::Delete(index, ms)),
        2 => (any::<(bool, prop::sample::Index, bool)>(), prop::option::of(0..9u64))
            .prop_map(|((by_len, index, approximately), limit)| Step::Trim(by_len, index, approximately, limit)),
        1 => Just(Step::Reload),
        1 => Just(Step::Copy),
        1 => Just(Step::Lend),
        1 => Just(Step::SetBack),
    ]
}

fn settings(entries_max: usize, bytes_max: usize) -> Settings {
    Settings { stream_node_entries_max: entries_max, stream_node_bytes_max: bytes_max, ..Settings::default() }
}

fn append(stream: &mut Stream, id: Id, fields: &Fields, settings: &Settings) {
    let pairs: Vec<[&[u8]; 2]> = fields.iter().map(|(name, value)| [&name[..], &value[..]]).collect();
    stream.append(id, &pairs, settings);
}

fn read(mut walk: Walk<'_>) -> Vec<(Id, Fields)> {
    let bytes = |element: StrRef<'_>| element.bytes(&mut [0; 20]).to_vec();
    let mut entries = Vec::new();
    while let Some((id, count)) = walk.advance() {
        let fields: Fields = std::iter::from_fn(|| walk.field()).map(|(a, b)| (bytes(a), bytes(b))).collect();
        assert_eq!(fields.len(), count);
        entries.push((id, fields));
    }
    entries
}

fn all(stream: &Stream) -> Vec<(Id, Fields)> {
    read(stream.walk(Id::MIN, Id::MAX, false))
}

impl Model {
    fn apply(&mut self, stream: &mut Stream, step: &Step, settings: &Settings) {
        match step {
            Step::Append((ms, seq), fields) => {
                let last = self.last_id;
                let id = match *ms {
                    0 => last.seq.checked_add(*seq).map(|seq| Id::new(last.ms, seq)),
                    ms => last.ms.checked_add(ms).map(|ms| Id::new(ms, *seq)),
                };
                let Some(id) = id else { return };
                append(stream, id, fields, settings);
                self.entries.insert(id, fields.clone());
                (self.added, self.last_id) = (self.added + 1, id);
            }
            Step::Delete(index, ms) => {
                for id in [self.id_at(index), Id::new(*ms, 0)] {
                    let is_there = self.entries.remove(&id).is_some();
                    assert_eq!(stream.delete(id), is_there, "{id:?}");
                    if is_there {
                        self.max_deleted_id = self.max_deleted_id.max(id);
                    }
                }
            }
            Step::Trim(by_len, index, is_approximate, limit) => {
                let bound = if *by_len {
                    Bound::Len(index.index(self.entries.len() + 2) as u64)
                } else {
                    Bound::Id(self.id_at(index))
                };
                self.trim(stream, bound, *is_approximate, *limit);
            }
            Step::Reload => {
                let nodes = stream.nodes().map(|(base, pack)| (base, pack.clone())).collect();
                *stream = Stream::from_nodes(nodes, stream.facts()).expect("our own nodes are sound");
            }
            Step::Copy => *stream = stream.copy(),
            Step::Lend => {
                self.view = None;
                self.view = stream.lend();
            }
            Step::SetBack => {
                self.last_id = stream.last_entry_id();
                (self.max_deleted_id, self.is_set_back) = (Id::MIN, true);
                stream.set_facts(Facts {
                    last_id: self.last_id,
                    max_deleted_id: Id::MIN,
                    entries_added: self.added,
                });
            }
        }
    }

    fn id_at(&self, index: &prop::sample::Index) -> Id {
        let ids: Vec<Id> = self.entries.keys().copied().chain([Id::MAX]).collect();
        *index.get(&ids)
    }

    fn trim(&mut self, stream: &mut Stream, bound: Bound, is_approximate: bool, limit: Option<u64>) {
        let limit = limit.filter(|_| is_approximate);
        let (before, nodes) = (self.entries.len(), stream.node_count());
        let too_many = match bound {
            Bound::Len(max) => before.saturating_sub(max as usize),
            Bound::Id(min) => self.entries.range(..min).count(),
        };
        let references = References::Keep;
        let deleted = stream.trim(Trim { bound, is_approximate, limit, references }) as usize;
        for _ in 0..deleted {
            self.entries.pop_first();
        }
        assert!(deleted <= too_many);
        if is_approximate {
            // Whole nodes go, or nothing.
            assert!(deleted == 0 || stream.node_count() < nodes);
            assert!(limit.is_none_or(|limit| deleted as u64 <= limit));
        } else if !self.is_set_back {
            // As Redis does, it stops where an entry stood that is deleted, which may be too early by then.
            assert_eq!(deleted, too_many);
        }
    }

    fn check(&self, stream: &Stream, entries_max: usize) {
        let expected: Vec<_> = self.entries.iter().map(|(id, fields)| (*id, fields.clone())).collect();
        assert_eq!(all(stream), expected);
        let mut backwards = read(stream.walk(Id::MIN, Id::MAX, true));
        backwards.reverse();
        assert_eq!(backwards, expected);
        assert_eq!(stream.len(), self.entries.len());
        assert_eq!(stream.first_id(), self.entries.keys().next().copied().unwrap_or(Id::MIN));
        assert_eq!(stream.last_entry_id(), self.entries.keys().next_back().copied().unwrap_or(Id::MIN));
        let facts =
            Facts { last_id: self.last_id, max_deleted_id: self.max_deleted_id, entries_added: self.added };
        assert_eq!(stream.facts(), facts);
        let mut bytes = 0;
        for (base, pack) in stream.nodes() {
            bytes += pack.memory_bytes();
            let node = Node::of(pack.clone());
            let head = node.head();
            assert!((head.live + head.dead) as usize <= entries_max.max(1), "a node has room for so many");
            assert!(base <= node.last_id(base));
        }
        assert_eq!(stream.0.nodes.bytes(), bytes);
    }

    fn check_range(&self, stream: &Stream, from: Id, to: Id) {
        let expected: Vec<_> = if from <= to {
            self.entries.range(from..=to).map(|(id, fields)| (*id, fields.clone())).collect()
        } else {
            Vec::new()
        };
        assert_eq!(read(stream.walk(from, to, false)), expected);
        let mut backwards = read(stream.walk(from, to, true));
        backwards.reverse();
        assert_eq!(backwards, expected);
    }
}

proptest! {
    #[test]
    fn streams_do_what_a_map_does(
        steps in prop::collection::vec(step(), 1..60),
        entries_max in 1..6usize,
        bytes_max in prop_oneof![Just(64usize), Just(300), Just(4096)],
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let settings = settings(entries_max, bytes_max);
        let (mut stream, mut model) = (Stream::empty(), Model::default());
        for step in &steps {
            model.apply(&mut stream, step, &settings);
            model.check(&stream, entries_max);
        }
        model.check_range(&stream, model.id_at(&ends.0), model.id_at(&ends.1));
        while !stream.free_some(2) {}
        prop_assert_eq!(stream.node_count(), 0);
    }

    #[test]
    fn groups_share_what_is_pending(
        steps in prop::collection::vec((0..4u8, 0..4u8, 0..12u64, 0..5i64), 1..80),
    ) {
        let mut group = Group::new(Id::MIN, Some(0));
        group.order_by_time();
        // Who has which entry; who is there.
        let (mut owners, mut names) = (BTreeMap::<Id, u8>::new(), BTreeSet::<u8>::new());
        for (act, name, ms, delivered_at_ms) in steps {
            let id = Id::new(ms, 0);
            match act {
                0 | 1 => {
                    let consumer = group.find(&[name]).or_else(|| group.add_consumer(&[name], 5)).unwrap();
                    group.deliver(id, Pending { delivered_at_ms, deliveries: 1, consumer });
                    owners.insert(id, name);
                    names.insert(name);
                }
                2 => prop_assert_eq!(group.acknowledge(id), owners.remove(&id).is_some()),
                _ => {
                    let had = owners.values().filter(|owner| **owner == name).count();
                    prop_assert_eq!(group.remove_consumer(&[name]), names.remove(&name).then_some(had));
                    owners.retain(|_, owner| *owner != name);
                }
            }
            let pending: Vec<_> = group.pending_from(Id::MIN)
                .map(|(id, pending)| (id, group.consumer(pending.consumer).name[0])).collect();
            prop_assert_eq!(pending, owners.iter().map(|(id, name)| (*id, *name)).collect::<Vec<_>>());
            for (consumer, name) in group.consumers().zip(&names) {
                prop_assert_eq!(&consumer.name[..], &[*name]);
                let own: Vec<Id> = group.pending_of(group.find(&[*name]).unwrap(), Id::MIN).map(|(id, _)| id).collect();
                let expected: Vec<Id> = owners.iter().filter(|(_, owner)| *owner == name).map(|(id, _)| *id).collect();
                prop_assert_eq!(consumer.pending_len(), expected.len());
                prop_assert_eq!(own, expected);
            }
            prop_assert_eq!(group.consumers().len(), names.len());
            let mut by_time: Vec<_> = group.pending_from(Id::MIN).map(|(id, p)| (p.delivered_at_ms, id)).collect();
            by_time.sort_unstable();
            by_time.retain(|(at, _)| *at <= 3);
            let waiting: Vec<_> = group.pending_until(3).map(|(id, p)| (p.delivered_at_ms, id)).collect();
            prop_assert_eq!(waiting, by_time);
        }
    }

    #[test]
    fn what_strangers_call_a_node_does_no_harm(
        mut elements in prop::collection::vec((0..12i64, prop::option::weighted(0.1, -3..400i64)), 1..40),
        is_led in any::<bool>(),
    ) {
        // Mostly a node's head, then something close to entries.
        if is_led {
            elements.splice(0..0, [(2, None), (0, None), (1, None), (3, None), (0, None)]);
        }
        let mut pack = Listpack::new();
        elements.iter().for_each(|(small, other)| pack.push_back_int(other.unwrap_or(*small)));
        if let Some(stream) = Stream::from_nodes(vec![(Id::new(5, 5), pack)], Facts::default()) {
            prop_assert_eq!(all(&stream).len(), read(stream.walk(Id::MIN, Id::MAX, true)).len());
            let mut stream = stream;
            let trim = Trim { bound: Bound::Len(0), is_approximate: false, limit: None, references: References::Keep };
            stream.trim(trim);
            prop_assert_eq!(stream.len(), 0);
        }
    }
}

#[test]
fn nodes_are_laid_out_as_redis_lays_them_out() {
    // The bytes of a dump of Redis 7.0.15 after XADD s 1-1 f v, XADD s 1-2 f 2, XADD s 5-0 g w, XDEL s 1-2.
    let mut stream = Stream::empty();
    let settings = Settings::default();
    stream.append(Id::new(1, 1), &[[b"f", b"v"]], &settings);
    stream.append(Id::new(1, 2), &[[b"f", b"2"]], &settings);
    stream.append(Id::new(5, 0), &[[b"g", b"w"]], &settings);
    assert!(stream.delete(Id::new(1, 2)));
    let (base, pack) = stream.nodes().next().unwrap();
    assert_eq!(base, Id::new(1, 1));
    let hex: String = pack.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, NODE_OF_REDIS);
}

const NODE_OF_REDIS: &str = "380000001600020101010101816602000102010001000181760204010301000101010201040100010401dfff0201018167028177020601ff";

#[test]
fn counts_that_change_their_width_leave_entries_in_their_places() {
    // From 128 on a count takes two bytes: the head of a node of many entries shrinks and grows.
    let settings = settings(400, 1 << 20);
    for references in [References::Keep, References::Delete] {
        let (mut stream, mut model) = (Stream::empty(), Model::default());
        for ms in 1..=400 {
            let step = Step::Append((1, ms), vec![(b"f".to_vec(), b"v".to_vec())]);
            model.apply(&mut stream, &step, &settings);
        }
        assert!(stream.add_group(b"g", Group::default()));
        for max in [390, 300, 275, 272, 271, 129, 128, 127, 3, 0] {
            let bound = Bound::Len(max);
            let deleted = stream.trim(Trim { bound, is_approximate: false, limit: None, references });
            for _ in 0..deleted {
                model.entries.pop_first();
            }
            assert_eq!(model.entries.len() as u64, max);
            model.check(&stream, 400);
        }
    }
}

/// XSETID may go back behind entries that were deleted and still have their places: those that are added then have lesser
/// ids, and are found nevertheless.
#[test]
fn what_was_deleted_hides_nothing() {
    let (mut stream, settings) = (Stream::empty(), Settings::default());
    let add = |stream: &mut Stream, ms| stream.append(Id::new(ms, 0), &[[b"f", b"v"]], &settings);
    let back_to = |stream: &mut Stream, ms| {
        stream.set_facts(Facts { last_id: Id::new(ms, 0), max_deleted_id: Id::MIN, ..stream.facts() });
    };
    let ids = |walk: Walk<'_>| read(walk).iter().map(|(id, _)| id.ms).collect::<Vec<_>>();
    [10, 50].iter().for_each(|ms| add(&mut stream, *ms));
    assert!(stream.delete(Id::new(50, 0)));
    back_to(&mut stream, 20);
    [30, 60].iter().for_each(|ms| add(&mut stream, *ms));
    assert!(stream.has(Id::new(30, 0)));
    assert_eq!(ids(stream.walk(Id::MIN, Id::new(40, 0), false)), [10, 30]);
    assert_eq!(ids(stream.walk(Id::new(30, 0), Id::MAX, true)), [60, 30]);
    assert!(stream.delete(Id::new(30, 0)) && stream.delete(Id::new(60, 0)));
    // Of the node nothing is left but what is deleted, and its own id is beyond what is added next.
    let trim = Trim {
        bound: Bound::Id(Id::new(20, 0)),
        is_approximate: false,
        limit: None,
        references: References::Keep,
    };
    assert_eq!((stream.trim(trim), stream.len(), stream.node_count()), (1, 0, 1));
    back_to(&mut stream, 4);
    [5, 6].iter().for_each(|ms| add(&mut stream, *ms));
    assert_eq!(ids(stream.walk(Id::new(5, 0), Id::new(5, 0), false)), [5]);
    assert_eq!((ids(stream.walk(Id::MIN, Id::MAX, false)), stream.first_id()), (vec![5, 6], Id::new(5, 0)));
    let nodes = stream.nodes().map(|(base, pack)| (base, pack.clone())).collect();
    assert!(Stream::from_nodes(nodes, stream.facts()).is_some());
    assert!(stream.delete(Id::new(5, 0)) && stream.delete(Id::new(6, 0)));
}

#[test]
fn entries_are_taken_where_they_are_looked_for() {
    // One entry without fields, so far from the node's id.
    let node = |base, distance| {
        let mut pack = Listpack::new();
        [1, 0, 0, 0, SAME_NAMES, distance, 0, 3].iter().for_each(|element| pack.push_back_int(*element));
        (Id::new(base, 0), pack)
    };
    let is_taken = |nodes: [(Id, Listpack); 2]| Stream::from_nodes(nodes.into(), Facts::default()).is_some();
    assert!(is_taken([node(5, 0), node(7, 1)]));
    assert!(is_taken([node(5, 1), node(7, 0)]));
    // Before the node's id, of the next node's id, behind it.
    assert!(!is_taken([node(5, -1), node(7, 0)]));
    assert!(!is_taken([node(5, 2), node(7, 0)]));
    assert!(!is_taken([node(5, 3), node(7, 0)]));
    assert!(!is_taken([node(5, 0), node(5, 0)]));
}

/// A node that grows at the end of a long stream has room for more, which a copy of it has not: be it a copy of the
/// stream, or one that is made because a reader has the node.
#[test]
fn what_copies_take_is_counted_anew() {
    let settings = settings(4, 4096);
    let mut stream = Stream::empty();
    let add = |stream: &mut Stream, ms| stream.append(Id::new(ms, 0), &[[b"f", &[b'v'; 300]]], &settings);
    let taken = |stream: &Stream| stream.nodes().map(|(_, pack)| pack.memory_bytes()).sum::<usize>();
    (1..=41).for_each(|ms| add(&mut stream, ms));
    let copy = stream.copy();
    assert!(taken(&copy) < taken(&stream), "the last node has room");
    assert_eq!((copy.0.nodes.bytes(), stream.0.nodes.bytes()), (taken(&copy), taken(&stream)));
    let view = stream.lend();
    add(&mut stream, 42);
    assert_eq!(stream.0.nodes.bytes(), taken(&stream));
    drop(view);
    (43..=46).for_each(|ms| add(&mut stream, ms));
    let view = stream.lend();
    assert!(stream.delete(Id::new(46, 0)) && stream.delete(Id::new(1, 0)));
    assert_eq!(stream.0.nodes.bytes(), taken(&stream));
    drop(view);
}

#[test]
fn large_streams_are_freed_in_slices() {
    let mut stream = Stream::empty();
    let settings = settings(10, 4096);
    for ms in 1..=5000 {
        stream.append(Id::new(ms, 0), &[[b"f", b"v"]], &settings);
    }
    let mut group = Group::new(Id::MIN, None);
    let consumer = group.add_consumer(b"c", 0).unwrap();
    for ms in 1..=3000 {
        group.deliver(Id::new(ms, 0), Pending { delivered_at_ms: 0, deliveries: 1, consumer });
    }
    assert!(stream.add_group(b"g", group));
    let slices = 1 + std::iter::from_fn(|| (!stream.free_some(100)).then_some(())).count();
    assert!((6..9).contains(&slices), "{slices} slices");
}

#[test]
fn an_entry_takes_no_more_than_in_redis() {
    let mut stream = Stream::empty();
    let settings = Settings::default();
    for index in 0..50_000u64 {
        let (temperature, humidity) = ((index % 40).to_string(), (index % 100).to_string());
        let pairs: [[&[u8]; 2]; 2] =
            [[b"temperature", temperature.as_bytes()], [b"humidity", humidity.as_bytes()]];
        stream.append(Id::new(1_700_000_000_000 + index * 7, 0), &pairs, &settings);
    }
    let bytes = stream.memory_bytes() / 50_000;
    assert!(bytes <= 21, "{bytes} bytes an entry");
}
