//! The parameters that are one name out of a few, as enums.

/// Writes an enum with the names redis.conf has for its variants, in Redis's order.
macro_rules! choices {
    ($( $(#[$doc:meta])* $type:ident { $( $variant:ident = $name:literal ),+ $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type { $( $variant ),+ }

        impl $type {
            pub const NAMES: &'static [&'static str] = &[$($name),+];
            pub const ALL: &'static [$type] = &[$($type::$variant),+];

            /// The name in redis.conf and CONFIG GET.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    )* };
}

choices! {
    /// What to evict when memory is full.
    MaxmemoryPolicy {
        VolatileLru = "volatile-lru",
        VolatileLfu = "volatile-lfu",
        VolatileRandom = "volatile-random",
        VolatileTtl = "volatile-ttl",
        AllkeysLru = "allkeys-lru",
        AllkeysLfu = "allkeys-lfu",
        AllkeysRandom = "allkeys-random",
        Noeviction = "noeviction",
    }

    /// When the journal is forced to disk.
    Appendfsync { Everysec = "everysec", Always = "always", No = "no" }

    /// How much the log tells; each level includes those after it.
    Loglevel { Debug = "debug", Verbose = "verbose", Notice = "notice", Warning = "warning", Nothing = "nothing" }

    /// The facility under which the system log files our lines.
    SyslogFacility {
        User = "user",
        Local0 = "local0",
        Local1 = "local1",
        Local2 = "local2",
        Local3 = "local3",
        Local4 = "local4",
        Local5 = "local5",
        Local6 = "local6",
        Local7 = "local7",
    }

    /// Who started us and wants to hear that we are ready.
    Supervised { Upstart = "upstart", Systemd = "systemd", Auto = "auto", No = "no" }

    /// Whether a replica parses the snapshot straight from the socket.
    ReplDisklessLoad { Disabled = "disabled", OnEmptyDb = "on-empty-db", Swapdb = "swapdb" }

    TlsAuthClients { No = "no", Yes = "yes", Optional = "optional" }

    OomScoreAdj { No = "no", Yes = "yes", Relative = "relative", Absolute = "absolute" }

    /// Which channels a new user may use.
    AclPubsubDefault { Allchannels = "allchannels", Resetchannels = "resetchannels" }

    /// How deeply RESTORE and replication payloads are checked.
    SanitizeDumpPayload { No = "no", Yes = "yes", Clients = "clients" }

    /// Who may do a thing that is dangerous in the wrong hands.
    Protected { No = "no", Yes = "yes", Local = "local" }

    ClusterPreferredEndpointType {
        Ip = "ip",
        Hostname = "hostname",
        UnknownEndpoint = "unknown-endpoint",
    }

    PropagationErrorBehavior { Ignore = "ignore", Panic = "panic", PanicOnReplicas = "panic-on-replicas" }

    /// The interface to the kernel that moves bytes.
    Io { Auto = "auto", Uring = "uring", Epoll = "epoll" }
}
