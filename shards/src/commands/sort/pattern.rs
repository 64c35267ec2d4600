//! The patterns of SORT's BY and GET: keys named by elements, and fields of hashes.
use crate::call::Keys;
use crate::keyspace::StrRef;
use crate::values::Hash;

/// What BY or GET asks to look at for each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// The element itself: GET's `#`.
    Element,
    /// Nothing: there is no `*` in which an element could stand.
    Nothing,
    /// A key, and perhaps a field of the hash that it holds.
    Key {
        /// What stands before the element.
        before: &'a [u8],
        /// What stands behind it.
        after: &'a [u8],
        /// The field, if `->` names one.
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// A pattern of BY.
    pub(super) fn parse(text: &'a [u8]) -> Pattern<'a> {
        let Some(star) = memchr::memchr(b'*', text) else { return Pattern::Nothing };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = rest.windows(2).position(|pair| pair == b"->");
        match arrow.filter(|at| at + 2 < rest.len()) {
            Some(at) => Pattern::Key { before, after: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Pattern::Key { before, after: rest, field: None },
        }
    }

    /// A pattern of GET.
    pub(super) fn parse_get(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" { Pattern::Element } else { Pattern::parse(text) }
    }

    /// Whether it names keys at all.
    pub(super) fn names_keys(self) -> bool {
        matches!(self, Pattern::Key { .. })
    }

    /// Hands what the pattern finds for an element to `use_it`.
    pub(super) fn look_up<T>(
        self,
        cx: &mut Keys<'_>,
        element: &[u8],
        use_it: impl FnOnce(Option<StrRef<'_>>) -> T,
    ) -> T {
        let (before, after, field) = match self {
            Pattern::Element => return use_it(Some(StrRef::Bytes(element))),
            Pattern::Nothing => return use_it(None),
            Pattern::Key { before, after, field } => (before, after, field),
        };
        let name = [before, element, after].concat();
        let key = cx.key(&name);
        match field {
            None => use_it(cx.read_string(key).ok().flatten()),
            Some(field) => {
                let now_ms = cx.now_ms;
                match cx.read::<Hash>(key) {
                    Ok(Some(hash)) => use_it(hash.get(field, now_ms)),
                    _ => use_it(None),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_keys_and_fields() {
        let key = |before, after, field| Pattern::Key { before, after, field };
        for (text, pattern) in [
            (&b"w_*"[..], key(&b"w_"[..], &b""[..], None)),
            (b"*", key(b"", b"", None)),
            (b"a*b*c", key(b"a", b"b*c", None)),
            (b"h_*->f", key(b"h_", b"", Some(&b"f"[..]))),
            (b"h_*_x->f->g", key(b"h_", b"_x", Some(b"f->g"))),
            (b"h_*->", key(b"h_", b"->", None)),
            (b"h->f*", key(b"h->f", b"", None)),
            (b"nosort", Pattern::Nothing),
            (b"#", Pattern::Nothing),
        ] {
            assert_eq!(Pattern::parse(text), pattern);
        }
        assert_eq!(Pattern::parse_get(b"#"), Pattern::Element);
        assert_eq!(Pattern::parse_get(b"##"), Pattern::Nothing);
    }
}
