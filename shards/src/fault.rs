//! What a command answers when it cannot: Redis's error texts.
use std::borrow::Cow;

/// An error reply. The text begins with its code (`ERR …`, `WRONGTYPE …`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub Cow<'static, [u8]>);

/// What a command gives back: its reply is written, or a fault is to be.
pub type Outcome = Result<(), Fault>;

impl Fault {
    /// A fault whose text is known beforehand.
    #[must_use]
    pub const fn new(text: &'static str) -> Fault {
        Fault(Cow::Borrowed(text.as_bytes()))
    }
    /// A fault whose text is made for the occasion.
    #[must_use]
    pub fn text(text: impl Into<Vec<u8>>) -> Fault {
        Fault(Cow::Owned(text.into()))
    }
    /// A fault that repeats a word of the client's between two texts.
    #[must_use]
    pub fn quoting(before: &str, word: &[u8], after: &str) -> Fault {
        Fault::text([before.as_bytes(), until_zero(word), after.as_bytes()].concat())
    }
    /// The arity is wrong.
    #[must_use]
    pub fn arity(name: &str) -> Fault {
        Fault::text(format!("ERR wrong number of arguments for '{name}' command"))
    }
}

/// What Redis repeats of a client's word in a fault: it formats C strings, which end at a zero byte.
#[must_use]
pub fn until_zero(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The key holds another type.
pub const WRONG_TYPE: Fault = Fault::new("WRONGTYPE Operation against a key holding the wrong kind of value");
/// An argument is no integer, or too large a one.
pub const NOT_INTEGER: Fault = Fault::new("ERR value is not an integer or out of range");
/// An argument is no float.
pub const NOT_FLOAT: Fault = Fault::new("ERR value is not a valid float");
/// The words do not fit the command.
pub const SYNTAX: Fault = Fault::new("ERR syntax error");
/// The key does not exist.
pub const NO_SUCH_KEY: Fault = Fault::new("ERR no such key");
/// A string would grow beyond `proto-max-bulk-len`.
pub const STRING_TOO_LONG: Fault = Fault::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
/// A database index outside of the configured range.
pub const DB_RANGE: Fault = Fault::new("ERR DB index is out of range");
