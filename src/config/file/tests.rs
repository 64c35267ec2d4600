//! Tests of the reader of redis.conf.

use proptest::prelude::*;

use super::*;
use crate::config::{Appendfsync, Loglevel};

fn read(text: &str) -> Result<Config, ConfigError> {
    load(Sources { stdin: Some(&mut text.as_bytes()), ..Sources::default() })
}

fn reason(text: &str) -> String {
    read(text).unwrap_err().reason
}

/// A directory of its own for files that include each other.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("braid-config-{}-{name}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            std::fs::write(folder.0.join(name), text.replace("{dir}", folder.0.to_str().unwrap())).unwrap();
        }
        folder
    }

    fn load(&self, name: &str) -> Result<Config, ConfigError> {
        load(Sources { file: Some(self.0.join(name)), ..Sources::default() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in the temporary directory harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn reads_comments_quotes_cases_and_windows_lines() {
    let config =
        read("# a comment\r\n\r\n  PORT 7777\r\nlogfile \"/tmp/\\x61 b\"\r\nAppendFsync 'always'\r\n")
            .unwrap();
    assert_eq!((config.port, config.logfile.as_str()), (7777, "/tmp/a b"));
    assert_eq!(config.appendfsync, Appendfsync::Always);
}

#[test]
fn the_last_line_wins_but_save_adds_up() {
    let config = read("port 1\nport 2\nsave 60 1\nsave 30 2\nclient-output-buffer-limit normal 1 1 1\nclient-output-buffer-limit pubsub 2 2 2\n").unwrap();
    assert_eq!(config.port, 2);
    assert_eq!(Parameter::find("save").unwrap().get(&config), "60 1 30 2");
    let limits = config.client_output_buffer_limit;
    assert_eq!(
        (limits.normal.hard_bytes, limits.replica.hard_bytes, limits.pubsub.hard_bytes),
        (1, 256 << 20, 2)
    );
    assert!(read("save 60 1\nsave \"\"\n").unwrap().save.0.is_empty());
}

#[test]
fn users_and_renames_are_kept_for_those_who_know_them() {
    let config = read("user alice on >pass ~* +@all\nuser bob off\nrename-command FLUSHALL \"\"\n").unwrap();
    assert_eq!(config.users, [vec!["alice", "on", ">pass", "~*", "+@all"], vec!["bob", "off"]]);
    assert_eq!(config.renamed_commands, [("FLUSHALL".to_owned(), String::new())]);
}

#[test]
fn old_directives_are_swallowed() {
    assert_eq!(read("list-max-ziplist-entries 512\nlua-replicate-commands yes\n"), read(""));
}

#[test]
fn errors_name_the_place_and_the_reason() {
    let text = read("port 1\n\nhz 10 # comment\n").unwrap_err().to_string();
    assert!(text.starts_with("\n*** FATAL CONFIG FILE ERROR (Braid "), "{text}");
    assert!(text.ends_with(
        "Reading the configuration of standard input, at line 3\n>>> 'hz 10 # comment'\nwrong number of arguments\n\
         hz takes <0.. per second>: How often a shard's background work (expiry, eviction, timeouts) gets its slice"
    ));
    assert_eq!(read("save \"900 1\"\nsave '300 10 60 5'"), read("save 900 1\nsave 300 10 60 5"));
    assert_eq!(reason("hz 1'"), "Unbalanced quotes in configuration line");
    assert_eq!(reason("maxmemory xx"), "argument must be a memory value");
    assert_eq!(reason("bogus 1"), "Bad directive or wrong number of arguments");
    assert_eq!(reason("include"), "Bad directive or wrong number of arguments");
    assert_eq!(reason("dir /nonexistent"), "No such file or directory");
    assert!(reason("loadmodule x.so").contains("loads no modules"));
    assert!(reason("search.timeout 5").contains("loads no modules"));
    assert!(reason("sentinel monitor m 127.0.0.1 1 1").starts_with("sentinel directive while not"));
    assert_eq!(
        reason("cluster-enabled yes\nreplicaof a 1"),
        "replicaof directive not allowed in cluster mode"
    );
    assert!(reason("aclfile x\nuser bob off").contains("decide for one"));
}

#[test]
fn typing_errors_get_a_hint() {
    let hint = |text: &str| read(text).unwrap_err().hint;
    assert_eq!(hint("maxmemmory 1"), Some("Did you mean 'maxmemory'?".to_owned()));
    assert_eq!(hint("replica-off a 1"), Some("Did you mean 'replicaof'?".to_owned()));
    assert_eq!(hint("port=7"), Some("Write 'port 7', without the '='.".to_owned()));
    assert_eq!(
        hint("xyzzy-plugh-frobnicate 1"),
        Some("'braid --help-all' shows every directive.".to_owned())
    );
}

#[test]
fn files_include_files() {
    let folder = Folder::with(
        "include",
        &[
            (
                "main.conf",
                "port 1\ninclude {dir}/one.conf\ninclude {dir}/d-*.conf\ninclude {dir}/none-*.conf\n",
            ),
            ("one.conf", "port 2\nloglevel debug\n"),
            ("d-1.conf", "timeout 1\nhz 11\n"),
            ("d-2.conf", "timeout 2\n"),
        ],
    );
    let config = folder.load("main.conf").unwrap();
    assert_eq!((config.port, config.timeout_seconds, config.hz), (2, 2, 11));
    assert_eq!(config.loglevel, Loglevel::Debug);
    assert_eq!(config.config_file, folder.0.join("main.conf").to_str().unwrap());
}

#[test]
fn includes_that_fail_say_where() {
    let folder = Folder::with(
        "failing",
        &[
            ("loop.conf", "include {dir}/loop.conf\n"),
            ("gone.conf", "\ninclude {dir}/nothing\n"),
            ("bad.conf", "port x"),
        ],
    );
    assert!(folder.load("loop.conf").unwrap_err().reason.contains("does one include itself"));
    let gone = folder.load("gone.conf").unwrap_err();
    assert!(gone.place.as_ref().is_some_and(|place| place.ends_with("gone.conf, at line 2")), "{gone}");
    assert!(gone.reason.ends_with("nothing': No such file or directory"), "{gone}");
    assert!(folder.load("bad.conf").unwrap_err().place.unwrap().ends_with("bad.conf, at line 1"));
    assert!(
        folder.load("missing.conf").unwrap_err().reason.starts_with("Fatal error, can't open config file")
    );
}

#[test]
fn options_win_over_standard_input_and_that_over_the_file() {
    let folder = Folder::with("order", &[("a.conf", "port 1\nhz 11\ntimeout 1\n")]);
    let config = load(Sources {
        file: Some(folder.0.join("a.conf")),
        stdin: Some(&mut &b"port 2\nhz 12"[..]),
        options: vec![b"port \"3\"".to_vec()],
    });
    let config = config.unwrap();
    assert_eq!((config.port, config.hz, config.timeout_seconds), (3, 12, 1));
}

/// The file that Debian and its kin install must start Braid.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_stock_file_of_a_distribution_starts_braid() {
    let stock = Path::new("/etc/redis/redis.conf");
    let Ok(text) = std::fs::read_to_string(stock) else {
        eprintln!("skipped: no readable {}", stock.display());
        return;
    };
    // The directories it names belong to a package that may not be set up here.
    let text = text.replace("\ndir /var/lib/redis", "\ndir /");
    let config = read(&text).unwrap();
    assert_eq!((config.port, config.dir.as_str(), config.databases), (6379, "/", 16));
    assert_eq!(config.client_output_buffer_limit, Config::default().client_output_buffer_limit);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(text: Vec<u8>) {
        let _ = load(Sources { stdin: Some(&mut text.as_slice()), ..Sources::default() });
    }

    /// Real names before random values reach the readers of every kind.
    #[test]
    fn no_value_makes_it_panic(index in 0..TABLE.len(), value in "\\PC{0,12}( [0-9a-zA-Z%\"\\\\-]{0,6}){0,4}") {
        let line = format!("{} {value}", TABLE[index].name);
        if let Ok(config) = read(&line) {
            TABLE[index].get(&config);
        }
    }
}
