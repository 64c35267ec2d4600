//! A Braid process of a test's own: started with flags, watched through /proc, stopped.
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A running server. Dropping it kills the process and removes its directory.
pub(crate) struct Braid {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) directory: PathBuf,
}

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(20);

impl Braid {
    /// Starts a server on a free port and waits until it accepts.
    pub(crate) fn start(flags: &[&str]) -> Braid {
        let address = free_address();
        let directory =
            std::env::temp_dir().join(format!("braid-test-{}-{}", std::process::id(), address.port()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let child = spawn(flags, address, &directory);
        let mut braid = Braid { child, address, directory };
        braid.wait_until_it_accepts();
        braid
    }

    /// Ends it without a word, and starts another over what it left.
    pub(crate) fn kill_and_start(&mut self, flags: &[&str]) {
        self.kill_and_spawn(flags);
        self.wait_until_it_accepts();
    }

    /// The same, without waiting until it serves.
    pub(crate) fn kill_and_spawn(&mut self, flags: &[&str]) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
        self.address = free_address();
        self.child = spawn(flags, self.address, &self.directory);
    }

    pub(crate) fn wait_until_it_accepts(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().expect("a child's state");
            assert!(ended.is_none() && Instant::now() < deadline, "it does not serve:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, in MB.
    pub(crate) fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a live process");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("its memory");
        let kb: u64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
        kb / 1024
    }

    /// Processor time used so far, in hundredths of a second.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("a live process");
        let behind_name = stat.rsplit_once(')').expect("a name in brackets").1;
        let field = |index: usize| -> u64 {
            behind_name.split_whitespace().nth(index).and_then(|word| word.parse().ok()).expect("a number")
        };
        field(11) + field(12)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill runs").success(), "the signal is sent");
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child's state")
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.has_ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Braid {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            tell(&format!("The server logged:\n{}", lines[lines.len().saturating_sub(20)..].join("\n")));
        }
        let _ended = self.child.kill().and_then(|()| self.child.wait());
        let _swept = std::fs::remove_dir_all(&self.directory);
    }
}

/// Says something to whoever runs the tests.
#[expect(clippy::print_stderr, reason = "tests that skip or count have to say so")]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

fn spawn(flags: &[&str], address: SocketAddr, directory: &Path) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(directory.join("log"));
    let log = log.expect("a log");
    command(flags)
        .args(["--port", &address.port().to_string(), "--dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a handle"))
        .stderr(log)
        .spawn()
        .expect("the server starts")
}

fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_braid")));
    // As in a shell, words of the environment may come first.
    let variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name.starts_with("BRAID_"));
    let (variables, flags) = flags.split_at(flags.iter().take_while(|word| variable(word)).count());
    command.envs(variables.iter().filter_map(|word| word.split_once('=')));
    // What a test is not about it does not write; its own flags may say otherwise.
    // A configuration file stands before all directives.
    let is_file = flags.first().is_some_and(|first| !first.starts_with('-'));
    let (file, flags) = flags.split_at(usize::from(is_file));
    command.args(file).args(["--save", ""]).args(flags);
    command
}

/// Runs the server to its end: for configurations that it must refuse.
pub(crate) fn run_to_end(flags: &[&str]) -> Output {
    command(flags).stdin(Stdio::null()).output().expect("the server starts")
}

/// A port that nobody had a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port just bound")
}
