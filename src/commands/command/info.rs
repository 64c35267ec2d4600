//! COMMAND INFO: arity, flags, keys and subcommands.
use super::{callable, field, lookup, number, statuses, subcommands};
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::table::Entry;
use shards::commands::Args;
use shards::reply::Reply;
use shards::spec::{Arg, ArgKind, Begin, Categories, Find, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const INFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "command|info",
        arity: -2,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::CONNECTION,
        group: Group::Server,
        summary: "Returns information about one, multiple or all commands.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to look up",
        history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
        tips: &["nondeterministic_output_order"],
        args: &[Arg::new("command-name", ArgKind::String).optional().multiple()],
        ..Spec::DEFAULT
    },
    run: info,
    subcommands: &[],
};
fn info(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    if args.len() == 2 {
        write_all(cx);
        return Ok(Verdict::Done);
    }
    cx.reply.array(args.len() - 2);
    for name in &args[2..] {
        match lookup(&cx.core.shared, name) {
            Some(entry) => write(cx.reply, entry),
            None => cx.reply.null(),
        }
    }
    Ok(Verdict::Done)
}

/// The details of all commands.
pub(super) fn write_all(cx: &mut Server<'_>) {
    let all = callable(&cx.core.shared);
    cx.reply.array(all.len());
    all.for_each(|entry| write(cx.reply, entry));
}

fn write(reply: &mut Reply, entry: &Entry) {
    let spec = entry.spec;
    let range = KeyRange::of(spec.keys);
    let flags = if range.is_all { spec.flags } else { spec.flags.and(Flags::MOVABLE_KEYS) };
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.integer(spec.arity.into());
    statuses(reply, flags.names());
    reply.integer(range.first.into());
    reply.integer(range.last.into());
    reply.integer(range.step.into());
    let categories: Vec<_> = spec.categories().names().map(|name| format!("@{name}")).collect();
    statuses(reply, categories.iter().map(String::as_str));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|key_spec| write_key_spec(reply, key_spec));
    let below = subcommands(entry);
    // Redis's own inconsistency: no subcommands are a set of none.
    if below.len() == 0 {
        reply.set(0)
    } else {
        reply.array(below.len())
    }
    below.for_each(|below| write(reply, below));
}

/// The keys as first, last and step, for clients that know no key specifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct KeyRange {
    first: i32,
    last: i32,
    step: i32,
    /// It says where all keys are.
    is_all: bool,
}

impl KeyRange {
    /// Joins the ranges of keys that follow each other; keys that are elsewhere, or not in a range, are left out.
    fn of(specs: &[KeySpec]) -> KeyRange {
        let complete = |spec: &KeySpec| !spec.flags.has(KeyFlags::INCOMPLETE);
        if let [only @ KeySpec { begin: Begin::Index(first), find: Find::Range { last, step, .. }, .. }] =
            specs
        {
            let last = if *last >= 0 { first + last } else { *last };
            return KeyRange { first: *first, last, step: *step, is_all: complete(only) };
        }
        let mut range = KeyRange { first: 0, last: 0, step: 0, is_all: true };
        for spec in specs {
            match (spec.begin, spec.find) {
                (Begin::Index(index), Find::Range { last, step: 1, .. })
                    if range.step == 0 || range.last == index - 1 =>
                {
                    range.first = if range.step == 0 { index } else { range.first };
                    range.last = if last >= 0 { index + last } else { last };
                    range.step = 1;
                    range.is_all &= complete(spec);
                }
                _ => range.is_all = false,
            }
        }
        range
    }
}

fn write_key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        field(reply, "notes", spec.notes);
    }
    reply.bulk(b"flags");
    statuses(reply, spec.flags.names());
    write_begin(reply, spec.begin);
    write_find(reply, spec.find);
}

fn write_begin(reply: &mut Reply, begin: Begin) {
    reply.bulk(b"begin_search");
    reply.map(2);
    match begin {
        Begin::Index(index) => {
            kind(reply, "index", 1);
            number(reply, "index", index);
        }
        Begin::Keyword(word, from) => {
            kind(reply, "keyword", 2);
            field(reply, "keyword", word);
            number(reply, "startfrom", from);
        }
        Begin::Unknown => kind(reply, "unknown", 0),
    }
}

fn write_find(reply: &mut Reply, find: Find) {
    reply.bulk(b"find_keys");
    reply.map(2);
    match find {
        Find::Range { last, step, limit } => {
            kind(reply, "range", 3);
            number(reply, "lastkey", last);
            number(reply, "keystep", step);
            number(reply, "limit", limit);
        }
        Find::Count { count, first, step } => {
            kind(reply, "keynum", 3);
            number(reply, "keynumidx", count);
            number(reply, "firstkey", first);
            number(reply, "keystep", step);
        }
        Find::Unknown => kind(reply, "unknown", 0),
    }
}

/// The type of a search, and that so many fields follow.
fn kind(reply: &mut Reply, name: &str, fields: usize) {
    field(reply, "type", name);
    reply.bulk(b"spec");
    reply.map(fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_where_they_can_be() {
        let of = |specs: &[KeySpec]| {
            let range = KeyRange::of(specs);
            (range.first, range.last, range.step, range.is_all)
        };
        let one = |index| KeySpec::one(KeyFlags::RO, index);
        let keyword = KeySpec { begin: Begin::Keyword("STREAMS", 1), ..one(1) };
        assert_eq!(of(&[]), (0, 0, 0, true));
        assert_eq!(of(&[one(1)]), (1, 1, 1, true));
        assert_eq!(of(&[KeySpec::rest(KeyFlags::OW, 1, 2)]), (1, -1, 2, true));
        assert_eq!(of(&[one(1), one(2)]), (1, 2, 1, true));
        assert_eq!(of(&[one(2), KeySpec::rest(KeyFlags::RO, 3, 1)]), (2, -1, 1, true));
        assert_eq!(of(&[one(1), KeySpec::counted(KeyFlags::RO, 2, 1)]), (1, 1, 1, false));
        assert_eq!(of(&[KeySpec::counted(KeyFlags::RO, 1, 1)]), (0, 0, 0, false));
        assert_eq!(of(&[keyword]), (0, 0, 0, false));
        let incomplete = KeySpec::one(KeyFlags::RO.and(KeyFlags::INCOMPLETE), 1);
        assert_eq!(of(&[incomplete]), (1, 1, 1, false));
    }
}
