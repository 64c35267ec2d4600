//! Sorted sets, packed and big, against a map.
use super::*;
use crate::dice::Dice;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, f64>;

/// Members of all shapes: integers, empty, long, alike.
fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0u32..60).prop_map(|number| format!("m{number}").into_bytes()),
        (-30i64..30).prop_map(|number| number.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..3),
        (0usize..3).prop_map(|extra| vec![b'x'; 20 + extra]),
        (0usize..2).prop_map(|extra| vec![b'y'; 254 + extra]),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-3i32..4).prop_map(f64::from),
        (-3i32..4).prop_map(|number| f64::from(number) / 2.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e300),
        Just(9_007_199_254_740_993.0),
        Just(5e-324),
        (-1e6..1e6),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Add(Vec<u8>, Change, When),
    Remove(Vec<u8>),
    RemoveRanks(usize, usize),
    Copy,
}

fn step() -> impl Strategy<Value = Step> {
    let change =
        prop_oneof![score().prop_map(Change::To), (-3i32..4).prop_map(|by| Change::By(f64::from(by)))];
    let when = proptest::bits::u8::masked(0b1111).prop_map(|bits| When {
        missing: bits & 0b11 == 0b11,
        present: bits & 0b11 == 0b10,
        rises: bits & 0b1100 == 0b1000,
        falls: bits & 0b1100 == 0b0100,
    });
    prop_oneof![
        8 => (member(), change, when).prop_map(|(member, change, when)| Step::Add(member, change, when)),
        3 => member().prop_map(Step::Remove),
        1 => (0usize..30, 0usize..10).prop_map(|(from, count)| Step::RemoveRanks(from, count)),
        1 => Just(Step::Copy),
    ]
}

/// What Redis's rules make of a change.
fn expected(model: &mut Model, member: &[u8], change: Change, when: When) -> Result<Added, NotANumber> {
    match (model.get(member).copied(), change) {
        (None, Change::To(score) | Change::By(score)) => {
            if when.present {
                return Ok(Added::Refused);
            }
            model.insert(member.to_vec(), score);
            Ok(Added::New(score))
        }
        (Some(_), _) if when.missing => Ok(Added::Refused),
        (Some(old), change) => {
            let score = match change {
                Change::To(score) => score,
                Change::By(by) => old + by,
            };
            let holds = (!when.rises || score > old) && (!when.falls || score < old);
            match () {
                () if score.is_nan() => Err(NotANumber),
                () if !holds => Ok(Added::Refused),
                () if score == old => Ok(Added::Same(score)),
                () => {
                    model.insert(member.to_vec(), score);
                    Ok(Added::Rescored(score))
                }
            }
        }
    }
}

fn in_order(model: &Model) -> Vec<(Vec<u8>, f64)> {
    let mut pairs: Vec<_> = model.iter().map(|(member, score)| (member.clone(), *score)).collect();
    pairs.sort_by(|one, other| one.1.partial_cmp(&other.1).unwrap().then_with(|| one.0.cmp(&other.0)));
    pairs
}

fn walked(zset: &Zset, ranks: Range<usize>, back: bool) -> Vec<(Vec<u8>, f64)> {
    let mut pairs = Vec::new();
    zset.walk(ranks, back, |member, score| pairs.push((member.bytes(&mut [0; 20]).to_vec(), score)));
    pairs
}

fn agrees(zset: &Zset, model: &Model) -> Result<(), TestCaseError> {
    let pairs = in_order(model);
    prop_assert_eq!(zset.len(), pairs.len());
    prop_assert_eq!(&walked(zset, 0..pairs.len(), false), &pairs);
    for (rank, (member, score)) in pairs.iter().enumerate() {
        prop_assert_eq!(zset.score(member), Some(*score));
        prop_assert_eq!(zset.rank(member), Some((rank, *score)));
    }
    prop_assert_eq!(zset.rank(b"is never in here"), None);
    Ok(())
}

fn agrees_on_ranges(
    zset: &Zset,
    model: &Model,
    range: ScoreRange,
    ranks: Range<usize>,
) -> Result<(), TestCaseError> {
    let pairs = in_order(model);
    let end = ranks.end.min(pairs.len());
    let ranks = ranks.start.min(end)..end;
    prop_assert_eq!(walked(zset, ranks.clone(), false), &pairs[ranks.clone()]);
    let mut back = pairs[ranks.clone()].to_vec();
    back.reverse();
    prop_assert_eq!(walked(zset, ranks, true), back);
    let within = |score: f64| !range.is_above(score) && !range.is_below(score);
    let wanted: Vec<_> = pairs.iter().filter(|pair| within(pair.1)).cloned().collect();
    prop_assert_eq!(walked(zset, zset.ranks_by_score(&range), false), wanted);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 200 }))]
    #[test]
    fn behaves_as_a_map_in_order(
        steps in proptest::collection::vec(step(), 1..120),
        entries_max in 0usize..20,
        member_bytes_max in 2usize..30,
        bounds in (score(), score(), any::<bool>(), any::<bool>()),
        ranks in (0usize..60, 0usize..60),
    ) {
        let limits = Limits { entries_max, member_bytes_max };
        let (mut zset, mut model) = (Zset::empty(), Model::new());
        for step in steps {
            match step {
                Step::Add(member, change, when) => {
                    let wanted = expected(&mut model, &member, change, when);
                    prop_assert_eq!(zset.add(&member, change, when, limits), wanted);
                }
                Step::Remove(member) => prop_assert_eq!(zset.remove(&member), model.remove(&member)),
                Step::RemoveRanks(from, count) => {
                    let pairs = in_order(&model);
                    let from = from.min(pairs.len());
                    let to = (from + count).min(pairs.len());
                    model.retain(|member, _| !pairs[from..to].iter().any(|pair| pair.0 == *member));
                    zset.remove_ranks(from..to);
                }
                Step::Copy => zset = zset.copy(),
            }
            agrees(&zset, &model)?;
            let is_small = model.len() <= entries_max && model.keys().all(|member| member.len() <= member_bytes_max);
            prop_assert!(is_small || zset.encoding() == "skiplist");
        }
        let (min, max, excludes_min, excludes_max) = bounds;
        agrees_on_ranges(&zset, &model, ScoreRange { min, max, excludes_min, excludes_max }, ranks.0..ranks.1)?;
        // Its word and what is made of it; built anew; freed.
        let word = zset.into_word();
        // SAFETY: the word was made above and is turned back once.
        let mut zset = unsafe { Zset::from_word(word) };
        agrees(&zset, &model)?;
        let pairs = model.iter().map(|(member, score)| (StrRef::Bytes(member), *score)).collect();
        agrees(&Zset::from_unsorted(pairs, limits), &model)?;
        let mut rounds = 0;
        while !zset.free_some(3) {
            rounds += 1;
            prop_assert!(rounds < 1000, "freeing comes to an end");
        }
    }

    #[test]
    fn members_of_one_score_are_sought_by_their_bytes(
        members in proptest::collection::btree_set(member(), 0..80),
        min in member(), max in member(),
        kinds in (0u8..4, 0u8..4),
        entries_max in prop_oneof![Just(0usize), Just(1000)],
    ) {
        let bound = |kind: u8, member| match kind {
            0 => Bound::Least,
            1 => Bound::Greatest,
            2 => Bound::Including(member),
            _ => Bound::Excluding(member),
        };
        let range = LexRange { min: bound(kinds.0, &min), max: bound(kinds.1, &max) };
        let pairs = members.iter().map(|member| (StrRef::Bytes(member), 1.0)).collect();
        let zset = Zset::from_unsorted(pairs, Limits { entries_max, member_bytes_max: 1000 });
        let found = walked(&zset, zset.ranks_by_lex(&range, false), false);
        prop_assert_eq!(zset.ranks_by_lex(&range, false).len(), zset.ranks_by_lex(&range, true).len());
        let within = |member: &&Vec<u8>| !range.is_above(member) && !range.is_below(member);
        prop_assert!(found.iter().map(|pair| &pair.0).eq(members.iter().filter(within)));
    }

    /// Where scores differ there is no right answer, but one and the same for the same members: it is recorded.
    #[test]
    fn members_of_several_scores_are_sought_alike_in_any_tree(
        steps in proptest::collection::vec((0u32..2000, -3i32..4), 1..1500),
        min in 0u32..2000, max in 0u32..2000,
    ) {
        let limits = Limits { entries_max: 0, member_bytes_max: 64 };
        let (mut grown, mut model) = (Zset::empty(), Model::new());
        for (member, score) in steps {
            let (member, score) = (member.to_string().into_bytes(), f64::from(score));
            prop_assert!(grown.add(&member, Change::To(score), When::default(), limits).is_ok());
            model.insert(member, score);
        }
        let built = Zset::from_unsorted(
            model.iter().map(|(member, score)| (StrRef::Bytes(member), *score)).collect(),
            limits,
        );
        let (min, max) = (min.to_string(), max.to_string());
        let range = LexRange { min: Bound::Including(min.as_bytes()), max: Bound::Excluding(max.as_bytes()) };
        prop_assert_eq!(grown.ranks_by_lex(&range, false), built.ranks_by_lex(&range, false));
    }
}

#[test]
fn a_member_of_thirteen_bytes_costs_forty_five() {
    let count = if cfg!(miri) { 500 } else { 200_000 };
    let mut dice = Dice::new(1);
    let mut zset = Zset::Big(Box::default());
    let limits = Limits { entries_max: 0, member_bytes_max: 64 };
    for index in 0..count {
        let score = dice.below(1_000_000) as f64;
        let added =
            zset.add(format!("member:{index:06}").as_bytes(), Change::To(score), When::default(), limits);
        assert_eq!(added, Ok(Added::New(score)));
    }
    let each = zset.memory_bytes() as f64 / f64::from(count);
    assert!(each <= 45.0 || cfg!(miri), "{each:.1} bytes a member");
}

#[test]
fn what_comes_twice_is_left_out_of_a_big_one() {
    let pairs = [(StrRef::Bytes(b"a"), 1.0), (StrRef::Bytes(b"b"), 2.0), (StrRef::Bytes(b"a"), 3.0)];
    let mut zset = Zset::from_sorted(&pairs, Limits { entries_max: 0, member_bytes_max: 0 });
    assert_eq!((zset.len(), zset.remove(b"a"), zset.remove(b"a"), zset.len()), (2, Some(1.0), None, 1));
}

#[test]
fn a_big_one_is_freed_in_slices() {
    let pairs: Vec<_> = (0..50_000).map(|index| (StrRef::Int(index), index as f64)).collect();
    let mut zset = Zset::from_sorted(&pairs, Limits { entries_max: 128, member_bytes_max: 64 });
    let mut slices = 0;
    while !zset.free_some(100) {
        slices += 1;
    }
    assert!(slices > 400, "{slices}");
}
