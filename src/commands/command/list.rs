//! COMMAND LIST: names of commands and subcommands, all or some.
use super::{callable, subcommands};
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use shards::commands::Args;
use shards::fault::SYNTAX;
use shards::glob;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, Spec};

/// Which commands are listed.
enum Wanted<'a> {
    All,
    /// Of a module: none.
    None,
    /// Of these categories; without a bit, none.
    Category(Categories),
    Pattern(&'a [u8]),
}

pub(super) const LIST: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|list",
        arity: -2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns a list of command names.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of commands",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::new(
            "filterby",
            ArgKind::OneOf(&[
                Arg::new("module-name", ArgKind::String).token("MODULE"),
                Arg::new("category", ArgKind::String).token("ACLCAT"),
                Arg::new("pattern", ArgKind::Pattern).token("PATTERN"),
            ]),
        )
        .token("FILTERBY")
        .optional()],
        ..Spec::DEFAULT
    },
    run: list,
    subcommands: &[],
};
fn list(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let wanted = match &args[2..] {
        [] => Wanted::All,
        [by, kind, value] if by.eq_ignore_ascii_case(b"filterby") => match () {
            () if kind.eq_ignore_ascii_case(b"module") => Wanted::None,
            () if kind.eq_ignore_ascii_case(b"aclcat") => Wanted::Category(category(value)),
            () if kind.eq_ignore_ascii_case(b"pattern") => Wanted::Pattern(value),
            () => return Err(SYNTAX),
        },
        _ => return Err(SYNTAX),
    };
    let with_below =
        callable(&cx.core.shared).flat_map(|entry| std::iter::once(entry).chain(subcommands(entry)));
    let names: Vec<&[u8]> =
        with_below.filter(|entry| wanted.has(entry.spec)).map(|entry| entry.spec.name.as_bytes()).collect();
    cx.reply.array(names.len());
    names.iter().for_each(|name| cx.reply.bulk(name));
    Ok(Verdict::Done)
}

impl Wanted<'_> {
    fn has(&self, spec: &Spec) -> bool {
        match self {
            Wanted::All => true,
            Wanted::None => false,
            Wanted::Category(category) => spec.categories().has_any(*category),
            Wanted::Pattern(pattern) => glob::matches(pattern, spec.name.as_bytes(), true),
        }
    }
}

/// A category by its name; nothing for a name that is none's.
fn category(name: &[u8]) -> Categories {
    let found = Categories::NAMES.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
    found.map_or(Categories::NONE, |(category, _)| *category)
}
