//! Scripts of simulated clients: the text in Lua of a few commands, whose replies it gives back as a list.
//!
//! One that is local names its keys by KEYS, so that the server may run it on the shards of those; another has their names among its
//! other arguments, so that it may touch any.
use crate::model::{Key, Op};

/// The command that has a script carry these out; `names` has the keys' names.
pub(crate) fn eval(ops: &[Op], is_local: bool, names: &[String]) -> Vec<String> {
    let mut keys: Vec<Key> = ops.iter().flat_map(Op::keys).collect();
    keys.sort_unstable();
    keys.dedup();
    let list = if is_local { "KEYS" } else { "ARGV" };
    // What stands in the text for a key.
    let place = |key: Key| {
        let at = keys.iter().position(|other| *other == key);
        at.map_or_else(String::new, |at| format!("{list}[{}]", at + 1))
    };
    let places: Vec<String> = (0..names.len()).map(|key| place(key as Key)).collect();
    let lines: Vec<String> = ops.iter().enumerate().map(|(at, op)| line(at + 1, op, &places)).collect();
    let text = format!("local r = {{}}\n{}return r", lines.concat());
    let count = if is_local { keys.len() } else { 0 };
    let keys = keys.iter().map(|key| names[usize::from(*key)].clone());
    ["EVAL".to_owned(), text, count.to_string()].into_iter().chain(keys).collect()
}

/// The line that carries out a command; `places` has what stands for the keys.
fn line(at: usize, op: &Op, places: &[String]) -> String {
    let place = |key: &Key| &places[usize::from(*key)];
    match op {
        Op::Carry(from, to) => {
            let (from, to) = (place(from), place(to));
            format!(
                "local v{at} = redis.call('LPOP', {from})\n\
                 if v{at} then redis.call('RPUSH', {to}, v{at}) end\n\
                 r[{at}] = v{at}\n"
            )
        }
        Op::Swap(one, other) => {
            let (one, other) = (place(one), place(other));
            format!(
                "local a{at}, b{at} = redis.call('GET', {one}), redis.call('GET', {other})\n\
                 if b{at} then redis.call('SET', {one}, b{at}) else redis.call('DEL', {one}) end\n\
                 if a{at} then redis.call('SET', {other}, a{at}) else redis.call('DEL', {other}) end\n\
                 r[{at}] = redis.status_reply('OK')\n"
            )
        }
        op => {
            let words: Vec<String> = op.args(places).iter().map(|word| literal(word, places)).collect();
            format!("r[{at}] = redis.pcall({})\n", words.join(", "))
        }
    }
}

/// A word as Lua has it: a place of a list, or a text.
fn literal(word: &[u8], places: &[String]) -> String {
    let word = String::from_utf8_lossy(word);
    if places.iter().any(|place| *place == word) { word.into_owned() } else { format!("'{word}'") }
}
