//! The directives that the engine itself reads.

/// What commands need to know of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `databases`.
    pub databases: u16,
    /// `proto-max-bulk-len`: no string grows beyond it. Bytes.
    pub string_bytes_max: usize,
    /// The LFU counter is kept rather than the LRU clock (`maxmemory-policy *-lfu`).
    pub lfu: bool,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_minutes: u32,
    /// Expired keys are removed in the background (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Expired keys are not removed, only not seen: the dataset must not change for a while (`CLIENT PAUSE`).
    pub keep_expired: bool,
    /// The dataset is being loaded, and what is loaded is new as of this time, ms since 1970. Keys whose time has come are there
    /// all the same: what follows in the journal was done to them while they were.
    pub loading_at_ms: Option<i64>,
    /// `hash-max-listpack-entries`.
    pub hash_listpack_entries_max: usize,
    /// `hash-max-listpack-value`.
    pub hash_listpack_value_bytes_max: usize,
    /// `list-max-listpack-size`.
    pub list_listpack_size: i32,
    /// `list-compress-depth`.
    pub list_compress_depth: u32,
    /// `set-max-intset-entries`.
    pub set_intset_entries_max: usize,
    /// `set-max-listpack-entries`.
    pub set_listpack_entries_max: usize,
    /// `set-max-listpack-value`.
    pub set_listpack_value_bytes_max: usize,
    /// `zset-max-listpack-entries`.
    pub zset_listpack_entries_max: usize,
    /// `zset-max-listpack-value`.
    pub zset_listpack_value_bytes_max: usize,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: usize,
    /// `stream-node-max-bytes`.
    pub stream_node_bytes_max: usize,
    /// `stream-node-max-entries`.
    pub stream_node_entries_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            databases: 16,
            string_bytes_max: 512 << 20,
            lfu: false,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            active_expire: true,
            keep_expired: false,
            loading_at_ms: None,
            hash_listpack_entries_max: 512,
            hash_listpack_value_bytes_max: 64,
            list_listpack_size: -2,
            list_compress_depth: 0,
            set_intset_entries_max: 512,
            set_listpack_entries_max: 128,
            set_listpack_value_bytes_max: 64,
            zset_listpack_entries_max: 128,
            zset_listpack_value_bytes_max: 64,
            hll_sparse_bytes_max: 3000,
            stream_node_bytes_max: 4096,
            stream_node_entries_max: 100,
        }
    }
}
