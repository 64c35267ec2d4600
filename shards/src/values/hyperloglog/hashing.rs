//! Which register an element raises, and to what: MurmurHash64A of its bytes, taken apart.

/// So many bits of the hash choose the register.
pub(super) const INDEX_BITS: u32 = 14;
/// So many are left to count zeros in.
pub(super) const VALUE_BITS: u32 = 64 - INDEX_BITS;
/// The seed that all HyperLogLogs of Redis have.
const SEED: u64 = 0xadc8_3b19;

/// A register and a value that it is to have at the least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The register.
    pub index: usize,
    /// The value: 1 to 51 for an element's place.
    pub value: u8,
}

impl Place {
    /// Where an element belongs: the low bits of its hash choose the register, the zeros above them, plus one, are the value.
    #[inline]
    #[must_use]
    pub fn of(element: &[u8]) -> Place {
        let hash = murmur(element, SEED);
        let index = (hash & ((1 << INDEX_BITS) - 1)) as usize;
        // A bit behind the last one ends the row of zeros.
        let rest = hash >> INDEX_BITS | 1 << VALUE_BITS;
        Place { index, value: rest.trailing_zeros() as u8 + 1 }
    }
}

/// Austin Appleby's MurmurHash64A, which is the same on machines of either byte order.
#[inline]
fn murmur(bytes: &[u8], seed: u64) -> u64 {
    const M: u64 = 0xc6a4_a793_5bd1_e995;
    const R: u32 = 47;
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M);
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(M);
        word ^= word >> R;
        hash = (hash ^ word.wrapping_mul(M)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let mut word = [0; 8];
        word[..tail.len()].copy_from_slice(tail);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(M);
    }
    hash = (hash ^ hash >> R).wrapping_mul(M);
    hash ^ hash >> R
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_belong_where_redis_puts_them() {
        // As PFDEBUG DECODE tells after PFADD k a b c: Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603.
        let mut places: Vec<_> = [&b"a"[..], b"b", b"c"].map(Place::of).into();
        places.sort_by_key(|place| place.index);
        let expected = [(8436, 1), (12711, 2), (15780, 1)].map(|(index, value)| Place { index, value });
        assert_eq!(places, expected);
    }
}
