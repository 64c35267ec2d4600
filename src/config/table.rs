//! The table: every directive of redis.conf, an entry each, in the order in which a request meets them.
//!
//! An entry names the directive and its aliases, its field in [`Config`] with type and default, how its text is read,
//! its flags, and what it is for. Names, limits and defaults are those of Redis 7.4; entries flagged `INERT` are
//! accepted, checked and shown so that an existing redis.conf starts Braid, and say why they change nothing.

use super::checks;
use super::choices::*;
use super::lists::*;
use super::parameter::{Flags, Group, Kind, Parameter, kind, parameters};

parameters! {
    Threads {
        "shards" => shards: usize = 0, number(0, 1024, ""), [IMMUTABLE OURS MAIN],
            "How many strands the keyspace is braided from, a thread each. 0 takes the cores this process may use: \
             its affinity mask, cut to its cgroup's quota.";
        "pin" => pin: bool = true, flag, [IMMUTABLE OURS MAIN],
            "Ties each shard's thread to a core of its own, so that its data stays in that core's caches. Say no \
             where other busy processes share the cores.";
        "io" => io: Io = Io::Auto, choice, [IMMUTABLE OURS MAIN],
            "How bytes reach the kernel: io_uring, or epoll where io_uring is refused. auto tries io_uring and logs \
             why if it has to fall back.";
        "io-threads" => io_threads: u32 = 1, number(1, 128, ""), [IMMUTABLE INERT],
            "Redis's helper threads for sockets. Braid needs none: every shard serves its own sockets; see shards.";
        "io-threads-do-reads" => io_threads_do_reads: bool = false, flag, [IMMUTABLE INERT],
            "Whether Redis's helper threads read as well. In Braid every shard reads its own sockets.";
        "server-cpulist" | "server_cpulist" => server_cpulist: String = String::new(), text, [IMMUTABLE INERT],
            "Cores for Redis's main thread. Braid obeys the affinity mask it was started with (taskset, cgroup); see \
             pin.";
        "bio-cpulist" | "bio_cpulist" => bio_cpulist: String = String::new(), text, [IMMUTABLE INERT],
            "Cores for Redis's background threads; Braid's shards do their own background work in slices.";
        "aof-rewrite-cpulist" | "aof_rewrite_cpulist" => aof_rewrite_cpulist: String = String::new(), text,
            [IMMUTABLE INERT],
            "Cores for Redis's AOF rewriting child; Braid does not fork.";
        "bgsave-cpulist" | "bgsave_cpulist" => bgsave_cpulist: String = String::new(), text, [IMMUTABLE INERT],
            "Cores for Redis's saving child; Braid does not fork.";
        "hz" => hz: u32 = 10, number(0, i32::MAX, "per second"), [],
            "How often a shard's background work (expiry, eviction, timeouts) gets its slice. Values are brought \
             into 1 to 500.";
        "dynamic-hz" => dynamic_hz: bool = true, flag, [INERT],
            "Redis raises hz with the number of clients; Braid's background slices are bounded by time instead.";
    }

    Network {
        "bind" => bind: Addresses = Addresses(vec!["*".to_owned(), "-::*".to_owned()]), special("address ..."),
            [MULTI MAIN],
            "The addresses to listen on. * is every IPv4 address, ::* every IPv6 one; a leading - forgives an \
             address this machine does not have.";
        "port" => port: u16 = 6379, number(0, 65535, ""), [MAIN],
            "The TCP port to listen on; 0 listens on none.";
        "unixsocket" => unixsocket: String = String::new(), text, [IMMUTABLE MAIN],
            "The path of a Unix socket to listen on besides TCP: the shortest way for clients on the same machine.";
        "unixsocketperm" => unixsocketperm: u32 = 0, octal(0o777), [IMMUTABLE],
            "The permissions of the Unix socket, such as 700; 0 leaves them to the umask.";
        "tcp-backlog" => tcp_backlog: u32 = 511, number(0, i32::MAX, "connections"), [IMMUTABLE],
            "How many connections may wait to be accepted. The kernel cuts it to net.core.somaxconn.";
        "tcp-keepalive" => tcp_keepalive_seconds: u32 = 300, number(0, i32::MAX, "seconds"), [],
            "After how much silence the kernel asks whether the peer still lives; 0 never asks.";
        "socket-mark-id" => socket_mark_id: u32 = 0, number(0, u32::MAX, ""), [IMMUTABLE INERT],
            "A mark for packet filters and routing rules. Braid leaves its sockets unmarked.";
        "bind-source-addr" => bind_source_addr: String = String::new(), text, [],
            "The local address from which to connect to a primary.";
        "protected-mode" => protected_mode: bool = true, flag, [MAIN],
            "Without a password, and without a bind of your own, serves only clients on this machine.";
        "max-new-connections-per-cycle" => max_new_connections_per_cycle: u32 = 10, number(1, 1000, ""), [],
            "How many connections a shard accepts in one turn, so that a storm of them does not stall the others.";
    }

    Clients {
        "maxclients" => maxclients: u32 = 10000, number(1, u32::MAX, "clients"), [MAIN],
            "How many clients may be connected at once; the next is told so and closed. Needs as many open files \
             (ulimit -n).";
        "timeout" => timeout_seconds: u32 = 0, number(0, i32::MAX, "seconds"), [MAIN],
            "Closes clients that say nothing for so long; 0 never does.";
        "client-output-buffer-limit" => client_output_buffer_limit: OutputBufferLimits = OutputBufferLimits::DEFAULT,
            special("class hard soft seconds ..."), [MULTI],
            "When to give up on a client that does not read its replies: at once above the hard limit, or above the \
             soft one for some seconds. Classes: normal, replica, pubsub.";
        "client-query-buffer-limit" => client_query_buffer_limit_bytes: u64 = 1 << 30,
            memory(1 << 20, i64::MAX as u64), [],
            "How much of a client's unfinished commands the server holds before it closes the client.";
        "maxmemory-clients" => maxmemory_clients: ClientsMemory = ClientsMemory::Bytes(0),
            special("memory|percent%"), [],
            "How much memory all clients' buffers may take together, in bytes or as a part of maxmemory; above it \
             the greediest are closed. 0 is no limit.";
        "proto-max-bulk-len" => proto_max_bulk_len_bytes: u64 = 512 << 20, memory(1 << 20, i64::MAX as u64), [],
            "The longest single argument, and the longest string value.";
        "tracking-table-max-keys" => tracking_table_max_keys: u64 = 1_000_000, number(0, i64::MAX, "keys"), [],
            "How many keys the server remembers for client-side caching; above it, it invalidates some early. 0 is \
             no limit.";
    }

    Security {
        "requirepass" => requirepass: String = String::new(), text, [SENSITIVE MAIN],
            "The password of the default user; empty lets everybody in. ACL users are better; see user and aclfile.";
        "aclfile" => aclfile: String = String::new(), text, [IMMUTABLE MAIN],
            "A file of ACL users, which ACL LOAD reads and ACL SAVE writes. It excludes user lines in redis.conf.";
        "acllog-max-len" => acllog_max_len: u64 = 128, number(0, i64::MAX, "entries"), [],
            "How many refusals ACL LOG remembers.";
        "acl-pubsub-default" => acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::Resetchannels, choice, [],
            "Whether a new user may use all Pub/Sub channels or none.";
        "enable-protected-configs" => enable_protected_configs: Protected = Protected::No, choice, [IMMUTABLE],
            "Who may CONFIG SET the directives that choose where files are written: dir and dbfilename.";
        "enable-debug-command" => enable_debug_command: Protected = Protected::No, choice, [IMMUTABLE],
            "Who may use DEBUG: nobody, everybody, or clients on this machine.";
        "enable-module-command" => enable_module_command: Protected = Protected::No, choice, [IMMUTABLE INERT],
            "Who may use MODULE. Braid loads no modules.";
        "sanitize-dump-payload" => sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No, choice,
            [INERT],
            "How deeply Redis checks the payloads of RESTORE. Braid decodes them into its own encodings, which \
             checks every byte always.";
    }

    Memory {
        "maxmemory" => maxmemory_bytes: u64 = 0, memory(0, u64::MAX), [MAIN],
            "How much memory the data may take; at the limit maxmemory-policy decides. 0 is no limit.";
        "maxmemory-policy" => maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::Noeviction, choice, [MAIN],
            "What to do when memory is full: refuse writes (noeviction), or evict among all keys or among those with \
             an expiry, by least recent use, least frequent use, nearest expiry, or chance.";
        "maxmemory-samples" => maxmemory_samples: u32 = 5, number(1, i32::MAX, "keys"), [],
            "How many keys are looked at to evict one. 10 comes close to true LRU and costs more, 3 is quick and \
             coarse.";
        "maxmemory-eviction-tenacity" => maxmemory_eviction_tenacity: u32 = 10, number(0, 100, ""), [],
            "How much time eviction may take from clients when writes come faster than it can evict; 100 is all.";
        "lfu-log-factor" => lfu_log_factor: u32 = 10, number(0, i32::MAX, ""), [],
            "How slowly the use counter of an LFU policy grows: with 10, a million uses fill its 8 bits.";
        "lfu-decay-time" => lfu_decay_minutes: u32 = 1, number(0, i32::MAX, "minutes"), [],
            "After how long without use the counter of an LFU policy falls by one; 0 never lets it fall.";
        "active-expire-effort" => active_expire_effort: u32 = 1, number(1, 10, ""), [],
            "How eagerly expired keys that nobody asks for are found; more effort, less memory held by the dead.";
        "lazyfree-lazy-eviction" => lazyfree_lazy_eviction: bool = false, flag, [INERT],
            "Whether Redis frees evicted values on another thread. Braid frees every big value in slices, always.";
        "lazyfree-lazy-expire" => lazyfree_lazy_expire: bool = false, flag, [INERT],
            "Whether Redis frees expired values on another thread. Braid frees every big value in slices, always.";
        "lazyfree-lazy-server-del" => lazyfree_lazy_server_del: bool = false, flag, [INERT],
            "Whether Redis frees overwritten values on another thread. Braid frees every big value in slices, always.";
        "lazyfree-lazy-user-del" => lazyfree_lazy_user_del: bool = false, flag, [INERT],
            "Whether DEL behaves as UNLINK in Redis. In Braid both unlink at once and free big values in slices.";
        "lazyfree-lazy-user-flush" => lazyfree_lazy_user_flush: bool = false, flag, [],
            "Whether FLUSHALL and FLUSHDB without SYNC or ASYNC mean ASYNC.";
        "activerehashing" => activerehashing: bool = true, flag, [INERT],
            "Whether Redis rehashes its tables in idle time. Braid's tables split a segment at a time as they grow \
             and have nothing to rehash.";
        "activedefrag" => activedefrag: bool = false, flag, [INERT],
            "Whether Redis moves values to give fragmented pages back. Braid packs small values so that they leave \
             few holes.";
        "active-defrag-cycle-min" => active_defrag_cycle_min: u32 = 1, number(1, 99, "percent"), [INERT],
            "The least CPU share of Redis's defragmentation; see activedefrag.";
        "active-defrag-cycle-max" => active_defrag_cycle_max: u32 = 25, number(1, 99, "percent"), [INERT],
            "The greatest CPU share of Redis's defragmentation; see activedefrag.";
        "active-defrag-threshold-lower" => active_defrag_threshold_lower: u32 = 10, number(0, 1000, "percent"),
            [INERT],
            "The fragmentation at which Redis's defragmentation starts; see activedefrag.";
        "active-defrag-threshold-upper" => active_defrag_threshold_upper: u32 = 100, number(0, 1000, "percent"),
            [INERT],
            "The fragmentation at which Redis's defragmentation works hardest; see activedefrag.";
        "active-defrag-ignore-bytes" => active_defrag_ignore_bytes: u64 = 100 << 20, memory(1, i64::MAX as u64),
            [INERT],
            "The waste below which Redis does not defragment; see activedefrag.";
        "active-defrag-max-scan-fields" => active_defrag_max_scan_fields: u64 = 1000, number(1, i64::MAX, "fields"),
            [INERT],
            "The values above which Redis defragments piece by piece; see activedefrag.";
        "jemalloc-bg-thread" => jemalloc_bg_thread: bool = true, flag, [INERT],
            "Whether the allocator of Redis purges on a thread of its own. In Braid each shard purges what it freed.";
        "disable-thp" => disable_thp: bool = true, flag, [IMMUTABLE INERT],
            "Whether to refuse huge pages, which make a forking Redis copy too much. Braid does not fork.";
    }

    Commands {
        "databases" => databases: u32 = 16, number(1, i32::MAX, "databases"), [IMMUTABLE],
            "How many numbered databases SELECT can choose from.";
        "notify-keyspace-events" => notify_keyspace_events: NotifyEvents = NotifyEvents(0), special("classes"), [],
            "Which events of keys are published: K and E choose the channels, then g $ l s h z t for generic \
             commands and types, x expired, e evicted, m missed, n new, A for all but m and n.";
        "busy-reply-threshold" | "lua-time-limit" => busy_reply_threshold_ms: u64 = 5000,
            number(0, i64::MAX, "milliseconds"), [],
            "How long a script may run before other clients are told BUSY and may kill it; 0 never tells.";
        "propagation-error-behavior" => propagation_error_behavior: PropagationErrorBehavior =
            PropagationErrorBehavior::Ignore, choice, [],
            "What to do if a command fails while it is replayed from the journal or a primary.";
        "locale-collate" => locale_collate: String = String::new(), text, [INERT],
            "The locale by which SORT ALPHA and scripts compare in Redis. Braid compares bytes, whatever the machine \
             is set to.";
    }

    Encodings {
        "hash-max-listpack-entries" | "hash-max-ziplist-entries" => hash_max_listpack_entries: u64 = 512,
            number(0, i64::MAX, "fields"), [],
            "A hash with no more fields is kept packed: several times smaller, searched from end to end.";
        "hash-max-listpack-value" | "hash-max-ziplist-value" => hash_max_listpack_value_bytes: u64 = 64,
            memory(0, i64::MAX as u64), [],
            "A hash whose names and values are all no longer is kept packed.";
        "list-max-listpack-size" | "list-max-ziplist-size" => list_max_listpack_size: i32 = -2,
            number(i32::MIN, i32::MAX, ""), [],
            "How much one node of a list holds: a positive number is elements, -1 to -5 are 4, 8, 16, 32, 64 KB.";
        "list-compress-depth" => list_compress_depth: u32 = 0, number(0, i32::MAX, "nodes"), [],
            "How many nodes at each end of a list are left uncompressed when those between are compressed; 0 compresses none.";
        "set-max-intset-entries" => set_max_intset_entries: u64 = 512, number(0, i64::MAX, "members"), [],
            "A set of integers with no more members is kept as a sorted array.";
        "set-max-listpack-entries" => set_max_listpack_entries: u64 = 128, number(0, i64::MAX, "members"), [],
            "A set with no more members is kept packed.";
        "set-max-listpack-value" => set_max_listpack_value_bytes: u64 = 64, memory(0, i64::MAX as u64), [],
            "A set whose members are all no longer is kept packed.";
        "zset-max-listpack-entries" | "zset-max-ziplist-entries" => zset_max_listpack_entries: u64 = 128,
            number(0, i64::MAX, "members"), [],
            "A sorted set with no more members is kept packed.";
        "zset-max-listpack-value" | "zset-max-ziplist-value" => zset_max_listpack_value_bytes: u64 = 64,
            memory(0, i64::MAX as u64), [],
            "A sorted set whose members are all no longer is kept packed.";
        "hll-sparse-max-bytes" => hll_sparse_max_bytes: u64 = 3000, memory(0, i64::MAX as u64), [],
            "A HyperLogLog no longer is kept sparse: smaller, and slower to add to.";
        "stream-node-max-bytes" => stream_node_max_bytes: u64 = 4096, memory(0, i64::MAX as u64), [],
            "How many bytes one node of a stream holds; 0 is no limit.";
        "stream-node-max-entries" => stream_node_max_entries: u64 = 100, number(0, i64::MAX, "entries"), [],
            "How many entries one node of a stream holds; 0 is no limit.";
    }

    Persistence {
        "dir" => dir: String = "./".to_owned(), text(checks::directory), [PROTECTED DENY_LOADING MAIN],
            "Where snapshots and the journal live; relative paths start where the server was started.";
        "save" => save: SavePoints = SavePoints::of(&[(3600, 1), (300, 100), (60, 10000)]),
            special("seconds changes ..."), [MULTI MAIN],
            "Writes a snapshot by itself after so many seconds if so many changes happened; several pairs may be \
             given, and \"\" turns it off.";
        "dbfilename" => dbfilename: String = "dump.rdb".to_owned(), text(checks::dbfilename), [PROTECTED],
            "The name of the snapshot in dir.";
        "rdbcompression" => rdbcompression: bool = true, flag, [],
            "Compresses long strings in snapshots: smaller files for some CPU time.";
        "rdbchecksum" => rdbchecksum: bool = true, flag, [IMMUTABLE],
            "Ends snapshots with a checksum and checks it on loading.";
        "rdb-del-sync-files" => rdb_del_sync_files: bool = false, flag, [INERT],
            "Whether Redis deletes snapshots made only to feed replicas. Braid streams to replicas without a file.";
        "rdb-save-incremental-fsync" => rdb_save_incremental_fsync: bool = true, flag, [INERT],
            "Whether Redis syncs a snapshot every few megabytes. Braid's bulk files always flow to disk evenly.";
        "stop-writes-on-bgsave-error" => stop_writes_on_bgsave_error: bool = true, flag, [],
            "Refuses writes after a snapshot failed, so that somebody notices before it is needed.";
        "appendonly" => appendonly: bool = false, flag, [DENY_LOADING MAIN],
            "Keeps a journal of every write, so that a restart finds what was written since the last snapshot.";
        "appendfsync" => appendfsync: Appendfsync = Appendfsync::Everysec, choice, [MAIN],
            "When the journal is forced to disk: always, before any reply that depends on it; everysec; or no, when \
             the kernel likes.";
        "appendfilename" => appendfilename: String = "appendonly.aof".to_owned(), text(checks::appendfilename),
            [IMMUTABLE],
            "The first part of the names of the journal's files.";
        "appenddirname" => appenddirname: String = "appendonlydir".to_owned(), text(checks::appenddirname),
            [IMMUTABLE],
            "The directory of the journal's files, in dir.";
        "no-appendfsync-on-rewrite" => no_appendfsync_on_rewrite: bool = false, flag, [],
            "Under everysec, does not force the journal to disk while a snapshot or a rewrite is written: less waiting, less safety. What always acknowledges is on the disk all the same.";
        "auto-aof-rewrite-percentage" => auto_aof_rewrite_percentage: u32 = 100, number(0, i32::MAX, "percent"), [],
            "Rewrites the journal when it has grown by so much since the last time; 0 never does.";
        "auto-aof-rewrite-min-size" => auto_aof_rewrite_min_size_bytes: u64 = 64 << 20,
            memory(0, i64::MAX as u64), [],
            "The size below which the journal is not rewritten by itself.";
        "aof-load-truncated" => aof_load_truncated: bool = true, flag, [],
            "Starts even if a crash cut the journal's end, dropping what is not whole; no refuses to start.";
        "aof-use-rdb-preamble" => aof_use_rdb_preamble: bool = true, flag, [INERT],
            "Whether Redis's rewritten journal begins with a snapshot. Braid's always does.";
        "aof-timestamp-enabled" => aof_timestamp_enabled: bool = false, flag, [],
            "Notes times in the journal, so that it can be cut back to a moment.";
        "aof-rewrite-incremental-fsync" => aof_rewrite_incremental_fsync: bool = true, flag, [INERT],
            "Whether Redis syncs a rewrite every few megabytes. Braid's bulk files always flow to disk evenly.";
        "aof-disable-auto-gc" => aof_disable_auto_gc: bool = false, flag, [],
            "Keeps the journal's old files after a rewrite, for those who back them up.";
        "shutdown-timeout" => shutdown_timeout_seconds: u32 = 10, number(0, i32::MAX, "seconds"), [],
            "How long a shutdown waits for replicas to catch up.";
        "shutdown-on-sigint" => shutdown_on_sigint: ShutdownOptions = ShutdownOptions::default(),
            special("default|save|nosave|now|force ..."), [MULTI],
            "The options of SHUTDOWN that SIGINT stands for.";
        "shutdown-on-sigterm" => shutdown_on_sigterm: ShutdownOptions = ShutdownOptions::default(),
            special("default|save|nosave|now|force ..."), [MULTI],
            "The options of SHUTDOWN that SIGTERM stands for.";
        "key-load-delay" => key_load_delay_us: i32 = 0, number(i32::MIN, i32::MAX, "microseconds"), [HIDDEN INERT],
            "Slows loading down in Redis's own tests.";
        "rdb-key-save-delay" => rdb_key_save_delay_us: i32 = 0, number(i32::MIN, i32::MAX, "microseconds"),
            [HIDDEN INERT],
            "Slows saving down in Redis's own tests.";
        "loading-process-events-interval-bytes" => loading_process_events_interval_bytes: u64 = 2 << 20,
            number(1024, i32::MAX, "bytes"), [HIDDEN INERT],
            "How often a loading Redis looks at its sockets. Braid loads beside its socket loops.";
    }

    Replication {
        "replicaof" | "slaveof" => replicaof: ReplicaOf = ReplicaOf(None), special("host port|no one"),
            [IMMUTABLE MULTI MAIN],
            "Makes this server a copy of another. At run time, use the command REPLICAOF.";
        "masterauth" => masterauth: String = String::new(), text, [SENSITIVE],
            "The password for the primary.";
        "masteruser" => masteruser: String = String::new(), text, [SENSITIVE],
            "The ACL user for the primary; empty is the default user.";
        "replica-serve-stale-data" | "slave-serve-stale-data" => replica_serve_stale_data: bool = true, flag, [],
            "Whether a replica without its primary answers with the data it has, or with an error.";
        "replica-read-only" | "slave-read-only" => replica_read_only: bool = true, flag, [],
            "Whether a replica refuses writes.";
        "replica-priority" | "slave-priority" => replica_priority: u32 = 100, number(0, i32::MAX, ""), [],
            "Sentinel promotes the replica with the lowest number; 0 is never promoted.";
        "replica-announced" => replica_announced: bool = true, flag, [],
            "Whether Sentinel shows this replica to clients.";
        "replica-announce-ip" | "slave-announce-ip" => replica_announce_ip: String = String::new(), text, [],
            "The address a replica tells its primary, where translation hides the true one.";
        "replica-announce-port" | "slave-announce-port" => replica_announce_port: u16 = 0, number(0, 65535, ""), [],
            "The port a replica tells its primary; 0 is the true one.";
        "replica-ignore-maxmemory" | "slave-ignore-maxmemory" => replica_ignore_maxmemory: bool = true, flag, [],
            "Whether a replica leaves eviction to its primary.";
        "replica-lazy-flush" | "slave-lazy-flush" => replica_lazy_flush: bool = false, flag, [INERT],
            "Whether a replica frees its old data on another thread. Braid frees in slices, always.";
        "replica-ignore-disk-write-errors" => replica_ignore_disk_write_errors: bool = false, flag, [],
            "Whether a replica goes on when it cannot write its own disk.";
        "min-replicas-to-write" | "min-slaves-to-write" => min_replicas_to_write: u32 = 0,
            number(0, i32::MAX, "replicas"), [],
            "Refuses writes while fewer replicas are near; 0 never does.";
        "min-replicas-max-lag" | "min-slaves-max-lag" => min_replicas_max_lag_seconds: u32 = 10,
            number(0, i32::MAX, "seconds"), [],
            "How long ago a replica may have been heard of to count as near.";
        "repl-timeout" => repl_timeout_seconds: u32 = 60, number(1, i32::MAX, "seconds"), [],
            "After how much silence primary and replica give each other up.";
        "repl-ping-replica-period" | "repl-ping-slave-period" => repl_ping_replica_period_seconds: u32 = 10,
            number(1, i32::MAX, "seconds"), [],
            "How often a primary pings its replicas.";
        "repl-backlog-size" => repl_backlog_size_bytes: u64 = 1 << 20, memory(1, i64::MAX as u64), [],
            "How much of the stream is kept for a replica that comes back; the longer its absence, the more it takes.";
        "repl-backlog-ttl" => repl_backlog_ttl_seconds: u64 = 3600, number(0, i64::MAX, "seconds"), [],
            "How long the backlog outlives the last replica; 0 keeps it.";
        "repl-disable-tcp-nodelay" => repl_disable_tcp_nodelay: bool = false, flag, [],
            "Sends to replicas in fewer and later packets.";
        "repl-diskless-sync" => repl_diskless_sync: bool = true, flag, [INERT],
            "Whether Redis sends snapshots to replicas without a file. Braid always does.";
        "repl-diskless-sync-delay" => repl_diskless_sync_delay_seconds: u32 = 5, number(0, i32::MAX, "seconds"), [],
            "How long to wait for more replicas before a snapshot is sent to all of them.";
        "repl-diskless-sync-max-replicas" => repl_diskless_sync_max_replicas: u32 = 0,
            number(0, i32::MAX, "replicas"), [],
            "How many replicas end that wait; 0 waits it out.";
        "repl-diskless-load" => repl_diskless_load: ReplDisklessLoad = ReplDisklessLoad::Disabled, choice,
            [DENY_LOADING INERT],
            "Whether a Redis replica loads from the socket instead of a file. A Braid replica always loads from the \
             socket.";
    }

    Cluster {
        "cluster-enabled" => cluster_enabled: bool = false, flag, [IMMUTABLE],
            "Cluster mode: many servers that divide the slots. One Braid uses all cores of its machine by itself.";
        "cluster-config-file" => cluster_config_file: String = "nodes.conf".to_owned(), text, [IMMUTABLE INERT],
            "Where a cluster node keeps what it knows of the others. Braid has no cluster bus.";
        "cluster-node-timeout" => cluster_node_timeout_ms: u64 = 15000, number(0, i64::MAX, "milliseconds"), [INERT],
            "After how much silence a cluster node counts as gone. Braid has no cluster bus.";
        "cluster-port" => cluster_port: u16 = 0, number(0, 65535, ""), [IMMUTABLE INERT],
            "The port of the cluster bus, which Braid does not have.";
        "cluster-announce-ip" => cluster_announce_ip: String = String::new(), text, [INERT],
            "The address a node tells on the cluster bus, which Braid does not have.";
        "cluster-announce-port" => cluster_announce_port: u16 = 0, number(0, 65535, ""), [INERT],
            "The port a node tells on the cluster bus, which Braid does not have.";
        "cluster-announce-bus-port" => cluster_announce_bus_port: u16 = 0, number(0, 65535, ""), [INERT],
            "The bus port a node tells on the cluster bus, which Braid does not have.";
        "cluster-announce-tls-port" => cluster_announce_tls_port: u16 = 0, number(0, 65535, ""), [INERT],
            "The TLS port a node tells on the cluster bus, which Braid does not have.";
        "cluster-announce-hostname" => cluster_announce_hostname: String = String::new(),
            text(checks::hostname), [INERT],
            "The host name a node tells on the cluster bus, which Braid does not have.";
        "cluster-announce-human-nodename" => cluster_announce_human_nodename: String = String::new(),
            text(checks::node_name), [INERT],
            "A name for people in a node's logs of the cluster bus, which Braid does not have.";
        "cluster-preferred-endpoint-type" => cluster_preferred_endpoint_type: ClusterPreferredEndpointType =
            ClusterPreferredEndpointType::Ip, choice, [INERT],
            "Whether redirections name addresses or host names. Braid redirects nobody.";
        "cluster-require-full-coverage" => cluster_require_full_coverage: bool = true, flag, [INERT],
            "Whether a cluster with unserved slots stops. A Braid serves all slots.";
        "cluster-allow-reads-when-down" => cluster_allow_reads_when_down: bool = false, flag, [INERT],
            "Whether a node reads on while the cluster is down. A Braid serves all slots.";
        "cluster-allow-pubsubshard-when-down" => cluster_allow_pubsubshard_when_down: bool = true, flag, [INERT],
            "Whether sharded Pub/Sub goes on while the cluster is down. A Braid serves all slots.";
        "cluster-allow-replica-migration" => cluster_allow_replica_migration: bool = true, flag, [INERT],
            "Whether replicas move to nodes that lack one. Braid has no cluster bus.";
        "cluster-migration-barrier" => cluster_migration_barrier: u32 = 1, number(0, i32::MAX, "replicas"), [INERT],
            "How many replicas a node keeps when one moves. Braid has no cluster bus.";
        "cluster-replica-no-failover" | "cluster-slave-no-failover" => cluster_replica_no_failover: bool = false,
            flag, [INERT],
            "Whether a replica never takes over. Braid has no cluster bus.";
        "cluster-replica-validity-factor" | "cluster-slave-validity-factor" =>
            cluster_replica_validity_factor: u32 = 10, number(0, i32::MAX, ""), [INERT],
            "How stale a replica may be and still take over. Braid has no cluster bus.";
        "cluster-link-sendbuf-limit" => cluster_link_sendbuf_limit_bytes: u64 = 0, memory(0, u64::MAX), [INERT],
            "How much may wait on a link of the cluster bus, which Braid does not have.";
    }

    Tls {
        "tls-port" => tls_port: u16 = 0, number(0, 65535, ""), [],
            "The port for TLS. Braid speaks no TLS: it refuses to start rather than serve in the clear what should \
             be secret; put a TLS proxy in front.";
        "tls-replication" => tls_replication: bool = false, flag, [],
            "TLS towards a primary; see tls-port.";
        "tls-cluster" => tls_cluster: bool = false, flag, [],
            "TLS on the cluster bus; see tls-port.";
        "tls-cert-file" => tls_cert_file: String = String::new(), text, [INERT],
            "The server's certificate; see tls-port.";
        "tls-key-file" => tls_key_file: String = String::new(), text, [INERT],
            "The server's private key; see tls-port.";
        "tls-key-file-pass" => tls_key_file_pass: String = String::new(), text, [SENSITIVE INERT],
            "The password of the private key; see tls-port.";
        "tls-client-cert-file" => tls_client_cert_file: String = String::new(), text, [INERT],
            "The certificate for outgoing connections; see tls-port.";
        "tls-client-key-file" => tls_client_key_file: String = String::new(), text, [INERT],
            "The private key for outgoing connections; see tls-port.";
        "tls-client-key-file-pass" => tls_client_key_file_pass: String = String::new(), text, [SENSITIVE INERT],
            "The password of that private key; see tls-port.";
        "tls-dh-params-file" => tls_dh_params_file: String = String::new(), text, [INERT],
            "Diffie-Hellman parameters; see tls-port.";
        "tls-ca-cert-file" => tls_ca_cert_file: String = String::new(), text, [INERT],
            "The authorities to trust, in a file; see tls-port.";
        "tls-ca-cert-dir" => tls_ca_cert_dir: String = String::new(), text, [INERT],
            "The authorities to trust, in a directory; see tls-port.";
        "tls-auth-clients" => tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, choice, [INERT],
            "Whether clients must show a certificate; see tls-port.";
        "tls-protocols" => tls_protocols: String = String::new(), text, [INERT],
            "The versions of TLS to speak; see tls-port.";
        "tls-ciphers" => tls_ciphers: String = String::new(), text, [INERT],
            "The ciphers up to TLS 1.2; see tls-port.";
        "tls-ciphersuites" => tls_ciphersuites: String = String::new(), text, [INERT],
            "The ciphers of TLS 1.3; see tls-port.";
        "tls-prefer-server-ciphers" => tls_prefer_server_ciphers: bool = false, flag, [INERT],
            "Whose order of ciphers counts; see tls-port.";
        "tls-session-caching" => tls_session_caching: bool = true, flag, [INERT],
            "Whether TLS sessions can be taken up again; see tls-port.";
        "tls-session-cache-size" => tls_session_cache_size: u32 = 20480, number(0, i32::MAX, "sessions"), [INERT],
            "How many TLS sessions are remembered; see tls-port.";
        "tls-session-cache-timeout" => tls_session_cache_timeout_seconds: u32 = 300,
            number(0, i32::MAX, "seconds"), [INERT],
            "How long TLS sessions are remembered; see tls-port.";
        "max-new-tls-connections-per-cycle" => max_new_tls_connections_per_cycle: u32 = 1, number(1, 1000, ""),
            [INERT],
            "How many TLS connections are accepted in one turn; see tls-port.";
    }

    Observation {
        "loglevel" => loglevel: Loglevel = Loglevel::Notice, choice, [MAIN],
            "How much the log tells: debug, verbose, notice, warning, or nothing.";
        "logfile" => logfile: String = String::new(), text, [IMMUTABLE MAIN],
            "Where the log goes; empty is the standard output. The file is opened for each line, so that it can be \
             rotated by renaming.";
        "hide-user-data-from-log" => hide_user_data_from_log: bool = false, flag, [],
            "Keeps keys, values and arguments out of the log.";
        "syslog-enabled" => syslog_enabled: bool = false, flag, [IMMUTABLE],
            "Sends the log to the system log as well.";
        "syslog-ident" => syslog_ident: String = "redis".to_owned(), text, [IMMUTABLE],
            "The name under which the system log files our lines.";
        "syslog-facility" => syslog_facility: SyslogFacility = SyslogFacility::Local0, choice, [IMMUTABLE],
            "The facility under which the system log files our lines.";
        "slowlog-log-slower-than" => slowlog_log_slower_than_us: i64 = 10000, number(-1, i64::MAX, "microseconds"),
            [MAIN],
            "Commands that execute longer are kept in SLOWLOG; 0 keeps all, -1 none.";
        "slowlog-max-len" => slowlog_max_len: u64 = 128, number(0, i64::MAX, "entries"), [],
            "How many commands SLOWLOG remembers.";
        "latency-monitor-threshold" => latency_monitor_threshold_ms: u64 = 0, number(0, i64::MAX, "milliseconds"),
            [],
            "Events that take longer are kept for LATENCY; 0 keeps none.";
        "latency-tracking" => latency_tracking: bool = true, flag, [],
            "Keeps a histogram of each command's latency, for INFO latencystats and LATENCY HISTOGRAM.";
        "latency-tracking-info-percentiles" => latency_tracking_info_percentiles: Percentiles =
            Percentiles(vec![50.0, 99.0, 99.9]), special("percentile ..."), [MULTI],
            "Which percentiles INFO latencystats shows.";
        "always-show-logo" => always_show_logo: bool = false, flag, [IMMUTABLE INERT],
            "Whether Redis draws its logo in a log file. Braid draws none.";
        "ignore-warnings" => ignore_warnings: String = String::new(), text, [INERT],
            "Which kernel bugs Redis starts with all the same (ARM64-COW-BUG). They hit forks; Braid does not fork.";
        "watchdog-period" => watchdog_period_ms: u32 = 0, number(0, i32::MAX, "milliseconds"), [HIDDEN INERT],
            "Redis's software watchdog, a debugging aid. Braid's LATENCY tells which event was slow.";
    }

    Process {
        "daemonize" => daemonize: bool = false, flag, [IMMUTABLE MAIN],
            "Goes to the background after the start, and writes a pidfile.";
        "supervised" => supervised: Supervised = Supervised::No, choice, [IMMUTABLE],
            "Tells systemd or upstart when the server is ready; auto finds out who started it.";
        "pidfile" => pidfile: String = String::new(), text, [IMMUTABLE],
            "Where to write the process id; in the background /var/run/redis.pid if empty.";
        "crash-log-enabled" => crash_log_enabled: bool = true, flag, [],
            "Writes a report to the log when the server crashes.";
        "crash-memcheck-enabled" => crash_memcheck_enabled: bool = true, flag, [INERT],
            "Whether a crashing Redis tests the machine's memory. Braid's crash report does not.";
        "use-exit-on-panic" => use_exit_on_panic: bool = false, flag, [HIDDEN INERT],
            "Whether a panicking Redis exits instead of aborting. Braid always aborts: half an effect is never \
             served.";
        "set-proc-title" => set_proc_title: bool = true, flag, [IMMUTABLE INERT],
            "Whether Redis writes its state into its process title. Braid leaves its title alone and names its \
             threads.";
        "proc-title-template" => proc_title_template: String = "{title} {listen-addr} {server-mode}".to_owned(),
            text(checks::title_template), [INERT],
            "What the process title says; see set-proc-title.";
        "oom-score-adj" => oom_score_adj: OomScoreAdj = OomScoreAdj::No, choice, [INERT],
            "Whether Redis tells the kernel whom to kill first when memory runs out, children before the server. \
             Braid has no children.";
        "oom-score-adj-values" => oom_score_adj_values: OomScoreAdjValues = OomScoreAdjValues([0, 200, 800]),
            special("primary replica child"), [MULTI INERT],
            "The scores of oom-score-adj.";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// `CONFIG GET *` of Redis 7.0.15: whoever scripts against these names finds them here.
    #[test]
    fn knows_every_name_of_redis_7_0() {
        let known: HashSet<&str> = TABLE.iter().flat_map(Parameter::names).collect();
        let theirs = include_str!("../../tests/data/config-names-7.0.15.txt");
        assert_eq!(
            theirs.lines().filter(|name| !known.contains(name)).collect::<Vec<_>>(),
            Vec::<&str>::new()
        );
        assert_eq!(theirs.lines().count(), 192);
    }

    /// Redis 7.0.15 without a configuration, except `dir`, which is where it was started.
    #[test]
    fn defaults_are_those_of_redis() {
        let defaults = Config::default();
        for line in include_str!("../../tests/data/config-defaults-7.0.15.txt").lines() {
            let (name, value) = line.split_once(' ').unwrap_or((line, ""));
            assert_eq!(Parameter::find(name).unwrap().get(&defaults), value, "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_documented() {
        let mut seen = HashSet::new();
        for parameter in TABLE {
            assert!(parameter.names().all(|name| seen.insert(name) && name == name.to_ascii_lowercase()));
            assert!(parameter.doc.ends_with('.') && !parameter.doc.contains("  "), "{}", parameter.name);
        }
    }

    /// What CONFIG GET shows, a file may say: else CONFIG REWRITE would write files that do not start.
    #[test]
    fn every_default_can_be_set() {
        for parameter in TABLE {
            let mut config = Config::default();
            let text = parameter.default_text();
            let words: Vec<&str> = match parameter.has(Flags::MULTI) {
                true => text.split(' ').filter(|word| !word.is_empty()).collect(),
                false => vec![&text],
            };
            if parameter.name == "replicaof" {
                continue;
            }
            assert_eq!(parameter.set(&mut config, &words), Ok(()), "{}", parameter.name);
            assert_eq!(config, Config::default(), "{}", parameter.name);
        }
    }

    #[test]
    fn values_are_shown_as_redis_shows_them() {
        let mut config = Config::default();
        for (name, words, shown) in [
            ("maxmemory", &["1gb"][..], "1073741824"),
            ("SAVE", &["900", "1"], "900 1"),
            ("slave-read-only", &["NO"], "no"),
            ("unixsocketperm", &["700"], "700"),
            ("appendfsync", &["ALWAYS"], "always"),
            ("maxmemory-policy", &["allkeys-lfu"], "allkeys-lfu"),
        ] {
            let parameter = Parameter::find(name).unwrap();
            parameter.set(&mut config, words).unwrap();
            assert_eq!(parameter.get(&config), shown);
        }
        assert_eq!(config.unixsocketperm, 0o700);
        assert_eq!(config.appendfsync, Appendfsync::Always);
    }

    #[test]
    fn one_word_directives_take_one_word() {
        let port = Parameter::find("port").unwrap();
        for words in [&[][..], &["1", "2"]] {
            assert_eq!(port.set(&mut Config::default(), words), Err("wrong number of arguments".into()));
        }
    }
}
