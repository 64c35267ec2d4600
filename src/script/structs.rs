//! The library `struct` of scripts: numbers and strings as the bytes that a C program would lay out.
use super::lua::{Callback, Lua, Raise, Type};

pub(super) const FUNCTIONS: &[(&str, Callback)] = &[("pack", pack), ("unpack", unpack), ("size", size)];

/// The largest alignment, in bytes.
const ALIGN_MAX: usize = 16;
/// Bytes of a whole number, at most.
const INTEGER_BYTES_MAX: usize = 32;

/// What stands in a format, and how it is laid out.
#[derive(Clone, Copy, Debug)]
enum Item {
    /// `b B h H l L T i I`.
    Integer {
        bytes: usize,
        is_signed: bool,
    },
    Float,
    Double,
    /// `s`: up to a zero byte.
    ZeroEnded,
    /// `c`: so many characters; 0 is as many as there are, or as the last number says.
    Characters(usize),
    /// `x`.
    Padding,
}

/// A format as it is read.
#[derive(Debug)]
struct Format<'a> {
    text: &'a [u8],
    is_little: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Format<'a> {
        Format { text, is_little: true, align: 1 }
    }

    /// The number that stands here, if one does.
    fn number(&mut self, lua: Lua) -> Result<Option<usize>, Raise> {
        let digits = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(None);
        }
        let (number, rest) = self.text.split_at(digits);
        self.text = rest;
        let number = number.iter().try_fold(0_usize, |number, digit| {
            number
                .checked_mul(10)?
                .checked_add(usize::from(digit - b'0'))
                .filter(|number| *number <= i32::MAX as usize)
        });
        number.map(Some).ok_or_else(|| lua.raise("integral size overflow"))
    }

    fn integer(&mut self, lua: Lua, is_signed: bool) -> Result<Item, Raise> {
        let bytes = self.number(lua)?.unwrap_or(4);
        if bytes > INTEGER_BYTES_MAX {
            let text = format!("integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}");
            return Err(lua.raise(text));
        }
        Ok(Item::Integer { bytes, is_signed })
    }

    /// The next item; none at the end.
    fn next(&mut self, lua: Lua) -> Result<Option<Item>, Raise> {
        while let Some((&letter, rest)) = self.text.split_first() {
            self.text = rest;
            let fixed = |bytes, is_signed| Item::Integer { bytes, is_signed };
            let item = match letter {
                b'b' => fixed(1, true),
                b'B' => fixed(1, false),
                b'h' => fixed(2, true),
                b'H' => fixed(2, false),
                b'l' => fixed(8, true),
                b'L' | b'T' => fixed(8, false),
                b'i' => self.integer(lua, true)?,
                b'I' => self.integer(lua, false)?,
                b'f' => Item::Float,
                b'd' | b'n' => Item::Double,
                b's' => Item::ZeroEnded,
                b'c' => Item::Characters(self.number(lua)?.unwrap_or(1)),
                b'x' => Item::Padding,
                b' ' => continue,
                b'>' => {
                    self.is_little = false;
                    continue;
                }
                b'<' => {
                    self.is_little = true;
                    continue;
                }
                b'!' => {
                    let align = self.number(lua)?.unwrap_or(8);
                    if !align.is_power_of_two() {
                        return Err(lua.raise(format!("alignment {align} is not a power of 2")));
                    }
                    self.align = align.min(ALIGN_MAX);
                    continue;
                }
                _ => {
                    let text = format!("invalid format option '{}'", char::from(letter));
                    return Err(lua.raise_argument(1, &text));
                }
            };
            return Ok(Some(item));
        }
        Ok(None)
    }

    /// Bytes that come before an item at this place.
    fn gap(&self, item: Item, at: usize) -> usize {
        let align = item.size().min(self.align);
        if align < 2 || matches!(item, Item::Characters(_)) || !align.is_power_of_two() {
            return 0;
        }
        at.next_multiple_of(align) - at
    }
}

impl Item {
    fn size(self) -> usize {
        match self {
            Item::Integer { bytes, .. } => bytes,
            Item::Float => 4,
            Item::Double => 8,
            Item::ZeroEnded => 0,
            Item::Characters(count) => count,
            Item::Padding => 1,
        }
    }
}

fn format_of<'a>(lua: Lua) -> Result<Format<'a>, Raise> {
    lua.to_bytes(1).map(Format::new).ok_or_else(|| lua.raise_type(1, "string"))
}

fn pack(lua: Lua) -> Result<i32, Raise> {
    let mut format = format_of(lua)?;
    let mut out = Vec::new();
    let mut argument = 1;
    while let Some(item) = format.next(lua)? {
        out.resize(out.len() + format.gap(item, out.len()), 0);
        if let Item::Padding = item {
            out.push(0);
            continue;
        }
        argument += 1;
        match item {
            Item::Integer { bytes, .. } => {
                let number = number_of(lua, argument)?;
                let whole = if number < 0.0 { number as i64 as u64 } else { number as u64 };
                let start = out.len();
                out.extend((0..bytes).map(|at| if at < 8 { (whole >> (8 * at)) as u8 } else { 0 }));
                if !format.is_little {
                    out[start..].reverse();
                }
            }
            Item::Float => {
                let number = number_of(lua, argument)? as f32;
                let bytes = if format.is_little { number.to_le_bytes() } else { number.to_be_bytes() };
                out.extend_from_slice(&bytes);
            }
            Item::Double => {
                let number = number_of(lua, argument)?;
                let bytes = if format.is_little { number.to_le_bytes() } else { number.to_be_bytes() };
                out.extend_from_slice(&bytes);
            }
            Item::ZeroEnded | Item::Characters(_) => {
                let Some(text) = lua.to_bytes(argument) else {
                    return Err(lua.raise_type(argument, "string"));
                };
                let count = if let Item::Characters(count @ 1..) = item { count } else { text.len() };
                if text.len() < count {
                    return Err(lua.raise_argument(argument + 1, "string too short"));
                }
                out.extend_from_slice(&text[..count]);
                if let Item::ZeroEnded = item {
                    out.push(0);
                }
            }
            Item::Padding => {}
        }
    }
    lua.push_bytes(&out);
    Ok(1)
}

fn number_of(lua: Lua, argument: i32) -> Result<f64, Raise> {
    lua.to_number(argument).ok_or_else(|| lua.raise_type(argument, "number"))
}

fn unpack(lua: Lua) -> Result<i32, Raise> {
    let mut format = format_of(lua)?;
    let Some(data) = lua.to_bytes(2) else {
        return Err(lua.raise_type(2, "string"));
    };
    let from = if lua.type_of(3) == Type::Nil { Some(1.0) } else { lua.to_number(3) };
    let Some(from) = from else {
        return Err(lua.raise_type(3, "number"));
    };
    if from < 1.0 {
        return Err(lua.raise_argument(3, "offset must be 1 or greater"));
    }
    let mut at = from as usize - 1;
    let mut pushed = 0;
    while let Some(item) = format.next(lua)? {
        at = at.saturating_add(format.gap(item, at));
        let too_short = || lua.raise_argument(2, "data string too short");
        let piece = |count: usize| data.get(at..at.checked_add(count)?);
        let bytes = piece(item.size()).ok_or_else(too_short)?;
        if !lua.has_room(3) {
            return Err(lua.raise("too many results to unpack"));
        }
        at += bytes.len();
        match item {
            Item::Integer { is_signed, .. } => {
                lua.push_number(integer_from(bytes, is_signed, format.is_little));
            }
            Item::Float | Item::Double => lua.push_number(float_from(bytes, format.is_little)),
            Item::Padding => continue,
            Item::Characters(0) => {
                if pushed == 0 || lua.type_of(-1) != Type::Number {
                    return Err(lua.raise("format 'c0' needs a previous size"));
                }
                let count = lua.number(-1);
                lua.pop(1);
                pushed -= 1;
                if count < 0.0 {
                    return Err(too_short());
                }
                let bytes = at.checked_add(count as usize).and_then(|end| data.get(at..end));
                let bytes = bytes.ok_or_else(too_short)?;
                lua.push_bytes(bytes);
                at += bytes.len();
            }
            Item::Characters(_) => lua.push_bytes(bytes),
            Item::ZeroEnded => {
                let rest = &data[at.min(data.len())..];
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(lua.raise("unfinished string in data"));
                };
                lua.push_bytes(&rest[..end]);
                at += end + 1;
            }
        }
        pushed += 1;
    }
    lua.push_number((at + 1) as f64);
    Ok(pushed + 1)
}

fn integer_from(bytes: &[u8], is_signed: bool, is_little: bool) -> f64 {
    let byte = |at: usize| bytes[if is_little { at } else { bytes.len() - 1 - at }];
    let count = bytes.len().min(8);
    let number = (0..count).fold(0_u64, |number, at| number | u64::from(byte(at)) << (8 * at));
    if !is_signed || count == 0 {
        return number as f64;
    }
    let unused = 64 - 8 * count as u32;
    ((number << unused) as i64 >> unused) as f64
}

fn float_from(bytes: &[u8], is_little: bool) -> f64 {
    let mut ordered = [0; 8];
    let ordered = &mut ordered[..bytes.len()];
    ordered.copy_from_slice(bytes);
    if !is_little {
        ordered.reverse();
    }
    match (ordered.first_chunk::<8>(), ordered.first_chunk::<4>()) {
        (Some(bytes), _) => f64::from_le_bytes(*bytes),
        (None, Some(bytes)) => f64::from(f32::from_le_bytes(*bytes)),
        (None, None) => 0.0,
    }
}

fn size(lua: Lua) -> Result<i32, Raise> {
    let mut format = format_of(lua)?;
    let mut total = 0;
    while let Some(item) = format.next(lua)? {
        match item {
            Item::ZeroEnded => {
                return Err(lua.raise_argument(1, "option 's' has no fixed size"));
            }
            Item::Characters(0) => {
                return Err(lua.raise_argument(1, "option 'c0' has no fixed size"));
            }
            _ => {}
        }
        total += format.gap(item, total) + item.size();
    }
    lua.push_number(total as f64);
    Ok(1)
}
