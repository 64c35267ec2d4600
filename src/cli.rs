//! The command line: what redis-server takes, and help that teaches.
pub mod check;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, value_parser};

use crate::config::manual::{HEADING, NAME, PLAIN, directives_help};
use crate::config::version::{BRAID_VERSION, REDIS_VERSION};
use crate::config::{self, Config, ConfigError, Sources};

/// Reads the arguments (the program's name first) and everything they name. `Err` is whatever ends the program before
/// it serves: help, the version, or a configuration it refuses.
pub fn configure(
    arguments: impl IntoIterator<Item = OsString>,
    stdin: &mut dyn Read,
) -> Result<Config, Stop> {
    let asked = command().try_get_matches_from(arguments).map_err(Stop::Answered)?;
    for (name, refusal) in REFUSED {
        if asked.get_flag(name) {
            return Err(Stop::Refused(refusal));
        }
    }
    let words = asked.get_many::<OsString>(WORDS).unwrap_or_default().cloned().collect();
    let arguments = Arguments::sort(words);
    let sources = Sources {
        file: arguments.file,
        stdin: arguments.reads_stdin.then_some(stdin),
        options: arguments.options,
    };
    config::load(sources).map_err(Stop::Misconfigured)
}

/// Why the program ends before it serves.
#[derive(Debug)]
pub enum Stop {
    /// Help or the version was asked for.
    Answered(clap::Error),
    /// Something redis-server does and Braid does not.
    Refused(&'static str),
    Misconfigured(ConfigError),
}

impl Stop {
    /// Says it, to standard output if it was asked for, else to standard error, and returns the program's exit code.
    pub fn report(&self) -> ExitCode {
        // Nobody is left to tell if the terminal is gone.
        match self {
            Stop::Answered(answer) => {
                let _ = answer.print();
                ExitCode::from(u8::from(answer.use_stderr()))
            }
            _ => {
                let _ = writeln!(std::io::stderr(), "{self}");
                ExitCode::FAILURE
            }
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Answered(answer) => answer.fmt(f),
            Stop::Refused(refusal) => f.write_str(refusal),
            Stop::Misconfigured(error) => error.fmt(f),
        }
    }
}

/// The id of the words that are neither help nor version.
const WORDS: &str = "words";

const REFUSED: [(&str, &str); 2] = [
    (
        "test-memory",
        "Braid does not test memory: a test from within one process reaches only what the kernel gives it.\n\
         Use memtest86+ at boot, or memtester while the system runs.",
    ),
    (
        "check-system",
        "Braid does not check the system: redis-server looks there for kernel faults that hit forks, and Braid does\n\
         not fork. What a start needs (open files, io_uring, memory) it checks itself and tells in the log.",
    ),
];

/// The arguments, sorted by what they are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arguments {
    file: Option<PathBuf>,
    reads_stdin: bool,
    /// A line of redis.conf for each option.
    options: Vec<Vec<u8>>,
}

impl Arguments {
    /// As redis-server: a first word without a dash is the file, a first or last `-` means standard input, and each `--name` begins
    /// an option that takes what follows up to the next one. The word right after a name is its value even if it begins
    /// with dashes, unless name and value came in one word.
    fn sort(mut words: Vec<OsString>) -> Arguments {
        let mut arguments = Arguments::default();
        if words.first().is_some_and(|word| !word.as_bytes().starts_with(b"-")) {
            arguments.file = Some(PathBuf::from(words.remove(0)));
        }
        if words.last().is_some_and(|word| word == "-") {
            arguments.reads_stdin = true;
            words.pop();
        }
        if arguments.file.is_none() && words.first().is_some_and(|word| word == "-") {
            arguments.reads_stdin = true;
            words.remove(0);
        }
        let mut wants_value = false;
        for (index, word) in words.iter().enumerate() {
            match word.as_bytes().strip_prefix(b"--") {
                Some(name) if !wants_value => {
                    arguments.options.push(name.to_vec());
                    wants_value = !name.trim_ascii().contains(&b' ');
                    let next = words.get(index + 1);
                    if name.eq_ignore_ascii_case(b"save") && next.is_none_or(|next| is_option(next)) {
                        // Scripts that build "--save" from an empty list mean: no snapshots.
                        arguments.push_value(b"");
                        wants_value = false;
                    }
                }
                _ => {
                    arguments.push_value(word.as_bytes());
                    wants_value = false;
                }
            }
        }
        arguments
    }

    fn push_value(&mut self, value: &[u8]) {
        if self.options.is_empty() {
            self.options.push(Vec::new());
        }
        let line = self.options.last_mut().expect("one was pushed if there was none");
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend(config::quote(value).into_bytes());
    }
}

fn is_option(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"--")
}

fn command() -> Command {
    let words = Arg::new(WORDS)
        .value_parser(value_parser!(OsString))
        .num_args(0..)
        .allow_hyphen_values(true)
        .trailing_var_arg(true)
        .hide(true);
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    Command::new("braid")
        .display_name("Braid server")
        .version(format!(
            "v={BRAID_VERSION} redis_version={REDIS_VERSION} malloc=jemalloc bits={}",
            usize::BITS
        ))
        .about("A drop-in Redis-compatible server: one keyspace, braided from one strand per core.")
        .override_usage("braid [redis.conf] [--directive value ...] [-]")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(words)
        .arg(Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("This page"))
        .arg(
            Arg::new("help-all")
                .long("help-all")
                .action(ArgAction::HelpLong)
                .help("Every directive, with what it does and its default"),
        )
        .arg(Arg::new("version").short('v').long("version").action(ArgAction::Version).help("The version"))
        .arg(flag("test-memory").num_args(0).hide(true))
        .arg(flag("check-system").hide(true))
        .after_help(format!("{}{}{}", examples(), directives_help(false), CLOSING))
        .after_long_help(format!("{}{}", examples(), directives_help(true)))
}

fn examples() -> String {
    let mut text = format!("{HEADING}Examples:{PLAIN}\n");
    for (line, what) in EXAMPLES {
        text += &format!("  {NAME}{line}{PLAIN}\n      {what}\n");
    }
    text + "\n"
}

const EXAMPLES: [(&str, &str); 7] = [
    ("braid", "Serve on port 6379 with the defaults, on all cores."),
    ("braid /etc/redis/redis.conf", "Serve as an existing Redis was configured."),
    ("braid --port 7777 --save \"\" --appendonly no", "Any directive of redis.conf after two dashes."),
    ("braid --save 900 1 300 10", "A directive takes all words up to the next one."),
    ("braid redis.conf --loglevel verbose -", "A file; over it standard input, over both the option."),
    ("braid check dump.rdb", "Tell what is in a data file and what is wrong with it ('braid check --help')."),
    ("braid --shards 4 --maxmemory 8gb", "Four cores, and no writes that need memory once 8 GB are full."),
];

const CLOSING: &str = "\
Directives stand in a redis.conf as 'name value', on the command line as '--name value', and most
can be changed at run time with CONFIG SET. 'braid --help-all' shows them all, and tuning.md tells
what they are worth.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Loglevel;

    fn configure_with(words: &[&str], stdin: &str) -> Result<Config, Stop> {
        let arguments = std::iter::once("braid").chain(words.iter().copied()).map(OsString::from);
        configure(arguments, &mut stdin.as_bytes())
    }

    fn options(words: &[&str]) -> Vec<String> {
        let sorted = Arguments::sort(words.iter().map(OsString::from).collect());
        sorted.options.into_iter().map(|line| String::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn options_become_lines() {
        assert_eq!(
            options(&["--port", "7777", "--save", "", "--appendonly", "no"]),
            ["port \"7777\"", "save \"\"", "appendonly \"no\""]
        );
        assert_eq!(options(&["--save", "900", "1", "300", "10"]), ["save \"900\" \"1\" \"300\" \"10\""]);
        assert_eq!(options(&["--port 7777", "--hz", "5"]), ["port 7777", "hz \"5\""]);
        assert_eq!(
            options(&["--requirepass", "--secret", "--hz", "5"]),
            ["requirepass \"--secret\"", "hz \"5\""]
        );
        assert_eq!(options(&["--save", "--port", "1", "--save"]), ["save \"\"", "port \"1\"", "save \"\""]);
        assert_eq!(options(&["-x"]), ["\"-x\""]);
    }

    #[test]
    fn a_file_comes_first_and_standard_input_last() {
        let sorted = Arguments::sort(["a.conf", "--hz", "5", "-"].map(OsString::from).to_vec());
        assert_eq!(sorted.file, Some(PathBuf::from("a.conf")));
        assert!(sorted.reads_stdin && sorted.options.len() == 1);
        let config =
            configure_with(&["--loglevel", "verbose", "-"], "maxmemory 128mb\nloglevel debug\n").unwrap();
        assert_eq!((config.loglevel, config.maxmemory_bytes), (Loglevel::Verbose, 128 << 20));
        let config = configure_with(&["-", "--loglevel", "verbose"], "hz 33\nloglevel debug\n").unwrap();
        assert_eq!((config.loglevel, config.hz), (Loglevel::Verbose, 33));
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        let config = configure_with(&[], "port 1").unwrap();
        assert_eq!((config.port, config.save.0.len()), (6379, 3));
    }

    #[test]
    fn values_are_free_and_errors_name_the_option() {
        let config = configure_with(&["--port", "7777", "--save", "", "--requirepass", "-v"], "").unwrap();
        assert_eq!((config.port, config.save.0.len(), config.requirepass.as_str()), (7777, 0, "-v"));
        for (words, expected) in [
            (
                &["--port=7777"][..],
                ">>> 'port=7777'\nBad directive or wrong number of arguments\nWrite 'port 7777'",
            ),
            (&["--port"], ">>> 'port'\nwrong number of arguments"),
            (&["--port", "1", "2"], ">>> 'port \"1\" \"2\"'\nwrong number of arguments"),
            (&["--hz", "1", "--help"], ">>> 'help'\nBad directive"),
            (&["--bogus", "1"], "Reading the command line\n>>> 'bogus \"1\"'\nBad directive"),
            (&["/nonexistent.conf"], "can't open config file '/nonexistent.conf': No such file or directory"),
        ] {
            let stop = configure_with(words, "").unwrap_err();
            assert!(matches!(stop, Stop::Misconfigured(_)));
            assert!(stop.to_string().contains(expected), "{stop}");
        }
    }

    #[test]
    fn help_and_version_answer() {
        for (word, expected) in [
            ("--help", "--appendfsync <everysec|always|no> [everysec]"),
            ("-h", "braid --port 7777 --save"),
            ("--help-all", "--rdbchecksum <yes|no>"),
            ("--version", "Braid server v="),
            ("-v", REDIS_VERSION),
        ] {
            let Err(Stop::Answered(answer)) = configure_with(&[word], "") else {
                panic!("{word} must answer")
            };
            assert!(!answer.use_stderr());
            let text = answer.to_string();
            assert!(text.contains(expected) && !text.contains('\x1b'), "{text}");
        }
    }

    #[test]
    fn what_redis_does_and_braid_does_not_is_explained() {
        for word in ["--test-memory", "--check-system"] {
            assert!(matches!(configure_with(&[word], ""), Err(Stop::Refused(_))));
        }
        assert!(matches!(configure_with(&["--test-memory", "100"], ""), Err(Stop::Refused(_))));
    }
}
