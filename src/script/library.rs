//! A library of functions in a machine: its code is run once, in which it registers its functions, and they are called from then on.
use super::functions::{BAD_NAME, FLAGS, Function, is_name};
use super::lua::{Ended, Lua, Machine, REGISTRY, Raise, Type};
use super::store::Scripts;
use super::{Asked, Host, api, busy, proof, push_list, sandbox, shebang};
use shards::fault::Fault;
use std::collections::HashMap;
use std::time::Instant;

/// A library, as all threads know it.
#[derive(Debug)]
pub(crate) struct Library {
    /// No two are alike, not even those of one name.
    pub(super) id: u64,
    /// Its name.
    pub(crate) name: Box<[u8]>,
    /// Its text as it came.
    pub(crate) code: Box<[u8]>,
    /// What it registered, in that order.
    pub(crate) functions: Vec<Function>,
    /// Its functions touch no keys but those they are given, and keep nothing from call to call: so each thread may have
    /// one of its own.
    pub(crate) is_local: bool,
}

/// A function that the code of a library has registered.
#[derive(Debug)]
struct Registered {
    function: Function,
    /// Where the machine keeps it.
    kept: i32,
}

/// What happens while the code of a library runs.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// When it has taken too long; never where nothing is said.
    until: Option<Instant>,
    registered: Vec<Registered>,
}

impl Loading {
    /// Why it is to end, if it is.
    pub(super) fn is_to_end(&self) -> Option<&'static [u8]> {
        self.until.filter(|until| Instant::now() >= *until).map(|_| &b"ERR FUNCTION LOAD timeout"[..])
    }
}

/// A machine with libraries in it.
#[derive(Debug)]
pub(super) struct Loaded {
    machine: Machine,
    /// Where the machine keeps its handler of errors.
    handler: i32,
    /// Where it keeps the functions of the libraries, by their ids.
    libraries: HashMap<u64, Vec<i32>>,
    /// Bytes of the machine, as they were last told.
    told_bytes: usize,
}

impl Loaded {
    /// A machine without libraries.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new() -> Result<Loaded, Fault> {
        let machine = Machine::new().ok_or(Fault::new("ERR not enough memory for scripts"))?;
        let lua = machine.lua();
        sandbox::build_for_libraries(lua);
        lua.push_callback(api::handle_error);
        let handler = lua.keep();
        Ok(Loaded { machine, handler, libraries: HashMap::new(), told_bytes: 0 })
    }

    /// Runs the code of a library, which is its own from then on.
    ///
    /// # Errors
    /// It cannot be compiled, fails, takes too long, or registers nothing.
    pub(super) fn load(
        &mut self,
        id: u64,
        name: &[u8],
        code: &[u8],
        until: Option<Instant>,
    ) -> Result<Library, Fault> {
        let lua = self.machine.lua();
        lua.set_top(0);
        if let Err(Raise) = lua.compile(shebang::body(code), c"@user_function") {
            let why = lua.to_bytes(-1).unwrap_or_default();
            return Err(Fault::text([b"ERR Error compiling function: ", why].concat()));
        }
        sandbox::show_globals(lua, true);
        let (ended, Loading { registered, .. }) =
            self.machine.run_library(Loading { until, registered: Vec::new() });
        sandbox::show_globals(lua, false);
        let kept = registered.iter().map(|one| one.kept).collect();
        if ended == Ended::Error || registered.is_empty() {
            let fault = match ended {
                Ended::Well => Fault::new("ERR No functions registered"),
                Ended::Error => {
                    Fault::text([b"ERR Error registering functions: ".to_vec(), text_of_error(lua)].concat())
                }
            };
            self.release(kept);
            return Err(fault);
        }
        self.libraries.insert(id, kept);
        Ok(Library {
            id,
            name: name.into(),
            code: code.into(),
            functions: registered.into_iter().map(|one| one.function).collect(),
            is_local: proof::is_local_library(code),
        })
    }

    /// Makes a library of others its own, if it is not.
    ///
    /// # Errors
    /// Those of [`Loaded::load`], which have not been met where it was loaded first.
    pub(super) fn meet(&mut self, library: &Library) -> Result<(), Fault> {
        if !self.libraries.contains_key(&library.id) {
            self.load(library.id, &library.name, &library.code, None)?;
        }
        Ok(())
    }

    fn release(&self, kept: Vec<i32>) {
        let lua = self.machine.lua();
        kept.into_iter().for_each(|kept| lua.release(kept));
        lua.set_top(0);
    }

    /// Keeps the libraries that `is_kept` says, and forgets the others.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self.libraries.keys().copied().filter(|id| !is_kept(*id)).collect();
        for id in gone {
            let kept = self.libraries.remove(&id).unwrap_or_default();
            self.release(kept);
        }
    }

    /// Calls a function of a library that it has; leaves the value or the error on the stack of what is given back.
    pub(super) fn call(
        &mut self,
        library: &Library,
        place: usize,
        asked: Asked<'_>,
        host: &mut Host<'_>,
    ) -> (Ended, Lua) {
        let lua = self.machine.lua();
        let function = self.libraries.get(&library.id).and_then(|kept| kept.get(place)).copied();
        lua.set_top(0);
        lua.raw_get_at(REGISTRY, self.handler as usize);
        lua.raw_get_at(REGISTRY, function.unwrap_or_default() as usize);
        push_list(lua, asked.keys);
        push_list(lua, asked.values);
        (self.machine.run(host, 2), lua)
    }

    /// It has run.
    pub(super) fn tend(&mut self, scripts: &Scripts) {
        self.machine.lua().set_top(0);
        self.machine.tend();
        let bytes = self.machine.bytes();
        scripts.count_machine(busy::Kind::Function, self.told_bytes, bytes);
        self.told_bytes = bytes;
    }

    /// It is given up.
    pub(super) fn end(self, scripts: &Scripts) {
        scripts.count_machine(busy::Kind::Function, self.told_bytes, 0);
    }
}

/// The text of the error at the top of the stack.
fn text_of_error(lua: Lua) -> Vec<u8> {
    if lua.type_of(-1) == Type::Table {
        lua.raw_field(-1, "err");
        return lua.to_bytes(-1).unwrap_or_default().to_vec();
    }
    [b"ERR ", lua.to_bytes(-1).unwrap_or_default()].concat()
}

/// Pushes the table `redis` that libraries see while they are loaded.
pub(super) fn push_api(lua: Lua) {
    lua.push_table(0, 16);
    lua.push_callback(register_function);
    lua.raw_set_field(-2, "register_function");
    api::add_for_loading(lua);
}

/// `redis.register_function`.
fn register_function(lua: Lua) -> Result<i32, Raise> {
    let fail = |why: &str| Err(lua.raise_table(format!("ERR {why}").as_bytes()));
    if !lua.with_beside(|beside| beside.loading.is_some()) {
        return fail("redis.register_function can only be called on FUNCTION LOAD command");
    }
    let registered = match lua.top() {
        1 => read_named(lua),
        2 => read_placed(lua),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let Registered { function, kept } = match registered {
        Ok(registered) => registered,
        Err(why) => return fail(why),
    };
    let is_taken = lua.with_beside(|beside| {
        let known = beside.loading.iter().flat_map(|loading| &loading.registered);
        known.into_iter().any(|known| known.function.name == function.name)
    });
    if is_taken || !is_name(&function.name) {
        lua.release(kept);
        if is_taken {
            return fail("Function already exists in the library");
        }
        return Err(lua.raise_table(&BAD_NAME.0));
    }
    lua.with_beside(|beside| {
        let loading = beside.loading.as_mut();
        loading.into_iter().for_each(|loading| {
            let function = function.clone();
            loading.registered.push(Registered { function, kept });
        });
    });
    Ok(0)
}

/// A name and a function.
fn read_placed(lua: Lua) -> Result<Registered, &'static str> {
    let name = lua.to_bytes(1).ok_or("first argument to redis.register_function must be a string")?;
    if lua.type_of(2) != Type::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    lua.push_value(2);
    let function = Function { name: name.into(), description: None, flags: 0 };
    Ok(Registered { function, kept: lua.keep() })
}

/// A table of named arguments.
fn read_named(lua: Lua) -> Result<Registered, &'static str> {
    if lua.type_of(1) != Type::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing \
                    named arguments).",
        );
    }
    let mut kept = None;
    let function = read_fields(lua, &mut kept);
    match (function, kept) {
        (Ok(function), Some(kept)) => Ok(Registered { function, kept }),
        (Ok(_), None) => Err("redis.register_function must get a callback argument"),
        (Err(why), kept) => {
            kept.into_iter().for_each(|kept| lua.release(kept));
            Err(why)
        }
    }
}

/// The fields of the table, the callback among them, which is kept.
fn read_fields(lua: Lua, kept: &mut Option<i32>) -> Result<Function, &'static str> {
    let (mut name, mut description, mut flags) = (None, None, 0);
    lua.push_nil();
    while lua.next(1) {
        if !lua.is_stringlike(-2) {
            return Err("named argument key given to redis.register_function is not a string");
        }
        let key = lua.bytes(-2).unwrap_or_default().to_ascii_lowercase();
        match &*key {
            b"function_name" => {
                let why = "function_name argument given to redis.register_function must be a string";
                name = Some(lua.to_bytes(-1).ok_or(why)?.into());
            }
            b"description" => {
                let why = "description argument given to redis.register_function must be a string";
                description = Some(lua.to_bytes(-1).ok_or(why)?.into());
            }
            b"callback" => {
                if lua.type_of(-1) != Type::Function {
                    return Err("callback argument given to redis.register_function must be a function");
                }
                lua.push_value(-1);
                let other = kept.replace(lua.keep());
                other.into_iter().for_each(|other| lua.release(other));
            }
            b"flags" => flags = read_flags(lua)?,
            _ => return Err("unknown argument given to redis.register_function"),
        }
        lua.pop(1);
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    Ok(Function { name, description, flags })
}

/// The flags in the list at the top of the stack.
fn read_flags(lua: Lua) -> Result<u8, &'static str> {
    if lua.type_of(-1) != Type::Table {
        return Err("flags argument to redis.register_function must be a table representing function flags");
    }
    let mut flags = 0;
    for index in 1.. {
        lua.raw_get_at(-1, index);
        if lua.type_of(-1) == Type::Nil {
            break;
        }
        let word = lua.to_bytes(-1).unwrap_or_default();
        let known = FLAGS.iter().position(|flag| flag.as_bytes().eq_ignore_ascii_case(word));
        flags |= 1 << known.ok_or("unknown flag given")?;
        lua.pop(1);
    }
    lua.pop(1);
    Ok(flags)
}
