//! Directives that this version reads and does not follow yet: the manual says so, and the log does when one is asked for.

use super::parameter::Parameter;
use super::table::{Config, TABLE};

/// Their names. Who makes one work takes it off this list.
const PENDING: &[&str] = &[
    "bind-source-addr",
    "max-new-connections-per-cycle",
    "maxmemory-clients",
    "aclfile",
    "acllog-max-len",
    "acl-pubsub-default",
    "maxmemory-eviction-tenacity",
    "lazyfree-lazy-user-flush",
    "propagation-error-behavior",
    "aof-timestamp-enabled",
    "aof-disable-auto-gc",
    "shutdown-timeout",
    "replicaof",
    "masterauth",
    "masteruser",
    "replica-serve-stale-data",
    "replica-read-only",
    "replica-priority",
    "replica-announced",
    "replica-announce-ip",
    "replica-announce-port",
    "replica-ignore-maxmemory",
    "replica-ignore-disk-write-errors",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "repl-timeout",
    "repl-ping-replica-period",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "repl-disable-tcp-nodelay",
    "repl-diskless-sync-delay",
    "repl-diskless-sync-max-replicas",
    "cluster-enabled",
    "hide-user-data-from-log",
    "daemonize",
    "supervised",
    "crash-log-enabled",
];

/// Whether this version does not follow it yet.
pub(super) fn is_pending(parameter: &Parameter) -> bool {
    PENDING.contains(&parameter.name)
}

/// The directives of a configuration that ask for something this version does not do yet: those that are pending and are
/// not at their defaults, and `user` lines.
pub fn asked_in_vain(config: &Config) -> Vec<&'static str> {
    let defaults = Config::default();
    let is_asked = |parameter: &&Parameter| {
        let value = parameter.get(config);
        is_pending(parameter) && value != parameter.get(&defaults)
    };
    let users = (!config.users.is_empty()).then_some("user");
    TABLE.iter().filter(is_asked).map(|parameter| parameter.name).chain(users).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    #[test]
    fn names_are_those_of_directives_that_should_do_something() {
        for name in PENDING {
            let parameter = Parameter::find(name).expect("a directive");
            assert!(parameter.name == *name && !parameter.has(Flags::INERT), "{name}");
        }
    }

    #[test]
    fn only_what_was_asked_for_is_named() {
        let mut config = Config::default();
        assert!(asked_in_vain(&config).is_empty());
        let mut set =
            |name, words: &[&str]| Parameter::find(name).expect(name).set(&mut config, words).expect(name);
        set("save", &[""]);
        set("port", &["7777"]);
        set("replicaof", &["there", "6379"]);
        config.users.push(vec!["default".to_owned(), "off".to_owned()]);
        assert_eq!(asked_in_vain(&config), ["replicaof", "user"]);
    }
}
