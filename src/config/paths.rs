//! Paths in redis.conf: patterns that choose several files, and absolute names.

use std::path::{Path, PathBuf};

/// Whether a path is a pattern, by Redis's rule: it contains `*`, `?` or `[`.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files a pattern chooses, in order of name; a relative pattern starts in the working directory.
pub(super) fn expand(pattern: &str) -> Vec<PathBuf> {
    let root = if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let mut found = vec![root];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        found = found.iter().flat_map(|directory| children(directory, component)).collect();
    }
    found
}

/// The path from the root, without `.` and double slashes; links stay as they are.
pub(super) fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.components().collect::<PathBuf>().to_string_lossy().into_owned()
}

/// The path from the root as the kernel knows it, links followed: what a process that went there would call it.
pub(super) fn real(path: &Path) -> String {
    path.canonicalize().map_or_else(|_| absolute(path), |real| real.to_string_lossy().into_owned())
}

fn children(directory: &Path, component: &str) -> Vec<PathBuf> {
    if !is_pattern(component) {
        let child = directory.join(component);
        return if child.exists() { vec![child] } else { Vec::new() };
    }
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = listed.read_dir() else { return Vec::new() };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        // As in a shell, hidden files want a pattern that says so.
        .filter(|name| component.starts_with('.') || !name.starts_with('.'))
        .filter(|name| matches(component.as_bytes(), name.as_bytes()))
        .collect();
    names.sort();
    names.into_iter().map(|name| directory.join(name)).collect()
}

/// Whether a name fits a shell's pattern: `*`, `?`, `[a-z]`, `[!a-z]`, `\` before a character that is meant itself.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], _) => name.is_empty(),
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
        (_, []) => false,
        ([b'?', rest @ ..], [_, after @ ..]) => matches(rest, after),
        ([b'\\', literal, rest @ ..], [byte, after @ ..]) => literal == byte && matches(rest, after),
        ([b'[', class @ ..], [byte, after @ ..]) => match in_class(class, *byte) {
            Some((hit, rest)) => hit && matches(rest, after),
            None => *byte == b'[' && matches(class, after),
        },
        ([literal, rest @ ..], [byte, after @ ..]) => literal == byte && matches(rest, after),
    }
}

/// Whether a byte is in the class that begins a pattern, and what follows the class; `None` if it is not closed.
fn in_class(class: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut hit = false;
    let mut first = true;
    loop {
        rest = match *rest {
            [] => return None,
            [b']', ref after @ ..] if !first => return Some((hit != negated, after)),
            [low, b'-', high, ref after @ ..] if high != b']' => {
                hit |= (low..=high).contains(&byte);
                after
            }
            [one, ref after @ ..] => {
                hit |= one == byte;
                after
            }
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("*", ""),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("[", "["),
            ("\\*", "*"),
            ("*a*b*", "xxaxxbxx"),
        ] {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("*.conf", "a.cnf"), ("a?c", "ac"), ("[a-c]x", "dx"), ("\\*", "x"), ("a", "")]
        {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }

    #[test]
    fn absolute_paths_are_plain() {
        assert_eq!(absolute(Path::new("/a//./b/")), "/a/b");
        assert_eq!(
            real(Path::new("./")),
            std::env::current_dir().unwrap().canonicalize().unwrap().to_str().unwrap()
        );
        assert_eq!(real(Path::new("/proc/../proc/")), "/proc");
    }

    #[test]
    fn expansion_is_sorted_and_skips_what_is_not_there() {
        let found = expand("/proc/self/st[a]t*");
        assert_eq!(found, ["stat", "statm", "status"].map(|name| Path::new("/proc/self").join(name)));
        assert!(expand("/nonexistent/*.conf").is_empty());
        assert_eq!(expand("Cargo.t*"), [PathBuf::from("Cargo.toml")]);
    }
}
