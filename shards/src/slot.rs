//! The slot of a key: CRC16 of the key or of its hash tag, modulo 16384, as in Redis Cluster.
use crc::{CRC_16_XMODEM, Crc, Table};

/// How many slots there are.
pub const SLOT_COUNT: u16 = 16384;

static CRC16: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// The slot of `key`.
#[inline]
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    CRC16.checksum(tag_of(key)) & (SLOT_COUNT - 1)
}

/// What is hashed: what stands between the first `{` and the first `}` behind it, if that is not empty; else all.
#[inline]
fn tag_of(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let inside = &key[open + 1..];
    match memchr::memchr(b'}', inside) {
        Some(close) if close > 0 => &inside[..close],
        _ => key,
    }
}

/// The shard that owns `slot` when the slots are dealt in contiguous ranges to `shard_count` shards.
#[inline]
#[must_use]
pub fn shard_of_slot(slot: u16, shard_count: usize) -> usize {
    (usize::from(slot) * shard_count) / usize::from(SLOT_COUNT)
}

/// The slots of shard `shard` of `shard_count`: the inverse of [`shard_of_slot`].
#[must_use]
pub fn slots_of_shard(shard: usize, shard_count: usize) -> std::ops::Range<u16> {
    let first = |index: usize| (index * usize::from(SLOT_COUNT)).div_ceil(shard_count) as u16;
    first(shard)..first(shard + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis_cluster() {
        // Answers of CLUSTER KEYSLOT.
        for (key, slot) in [
            ("123456789", 12739),
            ("foo", 12182),
            ("{user1000}.following", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("", 0),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn ranges_and_owners_agree() {
        for shard_count in [1, 2, 3, 5, 7, 8, 64, 1000] {
            for shard in 0..shard_count {
                assert!(
                    slots_of_shard(shard, shard_count).all(|slot| shard_of_slot(slot, shard_count) == shard)
                );
            }
            assert_eq!(slots_of_shard(shard_count - 1, shard_count).end, SLOT_COUNT);
        }
    }
}
