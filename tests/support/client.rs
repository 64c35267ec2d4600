//! A blocking client over TCP or a Unix socket: pipelines out, replies in.
use super::resp::{Reply, decode, encode};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long a reply may take before a test is taken to hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// What clients read from and write to.
pub(crate) trait Stream: Read + Write + Send {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// A connection.
pub(crate) struct Client {
    stream: Box<dyn Stream>,
    pending: Vec<u8>,
    start: usize,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Client { stream: Box::new(stream), pending: Vec::new(), start: 0 }
    }

    pub(crate) fn connect_unix(path: &Path) -> Client {
        let stream = UnixStream::connect(path).expect("the server accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Client { stream: Box::new(stream), pending: Vec::new(), start: 0 }
    }

    /// Sends one command and waits for its reply.
    pub(crate) fn call(&mut self, command: &[&str]) -> Reply {
        self.send(&[command]);
        self.receive()
    }

    /// Sends commands in one go and waits for all their replies.
    pub(crate) fn pipeline(&mut self, commands: &[&[&str]]) -> Vec<Reply> {
        self.send(commands);
        commands.iter().map(|_| self.receive()).collect()
    }

    pub(crate) fn send(&mut self, commands: &[&[&str]]) {
        self.send_bytes(&request(commands));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next reply.
    pub(crate) fn receive(&mut self) -> Reply {
        loop {
            let rest = &self.pending[self.start..];
            if let Some((reply, len)) = decode(rest).expect("the server speaks RESP") {
                self.start += len;
                if self.start == self.pending.len() {
                    self.pending.clear();
                    self.start = 0;
                }
                return reply;
            }
            let mut chunk = [0; 64 * 1024];
            let len = self.stream.read(&mut chunk).expect("a reply within a minute");
            assert!(len > 0, "the server closed the connection: {:?}", String::from_utf8_lossy(rest));
            self.pending.extend_from_slice(&chunk[..len]);
        }
    }
}

/// Commands as bytes.
pub(crate) fn request(commands: &[&[&str]]) -> Vec<u8> {
    let bytes = |command: &&[&str]| {
        let args: Vec<Vec<u8>> = command.iter().map(|word| word.as_bytes().to_vec()).collect();
        encode(&args)
    };
    commands.iter().flat_map(bytes).collect()
}

impl Reply {
    /// The number in it: of an integer, a bulk of digits; 0 for a null.
    pub(crate) fn number(&self) -> i64 {
        match self {
            Reply::Int(value) => *value,
            Reply::NullBulk | Reply::Null => 0,
            Reply::Bulk(text) => {
                std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).expect("digits")
            }
            other => panic!("{other:?} is no number"),
        }
    }

    pub(crate) fn items(&self) -> &[Reply] {
        match self {
            Reply::Array(items) => items,
            other => panic!("{other:?} is no array"),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Reply::NullBulk | Reply::NullArray | Reply::Null)
    }

    pub(crate) fn is_ok(&self) -> bool {
        *self == Reply::Simple(b"OK".to_vec())
    }
}
