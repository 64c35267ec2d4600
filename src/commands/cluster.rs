//! The commands of a cluster, which this server is no part of.
use super::{Outcome, Server, ServerCommand};
use shards::commands::Args;
use shards::fault::Fault;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, Spec};

pub(super) const COMMANDS: &[ServerCommand] = &[CLUSTER, READONLY, READWRITE, ASKING];

fn disabled(_: &mut Server<'_>, _: Args<'_>) -> Outcome {
    Err(Fault::new("ERR This instance has cluster support disabled"))
}

const SPEC: Spec = Spec { group: Group::Cluster, since: "3.0.0", complexity: "O(1)", ..Spec::DEFAULT };

const CONNECTION: Spec =
    Spec { flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST), acl: Categories::CONNECTION, ..SPEC };

const READONLY: ServerCommand = ServerCommand {
    spec: Spec {
        name: "readonly",
        summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
        ..CONNECTION
    },
    run: disabled,
    subcommands: &[],
};

const READWRITE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "readwrite",
        summary: "Enables read-write queries for a connection to a Redis Cluster replica node.",
        ..CONNECTION
    },
    run: disabled,
    subcommands: &[],
};

const ASKING: ServerCommand = ServerCommand {
    spec: Spec {
        name: "asking",
        flags: Flags::FAST,
        summary: "Signals that a cluster client is following an -ASK redirect.",
        ..CONNECTION
    },
    run: disabled,
    subcommands: &[],
};

const CLUSTER: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster",
        arity: -2,
        summary: "A container for Cluster commands.",
        complexity: "Depends on subcommand.",
        ..SPEC
    },
    run: |_, _| Err(Fault::arity("cluster")),
    subcommands: &[
        ADDSLOTS,
        ADDSLOTSRANGE,
        BUMPEPOCH,
        COUNTKEYSINSLOT,
        COUNT_FAILURE_REPORTS,
        DELSLOTS,
        DELSLOTSRANGE,
        FAILOVER,
        FLUSHSLOTS,
        FORGET,
        GETKEYSINSLOT,
        HELP,
        INFO,
        KEYSLOT,
        LINKS,
        MEET,
        MYID,
        MYSHARDID,
        NODES,
        REPLICAS,
        REPLICATE,
        RESET,
        SAVECONFIG,
        SETSLOT,
        SET_CONFIG_EPOCH,
        SHARDS,
        SLAVES,
        SLOTS,
    ],
};

const COUNT_FAILURE_REPORTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|count-failure-reports",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::STALE),
        summary: "Returns the number of active failure reports for a node. No new reports are created once the node is marked as failed.",
        complexity: "O(N) where N is the number of failure reports",
        tips: &["nondeterministic_output"],
        args: &[Arg::new("node-id", ArgKind::String)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const DELSLOTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|delslots",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Sets hash slots as unbound for a node.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        args: &[Arg::new("slot", ArgKind::Integer).multiple()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const MYID: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|myid",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns the ID of a node.",
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const ADDSLOTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|addslots",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Assigns new hash slots to a node.",
        complexity: "O(N) where N is the total number of hash slot arguments",
        args: &[Arg::new("slot", ArgKind::Integer).multiple()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const ADDSLOTSRANGE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|addslotsrange",
        arity: -4,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Assigns new hash slot ranges to a node.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        args: &[Arg::new(
            "range",
            ArgKind::Block(&[
                Arg::new("start-slot", ArgKind::Integer),
                Arg::new("end-slot", ArgKind::Integer),
            ]),
        )
        .multiple()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const INFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|info",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns information about the state of a node.",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const REPLICAS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|replicas",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::STALE),
        summary: "Lists the replica nodes of a master node.",
        since: "5.0.0",
        complexity: "O(N) where N is the number of replicas.",
        tips: &["nondeterministic_output"],
        args: &[Arg::new("node-id", ArgKind::String)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SETSLOT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|setslot",
        arity: -4,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Binds a hash slot to a node.",
        args: &[
            Arg::new("slot", ArgKind::Integer),
            Arg::new(
                "subcommand",
                ArgKind::OneOf(&[
                    Arg::new("importing", ArgKind::String).token("IMPORTING").display("node-id"),
                    Arg::new("migrating", ArgKind::String).token("MIGRATING").display("node-id"),
                    Arg::new("node", ArgKind::String).token("NODE").display("node-id"),
                    Arg::word("stable", "STABLE"),
                ]),
            ),
        ],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SLOTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|slots",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns the mapping of cluster slots to nodes.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        history: &[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")],
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const COUNTKEYSINSLOT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|countkeysinslot",
        arity: 3,
        flags: Flags::STALE,
        summary: "Returns the number of keys in a hash slot.",
        args: &[Arg::new("slot", ArgKind::Integer)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const DELSLOTSRANGE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|delslotsrange",
        arity: -4,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Sets hash slot ranges as unbound for a node.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of the slots between the start slot and end slot arguments.",
        args: &[Arg::new(
            "range",
            ArgKind::Block(&[
                Arg::new("start-slot", ArgKind::Integer),
                Arg::new("end-slot", ArgKind::Integer),
            ]),
        )
        .multiple()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const FLUSHSLOTS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|flushslots",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Deletes all slots information from a node.",
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const REPLICATE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|replicate",
        arity: -3,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Configures a node as replica of a master node or detaches a replica from its master.",
        args: &[Arg::new("node-id", ArgKind::String)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const KEYSLOT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|keyslot",
        arity: 3,
        flags: Flags::STALE,
        summary: "Returns the hash slot for a key.",
        complexity: "O(N) where N is the number of bytes in the key",
        args: &[Arg::new("key", ArgKind::String)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const MEET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|meet",
        arity: -4,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Forces a node to handshake with another node.",
        history: &[("4.0.0", "Added the optional `cluster_bus_port` argument.")],
        args: &[
            Arg::new("ip", ArgKind::String),
            Arg::new("port", ArgKind::Integer),
            Arg::new("cluster-bus-port", ArgKind::Integer).since("4.0.0").optional(),
        ],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const MYSHARDID: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|myshardid",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns the shard ID of a node.",
        since: "7.2.0",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const NODES: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|nodes",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns the cluster configuration for a node.",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SET_CONFIG_EPOCH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|set-config-epoch",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Sets the configuration epoch for a new node.",
        args: &[Arg::new("config-epoch", ArgKind::Integer)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SLAVES: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|slaves",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::STALE),
        summary: "Lists the replica nodes of a master node.",
        complexity: "O(N) where N is the number of replicas.",
        tips: &["nondeterministic_output"],
        args: &[Arg::new("node-id", ArgKind::String)],
        deprecated: Some(("5.0.0", "`CLUSTER REPLICAS`")),
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const FAILOVER: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|failover",
        arity: -2,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Forces a replica to perform a manual failover of its master.",
        args: &[Arg::new(
            "options",
            ArgKind::OneOf(&[Arg::word("force", "FORCE"), Arg::word("takeover", "TAKEOVER")]),
        )
        .optional()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const FORGET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|forget",
        arity: 3,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Removes a node from the nodes table.",
        args: &[Arg::new("node-id", ArgKind::String)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SHARDS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|shards",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns the mapping of cluster slots to shards.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const BUMPEPOCH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|bumpepoch",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Advances the cluster config epoch.",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const GETKEYSINSLOT: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|getkeysinslot",
        arity: 4,
        flags: Flags::STALE,
        summary: "Returns the key names in a hash slot.",
        complexity: "O(N) where N is the number of requested keys",
        tips: &["nondeterministic_output"],
        args: &[Arg::new("slot", ArgKind::Integer), Arg::new("count", ArgKind::Integer)],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const LINKS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|links",
        arity: 2,
        flags: Flags::STALE,
        summary: "Returns a list of all TCP links to and from peer nodes.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        tips: &["nondeterministic_output"],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const RESET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|reset",
        arity: -2,
        flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::STALE),
        summary: "Resets a node.",
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        args: &[Arg::new(
            "reset-type",
            ArgKind::OneOf(&[Arg::word("hard", "HARD"), Arg::word("soft", "SOFT")]),
        )
        .optional()],
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};

const SAVECONFIG: ServerCommand = ServerCommand {
    spec: Spec {
        name: "cluster|saveconfig",
        arity: 2,
        flags: Flags::ADMIN.and(Flags::STALE).and(Flags::NO_ASYNC_LOADING),
        summary: "Forces a node to save the cluster configuration to disk.",
        ..SPEC
    },
    run: disabled,
    subcommands: &[],
};
