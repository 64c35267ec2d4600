//! Scripts: EVAL and its kin, run with the shards in hand as commands of the engine are.
//!
//! A script is atomic because it runs where its shards are and nothing else does meanwhile. Which shards: all of them gathered,
//! so that any script may touch any key; or, where [`proof`] shows that it touches none but the keys it is given, the shards
//! of those, which for most scripts is one that runs it as it runs a command.
//!
//! The functions of libraries are run the same way ([`library`]). All threads have the same libraries ([`functions`]), which change with all
//! shards in hand ([`desk`]).
//!
//! Each thread has a machine of its own ([`lua`]), made when it first runs a script, and compiles a script when it first runs it. The
//! texts are shared ([`store`]). What a script can reach of the server stands in [`host`] and [`api`], what it can reach of
//! Lua in [`sandbox`].
mod api;
mod aside;
mod bit;
pub(crate) mod busy;
mod cjson;
mod cjson_decode;
mod cmsgpack;
pub(crate) mod commands;
mod convert;
pub(crate) mod desk;
pub(crate) mod functions;
pub(crate) mod host;
mod library;
mod lua;
mod proof;
mod raise;
mod sandbox;
mod shebang;
pub(crate) mod store;
mod structs;

use self::commands::Does;
pub(crate) use self::commands::ScriptCommand;
use self::desk::Desk;
use self::functions::Catalogue;
use self::host::Limits;
pub(crate) use self::host::{Host, Running};
use self::library::{Library, Loaded};
use self::lua::{Ended, Lua, Machine, Raise, Type};
pub(crate) use self::store::Scripts;
use self::store::{Script, Sha, sha_from, sha_of};
use shards::commands::Args;
use shards::effects::Effects;
use shards::fault::{Fault, NOT_INTEGER};
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::number::parse_i64;
use shards::reply::Reply;
use shards::slot::slot_of;
use std::sync::Arc;
use std::time::Duration;

const NO_SCRIPT: Fault = Fault::new("NOSCRIPT No matching script. Please use EVAL.");
const NOT_ALLOWED: Fault = Fault::new("ERR This Redis command is not allowed from script");
const NO_COUNT: Fault = Fault::new("ERR Bad number of keys provided");
const NO_FUNCTION: Fault = Fault::new("ERR Function not found");

/// What a thread needs to run scripts.
#[derive(Debug)]
pub(crate) struct Scripting {
    machine: Option<Machine>,
    /// The scripts that it has met, compiled if it has run them.
    met: KeyedMap<Sha, Met>,
    /// Where the machine keeps its handler of errors.
    handler: i32,
    /// Room for the replies of commands.
    room: Vec<u8>,
    /// What [`Scripts::version`] was when it met them.
    version: u64,
    /// Bytes of the machine, as they were last told.
    told_bytes: usize,
    /// The machine with those libraries that this thread may have of its own.
    loaded: Option<Loaded>,
    /// The libraries, as of this version of them.
    catalogue: (u64, Arc<Catalogue>),
    /// More memory is used than `maxmemory`.
    pub(crate) out_of_memory: bool,
    /// What who would write is told, where what is written could not be kept.
    pub(crate) unkept: Option<Fault>,
    /// `busy-reply-threshold`.
    pub(crate) threshold: Option<Duration>,
}

#[derive(Debug)]
struct Met {
    script: Arc<Script>,
    /// Where the machine keeps the function.
    function: Option<i32>,
}

/// Scripts that a thread remembers; more make it forget all.
const MET_MAX: usize = 10_000;

/// The arguments of EVAL and its kin, and of FCALL, taken apart.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    keys: &'a [&'a [u8]],
    values: &'a [&'a [u8]],
}

impl<'a> Asked<'a> {
    fn read(args: &'a [&'a [u8]], no_number: Fault) -> Result<Asked<'a>, Fault> {
        let count = parse_i64(args[2]).ok_or(no_number)?;
        if count > args.len() as i64 - 3 {
            return Err(Fault::new("ERR Number of keys can't be greater than number of args"));
        }
        let count = usize::try_from(count).map_err(|_| Fault::new("ERR Number of keys can't be negative"))?;
        let (keys, values) = args[3..].split_at(count);
        Ok(Asked { keys, values })
    }
}

impl Default for Scripting {
    fn default() -> Scripting {
        Scripting {
            machine: None,
            met: keyed_map(),
            handler: 0,
            room: Vec::new(),
            version: 0,
            told_bytes: 0,
            loaded: None,
            catalogue: Default::default(),
            out_of_memory: false,
            unkept: None,
            threshold: None,
        }
    }
}

/// Room for replies that is kept between scripts, in bytes, at most.
const ROOM_BYTES_MAX: usize = 64 * 1024;

impl Scripting {
    /// Forgets what was met before the last SCRIPT FLUSH.
    fn keep_up(&mut self, scripts: &Scripts) {
        let version = scripts.version();
        if version != self.version || self.met.len() > MET_MAX {
            self.version = version;
            self.met.clear();
            self.machine = None;
            self.tell_bytes(scripts);
        }
    }

    fn tell_bytes(&mut self, scripts: &Scripts) {
        let bytes = self.machine.as_ref().map_or(0, Machine::bytes);
        if bytes != self.told_bytes {
            scripts.count_machine(busy::Kind::Script, self.told_bytes, bytes);
            self.told_bytes = bytes;
        }
    }

    /// The name of the script that a command is about.
    fn name(by_sha: bool, args: Args<'_>) -> Result<Sha, Fault> {
        if by_sha { sha_from(args[1]).ok_or(NO_SCRIPT) } else { Ok(sha_of(args[1])) }
    }

    /// Finds a script, or adds it where its text is given and can be compiled.
    fn meet(&mut self, scripts: &Scripts, sha: Sha, source: Option<&[u8]>) -> Result<&mut Met, Fault> {
        self.keep_up(scripts);
        if !self.met.contains_key(&sha) {
            let known = scripts.get(&sha);
            let script = match (known, source) {
                (Some(script), None) => script,
                (known, Some(source)) => {
                    let script = match known {
                        Some(script) => script,
                        None => Arc::new(Script::new(sha, source)?),
                    };
                    let function = self.compile(&script)?;
                    scripts.add(&script);
                    self.tell_bytes(scripts);
                    self.met.insert(sha, Met { script: Arc::clone(&script), function: Some(function) });
                    script
                }
                (None, None) => return Err(NO_SCRIPT),
            };
            self.met.entry(sha).or_insert(Met { script, function: None });
        }
        self.met.get_mut(&sha).ok_or(NO_SCRIPT)
    }

    /// Compiles a script; gives back where the machine keeps the function.
    fn compile(&mut self, script: &Script) -> Result<i32, Fault> {
        let lua = self.lua()?;
        match lua.compile(shebang::body(&script.source), c"@user_script") {
            Ok(()) => Ok(lua.keep()),
            Err(Raise) => {
                let why = lua.to_bytes(-1).unwrap_or_default();
                let fault =
                    Fault::text([b"ERR Error compiling script (new function): ".as_slice(), why].concat());
                lua.pop(1);
                Err(fault)
            }
        }
    }

    /// The thread's machine.
    fn lua(&mut self) -> Result<Lua, Fault> {
        if self.machine.is_none() {
            let machine = Machine::new().ok_or(Fault::new("ERR not enough memory for scripts"))?;
            let lua = machine.lua();
            sandbox::build(lua);
            lua.push_callback(api::handle_error);
            self.handler = lua.keep();
            self.machine = Some(machine);
        }
        Ok(self.machine.as_ref().ok_or(NO_SCRIPT)?.lua())
    }

    /// SCRIPT LOAD.
    ///
    /// # Errors
    /// The text is no script.
    pub(crate) fn load(&mut self, scripts: &Scripts, source: &[u8]) -> Result<Sha, Fault> {
        let sha = sha_of(source);
        let script = Arc::clone(&self.meet(scripts, sha, Some(source))?.script);
        scripts.add(&script);
        Ok(sha)
    }

    /// The libraries as they are now.
    fn catalogue(&mut self, scripts: &Scripts) -> Arc<Catalogue> {
        let functions = &scripts.functions;
        let version = functions.version();
        if self.catalogue.0 != version {
            let catalogue = functions.catalogue();
            if let Some(loaded) = &mut self.loaded {
                loaded.retain(|id| catalogue.libraries().any(|library| library.id == id));
            }
            self.catalogue = (version, catalogue);
        }
        Arc::clone(&self.catalogue.1)
    }

    /// The keys of a command that calls a script which touches no others. None if it may touch any, or all that there is to
    /// do is to say what is wrong: with no keys then.
    pub(crate) fn keys_of<'a>(
        &mut self,
        scripts: &Scripts,
        command: &ScriptCommand,
        args: &'a [&'a [u8]],
    ) -> Option<&'a [&'a [u8]]> {
        match command.does {
            Does::Eval { by_sha } => {
                let source = (!by_sha).then(|| args[1]);
                let met = Self::name(by_sha, args).and_then(|sha| self.meet(scripts, sha, source));
                match (met, Asked::read(args, NOT_INTEGER)) {
                    (Ok(met), Ok(asked)) if met.script.is_local => Some(asked.keys),
                    (Ok(_), Ok(_)) => None,
                    _ => Some(&[]),
                }
            }
            Does::Call if scripts.functions.may_change() => None,
            Does::Call => match (self.catalogue(scripts).function(args[1]), Asked::read(args, NO_COUNT)) {
                (Some((library, _)), Ok(asked)) if library.is_local => Some(asked.keys),
                (Some(_), Ok(_)) => None,
                _ => Some(&[]),
            },
            Does::Administer(_) => {
                if command.changes_libraries() {
                    None
                } else {
                    Some(&[])
                }
            }
        }
    }

    /// Whether the script of a command may publish something, and whether it touches no keys but those it is given.
    pub(crate) fn may_publish(
        &mut self,
        scripts: &Scripts,
        command: &ScriptCommand,
        args: Args<'_>,
    ) -> (bool, bool) {
        match command.does {
            Does::Eval { by_sha } => {
                let met = Self::name(by_sha, args).and_then(|sha| self.meet(scripts, sha, None));
                met.map_or((!by_sha, true), |met| (met.script.publishes, met.script.is_local))
            }
            Does::Call => {
                let catalogue = self.catalogue(scripts);
                let found = catalogue.function(args[1]);
                found.map_or((false, true), |(library, _)| {
                    let is_local = library.is_local && !scripts.functions.may_change();
                    (!is_local || store::names_publish(&library.code), is_local)
                })
            }
            Does::Administer(_) => (false, true),
        }
    }

    /// Runs the script of a command and writes its reply.
    pub(crate) fn run(
        &mut self,
        command: &ScriptCommand,
        args: Args<'_>,
        mut host: Host<'_>,
        reply: &mut Reply,
    ) {
        let start = reply.bytes.len();
        host.script.clock.threshold = self.threshold;
        host.script.unkept.clone_from(&self.unkept);
        host.script.reply.bytes = std::mem::take(&mut self.room);
        let outcome = match command.does {
            Does::Eval { by_sha } => self.try_run(by_sha, command.reads_only, args, &mut host, reply),
            Does::Call => self.try_call(command.reads_only, args, &mut host, reply),
            Does::Administer(_) => {
                let scripts = &host.outside.shared.scripts;
                self.administer(command, args, scripts, host.effects, reply);
                Ok(())
            }
        };
        if let Err(fault) = outcome {
            reply.bytes.truncate(start);
            reply.error(&fault.0);
        }
        self.room = std::mem::take(&mut host.script.reply.bytes);
        self.room.clear();
        self.room.shrink_to(ROOM_BYTES_MAX);
    }

    /// Does what a command does to scripts or libraries, and writes its reply.
    pub(crate) fn administer(
        &mut self,
        command: &ScriptCommand,
        args: Args<'_>,
        scripts: &Scripts,
        effects: &mut Effects,
        reply: &mut Reply,
    ) {
        let Does::Administer(act) = command.does else { return };
        let start = reply.bytes.len();
        if let Err(fault) = act(&mut Desk { scripting: self, scripts, effects, reply }, args) {
            reply.bytes.truncate(start);
            reply.error(&fault.0);
        }
        scripts.functions.announced_are_done(usize::from(command.changes_libraries()));
    }

    fn try_run(
        &mut self,
        by_sha: bool,
        reads_only: bool,
        args: Args<'_>,
        host: &mut Host<'_>,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let source = (!by_sha).then(|| args[1]);
        let asked = Asked::read(args, NOT_INTEGER);
        let sha = Self::name(by_sha, args)?;
        let asked = asked?;
        let shared = host.outside.shared;
        let met = self.meet(&shared.scripts, sha, source)?;
        if !(host.has_all() || met.script.is_local && are_in_hand(asked.keys, host)) {
            // It was not known when its shards were chosen.
            return Err(NO_SCRIPT);
        }
        let declared = met.script.declared;
        let function = met.function;
        host.script.limits = if declared.has_line {
            self.limits_of(reads_only, declared.no_writes, declared.allows_oom)?
        } else {
            Limits { reads_only, no_memory: self.out_of_memory }
        };
        let function = match function {
            Some(function) => function,
            None => self.compile_met(&sha)?,
        };
        let machine = self.machine.as_mut().ok_or(NO_SCRIPT)?;
        let lua = machine.lua();
        lua.set_top(0);
        push_list(lua, asked.keys);
        sandbox::set_global(lua, "KEYS");
        push_list(lua, asked.values);
        sandbox::set_global(lua, "ARGV");
        lua.raw_get_at(lua::REGISTRY, self.handler as usize);
        lua.raw_get_at(lua::REGISTRY, function as usize);
        let ended = machine.run(host, 0);
        write_outcome(lua, ended, host, reply, &sha);
        machine.tend();
        self.tell_bytes(&shared.scripts);
        Ok(())
    }

    /// What a script may do that declares so much.
    fn limits_of(&self, reads_only: bool, no_writes: bool, allows_oom: bool) -> Result<Limits, Fault> {
        if let Some(fault) = self.unkept.as_ref().filter(|_| !no_writes) {
            return Err(fault.clone());
        }
        if reads_only && !no_writes {
            return Err(Fault::new("ERR Can not execute a script with write flag using *_ro command."));
        }
        if self.out_of_memory && !allows_oom && !no_writes {
            return Err(Fault::new(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        Ok(Limits { reads_only: reads_only || no_writes, no_memory: self.out_of_memory && !allows_oom })
    }

    /// Compiles a script that was met before; gives back where the machine keeps the function.
    fn compile_met(&mut self, sha: &Sha) -> Result<i32, Fault> {
        let script = Arc::clone(&self.met.get(sha).ok_or(NO_SCRIPT)?.script);
        let function = self.compile(&script)?;
        if let Some(met) = self.met.get_mut(sha) {
            met.function = Some(function);
        }
        Ok(function)
    }

    /// FCALL.
    fn try_call(
        &mut self,
        reads_only: bool,
        args: Args<'_>,
        host: &mut Host<'_>,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let shared = host.outside.shared;
        let catalogue = self.catalogue(&shared.scripts);
        let (library, place) = catalogue.function(args[1]).ok_or(NO_FUNCTION)?;
        let asked = Asked::read(args, NO_COUNT)?;
        if !(host.has_all() || library.is_local && are_in_hand(asked.keys, host)) {
            // It was not there when its shards were chosen.
            return Err(NO_FUNCTION);
        }
        let function = &library.functions[*place];
        host.script.limits = self.limits_of(reads_only, function.has(0), function.has(1))?;
        host.script.kind = busy::Kind::Function;
        host.script.called = Some((function.name.to_vec(), args.iter().map(|arg| arg.to_vec()).collect()));
        if library.is_local {
            let loaded = match &mut self.loaded {
                Some(loaded) => loaded,
                empty => empty.insert(Loaded::new()?),
            };
            call_in(loaded, library, *place, asked, host, reply)
        } else {
            let mut loaded = shared.scripts.functions.machine();
            call_in(loaded.as_mut().ok_or(NO_FUNCTION)?, library, *place, asked, host, reply)
        }
    }
}

fn call_in(
    loaded: &mut Loaded,
    library: &Library,
    place: usize,
    asked: Asked<'_>,
    host: &mut Host<'_>,
    reply: &mut Reply,
) -> Result<(), Fault> {
    loaded.meet(library)?;
    let (ended, lua) = loaded.call(library, place, asked, host);
    write_outcome(lua, ended, host, reply, &library.functions[place].name);
    loaded.tend(&host.outside.shared.scripts);
    Ok(())
}

/// Writes what a script left on the stack as the reply.
fn write_outcome(lua: Lua, ended: Ended, host: &Host<'_>, reply: &mut Reply, name: &[u8]) {
    match ended {
        Ended::Well => convert::write_value(lua, reply, host.script.reply.resp),
        Ended::Error => write_error(lua, reply, name),
    }
    lua.set_top(0);
}

fn are_in_hand(keys: &[&[u8]], host: &Host<'_>) -> bool {
    keys.iter().all(|key| {
        let slot = slot_of(key);
        host.shards.iter().any(|shard| shard.slots.contains(&slot))
    })
}

fn push_list(lua: Lua, list: &[&[u8]]) {
    lua.push_table(list.len(), 0);
    for (index, value) in list.iter().enumerate() {
        lua.push_bytes(value);
        lua.raw_set_at(-2, index + 1);
    }
}

/// Writes the error at the top of the stack.
fn write_error(lua: Lua, reply: &mut Reply, name: &[u8]) {
    if lua.type_of(-1) != Type::Table {
        let why = lua.bytes(-1).unwrap_or(b"execution failure");
        return reply.error(&[b"ERR Error running script ", name, b", ", why].concat());
    }
    let table = lua.top();
    ["err", "source", "line"].iter().for_each(|name| lua.raw_field(table, name));
    let mut text = lua.to_bytes(table + 1).unwrap_or(b"ERR unknown error").to_vec();
    if let (Some(source), Some(line)) = (lua.to_bytes(table + 2), lua.to_bytes(table + 3)) {
        for part in [b" script: ", name, b", on ", source, b":", line, b"."] {
            text.extend_from_slice(part);
        }
    }
    reply.error(&text);
}
