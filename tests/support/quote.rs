//! Quoting as redis-cli has it (`"a\x00b"`, `'it''s'` without escapes), with `"x"*1000` for the long ones.

/// From this length on a string of one repeated byte is written as `"x"*64`.
const REPEAT_MIN: usize = 64;

/// Bytes in double quotes, unprintable ones escaped.
pub(crate) fn quote(bytes: &[u8]) -> String {
    if bytes.len() >= REPEAT_MIN && bytes.iter().all(|byte| *byte == bytes[0]) {
        return format!("\"{}\"*{}", escape(&bytes[..1]).replace('"', "\\\""), bytes.len());
    }
    format!("\"{}\"", escape(bytes).replace('"', "\\\""))
}

/// Bytes as one line of printable ASCII; quotes stay as they are.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// The bytes that [`escape`] wrote.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        (rest, _) = match (byte, tail) {
            (b'\\', [b'x', high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let value = hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low);
                (after, bytes.extend(value))
            }
            (b'\\', [letter, after @ ..]) => (after, bytes.push(unescape_letter(*letter))),
            _ => (tail, bytes.push(*byte)),
        };
    }
    bytes
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn unescape_letter(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// Splits a request into its arguments.
pub(crate) fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut args = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (arg, tail) = first_arg(rest)?;
        args.push(arg);
        rest = tail.trim_start();
    }
    Ok(args)
}

fn first_arg(text: &str) -> Result<(Vec<u8>, &str), String> {
    let Some(mark) = text.chars().next().filter(|mark| matches!(mark, '"' | '\'')) else {
        let end = text.find(' ').unwrap_or(text.len());
        return Ok((text.as_bytes()[..end].to_vec(), &text[end..]));
    };
    let (inner, tail) = quoted(&text[1..], mark).ok_or_else(|| format!("unbalanced quote: {text}"))?;
    let bytes = if mark == '"' { unescape(inner) } else { inner.replace("\\'", "'").into_bytes() };
    let end = tail.find(' ').unwrap_or(tail.len());
    Ok((repeat(bytes, &tail[..end])?, &tail[end..]))
}

/// The text up to the closing mark, and what follows it.
fn quoted(text: &str, mark: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if letter == mark && !escaped {
            return Some((&text[..at], &text[at + 1..]));
        }
        escaped = letter == '\\' && !escaped;
    }
    None
}

fn repeat(bytes: Vec<u8>, suffix: &str) -> Result<Vec<u8>, String> {
    if suffix.is_empty() {
        return Ok(bytes);
    }
    let times = suffix.strip_prefix('*').and_then(|times| times.parse().ok());
    times.map(|times| bytes.repeat(times)).ok_or_else(|| format!("after a quote: {suffix}"))
}
