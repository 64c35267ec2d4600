//! Sending over the ring.
//!
//! A quiet send asks for no result unless it fails. Since it may not wait for room either (`MSG_DONTWAIT`),
//! it has happened when the enter returns that submitted it, so silence is success. One that did not fit goes
//! on as an ordinary one.
#![expect(unsafe_code, reason = "operations point to buffers")]

use std::io;
use std::os::fd::AsRawFd;

use io_uring::opcode;
use io_uring::squeue::Flags;
use io_uring::types::Fd;

use super::{QUIET_SEND, SEND, Uring};
use crate::net::{Completion, Notice, Sending, Tag, Token};

/// Bytes that one send operation takes at most.
const SEND_BYTES_MAX: usize = 1 << 30;

impl Uring {
    pub(in crate::net) fn send(&mut self, token: Token, buffer: Vec<u8>, notice: Notice) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        assert!(connection.sending.is_none(), "one send at a time");
        let notice = if buffer.len() > SEND_BYTES_MAX { Notice::Prompt } else { notice };
        connection.sending = Some(Sending { buffer, written: 0, notice });
        if notice == Notice::Quiet {
            self.quiet.push(token);
        }
        self.push_send(token);
    }

    /// Queues what is left of the connection's buffer.
    pub(super) fn push_send(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(token) else { return };
        let Some(sending) = &connection.sending else { return };
        let rest = &sending.buffer[sending.written..];
        let len = rest.len().min(SEND_BYTES_MAX) as u32;
        let send = opcode::Send::new(Fd(connection.fd.as_raw_fd()), rest.as_ptr(), len);
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let (entry, kind) = match sending.notice {
            Notice::Prompt => (send.flags(flags).build(), SEND),
            Notice::Quiet => {
                (send.flags(flags | libc::MSG_DONTWAIT).build().flags(Flags::SKIP_SUCCESS), QUIET_SEND)
            }
        };
        // SAFETY: the buffer stays in the connection, and after that in `orphans` or `spent`, until the
        // result is known.
        unsafe { self.push(entry, Tag::new(kind, token)) };
    }

    /// Handles the result of a send: goes on, or brings the buffer back.
    pub(super) fn sent(&mut self, tag: Tag, outcome: i32) -> Option<Completion> {
        let Some((token, connection)) = self.connections.by_tag(tag) else {
            self.orphans.remove(&tag.pack());
            return None;
        };
        let sending = connection.sending.as_mut()?;
        sending.written += usize::try_from(outcome).unwrap_or(0);
        let left = sending.buffer.len() - sending.written;
        let result = match -outcome {
            _ if left == 0 && outcome >= 0 => Ok(()),
            0 => Err(io::ErrorKind::WriteZero.into()),
            ..0 | libc::EAGAIN | libc::EINTR => {
                sending.notice = Notice::Prompt;
                self.push_send(token);
                return None;
            }
            errno => Err(io::Error::from_raw_os_error(errno)),
        };
        let sending = connection.sending.take()?;
        Some(Completion::Sent { token, buffer: sending.buffer, result })
    }

    /// Completes the quiet sends of this turn: those without a result have succeeded.
    pub(super) fn conclude_quiet(&mut self) {
        self.spent.clear();
        let mut quiet = std::mem::take(&mut self.quiet);
        for token in quiet.drain(..) {
            let Some(connection) = self.connections.get_mut(token) else { continue };
            let completion = match connection.quiet_result.take() {
                Some(outcome) => self.sent(Tag::new(QUIET_SEND, token), outcome),
                None => connection.sending.take().map(|sending| Completion::Sent {
                    token,
                    buffer: sending.buffer,
                    result: Ok(()),
                }),
            };
            self.early.extend(completion);
        }
        self.quiet = quiet;
    }
}
