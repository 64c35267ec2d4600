//! How nodes keep each other full: what has too much gives to a neighbour, what has too little takes from one.
use super::{Edges, Inner, Link, Node, Place, Ranked, Sizes};
use std::cmp::Ordering;

/// So much room a neighbour has to have that giving it something is worth while.
pub(super) const fn worthwhile(max: usize) -> usize {
    // Less than two, and nothing is given at all.
    if max < 16 { 2 } else { max / 8 }
}

impl<T: Ranked, const L: usize, const F: usize> Node<T, L, F> {
    /// Moves the last `count` of this node to the front of the next one, of the same height.
    fn give_to_next(&mut self, next: &mut Self, count: usize) {
        match (self, next) {
            (Node::Leaf(leaf), Node::Leaf(next)) => {
                let (len, next_len) = (usize::from(leaf.len), usize::from(next.len));
                next.items.copy_within(..next_len, count);
                next.items[..count].copy_from_slice(&leaf.items[len - count..len]);
                next.len += count as u16;
                leaf.len -= count as u16;
            }
            (Node::Inner(inner), Node::Inner(next)) => {
                let from = inner.links.len() - count;
                next.links.splice(..0, inner.links.drain(from..));
            }
            _ => unreachable!("neighbours are as high as each other"),
        }
    }

    /// Moves the first `count` of the next node to the end of this one.
    fn take_from_next(&mut self, next: &mut Self, count: usize) {
        match (self, next) {
            (Node::Leaf(leaf), Node::Leaf(next)) => {
                let len = usize::from(leaf.len);
                leaf.items[len..len + count].copy_from_slice(&next.items[..count]);
                leaf.len += count as u16;
                next.cut(0, count);
            }
            (Node::Inner(inner), Node::Inner(next)) => inner.links.extend(next.links.drain(..count)),
            _ => unreachable!("neighbours are as high as each other"),
        }
    }

    /// A new node of the same height.
    fn empty_alike(&self, sizes: &mut Sizes) -> Self {
        match self {
            Node::Leaf(_) => sizes.leaf(),
            Node::Inner(_) => sizes.inner(),
        }
    }
}

impl<T: Ranked, const L: usize, const F: usize> Inner<T, L, F> {
    /// Makes room in a full child: gives to a neighbour, else splits. There is room for one more link in here.
    pub(super) fn make_room(&mut self, at: usize, place: &impl Place<T>, edges: Edges, sizes: &mut Sizes) {
        // What grows at its end only leaves full nodes behind.
        if edges.last && self.links[at].node.ends_before(place) {
            return self.split(at, 1, sizes);
        }
        if edges.first && place(self.links[at].head, self.links[at].first) == Ordering::Greater {
            return self.split(at, self.links[at].node.len() - 1, sizes);
        }
        let neighbours = [at.checked_sub(1), Some(at + 1).filter(|next| *next < self.links.len())];
        let poorest = neighbours.into_iter().flatten().min_by_key(|other| self.links[*other].node.len());
        match poorest {
            Some(other) if self.links[other].node.has_room_to_give_to() => self.even(at.min(other)),
            Some(other) => self.split_in_three(at.min(other), sizes),
            None => self.split(at, self.links[at].node.len() / 2, sizes),
        }
    }

    /// Moves the last `count` of a child into a new one behind it.
    fn split(&mut self, at: usize, count: usize, sizes: &mut Sizes) {
        let mut behind = self.links[at].node.empty_alike(sizes);
        self.links[at].node.give_to_next(&mut behind, count);
        self.links[at].renew();
        self.links.insert(at + 1, Link::new(behind));
    }

    /// Makes three children of one and the next.
    fn split_in_three(&mut self, at: usize, sizes: &mut Sizes) {
        let mut middle = self.links[at].node.empty_alike(sizes);
        let (left, right) = self.links[at..].split_at_mut(1);
        let (left, right) = (&mut left[0], &mut right[0]);
        let share = (left.node.len() + right.node.len()).div_ceil(3);
        left.node.give_to_next(&mut middle, left.node.len() - share);
        let surplus = right.node.len() - share;
        middle.take_from_next(&mut right.node, surplus);
        left.renew();
        right.renew();
        self.links.insert(at + 1, Link::new(middle));
    }

    /// Makes a child and the next one equally full.
    fn even(&mut self, at: usize) {
        let (left, right) = self.links[at..].split_at_mut(1);
        let (left, right) = (&mut left[0], &mut right[0]);
        let (left_len, right_len) = (left.node.len(), right.node.len());
        if left_len > right_len {
            left.node.give_to_next(&mut right.node, (left_len - right_len) / 2);
        } else {
            left.node.take_from_next(&mut right.node, (right_len - left_len) / 2);
        }
        left.renew();
        right.renew();
    }

    /// Moves all of the child behind `at` into it.
    fn merge(&mut self, at: usize, sizes: &mut Sizes) {
        let mut gone = self.links.remove(at + 1);
        let link = &mut self.links[at];
        let all = gone.node.len();
        link.node.take_from_next(&mut gone.node, all);
        link.count += gone.count;
        sizes.forget(&gone.node);
    }

    /// Puts a child that is too empty together with its poorer neighbour, or lets it take from that.
    pub(super) fn mend(&mut self, at: usize, sizes: &mut Sizes) {
        if !self.links[at].node.is_poor() {
            return;
        }
        let neighbours = [at.checked_sub(1), Some(at + 1).filter(|next| *next < self.links.len())];
        let poorest = neighbours.into_iter().flatten().min_by_key(|other| self.links[*other].node.len());
        let Some(other) = poorest else { return };
        let max = self.links[at].node.max();
        let together = self.links[at].node.len() + self.links[other].node.len();
        if together <= max - worthwhile(max) {
            self.merge(at.min(other), sizes);
        } else {
            self.even(at.min(other));
        }
    }
}
