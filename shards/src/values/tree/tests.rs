//! The tree against a sorted vector, with nodes so small that everything splits and merges.
use super::*;
use crate::dice::Dice;
use proptest::prelude::*;
use std::cell::Cell;

/// Half of the number decides first: many items have the same head.
impl Ranked for u64 {
    type Head = u64;
    fn head(self) -> u64 {
        self / 16
    }
}

fn at(sought: u64) -> impl Fn(u64, u64) -> Ordering {
    move |head, item| head.cmp(&(sought / 16)).then_with(|| item.cmp(&sought))
}

/// Before all items of this value or above.
fn from(sought: u64) -> impl Fn(u64, u64) -> Ordering {
    move |_, item| if item < sought { Ordering::Less } else { Ordering::Greater }
}

type Tiny = Tree<u64, 4, 4>;

fn agrees(tree: &Tiny, model: &[u64]) -> Result<(), TestCaseError> {
    tree.root.check(true).map_err(TestCaseError::fail)?;
    prop_assert_eq!(tree.len(), model.len());
    prop_assert_eq!(tree.root.sizes(), (tree.sizes.leaf_count(), tree.sizes.inner_count()));
    prop_assert_eq!(tree.range(0..usize::MAX).collect::<Vec<_>>(), model);
    let back: Vec<u64> = tree.range_back(0..usize::MAX).collect();
    prop_assert!(back.iter().eq(model.iter().rev()));
    for (rank, item) in model.iter().enumerate() {
        prop_assert_eq!(tree.get(rank), Some(*item));
        prop_assert_eq!(tree.rank(&at(*item)), rank);
        prop_assert_eq!(tree.rank(&from(item + 1)), rank + 1);
    }
    prop_assert_eq!(tree.get(model.len()), None);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]
    #[test]
    fn behaves_as_a_sorted_vector(
        start in proptest::collection::btree_set(0u64..400, 0..200),
        steps in proptest::collection::vec((0u64..400, 0u8..8, 0usize..40), 1..300),
    ) {
        let mut model: Vec<u64> = start.into_iter().collect();
        let mut tree = Tiny::from_sorted(&model);
        agrees(&tree, &model)?;
        for (number, step, width) in steps {
            match (model.binary_search(&number), step) {
                (Ok(found), 0..=2) => {
                    prop_assert_eq!(tree.remove(&at(number)), Some(number));
                    model.remove(found);
                }
                (Err(_), 0..=1) => prop_assert_eq!(tree.remove(&at(number)), None),
                (Err(missing), 2..=6) => {
                    tree.insert(number, &at(number));
                    model.insert(missing, number);
                }
                (_, 7) => {
                    let from = (number as usize).min(model.len());
                    let ranks = from..(from + width).min(model.len());
                    tree.remove_range(ranks.clone());
                    model.drain(ranks);
                }
                _ => {}
            }
            agrees(&tree, &model)?;
        }
    }

    #[test]
    fn parts_are_walked_both_ways(len in 0u64..300, from in 0usize..310, width in 0usize..310) {
        let items: Vec<u64> = (0..len).collect();
        let tree = Tiny::from_sorted(&items);
        let (from, to) = (from, from + width);
        let part: Vec<u64> = items.iter().copied().take(to).skip(from).collect();
        prop_assert_eq!(&tree.range(from..to).collect::<Vec<_>>(), &part);
        prop_assert!(tree.range_back(from..to).eq(part.into_iter().rev()));
    }
}

thread_local! {
    /// The scores that the items of the next test stand for.
    static SCORES: [Cell<u64>; 64] = const { [const { Cell::new(0) }; 64] };
}

#[derive(Clone, Copy, Default, Debug, PartialEq)]
struct Player(usize);

impl Ranked for Player {
    type Head = u64;
    fn head(self) -> u64 {
        SCORES.with(|scores| scores[self.0].get())
    }
}

fn player_at(score: u64, player: usize) -> impl Fn(u64, Player) -> Ordering {
    move |head, item| head.cmp(&score).then_with(|| item.0.cmp(&player))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 300 }))]
    /// An item whose score changes stays where the order does not change, and the inner nodes learn of its new score.
    #[test]
    fn items_change_in_place(steps in proptest::collection::vec((0usize..64, 0u64..100), 1..300)) {
        let mut model: Vec<(u64, usize)> = (0..64).map(|player| (player as u64, player)).collect();
        SCORES.with(|scores| model.iter().for_each(|(score, player)| scores[*player].set(*score)));
        let mut tree: Tree<Player, 4, 4> =
            Tree::from_sorted(&model.iter().map(|(_, player)| Player(*player)).collect::<Vec<_>>());
        for (player, score) in steps {
            let old = SCORES.with(|scores| scores[player].get());
            let set = |item: Player| SCORES.with(|scores| scores[item.0].set(score));
            let (from, to) = (player_at(old, player), player_at(score, player));
            let rank = model.iter().position(|entry| entry.1 == player).expect("everybody plays");
            model[rank].0 = score;
            let stays = model.is_sorted();
            let stayed = tree.change_in_place(&from, &to, score >= old, set);
            prop_assert!(stays || !stayed, "what has to move moves");
            prop_assert!(stayed || !stays || score < old, "what rises and may stay stays");
            if !stayed {
                prop_assert_eq!(tree.remove(&from), Some(Player(player)));
                set(Player(player));
                tree.insert(Player(player), &to);
            }
            model.sort_unstable();
            tree.root.check(true).map_err(TestCaseError::fail)?;
            prop_assert!(tree.range(0..64).map(|item| item.0).eq(model.iter().map(|entry| entry.1)));
        }
    }
}

#[test]
fn leaves_are_more_than_four_fifths_full_and_an_item_costs_ten_bytes() {
    let count = if cfg!(miri) { 2_000 } else { 300_000 };
    let mut dice = Dice::new(5);
    let orders: [(&str, Vec<u64>); 3] = [
        ("rising", (1..=count).collect()),
        ("falling", (1..=count).rev().collect()),
        ("random", (1..=count).map(|_| dice.next_u64()).collect()),
    ];
    for (name, items) in orders {
        let mut tree: Tree<u64> = Tree::default();
        items.iter().for_each(|item| tree.insert(*item, &at(*item)));
        let bytes = tree.memory_bytes() as f64 / count as f64;
        assert!(tree.fill() > 0.8 && bytes < 10.5, "{name}: {} full, {bytes} bytes an item", tree.fill());
    }
    let tree: Tree<u64> = Tree::from_sorted(&(0..count).collect::<Vec<_>>());
    assert!(tree.fill() > 0.9, "built at once: {}", tree.fill());
}
