//! An outcome in words for people, and in JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::histogram::PERCENTILES;
use crate::outcome::Outcome;

/// A few lines about a run.
#[must_use]
pub fn text(outcome: &Outcome, nils_allowed: bool) -> String {
    let mut out = String::new();
    let seconds = outcome.elapsed.as_secs_f64();
    let mut line = |text: String| {
        writeln!(out, "{text}").expect("writing to a string cannot fail");
    };
    line(format!(
        "{} commands in {seconds:.2} s: {:.0} commands/s ({:.0} units/s), {:.1} MB/s sent, {:.1} MB/s received",
        outcome.replies,
        outcome.replies_per_s(),
        outcome.units_per_s(),
        outcome.bytes_sent as f64 / 1e6 / seconds.max(1e-9),
        outcome.bytes_received as f64 / 1e6 / seconds.max(1e-9),
    ));
    let percentiles = PERCENTILES
        .map(|(name, percent)| format!("{name} {}", micros(outcome.latencies.percentile_us(percent))));
    line(format!("latency of a unit: {}", percentiles.join(", ")));
    line(format!(
        "errors {}, wrong replies {}, nil replies {}, lost {}; longest silence {}; load CPU {:.3} µs a command",
        outcome.errors,
        outcome.wrong,
        outcome.nils,
        outcome.lost,
        micros(outcome.silence_ns_max as f64 / 1000.0),
        outcome.load_cpu_us(),
    ));
    if outcome.unsent > 0 {
        line(format!("BEHIND: {} units were due and never sent; the rate was not kept", outcome.unsent));
    }
    if let Some(failure) = outcome.failure(nils_allowed) {
        line(format!("FAILED: {failure}"));
    }
    out
}

/// Everything about a run; latencies in microseconds.
#[must_use]
pub fn to_json(outcome: &Outcome, nils_allowed: bool) -> Value {
    json!({
        "commands": outcome.replies,
        "units": outcome.units,
        "elapsed_s": outcome.elapsed.as_secs_f64(),
        "commands_per_s": outcome.replies_per_s(),
        "units_per_s": outcome.units_per_s(),
        "latency_us": outcome.latencies.to_json(),
        "silence_us_max": outcome.silence_ns_max as f64 / 1000.0,
        "errors": outcome.errors,
        "wrong": outcome.wrong,
        "nils": outcome.nils,
        "lost": outcome.lost,
        "unsent": outcome.unsent,
        "bytes_sent": outcome.bytes_sent,
        "bytes_received": outcome.bytes_received,
        "load_cpu_us_per_command": outcome.load_cpu_us(),
        "failed": outcome.failure(nils_allowed),
    })
}

/// A time in microseconds, in the unit that reads best.
#[must_use]
pub fn micros(us: f64) -> String {
    match us {
        us if us < 1000.0 => format!("{us:.0} µs"),
        us if us < 1_000_000.0 => format!("{:.2} ms", us / 1000.0),
        us => format!("{:.2} s", us / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_said_in_both_forms() {
        let bad = Outcome { units: 1, replies: 1, errors: 1, ..Outcome::default() };
        assert!(text(&bad, true).contains("FAILED: 1 errors"));
        assert_eq!(to_json(&bad, true)["failed"], "1 errors");
        let good = Outcome { errors: 0, ..bad };
        assert!(!text(&good, true).contains("FAILED"));
        assert_eq!(to_json(&good, true)["failed"], Value::Null);
    }

    #[test]
    fn times_read_well() {
        assert_eq!(micros(12.4), "12 µs");
        assert_eq!(micros(1234.0), "1.23 ms");
        assert_eq!(micros(2_500_000.0), "2.50 s");
    }
}
