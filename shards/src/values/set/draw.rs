//! Members at random, all alike: one, several with repeats, several different ones, or all but some.
use super::{Form, Set};
use crate::dice::Dice;
use crate::keyspace::StrRef;
use crate::keyspace::hash::keyed_map;
use crate::values::Kind;
use crate::values::listpack::Listpack;
use smallvec::SmallVec;

/// A member that was taken out.
pub type Taken = SmallVec<[u8; 64]>;

/// Where one of so many members is drawn, all are walked: it costs less than to draw again and again what was drawn before.
const WALK_SHARE: usize = 3;

impl Set {
    /// A member at random; there must be one.
    #[must_use]
    pub fn random(&self, dice: &mut Dice) -> StrRef<'_> {
        match &self.0 {
            Form::Ints(ints) => {
                let index = dice.below(ints.len() as u64) as usize;
                StrRef::Int(ints.get(index).expect("below the length"))
            }
            Form::Packed(packed) => {
                let index = dice.below(packed.len() as u64) as i64;
                packed.get(packed.seek(index).expect("below the length"))
            }
            Form::Table(table) => StrRef::Bytes(table.random(dice).bytes()),
        }
    }

    /// Takes a member at random out; there must be one.
    pub fn take_random(&mut self, dice: &mut Dice) -> Taken {
        let taken = Taken::from_slice(self.random(dice).bytes(&mut [0; 20]));
        let was_there = self.remove(&taken);
        debug_assert!(was_there, "it was drawn from here");
        taken
    }

    /// Takes `count` different members at random out, fewer than there are.
    pub fn take_different(&mut self, count: usize, dice: &mut Dice) -> Vec<Taken> {
        if self.is_table() {
            return (0..count).map(|_| self.take_random(dice)).collect();
        }
        let drawn = self.draw_different(count, dice).into_iter();
        let taken: Vec<_> = drawn.map(|member| Taken::from_slice(member.bytes(&mut [0; 20]))).collect();
        taken.iter().for_each(|member| {
            self.remove(member);
        });
        taken
    }

    /// Calls `visit` with `count` members, each drawn from all of them; there must be one.
    pub fn draw_with_repeats(&self, count: u64, dice: &mut Dice, mut visit: impl FnMut(StrRef<'_>)) {
        if self.is_table() || count == 1 {
            (0..count).for_each(|_| visit(self.random(dice)));
            return;
        }
        // A listpack would be walked for each: its members are looked up once.
        let members: Vec<_> = self.iter().collect();
        (0..count).for_each(|_| visit(members[dice.below(members.len() as u64) as usize]));
    }

    /// `count` different members, every choice of so many as likely as any other; all where there are no more.
    #[must_use]
    pub fn draw_different(&self, count: usize, dice: &mut Dice) -> Vec<StrRef<'_>> {
        if self.is_table() && count.saturating_mul(WALK_SHARE) < self.len() {
            return self.draw_until(count, dice);
        }
        let mut choice = Choice { wanted: count.min(self.len()), left: self.len() };
        let mut members = self.iter();
        let mut chosen = Vec::with_capacity(choice.wanted);
        while choice.wanted > 0 {
            let member = members.next().expect("no more are wanted than there are");
            if choice.takes(dice) {
                chosen.push(member);
            }
        }
        chosen
    }

    /// Draws one after the other until `count` different ones have come.
    fn draw_until(&self, count: usize, dice: &mut Dice) -> Vec<StrRef<'_>> {
        let mut drawn = keyed_map();
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let member = self.random(dice);
            let StrRef::Bytes(bytes) = member else { unreachable!("a table's members are bytes") };
            // A member of a table stands where no other does.
            if drawn.insert(bytes.as_ptr().addr(), ()).is_none() {
                chosen.push(member);
            }
        }
        chosen
    }

    /// `count` members at random, and all the others.
    #[must_use]
    pub fn draw_and_leave(&self, count: usize, dice: &mut Dice) -> (Vec<StrRef<'_>>, Vec<StrRef<'_>>) {
        let mut choice = Choice { wanted: count.min(self.len()), left: self.len() };
        self.iter().partition(|_| choice.takes(dice))
    }

    /// An empty set for what is left of this one once most was taken out, or for what it shares with others: small again, as
    /// Redis has it.
    #[must_use]
    pub fn remainder(&self) -> Set {
        if self.as_intset().is_some() { Set::empty() } else { Set(Form::Packed(Listpack::new())) }
    }
}

/// A choice of some elements out of many that come by one after the other.
struct Choice {
    /// How many are still to be taken.
    wanted: usize,
    /// How many are still to come.
    left: usize,
}

impl Choice {
    /// Whether the next one is taken.
    fn takes(&mut self, dice: &mut Dice) -> bool {
        let takes = dice.below(self.left as u64) < self.wanted as u64;
        self.left -= 1;
        self.wanted -= usize::from(takes);
        takes
    }
}
