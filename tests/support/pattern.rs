//! What a script expects: a reply to the letter, or with holes where the value is not the same each time.
//!
//! Besides the letter of `render.rs`: `?` anything, `:?` any integer, `*?` any array, `%?` any map,
//! `:~ 90..100` an integer in that range (`..` open on either side), `~"re?is*"` a bulk string, `+~ OK*` a simple
//! string, `-~ ERR *` an error, `=txt:~"…"` a verbatim string that match the wildcards `*` and `?`.

use super::Outcome;
use super::quote::{split, unescape};
use super::resp::Reply;

/// One expected outcome.
#[derive(Debug, PartialEq)]
pub(crate) enum Pattern {
    Exactly(Reply),
    Silence,
    Closed,
    Anything,
    AnyArray,
    AnyMap,
    IntBetween(i64, i64),
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Bulk(Vec<u8>),
    Verbatim(Vec<u8>, Vec<u8>),
    Items(Container, Vec<Pattern>),
    Pairs(Vec<(Pattern, Pattern)>),
}

/// The aggregates that are lists of replies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Container {
    Array,
    Set,
    Push,
}

/// Reads all expectations of a request.
pub(crate) fn parse(lines: &[String]) -> Result<Vec<Pattern>, String> {
    let mut lines = lines.iter().map(|line| line.trim());
    let mut patterns = Vec::new();
    while let Some(line) = lines.next() {
        patterns.push(node(line, &mut lines)?);
    }
    Ok(patterns)
}

fn node<'a>(line: &str, rest: &mut impl Iterator<Item = &'a str>) -> Result<Pattern, String> {
    let (mark, tail) = line.split_at(line.chars().next().map_or(0, char::len_utf8));
    if let (Some(container), Ok(count)) = (container(mark), tail.parse::<usize>()) {
        return Ok(Pattern::Items(container, (0..count).map(|_| next(rest)).collect::<Result<_, _>>()?));
    }
    if let ("%", Ok(count)) = (mark, tail.parse::<usize>()) {
        return Ok(Pattern::Pairs((0..count).map(|_| pair(rest)).collect::<Result<_, _>>()?));
    }
    whole(line)
        .or_else(|| hole(mark, tail))
        .or_else(|| leaf(mark, tail))
        .ok_or_else(|| format!("no reply: {line}"))
}

fn next<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<Pattern, String> {
    let line = rest.next().ok_or("fewer elements than counted")?;
    node(line, rest)
}

fn pair<'a>(rest: &mut impl Iterator<Item = &'a str>) -> Result<(Pattern, Pattern), String> {
    let line = rest.next().ok_or("fewer pairs than counted")?;
    let (key, value) = line.split_once(" => ").ok_or_else(|| format!("no pair: {line}"))?;
    Ok((node(key, &mut std::iter::empty())?, node(value, rest)?))
}

fn container(mark: &str) -> Option<Container> {
    match mark {
        "*" => Some(Container::Array),
        "~" => Some(Container::Set),
        ">" => Some(Container::Push),
        _ => None,
    }
}

fn whole(line: &str) -> Option<Pattern> {
    Some(match line {
        "(nil)" => Pattern::Exactly(Reply::NullBulk),
        "*nil" => Pattern::Exactly(Reply::NullArray),
        "_" => Pattern::Exactly(Reply::Null),
        "#t" => Pattern::Exactly(Reply::Bool(true)),
        "#f" => Pattern::Exactly(Reply::Bool(false)),
        "(silence)" => Pattern::Silence,
        "(closed)" => Pattern::Closed,
        "?" => Pattern::Anything,
        ":?" => Pattern::IntBetween(i64::MIN, i64::MAX),
        "*?" => Pattern::AnyArray,
        "%?" => Pattern::AnyMap,
        _ => return None,
    })
}

fn hole(mark: &str, tail: &str) -> Option<Pattern> {
    match mark {
        ":" => range(tail.strip_prefix("~ ")?),
        "+" => Some(Pattern::Simple(unescape(tail.strip_prefix("~ ")?))),
        "-" => Some(Pattern::Error(unescape(tail.strip_prefix("~ ")?))),
        "~" => Some(Pattern::Bulk(string(tail)?)),
        "=" => {
            let (format, text) = tail.split_once(":~")?;
            Some(Pattern::Verbatim(unescape(format), string(text)?))
        }
        _ => None,
    }
}

fn leaf(mark: &str, tail: &str) -> Option<Pattern> {
    Some(Pattern::Exactly(match mark {
        "+" => Reply::Simple(unescape(tail)),
        "-" => Reply::Error(unescape(tail)),
        ":" => Reply::Int(tail.parse().ok()?),
        "\"" => Reply::Bulk(string(&format!("\"{tail}"))?),
        "," => Reply::Double(unescape(tail)),
        "(" if tail.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => {
            Reply::BigNumber(tail.into())
        }
        "=" => {
            let (format, text) = tail.split_once(':')?;
            Reply::Verbatim { format: unescape(format), text: string(text)? }
        }
        _ => return None,
    }))
}

/// A single quoted string and nothing else.
fn string(text: &str) -> Option<Vec<u8>> {
    let mut args = split(text).ok().filter(|_| text.starts_with('"'))?;
    if args.len() == 1 { args.pop() } else { None }
}

fn range(text: &str) -> Option<Pattern> {
    let (low, high) = text.split_once("..")?;
    let bound = |text: &str, open: i64| if text.is_empty() { Some(open) } else { text.parse().ok() };
    Some(Pattern::IntBetween(bound(low, i64::MIN)?, bound(high, i64::MAX)?))
}

impl Pattern {
    /// Whether the outcome is what is expected; `unordered` compares the elements of aggregates as multisets.
    pub(crate) fn matches(&self, outcome: &Outcome, unordered: bool) -> bool {
        match (self, outcome) {
            (Pattern::Silence, Outcome::Silence) | (Pattern::Closed, Outcome::Closed) => true,
            (pattern, Outcome::Reply(reply)) => pattern.fits(reply, unordered),
            _ => false,
        }
    }

    fn fits(&self, reply: &Reply, unordered: bool) -> bool {
        match (self, reply) {
            (Pattern::Anything, _) => true,
            (Pattern::AnyArray, Reply::Array(_)) | (Pattern::AnyMap, Reply::Map(_)) => true,
            (Pattern::IntBetween(low, high), Reply::Int(value)) => (low..=high).contains(&value),
            (Pattern::Simple(wild), Reply::Simple(text))
            | (Pattern::Error(wild), Reply::Error(text))
            | (Pattern::Bulk(wild), Reply::Bulk(text)) => glob(wild, text),
            (Pattern::Verbatim(expected, wild), Reply::Verbatim { format, text }) => {
                expected == format && glob(wild, text)
            }
            (Pattern::Items(Container::Array, expected), Reply::Array(items))
            | (Pattern::Items(Container::Set, expected), Reply::Set(items))
            | (Pattern::Items(Container::Push, expected), Reply::Push(items)) => {
                let fits = |pattern: &Pattern, item: &Reply| pattern.fits(item, unordered);
                all_fit(expected, items, unordered, fits)
            }
            (Pattern::Pairs(expected), Reply::Map(pairs)) => {
                let fits = |pattern: &(Pattern, Pattern), pair: &(Reply, Reply)| {
                    pattern.0.fits(&pair.0, unordered) && pattern.1.fits(&pair.1, unordered)
                };
                all_fit(expected, pairs, unordered, fits)
            }
            (Pattern::Exactly(expected), reply) => expected == reply,
            _ => false,
        }
    }

    /// Whether several replies can satisfy it: such an expectation is never overwritten.
    pub(crate) fn has_holes(&self) -> bool {
        match self {
            Pattern::Exactly(_) | Pattern::Silence | Pattern::Closed => false,
            Pattern::Items(_, items) => items.iter().any(Pattern::has_holes),
            Pattern::Pairs(pairs) => pairs.iter().any(|(key, value)| key.has_holes() || value.has_holes()),
            _ => true,
        }
    }
}

fn all_fit<P, R>(expected: &[P], got: &[R], unordered: bool, fits: impl Fn(&P, &R) -> bool) -> bool {
    if expected.len() != got.len() {
        return false;
    }
    if !unordered {
        return expected.iter().zip(got).all(|(pattern, reply)| fits(pattern, reply));
    }
    let mut left: Vec<&R> = got.iter().collect();
    expected.iter().all(|pattern| match left.iter().position(|reply| fits(pattern, reply)) {
        Some(found) => {
            left.swap_remove(found);
            true
        }
        None => false,
    })
}

fn glob(wild: &[u8], text: &[u8]) -> bool {
    match (wild.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((letter, rest)), Some((first, tail))) => letter == first && glob(rest, tail),
        _ => false,
    }
}
