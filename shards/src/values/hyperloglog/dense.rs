//! The dense encoding: 16,384 registers of six bits, the first in the lowest bits of the first byte.
#![expect(
    unsafe_code,
    reason = "code for wider registers is called once the processor is known to have them"
)]
use super::estimate::{Counts, Histogram};
use super::{HEADER_BYTES, Place, REGISTERS, Registers};

/// Bits of a register.
const BITS: usize = 6;
/// The greatest value of a register.
const VALUE_MAX: u16 = (1 << BITS) - 1;
/// The length of the string, header included.
pub const BYTES: usize = HEADER_BYTES + REGISTERS * BITS / 8;

/// One register.
#[inline]
#[must_use]
pub fn get(body: &[u8], index: usize) -> u8 {
    let (byte, bit) = (index * BITS / 8, index * BITS % 8);
    let pair = u16::from_le_bytes([body[byte], body.get(byte + 1).copied().unwrap_or(0)]);
    (pair >> bit & VALUE_MAX) as u8
}

/// Raises one register; whether it was lower.
pub fn raise(body: &mut [u8], place: Place) -> bool {
    if get(body, place.index) >= place.value {
        return false;
    }
    let (byte, bit) = (place.index * BITS / 8, place.index * BITS % 8);
    let patch = |old: u8, shift: usize| {
        let (mask, value) = (VALUE_MAX << bit, u16::from(place.value) << bit);
        old & !(mask >> shift) as u8 | (value >> shift) as u8
    };
    body[byte] = patch(body[byte], 0);
    if bit + BITS > 8 {
        body[byte + 1] = patch(body[byte + 1], 8);
    }
    true
}

/// Six bytes as eight registers, one in each byte.
#[inline(always)]
fn spread(six: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = six;
    let x = u64::from_le_bytes([a, b, c, 0, d, e, f, 0]);
    let x = x & 0x0000_0fff_0000_0fff | (x & 0x00ff_f000_00ff_f000) << 4;
    x & 0x003f_003f_003f_003f | (x & 0x0fc0_0fc0_0fc0_0fc0) << 2
}

/// Eight registers, one in each byte, as six bytes.
#[inline(always)]
fn squeeze(x: u64) -> [u8; 6] {
    let x = x & 0x003f_003f_003f_003f | (x & 0x3f00_3f00_3f00_3f00) >> 2;
    let x = x & 0x0000_0fff_0000_0fff | (x & 0x0fff_0000_0fff_0000) >> 4;
    let [a, b, c, _, d, e, f, _] = x.to_le_bytes();
    [a, b, c, d, e, f]
}

/// How many registers have each value.
pub(super) fn histogram(body: &[u8]) -> Counts {
    let mut histogram = Histogram::default();
    for &six in body.as_chunks().0 {
        histogram.add_eight(spread(six));
    }
    histogram.sum()
}

/// Raises registers to those of `body`, where these are greater.
pub(super) fn merge_into(registers: &mut Registers, body: &[u8]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has just been found to have it.
        return unsafe { wide::merge_into(registers, body) };
    }
    merge_into_plain(registers, body);
}

fn merge_into_plain(registers: &mut [u8], body: &[u8]) {
    for (eight, &six) in registers.as_chunks_mut::<8>().0.iter_mut().zip(body.as_chunks().0) {
        let others = spread(six).to_le_bytes();
        eight.iter_mut().zip(others).for_each(|(register, other)| *register = (*register).max(other));
    }
}

/// Appends the dense encoding of registers.
pub(super) fn pack(registers: &Registers, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.resize(start + REGISTERS * BITS / 8, 0);
    for (six, &eight) in bytes[start..].as_chunks_mut().0.iter_mut().zip(registers.as_chunks().0) {
        *six = squeeze(u64::from_le_bytes(eight));
    }
}

/// The same as above in registers of 256 bits.
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod wide {
    use super::{Registers, merge_into_plain};
    use std::arch::x86_64::{
        __m256i, _mm_set_epi64x, _mm256_and_si256, _mm256_max_epu8, _mm256_or_si256, _mm256_set_m128i,
        _mm256_set1_epi32, _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_slli_epi32,
    };

    /// Registers in one step, and the bytes they are packed in.
    const STEP: usize = 32;
    const PACKED: usize = 24;

    /// As [`super::merge_into`].
    #[target_feature(enable = "avx2")]
    pub(super) fn merge_into(registers: &mut Registers, body: &[u8]) {
        // A step reads four bytes more than it uses: the last one is left to the plain code.
        let whole = registers.len() - STEP;
        let (steps, last) = registers.split_at_mut(whole);
        for (registers, at) in steps.as_chunks_mut::<STEP>().0.iter_mut().zip((0..).step_by(PACKED)) {
            let others = spread(half(body, at), half(body, at + PACKED / 2));
            // SAFETY: arrays of 32 bytes and such registers are both plain bytes.
            let mine = unsafe { std::mem::transmute::<[u8; STEP], __m256i>(*registers) };
            let greater = _mm256_max_epu8(mine, others);
            // SAFETY: as above.
            *registers = unsafe { std::mem::transmute::<__m256i, [u8; STEP]>(greater) };
        }
        merge_into_plain(last, &body[whole / STEP * PACKED..]);
    }

    /// Sixteen bytes, of which the first twelve count.
    #[inline(always)]
    fn half(body: &[u8], at: usize) -> [i64; 2] {
        let bytes: &[u8; 16] = body[at..].first_chunk().expect("the last step is not done here");
        let word = u128::from_le_bytes(*bytes);
        [word as i64, (word >> 64) as i64]
    }

    /// Twice twelve bytes as 32 registers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn spread(low: [i64; 2], high: [i64; 2]) -> __m256i {
        let both = _mm256_set_m128i(_mm_set_epi64x(high[1], high[0]), _mm_set_epi64x(low[1], low[0]));
        // Three bytes to each lane of 32 bits.
        let lanes = _mm256_setr_epi8(
            0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9,
            10, 11, -1,
        );
        let x = _mm256_shuffle_epi8(both, lanes);
        let first = _mm256_and_si256(x, _mm256_set1_epi32(0x3f));
        let second = _mm256_and_si256(_mm256_slli_epi32::<2>(x), _mm256_set1_epi32(0x3f00));
        let third = _mm256_and_si256(_mm256_slli_epi32::<4>(x), _mm256_set1_epi32(0x003f_0000));
        let fourth = _mm256_and_si256(_mm256_slli_epi32::<6>(x), _mm256_set1_epi32(0x3f00_0000));
        _mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn wide_and_plain_code_merge_alike() {
        let mut dice = Dice::new(1);
        let mut one: Box<Registers> = Box::new([0; REGISTERS]);
        let body: Vec<u8> = (HEADER_BYTES..BYTES).map(|_| dice.next_u64() as u8).collect();
        one.iter_mut().for_each(|register| *register = dice.below(64) as u8);
        let mut other = one.clone();
        merge_into(&mut one, &body);
        merge_into_plain(&mut other[..], &body);
        assert!(one == other);
    }
}
