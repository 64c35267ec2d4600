//! Streams grow and are trimmed: XADD, XTRIM.
use super::options::integer;
use super::stream::{INVALID_ID, STREAM, reply_id, strict_id};
use super::{Args, Command};
use crate::call::{Call, Keys};
use crate::effects::Class;
use crate::fault::{Fault, Outcome, SYNTAX};
use crate::number::format_i64;
use crate::settings::Settings;
use crate::spec::{Arg, ArgKind, Flags, KeyFlags, KeySpec, Spec};
use crate::values::stream::{Bound, Id, NODE_BYTES_MAX, References, Trim};
use crate::values::{Kind, Stream};

pub(super) const COMMANDS: &[Command] = &[XADD, XTRIM];

const ID_ZERO: Fault = Fault::new("ERR The ID specified in XADD must be greater than 0-0");
const EXHAUSTED: Fault =
    Fault::new("ERR The stream has exhausted the last possible ID, unable to add more items");
const BELOW_TOP: Fault =
    Fault::new("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: Fault = Fault::new("ERR Elements are too large to be stored");
const TWO_BOUNDS: Fault =
    Fault::new("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
const MAXLEN_NEGATIVE: Fault = Fault::new("ERR The MAXLEN argument must be >= 0.");
const LIMIT_NEGATIVE: Fault = Fault::new("ERR The LIMIT argument must be >= 0.");
const LIMIT_ALONE: Fault =
    Fault::new("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
const LIMIT_EXACT: Fault = Fault::new("ERR syntax error, LIMIT cannot be used without the special ~ option");
const NO_BOUND: Fault = Fault::new("ERR syntax error, XTRIM must be called with a trimming strategy");

/// Where nodes may have any number of entries, an approximate trim looks at so many.
const LIMIT_DEFAULT: u64 = 10_000;
/// More than so many an approximate trim looks at only if it is told.
const LIMIT_DEFAULT_MAX: u64 = 1_000_000;
/// An approximate trim looks at so many full nodes.
const NODES_DEFAULT: u64 = 100;

const TRIM_ARGS: ArgKind = ArgKind::Block(&[
    Arg::new(
        "strategy",
        ArgKind::OneOf(&[Arg::word("maxlen", "MAXLEN"), Arg::word("minid", "MINID").since("6.2.0")]),
    ),
    Arg::new("operator", ArgKind::OneOf(&[Arg::word("equal", "="), Arg::word("approximately", "~")]))
        .optional(),
    Arg::new("threshold", ArgKind::String),
    Arg::new("count", ArgKind::Integer).token("LIMIT").since("6.2.0").optional(),
]);

/// How COMMAND DOCS shows what may become of references.
pub(super) const REFERENCES: Arg = Arg::new(
    "condition",
    ArgKind::OneOf(&[
        Arg::word("keepref", "KEEPREF"),
        Arg::word("delref", "DELREF"),
        Arg::word("acked", "ACKED"),
    ]),
)
.optional();

const XADD: Command = Command {
    spec: Spec {
        name: "xadd",
        arity: -5,
        flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::UPDATE), 1)
            .noted("an update and no insertion, for it may trim")],
        summary: "Adds an entry to the end of a stream, which is made if it is missing.",
        complexity: "O(1), and O(N) for N entries trimmed.",
        history: &[
            ("6.2.0", "Takes `NOMKSTREAM`, `MINID` and `LIMIT`."),
            ("7.0.0", "Takes an id of the form `<ms>-*`."),
            ("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
        ],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key", 0),
            Arg::word("nomkstream", "NOMKSTREAM").since("6.2.0").optional(),
            REFERENCES.since("8.2.0"),
            Arg::new("trim", TRIM_ARGS).optional(),
            Arg::new(
                "id-selector",
                ArgKind::OneOf(&[Arg::word("auto-id", "*"), Arg::new("id", ArgKind::String)]),
            ),
            Arg::new(
                "data",
                ArgKind::Block(&[Arg::new("field", ArgKind::String), Arg::new("value", ArgKind::String)]),
            )
            .multiple(),
        ],
        ..STREAM
    },
    run: xadd,
    subcommands: &[],
};
fn xadd(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let options = Options::parse(args, true, cx.settings)?;
    let (pairs, rest) = args[options.end..].get(1..).unwrap_or_default().as_chunks();
    if pairs.is_empty() || !rest.is_empty() {
        return Err(Fault::arity("xadd"));
    }
    if options.id == NewId::Whole(Id::MIN) {
        return Err(ID_ZERO);
    }
    let bytes: usize = pairs.iter().flatten().map(|part| part.len()).sum();
    let is_too_large = bytes > NODE_BYTES_MAX;
    let key = cx.key(args[1]);
    if (options.is_nomkstream || is_too_large) && cx.keys.to_write::<Stream>(key)?.is_none() {
        if !options.is_nomkstream {
            return Err(TOO_LARGE);
        }
        cx.reply.null();
        return Ok(());
    }
    let added = cx.keys.alter_or_make(key, |stream: &mut Stream, hand| {
        let id = options.id.resolve(stream.facts().last_id, hand.now_ms)?;
        if is_too_large {
            return Err(TOO_LARGE);
        }
        stream.append(id, pairs, hand.settings);
        let trimmed = options.trim.map_or(0, |trim| stream.trim(trim));
        Ok((id, trimmed, Remains::of(stream)))
    })?;
    let (id, trimmed, remains) = added.value?;
    cx.wrote(key, Class::STREAM, "xadd");
    cx.signal(key);
    if trimmed > 0 {
        cx.notify(Class::STREAM, "xtrim", key);
    }
    if !matches!(options.id, NewId::Whole(_)) || options.is_approximate() {
        options.record(&mut cx.keys, args, Some(id), remains);
    }
    reply_id(cx.reply, id);
    Ok(())
}

const XTRIM: Command = Command {
    spec: Spec {
        name: "xtrim",
        arity: -4,
        flags: Flags::WRITE,
        keys: &[KeySpec::one(KeyFlags::RW.and(KeyFlags::DELETE), 1)],
        summary: "Deletes the oldest entries of a stream.",
        complexity: "O(N), N being the number of entries that go; they mostly go a whole node at a time.",
        history: &[
            ("6.2.0", "Takes `MINID` and `LIMIT`."),
            ("8.2.0", "Takes `KEEPREF`, `DELREF` and `ACKED`."),
        ],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key", 0), Arg::new("trim", TRIM_ARGS), REFERENCES.since("8.2.0")],
        ..STREAM
    },
    run: xtrim,
    subcommands: &[],
};
fn xtrim(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let options = Options::parse(args, false, cx.settings)?;
    let trim = options.trim.ok_or(NO_BOUND)?;
    let key = cx.key(args[1]);
    let altered = cx.keys.alter(key, |stream: &mut Stream, _| (stream.trim(trim), Remains::of(stream)))?;
    let (deleted, remains) = altered.map(|altered| altered.value).unwrap_or_default();
    if deleted > 0 {
        cx.wrote(key, Class::STREAM, "xtrim");
        cx.effects.dirty += deleted - 1;
        if trim.is_approximate {
            options.record(&mut cx.keys, args, None, remains);
        }
    }
    cx.reply.integer(deleted as i64);
    Ok(())
}

/// The id that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NewId {
    /// `*`: of this moment.
    Now,
    /// `ms-*`: the next of this millisecond.
    Within(u64),
    /// This one.
    Whole(Id),
}

impl NewId {
    /// The id in a stream that has come to `last`.
    fn resolve(self, last: Id, now_ms: i64) -> Result<Id, Fault> {
        let next = last.next().ok_or(EXHAUSTED)?;
        let id = match self {
            NewId::Now if now_ms as u64 > last.ms => Id::new(now_ms as u64, 0),
            NewId::Now => next,
            NewId::Within(ms) if ms == last.ms => next,
            NewId::Within(ms) => Id::new(ms, 0),
            NewId::Whole(id) => id,
        };
        // The sequence of a millisecond may be used up.
        let is_within = !matches!(self, NewId::Within(ms) if ms != id.ms);
        if id > last && is_within { Ok(id) } else { Err(BELOW_TOP) }
    }
}

/// What a trim left: enough to tell it exactly.
#[derive(Clone, Copy, Debug, Default)]
struct Remains {
    len: u64,
    first_id: Id,
}

impl Remains {
    fn of(stream: &Stream) -> Remains {
        // Where nothing remains, all that there ever was has gone.
        let first_id = if stream.is_empty() { Id::MAX } else { stream.first_id() };
        Remains { len: stream.len() as u64, first_id }
    }
}

/// The options of XADD and XTRIM.
#[derive(Clone, Copy, Debug)]
struct Options {
    trim: Option<Trim>,
    is_nomkstream: bool,
    id: NewId,
    /// Where the options end: the id, for XADD.
    end: usize,
}

impl Options {
    fn parse(args: Args<'_>, is_xadd: bool, settings: &Settings) -> Result<Options, Fault> {
        let mut bound = None;
        let (mut is_approximate, mut limit, mut references) = (false, None, None);
        let mut options = Options { trim: None, is_nomkstream: false, id: NewId::Now, end: args.len() };
        let mut at = 2;
        while at < args.len() {
            let (word, more) = (args[at], args.len() - 1 - at);
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            if is_xadd && word == b"*" {
                options.end = at;
                break;
            } else if more > 0 && (is(b"MAXLEN") || is(b"MINID")) {
                if bound.is_some() {
                    return Err(TWO_BOUNDS);
                }
                let operator = args[at + 1];
                is_approximate = more > 1 && operator == b"~";
                at += if more > 1 && matches!(operator, b"~" | b"=") { 2 } else { 1 };
                bound =
                    Some(if is(b"MAXLEN") { max_len(args[at])? } else { Bound::Id(strict_id(args[at])?) });
            } else if more > 0 && is(b"LIMIT") {
                at += 1;
                limit = Some(u64::try_from(integer(args[at])?).map_err(|_| LIMIT_NEGATIVE)?);
            } else if is_xadd && is(b"NOMKSTREAM") {
                options.is_nomkstream = true;
            } else if references.is_none() && references_of(word).is_some() {
                references = references_of(word);
            } else if is_xadd {
                options.id = match Id::parse_new(word).ok_or(INVALID_ID)? {
                    (id, true) => NewId::Whole(id),
                    (id, false) => NewId::Within(id.ms),
                };
                options.end = at;
                break;
            } else {
                return Err(SYNTAX);
            }
            at += 1;
        }
        if bound.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(LIMIT_ALONE);
        }
        if bound.is_none() && !is_xadd {
            return Err(NO_BOUND);
        }
        if limit.is_some() && !is_approximate {
            return Err(LIMIT_EXACT);
        }
        let limit = if is_approximate { limit_of(limit, settings) } else { None };
        let references = references.unwrap_or_default();
        options.trim = bound.map(|bound| Trim { bound, is_approximate, limit, references });
        Ok(options)
    }

    fn is_approximate(&self) -> bool {
        self.trim.is_some_and(|trim| trim.is_approximate)
    }

    /// Records what happened: with the id that was given, and with an exact bound.
    fn record(&self, cx: &mut Keys<'_>, args: Args<'_>, id: Option<Id>, remains: Remains) {
        if !cx.effects.listen.records {
            return;
        }
        let (mut id_room, mut first_room, mut digits) = ([0; 41], [0; 41], [0; 20]);
        let mut record: Vec<&[u8]> = args[..2].to_vec();
        match self.trim.filter(|trim| trim.is_approximate) {
            None => record.extend(&args[2..self.end]),
            Some(Trim { bound, references, .. }) => {
                if self.is_nomkstream {
                    record.push(b"NOMKSTREAM");
                }
                // Entries that stay before the first that went make an id useless: then the number tells which went.
                if matches!(bound, Bound::Len(_)) || references == References::Acked {
                    record.extend([b"MAXLEN", b"=" as &[u8], format_i64(remains.len as i64, &mut digits)]);
                } else {
                    record.extend([b"MINID", b"=" as &[u8], remains.first_id.text(&mut first_room)]);
                }
                match references {
                    References::Keep => {}
                    References::Delete => record.push(b"DELREF"),
                    References::Acked => record.push(b"ACKED"),
                }
            }
        }
        if let Some(id) = id {
            record.push(id.text(&mut id_room));
            record.extend(&args[self.end + 1..]);
        }
        cx.record(&record);
    }
}

fn max_len(text: &[u8]) -> Result<Bound, Fault> {
    u64::try_from(integer(text)?).map(Bound::Len).map_err(|_| MAXLEN_NEGATIVE)
}

/// What a word says of references, if it says anything.
pub(super) fn references_of(word: &[u8]) -> Option<References> {
    let words: [(&[u8], References); 3] =
        [(b"KEEPREF", References::Keep), (b"DELREF", References::Delete), (b"ACKED", References::Acked)];
    words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, references)| *references)
}

/// How many entries an approximate trim looks at: a command shall not take long, unless it is told to.
fn limit_of(limit: Option<u64>, settings: &Settings) -> Option<u64> {
    match limit {
        Some(0) => None,
        Some(limit) => Some(limit),
        None => match NODES_DEFAULT.saturating_mul(settings.stream_node_entries_max as u64) {
            0 => Some(LIMIT_DEFAULT),
            limit => Some(limit.min(LIMIT_DEFAULT_MAX)),
        },
    }
}
