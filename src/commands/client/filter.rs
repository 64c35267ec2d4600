//! Which connections CLIENT LIST and CLIENT KILL mean.
use crate::commands::auth::DEFAULT_USER;
use crate::thread::conn::Conn;
use shards::commands::Args;
use shards::fault::{Fault, SYNTAX};
use shards::number::parse_i64;

/// What must hold of a connection, all of it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// One of these, unless there are none.
    ids: Vec<i64>,
    kind: Option<Kind>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    age_min_seconds: Option<i64>,
    /// Not this one.
    pub skip: Option<u64>,
}

/// Types of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Normal,
    Master,
    Replica,
    Pubsub,
}

/// Whose options are read: they differ in a fault and in a default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    List,
    Kill,
}

impl Filter {
    /// The connection from this address.
    pub(super) fn of_address(address: &[u8]) -> Filter {
        Filter { address: Some(address.to_vec()), ..Filter::default() }
    }

    /// Reads the options behind CLIENT LIST and CLIENT KILL. `own` is who asks.
    pub(super) fn read(options: Args<'_>, purpose: Purpose, own: u64) -> Result<Filter, Fault> {
        let mut filter = Filter::default();
        let mut skips_own = purpose == Purpose::Kill;
        let mut rest = options;
        while let [word, value, behind @ ..] = rest {
            rest = behind;
            match word.to_ascii_lowercase().as_slice() {
                b"id" => filter.ids = ids(value, &mut rest, purpose)?,
                b"type" => filter.kind = Some(kind(value)?),
                b"addr" => filter.address = Some(value.to_vec()),
                b"laddr" => filter.local_address = Some(value.to_vec()),
                b"user" => check_user(value)?,
                b"maxage" => filter.age_min_seconds = Some(age(value)?),
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => skips_own = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => skips_own = false,
                _ => return Err(SYNTAX),
            }
        }
        if !rest.is_empty() {
            return Err(SYNTAX);
        }
        filter.skip = skips_own.then_some(own);
        Ok(filter)
    }

    /// Whether a connection is meant.
    pub(super) fn fits(&self, conn: &Conn, now_ms: i64) -> bool {
        let is = |wanted: &Option<Vec<u8>>, address: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == address.as_bytes())
        };
        let age_seconds = (now_ms - conn.created_ms) / 1000;
        (self.ids.is_empty() || self.ids.contains(&(conn.id as i64)))
            // None subscribes or replicates.
            && self.kind.is_none_or(|kind| kind == kind_of(conn))
            && is(&self.address, &conn.peer.address)
            && is(&self.local_address, &conn.peer.local_address)
            && self.age_min_seconds.is_none_or(|least| age_seconds >= least)
            && self.skip != Some(conn.id)
    }
}

/// One id, and as many as follow.
fn ids(first: &[u8], rest: &mut Args<'_>, purpose: Purpose) -> Result<Vec<i64>, Fault> {
    let check = |id: Option<i64>| match purpose {
        Purpose::Kill => id.filter(|id| *id > 0).ok_or(Fault::new("ERR client-id should be greater than 0")),
        Purpose::List => id.ok_or(Fault::new("ERR Invalid client ID")),
    };
    let mut ids = vec![check(parse_i64(first))?];
    while let [next, behind @ ..] = rest
        && let Some(id) = parse_i64(next)
    {
        ids.push(check(Some(id))?);
        *rest = behind;
    }
    Ok(ids)
}

/// What Redis counts a connection among.
fn kind_of(conn: &Conn) -> Kind {
    if conn.session.subscriptions.is_some() { Kind::Pubsub } else { Kind::Normal }
}

fn kind(word: &[u8]) -> Result<Kind, Fault> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(Kind::Normal),
        b"master" | b"primary" => Ok(Kind::Master),
        b"replica" | b"slave" => Ok(Kind::Replica),
        b"pubsub" => Ok(Kind::Pubsub),
        _ => Err(Fault::quoting("ERR Unknown client type '", word, "'")),
    }
}

fn check_user(name: &[u8]) -> Result<(), Fault> {
    if name == DEFAULT_USER.as_bytes() {
        return Ok(());
    }
    Err(Fault::quoting("ERR No such user '", name, "'"))
}

fn age(text: &[u8]) -> Result<i64, Fault> {
    match parse_i64(text) {
        Some(seconds) if seconds > 0 => Ok(seconds),
        Some(_) => Err(Fault::new("ERR maxage should be greater than 0")),
        None => Err(Fault::new("ERR maxage is not an integer or out of range")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Token;
    use crate::thread::conn::Peer;

    fn read(line: &str, purpose: Purpose) -> Result<Filter, String> {
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        Filter::read(&args, purpose, 5).map_err(|fault| String::from_utf8_lossy(&fault.0).into_owned())
    }

    fn fits(line: &str, purpose: Purpose, id: u64) -> bool {
        let peer = Peer { address: "1.1.1.1:1".to_owned(), ..Peer::default() };
        let conn = Conn::new(Token { index: 0, generation: 0 }, id, peer, 0);
        read(line, purpose).unwrap().fits(&conn, 10_000)
    }

    #[test]
    fn all_of_it_must_hold() {
        assert!(fits("", Purpose::List, 5));
        assert!(!fits("TYPE normal", Purpose::Kill, 5));
        assert!(fits("TYPE normal SKIPME no", Purpose::Kill, 5));
        assert!(!fits("SKIPME yes", Purpose::List, 5));
        assert!(fits("ID 1 2 3 TYPE Normal", Purpose::Kill, 3));
        assert!(!fits("ID 1 2 3 TYPE replica", Purpose::Kill, 3));
        assert!(!fits("ID 1 2", Purpose::List, 3));
        assert!(fits("ADDR 1.1.1.1:1 MAXAGE 10", Purpose::Kill, 3));
        assert!(!fits("ADDR 1.1.1.1:1 MAXAGE 11", Purpose::Kill, 3));
        assert!(!fits("LADDR 1.1.1.1:1", Purpose::Kill, 3));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |line, purpose| read(line, purpose).unwrap_err();
        assert_eq!(wrong("ID 0", Purpose::Kill), "ERR client-id should be greater than 0");
        assert_eq!(wrong("ID x", Purpose::List), "ERR Invalid client ID");
        assert_eq!(wrong("TYPE x", Purpose::List), "ERR Unknown client type 'x'");
        assert_eq!(wrong("USER x", Purpose::Kill), "ERR No such user 'x'");
        assert_eq!(wrong("MAXAGE 0", Purpose::Kill), "ERR maxage should be greater than 0");
        for line in ["ID", "ID 1 x", "FOO 1", "SKIPME maybe", "ID 1 TYPE"] {
            assert_eq!(wrong(line, Purpose::Kill), "ERR syntax error", "{line}");
        }
    }
}
