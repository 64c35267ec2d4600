//! A connection that ends when the server dies, and says so.
use crate::resp::{Reply, decode, encode};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How long a reply may take before a server is taken to hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(crate) struct Link {
    stream: TcpStream,
    pending: Vec<u8>,
}

/// Why there is no reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Missing {
    /// The server is gone.
    Gone,
    /// It takes its time.
    Late,
}

/// A command: its words.
pub(crate) type Command = Vec<String>;

/// The words of a command.
pub(crate) fn words(words: &[&str]) -> Command {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Link {
    /// Connects, and waits until the dataset is loaded.
    pub(crate) fn when_loaded(address: SocketAddr) -> Link {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(mut link) = Link::connect(address)
                && link.ask(&["PING"]) == Some(Reply::Simple(b"PONG".to_vec()))
            {
                return link;
            }
            assert!(Instant::now() < deadline, "the dataset is never loaded");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    pub(crate) fn connect(address: SocketAddr) -> Option<Link> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Link { stream, pending: Vec::new() })
    }
    /// Sends commands in one go; whether the server is still there.
    pub(crate) fn send(&mut self, commands: &[Command]) -> bool {
        let mut bytes = Vec::new();
        for command in commands {
            let args: Vec<Vec<u8>> = command.iter().map(|word| word.clone().into_bytes()).collect();
            bytes.extend(encode(&args));
        }
        self.send_bytes(&bytes)
    }
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }
    /// The next reply, unless the server is gone.
    pub(crate) fn receive(&mut self) -> Option<Reply> {
        match self.receive_within(PATIENCE) {
            Ok(reply) => Some(reply),
            Err(Missing::Gone) => None,
            Err(Missing::Late) => panic!("no reply within {PATIENCE:?}"),
        }
    }
    /// The next reply, if it comes so soon.
    pub(crate) fn receive_within(&mut self, patience: Duration) -> Result<Reply, Missing> {
        self.stream.set_read_timeout(Some(patience)).map_err(|_| Missing::Gone)?;
        loop {
            if let Some((reply, len)) = decode(&self.pending).expect("the server speaks RESP") {
                self.pending.drain(..len);
                return Ok(reply);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Missing::Gone),
                Ok(len) => self.pending.extend_from_slice(&chunk[..len]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Missing::Late);
                }
                Err(_) => return Err(Missing::Gone),
            }
        }
    }
    /// Sends a command and waits for its reply.
    pub(crate) fn ask(&mut self, command: &[&str]) -> Option<Reply> {
        self.send(&[words(command)]);
        self.receive()
    }
    /// The same of a server that lives.
    pub(crate) fn call(&mut self, command: &[&str]) -> Reply {
        self.ask(command).expect("the server lives")
    }
    /// The number that a command gives; 0 for nothing.
    pub(crate) fn number(&mut self, command: &[&str]) -> u64 {
        number(&self.call(command))
    }
    /// The texts that a command gives.
    pub(crate) fn texts(&mut self, command: &[&str]) -> Vec<String> {
        match self.call(command) {
            Reply::Array(items) => items.iter().map(text).collect(),
            other => panic!("{command:?}: {other:?}"),
        }
    }
}

/// The number in a reply; 0 for nothing.
pub(crate) fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Int(value) => u64::try_from(*value).expect("a count"),
        Reply::NullBulk => 0,
        other => text(other).parse().expect("a number"),
    }
}

/// The text in a reply.
pub(crate) fn text(reply: &Reply) -> String {
    match reply {
        Reply::Bulk(text) | Reply::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("{other:?} is no text"),
    }
}
