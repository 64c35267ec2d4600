//! Bits within bytes: counted, found, combined, read and written as integers. Bit 0 is the highest of the first byte.
#![expect(
    unsafe_code,
    reason = "code for wider registers is called once the processor is known to have them"
)]

/// How two or more strings become one, bit by bit. Shorter ones count as having zeros behind them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    /// In all.
    And,
    /// In any.
    Or,
    /// In an odd number of them.
    Xor,
    /// Not in the only one.
    Not,
    /// In the first and in none of the others.
    Diff,
    /// In any of the others and not in the first.
    Diff1,
    /// In the first and in any of the others.
    AndOr,
    /// In exactly one.
    One,
}

/// How much of the strings is worked on at a time: so little that it stays in the nearest cache.
const BLOCK_BYTES: usize = 8 << 10;

/// How many bits are set.
pub(crate) fn count_ones(bytes: &[u8]) -> u64 {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        if bytes.len() >= 64 && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has just been found to have these features.
            return unsafe { count_ones_wide(bytes) };
        }
    }
    count_ones_plain(bytes)
}

/// The same, compiled for processors that count in hardware.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[target_feature(enable = "avx2,popcnt")]
fn count_ones_wide(bytes: &[u8]) -> u64 {
    count_ones_plain(bytes)
}

#[inline(always)]
fn count_ones_plain(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()));
    let rest = rest.iter().map(|byte| u64::from(byte.count_ones()));
    words.sum::<u64>() + rest.sum::<u64>()
}

/// How many bits are set from bit `from` up to, not including, bit `to`, which lies within `bytes`.
pub(crate) fn count_ones_within(bytes: &[u8], from: usize, to: usize) -> u64 {
    if from >= to {
        return 0;
    }
    let (first, last) = (from / 8, (to - 1) / 8);
    let before = bytes[first] & !(0xff >> (from % 8));
    let behind = bytes[last] & (0x7f >> ((to - 1) % 8));
    count_ones(&bytes[first..=last]) - u64::from(before.count_ones()) - u64::from(behind.count_ones())
}

/// The first bit that is `on` from bit `from` up to, not including, bit `to`, which lies within `bytes`.
pub(crate) fn position_within(bytes: &[u8], from: usize, to: usize, on: bool) -> Option<usize> {
    let is_it = |at: &usize| bit(bytes, *at) == on;
    let head = from.next_multiple_of(8).min(to);
    let tail = (to / 8 * 8).max(head);
    let first = head.div_ceil(8);
    let whole = || position(&bytes[first..first.max(tail / 8)], on).map(|at| head + at);
    (from..head).find(is_it).or_else(whole).or_else(|| (tail..to).find(is_it))
}

/// The first bit that is `on`.
fn position(bytes: &[u8], on: bool) -> Option<usize> {
    let dull = if on { 0 } else { u64::MAX };
    let word = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes) ^ dull;
    let (blocks, _) = bytes.as_chunks::<64>();
    // Eight words at a time, without a branch between them.
    let is_dull = |block: &&[u8; 64]| block.as_chunks().0.iter().fold(0, |all, bytes| all | word(bytes)) == 0;
    let skipped = 64 * blocks.iter().take_while(is_dull).count();
    let (words, rest) = bytes[skipped..].as_chunks();
    for (index, bytes) in words.iter().enumerate() {
        if word(bytes) != 0 {
            return Some((skipped + 8 * index) * 8 + word(bytes).leading_zeros() as usize);
        }
    }
    let (start, dull) = (bytes.len() - rest.len(), dull as u8);
    let index = rest.iter().position(|byte| *byte != dull)?;
    Some((start + index) * 8 + (rest[index] ^ dull).leading_zeros() as usize)
}

/// Whether a bit is set; those behind the end are not.
#[inline]
pub(crate) fn bit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0)
}

/// The `width` (1 to 64) bits from bit `at` on, as an integer; those behind the end are zeros.
pub(crate) fn get(bytes: &[u8], at: usize, width: u32) -> u64 {
    ((window(bytes, at) << (at % 8)) >> (128 - width)) as u64
}

/// Writes `width` (1 to 64) bits from bit `at` on, which lie within `bytes`.
pub(crate) fn put(bytes: &mut [u8], at: usize, width: u32, value: u64) {
    let up = 128 - width - (at % 8) as u32;
    let mask = ((1u128 << width) - 1) << up;
    let window = window(bytes, at) & !mask | (u128::from(value) << up & mask);
    let end = (at + width as usize).div_ceil(8);
    let part = &mut bytes[at / 8..end];
    part.copy_from_slice(&window.to_be_bytes()[..part.len()]);
}

/// The nine bytes from that of bit `at` on, at the top.
fn window(bytes: &[u8], at: usize) -> u128 {
    let part = bytes.get(at / 8..).unwrap_or_default();
    let part = &part[..part.len().min(9)];
    let mut window = [0; 16];
    window[..part.len()].copy_from_slice(part);
    u128::from_be_bytes(window)
}

/// Combines strings (at least one) into one as long as the longest.
pub(crate) fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    // In blocks, so that the result goes through memory once however many sources there are.
    for start in (0..len).step_by(BLOCK_BYTES) {
        let end = len.min(start + BLOCK_BYTES);
        combine_block(operation, sources, start..end, &mut result);
    }
    result
}

fn combine_block(
    operation: Operation,
    sources: &[&[u8]],
    block: std::ops::Range<usize>,
    result: &mut Vec<u8>,
) {
    let part = |source: &&'_ [u8]| -> std::ops::Range<usize> {
        block.start.min(source.len())..block.end.min(source.len())
    };
    let (first, others) = sources.split_first().expect("there is a source");
    // The operations that single out the first string begin with the others.
    let first_last = matches!(operation, Operation::Diff1 | Operation::AndOr);
    let (begin, then) =
        if first_last { others.split_first().expect("there is another source") } else { (first, others) };
    result.extend_from_slice(&begin[part(begin)]);
    result.resize(block.end, 0);
    let all = &mut result[block.clone()];
    let then = then.iter().map(|source| &source[part(source)]);
    match operation {
        Operation::And => then.for_each(|source| and(all, source)),
        Operation::Or => then.for_each(|source| apply(all, source, |a, b| a | b)),
        Operation::Xor => then.for_each(|source| apply(all, source, |a, b| a ^ b)),
        Operation::Not => all.iter_mut().for_each(|byte| *byte = !*byte),
        Operation::Diff => then.for_each(|source| apply(all, source, |a, b| a & !b)),
        Operation::Diff1 | Operation::AndOr => {
            then.for_each(|source| apply(all, source, |a, b| a | b));
            let first = &first[part(first)];
            if operation == Operation::AndOr { and(all, first) } else { apply(all, first, |a, b| a & !b) }
        }
        Operation::One => {
            let mut several = [0; BLOCK_BYTES];
            for source in then {
                for ((any, several), byte) in all.iter_mut().zip(&mut several).zip(source) {
                    *several |= *any & byte;
                    *any |= byte;
                }
            }
            apply(all, &several, |any, several| any & !several);
        }
    }
}

fn and(all: &mut [u8], source: &[u8]) {
    apply(all, source, |a, b| a & b);
    all[source.len()..].fill(0);
}

#[inline]
fn apply(all: &mut [u8], source: &[u8], combine: impl Fn(u8, u8) -> u8) {
    all.iter_mut().zip(source).for_each(|(byte, other)| *byte = combine(*byte, *other));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bits(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() * 8).map(|at| bytes[at / 8] >> (7 - at % 8) & 1 == 1).collect()
    }

    /// Bytes in runs, so that long stretches are alike.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let run = (prop_oneof![Just(0), Just(0xff), any::<u8>()], 0usize..150);
        proptest::collection::vec(run, 0..5).prop_map(|runs| {
            runs.into_iter().flat_map(|(byte, len)| std::iter::repeat_n(byte, len)).collect()
        })
    }

    fn naive(operation: Operation, first: bool, others: &[bool]) -> bool {
        let among = others.iter().filter(|bit| **bit).count();
        match operation {
            Operation::And => first && among == others.len(),
            Operation::Or => first || among > 0,
            Operation::Xor => (among + usize::from(first)) % 2 == 1,
            Operation::Not => !first,
            Operation::Diff => first && among == 0,
            Operation::Diff1 => !first && among > 0,
            Operation::AndOr => first && among > 0,
            Operation::One => among + usize::from(first) == 1,
        }
    }

    const OPERATIONS: [Operation; 8] = [
        Operation::And,
        Operation::Or,
        Operation::Xor,
        Operation::Not,
        Operation::Diff,
        Operation::Diff1,
        Operation::AndOr,
        Operation::One,
    ];

    proptest! {
        #[test]
        fn ranges_are_counted_and_searched(bytes in bytes(), from in 0usize..5000, to in 0usize..5000, on in any::<bool>()) {
            let bits = bits(&bytes);
            let to = to.min(bits.len());
            let range = from.min(to)..to;
            prop_assert_eq!(count_ones(&bytes), bits.iter().filter(|bit| **bit).count() as u64);
            prop_assert_eq!(
                count_ones_within(&bytes, range.start, range.end),
                bits[range.clone()].iter().filter(|bit| **bit).count() as u64
            );
            let found = position_within(&bytes, range.start, range.end, on);
            prop_assert_eq!(found, { range }.find(|at| bits[*at] == on));
        }

        #[test]
        fn integers_are_read_and_written(bytes in bytes(), at in 0usize..5000, width in 1u32..=64, value in any::<u64>()) {
            let before = bits(&bytes);
            let read = (at..at + width as usize)
                .fold(0u64, |value, at| value << 1 | u64::from(before.get(at).copied().unwrap_or(false)));
            prop_assert_eq!(get(&bytes, at, width), read);
            let mut bytes = bytes;
            bytes.resize(bytes.len().max((at + width as usize).div_ceil(8)), 0);
            let mut expected = bits(&bytes);
            (0..width).for_each(|bit| expected[at + bit as usize] = value >> (width - 1 - bit) & 1 == 1);
            put(&mut bytes, at, width, value);
            prop_assert_eq!(bits(&bytes), expected);
        }

        #[test]
        fn strings_are_combined(sources in proptest::collection::vec(bytes(), 2..5), scale in prop_oneof![4 => Just(1), 1 => Just(40)]) {
            let sources: Vec<Vec<u8>> = sources.iter().map(|source| source.repeat(scale)).collect();
            for operation in OPERATIONS {
                let sources = &sources[..if operation == Operation::Not { 1 } else { sources.len() }];
                let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
                let all: Vec<Vec<bool>> = sources.iter().map(|source| bits(source)).collect();
                let len = all.iter().map(Vec::len).max().unwrap();
                let get = |source: &Vec<bool>, at: usize| source.get(at).copied().unwrap_or(false);
                let expected: Vec<bool> = (0..len)
                    .map(|at| {
                        let others: Vec<bool> = all[1..].iter().map(|source| get(source, at)).collect();
                        naive(operation, get(&all[0], at), &others)
                    })
                    .collect();
                prop_assert_eq!(bits(&combine(operation, &slices)), expected, "{:?}", operation);
            }
        }
    }
}
