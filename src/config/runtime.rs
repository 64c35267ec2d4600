//! CONFIG GET and CONFIG SET, as functions of a configuration.

use std::fmt;

use super::choices::Protected;
use super::lists::ReplicaOf;
use super::parameter::{Flags, Parameter};
use super::paths;
use super::table::{Config, TABLE};
use shards::fault::until_zero;

/// What CONFIG SET must know of who asks and when.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The client is on this machine.
    pub is_local: bool,
    /// The data set is still loading.
    pub is_loading: bool,
}

/// Why CONFIG SET changed nothing. As text it is Redis's error, with its code.
#[derive(Debug, PartialEq, Eq)]
pub enum SetError {
    Unknown { name: String },
    Failed { name: String, reason: String },
    Loading,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Unknown { name } => {
                write!(f, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            SetError::Failed { name, reason } => {
                write!(f, "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
            SetError::Loading => write!(f, "LOADING Redis is loading the dataset in memory"),
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// CONFIG SET of several parameters: the new configuration with all of them, or the reason for none.
    pub fn set_many(&self, pairs: &[(&[u8], &[u8])], caller: Caller) -> Result<Config, SetError> {
        let admitted = self.admit(pairs, caller)?;
        let mut config = self.clone();
        for (name, parameter, value) in admitted {
            set_from_text(&mut config, parameter, value).map_err(|reason| SetError::failed(name, reason))?;
        }
        config.settle().map_err(|(name, reason)| SetError::failed(name, reason))?;
        Ok(config)
    }

    /// CONFIG GET: names and values of what the patterns name, in the order of the table. A name in full is shown as it
    /// was asked; hidden parameters want to be named in full. `glob` is Redis's matcher of a pattern and a text.
    pub fn get_matching(&self, patterns: &[&[u8]], glob: fn(&[u8], &[u8]) -> bool) -> Vec<(String, String)> {
        let patterns: Vec<(String, bool)> =
            patterns.iter().map(|pattern| lossy(pattern)).map(with_kind).collect();
        let wanted = |parameter: &Parameter, name: &str| {
            patterns.iter().find_map(|(pattern, is_glob)| match is_glob {
                false => pattern.eq_ignore_ascii_case(name).then(|| pattern.clone()),
                true => {
                    let shown = !parameter.has(Flags::HIDDEN);
                    let hit = shown && glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
                    hit.then(|| name.to_owned())
                }
            })
        };
        let names = TABLE.iter().flat_map(|parameter| parameter.names().map(move |name| (parameter, name)));
        names
            .filter_map(|(parameter, name)| Some((wanted(parameter, name)?, parameter)))
            .map(|(name, parameter)| (name, parameter.get(self)))
            .collect()
    }

    /// The parameters whose values differ from those of another configuration: what a change must be applied to.
    pub fn changed_since(&self, old: &Config) -> Vec<&'static Parameter> {
        TABLE.iter().filter(|parameter| parameter.get(self) != parameter.get(old)).collect()
    }

    /// Brings values into the form in which the server uses them, and refuses combinations it cannot serve. The error
    /// names the parameter to blame.
    pub(super) fn settle(&mut self) -> Result<(), (&'static str, String)> {
        self.hz = self.hz.clamp(HZ_MIN, HZ_MAX);
        self.repl_backlog_size_bytes = self.repl_backlog_size_bytes.max(BACKLOG_BYTES_MIN);
        self.dir = paths::real(self.dir.as_ref());
        let refused = [
            ("tls-port", self.tls_port != 0, NO_TLS),
            ("tls-replication", self.tls_replication, NO_TLS),
            ("tls-cluster", self.tls_cluster, NO_TLS),
            (
                "replicaof",
                self.cluster_enabled && self.replicaof != ReplicaOf(None),
                "replicaof directive not allowed in cluster mode",
            ),
            ("aclfile", !self.aclfile.is_empty() && !self.users.is_empty(), ACL_TWICE),
        ];
        match refused.into_iter().find(|(_, is_refused, _)| *is_refused) {
            Some((name, _, reason)) => Err((name, reason.to_owned())),
            None => Ok(()),
        }
    }

    /// Finds each parameter and asks whether the caller may set it now; the first refusal counts.
    fn admit<'a>(&self, pairs: &[(&[u8], &'a [u8])], caller: Caller) -> Result<Vec<Admitted<'a>>, SetError> {
        let mut admitted: Vec<Admitted<'a>> = Vec::with_capacity(pairs.len());
        for (typed, value) in pairs {
            let name = lossy(typed);
            let failed = |reason: &str| Err(SetError::failed(&name, reason.to_owned()));
            let Some((name, parameter)) = find_with_name(&name) else {
                return Err(SetError::Unknown { name: lossy(until_zero(typed)) });
            };
            if parameter.has(Flags::IMMUTABLE) {
                return failed("can't set immutable config");
            }
            if parameter.has(Flags::PROTECTED) && !self.enable_protected_configs.allows(caller.is_local) {
                return failed("can't set protected config");
            }
            if parameter.has(Flags::DENY_LOADING) && caller.is_loading {
                return Err(SetError::Loading);
            }
            if admitted.iter().any(|(other, ..)| *other == name) {
                return failed("duplicate parameter");
            }
            admitted.push((name, parameter, value));
        }
        Ok(admitted)
    }
}

/// The name that was meant, an alias perhaps, with its parameter and the value to set.
type Admitted<'a> = (&'static str, &'static Parameter, &'a [u8]);

impl SetError {
    fn failed(name: &str, reason: String) -> SetError {
        SetError::Failed { name: name.to_owned(), reason }
    }
}

impl Protected {
    /// Whether a client may do what this protects.
    pub fn allows(self, client_is_local: bool) -> bool {
        match self {
            Protected::No => false,
            Protected::Yes => true,
            Protected::Local => client_is_local,
        }
    }
}

const HZ_MIN: u32 = 1;
const HZ_MAX: u32 = 500;
const BACKLOG_BYTES_MIN: u64 = 16 << 10;
const NO_TLS: &str = "Braid speaks no TLS: put a TLS proxy in front, and leave tls-port 0";
const ACL_TWICE: &str = "users are declared in the configuration and in an aclfile: decide for one of them";

fn set_from_text(config: &mut Config, parameter: &Parameter, value: &[u8]) -> Result<(), String> {
    let value = str::from_utf8(value).map_err(|_| "argument must be valid UTF-8")?;
    if !parameter.has(Flags::MULTI) {
        return parameter.set(config, &[value]);
    }
    // As Redis: at each single space, so that two in a row hold an empty word between them.
    let words: Vec<&str> = if value.is_empty() { Vec::new() } else { value.split(' ').collect() };
    parameter.set(config, &words)
}

fn find_with_name(typed: &str) -> Option<(&'static str, &'static Parameter)> {
    let parameter = Parameter::find(typed)?;
    let name = parameter.names().find(|name| name.eq_ignore_ascii_case(typed))?;
    Some((name, parameter))
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn with_kind(pattern: String) -> (String, bool) {
    let is_glob = paths::is_pattern(&pattern);
    (pattern, is_glob)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Caller = Caller { is_local: true, is_loading: false };

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Config, String> {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set_many(&pairs, CLIENT).map_err(|error| error.to_string())
    }

    /// Each line was answered so by Redis 7.0.15.
    #[test]
    fn errors_are_those_of_redis() {
        let failures = [
            ("hz", "abc", "argument couldn't be parsed into an integer"),
            ("timeout", "", "argument couldn't be parsed into an integer"),
            ("maxmemory", "1x", "argument must be a memory value"),
            ("hash-max-listpack-value", "-1", "argument must be a memory value"),
            ("active-expire-effort", "11", "argument must be between 1 and 10 inclusive"),
            ("proto-max-bulk-len", "1", "argument must be between 1048576 and 9223372036854775807 inclusive"),
            (
                "list-max-listpack-size",
                "-9999999999",
                "argument must be between -2147483648 and 2147483647 inclusive",
            ),
            (
                "slowlog-log-slower-than",
                "-2",
                "argument must be between -1 and 9223372036854775807 inclusive",
            ),
            ("maxclients", "0", "argument must be between 1 and 4294967295 inclusive"),
            ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
            ("appendfsync", "x", "argument(s) must be one of the following: everysec, always, no"),
            ("databases", "4", "can't set immutable config"),
            ("replicaof", "a b", "can't set immutable config"),
            ("dir", "/nonexistent", "can't set protected config"),
            ("dbfilename", "x", "can't set protected config"),
            ("save", "900 1 300", "Invalid save parameters"),
            ("save", "900  1", "Invalid save parameters"),
            ("oom-score-adj-values", "1 2", "wrong number of arguments"),
            ("notify-keyspace-events", "Q", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
            ("proc-title-template", "{x}", "template format is invalid or contains unknown variables"),
        ];
        for (name, value, reason) in failures {
            let expected =
                format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
            assert_eq!(set(&Config::default(), &[(name, value)]), Err(expected));
        }
        assert_eq!(
            set(&Config::default(), &[("nope", "1")]),
            Err("ERR Unknown option or number of arguments for CONFIG SET - 'nope'".into())
        );
    }

    #[test]
    fn all_or_none() {
        let config = Config::default();
        assert!(set(&config, &[("maxmemory", "5"), ("port", "x")]).unwrap_err().contains("argument 'port'"));
        assert!(set(&config, &[("maxmemory", "1"), ("nope", "2")]).unwrap_err().contains("Unknown option"));
        let changed = set(&config, &[("maxmemory", "5"), ("TIMEOUT", "7"), ("save", "")]).unwrap();
        assert_eq!((changed.maxmemory_bytes, changed.timeout_seconds, changed.save.0.len()), (5, 7, 0));
        let names: Vec<_> =
            changed.changed_since(&set(&config, &[]).unwrap()).iter().map(|p| p.name).collect();
        assert_eq!(names, ["timeout", "maxmemory", "save"]);
    }

    #[test]
    fn a_parameter_comes_once_but_an_alias_is_another_name() {
        let config = Config::default();
        let twice = set(&config, &[("maxmemory", "1"), ("MaxMemory", "2")]).unwrap_err();
        assert_eq!(
            twice,
            "ERR CONFIG SET failed (possibly related to argument 'MaxMemory') - duplicate parameter"
        );
        let both =
            set(&config, &[("hash-max-ziplist-entries", "10"), ("hash-max-listpack-entries", "11")]).unwrap();
        assert_eq!(both.hash_max_listpack_entries, 11);
        let alias = set(&config, &[("ZSET-max-ziplist-entries", "x")]).unwrap_err();
        assert!(alias.contains("argument 'zset-max-ziplist-entries'"));
    }

    #[test]
    fn values_out_of_a_useful_range_are_brought_into_it() {
        assert_eq!(
            set(&Config::default(), &[("repl-backlog-size", "1")]).unwrap().repl_backlog_size_bytes,
            16384
        );
        assert_eq!(set(&Config::default(), &[("hz", "1000")]).unwrap().hz, 500);
        assert_eq!(set(&Config::default(), &[("hz", "0")]).unwrap().hz, 1);
    }

    #[test]
    fn protected_parameters_open_for_local_clients() {
        let config = Config { enable_protected_configs: Protected::Local, ..Config::default() };
        let pair: [(&[u8], &[u8]); 1] = [(b"dbfilename", b"x.rdb")];
        assert_eq!(config.set_many(&pair, CLIENT).unwrap().dbfilename, "x.rdb");
        assert!(config.set_many(&pair, Caller { is_local: false, is_loading: false }).is_err());
        let pair: [(&[u8], &[u8]); 1] = [(b"appendonly", b"yes")];
        let loading = config.set_many(&pair, Caller { is_local: true, is_loading: true });
        assert_eq!(loading.unwrap_err(), SetError::Loading);
    }

    #[test]
    fn tls_is_refused_not_ignored() {
        assert!(set(&Config::default(), &[("tls-port", "6380")]).unwrap_err().contains("speaks no TLS"));
        assert!(set(&Config::default(), &[("tls-port", "0")]).is_ok());
    }

    #[test]
    fn get_shows_names_as_they_were_asked() {
        // Enough of a glob for this test: a star at the end.
        fn starts(pattern: &[u8], text: &[u8]) -> bool {
            pattern.strip_suffix(b"*").is_some_and(|prefix| text.starts_with(prefix))
        }
        let config = Config::default();
        let names = |patterns: &[&str]| -> Vec<String> {
            let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
            config.get_matching(&patterns, starts).into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&["MaxMemory", "maxmemory"]), ["MaxMemory"]);
        assert_eq!(names(&["SLAVEOF", "replicaof"]), ["replicaof", "SLAVEOF"]);
        assert_eq!(names(&["HASH*"]).len(), 4);
        assert_eq!(names(&["use-*"]), [""; 0]);
        assert_eq!(names(&["use-exit-on-panic"]), ["use-exit-on-panic"]);
        assert_eq!(names(&["nope"]), [""; 0]);
        let shown = config.get_matching(&[b"save"], starts);
        assert_eq!(shown, [("save".to_owned(), "3600 1 300 100 60 10000".to_owned())]);
    }
}
