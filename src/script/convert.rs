//! Between replies and the values of Lua, both ways.
use super::lua::{Lua, Type};
use shards::number::parse_i64;
use shards::reply::{Reply, Resp};

/// Slots of the stack that a level of nesting takes.
const ROOM: i32 = 6;

/// Pushes what the first reply of these bytes says, and gives back what follows it.
pub(super) fn push_reply(lua: Lua, bytes: &[u8]) -> &[u8] {
    let Some((line, rest)) = split_line(bytes) else {
        lua.push_nil();
        return &[];
    };
    if !lua.has_room(ROOM) {
        lua.push_nil();
        return rest;
    }
    let text = &line[1..];
    let count = || parse_i64(text).unwrap_or(-1);
    match line[0] {
        b':' => lua.push_number(count() as f64),
        b'$' => {
            let Ok(len) = usize::try_from(count()) else {
                lua.push_boolean(false);
                return rest;
            };
            lua.push_bytes(&rest[..len]);
            return &rest[len + 2..];
        }
        b'*' | b'>' => {
            let Ok(count) = usize::try_from(count()) else {
                lua.push_boolean(false);
                return rest;
            };
            lua.push_table(count, 0);
            return (1..=count).fold(rest, |rest, index| {
                let rest = push_reply(lua, rest);
                lua.raw_set_at(-2, index);
                rest
            });
        }
        b'%' => return push_wrapped(lua, "map", count() as usize, rest, true),
        b'~' => return push_wrapped(lua, "set", count() as usize, rest, false),
        b'+' => push_field(lua, "ok", text),
        b'-' => lua.push_error_table(text),
        b',' => {
            lua.push_table(0, 1);
            lua.push_number(shards::number::parse_f64(text).unwrap_or(f64::NAN));
            lua.raw_set_field(-2, "double");
        }
        b'#' => lua.push_boolean(text == b"t"),
        b'(' => push_field(lua, "big_number", text),
        b'=' => {
            let len = count() as usize;
            lua.push_table(0, 1);
            push_field(lua, "string", &rest[4..len]);
            lua.push_bytes(&rest[..3]);
            lua.raw_set_field(-2, "format");
            lua.raw_set_field(-2, "verbatim_string");
            return &rest[len + 2..];
        }
        _ => lua.push_nil(),
    }
    rest
}

/// A map or a set is a table in a field of a table.
fn push_wrapped<'a>(lua: Lua, name: &str, count: usize, mut rest: &'a [u8], is_map: bool) -> &'a [u8] {
    lua.push_table(0, 1);
    lua.push_table(0, count);
    for _ in 0..count {
        rest = push_reply(lua, rest);
        if is_map {
            rest = push_reply(lua, rest);
        } else {
            lua.push_boolean(true);
        }
        if lua.type_of(-2) == Type::Nil {
            lua.pop(2);
        } else {
            lua.raw_set(-3);
        }
    }
    lua.raw_set_field(-2, name);
    rest
}

fn push_field(lua: Lua, name: &str, text: &[u8]) {
    lua.push_table(0, 1);
    lua.push_bytes(text);
    lua.raw_set_field(-2, name);
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\r').filter(|end| *end > 0)?;
    Some((&bytes[..end], bytes.get(end + 2..)?))
}

/// Writes the value at the top of the stack as a reply, and takes it off. `script_resp` is the protocol that the script chose.
pub(super) fn write_value(lua: Lua, reply: &mut Reply, script_resp: Resp) {
    if !lua.has_room(ROOM) {
        reply.error(b"ERR reached lua stack limit");
        return lua.pop(1);
    }
    match lua.type_of(-1) {
        Type::String => reply.bulk(lua.bytes(-1).unwrap_or_default()),
        Type::Number => reply.integer(integer_of(lua.number(-1))),
        Type::Boolean => {
            let value = lua.boolean(-1);
            match (script_resp, value) {
                (Resp::V3, value) => reply.boolean(value),
                (Resp::V2, true) => reply.integer(1),
                (Resp::V2, false) => reply.null(),
            }
        }
        Type::Table => write_table(lua, reply, script_resp),
        _ => reply.null(),
    }
    lua.pop(1);
}

/// A number without its fraction; the least integer for what is none, as processors of the family x86 have it.
fn integer_of(number: f64) -> i64 {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if (-BEYOND..BEYOND).contains(&number) { number as i64 } else { i64::MIN }
}

/// Writes the table at the top of the stack, which stays.
fn write_table(lua: Lua, reply: &mut Reply, script_resp: Resp) {
    const SPECIAL: [(&str, Type, Write); 7] = [
        ("err", Type::String, write_error),
        ("ok", Type::String, write_status),
        ("double", Type::Number, write_double),
        ("map", Type::Table, write_map),
        ("set", Type::Table, write_set),
        ("big_number", Type::String, write_big_number),
        ("verbatim_string", Type::Table, write_verbatim),
    ];
    for (name, kind, write) in SPECIAL {
        lua.raw_field(-1, name);
        if lua.type_of(-1) == kind && write(lua, reply, script_resp) {
            return lua.pop(1);
        }
        lua.pop(1);
    }
    let mut count = 0;
    loop {
        lua.raw_get_at(-1, count + 1);
        let is_over = lua.type_of(-1) == Type::Nil;
        lua.pop(1);
        if is_over {
            break;
        }
        count += 1;
    }
    reply.array(count);
    for index in 1..=count {
        lua.raw_get_at(-1, index);
        write_value(lua, reply, script_resp);
    }
}

/// Writes what a special field holds, which is at the top of the stack and stays; whether it is what it should be.
type Write = fn(Lua, &mut Reply, Resp) -> bool;

fn without_line_ends(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

fn write_error(lua: Lua, reply: &mut Reply, _: Resp) -> bool {
    let text = lua.bytes(-1).unwrap_or_default();
    reply.error(text.strip_suffix(b"\r\n").unwrap_or(text));
    true
}

fn write_status(lua: Lua, reply: &mut Reply, _: Resp) -> bool {
    reply.bytes.push(b'+');
    reply.bytes.extend(without_line_ends(lua.bytes(-1).unwrap_or_default()));
    reply.bytes.extend_from_slice(b"\r\n");
    true
}

fn write_double(lua: Lua, reply: &mut Reply, _: Resp) -> bool {
    reply.double(lua.number(-1));
    true
}

fn write_map(lua: Lua, reply: &mut Reply, script_resp: Resp) -> bool {
    reply.map(field_count(lua));
    lua.push_nil();
    while lua.next(-2) {
        lua.push_value(-2);
        write_value(lua, reply, script_resp);
        write_value(lua, reply, script_resp);
    }
    true
}

fn write_set(lua: Lua, reply: &mut Reply, script_resp: Resp) -> bool {
    reply.set(field_count(lua));
    lua.push_nil();
    while lua.next(-2) {
        lua.pop(1);
        lua.push_value(-1);
        write_value(lua, reply, script_resp);
    }
    true
}

fn field_count(lua: Lua) -> usize {
    let mut count = 0;
    lua.push_nil();
    while lua.next(-2) {
        lua.pop(1);
        count += 1;
    }
    count
}

fn write_big_number(lua: Lua, reply: &mut Reply, _: Resp) -> bool {
    let digits = without_line_ends(lua.bytes(-1).unwrap_or_default());
    if reply.is_resp3() {
        reply.bytes.push(b'(');
        reply.bytes.extend(digits);
        reply.bytes.extend_from_slice(b"\r\n");
    } else {
        reply.bulk(&digits);
    }
    true
}

fn write_verbatim(lua: Lua, reply: &mut Reply, _: Resp) -> bool {
    lua.raw_field(-1, "string");
    lua.raw_field(-2, "format");
    let (text, format) = (lua.bytes(-2), lua.bytes(-1));
    let written = match (text, format) {
        (Some(text), Some(format)) => {
            // Three letters, whatever the script says.
            let mut letters = [b' '; 3];
            letters.iter_mut().zip(format).for_each(|(letter, given)| *letter = *given & 0x7f);
            reply.verbatim(std::str::from_utf8(&letters).unwrap_or("txt"), text);
            true
        }
        _ => false,
    };
    lua.pop(2);
    written
}
