//! `braid check`: reads data files as a server would that starts with them, says what is in them and what is wrong with them, and
//! cuts off what is torn.
use super::apply::{Head, Piece, Trouble};
use super::foreign::log::{self, End, LogSink};
use super::foreign::manifest::Manifest;
use super::progress::Bar;
use super::rdb::read::{self as rdb, Sink};
use super::window::Window;
use crate::table::table;
use crate::thread::wall_ms;
use shards::commands::Args;
use shards::rdb::{Bad, Decoder, Loaded, Reader, Step};
use shards::settings::Settings;
use shards::values::Object;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

#[cfg(test)]
mod fuzz;
mod journals;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Torn logs are cut to what is whole.
    pub fixes: bool,
    /// Nobody is asked before.
    pub is_sure: bool,
}

/// Checks files; whether all of them can be loaded.
///
/// # Errors
/// Nothing more can be written to `out`.
pub fn check(asked: &Asked, out: &mut impl Write, answers: &mut impl BufRead) -> io::Result<bool> {
    let mut all_fine = true;
    for path in &asked.files {
        let mut checker = Checker { asked, out, answers };
        all_fine &= checker.check(path)?;
    }
    Ok(all_fine)
}

struct Checker<'a, W, R> {
    asked: &'a Asked,
    out: &'a mut W,
    answers: &'a mut R,
}

impl<W: Write, R: BufRead> Checker<'_, W, R> {
    fn check(&mut self, path: &Path) -> io::Result<bool> {
        if path.file_name().is_some_and(|name| name == journals::MANIFEST) {
            return self.journals(path);
        }
        if path.extension().is_some_and(|extension| extension == "braid") {
            return self.piece(path);
        }
        if path.extension().is_some_and(|extension| extension == "manifest") {
            return self.manifest(path);
        }
        self.file(path, true)
    }

    /// The files that a manifest names; only the last of them may be torn and be cut.
    fn manifest(&mut self, path: &Path) -> io::Result<bool> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let manifest = match text.and_then(|text| Manifest::parse(&text)) {
            Ok(manifest) => manifest,
            Err(what) => {
                writeln!(self.out, "{shown}: {what}")?;
                return Ok(false);
            }
        };
        let count = manifest.files().count();
        writeln!(self.out, "{shown}: names {count} file{}", if count == 1 { "" } else { "s" })?;
        let mut all_fine = true;
        for (index, name) in manifest.files().enumerate() {
            all_fine &= self.file(&path.with_file_name(name), index + 1 == count)?;
        }
        Ok(all_fine)
    }

    fn file(&mut self, path: &Path, is_last: bool) -> io::Result<bool> {
        let shown = path.display();
        let mut census = Census::default();
        let len = match std::fs::metadata(path) {
            Ok(facts) => facts.len(),
            Err(error) => {
                writeln!(self.out, "{shown}: can't be opened: {error}")?;
                return Ok(false);
            }
        };
        census.total_bytes = len;
        let outcome = read(path, &mut census);
        census.bar.end();
        writeln!(self.out, "{shown}: {}", census.describe())?;
        let sound_up_to = match outcome {
            Ok(End::Whole) => {
                writeln!(self.out, "{shown}: OK")?;
                return Ok(true);
            }
            Ok(End::Torn(at)) => {
                writeln!(
                    self.out,
                    "{shown}: ends within a command or transaction: it is whole up to offset {at} (0x{at:x}) of {len}"
                )?;
                Some(at)
            }
            Err(trouble) => {
                let at = trouble.at.unwrap_or(0);
                writeln!(self.out, "{shown}: at offset {at} (0x{at:x}) of {len}: {}", trouble.what)?;
                if census.is_in_log { sound_before(path, at) } else { None }
            }
        };
        match sound_up_to {
            Some(at) if self.asked.fixes && is_last => self.cut(path, len, at),
            Some(_) if is_last => {
                writeln!(self.out, "{shown}: use --fix to cut off what is not whole")?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Whether it is to be done, as who asked says, if he is not sure already.
    fn is_wanted(&mut self) -> io::Result<bool> {
        if self.asked.is_sure {
            return Ok(true);
        }
        write!(self.out, "Continue? [y/N]: ")?;
        self.out.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().eq_ignore_ascii_case("y"))
    }

    /// Cuts a log off, if that is wanted.
    fn cut(&mut self, path: &Path, len: u64, at: u64) -> io::Result<bool> {
        let shown = path.display();
        let lost = len.saturating_sub(at);
        writeln!(self.out, "This will shrink {shown} from {len} bytes, by {lost} bytes, to {at} bytes")?;
        if !self.is_wanted()? {
            writeln!(self.out, "{shown}: left as it is")?;
            return Ok(false);
        }
        let cut = OpenOptions::new().write(true).open(path).and_then(|file| {
            file.set_len(at)?;
            file.sync_all()
        });
        match &cut {
            Ok(()) => writeln!(self.out, "{shown}: cut off, and OK now")?,
            Err(error) => writeln!(self.out, "{shown}: can't be cut off: {error}")?,
        }
        Ok(cut.is_ok())
    }
}

/// What is in a file that is in memory, in words. `checks_sums` tells whether an RDB file's checksum counts.
///
/// # Errors
/// What is wrong with it, and where.
pub fn examine(bytes: &[u8], checks_sums: bool) -> Result<String, Trouble> {
    let (mut census, mut window) = (Census::default(), Window::new(bytes));
    if rdb::is_rdb(bytes) {
        census.has_rdb = true;
        rdb::read(&mut window, &mut census, checks_sums)?;
    }
    log::read(&mut window, &mut census)?;
    Ok(census.describe())
}

fn read(path: &Path, census: &mut Census) -> Result<End, Trouble> {
    let unreadable = |error: io::Error| Trouble::new(format!("it cannot be read: {error}"));
    let mut window = Window::new(File::open(path).map_err(unreadable)?);
    window.fill_to(rdb::HEADER_BYTES).map_err(unreadable)?;
    let is_log = window.rest().first().is_none_or(|mark| matches!(mark, b'*' | b'#'));
    if is_log {
        census.is_in_log = true;
        return log::read(&mut window, census);
    }
    census.has_rdb = true;
    rdb::read(&mut window, census, true)?;
    // Behind an RDB file there may be a log.
    census.is_in_log = true;
    log::read(&mut window, census)
}

/// Up to where a log is whole that is broken at an offset.
fn sound_before(path: &Path, at: u64) -> Option<u64> {
    let file = File::open(path).ok()?;
    let mut sound = Vec::new();
    // What is before the damage was read once: it is as long as that.
    file.take(at).read_to_end(&mut sound).ok()?;
    let mut window = Window::new(&sound[..]);
    let mut census = Census::default();
    window.fill_to(rdb::HEADER_BYTES).ok()?;
    if rdb::is_rdb(window.rest()) {
        rdb::read(&mut window, &mut census, false).ok()?;
    }
    match log::read(&mut window, &mut census).ok()? {
        End::Whole => Some(at),
        End::Torn(torn) => Some(torn),
    }
}

/// What a file holds.
struct Census {
    settings: Settings,
    growing: Option<Decoder>,
    now_ms: i64,
    has_rdb: bool,
    is_in_log: bool,
    total_bytes: u64,
    bar: Bar,
    writer: String,
    dbs: BTreeSet<u16>,
    keys: [u64; TYPES.len()],
    empty: u64,
    expire: u64,
    expired: u64,
    functions: u64,
    commands: u64,
}

const TYPES: [&str; 6] = ["strings", "lists", "sets", "sorted sets", "hashes", "streams"];

impl Default for Census {
    fn default() -> Census {
        Census {
            settings: Settings::default(),
            growing: None,
            now_ms: wall_ms(),
            has_rdb: false,
            is_in_log: false,
            total_bytes: 0,
            bar: Bar::new(),
            writer: String::new(),
            dbs: BTreeSet::new(),
            keys: [0; TYPES.len()],
            empty: 0,
            expire: 0,
            expired: 0,
            functions: 0,
            commands: 0,
        }
    }
}

impl Census {
    fn describe(&self) -> String {
        let mut text = String::new();
        if self.has_rdb {
            let keys: u64 = self.keys.iter().sum();
            text += &format!("RDB file{}: {keys} keys", self.writer);
            let kinds = TYPES.iter().zip(self.keys).filter(|(_, count)| *count > 0);
            let kinds: Vec<_> = kinds.map(|(name, count)| format!("{count} {name}")).collect();
            if !kinds.is_empty() {
                text += &format!(" ({})", kinds.join(", "));
            }
            text += &format!(" in {} databases", self.dbs.len());
            text += &format!(", {} expire, {} of them have expired", self.expire, self.expired);
            for (count, what) in [(self.functions, "libraries of functions"), (self.empty, "empty values")] {
                if count > 0 {
                    text += &format!(", {count} {what}");
                }
            }
        }
        if !self.has_rdb || self.commands > 0 {
            text += if self.has_rdb { "; then a log" } else { "log" };
            text += &format!(" of {} commands", self.commands);
        }
        text
    }
}

impl Sink for Census {
    fn mark(&mut self, at: u64) {
        self.bar.show("Checking", at, self.total_bytes);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Trouble> {
        if matches!(name, b"redis-ver" | b"valkey-ver") {
            self.writer = format!(" of version {}", String::from_utf8_lossy(value));
        }
        Ok(())
    }

    fn function(&mut self, _: &[u8]) -> Result<(), Trouble> {
        self.functions += 1;
        Ok(())
    }

    fn value(&mut self, head: &Head<'_>, bytes: &[u8], piece: Piece) -> Result<(), Trouble> {
        let name = || head.key.escape_ascii();
        let is_first = matches!(piece, Piece::Whole | Piece::First);
        let known = if is_first { Some(Decoder::new(head.kind, head.version)) } else { self.growing.take() };
        let Some(mut decoder) = known else { return Ok(()) };
        let mut reader = Reader::new(bytes);
        let kind = match decoder.step(&mut reader, &self.settings, usize::MAX) {
            Ok(Step::Done(Loaded::String(_))) => 0,
            Ok(Step::Done(Loaded::Object(object))) => match object {
                Object::List(_) => 1,
                Object::Set(_) => 2,
                Object::Zset(_) => 3,
                Object::Hash(_) => 4,
                Object::Stream(_) => 5,
            },
            Err(Bad::Short) if !matches!(piece, Piece::Whole | Piece::Last) => {
                self.growing = Some(decoder);
                return Ok(());
            }
            Err(Bad::Empty) => {
                self.empty += 1;
                return Ok(());
            }
            Err(Bad::Data(why)) => return Err(Trouble::new(format!("key '{}' is broken: {why}", name()))),
            _ => return Err(Trouble::new(format!("key '{}' is broken", name()))),
        };
        self.keys[kind] += 1;
        self.dbs.insert(head.db);
        self.expire += u64::from(head.expires_at_ms.is_some());
        self.expired += u64::from(head.expires_at_ms.is_some_and(|at_ms| at_ms < self.now_ms));
        Ok(())
    }
}

impl LogSink for Census {
    fn command(&mut self, _: u16, args: Args<'_>) -> Result<(), Trouble> {
        self.commands += 1;
        let entry = table().find(args[0]);
        let entry =
            entry.ok_or_else(|| Trouble::new(format!("Unknown command '{}'", args[0].escape_ascii())))?;
        if entry.subcommands.is_empty() && !entry.spec.fits(args.len()) {
            return Err(Trouble::new(format!("wrong number of arguments for '{}'", entry.spec.name)));
        }
        Ok(())
    }

    fn came_to(&mut self, at: u64) {
        self.bar.show("Checking", at, self.total_bytes);
    }
}
