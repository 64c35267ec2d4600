//! The model: what a single-threaded Redis would answer, for a handful of commands on strings and lists, for scripts of them, and for
//! messages.
use crate::durable::Dataset;
use crate::scripts::eval;

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
    /// RPUSH.
    Push(Key, u32),
    Len(Key),
    Range(Key),
    /// LMOVE from the left to the right.
    Move(Key, Key),
    /// RENAME of lists.
    RenameList(Key, Key),
    /// BLPOP, for so many milliseconds.
    Await(Vec<Key>, u32),
    /// BLMOVE from the left to the right, for so many milliseconds.
    AwaitMove(Key, Key, u32),
    Publish(u32),
    Subscribe,
    Unsubscribe,
    /// A script that carries these out, and says of which keys it is if it is local.
    Script {
        ops: Vec<Op>,
        is_local: bool,
    },
    /// In a script: what is taken off the left of one list is put to the right of another, in two steps.
    Carry(Key, Key),
    /// In a script: two strings change places, in four steps.
    Swap(Key, Key),
}

/// The channel of all messages.
pub(crate) const CHANNEL: &str = "news";

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
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let seconds = |ms: u32| format!("0.{ms:03}");
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
            Op::Push(key, value) => vec!["RPUSH".to_owned(), name(key), value.to_string()],
            Op::Len(key) => with_keys("LLEN", &[*key]),
            Op::Range(key) => words(&["LRANGE", &name(key), "0", "-1"]),
            Op::Move(from, to) => words(&["LMOVE", &name(from), &name(to), "LEFT", "RIGHT"]),
            Op::RenameList(from, to) => with_keys("RENAME", &[*from, *to]),
            Op::Await(keys, ms) => {
                let mut words = with_keys("BLPOP", keys);
                words.push(seconds(*ms));
                words
            }
            Op::AwaitMove(from, to, ms) => {
                words(&["BLMOVE", &name(from), &name(to), "LEFT", "RIGHT", &seconds(*ms)])
            }
            Op::Publish(value) => words(&["PUBLISH", CHANNEL, &value.to_string()]),
            Op::Subscribe => words(&["SUBSCRIBE", CHANNEL]),
            Op::Unsubscribe => words(&["UNSUBSCRIBE", CHANNEL]),
            Op::Script { ops, is_local } => eval(ops, *is_local, names),
            Op::Carry(..) | Op::Swap(..) => unreachable!("only scripts do that"),
        };
        words.into_iter().map(String::into_bytes).collect()
    }

    /// The keys of a command of a script.
    pub(crate) fn keys(&self) -> Vec<Key> {
        match self {
            Op::Get(key) | Op::Set(key, _) | Op::Append(key, _) | Op::Incr(key) => vec![*key],
            Op::Push(key, _) | Op::Len(key) | Op::Range(key) => vec![*key],
            Op::MGet(keys) | Op::Del(keys) | Op::Exists(keys) => keys.clone(),
            Op::MSet(pairs) | Op::MSetNx(pairs) => pairs.iter().map(|(key, _)| *key).collect(),
            Op::Rename(from, to) | Op::Move(from, to) | Op::RenameList(from, to) => vec![*from, *to],
            Op::Carry(from, to) | Op::Swap(from, to) => vec![*from, *to],
            Op::Ping | Op::Publish(_) => Vec::new(),
            op => unreachable!("{op:?} is not for scripts"),
        }
    }
}

/// A client as the model sees it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Session {
    multi: Option<Vec<usize>>,
    /// One bit a key.
    watched: u32,
    dirty: bool,
    listens: bool,
    /// It has closed the connection.
    gone: bool,
}

/// One who waits for lists.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Waiting {
    client: usize,
    keys: Vec<Key>,
    /// Where it moves what it gets.
    to: Option<Key>,
}

/// What comes of a command.
#[derive(Default)]
pub(crate) struct Step {
    /// The reply; none if it waits.
    pub(crate) reply: Option<String>,
    /// Those who waited and are served, with their replies.
    pub(crate) served: Vec<(usize, String)>,
    /// What was published, in order, each with those who listened.
    pub(crate) told: Vec<(u32, Vec<usize>)>,
}

/// A dataset and its clients.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Model {
    values: Vec<Option<String>>,
    lists: Vec<Vec<u32>>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    sessions: Vec<Session>,
}

const OK: &str = "+OK\r\n";
const NO_SUCH_KEY: &str = "-ERR no such key\r\n";

impl Model {
    pub(crate) fn new(keys: usize, clients: usize) -> Model {
        let lists = vec![Vec::new(); keys];
        let waiting = Vec::new();
        Model { values: vec![None; keys], lists, waiting, sessions: vec![Session::default(); clients] }
    }

    /// Whether a dataset is this one's.
    pub(crate) fn holds(&self, found: &Dataset) -> bool {
        self.values == found.values && self.lists == found.lists
    }

    /// Whether a client waits.
    pub(crate) fn waits(&self, client: usize) -> bool {
        self.waiting.iter().any(|waiting| waiting.client == client)
    }

    /// A client waits no longer: its time is over, or it has gone.
    pub(crate) fn give_up(&mut self, client: usize) {
        self.waiting.retain(|waiting| waiting.client != client);
    }

    /// Whether the server still knows a client.
    pub(crate) fn knows(&self, client: usize) -> bool {
        !self.sessions[client].gone
    }

    /// A client has gone. What it has sent before may still be carried out.
    pub(crate) fn leave(&mut self, client: usize) {
        self.give_up(client);
        self.sessions[client] = Session { gone: true, ..Session::default() };
    }

    /// Client `client` sends its command number `index` of `ops`.
    pub(crate) fn apply(&mut self, client: usize, ops: &[Op], index: usize) -> Step {
        let mut step = Step::default();
        let mut ready = Vec::new();
        step.reply = self.call(client, ops, index, &mut ready, &mut step.told);
        self.serve(ready, &mut step.served);
        step
    }

    fn call(
        &mut self,
        client: usize,
        ops: &[Op],
        index: usize,
        ready: &mut Vec<Key>,
        told: &mut Vec<(u32, Vec<usize>)>,
    ) -> Option<String> {
        let op = &ops[index];
        let session = &mut self.sessions[client];
        Some(match op {
            Op::Multi => {
                session.multi = Some(Vec::new());
                OK.to_owned()
            }
            Op::Discard => {
                *session = Session::default();
                OK.to_owned()
            }
            Op::Exec => self.exec(client, ops, ready, told),
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
            Op::Subscribe | Op::Unsubscribe => {
                session.listens = *op == Op::Subscribe && !session.gone;
                let (word, count) = if *op == Op::Subscribe { ("subscribe", 1) } else { ("unsubscribe", 0) };
                format!("*3\r\n{}{}:{count}\r\n", bulk(Some(word)), bulk(Some(CHANNEL)))
            }
            Op::Ping if session.listens => format!("*2\r\n{}{}", bulk(Some("pong")), bulk(Some(""))),
            Op::Await(keys, _) => return self.take_or_wait(client, keys, None, ready),
            Op::AwaitMove(from, to, _) => return self.take_or_wait(client, &[*from], Some(*to), ready),
            op => self.run(op, ready, told),
        })
    }

    fn exec(
        &mut self,
        client: usize,
        ops: &[Op],
        ready: &mut Vec<Key>,
        told: &mut Vec<(u32, Vec<usize>)>,
    ) -> String {
        let Session { multi, dirty, .. } = std::mem::take(&mut self.sessions[client]);
        let queued = multi.unwrap_or_default();
        if dirty {
            return "*-1\r\n".to_owned();
        }
        let ops: Vec<&Op> = queued.iter().map(|index| &ops[*index]).collect();
        self.run_all(&ops, ready, told)
    }

    /// Takes from the first list that has something, or waits for one.
    fn take_or_wait(
        &mut self,
        client: usize,
        keys: &[Key],
        to: Option<Key>,
        ready: &mut Vec<Key>,
    ) -> Option<String> {
        let reply = self.take(keys, to, ready);
        if reply.is_none() {
            self.waiting.push(Waiting { client, keys: keys.to_vec(), to });
        }
        reply
    }

    fn take(&mut self, keys: &[Key], to: Option<Key>, ready: &mut Vec<Key>) -> Option<String> {
        let key = *keys.iter().find(|key| !self.lists[usize::from(**key)].is_empty())?;
        let value = self.lists[usize::from(key)].remove(0);
        let text = bulk(Some(&value.to_string()));
        Some(match to {
            Some(to) => {
                self.feed(to, value, ready);
                text
            }
            None => format!("*2\r\n{}{text}", key_word(key)),
        })
    }

    fn feed(&mut self, key: Key, value: u32, ready: &mut Vec<Key>) {
        self.lists[usize::from(key)].push(value);
        if !ready.contains(&key) {
            ready.push(key);
        }
    }

    /// Serves those who wait for lists that got something, and for those that get something by that.
    fn serve(&mut self, mut ready: Vec<Key>, served: &mut Vec<(usize, String)>) {
        while !ready.is_empty() {
            let key = ready.remove(0);
            let waiting = self.waiting.iter().filter(|waiting| waiting.keys.contains(&key));
            let waiting: Vec<Waiting> = waiting.cloned().collect();
            for Waiting { client, keys, to } in waiting {
                if self.lists[usize::from(key)].is_empty() {
                    break;
                }
                if let Some(reply) = self.take(&keys, to, &mut ready) {
                    self.give_up(client);
                    served.push((client, reply));
                }
            }
        }
    }

    /// Runs what is one unit; the list of the replies. How many a message reaches is how many listen when it is published, who is told
    /// is who listens at the end of the unit: only that is what there is but once.
    fn run_all(&mut self, ops: &[&Op], ready: &mut Vec<Key>, told: &mut Vec<(u32, Vec<usize>)>) -> String {
        let mut run = |op: &&Op| match (self.run(op, ready, told), op) {
            (_, Op::Publish(_)) => format!("{ANY_COUNT}\r\n"),
            (reply, _) => reply,
        };
        let replies: Vec<String> = ops.iter().map(&mut run).collect();
        format!("*{}\r\n{}", ops.len(), replies.concat())
    }

    fn run(&mut self, op: &Op, ready: &mut Vec<Key>, told: &mut Vec<(u32, Vec<usize>)>) -> String {
        match op {
            Op::Push(key, value) => {
                self.feed(*key, *value, ready);
                int(self.lists[usize::from(*key)].len())
            }
            Op::Len(key) => int(self.lists[usize::from(*key)].len()),
            Op::Range(key) => {
                let list = &self.lists[usize::from(*key)];
                let values: Vec<_> = list.iter().map(|value| bulk(Some(&value.to_string()))).collect();
                format!("*{}\r\n{}", values.len(), values.concat())
            }
            Op::Script { ops, .. } => {
                let ops: Vec<&Op> = ops.iter().collect();
                self.run_all(&ops, ready, told)
            }
            Op::Move(from, to) | Op::Carry(from, to) => {
                self.take(&[*from], Some(*to), ready).unwrap_or_else(|| bulk(None))
            }
            Op::RenameList(from, to) if self.lists[usize::from(*from)].is_empty() => {
                debug_assert!(usize::from(*to) < self.lists.len(), "a list");
                NO_SUCH_KEY.to_owned()
            }
            Op::RenameList(from, to) => {
                let list = std::mem::take(&mut self.lists[usize::from(*from)]);
                self.lists[usize::from(*to)] = list;
                if !ready.contains(to) {
                    ready.push(*to);
                }
                OK.to_owned()
            }
            Op::Publish(value) => {
                let listens = |client: &usize| self.sessions[*client].listens;
                let listeners: Vec<usize> = (0..self.sessions.len()).filter(listens).collect();
                let count = listeners.len();
                told.push((*value, listeners));
                int(count)
            }
            op => self.run_on_strings(op),
        }
    }

    fn run_on_strings(&mut self, op: &Op) -> String {
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
                None => NO_SUCH_KEY.to_owned(),
                Some(_) if from == to => OK.to_owned(),
                Some(value) => {
                    self.put(*from, None);
                    self.put(*to, Some(value));
                    OK.to_owned()
                }
            },
            Op::Swap(one, other) => {
                let values = [one, other].map(|key| self.value(*key).map(str::to_owned));
                if values != [None, None] {
                    let [first, second] = values;
                    self.put(*one, second);
                    self.put(*other, first);
                }
                OK.to_owned()
            }
            Op::Unwatch => OK.to_owned(),
            _ => unreachable!("{op:?} is not for strings, or not queued"),
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

/// The name of a key as it stands in the replies that are compared: by its number.
pub(crate) fn key_word(key: Key) -> String {
    format!("#{key}\r\n")
}

/// A line that stands for any number.
pub(crate) const ANY_COUNT: &str = ":?";
/// Nothing came in time.
pub(crate) const IN_VAIN: &str = "*-1\r\n";

fn int(value: usize) -> String {
    format!(":{value}\r\n")
}

fn bulk(value: Option<&str>) -> String {
    value.map_or_else(|| "$-1\r\n".to_owned(), |value| format!("${}\r\n{value}\r\n", value.len()))
}
