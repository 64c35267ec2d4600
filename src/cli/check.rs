//! The command line of `braid check`.
use super::Stop;
use crate::persist::check::Asked;
use clap::{Arg, ArgAction, Command, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;

/// What is to be checked, if the first word says so: `check`. (A configuration file of that name is `./check`.)
///
/// # Errors
/// Help was asked for, or the words make no sense.
pub fn asked(arguments: &[OsString]) -> Option<Result<Asked, Stop>> {
    let (_, words) = arguments.split_first()?;
    (words.first()? == "check").then(|| {
        let matches = command().try_get_matches_from(words).map_err(Stop::Answered)?;
        Ok(Asked {
            files: matches.get_many::<PathBuf>("file").unwrap_or_default().cloned().collect(),
            fixes: matches.get_flag("fix"),
            is_sure: matches.get_flag("yes"),
        })
    })
}

fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("check")
        .bin_name("braid check")
        .about("Reads data files as a server that starts with them would, and tells what is in them and what is wrong.")
        .after_help(
            "Files may be RDB files, logs of commands (appendonly.aof, with or without an RDB file before them), and\n\
             manifests, whose files are then checked. The exit code is 0 if all of them can be loaded.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .num_args(1..)
                .required(true)
                .help("dump.rdb, appendonly.aof, appendonlydir/appendonly.aof.manifest …"),
        )
        .arg(flag("fix", "Cut off the torn end of a log, after asking"))
        .arg(flag("yes", "Do not ask").short('y').requires("fix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_with(words: &[&str]) -> Option<Result<Asked, Stop>> {
        asked(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn only_its_own_word_asks() {
        assert!(asked_with(&["braid"]).is_none());
        assert!(asked_with(&["braid", "./check"]).is_none());
        assert!(asked_with(&["braid", "--port", "check"]).is_none());
        let given = asked_with(&["braid", "check", "a.rdb", "--fix", "b.aof", "-y"]).unwrap().unwrap();
        assert_eq!(given.files, [PathBuf::from("a.rdb"), PathBuf::from("b.aof")]);
        assert!(given.fixes && given.is_sure);
        for words in
            [&["braid", "check"][..], &["braid", "check", "a", "--yes"], &["braid", "check", "--help"]]
        {
            assert!(matches!(asked_with(words), Some(Err(Stop::Answered(_)))), "{words:?}");
        }
    }
}
