//! CLIENT: a container for what clients ask and say about connections.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Flags, Group, Spec};

mod filter;
pub(super) mod identity;
mod line;
mod list;
mod modes;
mod pause;
mod tracking;

pub(super) const COMMANDS: &[ServerCommand] = &[CLIENT];

const SUBCOMMANDS: &[ServerCommand] = &[
    tracking::CACHING,
    identity::GETNAME,
    tracking::GETREDIR,
    HELP,
    identity::ID,
    list::INFO,
    list::KILL,
    list::LIST,
    modes::NO_EVICT,
    modes::NO_TOUCH,
    pause::PAUSE,
    modes::REPLY,
    identity::SETINFO,
    identity::SETNAME,
    tracking::TRACKING,
    tracking::TRACKINGINFO,
    modes::UNBLOCK,
    pause::UNPAUSE,
];

const CLIENT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client",
        arity: -2,
        group: Group::Connection,
        summary: "A container for client connection commands.",
        since: "2.4.0",
        complexity: "Depends on subcommand.",
        ..Spec::DEFAULT
    },
    run: client,
    subcommands: SUBCOMMANDS,
};
/// Called without a subcommand: the arity tells so before.
fn client(_: &mut Server<'_>, _: Args<'_>) -> Outcome {
    Err(Fault::arity("client"))
}

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        group: Group::Connection,
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        complexity: "O(1)",
        ..Spec::DEFAULT
    },
    run: help,
    subcommands: &[],
};
fn help(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    help::write(cx.reply, "CLIENT", HELP_LINES);
    Ok(Verdict::Done)
}

const HELP_LINES: &[&str] = &[
    "CACHING (YES|NO)",
    "    Say whether the keys of the next command are tracked, in the modes OPTIN and OPTOUT.",
    "GETNAME",
    "    The name of this connection.",
    "GETREDIR",
    "    The client that the invalidations of this connection are redirected to.",
    "ID",
    "    The number of this connection.",
    "INFO",
    "    This connection's line of CLIENT LIST.",
    "KILL <ip:port>",
    "    Close the connection from this address.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close all connections for which every option holds:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      It comes from this address.",
    "    * ID <client-id> [<client-id> ...]",
    "      It has one of these numbers.",
    "    * IDLE <seconds>",
    "      Nothing has come from it for so long.",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      It came to this address.",
    "    * MAXAGE <seconds>",
    "      It is at least so old.",
    "    * CAPA <letters>, DB <db-id>, FLAGS <letters>, IP <ip>, LIB-NAME <name>, LIB-VER <version>, NAME <name>",
    "      Its line in LIST says so.",
    "    * NOT-<option>, of all of these but IDLE, MAXAGE and SKIPME",
    "      It is not so.",
    "    * SKIPME (YES|NO)",
    "      Whether this connection is left out (default: yes).",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      It is of this type.",
    "    * USER <username>",
    "      It belongs to this user.",
    "LIST [<option> <value> [...]]",
    "    A line for each connection, or for those that fit the options of KILL (SKIPME: default no).",
    "NO-EVICT (ON|OFF)",
    "    Whether memory can never be won by closing this connection.",
    "NO-TOUCH (ON|OFF)",
    "    Whether this connection's commands leave LRU and LFU figures as they are.",
    "PAUSE <milliseconds> [WRITE|ALL]",
    "    Hold back the commands of all clients, or only writes, for so long.",
    "REPLY (ON|OFF|SKIP)",
    "    Whether this connection hears replies; SKIP silences the next one.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell the client library's name or version.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]] [OPTIN] [OPTOUT] [NOLOOP]",
    "    Whether this connection is told when keys that it has read, or keys with a prefix, change.",
    "TRACKINGINFO",
    "    How this connection's keys are tracked.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the waiting of a blocked client.",
    "UNPAUSE",
    "    End a pause.",
];
