//! Scripts: EVAL and its kin, run with the shards in hand as commands of the engine are.
//!
//! A script is atomic because it runs where its shards are and nothing else does meanwhile. Which shards: all of them gathered,
//! so that any script may touch any key; or, where [`proof`] shows that it touches none but the keys it is given, the shards
//! of those, which for most scripts is one that runs it as it runs a command.
//!
//! Each thread has a machine of its own ([`lua`]), made when it first runs a script, and compiles a script when it first runs it. The
//! texts are shared ([`store`]). What a script can reach of the server stands in [`host`] and [`api`], what it can reach of
//! Lua in [`sandbox`].
mod api;
mod bit;
mod cjson;
mod cjson_decode;
mod cmsgpack;
pub(crate) mod commands;
mod convert;
pub(crate) mod host;
mod lua;
mod proof;
mod raise;
mod sandbox;
mod shebang;
pub(crate) mod store;
mod structs;

pub(crate) use self::commands::ScriptCommand;
use self::host::Limits;
pub(crate) use self::host::{Host, Running};
use self::lua::{Ended, Lua, Machine, Raise, Type};
pub(crate) use self::store::Scripts;
use self::store::{Script, Sha, sha_from, sha_of};
use shards::commands::Args;
use shards::fault::Fault;
use shards::keyspace::hash::{KeyedMap, keyed_map};
use shards::number::parse_i64;
use shards::reply::Reply;
use shards::slot::slot_of;
use std::sync::Arc;
use std::time::Duration;

const NO_SCRIPT: Fault = Fault::new("NOSCRIPT No matching script. Please use EVAL.");

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
    /// Scripts run since something was freed.
    since_freed: u32,
    /// More memory is used than `maxmemory`.
    pub(crate) out_of_memory: bool,
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
/// Scripts run between two times that something is freed beyond what Lua frees as it allocates.
const RUNS_TO_FREE: u32 = 50;

/// The arguments of EVAL and its kin, taken apart.
#[derive(Clone, Copy, Debug)]
struct Asked<'a> {
    keys: &'a [&'a [u8]],
    values: &'a [&'a [u8]],
}

impl<'a> Asked<'a> {
    fn read(args: &'a [&'a [u8]]) -> Result<Asked<'a>, Fault> {
        let count = parse_i64(args[2]).ok_or(shards::fault::NOT_INTEGER)?;
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
            since_freed: 0,
            out_of_memory: false,
            threshold: None,
        }
    }
}

/// A machine that holds more bytes after a script is freed of what the script left.
const MACHINE_BYTES_MANY: usize = 32 << 20;
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
            scripts.count_machine(self.told_bytes, bytes);
            self.told_bytes = bytes;
        }
    }

    /// The name of the script that a command is about.
    fn name(command: &ScriptCommand, args: Args<'_>) -> Result<Sha, Fault> {
        if command.by_sha { sha_from(args[1]).ok_or(NO_SCRIPT) } else { Ok(sha_of(args[1])) }
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

    /// The keys of a command that calls a script which touches no others. None if it may touch any, or all that there is to
    /// do is to say what is wrong: with no keys then.
    pub(crate) fn keys_of<'a>(
        &mut self,
        scripts: &Scripts,
        command: &ScriptCommand,
        args: &'a [&'a [u8]],
    ) -> Option<&'a [&'a [u8]]> {
        let source = (!command.by_sha).then(|| args[1]);
        let met = Self::name(command, args).and_then(|sha| self.meet(scripts, sha, source));
        match (met, Asked::read(args)) {
            (Ok(met), Ok(asked)) if met.script.is_local => Some(asked.keys),
            (Ok(_), Ok(_)) => None,
            _ => Some(&[]),
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
        host.script.reply.bytes = std::mem::take(&mut self.room);
        if let Err(fault) = self.try_run(command, args, &mut host, reply) {
            reply.bytes.truncate(start);
            reply.error(&fault.0);
        }
        self.room = std::mem::take(&mut host.script.reply.bytes);
        self.room.clear();
        self.room.shrink_to(ROOM_BYTES_MAX);
        if let Some(machine) = self.machine.as_mut().filter(|machine| machine.bytes() > MACHINE_BYTES_MANY) {
            machine.collect_all();
            self.tell_bytes(&host.outside.shared.scripts);
        }
        self.since_freed += 1;
        if self.since_freed >= RUNS_TO_FREE {
            self.since_freed = 0;
            if let Some(machine) = &mut self.machine {
                machine.collect_some();
            }
            self.tell_bytes(&host.outside.shared.scripts);
        }
    }

    fn try_run(
        &mut self,
        command: &ScriptCommand,
        args: Args<'_>,
        host: &mut Host<'_>,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let source = (!command.by_sha).then(|| args[1]);
        let asked = Asked::read(args);
        let sha = Self::name(command, args)?;
        let asked = asked?;
        let shared = host.outside.shared;
        let out_of_memory = self.out_of_memory;
        let met = self.meet(&shared.scripts, sha, source)?;
        let is_everything = host.shards.len() == shared.shard_count();
        let has_its_keys = met.script.is_local && are_in_hand(asked.keys, host);
        if !is_everything && !has_its_keys {
            // It was not known when its shards were chosen.
            return Err(NO_SCRIPT);
        }
        let declared = met.script.declared;
        if declared.has_line {
            if command.reads_only && !declared.no_writes {
                return Err(Fault::new("ERR Can not execute a script with write flag using *_ro command."));
            }
            if out_of_memory && !declared.allows_oom && !declared.no_writes {
                return Err(Fault::new(
                    "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
                ));
            }
        }
        host.script.limits = Limits {
            reads_only: command.reads_only || declared.no_writes,
            no_memory: out_of_memory && !declared.allows_oom,
        };
        let function = match met.function {
            Some(function) => function,
            None => {
                let script = Arc::clone(&met.script);
                let function = self.compile(&script)?;
                if let Some(met) = self.met.get_mut(&sha) {
                    met.function = Some(function);
                }
                function
            }
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
        let ended = machine.run(host);
        match ended {
            Ended::Well => convert::write_value(lua, reply, host.script.reply.resp),
            Ended::Error => write_error(lua, reply, &sha),
        }
        lua.set_top(0);
        Ok(())
    }
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
fn write_error(lua: Lua, reply: &mut Reply, sha: &Sha) {
    if lua.type_of(-1) != Type::Table {
        let why = lua.bytes(-1).unwrap_or(b"execution failure");
        return reply.error(&[b"ERR Error running script ", sha.as_slice(), b", ", why].concat());
    }
    let table = lua.top();
    ["err", "source", "line"].iter().for_each(|name| lua.raw_field(table, name));
    let mut text = lua.to_bytes(table + 1).unwrap_or(b"ERR unknown error").to_vec();
    if let (Some(source), Some(line)) = (lua.to_bytes(table + 2), lua.to_bytes(table + 3)) {
        for part in [b" script: ", sha.as_slice(), b", on ", source, b":", line, b"."] {
            text.extend_from_slice(part);
        }
    }
    reply.error(&text);
}
