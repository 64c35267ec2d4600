//! Which libraries each thread may have of its own: whose functions touch only keys that they are given, and keep nothing.
//!
//! The argument. The code of such a library is a list of three kinds of statements: locals bound to literals, local functions, and calls of
//! `redis.register_function` with literals and a function that is written there or named. So there is nothing that could keep something but
//! the locals, and no function assigns to those, nor has functions within that could have locals of others. In a function that is
//! registered, and not called otherwise, the first parameter is what KEYS is in a script; other functions call no command that has keys.
use super::{Proof, SUSPECT, Token, tokens};

/// Whether the functions of a library touch only keys that they are given, and keep nothing from call to call.
pub(in crate::script) fn is_local_library(code: &[u8]) -> bool {
    tokens(code).is_some_and(|tokens| Reader { tokens: &tokens, at: 0, known: Known::default() }.holds())
}

/// What the code of a library defines.
#[derive(Default)]
struct Known<'a> {
    /// Its locals, functions among them.
    locals: Vec<&'a [u8]>,
    /// Its named functions.
    functions: Vec<(&'a [u8], Function<'a>)>,
    /// Its nameless functions.
    inline: Vec<Function<'a>>,
    /// The names of functions that are registered.
    registered: Vec<&'a [u8]>,
}

#[derive(Clone, Copy)]
struct Function<'a> {
    /// Its first parameter.
    keys: &'a [u8],
    body: &'a [Token<'a>],
}

/// Reads the statements of a library; nothing where it finds one of another kind.
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    known: Known<'a>,
}

impl<'a> Reader<'a> {
    fn holds(mut self) -> bool {
        while self.at < self.tokens.len() {
            if self.statement().is_none() {
                return false;
            }
        }
        self.known.is_sound()
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }
    fn next(&mut self) -> Option<Token<'a>> {
        self.at += 1;
        self.tokens.get(self.at - 1).copied()
    }
    fn expect(&mut self, wanted: Token<'_>) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }
    fn name(&mut self) -> Option<&'a [u8]> {
        match self.next()? {
            Token::Name(name) => Some(name),
            _ => None,
        }
    }
    /// Takes a token, if it is there.
    fn has(&mut self, wanted: Token<'_>) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn statement(&mut self) -> Option<()> {
        match self.next()? {
            Token::Sign(b';') => Some(()),
            Token::Name(b"local") if self.has(Token::Name(b"function")) => {
                let name = self.name()?;
                let function = self.function()?;
                self.known.locals.push(name);
                self.known.functions.push((name, function));
                Some(())
            }
            Token::Name(b"local") => {
                let name = self.name()?;
                self.expect(Token::Sign(b'='))?;
                self.literal()?;
                self.known.locals.push(name);
                Some(())
            }
            Token::Name(b"redis") => {
                self.expect(Token::Sign(b'.'))?;
                self.expect(Token::Name(b"register_function"))?;
                let in_parentheses = self.has(Token::Sign(b'('));
                if self.peek()? == Token::Sign(b'{') {
                    self.named_arguments()?;
                } else {
                    self.literal()?;
                    self.expect(Token::Sign(b','))?;
                    self.callback()?;
                }
                if in_parentheses { self.expect(Token::Sign(b')')) } else { Some(()) }
            }
            _ => None,
        }
    }

    fn literal(&mut self) -> Option<()> {
        let is_literal = matches!(
            self.next()?,
            Token::Number(_) | Token::Text(_) | Token::Name(b"true" | b"false" | b"nil")
        );
        // Nothing is made of it.
        let ends = !matches!(
            self.peek(),
            Some(Token::Sign(
                b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'[' | b'(' | b':' | b'<' | b'>'
            )) | Some(Token::Compares | Token::Name(b"and" | b"or"))
        );
        (is_literal && ends).then_some(())
    }

    /// `{function_name = …, callback = …, flags = {…}, description = …}`.
    fn named_arguments(&mut self) -> Option<()> {
        self.expect(Token::Sign(b'{'))?;
        while !self.has(Token::Sign(b'}')) {
            let name = self.name()?;
            self.expect(Token::Sign(b'='))?;
            match name {
                b"callback" => self.callback()?,
                b"flags" => {
                    self.expect(Token::Sign(b'{'))?;
                    while !self.has(Token::Sign(b'}')) {
                        self.literal()?;
                        let _separates = self.has(Token::Sign(b',')) || self.has(Token::Sign(b';'));
                    }
                }
                _ => self.literal()?,
            }
            let _separates = self.has(Token::Sign(b',')) || self.has(Token::Sign(b';'));
        }
        Some(())
    }

    /// A function that is registered.
    fn callback(&mut self) -> Option<()> {
        if self.has(Token::Name(b"function")) {
            let function = self.function()?;
            self.known.inline.push(function);
        } else {
            let name = self.name()?;
            self.known.registered.push(name);
        }
        Some(())
    }

    /// Parameters and body of a function, with its end.
    fn function(&mut self) -> Option<Function<'a>> {
        self.expect(Token::Sign(b'('))?;
        let mut parameters = Vec::new();
        while !self.has(Token::Sign(b')')) {
            parameters.push(self.name()?);
            let _separates = self.has(Token::Sign(b','));
        }
        let begin = self.at;
        let mut depth = 1;
        while depth > 0 {
            match self.next()? {
                Token::Name(b"if" | b"do" | b"repeat") => depth += 1,
                Token::Name(b"end" | b"until") => depth -= 1,
                Token::Name(b"function") => return None,
                _ => {}
            }
        }
        let keys = parameters.first().copied().unwrap_or_default();
        let is_one = parameters.iter().filter(|other| **other == keys).count() <= 1;
        is_one.then_some(Function { keys, body: &self.tokens[begin..self.at - 1] })
    }
}

impl<'a> Known<'a> {
    fn is_sound(&self) -> bool {
        let mut bodies = self.inline.iter().chain(self.functions.iter().map(|(_, function)| function));
        let names_are_kept =
            self.locals.iter().enumerate().all(|(at, name)| !self.locals[..at].contains(name));
        names_are_kept
            && self.registered.iter().all(|name| self.functions.iter().any(|(known, _)| known == name))
            && bodies.all(|function| self.keeps_nothing(function))
            && self.inline.iter().all(|function| is_local(function.keys, function.body))
            && self.functions.iter().all(|(name, function)| {
                let keys = if self.registered.contains(name) { function.keys } else { b"" };
                is_local(keys, function.body)
            })
    }

    /// Whether a function assigns to no local of the library, and calls none that is registered.
    fn keeps_nothing(&self, function: &Function<'a>) -> bool {
        let at = |at: usize| function.body.get(at).copied();
        let mut depth = 0_usize;
        function.body.iter().enumerate().all(|(index, token)| match token {
            Token::Sign(b'(' | b'{') => {
                depth += 1;
                true
            }
            Token::Sign(b')' | b'}') => {
                depth = depth.saturating_sub(1);
                true
            }
            Token::Name(name) if self.registered.contains(name) => false,
            Token::Name(name) if self.locals.contains(name) => {
                let before = index.checked_sub(1).and_then(at);
                let is_listed = before == Some(Token::Sign(b',')) || at(index + 1) == Some(Token::Sign(b','));
                !matches!(at(index + 1), Some(Token::Sign(b'=' | b'[' | b'.' | b':')))
                    && !matches!(before, Some(Token::Name(b"local" | b"for")))
                    && (depth > 0 || !is_listed)
            }
            _ => true,
        })
    }
}

fn is_local(keys: &[u8], body: &[Token<'_>]) -> bool {
    !SUSPECT.contains(&keys) && Proof { tokens: body, locals: Vec::new(), keys }.holds()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_local_code(code: &str) -> bool {
        is_local_library(format!("#!lua name=lib\n{code}").as_bytes())
    }

    #[test]
    fn libraries_of_plain_functions_are_local() {
        for code in [
            "redis.register_function('f', function(keys, args) return redis.call('get', keys[1]) end)",
            "local function f(k, a) if a[1] then return redis.call('set', k[1], a[1]) end end redis.register_function('f', f)",
            "redis.register_function{function_name='f', callback=function(keys) return redis.call('mget', keys[1], keys[2]) end, \
             flags={'no-writes', 'allow-oom'}, description='x'}",
            "local limit = 10\nlocal function less(n) return n < limit end\n\
             redis.register_function('f', function(keys, args) local n = redis.call('incr', keys[1]) return less(n) end)",
            "redis.register_function('f', function() return 1 end) redis.register_function('g', function() return 2 end)",
        ] {
            assert!(is_local_code(code), "{code}");
        }
    }

    #[test]
    fn libraries_that_keep_something_or_stray_are_not() {
        for code in [
            "local n = 0 redis.register_function('f', function() n = n + 1 return n end)",
            "local n, m = 0, 0 redis.register_function('f', function() return 1 end)",
            "local n = 0 redis.register_function('f', function() local x x, n = 1, 2 return n end)",
            "local t = {} redis.register_function('f', function() t[1] = 1 end)",
            "local t = {} redis.register_function('f', function() table.insert(t, 1) end)",
            "local function mk() local n = 0 return function() n = n + 1 return n end end redis.register_function('f', mk())",
            "redis.register_function('f', function(keys) return redis.call('get', 'a') end)",
            "redis.register_function('f', function(keys, args) return redis.call('get', args[1]) end)",
            "redis.register_function('f', function(keys, args) keys[1] = 'a' return redis.call('get', keys[1]) end)",
            "local function g(keys) return redis.call('get', keys[1]) end redis.register_function('f', function(k, a) return g(a) end)",
            "local function g(keys) return redis.call('get', keys[1]) end redis.register_function('g', g) \
             redis.register_function('f', function(k, a) return g(a) end)",
            "local call = redis.call redis.register_function('f', function(keys) return call('get', keys[1]) end)",
            "redis.register_function('f', function(keys, keys) return redis.call('get', keys[1]) end)",
            "redis.register_function('f', function(...) return redis.call('get', 'a') end)",
            "redis.log(redis.LOG_NOTICE, 'x') redis.register_function('f', function() return 1 end)",
            "redis.register_function('f', function() return loadstring('return 1')() end)",
        ] {
            assert!(!is_local_code(code), "{code}");
        }
    }
}
