//! Who the client is, and which protocol it speaks: AUTH and HELLO.
use super::client::identity::checked_name;
use super::{Outcome, Server, ServerCommand, Verdict};
use crate::config::Config;
use crate::config::version::REDIS_VERSION;
use crate::thread::conn::Conn;
use shards::commands::Args;
use shards::fault::{Fault, SYNTAX};
use shards::number::parse_i64;
use shards::reply::{Reply, Resp};
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[AUTH, HELLO];

/// The one user that there is.
pub(super) const DEFAULT_USER: &str = "default";

const AUTH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "auth",
        arity: -2,
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY),
        group: Group::Connection,
        summary: "Authenticates the connection.",
        complexity: "O(N) where N is the number of passwords defined for the user",
        history: &[("6.0.0", "Added ACL style (username and password).")],
        args: &[
            Arg::new("username", ArgKind::String).since("6.0.0").optional(),
            Arg::new("password", ArgKind::String),
        ],
        ..Spec::DEFAULT
    },
    run: auth,
    subcommands: &[],
};
fn auth(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    authenticate(&cx.core.config, cx.conn, cx.reply, args).map(|()| Verdict::Done)
}

/// AUTH, for whoever has the connection.
pub(crate) fn authenticate(
    config: &Config,
    conn: &mut Conn,
    reply: &mut Reply,
    args: Args<'_>,
) -> Result<(), Fault> {
    let (user, password) = match args {
        [_, _] if config.requirepass.is_empty() => return Err(NO_PASSWORD_SET),
        [_, password] => (DEFAULT_USER.as_bytes(), *password),
        [_, user, password] => (*user, *password),
        _ => return Err(SYNTAX),
    };
    if !is_user(config, user, password) {
        return Err(WRONG_PASSWORD);
    }
    conn.session.authenticated = true;
    reply.ok();
    Ok(())
}

const HELLO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "hello",
        arity: -1,
        flags: Flags::NOSCRIPT
            .and(Flags::LOADING)
            .and(Flags::STALE)
            .and(Flags::FAST)
            .and(Flags::NO_AUTH)
            .and(Flags::ALLOW_BUSY),
        group: Group::Connection,
        summary: "Handshakes with the server.",
        since: "6.0.0",
        complexity: "O(1)",
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current connection's context.",
        )],
        args: &[Arg::new(
            "arguments",
            ArgKind::Block(&[
                Arg::new("protover", ArgKind::Integer),
                Arg::new(
                    "auth",
                    ArgKind::Block(&[
                        Arg::new("username", ArgKind::String),
                        Arg::new("password", ArgKind::String),
                    ]),
                )
                .token("AUTH")
                .optional(),
                Arg::new("clientname", ArgKind::String).token("SETNAME").optional(),
            ]),
        )
        .optional()],
        ..Spec::DEFAULT
    },
    run: hello,
    subcommands: &[],
};
fn hello(cx: &mut Server<'_>, args: Args<'_>) -> Outcome {
    introduce(&cx.core.config, cx.conn, cx.reply, args).map(|()| Verdict::Done)
}

/// HELLO, for whoever has the connection.
pub(crate) fn introduce(
    config: &Config,
    conn: &mut Conn,
    reply: &mut Reply,
    args: Args<'_>,
) -> Result<(), Fault> {
    let greeting = Greeting::read(args)?;
    if let Some((user, password)) = greeting.credentials {
        if !is_user(config, user, password) {
            return Err(WRONG_PASSWORD);
        }
        conn.session.authenticated = true;
    }
    if !conn.session.authenticated && !config.requirepass.is_empty() {
        return Err(HELLO_WITHOUT_AUTH);
    }
    if let Some(name) = greeting.name {
        conn.session.name = name.to_vec();
    }
    if let Some(resp) = greeting.resp {
        conn.session.resp = resp;
        reply.resp = resp;
    }
    greet(reply, conn.id);
    Ok(())
}

/// What HELLO asks for.
#[derive(Default)]
struct Greeting<'a> {
    resp: Option<Resp>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Greeting<'a> {
    fn read(args: Args<'a>) -> Result<Greeting<'a>, Fault> {
        let mut greeting = Greeting::default();
        let [_, version, options @ ..] = args else { return Ok(greeting) };
        greeting.resp = match parse_i64(version).ok_or(NO_VERSION)? {
            2 => Some(Resp::V2),
            3 => Some(Resp::V3),
            _ => return Err(Fault::new("NOPROTO unsupported protocol version")),
        };
        let mut rest = options;
        while let [word, behind @ ..] = rest {
            rest = match behind {
                [user, password, behind @ ..] if word.eq_ignore_ascii_case(b"auth") => {
                    greeting.credentials = Some((user, password));
                    behind
                }
                [name, behind @ ..] if word.eq_ignore_ascii_case(b"setname") => {
                    greeting.name = Some(checked_name(name, "Client names")?);
                    behind
                }
                _ => {
                    return Err(Fault::quoting("ERR Syntax error in HELLO option '", word, "'"));
                }
            };
        }
        Ok(greeting)
    }
}

/// Client libraries look at `server` and `version`: they are told what Braid keeps to.
fn greet(reply: &mut Reply, id: u64) {
    let text = |reply: &mut Reply, name: &str, value: &str| {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    };
    reply.map(7);
    text(reply, "server", "redis");
    text(reply, "version", REDIS_VERSION);
    reply.bulk(b"proto");
    reply.integer(if reply.is_resp3() { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(id as i64);
    text(reply, "mode", "standalone");
    text(reply, "role", "master");
    reply.bulk(b"modules");
    reply.array(0);
}

const NO_PASSWORD_SET: Fault = Fault::new(
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration \
     is correct?",
);
const WRONG_PASSWORD: Fault = Fault::new("WRONGPASS invalid username-password pair or user is disabled.");
const NO_VERSION: Fault = Fault::new("ERR Protocol version is not an integer or out of range");
const HELLO_WITHOUT_AUTH: Fault = Fault::new(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
     option can be used to authenticate the client and select the RESP protocol version at the same time",
);

/// Whether this user has this password; without `requirepass` any will do.
fn is_user(config: &Config, user: &[u8], password: &[u8]) -> bool {
    let secret = config.requirepass.as_bytes();
    user == DEFAULT_USER.as_bytes() && (secret.is_empty() || is_same(secret, password))
}

/// Whether the guess is the secret, in a time that tells nothing about where they differ.
fn is_same(secret: &[u8], guess: &[u8]) -> bool {
    let differences = guess.iter().enumerate().fold(0, |differences, (index, byte)| {
        differences | (byte ^ std::hint::black_box(secret[index % secret.len()]))
    });
    std::hint::black_box(differences) == 0 && secret.len() == guess.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_opens() {
        assert!(is_same(b"secret", b"secret"));
        for guess in [&b""[..], b"s", b"secre", b"Secret", b"secrets", b"secretsecret", b"terces"] {
            assert!(!is_same(b"secret", guess), "{guess:?}");
        }
    }

    #[test]
    fn greetings_are_read() {
        let read = |line: &str| {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            Greeting::read(&args).map(|greeting| {
                (greeting.resp, greeting.credentials.is_some(), greeting.name.map(<[u8]>::to_vec))
            })
        };
        assert_eq!(read("hello"), Ok((None, false, None)));
        assert_eq!(read("hello 3 setname a AUTH b c"), Ok((Some(Resp::V3), true, Some(b"a".to_vec()))));
        assert_eq!(read("hello 3 auth b"), Err(Fault::new("ERR Syntax error in HELLO option 'auth'")));
        assert_eq!(read("hello 4"), Err(Fault::new("NOPROTO unsupported protocol version")));
    }
}
