//! The library `cmsgpack` of scripts: values to MessagePack and back.
use super::lua::{Callback, Lua, Raise, Type};

/// Tables within tables, at most; deeper ones become nil.
const DEPTH_MAX: usize = 16;

const FUNCTIONS: &[(&str, Callback)] =
    &[("pack", pack), ("unpack", unpack), ("unpack_one", unpack_one), ("unpack_limit", unpack_limit)];

/// Pushes the table.
pub(super) fn push(lua: Lua) {
    lua.push_table(0, 8);
    for (name, function) in FUNCTIONS {
        lua.push_callback(*function);
        lua.raw_set_field(-2, name);
    }
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        lua.push_bytes(text.as_bytes());
        lua.raw_set_field(-2, name);
    }
}

fn pack(lua: Lua) -> Result<i32, Raise> {
    let count = lua.top();
    if count == 0 {
        return Err(lua.raise_argument(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    if !lua.has_room(1) {
        return Err(lua.raise("stack overflow"));
    }
    for at in 1..=count {
        lua.push_value(at);
        append(lua, &mut out, 0);
        lua.pop(1);
    }
    lua.push_bytes(&out);
    Ok(1)
}

/// Appends the value at the top of the stack, which stays.
fn append(lua: Lua, out: &mut Vec<u8>, depth: usize) {
    match lua.type_of(-1) {
        Type::String => append_string(out, lua.bytes(-1).unwrap_or_default()),
        Type::Boolean => out.push(if lua.boolean(-1) { 0xc3 } else { 0xc2 }),
        Type::Number => append_number(out, lua.number(-1)),
        Type::Table if depth < DEPTH_MAX && lua.has_room(4) => append_table(lua, out, depth),
        _ => out.push(0xc0),
    }
}

fn append_string(out: &mut Vec<u8>, text: &[u8]) {
    match text.len() {
        length @ 0..32 => out.push(0xa0 | length as u8),
        length @ 32..0x100 => out.extend_from_slice(&[0xd9, length as u8]),
        length => append_length(out, length, 0xda),
    }
    out.extend_from_slice(text);
}

/// A length in two bytes behind `mark`, or in four behind the mark after it.
fn append_length(out: &mut Vec<u8>, length: usize, mark: u8) {
    if let Ok(length) = u16::try_from(length) {
        out.push(mark);
        out.extend_from_slice(&length.to_be_bytes());
    } else {
        out.push(mark + 1);
        out.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

fn append_number(out: &mut Vec<u8>, number: f64) {
    let whole = number as i64;
    if whole as f64 == number && whole != i64::MAX {
        return append_integer(out, whole);
    }
    let single = number as f32;
    if f64::from(single) == number {
        out.push(0xca);
        out.extend_from_slice(&single.to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn append_integer(out: &mut Vec<u8>, number: i64) {
    // Its last bytes, behind a mark that tells how many.
    let (mark, bytes) = match number {
        -32..=0x7f => return out.push(number as u8),
        0x80..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -0x80..-32 => (0xd0, 1),
        -0x8000..-0x80 => (0xd1, 2),
        -0x8000_0000..-0x8000 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(mark);
    out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
}

fn append_table(lua: Lua, out: &mut Vec<u8>, depth: usize) {
    let (mut largest, mut count, mut is_array) = (0.0_f64, 0_usize, true);
    lua.push_nil();
    while lua.next(-2) {
        lua.pop(1);
        let key = lua.number(-1);
        is_array &= lua.type_of(-1) == Type::Number && key.floor() == key && key > 0.0;
        largest = largest.max(key);
        count += 1;
    }
    let head = |out: &mut Vec<u8>, few: u8, mark: u8| {
        if count < 16 { out.push(few | count as u8) } else { append_length(out, count, mark) }
    };
    if is_array && largest == count as f64 {
        head(out, 0x90, 0xdc);
        for index in 1..=count {
            lua.raw_get_at(-1, index);
            append(lua, out, depth + 1);
            lua.pop(1);
        }
        return;
    }
    head(out, 0x80, 0xde);
    lua.push_nil();
    while lua.next(-2) {
        lua.push_value(-2);
        append(lua, out, depth + 1);
        lua.pop(1);
        append(lua, out, depth + 1);
        lua.pop(1);
    }
}

fn unpack(lua: Lua) -> Result<i32, Raise> {
    unpack_some(lua, None, 0)
}

fn unpack_one(lua: Lua) -> Result<i32, Raise> {
    let offset = whole_or(lua, 2, Some(0))?;
    unpack_some(lua, Some(1), offset)
}

fn unpack_limit(lua: Lua) -> Result<i32, Raise> {
    let limit = whole_or(lua, 2, None)?;
    let offset = whole_or(lua, 3, Some(0))?;
    unpack_some(lua, Some(limit), offset)
}

fn whole_or(lua: Lua, at: i32, otherwise: Option<i32>) -> Result<i32, Raise> {
    match (lua.type_of(at), otherwise) {
        (Type::Nil, Some(otherwise)) => Ok(otherwise),
        _ => lua.to_number(at).map(|number| number as i32).ok_or_else(|| lua.raise_type(at, "number")),
    }
}

/// Pushes up to `limit` values, behind the place where they end; all of them without it.
fn unpack_some(lua: Lua, limit: Option<i32>, offset: i32) -> Result<i32, Raise> {
    let Some(data) = lua.to_bytes(1) else {
        return Err(lua.raise_type(1, "string"));
    };
    let count_max = limit.unwrap_or(i32::MAX);
    let Ok(begin) =
        usize::try_from(offset).map_err(drop).and_then(|at| if count_max < 0 { Err(()) } else { Ok(at) })
    else {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {}.", data.len());
        return Err(lua.raise(text));
    };
    let Some(rest) = data.get(begin..) else {
        let text = format!("Start offset {offset} greater than input length {}.", data.len());
        return Err(lua.raise(text));
    };
    lua.set_top(1);
    let mut reader = Reader { lua, rest };
    let mut count = 0;
    while !reader.rest.is_empty() && count < count_max {
        reader.value()?;
        count += 1;
    }
    if limit.is_some() {
        let end = if reader.rest.is_empty() { -1.0 } else { (data.len() - reader.rest.len()) as f64 };
        lua.push_number(end);
        lua.insert(2);
        count += 1;
    }
    Ok(count)
}

struct Reader<'a> {
    lua: Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Raise> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.lua.raise("Missing bytes in input."));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn bad(&self) -> Raise {
        self.lua.raise("Bad data format in input.")
    }

    /// A whole number of so many bytes.
    fn unsigned(&mut self, count: usize) -> Result<u64, Raise> {
        Ok(self.take(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, count: usize) -> Result<i64, Raise> {
        let unused = 64 - 8 * count as u32;
        Ok((self.unsigned(count)? << unused) as i64 >> unused)
    }

    /// Pushes the next value.
    fn value(&mut self) -> Result<(), Raise> {
        let lua = self.lua;
        if !lua.has_room(5) {
            return Err(lua.raise("stack overflow (in function mp_decode_to_lua_type)"));
        }
        let mark = self.take(1)?[0];
        match mark {
            0x00..=0x7f => lua.push_number(f64::from(mark)),
            0x80..=0x8f => self.map(usize::from(mark & 15))?,
            0x90..=0x9f => self.array(usize::from(mark & 15))?,
            0xa0..=0xbf => self.string(usize::from(mark & 31))?,
            0xc0 => lua.push_nil(),
            0xc2 | 0xc3 => lua.push_boolean(mark == 0xc3),
            0xca => {
                let bits = self.unsigned(4)? as u32;
                lua.push_number(f64::from(f32::from_bits(bits)));
            }
            0xcb => lua.push_number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => lua.push_number(self.unsigned(1 << (mark - 0xcc))? as f64),
            0xd0..=0xd3 => lua.push_number(self.signed(1 << (mark - 0xd0))? as f64),
            0xd9..=0xdb => {
                let length = self.unsigned(1 << (mark - 0xd9))? as usize;
                self.string(length)?;
            }
            0xc4..=0xc6 => {
                let length = self.unsigned(1 << (mark - 0xc4))? as usize;
                self.string(length)?;
            }
            0xdc | 0xdd => {
                let count = self.unsigned(2 << (mark - 0xdc))? as usize;
                self.array(count)?;
            }
            0xde | 0xdf => {
                let count = self.unsigned(2 << (mark - 0xde))? as usize;
                self.map(count)?;
            }
            0xe0.. => lua.push_number(f64::from(mark as i8)),
            _ => return Err(self.bad()),
        }
        Ok(())
    }

    fn string(&mut self, length: usize) -> Result<(), Raise> {
        let text = self.take(length)?;
        self.lua.push_bytes(text);
        Ok(())
    }

    fn array(&mut self, count: usize) -> Result<(), Raise> {
        // What is announced need not be there.
        self.lua.push_table(count.min(self.rest.len()), 0);
        for index in 1..=count {
            self.value()?;
            self.lua.raw_set_at(-2, index);
        }
        Ok(())
    }

    fn map(&mut self, count: usize) -> Result<(), Raise> {
        let lua = self.lua;
        lua.push_table(0, count.min(self.rest.len()));
        for _ in 0..count {
            self.value()?;
            let is_key = match lua.type_of(-1) {
                Type::Nil => false,
                Type::Number => !lua.number(-1).is_nan(),
                _ => true,
            };
            if !is_key {
                return Err(self.bad());
            }
            self.value()?;
            lua.raw_set(-3);
        }
        Ok(())
    }
}
