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
        }
    }
}
