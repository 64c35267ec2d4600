//! The primitives of the format, written: lengths, strings as short as they can be, numbers.
use crate::keyspace::StrRef;
use crate::number::parse_i64;
use crate::values::lzf;

/// Longer texts are never those of integers of 32 bits.
const INTEGER_TEXT_MAX: usize = 11;
/// Strings longer than this are compressed where that makes them shorter.
const COMPRESS_ABOVE: usize = 20;

/// Where the bytes go.
pub trait Out {
    /// Appends some.
    fn put(&mut self, bytes: &[u8]);
    /// Whether strings are to be compressed where that makes them shorter.
    fn compresses(&self) -> bool {
        true
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes to be written to a file, compressed or not (`rdbcompression`).
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Strings are written as they are.
    pub is_plain: bool,
}

impl Out for Text {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
    fn compresses(&self) -> bool {
        !self.is_plain
    }
}

/// Counts the bytes and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count(pub usize);

impl Out for Count {
    fn put(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

/// Writes a length or another unsigned number.
#[inline]
pub fn number(out: &mut impl Out, value: u64) {
    match value {
        0..0x40 => out.put(&[value as u8]),
        0x40..0x4000 => out.put(&[(value >> 8) as u8 | 0x40, value as u8]),
        _ => match u32::try_from(value) {
            Ok(value) => {
                out.put(&[super::LEN_32]);
                out.put(&value.to_be_bytes());
            }
            Err(_) => {
                out.put(&[super::LEN_64]);
                out.put(&value.to_be_bytes());
            }
        },
    }
}

/// Writes a string: as an integer or compressed, where that is shorter.
#[inline]
pub fn string(out: &mut impl Out, value: StrRef<'_>) {
    match value {
        StrRef::Int(int) => integer(out, int),
        StrRef::Bytes(bytes) => text(out, bytes),
    }
}

/// Writes a string that is given as bytes.
#[inline]
pub fn text(out: &mut impl Out, bytes: &[u8]) {
    if bytes.len() <= INTEGER_TEXT_MAX
        && let Some(int) = parse_i64(bytes)
    {
        return integer(out, int);
    }
    blob(out, bytes);
}

/// Writes bytes that are no text of an integer, compressed where that is shorter.
pub fn blob(out: &mut impl Out, bytes: &[u8]) {
    if bytes.len() > COMPRESS_ABOVE
        && out.compresses()
        && let Some(packed) = lzf::compress(bytes, bytes.len() - 4)
    {
        out.put(&[0xc0 | super::LZF]);
        number(out, packed.len() as u64);
        number(out, bytes.len() as u64);
        return out.put(&packed);
    }
    number(out, bytes.len() as u64);
    out.put(bytes);
}

/// Writes a string that is the text of an integer.
pub fn integer(out: &mut impl Out, value: i64) {
    if let Ok(value) = i8::try_from(value) {
        out.put(&[0xc0 | super::INT_8, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.put(&[0xc0 | super::INT_16]);
        out.put(&value.to_le_bytes());
    } else if let Ok(value) = i32::try_from(value) {
        out.put(&[0xc0 | super::INT_32]);
        out.put(&value.to_le_bytes());
    } else {
        let mut room = [0; 20];
        let digits = crate::number::format_i64(value, &mut room);
        number(out, digits.len() as u64);
        out.put(digits);
    }
}

/// Writes a double in eight bytes.
pub fn double(out: &mut impl Out, value: f64) {
    out.put(&value.to_le_bytes());
}

/// Writes a time in ms since 1970, in eight bytes.
pub fn milliseconds(out: &mut impl Out, at_ms: i64) {
    out.put(&at_ms.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::reader::Reader;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            numbers in prop::collection::vec(any::<u64>().prop_flat_map(|top| 0..=top), 0..20),
            ints in prop::collection::vec((any::<i64>(), 0u32..64).prop_map(|(int, by)| int >> by), 0..20),
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20),
            repeated in prop::collection::vec(("[ab]{1,9}", 1usize..3000), 0..4),
        ) {
            let texts: Vec<Vec<u8>> =
                texts.into_iter().chain(repeated.iter().map(|(word, times)| word.repeat(*times).into_bytes())).collect();
            let (mut out, mut count) = (Vec::new(), Count::default());
            for value in &numbers {
                number(&mut out, *value);
                number(&mut count, *value);
            }
            for int in &ints {
                string(&mut out, StrRef::Int(*int));
                text(&mut count, int.to_string().as_bytes());
            }
            for bytes in &texts {
                text(&mut out, bytes);
                string(&mut count, StrRef::Bytes(bytes));
            }
            prop_assert_eq!(count.0, out.len());
            let mut reader = Reader::new(&out);
            for value in &numbers {
                prop_assert_eq!(reader.number(), Ok(*value));
            }
            for int in &ints {
                prop_assert_eq!(reader.string().unwrap().into_vec(), int.to_string().into_bytes());
            }
            for bytes in &texts {
                prop_assert_eq!(&reader.string().unwrap().into_vec(), bytes);
            }
            prop_assert_eq!(reader.left(), 0);
        }
    }
}
