//! Strings: GET, SET and their kin.
use super::{Args, Command};
use crate::call::{Call, Expiry};
use crate::effects::Class;
use crate::fault::Outcome;
use crate::keyspace::Value;
use crate::spec::{Flags, Group, KeyFlags, KeySpec, Spec};

pub(super) const COMMANDS: &[Command] = &[GET, SET];

const STRING: Spec = Spec {
    group: Group::String,
    keys: &[KeySpec::one(KeyFlags::RO.and(KeyFlags::ACCESS), 1)],
    ..Spec::DEFAULT
};

const GET: Command = Command {
    spec: Spec {
        name: "get",
        arity: 2,
        flags: Flags::READ.and(Flags::FAST),
        summary: "Returns the string value of a key.",
        ..STRING
    },
    run: get,
    subcommands: &[],
};
fn get(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    match cx.keys.read_string(key)? {
        Some(value) => cx.reply.bulk(value.bytes(&mut [0; 20])),
        None => cx.reply.null(),
    }
    Ok(())
}

const SET: Command = Command {
    spec: Spec { name: "set", arity: -3, flags: Flags::WRITE.and(Flags::DENYOOM), ..STRING },
    run: set,
    subcommands: &[],
};
fn set(cx: &mut Call<'_>, args: Args<'_>) -> Outcome {
    let key = cx.key(args[1]);
    cx.set(key, Value::from_client(args[2]), Expiry::None);
    cx.wrote(key, Class::STRING, "set");
    cx.reply.ok();
    Ok(())
}
