//! LATENCY: events that took long, and how long commands take.
use super::{Outcome, Server, ServerCommand, Verdict, help};
use crate::histogram::Histogram;
use crate::latency::{Monitor, Series};
use crate::report::Report;
use crate::stats::CommandStat;
use crate::table::{CommandId, table};
use shards::commands::Args;
use shards::fault::Fault;
use shards::reply::Reply;
use shards::spec::{Arg, ArgKind, Flags, Group, Spec};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const COMMANDS: &[ServerCommand] = &[LATENCY];

const SERVER: Spec = Spec { group: Group::Server, since: "2.8.13", complexity: "O(1)", ..Spec::DEFAULT };

const LATENCY: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency",
        arity: -2,
        summary: "A container for latency diagnostics commands.",
        complexity: "Depends on subcommand.",
        ..SERVER
    },
    run: |_, _| Err(Fault::arity("latency")),
    subcommands: &[DOCTOR, GRAPH, HELP, HISTOGRAM, HISTORY, LATEST, RESET],
};

const ADMIN: Spec = Spec {
    arity: 2,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE),
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..SERVER
};

/// Puts the threads' monitors together and writes a reply from them.
fn ask(write: impl FnOnce(&mut Server<'_>, &Monitor) + Send + 'static) -> Verdict {
    Report::ask(move |cx, report| {
        let mut all = Monitor::default();
        report.threads.iter().for_each(|thread| all.merge(&thread.monitor));
        write(cx, &all);
    })
}

const LATEST: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|latest",
        summary: "Returns the latest latency samples for all events.",
        ..ADMIN
    },
    run: |_, _| Ok(ask(|cx, all| latest(cx.reply, all))),
    subcommands: &[],
};
fn latest(reply: &mut Reply, all: &Monitor) {
    reply.array(all.series().len());
    for (kind, series) in all.series() {
        let latest = series.latest();
        reply.array(4);
        reply.bulk(kind.as_bytes());
        reply.integer(latest.map_or(0, |sample| sample.at_seconds));
        reply.integer(latest.map_or(0, |sample| sample.latency_ms as i64));
        reply.integer(series.max_ms as i64);
    }
}

const HISTORY: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|history",
        arity: 3,
        summary: "Returns timestamp-latency samples for an event.",
        args: &[Arg::new("event", ArgKind::String)],
        ..ADMIN
    },
    run: history,
    subcommands: &[],
};
fn history(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let kind = args[2].to_vec();
    Ok(ask(move |cx, all| {
        let samples: Vec<_> = all.find(&kind).into_iter().flat_map(|(_, series)| series.samples()).collect();
        cx.reply.array(samples.len());
        for sample in samples {
            cx.reply.array(2);
            cx.reply.integer(sample.at_seconds);
            cx.reply.integer(sample.latency_ms as i64);
        }
    }))
}

const GRAPH: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|graph",
        arity: 3,
        summary: "Returns a latency graph for an event.",
        args: &[Arg::new("event", ArgKind::String)],
        ..ADMIN
    },
    run: graph,
    subcommands: &[],
};
fn graph(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let asked = args[2].to_vec();
    Ok(ask(move |cx, all| match all.find(&asked) {
        Some((kind, series)) => {
            let now_seconds = cx.core.now_ms / 1000;
            cx.reply.verbatim("txt", draw(kind, series, now_seconds).as_bytes());
        }
        None => {
            let fault = Fault::quoting("ERR No samples available for event '", &asked, "'");
            cx.reply.error(&fault.0);
        }
    }))
}

/// A bar for each sample, the youngest last, with its age.
fn draw(kind: &str, series: &Series, now_seconds: i64) -> String {
    const WIDTH: u64 = 50;
    let mut text = format!("{kind} - the worst was {} ms\n", series.max_ms);
    for sample in series.samples() {
        let bar = "#".repeat((sample.latency_ms * WIDTH / series.max_ms.max(1)).max(1) as usize);
        text += &format!("{:>8}s ago {:>8} ms {bar}\n", now_seconds - sample.at_seconds, sample.latency_ms);
    }
    text
}

const DOCTOR: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|doctor",
        summary: "Returns a human-readable latency analysis report.",
        ..ADMIN
    },
    run: |_, _| {
        Ok(ask(|cx, all| {
            let text = diagnose(all, cx.core.config.latency_monitor_threshold_ms);
            cx.reply.verbatim("txt", text.as_bytes());
        }))
    },
    subcommands: &[],
};
fn diagnose(all: &Monitor, threshold_ms: u64) -> String {
    if threshold_ms == 0 && all.series().len() == 0 {
        return "Latency monitoring is disabled in this instance. Enable it with \"CONFIG SET latency-monitor-threshold \
                <milliseconds>\".\n"
            .to_owned();
    }
    if all.series().len() == 0 {
        return format!("No event took {threshold_ms} ms or longer since latency monitoring began.\n");
    }
    let mut text = "Events that took long:\n\n".to_owned();
    for (kind, series) in all.series() {
        let count = series.samples().len() as u64;
        let sum: u64 = series.samples().map(|sample| sample.latency_ms).sum();
        text += &format!(
            " * {kind}: {count} in all, {} ms on average, {} ms at worst.\n",
            sum / count.max(1),
            series.max_ms
        );
    }
    text += "\nCommands are kept with their arguments in the slow log: SLOWLOG GET.\n";
    text
}

const RESET: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|reset",
        arity: -2,
        summary: "Resets the latency data for one or more events.",
        tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
        args: &[Arg::new("event", ArgKind::String).optional().multiple()],
        ..ADMIN
    },
    run: reset,
    subcommands: &[],
};
fn reset(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let kinds: Vec<Vec<u8>> = args[2..].iter().map(|kind| kind.to_vec()).collect();
    // The same kind may be known to several threads, and counts once: a bit for each place in a list of kinds.
    let found = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&found);
    Ok(Verdict::ask(
        move |core| {
            let wanted = |name: &str| {
                kinds.is_empty() || kinds.iter().any(|kind| kind.eq_ignore_ascii_case(name.as_bytes()))
            };
            let names: Vec<&'static str> =
                core.monitor.series().map(|(name, _)| name).filter(|name| wanted(name)).collect();
            for name in names {
                let place = KINDS.iter().position(|kind| *kind == name).unwrap_or(63);
                seen.fetch_or(1 << place, Ordering::Relaxed);
                core.monitor.forget(name.as_bytes());
            }
        },
        move |cx| {
            cx.reply.integer(found.load(Ordering::Relaxed).count_ones().into());
            Verdict::Done
        },
    ))
}

/// The kinds of events there are.
const KINDS: &[&str] = &["command", "fast-command", "expire-cycle"];

const HISTOGRAM: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|histogram",
        arity: -2,
        summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands with latency information being retrieved.",
        args: &[Arg::new("command", ArgKind::String).optional().multiple()],
        ..ADMIN
    },
    run: histogram,
    subcommands: &[],
};
fn histogram(_: &mut Server<'_>, args: Args<'_>) -> Outcome {
    let names: Vec<Vec<u8>> = args[2..].iter().map(|name| name.to_ascii_lowercase()).collect();
    Ok(Report::ask(move |cx, report| {
        let wanted = |(id, stat): &(CommandId, CommandStat)| {
            let name = table().entry(*id).spec.name;
            stat.durations.is_some() && (names.is_empty() || names.iter().any(|asked| is_meant(name, asked)))
        };
        let stats: Vec<_> = report.commands().into_iter().filter(wanted).collect();
        cx.reply.map(stats.len());
        for (id, stat) in &stats {
            cx.reply.bulk(table().entry(*id).spec.name.as_bytes());
            cx.reply.map(2);
            cx.reply.bulk(b"calls");
            cx.reply.integer(stat.durations.as_ref().map_or(0, |durations| durations.len()) as i64);
            cx.reply.bulk(b"histogram_usec");
            let steps = stat
                .durations
                .as_ref()
                .map(|durations| cumulative(durations, |ticks| report.microseconds(ticks)));
            let steps = steps.unwrap_or_default();
            cx.reply.map(steps.len());
            for (microseconds, count) in steps {
                cx.reply.integer(microseconds);
                cx.reply.integer(count as i64);
            }
        }
    }))
}

/// A command is meant by its name, and a subcommand by that of its container too.
fn is_meant(name: &str, asked: &[u8]) -> bool {
    name.as_bytes() == asked
        || name.split_once('|').is_some_and(|(container, _)| container.as_bytes() == asked)
}

/// How many took so many microseconds or less, for each power of two in which something new came.
fn cumulative(durations: &Histogram, microseconds: impl Fn(u64) -> f64) -> Vec<(i64, u64)> {
    let mut steps: Vec<(i64, u64)> = Vec::new();
    let mut count = 0;
    for (ticks, more) in durations.filled() {
        count += more;
        let limit = (microseconds(ticks).ceil().max(1.0) as u64).next_power_of_two() as i64;
        match steps.last_mut() {
            Some(last) if last.0 == limit => last.1 = count,
            _ => steps.push((limit, count)),
        }
    }
    steps
}

const HELP: ServerCommand = ServerCommand {
    spec: Spec {
        name: "latency|help",
        arity: 2,
        flags: Flags::LOADING.and(Flags::STALE),
        summary: "Returns helpful text about the different subcommands.",
        ..SERVER
    },
    run: |cx, _| {
        help::write(cx.reply, "LATENCY", HELP_TEXT);
        Ok(Verdict::Done)
    },
    subcommands: &[],
};
const HELP_TEXT: &[&str] = &[
    "DOCTOR",
    "    Return a report on what took long, for people.",
    "GRAPH <event>",
    "    Return a drawing of the samples of an <event>.",
    "HISTORY <event>",
    "    Return the samples of an <event>, each with its time.",
    "LATEST",
    "    Return the latest sample of each event.",
    "RESET [<event> ...]",
    "    Forget the samples of some events (default: of all).",
    "HISTOGRAM [COMMAND ...]",
    "    Return how the latencies of commands are spread (default: of all commands).",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulative_in_powers_of_two() {
        let mut durations = Histogram::default();
        [1, 2, 3, 3, 9, 1000].iter().for_each(|microseconds| durations.add(*microseconds));
        let steps = cumulative(&durations, |ticks| ticks as f64);
        assert_eq!(steps, [(1, 1), (2, 2), (4, 4), (16, 5), (1024, 6)]);
    }

    #[test]
    fn a_container_stands_for_what_is_below_it() {
        assert!(
            is_meant("config|get", b"config")
                && is_meant("config|get", b"config|get")
                && is_meant("get", b"get")
        );
        assert!(!is_meant("config|get", b"get") && !is_meant("get", b"config"));
    }
}
