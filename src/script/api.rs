//! The table `redis` of scripts.
use super::convert;
use super::lua::{Callback, Lua, Raise, Type};
use super::store::sha_of;
use shards::number::{format_g17, format_i64};
use shards::reply::Resp;
use smallvec::SmallVec;

const FUNCTIONS: &[(&str, Callback)] = &[
    ("call", call),
    ("pcall", pcall),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("sha1hex", sha1hex),
    ("log", log),
    ("setresp", setresp),
    ("set_repl", set_repl),
    ("replicate_commands", replicate_commands),
    ("breakpoint", breakpoint),
    ("debug", debug),
    ("acl_check_cmd", acl_check_cmd),
];
const NUMBERS: &[(&str, f64)] = &[
    ("LOG_DEBUG", 0.0),
    ("LOG_VERBOSE", 1.0),
    ("LOG_NOTICE", 2.0),
    ("LOG_WARNING", 3.0),
    ("REPL_NONE", 0.0),
    ("REPL_AOF", 1.0),
    ("REPL_SLAVE", 2.0),
    ("REPL_REPLICA", 2.0),
    ("REPL_ALL", 3.0),
];

const NO_ARGUMENT: &[u8] = b"ERR Please specify at least one argument for this redis lib call";
const BAD_ARGUMENT: &[u8] = b"ERR Lua redis lib command arguments must be strings or integers";
const WRONG_COUNT: &[u8] = b"ERR wrong number of arguments";

/// Pushes the table.
pub(super) fn push(lua: Lua) {
    lua.push_table(0, 32);
    for (name, function) in FUNCTIONS {
        lua.push_callback(*function);
        lua.raw_set_field(-2, name);
    }
    NUMBERS.iter().for_each(|number| add_number(lua, *number));
    add_version(lua);
}

/// Adds to the table at the top of the stack what libraries may use while they are loaded.
pub(super) fn add_for_loading(lua: Lua) {
    lua.push_callback(log);
    lua.raw_set_field(-2, "log");
    NUMBERS.iter().filter(|(name, _)| name.starts_with("LOG")).for_each(|number| add_number(lua, *number));
    add_version(lua);
}

fn add_number(lua: Lua, (name, number): (&str, f64)) {
    lua.push_number(number);
    lua.raw_set_field(-2, name);
}

fn add_version(lua: Lua) {
    let version = crate::config::version::REDIS_VERSION;
    lua.push_bytes(version.as_bytes());
    lua.raw_set_field(-2, "REDIS_VERSION");
    let parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    lua.push_number(f64::from(parts.fold(0, |number, part| number << 8 | part)));
    lua.raw_set_field(-2, "REDIS_VERSION_NUM");
}

fn call(lua: Lua) -> Result<i32, Raise> {
    match run(lua) {
        Ok(false) => Ok(1),
        Ok(true) | Err(Raise) => Err(Raise),
    }
}

fn pcall(lua: Lua) -> Result<i32, Raise> {
    // The error is what it gives back.
    Ok(run(lua).map_or(1, |_| 1))
}

/// The arguments of the running callback, as a command has them: numbers become strings in their places.
fn arguments<'a>(lua: Lua) -> Result<SmallVec<[&'a [u8]; 12]>, Raise> {
    let count = lua.top();
    if count == 0 {
        return Err(lua.raise_table(NO_ARGUMENT));
    }
    let mut args = SmallVec::with_capacity(count as usize);
    for at in 1..=count {
        if lua.type_of(at) == Type::Number {
            push_number_text(lua, lua.number(at));
            lua.replace(at);
        }
        let Some(bytes) = lua.bytes(at) else {
            return Err(lua.raise_table(BAD_ARGUMENT));
        };
        args.push(bytes);
    }
    Ok(args)
}

/// As commands take numbers: whole ones without an exponent, others with seventeen digits.
fn push_number_text(lua: Lua, number: f64) {
    let whole = number as i64;
    if whole as f64 == number && whole.unsigned_abs() < 100_000_000_000_000_000 {
        let mut digits = [0; 20];
        lua.push_bytes(format_i64(whole, &mut digits));
    } else {
        lua.push_bytes(format_g17(number).as_bytes());
    }
}

/// Runs a command and pushes its reply; whether that is an error.
fn run(lua: Lua) -> Result<bool, Raise> {
    let args = arguments(lua)?;
    let pushed = lua.with_host(|host| {
        host.call(&args)?;
        convert::push_reply(lua, &host.script.reply.bytes);
        Ok(host.script.reply.bytes.first() == Some(&b'-'))
    });
    match pushed {
        Some(Ok(is_error)) => Ok(is_error),
        Some(Err(shards::fault::Fault(text))) => Err(lua.raise_table(&text)),
        None => Err(lua.raise_table(b"ERR redis.call/pcall can only be called inside a script invocation")),
    }
}

fn error_reply(lua: Lua) -> Result<i32, Raise> {
    let Some(text) = only_string(lua) else { return Ok(1) };
    let text = text.strip_prefix(b"-").unwrap_or(text);
    if text.contains(&b' ') {
        lua.push_error_table(text);
    } else {
        lua.push_error_table(&[b"ERR ", text].concat());
    }
    Ok(1)
}

fn status_reply(lua: Lua) -> Result<i32, Raise> {
    if let Some(text) = only_string(lua) {
        lua.push_table(0, 1);
        lua.push_bytes(text);
        lua.raw_set_field(-2, "ok");
    }
    Ok(1)
}

/// The only argument, if it is a string; else pushes what there is to say about it.
fn only_string<'a>(lua: Lua) -> Option<&'a [u8]> {
    let text = lua.bytes(1).filter(|_| lua.top() == 1);
    if text.is_none() {
        lua.push_error_table(b"ERR wrong number or type of arguments");
    }
    text
}

fn sha1hex(lua: Lua) -> Result<i32, Raise> {
    if lua.top() != 1 {
        return Err(lua.raise_table(WRONG_COUNT));
    }
    let sha = sha_of(lua.to_bytes(1).unwrap_or_default());
    lua.push_bytes(&sha);
    Ok(1)
}

fn log(lua: Lua) -> Result<i32, Raise> {
    if lua.top() < 2 {
        return Err(lua.raise_table(b"ERR redis.log() requires two arguments or more."));
    }
    if lua.type_of(1) != Type::Number {
        return Err(lua.raise_table(b"ERR First argument must be a number (log level)."));
    }
    let level = lua.number(1);
    if !(0.0..=3.0).contains(&level) {
        return Err(lua.raise_table(b"ERR Invalid debug level."));
    }
    let words = (2..=lua.top()).filter_map(|at| lua.to_bytes(at));
    let text = words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    let line = format_args!("{text}");
    match level as u8 {
        0 => crate::log::debug(line),
        1 => crate::log::verbose(line),
        2 => crate::log::notice(line),
        _ => crate::log::warning(line),
    }
    Ok(0)
}

fn setresp(lua: Lua) -> Result<i32, Raise> {
    if lua.top() != 1 {
        return Err(lua.raise_table(b"ERR redis.setresp() requires one argument."));
    }
    let resp = match lua.number(1) {
        2.0 => Resp::V2,
        3.0 => Resp::V3,
        _ => return Err(lua.raise_table(b"ERR RESP version must be 2 or 3.")),
    };
    lua.with_host(|host| host.set_resp(resp));
    Ok(0)
}

/// What a script does is always recorded as its effects, everywhere.
fn set_repl(lua: Lua) -> Result<i32, Raise> {
    if lua.top() != 1 {
        return Err(lua.raise_table(b"ERR redis.set_repl() requires two arguments."));
    }
    if !(0.0..=3.0).contains(&lua.number(1)) {
        let text = b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(lua.raise_table(text));
    }
    Ok(0)
}

fn replicate_commands(lua: Lua) -> Result<i32, Raise> {
    lua.push_boolean(true);
    Ok(1)
}

/// There is no debugger to stop in.
fn breakpoint(lua: Lua) -> Result<i32, Raise> {
    lua.push_boolean(false);
    Ok(1)
}

fn debug(_: Lua) -> Result<i32, Raise> {
    Ok(0)
}

fn acl_check_cmd(lua: Lua) -> Result<i32, Raise> {
    let args = arguments(lua)?;
    match lua.with_host(|host| host.would_admit(&args)) {
        Some(Ok(is_admitted)) => {
            lua.push_boolean(is_admitted);
            Ok(1)
        }
        _ => Err(lua.raise_table(b"ERR Invalid command passed to redis.acl_check_cmd()")),
    }
}

/// What becomes of an error that a script does not catch: a table with its text, and where it happened.
pub(super) fn handle_error(lua: Lua) -> Result<i32, Raise> {
    lua.set_top(1);
    let place = lua.place(1).and_then(|place| if place.is_native { lua.place(2) } else { Some(place) });
    if lua.type_of(1) != Type::Table {
        let mut text = b"ERR ".to_vec();
        match lua.type_of(1) {
            Type::Nil => text.extend_from_slice(b"nil"),
            Type::Boolean => text.extend_from_slice(lua.boolean(1).to_string().as_bytes()),
            Type::String | Type::Number => text.extend_from_slice(lua.to_bytes(1).unwrap_or_default()),
            _ => {
                text.extend_from_slice(format!("{}: {:p}", lua.type_name(1), lua.pointer(1)).as_bytes());
            }
        }
        lua.push_error_table(&text);
        lua.replace(1);
    }
    if let Some(place) = place {
        lua.push_bytes(&place.source);
        lua.raw_set_field(1, "source");
        lua.push_number(f64::from(place.line));
        lua.raw_set_field(1, "line");
    }
    Ok(1)
}
