//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^…]` and `\`, byte for byte as KEYS, SCAN, PSUBSCRIBE and CONFIG GET know them.
//!
//! Only the last `*` passed is ever tried again: where what stands behind it fits nowhere in the rest of the text, no other
//! choice for an earlier `*` would help. So the time is at most the product of both lengths.

/// A pattern with more `*` than this matches nothing.
const STARS_MAX: usize = 1000;

/// Whether `text` as a whole fits `pattern`; `any_case` takes ASCII letters for the same in both cases.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8], any_case: bool) -> bool {
    if text.is_empty() {
        // As in Redis, where even `*` wants a byte.
        return pattern.is_empty();
    }
    let (mut at, mut place) = (0, 0);
    // Where to go on when a byte does not fit: behind the last `*`, one byte later than the last time.
    let mut retry: Option<(usize, usize)> = None;
    let mut stars = 0;
    loop {
        if pattern.get(at) == Some(&b'*') {
            at = skip_stars(pattern, at);
            if at == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((at, place));
            continue;
        }
        if let Some(next) = step(pattern, at, text[place], any_case) {
            (at, place) = (next, place + 1);
            if place < text.len() {
                continue;
            }
            if skip_stars(pattern, at) == pattern.len() {
                return true;
            }
        }
        match &mut retry {
            Some((behind, from)) if *from + 1 < text.len() => {
                *from += 1;
                (at, place) = (*behind, *from);
            }
            _ => return false,
        }
    }
}

fn skip_stars(pattern: &[u8], at: usize) -> usize {
    at + pattern[at..].iter().take_while(|byte| **byte == b'*').count()
}

/// Matches one byte with what stands at `at`, no `*`; where the pattern goes on, if it fits.
fn step(pattern: &[u8], at: usize, byte: u8, any_case: bool) -> Option<usize> {
    match pattern[at..] {
        [] => None,
        [b'?', ..] => Some(at + 1),
        [b'[', ..] => {
            let (fits, next) = class(pattern, at + 1, byte, any_case);
            fits.then_some(next)
        }
        [b'\\', plain, ..] => same(plain, byte, any_case).then_some(at + 2),
        [plain, ..] => same(plain, byte, any_case).then_some(at + 1),
    }
}

/// A class of bytes whose content begins at `at`: whether `byte` is in it, and where the pattern goes on. A class that
/// is not closed ends with the pattern.
fn class(pattern: &[u8], mut at: usize, byte: u8, any_case: bool) -> (bool, usize) {
    let not = pattern.get(at) == Some(&b'^');
    at += usize::from(not);
    let mut fits = false;
    loop {
        match pattern[at..] {
            // An escaped byte has its case, always.
            [b'\\', plain, ..] => {
                fits |= plain == byte;
                at += 2;
            }
            [b']', ..] => return (fits != not, at + 1),
            [] => return (fits != not, at),
            [one, b'-', other, ..] => {
                fits |= in_range(one, other, byte, any_case);
                at += 3;
            }
            [plain, ..] => {
                fits |= same(plain, byte, any_case);
                at += 1;
            }
        }
    }
}

/// Ranges go by signed bytes, as in the C of Redis, and either way round.
fn in_range(one: u8, other: u8, byte: u8, any_case: bool) -> bool {
    let signed = |byte: u8| (if any_case { byte.to_ascii_lowercase() } else { byte }) as i8;
    let (low, high) = if (one as i8) <= (other as i8) { (one, other) } else { (other, one) };
    (signed(low)..=signed(high)).contains(&signed(byte))
}

fn same(one: u8, other: u8, any_case: bool) -> bool {
    one == other || any_case && one.eq_ignore_ascii_case(&other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The meaning, tried out in every way: exponential.
    fn naive(pattern: &[u8], text: &[u8], any_case: bool) -> bool {
        match (pattern, text) {
            (pattern, []) => pattern.iter().all(|byte| *byte == b'*'),
            ([b'*', rest @ ..], text) => {
                (0..=text.len()).any(|skipped| naive(rest, &text[skipped..], any_case))
            }
            (pattern, [byte, rest @ ..]) => {
                step(pattern, 0, *byte, any_case).is_some_and(|next| naive(&pattern[next..], rest, any_case))
            }
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_redis() {
        // Answers of KEYS.
        for (pattern, text, fits) in [
            ("*", "", false),
            ("", "", true),
            ("", "a", false),
            ("h?llo", "hello", true),
            ("h*llo", "heeeello", true),
            ("h*llo", "hllo", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hello", false),
            ("h[^e]llo", "hbllo", true),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("[", "[", false),
            ("[^", "x", true),
            ("[a", "a", true),
            ("[a-", "-", true),
            ("[]a]", "]", false),
            ("[\\]]", "]", true),
            ("a\\", "a\\", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[a-\\]", "b", false),
            ("a**", "a", true),
            ("**a", "a", true),
            ("*a*b*c*", "xaxbxc", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), fits, "{pattern} {text}");
        }
        assert!(matches(b"[A-Z]X\\y", b"qxY", true));
        assert!(!matches(b"[\\A]", b"a", true));
        assert!(matches(b"[\x80-a]", b"\xff", false) && !matches(b"[\x80-a]", b"b", false));
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let pattern = [b"a*".repeat(900), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(10_000), false));
        assert!(!matches(&b"*?".repeat(1001), &b"a".repeat(2000), false));
        assert!(matches(&b"*?".repeat(1000), &b"a".repeat(2000), false));
    }

    proptest! {
        #[test]
        fn the_quick_way_says_what_the_slow_one_says(
            pattern in proptest::collection::vec(proptest::sample::select(&b"*?[]^-\\abAB\xff"[..]), 0..12),
            text in proptest::collection::vec(proptest::sample::select(&b"abABc]-\\\xff"[..]), 1..10),
            any_case in any::<bool>(),
        ) {
            prop_assert_eq!(matches(&pattern, &text, any_case), naive(&pattern, &text, any_case));
        }
    }
}
