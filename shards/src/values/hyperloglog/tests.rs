//! HyperLogLogs against a plain row of registers.
use super::*;
use proptest::prelude::*;

/// A HyperLogLog beside its model.
struct Pair {
    bytes: Vec<u8>,
    encoding: Encoding,
    model: Box<Registers>,
}

impl Pair {
    fn new() -> Pair {
        Pair { bytes: empty(), encoding: Encoding::Sparse, model: Box::new([0; REGISTERS]) }
    }

    fn raise(&mut self, place: Place, bytes_max: usize) {
        let would = would_raise(&self.bytes, self.encoding, place);
        let raised = raise(&mut self.bytes, &mut self.encoding, place, bytes_max);
        let was_lower = self.model[place.index] < place.value;
        assert_eq!((would, raised), (Ok(was_lower), Ok(was_lower)), "{place:?}");
        self.model[place.index] = self.model[place.index].max(place.value);
    }

    fn registers(&self) -> Box<Registers> {
        let mut registers = Box::new([0; REGISTERS]);
        merge_into(&mut registers, &self.bytes, self.encoding).expect("whole");
        registers
    }

    fn check(&self) {
        assert_eq!(Encoding::of(&self.bytes), Some(self.encoding));
        assert!(self.registers() == self.model, "the registers are those of the model");
        assert_eq!(count(&self.bytes, self.encoding), Ok(count_registers(&self.model)));
    }
}

/// Places that meet often: runs are split and joined.
fn places() -> impl Strategy<Value = Vec<Place>> {
    let index = prop_oneof![0..40usize, 0..REGISTERS, REGISTERS - 40..REGISTERS];
    let value = prop_oneof![1..4u8, 1..4u8, 1..4u8, 1..52u8];
    prop::collection::vec((index, value).prop_map(|(index, value)| Place { index, value }), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn registers_are_what_they_were_raised_to(places in places(), bytes_max in 0..400usize) {
        let mut pair = Pair::new();
        for place in places {
            pair.raise(place, bytes_max);
        }
        pair.check();
        prop_assert!(pair.encoding == Encoding::Dense || pair.bytes.len() <= bytes_max.max(18));
    }

    /// A merge is as if each register had been raised alone: the same bytes.
    #[test]
    fn a_merge_is_many_raises(
        mine in places(),
        other in places(),
        bytes_max in prop_oneof![0..400usize, 3000..3001usize],
        wants_dense in any::<bool>(),
    ) {
        let (mut target, mut source) = (Pair::new(), Pair::new());
        mine.into_iter().for_each(|place| target.raise(place, bytes_max));
        other.into_iter().for_each(|place| source.raise(place, bytes_max));
        let mut registers = target.registers();
        merge_into(&mut registers, &source.bytes, source.encoding).expect("whole");
        let wants_dense = wants_dense || source.encoding == Encoding::Dense || target.encoding == Encoding::Dense;
        let stored = store(&target.bytes, target.encoding, &registers, wants_dense, bytes_max);
        if wants_dense && target.encoding == Encoding::Sparse {
            target.bytes = to_dense(&target.bytes).expect("whole");
            target.encoding = Encoding::Dense;
        }
        for (index, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
            target.raise(Place { index, value }, bytes_max);
        }
        invalidate(&mut target.bytes);
        prop_assert_eq!(stored, Ok(target.bytes));
    }

    /// Whatever a client writes behind a header is refused or counted: nothing else.
    #[test]
    fn strangers_bytes_do_no_harm(
        body in prop::collection::vec(prop_oneof![any::<u8>(), 0x40..0x80u8, Just(0x7f)], 0..40),
        index in 0..REGISTERS,
        value in 1..52u8,
        bytes_max in 0..60usize,
    ) {
        let mut bytes = empty();
        bytes.truncate(HEADER_BYTES);
        bytes.extend(body);
        let valid = count(&bytes, Encoding::Sparse).is_ok();
        let mut registers = Box::new([0; REGISTERS]);
        prop_assert_eq!(merge_into(&mut registers, &bytes, Encoding::Sparse).is_ok(), valid);
        prop_assert_eq!(to_dense(&bytes).is_ok(), valid);
        let _refused = store(&bytes, Encoding::Sparse, &registers, false, bytes_max);
        let place = Place { index, value };
        let would = would_raise(&bytes, Encoding::Sparse, place);
        let raised = raise(&mut bytes, &mut Encoding::Sparse, place, bytes_max);
        prop_assert!(raised.is_err() || raised == would);
        sparse::runs(&bytes).for_each(|run| assert_ne!(run, sparse::Run::Zeros(0)));
    }

    #[test]
    fn dense_registers_are_packed_and_spread(values in prop::collection::vec(0..64u8, REGISTERS)) {
        let registers: Box<Registers> = values.into_boxed_slice().try_into().expect("so many");
        let bytes = dense_of(&empty(), &registers);
        let mut again = Box::new([0; REGISTERS]);
        merge_into(&mut again, &bytes, Encoding::Dense).expect("dense ones are always whole");
        prop_assert!(again == registers);
        prop_assert!((0..REGISTERS).all(|index| dense::get(body(&bytes), index) == registers[index]));
        prop_assert_eq!(count(&bytes, Encoding::Dense), Ok(count_registers(&registers)));
    }
}

#[test]
fn what_is_none_is_known() {
    let whole = empty();
    let mut dense = to_dense(&whole).expect("whole");
    assert_eq!((Encoding::of(&whole), Encoding::of(&dense)), (Some(Encoding::Sparse), Some(Encoding::Dense)));
    dense.push(0);
    assert_eq!(Encoding::of(&dense), None, "a dense one has its length");
    for (at, byte) in [(0, b'h'), (3, b'K'), (4, 2), (4, 0)] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        assert_eq!(Encoding::of(&bytes), None, "byte {at} is {byte}");
    }
    assert_eq!(Encoding::of(&whole[..15]), None);
    assert_eq!(Encoding::of(&whole[..16]), Some(Encoding::Sparse), "a header without registers");
}

#[test]
fn a_count_is_kept_until_something_changes() {
    let mut bytes = empty();
    let mut encoding = Encoding::Sparse;
    assert_eq!(cached(&bytes), Some(0));
    raise(&mut bytes, &mut encoding, Place { index: 7, value: 1 }, 3000).expect("whole");
    assert_eq!(cached(&bytes), None);
    cache(&mut bytes, 1);
    assert_eq!(cached(&bytes), Some(1));
    raise(&mut bytes, &mut encoding, Place { index: 7, value: 1 }, 3000).expect("whole");
    assert_eq!(cached(&bytes), Some(1));
}

#[test]
fn extreme_registers_are_counted_as_redis_counts_them() {
    // Registers above 51 are none that an element gives. Redis answers so to PFCOUNT of strings made by hand.
    for (value, cardinality) in
        [(63, i64::MIN), (52, i64::MIN), (51, i64::MIN), (49, 6_653_256_548_922_161_152), (1, 23_637), (0, 0)]
    {
        assert_eq!(count_registers(&[value; REGISTERS]) as i64, cardinality, "registers of {value}");
    }
}
