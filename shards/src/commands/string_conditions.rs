//! Strings that are compared before something is done with them: DELEX, DELIFEQ, the conditions of SET, and DIGEST.
//!
//! Redis 8.4 has these so that a client that has read a value changes or removes it only if nobody else has meanwhile. Of a long one it may
//! keep the digest alone.
use super::string::{STRING, delete};
use super::{Args, Command};
use crate::call::{Call, Key};
use crate::fault::{Fault, Outcome};
use crate::keyspace::StrRef;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use xxhash_rust::xxh3::xxh3_64;

pub(super) const COMMANDS: &[Command] = &[DELEX, DELIFEQ, DIGEST];

const DIGEST_LEN: usize = 16;
const NO_DIGEST: Fault = Fault::new("ERR must be exactly 16 hexadecimal characters");
const NO_CONDITION: Fault = Fault::new("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
const NO_STRING: Fault = Fault::new("ERR Key should be of string type if conditions are specified");

/// On what SET depends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When<'a> {
    Always,
    Missing,
    Present,
    Compared(Comparison<'a>),
}

/// A comparison of what a key holds: IFEQ, IFNE, IFDEQ or IFDNE. A missing key holds something else than whatever it is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Comparison<'a> {
    /// Of the digest of what it holds.
    by_digest: bool,
    /// Both are to be the same; else they are to differ.
    wants_same: bool,
    with: &'a [u8],
}

impl When<'_> {
    /// Whether it holds of a key.
    pub(super) fn holds(self, cx: &mut Call<'_>, key: Key<'_>) -> Result<bool, Fault> {
        match self {
            When::Always => Ok(true),
            When::Missing => Ok(!cx.exists(key)),
            When::Present => Ok(cx.exists(key)),
            When::Compared(comparison) => comparison.holds(cx.string_to_write(key)?),
        }
    }

    /// Whether it is another condition than this, whatever they compare with.
    pub(super) fn is_other_than(self, other: When<'_>) -> bool {
        match (self, other) {
            (When::Compared(this), When::Compared(other)) => {
                (this.by_digest, this.wants_same) != (other.by_digest, other.wants_same)
            }
            _ => std::mem::discriminant(&self) != std::mem::discriminant(&other),
        }
    }
}

impl<'a> Comparison<'a> {
    /// The comparison of this name, if there is one.
    pub(super) fn named(word: &[u8], with: &'a [u8]) -> Option<Comparison<'a>> {
        let (by_digest, wants_same) = match word.to_ascii_lowercase().as_slice() {
            b"ifeq" => (false, true),
            b"ifne" => (false, false),
            b"ifdeq" => (true, true),
            b"ifdne" => (true, false),
            _ => return None,
        };
        Some(Comparison { by_digest, wants_same, with })
    }

    /// Whether it holds of a string, or of a missing one. What is no digest is noticed where there is a string to compare.
    fn holds(self, value: Option<StrRef<'_>>) -> Result<bool, Fault> {
        let Some(value) = value else { return Ok(!self.wants_same) };
        let room = &mut [0; 20];
        let value = value.bytes(room);
        let is_same = if self.by_digest {
            // Redis looks at the length alone.
            if self.with.len() != DIGEST_LEN {
                return Err(NO_DIGEST);
            }
            digest(value).eq_ignore_ascii_case(self.with)
        } else {
            value == self.with
        };
        Ok(is_same == self.wants_same)
    }
}

/// The XXH3 of a string, in 16 hexadecimal digits.
fn digest(value: &[u8]) -> [u8; DIGEST_LEN] {
    let hash = xxh3_64(value);
    std::array::from_fn(|at| b"0123456789abcdef"[(hash >> (4 * (DIGEST_LEN - 1 - at)) & 0xf) as usize])
}

const DIGEST: Command = Command {
    spec: Spec {
        name: "digest",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
        summary: "Returns the XXH3 hash of the string at a key, in hexadecimal digits.",
        complexity: "O(N) where N is the length of the string value.",
        since: "8.4.0",
        args: &[Arg::key("key", 0)],
        ..STRING
    },
    run: digest_of,
    subcommands: &[],
};
fn digest_of(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match cx.keys.read_string(key)? {
        Some(value) => cx.reply.bulk(&digest(value.bytes(&mut [0; 20]))),
        None => cx.reply.null(),
    }
    Ok(())
}

const DELEX: Command = Command {
    spec: Spec {
        name: "delex",
        arity: -2,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE).and(KeyFlags::VARIABLE_FLAGS), 1)],
        summary: "Deletes a key, if wanted only if the string it holds, or the digest of that, is a given one or is not.",
        complexity: "O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
        since: "8.4.0",
        args: &[
            Arg::key("key", 0),
            Arg::new(
                "condition",
                ArgKind::OneOf(&[
                    Arg::new("ifeq-value", ArgKind::String).token("IFEQ"),
                    Arg::new("ifne-value", ArgKind::String).token("IFNE"),
                    Arg::new("ifdeq-digest", ArgKind::String).token("IFDEQ"),
                    Arg::new("ifdne-digest", ArgKind::String).token("IFDNE"),
                ]),
            )
            .optional(),
        ],
        ..STRING
    },
    run: delex,
    subcommands: &[],
};
fn delex(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let condition = match args[2..] {
        [] => None,
        [word, operand] => Some((word, operand)),
        _ => return Err(Fault::arity("delex")),
    };
    // Of a key that is missing there is nothing to say, not even of the condition.
    let may_go = cx.exists(key)
        && match condition {
            Some((word, operand)) => {
                let value = cx.string_to_write(key).map_err(|_| NO_STRING)?;
                Comparison::named(word, operand).ok_or(NO_CONDITION)?.holds(value)?
            }
            None => true,
        };
    let deleted = may_go && delete(cx, key);
    cx.reply.integer(i64::from(deleted));
    Ok(())
}

const DELIFEQ: Command = Command {
    spec: Spec {
        name: "delifeq",
        arity: 3,
        flags: Flags::WRITE.and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RM.and(KeyFlags::DELETE), 1)],
        summary: "Deletes a key if it holds the given string.",
        since: "9.0.0",
        args: &[Arg::key("key", 0), Arg::new("value", ArgKind::String)],
        ..STRING
    },
    run: delifeq,
    subcommands: &[],
};
fn delifeq(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    let is_equal = Comparison { by_digest: false, wants_same: true, with: args[2] };
    let deleted = is_equal.holds(cx.string_to_write(key)?)? && delete(cx, key);
    cx.reply.integer(i64::from(deleted));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::digest;
    use crate::commands::testing::World;

    #[test]
    fn digests_are_those_of_redis() {
        let known: [(&[u8], &[u8; 16]); 4] = [
            (b"hello", b"9555e8555c62dcfd"),
            (b"", b"2d06800538d394c2"),
            (b"123", b"404a763b3f4c8c9a"),
            (b"v8", b"0cc76dbb41381419"),
        ];
        for (value, expected) in known {
            assert_eq!(&digest(value), expected);
        }
        let long =
            b"v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
        assert_eq!(&digest(long), b"00006c38adf31777");
    }

    #[test]
    fn what_is_deleted_on_a_condition_is_told_and_recorded() {
        let mut world = World::new();
        world.play(&[
            ("SET k v", "+OK", "1: new k, set k; SET k v"),
            ("DELEX k IFNE v", ":0", "0: ; "),
            ("DELEX k IFEQ v", ":1", "1: del k; DEL k"),
            ("SET k v IFDEQ 9555e8555c62dcfd", "(nil)", "0: ; "),
            ("SET k hello IFDNE 9555e8555c62dcfd", "+OK", "1: new k, set k; SET k hello"),
            ("SET k w IFDEQ 9555E8555C62DCFD", "+OK", "1: set k; SET k w"),
            ("DELEX k", ":1", "1: del k; DEL k"),
        ]);
    }
}
