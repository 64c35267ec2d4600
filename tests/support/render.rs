//! Replies as the lines a script shows: every RESP type keeps its own mark.

use super::Outcome;
use super::quote::{escape, quote};
use super::resp::Reply;

/// The lines of several outcomes, one after the other.
pub(crate) fn outcomes(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().flat_map(outcome).collect()
}

fn outcome(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Reply(reply) => lines(reply),
        Outcome::Silence => vec!["(silence)".into()],
        Outcome::Closed => vec!["(closed)".into()],
        Outcome::Garbage(bytes) => vec![format!("(not RESP) {}", quote(bytes))],
    }
}

/// The lines of one reply; elements are indented under the line that counts them.
pub(crate) fn lines(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => aggregate('*', items),
        Reply::Set(items) => aggregate('~', items),
        Reply::Push(items) => aggregate('>', items),
        Reply::Map(pairs) => map(pairs),
        leaf => vec![line(leaf)],
    }
}

fn line(leaf: &Reply) -> String {
    match leaf {
        Reply::Simple(text) => format!("+{}", plain(text)),
        Reply::Error(text) => format!("-{}", plain(text)),
        Reply::Int(value) => format!(":{value}"),
        Reply::Bulk(bytes) => quote(bytes),
        Reply::NullBulk => "(nil)".into(),
        Reply::NullArray => "*nil".into(),
        Reply::Null => "_".into(),
        Reply::Bool(value) => format!("#{}", if *value { 't' } else { 'f' }),
        Reply::Double(text) => format!(",{}", escape(text)),
        Reply::BigNumber(digits) => format!("({}", escape(digits)),
        Reply::Verbatim { format, text } => format!("={}:{}", escape(format), quote(text)),
        Reply::Array(_) | Reply::Set(_) | Reply::Push(_) | Reply::Map(_) => lines(leaf).join(" "),
    }
}

/// Text without quotes, its last blank escaped: nobody sees trailing white space, and editors remove it.
fn plain(text: &[u8]) -> String {
    let escaped = escape(text);
    escaped.strip_suffix(' ').map(|head| format!("{head}\\x20")).unwrap_or(escaped)
}

fn aggregate(mark: char, items: &[Reply]) -> Vec<String> {
    let mut all = vec![format!("{mark}{}", items.len())];
    all.extend(items.iter().flat_map(lines).map(|line| format!("  {line}")));
    all
}

fn map(pairs: &[(Reply, Reply)]) -> Vec<String> {
    let mut all = vec![format!("%{}", pairs.len())];
    for (key, value) in pairs {
        let value = lines(value);
        all.push(format!("  {} => {}", line(key), value[0]));
        all.extend(value[1..].iter().map(|line| format!("  {line}")));
    }
    all
}
