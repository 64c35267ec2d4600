//! The parser of requests: finds complete commands in a window of bytes, whoever fills the window.
//!
//! It copies nothing: a command is a list of ranges of the window. What it has found of an incomplete command it
//! remembers, so that a command that arrives in many pieces is looked at once and not again with each piece; its offsets
//! count from the first byte that has not been consumed.
use super::inline;
use memchr::memchr;

/// Limits that the configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `proto-max-bulk-len`, bytes.
    pub bulk_bytes_max: usize,
    /// Arguments of a command at most.
    pub args_max: usize,
}

/// A request is a line of its own up to this length at most, and so are the lengths within one.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// What a client may send before it has authenticated: arguments, and bytes of one.
pub const UNAUTHENTICATED: Limits = Limits { bulk_bytes_max: 16_384, args_max: 10 };

/// An argument: where it begins and how long it is.
pub type Span = (u32, u32);

/// The state between two windows.
#[derive(Debug, Default)]
pub struct Parser {
    /// How far the incomplete command has been read.
    at: usize,
    /// Arguments of the command still to come, with its number of arguments known (`started`).
    missing: usize,
    started: bool,
    /// The length of the argument that has begun.
    bulk: Option<usize>,
    /// The arguments so far.
    args: Vec<Span>,
}

/// What the window holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A command, whose arguments were appended to the list (none at all for an empty line or `*0`), and how many bytes
    /// it took.
    Command {
        /// How many arguments were appended.
        count: usize,
        /// Bytes from the window's beginning to the command's end.
        consumed: usize,
    },
    /// The command at its beginning is not complete; so many bytes at least are needed in all.
    Incomplete {
        /// How long the window must be for the parser to get on.
        needed: usize,
    },
    /// The bytes are no request. The text goes out as an error and the connection is closed.
    Broken(String),
}

impl Parser {
    /// Looks for a command at the beginning of `window`; its arguments, ranges of the window, are appended to `args`.
    #[inline]
    pub fn parse(&mut self, window: &[u8], limits: Limits, args: &mut Vec<Span>) -> Found {
        if !self.started {
            match window.first() {
                None => return Found::Incomplete { needed: 1 },
                Some(b'*') => {}
                Some(_) => return self.parse_line(window, args),
            }
            // The common case in one go: everything is there.
            if let Some(found) = whole(window, limits, args) {
                return found;
            }
        }
        self.parse_pieces(window, limits, args)
    }

    fn parse_pieces(&mut self, window: &[u8], limits: Limits, args: &mut Vec<Span>) -> Found {
        if !self.started {
            let (count, end) = match number_line(window, 1, "too big mbulk count string") {
                Line::Number(count, end) => (count, end),
                Line::Bad => return Found::Broken("Protocol error: invalid multibulk length".to_owned()),
                Line::Missing => return Found::Incomplete { needed: window.len() + 1 },
                Line::TooLong(text) => return Found::Broken(format!("Protocol error: {text}")),
            };
            if count > i64::from(i32::MAX) {
                return Found::Broken("Protocol error: invalid multibulk length".to_owned());
            }
            if count > limits.args_max as i64 {
                return Found::Broken("Protocol error: unauthenticated multibulk length".to_owned());
            }
            if count <= 0 {
                return Found::Command { count: 0, consumed: end };
            }
            self.started = true;
            self.at = end;
            self.missing = count as usize;
            self.args.reserve(self.missing.min(1024));
        }
        while self.missing > 0 {
            if let Err(stop) = self.parse_bulk(window, limits) {
                return stop;
            }
        }
        let (count, consumed) = (self.args.len(), self.at);
        args.append(&mut self.args);
        if self.args.capacity() > 1024 {
            self.args = Vec::new();
        }
        self.started = false;
        self.at = 0;
        Found::Command { count, consumed }
    }

    fn parse_bulk(&mut self, window: &[u8], limits: Limits) -> Result<(), Found> {
        let len = match self.bulk {
            Some(len) => len,
            None => {
                let Some(&mark) = window.get(self.at) else {
                    return Err(Found::Incomplete { needed: self.at + 1 });
                };
                // What stands in the mark's place may be the line's end already.
                let line_at = self.at + usize::from(mark == b'$');
                let line = number_line(window, line_at, "too big bulk count string");
                if mark != b'$' && !matches!(line, Line::Missing | Line::TooLong(_)) {
                    return Err(Found::Broken(format!(
                        "Protocol error: expected '$', got '{}'",
                        printable(mark)
                    )));
                }
                let (len, end) = match line {
                    Line::Number(len, end) => (len, end),
                    Line::Bad => return Err(Found::Broken("Protocol error: invalid bulk length".to_owned())),
                    Line::Missing => return Err(Found::Incomplete { needed: window.len() + 1 }),
                    Line::TooLong(text) => return Err(Found::Broken(format!("Protocol error: {text}"))),
                };
                if len < 0
                    || len > limits.bulk_bytes_max as i64
                        && limits.bulk_bytes_max != UNAUTHENTICATED.bulk_bytes_max
                {
                    return Err(Found::Broken("Protocol error: invalid bulk length".to_owned()));
                }
                if len > limits.bulk_bytes_max as i64 {
                    return Err(Found::Broken("Protocol error: unauthenticated bulk length".to_owned()));
                }
                self.at = end;
                self.bulk = Some(len as usize);
                len as usize
            }
        };
        let needed = self.at + len + 2;
        if window.len() < needed {
            return Err(Found::Incomplete { needed });
        }
        // Like Redis, the two bytes behind a bulk are passed over without a look.
        self.args.push((self.at as u32, len as u32));
        self.at = needed;
        self.bulk = None;
        self.missing -= 1;
        Ok(())
    }

    fn parse_line(&mut self, window: &[u8], args: &mut Vec<Span>) -> Found {
        let Some(end) = memchr(b'\n', &window[self.at.min(window.len())..]).map(|end| end + self.at) else {
            if window.len() > LINE_BYTES_MAX {
                return Found::Broken("Protocol error: too big inline request".to_owned());
            }
            self.at = window.len();
            return Found::Incomplete { needed: window.len() + 1 };
        };
        self.at = 0;
        let line = window[..end].strip_suffix(b"\r").unwrap_or(&window[..end]);
        let before = args.len();
        match inline::split(line, args) {
            Ok(()) => Found::Command { count: args.len() - before, consumed: end + 1 },
            Err(inline::Unbalanced) => {
                Found::Broken("Protocol error: unbalanced quotes in request".to_owned())
            }
        }
    }
}

/// A whole command, if it is there and well formed; anything else is left to the careful way.
#[inline]
fn whole(window: &[u8], limits: Limits, args: &mut Vec<Span>) -> Option<Found> {
    let (count, mut at) = small_number(window, 1)?;
    if count == 0 || count > 64.min(limits.args_max) {
        return None;
    }
    let before = args.len();
    for _ in 0..count {
        let bulk = (window.get(at) == Some(&b'$')).then(|| small_number(window, at + 1)).flatten();
        let fits =
            bulk.filter(|&(len, start)| len <= limits.bulk_bytes_max && start + len + 2 <= window.len());
        let Some((len, start)) = fits else {
            args.truncate(before);
            return None;
        };
        args.push((start as u32, len as u32));
        at = start + len + 2;
    }
    Some(Found::Command { count, consumed: at })
}

/// A number of up to six digits without sign or leading zero, and where its line ends.
#[inline]
fn small_number(window: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    let mut value = 0;
    loop {
        match *window.get(at)? {
            digit @ b'0'..=b'9' if at < from + 6 => value = value * 10 + usize::from(digit - b'0'),
            b'\r' if at > from && window.get(at + 1) == Some(&b'\n') => break,
            _ => return None,
        }
        at += 1;
    }
    (at == from + 1 || window[from] != b'0').then_some((value, at + 2))
}

enum Line {
    /// The number and where its line ends.
    Number(i64, usize),
    Bad,
    Missing,
    TooLong(&'static str),
}

/// Reads the number from `from` to the end of its line.
fn number_line(window: &[u8], from: usize, too_long: &'static str) -> Line {
    let Some(rest) = window.get(from..) else { return Line::Missing };
    let Some(end) = memchr(b'\r', rest) else {
        return if rest.len() > LINE_BYTES_MAX { Line::TooLong(too_long) } else { Line::Missing };
    };
    if rest.len() < end + 2 {
        return Line::Missing;
    }
    match shards::number::parse_i64(&rest[..end]) {
        Some(value) => Line::Number(value, from + end + 2),
        None => Line::Bad,
    }
}

fn printable(byte: u8) -> char {
    byte as char
}
