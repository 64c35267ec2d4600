//! The server itself: TIME, SHUTDOWN, LOLWUT.
use super::persistence::over_all;
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::config::version::REDIS_VERSION;
use crate::coordinate::unit::Kind;
use crate::log;
use crate::persist::save::Leave;
use shards::commands::Args;
use shards::fault::{Fault, NOT_INTEGER, SYNTAX};
use shards::number::parse_i64;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) const COMMANDS: &[ServerCommand] = &[TIME, SHUTDOWN, LOLWUT];

const SERVER: Spec = Spec { group: Group::Server, ..Spec::DEFAULT };

const TIME: ServerCommand = ServerCommand {
    spec: Spec {
        name: "time",
        flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
        summary: "Returns the server time.",
        since: "2.6.0",
        complexity: "O(1)",
        tips: &["nondeterministic_output"],
        ..SERVER
    },
    run: time,
    subcommands: &[],
};
fn time(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    cx.reply.array(2);
    cx.reply.bulk_integer(now.as_secs() as i64);
    cx.reply.bulk_integer(now.subsec_micros().into());
    Ok(Verdict::Done)
}

const SHUTDOWN: ServerCommand = ServerCommand {
    spec: Spec {
        name: "shutdown",
        arity: -1,
        flags: Flags::ADMIN
            .and(Flags::NOSCRIPT)
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::NO_MULTI)
            .and(Flags::ALLOW_BUSY),
        summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        args: SHUTDOWN_ARGS,
        ..SERVER
    },
    run: shutdown,
    subcommands: &[],
};
const SHUTDOWN_ARGS: &[Arg] = &[
    Arg::new("save-selector", ArgKind::OneOf(&[Arg::word("nosave", "NOSAVE"), Arg::word("save", "SAVE")]))
        .optional(),
    Arg::word("now", "NOW").since("7.0.0").optional(),
    Arg::word("force", "FORCE").since("7.0.0").optional(),
    Arg::word("abort", "ABORT").since("7.0.0").optional(),
];

/// What SHUTDOWN is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Manner {
    nosave: bool,
    save: bool,
    now: bool,
    force: bool,
    abort: bool,
}

impl Manner {
    fn parse(words: &[&[u8]]) -> Option<Manner> {
        let mut manner = Manner::default();
        for word in words {
            let place = match &word.to_ascii_lowercase()[..] {
                b"nosave" => &mut manner.nosave,
                b"save" => &mut manner.save,
                b"now" => &mut manner.now,
                b"force" => &mut manner.force,
                b"abort" => &mut manner.abort,
                _ => return None,
            };
            *place = true;
        }
        let alone = !(manner.nosave || manner.save || manner.now || manner.force);
        ((alone || !manner.abort) && !(manner.save && manner.nosave)).then_some(manner)
    }
}

fn shutdown(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let manner = Manner::parse(&args[1..]).ok_or(SYNTAX)?;
    if manner.abort {
        return Err(Fault::new("ERR No shutdown in progress."));
    }
    if let Some(kind) = cx.core.shared.scripts.busy.kind()
        && !manner.nosave
    {
        return Err(kind.refusal());
    }
    log::warning(format_args!("User requested shutdown..."));
    let leave = Leave { save: manner.save, nosave: manner.nosave, force: manner.force };
    if let Some(save) = leave.save_first(&cx.core.shared) {
        return Ok(over_all(Kind::Gathered, save));
    }
    // There is no reply: the client sees the end of its connection.
    cx.core.shared.stop();
    Ok(Verdict::Done)
}

const LOLWUT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "lolwut",
        arity: -1,
        flags: Flags::READ.and(Flags::FAST),
        summary: "Displays computer art and the Redis version",
        since: "5.0.0",
        args: &[Arg::new("version", ArgKind::Integer).token("VERSION").optional()],
        ..SERVER
    },
    run: lolwut,
    subcommands: &[],
};
fn lolwut(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let mut numbers = &args[1..];
    if let [word, version, rest @ ..] = numbers
        && word.eq_ignore_ascii_case(b"version")
    {
        parse_i64(version).ok_or(NOT_INTEGER)?;
        numbers = rest;
    }
    let number = |at: usize, default: usize, range: std::ops::RangeInclusive<usize>| {
        let given =
            numbers.get(at).and_then(|text| parse_i64(text)).and_then(|number| usize::try_from(number).ok());
        given.unwrap_or(default).clamp(*range.start(), *range.end())
    };
    let strands = number(0, cx.core.shared.shard_count().max(3), 2..=12);
    let rows = number(1, 24, 1..=200);
    let picture = braid(strands, rows, cx.core.now_ms as u64);
    cx.reply.verbatim("txt", format!("{picture}\nRedis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(Verdict::Done)
}

/// A braid of so many strands: in each crossing one of two neighbours goes over the other, chance says which pair.
fn braid(strands: usize, rows: usize, seed: u64) -> String {
    let mut chance = seed | 1;
    let mut text = String::new();
    for _ in 0..rows {
        // xorshift: good enough for a picture.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let crossing = (chance >> 20) as usize % (strands - 1);
        let over_left = chance >> 40 & 1 == 0;
        for shape in [["\\ ", " /"], if over_left { [" \\", "  "] } else { ["  ", "/ "] }, ["/ ", " \\"]] {
            let mut line = String::from("  ");
            let mut strand = 0;
            while strand < strands {
                if strand == crossing {
                    line += &shape.concat();
                    strand += 2;
                } else {
                    line += "|  ";
                    strand += 1;
                }
                line.push_str(if strand == crossing + 2 { "  " } else { "" });
            }
            text += line.trim_end();
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(text: &str) -> Option<Manner> {
        Manner::parse(&text.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
    }

    #[test]
    fn shutdown_takes_what_fits_together() {
        assert_eq!(manner(""), Some(Manner::default()));
        assert_eq!(
            manner("NoSave NOW force"),
            Some(Manner { nosave: true, now: true, force: true, ..Manner::default() })
        );
        assert_eq!(manner("abort abort"), Some(Manner { abort: true, ..Manner::default() }));
        for wrong in ["save nosave", "abort now", "nosave abort", "soon"] {
            assert_eq!(manner(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_braid_has_three_lines_for_each_crossing() {
        for strands in 2..=12 {
            let picture = braid(strands, 7, 42);
            assert_eq!(picture.lines().count(), 21);
            assert!(picture.lines().all(|line| line.len() < 60), "{picture}");
        }
        assert_ne!(braid(3, 9, 1), braid(3, 9, 99));
    }
}
