//! PFSELFTEST: registers keep what they are given, and estimates are as close as they should be.
use super::{Encoding, HEADER_BYTES, Place, REGISTERS, count, dense, empty, raise};
use crate::dice::Dice;

/// So many times all registers are written.
const ROUNDS: usize = 20;
/// So many elements are added, ten times more from check to check.
const ELEMENTS_MAX: u64 = 100_000;

/// Tests; what is wrong if something is.
pub fn self_test(dice: &mut Dice, sparse_bytes_max: usize) -> Result<(), String> {
    (0..ROUNDS).try_for_each(|_| test_registers(dice))?;
    test_estimates(dice.next_u64(), sparse_bytes_max)
}

/// All registers, given random values in random order, have them.
fn test_registers(dice: &mut Dice) -> Result<(), String> {
    let (mut body, mut model) = (vec![0; dense::BYTES - HEADER_BYTES], vec![0; REGISTERS]);
    for _ in 0..REGISTERS {
        let place = Place { index: dice.below(REGISTERS as u64) as usize, value: dice.below(64) as u8 };
        let was_lower = dense::raise(&mut body, place);
        if was_lower != (model[place.index] < place.value) {
            return Err(format!("Register {} was not compared with {}", place.index, place.value));
        }
        model[place.index] = model[place.index].max(place.value);
    }
    for (index, &value) in model.iter().enumerate() {
        let found = dense::get(&body, index);
        if found != value {
            return Err(format!("Register {index} should be {value} but is {found}"));
        }
    }
    Ok(())
}

/// Estimates are within five and a half times the expected error, and the same in both encodings.
fn test_estimates(seed: u64, sparse_bytes_max: usize) -> Result<(), String> {
    let expected = 1.04 / (REGISTERS as f64).sqrt();
    let mut sparse = (empty(), Encoding::Sparse);
    let mut dense = (super::to_dense(&sparse.0).map_err(|_| "An empty one is corrupt")?, Encoding::Dense);
    let mut checkpoint = 1;
    for added in 1..=ELEMENTS_MAX {
        let place = Place::of(&(added ^ seed).to_ne_bytes());
        for (bytes, encoding) in [&mut sparse, &mut dense] {
            raise(bytes, encoding, place, sparse_bytes_max).map_err(|_| "It became corrupt")?;
        }
        if added == checkpoint {
            let [one, other] = [&sparse, &dense].map(|(bytes, encoding)| count(bytes, *encoding));
            let counted = one.map_err(|_| "It is corrupt")?;
            if one != other {
                return Err(format!("Sparse and dense estimates of {added} elements differ"));
            }
            let error = added.abs_diff(counted);
            // Few elements may share a register by chance.
            let error_max = if added == 10 { 1 } else { (expected * 5.5 * added as f64).ceil() as u64 };
            if error > error_max {
                return Err(format!("Too big error. card:{added} abserr:{error}"));
            }
            checkpoint *= 10;
        }
    }
    Ok(())
}
