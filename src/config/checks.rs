//! What a text must look like to be the value of a parameter.

use std::path::Path;

/// A directory that exists.
pub(super) fn directory(text: &str) -> Result<(), String> {
    let found = Path::new(text).metadata().map_err(|error| os_text(&error))?;
    if found.is_dir() { Ok(()) } else { Err("Not a directory".to_owned()) }
}

/// The operating system's words for an error, without Rust's `(os error N)`.
pub(crate) fn os_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or_else(|| text.clone(), |(words, _)| words.to_owned())
}

pub(super) fn dbfilename(text: &str) -> Result<(), String> {
    base_name("dbfilename", "filename", text)
}

pub(super) fn appendfilename(text: &str) -> Result<(), String> {
    not_empty("appendfilename", text)?;
    base_name("appendfilename", "filename", text)
}

pub(super) fn appenddirname(text: &str) -> Result<(), String> {
    not_empty("appenddirname", text)?;
    base_name("appenddirname", "dirname", text)
}

fn not_empty(parameter: &str, text: &str) -> Result<(), String> {
    if text.is_empty() { Err(format!("{parameter} can't be empty")) } else { Ok(()) }
}

fn base_name(parameter: &str, what: &str, text: &str) -> Result<(), String> {
    if text.contains(['/', '\\']) {
        Err(format!("{parameter} can't be a path, just a {what}"))
    } else {
        Ok(())
    }
}

/// A host name, or nothing.
pub(super) fn hostname(text: &str) -> Result<(), String> {
    const LEN_MAX: usize = 256;
    if text.len() >= LEN_MAX {
        return Err(format!("Hostnames must be less than {LEN_MAX} characters"));
    }
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return Ok(());
    }
    Err("Hostnames may only contain alphanumeric characters, hyphens or dots".to_owned())
}

/// A node's name for people.
pub(super) fn node_name(text: &str) -> Result<(), String> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"!#$&()*,/:;<=>?@[]{}\"'|~`".contains(&byte)) {
        return Ok(());
    }
    Err("Announced human node name contained invalid character".to_owned())
}

/// A template whose braces close and name variables that exist.
pub(super) fn title_template(text: &str) -> Result<(), String> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut rest = text;
    while let Some((_, opened)) = rest.split_once('{') {
        let known = opened.split_once('}').filter(|(variable, _)| VARIABLES.contains(variable));
        let Some((_, after)) = known else {
            return Err("template format is invalid or contains unknown variables".to_owned());
        };
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_must_exist() {
        assert_eq!(directory("/"), Ok(()));
        assert_eq!(directory("/nonexistent-for-sure"), Err("No such file or directory".into()));
        assert_eq!(directory("/proc/self/stat"), Err("Not a directory".into()));
    }

    #[test]
    fn file_names_are_no_paths() {
        assert_eq!(dbfilename("a/b"), Err("dbfilename can't be a path, just a filename".into()));
        assert_eq!(appendfilename(""), Err("appendfilename can't be empty".into()));
        assert_eq!(appenddirname("x/"), Err("appenddirname can't be a path, just a dirname".into()));
        assert_eq!(appenddirname("journal"), Ok(()));
    }

    #[test]
    fn titles_name_known_variables() {
        assert_eq!(title_template("{title} {listen-addr}"), Ok(()));
        assert!(title_template("{x}").is_err() && title_template("{title").is_err());
    }

    #[test]
    fn host_names_are_plain() {
        assert_eq!(hostname("a-1.example"), Ok(()));
        assert!(hostname("a b").is_err() && hostname(&"a".repeat(256)).is_err());
        assert_eq!(node_name("rack-1_a"), Ok(()));
        assert!(node_name("a b").is_err());
    }
}
