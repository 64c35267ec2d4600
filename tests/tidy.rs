//! House rules that a compiler does not know: roles, doors, sizes, leftovers, golden scripts.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each crate is named behind its door only.
const DOORS: &[(&str, &[&str])] = &[
    ("ahash", &["shards/src/keyspace/hash.rs"]),
    ("clap", &["src/cli.rs", "src/cli/"]),
    ("core_affinity", &["src/topology.rs"]),
    ("crc", &["shards/src/slot.rs", "shards/src/rdb/crc64.rs"]),
    ("crossbeam_channel", &["src/queues.rs"]),
    ("futures_lite", &["src/persist/bulk/direct.rs"]),
    ("glommio", &["src/persist/bulk/direct.rs"]),
    ("io_uring", &["src/net/"]),
    ("mlua_sys", &["src/script/lua.rs", "src/script/lua/"]),
    ("quanta", &["src/stats.rs"]),
    ("tikv_jemalloc_sys", &["src/memory.rs"]),
];

/// Files of more lines than this are too long; those that are already must not grow: lower these numbers, never raise them.
const FILE_LINES_MAX: usize = 560;
const LONG_FILES: &[(&str, usize)] = &[
    ("shards/src/keyspace/entry.rs", 590),
    ("shards/src/keyspace/table.rs", 680),
    ("src/config/table.rs", 620),
    ("src/net/tests.rs", 720),
];
/// Functions of more lines than this do not fit in the eye.
const FUNCTION_LINES_MAX: usize = 76;

/// Commands that have no golden script yet. It only ever gets shorter.
const WITHOUT_SCRIPT: &[&str] = &[];

struct Source {
    path: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for root in ["src", "shards/src", "bench", "tests"] {
        collect(Path::new(root), "rs", &mut paths);
    }
    assert!(paths.len() > 50, "the sources were not found: {}", paths.len());
    let read = |path: PathBuf| Source {
        text: std::fs::read_to_string(&path).expect("a source"),
        path: path.to_string_lossy().into_owned(),
    };
    paths.into_iter().map(read).collect()
}

fn collect(directory: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            collect(&path, extension, paths);
        } else if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_file_begins_with_its_role() {
    let nameless = |source: &Source| {
        (!source.text.starts_with("//! ")).then(|| format!("{}:1: begins with no `//!`", source.path))
    };
    assert_none(&sources().iter().filter_map(nameless).collect::<Vec<_>>());
}

#[test]
fn crates_are_named_behind_their_doors() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| !source.path.starts_with("tests/tidy")) {
        for (index, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (name, doors) in DOORS {
                let is_door = doors.iter().any(|door| source.path.starts_with(door));
                let is_product = source.path.starts_with("src/") || source.path.starts_with("shards/");
                let names = code.contains(&format!("{name}::")) || code.contains(&format!("use {name}"));
                if is_product && names && !is_door && !code.contains(&format!("::{name}::")) {
                    complaints.push(format!(
                        "{}:{}: {name} has its door at {doors:?}",
                        source.path,
                        index + 1
                    ));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn nothing_is_left_over() {
    let mut complaints = Vec::new();
    for source in sources().iter().filter(|source| source.path != "tests/tidy.rs") {
        for (index, line) in source.text.lines().enumerate() {
            for leftover in ["todo!", "unimplemented!", "dbg!", "#[allow(", "#![allow(", "#[ignore"] {
                if line.contains(leftover) {
                    complaints.push(format!("{}:{}: {leftover}", source.path, index + 1));
                }
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn files_do_not_grow_without_end() {
    let mut complaints = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let known = LONG_FILES.iter().find(|(path, _)| *path == source.path);
        let max = known.map_or(FILE_LINES_MAX, |(_, max)| *max);
        if lines > max {
            complaints.push(format!("{}: {lines} lines, {max} at most", source.path));
        } else if known.is_some() && lines <= FILE_LINES_MAX {
            complaints.push(format!("{}: is short now, take it off the list", source.path));
        }
    }
    assert_none(&complaints);
}

#[test]
fn functions_fit_in_the_eye() {
    let mut complaints = Vec::new();
    for source in sources() {
        let mut open: Option<(usize, usize, String)> = None;
        for (index, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let head = line.trim_start();
            let begins = head.starts_with("fn ") || head.starts_with("pub ") || head.starts_with("pub(");
            if begins && head.contains("fn ") && !head.ends_with(';') && !head.ends_with('}') {
                open = Some((index, indent, head.to_owned()));
            }
            // rustfmt closes a function where it began it.
            if let Some((start, at, name)) = &open
                && head == "}"
                && indent == *at
            {
                let lines = index - start + 1;
                if lines > FUNCTION_LINES_MAX {
                    complaints.push(format!("{}:{}: {lines} lines: {name}", source.path, start + 1));
                }
                open = None;
            }
        }
    }
    assert_none(&complaints);
}

#[test]
fn every_command_has_a_golden_script() {
    let mut paths = Vec::new();
    collect(Path::new("tests/golden"), "txt", &mut paths);
    let scripts: String = paths
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a script").to_ascii_lowercase())
        .collect();
    let spoken: BTreeSet<&str> = scripts
        .lines()
        .filter_map(|line| line.split_once("> ").map(|(_, request)| request))
        .filter_map(|request| request.split_whitespace().next())
        .collect();
    let mut complaints = Vec::new();
    for entry in braid::table::table().top() {
        let name = entry.spec.name;
        let is_excused = WITHOUT_SCRIPT.contains(&name);
        match (spoken.contains(name), is_excused) {
            (false, false) => complaints.push(format!("{name} has no golden script")),
            (true, true) => complaints.push(format!("{name} has a golden script: take it off the list")),
            _ => {}
        }
    }
    assert_none(&complaints);
}
