//! Receiving over the ring: one multishot operation per connection, armed again when the kernel ends it.
#![expect(unsafe_code, reason = "the kernel writes into the provided buffers")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use io_uring::squeue::Flags;
use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::{Armed, CANCEL_RECEIVE, Connection, FORGOTTEN, RECEIVE, Uring, make_blocking};
use crate::net::{Completion, Received, Tag, Token};

/// `IORING_RECVSEND_POLL_FIRST`: do not try, the socket is likely to be empty.
const POLL_FIRST: u16 = 1;
/// `IORING_RECV_MULTISHOT`
const MULTISHOT: u16 = 2;

impl Uring {
    pub(in crate::net) fn add(&mut self, token: Token, fd: OwnedFd) {
        make_blocking(&fd);
        let connection = Connection {
            fd,
            armed: Armed::No,
            paused: false,
            starved: false,
            ended: false,
            sending: None,
            quiet_result: None,
        };
        self.connections.insert(token, connection);
        self.arm_receive(token, POLL_FIRST);
    }

    pub(in crate::net) fn pause(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        connection.paused = true;
        if connection.armed == Armed::Yes {
            connection.armed = Armed::Cancelling;
            self.cancel(Tag::new(RECEIVE, token), Tag::new(CANCEL_RECEIVE, token));
        }
    }

    pub(in crate::net) fn resume(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(token) {
            connection.paused = false;
            self.arm_receive(token, 0);
        }
    }

    /// Arms the receive, unless there is a reason not to. While a cancelled one is in flight, its end arms
    /// the next.
    pub(super) fn arm_receive(&mut self, token: Token, how: u16) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        if connection.armed != Armed::No || connection.paused || connection.starved || connection.ended {
            return;
        }
        connection.armed = Armed::Yes;
        let entry = opcode::Recv::new(Fd(connection.fd.as_raw_fd()), ptr::null_mut(), 0)
            .ioprio(MULTISHOT | how)
            .buf_group(0)
            .build()
            .flags(Flags::BUFFER_SELECT);
        // SAFETY: the buffers are those of `provided`, which outlives the ring's work.
        unsafe { self.push(entry, Tag::new(RECEIVE, token)) };
    }

    pub(super) fn received(&mut self, tag: Tag, result: &cqueue::Entry) -> Option<Completion> {
        let buffer = cqueue::buffer_select(result.flags());
        if buffer.is_some() {
            self.provided.taken();
        }
        let goes_on = cqueue::more(result.flags());
        let Some((token, connection)) = self.connections.by_tag(tag) else {
            self.received_by_nobody(tag, buffer, goes_on);
            return None;
        };
        if !goes_on {
            connection.armed = Armed::No;
        }
        let outcome = result.result();
        if let (Some(buffer), 1..) = (buffer, outcome) {
            self.arm_receive(token, 0);
            return Some(Completion::Received { token, bytes: Received { buffer, len: outcome as u32 } });
        }
        if let Some(buffer) = buffer {
            self.provided.recycle(buffer);
        }
        self.receive_ended(token, -outcome)
    }

    /// Handles the end of a multishot receive that brings no bytes.
    pub(super) fn receive_ended(&mut self, token: Token, errno: i32) -> Option<Completion> {
        let connection = self.connections.get_mut(token)?;
        match errno {
            libc::ENOBUFS => {
                connection.starved = true;
                self.starved.push_back(token);
                self.provided.widen();
                None
            }
            libc::ECANCELED | libc::EINTR | libc::EAGAIN => {
                self.arm_receive(token, 0);
                None
            }
            _ => {
                connection.ended = true;
                let error = (errno != 0).then(|| io::Error::from_raw_os_error(errno));
                Some(Completion::Ended { token, error })
            }
        }
    }

    /// Handles what came for a connection that is gone.
    pub(super) fn received_by_nobody(&mut self, tag: Tag, buffer: Option<u16>, goes_on: bool) {
        if let Some(buffer) = buffer {
            self.provided.recycle(buffer);
        }
        if goes_on {
            // Closing has cancelled it; should it have slipped through, it must not keep the socket open.
            self.cancel(tag, Tag { kind: FORGOTTEN, generation: 0, index: 0 });
        }
    }

    pub(super) fn receive_not_cancelled(&mut self, tag: Tag, outcome: i32) {
        let Some((token, connection)) = self.connections.by_tag(tag) else { return };
        // Not found means that it has ended by itself, and its last result says so.
        if -outcome == libc::EALREADY && connection.armed == Armed::Cancelling {
            self.cancel(Tag::new(RECEIVE, token), Tag::new(CANCEL_RECEIVE, token));
        }
    }

    /// Arms receives that ended for want of buffers: as many as there are buffers, in the order in which they
    /// ended.
    pub(super) fn feed_starved(&mut self) {
        if self.starved.is_empty() {
            return;
        }
        self.provided.replenish();
        for _ in 0..self.provided.with_kernel() {
            let Some(token) = self.starved.pop_front() else { return };
            if let Some(connection) = self.connections.get_mut(token) {
                connection.starved = false;
                self.arm_receive(token, 0);
            }
        }
    }
}
