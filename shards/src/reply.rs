//! The writer of replies: RESP2 or RESP3 bytes, ready for the socket.

/// The protocol version that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Resp {
    /// RESP2, what a connection speaks before HELLO 3.
    #[default]
    V2,
    /// RESP3.
    V3,
}

/// Replies, one after another, as bytes of the protocol version which the client speaks.
#[derive(Debug, Default)]
pub struct Reply {
    /// The bytes so far.
    pub bytes: Vec<u8>,
    /// The version spoken.
    pub resp: Resp,
}

impl Reply {
    /// An empty reply in the given version.
    #[must_use]
    pub fn new(resp: Resp) -> Reply {
        Reply { bytes: Vec::new(), resp }
    }
    /// Whether RESP3 is spoken.
    #[must_use]
    pub fn is_resp3(&self) -> bool {
        self.resp == Resp::V3
    }
    /// `+OK`.
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }
    /// A status such as `+PONG`; `text` has no line end.
    pub fn status(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }
    /// An error; `text` begins with its code and has no line end.
    pub fn error(&mut self, text: &[u8]) {
        self.bytes.push(b'-');
        // A line end inside would break the protocol: Redis replaces them too.
        self.bytes.extend(text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }));
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.bytes.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.number(b':', value);
        }
    }
    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        // One look at the room for all three parts; most lengths have one or two digits.
        self.bytes.reserve(value.len() + 24);
        match value.len() {
            len @ 0..10 => self.bytes.extend_from_slice(&[b'$', b'0' + len as u8, b'\r', b'\n']),
            len @ 10..100 => {
                let (tens, ones) = (len as u8 / 10, len as u8 % 10);
                self.bytes.extend_from_slice(&[b'$', b'0' + tens, b'0' + ones, b'\r', b'\n']);
            }
            len => self.number(b'$', len as i64),
        }
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// An integer as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        let mut digits = [0; 20];
        let text = crate::number::format_i64(value, &mut digits);
        self.bulk(text);
    }
    /// Nothing: `$-1` or `_`.
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }
    /// No array: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }
    /// An array of `len` replies that follow.
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }
    /// A map of `len` pairs that follow; an array of twice as many in RESP2.
    pub fn map(&mut self, len: usize) {
        if self.is_resp3() { self.number(b'%', len as i64) } else { self.number(b'*', 2 * len as i64) }
    }
    /// A set of `len` replies that follow; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'~' } else { b'*' }, len as i64);
    }
    /// A push of `len` replies that follow; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'>' } else { b'*' }, len as i64);
    }
    /// A double; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        let text = crate::number::format_double(value);
        if self.is_resp3() { self.line(b',', text.as_bytes()) } else { self.bulk(text.as_bytes()) }
    }
    /// A boolean; an integer in RESP2.
    pub fn boolean(&mut self, value: bool) {
        if self.is_resp3() {
            self.bytes.extend_from_slice(if value { b"#t\r\n" } else { b"#f\r\n" });
        } else {
            self.integer(i64::from(value));
        }
    }
    /// A text with its format (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3, "a format has three letters");
        if self.is_resp3() {
            self.number(b'=', text.len() as i64 + 4);
            self.bytes.extend_from_slice(format.as_bytes());
            self.bytes.push(b':');
            self.bytes.extend_from_slice(text);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }
    /// Several bulk strings as an array.
    pub fn bulks<'a>(&mut self, values: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.array(values.len());
        values.for_each(|value| self.bulk(value));
    }

    /// Makes what was written since `start` an array of `len` replies: for those whose number is known only afterwards.
    pub fn array_since(&mut self, start: usize, len: usize) {
        self.head_since(start, |head| head.array(len));
    }
    /// Makes what was written since `start` a map of `len` pairs (an array of twice as many in RESP2).
    pub fn map_since(&mut self, start: usize, len: usize) {
        self.head_since(start, |head| head.map(len));
    }

    fn head_since(&mut self, start: usize, write: impl FnOnce(&mut Reply)) {
        let mut head = Reply::new(self.resp);
        write(&mut head);
        self.bytes.splice(start..start, head.bytes);
    }

    fn line(&mut self, mark: u8, text: &[u8]) {
        self.bytes.push(mark);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, mark: u8, value: i64) {
        let mut digits = [0; 20];
        let text = crate::number::format_i64(value, &mut digits);
        self.line(mark, text);
    }
}
