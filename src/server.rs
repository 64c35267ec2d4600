//! A server from its configuration: sockets, threads, and their end.
use crate::config::{Config, Io};
use crate::listeners::Listeners;
use crate::log;
use crate::net::{Driver, IoKind, listen};
use crate::persist::load::{self, Loader};
use crate::queues::Strand;
use crate::shared::Shared;
use crate::thread::conn::Peer;
use crate::thread::core::Core;
use crate::thread::{Thread, wall_ms};
use crate::topology;
use shards::shard::Shard;
use socket2::SockRef;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Descriptors that are not clients': sockets that listen, rings, files.
pub const RESERVED_DESCRIPTORS: usize = 96;

/// How often, and after what rest, a port that is taken is tried again at the start.
const PREDECESSOR_LOOKS: u32 = 20;
const PREDECESSOR_REST: std::time::Duration = std::time::Duration::from_millis(25);

/// A server whose threads run.
#[derive(Debug)]
pub struct Running {
    /// What its threads share.
    pub shared: Arc<Shared>,
    threads: Vec<std::thread::JoinHandle<std::io::Result<()>>>,
    loader: Option<Loader>,
}

/// Starts a server.
///
/// # Errors
/// What is wrong with the configuration or the machine, in words for the log.
pub fn start(config: Config) -> Result<Running, String> {
    let clients_max = topology::raise_fd_limit(config.maxclients as usize, RESERVED_DESCRIPTORS)?;
    let shard_count = shard_count(&config);
    let listeners = Listeners::default();
    let sockets = listening_sockets(&listeners, &config)?;
    let drivers = drivers(&config, shard_count)?;
    let (pin, databases) = (config.pin, config.databases as u16);
    shards::keyspace::hash::seed(random());
    let mut shared = Shared::new(config, shard_count, wall_ms(), random_hex())?;
    shared.listeners = listeners;
    let shared = Arc::new(shared);
    shared.clients_max.store(clients_max, Ordering::Relaxed);
    let cores = topology::cores();
    let mut threads = Vec::with_capacity(shard_count);
    let mut sockets = Some(sockets);
    let [seed, ..] = random();
    let shards =
        (0..shard_count).map(|id| Box::new(Shard::new(id, shard_count, databases, seed ^ id as u64)));
    let (mut shards, loader) = match load::find(&shared.config()) {
        Some(found) => (Vec::new(), Some(Loader::begin(found, shards.collect(), &shared)?)),
        None => {
            let mut shards: Vec<_> = shards.collect();
            if shared.config().appendonly {
                load::begin_journals(&shared, &mut shards)?;
            }
            (shards, None)
        }
    };
    let mut strands = shards.drain(..).map(|shard| Strand { shard, stalled: None });
    for (id, driver) in drivers.into_iter().enumerate() {
        *shared.io_name.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = driver.name();
        let mut thread = Thread::new(Core::new(id, Arc::clone(&shared), strands.next()), driver);
        for (socket, is_unix) in sockets.take().into_iter().flatten() {
            thread.listen(socket, is_unix);
        }
        // Where there are more shards than cores, the system knows best who runs where.
        let core = (pin && shard_count <= cores.len()).then(|| cores[id]);
        let spawned = std::thread::Builder::new().name(format!("shard-{id}")).spawn(move || {
            if let Some(core) = core {
                topology::pin(core);
            }
            thread.run()
        });
        threads.push(spawned.map_err(|error| format!("Can't start a thread: {error}"))?);
    }
    shared.startup_bytes.store(crate::memory::usage().allocated, Ordering::Relaxed);
    Ok(Running { shared, threads, loader })
}

impl Running {
    /// Waits until the dataset is loaded. Clients are answered meanwhile: that they have to wait.
    ///
    /// # Errors
    /// Why it cannot be, in words for the log: then there is nothing to serve.
    pub fn wait_until_loaded(&mut self) -> Result<(), String> {
        self.loader.take().map_or(Ok(()), Loader::wait)
    }

    /// Asks every thread to stop.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Waits until all threads have ended.
    ///
    /// # Errors
    /// That of the first thread that failed.
    pub fn join(self) -> Result<(), String> {
        for thread in self.threads {
            let ended = thread.join().map_err(|_| "A shard's thread panicked".to_owned())?;
            ended.map_err(|error| format!("The socket loop failed: {error}"))?;
        }
        self.shared.saves.abandon();
        crate::persist::rewrite::end(&self.shared);
        Ok(())
    }
}

fn shard_count(config: &Config) -> usize {
    if config.shards == 0 { topology::default_shard_count() } else { config.shards }
}

fn drivers(config: &Config, count: usize) -> Result<Vec<Driver>, String> {
    let kind = match config.io {
        Io::Auto => IoKind::Auto,
        Io::Uring => IoKind::Uring,
        Io::Epoll => IoKind::Epoll,
    };
    let mut drivers = Vec::with_capacity(count);
    for _ in 0..count {
        let (driver, why_not) = Driver::new(kind).map_err(|error| match kind {
            IoKind::Uring => {
                format!("io_uring is not to be had here ({error}). Use --io auto or --io epoll.")
            }
            _ => format!("Can't make a socket loop: {error}"),
        })?;
        if drivers.is_empty() {
            match why_not {
                Some(why) => log::notice(format_args!("Socket loop: {}, because {why}", driver.name())),
                None => log::notice(format_args!("Socket loop: {}", driver.name())),
            }
        }
        drivers.push(driver);
    }
    Ok(drivers)
}

/// The sockets to listen on, each with whether it is the Unix socket.
fn listening_sockets(listeners: &Listeners, config: &Config) -> Result<Vec<(OwnedFd, bool)>, String> {
    let mut opened = listeners.open(config);
    // The sockets of a killed predecessor's rings outlive it by some hundredths of a second.
    for _ in 0..PREDECESSOR_LOOKS {
        if !opened.as_ref().is_err_and(|refused| refused.error.kind() == std::io::ErrorKind::AddrInUse) {
            break;
        }
        std::thread::sleep(PREDECESSOR_REST);
        opened = listeners.open(config);
    }
    let opened = opened.map_err(|error| {
        format!(
            "Could not create server TCP listening socket {error}\nFailed listening on port {} (TCP), aborting.",
            config.port
        )
    })?;
    let mut sockets: Vec<_> = opened.into_iter().map(|socket| (socket, false)).collect();
    if !config.unixsocket.is_empty() {
        let options = listen::Options { backlog: config.tcp_backlog as i32, shared_port: false };
        let socket = listen::unix(config.unixsocket.as_ref(), config.unixsocketperm, options);
        let socket = socket.map_err(|error| format!("Failed opening Unix socket: bind: {error}"))?;
        sockets.push((socket, true));
    }
    if sockets.is_empty() {
        return Err("Configured to not listen anywhere, exiting.".to_owned());
    }
    Ok(sockets)
}

/// Both ends of a new connection, as CLIENT LIST shows them.
#[must_use]
pub fn peer_of(socket: &OwnedFd, is_unix: bool, path: &str) -> Peer {
    let fd = socket.as_raw_fd();
    if is_unix {
        return Peer { address: format!("{path}:0"), local_address: format!("{path}:0"), is_unix, fd };
    }
    let socket = SockRef::from(socket);
    let text = |address: std::io::Result<socket2::SockAddr>| {
        address.ok().and_then(|address| address.as_socket()).map_or_else(|| "?:0".to_owned(), address_text)
    };
    Peer { address: text(socket.peer_addr()), local_address: text(socket.local_addr()), is_unix, fd }
}

/// An address as Redis writes it: IPv4 in IPv6 plainly.
fn address_text(address: std::net::SocketAddr) -> String {
    match address {
        std::net::SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => format!("{v4}:{}", v6.port()),
            None => v6.to_string(),
        },
        v4 => v4.to_string(),
    }
}

/// Why a new client is not served, as an error reply, if it is not.
#[must_use]
pub fn refusal(shared: &Shared, config: &Config, peer: &Peer) -> Option<String> {
    let room = (config.maxclients as usize).min(shared.clients_max.load(Ordering::Relaxed));
    if shared.clients.load(Ordering::Relaxed) >= room {
        shared.rejected_connections.fetch_add(1, Ordering::Relaxed);
        return Some("-ERR max number of clients reached\r\n".to_owned());
    }
    let open = config.requirepass.is_empty();
    (config.protected_mode && open && !peer.is_local()).then(|| {
        "-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the \
         default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
         from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode \
         sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the \
         same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. \
         Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
         editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the \
         server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' \
         option. 4) Set up an authentication password for the default user. NOTE: You only need to do one of the above \
         things in order for the server to start accepting connections from the outside.\r\n"
            .to_owned()
    })
}

/// Says why not, and closes.
pub fn refuse(socket: &OwnedFd, text: &str) {
    let socket = SockRef::from(socket);
    // It is a new socket with an empty buffer, and nobody cares if the text does not arrive.
    drop(socket.set_nonblocking(true));
    drop((&*socket).write(text.as_bytes()));
}

/// Randomness from the system.
fn random() -> [u64; 4] {
    let mut bytes = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        // Without it, the time and the address space's layout will have to do.
        let time = wall_ms() as u64;
        return [time, std::process::id().into(), time.rotate_left(17), (&raw const bytes) as u64];
    }
    std::array::from_fn(|index| u64::from_le_bytes(std::array::from_fn(|byte| bytes[index * 8 + byte])))
}

/// Forty random hexadecimal digits.
pub fn random_hex() -> String {
    let [a, b, c, ..] = random();
    format!("{a:016x}{b:016x}{:08x}", c as u32)
}
