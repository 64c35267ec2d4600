//! The engine's commands: a file a family, each beginning with its table.
use crate::call::Call;
use crate::fault::{Fault, Outcome};
use crate::spec::Spec;

pub mod bitfield;
pub mod bitmap;
pub mod counter;
pub mod debug;
mod deferred;
pub mod dump;
mod elements;
pub mod expire;
pub mod generic;
pub mod geo;
mod geoquery;
pub mod geosearch;
pub mod hash;
pub(crate) mod hash_access;
pub mod hash_counter;
pub mod hash_expire;
pub mod hash_get_set;
#[cfg(test)]
mod hash_tests;
pub mod hash_walk;
pub mod hyperloglog;
#[cfg(test)]
mod keys_tests;
pub mod keyspace;
pub mod lcs;
pub mod list;
pub mod list_ends;
pub mod list_waiting;
pub mod many;
pub mod memory;
pub mod object;
mod options;
pub mod rename;
pub mod scan;
pub mod set;
#[cfg(test)]
mod set_tests;
pub mod setalgebra;
pub mod setdraw;
pub mod sort;
pub mod stream;
pub mod stream_add;
pub mod stream_claim;
pub mod stream_delete;
pub mod stream_group;
pub mod stream_info;
pub mod stream_pending;
pub mod stream_read;
#[cfg(test)]
mod stream_tests;
pub mod string;
mod string_conditions;
pub mod substring;
#[cfg(test)]
pub(crate) mod testing;
pub mod ttl;
mod zbounds;
pub mod zdraw;
pub mod zpop;
pub mod zrange;
pub mod zremrange;
pub mod zset;
#[cfg(test)]
mod zset_tests;
pub mod zstore;
pub mod zwaiting;

/// The arguments of a command; the first is its name as the client wrote it.
pub type Args<'a> = &'a [&'a [u8]];

/// A command of the engine: its facts and its function.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The facts.
    pub spec: Spec,
    /// What it does. The reply is in the context, or a fault is given back and written in its place.
    pub run: fn(&mut Call<'_>, Args<'_>) -> Outcome,
    /// The commands below this one (`OBJECT ENCODING`); `run` is then called only where none fits.
    pub subcommands: &'static [Command],
}

/// Every family.
pub const FAMILIES: &[&[Command]] = &[
    string::COMMANDS,
    string_conditions::COMMANDS,
    substring::COMMANDS,
    counter::COMMANDS,
    many::COMMANDS,
    lcs::COMMANDS,
    bitmap::COMMANDS,
    bitfield::COMMANDS,
    hyperloglog::COMMANDS,
    geo::COMMANDS,
    geosearch::COMMANDS,
    set::COMMANDS,
    setdraw::COMMANDS,
    setalgebra::COMMANDS,
    stream::COMMANDS,
    stream_add::COMMANDS,
    stream_delete::COMMANDS,
    stream_read::COMMANDS,
    stream_group::COMMANDS,
    stream_pending::COMMANDS,
    stream_claim::COMMANDS,
    stream_info::COMMANDS,
    generic::COMMANDS,
    rename::COMMANDS,
    expire::COMMANDS,
    ttl::COMMANDS,
    scan::COMMANDS,
    keyspace::COMMANDS,
    object::COMMANDS,
    sort::COMMANDS,
    dump::COMMANDS,
    debug::COMMANDS,
    memory::COMMANDS,
    list::COMMANDS,
    list_ends::COMMANDS,
    list_waiting::COMMANDS,
    hash::COMMANDS,
    hash_counter::COMMANDS,
    hash_walk::COMMANDS,
    hash_expire::COMMANDS,
    hash_get_set::COMMANDS,
    zset::COMMANDS,
    zrange::COMMANDS,
    zremrange::COMMANDS,
    zpop::COMMANDS,
    zdraw::COMMANDS,
    zstore::COMMANDS,
    zwaiting::COMMANDS,
];

/// The command that these arguments mean: `command` itself or, for a container, the one below it that the second
/// argument names. A fault where there is none, or where the number of arguments does not fit.
pub fn resolve(command: &'static Command, args: Args<'_>) -> Result<&'static Command, Fault> {
    let found = match args {
        [_, word, ..] if !command.subcommands.is_empty() => {
            below(command, word).ok_or_else(|| unknown_subcommand(args[0], word))?
        }
        _ => command,
    };
    if found.spec.fits(args.len()) { Ok(found) } else { Err(Fault::arity(found.spec.name)) }
}

fn below(command: &'static Command, word: &[u8]) -> Option<&'static Command> {
    command.subcommands.iter().find(|sub| {
        let name = sub.spec.name.split_once('|').map_or(sub.spec.name, |(_, name)| name);
        word.eq_ignore_ascii_case(name.as_bytes())
    })
}

/// How much of a word that a client wrote an error repeats, in bytes.
const QUOTED_BYTES_MAX: usize = 128;

fn unknown_subcommand(container: &[u8], word: &[u8]) -> Fault {
    let word = &word[..word.len().min(QUOTED_BYTES_MAX)];
    let container = String::from_utf8_lossy(container).to_ascii_uppercase();
    Fault::quoting("ERR unknown subcommand '", word, &format!("'. Try {container} HELP."))
}

/// Runs a command on the shards in hand: the one door through which every command of the engine passes.
///
/// The arity has been checked. What a failed command wrote of its reply is taken back.
#[inline]
pub fn execute(cx: &mut Call<'_>, command: &Command, args: Args<'_>) {
    let (start, dirty, stand_ins) = (cx.reply.bytes.len(), cx.effects.dirty, cx.effects.stand_in_count());
    let outcome = (command.run)(cx, args);
    if let Err(fault) = outcome {
        cx.reply.bytes.truncate(start);
        cx.reply.error(&fault.0);
    }
    if cx.effects.wants_verbatim(command.spec.flags, dirty, stand_ins) {
        cx.record(args);
    }
}
