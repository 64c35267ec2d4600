//! The judge: is there an order of all commands that a single-threaded Redis could have carried them out in?
//!
//! Wing and Gong's search, with Lowe's memory of dead ends: take any command whose connection has nothing before it and that
//! was sent before anything left over was answered; if the model answers the same, go on from there.
use crate::model::{Model, Op};
use std::collections::HashSet;

/// What a client has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// Its commands in the order in which it sent them.
    pub(crate) ops: Vec<Op>,
    /// When each was sent; those never sent are missing.
    pub(crate) sent: Vec<u64>,
    /// When each was answered, and what.
    pub(crate) answered: Vec<(u64, String)>,
}

/// Whether there is such an order.
pub(crate) fn is_explained(histories: &[History], keys: usize) -> bool {
    let mut search = Search { histories, dead_ends: HashSet::new() };
    search.go_on(vec![0; histories.len()], &Model::new(keys, histories.len()))
}

struct Search<'a> {
    histories: &'a [History],
    dead_ends: HashSet<(Vec<usize>, Model)>,
}

impl Search<'_> {
    fn go_on(&mut self, at: Vec<usize>, model: &Model) -> bool {
        let histories = self.histories;
        if histories.iter().zip(&at).all(|(history, at)| *at >= history.answered.len()) {
            return true;
        }
        let state = (at, model.clone());
        if self.dead_ends.contains(&state) {
            return false;
        }
        let (at, _) = &state;
        let answered = |client: usize| {
            histories[client].answered.get(at[client]).map_or(u64::MAX, |(answered, _)| *answered)
        };
        let first_answer = (0..histories.len()).map(answered).min().unwrap_or(u64::MAX);
        for (client, history) in histories.iter().enumerate() {
            let index = at[client];
            if history.sent.get(index).is_none_or(|sent| *sent > first_answer) {
                continue;
            }
            let mut next = model.clone();
            let reply = next.apply(client, &history.ops, index);
            if history.answered.get(index).is_none_or(|(_, seen)| *seen == reply) {
                let mut at = at.clone();
                at[client] += 1;
                if self.go_on(at, &next) {
                    return true;
                }
            }
        }
        self.dead_ends.insert(state);
        false
    }
}

/// The histories as a table in order of time, for people.
pub(crate) fn tell(histories: &[History], names: &[String]) -> String {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (client, history) in histories.iter().enumerate() {
        for (index, sent) in history.sent.iter().enumerate() {
            let words: Vec<_> = history.ops[index]
                .args(names)
                .iter()
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            lines.push((*sent, format!("client {client} #{index} > {}", words.join(" "))));
            if let Some((answered, reply)) = history.answered.get(index) {
                lines.push((*answered, format!("client {client} #{index} < {reply:?}")));
            }
        }
    }
    lines.sort();
    lines.iter().map(|(time, line)| format!("{time:>8} {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(ops: &[Op], times: &[(u64, u64, &str)]) -> History {
        History {
            ops: ops.to_vec(),
            sent: times.iter().map(|(sent, ..)| *sent).collect(),
            answered: times.iter().map(|(_, at, reply)| (*at, (*reply).to_owned())).collect(),
        }
    }

    #[test]
    fn a_torn_mset_is_not_explained() {
        let writer = history(&[Op::MSet(vec![(0, 1), (1, 1)])], &[(1, 9, "+OK\r\n")]);
        let reads = [Op::Get(0), Op::Get(1)];
        let fine = history(&reads, &[(2, 3, "$1\r\n1\r\n"), (4, 5, "$1\r\n1\r\n")]);
        let torn = history(&reads, &[(2, 3, "$1\r\n1\r\n"), (4, 5, "$-1\r\n")]);
        assert!(is_explained(&[writer.clone(), fine], 2));
        assert!(!is_explained(&[writer, torn], 2));
    }

    #[test]
    fn an_answer_comes_before_what_is_sent_later() {
        let writer = history(&[Op::Set(0, 1)], &[(1, 2, "+OK\r\n")]);
        let late = history(&[Op::Get(0)], &[(3, 4, "$-1\r\n")]);
        let early = history(&[Op::Get(0)], &[(1, 4, "$-1\r\n")]);
        assert!(!is_explained(&[writer.clone(), late], 1));
        assert!(is_explained(&[writer, early], 1));
    }

    #[test]
    fn a_watched_key_that_changed_stops_the_transaction() {
        let ops = [Op::Watch(vec![0]), Op::Multi, Op::Incr(0), Op::Exec];
        let replies = |exec| [(1, 2, "+OK\r\n"), (5, 6, "+OK\r\n"), (7, 8, "+QUEUED\r\n"), (9, 10, exec)];
        let other = history(&[Op::Set(0, 7)], &[(3, 4, "+OK\r\n")]);
        assert!(is_explained(&[history(&ops, &replies("*-1\r\n")), other.clone()], 1));
        assert!(!is_explained(&[history(&ops, &replies("*1\r\n:8\r\n")), other], 1));
    }
}
