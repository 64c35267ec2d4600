//! Reading an RDB file: what stands in it, one after the other, and what is wrong with it where.
use crate::persist::apply::{Head, Piece, Trouble, Used};
use crate::persist::window::{Source, Window};
use shards::rdb::{Bad, Extent, Reader, is_known_version};

/// Marks of what is no value.
mod opcode {
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION: u8 = 245;
    pub(super) const FUNCTION_EARLY: u8 = 246;
    pub(super) const MODULE_AUX: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUX: u8 = 250;
    pub(super) const RESIZE_DB: u8 = 251;
    pub(super) const EXPIRES_MS: u8 = 252;
    pub(super) const EXPIRES_SECONDS: u8 = 253;
    pub(super) const SELECT_DB: u8 = 254;
    pub(super) const END: u8 = 255;
}

/// The first version whose files end with a checksum.
const VERSION_CHECKSUM: u16 = 5;
/// A value that is longer is handed over in pieces, in bytes.
const PIECES_FROM: usize = 1 << 20;
/// What a file begins with: a word and its version.
pub(crate) const HEADER_BYTES: usize = 9;

/// Who is told what stands in a file.
pub(crate) trait Sink {
    /// What comes next begins at this place of the file.
    fn mark(&mut self, at: u64);
    /// A fact about the file.
    fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), Trouble>;
    /// The code of a library of functions.
    fn function(&mut self, code: &[u8]) -> Result<(), Trouble>;
    /// A value, or a piece of one.
    fn value(&mut self, head: &Head<'_>, bytes: &[u8], piece: Piece) -> Result<(), Trouble>;
}

/// Whether a file begins as RDB files do.
pub(crate) fn is_rdb(head: &[u8]) -> bool {
    head.starts_with(b"REDIS") || head.starts_with(b"VALKEY")
}

/// Reads an RDB file from where the window stands, up to its end, where the window then stands. `checks` tells whether the
/// checksum is compared.
///
/// # Errors
/// What is wrong, and where; or what the sink said.
pub(crate) fn read<S: Source>(
    window: &mut Window<S>,
    sink: &mut impl Sink,
    checks: bool,
) -> Result<(), Trouble> {
    if checks {
        window.begin_checksum();
    }
    let version = read_header(window)?;
    let mut file = File { version, db: 0, expires_at_ms: None, used: Used::Untold };
    loop {
        let (done, stop) = file.items(window, sink)?;
        window.consume(done);
        match stop {
            Stop::End => break,
            Stop::Long => file.long_value(window, sink)?,
            Stop::Short => fill(window)?,
        }
    }
    let computed = window.end_checksum();
    if version < VERSION_CHECKSUM {
        return Ok(());
    }
    if !window.fill_to(8).map_err(|error| failed(&error))? {
        return Err(cut_off(window.at()));
    }
    let stored = window.rest().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let at = window.at();
    window.consume(8);
    match computed {
        Some(_) if stored == 0 => {
            crate::log::notice(format_args!(
                "RDB file was saved with checksum disabled: no check performed."
            ));
            Ok(())
        }
        Some(computed) if computed != stored => Err(Trouble::new(format!(
            "Wrong RDB checksum expected: ({stored:x}) but got ({computed:x}). The file is damaged somewhere before"
        ))
        .at(at)),
        _ => Ok(()),
    }
}

fn read_header<S: Source>(window: &mut Window<S>) -> Result<u16, Trouble> {
    let begin = window.at();
    if !window.fill_to(HEADER_BYTES).map_err(|error| failed(&error))? {
        return Err(cut_off(begin));
    }
    let header = &window.rest()[..HEADER_BYTES];
    let digits = header.strip_prefix(b"REDIS").or_else(|| header.strip_prefix(b"VALKEY"));
    let wrong = || Trouble::new("Wrong signature trying to load DB from file").at(begin);
    let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(wrong)?;
    let version = digits.parse().map_err(|_| wrong())?;
    if !is_known_version(version) {
        return Err(Trouble::new(format!("Can't handle RDB format version {version}")).at(begin));
    }
    window.consume(HEADER_BYTES);
    Ok(version)
}

/// Why reading stops in a window.
enum Stop {
    /// More bytes are needed.
    Short,
    /// A value begins that is to be handed over in pieces.
    Long,
    /// The file ends.
    End,
}

/// What an item was.
enum Item {
    Done,
    End,
}

/// Where in the file one is.
struct File {
    version: u16,
    db: u16,
    /// Of the key that comes next.
    expires_at_ms: Option<i64>,
    used: Used,
}

/// Why an item cannot be read.
enum Refusal {
    Bad(Bad),
    Trouble(Trouble),
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Refusal {
        Refusal::Bad(bad)
    }
}
impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Trouble(trouble)
    }
}

impl File {
    /// Reads as many whole items as the window holds; how many bytes they are, and why there are no more.
    fn items<S: Source>(
        &mut self,
        window: &Window<S>,
        sink: &mut impl Sink,
    ) -> Result<(usize, Stop), Trouble> {
        let (base, rest) = (window.at(), window.rest());
        let mut reader = Reader::new(rest);
        loop {
            let done = reader.position();
            let at = base + done as u64;
            sink.mark(at);
            match self.item(&mut reader, sink) {
                Ok(Item::Done) => {}
                Ok(Item::End) => return Ok((reader.position(), Stop::End)),
                Err(Refusal::Bad(Bad::Short)) => {
                    let is_long =
                        rest.len() - done > PIECES_FROM && rest[done] < opcode::SLOT_INFO && rest[done] > 0;
                    return Ok((done, if is_long { Stop::Long } else { Stop::Short }));
                }
                Err(Refusal::Bad(bad)) => return Err(describe(bad, rest[done], at)),
                Err(Refusal::Trouble(trouble)) => return Err(trouble.at(at)),
            }
        }
    }

    #[inline]
    fn item(&mut self, reader: &mut Reader<'_>, sink: &mut impl Sink) -> Result<Item, Refusal> {
        let kind = reader.byte()?;
        if kind < opcode::SLOT_INFO {
            let key = reader.string()?;
            let mut extent = Extent::new(kind, self.version);
            let bytes = reader.ahead();
            let begin = reader.position();
            if !extent.step(reader)? {
                return Err(Bad::Short.into());
            }
            let bytes = &bytes[..reader.position() - begin];
            let mut room = [0; 20];
            let head = self.head(kind, key.view().bytes(&mut room));
            sink.value(&head, bytes, Piece::Whole)?;
            self.end_value();
            return Ok(Item::Done);
        }
        self.aside(kind, reader, sink)
    }

    /// What is no value.
    fn aside(&mut self, mark: u8, reader: &mut Reader<'_>, sink: &mut impl Sink) -> Result<Item, Refusal> {
        match mark {
            opcode::EXPIRES_MS => self.expires_at_ms = Some(reader.milliseconds()?),
            opcode::EXPIRES_SECONDS => {
                let seconds = reader.bytes(4)?.first_chunk().map_or(0, |bytes| i32::from_le_bytes(*bytes));
                self.expires_at_ms = Some(i64::from(seconds) * 1000);
            }
            opcode::IDLE => self.used = Used::IdleSeconds(reader.number()?),
            opcode::FREQUENCY => self.used = Used::Frequency(reader.byte()?),
            opcode::SELECT_DB => {
                let db = reader.number()?;
                self.db =
                    u16::try_from(db).map_err(|_| Trouble::new(format!("there is no database {db}")))?;
            }
            opcode::RESIZE_DB => {
                reader.number()?;
                reader.number()?;
            }
            opcode::SLOT_INFO => {
                (0..3).try_for_each(|_| reader.number().map(drop))?;
            }
            opcode::AUX => {
                let (name, value) = (reader.string()?, reader.string()?);
                sink.aux(name.view().bytes(&mut [0; 20]), value.view().bytes(&mut [0; 20]))?;
            }
            opcode::FUNCTION => sink.function(reader.string()?.view().bytes(&mut [0; 20]))?,
            opcode::FUNCTION_EARLY => {
                return Err(Trouble::new("Pre-release function format not supported").into());
            }
            opcode::MODULE_AUX => skip_module_aux(reader)?,
            opcode::END => return Ok(Item::End),
            _ => unreachable!("these are all the marks from the first one on"),
        }
        Ok(Item::Done)
    }

    fn head<'a>(&self, kind: u8, key: &'a [u8]) -> Head<'a> {
        let File { version, db, expires_at_ms, used } = *self;
        Head { db, key, kind, version, expires_at_ms, used }
    }

    fn end_value(&mut self) {
        (self.expires_at_ms, self.used) = (None, Used::Untold);
    }

    /// A value that is longer than the window: handed over as it is read, in pieces of whole elements.
    fn long_value<S: Source>(&mut self, window: &mut Window<S>, sink: &mut impl Sink) -> Result<(), Trouble> {
        let at = window.at();
        let mut reader = Reader::new(window.rest());
        let begun = reader.byte().and_then(|kind| Ok((kind, reader.string()?.into_vec())));
        let (kind, key) = begun.map_err(|bad| describe(bad, window.rest()[0], at))?;
        let begin = reader.position();
        window.consume(begin);
        let head = self.head(kind, &key);
        let mut extent = Extent::new(kind, self.version);
        let mut piece = Piece::First;
        loop {
            let mut reader = Reader::new(window.rest());
            let is_last = extent.step(&mut reader).map_err(|bad| describe(bad, kind, at))?;
            let len = reader.position();
            piece = match piece {
                Piece::First if is_last => Piece::Whole,
                piece if is_last && piece != Piece::First => Piece::Last,
                piece => piece,
            };
            if len > 0 || is_last {
                sink.value(&head, &window.rest()[..len], piece).map_err(|trouble| trouble.at(at))?;
                window.consume(len);
                if is_last {
                    self.end_value();
                    return Ok(());
                }
                piece = Piece::Middle;
            }
            fill(window)?;
        }
    }
}

fn fill<S: Source>(window: &mut Window<S>) -> Result<(), Trouble> {
    match window.fill() {
        Ok(true) => Ok(()),
        Ok(false) => Err(cut_off(window.at() + window.rest().len() as u64)),
        Err(error) => Err(failed(&error).at(window.at())),
    }
}

fn failed(error: &std::io::Error) -> Trouble {
    Trouble::new(format!("it cannot be read: {error}"))
}

fn cut_off(at: u64) -> Trouble {
    Trouble::new("Short read: the file ends too early").at(at)
}

fn describe(bad: Bad, mark: u8, at: u64) -> Trouble {
    let what = match bad {
        Bad::Short => "Short read: the file ends too early".to_owned(),
        Bad::Data("a type that is not known") => format!("Unknown RDB encoding type {mark}"),
        Bad::Data(why) => format!("broken data: {why}"),
        Bad::Module => "The RDB file contains module data I can't load: there are no modules here".to_owned(),
        Bad::Empty => "an empty value".to_owned(),
    };
    Trouble::new(what).at(at)
}

/// Passes over what a module put beside the keys.
fn skip_module_aux(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    let module = reader.number()?;
    reader.number()?;
    reader.number()?;
    loop {
        match reader.number()? {
            0 => break,
            1 | 2 => drop(reader.number()?),
            3 => drop(reader.bytes(4)?),
            4 => drop(reader.bytes(8)?),
            5 => reader.skip_string()?,
            _ => return Err(Bad::Data("a module's datum of no known type").into()),
        }
    }
    crate::log::warning(format_args!(
        "The RDB file contains AUX module data that is passed over: no matching module '{}'",
        module_name(module)
    ));
    Ok(())
}

/// The name in a module's number: nine characters of six bits above ten bits of a version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|place| char::from(LETTERS[(id >> (10 + 6 * place)) as usize & 63])).collect()
}
