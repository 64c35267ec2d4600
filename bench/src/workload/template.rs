//! A unit written once as RESP, with holes of fixed width that are filled in place each time it is sent.
//!
//! The text of a unit is commands separated by `;`, words by blanks (`"…"` keeps blanks together). In a word:
//!
//! - `{key}` a key of the run's distribution, another each time;
//! - `{value}`, `{value:32}` a value of the run's size, or of 32 bytes;
//! - `{random:1000}` a number below 1000, padded with zeros to a fixed width;
//! - `{conn}` the connection's number, six digits;
//! - `{key.a}`, `{random.b:1000}` the same wherever the same name stands within one unit;
//! - `{{` and `}}` braces themselves (a hash tag).

use super::expected::expected_of_unit;
use super::keys::Keys;
use crate::client::replies::Kinds;
use crate::commands;
use crate::random::Random;

/// Digits of `{conn}`.
const CONNECTION_DIGITS: usize = 6;

/// How keys look: a prefix and a number padded with zeros, `key:000000000042`.
#[derive(Clone, Debug)]
pub struct KeyShape {
    /// What every key starts with.
    pub prefix: String,
    /// Length of the whole key, in bytes.
    pub bytes: usize,
    /// Keys have numbers below this.
    pub count: u64,
}

impl KeyShape {
    /// Digits of the number.
    fn digits(&self) -> usize {
        self.bytes.saturating_sub(self.prefix.len())
    }

    /// # Errors
    /// When the numbers do not fit into the digits that are left.
    pub fn check(&self) -> Result<(), String> {
        if width_of(self.count) > self.digits() {
            return Err(format!(
                "{} keys do not fit into {} bytes after {:?}",
                self.count, self.bytes, self.prefix
            ));
        }
        Ok(())
    }
}

/// A number that is drawn anew for each unit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Draw {
    Key,
    Below(u64),
    Connection,
}

/// Digits to be filled in.
#[derive(Clone, Copy, Debug)]
struct Hole {
    /// Where the digits end, from the start of the unit.
    end: usize,
    /// How many of them can change.
    width: usize,
    number: Number,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    /// Drawn for this hole alone.
    Fresh(Draw),
    /// The unit's number at this place of `Template::shared`.
    Shared(usize),
}

/// A unit, ready to be copied and filled.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    bytes: Vec<u8>,
    holes: Vec<Hole>,
    shared: Vec<(String, Draw)>,
    expected: Vec<Kinds>,
}

/// Most names one unit can share numbers under.
const SHARED_MAX: usize = 8;

impl Template {
    /// Reads a unit from its text; `value_bytes` is the size of a plain `{value}`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(text: &str, keys: &KeyShape, value_bytes: usize) -> Result<Self, String> {
        keys.check()?;
        let commands = split(text)?;
        let mut writer = Writer { keys, value_bytes, holes: Vec::new(), shared: Vec::new() };
        let mut bytes = Vec::new();
        for words in &commands {
            writer.command(&mut bytes, words)?;
        }
        let Writer { holes, shared, .. } = writer;
        Ok(Self { text: text.to_owned(), bytes, holes, shared, expected: expected_of_unit(&commands) })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Length of the unit on the wire, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a unit has at least one command.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What each of its commands may be answered.
    #[must_use]
    pub fn expected(&self) -> &[Kinds] {
        &self.expected
    }

    /// Appends the unit, its holes not filled yet.
    pub fn copy_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    /// Fills the holes of a copy.
    #[inline]
    pub fn fill(&self, unit: &mut [u8], keys: &mut Keys, random: &mut Random, connection: u64) {
        let mut draw = |what| match what {
            Draw::Key => keys.next(random),
            Draw::Below(bound) => random.below(bound),
            Draw::Connection => connection,
        };
        let mut numbers = [0; SHARED_MAX];
        for (number, (_, what)) in numbers.iter_mut().zip(&self.shared) {
            *number = draw(*what);
        }
        for hole in &self.holes {
            let number = match hole.number {
                Number::Fresh(what) => draw(what),
                Number::Shared(place) => numbers[place],
            };
            write_digits(&mut unit[hole.end - hole.width..hole.end], number);
        }
    }
}

/// Turns words with placeholders into bytes with holes.
struct Writer<'a> {
    keys: &'a KeyShape,
    value_bytes: usize,
    holes: Vec<Hole>,
    shared: Vec<(String, Draw)>,
}

impl Writer<'_> {
    fn command(&mut self, out: &mut Vec<u8>, words: &[String]) -> Result<(), String> {
        let mut rendered = Vec::new();
        let mut holes = Vec::new();
        for word in words {
            let (bytes, word_holes) = self.word(word)?;
            rendered.push(bytes);
            holes.push(word_holes);
        }
        let end = out.len();
        commands::write(out, &rendered);
        // Where each word starts: after the header line of the command and of the word, and the words before.
        let mut start = end + format!("*{}\r\n", words.len()).len();
        for (word, holes) in rendered.iter().zip(holes) {
            start += format!("${}\r\n", word.len()).len();
            self.holes.extend(holes.into_iter().map(|hole| Hole { end: start + hole.end, ..hole }));
            start += word.len() + 2;
        }
        Ok(())
    }

    /// A word's bytes, and its holes counted from its start.
    fn word(&mut self, word: &str) -> Result<(Vec<u8>, Vec<Hole>), String> {
        let mut bytes = Vec::new();
        let mut holes = Vec::new();
        let mut rest = word;
        while let Some(at) = rest.find(['{', '}']) {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                bytes.push(rest.as_bytes()[0]);
                rest = &rest[2..];
                continue;
            }
            let close = rest.find('}').filter(|&close| close > 0);
            let close = close.ok_or_else(|| format!("{word}: a brace stands alone (write {{{{ or }}}})"))?;
            self.placeholder(&rest[1..close], &mut bytes, &mut holes)?;
            rest = &rest[close + 1..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok((bytes, holes))
    }

    fn placeholder(
        &mut self,
        inside: &str,
        bytes: &mut Vec<u8>,
        holes: &mut Vec<Hole>,
    ) -> Result<(), String> {
        let (what, argument) = inside.split_once(':').map_or((inside, None), |(what, arg)| (what, Some(arg)));
        let (what, name) = what.split_once('.').map_or((what, None), |(what, name)| (what, Some(name)));
        let unknown = || format!("{{{inside}}}: expected key, value, random or conn");
        let number = || argument.map(|text| text.parse::<u64>().map_err(|_| unknown())).transpose();
        let (draw, digits, width) = match what {
            "value" if name.is_none() => {
                let size = number()?.map_or(self.value_bytes, |size| size as usize);
                bytes.extend((b'a'..=b'z').cycle().take(size));
                return Ok(());
            }
            "key" if argument.is_none() => {
                bytes.extend_from_slice(self.keys.prefix.as_bytes());
                (Draw::Key, self.keys.digits(), width_of(self.keys.count))
            }
            "random" => {
                let bound = number()?.filter(|&bound| bound > 0).ok_or_else(unknown)?;
                (Draw::Below(bound), width_of(bound), width_of(bound))
            }
            "conn" if argument.is_none() => (Draw::Connection, CONNECTION_DIGITS, CONNECTION_DIGITS),
            _ => return Err(unknown()),
        };
        bytes.extend(std::iter::repeat_n(b'0', digits));
        let number = match name {
            None => Number::Fresh(draw),
            Some(name) => Number::Shared(self.share(inside, name, draw)?),
        };
        holes.push(Hole { end: bytes.len(), width, number });
        Ok(())
    }

    fn share(&mut self, inside: &str, name: &str, draw: Draw) -> Result<usize, String> {
        if let Some(place) = self.shared.iter().position(|(n, d)| n == name && *d == draw) {
            return Ok(place);
        }
        if self.shared.len() == SHARED_MAX {
            return Err(format!("{{{inside}}}: a unit has at most {SHARED_MAX} names"));
        }
        self.shared.push((name.to_owned(), draw));
        Ok(self.shared.len() - 1)
    }
}

/// Commands and their words.
fn split(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ';' if !quoted => {
                commands.last_mut().expect("there is always one").extend(word.take());
                commands.push(Vec::new());
            }
            c if c.is_whitespace() && !quoted => {
                commands.last_mut().expect("there is always one").extend(word.take())
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().expect("there is always one").extend(word.take());
    if quoted {
        return Err(format!("{text}: a quote is not closed"));
    }
    if commands.last().is_some_and(Vec::is_empty) && commands.len() > 1 {
        commands.pop();
    }
    if commands.iter().any(Vec::is_empty) {
        return Err(format!("{text:?}: a command is empty"));
    }
    Ok(commands)
}

/// Digits that numbers below `count` can need.
fn width_of(count: u64) -> usize {
    count.saturating_sub(1).checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + (i / 10) as u8, b'0' + (i % 10) as u8];
        i += 1;
    }
    pairs
};

/// Fills `digits` with `number`, padded with zeros; what does not fit is cut off at the front.
#[inline]
fn write_digits(digits: &mut [u8], mut number: u64) {
    let mut pairs = digits.rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[(number % 100) as usize]);
        number /= 100;
    }
    if let [first] = pairs.into_remainder() {
        *first = b'0' + (number % 10) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::replies::Kind;
    use crate::workload::Distribution;

    fn shape() -> KeyShape {
        KeyShape { prefix: "key:".to_owned(), bytes: 16, count: 100_000 }
    }

    fn render(text: &str, connection: u64) -> String {
        let template = Template::new(text, &shape(), 3).unwrap();
        let mut unit = Vec::new();
        template.copy_to(&mut unit);
        let mut keys = Keys::new(Distribution::Sequential, 12_345, 1000);
        template.fill(&mut unit, &mut keys, &mut Random::new(1), connection);
        String::from_utf8(unit).unwrap()
    }

    #[test]
    fn a_key_is_filled_in_place() {
        assert_eq!(render("GET {key}", 0), "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n");
    }

    #[test]
    fn each_plain_key_is_another_and_a_named_one_the_same() {
        assert_eq!(
            render("MGET {key} {key}", 0),
            "*3\r\n$4\r\nMGET\r\n$16\r\nkey:000000012345\r\n$16\r\nkey:000000012346\r\n"
        );
        let unit = render("WATCH {key.a} {key.b} ; SET {key.b} {value}", 0);
        assert_eq!(unit.matches("key:000000012345").count(), 1);
        assert_eq!(unit.matches("key:000000012346").count(), 2);
    }

    #[test]
    fn values_have_their_size() {
        assert_eq!(render("ECHO {value}", 0), "*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n");
        assert_eq!(render("ECHO {value:30}", 0).len(), "*2\r\n$4\r\nECHO\r\n$30\r\n\r\n".len() + 30);
        assert_eq!(render("ECHO {value:0}", 0), "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n");
    }

    #[test]
    fn words_may_mix_text_and_placeholders() {
        assert_eq!(render("GET c:{conn}:{{tag}}", 42), "*2\r\n$3\r\nGET\r\n$14\r\nc:000042:{tag}\r\n");
        assert_eq!(render("GET \"a b;c\"", 0), "*2\r\n$3\r\nGET\r\n$5\r\na b;c\r\n");
    }

    #[test]
    fn random_numbers_stay_below_their_bound() {
        let template = Template::new("GET {random:100}", &shape(), 3).unwrap();
        let mut unit = Vec::new();
        template.copy_to(&mut unit);
        let mut keys = Keys::new(Distribution::Uniform, 0, 1);
        let mut random = Random::new(5);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..5000 {
            template.fill(&mut unit, &mut keys, &mut random, 0);
            let text = String::from_utf8(unit.clone()).unwrap();
            let number = text.strip_prefix("*2\r\n$3\r\nGET\r\n$2\r\n").unwrap().trim_end().to_owned();
            assert_eq!(number.len(), 2);
            seen.insert(number);
        }
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn a_unit_knows_what_its_commands_may_answer() {
        let template = Template::new("MULTI; GET {key}; EXEC", &shape(), 3).unwrap();
        assert_eq!(template.expected().len(), 3);
        assert!(template.expected()[1].has(Kind::Simple) && !template.expected()[1].has(Kind::Bulk));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "",
            "GET {",
            "GET }",
            "GET {ky}",
            "GET {random}",
            "GET {random:0}",
            "GET \"a",
            "; GET a",
            "GET {key:3}",
        ] {
            assert!(Template::new(text, &shape(), 3).is_err(), "{text}");
        }
        let tight = KeyShape { prefix: "key:".to_owned(), bytes: 8, count: 10_001 };
        assert!(Template::new("GET {key}", &tight, 3).is_err());
        let fits = KeyShape { count: 10_000, ..tight };
        assert!(Template::new("GET {key}", &fits, 3).is_ok());
    }

    #[test]
    fn digits_are_padded() {
        for (width, number, text) in
            [(1, 7, "7"), (2, 7, "07"), (5, 12_345, "12345"), (5, 9, "00009"), (0, 3, "")]
        {
            let mut digits = vec![b'x'; width];
            write_digits(&mut digits, number);
            assert_eq!(digits, text.as_bytes());
        }
    }
}
