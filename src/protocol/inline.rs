//! Inline requests: a line of words, as a person types it into telnet.
use super::parse::Span;

/// A quote was not closed, or text follows a closing one at once.
#[derive(Debug, PartialEq, Eq)]
pub struct Unbalanced;

/// Splits a line into words at spaces. Words in quotes need unescaping ([`unescape`]); their spans include the quotes.
pub fn split(line: &[u8], words: &mut Vec<Span>) -> Result<(), Unbalanced> {
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|byte| is_space(*byte)) {
            at += 1;
        }
        if at >= line.len() {
            return Ok(());
        }
        let start = at;
        at = word_end(line, start).ok_or(Unbalanced)?;
        words.push((start as u32, (at - start) as u32));
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0)
}

/// Where the word that begins at `at` ends.
fn word_end(line: &[u8], mut at: usize) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        match byte {
            quote @ (b'"' | b'\'') => {
                at = closing(line, at + 1, quote)? + 1;
                // Only a space or the end may follow.
                return line.get(at).is_none_or(|byte| is_space(*byte)).then_some(at);
            }
            byte if is_space(byte) => return Some(at),
            _ => at += 1,
        }
    }
    Some(at)
}

fn closing(line: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 2,
            b'\\' if line.get(at + 1) == Some(&b'\'') => at += 2,
            byte if byte == quote => return Some(at),
            _ => at += 1,
        }
    }
    None
}

/// Whether a word of an inline request has anything to unescape.
#[must_use]
pub fn is_quoted(word: &[u8]) -> bool {
    matches!(word.last(), Some(b'"' | b'\'')) && word.iter().any(|byte| matches!(byte, b'"' | b'\''))
}

/// The bytes that a word of an inline request stands for.
#[must_use]
pub fn unescape(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut at = 0;
    let mut quote = 0;
    while let Some(&byte) = word.get(at) {
        at += 1;
        match (quote, byte) {
            (0, b'"' | b'\'') => quote = byte,
            (b'"', b'\\') => at += escaped(&word[at..], &mut out),
            (b'\'', b'\\') if word.get(at) == Some(&b'\'') => {
                out.push(b'\'');
                at += 1;
            }
            (open, byte) if open == byte && open != 0 => quote = 0,
            (_, byte) => out.push(byte),
        }
    }
    out
}

/// Appends what a backslash and `rest` stand for; how many bytes of `rest` that were.
fn escaped(rest: &[u8], out: &mut Vec<u8>) -> usize {
    if let [b'x', high, low, ..] = rest
        && let (Some(high), Some(low)) = ((*high as char).to_digit(16), (*low as char).to_digit(16))
    {
        out.push((high * 16 + low) as u8);
        return 3;
    }
    let Some(&byte) = rest.first() else { return 0 };
    out.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    });
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<Vec<u8>>> {
        let mut spans = Vec::new();
        split(line.as_bytes(), &mut spans).ok()?;
        let word = |&(at, len): &Span| unescape(&line.as_bytes()[at as usize..][..len as usize]);
        Some(spans.iter().map(word).collect())
    }

    #[test]
    fn words_are_split_and_unescaped() {
        assert_eq!(words(r#"  SET k "a b\x41\n" "#).unwrap(), [&b"SET"[..], b"k", b"a bA\n"]);
        assert_eq!(words(r"GET 'it\'s'").unwrap(), [&b"GET"[..], b"it's"]);
        assert_eq!(words(r#"a"b""#).unwrap(), [b"ab"]);
        assert_eq!(words(""), Some(vec![]));
        assert_eq!(words(r#"SET "a"#), None);
        assert_eq!(words(r#"SET "a"b"#), None);
    }
}
