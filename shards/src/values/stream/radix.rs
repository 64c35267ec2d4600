//! How many nodes Redis's radix tree would have for the nodes of a stream: XINFO tells, and there is no such tree here.
use super::{Id, Stream};

/// Beyond so many nodes the number is not reckoned any more, for that takes long; it is told as if ids had nothing in common.
const RECKONED_MAX: usize = 10_000;
/// The tree's keys are ids of so many bytes.
const KEY_BYTES: u32 = 16;

impl Stream {
    /// The nodes of a radix tree of this stream's nodes: see the module.
    #[must_use]
    pub fn radix_node_count(&self) -> usize {
        if self.node_count() > RECKONED_MAX {
            return 2 * self.node_count() + 2;
        }
        radix_nodes(self.0.nodes.iter().map(|(base, _)| *base))
    }
}

/// A key ends in an empty node. Keys part in nodes with a child for each byte; what they share before, and what each has
/// left after, is a node of its own, unless that is nothing.
fn radix_nodes(ids: impl Iterator<Item = Id>) -> usize {
    let keys: Vec<u128> = ids.map(|id| u128::from(id.ms) << 64 | u128::from(id.seq)).collect();
    if keys.len() < 2 {
        return 1 + keys.len();
    }
    let shared: Vec<u32> = keys.windows(2).map(|pair| (pair[0] ^ pair[1]).leading_zeros() / 8).collect();
    let mut count = 0;
    for index in 0..keys.len() {
        let before = index.checked_sub(1).map_or(0, |index| shared[index]);
        let parting = before.max(shared.get(index).copied().unwrap_or(0));
        count += 1 + usize::from(parting + 1 < KEY_BYTES);
    }
    // The bytes at which the keys up to here have parted, outermost first.
    let mut open: Vec<u32> = Vec::new();
    for &at in &shared {
        close(&mut open, Some(at), &mut count);
        if open.last() != Some(&at) {
            open.push(at);
        }
    }
    close(&mut open, None, &mut count);
    count
}

/// Counts the partings beyond `at`, each with what lies between it and the one before.
fn close(open: &mut Vec<u32>, at: Option<u32>, count: &mut usize) {
    while let Some(parting) = open.pop_if(|parting| at.is_none_or(|at| *parting > at)) {
        let first = open.last().copied().max(at).map_or(0, |outer| outer + 1);
        *count += 1 + usize::from(parting > first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_as_redis_has_them() {
        // What XINFO STREAM of Redis 7.0.15 says for an entry a node.
        for (ids, nodes) in REDIS_SAYS {
            let ids = ids.iter().map(|(ms, seq)| Id::new(*ms, *seq));
            assert_eq!(radix_nodes(ids.clone()), *nodes, "{:?}", ids.collect::<Vec<_>>());
        }
    }

    const REDIS_SAYS: &[(&[(u64, u64)], usize)] = &[
        (&[], 1),
        (&[(1, 0)], 2),
        (&[(1, 0), (2, 0)], 6),
        (&[(0, 1), (0, 2)], 4),
        (&[(0, 1), (9223372036854775808, 0)], 5),
        (&[(1, 1), (1, 2), (1, 3), (2, 0)], 9),
        (&[(1, 0), (1, 256), (1, 257), (1, 65536), (256, 0)], 14),
        (&[(2, 4294967296), (65535, 4294967296), (1099511627777, 4294967301), (1700000000000, 2)], 13),
        (&[(256, 4294967301), (1099511627777, 255), (1700000000000, 2)], 9),
        (
            &[
                (255, 2),
                (255, 18446744073709551615),
                (1099511627776, 4294967301),
                (1700000000000, 256),
                (1700000000000, 18446744073709551615),
            ],
            17,
        ),
        (
            &[
                (1, 255),
                (1, 4294967301),
                (1, 18446744073709551615),
                (2, 2),
                (257, 256),
                (1099511627776, 256),
                (1099511627776, 4294967301),
                (1099511627777, 2),
            ],
            28,
        ),
        (&[(2, 1), (255, 256), (256, 255), (257, 256), (1099511627776, 18446744073709551615)], 16),
        (
            &[
                (1, 18446744073709551615),
                (255, 4294967301),
                (256, 255),
                (257, 4294967296),
                (65535, 4294967296),
                (1099511627776, 4294967296),
            ],
            18,
        ),
        (&[(2, 1), (2, 4294967301), (256, 4294967301), (257, 255), (1700000000000, 4294967296)], 17),
        (
            &[
                (2, 256),
                (255, 1),
                (257, 256),
                (65535, 18446744073709551615),
                (1099511627776, 18446744073709551615),
                (1099511627777, 1),
            ],
            19,
        ),
        (&[(1, 256), (1, 4294967296), (65535, 4294967296)], 10),
        (&[(1, 1), (1, 255), (2, 4294967296), (1700000000000, 1), (1700000000000, 2)], 14),
    ];
}
