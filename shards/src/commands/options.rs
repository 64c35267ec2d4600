//! What the arguments of several families mean: integers, and the words about expiry (EX, PX, EXAT, PXAT, KEEPTTL, PERSIST).
use crate::call::Expiry;
use crate::extended::Extended;
use crate::fault::{Fault, NOT_INTEGER, SYNTAX};
use crate::number::parse_i64;
use crate::spec::{Arg, ArgKind};

/// An argument that has to be an integer.
#[inline]
pub(super) fn integer(text: &[u8]) -> Result<i64, Fault> {
    parse_i64(text).ok_or(NOT_INTEGER)
}

/// Until when a command may wait for its keys, ms since 1970, if not for ever: from the seconds in its last or first argument.
pub(super) fn waits_until(text: &[u8], now_ms: i64) -> Result<Option<i64>, Fault> {
    const NO_FLOAT: Fault = Fault::new("ERR timeout is not a float or out of range");
    const NEGATIVE: Fault = Fault::new("ERR timeout is negative");
    const OUT_OF_RANGE: Fault = Fault::new("ERR timeout is out of range");
    // As wide as Redis's: 1e400 is no fault of form, and 1e-400 is not for ever.
    let seconds = Extended::parse(text).ok_or(NO_FLOAT)?.to_f64();
    let ms = (seconds * 1000.0).ceil();
    if ms > i64::MAX as f64 {
        return Err(OUT_OF_RANGE);
    }
    if seconds < 0.0 {
        return Err(NEGATIVE);
    }
    if ms == 0.0 {
        return Ok(None);
    }
    now_ms.checked_add(ms as i64).map(Some).ok_or(OUT_OF_RANGE)
}

/// A word about expiry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// In so many seconds.
    Ex,
    /// In so many milliseconds.
    Px,
    /// At this second since 1970.
    ExAt,
    /// At this millisecond since 1970.
    PxAt,
    /// The expiry stays.
    KeepTtl,
    /// The expiry goes.
    Persist,
}

impl Word {
    fn of(text: &[u8]) -> Option<Word> {
        let words: [(&[u8], Word); 6] = [
            (b"EX", Word::Ex),
            (b"PX", Word::Px),
            (b"EXAT", Word::ExAt),
            (b"PXAT", Word::PxAt),
            (b"KEEPTTL", Word::KeepTtl),
            (b"PERSIST", Word::Persist),
        ];
        words.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, word)| *word)
    }

    fn has_time(self) -> bool {
        !matches!(self, Word::KeepTtl | Word::Persist)
    }
}

/// What a command's words say about expiry.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Lifetime<'a> {
    /// The word, if there was one.
    pub(super) word: Option<Word>,
    time: &'a [u8],
}

impl<'a> Lifetime<'a> {
    /// A word known beforehand, with its time.
    pub(super) fn new(word: Word, time: &'a [u8]) -> Lifetime<'a> {
        Lifetime { word: Some(word), time }
    }

    /// Takes the word that `args` begins with, if it is one of the four with a time or of those `also` allowed, together
    /// with its time; gives back how many arguments that were. A different word was there before: a syntax error.
    pub(super) fn take(&mut self, args: &[&'a [u8]], also: &[Word]) -> Result<usize, Fault> {
        let Some(word) = Word::of(args[0]).filter(|word| word.has_time() || also.contains(word)) else {
            return Ok(0);
        };
        // The same word twice is fine with Redis: the last one counts.
        if self.word.is_some_and(|before| before != word) {
            return Err(SYNTAX);
        }
        self.word = Some(word);
        if word.has_time() {
            self.time = args.get(1).ok_or(SYNTAX)?;
            return Ok(2);
        }
        Ok(1)
    }

    /// What becomes of the expiry of a key that gets a value. `command` is the name that an error about the time gives.
    pub(super) fn expiry(self, now_ms: i64, command: &str) -> Result<Expiry, Fault> {
        let (unit_ms, base_ms) = match self.word {
            None | Some(Word::Persist) => return Ok(Expiry::None),
            Some(Word::KeepTtl) => return Ok(Expiry::Keep),
            Some(Word::Ex) => (1000, now_ms),
            Some(Word::Px) => (1, now_ms),
            Some(Word::ExAt) => (1000, 0),
            Some(Word::PxAt) => (1, 0),
        };
        let time = Some(integer(self.time)?).filter(|time| *time > 0);
        let at = time.and_then(|time| time.checked_mul(unit_ms)).and_then(|ms| ms.checked_add(base_ms));
        Ok(Expiry::At(at.ok_or_else(|| invalid_expire_time(command))?))
    }
}

/// A time that lies beyond what can be told, or at none.
pub(super) fn invalid_expire_time(command: &str) -> Fault {
    Fault::text(format!("ERR invalid expire time in '{command}' command"))
}

/// How COMMAND DOCS shows the four words with a time, and KEEPTTL.
pub(super) const EXPIRATION_OR_KEEP: Arg = Arg::new(
    "expiration",
    ArgKind::OneOf(&[
        SECONDS,
        MILLISECONDS,
        UNIX_SECONDS,
        UNIX_MILLISECONDS,
        Arg::word("keepttl", "KEEPTTL"),
    ]),
)
.optional();

/// How COMMAND DOCS shows the four words with a time, and PERSIST.
pub(super) const EXPIRATION_OR_PERSIST: Arg = Arg::new(
    "expiration",
    ArgKind::OneOf(&[
        SECONDS,
        MILLISECONDS,
        UNIX_SECONDS,
        UNIX_MILLISECONDS,
        Arg::word("persist", "PERSIST"),
    ]),
)
.optional();

const SECONDS: Arg = Arg::new("seconds", ArgKind::Integer).token("EX");
const MILLISECONDS: Arg = Arg::new("milliseconds", ArgKind::Integer).token("PX");
const UNIX_SECONDS: Arg = Arg::new("unix-time-seconds", ArgKind::UnixTime).token("EXAT");
const UNIX_MILLISECONDS: Arg = Arg::new("unix-time-milliseconds", ArgKind::UnixTime).token("PXAT");
