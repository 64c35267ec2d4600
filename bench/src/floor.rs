//! The floor: a server on Braid's socket loop that counts commands and answers each with a constant.
//!
//! What it costs is what no server on this loop can go below; what Braid costs more is Braid's own.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;

use braid::net::listen::{self, Options};
use braid::net::{Completion, Driver, IoKind, Received, Token};

use crate::commands::CommandCount;

/// One connection.
#[derive(Default)]
struct Peer {
    generation: u32,
    commands: CommandCount,
    /// Replies that wait until the buffer under way is back.
    replies: Vec<u8>,
    /// The buffer that came back last, to be filled again.
    spare: Vec<u8>,
    is_sending: bool,
    is_listed: bool,
}

/// A server that runs for ever on one thread.
pub struct Floor {
    driver: Driver,
    peers: Vec<Peer>,
    /// Places of peers that have gone.
    free: Vec<u32>,
    /// Places of peers with replies to send in this turn.
    listed: Vec<u32>,
    /// The constant, many times over.
    constant: Vec<u8>,
    constant_bytes: usize,
}

/// So many replies are copied at a time.
const REPLIES_A_COPY: usize = 1024;

impl Floor {
    /// Listens on a port of this machine alone and answers each command with `constant`.
    ///
    /// # Errors
    /// When the port is taken or the kernel refuses the driver.
    pub fn new(kind: IoKind, port: u16, constant: &[u8]) -> io::Result<Self> {
        let (mut driver, _) = Driver::new(kind)?;
        let options = Options { backlog: 4096, shared_port: false };
        let sockets = listen::tcp(&["127.0.0.1"], port, options).map_err(|refusal| refusal.error)?;
        for (number, socket) in sockets.into_iter().enumerate() {
            listen::configure(&socket, 0)?;
            driver.listen(number, socket);
        }
        Ok(Self {
            driver,
            peers: Vec::new(),
            free: Vec::new(),
            listed: Vec::new(),
            constant: constant.repeat(REPLIES_A_COPY),
            constant_bytes: constant.len(),
        })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// What leaves the driver useless.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.driver.turn(None)?;
            while let Some(completion) = self.driver.next() {
                self.handle(completion);
            }
            self.send_replies();
        }
    }

    fn handle(&mut self, completion: Completion) {
        match completion {
            Completion::Accepted { result: Ok(socket), .. } => self.admit(socket),
            Completion::Received { token, bytes } => self.answer(token, bytes),
            Completion::Ended { token, .. } => self.remove(token),
            Completion::Sent { token, buffer, result } => self.sent(token, buffer, &result),
            Completion::Accepted { result: Err(_), .. } | Completion::Stored { .. } | Completion::Woken => {}
        }
    }

    fn admit(&mut self, socket: OwnedFd) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.peers.push(Peer::default());
            (self.peers.len() - 1) as u32
        });
        let generation = self.peers[index as usize].generation;
        self.driver.add(Token { index, generation }, socket);
    }

    fn answer(&mut self, token: Token, received: Received) {
        if let Some(peer) = living(&mut self.peers, token) {
            let count = peer.commands.count(self.driver.bytes(&received));
            // Garbage is not answered: whoever sends it waits in vain, and reports so.
            let mut left = count.unwrap_or(0);
            if left > 0 && !peer.is_listed {
                peer.is_listed = true;
                self.listed.push(token.index);
            }
            while left > 0 {
                let now = left.min(REPLIES_A_COPY);
                peer.replies.extend_from_slice(&self.constant[..now * self.constant_bytes]);
                left -= now;
            }
        }
        self.driver.recycle(received);
    }

    fn sent(&mut self, token: Token, mut buffer: Vec<u8>, result: &io::Result<()>) {
        let Some(peer) = living(&mut self.peers, token) else { return };
        if result.is_err() {
            self.remove(token);
            return;
        }
        buffer.clear();
        peer.spare = buffer;
        peer.is_sending = false;
        if !peer.replies.is_empty() && !peer.is_listed {
            peer.is_listed = true;
            self.listed.push(token.index);
        }
    }

    fn send_replies(&mut self) {
        for index in self.listed.drain(..) {
            let peer = &mut self.peers[index as usize];
            peer.is_listed = false;
            if peer.is_sending || peer.replies.is_empty() {
                continue;
            }
            peer.is_sending = true;
            let buffer = mem::replace(&mut peer.replies, mem::take(&mut peer.spare));
            self.driver.send_quietly(Token { index, generation: peer.generation }, buffer);
        }
    }

    fn remove(&mut self, token: Token) {
        let Some(peer) = living(&mut self.peers, token) else { return };
        *peer = Peer { generation: token.generation.wrapping_add(1), ..Peer::default() };
        self.driver.remove(token);
        self.free.push(token.index);
    }
}

/// The peer a token names, unless its place has another tenant by now.
fn living(peers: &mut [Peer], token: Token) -> Option<&mut Peer> {
    peers.get_mut(token.index as usize).filter(|peer| peer.generation == token.generation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Goal;
    use crate::fleet::{Fleet, Plan};
    use crate::workload::{Distribution, KeyShape, Workload};
    use std::net::{Ipv4Addr, SocketAddr, TcpListener};
    use std::sync::atomic::AtomicU64;
    use std::thread;

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn every_command_gets_its_constant() {
        for kind in [IoKind::Epoll, IoKind::Auto] {
            let port = free_port();
            let mut floor = Floor::new(kind, port, b"$3\r\nxyz\r\n").unwrap();
            thread::spawn(move || floor.run());
            let shape = KeyShape { prefix: "key:".to_owned(), bytes: 16, count: 100 };
            let units = [(1, "GET {key}".to_owned())];
            let workload = Workload::new(&units, &shape, Distribution::Uniform, &[3], 1).unwrap();
            let plan = Plan {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
                connections: 5,
                // More than one copy of the constant holds, more than one receive brings.
                depth: 3000,
                threads: 1,
                cores: Vec::new(),
                distribution: Distribution::Uniform,
                key_count: 100,
                seed: 1,
                prelude: Vec::new(),
            };
            let goal = Goal { units: Some(100_000), ..Goal::default() };
            // The second fleet takes the places that the first has left.
            for _ in 0..2 {
                let mut fleet = Fleet::connect(&plan, &workload).unwrap();
                let outcome = fleet.run(&goal, &AtomicU64::new(0)).unwrap();
                assert_eq!((outcome.units, outcome.failure(false)), (100_000, None));
            }
        }
    }
}
