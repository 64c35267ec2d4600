//! The judge: is there an order of all commands that a single-threaded Redis could have carried them out in?
//!
//! Wing and Gong's search, with Lowe's memory of dead ends: take any command whose connection has nothing before it and that
//! was sent before anything left over was answered; if the model answers the same, go on from there.
use crate::durable::Dataset;
use crate::model::{ANY_COUNT, IN_VAIN, Model, Op};
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
    /// When messages came, and which.
    pub(crate) heard: Vec<(u64, u32)>,
    /// It closed the connection, and may have missed something.
    pub(crate) has_left: bool,
}

/// Whether there is such an order; if not, how many commands of each client the longest one explains. Of a server that is gone, `found` is what came
/// back: all that was answered has been done then, and of the rest some, each command and transaction whole.
pub(crate) fn explain(histories: &[History], keys: usize, found: Option<&Dataset>) -> Result<(), Vec<usize>> {
    let heard = histories.iter().flat_map(|history| &history.heard);
    let first_heard =
        |value: u32| heard.clone().filter(|(_, other)| *other == value).map(|(at, _)| *at).min();
    let seen_at = histories.iter().map(|history| {
        // What was heard of has happened, whether it was answered or not.
        let mut seen_at: Vec<u64> = vec![u64::MAX; history.ops.len() + 1];
        for (index, op) in history.ops.iter().enumerate().rev() {
            let answered = history.answered.get(index).map(|(at, _)| *at);
            let heard = published(op).filter_map(first_heard).min();
            let earliest = answered.into_iter().chain(heard).min().unwrap_or(u64::MAX);
            seen_at[index] = seen_at[index + 1].min(earliest);
        }
        seen_at
    });
    let count = histories.len();
    let seen_at = seen_at.collect();
    let longest = vec![0; count];
    let mut search = Search { histories, seen_at, found, dead_ends: HashSet::new(), longest };
    let start = State { at: vec![0; count], heard: vec![0; count], model: Model::new(keys, count) };
    if search.go_on(start) { Ok(()) } else { Err(search.longest) }
}

/// What a command publishes.
fn published(op: &Op) -> impl Iterator<Item = u32> {
    let ops = if let Op::Script { ops, .. } = op { &ops[..] } else { std::slice::from_ref(op) };
    ops.iter().filter_map(|op| if let Op::Publish(value) = op { Some(*value) } else { None })
}

/// How far an order has got.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    /// For each client, its commands that are over.
    at: Vec<usize>,
    /// For each client, what it has been told.
    heard: Vec<usize>,
    model: Model,
}

struct Search<'a> {
    histories: &'a [History],
    /// For each client and command, when somebody first knew that it or one behind it was carried out.
    seen_at: Vec<Vec<u64>>,
    /// What came back of a server that is gone.
    found: Option<&'a Dataset>,
    dead_ends: HashSet<State>,
    longest: Vec<usize>,
}

impl Search<'_> {
    fn go_on(&mut self, state: State) -> bool {
        let histories = self.histories;
        let mut each = histories.iter().enumerate();
        let is_explained = each.all(|(client, history)| {
            state.at[client] >= history.answered.len() && state.heard[client] >= history.heard.len()
        });
        if is_explained && self.found.is_none_or(|found| state.model.holds(found)) {
            return true;
        }
        if state.at.iter().sum::<usize>() > self.longest.iter().sum() {
            self.longest.clone_from(&state.at);
        }
        if self.dead_ends.contains(&state) {
            return false;
        }
        let seen_at = |client: usize| self.seen_at[client][state.at[client]];
        let first_seen = (0..histories.len()).map(seen_at).min().unwrap_or(u64::MAX);
        for (client, history) in histories.iter().enumerate() {
            let index = state.at[client];
            let next = if state.model.waits(client) {
                in_vain(history, client, &state)
            } else if history.sent.get(index).is_none_or(|sent| *sent > first_seen) {
                None
            } else {
                self.take(client, &state)
            };
            if next.is_some_and(|next| self.go_on(next)) {
                return true;
            }
            if history.has_left && index >= history.answered.len() && state.model.knows(client) {
                let mut next = state.clone();
                next.model.leave(client);
                if self.go_on(next) {
                    return true;
                }
            }
        }
        self.dead_ends.insert(state);
        false
    }

    /// The next command of a client is carried out, if that is what all have seen.
    fn take(&self, client: usize, state: &State) -> Option<State> {
        let mut next = state.clone();
        let step = next.model.apply(client, &self.histories[client].ops, state.at[client]);
        let replies = step.reply.into_iter().map(|reply| (client, reply));
        for (client, reply) in replies.chain(step.served) {
            let seen = self.histories[client].answered.get(next.at[client]);
            if seen.is_some_and(|(_, seen)| !agrees(seen, &reply)) {
                return None;
            }
            next.at[client] += 1;
        }
        for (message, listeners) in step.told {
            for listener in listeners {
                let History { heard, has_left, .. } = &self.histories[listener];
                match heard.get(next.heard[listener]) {
                    Some((_, heard)) if *heard != message => return None,
                    None if !has_left && self.found.is_none() => return None,
                    _ => next.heard[listener] += 1,
                }
            }
        }
        Some(next)
    }
}

/// Whether a reply is what the model says, as far as that says it.
fn agrees(seen: &str, reply: &str) -> bool {
    let is_any = |line: &str| line.starts_with(':');
    let agree = |(seen, reply): (&str, &str)| seen == reply || reply == ANY_COUNT && is_any(seen);
    seen == reply
        || reply.contains(ANY_COUNT)
            && seen.lines().count() == reply.lines().count()
            && seen.lines().zip(reply.lines()).all(agree)
}

/// A client has waited in vain, if that is what it was told, or it is gone.
fn in_vain(history: &History, client: usize, state: &State) -> Option<State> {
    let told = history.answered.get(state.at[client]);
    told.is_none_or(|(_, told)| told == IN_VAIN).then(|| {
        let mut next = state.clone();
        next.model.give_up(client);
        next.at[client] += 1;
        next
    })
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
    for (client, history) in histories.iter().enumerate() {
        let heard = history.heard.iter();
        lines.extend(heard.map(|(at, message)| (*at, format!("client {client} heard {message}"))));
    }
    lines.sort_by_key(|(time, _)| *time);
    lines.iter().map(|(time, line)| format!("{time:>8} {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_explained(histories: &[History], keys: usize) -> bool {
        explain(histories, keys, None).is_ok()
    }

    fn history(ops: &[Op], times: &[(u64, u64, &str)]) -> History {
        History {
            ops: ops.to_vec(),
            sent: times.iter().map(|(sent, ..)| *sent).collect(),
            answered: times.iter().map(|(_, at, reply)| (*at, (*reply).to_owned())).collect(),
            ..History::default()
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
