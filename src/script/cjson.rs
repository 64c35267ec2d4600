//! The library `cjson` of scripts: settings, and values to JSON.
use super::lua::{Callback, Lua, Raise, Type};
use shards::number::format_i64;

/// What scripts may set, each for itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    /// An array with too many holes becomes an object.
    converts_sparse: bool,
    /// So many times as many places as elements are too many; 0 for any number.
    sparse_ratio: i32,
    /// So many places are never too many.
    sparse_safe: i32,
    encode_depth_max: i32,
    pub(super) decode_depth_max: i32,
    digits: i32,
    encodes_invalid: bool,
    pub(super) decodes_invalid: bool,
    keeps_buffer: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            converts_sparse: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            digits: 14,
            encodes_invalid: false,
            decodes_invalid: true,
            keeps_buffer: true,
        }
    }
}

const FUNCTIONS: &[(&str, Callback)] = &[
    ("encode", encode),
    ("decode", super::cjson_decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", |lua| set_integer(lua, i32::MAX, |json| &mut json.encode_depth_max)),
    ("decode_max_depth", |lua| set_integer(lua, i32::MAX, |json| &mut json.decode_depth_max)),
    ("encode_number_precision", |lua| set_integer(lua, 14, |json| &mut json.digits)),
    ("encode_keep_buffer", |lua| set_boolean(lua, |json| &mut json.keeps_buffer)),
    ("encode_invalid_numbers", |lua| set_boolean(lua, |json| &mut json.encodes_invalid)),
    ("decode_invalid_numbers", |lua| set_boolean(lua, |json| &mut json.decodes_invalid)),
    ("new", |lua| {
        push(lua);
        Ok(1)
    }),
];

/// Pushes the table.
pub(super) fn push(lua: Lua) {
    lua.push_table(0, 16);
    for (name, function) in FUNCTIONS {
        lua.push_callback(*function);
        lua.raw_set_field(-2, name);
    }
    // What stands for null: it is false nowhere, and equal to itself.
    lua.push_light(0);
    lua.raw_set_field(-2, "null");
    lua.push_bytes(b"cjson");
    lua.raw_set_field(-2, "_NAME");
    lua.push_bytes(b"2.1.0");
    lua.raw_set_field(-2, "_VERSION");
}

fn settings(lua: Lua) -> Settings {
    lua.with_beside(|beside| beside.json)
}

fn set_integer(lua: Lua, most: i32, setting: fn(&mut Settings) -> &mut i32) -> Result<i32, Raise> {
    if lua.type_of(1) != Type::Nil {
        let value = lua.to_number(1).ok_or_else(|| lua.raise_type(1, "number"))?;
        if !(1.0..=f64::from(most)).contains(&value) {
            return Err(lua.raise_argument(1, &format!("expected integer between 1 and {most}")));
        }
        lua.with_beside(|beside| *setting(&mut beside.json) = value as i32);
    }
    let value = lua.with_beside(|beside| *setting(&mut beside.json));
    lua.push_number(f64::from(value));
    Ok(1)
}

fn set_boolean(lua: Lua, setting: fn(&mut Settings) -> &mut bool) -> Result<i32, Raise> {
    if lua.type_of(1) != Type::Nil {
        let value = match lua.bytes(1) {
            Some(text) => text == b"on",
            None => lua.boolean(1),
        };
        lua.with_beside(|beside| *setting(&mut beside.json) = value);
    }
    let value = lua.with_beside(|beside| *setting(&mut beside.json));
    lua.push_boolean(value);
    Ok(1)
}

fn encode_sparse_array(lua: Lua) -> Result<i32, Raise> {
    let mut json = settings(lua);
    if lua.type_of(1) != Type::Nil {
        json.converts_sparse = lua.boolean(1);
    }
    for (at, setting) in [(2, &mut json.sparse_ratio), (3, &mut json.sparse_safe)] {
        if lua.type_of(at) == Type::Nil {
            continue;
        }
        let value = lua.to_number(at).ok_or_else(|| lua.raise_type(at, "number"))?;
        if !(0.0..=f64::from(i32::MAX)).contains(&value) {
            let what = format!("expected integer between 0 and {}", i32::MAX);
            return Err(lua.raise_argument(at, &what));
        }
        *setting = value as i32;
    }
    lua.with_beside(|beside| beside.json = json);
    lua.push_boolean(json.converts_sparse);
    lua.push_number(f64::from(json.sparse_ratio));
    lua.push_number(f64::from(json.sparse_safe));
    Ok(3)
}

fn encode(lua: Lua) -> Result<i32, Raise> {
    if lua.top() != 1 {
        return Err(lua.raise_argument(1, "expected 1 argument"));
    }
    let mut encoder = Encoder { lua, settings: settings(lua), out: Vec::new() };
    encoder.value(0)?;
    lua.push_bytes(&encoder.out);
    Ok(1)
}

struct Encoder {
    lua: Lua,
    settings: Settings,
    out: Vec<u8>,
}

impl Encoder {
    /// Appends the value at the top of the stack, which stays.
    fn value(&mut self, depth: i32) -> Result<(), Raise> {
        let lua = self.lua;
        match lua.type_of(-1) {
            Type::String => self.string(lua.bytes(-1).unwrap_or_default()),
            Type::Number => self.number(lua.number(-1))?,
            Type::Boolean => {
                let word: &[u8] = if lua.boolean(-1) { b"true" } else { b"false" };
                self.out.extend_from_slice(word);
            }
            Type::Nil => self.out.extend_from_slice(b"null"),
            Type::LightUserdata if lua.light(-1) == 0 => self.out.extend_from_slice(b"null"),
            Type::Table => {
                let depth = depth + 1;
                if depth > self.settings.encode_depth_max || !lua.has_room(4) {
                    return Err(lua.raise(format!("Cannot serialise, excessive nesting ({depth})")));
                }
                match self.array_length()? {
                    Some(length @ 1..) => self.array(length, depth)?,
                    _ => self.object(depth)?,
                }
            }
            _ => return Err(self.cannot("type not supported")),
        }
        Ok(())
    }

    fn cannot(&self, why: &str) -> Raise {
        self.lua.raise(format!("Cannot serialise {}: {why}", self.lua.type_name(-1)))
    }

    /// The places of an array: of a table whose keys are whole numbers above 0.
    fn array_length(&self) -> Result<Option<usize>, Raise> {
        let lua = self.lua;
        let (mut largest, mut count) = (0.0_f64, 0);
        lua.push_nil();
        while lua.next(-2) {
            let key = lua.number(-2);
            if lua.type_of(-2) != Type::Number || key.floor() != key || key < 1.0 {
                lua.pop(2);
                return Ok(None);
            }
            largest = largest.max(key);
            count += 1;
            lua.pop(1);
        }
        let Settings { converts_sparse, sparse_ratio, sparse_safe, .. } = self.settings;
        let is_sparse = sparse_ratio > 0
            && largest > f64::from(count) * f64::from(sparse_ratio)
            && largest > f64::from(sparse_safe);
        if !is_sparse {
            return Ok(Some(largest as usize));
        }
        if converts_sparse { Ok(None) } else { Err(self.cannot("excessively sparse array")) }
    }

    fn array(&mut self, length: usize, depth: i32) -> Result<(), Raise> {
        self.out.push(b'[');
        for index in 1..=length {
            if index > 1 {
                self.out.push(b',');
            }
            self.lua.raw_get_at(-1, index);
            self.value(depth)?;
            self.lua.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: i32) -> Result<(), Raise> {
        let lua = self.lua;
        self.out.push(b'{');
        let mut is_first = true;
        lua.push_nil();
        while lua.next(-2) {
            if !std::mem::take(&mut is_first) {
                self.out.push(b',');
            }
            match lua.type_of(-2) {
                Type::String => self.string(lua.bytes(-2).unwrap_or_default()),
                Type::Number => {
                    self.out.push(b'"');
                    self.number(lua.number(-2))?;
                    self.out.push(b'"');
                }
                _ => return Err(self.cannot("table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(depth)?;
            lua.pop(1);
        }
        self.out.push(b'}');
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), Raise> {
        if !number.is_finite() {
            if !self.settings.encodes_invalid {
                return Err(self.cannot("must not be NaN or Inf"));
            }
            let word: &[u8] = match (number.is_nan(), number > 0.0) {
                (true, _) => b"nan",
                (false, true) => b"inf",
                (false, false) => b"-inf",
            };
            self.out.extend_from_slice(word);
            return Ok(());
        }
        let whole = number as i64;
        if whole as f64 == number && whole.unsigned_abs() < 10_u64.pow(self.settings.digits.min(14) as u32) {
            let mut digits = [0; 20];
            self.out.extend_from_slice(format_i64(whole, &mut digits));
        } else {
            self.out.extend_from_slice(format_g(number, self.settings.digits as usize).as_bytes());
        }
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        for &byte in text {
            let letter = match byte {
                b'"' | b'\\' | b'/' => byte,
                0x08 => b'b',
                b'\t' => b't',
                b'\n' => b'n',
                0x0c => b'f',
                b'\r' => b'r',
                0..=0x1f | 0x7f => {
                    self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    continue;
                }
                _ => {
                    self.out.push(byte);
                    continue;
                }
            };
            self.out.extend_from_slice(&[b'\\', letter]);
        }
        self.out.push(b'"');
    }
}

/// A number with so many significant digits, as `%g` of C writes it.
fn format_g(number: f64, digits: usize) -> String {
    let scientific = format!("{number:.*e}", digits.max(1) - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let without_zeros = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{number:.decimals$}"))
}
