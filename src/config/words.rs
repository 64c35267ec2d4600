//! The words of a line of redis.conf: splitting and quoting, as Redis does both.

/// Splits a line into words. Words may stand in `"…"`, where `\n \r \t \b \a \xHH` and `\"` mean what they mean in C, or in
/// `'…'`, where only `\'` is special. `None` if a quote is not closed, or closed in the middle of a word.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
        rest = &rest[start..];
        // A line is a C string to Redis: it ends at the first zero byte.
        if matches!(rest.first(), None | Some(0)) {
            return Some(words);
        }
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after;
    }
}

/// Quotes a text such that [`split`] gives it back as one word.
pub(crate) fn quote(text: &[u8]) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for &byte in text {
        match byte {
            b'\\' | b'"' => quoted.extend(['\\', char::from(byte)]),
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            7 => quoted.push_str("\\a"),
            8 => quoted.push_str("\\b"),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

/// Takes one word off a line that does not begin with a space.
fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match *rest {
            [b'"', ref inside @ ..] => return closed(double_quoted(inside, &mut word)?, word),
            [b'\'', ref inside @ ..] => return closed(single_quoted(inside, &mut word)?, word),
            [] | [b' ' | b'\n' | b'\r' | b'\t' | 0, ..] => return Some((word, rest)),
            [byte, ref after @ ..] => {
                word.push(byte);
                rest = after;
            }
        }
    }
}

/// A closing quote ends its word: a space or the line's end must follow.
fn closed(rest: &[u8], word: Vec<u8>) -> Option<(Vec<u8>, &[u8])> {
    rest.first().is_none_or(|byte| *byte == 0 || is_space(*byte)).then_some((word, rest))
}

/// Reads up to the closing `"` and returns what follows it.
fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] | [0, ..] => return None,
            [b'"', ref after @ ..] => return Some(after),
            [b'\\', b'x', high, low, ref after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(high) << 4 | hex(low));
                after
            }
            [b'\\', escaped, ref after @ ..] if escaped != 0 => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                after
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        }
    }
}

/// Reads up to the closing `'` and returns what follows it.
fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match *rest {
            [] | [0, ..] => return None,
            [b'\'', ref after @ ..] => return Some(after),
            [b'\\', b'\'', ref after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, ref after @ ..] => {
                word.push(byte);
                after
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// The spaces of C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        Some(split(line.as_bytes())?.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
    }

    #[test]
    fn splits_as_redis_does() {
        let cases: [(&str, &[&str]); 9] = [
            ("save 900  1", &["save", "900", "1"]),
            ("  port\t6379 ", &["port", "6379"]),
            (r#"hz "1\x30""#, &["hz", "10"]),
            (r#"a "" ''"#, &["a", "", ""]),
            (r#"a "\n\r\t\a\b\q\"" "#, &["a", "\n\r\t\x07\x08q\""]),
            (r"a 'it\'s \n'", &["a", r"it's \n"]),
            (r#"a pre"fix""#, &["a", "prefix"]),
            (r#"a "\xZZ""#, &["a", "xZZ"]),
            ("", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
        for line in ["a \"b", "a 'b", "a \"b\"c", "a 'b'c", "a \"b\\\"", "'"] {
            assert_eq!(words(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text: Vec<u8>) {
            prop_assert_eq!(split(quote(&text).as_bytes()), Some(vec![text]));
        }

        #[test]
        fn splitting_never_panics(line: Vec<u8>) {
            if let Some(words) = split(&line) {
                prop_assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
            }
        }
    }
}
