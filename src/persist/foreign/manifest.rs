//! The manifest of Redis 7: which files are the dataset, in which order.
use crate::config::split_words;

/// The files of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The file that the others go on from.
    pub(crate) base: Option<String>,
    /// Those, in order.
    pub(crate) increments: Vec<String>,
}

/// A line has at most so many bytes.
const LINE_BYTES_MAX: usize = 1024;

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it, in Redis's words, and in which line.
    pub(crate) fn parse(text: &str) -> Result<Manifest, String> {
        let mut manifest = Manifest::default();
        let mut last_sequence = 0;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: &str| format!("{what}: line {}: >>> '{line}'", index + 1);
            if line.starts_with('#') {
                continue;
            }
            if line.len() > LINE_BYTES_MAX {
                return Err(wrong("The AOF manifest file contains too long line"));
            }
            let invalid = || wrong("Invalid AOF manifest file format");
            let entry = Entry::parse(line).ok_or_else(invalid)?;
            match entry.kind {
                b'b' if manifest.base.is_some() => {
                    return Err(wrong("Found duplicate base file information"));
                }
                b'b' => manifest.base = Some(entry.name),
                b'i' if entry.sequence <= last_sequence => {
                    return Err(wrong("Found a non-monotonic sequence number"));
                }
                b'i' => {
                    last_sequence = entry.sequence;
                    manifest.increments.push(entry.name);
                }
                b'h' => {}
                _ => return Err(wrong("Unknown AOF file type")),
            }
        }
        if manifest == Manifest::default() && text.trim().is_empty() {
            return Err("Found an empty AOF manifest".to_owned());
        }
        Ok(manifest)
    }

    /// All files, in the order in which they are read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.base.iter().chain(&self.increments).map(String::as_str)
    }
}

struct Entry {
    name: String,
    sequence: u64,
    kind: u8,
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let words = split_words(line.trim().as_bytes())?;
        let words: Vec<String> = words.into_iter().map(String::from_utf8).collect::<Result<_, _>>().ok()?;
        if words.is_empty() || !words.len().is_multiple_of(2) {
            return None;
        }
        let value = |name: &str| {
            words.chunks(2).find(|pair| pair[0].eq_ignore_ascii_case(name)).map(|pair| pair[1].clone())
        };
        let name = value("file").filter(|name| !name.is_empty() && !name.contains('/'))?;
        let sequence = value("seq")?.parse().ok().filter(|sequence| *sequence > 0)?;
        let kind = *value("type")?.as_bytes().first()?;
        Some(Entry { name, sequence, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_in_order_and_history_is_none_of_them() {
        let text = "# a note\nfile appendonly.aof.2.base.rdb seq 2 type b\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.4.incr.aof seq 4 type i\nfile \"with \\\" quote\" seq 5 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        let files: Vec<_> = manifest.files().collect();
        assert_eq!(files, ["appendonly.aof.2.base.rdb", "appendonly.aof.4.incr.aof", "with \" quote"]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let base = "file a seq 1 type b";
        for (text, what) in [
            ("", "Found an empty AOF manifest"),
            ("file a", "Invalid AOF manifest file format: line 1: >>> 'file a'"),
            ("file ../a seq 1 type b", "Invalid AOF manifest file format"),
            ("file a seq 0 type b", "Invalid AOF manifest file format"),
            ("file a seq 1 type x", "Unknown AOF file type"),
            (&format!("{base}\n{base}"), "Found duplicate base file information: line 2"),
            ("file a seq 2 type i\nfile b seq 1 type i", "Found a non-monotonic sequence number"),
        ] {
            assert!(Manifest::parse(text).unwrap_err().contains(what), "{text}");
        }
    }
}
