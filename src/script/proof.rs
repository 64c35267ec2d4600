//! Which scripts touch no keys but those they are given: shown from their text, or not at all.
//!
//! The argument. A script reaches the dataset through `redis.call` and `redis.pcall` only. If every mention of `redis` is of the form
//! `redis.NAME(…` (so that neither the table nor a function of it gets another name), if `call` and `pcall` name their
//! command by a literal, and if at every place where that command takes a key stands `KEYS[…]`, then what stands there at run time is
//! an element of KEYS, or nil, which is no argument. KEYS keeps the elements that it was given if every mention of it is
//! `KEYS[…]`, not assigned to, or `#KEYS`. A local that is bound to such an element once, and is otherwise only mentioned as an
//! argument, is as good as the element. Names that could get at globals in other ways make the text unprovable. A mistake here would not
//! let a script stray: [`super::host`] looks at the keys of each command, and refuses.
mod library;

pub(super) use self::library::is_local_library;
use crate::table::{Handler, table};
use shards::spec::{Begin, Find, KeySpec};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    Name(&'a [u8]),
    Text(&'a [u8]),
    Number(&'a [u8]),
    Sign(u8),
    /// `==`, `~=`, `<=`, `>=`: signs with an equals sign in which nothing is assigned.
    Compares,
}

/// Names through which globals, or the text of the script, could be got at otherwise.
const SUSPECT: &[&[u8]] = &[
    b"_G",
    b"load",
    b"loadstring",
    b"rawset",
    b"rawget",
    b"getmetatable",
    b"setmetatable",
    b"getfenv",
    b"setfenv",
    b"__redis__err__handler",
    b"goto",
];

/// Whether a script touches only keys that it is given.
pub(super) fn is_local(source: &[u8]) -> bool {
    tokens(source).is_some_and(|tokens| Proof { tokens: &tokens, locals: Vec::new(), keys: b"KEYS" }.holds())
}

struct Proof<'a> {
    tokens: &'a [Token<'a>],
    /// Locals that are bound to elements of KEYS.
    locals: Vec<&'a [u8]>,
    /// What KEYS is called: in a function, its first parameter.
    keys: &'a [u8],
}

impl<'a> Proof<'a> {
    fn holds(mut self) -> bool {
        let has_functions = self.mentions(b"function");
        if !has_functions {
            self.locals = self.key_locals();
        }
        let is_sound = |name: &&'a [u8]| self.is_argument_only(name);
        self.locals = self.locals.iter().filter(|name| is_sound(name)).copied().collect();
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                Token::Name(b"function") if depth > 0 => return false,
                Token::Name(name) if SUSPECT.contains(name) => return false,
                Token::Name(b"redis") if !self.is_harmless_call(at) => return false,
                Token::Name(name) if *name == self.keys && !self.is_read(at, depth) => return false,
                _ => {}
            }
        }
        true
    }

    fn at(&self, at: usize) -> Option<Token<'a>> {
        self.tokens.get(at).copied()
    }

    fn mentions(&self, name: &[u8]) -> bool {
        self.tokens.contains(&Token::Name(name))
    }

    /// Whether the mention of KEYS at `at` only reads an element, or counts them.
    fn is_read(&self, at: usize, depth: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.at(before));
        if matches!(before, Some(Token::Sign(b'.' | b':'))) {
            return false;
        }
        if before == Some(Token::Sign(b'#')) && self.at(at + 1) != Some(Token::Sign(b'[')) {
            return !matches!(self.at(at + 1), Some(Token::Sign(b'.' | b':')));
        }
        let Some(end) = self.end_of_element(at) else { return false };
        match self.at(end) {
            Some(Token::Sign(b'=' | b'[' | b'.' | b':' | b'(' | b'{') | Token::Text(_)) => false,
            // A list of what is assigned to, or of what is assigned: within parentheses it is neither.
            Some(Token::Sign(b',')) => depth > 0 || self.is_in_local_list(at),
            _ => true,
        }
    }

    /// Whether a list of values for `local` leads up to here: elements of KEYS and commas, behind an equals sign behind names behind
    /// `local`.
    fn is_in_local_list(&self, mut at: usize) -> bool {
        while at > 0 && self.at(at - 1) != Some(Token::Sign(b'=')) {
            let is_listed = match self.at(at - 1) {
                Some(Token::Name(name)) => name == self.keys || name == b"ARGV",
                Some(Token::Sign(b',' | b'[' | b']') | Token::Number(_)) => true,
                _ => false,
            };
            if !is_listed {
                return false;
            }
            at -= 1;
        }
        while at > 1 && matches!(self.at(at - 2), Some(Token::Name(_) | Token::Sign(b','))) {
            if self.at(at - 2) == Some(Token::Name(b"local")) {
                return true;
            }
            at -= 1;
        }
        false
    }

    /// Where `KEYS[…]` at `at` ends, if that is what stands there.
    fn end_of_element(&self, at: usize) -> Option<usize> {
        if self.at(at)? != Token::Name(self.keys) || self.at(at + 1)? != Token::Sign(b'[') {
            return None;
        }
        let end = (at + 2..).find(|end| {
            !matches!(
                self.at(*end),
                Some(Token::Name(_) | Token::Number(_) | Token::Sign(b'+' | b'-' | b'#'))
            )
        })?;
        (end > at + 2 && self.at(end)? == Token::Sign(b']')).then_some(end + 1)
    }

    /// Locals with elements of KEYS: `local a, b = KEYS[1], KEYS[2]`.
    fn key_locals(&self) -> Vec<&'a [u8]> {
        let mut locals = Vec::new();
        for at in (0..self.tokens.len()).filter(|at| self.at(*at) == Some(Token::Name(b"local"))) {
            let mut names = Vec::new();
            let mut next = at + 1;
            while let Some(Token::Name(name)) = self.at(next) {
                names.push(name);
                next += 1;
                if self.at(next) != Some(Token::Sign(b',')) {
                    break;
                }
                next += 1;
            }
            if self.at(next) != Some(Token::Sign(b'=')) {
                continue;
            }
            for name in names {
                let Some(end) = self.end_of_element(next + 1) else { break };
                let is_whole = match self.at(end) {
                    Some(Token::Sign(b',' | b';') | Token::Name(_)) | None => true,
                    Some(_) => false,
                };
                // `KEYS[1] or x` is another value.
                if !is_whole || matches!(self.at(end), Some(Token::Name(b"and" | b"or"))) {
                    break;
                }
                locals.push(name);
                next = end;
            }
        }
        locals
    }

    /// Whether a name is bound once, and elsewhere mentioned only as an argument of a call.
    fn is_argument_only(&self, name: &[u8]) -> bool {
        let mut depth = 0_usize;
        let mut bindings = 0;
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                Token::Name(found) if *found == name => {
                    if depth == 0 {
                        bindings += 1;
                    }
                    let follows = self.at(at + 1);
                    if depth > 0 && matches!(follows, Some(Token::Sign(b'='))) {
                        return false;
                    }
                }
                _ => {}
            }
        }
        bindings == 1
    }

    /// Whether `redis` at `at` is the beginning of a call that cannot stray, or of one that has no keys.
    fn is_harmless_call(&self, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.at(before));
        if matches!(before, Some(Token::Sign(b'.' | b':'))) || self.at(at + 1) != Some(Token::Sign(b'.')) {
            return false;
        }
        match (self.at(at + 2), self.at(at + 3)) {
            (Some(Token::Name(b"call" | b"pcall")), Some(Token::Sign(b'('))) => self.is_local_call(at + 3),
            (Some(Token::Name(b"call" | b"pcall")), _) => false,
            (Some(Token::Name(_)), Some(Token::Sign(b'=' | b',' | b'['))) => false,
            (Some(Token::Name(_)), _) => true,
            _ => false,
        }
    }

    /// Whether the call whose parenthesis opens at `open` names its command and takes its keys from KEYS.
    fn is_local_call(&self, open: usize) -> bool {
        let Some(arguments) = self.arguments(open) else { return false };
        let Some([Token::Text(name)]) = arguments.first() else { return false };
        let Some(entry) = table().find(name) else { return false };
        if !matches!(entry.handler, Handler::Engine(_)) {
            return matches!(entry.spec.name, "ping" | "echo" | "time" | "publish");
        }
        entry.subcommands.is_empty()
            && !entry.spec.keys.is_empty()
            && entry.spec.keys.iter().all(|spec| self.has_local_keys(spec, &arguments))
    }

    fn has_local_keys(&self, spec: &KeySpec, arguments: &[&[Token<'a>]]) -> bool {
        let Begin::Index(begin) = spec.begin else { return false };
        let Ok(begin) = usize::try_from(begin) else { return false };
        let is_key = |at: usize| arguments.get(at).is_some_and(|argument| self.is_key(argument));
        match spec.find {
            Find::Range { last, step, .. } if last >= 0 && step > 0 => {
                (begin..=begin + last as usize).step_by(step as usize).all(is_key)
            }
            Find::Range { last: -1, step, limit: 0 } if step > 0 => {
                // The last argument may become several; with a step between keys so may what is no key.
                let is_one = |argument: &&[Token<'a>]| {
                    !argument
                        .iter()
                        .any(|token| matches!(token, Token::Sign(b'(' | b'.' | b'{') | Token::Text(_)))
                        || matches!(argument, [Token::Text(_)])
                };
                arguments.last().is_some_and(is_one)
                    && arguments.len() > begin
                    && (begin..arguments.len()).step_by(step as usize).all(is_key)
            }
            Find::Count { count, first, step: 1 } => {
                let Some([Token::Number(count)]) = arguments.get(begin + count as usize) else {
                    return false;
                };
                let Some(count) = shards::number::parse_i64(count) else { return false };
                let first = begin + first as usize;
                (1..1000).contains(&count) && (first..first + count as usize).all(is_key)
            }
            _ => false,
        }
    }

    fn is_key(&self, argument: &[Token<'a>]) -> bool {
        match argument {
            [Token::Name(name)] => self.locals.contains(name),
            [Token::Name(name), Token::Sign(b'['), index @ .., Token::Sign(b']')] if *name == self.keys => {
                !index.is_empty()
                    && index.iter().all(|token| {
                        matches!(token, Token::Name(_) | Token::Number(_) | Token::Sign(b'+' | b'-' | b'#'))
                    })
            }
            _ => false,
        }
    }

    /// The arguments of a call whose parenthesis opens at `open`.
    fn arguments(&self, open: usize) -> Option<Vec<&'a [Token<'a>]>> {
        let mut arguments = Vec::new();
        let mut depth = 0;
        let mut begin = open + 1;
        for at in open..self.tokens.len() {
            match self.tokens[at] {
                Token::Sign(b'(' | b'[' | b'{') => depth += 1,
                Token::Sign(b')' | b']' | b'}') => {
                    depth -= 1;
                    if depth == 0 {
                        arguments.push(&self.tokens[begin..at]);
                        return Some(arguments);
                    }
                }
                Token::Sign(b',') if depth == 1 => {
                    arguments.push(&self.tokens[begin..at]);
                    begin = at + 1;
                }
                Token::Name(b"function") => return None,
                _ => {}
            }
        }
        None
    }
}

/// The tokens of a text; none where there is something that this does not understand.
fn tokens(source: &[u8]) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = super::shebang::body(source);
    while let Some(&first) = rest.first() {
        let length_while = |is_in: fn(u8) -> bool| rest.iter().take_while(|byte| is_in(**byte)).count();
        let length = match first {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => 1,
            b'-' if rest.starts_with(b"--") => {
                if rest[2..].starts_with(b"[") {
                    // It may be a long comment, which ends elsewhere.
                    let level = rest[3..].iter().take_while(|byte| **byte == b'=').count();
                    if rest.get(3 + level) == Some(&b'[') {
                        return None;
                    }
                }
                rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let length = length_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                tokens.push(Token::Name(&rest[..length]));
                length
            }
            b'0'..=b'9' => {
                let length = length_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
                tokens.push(Token::Number(&rest[..length]));
                length
            }
            b'\'' | b'"' => {
                let length = text_length(rest)?;
                tokens.push(Token::Text(&rest[1..1 + length]));
                length + 2
            }
            b'[' if matches!(rest.get(1), Some(b'[' | b'=')) => return None,
            b'=' | b'~' | b'<' | b'>' if rest.get(1) == Some(&b'=') => {
                tokens.push(Token::Compares);
                2
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'#' | b'<' | b'>' | b'=' | b'(' | b')' | b'{'
            | b'}' | b'[' | b']' | b';' | b':' | b',' | b'.' => {
                tokens.push(Token::Sign(first));
                1
            }
            _ => return None,
        };
        rest = &rest[length..];
    }
    Some(tokens)
}

/// Bytes between the quotes of the text that begins here. A command's name has no escapes, so they are left as they are.
fn text_length(rest: &[u8]) -> Option<usize> {
    let quote = *rest.first()?;
    let mut at = 1;
    loop {
        match *rest.get(at)? {
            b'\\' => at += 2,
            b'\n' | b'\r' => return None,
            byte if byte == quote => return Some(at - 1),
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_take_their_keys_from_keys_are_local() {
        for source in [
            "if redis.call('get',KEYS[1]) == ARGV[1] then return redis.call('del',KEYS[1]) else return 0 end",
            "return redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])",
            "local key = KEYS[1]\nlocal n = tonumber(redis.call('get', key) or '0')\nredis.call('incrby', key, 5) return n",
            "local a, b = KEYS[1], KEYS[2] redis.call('lpush', a, 'x') return redis.call('rpoplpush', a, b)",
            "for i = 1, #KEYS do redis.call('del', KEYS[i]) end",
            "return redis.error_reply('no')",
            "-- a comment\nreturn redis.call('mset', KEYS[1], ARGV[1], KEYS[2], ARGV[2])",
            "return redis.call('zunionstore', KEYS[1], 2, KEYS[2], KEYS[3])",
            "#!lua flags=no-writes\nreturn redis.call(\"get\", KEYS[1])",
            "return 1",
        ] {
            assert!(is_local(source.as_bytes()), "{source}");
        }
    }

    #[test]
    fn scripts_that_might_stray_are_not() {
        for source in [
            "return redis.call('get', 'a')",
            "return redis.call('get', ARGV[1])",
            "return redis.call('get', KEYS[1] .. 'x')",
            "return redis.call(ARGV[1], KEYS[1])",
            "local call = redis.call return call('get', 'a')",
            "local r = redis return r.call('get', 'a')",
            "KEYS[1] = 'a' return redis.call('get', KEYS[1])",
            "KEYS[1], x = 'a', 1 return redis.call('get', KEYS[1])",
            "x, KEYS[1] = 1, 'a' return redis.call('get', KEYS[1])",
            "local k = KEYS k[1] = 'a' return redis.call('get', KEYS[1])",
            "table.insert(KEYS, 'a') return redis.call('get', KEYS[1])",
            "local key = KEYS[1] key = 'a' return redis.call('get', key)",
            "local key = KEYS[1] local key = 'a' return redis.call('get', key)",
            "local key = KEYS[1] or 'a' return redis.call('get', key)",
            "local key = KEYS[1] for _, key in ipairs(ARGV) do redis.call('del', key) end",
            "local key = KEYS[1] local function f(key) return redis.call('get', key) end return f('a')",
            "return redis.call('del', unpack(ARGV))",
            "return redis.call('del', KEYS[1], unpack(ARGV))",
            "return redis.call('mset', KEYS[1], 1, unpack(ARGV))",
            "return redis.call('mset', KEYS[1], unpack(ARGV))",
            "return redis.call('mset', KEYS[1], ...)",
            "return redis.call('dbsize')",
            "return redis.call('keys', '*')",
            "return redis.call('scan', 0)",
            "return redis.call('flushall')",
            "return redis.call('sort', KEYS[1], 'by', 'x*', 'get', 'y*')",
            "return redis.call('xread', 'streams', KEYS[1], 0)",
            "return redis['call']('get', 'a')",
            "return _G.redis.call('get', 'a')",
            "return loadstring(ARGV[1])()",
            "f(function() KEYS[1], x = 'a', 1 end) return redis.call('get', KEYS[1])",
            "local s = [[x]] return redis.call('get', KEYS[1])",
            "return pcall(redis.call, 'get', 'a')",
            "return redis.call('zunionstore', KEYS[1], ARGV[1], KEYS[2])",
        ] {
            assert!(!is_local(source.as_bytes()), "{source}");
        }
    }
}
