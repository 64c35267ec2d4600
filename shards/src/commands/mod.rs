//! The engine's commands: a file a family, each beginning with its table.
use crate::call::Call;
use crate::fault::Outcome;
use crate::spec::Spec;

pub mod bitfield;
pub mod bitmap;
pub mod counter;
pub mod lcs;
pub mod many;
mod options;
pub mod string;
pub mod substring;
#[cfg(test)]
pub(crate) mod testing;

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
    substring::COMMANDS,
    counter::COMMANDS,
    many::COMMANDS,
    lcs::COMMANDS,
    bitmap::COMMANDS,
    bitfield::COMMANDS,
];

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
