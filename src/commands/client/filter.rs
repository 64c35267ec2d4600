//! Which connections CLIENT LIST and CLIENT KILL mean.
use super::line;
use crate::commands::auth::DEFAULT_USER;
use crate::thread::conn::Conn;
use shards::commands::Args;
use shards::fault::{Fault, SYNTAX};
use shards::number::parse_i64;

/// The letters that `flags` may have in a line, of Redis's kinds of connections.
const LETTERS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";

/// What must hold of a connection, all of it, and what must not, none of it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    wanted: Traits,
    unwanted: Traits,
    age_min_seconds: Option<i64>,
    idle_min_seconds: Option<i64>,
    /// Not this one.
    pub skip: Option<u64>,
}

/// What may be said of a connection.
#[derive(Debug, Default)]
struct Traits {
    /// One of these, unless there are none.
    ids: Vec<i64>,
    kind: Option<Kind>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    /// Its address without the port.
    ip: Option<Vec<u8>>,
    /// It is some user's, and all are the one user's that there is.
    is_users: bool,
    name: Option<Vec<u8>>,
    library: Option<Vec<u8>>,
    library_version: Option<Vec<u8>>,
    /// Letters of the `flags` in its line, all of them.
    flags: Option<Vec<u8>>,
    db: Option<i64>,
    /// It has said of itself that it can be redirected, which none can say here.
    has_capability: bool,
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
        let wanted = Traits { address: Some(address.to_vec()), ..Traits::default() };
        Filter { wanted, ..Filter::default() }
    }

    /// Reads the options behind CLIENT LIST and CLIENT KILL. `own` is who asks.
    pub(super) fn read(
        options: Args<'_>,
        purpose: Purpose,
        own: u64,
        databases: u32,
    ) -> Result<Filter, Fault> {
        let mut filter = Filter::default();
        let mut skips_own = purpose == Purpose::Kill;
        let mut rest = options;
        while let [word, value, behind @ ..] = rest {
            rest = behind;
            let word = word.to_ascii_lowercase();
            match word.as_slice() {
                b"id" => filter.wanted.ids = ids(value, &mut rest, purpose)?,
                b"maxage" => filter.age_min_seconds = Some(seconds(value, "maxage")?),
                b"idle" => filter.idle_min_seconds = Some(seconds(value, "idle")?),
                b"skipme" if value.eq_ignore_ascii_case(b"yes") => skips_own = true,
                b"skipme" if value.eq_ignore_ascii_case(b"no") => skips_own = false,
                b"not-id" => {
                    parse_i64(value).ok_or(SYNTAX)?;
                    filter.unwanted.ids = ids(value, &mut rest, Purpose::Kill)?;
                }
                _ => match word.strip_prefix(b"not-") {
                    Some(trait_of) => filter.unwanted.read(trait_of, value, databases, "NOT-")?,
                    None => filter.wanted.read(&word, value, databases, "")?,
                },
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
        let is_for =
            |least: Option<i64>, since_ms: i64| least.is_none_or(|least| (now_ms - since_ms) / 1000 >= least);
        self.wanted.of(conn).all(|holds| holds)
            && !self.unwanted.of(conn).any(|holds| holds)
            && is_for(self.age_min_seconds, conn.created_ms)
            && is_for(self.idle_min_seconds, conn.active_ms)
            && self.skip != Some(conn.id)
    }
}

impl Traits {
    /// Reads one that has one value. Errors name the option, whose `prefix` is `NOT-` where it must not hold.
    fn read(&mut self, word: &[u8], value: &[u8], databases: u32, prefix: &str) -> Result<(), Fault> {
        match word {
            b"type" => self.kind = Some(kind(value)?),
            b"addr" => self.address = Some(value.to_vec()),
            b"laddr" => self.local_address = Some(value.to_vec()),
            b"ip" => self.ip = Some(value.to_vec()),
            b"user" => {
                check_user(value)?;
                self.is_users = true;
            }
            b"name" => self.name = Some(value.to_vec()),
            b"lib-name" => self.library = Some(value.to_vec()),
            b"lib-ver" => self.library_version = Some(value.to_vec()),
            b"flags" => self.flags = Some(letters(value, LETTERS, "flags", prefix)?),
            b"capa" => {
                letters(value, b"r", "capa", prefix)?;
                self.has_capability = true;
            }
            b"db" => self.db = Some(database(value, databases, prefix)?),
            _ => return Err(SYNTAX),
        }
        Ok(())
    }

    /// For each that is asked for, whether it holds.
    fn of(&self, conn: &Conn) -> impl Iterator<Item = bool> {
        let session = &conn.session;
        let is = |wanted: &Option<Vec<u8>>, text: &[u8]| wanted.as_ref().map(|wanted| wanted == text);
        let address = conn.peer.address.as_bytes();
        let port = address.iter().rposition(|byte| *byte == b':').unwrap_or(address.len());
        let shown = self.flags.as_ref().map(|_| line::flags(conn));
        let has = |letter: &u8| shown.as_ref().is_some_and(|shown| shown.as_bytes().contains(letter));
        [
            (!self.ids.is_empty()).then(|| self.ids.contains(&(conn.id as i64))),
            // None replicates.
            self.kind.map(|kind| kind == kind_of(conn)),
            is(&self.address, address),
            is(&self.local_address, conn.peer.local_address.as_bytes()),
            is(&self.ip, &address[..port]),
            self.is_users.then_some(true),
            is(&self.name, &session.name),
            is(&self.library, &session.lib_name),
            is(&self.library_version, &session.lib_version),
            self.flags.as_ref().map(|wanted| wanted.iter().all(has)),
            self.db.map(|db| db == session.db as i64),
            self.has_capability.then_some(false),
        ]
        .into_iter()
        .flatten()
    }
}

/// Letters, each of which is known.
fn letters(value: &[u8], known: &[u8], what: &str, prefix: &str) -> Result<Vec<u8>, Fault> {
    if value.iter().all(|letter| known.contains(letter)) {
        return Ok(value.to_vec());
    }
    let place = match prefix {
        "" => "provided filter".to_owned(),
        _ => format!("{prefix}{} filter", what.to_ascii_uppercase()),
    };
    let value = String::from_utf8_lossy(value);
    Err(Fault::text(format!("ERR Unknown {what} found in the {place}: {value}")))
}

fn database(value: &[u8], databases: u32, prefix: &str) -> Result<i64, Fault> {
    let db = parse_i64(value);
    let db = db.ok_or_else(|| Fault::text(format!("ERR {prefix}DB is not an integer or out of range")))?;
    if (0..i64::from(databases)).contains(&db) {
        return Ok(db);
    }
    let last = databases - 1;
    Err(Fault::text(format!("ERR {prefix}DB number should be between 0 and {last}")))
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

fn seconds(text: &[u8], what: &str) -> Result<i64, Fault> {
    match parse_i64(text) {
        Some(seconds) if seconds > 0 => Ok(seconds),
        Some(_) => Err(Fault::text(format!("ERR {what} should be greater than 0"))),
        None => Err(Fault::text(format!("ERR {what} is not an integer or out of range"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Token;
    use crate::thread::conn::Peer;

    fn read(line: &str, purpose: Purpose) -> Result<Filter, String> {
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        Filter::read(&args, purpose, 5, 16).map_err(|fault| String::from_utf8_lossy(&fault.0).into_owned())
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
        assert!(fits("IP 1.1.1.1 DB 0 FLAGS N IDLE 10", Purpose::List, 3));
        assert!(!fits("IP 1.1.1.1:1", Purpose::List, 3));
        assert!(!fits("IDLE 11", Purpose::List, 3));
        assert!(!fits("NAME x", Purpose::List, 3) && !fits("LIB-NAME x", Purpose::List, 3));
        assert!(!fits("FLAGS Nx", Purpose::List, 3) && !fits("CAPA r", Purpose::List, 3));
    }

    #[test]
    fn none_of_the_rest_may_hold() {
        assert!(fits("NOT-ID 1 2 NOT-NAME x NOT-FLAGS P NOT-DB 1 NOT-CAPA r", Purpose::List, 3));
        assert!(fits("NOT-TYPE pubsub NOT-ADDR x NOT-LADDR x NOT-LIB-VER 1", Purpose::List, 3));
        for line in ["NOT-ID 2 3", "NOT-IP 1.1.1.1", "NOT-DB 0", "NOT-USER default", "NOT-FLAGS N"] {
            assert!(!fits(line, Purpose::List, 3), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let wrong = |line, purpose| read(line, purpose).unwrap_err();
        assert_eq!(wrong("ID 0", Purpose::Kill), "ERR client-id should be greater than 0");
        assert_eq!(wrong("ID x", Purpose::List), "ERR Invalid client ID");
        assert_eq!(wrong("TYPE x", Purpose::List), "ERR Unknown client type 'x'");
        assert_eq!(wrong("USER x", Purpose::Kill), "ERR No such user 'x'");
        assert_eq!(wrong("MAXAGE 0", Purpose::Kill), "ERR maxage should be greater than 0");
        assert_eq!(wrong("IDLE 0", Purpose::List), "ERR idle should be greater than 0");
        assert_eq!(wrong("DB x", Purpose::List), "ERR DB is not an integer or out of range");
        assert_eq!(wrong("NOT-DB 16", Purpose::List), "ERR NOT-DB number should be between 0 and 15");
        assert_eq!(wrong("FLAGS Z", Purpose::List), "ERR Unknown flags found in the provided filter: Z");
        assert_eq!(wrong("NOT-CAPA x", Purpose::List), "ERR Unknown capa found in the NOT-CAPA filter: x");
        for line in ["ID", "ID 1 x", "NOT-ID x", "NOT-SKIPME yes", "FOO 1", "SKIPME maybe", "ID 1 TYPE"] {
            assert_eq!(wrong(line, Purpose::Kill), "ERR syntax error", "{line}");
        }
    }
}
