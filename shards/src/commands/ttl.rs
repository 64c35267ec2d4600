//! When keys end: TTL, PTTL, EXPIRETIME and PEXPIRETIME.
use super::{Args, Command};
use crate::call::Call;
use crate::fault::Outcome;
use crate::spec::{Arg, Categories, Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[TTL, PTTL, EXPIRETIME, PEXPIRETIME];

const SPEC: Spec = Spec {
    arity: 2,
    flags: Flags::READ.and(Flags::FAST),
    acl: Categories::KEYSPACE,
    keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
    group: Group::Generic,
    complexity: "O(1)",
    args: &[Arg::key("key", 0)],
    ..Spec::DEFAULT
};
/// Those whose answer depends on when they are asked.
const RELATIVE: Spec =
    Spec { history: &[("2.8.0", "Added the -2 reply.")], tips: &["nondeterministic_output"], ..SPEC };

const TTL: Command = Command {
    spec: Spec { name: "ttl", summary: "Returns the expiration time in seconds of a key.", ..RELATIVE },
    run: |cx, args| tell(cx, args, |at_ms, now_ms| seconds(at_ms.saturating_sub(now_ms))),
    subcommands: &[],
};

const PTTL: Command = Command {
    spec: Spec {
        name: "pttl",
        summary: "Returns the expiration time in milliseconds of a key.",
        since: "2.6.0",
        ..RELATIVE
    },
    run: |cx, args| tell(cx, args, |at_ms, now_ms| at_ms.saturating_sub(now_ms)),
    subcommands: &[],
};

const EXPIRETIME: Command = Command {
    spec: Spec {
        name: "expiretime",
        summary: "Returns the expiration time of a key as a Unix timestamp.",
        since: "7.0.0",
        ..SPEC
    },
    run: |cx, args| tell(cx, args, |at_ms, _| seconds(at_ms)),
    subcommands: &[],
};

const PEXPIRETIME: Command = Command {
    spec: Spec {
        name: "pexpiretime",
        summary: "Returns the expiration time of a key as a Unix milliseconds timestamp.",
        since: "7.0.0",
        ..SPEC
    },
    run: |cx, args| tell(cx, args, |at_ms, _| at_ms),
    subcommands: &[],
};

/// Replies with what `time` makes of a key's end and now; -1 for a key without an end, -2 for none.
fn tell(cx: &mut Call<'_>, args: Args<'_>, time: impl Fn(i64, i64) -> i64) -> Outcome {
    let key = cx.key(args[1]);
    let now_ms = cx.now_ms;
    let number = match cx.lookup_about(key) {
        None => -2,
        Some(entry) => entry.expires_at_ms().map_or(-1, |at_ms| time(at_ms, now_ms)),
    };
    cx.reply.integer(number);
    Ok(())
}

/// Rounded to the nearest second.
fn seconds(ms: i64) -> i64 {
    ms / 1000 + i64::from(ms % 1000 >= 500)
}
