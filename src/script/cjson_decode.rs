//! `cjson.decode`: JSON to values of Lua.
use super::lua::{Lua, Raise, Type};

/// What stands at a place of a text.
#[derive(Clone, Debug)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Vec<u8>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(why) => why,
        }
    }
}

pub(super) fn decode(lua: Lua) -> Result<i32, Raise> {
    if lua.top() != 1 {
        return Err(lua.raise_argument(1, "expected 1 argument"));
    }
    let Some(text) = lua.to_bytes(1) else {
        return Err(lua.raise_type(1, "string"));
    };
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(lua.raise("JSON parser does not support UTF-16 or UTF-32"));
    }
    let (depth_max, decodes_invalid) =
        lua.with_beside(|beside| (beside.json.decode_depth_max, beside.json.decodes_invalid));
    let mut decoder = Decoder { lua, text, at: 0, begin: 0, depth: 0, depth_max, decodes_invalid };
    let token = decoder.next();
    decoder.value(token)?;
    match decoder.next() {
        Token::End => Ok(1),
        other => Err(decoder.expected("the end", &other)),
    }
}

struct Decoder<'a> {
    lua: Lua,
    text: &'a [u8],
    at: usize,
    /// Where the token at hand begins, or what is wrong with it.
    begin: usize,
    depth: i32,
    depth_max: i32,
    decodes_invalid: bool,
}

impl Decoder<'_> {
    fn expected(&self, what: &str, found: &Token) -> Raise {
        let place = self.begin + 1;
        self.lua.raise(format!("Expected {what} but found {} at character {place}", found.name()))
    }

    /// Pushes the value that begins with this token.
    fn value(&mut self, token: Token) -> Result<(), Raise> {
        let lua = self.lua;
        match token {
            Token::String(text) => lua.push_bytes(&text),
            Token::Number(number) => lua.push_number(number),
            Token::Boolean(value) => lua.push_boolean(value),
            Token::Null => lua.push_light(0),
            Token::ObjectBegin => self.object()?,
            Token::ArrayBegin => self.array()?,
            other => return Err(self.expected("value", &other)),
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Raise> {
        self.depth += 1;
        if self.depth > self.depth_max || !self.lua.has_room(5) {
            let text =
                format!("Found too many nested data structures ({}) at character {}", self.depth, self.at);
            return Err(self.lua.raise(text));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Raise> {
        let lua = self.lua;
        self.descend()?;
        lua.push_table(0, 0);
        let mut token = self.next();
        if let Token::ObjectEnd = token {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let Token::String(key) = token else {
                return Err(self.expected("object key string", &token));
            };
            lua.push_bytes(&key);
            match self.next() {
                Token::Colon => {}
                other => return Err(self.expected("colon", &other)),
            }
            let first = self.next();
            self.value(first)?;
            lua.raw_set(-3);
            match self.next() {
                Token::ObjectEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(self.expected("comma or object end", &other)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), Raise> {
        let lua = self.lua;
        self.descend()?;
        lua.push_table(0, 0);
        let mut token = self.next();
        if let Token::ArrayEnd = token {
            self.depth -= 1;
            return Ok(());
        }
        for index in 1.. {
            self.value(token)?;
            if lua.type_of(-1) == Type::Nil {
                lua.pop(1);
            } else {
                lua.raw_set_at(-2, index);
            }
            match self.next() {
                Token::ArrayEnd => break,
                Token::Comma => token = self.next(),
                other => return Err(self.expected("comma or array end", &other)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn next(&mut self) -> Token {
        let blanks =
            self.text[self.at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.at += blanks.count();
        self.begin = self.at;
        let Some(&first) = self.text.get(self.at) else { return Token::End };
        let sign = match first {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => return self.number(),
            // As from C, where the text ends with a zero.
            0 => return Token::End,
            _ => return self.word(),
        };
        self.at += 1;
        sign
    }

    fn word(&mut self) -> Token {
        let rest = &self.text[self.at..];
        for (word, token) in
            [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)]
        {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return token;
            }
        }
        let is_number = rest.len() >= 3
            && (rest[..3].eq_ignore_ascii_case(b"inf") || rest[..3].eq_ignore_ascii_case(b"nan"));
        if self.decodes_invalid && is_number { self.number() } else { Token::Error("invalid token") }
    }

    fn number(&mut self) -> Token {
        let rest = &self.text[self.at..];
        if !self.decodes_invalid && is_invalid_number(rest) {
            return Token::Error("invalid number");
        }
        match number_prefix(rest) {
            Some((number, length)) => {
                self.at += length;
                Token::Number(number)
            }
            None => Token::Error("invalid number"),
        }
    }

    fn wrong(&mut self, why: &'static str) -> Token {
        self.begin = self.at;
        Token::Error(why)
    }

    fn string(&mut self) -> Token {
        let mut text = Vec::new();
        self.at += 1;
        loop {
            let Some(&byte) = self.text.get(self.at) else { return self.wrong("unexpected end of string") };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Token::String(text);
                }
                b'\\' => {
                    if let Err(why) = self.escape(&mut text) {
                        return self.wrong(why);
                    }
                }
                _ => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), &'static str> {
        let letter = self.text.get(self.at + 1).copied().unwrap_or_default();
        let byte = match letter {
            b'"' | b'\\' | b'/' => letter,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 0x0c,
            b'r' => b'\r',
            b'u' => return self.unicode(text).ok_or("invalid unicode escape code"),
            _ => return Err("invalid escape code"),
        };
        text.push(byte);
        self.at += 2;
        Ok(())
    }

    /// `\uXXXX`, or two of them that are a pair.
    fn unicode(&mut self, text: &mut Vec<u8>) -> Option<()> {
        let digits = |at: usize| {
            let digits =
                self.text.get(at..at + 4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let high = digits(self.at + 2)?;
        let mut length = 6;
        let mut point = high;
        if (0xD800..0xE000).contains(&high) {
            if high >= 0xDC00 || self.text.get(self.at + 6..self.at + 8) != Some(b"\\u") {
                return None;
            }
            let low = digits(self.at + 8).filter(|low| (0xDC00..0xE000).contains(low))?;
            point = 0x10000 + ((high & 0x3FF) << 10 | low & 0x3FF);
            length = 12;
        }
        let mut room = [0; 4];
        text.extend_from_slice(char::from_u32(point)?.encode_utf8(&mut room).as_bytes());
        self.at += length;
        Some(())
    }
}

/// What C reads as a number and JSON does not allow.
fn is_invalid_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    match text {
        [b'0', second, ..] => second.is_ascii_digit() || second.eq_ignore_ascii_case(&b'x'),
        [b'1'..=b'9', ..] | [b'0'] => false,
        _ => true,
    }
}

/// The number with which a text begins, and its length, as `strtod` of C reads it.
fn number_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let sign = usize::from(text.first() == Some(&b'-'));
    let factor = if sign == 1 { -1.0 } else { 1.0 };
    let rest = &text[sign..];
    if rest.len() >= 3 && rest[..3].eq_ignore_ascii_case(b"nan") {
        return Some((f64::NAN, sign + 3));
    }
    if rest.len() >= 3 && rest[..3].eq_ignore_ascii_case(b"inf") {
        let is_long = rest.len() >= 8 && rest[..8].eq_ignore_ascii_case(b"infinity");
        return Some((factor * f64::INFINITY, sign + if is_long { 8 } else { 3 }));
    }
    if rest.len() > 2 && rest[0] == b'0' && rest[1].eq_ignore_ascii_case(&b'x') && rest[2].is_ascii_hexdigit()
    {
        let digits = rest[2..].iter().take_while(|byte| byte.is_ascii_hexdigit());
        let (number, count) = digits.fold((0.0, 0), |(number, count), digit| {
            (number * 16.0 + f64::from(char::from(*digit).to_digit(16).unwrap_or_default()), count + 1)
        });
        return Some((factor * number, sign + 2 + count));
    }
    let digits_from =
        |at: usize| rest[at.min(rest.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits_from(0);
    let mut length = whole;
    if rest.get(length) == Some(&b'.') {
        let decimals = digits_from(length + 1);
        if whole + decimals > 0 {
            length += 1 + decimals;
        }
    }
    if length == 0 {
        return None;
    }
    if rest.get(length).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'e')) {
        let signed = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
        let digits = digits_from(length + 1 + signed);
        if digits > 0 {
            length += 1 + signed + digits;
        }
    }
    let number: f64 = std::str::from_utf8(&rest[..length]).ok()?.parse().ok()?;
    Some((factor * number, sign + length))
}
