//! LZF, the compression of list nodes and of strings in dumps.
//!
//! The format is a sequence of runs. A control byte below 32 says that so many bytes and one more follow as they are. Any other
//! is the beginning of a repetition: its three high bits are the length less 2 (where they are all set, the next byte is
//! added), its five low bits and one more byte how far back the repeated bytes lie, less 1.

/// Bytes that a literal run holds at most.
const LITERAL_MAX: usize = 32;
/// How far back a repetition reaches at most.
const DISTANCE_MAX: usize = 1 << 13;
/// Bytes that a repetition stands for, at least and at most.
const REPEATED: (usize, usize) = (3, 264);
/// Places that the compressor remembers, a power of two; of what is short fewer, as to empty them would take longer than to compress.
const PLACES: usize = 1 << 12;
const PLACES_OF_SHORT: usize = 1 << 8;
/// What is no longer than this is short.
const SHORT_MAX: usize = 256;

/// The compressed bytes, if they are no more than `max`.
#[must_use]
pub fn compress(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    if bytes.len() <= SHORT_MAX {
        compress_with::<PLACES_OF_SHORT>(bytes, max)
    } else {
        compress_with::<PLACES>(bytes, max)
    }
}

fn compress_with<const PLACES: usize>(bytes: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(max.min(bytes.len()));
    // Where three bytes of a hash were seen last, plus one.
    let mut seen = [0u32; PLACES];
    let (mut at, mut literal_from) = (0, 0);
    while let Some(three) = bytes.get(at..at + REPEATED.0) {
        let place = &mut seen[hash(three) % PLACES];
        let candidate = (*place as usize).checked_sub(1);
        *place = at as u32 + 1;
        let repeated = candidate.filter(|from| at - from <= DISTANCE_MAX);
        let len = repeated.map_or(0, |from| common(&bytes[from..], &bytes[at..]));
        match repeated {
            Some(from) if len >= REPEATED.0 => {
                literals(&bytes[literal_from..at], &mut out);
                repetition(len, at - from - 1, &mut out);
                at += len;
                literal_from = at;
            }
            _ => at += 1,
        }
        if out.len() > max {
            return None;
        }
    }
    literals(&bytes[literal_from..], &mut out);
    (out.len() <= max).then_some(out)
}

fn hash(three: &[u8]) -> usize {
    let value = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    (value.wrapping_mul(0x9e37_79b1) >> 20) as usize
}

fn common(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take(REPEATED.1).take_while(|(left, right)| left == right).count()
}

fn literals(bytes: &[u8], out: &mut Vec<u8>) {
    for run in bytes.chunks(LITERAL_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn repetition(len: usize, back: usize, out: &mut Vec<u8>) {
    let (len, high) = (len - 2, (back >> 8) as u8);
    if len < 7 {
        out.push((len as u8) << 5 | high);
    } else {
        out.push(7 << 5 | high);
        out.push((len - 7) as u8);
    }
    out.push(back as u8);
}

/// The bytes that were compressed, if `bytes` are what compression gives and stand for exactly `len`.
#[must_use]
pub fn decompress(bytes: &[u8], len: usize) -> Option<Vec<u8>> {
    // What a stranger says of the length is believed only as far as it can be true.
    let mut out = Vec::with_capacity(len.min(bytes.len().saturating_mul(REPEATED.1)));
    let mut rest = bytes;
    while let [control, tail @ ..] = rest {
        let (high, low) = (usize::from(control >> 5), usize::from(control & 31));
        rest = match (high, tail) {
            (0, _) => {
                let (run, tail) = tail.split_at_checked(low + 1)?;
                out.extend_from_slice(run);
                tail
            }
            (7, [more, back, tail @ ..]) => {
                repeat(&mut out, low << 8 | usize::from(*back), 9 + usize::from(*more))?;
                tail
            }
            (1..=6, [back, tail @ ..]) => {
                repeat(&mut out, low << 8 | usize::from(*back), 2 + high)?;
                tail
            }
            _ => return None,
        };
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Appends `len` bytes from `back + 1` bytes before the end, which the copy itself may grow into.
fn repeat(out: &mut Vec<u8>, back: usize, len: usize) -> Option<()> {
    let from = out.len().checked_sub(back + 1)?;
    if back + 1 >= len {
        out.extend_from_within(from..from + len);
    } else {
        for at in from..from + len {
            out.push(out[at]);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_are_written_as_the_format_says() {
        let text = b"aaaaaaaaaaaaaaaaaaaa";
        let packed = compress(text, 100).unwrap();
        assert_eq!(packed, [0, b'a', 7 << 5, 10, 0]);
        assert_eq!(decompress(&packed, 20).unwrap(), text);
        assert_eq!(compress(b"abcdef", 6), None, "a literal run costs a byte");
        assert_eq!(compress(b"abcdef", 7).unwrap(), b"\x05abcdef");
        assert_eq!(compress(b"", 0), Some(Vec::new()));
    }

    #[test]
    fn lies_are_refused() {
        for (bytes, len) in [
            (&b"\x05abc"[..], 6),
            (b"\x20\0", 3),
            (b"\0a\x20\x01", 4),
            (b"\0a\xe0\0", 10),
            (b"\0a\x20", 4),
            (b"\0a\xe0\xff\0", 3),
            (b"\0a", 2),
            (b"", 1),
        ] {
            assert_eq!(decompress(bytes, len), None, "{bytes:?}");
        }
        assert_eq!(decompress(b"\0a\x20\0", 4).unwrap(), b"aaaa");
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(
            words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..8),
            order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..600),
        ) {
            let bytes: Vec<u8> = order.iter().flat_map(|index| index.get(&words).clone()).collect();
            let packed = compress(&bytes, usize::MAX).unwrap();
            prop_assert_eq!(decompress(&packed, bytes.len()), Some(bytes.clone()));
            prop_assert_eq!(decompress(&packed, bytes.len() + 1), None);
            prop_assert_eq!(compress(&bytes, packed.len()), Some(packed.clone()));
            prop_assert!(packed.is_empty() || compress(&bytes, packed.len() - 1).is_none());
        }

        #[test]
        fn hostile_bytes_are_refused_or_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..60), len in 0usize..2000) {
            if let Some(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
