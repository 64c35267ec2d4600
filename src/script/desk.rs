//! What SCRIPT and FUNCTION do to scripts and libraries, wherever it is carried out: by a connection's thread, or in its turn with the
//! shards in hand.
use super::Scripting;
use super::busy::Kind;
use super::functions::{Catalogue, FLAGS, name_of};
use super::library::{Library, Loaded};
use super::store::{Scripts, sha_from};
use shards::commands::Args;
use shards::effects::Effects;
use shards::fault::Fault;
use shards::glob;
use shards::rdb::{Reader, payload, writer};
use shards::reply::Reply;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the code of a library may take.
const LOAD_TIME_MAX: Duration = Duration::from_millis(500);
/// Before each library of a payload.
pub(crate) const OPCODE_FUNCTION: u8 = 245;
/// The version of a payload of libraries: that of Redis 7.0, which all since then read.
const PAYLOAD_VERSION: u16 = 10;

/// What such a command works with.
pub(crate) struct Desk<'a> {
    pub(crate) scripting: &'a mut Scripting,
    pub(crate) scripts: &'a Scripts,
    pub(crate) effects: &'a mut Effects,
    pub(crate) reply: &'a mut Reply,
}

/// What a command does at the desk.
pub(crate) type Act = fn(&mut Desk<'_>, Args<'_>) -> Result<(), Fault>;

/// What becomes of libraries that there are, when others are restored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Append,
    Replace,
    Flush,
}

pub(super) fn script_exists(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    cx.reply.array(args.len() - 2);
    for name in &args[2..] {
        let is_there = sha_from(name).is_some_and(|sha| cx.scripts.get(&sha).is_some());
        cx.reply.integer(i64::from(is_there));
    }
    Ok(())
}

pub(super) fn script_flush(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    if args.len() > 3 || args.get(2).is_some_and(|word| !is_mode(word)) {
        return Err(Fault::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    cx.scripts.flush();
    cx.reply.ok();
    Ok(())
}

pub(super) fn script_load(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let sha = cx.scripting.load(cx.scripts, args[2])?;
    cx.reply.bulk(&sha);
    Ok(())
}

pub(super) fn script_show(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let script = sha_from(args[2]).and_then(|sha| cx.scripts.get(&sha));
    let script = script.ok_or(Fault::new("NOSCRIPT No matching script."))?;
    cx.reply.bulk(&script.source);
    Ok(())
}

pub(super) fn function_load(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let (code, options) = args[2..].split_last().expect("the arity is at least three");
    if let Some(other) = options.iter().find(|word| !word.eq_ignore_ascii_case(b"replace")) {
        return Err(Fault::quoting("ERR Unknown option given: ", other, ""));
    }
    let name = cx.scripts.load_library(code, !options.is_empty(), Some(LOAD_TIME_MAX))?;
    cx.note_change(args);
    cx.reply.bulk(&name);
    Ok(())
}

pub(super) fn function_delete(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let mut catalogue = (*cx.scripts.functions.catalogue()).clone();
    catalogue.remove(args[2]).ok_or(Fault::new("ERR Library not found"))?;
    cx.scripts.put_libraries(catalogue);
    cx.note_change(args);
    cx.reply.ok();
    Ok(())
}

pub(super) fn function_flush(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let is_mode = |word: &[u8]| word.eq_ignore_ascii_case(b"sync") || word.eq_ignore_ascii_case(b"async");
    match args[2..] {
        [] => {}
        [word] if is_mode(word) => {}
        [_] => return Err(Fault::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(wrong_words(args)),
    }
    cx.scripts.put_libraries(Catalogue::default());
    cx.note_change(args);
    cx.reply.ok();
    Ok(())
}

fn wrong_words(args: Args<'_>) -> Fault {
    let before = "ERR unknown subcommand or wrong number of arguments for '";
    Fault::quoting(before, args[1], "'. Try FUNCTION HELP.")
}

pub(super) fn function_restore(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let policy = match args[3..] {
        [] => Policy::Append,
        [word] => match &*word.to_ascii_lowercase() {
            b"append" => Policy::Append,
            b"replace" => Policy::Replace,
            b"flush" => Policy::Flush,
            _ => {
                return Err(Fault::new(
                    "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
                ));
            }
        },
        _ => return Err(wrong_words(args)),
    };
    let (libraries, _) =
        payload::open(args[2]).ok_or(Fault::new("ERR DUMP payload version or checksum are wrong"))?;
    cx.scripts.restore_libraries(libraries, policy)?;
    cx.note_change(args);
    cx.reply.ok();
    Ok(())
}

pub(super) fn function_dump(cx: &mut Desk<'_>, _: Args<'_>) -> Result<(), Fault> {
    let mut dump = Vec::new();
    for code in cx.scripts.library_codes() {
        dump.push(OPCODE_FUNCTION);
        writer::text(&mut dump, &code);
    }
    payload::seal(&mut dump, PAYLOAD_VERSION);
    cx.reply.bulk(&dump);
    Ok(())
}

pub(super) fn function_list(cx: &mut Desk<'_>, args: Args<'_>) -> Result<(), Fault> {
    let (mut pattern, mut with_code) = (None, false);
    let mut words = args[2..].iter();
    while let Some(word) = words.next() {
        if !with_code && word.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && word.eq_ignore_ascii_case(b"libraryname") {
            pattern = Some(words.next().ok_or(Fault::new("ERR library name argument was not given"))?);
        } else {
            return Err(Fault::quoting("ERR Unknown argument ", word, ""));
        }
    }
    let catalogue = cx.scripts.functions.catalogue();
    let is_meant =
        |library: &&Arc<Library>| pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, true));
    let libraries: Vec<_> = catalogue.libraries().filter(is_meant).collect();
    cx.reply.array(libraries.len());
    libraries.into_iter().for_each(|library| write_library(cx.reply, library, with_code));
    Ok(())
}

fn write_library(reply: &mut Reply, library: &Library, with_code: bool) {
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        let flags: Vec<_> = (0..FLAGS.len()).filter(|flag| function.has(*flag)).collect();
        reply.set(flags.len());
        flags.into_iter().for_each(|flag| reply.status(FLAGS[flag]));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

pub(super) fn function_stats(cx: &mut Desk<'_>, _: Args<'_>) -> Result<(), Fault> {
    write_stats(cx.scripts, cx.reply)
}

/// FUNCTION STATS, for whoever runs nothing.
pub(crate) fn write_stats(scripts: &Scripts, reply: &mut Reply) -> Result<(), Fault> {
    if scripts.busy.kind() == Some(Kind::Script) {
        return Err(Kind::Script.refusal());
    }
    reply.map(2);
    reply.bulk(b"running_script");
    match scripts.busy.slow().first() {
        None => reply.null(),
        Some(slow) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&slow.name);
            reply.bulk(b"command");
            reply.bulks(slow.command.iter().map(Vec::as_slice));
            reply.bulk(b"duration_ms");
            reply.integer(slow.since.elapsed().as_millis() as i64);
        }
    }
    let catalogue = scripts.functions.catalogue();
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(catalogue.libraries().len() as i64);
    reply.bulk(b"functions_count");
    reply.integer(catalogue.function_count() as i64);
    Ok(())
}

impl Desk<'_> {
    /// The libraries have changed by this command: it counts, and is recorded.
    fn note_change(&mut self, args: Args<'_>) {
        self.effects.dirty += 1;
        self.effects.record(0, args);
    }
}

/// What the journal and snapshots need of libraries.
impl Scripts {
    /// The texts of all libraries. What each makes of it is restored by [`Scripts::load_library`], in any order.
    pub(crate) fn library_codes(&self) -> Vec<Box<[u8]>> {
        self.functions.catalogue().libraries().map(|library| library.code.clone()).collect()
    }

    /// Loads a library from its text, in place of one of its name if that is wished; gives back its name. Its code runs no longer
    /// than that, if a time is given.
    ///
    /// All shards are in hand, or no commands are served yet.
    ///
    /// # Errors
    /// The text is no library, or the name of it or of a function is taken.
    pub(crate) fn load_library(
        &self,
        code: &[u8],
        replaces: bool,
        time: Option<Duration>,
    ) -> Result<Vec<u8>, Fault> {
        let name = name_of(code)?;
        let mut catalogue = (*self.functions.catalogue()).clone();
        if !replaces && catalogue.library(&name).is_some() {
            return Err(Fault::quoting("ERR Library '", &name, "' already exists"));
        }
        catalogue.remove(&name);
        let added = self.run_library(&name, code, time.map(|time| Instant::now() + time));
        let outcome = added.and_then(|library| catalogue.add(&Arc::new(library)));
        match outcome {
            Ok(()) => self.put_libraries(catalogue),
            Err(_) => self.tidy_machine(),
        }
        outcome.map(|()| name)
    }

    fn run_library(&self, name: &[u8], code: &[u8], until: Option<Instant>) -> Result<Library, Fault> {
        let mut place = self.functions.machine();
        let machine = match &mut *place {
            Some(machine) => machine,
            empty => empty.insert(Loaded::new()?),
        };
        machine.load(self.functions.new_id(), name, code, until)
    }

    /// These libraries take the place of those there were.
    fn put_libraries(&self, catalogue: Catalogue) {
        self.functions.put(catalogue);
        self.tidy_machine();
    }

    /// The machine forgets libraries that nobody can call.
    fn tidy_machine(&self) {
        let catalogue = self.functions.catalogue();
        let mut place = self.functions.machine();
        if catalogue.libraries().len() == 0 {
            return place.take().into_iter().for_each(|machine| machine.end(self));
        }
        if let Some(machine) = &mut *place {
            machine.retain(|id| catalogue.libraries().any(|library| library.id == id));
            machine.tend(self);
        }
    }

    fn restore_libraries(&self, libraries: &[u8], policy: Policy) -> Result<(), Fault> {
        let outcome = self.read_libraries(libraries).and_then(|restored| {
            let mut catalogue = match policy {
                Policy::Flush => Catalogue::default(),
                Policy::Append | Policy::Replace => (*self.functions.catalogue()).clone(),
            };
            for library in &restored {
                if catalogue.library(&library.name).is_some() && policy != Policy::Replace {
                    return Err(Fault::quoting("ERR Library ", &library.name, " already exists"));
                }
                catalogue.remove(&library.name);
            }
            restored.iter().try_for_each(|library| catalogue.add(library))?;
            Ok(catalogue)
        });
        match outcome {
            Ok(catalogue) => {
                self.put_libraries(catalogue);
                Ok(())
            }
            Err(fault) => {
                self.tidy_machine();
                Err(fault)
            }
        }
    }

    /// The libraries of a payload, which must fit together.
    fn read_libraries(&self, libraries: &[u8]) -> Result<Vec<Arc<Library>>, Fault> {
        let mut reader = Reader::new(libraries);
        let (mut together, mut restored) = (Catalogue::default(), Vec::new());
        while reader.left() > 0 {
            if reader.byte() != Ok(OPCODE_FUNCTION) {
                return Err(Fault::new("ERR given type is not a function"));
            }
            let code = reader.string().map_err(|_| Fault::new("ERR Failed loading library data"))?.into_vec();
            let name = name_of(&code)?;
            if together.library(&name).is_some() {
                return Err(Fault::quoting("ERR Library '", &name, "' already exists"));
            }
            let library = Arc::new(self.run_library(&name, &code, None)?);
            together.add(&library)?;
            restored.push(library);
        }
        Ok(restored)
    }
}
