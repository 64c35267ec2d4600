//! Skips through replies of RESP2 and RESP3, however they are cut, and says of each its kind and what is wrong in it.

use std::fmt;

/// What a reply is; each kind is one bit, so that a set of kinds is a [`Kinds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// `+`
    Simple = 1,
    /// `-`, `!`
    Error = 1 << 1,
    /// `:`
    Integer = 1 << 2,
    /// `$`
    Bulk = 1 << 3,
    /// `*`
    Array = 1 << 4,
    /// `_`, `$-1`, `*-1`
    Nil = 1 << 5,
    /// `%`
    Map = 1 << 6,
    /// `~`
    Set = 1 << 7,
    /// `,`
    Double = 1 << 8,
    /// `#`
    Boolean = 1 << 9,
    /// `(`
    BigNumber = 1 << 10,
    /// `=`
    Verbatim = 1 << 11,
    /// `>`: no reply, but comes between replies
    Push = 1 << 12,
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Every kind but an error.
    pub const ANY: Self = Self(!(Kind::Error as u16));

    /// The set of these.
    #[must_use]
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= kinds[i] as u16;
            i += 1;
        }
        Self(bits)
    }

    /// Whether the set has this kind.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind as u16 != 0
    }
}

/// One whole reply, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What it is.
    pub kind: Kind,
    /// Nils in it, itself included.
    pub nils: u32,
    /// Errors in it, itself included.
    pub errors: u32,
}

/// Bytes that are not RESP, shown as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not RESP: {:?}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A header line longer than this is taken for garbage, in bytes.
const LINE_BYTES_MAX: usize = 1 << 16;

/// The scanner of one connection. Aggregates need no stack: it is enough to count the values still to come.
#[derive(Clone, Debug)]
pub struct Replies {
    /// Bytes of a payload (with its line end) still to be skipped.
    skip: u64,
    /// Values still to come of the reply under way.
    left: u64,
    /// Values still to come of attributes, which belong to no reply.
    left_attributes: u64,
    current: Reply,
    /// A header line whose end has not come yet.
    line: Vec<u8>,
    /// Pushes seen so far.
    pub pushes: u64,
    /// The text of the first error seen.
    pub first_error: Option<Box<str>>,
}

impl Default for Replies {
    fn default() -> Self {
        Self {
            skip: 0,
            left: 0,
            left_attributes: 0,
            current: Reply { kind: Kind::Nil, nils: 0, errors: 0 },
            line: Vec::new(),
            pushes: 0,
            first_error: None,
        }
    }
}

impl Replies {
    /// Takes all of `bytes` and calls `on_reply` for each reply that ends in it.
    ///
    /// # Errors
    /// When the bytes are not RESP; the scanner is of no use afterwards.
    pub fn scan(&mut self, bytes: &[u8], on_reply: &mut impl FnMut(Reply)) -> Result<(), Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = if self.skip > 0 {
                self.skip_payload(rest, on_reply)
            } else {
                self.read_line(rest, on_reply)?
            };
        }
        Ok(())
    }

    /// Whether nothing of a further reply has come yet.
    #[must_use]
    pub fn is_between_replies(&self) -> bool {
        self.skip == 0 && self.left == 0 && self.left_attributes == 0 && self.line.is_empty()
    }

    fn skip_payload<'a>(&mut self, bytes: &'a [u8], on_reply: &mut impl FnMut(Reply)) -> &'a [u8] {
        let taken = self.skip.min(bytes.len() as u64);
        self.skip -= taken;
        if self.skip == 0 {
            self.value_done(on_reply);
        }
        &bytes[taken as usize..]
    }

    #[inline]
    fn read_line<'a>(
        &mut self,
        bytes: &'a [u8],
        on_reply: &mut impl FnMut(Reply),
    ) -> Result<&'a [u8], Malformed> {
        let Some(end) = bytes.iter().position(|&b| b == b'\n') else {
            if self.line.len() + bytes.len() > LINE_BYTES_MAX {
                return Err(malformed(bytes));
            }
            self.line.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let (piece, rest) = bytes.split_at(end + 1);
        if self.line.is_empty() {
            self.header(piece, on_reply)?;
        } else {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(piece);
            self.header(&line, on_reply)?;
        }
        Ok(rest)
    }

    /// Reads a line that ends in `\n`.
    #[inline]
    fn header(&mut self, line: &[u8], on_reply: &mut impl FnMut(Reply)) -> Result<(), Malformed> {
        let &[mark, ref text @ .., b'\r', b'\n'] = line else { return Err(malformed(line)) };
        if mark == b'|' {
            let pairs = length(text).filter(|&n| n >= 0).ok_or_else(|| malformed(line))?;
            self.left_attributes += 2 * pairs.unsigned_abs();
            return Ok(());
        }
        let kind = kind_of(mark).ok_or_else(|| malformed(line))?;
        match kind {
            Kind::Bulk | Kind::Verbatim => self.payload(kind, line, text, on_reply),
            Kind::Error if mark == b'!' => self.payload(kind, line, text, on_reply),
            Kind::Array | Kind::Set | Kind::Push => self.aggregate(kind, 1, line, text, on_reply),
            Kind::Map => self.aggregate(kind, 2, line, text, on_reply),
            _ => {
                self.begin(kind, text);
                self.value_done(on_reply);
                Ok(())
            }
        }
    }

    #[inline]
    fn payload(
        &mut self,
        kind: Kind,
        line: &[u8],
        text: &[u8],
        on_reply: &mut impl FnMut(Reply),
    ) -> Result<(), Malformed> {
        match length(text) {
            Some(n) if n >= 0 => {
                self.begin(kind, b"(an error in a payload)");
                self.skip = n.unsigned_abs() + 2;
            }
            Some(_) if kind == Kind::Bulk => {
                self.begin(Kind::Nil, b"");
                self.value_done(on_reply);
            }
            _ => return Err(malformed(line)),
        }
        Ok(())
    }

    #[inline]
    fn aggregate(
        &mut self,
        kind: Kind,
        values_each: u64,
        line: &[u8],
        text: &[u8],
        on_reply: &mut impl FnMut(Reply),
    ) -> Result<(), Malformed> {
        match length(text) {
            Some(n) if n >= 0 => {
                self.begin(kind, b"");
                let values = values_each * n.unsigned_abs();
                if self.left_attributes > 0 {
                    self.left_attributes += values;
                } else {
                    self.left += values;
                }
            }
            Some(_) if kind == Kind::Array => self.begin(Kind::Nil, b""),
            _ => return Err(malformed(line)),
        }
        self.value_done(on_reply);
        Ok(())
    }

    /// Notes a value of this kind; it is a reply of its own if none is under way.
    #[inline]
    fn begin(&mut self, kind: Kind, text: &[u8]) {
        if self.left_attributes > 0 {
            return;
        }
        if self.left == 0 {
            self.left = 1;
            self.current = Reply { kind, nils: 0, errors: 0 };
        }
        self.current.nils += u32::from(kind == Kind::Nil);
        if kind == Kind::Error {
            self.current.errors += 1;
            self.first_error.get_or_insert_with(|| String::from_utf8_lossy(text).into());
        }
    }

    #[inline]
    fn value_done(&mut self, on_reply: &mut impl FnMut(Reply)) {
        if self.left_attributes > 0 {
            self.left_attributes -= 1;
            return;
        }
        self.left -= 1;
        if self.left > 0 {
            return;
        }
        if self.current.kind == Kind::Push {
            self.pushes += 1;
        } else {
            on_reply(self.current);
        }
    }
}

#[inline]
fn kind_of(mark: u8) -> Option<Kind> {
    Some(match mark {
        b'+' => Kind::Simple,
        b'-' | b'!' => Kind::Error,
        b':' => Kind::Integer,
        b'$' => Kind::Bulk,
        b'*' => Kind::Array,
        b'_' => Kind::Nil,
        b'%' => Kind::Map,
        b'~' => Kind::Set,
        b',' => Kind::Double,
        b'#' => Kind::Boolean,
        b'(' => Kind::BigNumber,
        b'=' => Kind::Verbatim,
        b'>' => Kind::Push,
        _ => return None,
    })
}

/// A length: digits, or `-1` for nil.
#[inline]
fn length(text: &[u8]) -> Option<i64> {
    if text == b"-1" {
        return Some(-1);
    }
    if text.is_empty() || text.len() > 12 {
        return None;
    }
    text.iter().try_fold(0i64, |n, &b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
}

fn malformed(bytes: &[u8]) -> Malformed {
    Malformed(String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every type of RESP2 and RESP3, nested, empty and nil, with what the scanner shall say.
    const SAMPLES: &[(&[u8], Kind, u32, u32)] = &[
        (b"+OK\r\n", Kind::Simple, 0, 0),
        (b"+\r\n", Kind::Simple, 0, 0),
        (b"-ERR no such key\r\n", Kind::Error, 0, 1),
        (b":-42\r\n", Kind::Integer, 0, 0),
        (b"$3\r\nxyz\r\n", Kind::Bulk, 0, 0),
        (b"$0\r\n\r\n", Kind::Bulk, 0, 0),
        (b"$12\r\n+\r\n$-1\r\n*3\r\n\r\n", Kind::Bulk, 0, 0),
        (b"$-1\r\n", Kind::Nil, 1, 0),
        (b"*-1\r\n", Kind::Nil, 1, 0),
        (b"_\r\n", Kind::Nil, 1, 0),
        (b"*0\r\n", Kind::Array, 0, 0),
        (b"*2\r\n$1\r\na\r\n$-1\r\n", Kind::Array, 1, 0),
        (b"*3\r\n*2\r\n:1\r\n*0\r\n+QUEUED\r\n*1\r\n-ERR x\r\n", Kind::Array, 0, 1),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n", Kind::Map, 1, 0),
        (b"%0\r\n", Kind::Map, 0, 0),
        (b"~2\r\n$1\r\na\r\n$1\r\nb\r\n", Kind::Set, 0, 0),
        (b",3.25\r\n", Kind::Double, 0, 0),
        (b",inf\r\n", Kind::Double, 0, 0),
        (b"#t\r\n", Kind::Boolean, 0, 0),
        (b"(3492890328409238509324850943850943825024385\r\n", Kind::BigNumber, 0, 0),
        (b"=7\r\ntxt:abc\r\n", Kind::Verbatim, 0, 0),
        (b"!9\r\nERR a\r\nbc\r\n", Kind::Error, 0, 1),
        // Attributes belong to no reply, wherever they stand; their own nils do not count.
        (b"|1\r\n+ttl\r\n*2\r\n_\r\n:1\r\n$1\r\nx\r\n", Kind::Bulk, 0, 0),
        (b"*2\r\n|1\r\n+ttl\r\n:3600\r\n:1\r\n:2\r\n", Kind::Array, 0, 0),
        (b"|0\r\n:1\r\n", Kind::Integer, 0, 0),
    ];
    const PUSH: &[u8] = b">3\r\n+message\r\n$1\r\nc\r\n*1\r\n$1\r\nm\r\n";

    fn all_samples() -> (Vec<u8>, Vec<Reply>) {
        let mut bytes = Vec::new();
        let mut replies = Vec::new();
        for &(sample, kind, nils, errors) in SAMPLES {
            bytes.extend_from_slice(sample);
            bytes.extend_from_slice(PUSH);
            replies.push(Reply { kind, nils, errors });
        }
        (bytes, replies)
    }

    fn scan_pieces(pieces: &[&[u8]]) -> (Vec<Reply>, Replies) {
        let mut scanner = Replies::default();
        let mut seen = Vec::new();
        for piece in pieces {
            scanner.scan(piece, &mut |reply| seen.push(reply)).unwrap();
        }
        (seen, scanner)
    }

    #[test]
    fn every_type_is_judged() {
        for &(sample, kind, nils, errors) in SAMPLES {
            let (seen, scanner) = scan_pieces(&[sample]);
            assert_eq!(seen, [Reply { kind, nils, errors }], "{}", String::from_utf8_lossy(sample));
            assert!(scanner.is_between_replies());
            assert_eq!(scanner.first_error.is_some(), errors > 0);
        }
    }

    #[test]
    fn a_cut_at_any_byte_changes_nothing() {
        let (bytes, replies) = all_samples();
        for cut in 0..=bytes.len() {
            let (seen, scanner) = scan_pieces(&[&bytes[..cut], &bytes[cut..]]);
            assert_eq!(seen, replies, "cut at {cut}");
            assert_eq!(scanner.pushes, SAMPLES.len() as u64);
            assert!(scanner.is_between_replies());
        }
    }

    #[test]
    fn bytes_one_by_one_change_nothing() {
        let (bytes, replies) = all_samples();
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(scan_pieces(&pieces).0, replies);
    }

    #[test]
    fn an_unfinished_reply_is_not_reported() {
        for &(sample, ..) in SAMPLES {
            for end in 1..sample.len() {
                let (seen, scanner) = scan_pieces(&[&sample[..end]]);
                assert!(seen.is_empty(), "{} cut at {end}", String::from_utf8_lossy(sample));
                // An attribute that is over leaves no trace; the reply it belongs to has not begun.
                assert!(!scanner.is_between_replies() || sample.starts_with(b"|"));
            }
        }
    }

    #[test]
    fn the_first_error_is_kept() {
        let (_, scanner) = scan_pieces(&[b"-ERR first\r\n-ERR second\r\n"]);
        assert_eq!(scanner.first_error.as_deref(), Some("ERR first"));
    }

    #[test]
    fn garbage_is_refused() {
        for garbage in [
            &b"hello\r\n"[..],
            b"$x\r\n",
            b"*-2\r\n",
            b"+no carriage return\n",
            b"$\r\n",
            b"%-1\r\n",
            b"\r\n",
        ] {
            let result = Replies::default().scan(garbage, &mut |_| ());
            assert!(result.is_err(), "{}", String::from_utf8_lossy(garbage));
        }
    }

    #[test]
    fn kinds_are_sets() {
        let set = Kinds::of(&[Kind::Bulk, Kind::Nil]);
        assert!(set.has(Kind::Bulk) && set.has(Kind::Nil) && !set.has(Kind::Simple));
        assert!(Kinds::ANY.has(Kind::Map) && !Kinds::ANY.has(Kind::Error));
    }
}
