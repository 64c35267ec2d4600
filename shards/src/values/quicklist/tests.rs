//! Lists against a plain deque, with limits so small that every seam is met.
use super::*;
use crate::values::Kind;
use crate::values::list::List;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Change {
    Push(Side, Vec<Vec<u8>>),
    Pop(Side, usize),
    Set(i64, Vec<u8>),
    Insert(usize, Vec<u8>, bool),
    RemoveEqual(Side, usize, usize),
    Trim(i64, i64),
    Range(usize, usize, Side),
    Positions(Side, usize, usize),
    Copy,
}

/// Few different values, so that they meet again; some too large for a node, some that squeeze well.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0u8..20).prop_map(|number| number.to_string().into_bytes()),
        4 => (0u8..10, 0usize..200).prop_map(|(letter, len)| vec![b'a' + letter; len]),
        1 => (4000usize..4200).prop_map(|len| vec![b'x'; len]),
        1 => (8100usize..8300).prop_map(|len| vec![b'y'; len]),
        1 => proptest::collection::vec(any::<u8>(), 900..1100),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Left), Just(Side::Right)]
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    prop_oneof![
        6 => (side(), proptest::collection::vec(value(), 1..12)).prop_map(|(side, values)| Push(side, values)),
        3 => (side(), 1usize..8).prop_map(|(side, count)| Pop(side, count)),
        4 => (-60i64..60, value()).prop_map(|(index, value)| Set(index, value)),
        6 => (0usize..100, value(), any::<bool>()).prop_map(|(pivot, value, after)| Insert(pivot, value, after)),
        2 => (side(), 0usize..100, 1usize..5).prop_map(|(side, which, max)| RemoveEqual(side, which, max)),
        1 => (-70i64..20, -20i64..70).prop_map(|(start, stop)| Trim(start, stop)),
        2 => (0usize..80, 0usize..80, side()).prop_map(|(from, count, side)| Range(from, count, side)),
        2 => (side(), 0usize..100, 0usize..90).prop_map(|(side, which, window)| Positions(side, which, window)),
        1 => Just(Copy),
    ]
}

fn texts(list: &List) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    list.each_of(0, usize::MAX, Side::Right, |element| texts.push(element.bytes(&mut [0; 20]).to_vec()));
    texts
}

fn check(list: &List, model: &VecDeque<Vec<u8>>) {
    assert_eq!(list.len(), model.len());
    assert_eq!(texts(list), model.iter().cloned().collect::<Vec<_>>());
    let List::Quick(quick) = list else { return };
    let (mut place, mut index) = (quick.nodes.first(), 0);
    while let Some(here) = place {
        let node = quick.nodes.get(here);
        assert!(node.count() > 0, "no node is empty");
        let from_end = quick.nodes.len() - 1 - index;
        if quick.depth == 0 || index.min(from_end) < quick.depth {
            assert!(!node.is_squeezed(), "node {index} of {}", quick.nodes.len());
        } else {
            let mut again = node.clone();
            again.squeeze();
            assert_eq!(node.is_squeezed(), again.is_squeezed(), "node {index} of {}", quick.nodes.len());
        }
        (place, index) = (quick.nodes.next(here), index + 1);
    }
}

fn apply(list: &mut List, model: &mut VecDeque<Vec<u8>>, change: Change, settings: &Settings) {
    let len = model.len();
    let known = |which: usize| model.get(which % len.max(1)).cloned().unwrap_or_default();
    match change {
        Change::Push(side, values) => {
            list.push(side, &values.iter().map(Vec::as_slice).collect::<Vec<_>>(), settings);
            for value in values {
                if side == Side::Left { model.push_front(value) } else { model.push_back(value) }
            }
        }
        Change::Pop(side, count) => {
            for _ in 0..count {
                let expected = if side == Side::Left { model.pop_front() } else { model.pop_back() };
                let taken = list.pop(side, |element| element.bytes(&mut [0; 20]).to_vec());
                assert_eq!(taken, expected);
            }
            list.shrink(settings);
        }
        Change::Set(index, value) => {
            let place = if index < 0 { index + len as i64 } else { index };
            let found = usize::try_from(place).ok().and_then(|place| model.get_mut(place));
            assert_eq!(list.set(index, &value, settings), found.is_some());
            if let Some(found) = found {
                *found = value;
            }
        }
        Change::Insert(which, value, after) => {
            let pivot = known(which);
            let place = model.iter().position(|value| *value == pivot);
            assert_eq!(list.insert_beside(&pivot, &value, after, settings), place.is_some());
            if let Some(place) = place {
                model.insert(place + usize::from(after), value);
            }
        }
        Change::RemoveEqual(side, which, max) => {
            let value = known(which);
            let mut places: Vec<usize> = (0..len).filter(|place| model[*place] == value).collect();
            if side == Side::Right {
                places.reverse();
            }
            places.truncate(max);
            assert_eq!(list.remove_equal(side, &value, max), places.len());
            places.sort_unstable();
            places.into_iter().rev().for_each(|place| drop(model.remove(place)));
            list.shrink(settings);
        }
        Change::Trim(start, stop) => {
            let kept = list.range(start, stop);
            let wrap = |index: i64| if index < 0 { index + len as i64 } else { index };
            let expected: Vec<usize> =
                (0..len).filter(|place| (wrap(start)..=wrap(stop)).contains(&(*place as i64))).collect();
            assert_eq!(kept.clone().collect::<Vec<_>>(), expected);
            list.remove_range(kept.end..len);
            list.remove_range(0..kept.start);
            model.truncate(kept.end);
            model.drain(..kept.start);
            list.shrink(settings);
        }
        Change::Copy => {
            let copy = list.copy();
            // What is copied counts what it is: else it would be wrong once it shrinks.
            let mut old = std::mem::replace(list, copy);
            while !old.free_some(2) {}
            assert_eq!(old.len(), 0);
        }
        look => compare(list, model, look),
    }
}

/// What changes nothing.
fn compare(list: &List, model: &VecDeque<Vec<u8>>, look: Change) {
    let len = model.len();
    match look {
        Change::Range(from, count, towards) => {
            let mut seen = Vec::new();
            list.each_of(from, count, towards, |element| seen.push(element.bytes(&mut [0; 20]).to_vec()));
            let expected: Vec<_> = match towards {
                Side::Right => model.iter().skip(from).take(count).cloned().collect(),
                Side::Left if from >= len => Vec::new(),
                Side::Left => model.iter().take(from + 1).rev().take(count).cloned().collect(),
            };
            assert_eq!(seen, expected);
        }
        Change::Positions(side, which, window) => {
            let value = model.get(which % len.max(1)).cloned().unwrap_or_default();
            let mut seen = Vec::new();
            list.positions(side, &value, window, |place| {
                seen.push(place);
                ControlFlow::Continue(())
            });
            let is_it =
                |place: &usize| model[if side == Side::Left { *place } else { len - 1 - place }] == value;
            assert_eq!(seen, (0..len.min(window)).filter(is_it).collect::<Vec<_>>());
        }
        other => unreachable!("{other:?} is a change"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_list_does_what_a_deque_does(
        changes in proptest::collection::vec(change(), 0..60),
        list_listpack_size in prop_oneof![Just(-1), Just(-2), 0i32..6, Just(40)],
        list_compress_depth in prop_oneof![Just(0u32), 1u32..4],
    ) {
        let settings = Settings { list_listpack_size, list_compress_depth, ..Settings::default() };
        let (mut list, mut model) = (List::empty(), VecDeque::new());
        for change in changes {
            apply(&mut list, &mut model, change, &settings);
            check(&list, &model);
            // As an entry keeps it.
            let word = list.into_word();
            // SAFETY: the word is turned back once.
            list = unsafe { List::from_word(word) };
        }
    }
}

#[test]
fn a_node_does_not_grow_without_a_limit() {
    let settings = Settings::default();
    let (mut list, count) = (List::empty(), 4000);
    (0..count).for_each(|_| list.push(Side::Right, &[b"1"], &settings));
    (0..count).for_each(|index| assert!(list.set(index, &[b'v'; 1000], &settings)));
    let List::Quick(quick) = &list else { panic!("large") };
    let place = quick.nodes.seek(2000).0;
    assert!(quick.nodes.get(place).open_bytes() < 40_000);
    assert_eq!(list.len(), count as usize);
}

#[test]
fn memory_is_within_the_budget() {
    let settings = Settings::default();
    let mut list = List::empty();
    for index in 0..1_000_000 {
        list.push(Side::Right, &[format!("element:{index:010}").as_bytes()], &settings);
    }
    let per_item = list.memory_bytes() as f64 / 1e6;
    assert!(per_item < 20.3, "{per_item} bytes for each of 18, where Redis keeps 20 beside its nodes");
}

#[test]
fn the_end_of_a_long_list_has_room_and_a_finished_node_has_none_to_spare() {
    let settings = Settings { list_listpack_size: 100, ..Settings::default() };
    for side in [Side::Left, Side::Right] {
        let mut list = Quicklist::new(Listpack::new(), &settings);
        let push = |list: &mut Quicklist, count: usize| (0..count).for_each(|_| list.push(side, &[b'x'; 18]));
        push(&mut list, 100);
        let full = list.nodes.get(list.end(side).unwrap()).memory_bytes();
        push(&mut list, 100 * ROOMY_NODES_MIN - 100);
        for _ in 0..3 {
            push(&mut list, 1);
            let end = list.end(side).unwrap();
            assert_eq!((list.nodes.get(end).count(), list.nodes.get(end).memory_bytes()), (1, full));
            push(&mut list, 99);
        }
        assert_eq!(list.node_count(), ROOMY_NODES_MIN + 3);
        // Once it has become short it is a listpack without room to spare.
        list.push(side, b"x");
        let other = if side == Side::Left { Side::Right } else { Side::Left };
        while list.node_count() > 1 {
            list.pop(other, |_| ()).unwrap();
        }
        let small = list.take_small(&settings).unwrap();
        assert_eq!((small.len(), small.memory_bytes()), (1, small.clone().memory_bytes()));
    }
}
