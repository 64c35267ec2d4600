//! The TCP sockets that the server listens on: opened at the start, and exchanged by CONFIG SET port and bind.
//!
//! The thread that accepts has the sockets; here are second descriptors of them. Through these others are opened, or not, before
//! CONFIG SET is answered, without asking that thread, which then gets the new ones by mail.
use crate::config::Config;
use crate::net::listen::{self, ListenError};
use socket2::SockRef;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

/// The sockets that the server listens on.
#[derive(Debug, Default)]
pub struct Listeners(Mutex<Vec<OwnedFd>>);

impl Listeners {
    /// Opens the sockets that a configuration names, for the thread that accepts; none for port 0.
    ///
    /// # Errors
    /// The first address that fails. Then none is open, and those of before are as they were.
    pub fn open(&self, config: &Config) -> Result<Vec<OwnedFd>, ListenError> {
        let mut present = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = match open(config) {
            // Perhaps it is this server that has the address, or a wider one.
            Err(refused)
                if refused.error.kind() == ErrorKind::AddrInUse
                    && present.iter().any(|socket| port_of(socket) == Some(config.port)) =>
            {
                present.iter().for_each(deafen);
                open(config).inspect_err(|_| present.iter().for_each(|socket| hear_again(socket, config)))
            }
            opened => opened,
        };
        let opened = opened?;
        let own = opened.iter().map(OwnedFd::try_clone).collect::<std::io::Result<Vec<_>>>();
        let own = own.map_err(|error| ListenError { address: format!("*:{}", config.port), error })?;
        // Who knocks there from now on is refused, and does not wait for the thread to let go.
        present.iter().for_each(deafen);
        *present = own;
        Ok(opened)
    }
}

fn open(config: &Config) -> Result<Vec<OwnedFd>, ListenError> {
    if config.port == 0 {
        return Ok(Vec::new());
    }
    let options = listen::Options { backlog: config.tcp_backlog as i32, shared_port: false };
    let sockets = listen::tcp(&config.bind.0, config.port, options)?;
    for socket in &sockets {
        listen::configure(socket, config.tcp_keepalive_seconds)
            .map_err(|error| ListenError { address: format!("*:{}", config.port), error })?;
    }
    Ok(sockets)
}

fn port_of(socket: &OwnedFd) -> Option<u16> {
    Some(SockRef::from(socket).local_addr().ok()?.as_socket()?.port())
}

/// The socket listens no longer, whoever has a descriptor of it: its address is free.
fn deafen(socket: &OwnedFd) {
    if let Err(error) = SockRef::from(socket).shutdown(Shutdown::Both) {
        crate::log::warning(format_args!("Closing a listening socket: {error}"));
    }
}

/// It keeps its address, and listens there as before.
fn hear_again(socket: &OwnedFd, config: &Config) {
    if let Err(error) = SockRef::from(socket).listen(config.tcp_backlog as i32) {
        crate::log::warning(format_args!("Listening again on a socket: {error}"));
    }
}
