//! Client-side caching: CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR.
use super::line::redirect;
use crate::commands::{Outcome, Server, ServerCommand, Verdict};
use crate::pubsub::{Place, Redirect, Tracker};
use crate::thread::conn::{Choice, Tracking};
use crate::thread::core::Core;
use shards::commands::Args;
use shards::fault::{Fault, NOT_INTEGER, SYNTAX};
use shards::number::parse_i64;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::{Arc, Mutex, PoisonError};

/// What these commands have in common.
const SPEC: Spec = Spec {
    flags: Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE),
    group: Group::Connection,
    since: "6.0.0",
    complexity: "O(1)",
    ..Spec::DEFAULT
};

pub(super) const TRACKING: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|tracking",
        arity: -3,
        summary: "Controls server-assisted client-side caching for the connection.",
        complexity: "O(1). Some options may introduce additional complexity.",
        args: &[
            Arg::new("status", ArgKind::OneOf(&[Arg::word("on", "ON"), Arg::word("off", "OFF")])),
            Arg::new("client-id", ArgKind::Integer).token("REDIRECT").optional(),
            Arg::new("prefix", ArgKind::String).token("PREFIX").optional().multiple().multiple_token(),
            Arg::word("bcast", "BCAST").optional(),
            Arg::word("optin", "OPTIN").optional(),
            Arg::word("optout", "OPTOUT").optional(),
            Arg::word("noloop", "NOLOOP").optional(),
        ],
        ..SPEC
    },
    run: tracking,
    subcommands: &[],
};
fn tracking(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let words = args[3..].windows(2).find(|words| words[0].eq_ignore_ascii_case(b"redirect"));
    let wanted = words.and_then(|words| parse_i64(words[1])).and_then(|id| u64::try_from(id).ok());
    let Some(wanted) = wanted else { return set_tracking(cx, args, None) };
    // Whether it is there, and where, its thread knows.
    let found = Arc::new(Mutex::new(None));
    let told = Arc::clone(&found);
    let ask = move |core: &mut Core| {
        if let Some(conn) = core.conns().find(|conn| conn.id == wanted) {
            let place = Place { thread: core.id, token: conn.token };
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        }
    };
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.to_vec()).collect();
    Ok(Verdict::ask(ask, move |server| {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let place = *found.lock().unwrap_or_else(PoisonError::into_inner);
        set_tracking(server, &args, place).unwrap_or_else(|fault| {
            server.reply.error(&fault.0);
            Verdict::Done
        })
    }))
}

/// What was asked for.
#[derive(Default)]
struct Wish {
    redirect: Option<Redirect>,
    broadcast: bool,
    prefixes: Vec<Box<[u8]>>,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
}

impl Wish {
    /// Reads the options; who is redirected to is at this place, if anywhere.
    fn read(mut args: Args<'_>, place: Option<Place>) -> Result<Wish, Fault> {
        let mut wish = Wish::default();
        while let Some((word, rest)) = args.split_first() {
            args = rest;
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            match rest.split_first() {
                Some((id, rest)) if is(b"redirect") => {
                    args = rest;
                    if wish.redirect.is_some() {
                        return Err(Fault::new("ERR A client can only redirect to a single other client"));
                    }
                    let id = parse_i64(id).ok_or(NOT_INTEGER)?;
                    if place.is_none() {
                        return Err(Fault::new("ERR The client ID you want redirect to does not exist"));
                    }
                    wish.redirect = Some(Redirect { id: id as u64, place });
                }
                Some((prefix, rest)) if is(b"prefix") => {
                    args = rest;
                    wish.prefixes.push((*prefix).into());
                }
                _ if is(b"bcast") => wish.broadcast = true,
                _ if is(b"optin") => wish.opt_in = true,
                _ if is(b"optout") => wish.opt_out = true,
                _ if is(b"noloop") => wish.no_loop = true,
                _ => return Err(SYNTAX),
            }
        }
        Ok(wish)
    }

    /// Whether it can be, after what there is.
    fn check(&self, now: Option<&Tracking>) -> Result<(), Fault> {
        if !self.broadcast && !self.prefixes.is_empty() {
            return Err(Fault::new("ERR PREFIX option requires BCAST mode to be enabled"));
        }
        if now.is_some_and(|now| now.prefixes.is_some() != self.broadcast) {
            return Err(Fault::new(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
                 with a different mode.",
            ));
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return Err(Fault::new("ERR OPTIN and OPTOUT are not compatible with BCAST"));
        }
        if self.opt_in && self.opt_out {
            return Err(Fault::new("ERR You can't specify both OPTIN mode and OPTOUT mode"));
        }
        let choice = now.map_or(Choice::All, |now| now.choice);
        if self.opt_in && choice == Choice::OptOut || self.opt_out && choice == Choice::OptIn {
            return Err(Fault::new(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
                 with a different mode.",
            ));
        }
        let old = now.and_then(|now| now.prefixes.as_deref()).unwrap_or_default();
        if self.broadcast { self.check_prefixes(old) } else { Ok(()) }
    }

    /// Whether no prefix begins with another.
    fn check_prefixes(&self, old: &[Box<[u8]>]) -> Result<(), Fault> {
        let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        let collision = |prefix: &[u8], which: &str, other: &[u8]| {
            let middle = format!("' overlaps with {which} prefix '");
            let end = b"'. Prefixes for a single client must not overlap.";
            Err(Fault::text([b"ERR Prefix '", prefix, middle.as_bytes(), other, end].concat()))
        };
        for (index, prefix) in self.prefixes.iter().enumerate() {
            if let Some(other) = old.iter().find(|other| overlap(prefix, other)) {
                return collision(prefix, "an existing", other);
            }
            if let Some(other) = self.prefixes[index + 1..].iter().find(|other| overlap(prefix, other)) {
                return collision(prefix, "another provided", other);
            }
        }
        Ok(())
    }
}

fn set_tracking(cx: &mut Server<'_>, args: Args<'_>, place: Option<Place>) -> Outcome {
    let wish = Wish::read(&args[3..], place)?;
    if args[2].eq_ignore_ascii_case(b"off") {
        cx.core.end_tracking(cx.conn);
        cx.reply.ok();
        return Ok(Verdict::Done);
    }
    if !args[2].eq_ignore_ascii_case(b"on") {
        return Err(SYNTAX);
    }
    wish.check(cx.conn.session.tracking.as_deref())?;
    turn_on(cx, wish);
    cx.reply.ok();
    Ok(Verdict::Done)
}

fn turn_on(cx: &mut Server<'_>, wish: Wish) {
    let before = cx.conn.session.tracking.take();
    let prefixes = wish.broadcast.then(|| {
        let mut all = before.as_ref().and_then(|before| before.prefixes.clone()).unwrap_or_default();
        all.extend(wish.prefixes);
        // Without a prefix it is all keys.
        if all.is_empty() {
            all.push(Box::default());
        }
        all.sort_unstable();
        all
    });
    let tracker = Tracker {
        place: Place { thread: cx.core.id, token: cx.conn.token },
        no_loop: wish.no_loop,
        redirect: wish.redirect,
        prefixes: prefixes.clone(),
    };
    cx.core.shared.exchange.track(cx.conn.id, tracker);
    let choice = match (wish.opt_in, wish.opt_out) {
        (true, _) => Choice::OptIn,
        (_, true) => Choice::OptOut,
        _ => Choice::All,
    };
    cx.conn.session.tracking = Some(Box::new(Tracking {
        prefixes,
        choice,
        no_loop: wish.no_loop,
        redirect: wish.redirect.map(|redirect| redirect.id),
        is_broken: false,
        is_chosen: before.is_some_and(|before| before.is_chosen),
    }));
}

pub(super) const CACHING: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|caching",
        arity: 3,
        summary: "Instructs the server whether to track the keys in the next request.",
        args: &[Arg::new("mode", ArgKind::OneOf(&[Arg::word("yes", "YES"), Arg::word("no", "NO")]))],
        ..SPEC
    },
    run: caching,
    subcommands: &[],
};
fn caching(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let Some(tracking) = &mut cx.conn.session.tracking else {
        return Err(Fault::new(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let (choice, fault) = match () {
        () if args[2].eq_ignore_ascii_case(b"yes") => {
            (Choice::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
        }
        () if args[2].eq_ignore_ascii_case(b"no") => {
            (Choice::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
        }
        () => return Err(SYNTAX),
    };
    if tracking.choice != choice {
        return Err(Fault::new(fault));
    }
    tracking.is_chosen = true;
    cx.reply.ok();
    Ok(Verdict::Done)
}

pub(super) const GETREDIR: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|getredir",
        arity: 2,
        summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
        ..SPEC
    },
    run: getredir,
    subcommands: &[],
};
fn getredir(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    cx.reply.integer(redirect(&cx.conn.session));
    Ok(Verdict::Done)
}

pub(super) const TRACKINGINFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "client|trackinginfo",
        arity: 2,
        summary: "Returns information about server-assisted client-side caching for the connection.",
        since: "6.2.0",
        ..SPEC
    },
    run: trackinginfo,
    subcommands: &[],
};
fn trackinginfo(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    let tracking = cx.conn.session.tracking.as_deref();
    let is = |what: fn(&Tracking) -> bool| tracking.is_some_and(what);
    let flags = [
        (tracking.is_none(), "off"),
        (tracking.is_some(), "on"),
        (is(|tracking| tracking.prefixes.is_some()), "bcast"),
        (is(|tracking| tracking.choice == Choice::OptIn), "optin"),
        (is(|tracking| tracking.choice == Choice::OptIn && tracking.is_chosen), "caching-yes"),
        (is(|tracking| tracking.choice == Choice::OptOut), "optout"),
        (is(|tracking| tracking.choice == Choice::OptOut && tracking.is_chosen), "caching-no"),
        (is(|tracking| tracking.no_loop), "noloop"),
        (is(|tracking| tracking.is_broken), "broken_redirect"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(is_so, _)| *is_so).map(|(_, flag)| *flag).collect();
    let prefixes = tracking.and_then(|tracking| tracking.prefixes.as_deref()).unwrap_or_default();
    let reply = &mut *cx.reply;
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"redirect");
    reply.integer(redirect(&cx.conn.session));
    reply.bulk(b"prefixes");
    reply.bulks(prefixes.iter().map(|prefix| &**prefix));
    Ok(Verdict::Done)
}
