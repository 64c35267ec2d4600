//! Finds, starts and stops the servers that are compared.
#![expect(unsafe_code, reason = "a server's affinity is set between fork and exec")]

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::plain::Plain;
use crate::machine;

/// How a server takes its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Redis and its relatives.
    Redis,
    /// Braid, with this socket driver.
    Braid(&'static str),
    /// The floor, with this socket driver.
    Floor(&'static str),
}

/// The servers known by name: kind, and the program looked for.
const KNOWN: &[(&str, Kind, &str)] = &[
    ("redis", Kind::Redis, "redis-server"),
    ("valkey", Kind::Redis, "valkey-server"),
    ("braid", Kind::Braid("uring"), "braid"),
    ("braid-epoll", Kind::Braid("epoll"), "braid"),
    ("floor", Kind::Floor("uring"), "floor"),
    ("floor-epoll", Kind::Floor("epoll"), "floor"),
];

/// A server that can be started.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name in the tables.
    pub name: String,
    /// How it takes its options.
    pub kind: Kind,
    /// The program.
    pub path: PathBuf,
    /// Options beyond the usual ones.
    pub extra: Vec<String>,
}

/// How a server is started for a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Braid's shards; none: its default.
    pub shards: Option<usize>,
    /// The cores the server is kept on; none: all.
    pub cores: Vec<usize>,
    /// What the floor server answers.
    pub floor_reply: &'static str,
    /// More connections than servers take by default.
    pub many_connections: bool,
}

/// A server that runs, until this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    folder: PathBuf,
}

impl Server {
    /// Looks a server up by name: at `path` if one is given, else beside this program, else in PATH.
    ///
    /// # Errors
    /// When the name is not known or the program is not there; the text says which.
    pub fn find(name: &str, path: Option<&Path>, extra: Vec<String>) -> Result<Self, String> {
        let known = KNOWN.iter().find(|(known, ..)| *known == name);
        let Some(&(_, kind, program)) = known else {
            let names: Vec<&str> = KNOWN.iter().map(|(name, ..)| *name).collect();
            return Err(format!("{name}: known servers are {}", names.join(", ")));
        };
        let path = match path {
            Some(path) if path.is_file() => path.to_owned(),
            Some(path) => return Err(format!("{name}: {} is not there", path.display())),
            None => search(program)
                .ok_or_else(|| format!("{name}: no {program} beside this program or in PATH"))?,
        };
        Ok(Self { name: name.to_owned(), kind, path, extra })
    }

    /// Starts it on a port and waits until it answers.
    ///
    /// # Errors
    /// When it does not; with the end of what it said.
    pub fn start(&self, port: u16, setup: &Setup) -> io::Result<Running> {
        // A ring's sockets outlive its process by some hundredths of a second.
        let is_taken = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        if (0..20).all(|_| {
            is_taken() && {
                thread::sleep(Duration::from_millis(50));
                true
            }
        }) {
            // Whoever that is would be measured in its stead.
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("{}: port {port} is taken", self.name),
            ));
        }
        let folder = env::temp_dir().join(format!("braid-bench-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let log = File::create(folder.join("log"))?;
        let mut command = Command::new(&self.path);
        command.args(self.arguments(port, setup)).current_dir(&folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let cores = setup.cores.clone();
        if !cores.is_empty() {
            // SAFETY: between fork and exec only a system call is made and nothing is allocated.
            unsafe { command.pre_exec(move || machine::pin(&cores)) };
        }
        let child = command.spawn()?;
        let mut running = Running { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), folder };
        running.wait_until_ready().map_err(|error| io::Error::other(format!("{}: {error}", self.name)))?;
        Ok(running)
    }

    fn arguments(&self, port: u16, setup: &Setup) -> Vec<String> {
        let mut all = vec!["--port".to_owned(), port.to_string()];
        let mut add = |name: &str, value: &str| all.extend([name.to_owned(), value.to_owned()]);
        match self.kind {
            Kind::Redis => {
                add("--save", "");
                add("--appendonly", "no");
                add("--daemonize", "no");
            }
            Kind::Braid(io) => {
                add("--save", "");
                add("--io", io);
                if let Some(shards) = setup.shards {
                    add("--shards", &shards.to_string());
                }
            }
            Kind::Floor(io) => {
                add("--io", io);
                add("--reply", setup.floor_reply);
            }
        }
        if setup.many_connections && !matches!(self.kind, Kind::Floor(_)) {
            add("--maxclients", "15000");
        }
        all.extend(self.extra.iter().cloned());
        all
    }

    /// Whether it answers constants and keeps nothing.
    #[must_use]
    pub fn is_floor(&self) -> bool {
        matches!(self.kind, Kind::Floor(_))
    }
}

impl Running {
    /// The server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it something on a connection of its own.
    ///
    /// # Errors
    /// The connection's, or the server's error reply.
    pub fn ask(&self, words: &[&str]) -> io::Result<String> {
        Plain::connect(self.address, Duration::from_secs(10))?.ask(words)
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(15);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("ended with {status}: {}", self.last_words())));
            }
            let answer =
                Plain::connect(self.address, Duration::from_secs(1)).and_then(|mut it| it.ask(&["PING"]));
            match answer {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > patience => {
                    return Err(io::Error::other(format!("did not answer: {error}; {}", self.last_words())));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The end of its log, in one line.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(3)..].join(" / ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It keeps nothing worth saving; a server that is gone already has told so in the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a running server says it is, such as `redis 7.0.15`.
#[must_use]
pub fn version(running: &Running) -> Option<String> {
    let info = running.ask(&["INFO", "server"]).ok()?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    };
    ["braid_version", "valkey_version", "redis_version"].iter().find_map(|name| {
        let product = name.trim_end_matches("_version");
        field(name).map(|version| format!("{product} {version}"))
    })
}

fn search(program: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok()?.parent()?.to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    std::iter::once(beside)
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Server {
        Server::find(name, Some(Path::new("/proc/self/exe")), vec!["--x".to_owned()]).unwrap()
    }

    #[test]
    fn each_kind_has_its_options() {
        let setup = Setup { shards: Some(2), floor_reply: "ok", ..Setup::default() };
        let text = |name| server(name).arguments(21_300, &setup).join(" ");
        assert_eq!(text("redis"), "--port 21300 --save  --appendonly no --daemonize no --x");
        assert_eq!(text("braid-epoll"), "--port 21300 --save  --io epoll --shards 2 --x");
        assert_eq!(text("floor"), "--port 21300 --io uring --reply ok --x");
    }

    #[test]
    fn a_server_that_is_not_there_is_said_to_be_missing() {
        assert!(
            Server::find("redis", Some(Path::new("/nowhere")), Vec::new()).unwrap_err().contains("not there")
        );
        assert!(Server::find("oracle", None, Vec::new()).unwrap_err().contains("known servers"));
    }

    #[test]
    fn a_port_that_is_taken_is_not_measured() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error =
            server("redis").start(listener.local_addr().unwrap().port(), &Setup::default()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_program_that_ends_at_once_does_not_start() {
        let server = Server { path: PathBuf::from("/bin/false"), ..server("redis") };
        let error = server.start(21_399, &Setup::default()).unwrap_err();
        assert!(error.to_string().contains("ended with"), "{error}");
    }
}
