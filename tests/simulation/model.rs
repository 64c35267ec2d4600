//! The model: what a single-threaded Redis would answer, for a handful of commands on strings.

/// A key, by number.
pub(crate) type Key = u8;

/// A command of a simulated client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Ping,
    Get(Key),
    Set(Key, u32),
    Append(Key, u32),
    Incr(Key),
    MGet(Vec<Key>),
    MSet(Vec<(Key, u32)>),
    MSetNx(Vec<(Key, u32)>),
    Del(Vec<Key>),
    Exists(Vec<Key>),
    Rename(Key, Key),
    Multi,
    Exec,
    Discard,
    Watch(Vec<Key>),
    Unwatch,
}

impl Op {
    /// The command as clients send it; `names` has the keys' names.
    pub(crate) fn args(&self, names: &[String]) -> Vec<Vec<u8>> {
        let name = |key: &Key| names[usize::from(*key)].clone();
        let with_keys = |word: &str, keys: &[Key]| {
            std::iter::once(word.to_owned()).chain(keys.iter().map(name)).collect::<Vec<_>>()
        };
        let pairs = |word: &str, pairs: &[(Key, u32)]| {
            let pairs = pairs.iter().flat_map(|(key, value)| [name(key), value.to_string()]);
            std::iter::once(word.to_owned()).chain(pairs).collect::<Vec<_>>()
        };
        let words = match self {
            Op::Ping => vec!["PING".to_owned()],
            Op::Get(key) => with_keys("GET", &[*key]),
            Op::Set(key, value) => vec!["SET".to_owned(), name(key), value.to_string()],
            Op::Append(key, value) => vec!["APPEND".to_owned(), name(key), value.to_string()],
            Op::Incr(key) => with_keys("INCR", &[*key]),
            Op::MGet(keys) => with_keys("MGET", keys),
            Op::MSet(them) => pairs("MSET", them),
            Op::MSetNx(them) => pairs("MSETNX", them),
            Op::Del(keys) => with_keys("DEL", keys),
            Op::Exists(keys) => with_keys("EXISTS", keys),
            Op::Rename(from, to) => with_keys("RENAME", &[*from, *to]),
            Op::Multi => vec!["MULTI".to_owned()],
            Op::Exec => vec!["EXEC".to_owned()],
            Op::Discard => vec!["DISCARD".to_owned()],
            Op::Watch(keys) => with_keys("WATCH", keys),
            Op::Unwatch => vec!["UNWATCH".to_owned()],
        };
        words.into_iter().map(String::into_bytes).collect()
    }
}

/// A client as the model sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Session {
    multi: Option<Vec<usize>>,
    /// One bit a key.
    watched: u32,
    dirty: bool,
}

/// A dataset and its clients.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Model {
    values: Vec<Option<String>>,
    sessions: Vec<Session>,
}

const OK: &str = "+OK\r\n";

impl Model {
    pub(crate) fn new(keys: usize, clients: usize) -> Model {
        Model { values: vec![None; keys], sessions: vec![Session::default(); clients] }
    }

    /// Client `client` sends its command number `index` of `ops`: the reply.
    pub(crate) fn apply(&mut self, client: usize, ops: &[Op], index: usize) -> String {
        let op = &ops[index];
        let session = &mut self.sessions[client];
        match op {
            Op::Multi => {
                session.multi = Some(Vec::new());
                OK.to_owned()
            }
            Op::Discard => {
                *session = Session::default();
                OK.to_owned()
            }
            Op::Exec => self.exec(client, ops),
            Op::Watch(keys) => {
                session.watched |= keys.iter().fold(0, |bits, key| bits | 1 << key);
                OK.to_owned()
            }
            _ if session.multi.is_some() => {
                if let Some(multi) = &mut session.multi {
                    multi.push(index);
                }
                "+QUEUED\r\n".to_owned()
            }
            Op::Unwatch => {
                *session = Session::default();
                OK.to_owned()
            }
            op => self.run(op),
        }
    }

    fn exec(&mut self, client: usize, ops: &[Op]) -> String {
        let Session { multi, dirty, .. } = std::mem::take(&mut self.sessions[client]);
        let queued = multi.unwrap_or_default();
        if dirty {
            return "*-1\r\n".to_owned();
        }
        let replies = queued.iter().map(|index| self.run(&ops[*index])).collect::<Vec<_>>();
        format!("*{}\r\n{}", queued.len(), replies.concat())
    }

    fn run(&mut self, op: &Op) -> String {
        match op {
            Op::Ping => "+PONG\r\n".to_owned(),
            Op::Get(key) => bulk(self.value(*key)),
            Op::Set(key, value) => {
                self.put(*key, Some(value.to_string()));
                OK.to_owned()
            }
            Op::Append(key, value) => {
                let longer = format!("{}{value}", self.value(*key).unwrap_or_default());
                let len = longer.len();
                self.put(*key, Some(longer));
                int(len)
            }
            Op::Incr(key) => match self.value(*key).unwrap_or("0").parse::<i64>() {
                Ok(value) => {
                    self.put(*key, Some((value + 1).to_string()));
                    format!(":{}\r\n", value + 1)
                }
                Err(_) => "-ERR value is not an integer or out of range\r\n".to_owned(),
            },
            Op::MGet(keys) => {
                let replies = keys.iter().map(|key| bulk(self.value(*key))).collect::<Vec<_>>();
                format!("*{}\r\n{}", keys.len(), replies.concat())
            }
            Op::MSet(pairs) => {
                pairs.iter().for_each(|(key, value)| self.put(*key, Some(value.to_string())));
                OK.to_owned()
            }
            Op::MSetNx(pairs) => {
                let free = pairs.iter().all(|(key, _)| self.value(*key).is_none());
                if free {
                    pairs.iter().for_each(|(key, value)| self.put(*key, Some(value.to_string())));
                }
                int(usize::from(free))
            }
            Op::Del(keys) => {
                let mut count = 0;
                for key in keys {
                    if self.value(*key).is_some() {
                        self.put(*key, None);
                        count += 1;
                    }
                }
                int(count)
            }
            Op::Exists(keys) => int(keys.iter().filter(|key| self.value(**key).is_some()).count()),
            Op::Rename(from, to) => match self.value(*from).map(str::to_owned) {
                None => "-ERR no such key\r\n".to_owned(),
                Some(_) if from == to => OK.to_owned(),
                Some(value) => {
                    self.put(*from, None);
                    self.put(*to, Some(value));
                    OK.to_owned()
                }
            },
            Op::Unwatch => OK.to_owned(),
            Op::Multi | Op::Exec | Op::Discard | Op::Watch(_) => unreachable!("not queued"),
        }
    }

    fn value(&self, key: Key) -> Option<&str> {
        self.values[usize::from(key)].as_deref()
    }

    fn put(&mut self, key: Key, value: Option<String>) {
        self.values[usize::from(key)] = value;
        for session in &mut self.sessions {
            session.dirty |= session.watched & 1 << key != 0;
        }
    }
}

fn int(value: usize) -> String {
    format!(":{value}\r\n")
}

fn bulk(value: Option<&str>) -> String {
    value.map_or_else(|| "$-1\r\n".to_owned(), |value| format!("${}\r\n{value}\r\n", value.len()))
}
