//! What clients do until the server dies, each on keys of its own; afterwards each knows what must be there.
//!
//! Every client numbers its steps. Of those sent and not answered nobody knows whether they happened; of the others all must
//! have, and none may have happened without those before it.
use crate::link::{Command, Link, number, text, words};
use crate::resp::Reply;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

/// A client.
pub(crate) trait Client: Send {
    /// What it sends next, in one go.
    fn send(&mut self) -> Vec<Command>;
    /// The reply to the next command that was not answered so far.
    fn hear(&mut self, reply: &Reply);
    /// So many steps were answered.
    fn answered(&self) -> u64;
    /// Of the steps that were answered no more than these need be there; but what is, is whole.
    fn expect(&mut self, answered: u64);
    /// Looks at what is left, and goes on from there.
    fn check(&mut self, link: &mut Link) -> Result<(), String>;
}

/// One of each kind, with names that begin like this.
pub(crate) fn clients(prefix: &str) -> Vec<Box<dyn Client>> {
    let name = |kind: &str| format!("{prefix}:{kind}");
    vec![
        Box::new(Setter { name: name("set"), sent: 0, answered: 0 }),
        Box::new(Unit { name: name("mset"), kind: Kind::Mset, sent: 0, answered: 0, heard: 0 }),
        Box::new(Unit { name: name("multi"), kind: Kind::Multi, sent: 0, answered: 0, heard: 0 }),
        Box::new(Unit { name: name("script"), kind: Kind::Script, sent: 0, answered: 0, heard: 0 }),
        Box::new(Mover {
            name: name("move"),
            start: Vec::new(),
            moves: Vec::new(),
            answered: 0,
            done: 0,
            is_filled: false,
        }),
        Box::new(Queue { name: name("queue"), sent: 0, answered: 0, heard: 0 }),
        Box::new(Stream { name: name("stream"), sent: 0, answered: 0 }),
        Box::new(Popper { name: name("pop"), sent: 0, answered: 0, popped: BTreeMap::new() }),
    ]
}

/// Lets a client work until the server is gone, or `then`, which is called after each of its pipelines, says that it is enough.
pub(crate) fn work(
    address: SocketAddr,
    client: &mut dyn Client,
    mut then: impl FnMut(&mut Link, &dyn Client) -> bool,
) {
    let Some(mut link) = Link::connect(address) else { return };
    loop {
        let commands = client.send();
        if !link.send(&commands) {
            return;
        }
        for _ in &commands {
            let Some(reply) = link.receive() else { return };
            client.hear(&reply);
        }
        if !then(&mut link, client) {
            return;
        }
    }
}

/// Sends commands, again and again, until the server is gone.
pub(crate) fn disturb(address: SocketAddr, commands: &[&[&str]]) {
    let Some(mut link) = Link::connect(address) else { return };
    for command in commands.iter().cycle() {
        if link.ask(command).is_none() {
            return;
        }
        std::thread::sleep(Duration::from_millis(17));
    }
}

/// What clients miss of what they expect.
pub(crate) fn complaints(address: SocketAddr, clients: &mut [Box<dyn Client>]) -> Vec<String> {
    let mut link = Link::when_loaded(address);
    clients.iter_mut().filter_map(|client| client.check(&mut link).err()).collect()
}

fn assert_within(what: &str, found: u64, answered: u64, sent: u64) -> Result<(), String> {
    if (answered..=sent).contains(&found) {
        Ok(())
    } else {
        Err(format!("{what}: step {found} is the last; {answered} were acknowledged, {sent} sent"))
    }
}

fn is_ok(reply: &Reply) {
    assert_eq!(*reply, Reply::Simple(b"OK".to_vec()));
}

/// Sets keys on all shards in turn to growing numbers, in pipelines.
struct Setter {
    name: String,
    sent: u64,
    answered: u64,
}

const SETTER_KEYS: u64 = 7;

impl Client for Setter {
    fn send(&mut self) -> Vec<Command> {
        let from = self.sent + 1;
        self.sent += from % 19 + 1;
        let set =
            |step: u64| words(&["SET", &format!("{}:{}", self.name, step % SETTER_KEYS), &step.to_string()]);
        (from..=self.sent).map(set).collect()
    }
    fn hear(&mut self, reply: &Reply) {
        is_ok(reply);
        self.answered += 1;
    }
    fn answered(&self) -> u64 {
        self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered;
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let mut value = |key: u64| link.number(&["GET", &format!("{}:{key}", self.name)]);
        let values: Vec<u64> = (0..SETTER_KEYS).map(&mut value).collect();
        let last = values.iter().copied().max().unwrap_or(0);
        assert_within(&self.name, last, self.answered, self.sent)?;
        // The last steps went to all keys in turn.
        for step in (last + 1).saturating_sub(SETTER_KEYS).max(1)..=last {
            if values[(step % SETTER_KEYS) as usize] != step {
                return Err(format!("{}: step {step} before {last} is missing: {values:?}", self.name));
            }
        }
        (self.sent, self.answered) = (last, last);
        Ok(())
    }
}

/// Writes one number to several keys at once.
struct Unit {
    name: String,
    kind: Kind,
    sent: u64,
    answered: u64,
    /// Replies to parts of a step.
    heard: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Mset,
    Multi,
    Script,
}

const SCRIPT: &str = "redis.call('SET', KEYS[1], ARGV[1]) redis.call('HSET', KEYS[2], 'step', ARGV[1]) \
                      return redis.call('RPUSH', KEYS[3], ARGV[1])";

impl Unit {
    fn key(&self, number: usize) -> String {
        format!("{}:{number}", self.name)
    }
    fn replies(&self) -> usize {
        if matches!(self.kind, Kind::Multi) { 5 } else { 1 }
    }
    fn step(&self, step: u64) -> Vec<Command> {
        let (step, keys) = (step.to_string(), [0, 1, 2, 3].map(|number| self.key(number)));
        match self.kind {
            Kind::Mset => {
                let pairs = keys.iter().flat_map(|key| [key.clone(), step.clone()]);
                vec![std::iter::once("MSET".to_owned()).chain(pairs).collect()]
            }
            Kind::Multi => vec![
                words(&["MULTI"]),
                words(&["SET", &keys[0], &step]),
                words(&["RPUSH", &keys[1], &step]),
                words(&["ZADD", &keys[2], &step, "step"]),
                words(&["EXEC"]),
            ],
            Kind::Script => vec![words(&["EVAL", SCRIPT, "3", &keys[0], &keys[1], &keys[2], &step])],
        }
    }
    /// What the step has left on each of the keys.
    fn found(&self, link: &mut Link) -> Vec<u64> {
        let keys = [0, 1, 2, 3].map(|number| self.key(number));
        match self.kind {
            Kind::Mset => keys.iter().map(|key| link.number(&["GET", key])).collect(),
            Kind::Multi => vec![
                link.number(&["GET", &keys[0]]),
                link.number(&["LINDEX", &keys[1], "-1"]),
                link.number(&["LLEN", &keys[1]]),
                link.number(&["ZSCORE", &keys[2], "step"]),
            ],
            Kind::Script => vec![
                link.number(&["GET", &keys[0]]),
                link.number(&["HGET", &keys[1], "step"]),
                link.number(&["LINDEX", &keys[2], "-1"]),
                link.number(&["LLEN", &keys[2]]),
            ],
        }
    }
}

impl Client for Unit {
    fn send(&mut self) -> Vec<Command> {
        let from = self.sent + 1;
        self.sent += from % 3 + 1;
        (from..=self.sent).flat_map(|step| self.step(step)).collect()
    }
    fn hear(&mut self, reply: &Reply) {
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        self.heard += 1;
        if self.heard == self.replies() {
            self.heard = 0;
            self.answered += 1;
        }
    }
    fn answered(&self) -> u64 {
        self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered;
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let found = self.found(link);
        if found.iter().any(|step| *step != found[0]) {
            return Err(format!("{}: a unit is torn: {found:?}", self.name));
        }
        assert_within(&self.name, found[0], self.answered, self.sent)?;
        (self.sent, self.answered, self.heard) = (found[0], found[0], 0);
        Ok(())
    }
}

/// Moves elements between two lists, to and fro.
struct Mover {
    name: String,
    /// The lists, one behind the other, where it was last looked; nothing before they are made.
    start: Vec<Vec<String>>,
    /// From which list each move is.
    moves: Vec<usize>,
    answered: u64,
    /// Moves before `start`.
    done: u64,
    /// The elements were there after a crash: they stay.
    is_filled: bool,
}

const ELEMENTS: usize = 20;

impl Mover {
    fn list(&self, number: usize) -> String {
        format!("{}:{number}", self.name)
    }
    fn found(&self, link: &mut Link) -> Vec<Vec<String>> {
        [0, 1].map(|number| link.texts(&["LRANGE", &self.list(number), "0", "-1"])).to_vec()
    }
    fn apply(lists: &mut [Vec<String>], from: usize) {
        if let Some(element) = lists[from].pop() {
            lists[1 - from].insert(0, element);
        }
    }
}

impl Client for Mover {
    fn send(&mut self) -> Vec<Command> {
        let count = self.moves.len() % 7 + 1;
        let from = |at: usize| usize::from(at % 5 > 2);
        let new: Vec<usize> = (0..count).map(|at| from(self.moves.len() + at)).collect();
        let command = |from: &usize| words(&["RPOPLPUSH", &self.list(*from), &self.list(1 - *from)]);
        let commands = new.iter().map(command).collect();
        self.moves.extend(new);
        commands
    }
    fn hear(&mut self, reply: &Reply) {
        assert!(matches!(reply, Reply::Bulk(_) | Reply::NullBulk), "{reply:?}");
        self.answered += 1;
    }
    fn answered(&self) -> u64 {
        self.done + self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered.saturating_sub(self.done);
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let found = self.found(link);
        // When it was last looked they were put there, which nobody had promised to keep.
        let is_empty = found.iter().all(Vec::is_empty) && self.answered == 0;
        if is_empty && !self.is_filled {
            let elements: Vec<String> = (0..ELEMENTS).map(|element| element.to_string()).collect();
            let mut fill = words(&["RPUSH", &self.list(0)]);
            fill.extend(elements);
            link.call(&fill.iter().map(String::as_str).collect::<Vec<_>>());
            self.start = self.found(link);
            self.moves.clear();
            return Ok(());
        }
        self.is_filled = true;
        let mut lists = self.start.clone();
        self.moves[..self.answered as usize].iter().for_each(|from| Mover::apply(&mut lists, *from));
        self.done += self.answered;
        let mut rest = self.moves[self.answered as usize..].iter();
        while lists != found {
            let Some(from) = rest.next() else {
                return Err(format!("{}: no moves lead to {found:?}", self.name));
            };
            Mover::apply(&mut lists, *from);
            self.done += 1;
        }
        (self.start, self.answered) = (found, 0);
        self.moves.clear();
        Ok(())
    }
}

/// Puts payloads down, and then their names in a queue, in one pipeline.
struct Queue {
    name: String,
    sent: u64,
    answered: u64,
    heard: usize,
}

impl Client for Queue {
    fn send(&mut self) -> Vec<Command> {
        let from = self.sent + 1;
        self.sent += from % 5 + 1;
        let step = |step: u64| {
            let payload = format!("{}:payload:{step}", self.name);
            [words(&["SET", &payload, &payload]), words(&["LPUSH", &self.name, &step.to_string()])]
        };
        (from..=self.sent).flat_map(step).collect()
    }
    fn hear(&mut self, reply: &Reply) {
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        self.heard += 1;
        self.answered += u64::from(self.heard.is_multiple_of(2));
    }
    fn answered(&self) -> u64 {
        self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered;
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let len = link.number(&["LLEN", &self.name]);
        assert_within(&self.name, len, self.answered, self.sent)?;
        for (at, step) in link.texts(&["LRANGE", &self.name, "0", "200"]).iter().enumerate() {
            if *step != (len - at as u64).to_string() {
                return Err(format!("{}: entry {at} of {len} is {step}", self.name));
            }
            if link.number(&["EXISTS", &format!("{}:payload:{step}", self.name)]) == 0 {
                return Err(format!("{}: {step} is in the queue, but its payload is not there", self.name));
            }
        }
        (self.sent, self.answered, self.heard) = (len, len, 0);
        Ok(())
    }
}

/// Adds entries to a stream, whose ids the server gives.
struct Stream {
    name: String,
    sent: u64,
    answered: u64,
}

impl Client for Stream {
    fn send(&mut self) -> Vec<Command> {
        let from = self.sent + 1;
        self.sent += from % 4 + 1;
        (from..=self.sent).map(|step| words(&["XADD", &self.name, "*", "step", &step.to_string()])).collect()
    }
    fn hear(&mut self, reply: &Reply) {
        assert!(matches!(reply, Reply::Bulk(_)), "{reply:?}");
        self.answered += 1;
    }
    fn answered(&self) -> u64 {
        self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered;
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let len = link.number(&["XLEN", &self.name]);
        assert_within(&self.name, len, self.answered, self.sent)?;
        let Reply::Array(entries) = link.call(&["XREVRANGE", &self.name, "+", "-", "COUNT", "100"]) else {
            return Err(format!("{} is no stream", self.name));
        };
        for (entry, step) in entries.iter().zip((1..=len).rev()) {
            let Reply::Array(entry) = entry else { return Err("an entry is none".to_owned()) };
            let Reply::Array(fields) = &entry[1] else { return Err("fields are none".to_owned()) };
            if text(&fields[1]) != step.to_string() {
                return Err(format!("{}: {fields:?} where {step} is to be", self.name));
            }
        }
        (self.sent, self.answered) = (len, len);
        Ok(())
    }
}

/// Adds members to a set and takes out others that the dice of the server choose.
struct Popper {
    name: String,
    sent: u64,
    answered: u64,
    /// What was taken out, and by which step.
    popped: BTreeMap<String, u64>,
}

impl Popper {
    fn adds(step: u64) -> bool {
        !step.is_multiple_of(3)
    }
}

impl Client for Popper {
    fn send(&mut self) -> Vec<Command> {
        let from = self.sent + 1;
        self.sent += from % 4 + 1;
        let command = |step: u64| {
            if Popper::adds(step) {
                words(&["SADD", &self.name, &step.to_string()])
            } else {
                words(&["SPOP", &self.name])
            }
        };
        (from..=self.sent).map(command).collect()
    }
    fn hear(&mut self, reply: &Reply) {
        self.answered += 1;
        if Popper::adds(self.answered) {
            assert_eq!(*reply, Reply::Int(1));
        } else {
            self.popped.insert(text(reply), self.answered);
        }
    }
    fn answered(&self) -> u64 {
        self.answered
    }
    fn expect(&mut self, answered: u64) {
        self.answered = answered;
        self.popped.retain(|_, step| *step <= answered);
    }
    fn check(&mut self, link: &mut Link) -> Result<(), String> {
        let members: BTreeSet<String> = link.texts(&["SMEMBERS", &self.name]).into_iter().collect();
        let highest = members.iter().filter_map(|member| member.parse().ok()).max().unwrap_or(0);
        if let Some(back) = members.iter().find(|member| self.popped.contains_key(*member)) {
            return Err(format!("{}: {back} was taken out, and is there again", self.name));
        }
        let added = (1..=self.answered).filter(|step| Popper::adds(*step));
        let gone: Vec<u64> = added
            .filter(|step| {
                !members.contains(&step.to_string()) && !self.popped.contains_key(&step.to_string())
            })
            .collect();
        // Who takes out without hearing of it takes no more than there were commands.
        let unheard = (self.answered + 1..=self.sent).filter(|step| !Popper::adds(*step)).count();
        if gone.len() > unheard || highest > self.sent {
            return Err(format!("{}: {gone:?} are gone, {highest} is the highest", self.name));
        }
        self.popped.extend(gone.iter().map(|step| (step.to_string(), 0)));
        // The next step is one behind all that may have happened.
        let next = self.sent.next_multiple_of(3);
        let unknown = (self.answered + 1..=next).filter(|step| !members.contains(&step.to_string()));
        self.popped.extend(unknown.map(|step| (step.to_string(), 0)));
        self.popped.values_mut().for_each(|step| *step = 0);
        (self.sent, self.answered) = (next, next);
        let count = number(&link.call(&["SCARD", &self.name]));
        if count == members.len() as u64 { Ok(()) } else { Err(format!("{}: SCARD {count}", self.name)) }
    }
}
