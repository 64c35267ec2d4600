//! The client's half of RESP2 and RESP3, written without a look at the server's: every reply type stays distinct.

/// One reply, with its type exactly as it was sent. Texts of numbers are kept, so that `1` and `1.0` differ.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// RESP2 `$-1`.
    NullBulk,
    /// RESP2 `*-1`.
    NullArray,
    /// RESP3 `_`.
    Null,
    Bool(bool),
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    Verbatim {
        format: Vec<u8>,
        text: Vec<u8>,
    },
    Array(Vec<Reply>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
}

/// Writes a request as clients do: an array of bulk strings.
pub(crate) fn encode(args: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The bytes are no RESP.
#[derive(Debug)]
pub(crate) struct NotResp;

/// Reads one reply off the front of `bytes`: the reply and its length, or `None` while it is incomplete.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<(Reply, usize)>, NotResp> {
    let mut cursor = Cursor { bytes, at: 0 };
    match cursor.reply() {
        Ok(reply) => Ok(Some((reply, cursor.at))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Malformed) => Err(NotResp),
    }
}

enum Stop {
    Incomplete,
    Malformed,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn reply(&mut self) -> Result<Reply, Stop> {
        let line = self.line()?;
        let (kind, rest) = line.split_first().ok_or(Stop::Malformed)?;
        Ok(match kind {
            b'+' => Reply::Simple(rest.to_vec()),
            b'-' => Reply::Error(rest.to_vec()),
            b':' => Reply::Int(number(rest)?),
            b'$' if rest == b"-1" => Reply::NullBulk,
            b'$' => Reply::Bulk(self.blob(rest)?.to_vec()),
            b'!' => Reply::Error(self.blob(rest)?.to_vec()),
            b'=' => self.verbatim(rest)?,
            b'*' if rest == b"-1" => Reply::NullArray,
            b'*' => Reply::Array(self.items(rest)?),
            b'~' => Reply::Set(self.items(rest)?),
            b'>' => Reply::Push(self.items(rest)?),
            b'%' => Reply::Map(self.pairs(rest)?),
            b'_' if rest.is_empty() => Reply::Null,
            b'#' if rest == b"t" => Reply::Bool(true),
            b'#' if rest == b"f" => Reply::Bool(false),
            b',' => Reply::Double(rest.to_vec()),
            b'(' => Reply::BigNumber(rest.to_vec()),
            _ => return Err(Stop::Malformed),
        })
    }

    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Stop::Incomplete)?;
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn blob(&mut self, length: &[u8]) -> Result<&'a [u8], Stop> {
        let end = self.at + count(length)?;
        let blob = self.bytes.get(self.at..end).ok_or(Stop::Incomplete)?;
        let line_end = self.bytes.get(end..end + 2).ok_or(Stop::Incomplete)?;
        self.at = end + 2;
        if line_end == b"\r\n" { Ok(blob) } else { Err(Stop::Malformed) }
    }

    fn verbatim(&mut self, length: &[u8]) -> Result<Reply, Stop> {
        let blob = self.blob(length)?;
        match blob {
            [a, b, c, b':', text @ ..] => {
                Ok(Reply::Verbatim { format: vec![*a, *b, *c], text: text.to_vec() })
            }
            _ => Err(Stop::Malformed),
        }
    }

    fn items(&mut self, length: &[u8]) -> Result<Vec<Reply>, Stop> {
        (0..count(length)?).map(|_| self.reply()).collect()
    }

    fn pairs(&mut self, length: &[u8]) -> Result<Vec<(Reply, Reply)>, Stop> {
        (0..count(length)?).map(|_| Ok((self.reply()?, self.reply()?))).collect()
    }
}

fn number(digits: &[u8]) -> Result<i64, Stop> {
    std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Stop::Malformed)
}

fn count(digits: &[u8]) -> Result<usize, Stop> {
    usize::try_from(number(digits)?).map_err(|_| Stop::Malformed)
}
