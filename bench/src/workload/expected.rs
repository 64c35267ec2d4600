//! Which kinds of reply a command may have: what makes an answer that looks fine but is not count as wrong.

use crate::client::replies::{Kind, Kinds};

const STATUS: Kinds = Kinds::of(&[Kind::Simple]);
const STATUS_OR_NIL: Kinds = Kinds::of(&[Kind::Simple, Kind::Nil]);
const INTEGER: Kinds = Kinds::of(&[Kind::Integer]);
const BULK: Kinds = Kinds::of(&[Kind::Bulk]);
const BULK_OR_NIL: Kinds = Kinds::of(&[Kind::Bulk, Kind::Nil]);
const POPPED: Kinds = Kinds::of(&[Kind::Bulk, Kind::Nil, Kind::Array, Kind::Set]);
const LIST: Kinds = Kinds::of(&[Kind::Array]);
const LIST_OR_NIL: Kinds = Kinds::of(&[Kind::Array, Kind::Nil]);
const MEMBERS: Kinds = Kinds::of(&[Kind::Array, Kind::Set, Kind::Map]);

const TABLE: &[(Kinds, &[&str])] = &[
    (
        STATUS,
        &[
            "mset", "rename", "select", "flushall", "flushdb", "watch", "unwatch", "multi", "discard",
            "hmset", "ltrim", "lset", "psetex", "setex", "type", "auth",
        ],
    ),
    (
        INTEGER,
        &[
            "incr",
            "decr",
            "incrby",
            "decrby",
            "append",
            "strlen",
            "setrange",
            "setnx",
            "msetnx",
            "del",
            "unlink",
            "exists",
            "touch",
            "expire",
            "pexpire",
            "ttl",
            "pttl",
            "persist",
            "lpush",
            "rpush",
            "lpushx",
            "rpushx",
            "llen",
            "lrem",
            "linsert",
            "sadd",
            "srem",
            "scard",
            "sismember",
            "sinterstore",
            "sunionstore",
            "zadd",
            "zrem",
            "zcard",
            "zcount",
            "hset",
            "hdel",
            "hlen",
            "hexists",
            "hincrby",
            "dbsize",
            "publish",
            "copy",
            "renamenx",
            "setbit",
            "getbit",
            "bitcount",
            "pfadd",
            "pfcount",
        ],
    ),
    (BULK, &["echo", "getrange", "incrbyfloat", "zincrby"]),
    (BULK_OR_NIL, &["get", "getdel", "getex", "getset", "hget", "lindex", "rpoplpush", "lmove", "randomkey"]),
    (POPPED, &["lpop", "rpop", "spop", "srandmember"]),
    (LIST, &["mget", "lrange", "hmget", "keys", "zrange", "hkeys", "hvals", "scan"]),
    (LIST_OR_NIL, &["exec"]),
    (MEMBERS, &["smembers", "sinter", "sunion", "sdiff", "hgetall"]),
];

/// What the command `words` (its name first) may be answered; anything but an error if it is not known here.
#[must_use]
pub fn expected(words: &[String]) -> Kinds {
    let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    match name.as_str() {
        "set" if has_word(words, "get") => BULK_OR_NIL,
        "set" if has_word(words, "nx") || has_word(words, "xx") => STATUS_OR_NIL,
        "set" => STATUS,
        "ping" if words.len() > 1 => BULK,
        "ping" => STATUS,
        name => TABLE.iter().find(|(_, names)| names.contains(&name)).map_or(Kinds::ANY, |(kinds, _)| *kinds),
    }
}

/// What each command of a unit may be answered: those between MULTI and EXEC are queued.
#[must_use]
pub fn expected_of_unit(commands: &[Vec<String>]) -> Vec<Kinds> {
    let mut queued = false;
    let mut all = Vec::with_capacity(commands.len());
    for words in commands {
        let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        if name == "exec" || name == "discard" {
            queued = false;
        }
        all.push(if queued { STATUS } else { expected(words) });
        if name == "multi" {
            queued = true;
        }
    }
    all
}

fn has_word(words: &[String], word: &str) -> bool {
    words.iter().skip(3).any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn options_of_set_change_its_reply() {
        assert_eq!(expected(&words("SET k v")), STATUS);
        assert_eq!(expected(&words("SET nx get")), STATUS);
        assert_eq!(expected(&words("set k v EX 10 nx")), STATUS_OR_NIL);
        assert_eq!(expected(&words("set k v GET")), BULK_OR_NIL);
    }

    #[test]
    fn commands_in_a_transaction_are_queued() {
        let unit = [words("GET k"), words("MULTI"), words("GET k"), words("EXEC"), words("GET k")];
        assert_eq!(expected_of_unit(&unit), [BULK_OR_NIL, STATUS, STATUS, LIST_OR_NIL, BULK_OR_NIL]);
    }

    #[test]
    fn an_unknown_command_may_answer_anything_but_an_error() {
        assert_eq!(expected(&words("OBJECT ENCODING k")), Kinds::ANY);
    }

    #[test]
    fn no_command_is_listed_twice() {
        let mut names: Vec<&str> = TABLE.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
