//! A world for the tests of commands: the same commands over one shard and over three, with a clock that the test sets.
use super::{Args, Command, FAMILIES, execute};
use crate::call::Call;
use crate::effects::{Class, Effects, Listen};
use crate::reply::{Reply, Resp};
use crate::settings::Settings;
use crate::shard::Shard;

/// The time at which a world begins, ms since 1970.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// Two datasets that see the same commands: whatever differs between them is a fault of sharding.
pub(crate) struct World {
    #[expect(clippy::vec_box, reason = "a call takes boxed shards, for they travel")]
    lanes: [Vec<Box<Shard>>; 2],
    /// The directives.
    pub(crate) settings: Settings,
    /// The time, ms since 1970.
    pub(crate) now_ms: i64,
    /// The protocol version in which replies come.
    pub(crate) resp: Resp,
    /// The database selected.
    pub(crate) db: u16,
    effects: Effects,
}

impl World {
    pub(crate) fn new() -> World {
        let settings = Settings::default();
        let lanes = [1, 3].map(|count| {
            (0..count).map(|index| Box::new(Shard::new(index, count, settings.databases, 7))).collect()
        });
        World { lanes, settings, now_ms: START_MS, resp: Resp::V2, db: 0, effects: Effects::default() }
    }

    /// Runs a command, quoted as in redis-cli. The reply is as golden scripts show it, in one line: `*2 "a" (nil)`.
    pub(crate) fn run(&mut self, line: &str) -> String {
        let args = split(line);
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        render(&self.run_bytes(&args))
    }

    /// Runs commands, each with the reply and the effects that it is to have.
    pub(crate) fn play(&mut self, steps: &[(&str, &str, &str)]) {
        for (line, reply, effects) in steps {
            assert_eq!((self.run(line).as_str(), self.effects().as_str()), (*reply, *effects), "{line}");
        }
    }

    /// Runs a command; the reply is what goes to the socket.
    pub(crate) fn run_bytes(&mut self, args: Args<'_>) -> Vec<u8> {
        let name = String::from_utf8_lossy(args[0]).to_lowercase();
        let command = FAMILIES.iter().copied().flatten().find(|command| command.spec.name == name);
        let command = command.unwrap_or_else(|| panic!("no command {name}"));
        let [one, three] = [0, 1].map(|lane| self.run_on(lane, command, args));
        assert_eq!(one.0, three.0, "one shard and three shards reply alike to {name}");
        assert_eq!(
            told(&one.1),
            told(&three.1),
            "one shard and three shards have the same effects of {name}"
        );
        self.effects = one.1;
        one.0
    }

    fn run_on(&mut self, lane: usize, command: &Command, args: Args<'_>) -> (Vec<u8>, Effects) {
        let command = match args.get(1) {
            Some(sub) => {
                let full = format!("{}|{}", command.spec.name, String::from_utf8_lossy(sub).to_lowercase());
                command.subcommands.iter().find(|sub| sub.spec.name == full).unwrap_or(command)
            }
            None => command,
        };
        let mut reply = Reply::new(self.resp);
        let mut effects = Effects::new(Listen { records: true, events: Class(!Class::MISS.0) });
        if command.spec.fits(args.len()) {
            let shards = &mut self.lanes[lane];
            let mut cx = Call::new(shards, &self.settings, self.db, self.now_ms, &mut reply, &mut effects);
            execute(&mut cx, command, args);
        } else {
            reply.error(&crate::fault::Fault::arity(command.spec.name).0);
        }
        (reply.bytes, effects)
    }

    /// What the last command did beyond its reply: changes, events, records: `2: set a, set b; MSET a 1 b 2`.
    pub(crate) fn effects(&self) -> String {
        told(&self.effects)
    }

    /// Lets time pass.
    pub(crate) fn sleep_ms(&mut self, ms: i64) {
        self.now_ms += ms;
    }
}

fn told(effects: &Effects) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let events: Vec<String> =
        effects.events().iter().map(|event| format!("{} {}", event.name, text(&event.key))).collect();
    let records: Vec<String> =
        effects.records().map(|record| record.args().map(text).collect::<Vec<_>>().join(" ")).collect();
    format!("{}: {}; {}", effects.dirty, events.join(", "), records.join(", "))
}

/// The arguments of a line, quoted as in redis-cli.
pub(crate) fn split(line: &str) -> Vec<Vec<u8>> {
    let mut args = Vec::new();
    let mut rest = line.trim_start().as_bytes();
    while !rest.is_empty() {
        let (arg, tail) = if rest[0] == b'"' { unquote(&rest[1..]) } else { plain(rest) };
        args.push(arg);
        rest = tail.trim_ascii_start();
    }
    args
}

fn plain(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    (text[..end].to_vec(), &text[end..])
}

fn unquote(mut text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut arg = Vec::new();
    loop {
        text = match text {
            [b'"', b'*', tail @ ..] => return repeat(&arg, tail),
            [b'"', tail @ ..] => return (arg, tail),
            [b'\\', b'x', high, low, tail @ ..] => {
                let hex = std::str::from_utf8(&[*high, *low]).map(|hex| u8::from_str_radix(hex, 16));
                arg.push(hex.unwrap().unwrap());
                tail
            }
            [b'\\', letter, tail @ ..] => {
                arg.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                arg.push(*byte);
                tail
            }
            [] => panic!("a quote is not closed"),
        }
    }
}

/// `"x"*5` is `"xxxxx"`.
fn repeat<'a>(arg: &[u8], tail: &'a [u8]) -> (Vec<u8>, &'a [u8]) {
    let (count, tail) = plain(tail);
    let count = std::str::from_utf8(&count).unwrap().parse().unwrap();
    (arg.repeat(count), tail)
}

/// A reply in one line.
pub(crate) fn render(mut reply: &[u8]) -> String {
    let mut parts = Vec::new();
    while !reply.is_empty() {
        parts.push(render_one(&mut reply));
    }
    parts.join(" ")
}

fn render_one(reply: &mut &[u8]) -> String {
    let end = reply.windows(2).position(|pair| pair == b"\r\n").expect("a line has an end");
    let (mark, head) = (reply[0], reply[1..end].escape_ascii().to_string());
    *reply = &reply[end + 2..];
    let count = head.parse::<i64>().unwrap_or(0);
    match mark {
        b'$' if count < 0 => "(nil)".to_owned(),
        b'*' if count < 0 => "*nil".to_owned(),
        b'$' => {
            let (text, tail) = reply.split_at(count as usize);
            *reply = tail.strip_prefix(b"\r\n").expect("a bulk string has an end");
            format!("\"{}\"", quoted(text))
        }
        b'*' | b'~' | b'>' => {
            let head = format!("{}{count}", char::from(mark));
            (0..count).fold(head, |all, _| all + " " + &render_one(reply))
        }
        b'%' => (0..count).fold(format!("%{count}"), |all, _| {
            let key = render_one(reply);
            format!("{all} {key} => {}", render_one(reply))
        }),
        _ => format!("{}{}", char::from(mark), head.replace("\\'", "'").replace("\\\"", "\"")),
    }
}

fn quoted(text: &[u8]) -> String {
    text.escape_ascii().to_string().replace("\\'", "'")
}
