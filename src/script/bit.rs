//! The library `bit` of scripts: operations on numbers of 32 bits.
use super::lua::{Callback, Lua, Raise};

pub(super) const FUNCTIONS: &[(&str, Callback)] = &[
    ("tobit", tobit),
    ("bnot", bnot),
    ("band", |lua| fold(lua, |one, other| one & other)),
    ("bor", |lua| fold(lua, |one, other| one | other)),
    ("bxor", |lua| fold(lua, |one, other| one ^ other)),
    ("lshift", |lua| shift(lua, |number, by| number << by)),
    ("rshift", |lua| shift(lua, |number, by| number >> by)),
    ("arshift", |lua| shift(lua, |number, by| (number as i32 >> by) as u32)),
    ("rol", |lua| shift(lua, u32::rotate_left)),
    ("ror", |lua| shift(lua, u32::rotate_right)),
    ("bswap", bswap),
    ("tohex", tohex),
];

/// The lowest 32 bits of a number, rounded to the next whole one, halves to the even one.
fn bits(lua: Lua, at: i32) -> Result<u32, Raise> {
    let Some(number) = lua.to_number(at) else {
        return Err(lua.raise_type(at, "number"));
    };
    // Adding this puts the number, rounded, into the lowest bits of the sum.
    const SHIFTED: f64 = 6_755_399_441_055_744.0;
    Ok((number + SHIFTED).to_bits() as u32)
}

fn push(lua: Lua, bits: u32) -> Result<i32, Raise> {
    lua.push_number(f64::from(bits as i32));
    Ok(1)
}

fn tobit(lua: Lua) -> Result<i32, Raise> {
    push(lua, bits(lua, 1)?)
}

fn bnot(lua: Lua) -> Result<i32, Raise> {
    push(lua, !bits(lua, 1)?)
}

fn bswap(lua: Lua) -> Result<i32, Raise> {
    push(lua, bits(lua, 1)?.swap_bytes())
}

fn fold(lua: Lua, combine: fn(u32, u32) -> u32) -> Result<i32, Raise> {
    let mut result = bits(lua, 1)?;
    for at in 2..=lua.top() {
        result = combine(result, bits(lua, at)?);
    }
    push(lua, result)
}

fn shift(lua: Lua, shift: fn(u32, u32) -> u32) -> Result<i32, Raise> {
    let number = bits(lua, 1)?;
    let by = bits(lua, 2)? & 31;
    push(lua, shift(number, by))
}

/// In hexadecimal digits, as many as are asked for; in capitals where the count is negative.
fn tohex(lua: Lua) -> Result<i32, Raise> {
    let number = bits(lua, 1)?;
    let count = if lua.top() < 2 { 8 } else { bits(lua, 2)? as i32 };
    let digits = count.unsigned_abs().min(8) as usize;
    let text = if count < 0 { format!("{number:08X}") } else { format!("{number:08x}") };
    lua.push_bytes(&text.as_bytes()[8 - digits..]);
    Ok(1)
}
