//! How the replies of a unit's parts become one reply.
use shards::spec::Merge;
use smallvec::SmallVec;

/// A reply as it stands in a buffer: how many bytes the first one takes.
///
/// The bytes are this server's own, so they are well formed.
#[must_use]
pub fn reply_len(bytes: &[u8]) -> usize {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
    let count = || shards::number::parse_i64(&bytes[1..line - 2]).unwrap_or(0);
    let several = |count: i64| (0..count).fold(line, |at, _| at + reply_len(&bytes[at..]));
    match bytes.first() {
        Some(b'$' | b'=' | b'!') if count() >= 0 => line + count() as usize + 2,
        Some(b'*' | b'~' | b'>') => several(count()),
        Some(b'%' | b'|') => several(2 * count()),
        _ => line,
    }
}

/// Whether a reply is an error.
#[must_use]
pub fn is_error(reply: &[u8]) -> bool {
    reply.first() == Some(&b'-')
}

/// Merges the replies of parts into `out`. For [`Merge::Interleave`] `order` names, for each element, the part it is in.
pub fn merge(how: Merge, parts: &[&[u8]], order: &[u16], out: &mut Vec<u8>) {
    if let Some(error) = parts.iter().find(|part| is_error(part)) {
        out.extend_from_slice(error);
        return;
    }
    match how {
        Merge::First => out.extend_from_slice(parts[0]),
        Merge::Sum => {
            let sum: i64 = parts.iter().map(|part| header(part).0).sum();
            push_header(b':', sum, out);
        }
        Merge::Concat => {
            let elements: i64 = parts.iter().map(|part| header(part).0).sum();
            push_header(parts[0][0], elements, out);
            parts.iter().for_each(|part| out.extend_from_slice(&part[header(part).1..]));
        }
        Merge::Interleave => {
            push_header(parts[0][0], order.len() as i64, out);
            let elements: SmallVec<[&[u8]; 8]> = parts.iter().map(|part| &part[header(part).1..]).collect();
            in_order(&elements, order, out);
        }
    }
}

/// Puts replies one after another into `out`: `order` names for each the part that it is the next one of.
pub fn in_order(parts: &[&[u8]], order: &[u16], out: &mut Vec<u8>) {
    let mut rest: SmallVec<[&[u8]; 8]> = SmallVec::from_slice(parts);
    for part in order {
        out.extend_from_slice(take_reply(&mut rest[usize::from(*part)]));
    }
}

/// Takes the first reply off a buffer of them.
pub fn take_reply<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (reply, tail) = rest.split_at(reply_len(rest));
    *rest = tail;
    reply
}

/// The number in a reply's first line, and where that ends.
fn header(reply: &[u8]) -> (i64, usize) {
    let end = memchr::memchr(b'\n', reply).map_or(reply.len(), |end| end + 1);
    (shards::number::parse_i64(&reply[1..end - 2]).unwrap_or(0), end)
}

fn push_header(mark: u8, value: i64, out: &mut Vec<u8>) {
    out.push(mark);
    out.extend_from_slice(shards::number::format_i64(value, &mut [0; 20]));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_measured() {
        for reply in [
            "+OK\r\n",
            ":1\r\n",
            "$-1\r\n",
            "$3\r\na\nb\r\n",
            "*-1\r\n",
            "*2\r\n$0\r\n\r\n*1\r\n:5\r\n",
            "%1\r\n+a\r\n_\r\n",
            "=5\r\ntxt:x\r\n",
        ] {
            let tailed = format!("{reply}+rest\r\n");
            assert_eq!(reply_len(tailed.as_bytes()), reply.len(), "{reply:?}");
        }
    }

    #[test]
    fn parts_become_one() {
        let merged = |how, parts: &[&str], order: &[u16]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let mut out = Vec::new();
            merge(how, &parts, order, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(merged(Merge::Sum, &[":1\r\n", ":22\r\n"], &[]), ":23\r\n");
        assert_eq!(merged(Merge::First, &["+OK\r\n", "-ERR x\r\n"], &[]), "-ERR x\r\n");
        assert_eq!(
            merged(Merge::Concat, &["*1\r\n+a\r\n", "*0\r\n", "*1\r\n+b\r\n"], &[]),
            "*2\r\n+a\r\n+b\r\n"
        );
        let parts = ["*2\r\n$1\r\na\r\n$-1\r\n", "*1\r\n$1\r\nb\r\n"];
        assert_eq!(merged(Merge::Interleave, &parts, &[0, 1, 0]), "*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n");
    }
}
