//! The globals of scripts: what Redis leaves of the standard library, and locks, so that no script can leave something to another.
//!
//! A locked table is an empty one in front of the real one: what it lacks (everything) is looked up behind it, and writing to it,
//! which would be adding to it, is an error. Functions that look past metatables are replaced by ones that know of locks.
use super::lua::{Ended, GLOBALS, Index, Lua, REGISTRY, Raise, Type, UPVALUE};
use super::{bit, cjson, cmsgpack, structs};
use std::ffi::CString;

/// The globals that scripts have. Redis 7.0's, and `os`, of which newer ones leave the clock.
const GLOBAL_NAMES: &[&str] = &[
    "_VERSION",
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];
/// Where a metatable of a locked table names the real one: a key that no script has.
const LOCK: usize = 1;
/// Where the registry keeps the real table of globals.
const REAL_GLOBALS: usize = 2;
/// Where the registry keeps what the code of a library sees in their place while it is loaded.
const LOADING_GLOBALS: usize = 3;
const READ_ONLY: &str = "Attempt to modify a readonly table";

/// Makes the globals of a machine what they are to be.
pub(super) fn build(lua: Lua) {
    keep_only(lua);
    let functions: [(&str, super::lua::Callback); 11] = [
        ("getmetatable", getmetatable),
        ("setmetatable", setmetatable),
        ("rawget", rawget),
        ("rawset", rawset),
        ("next", next),
        ("pcall", pcall),
        ("load", load),
        ("loadstring", loadstring),
        ("collectgarbage", collectgarbage),
        ("gcinfo", gcinfo),
        ("__redis__err__handler", super::api::handle_error),
    ];
    for (name, function) in functions {
        lua.push_callback(function);
        lua.raw_set_field(GLOBALS, name);
    }
    lua.raw_field(GLOBALS, "next");
    lua.push_callback_over(pairs);
    lua.raw_set_field(GLOBALS, "pairs");
    lua.raw_field(GLOBALS, "math");
    for (name, function) in [("random", random as super::lua::Callback), ("randomseed", randomseed)] {
        lua.push_callback(function);
        lua.raw_set_field(-2, name);
    }
    lua.pop(1);
    // The others find nothing to do in a locked table, which is empty.
    lua.raw_field(GLOBALS, "table");
    lua.push_callback(insert);
    lua.raw_set_field(-2, "insert");
    lua.pop(1);
    super::api::push(lua);
    lua.raw_set_field(GLOBALS, "redis");
    add_library(lua, "bit", bit::FUNCTIONS);
    add_library(lua, "struct", structs::FUNCTIONS);
    cmsgpack::push(lua);
    lua.raw_set_field(GLOBALS, "cmsgpack");
    cjson::push(lua);
    lua.raw_set_field(GLOBALS, "cjson");
    add_library(lua, "os", &[("clock", clock)]);
    lock_all(lua);
}

/// Adds a library of functions.
fn add_library(lua: Lua, name: &str, functions: &[(&str, super::lua::Callback)]) {
    lua.push_table(0, functions.len());
    for (name, function) in functions {
        lua.push_callback(*function);
        lua.raw_set_field(-2, name);
    }
    lua.raw_set_field(GLOBALS, name);
}

/// Removes from the globals what is not on the list.
fn keep_only(lua: Lua) {
    let mut others = Vec::new();
    lua.push_nil();
    while lua.next(GLOBALS) {
        lua.pop(1);
        let name = lua.bytes(-1).unwrap_or_default().to_vec();
        if !GLOBAL_NAMES.iter().any(|known| known.as_bytes() == name) {
            others.push(name);
        }
    }
    for name in others {
        lua.push_bytes(&name);
        lua.push_nil();
        lua.raw_set(GLOBALS);
    }
}

/// Locks the tables among the globals, the strings' metatable, and the globals themselves.
fn lock_all(lua: Lua) {
    let mut tables = Vec::new();
    lua.push_nil();
    while lua.next(GLOBALS) {
        if lua.type_of(-1) == Type::Table {
            tables.push(lua.bytes(-2).unwrap_or_default().to_vec());
        }
        lua.pop(1);
    }
    for name in tables {
        lua.push_bytes(&name);
        lua.push_bytes(&name);
        lua.raw_get(GLOBALS);
        push_locked(lua, false);
        lua.raw_set(GLOBALS);
    }
    // Strings keep the real functions; what a script sees of their metatable is another one.
    lua.push_bytes(b"");
    if lua.push_metatable(-1) {
        lua.push_table(0, 1);
        lua.raw_field(GLOBALS, "string");
        lua.raw_set_field(-2, "__index");
        push_locked(lua, false);
        lua.raw_set_field(-2, "__metatable");
        lua.pop(1);
    }
    lua.pop(1);
    lua.push_light(REAL_GLOBALS);
    lua.push_value(GLOBALS);
    lua.raw_set(REGISTRY);
    lua.push_value(GLOBALS);
    add_nonexistent(lua);
    push_locked(lua, true);
    lua.push_value(-1);
    lua.raw_set_field(GLOBALS, "_G");
    lua.replace(GLOBALS);
}

/// Puts a locked table in front of the one at the top of the stack, in its place.
fn push_locked(lua: Lua, is_globals: bool) {
    lua.push_table(0, 0);
    lua.push_table(0, 4);
    lua.push_value(-3);
    lua.raw_set_field(-2, "__index");
    lua.push_callback(refuse_write);
    lua.raw_set_field(-2, "__newindex");
    lua.push_light(LOCK);
    lua.push_value(-4);
    lua.raw_set(-3);
    if is_globals {
        lua.push_table(0, 0);
        lua.raw_set_field(-2, "__metatable");
    }
    lua.set_metatable(-2);
    lua.remove(-2);
}

/// Sets a global of all scripts: takes it off the stack.
pub(super) fn set_global(lua: Lua, name: &str) {
    lua.push_light(REAL_GLOBALS);
    lua.raw_get(REGISTRY);
    lua.insert(-2);
    lua.raw_set_field(-2, name);
    lua.pop(1);
}

/// Prepares the machine for [`show_globals`]: makes what libraries see while they are loaded, which is little.
pub(super) fn build_for_libraries(lua: Lua) {
    build(lua);
    lua.push_light(LOADING_GLOBALS);
    lua.push_table(0, 1);
    push_strict(lua, super::library::push_api);
    lua.raw_set_field(-2, "redis");
    add_nonexistent(lua);
    lua.raw_set(REGISTRY);
}

/// Pushes a locked table in which what does not exist is an error.
fn push_strict(lua: Lua, push: fn(Lua)) {
    push(lua);
    add_nonexistent(lua);
    push_locked(lua, false);
}

/// Makes it an error to look up what does not exist in the table at the top of the stack.
fn add_nonexistent(lua: Lua) {
    lua.push_table(0, 1);
    lua.push_callback(nonexistent);
    lua.raw_set_field(-2, "__index");
    lua.set_metatable(-2);
}

/// Chooses what globals there are: those of the code of a library, or those of functions and scripts.
pub(super) fn show_globals(lua: Lua, is_loading: bool) {
    lua.push_value(GLOBALS);
    if lua.push_metatable(-1) {
        lua.push_light(if is_loading { LOADING_GLOBALS } else { REAL_GLOBALS });
        lua.raw_get(REGISTRY);
        lua.raw_set_field(-2, "__index");
        lua.pop(1);
    }
    lua.pop(1);
}

fn refuse_write(lua: Lua) -> Result<i32, Raise> {
    Err(lua.raise(READ_ONLY))
}

fn nonexistent(lua: Lua) -> Result<i32, Raise> {
    let name = lua.to_bytes(2).unwrap_or_default();
    let mut text = b"Script attempted to access nonexistent global variable '".to_vec();
    text.extend_from_slice(name);
    text.push(b'\'');
    Err(lua.raise(text))
}

/// Pushes the real table behind a locked one; nothing if it is not locked.
fn push_behind(lua: Lua, at: Index) -> bool {
    if !lua.push_metatable(at) {
        return false;
    }
    lua.push_light(LOCK);
    lua.raw_get(-2);
    lua.remove(-2);
    if lua.type_of(-1) == Type::Nil {
        lua.pop(1);
        return false;
    }
    true
}

fn refuse_locked(lua: Lua, at: Index) -> Result<(), Raise> {
    if lua.type_of(at) == Type::Table && push_behind(lua, at) {
        return Err(lua.raise_bare(READ_ONLY.as_bytes()));
    }
    Ok(())
}

fn expect_table(lua: Lua, number: i32) -> Result<(), Raise> {
    if lua.type_of(number) == Type::Table { Ok(()) } else { Err(lua.raise_type(number, "table")) }
}

fn getmetatable(lua: Lua) -> Result<i32, Raise> {
    if lua.top() == 0 {
        return Err(lua.raise_argument(1, "value expected"));
    }
    if !lua.push_metatable(1) {
        lua.push_nil();
        return Ok(1);
    }
    lua.raw_field(-1, "__metatable");
    if lua.type_of(-1) == Type::Nil {
        lua.pop(1);
        if lua.type_of(1) == Type::Table && push_behind(lua, 1) {
            lua.push_nil();
        }
    }
    Ok(1)
}

fn setmetatable(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    if !matches!(lua.type_of(2), Type::Nil | Type::Table) || lua.top() < 2 {
        return Err(lua.raise_argument(2, "nil or table expected"));
    }
    refuse_locked(lua, 1)?;
    if lua.push_metatable(1) {
        lua.raw_field(-1, "__metatable");
        if lua.type_of(-1) != Type::Nil {
            return Err(lua.raise("cannot change a protected metatable"));
        }
    }
    lua.set_top(2);
    // A finalizer would run at any time: Lua 5.1 calls those of userdata only, of which there are none.
    lua.set_metatable(1);
    Ok(1)
}

fn rawget(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    lua.set_top(2);
    if push_behind(lua, 1) {
        lua.replace(1);
    }
    lua.raw_get(1);
    Ok(1)
}

fn rawset(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    refuse_locked(lua, 1)?;
    lua.set_top(3);
    match lua.type_of(2) {
        Type::Nil => return Err(lua.raise("table index is nil")),
        Type::Number if lua.number(2).is_nan() => return Err(lua.raise("table index is NaN")),
        _ => {}
    }
    lua.raw_set(1);
    Ok(1)
}

fn next(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    lua.set_top(2);
    if push_behind(lua, 1) {
        lua.replace(1);
    }
    // A key that the table does not have is an error in the library, which must not be raised here.
    if lua.type_of(2) != Type::Nil {
        lua.push_value(2);
        lua.raw_get(1);
        let is_there = lua.type_of(-1) != Type::Nil;
        lua.pop(1);
        if !is_there {
            return next_after_removed(lua);
        }
    }
    if lua.next(1) {
        Ok(2)
    } else {
        lua.push_nil();
        Ok(1)
    }
}

/// The key was removed while the table was walked, which is allowed, or was never there.
fn next_after_removed(lua: Lua) -> Result<i32, Raise> {
    lua.push_callback(next_unguarded);
    lua.insert(1);
    match lua.protected_call(2) {
        Ended::Well => Ok(lua.top()),
        Ended::Error => Err(Raise),
    }
}

fn next_unguarded(lua: Lua) -> Result<i32, Raise> {
    // An error leaves this frame, which holds nothing.
    if lua.next(1) {
        Ok(2)
    } else {
        lua.push_nil();
        Ok(1)
    }
}

/// `table.insert`.
fn insert(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    refuse_locked(lua, 1)?;
    let end = lua.raw_len(1) + 1;
    match lua.top() {
        2 => lua.raw_set_at(1, end),
        3 => {
            let Some(at) = lua.to_number(2) else {
                return Err(lua.raise_type(2, "number"));
            };
            let at = at as i32;
            for index in (at.saturating_add(1)..=i32::try_from(end).unwrap_or(i32::MAX)).rev() {
                lua.raw_get_at(1, (index - 1) as usize);
                lua.raw_set_at(1, index as usize);
            }
            lua.raw_set_at(1, at as usize);
        }
        _ => return Err(lua.raise("wrong number of arguments to 'insert'")),
    }
    Ok(0)
}

fn pairs(lua: Lua) -> Result<i32, Raise> {
    expect_table(lua, 1)?;
    lua.push_value(UPVALUE);
    lua.push_value(1);
    lua.push_nil();
    Ok(3)
}

/// As Redis's: the error of a command comes as its text.
fn pcall(lua: Lua) -> Result<i32, Raise> {
    let arguments = lua.top();
    if arguments == 0 {
        return Err(lua.raise_argument(1, "value expected"));
    }
    let ended = lua.protected_call(arguments - 1);
    if ended == Ended::Error && lua.type_of(-1) == Type::Table {
        lua.raw_field(-1, "err");
        if lua.is_stringlike(-1) {
            lua.replace(-2);
        } else {
            lua.pop(1);
        }
    }
    lua.push_boolean(ended == Ended::Well);
    lua.insert(1);
    Ok(lua.top())
}

fn loadstring(lua: Lua) -> Result<i32, Raise> {
    let Some(text) = lua.to_bytes(1) else {
        return Err(lua.raise_type(1, "string"));
    };
    let name = lua.to_bytes(2).unwrap_or(text);
    Ok(compile(lua, text, name))
}

fn load(lua: Lua) -> Result<i32, Raise> {
    if lua.type_of(1) != Type::Function {
        return Err(lua.raise_type(1, "function"));
    }
    let name = lua.to_bytes(2).unwrap_or(b"=(load)");
    let mut text = Vec::new();
    loop {
        lua.set_top(2);
        lua.push_value(1);
        if lua.protected_call(0) == Ended::Error {
            lua.push_nil();
            lua.insert(-2);
            return Ok(2);
        }
        lua.set_top(3);
        match lua.to_bytes(3) {
            Some(b"") => break,
            Some(piece) => text.extend_from_slice(piece),
            None if lua.type_of(3) == Type::Nil => break,
            None => {
                lua.push_nil();
                lua.push_bytes(b"reader function must return a string");
                return Ok(2);
            }
        }
    }
    Ok(compile(lua, &text, name))
}

/// Leaves the function, or nil and what is wrong with the text.
fn compile(lua: Lua, text: &[u8], name: &[u8]) -> i32 {
    let name: Vec<u8> = name.iter().copied().take_while(|byte| *byte != 0).collect();
    let name = CString::new(name).unwrap_or_default();
    match lua.compile(text, &name) {
        Ok(()) => 1,
        Err(Raise) => {
            lua.push_nil();
            lua.insert(-2);
            2
        }
    }
}

fn collectgarbage(lua: Lua) -> Result<i32, Raise> {
    let counts = lua.to_bytes(1) == Some(b"count");
    lua.push_number(if counts { lua.counted_kb() } else { 0.0 });
    Ok(1)
}

fn gcinfo(lua: Lua) -> Result<i32, Raise> {
    lua.push_number(lua.counted_kb());
    Ok(1)
}

fn clock(lua: Lua) -> Result<i32, Raise> {
    static SINCE: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    lua.push_number(SINCE.elapsed().as_secs_f64());
    Ok(1)
}

/// `lrand48` of the C library: the same numbers for every script, everywhere.
fn random(lua: Lua) -> Result<i32, Raise> {
    const LARGEST: f64 = 2_147_483_647.0;
    let number = lua.with_beside(|beside| {
        beside.dice = beside.dice.wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & 0xFFFF_FFFF_FFFF;
        (beside.dice >> 17) as f64
    });
    let part = number % LARGEST / LARGEST;
    let bound = |at| lua.to_number(at).map(f64::trunc).ok_or(at);
    let (least, most) = match lua.top() {
        0 => {
            lua.push_number(part);
            return Ok(1);
        }
        1 => (Ok(1.0), bound(1)),
        2 => (bound(1), bound(2)),
        _ => return Err(lua.raise("wrong number of arguments")),
    };
    let (least, most) = match (least, most) {
        (Ok(least), Ok(most)) => (least, most),
        (Err(at), _) | (_, Err(at)) => return Err(lua.raise_type(at, "number")),
    };
    if least > most {
        return Err(lua.raise_argument(lua.top(), "interval is empty"));
    }
    lua.push_number((part * (most - least + 1.0)).floor() + least);
    Ok(1)
}

fn randomseed(lua: Lua) -> Result<i32, Raise> {
    let Some(seed) = lua.to_number(1) else {
        return Err(lua.raise_type(1, "number"));
    };
    let seed = seed as i64 as u64 & 0xFFFF_FFFF;
    lua.with_beside(|beside| beside.dice = seed << 16 | 0x330E);
    Ok(0)
}
