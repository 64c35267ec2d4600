//! A machine of Lua's: its memory, what stands beside it, and how what it compiled is run.
#![expect(unsafe_code, reason = "a C library is called")]
use super::{Ended, Lua};
use crate::script::host::Host;
use crate::script::library::Loading;
use mlua_sys as ffi;
use std::alloc::Layout;
use std::any::Any;
use std::ffi::{CStr, c_int, c_void};
use std::panic::resume_unwind;
use std::ptr::null_mut;

/// Bytes that a machine may hold.
const MEMORY_BYTES_MAX: usize = 512 << 20;
/// Instructions between two looks at the clock.
const HOOK_INSTRUCTIONS: c_int = 100_000;

/// A machine that holds more bytes after a run is freed of what the run left.
const MACHINE_BYTES_MANY: usize = 32 << 20;
/// Runs between two times that something is freed beyond what Lua frees as it allocates.
const RUNS_TO_FREE: u32 = 50;

/// What a machine has beside it.
#[derive(Debug)]
pub(in crate::script) struct Beside {
    bytes: usize,
    /// A callback is running: memory is granted beyond the limit.
    pub(super) lenient: bool,
    pub(super) host: *mut c_void,
    /// What a callback panicked with.
    pub(super) panic: Option<Box<dyn Any + Send>>,
    /// What the code of a library that is being loaded has registered so far.
    pub(in crate::script) loading: Option<Loading>,
    /// The state of `math.random`: 48 bits.
    pub(in crate::script) dice: u64,
    /// Settings of `cjson`.
    pub(in crate::script) json: crate::script::cjson::Settings,
}

/// A machine that this thread owns.
#[derive(Debug)]
pub(in crate::script) struct Machine {
    lua: Lua,
    beside: *mut Beside,
    /// Times it ran since something was freed.
    since_freed: u32,
}

// SAFETY: a machine is used by whoever holds it, and nothing of it refers to the thread where it was made.
unsafe impl Send for Machine {}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the machine is not running, and nobody has its state after this.
        unsafe { ffi::lua_close(self.lua.0) };
        // SAFETY: it came from a box, and only the machine that is closed now knew it.
        drop(unsafe { Box::from_raw(self.beside) });
    }
}

/// Memory for a machine: counted, and refused beyond the limit.
unsafe extern "C" fn allocate(
    beside: *mut c_void,
    block: *mut c_void,
    old_bytes: usize,
    new_bytes: usize,
) -> *mut c_void {
    const ALIGN: usize = 16;
    // SAFETY: it is what the machine was made with; nobody else has it while Lua allocates.
    let beside = unsafe { &mut *beside.cast::<Beside>() };
    let grown = new_bytes.saturating_sub(old_bytes);
    let (Ok(old), Ok(new)) =
        (Layout::from_size_align(old_bytes, ALIGN), Layout::from_size_align(new_bytes, ALIGN))
    else {
        return null_mut();
    };
    let old_block = block.cast::<u8>();
    if new_bytes == 0 {
        if !block.is_null() && old_bytes > 0 {
            beside.bytes -= old_bytes;
            // SAFETY: the block was given by this function, of this size.
            unsafe { std::alloc::dealloc(old_block, old) };
        }
        return null_mut();
    }
    if grown > 0 && !beside.lenient && beside.bytes + grown > MEMORY_BYTES_MAX {
        return null_mut();
    }
    let new_block = if block.is_null() || old_bytes == 0 {
        // SAFETY: the size is not zero.
        unsafe { std::alloc::alloc(new) }
    } else {
        // SAFETY: the block was given by this function, of the old size; the new one is not zero.
        unsafe { std::alloc::realloc(old_block, old, new_bytes) }
    };
    if !new_block.is_null() {
        let held_before = if block.is_null() { 0 } else { old_bytes };
        beside.bytes = beside.bytes + new_bytes - held_before;
    }
    new_block.cast()
}

/// Called now and then while a script runs.
unsafe extern "C-unwind" fn hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    let lua = Lua(state);
    let ends = match lua.with_host(|host| host.is_to_end()) {
        Some(why) => why,
        None => lua.with_beside(|beside| beside.loading.as_ref().and_then(Loading::is_to_end)),
    };
    if let Some(why) = ends {
        // From now on at every instruction: the script cannot catch it for good.
        // SAFETY: the hook of a running machine may be changed.
        unsafe { ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1) };
        lua.push_error_table(why);
        // SAFETY: the error is on the stack, and this frame has nothing to drop.
        unsafe { ffi::lua_error(state) };
    }
}

impl Machine {
    /// A machine with the standard library, of which `sandbox` will leave what is harmless.
    pub(in crate::script) fn new() -> Option<Machine> {
        let beside = Box::new(Beside {
            bytes: 0,
            lenient: true,
            host: null_mut(),
            panic: None,
            loading: None,
            dice: 0x1234_ABCD_330E,
            json: Default::default(),
        });
        let beside = Box::into_raw(beside);
        // SAFETY: `allocate` gets what it expects.
        let state = unsafe { ffi::lua_newstate(allocate, beside.cast()) };
        if state.is_null() {
            // SAFETY: it came from a box, and nobody else has it.
            drop(unsafe { Box::from_raw(beside) });
            return None;
        }
        let opens: [(ffi::lua_CFunction, &CStr); 4] = [
            (ffi::luaopen_base, c""),
            (ffi::luaopen_table, c"table"),
            (ffi::luaopen_string, c"string"),
            (ffi::luaopen_math, c"math"),
        ];
        for (open, name) in opens {
            // SAFETY: as `linit.c` opens its libraries. Memory is granted.
            unsafe { ffi::lua_pushcclosure(state, open, 0) };
            // SAFETY: the name ends with a zero.
            unsafe { ffi::lua_pushlstring_(state, name.as_ptr(), name.to_bytes().len()) };
            // SAFETY: function and argument are on the stack.
            unsafe { ffi::lua_call(state, 1, 0) };
        }
        Some(Machine { lua: Lua(state), beside, since_freed: 0 })
    }

    /// To work with it while no script runs.
    pub(in crate::script) fn lua(&self) -> Lua {
        self.lua
    }

    /// Bytes that it holds.
    pub(in crate::script) fn bytes(&self) -> usize {
        // SAFETY: it lives as long as the machine, which is not running.
        unsafe { (*self.beside).bytes }
    }

    /// Runs the function below its arguments at the top of the stack, which gives one value, with the handler below it; leaves
    /// the value or the error in its place. `host` does what the script asks for.
    pub(in crate::script) fn run(&mut self, host: &mut Host<'_>, arguments: c_int) -> Ended {
        // SAFETY: it lives as long as the machine.
        let beside = unsafe { &mut *self.beside };
        beside.host = std::ptr::from_mut(host).cast();
        beside.json = crate::script::cjson::Settings::default();
        let ended = self.run_hooked(arguments, 1, -arguments - 2);
        // SAFETY: as above; nobody else has it now.
        unsafe { (*self.beside).host = null_mut() };
        ended
    }

    /// Runs the function at the top of the stack, which is a library's code and gives nothing: leaves its error, if any, in its
    /// place. Gives back what it has registered.
    pub(in crate::script) fn run_library(&mut self, loading: Loading) -> (Ended, Loading) {
        // SAFETY: it lives as long as the machine.
        unsafe { (*self.beside).loading = Some(loading) };
        let ended = self.run_hooked(0, 0, 0);
        // SAFETY: as above; nobody else has it now.
        let loading = unsafe { (*self.beside).loading.take() };
        (ended, loading.unwrap_or_default())
    }

    fn run_hooked(&mut self, arguments: c_int, results: c_int, handler: c_int) -> Ended {
        let state = self.lua.0;
        // SAFETY: it lives as long as the machine; the reference ends with the statement.
        unsafe { (*self.beside).lenient = false };
        // SAFETY: a hook may be set at any time.
        unsafe { ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, HOOK_INSTRUCTIONS) };
        // SAFETY: handler, function and arguments are on the stack.
        let status = unsafe { ffi::lua_pcall(state, arguments, results, handler) };
        // SAFETY: as above.
        unsafe { (*self.beside).lenient = true };
        // SAFETY: as above.
        if let Some(cause) = unsafe { (*self.beside).panic.take() } {
            // Lua's frames are left.
            // SAFETY: as above.
            unsafe { (*self.beside).host = null_mut() };
            resume_unwind(cause);
        }
        if status == 0 { Ended::Well } else { Ended::Error }
    }

    /// It has run: frees what was left, now and then, or where that is much.
    pub(in crate::script) fn tend(&mut self) {
        self.since_freed += 1;
        let how = if self.bytes() > MACHINE_BYTES_MANY {
            (ffi::LUA_GCCOLLECT, 0)
        } else if self.since_freed >= RUNS_TO_FREE {
            (ffi::LUA_GCSTEP, 1)
        } else {
            return;
        };
        self.since_freed = 0;
        // SAFETY: the machine is not running.
        unsafe { ffi::lua_gc(self.lua.0, how.0, how.1) };
    }
}
