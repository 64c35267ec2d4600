//! A simulated client: its script, what it has sent, what it got.
use crate::dice::Dice;
use crate::model::{Key, Op, key_word};
use crate::resp;
use crate::search::History;

/// How a message begins.
const MESSAGE: &str = "*3\r\n$7\r\nmessage\r\n";

/// A client with its script.
pub(crate) struct Client {
    pub(crate) history: History,
    names: Vec<String>,
    /// Commands that it sends without waiting for replies.
    window: usize,
    /// It drops the connection after so many replies.
    pub(crate) leaves_after: Option<usize>,
    /// Commands encoded so far.
    encoded: usize,
    /// Bytes encoded and not delivered.
    undelivered: Vec<u8>,
    /// For each command encoded and not sent to its end: how many of the undelivered bytes that takes.
    ends: Vec<usize>,
    got: Vec<u8>,
}

impl Client {
    pub(crate) fn new(
        ops: Vec<Op>,
        names: Vec<String>,
        window: usize,
        leaves_after: Option<usize>,
    ) -> Client {
        Client {
            history: History { ops, ..History::default() },
            names,
            window,
            leaves_after,
            encoded: 0,
            undelivered: Vec::new(),
            ends: Vec::new(),
            got: Vec::new(),
        }
    }

    /// Whether it would send something now.
    pub(crate) fn has_input(&self) -> bool {
        !self.undelivered.is_empty() || self.may_encode()
    }

    /// Whether it has all its replies.
    pub(crate) fn is_done(&self) -> bool {
        self.history.answered.len() == self.history.ops.len()
    }

    pub(crate) fn leaves_now(&self) -> bool {
        self.leaves_after.is_some_and(|after| self.history.answered.len() >= after && !self.is_done())
    }

    fn may_encode(&self) -> bool {
        self.encoded < self.history.ops.len() && self.encoded - self.history.answered.len() < self.window
    }

    /// Some bytes of what it has to say: whole commands, or cut anywhere.
    pub(crate) fn speak(&mut self, now: u64, dice: &mut Dice) -> Vec<u8> {
        while self.may_encode() {
            let args = self.history.ops[self.encoded].args(&self.names);
            self.undelivered.extend(resp::encode(&args));
            self.ends.push(self.undelivered.len());
            self.encoded += 1;
        }
        let whole = self.undelivered.len();
        let count = if dice.once_in(3) { dice.within(1..=whole) } else { whole };
        let sent: Vec<u8> = self.undelivered.drain(..count).collect();
        self.ends.retain_mut(|end| {
            if *end <= count {
                self.history.sent.push(now);
                return false;
            }
            *end -= count;
            true
        });
        sent
    }

    /// Bytes came for it.
    pub(crate) fn hear(&mut self, now: u64, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
        while let Some((_, len)) = resp::decode(&self.got).expect("the server speaks RESP") {
            let reply: Vec<u8> = self.got.drain(..len).collect();
            let mut reply = String::from_utf8_lossy(&reply).into_owned();
            if let Some(message) = reply.strip_prefix(MESSAGE) {
                let payload = message.lines().nth(3).and_then(|text| text.parse().ok());
                self.history.heard.push((now, payload.expect("a number was published")));
                continue;
            }
            for (key, name) in self.names.iter().enumerate() {
                reply = reply.replace(&format!("${}\r\n{name}\r\n", name.len()), &key_word(key as Key));
            }
            self.history.answered.push((now, reply));
            let (answered, sent) = (self.history.answered.len(), self.history.sent.len());
            assert!(answered <= sent, "a reply to nothing: {:?}", self.history.answered.last());
        }
    }
}

/// What the clients of one simulation do.
#[derive(Clone, Copy)]
pub(crate) struct Scene {
    /// So many keys are for strings.
    pub(crate) keys: usize,
    /// So many more for lists.
    pub(crate) lists: usize,
    /// Some listen to messages.
    pub(crate) has_news: bool,
    /// Some send scripts.
    pub(crate) has_scripts: bool,
}

/// A script of random commands. Every value written is another, so that a reader can tell whose it has seen.
pub(crate) fn script(client: usize, scene: Scene, length: usize, dice: &mut Dice) -> Vec<Op> {
    let keys = scene.keys;
    let mut ops = Vec::new();
    let taste = dice.below(4);
    let waits = dice.once_in(2);
    let mut value = (client as u32 + 1) * 1000;
    if scene.has_news && dice.once_in(2) {
        ops.push(Op::Subscribe);
        ops.extend((0..dice.below(3)).map(|_| Op::Ping));
        ops.extend(dice.once_in(2).then_some(Op::Unsubscribe));
        if ops.last() != Some(&Op::Unsubscribe) {
            return ops;
        }
    }
    while ops.len() < length {
        value += 1;
        if scene.lists > 0 && !dice.once_in(4) {
            listed(&mut ops, scene, waits, value, dice);
            continue;
        }
        match dice.below(if taste == 0 { 4 } else { 6 }) {
            _ if scene.has_scripts && dice.once_in(3) => ops.push(scripted(scene, value, dice)),
            _ if scene.has_news && dice.once_in(3) => ops.push(Op::Publish(value)),
            0..4 => ops.push(plain(taste, keys, value, dice)),
            4 => transaction(&mut ops, scene, value, dice),
            _ => guarded(&mut ops, scene, value, dice),
        }
    }
    ops
}

/// Something about lists: by those who wait, and by those who feed them, without a transaction and within one.
fn listed(ops: &mut Vec<Op>, scene: Scene, waits: bool, value: u32, dice: &mut Dice) {
    let Scene { keys, lists, .. } = scene;
    let list = |dice: &mut Dice| (keys + dice.below(lists)) as Key;
    let simple = |dice: &mut Dice| {
        if scene.has_scripts && dice.once_in(3) {
            scripted(scene, value, dice)
        } else {
            simply_listed(scene, value, dice)
        }
    };
    match dice.below(5) {
        0 | 1 if waits => {
            let ms = dice.within(1..=20) as u32;
            ops.push(match dice.below(3) {
                0 => Op::AwaitMove(list(dice), list(dice), ms),
                _ => Op::Await((0..dice.within(1..=3)).map(|_| list(dice)).collect(), ms),
            });
        }
        4 => {
            ops.push(Op::Multi);
            // Each value is another: none is written twice.
            ops.push(simple(dice));
            ops.push(Op::Push(list(dice), value + 500));
            ops.push(if dice.once_in(8) { Op::Discard } else { Op::Exec });
        }
        _ => ops.push(simple(dice)),
    }
}

fn simply_listed(scene: Scene, value: u32, dice: &mut Dice) -> Op {
    let Scene { keys, lists, has_news, .. } = scene;
    let list = |dice: &mut Dice| (keys + dice.below(lists)) as Key;
    match dice.below(9) {
        0..4 => Op::Push(list(dice), value),
        4 => Op::Len(list(dice)),
        5 => Op::Range(list(dice)),
        6 => Op::Move(list(dice), list(dice)),
        7 if has_news => Op::Publish(value),
        7 => Op::Set(one(keys, dice), value),
        _ => Op::RenameList(list(dice), list(dice)),
    }
}

/// A script of a few commands, of which some are several in one.
fn scripted(scene: Scene, value: u32, dice: &mut Dice) -> Op {
    let Scene { keys, lists, has_news, .. } = scene;
    let mut ops = Vec::new();
    for number in 0..dice.within(1..=3) as u32 {
        // Each value is another: none is pushed twice.
        let value = value + number * 200;
        let list = |dice: &mut Dice| (keys + dice.below(lists)) as Key;
        ops.push(match dice.below(8) {
            0 if has_news => Op::Publish(value),
            0..3 if lists > 0 => Op::Carry(list(dice), list(dice)),
            3..6 if lists > 0 => simply_listed(scene, value, dice),
            0..3 => Op::Swap(one(keys, dice), one(keys, dice)),
            _ => plain(0, keys, value, dice),
        });
    }
    Op::Script { ops, is_local: dice.once_in(2) }
}

fn one(keys: usize, dice: &mut Dice) -> Key {
    dice.below(keys) as Key
}

fn some(keys: usize, dice: &mut Dice) -> Vec<Key> {
    (0..dice.within(1..=3)).map(|_| one(keys, dice)).collect()
}

fn pairs(keys: usize, value: u32, dice: &mut Dice) -> Vec<(Key, u32)> {
    let mut named = some(keys, dice);
    named.push(one(keys, dice));
    named.sort_unstable();
    named.dedup();
    named.into_iter().map(|key| (key, value)).collect()
}

fn plain(taste: usize, keys: usize, value: u32, dice: &mut Dice) -> Op {
    // Readers, writers, movers, and everybody.
    let kind = match taste {
        1 => dice.pick(&[0, 0, 0, 4, 4, 8]),
        2 => dice.pick(&[1, 1, 5, 5, 3, 2]),
        3 => dice.pick(&[9, 9, 8, 4, 7, 0]),
        _ => dice.below(11),
    };
    match kind {
        0 => Op::Get(one(keys, dice)),
        1 => Op::Set(one(keys, dice), value),
        2 => Op::Append(one(keys, dice), value),
        3 => Op::Incr(one(keys, dice)),
        4 => Op::MGet(some(keys, dice)),
        5 => Op::MSet(pairs(keys, value, dice)),
        6 => Op::MSetNx(pairs(keys, value, dice)),
        7 => Op::Del(some(keys, dice)),
        8 => Op::Exists(some(keys, dice)),
        9 => Op::Rename(one(keys, dice), one(keys, dice)),
        _ => Op::Ping,
    }
}

fn transaction(ops: &mut Vec<Op>, scene: Scene, value: u32, dice: &mut Dice) {
    ops.push(Op::Multi);
    for _ in 0..dice.within(0..=3) {
        let is_script = scene.has_scripts && dice.once_in(3);
        ops.push(if is_script { scripted(scene, value, dice) } else { plain(0, scene.keys, value, dice) });
    }
    ops.push(if dice.once_in(8) { Op::Discard } else { Op::Exec });
}

fn guarded(ops: &mut Vec<Op>, scene: Scene, value: u32, dice: &mut Dice) {
    let keys = scene.keys;
    ops.push(Op::Watch(some(keys, dice)));
    if dice.once_in(2) {
        ops.push(plain(0, keys, value, dice));
    }
    if dice.once_in(6) {
        ops.push(Op::Unwatch);
    }
    transaction(ops, scene, value, dice);
}
