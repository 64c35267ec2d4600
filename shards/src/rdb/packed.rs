//! The packed collections of Redis before 7.0, read: ziplists and zipmaps, whose elements move into a listpack.
use super::Bad;
use crate::keyspace::StrRef;
use crate::number::parse_i64;
use crate::values::listpack::Listpack;

const BROKEN_ZIPLIST: Bad = Bad::Data("a broken ziplist");
const BROKEN_ZIPMAP: Bad = Bad::Data("a broken zipmap");
/// The last byte of both.
const END: u8 = 0xff;

/// The bytes of a listpack, checked.
pub(super) fn listpack(bytes: &[u8]) -> Result<Listpack, Bad> {
    Listpack::from_bytes(bytes).ok_or(Bad::Data("a broken listpack"))
}

const ZIPLIST_HEADER_BYTES: usize = 10;
/// What the header says where there are this many elements or more.
const ZIPLIST_COUNT_UNKNOWN: u16 = u16::MAX;

/// The elements of a ziplist: `bytes in all (4)  offset of the last (4)  elements (2)  element …  0xff`.
pub(super) fn ziplist(bytes: &[u8]) -> Result<Listpack, Bad> {
    let (header, rest) = bytes.split_first_chunk::<ZIPLIST_HEADER_BYTES>().ok_or(BROKEN_ZIPLIST)?;
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let last = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let said = u16::from_le_bytes([header[8], header[9]]);
    let (&end, mut rest) = rest.split_last().ok_or(BROKEN_ZIPLIST)?;
    if total != bytes.len() || end != END {
        return Err(BROKEN_ZIPLIST);
    }
    let mut list = Listpack::new();
    let (mut count, mut previous_len, mut at) = (0, 0, ZIPLIST_HEADER_BYTES);
    while !rest.is_empty() {
        let entry = Entry::read(rest).ok_or(BROKEN_ZIPLIST)?;
        if entry.previous_len != previous_len {
            return Err(BROKEN_ZIPLIST);
        }
        match entry.value {
            StrRef::Int(int) => list.push_back_int(int),
            StrRef::Bytes(bytes) => list.push_back(bytes),
        }
        count += 1;
        at += previous_len;
        previous_len = entry.len;
        rest = &rest[entry.len..];
    }
    let is_counted = said == ZIPLIST_COUNT_UNKNOWN || usize::from(said) == count;
    if is_counted && last == at { Ok(list) } else { Err(BROKEN_ZIPLIST) }
}

/// An element of a ziplist: the length of the one before it, then encoding and value.
struct Entry<'a> {
    previous_len: usize,
    value: StrRef<'a>,
    /// Bytes in all.
    len: usize,
}

impl<'a> Entry<'a> {
    fn read(bytes: &'a [u8]) -> Option<Entry<'a>> {
        let (previous_len, head_len) = match bytes {
            [254, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 5),
            [len @ 0..254, ..] => (usize::from(*len), 1),
            _ => return None,
        };
        let (value, value_len) = Entry::value(&bytes[head_len..])?;
        Some(Entry { previous_len, value, len: head_len + value_len })
    }

    /// The value, and how many bytes it takes with its encoding.
    fn value(bytes: &'a [u8]) -> Option<(StrRef<'a>, usize)> {
        let text = |head_len: usize, len: usize| {
            let text = bytes.get(head_len..)?.get(..len)?;
            Some((StrRef::Bytes(text), head_len + len))
        };
        let int = |value: i64, len: usize| Some((StrRef::Int(value), 1 + len));
        match *bytes {
            [head @ 0..0x40, ..] => text(1, usize::from(head)),
            [head @ 0x40..0x80, low, ..] => text(2, usize::from(head & 0x3f) << 8 | usize::from(low)),
            [0x80, a, b, c, d, ..] => text(5, u32::from_be_bytes([a, b, c, d]) as usize),
            [0xc0, a, b, ..] => int(i64::from(i16::from_le_bytes([a, b])), 2),
            [0xd0, a, b, c, d, ..] => int(i64::from(i32::from_le_bytes([a, b, c, d])), 4),
            [0xe0, a, b, c, d, e, f, g, h, ..] => int(i64::from_le_bytes([a, b, c, d, e, f, g, h]), 8),
            [0xf0, a, b, c, ..] => int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8), 3),
            [0xfe, a, ..] => int(i64::from(a.cast_signed()), 1),
            [head @ 0xf1..=0xfd, ..] => int(i64::from(head & 0xf) - 1, 0),
            _ => None,
        }
    }
}

/// Fields and values of a zipmap: `fields (1)  length field  length unused (1) value, unused bytes …  0xff`.
pub(super) fn zipmap(bytes: &[u8]) -> Result<Listpack, Bad> {
    let (&said, mut rest) = bytes.split_first().ok_or(BROKEN_ZIPMAP)?;
    let (mut list, mut count) = (Listpack::new(), 0);
    while rest != [END] {
        let (field, after) = zipmap_text(rest, 0).ok_or(BROKEN_ZIPMAP)?;
        let (value, after) = zipmap_text(after, 1).ok_or(BROKEN_ZIPMAP)?;
        list.push_back(field);
        list.push_back(value);
        count += 1;
        rest = after;
    }
    // From 254 fields on the first byte says nothing.
    if said >= 254 || usize::from(said) == count { Ok(list) } else { Err(BROKEN_ZIPMAP) }
}

/// A text, and what follows it. A value's length is followed by a byte that tells how many bytes behind the value are unused.
fn zipmap_text(bytes: &[u8], unused_len: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = match bytes {
        [254, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        [len @ 0..254, rest @ ..] => (usize::from(*len), rest),
        _ => return None,
    };
    let (unused, rest) = rest.split_at_checked(unused_len)?;
    let unused = unused.first().map_or(0, |unused| usize::from(*unused));
    let (text, rest) = rest.split_at_checked(len)?;
    Some((text, rest.get(unused..)?))
}

/// How many groups of `width` elements there are, the first of each different from all other firsts.
pub(super) fn count_different(pack: &Listpack, width: usize) -> Result<usize, Bad> {
    // Of a number it matters what it is, not how it is written.
    fn first(element: StrRef<'_>) -> Result<i64, &[u8]> {
        match element {
            StrRef::Bytes(text) => parse_i64(text).ok_or(text),
            StrRef::Int(int) => Ok(int),
        }
    }
    let mut firsts: Vec<_> = pack.iter().step_by(width).map(first).collect();
    if pack.len() != firsts.len() * width {
        return Err(Bad::Data("elements left over"));
    }
    if firsts.is_empty() {
        return Err(Bad::Empty);
    }
    firsts.sort_unstable();
    let is_twice = firsts.windows(2).any(|pair| pair[0] == pair[1]);
    if is_twice { Err(Bad::Data("a member twice")) } else { Ok(firsts.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &Listpack) -> Vec<String> {
        list.iter().map(|value| String::from_utf8_lossy(value.bytes(&mut [0; 20])).into_owned()).collect()
    }

    /// A ziplist of entries that are given without the length of the one before them.
    fn ziplist_of(values: &[&[u8]]) -> Vec<u8> {
        let (mut body, mut previous_len, mut last) = (Vec::new(), 0, 10);
        for value in values {
            last = 10 + body.len();
            if previous_len < 254 {
                body.push(previous_len as u8);
            } else {
                body.push(254);
                body.extend((previous_len as u32).to_le_bytes());
            }
            body.extend_from_slice(value);
            previous_len = 10 + body.len() - last;
        }
        let mut bytes = (body.len() as u32 + 11).to_le_bytes().to_vec();
        bytes.extend((last as u32).to_le_bytes());
        bytes.extend((values.len() as u16).to_le_bytes());
        bytes.extend(body);
        bytes.push(END);
        bytes
    }

    #[test]
    fn ziplists_have_nine_encodings() {
        let long = [&[0x41, 0x2c][..], &[b'l'; 300]].concat();
        let huge = [&[0x80, 0, 0, 0x40, 0x00][..], &[b'h'; 16_384]].concat();
        let bytes = ziplist_of(&[
            b"\x03abc",
            &long,
            &huge,
            b"\xc0\x00\x80",
            b"\xd0\xff\xff\xff\x7f",
            b"\xe0\0\0\0\0\0\0\0\x80",
            b"\xf0\xff\xff\xff",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
        ]);
        let list = ziplist(&bytes).unwrap();
        let (l, h) = ("l".repeat(300), "h".repeat(16_384));
        assert_eq!(
            texts(&list),
            ["abc", &l, &h, "-32768", "2147483647", "-9223372036854775808", "-1", "-128", "0", "12"]
        );
        assert!(ziplist(&ziplist_of(&[])).unwrap().is_empty());
    }

    #[test]
    fn broken_ziplists_are_refused() {
        let good = ziplist_of(&[b"\x03abc", b"\xc0\x00\x01"]);
        assert!(ziplist(&good).is_ok());
        for len in 0..good.len() {
            assert!(ziplist(&good[..len]).is_err(), "the first {len} bytes");
        }
        // Each byte that is no value matters: sizes, offset, count, lengths, encodings, end.
        for at in (0..12).chain([15, 16, 19]) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            assert!(ziplist(&bad).is_err(), "byte {at}");
        }
    }

    #[test]
    fn zipmaps_have_fields_and_values() {
        let long = "v".repeat(300);
        let bytes =
            [&b"\x02\x03foo\x03\x02bar..\xfe\x01\0\0\0k\xfe\x2c\x01\0\0\x00"[..], long.as_bytes(), b"\xff"];
        let bytes = bytes.concat();
        assert_eq!(texts(&zipmap(&bytes).unwrap()), ["foo", "bar", "k", &long]);
        for len in 0..bytes.len() {
            assert!(zipmap(&bytes[..len]).is_err(), "the first {len} bytes");
        }
        assert!(zipmap(b"\x01\xff").is_err());
        assert!(zipmap(b"\x00\xff").unwrap().is_empty());
    }

    #[test]
    fn firsts_differ() {
        let of = |elements: &[&str]| {
            let mut list = Listpack::new();
            elements.iter().for_each(|element| list.push_back(element.as_bytes()));
            list
        };
        assert_eq!(count_different(&of(&["a", "b", "b", "b"]), 2), Ok(2));
        assert_eq!(count_different(&of(&["1", "a", "-1"]), 1), Ok(3));
        assert_eq!(count_different(&of(&[]), 1), Err(Bad::Empty));
        assert!(matches!(count_different(&of(&["a", "b", "a", "c"]), 2), Err(Bad::Data(_))));
        assert!(matches!(count_different(&of(&["a", "b", "c"]), 2), Err(Bad::Data(_))));
        // The number one, and a text that says the same.
        let twice = b"\x0b\0\0\0\x02\0\x01\x01\x811\x02\xff";
        let twice = listpack(&[&[12][..], &twice[1..]].concat()).unwrap();
        assert!(matches!(count_different(&twice, 1), Err(Bad::Data(_))));
    }
}
