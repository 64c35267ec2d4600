//! Listening sockets, and the options of connected ones.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections that may wait to be accepted; the kernel cuts it to `net.core.somaxconn`.
    pub backlog: i32,
    /// Several sockets share the port, and the kernel spreads connections over them (`SO_REUSEPORT`).
    pub shared_port: bool,
}

/// Why a server cannot listen, in Redis's words.
#[derive(Debug)]
pub struct ListenError {
    /// The address, as it was configured (without a leading `-`), and the port: `127.0.0.1:6379`; or the
    /// path.
    pub address: String,
    /// What the kernel or the resolver said.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.address, self.error)
    }
}

impl std::error::Error for ListenError {}

/// Listens on each of the addresses of a `bind` directive: `*` and `::*` stand for all IPv4 and all IPv6
/// interfaces; one that contains a colon is IPv6, any other an IPv4 address or a name; one with a leading `-`
/// is left out if this machine does not have it. Several sockets come back if there are several addresses,
/// none for an empty list.
///
/// With port 0 the kernel chooses, for each address apart.
///
/// # Errors
/// The first address that fails; the sockets of those before are closed.
pub fn tcp(addresses: &[impl AsRef<str>], port: u16, options: Options) -> Result<Vec<OwnedFd>, ListenError> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        let address = address.as_ref();
        let (host, optional) = address.strip_prefix('-').map_or((address, false), |host| (host, true));
        match tcp_on(host, port, options) {
            Ok(socket) => sockets.push(socket),
            Err(error) if optional && is_absent(&error) => {}
            Err(error) => return Err(ListenError { address: format!("{host}:{port}"), error }),
        }
    }
    Ok(sockets)
}

/// Listens on a path. A socket that a former server left there is removed, and nothing else is. `permissions`
/// are those of the file (`0` leaves them to the umask).
///
/// # Errors
/// The kernel's, with the path.
pub fn unix(path: &Path, permissions: u32, options: Options) -> Result<OwnedFd, ListenError> {
    unix_on(path, permissions, options)
        .map_err(|error| ListenError { address: path.display().to_string(), error })
}

/// Sets what Redis sets on a client's socket: no delay of small packets, and probes after `keepalive_s`
/// seconds of silence (`0`: none), so that a dead peer is noticed after about twice that time.
///
/// Linux hands these options from a listening socket down to those that it accepts: configuring the listeners
/// costs no system call per connection. A Unix socket has neither option; there it does nothing.
///
/// # Errors
/// The kernel's.
pub fn configure(socket: &impl AsFd, keepalive_s: u32) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if socket.domain()? == Domain::UNIX {
        return Ok(());
    }
    socket.set_tcp_nodelay(true)?;
    if keepalive_s == 0 {
        return socket.set_keepalive(false);
    }
    let silence = Duration::from_secs(keepalive_s.into());
    let interval = Duration::from_secs((keepalive_s / 3).max(1).into());
    let keepalive = TcpKeepalive::new().with_time(silence).with_interval(interval).with_retries(3);
    socket.set_tcp_keepalive(&keepalive)
}

fn tcp_on(host: &str, port: u16, options: Options) -> io::Result<OwnedFd> {
    let (host, version_6) = match host {
        "*" => ("0.0.0.0", false),
        "::*" => ("::", true),
        host => (host, host.contains(':')),
    };
    let mut last = io::Error::from_raw_os_error(libc::EADDRNOTAVAIL);
    for address in (host, port).to_socket_addrs()?.filter(|address| address.is_ipv6() == version_6) {
        match tcp_at(address, options) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn tcp_at(address: SocketAddr, options: Options) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // The IPv4 side is another address of the directive.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(options.shared_port)?;
    socket.bind(&address.into())?;
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

fn unix_on(path: &Path, permissions: u32, options: Options) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    socket.bind(&address)?;
    if permissions != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions))?;
    }
    socket.listen(options.backlog)?;
    Ok(socket.into())
}

/// Whether an error says that the machine has no such address, or does not know its kind.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EADDRNOTAVAIL
                | libc::ENOPROTOOPT
                | libc::EPROTONOSUPPORT
                | libc::ESOCKTNOSUPPORT
                | libc::EPFNOSUPPORT
                | libc::EAFNOSUPPORT
        )
    )
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    const OPTIONS: Options = Options { backlog: 511, shared_port: false };

    fn address(socket: &OwnedFd) -> SocketAddr {
        SockRef::from(socket).local_addr().unwrap().as_socket().unwrap()
    }

    #[test]
    fn listens_on_several_addresses() {
        let sockets = tcp(&["127.0.0.1", "127.0.0.2"], 21_041, OPTIONS).unwrap();
        let addresses: Vec<String> = sockets.iter().map(|socket| address(socket).to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:21041", "127.0.0.2:21041"]);
        for address in addresses {
            TcpStream::connect(address).unwrap();
        }
    }

    #[test]
    fn stars_are_all_interfaces_and_both_versions_share_a_port() {
        let sockets = tcp(&["*", "-::*"], 21_042, OPTIONS).unwrap();
        assert_eq!(address(&sockets[0]).to_string(), "0.0.0.0:21042");
        if let Some(six) = sockets.get(1) {
            assert_eq!(address(six).to_string(), "[::]:21042");
        }
        TcpStream::connect("127.0.0.3:21042").unwrap();
    }

    #[test]
    fn an_optional_address_may_be_absent_and_another_may_not() {
        // 192.0.2.1 is for documentation only: no machine has it.
        let sockets = tcp(&["127.0.0.1", "-192.0.2.1", "-2001:db8::1"], 0, OPTIONS).unwrap();
        assert_eq!(sockets.len(), 1);
        let error = tcp(&["127.0.0.1", "192.0.2.1"], 21_043, OPTIONS).unwrap_err();
        assert_eq!(error.address, "192.0.2.1:21043");
        assert_eq!(error.error.kind(), ErrorKind::AddrNotAvailable);
        // The first socket of the failed list is closed.
        TcpListener::bind("127.0.0.1:21043").unwrap();
    }

    #[test]
    fn a_port_in_use_is_an_error_even_if_optional() {
        let taken = tcp(&["127.0.0.1"], 0, OPTIONS).unwrap();
        let port = address(&taken[0]).port();
        let error = tcp(&["-127.0.0.1"], port, OPTIONS).unwrap_err();
        assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.to_string(), format!("127.0.0.1:{port}: Address already in use (os error 98)"));
    }

    #[test]
    fn a_shared_port_can_be_taken_twice() {
        let options = Options { shared_port: true, ..OPTIONS };
        let first = tcp(&["127.0.0.1"], 0, options).unwrap();
        let port = address(&first[0]).port();
        let second = tcp(&["127.0.0.1"], port, options).unwrap();
        assert_eq!(address(&second[0]), address(&first[0]));
    }

    #[test]
    fn an_empty_list_listens_nowhere() {
        let none: [&str; 0] = [];
        assert!(tcp(&none, 21_044, OPTIONS).unwrap().is_empty());
    }

    #[test]
    fn a_unix_socket_replaces_a_stale_one_but_no_other_file() {
        let path = std::env::temp_dir().join(format!("braid-listen-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a closed server leaves its file");

        let socket = unix(&path, 0o700, OPTIONS).unwrap();
        UnixStream::connect(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        configure(&socket, 300).unwrap();

        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        let error = unix(&path, 0, OPTIONS).unwrap_err();
        assert_eq!(error.error.kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn accepted_sockets_inherit_their_configuration() {
        let sockets = tcp(&["127.0.0.1"], 0, OPTIONS).unwrap();
        let listener = TcpListener::from(sockets.into_iter().next().unwrap());
        configure(&listener, 300).unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(300));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(100));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        configure(&accepted, 0).unwrap();
        assert!(!socket.keepalive().unwrap());
    }
}
