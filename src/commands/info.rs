//! INFO: the server described, section by section.
use super::{Outcome, Server, ServerCommand};
use crate::config::version::{BRAID_VERSION, REDIS_VERSION};
use crate::config::{Config, Supervised};
use crate::persist::progress::Progress;
use crate::process::{self, Whose};
use crate::pubsub::Kind;
use crate::report::Report;
use crate::script::busy;
use crate::shared::Shared;
use crate::table::table;
use crate::thread::wall_ms;
use shards::commands::Args;
use shards::spec::{Arg, ArgKind, Categories, Flags, Group, Spec};
use std::fmt::Display;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[ServerCommand] = &[INFO];

const INFO: ServerCommand = ServerCommand {
    spec: Spec {
        name: "info",
        arity: -1,
        flags: Flags::LOADING.and(Flags::STALE),
        acl: Categories::DANGEROUS,
        group: Group::Server,
        summary: "Returns information and statistics about the server.",
        complexity: "O(1)",
        history: &[("7.0.0", "Added support for taking multiple section arguments.")],
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        args: &[Arg::new("section", ArgKind::String).optional().multiple()],
        ..Spec::DEFAULT
    },
    run: info,
    subcommands: &[],
};
fn info(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let wanted: Vec<&Section> = SECTIONS.iter().filter(|section| section.is_wanted(&args[1..])).collect();
    Ok(Report::ask(move |cx, report| {
        let facts = Facts { shared: &cx.core.shared, config: &cx.core.config, report };
        let mut page = Page::default();
        for section in wanted {
            page.begin(section.title);
            (section.write)(&facts, &mut page);
        }
        cx.reply.verbatim("txt", page.text.as_bytes());
    }))
}

/// A section of the page.
struct Section {
    title: &'static str,
    /// It is shown where no section is named.
    by_default: bool,
    write: fn(&Facts<'_>, &mut Page),
}

const SECTIONS: &[Section] = &[
    Section { title: "Server", by_default: true, write: server },
    Section { title: "Clients", by_default: true, write: clients },
    Section { title: "Memory", by_default: true, write: memory },
    Section { title: "Persistence", by_default: true, write: persistence },
    Section { title: "Stats", by_default: true, write: stats },
    Section { title: "Replication", by_default: true, write: replication },
    Section { title: "CPU", by_default: true, write: cpu },
    Section { title: "Modules", by_default: true, write: |_, _| {} },
    Section { title: "Commandstats", by_default: false, write: command_stats },
    Section { title: "Errorstats", by_default: true, write: error_stats },
    Section { title: "Latencystats", by_default: false, write: latency_stats },
    Section { title: "Cluster", by_default: true, write: cluster },
    Section { title: "Keyspace", by_default: true, write: keyspace },
    Section { title: "Shards", by_default: false, write: shards_section },
];

impl Section {
    fn is_wanted(&self, words: &[&[u8]]) -> bool {
        let is = |word: &&[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let named = |word: &&[u8]| {
            is(word, "all")
                || is(word, "everything")
                || is(word, self.title)
                || (self.by_default && is(word, "default"))
        };
        words.iter().any(named) || (self.by_default && words.is_empty())
    }
}

/// What the sections are written from.
struct Facts<'a> {
    shared: &'a Shared,
    config: &'a Config,
    report: &'a Report,
}

/// The page as it grows.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn begin(&mut self, title: &str) {
        if !self.text.is_empty() {
            self.text += "\r\n";
        }
        self.text += &format!("# {title}\r\n");
    }
    fn line(&mut self, name: &str, value: impl Display) {
        self.text += &format!("{name}:{value}\r\n");
    }
    /// Bytes, and the same for people.
    fn bytes(&mut self, name: &str, bytes: usize) {
        self.line(name, bytes);
        self.line(&format!("{name}_human"), human(bytes));
    }
    fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.line(name, 0));
    }
    fn ratio(&mut self, name: &str, part: usize, whole: usize) {
        self.line(name, format_args!("{:.2}", quotient(part, whole)));
    }
}

/// 0 where there is nothing to divide by.
pub(super) fn quotient(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Bytes as Redis writes them for people.
fn human(bytes: usize) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let units = ["K", "M", "G", "T", "P", "E"];
    let power = (bytes.ilog2() as usize / 10).min(units.len());
    format!("{:.2}{}", bytes as f64 / (1u64 << (10 * power)) as f64, units[power - 1])
}

fn server(facts: &Facts<'_>, page: &mut Page) {
    let Facts { shared, config, .. } = facts;
    let uptime_seconds = (wall_ms() - shared.started_ms) / 1000;
    page.line("redis_version", REDIS_VERSION);
    page.line("server_name", "braid");
    page.line("braid_version", BRAID_VERSION);
    page.line("redis_git_sha1", "00000000");
    page.line("redis_git_dirty", 0);
    page.line("redis_build_id", 0);
    page.line("redis_mode", "standalone");
    page.line("os", process::system_name());
    page.line("arch_bits", usize::BITS);
    page.line("monotonic_clock", "POSIX clock_gettime");
    page.line("multiplexing_api", *shared.io_name.lock().unwrap_or_else(PoisonError::into_inner));
    page.line("process_id", std::process::id());
    let supervisor = if config.supervised == Supervised::No { "no" } else { "systemd" };
    page.line("process_supervised", supervisor);
    page.line("run_id", &shared.run_id);
    page.line("tcp_port", config.port);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    page.line("server_time_usec", now.as_micros());
    page.line("uptime_in_seconds", uptime_seconds);
    page.line("uptime_in_days", uptime_seconds / 86400);
    page.line("hz", config.hz);
    page.line("configured_hz", config.hz);
    page.line("lru_clock", now.as_secs() & 0xff_ffff);
    let executable = std::env::current_exe().map(|path| path.display().to_string());
    page.line("executable", executable.unwrap_or_default());
    page.line("config_file", &config.config_file);
    page.line("io_threads_active", usize::from(shared.shard_count() > 1));
    page.line("shards", shared.shard_count());
    if config.port != 0 {
        let binds: String = config.bind.0.iter().map(|address| format!(",bind={address}")).collect();
        page.line("listener0", format_args!("name=tcp{binds},port={}", config.port));
    }
    if !config.unixsocket.is_empty() {
        let number = usize::from(config.port != 0);
        page.line(&format!("listener{number}"), format_args!("name=unix,bind={}", config.unixsocket));
    }
}

fn clients(facts: &Facts<'_>, page: &mut Page) {
    let clients = facts.report.clients();
    page.line("connected_clients", clients.count);
    page.line("cluster_connections", 0);
    page.line("maxclients", facts.config.maxclients);
    page.line("client_recent_max_input_buffer", clients.input_bytes_max);
    page.line("client_recent_max_output_buffer", clients.output_bytes_max);
    page.line("blocked_clients", clients.blocked);
    page.line("tracking_clients", facts.shared.exchange.trackers());
    page.line("pubsub_clients", clients.listening);
    page.line("watching_clients", clients.watching);
    page.line("clients_in_timeout_table", clients.blocked);
    page.line(
        "total_watched_keys",
        facts.report.threads.iter().map(|thread| thread.watched_keys).sum::<usize>(),
    );
    page.zeros(&["total_blocking_keys", "total_blocking_keys_on_nokey"]);
}

fn memory(facts: &Facts<'_>, page: &mut Page) {
    let Facts { config, report, .. } = facts;
    let (used, overhead, dataset) =
        (report.memory.allocated, report.overhead_bytes(), report.dataset_bytes());
    let percent = |part: usize, whole: usize| format!("{:.2}%", 100.0 * quotient(part, whole));
    page.bytes("used_memory", used);
    page.bytes("used_memory_rss", report.resident_bytes);
    page.bytes("used_memory_peak", report.peak_bytes);
    page.line("used_memory_peak_perc", percent(used, report.peak_bytes));
    page.line("used_memory_overhead", overhead);
    page.line("used_memory_startup", report.startup_bytes);
    page.line("used_memory_dataset", dataset);
    page.line("used_memory_dataset_perc", percent(dataset, used.saturating_sub(report.startup_bytes)));
    page.line("allocator_allocated", report.memory.allocated);
    page.line("allocator_active", report.memory.active);
    page.line("allocator_resident", report.memory.resident);
    page.bytes("total_system_memory", process::machine_bytes());
    let known = &facts.shared.scripts;
    let (machines, sources, scripts) =
        (known.machine_bytes(busy::Kind::Script), known.source_bytes(), known.len());
    let (function_machines, libraries) =
        (known.machine_bytes(busy::Kind::Function), known.functions.catalogue());
    page.line("used_memory_lua", machines);
    page.line("used_memory_vm_eval", machines);
    page.line("used_memory_lua_human", human(machines));
    page.line("used_memory_scripts_eval", sources);
    page.line("number_of_cached_scripts", scripts);
    page.line("number_of_functions", libraries.function_count());
    page.line("number_of_libraries", libraries.libraries().len());
    page.line("used_memory_vm_functions", function_machines);
    page.bytes("used_memory_vm_total", machines + function_machines);
    page.line("used_memory_functions", libraries.code_bytes());
    page.bytes("used_memory_scripts", sources + libraries.code_bytes());
    page.bytes("maxmemory", config.maxmemory_bytes as usize);
    page.line("maxmemory_policy", config.maxmemory_policy.name());
    let memory = report.memory;
    page.ratio("allocator_frag_ratio", memory.active, memory.allocated);
    page.line("allocator_frag_bytes", memory.active.saturating_sub(memory.allocated));
    page.ratio("allocator_rss_ratio", memory.resident, memory.active);
    page.line("allocator_rss_bytes", difference(memory.resident, memory.active));
    page.ratio("rss_overhead_ratio", report.resident_bytes, memory.resident);
    page.line("rss_overhead_bytes", difference(report.resident_bytes, memory.resident));
    page.ratio("mem_fragmentation_ratio", report.resident_bytes, used);
    page.line("mem_fragmentation_bytes", difference(report.resident_bytes, used));
    page.zeros(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
    ]);
    page.line("mem_clients_normal", report.clients().bytes);
    page.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    page.line("mem_allocator", "jemalloc");
    page.zeros(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

/// What is more in one than in the other; below 0 where less.
pub(super) fn difference(one: usize, other: usize) -> i64 {
    one as i64 - other as i64
}

fn persistence(facts: &Facts<'_>, page: &mut Page) {
    let saves = facts.shared.saves.facts();
    let changes = facts.shared.dirty().saturating_sub(saves.saved_dirty);
    let is_loading = facts.shared.loading.load(Relaxed);
    page.line("loading", u8::from(is_loading));
    page.zeros(&["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    let (done, total) = saves.keys;
    page.line("current_fork_perc", format_args!("{:.2}", 100.0 * done as f64 / total.max(1) as f64));
    page.line("current_save_keys_processed", done);
    page.line("current_save_keys_total", total);
    page.line("rdb_changes_since_last_save", changes);
    page.line("rdb_bgsave_in_progress", u8::from(saves.running_since_ms.is_some()));
    page.line("rdb_last_save_time", saves.saved_ms / 1000);
    page.line("rdb_last_bgsave_status", if saves.is_ok { "ok" } else { "err" });
    page.line("rdb_last_bgsave_time_sec", saves.took_seconds);
    let running_seconds = saves.running_since_ms.map_or(-1, |since_ms| (wall_ms() - since_ms) / 1000);
    page.line("rdb_current_bgsave_time_sec", running_seconds);
    page.line("rdb_saves", saves.saves);
    page.line("rdb_last_cow_size", 0);
    page.line("rdb_last_load_keys_expired", facts.shared.progress.keys_expired.load(Relaxed));
    page.line("rdb_last_load_keys_loaded", facts.shared.progress.keys_loaded.load(Relaxed));
    journals(facts.shared, page);
    page.zeros(&["module_fork_in_progress", "module_fork_last_cow_size"]);
    if is_loading {
        loading(&facts.shared.progress, page);
    }
}

fn journals(shared: &Shared, page: &mut Page) {
    let rewrites = shared.rewrites.facts();
    let status = |is_ok: bool| if is_ok { "ok" } else { "err" };
    page.line("aof_enabled", u8::from(shared.journal.is_on()));
    page.line("aof_rewrite_in_progress", u8::from(rewrites.running_since_ms.is_some()));
    page.line("aof_rewrite_scheduled", u8::from(rewrites.is_scheduled));
    page.line("aof_last_rewrite_time_sec", rewrites.took_seconds);
    let running_seconds = rewrites.running_since_ms.map_or(-1, |since_ms| (wall_ms() - since_ms) / 1000);
    page.line("aof_current_rewrite_time_sec", running_seconds);
    page.line("aof_last_bgrewrite_status", status(rewrites.is_ok));
    page.line("aof_rewrites", rewrites.rewrites);
    page.line("aof_rewrites_consecutive_failures", rewrites.failures_in_a_row);
    page.line("aof_last_write_status", status(!shared.journal.is_in_trouble()));
    page.zeros(&["aof_last_cow_size"]);
    let Some(keeper) = shared.keeper.get().filter(|_| shared.journal.is_on()) else { return };
    let facts = shared.journal.facts();
    page.line("aof_current_size", keeper.size_bytes());
    page.line("aof_base_size", keeper.base_bytes());
    page.line("aof_pending_rewrite", u8::from(rewrites.is_scheduled));
    page.line("aof_buffer_length", facts.waiting_bytes);
    page.line("aof_pending_bio_fsync", facts.pending_syncs);
    page.line("aof_delayed_fsync", facts.delayed_syncs);
}

fn loading(progress: &Progress, page: &mut Page) {
    page.line("loading_start_time", progress.started_ms.load(Relaxed) / 1000);
    page.line("loading_total_bytes", progress.total_bytes.load(Relaxed));
    page.line("loading_rdb_used_mem", progress.used_memory_bytes.load(Relaxed));
    page.line("loading_loaded_bytes", progress.loaded_bytes.load(Relaxed));
    page.line("loading_loaded_perc", format_args!("{:.2}", progress.share() * 100.0));
    page.line("loading_eta_seconds", progress.eta_seconds(wall_ms()));
}

fn stats(facts: &Facts<'_>, page: &mut Page) {
    let Facts { shared, report, .. } = facts;
    let mut keys = [0; 5];
    for shard in &shared.published {
        keys.iter_mut().zip(shard.since_reset()).for_each(|(all, one)| *all += one);
    }
    let [hits, misses, expired, evicted, expired_fields] = keys;
    page.line("total_connections_received", shared.connections_received.load(Relaxed));
    page.line("total_commands_processed", report.sum(crate::stats::Stats::calls));
    page.line("instantaneous_ops_per_sec", report.rate(|rate| rate.commands).round());
    page.line("total_net_input_bytes", report.sum(|stats| stats.bytes_in));
    page.line("total_net_output_bytes", report.sum(|stats| stats.bytes_out));
    page.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    page.line("instantaneous_input_kbps", format_args!("{:.2}", report.rate(|rate| rate.bytes_in) / 1024.0));
    page.line(
        "instantaneous_output_kbps",
        format_args!("{:.2}", report.rate(|rate| rate.bytes_out) / 1024.0),
    );
    page.line("instantaneous_input_repl_kbps", "0.00");
    page.line("instantaneous_output_repl_kbps", "0.00");
    page.line("rejected_connections", shared.rejected_connections.load(Relaxed));
    page.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    page.line("expired_subkeys", expired_fields);
    page.line("expired_keys", expired);
    page.line("expired_stale_perc", "0.00");
    page.line("expired_time_cap_reached_count", report.sum(|stats| stats.expiry_slices_used_up));
    page.line("expire_cycle_cpu_milliseconds", report.sum(|stats| stats.expiry_us) / 1000);
    page.line("evicted_keys", evicted);
    page.zeros(&["evicted_clients", "evicted_scripts", "total_eviction_exceeded_time"]);
    page.zeros(&["current_eviction_exceeded_time"]);
    page.line("keyspace_hits", hits);
    page.line("keyspace_misses", misses);
    page.line("pubsub_channels", shared.exchange.len(Kind::Channel));
    page.line("pubsub_patterns", shared.exchange.len(Kind::Pattern));
    page.line("pubsubshard_channels", shared.exchange.len(Kind::Shard));
    page.zeros(&["latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    page.zeros(&["active_defrag_hits", "active_defrag_misses", "active_defrag_key_hits"]);
    page.zeros(&["active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time"]);
    let tracked = shared.published.iter().map(|shard| shard.tracked());
    let (keys, items) = tracked.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
    page.line("tracking_total_keys", keys);
    page.line("tracking_total_items", items);
    page.line("tracking_total_prefixes", shared.exchange.tracked_prefixes());
    page.line("unexpected_error_replies", 0);
    page.line("total_error_replies", report.sum(|stats| stats.errors_total));
    page.line("dump_payload_sanitizations", 0);
    page.line("total_reads_processed", report.sum(|stats| stats.reads));
    page.line("total_writes_processed", report.sum(|stats| stats.writes));
    page.zeros(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    page.line("client_query_buffer_limit_disconnections", report.sum(|stats| stats.query_disconnections));
    page.line("client_output_buffer_limit_disconnections", report.sum(|stats| stats.output_disconnections));
    page.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    page.line("eventloop_cycles", report.sum(|stats| stats.turns));
    page.line("instantaneous_eventloop_cycles_per_sec", report.rate(|rate| rate.turns).round());
}

fn replication(facts: &Facts<'_>, page: &mut Page) {
    page.line("role", "master");
    page.line("connected_slaves", 0);
    page.line("master_failover_state", "no-failover");
    page.line("master_replid", facts.shared.replication_id.lock().unwrap_or_else(PoisonError::into_inner));
    page.line("master_replid2", "0".repeat(40));
    page.line("master_repl_offset", 0);
    page.line("second_repl_offset", -1);
    page.line("repl_backlog_active", 0);
    page.line("repl_backlog_size", facts.config.repl_backlog_size_bytes);
    page.zeros(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

fn cpu(facts: &Facts<'_>, page: &mut Page) {
    let first = facts.report.threads[0].cpu;
    for (suffix, time) in [
        ("", process::cpu_time(Whose::Process)),
        ("_children", process::cpu_time(Whose::Children)),
        // The thread that accepts connections.
        ("_main_thread", first),
    ] {
        page.line(&format!("used_cpu_sys{suffix}"), format_args!("{:.6}", time.system_seconds));
        page.line(&format!("used_cpu_user{suffix}"), format_args!("{:.6}", time.user_seconds));
    }
}

fn command_stats(facts: &Facts<'_>, page: &mut Page) {
    for (id, stat) in facts.report.commands() {
        let usec = facts.report.microseconds(stat.ticks);
        let per_call = if stat.calls == 0 { 0.0 } else { usec / stat.calls as f64 };
        page.line(
            &format!("cmdstat_{}", table().entry(id).spec.name),
            format_args!(
                "calls={},usec={usec:.0},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                stat.calls, stat.rejected, stat.failed
            ),
        );
    }
}

fn error_stats(facts: &Facts<'_>, page: &mut Page) {
    for (code, count) in facts.report.errors() {
        page.line(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn latency_stats(facts: &Facts<'_>, page: &mut Page) {
    for (id, stat) in facts.report.commands() {
        let Some(durations) = stat.durations else { continue };
        let shown = facts.config.latency_tracking_info_percentiles.0.iter().map(|percent| {
            format!("p{percent}={:.3}", facts.report.microseconds(durations.percentile(*percent)))
        });
        let shown: Vec<String> = shown.collect();
        page.line(&format!("latency_percentiles_usec_{}", table().entry(id).spec.name), shown.join(","));
    }
}

fn cluster(_: &Facts<'_>, page: &mut Page) {
    page.line("cluster_enabled", 0);
}

fn keyspace(facts: &Facts<'_>, page: &mut Page) {
    for db in 0..facts.config.databases as usize {
        let (mut keys, mut expires, mut ttl_ms, mut timed) = (0, 0, 0, 0);
        for shard in &facts.shared.published {
            let (shard_keys, shard_expires) = &shard.dbs[db];
            let shard_expires = shard_expires.load(Relaxed);
            keys += shard_keys.load(Relaxed);
            expires += shard_expires;
            timed += shard.timed[db].load(Relaxed);
            // The shards' averages, each with the weight of its keys.
            ttl_ms += i128::from(shard.ttl_ms[db].load(Relaxed)) * i128::from(shard_expires);
        }
        let average_ms = if expires == 0 { 0 } else { ttl_ms / i128::from(expires) };
        if keys > 0 {
            page.line(
                &format!("db{db}"),
                format_args!("keys={keys},expires={expires},avg_ttl={average_ms},subexpiry={timed}"),
            );
        }
    }
}

fn shards_section(facts: &Facts<'_>, page: &mut Page) {
    for thread in &facts.report.threads {
        let published = &facts.shared.published[thread.id];
        let keys: u64 = published.dbs.iter().map(|db| db.0.load(Relaxed)).sum();
        let stats = &thread.stats;
        page.line(
            &format!("shard{}", thread.id),
            format_args!(
                "keys={keys},bytes={},commands={},ops_per_sec={:.0},clients={},hops={},units={},turns={},busy={:.4},\
                 queue={},taken={},cpu_seconds={:.3}",
                published.entries_bytes.load(Relaxed),
                published.commands.load(Relaxed),
                thread.rate.commands,
                thread.clients.count,
                stats.hops,
                stats.units,
                stats.turns,
                thread.busy_share,
                thread.queue_len,
                stats.taken,
                thread.cpu.system_seconds + thread.cpu.user_seconds,
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_for_people_as_redis_writes_them() {
        let texts =
            [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (965_712, "943.08K"), (25_276_502_016, "23.54G")];
        for (bytes, text) in texts {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human(usize::MAX), "16.00E");
    }

    fn titles(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        SECTIONS.iter().filter(|section| section.is_wanted(&words)).map(|section| section.title).collect()
    }

    #[test]
    fn sections_are_chosen_as_in_redis() {
        assert_eq!(titles(&[]), titles(&["default"]));
        assert!(!titles(&[]).contains(&"Commandstats"));
        assert_eq!(titles(&["everything"]).len(), SECTIONS.len());
        assert_eq!(titles(&["KEYSPACE", "server", "server"]), ["Server", "Keyspace"]);
        assert!(titles(&["nosuch"]).is_empty());
        assert!(titles(&["commandstats", "default"]).contains(&"Commandstats"));
    }
}
