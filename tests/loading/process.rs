//! Servers of any make in a directory of the test's, and what they hold, in words that can be compared.
use super::client::Client;
use super::resp::Reply;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that goes when the test ends.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("braid-loading-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    /// A copy of it, which a server may change.
    pub(crate) fn copy(&self, name: &str) -> Directory {
        let copy = Directory::new(name);
        let copied = Command::new("cp").arg("-r").arg(self.0.join(".")).arg(&copy.0).status();
        assert!(copied.expect("cp runs").success());
        copy
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a server that keeps its files in `directory` and waits until it accepts.
    pub(crate) fn start(binary: &Path, directory: &Directory, flags: &[&str]) -> Process {
        let address = free_address();
        let log = std::fs::File::create(directory.file("log")).expect("a log");
        let child = Command::new(binary)
            .args(["--port", &address.port().to_string(), "--save", "", "--enable-debug-command", "yes"])
            .arg("--dir")
            .arg(&directory.0)
            .args(flags)
            .current_dir(&directory.0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("the server starts");
        let mut process = Process { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait().expect("a child's state");
            let log = || std::fs::read_to_string(directory.file("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "it does not serve:\n{}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// A client of a server that has loaded its dataset.
    pub(crate) fn client(&self) -> Client {
        let mut client = Client::connect(self.address);
        let deadline = Instant::now() + PATIENCE;
        while client.call(&["PING"]) != Reply::Simple(b"PONG".to_vec()) {
            assert!(Instant::now() < deadline, "it loads for ever");
            std::thread::sleep(Duration::from_millis(10));
        }
        client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

pub(crate) fn braid() -> PathBuf {
    env!("CARGO_BIN_EXE_braid").into()
}

/// Starts a Braid that is to refuse; what it wrote, and with which code it ended.
pub(crate) fn refuse(directory: &Directory, flags: &[&str]) -> Output {
    let port = free_address().port().to_string();
    let all =
        [&["--port", &port, "--save", "", "--dir", directory.0.to_str().expect("a path")], flags].concat();
    Command::new(braid()).args(all).output().expect("it runs")
}

/// `braid check`: what it said, and whether all was fine.
pub(crate) fn check(words: &[&str]) -> (String, bool) {
    let output =
        Command::new(braid()).arg("check").args(words).stdin(Stdio::null()).output().expect("it runs");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("the port just bound")
}

fn words(reply: &Reply) -> Vec<String> {
    let mut words = Vec::new();
    collect(reply, &mut words);
    words
}

fn collect(reply: &Reply, words: &mut Vec<String>) {
    match reply {
        Reply::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Reply::Bulk(text) => words.push(text.escape_ascii().to_string()),
        other => words.push(format!("{other:?}")),
    }
}

/// All of a dataset: each key with database, type, expiry and content.
pub(crate) fn dataset(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    for db in ["0", "3", "15"] {
        client.call(&["SELECT", db]);
        let keys = client.call(&["KEYS", "*"]);
        for key in keys.items() {
            let Reply::Bulk(key) = key else { panic!("a key") };
            let key = std::str::from_utf8(key).expect("keys of these tests are words");
            let Reply::Simple(kind) = client.call(&["TYPE", key]) else { panic!("a type") };
            let kind = String::from_utf8_lossy(&kind).into_owned();
            let expiry = client.call(&["PEXPIRETIME", key]).number();
            lines.push(format!("{db} {key} {kind} {expiry} {:?}", content(client, &kind, key)));
        }
    }
    lines.sort();
    lines
}

fn content(client: &mut Client, kind: &str, key: &str) -> Vec<String> {
    let ask: &[&[&str]] = match kind {
        "string" => &[&["GET", key]],
        "list" => &[&["LRANGE", key, "0", "-1"]],
        "set" => &[&["SMEMBERS", key]],
        "zset" => &[&["ZRANGE", key, "0", "-1", "WITHSCORES"]],
        "hash" => &[&["HGETALL", key]],
        _ => &[&["XRANGE", key, "-", "+"], &["XPENDING", key, "g"], &["XINFO", "GROUPS", key]],
    };
    let mut words: Vec<_> = ask.iter().flat_map(|command| words(&client.call(command))).collect();
    if kind == "stream" {
        // All of what is pending but for how long it has been.
        for pending in client.call(&["XPENDING", key, "g", "-", "+", "100"]).items() {
            let [id, consumer, _, deliveries] = pending.items() else { panic!("four facts") };
            words.push(format!("{id:?} {consumer:?} {deliveries:?}"));
        }
    }
    if kind == "set" {
        words.sort();
    } else if kind == "hash" {
        let mut pairs: Vec<_> = words.chunks(2).map(<[String]>::to_vec).collect();
        pairs.sort();
        words = pairs.concat();
    }
    words
}
