//! The primitives of the format, read: lengths, strings in all their encodings, numbers.
use super::Bad;
use crate::keyspace::StrRef;
use crate::number::{format_i64, parse_f64};
use crate::values::lzf;

/// A window of bytes and how far it has been read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    window: &'a [u8],
    at: usize,
}

/// A string as it stood in the window, or as it was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// As it stood.
    Plain(&'a [u8]),
    /// An integer.
    Int(i64),
    /// Decompressed.
    Unpacked(Vec<u8>),
}

impl Text<'_> {
    /// A look at it.
    #[inline]
    #[must_use]
    pub fn view(&self) -> StrRef<'_> {
        match self {
            Text::Plain(bytes) => StrRef::Bytes(bytes),
            Text::Int(number) => StrRef::Int(*number),
            Text::Unpacked(bytes) => StrRef::Bytes(bytes),
        }
    }
    /// Its bytes in a vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Text::Plain(bytes) => bytes.to_vec(),
            Text::Int(number) => format_i64(number, &mut [0; 20]).to_vec(),
            Text::Unpacked(bytes) => bytes,
        }
    }
}

/// A length, or the special encoding of the string that follows.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<'a> Reader<'a> {
    /// Begins at the beginning.
    #[must_use]
    pub fn new(window: &'a [u8]) -> Reader<'a> {
        Reader { window, at: 0 }
    }
    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }
    /// How many bytes the window still has.
    #[must_use]
    pub fn left(&self) -> usize {
        self.window.len() - self.at
    }
    /// What the window still has.
    #[inline]
    #[must_use]
    pub fn ahead(&self) -> &'a [u8] {
        &self.window[self.at..]
    }
    /// Reads with `read`; where that fails, as if nothing had been read.
    pub fn whole<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Bad>) -> Result<T, Bad> {
        let at = self.at;
        read(self).inspect_err(|_| self.at = at)
    }

    /// So many bytes.
    #[inline]
    pub fn bytes(&mut self, len: u64) -> Result<&'a [u8], Bad> {
        let rest = &self.window[self.at..];
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len()).ok_or(Bad::Short)?;
        self.at += len;
        Ok(&rest[..len])
    }
    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let array = self.window[self.at..].first_chunk().ok_or(Bad::Short)?;
        self.at += N;
        Ok(*array)
    }
    /// A byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, Bad> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<Length, Bad> {
        let head = self.byte()?;
        let low = head & 0x3f;
        Ok(match head >> 6 {
            0 => Length::Plain(u64::from(low)),
            1 => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            2 if head == super::LEN_32 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            2 if head == super::LEN_64 => Length::Plain(u64::from_be_bytes(self.array()?)),
            3 => Length::Special(low),
            _ => return Err(Bad::Data("a length of no known form")),
        })
    }
    /// A length or another unsigned number.
    #[inline]
    pub fn number(&mut self) -> Result<u64, Bad> {
        match self.length()? {
            Length::Plain(len) => Ok(len),
            Length::Special(_) => Err(Bad::Data("a string where a length is due")),
        }
    }
    /// A number of elements that each take at least `bytes_min` bytes, as a hint of how much to make room for: never more
    /// than the window can hold.
    #[must_use]
    pub fn room_for(&self, count: u64, bytes_min: usize) -> usize {
        usize::try_from(count).unwrap_or(usize::MAX).min(self.left() / bytes_min)
    }

    /// A string.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, Bad> {
        match self.length()? {
            Length::Plain(len) => self.bytes(len).map(Text::Plain),
            Length::Special(super::INT_8) => Ok(Text::Int(i64::from(i8::from_le_bytes(self.array()?)))),
            Length::Special(super::INT_16) => Ok(Text::Int(i64::from(i16::from_le_bytes(self.array()?)))),
            Length::Special(super::INT_32) => Ok(Text::Int(i64::from(i32::from_le_bytes(self.array()?)))),
            Length::Special(super::LZF) => self.compressed().map(Text::Unpacked),
            Length::Special(_) => Err(Bad::Data("a string of no known encoding")),
        }
    }
    /// Passes over a string.
    #[inline]
    pub fn skip_string(&mut self) -> Result<(), Bad> {
        let len = match self.length()? {
            Length::Plain(len) => len,
            Length::Special(super::INT_8) => 1,
            Length::Special(super::INT_16) => 2,
            Length::Special(super::INT_32) => 4,
            Length::Special(super::LZF) => {
                let packed_len = self.number()?;
                self.number()?;
                packed_len
            }
            Length::Special(_) => return Err(Bad::Data("a string of no known encoding")),
        };
        self.bytes(len).map(drop)
    }
    /// A string that has to be bytes: a packed collection.
    pub fn blob(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, Bad> {
        match self.string()? {
            Text::Plain(bytes) => Ok(bytes.into()),
            Text::Unpacked(bytes) => Ok(bytes.into()),
            Text::Int(_) => Err(Bad::Data("an integer where packed bytes are due")),
        }
    }
    fn compressed(&mut self) -> Result<Vec<u8>, Bad> {
        let (packed_len, len) = (self.number()?, self.number()?);
        let packed = self.bytes(packed_len)?;
        let unpacked = usize::try_from(len).ok().and_then(|len| lzf::decompress(packed, len));
        unpacked.ok_or(Bad::Data("a compressed string that does not unpack"))
    }

    /// A double in eight bytes.
    pub fn double(&mut self) -> Result<f64, Bad> {
        self.array().map(f64::from_le_bytes)
    }
    /// A double as text, as it was before version 8.
    pub fn double_text(&mut self) -> Result<f64, Bad> {
        match self.byte()? {
            255 => Ok(f64::NEG_INFINITY),
            254 => Ok(f64::INFINITY),
            253 => Ok(f64::NAN),
            len => {
                let text = self.bytes(u64::from(len))?;
                parse_f64(text).ok_or(Bad::Data("a score that is no number"))
            }
        }
    }
    /// A time in ms since 1970, in eight bytes.
    pub fn milliseconds(&mut self) -> Result<i64, Bad> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_four_forms() {
        for (bytes, len) in [
            (&[5u8][..], 5),
            (&[0x3f], 63),
            (&[0x41, 0x02], 0x102),
            (&[0x80, 0, 1, 0, 0], 0x10000),
            (&[0x81, 0, 0, 0, 1, 0, 0, 0, 0], 1 << 32),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.number().unwrap(), len);
            assert_eq!(reader.left(), 0);
            for cut in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..cut]).number(), Err(Bad::Short));
            }
        }
        assert!(matches!(Reader::new(&[0x82]).number(), Err(Bad::Data(_))));
        assert!(matches!(Reader::new(&[0xc0, 1]).number(), Err(Bad::Data(_))));
    }

    #[test]
    fn strings_have_five_encodings() {
        for (bytes, text) in [
            (&b"\x03abc"[..], &b"abc"[..]),
            (b"\xc0\xff", b"-1"),
            (b"\xc1\x00\x80", b"-32768"),
            (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
            // Two literals, then eight bytes from a distance of one.
            (b"\xc3\x05\x0a\x01ab\xc0\x00", b"abbbbbbbbb"),
        ] {
            assert_eq!(Reader::new(bytes).string().unwrap().into_vec(), text);
            for cut in 0..bytes.len() {
                assert_eq!(Reader::new(&bytes[..cut]).string(), Err(Bad::Short));
            }
        }
        for bad in [&b"\xc4"[..], b"\xc3\x02\x3f\x00a", b"\xc3\x05\x0a\x01ab\xc0\x02"] {
            assert!(matches!(Reader::new(bad).string(), Err(Bad::Data(_))));
        }
    }

    #[test]
    fn old_doubles_are_texts() {
        for (bytes, value) in
            [(&b"\xff"[..], f64::NEG_INFINITY), (b"\xfe", f64::INFINITY), (b"\x043.25", 3.25)]
        {
            assert_eq!(Reader::new(bytes).double_text(), Ok(value));
        }
        assert!(Reader::new(b"\xfd").double_text().unwrap().is_nan());
        assert!(Reader::new(b"\x03abc").double_text().is_err());
    }

    #[test]
    fn what_fails_is_not_read() {
        let mut reader = Reader::new(b"\x01a\x05bc");
        assert_eq!(reader.whole(Reader::string), Ok(Text::Plain(b"a")));
        assert_eq!(reader.whole(Reader::string), Err(Bad::Short));
        assert_eq!(reader.position(), 2);
    }
}
