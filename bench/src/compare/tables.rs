//! Results as Markdown tables and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::speed::{Cell, Table};
use super::{Bench, growth, memory, saving};
use crate::report::micros;

/// A group's results: one table with everything, then CPU and throughput alone, side by side.
#[must_use]
pub fn speed_markdown(bench: &Bench, table: &Table) -> String {
    let mut out = format!("### {}\n\n", table.title);
    let reference = bench.reference();
    let reference_name = bench.servers.get(reference).map_or("", |server| server.name.as_str());
    heading(
        &mut out,
        &[
            "case",
            "server",
            &format!("{}s/s", table.per),
            &format!("× {reference_name}"),
            &format!("CPU µs/{}", table.per),
            "user",
            "system",
            &format!("× {reference_name}"),
            "cores busy",
            "p50",
            "p99",
            "p99.9",
        ],
    );
    for line in &table.lines {
        let base = line.cells.get(reference).and_then(Option::as_ref).filter(|cell| cell.failure().is_none());
        for (server, cell) in bench.servers.iter().zip(&line.cells) {
            let Some(cell) = cell else { continue };
            let mut fields = vec![line.name.clone(), server.name.clone()];
            match cell.failure() {
                Some(failure) => fields.push(format!("failed: {failure}")),
                None => fields.extend(figures(cell, base)),
            }
            row(&mut out, &fields);
        }
    }
    out.push('\n');
    matrix(&mut out, bench, table, &format!("server CPU µs/{}", table.per), |cell| {
        three_digits(cell.cpu_us())
    });
    matrix(&mut out, bench, table, &format!("{}s/s", table.per), |cell| thousands(cell.units_per_s()));
    out
}

fn figures(cell: &Cell, base: Option<&Cell>) -> Vec<String> {
    let latencies = cell.latencies();
    let ratio = |of: fn(&Cell) -> f64| {
        base.map_or_else(|| "-".to_owned(), |base| format!("{:.2}", of(cell) / of(base)))
    };
    vec![
        thousands(cell.units_per_s()),
        ratio(Cell::units_per_s),
        three_digits(cell.cpu_us()),
        three_digits(cell.user_us()),
        three_digits(cell.system_us()),
        ratio(Cell::cpu_us),
        format!("{:.2}", cell.busy()),
        micros(latencies.percentile_us(50.0)),
        micros(latencies.percentile_us(99.0)),
        micros(latencies.percentile_us(99.9)),
    ]
}

/// One figure of every server in every case.
fn matrix(out: &mut String, bench: &Bench, table: &Table, name: &str, of: impl Fn(&Cell) -> String) {
    let mut names = vec![name.to_owned()];
    names.extend(table.lines.iter().map(|line| line.name.clone()));
    heading(out, &names.iter().map(String::as_str).collect::<Vec<_>>());
    for (place, server) in bench.servers.iter().enumerate() {
        let version = table
            .versions
            .get(place)
            .cloned()
            .flatten()
            .map_or_else(String::new, |text| format!(" ({text})"));
        let mut fields = vec![format!("{}{version}", server.name)];
        fields.extend(table.lines.iter().map(|line| match &line.cells[place] {
            None => "-".to_owned(),
            Some(cell) if cell.failure().is_some() => "failed".to_owned(),
            Some(cell) => of(cell),
        }));
        row(out, &fields);
    }
    out.push('\n');
}

/// A group's results with every round.
#[must_use]
pub fn speed_json(bench: &Bench, table: &Table) -> Value {
    let lines: Vec<Value> = table
        .lines
        .iter()
        .map(|line| {
            let mut all = json!({ "case": line.name });
            for (server, cell) in bench.servers.iter().zip(&line.cells) {
                all[&server.name] = cell.as_ref().map_or(Value::Null, Cell::to_json);
            }
            all
        })
        .collect();
    json!({ "title": table.title, "per": table.per, "versions": table.versions, "lines": lines })
}

/// Whether a case of the table has failed.
#[must_use]
pub fn has_failures(table: &Table) -> bool {
    table.lines.iter().flat_map(|line| line.cells.iter().flatten()).any(|cell| cell.failure().is_some())
}

/// Resident bytes a key.
#[must_use]
pub fn memory_markdown(bench: &Bench, rows: &[memory::Row]) -> String {
    let keys = bench.scale.memory_keys;
    let mut out = format!(
        "### Resident bytes of each: {} keys of 16 bytes or elements of one key (a fifth as many hashes, half as many entries)\n\n",
        thousands(keys as f64)
    );
    let mut names = vec!["server"];
    names.extend(memory::shapes());
    heading(&mut out, &names);
    for line in rows {
        let mut fields = vec![line.server.clone()];
        fields.extend(line.bytes.iter().map(|bytes| match bytes {
            Ok(bytes) => format!("{bytes:.1}"),
            Err(error) => format!("failed: {error}"),
        }));
        row(&mut out, &fields);
    }
    out.push('\n');
    out
}

/// Latency while the table grows.
#[must_use]
pub fn growth_markdown(bench: &Bench, rows: &[growth::Row]) -> String {
    let keys = thousands(bench.scale.growth_keys as f64);
    let mut out = format!("### Growth: {keys} new keys, 8-byte values, 1 shard on core 0; c=16 P=16\n\n");
    heading(
        &mut out,
        &["server", "keys/s", "p50", "p99", "p99.9", "max", "longest step", "longest step in each tenth"],
    );
    for line in rows {
        let mut fields = vec![line.server.clone()];
        match &line.parts {
            Err(error) => fields.push(format!("failed: {error}")),
            Ok(parts) => {
                let all = growth::total(parts);
                let step = |ns: u64| micros(ns as f64 / 1000.0);
                fields.push(thousands(all.units_per_s()));
                fields.extend([50.0, 99.0, 99.9].map(|percent| micros(all.latencies.percentile_us(percent))));
                fields.push(micros(all.latencies.max_us()));
                fields.push(step(all.silence_ns_max));
                let each: Vec<String> = parts.iter().map(|part| step(part.silence_ns_max)).collect();
                fields.push(each.join(", "));
            }
        }
        row(&mut out, &fields);
    }
    out.push('\n');
    out
}

/// What a snapshot costs.
#[must_use]
pub fn saving_markdown(bench: &Bench, rows: &[saving::Row]) -> String {
    let keys = thousands((bench.scale.memory_keys * saving::KEYS_EACH) as f64);
    let rate =
        bench.scale.saving_rate.map_or(String::new(), |rate| format!(", {} a second", thousands(rate)));
    let mut out =
        format!("### A snapshot of {keys} keys, 100-byte values, under 50 % writes; c=50{rate}\n\n");
    heading(
        &mut out,
        &[
            "server",
            "seconds",
            "memory ×",
            "commands/s before",
            "during",
            "p99 before",
            "during",
            "p99.9 before",
            "during",
        ],
    );
    rows.iter().for_each(|line| row(&mut out, &line.cells()));
    out.push('\n');
    out
}

fn heading(out: &mut String, names: &[&str]) {
    writeln!(out, "| {} |", names.join(" | ")).expect("writing to a string cannot fail");
    writeln!(out, "|{}", "---|".repeat(names.len())).expect("writing to a string cannot fail");
}

fn row(out: &mut String, fields: &[String]) {
    let fields: Vec<String> = fields.iter().map(|field| field.replace('|', "\\|")).collect();
    writeln!(out, "| {} |", fields.join(" | ")).expect("writing to a string cannot fail");
}

/// A number with three significant digits.
fn three_digits(number: f64) -> String {
    let digits = (2.0 - number.abs().max(1e-9).log10().floor()).clamp(0.0, 4.0);
    format!("{number:.*}", digits as usize)
}

/// A whole number with commas between thousands.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0631, 0.4, 5.34, 18.0, 123.4].map(three_digits),
            ["0.0631", "0.400", "5.34", "18.0", "123"]
        );
        assert_eq!([0.0, 999.0, 1000.0, 1_234_567.8].map(thousands), ["0", "999", "1,000", "1,234,568"]);
    }

    #[test]
    fn rows_cannot_be_broken_by_what_they_hold() {
        let mut out = String::new();
        row(&mut out, &["a|b".to_owned(), "c".to_owned()]);
        assert_eq!(out, "| a\\|b | c |\n");
    }
}
