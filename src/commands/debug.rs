//! DEBUG, as far as it is about the server: what the tests of clients lean on. Its looks at the dataset are the engine's.
use super::persistence::over_all;
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::coordinate::unit::Kind;
use crate::log;
use crate::persist::apply::Duplicates;
use crate::persist::reload::Reload;
use shards::commands::Args;
use shards::fault::Fault;
use shards::number::parse_i64;
use shards::reply::{Reply, Resp};
use shards::settings::Settings;
use shards::spec::{Flags, Group, Spec};
use std::sync::{Arc, PoisonError};

pub(super) const COMMANDS: &[ServerCommand] = &[DEBUG];

const DEBUG: ServerCommand = ServerCommand {
    spec: Spec {
        name: "debug",
        arity: -2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE).and(Flags::PROTECTED),
        group: Group::Server,
        summary: "A container for debugging commands.",
        complexity: "Depends on subcommand.",
        ..Spec::DEFAULT
    },
    run: debug,
    subcommands: &[],
};
/// As in Redis, one text says that a subcommand is unknown or has a wrong number of arguments; so it is told apart here.
fn debug(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    match (&args[1].to_ascii_lowercase()[..], &args[2..]) {
        (b"help", []) => help::write(cx.reply, "DEBUG", HELP_TEXT),
        (b"set-active-expire", [on]) => return Ok(set_active_expire(parse_i64(on).unwrap_or(0) != 0)),
        (b"error", [text]) => cx.reply.error(text),
        (b"log", [text]) => {
            log::warning(format_args!("DEBUG LOG: {}", String::from_utf8_lossy(text)));
            cx.reply.ok();
        }
        (b"change-repl-id", []) => {
            log::warning(format_args!("Changing replication IDs after receiving change-repl-id"));
            let mut id = cx.core.shared.replication_id.lock().unwrap_or_else(PoisonError::into_inner);
            *id = crate::server::random_hex();
            cx.reply.ok();
        }
        (b"reload", words) => return reload(cx, words),
        (b"loadaof", []) => {
            let shared = Arc::clone(&cx.core.shared);
            let duplicates = Duplicates::Refuse;
            let reload = Reload { shared, saves: false, empties: true, duplicates, from_log: true };
            return Ok(over_all(Kind::Gathered, Arc::new(reload)));
        }
        (b"protocol", [kind]) => protocol(cx.reply, kind)?,
        #[cfg(feature = "chaos")]
        (b"power-cut", words) => cut_power(cx.reply, words)?,
        // Braid's tables and buffers have no such states to choose from: it is as if done.
        (b"dict-resizing", [_]) | (b"replybuffer", [_, _]) => cx.reply.ok(),
        _ => return Err(unknown(args[1])),
    }
    Ok(Verdict::Done)
}

/// The power fails, at once or so many operations of the disk later, in a build that can do without it for a while.
#[cfg(feature = "chaos")]
fn cut_power(reply: &mut Reply, words: Args<'_>) -> Result<(), Fault> {
    let number = |at: usize| words.get(at).and_then(|word| parse_i64(word)).map(i64::unsigned_abs);
    if !crate::chaos::disk::cut_power(number(0).unwrap_or(1), number(1).unwrap_or(0)) {
        return Err(Fault::new("ERR There is no disk that can lose its power: BRAID_DISK is not set"));
    }
    reply.ok();
    Ok(())
}

fn unknown(word: &[u8]) -> Fault {
    let word = &word[..word.len().min(128)];
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Fault::quoting(before, word, "'. Try DEBUG HELP.")
}

/// The dataset saved, emptied and loaded again, but for what the words leave out.
fn reload(cx: &Server<'_>, words: Args<'_>) -> Outcome {
    let shared = Arc::clone(&cx.core.shared);
    let duplicates = Duplicates::Refuse;
    let mut reload = Reload { shared, saves: true, empties: true, duplicates, from_log: false };
    for word in words {
        match &word.to_ascii_lowercase()[..] {
            b"merge" => reload.duplicates = Duplicates::Replace,
            b"noflush" => reload.empties = false,
            b"nosave" => reload.saves = false,
            _ => {
                return Err(Fault::new(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    Ok(over_all(Kind::Gathered, Arc::new(reload)))
}

fn set_active_expire(on: bool) -> Verdict {
    Verdict::ask(
        move |core| {
            core.active_expire = on;
            core.settings = Arc::new(Settings { active_expire: on, ..(*core.settings).clone() });
        },
        |cx| {
            cx.reply.ok();
            Verdict::Done
        },
    )
}

/// One reply of each kind there is, for the parsers of clients.
fn protocol(reply: &mut Reply, kind: &[u8]) -> Result<(), Fault> {
    match &kind.to_ascii_lowercase()[..] {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(DOUBLE),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"bignum" if reply.resp == Resp::V2 => reply.bulk(BIG_NUMBER),
        b"bignum" => reply.bytes.extend_from_slice(&[b"(", BIG_NUMBER, b"\r\n"].concat()),
        b"attrib" => {
            if reply.resp == Resp::V3 {
                reply.bytes.extend_from_slice(b"|1\r\n");
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if reply.resp == Resp::V2 => {
            return Err(Fault::new("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => {
            return Err(Fault::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// The number that Redis answers with.
const DOUBLE: f64 = 3141.0 / 1000.0;
const BIG_NUMBER: &[u8] = b"1234567999999999999999999999999999999";

const HELP_TEXT: &[&str] = &[
    "CHANGE-REPL-ID",
    "    Change the replication IDs of the instance.",
    "DIGEST",
    "    Return a hex signature of the whole dataset.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    Return a hex signature of the value of each key.",
    "ERROR <string>",
    "    Reply with an error of this text.",
    "LOADAOF",
    "    Empty the dataset and load the append-only files.",
    "LOG <message>",
    "    Write the message to the server log.",
    "OBJECT <key>",
    "    Show how the value of a key is kept.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create <count> string keys named <prefix>:<num>, the prefix being 'key' by default.",
    "PROTOCOL <type>",
    "    Reply with a test value of the type: string, integer, double, bignum, null, array, set,",
    "    map, attrib, push, verbatim, true, false.",
    "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
    "    Save the dataset to the RDB file, empty it, and load the file. NOSAVE does not save, NOFLUSH does",
    "    not empty, and MERGE lets the file's keys take the places of those that are there.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether keys expire in the background when nobody asks for them.",
    "SLEEP <seconds>",
    "    Hold all data for so long. Decimals allowed.",
];
