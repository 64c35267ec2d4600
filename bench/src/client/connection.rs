//! One connection of the load: what it has sent, and what it still waits for.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::plain::Plain;
use super::replies::{Replies, Reply};
use crate::outcome::Outcome;
use crate::workload::Template;

/// Units of one template that were sent, or due, at the same moment.
#[derive(Clone, Copy, Debug)]
struct Flight {
    template: usize,
    units: u64,
    at_ns: u64,
}

/// A socket that never blocks, and the units under way on it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// Bytes the socket had no room for.
    pending: Vec<u8>,
    flights: VecDeque<Flight>,
    /// Units under way.
    units: u64,
    /// Replies the first unit under way has had.
    replies_of_unit: usize,
    replies: Replies,
}

impl Connection {
    /// Connects and sends `prelude`, whose replies it awaits; an error among them is an error here.
    ///
    /// # Errors
    /// When the server is not there, refuses, or does not answer in ten seconds.
    pub fn open(address: SocketAddr, prelude: &[Vec<String>]) -> io::Result<Self> {
        let mut plain = Plain::connect(address, Duration::from_secs(10))?;
        for words in prelude {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            plain.ask(&words)?;
        }
        let stream = plain.into_stream()?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            pending: Vec::new(),
            flights: VecDeque::new(),
            units: 0,
            replies_of_unit: 0,
            replies: Replies::default(),
        })
    }

    /// The socket.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Units under way.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Notes units of a template that are about to be sent, and since when they wait.
    #[inline]
    pub fn expect(&mut self, template: usize, units: u64, at_ns: u64) {
        self.units += units;
        match self.flights.back_mut() {
            Some(last) if last.template == template && last.at_ns == at_ns => last.units += units,
            _ => self.flights.push_back(Flight { template, units, at_ns }),
        }
    }

    /// Sends what the socket takes now and keeps the rest; says whether something is kept.
    ///
    /// # Errors
    /// The connection's.
    #[inline]
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let sent = if self.pending.is_empty() { write_some(&self.stream, bytes)? } else { 0 };
        self.pending.extend_from_slice(&bytes[sent..]);
        Ok(!self.pending.is_empty())
    }

    /// Goes on with what was kept; says whether something is still kept.
    ///
    /// # Errors
    /// The connection's.
    pub fn flush(&mut self) -> io::Result<bool> {
        let sent = write_some(&self.stream, &self.pending)?;
        self.pending.drain(..sent);
        Ok(!self.pending.is_empty())
    }

    /// Reads once into `room`; no bytes if nothing was there.
    ///
    /// # Errors
    /// The connection's, its end included.
    #[inline]
    pub fn receive<'a>(&self, room: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match (&self.stream).read(room) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")),
            Ok(length) => Ok(&room[..length]),
            Err(error) if is_for_later(&error) => Ok(&[]),
            Err(error) => Err(error),
        }
    }

    /// Judges received bytes against what is under way, and counts it all in `outcome`.
    ///
    /// # Errors
    /// When the bytes are not RESP, or nobody asked for them.
    #[inline]
    pub fn judge(
        &mut self,
        bytes: &[u8],
        templates: &[Template],
        now_ns: u64,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        let Self { flights, replies, replies_of_unit, units, .. } = self;
        let mut done = 0;
        let mut unasked = false;
        let mut on_reply = |reply: Reply| {
            let Some(flight) = flights.front_mut() else {
                unasked = true;
                return;
            };
            let template = &templates[flight.template];
            count_reply(reply, template, *replies_of_unit, outcome);
            *replies_of_unit += 1;
            if *replies_of_unit < template.expected().len() {
                return;
            }
            *replies_of_unit = 0;
            done += 1;
            flight.units -= 1;
            if flight.units == 0 {
                outcome.latencies.record(now_ns.saturating_sub(flight.at_ns), done);
                outcome.units += done;
                *units -= done;
                done = 0;
                flights.pop_front();
            }
        };
        let result = replies.scan(bytes, &mut on_reply);
        if done > 0 {
            let at_ns = flights.front().map_or(now_ns, |flight| flight.at_ns);
            outcome.latencies.record(now_ns.saturating_sub(at_ns), done);
            outcome.units += done;
            *units -= done;
        }
        if let Some(error) = &replies.first_error {
            outcome.note(|| format!("first error: {error}"));
        }
        if unasked {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply nobody asked for"));
        }
        result.map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))
    }
}

#[inline]
fn count_reply(reply: Reply, template: &Template, place: usize, outcome: &mut Outcome) {
    outcome.replies += 1;
    outcome.errors += u64::from(reply.errors);
    outcome.nils += u64::from(reply.nils);
    if reply.errors == 0 && !template.expected()[place].has(reply.kind) {
        outcome.wrong += 1;
        outcome.note(|| {
            format!("first wrong reply: {:?} to command {} of {:?}", reply.kind, place + 1, template.text())
        });
    }
}

fn write_some(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if is_for_later(&error) => Ok(0),
        result => result,
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
