//! Who a connection is: CLIENT ID, GETNAME, SETNAME, SETINFO.
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const ID: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|id",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Returns the unique client ID of the connection.",
        since: "5.0.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: id,
    subcommands: &[],
};
fn id(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.integer(cx.conn.id as i64);
    Ok(Verdict::Done)
}

pub(super) const GETNAME: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|getname",
        arity: 2,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Returns the name of the connection.",
        since: "2.6.9",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: getname,
    subcommands: &[],
};
fn getname(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    match &cx.conn.session.name[..] {
        [] => cx.reply.null(),
        name => cx.reply.bulk(name),
    }
    Ok(Verdict::Done)
}

pub(super) const SETNAME: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|setname",
        arity: 3,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Sets the connection name.",
        since: "2.6.9",
        complexity: "O(1)",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::new("connection-name", ArgKind::String)],
        ..Spec::DEFAULT
    },
    run: setname,
    subcommands: &[],
};
fn setname(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    cx.conn.session.name = checked_name(args[2], "Client names")?.to_vec();
    cx.reply.ok();
    Ok(Verdict::Done)
}

pub(super) const SETINFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|setinfo",
        arity: 4,
        flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
        group: Group::Connection,
        summary: "Sets information specific to the client or connection.",
        since: "7.2.0",
        complexity: "O(1)",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::new(
            "attr",
            ArgKind::OneOf(&[
                Arg::new("libname", ArgKind::String).token("lib-name"),
                Arg::new("libver", ArgKind::String).token("lib-ver"),
            ]),
        )],
        ..Spec::DEFAULT
    },
    run: setinfo,
    subcommands: &[],
};
fn setinfo(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let session = &mut cx.conn.session;
    let place = match () {
        () if args[2].eq_ignore_ascii_case(b"lib-name") => &mut session.lib_name,
        () if args[2].eq_ignore_ascii_case(b"lib-ver") => &mut session.lib_version,
        () => return Err(Fault::quoting("ERR Unrecognized option '", args[2], "'")),
    };
    *place = checked_name(args[3], &String::from_utf8_lossy(args[2]))?.to_vec();
    cx.reply.ok();
    Ok(Verdict::Done)
}

/// A name as it may stand in a line of CLIENT LIST: of visible ASCII, or empty. `what` begins the fault.
pub(in crate::commands) fn checked_name<'a>(name: &'a [u8], what: &str) -> Result<&'a [u8], Fault> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(name);
    }
    Err(Fault::text(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}
