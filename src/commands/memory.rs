//! MEMORY, as far as it is about the whole server: DOCTOR, STATS, PURGE, MALLOC-STATS. USAGE of a key is the engine's.
use super::info::{difference, quotient};
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::memory;
use crate::report::Report;
use shards::commands::Args;
use shards::fault::Fault;
use shards::reply::Reply;
use shards::spec::{Flags, Group, Spec};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const COMMANDS: &[ServerCommand] = &[MEMORY];

const SERVER: Spec = Spec { group: Group::Server, arity: 2, since: "4.0.0", tips: TIPS, ..Spec::DEFAULT };
const TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

const MEMORY: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory",
        arity: -2,
        summary: "A container for memory diagnostics commands.",
        complexity: "Depends on subcommand.",
        tips: &[],
        ..SERVER
    },
    run: |_, _| Err(Fault::arity("memory")),
    subcommands: &[DOCTOR, HELP, MALLOC_STATS, PURGE, STATS],
};

const DOCTOR: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory|doctor",
        summary: "Outputs a memory problems report.",
        complexity: "O(1)",
        ..SERVER
    },
    run: |_, _| Ok(Report::ask(|cx, report| cx.reply.verbatim("txt", diagnose(report).as_bytes()))),
    subcommands: &[],
};

/// A server with less memory than this has nothing to be examined.
const EXAMINED_BYTES_MIN: usize = 5 << 20;

fn diagnose(report: &Report) -> String {
    let memory = report.memory;
    if memory.allocated < EXAMINED_BYTES_MIN {
        return "This instance is empty or uses very little memory: there is nothing to examine yet.\n"
            .to_owned();
    }
    let clients = report.clients();
    let findings = [
        (
            report.peak_bytes > memory.allocated / 2 * 3,
            "Peak memory: the server once used over 150% of what it uses now. The allocator may keep the difference for \
             a while; MEMORY PURGE gives it back.",
        ),
        (
            quotient(memory.active, memory.allocated) > 1.1 && memory.active - memory.allocated > 10 << 20,
            "Allocator fragmentation: over 10% of the pages in use are holes. That is usual after many keys of changing \
             sizes were deleted.",
        ),
        (
            quotient(memory.resident, memory.active) > 1.1 && memory.resident - memory.active > 10 << 20,
            "Allocator residency: over 10% of the allocator's memory is free and not given back to the system; MEMORY \
             PURGE does that.",
        ),
        (
            quotient(report.resident_bytes, memory.resident) > 1.1
                && report.resident_bytes - memory.resident > 10 << 20,
            "Process overhead: over 10% of the resident memory is not the allocator's.",
        ),
        (
            clients.count > 0 && clients.bytes / clients.count > 200 << 10,
            "Clients: over 200 kB a connection on average. Some client sends faster than it is served or does not read \
             its replies; CLIENT LIST shows which.",
        ),
    ];
    let found: Vec<&str> = findings.iter().filter(|(applies, _)| *applies).map(|(_, text)| *text).collect();
    if found.is_empty() {
        return "No memory problem was found in this instance.\n".to_owned();
    }
    format!("Memory problems that were found in this instance:\n\n * {}\n", found.join("\n\n * "))
}

const STATS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory|stats",
        summary: "Returns details about memory usage.",
        complexity: "O(1)",
        ..SERVER
    },
    run: |_, _| Ok(Report::ask(stats)),
    subcommands: &[],
};
fn stats(cx: &mut Server<'_>, report: &Report) {
    let shared = &cx.core.shared;
    let keys: u64 = shared.published.iter().flat_map(|shard| &shard.dbs).map(|db| db.0.load(Relaxed)).sum();
    let (memory, used) = (report.memory, report.memory.allocated);
    let net_bytes = used.saturating_sub(report.startup_bytes);
    let counts: &[(&str, i64)] = &[
        ("peak.allocated", report.peak_bytes as i64),
        ("total.allocated", used as i64),
        ("startup.allocated", report.startup_bytes as i64),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", report.clients().bytes as i64),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("overhead.total", report.overhead_bytes() as i64),
        ("overhead.db.hashtable.lut", report.table_bytes() as i64),
        ("keys.count", keys as i64),
        ("keys.bytes-per-key", (net_bytes as u64).checked_div(keys).unwrap_or(0) as i64),
        ("dataset.bytes", report.dataset_bytes() as i64),
    ];
    let shares: &[(&str, f64)] = &[
        ("dataset.percentage", 100.0 * quotient(report.dataset_bytes(), net_bytes)),
        ("peak.percentage", 100.0 * quotient(used, report.peak_bytes)),
    ];
    let allocator: &[(&str, i64)] = &[
        ("allocator.allocated", memory.allocated as i64),
        ("allocator.active", memory.active as i64),
        ("allocator.resident", memory.resident as i64),
    ];
    let fragmentation: &[(&str, &str, usize, usize)] = &[
        ("allocator-fragmentation.ratio", "allocator-fragmentation.bytes", memory.active, memory.allocated),
        ("allocator-rss.ratio", "allocator-rss.bytes", memory.resident, memory.active),
        ("rss-overhead.ratio", "rss-overhead.bytes", report.resident_bytes, memory.resident),
        ("fragmentation", "fragmentation.bytes", report.resident_bytes, used),
    ];
    let reply = &mut *cx.reply;
    reply.map(counts.len() + shares.len() + allocator.len() + 2 * fragmentation.len());
    write_counts(reply, counts);
    for (name, share) in shares {
        reply.bulk(name.as_bytes());
        reply.double(*share);
    }
    write_counts(reply, allocator);
    for (ratio, bytes, one, other) in fragmentation {
        reply.bulk(ratio.as_bytes());
        reply.double(quotient(*one, *other));
        reply.bulk(bytes.as_bytes());
        reply.integer(difference(*one, *other));
    }
}

fn write_counts(reply: &mut Reply, counts: &[(&str, i64)]) {
    for (name, count) in counts {
        reply.bulk(name.as_bytes());
        reply.integer(*count);
    }
}

const PURGE: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory|purge",
        flags: Flags::LOADING,
        summary: "Asks the allocator to release memory.",
        complexity: "Depends on how much memory is allocated, could be slow",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..SERVER
    },
    run: purge,
    subcommands: &[],
};
fn purge(cx: &mut Server<'_>, _: Args<'_>) -> Outcome {
    memory::purge();
    cx.reply.ok();
    Ok(Verdict::Done)
}

const MALLOC_STATS: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory|malloc-stats",
        flags: Flags::LOADING,
        summary: "Returns the allocator statistics.",
        complexity: "Depends on how much memory is allocated, could be slow",
        ..SERVER
    },
    run: |cx, _| {
        cx.reply.verbatim("txt", memory::describe().as_bytes());
        Ok(Verdict::Done)
    },
    subcommands: &[],
};

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "memory|help",
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        complexity: "O(1)",
        tips: &[],
        ..SERVER
    },
    run: |cx, _| {
        help::write(cx.reply, "MEMORY", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "DOCTOR",
    "    Return a report on memory problems.",
    "MALLOC-STATS",
    "    Return what the memory allocator says of itself.",
    "PURGE",
    "    Have the allocator give unused pages back to the system.",
    "STATS",
    "    Return what the memory is used for.",
    "USAGE <key> [SAMPLES <count>]",
    "    Return the bytes that <key> takes with its value. Of nested values <count> are looked at",
    "    (default: 5, 0 means all).",
];
