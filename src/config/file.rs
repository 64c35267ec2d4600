//! The reader of redis.conf: files, what they include, standard input, and options of the command line.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::checks::os_text;
use super::manual::gist;
use super::parameter::{Flags, Parameter};
use super::table::{Config, TABLE};
use super::version::BRAID_VERSION;
use super::{paths, words};

/// Where a configuration comes from. A later source wins over an earlier one, in this order.
#[derive(Default)]
pub struct Sources<'a> {
    pub file: Option<PathBuf>,
    pub stdin: Option<&'a mut dyn Read>,
    /// Lines as in a file, made of the options of the command line.
    pub options: Vec<Vec<u8>>,
}

/// Reads all sources over the defaults. Relative paths in the result, such as `logfile`, are meant from its `dir`, which
/// is absolute: the caller goes there before it opens them.
pub fn load(sources: Sources<'_>) -> Result<Config, ConfigError> {
    let mut loader = Loader { config: Config::default(), seen: HashSet::new(), files: Vec::new() };
    if let Some(path) = &sources.file {
        loader.file(path, None)?;
        loader.config.config_file = paths::absolute(path);
    }
    if let Some(stdin) = sources.stdin {
        let mut text = Vec::new();
        stdin.read_to_end(&mut text).map_err(|error| ConfigError::of(None, os_text(&error)))?;
        loader.text("standard input", &text)?;
    }
    for line in &sources.options {
        loader.line(&Place { source: "command line", line: 0, text: line })?;
    }
    let mut config = loader.config;
    config.settle().map_err(|(_, reason)| ConfigError::of(None, reason))?;
    Ok(config)
}

/// Why a configuration was refused, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// File and line, or the command line; none if no single line is to blame.
    place: Option<String>,
    /// The line itself.
    text: String,
    reason: String,
    hint: Option<String>,
}

impl ConfigError {
    fn of(place: Option<&Place<'_>>, reason: impl Into<String>) -> ConfigError {
        let text = place.map_or(String::new(), |place| String::from_utf8_lossy(place.text).into_owned());
        ConfigError { place: place.map(ToString::to_string), text, reason: reason.into(), hint: None }
    }

    /// What is wrong, without the place.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Braid {BRAID_VERSION}) ***")?;
        if let Some(place) = &self.place {
            writeln!(f, "Reading the {place}\n>>> '{}'", self.text)?;
        }
        write!(f, "{}", self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "\n{hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// A directive that acts while it is read, and is no parameter: CONFIG GET does not know it.
pub struct Directive {
    pub name: &'static str,
    pub form: &'static str,
    pub doc: &'static str,
}

pub const DIRECTIVES: [Directive; 4] = [
    Directive {
        name: "include",
        form: "path",
        doc: "Reads another file at this place; * ? [ ] choose several, and then none is no error.",
    },
    Directive {
        name: "user",
        form: "name rule ...",
        doc: "Declares an ACL user with the rules of ACL SETUSER.",
    },
    Directive {
        name: "rename-command",
        form: "command new-name",
        doc: "Gives a command another name; \"\" takes it away. ACL rules do this better.",
    },
    Directive { name: "loadmodule", form: "path arg ...", doc: "Refused: Braid loads no modules." },
];

/// Directives that Redis itself only swallows, for the sake of old files.
const SWALLOWED: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Files that include files that include files: deeper than this, one includes itself.
const INCLUDE_DEPTH_MAX: usize = 16;

/// One line, and where it stands.
struct Place<'a> {
    source: &'a str,
    /// From 1; 0 on the command line.
    line: usize,
    text: &'a [u8],
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.source),
            line => write!(f, "configuration of {}, at line {line}", self.source),
        }
    }
}

struct Loader {
    config: Config,
    /// The parameters set so far: a second `save` adds to the first, but the first replaces the defaults.
    seen: HashSet<&'static str>,
    /// The files being read, each included by the one before it.
    files: Vec<PathBuf>,
}

impl Loader {
    fn file(&mut self, path: &Path, includer: Option<&Place<'_>>) -> Result<(), ConfigError> {
        if self.files.len() == INCLUDE_DEPTH_MAX {
            let reason =
                format!("includes go deeper than {INCLUDE_DEPTH_MAX} files: does one include itself?");
            return Err(ConfigError::of(includer, reason));
        }
        let text = std::fs::read(path).map_err(|error| {
            let (path, why) = (path.display(), os_text(&error));
            ConfigError::of(includer, format!("Fatal error, can't open config file '{path}': {why}"))
        })?;
        self.files.push(path.to_owned());
        let done = self.text(&path.display().to_string(), &text);
        self.files.pop();
        done
    }

    fn text(&mut self, source: &str, text: &[u8]) -> Result<(), ConfigError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            self.line(&Place { source, line: index + 1, text: line.trim_ascii() })?;
        }
        Ok(())
    }

    fn line(&mut self, place: &Place<'_>) -> Result<(), ConfigError> {
        let error = |reason: String| ConfigError::of(Some(place), reason);
        if matches!(place.text.first(), None | Some(b'#' | 0)) {
            return Ok(());
        }
        let words = words::split(place.text)
            .ok_or_else(|| error("Unbalanced quotes in configuration line".to_owned()))?
            .into_iter()
            .map(String::from_utf8)
            .collect::<Result<Vec<String>, _>>()
            .map_err(|_| error("Not valid UTF-8".to_owned()))?;
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        match Parameter::find(name) {
            Some(parameter) => self.parameter(parameter, &values).map_err(|reason| {
                // The names to choose from stand in the reason already.
                let form = parameter.form();
                let takes = if reason.contains(", ") { String::new() } else { format!(" takes <{form}>") };
                let hint = format!("{}{takes}: {}", parameter.name, gist(parameter));
                ConfigError { hint: Some(hint), ..error(reason) }
            }),
            None => self.directive(name, &values, place),
        }
    }

    fn parameter(&mut self, parameter: &'static Parameter, values: &[&str]) -> Result<(), String> {
        // As Redis: `--save "900 1"` is one argument of two words.
        let quoted: Vec<&str> = match values {
            [value] if parameter.has(Flags::MULTI) && !value.is_empty() => {
                value.split_ascii_whitespace().collect()
            }
            _ => values.to_vec(),
        };
        if self.seen.insert(parameter.name) {
            parameter.set(&mut self.config, &quoted)
        } else {
            parameter.set_again(&mut self.config, &quoted)
        }
    }

    fn directive(&mut self, name: &str, values: &[&str], place: &Place<'_>) -> Result<(), ConfigError> {
        match (name.to_ascii_lowercase().as_str(), values) {
            ("include", [path]) => return self.include(path, place),
            ("user", [_, ..]) => self.config.users.push(values.iter().map(|&word| word.to_owned()).collect()),
            ("rename-command", &[command, name]) => {
                self.config.renamed_commands.push((command.to_owned(), name.to_owned()));
            }
            ("loadmodule", [_, ..]) => {
                return Err(ConfigError::of(Some(place), "Braid loads no modules: remove this line"));
            }
            ("sentinel", _) => {
                let reason =
                    "sentinel directive while not in sentinel mode: Braid is no sentinel, but obeys one";
                return Err(ConfigError::of(Some(place), reason));
            }
            (swallowed, [_]) if SWALLOWED.contains(&swallowed) => {}
            (module, _) if module.contains('.') => {
                return Err(ConfigError::of(Some(place), "A module's parameter, and Braid loads no modules"));
            }
            (unknown, _) => return Err(unknown_directive(unknown, place)),
        }
        Ok(())
    }

    fn include(&mut self, pattern: &str, place: &Place<'_>) -> Result<(), ConfigError> {
        if !paths::is_pattern(pattern) {
            return self.file(Path::new(pattern), Some(place));
        }
        paths::expand(pattern).iter().try_for_each(|path| self.file(path, Some(place)))
    }
}

fn unknown_directive(name: &str, place: &Place<'_>) -> ConfigError {
    let mut error = ConfigError::of(Some(place), "Bad directive or wrong number of arguments");
    error.hint = match name.split_once('=') {
        Some((name, value)) if is_known(name) => Some(format!("Write '{name} {value}', without the '='.")),
        _ if is_known(name) => None,
        _ => Some(nearest(name).map_or_else(
            || "'braid --help-all' shows every directive.".to_owned(),
            |name| format!("Did you mean '{name}'?"),
        )),
    };
    error
}

fn is_known(name: &str) -> bool {
    Parameter::find(name).is_some() || DIRECTIVES.iter().any(|directive| directive.name == name)
}

/// The known name that is a typing error away; one that shares less than two thirds is no help.
fn nearest(name: &str) -> Option<&'static str> {
    let names =
        TABLE.iter().flat_map(Parameter::names).chain(DIRECTIVES.iter().map(|directive| directive.name));
    let (distance, nearest) = names.map(|known| (distance(name, known), known)).min()?;
    (distance <= nearest.len().div_ceil(3)).then_some(nearest)
}

/// How many letters must be added, removed or changed to make one word the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests;
