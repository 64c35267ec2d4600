//! The ids of stream entries: two 64-bit numbers, a time and a sequence.
use crate::fault::until_zero;
use crate::number::parse_i64;

/// The id of an entry: milliseconds, and a sequence within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds since 1970, where the server chose it.
    pub ms: u64,
    /// Counts the entries of the same millisecond.
    pub seq: u64,
}

/// Room for the longest id as text.
pub type IdRoom = [u8; 41];

/// More bytes than this are no id, whatever they are.
const TEXT_BYTES_MAX: usize = 127;

impl Id {
    /// The least id, which no entry has.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    /// The greatest id.
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    /// The id of these numbers.
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    /// The id that follows; none after the greatest.
    #[must_use]
    pub fn next(self) -> Option<Id> {
        match (self.ms, self.seq) {
            (u64::MAX, u64::MAX) => None,
            (ms, u64::MAX) => Some(Id { ms: ms + 1, seq: 0 }),
            (ms, seq) => Some(Id { ms, seq: seq + 1 }),
        }
    }

    /// The id that comes before; none before the least.
    #[must_use]
    pub fn previous(self) -> Option<Id> {
        match (self.ms, self.seq) {
            (0, 0) => None,
            (ms, 0) => Some(Id { ms: ms - 1, seq: u64::MAX }),
            (ms, seq) => Some(Id { ms, seq: seq - 1 }),
        }
    }

    /// The distance of `self` from `base`, number by number: as nodes keep their entries' ids.
    #[must_use]
    pub(super) fn since(self, base: Id) -> (i64, i64) {
        (self.ms.wrapping_sub(base.ms) as i64, self.seq.wrapping_sub(base.seq) as i64)
    }

    /// The id at such a distance from this one.
    #[must_use]
    pub(super) fn at(self, (ms, seq): (i64, i64)) -> Id {
        Id { ms: self.ms.wrapping_add(ms as u64), seq: self.seq.wrapping_add(seq as u64) }
    }

    /// As text, `ms-seq`, at the end of `room`.
    #[must_use]
    pub fn text(self, room: &mut IdRoom) -> &[u8] {
        let dash = put_digits(self.seq, room, room.len()) - 1;
        room[dash] = b'-';
        let start = put_digits(self.ms, room, dash);
        &room[start..]
    }

    /// Reads an id; `-` is the least and `+` the greatest, and where there is no sequence it is `missing_seq`.
    #[must_use]
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Id> {
        match until_zero(text) {
            b"-" => Some(Id::MIN),
            b"+" => Some(Id::MAX),
            _ => Id::parse_strict(text, missing_seq),
        }
    }

    /// Reads an id of numbers.
    #[must_use]
    pub fn parse_strict(text: &[u8], missing_seq: u64) -> Option<Id> {
        let (ms, seq) = halves(text)?;
        let seq = seq.map_or(Some(missing_seq), parse_u64)?;
        Some(Id { ms: parse_u64(ms)?, seq })
    }

    /// Reads what XADD takes for an id: `ms-*` leaves the sequence open, which is said by the flag.
    #[must_use]
    pub fn parse_new(text: &[u8]) -> Option<(Id, bool)> {
        let (ms, seq) = halves(text)?;
        let ms = parse_u64(ms)?;
        match seq {
            Some(b"*") => Some((Id { ms, seq: 0 }, false)),
            Some(seq) => Some((Id { ms, seq: parse_u64(seq)? }, true)),
            None => Some((Id { ms, seq: 0 }, true)),
        }
    }
}

/// What stands before the first dash and what after it. Redis reads C strings: a zero byte ends them.
fn halves(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = until_zero(text);
    match memchr::memchr(b'-', text) {
        Some(dash) => Some((&text[..dash], Some(&text[dash + 1..]))),
        None => Some((text, None)),
    }
}

/// Reads a number as Redis reads each half of an id: strictly if it can, else as C's `strtoull` does, with leading spaces,
/// zeros and a sign (which turns the number round).
fn parse_u64(text: &[u8]) -> Option<u64> {
    if let Some(value) = parse_i64(text) {
        return u64::try_from(value).ok();
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !blank(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Writes a number so that it ends before `end`; where it begins.
fn put_digits(mut value: u64, room: &mut IdRoom, end: usize) -> usize {
    let mut at = end;
    loop {
        at -= 1;
        room[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, id) in [
            ("0", Id::MIN),
            ("1-2", Id::new(1, 2)),
            ("18446744073709551615-18446744073709551615", Id::MAX),
            ("01-002", Id::new(1, 2)),
            (" 1- +2", Id::new(1, 2)),
            ("1--02", Id::new(1, u64::MAX - 1)),
            ("1-2\0x", Id::new(1, 2)),
        ] {
            assert_eq!(Id::parse_strict(text.as_bytes(), 0), Some(id), "{text}");
        }
        for text in
            ["", "-", "+", "a", "1-", "-1", "1-a", "1--2", "1-2 ", "18446744073709551616", "1-2-3", "1-*"]
        {
            assert_eq!(Id::parse_strict(text.as_bytes(), 0), None, "{text}");
        }
        assert_eq!(Id::parse_strict(&[b'0'; 128], 0), None);
        assert_eq!(Id::parse(b"+", 0), Some(Id::MAX));
        assert_eq!(Id::parse(b"7", 9), Some(Id::new(7, 9)));
        assert_eq!(Id::parse_new(b"7-*"), Some((Id::new(7, 0), false)));
        assert_eq!(Id::parse_new(b"7"), Some((Id::new(7, 0), true)));
    }

    proptest::proptest! {
        #[test]
        fn ids_are_read_as_they_are_written(ms: u64, seq: u64, noise: Vec<u8>) {
            let id = Id::new(ms, seq);
            let mut room = [0; 41];
            let text = id.text(&mut room);
            proptest::prop_assert_eq!(Id::parse_strict(text, 0), Some(id));
            proptest::prop_assert_eq!(Id::parse_new(text), Some((id, true)));
            // Whatever else comes is an id or not, and does no harm.
            let _ = (Id::parse(&noise, 0), Id::parse_new(&noise));
        }
    }

    #[test]
    fn ids_have_neighbours_and_text() {
        let edge = Id::new(4, u64::MAX);
        assert_eq!(edge.next(), Some(Id::new(5, 0)));
        assert_eq!(Id::new(5, 0).previous(), Some(edge));
        assert_eq!((Id::MAX.next(), Id::MIN.previous()), (None, None));
        assert_eq!(Id::MAX.text(&mut [0; 41]), b"18446744073709551615-18446744073709551615");
        assert_eq!(Id::new(10, 0).text(&mut [0; 41]), b"10-0");
        assert_eq!(Id::MIN.at(edge.since(Id::MIN)), edge);
    }
}
