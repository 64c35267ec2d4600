//! Connections beside a load: they subscribe and hear, or take from a queue and answer, one command after the other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::epoll::Epoll;
use super::plain::Plain;
use super::replies::Replies;
use crate::random::Random;
use crate::workload::{Distribution, KeyShape, Keys, Template};

/// How long they may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);
/// Room for one read, in bytes.
const READ_BYTES: usize = 128 * 1024;
/// Sockets handled between two looks at whether to stop.
const EVENTS_MAX: usize = 512;
const LOOK: Duration = Duration::from_millis(50);

/// What they do.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// How many there are.
    pub connections: usize,
    /// A command that each sends first; it has one reply. Empty: none.
    pub first: String,
    /// Commands that each sends in turn and for ever, the next one when the reply has come; without any it only hears.
    pub in_turn: Vec<String>,
}

/// Connected, their first command answered.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<Listener>,
    epoll: Epoll,
    input: Vec<u8>,
}

#[derive(Debug)]
struct Listener {
    stream: TcpStream,
    replies: Replies,
    /// What is sent in turn, rendered for this connection.
    in_turn: Vec<Vec<u8>>,
    turn: usize,
}

impl Listeners {
    /// Connects them; from then on, who subscribes misses nothing.
    ///
    /// # Errors
    /// When the server refuses, or what they are to send cannot be meant.
    pub fn connect(address: SocketAddr, part: &Part) -> io::Result<Self> {
        let epoll = Epoll::new(EVENTS_MAX)?;
        let mut listeners = Vec::new();
        for number in 0..part.connections {
            // Whether a server takes the next one is seen from whether it answers this one.
            let mut plain = Plain::connect(address, PATIENCE)?;
            plain.ask(&["PING"])?;
            let mut listener = Listener {
                stream: plain.into_stream()?,
                replies: Replies::default(),
                in_turn: part.in_turn.iter().map(|text| render(text, number)).collect::<io::Result<_>>()?,
                turn: 0,
            };
            if !part.first.is_empty() {
                listener.stream.write_all(&render(&part.first, number)?)?;
                listener.await_reply()?;
            }
            listener.stream.set_nonblocking(true)?;
            epoll.add(&listener.stream, number)?;
            listeners.push(listener);
        }
        Ok(Self { listeners, epoll, input: vec![0; READ_BYTES] })
    }

    /// Hears and answers until told to stop, and counts in `heard` what it was told.
    ///
    /// # Errors
    /// A connection that is lost, an error reply, or bytes that are none.
    pub fn listen(&mut self, stop: &AtomicBool, heard: &AtomicU64) -> io::Result<()> {
        for listener in &mut self.listeners {
            listener.send_next()?;
        }
        while !stop.load(Ordering::Relaxed) {
            let ready = self.epoll.wait(LOOK)?;
            for index in 0..ready {
                let token = self.epoll.ready(index).token;
                let count = self.listeners[token].hear(&mut self.input)?;
                heard.fetch_add(count, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

impl Listener {
    /// Takes what has come and goes on; says how many replies that were.
    fn hear(&mut self, input: &mut [u8]) -> io::Result<u64> {
        let length = match self.stream.read(input) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a listener was cut off")),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut count = 0;
        self.replies.scan(&input[..length], &mut |_| count += 1).map_err(io::Error::other)?;
        count += std::mem::take(&mut self.replies.pushes);
        if let Some(error) = &self.replies.first_error {
            return Err(io::Error::other(format!("to a listener: {error}")));
        }
        if count > 0 {
            self.send_next()?;
        }
        Ok(count)
    }

    fn send_next(&mut self) -> io::Result<()> {
        let Some(command) = self.in_turn.get(self.turn) else { return Ok(()) };
        self.turn = (self.turn + 1) % self.in_turn.len();
        // One command is under way at a time: there is always room for the next.
        self.stream.write_all(command)
    }

    fn await_reply(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut input = [0; 4096];
        loop {
            let length = self.stream.read(&mut input)?;
            let mut count = 0;
            self.replies.scan(&input[..length], &mut |_| count += 1).map_err(io::Error::other)?;
            if let Some(error) = &self.replies.first_error {
                return Err(io::Error::other(format!("to a listener: {error}")));
            }
            if count + std::mem::take(&mut self.replies.pushes) > 0 {
                return Ok(());
            }
            if length == 0 || Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a listener was not answered"));
            }
        }
    }
}

/// A command as the `number`-th connection sends it; keys are not drawn, they are the first.
fn render(text: &str, number: usize) -> io::Result<Vec<u8>> {
    let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: 1 };
    let template = Template::new(text, &shape, 3).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    template.copy_to(&mut bytes);
    let mut keys = Keys::new(Distribution::Sequential, 0, 1);
    template.fill(&mut bytes, &mut keys, &mut Random::new(1), number as u64);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// Reads a request that is known, and answers.
    fn expect(stream: &mut TcpStream, request: &str, reply: &str) {
        let mut bytes = vec![0; request.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), request);
        stream.write_all(reply.as_bytes()).unwrap();
    }

    #[test]
    fn commands_are_sent_in_turn_and_replies_are_counted() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let (stop, heard) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = server.accept().unwrap();
                expect(&mut stream, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
                expect(&mut stream, "*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n", "+OK\r\n");
                expect(&mut stream, "*2\r\n$3\r\nGET\r\n$8\r\nq:000000\r\n", "$-1\r\n");
                expect(&mut stream, "*1\r\n$4\r\nECHO\r\n", ":1\r\n");
                expect(&mut stream, "*2\r\n$3\r\nGET\r\n$8\r\nq:000000\r\n", "");
                stop.store(true, Ordering::Relaxed);
            });
            let in_turn = vec!["GET q:{conn}".to_owned(), "ECHO".to_owned()];
            let part = Part { connections: 1, first: "SELECT 2".to_owned(), in_turn };
            Listeners::connect(address, &part).unwrap().listen(&stop, &heard).unwrap();
        });
        assert_eq!(heard.into_inner(), 2);
    }

    #[test]
    fn an_error_is_no_message() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = server.accept().unwrap();
                expect(&mut stream, "*1\r\n$4\r\nPING\r\n", "+PONG\r\n-ERR gone\r\n");
            });
            let part = Part { connections: 1, ..Part::default() };
            let failure = Listeners::connect(address, &part)
                .and_then(|mut listeners| listeners.listen(&AtomicBool::new(false), &AtomicU64::new(0)));
            assert!(failure.is_err());
        });
    }
}
