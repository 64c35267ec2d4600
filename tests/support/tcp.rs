//! The target behind a socket: a Redis, a Valkey or a Braid that listens on a port of this machine.

use super::resp::{Reply, decode, encode};
use super::{ConnectionId, Kind, Outcome, Target};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long housekeeping may take before the target counts as broken.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

pub(crate) struct TcpTarget {
    kind: Kind,
    address: SocketAddr,
    connections: Vec<Option<Connection>>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes that came and are not yet a whole reply.
    pending: Vec<u8>,
}

impl TcpTarget {
    pub(crate) fn new(kind: Kind, address: SocketAddr) -> TcpTarget {
        TcpTarget { kind, address, connections: Vec::new() }
    }
}

impl Target for TcpTarget {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn connect(&mut self) -> ConnectionId {
        let stream = TcpStream::connect(self.address).and_then(|stream| {
            stream.set_nodelay(true)?;
            Ok(stream)
        });
        self.connections.push(stream.ok().map(|stream| Connection { stream, pending: Vec::new() }));
        self.connections.len() - 1
    }

    fn close(&mut self, connection: ConnectionId) {
        self.connections[connection] = None;
    }

    fn request(&mut self, connection: ConnectionId, args: &[Vec<u8>], patience: Duration) -> Outcome {
        self.send_raw(connection, &encode(args));
        self.receive(connection, patience)
    }

    fn send_raw(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if let Some(connection) = &mut self.connections[connection] {
            // A server that has closed already is noticed by the next receive.
            let _sent = connection.stream.write_all(bytes);
        }
    }

    fn receive(&mut self, connection: ConnectionId, patience: Duration) -> Outcome {
        let connection = self.connections[connection].as_mut();
        connection.map_or(Outcome::Closed, |connection| connection.receive(patience))
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        i64::try_from(since_epoch.as_millis()).expect("the clock is before the year 292 million")
    }

    fn reset(&mut self) -> Result<(), Outcome> {
        self.connections.clear();
        let fresh = self.connect();
        let flushed = self.request(fresh, &[b"FLUSHALL".to_vec()], HOUSEKEEPING);
        // Libraries of functions are no keys; whether a server has them is told by the scripts about them.
        let _unheard = self.request(fresh, &[b"FUNCTION".to_vec(), b"FLUSH".to_vec()], HOUSEKEEPING);
        self.connections.clear();
        if flushed == Outcome::Reply(Reply::Simple(b"OK".to_vec())) { Ok(()) } else { Err(flushed) }
    }
}

impl Connection {
    fn receive(&mut self, patience: Duration) -> Outcome {
        let deadline = Instant::now() + patience;
        loop {
            match decode(&self.pending) {
                Err(_) => return Outcome::Garbage(std::mem::take(&mut self.pending)),
                Ok(Some((reply, length))) => {
                    self.pending.drain(..length);
                    return Outcome::Reply(reply);
                }
                Ok(None) => {}
            }
            if let Some(end) = self.read_until(deadline) {
                return end;
            }
        }
    }

    /// Reads what is there; an outcome if nothing more will come.
    fn read_until(&mut self, deadline: Instant) -> Option<Outcome> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(left)).expect("a socket option");
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) if self.pending.is_empty() => Some(Outcome::Closed),
            Ok(0) => Some(Outcome::Garbage(std::mem::take(&mut self.pending))),
            Ok(length) => {
                self.pending.extend_from_slice(&chunk[..length]);
                None
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => None,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                (Instant::now() >= deadline).then_some(Outcome::Silence)
            }
            Err(_) => Some(Outcome::Closed),
        }
    }
}
