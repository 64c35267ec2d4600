//! The first line of a script, `#!lua flags=…`: what it declares about itself.
use shards::fault::Fault;

/// What a script declares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Declared {
    /// It has such a line: what it does not declare, it does not claim.
    pub(crate) has_line: bool,
    /// `no-writes`.
    pub(crate) no_writes: bool,
    /// `allow-oom`.
    pub(crate) allows_oom: bool,
}

/// Reads the first line of a script.
///
/// # Errors
/// It names another language, or a flag or an option that does not exist.
pub(crate) fn read_shebang(source: &[u8]) -> Result<Declared, Fault> {
    if !source.starts_with(b"#!") {
        return Ok(Declared::default());
    }
    let Some(end) = source.iter().position(|byte| *byte == b'\n') else {
        return Err(Fault::new("ERR Invalid script shebang"));
    };
    let mut words = source[..end].split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(Fault::quoting("ERR Unexpected engine in script shebang: ", engine, ""));
    }
    let mut declared = Declared { has_line: true, ..Declared::default() };
    for word in words {
        let Some(flags) = word.strip_prefix(b"flags=") else {
            return Err(Fault::quoting("ERR Unknown lua shebang option: ", word, ""));
        };
        for flag in flags.split(|byte| *byte == b',').filter(|flag| !flag.is_empty()) {
            match flag {
                b"no-writes" => declared.no_writes = true,
                b"allow-oom" => declared.allows_oom = true,
                b"allow-stale" | b"no-cluster" | b"allow-cross-slot-keys" => {}
                _ => return Err(Fault::quoting("ERR Unexpected flag in script shebang: ", flag, "")),
            }
        }
    }
    Ok(declared)
}

/// The text that is compiled: without that line, whose end stays, so that lines keep their numbers.
pub(crate) fn body(source: &[u8]) -> &[u8] {
    if source.starts_with(b"#!") {
        let end = source.iter().position(|byte| *byte == b'\n').unwrap_or(source.len());
        &source[end..]
    } else {
        source
    }
}
