//! Plain calls on sockets that do not wait, for a thread that cannot turn its driver's loop just now.
//!
//! Neither driver minds: the receives and accepts that it has armed find nothing, and stay armed.
#![expect(unsafe_code, reason = "descriptors that the driver owns are used by number")]
use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use socket2::{SockRef, Socket};

/// Bytes that are received at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// A socket by its number, which must be open: a connection's place has it from the driver, and gives it back first.
fn socket_of(fd: &RawFd) -> BorrowedFd<'_> {
    // SAFETY: the caller names a socket that is open, and that nobody closes while this thread does not turn.
    unsafe { BorrowedFd::borrow_raw(*fd) }
}

/// Which of these sockets have something to read or to accept.
pub(crate) fn readable(fds: &[RawFd]) -> Vec<RawFd> {
    let mut polls: Vec<libc::pollfd> =
        fds.iter().map(|fd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 }).collect();
    // SAFETY: the records are there, as many as is said.
    let count = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, 0) };
    if count <= 0 {
        return Vec::new();
    }
    polls.into_iter().filter(|poll| poll.revents & libc::POLLIN != 0).map(|poll| poll.fd).collect()
}

/// Appends what has come; nothing at the end of the stream.
pub(crate) fn receive(fd: RawFd, into: &mut Vec<u8>) {
    let start = into.len();
    into.resize(start + CHUNK_BYTES, 0);
    let fd = socket_of(&fd);
    let socket = SockRef::from(&fd);
    // It has been seen to be readable, and nobody else reads.
    let count = (&*socket).read(&mut into[start..]).unwrap_or(0);
    into.truncate(start + count);
}

/// Sends what the kernel takes at once; gives back how much that was.
pub(crate) fn send(fd: RawFd, bytes: &[u8]) -> usize {
    let fd = socket_of(&fd);
    SockRef::from(&fd).send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL).unwrap_or(0)
}

/// A new connection, from a socket that was seen to have one.
pub(crate) fn accept(fd: RawFd) -> io::Result<OwnedFd> {
    let fd = socket_of(&fd);
    let (socket, _): (Socket, _) = SockRef::from(&fd).accept()?;
    Ok(socket.into())
}
