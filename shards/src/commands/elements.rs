//! What SSCAN, HSCAN and ZSCAN have in common: their words, and which elements they take.
use super::Args;
use crate::fault::{Fault, NOT_INTEGER, SYNTAX};
use crate::glob;
use crate::number::parse_i64;
use crate::spec::{Arg, ArgKind};

const INVALID_CURSOR: Fault = Fault::new("ERR invalid cursor");
const NOVALUES_ELSEWHERE: Fault = Fault::new("ERR NOVALUES option can only be used in HSCAN");
/// How many elements are looked at in one call unless it is told.
const COUNT_DEFAULT: usize = 10;

/// How COMMAND DOCS shows the arguments that all of them have.
pub(super) const SCAN_ARGS: [Arg; 4] = [
    Arg::key("key", 0),
    Arg::new("cursor", ArgKind::Integer),
    Arg::new("pattern", ArgKind::Pattern).token("MATCH").optional(),
    Arg::new("count", ArgKind::Integer).token("COUNT").optional(),
];

/// The cursor that a client's text means.
pub(super) fn cursor(text: &[u8]) -> Result<u64, Fault> {
    super::scan::parse_cursor(text).ok_or(INVALID_CURSOR)
}

/// What the words behind the cursor say.
pub(super) struct Wanted<'a> {
    pattern: Option<&'a [u8]>,
    /// About how many elements are to be looked at.
    pub(super) count: usize,
    /// Names without values, which only HSCAN may be asked for.
    pub(super) no_values: bool,
}

impl<'a> Wanted<'a> {
    /// Reads the words.
    pub(super) fn parse(mut words: Args<'a>, is_hash: bool) -> Result<Wanted<'a>, Fault> {
        let mut wanted = Wanted { pattern: None, count: COUNT_DEFAULT, no_values: false };
        while let [word, rest @ ..] = words {
            words = match (word.to_ascii_uppercase().as_slice(), rest) {
                (b"MATCH", [pattern, rest @ ..]) => {
                    // A lone `*` takes all, the empty one too.
                    wanted.pattern = Some(*pattern).filter(|pattern| *pattern != b"*");
                    rest
                }
                (b"COUNT", [count, rest @ ..]) => {
                    let count = parse_i64(count).ok_or(NOT_INTEGER)?;
                    wanted.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(SYNTAX)?;
                    rest
                }
                (b"NOVALUES", _) if !is_hash => return Err(NOVALUES_ELSEWHERE),
                (b"NOVALUES", rest) => {
                    wanted.no_values = true;
                    rest
                }
                _ => return Err(SYNTAX),
            };
        }
        Ok(wanted)
    }

    /// Whether an element by this name is wanted.
    #[inline]
    pub(super) fn takes(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}
