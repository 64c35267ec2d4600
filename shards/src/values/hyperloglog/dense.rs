//! The dense encoding: 16,384 registers of six bits, the first in the lowest bits of the first byte.
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
    /// Registers that are spread before they are compared: many at once, as wide as the processor can.
    const BLOCK: usize = 32;
    for (block, packed) in registers.as_chunks_mut::<{ 8 * BLOCK }>().0.iter_mut().zip(body.chunks(6 * BLOCK))
    {
        let mut others = [0; 8 * BLOCK];
        for (eight, &six) in others.as_chunks_mut().0.iter_mut().zip(packed.as_chunks().0) {
            *eight = spread(six).to_le_bytes();
        }
        block.iter_mut().zip(others).for_each(|(register, other)| *register = (*register).max(other));
    }
}

/// Appends the dense encoding of registers.
pub(super) fn pack(registers: &Registers, bytes: &mut Vec<u8>) {
    for &eight in registers.as_chunks().0 {
        bytes.extend_from_slice(&squeeze(u64::from_le_bytes(eight)));
    }
}
