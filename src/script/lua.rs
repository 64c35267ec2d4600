//! The Lua machine behind a small interface: the one place that knows its C library.
//!
//! Lua raises errors with `longjmp`, which must not leave a Rust frame that has something to drop. So no error is ever
//! raised within one: while a [`Callback`] runs, memory beyond the limit is granted all the same (the next allocation of the script
//! is refused instead); none of the methods here meets a metamethod; and what a callback wants to raise it
//! leaves on the stack and gives back as [`Raise`], on which the outermost frame, which holds nothing, acts.
//!
//! Nor does a panic unwind through Lua's frames, which know nothing of that: where a callback panics, its outermost frame stops the
//! unwinding and raises an error, and [`Machine`] goes on unwinding once Lua's frames are left. A server aborts instead; it is
//! a simulation that ends a thread so, wherever that is.
#![expect(unsafe_code, reason = "a C library is called")]
mod machine;

use self::machine::Beside;
pub(super) use self::machine::Machine;
use super::host::Host;
use mlua_sys as ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;

/// A value's place on the stack, from 1; from the top, where it is negative.
pub(super) type Index = c_int;
/// A function of this program that scripts call: gives back how many values at the top of the stack are its results.
pub(super) type Callback = fn(Lua) -> Result<c_int, Raise>;
/// An error is to be raised: it is the value at the top of the stack.
#[derive(Debug)]
#[must_use]
pub(super) struct Raise;

/// The upvalue of the running callback.
pub(super) const UPVALUE: Index = ffi::LUA_GLOBALSINDEX - 2;
/// The table of globals.
pub(super) const GLOBALS: Index = ffi::LUA_GLOBALSINDEX;
/// The registry, which scripts do not see.
pub(super) const REGISTRY: Index = ffi::LUA_REGISTRYINDEX;

/// A running machine, as its callbacks see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lua(*mut ffi::lua_State);

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Type {
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Other,
}

/// How a protected call ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ended {
    Well,
    Error,
}

/// The outermost frame of every callback: it holds nothing that would have to be dropped.
unsafe extern "C-unwind" fn trampoline(state: *mut ffi::lua_State) -> c_int {
    let lua = Lua(state);
    // SAFETY: closures over this function are made in `push_callback` only, with the callback as first upvalue.
    let callback = unsafe { ffi::lua_touserdata(state, ffi::LUA_GLOBALSINDEX - 1) };
    // SAFETY: that upvalue is a `Callback`.
    let callback: Callback = unsafe { std::mem::transmute(callback) };
    let beside = lua.beside();
    // SAFETY: it lives as long as the machine; the reference ends with the statement.
    let was_lenient = unsafe { std::mem::replace(&mut (*beside).lenient, true) };
    let outcome = lua.contain(|| callback(lua));
    // SAFETY: as above.
    unsafe { (*beside).lenient = was_lenient };
    match outcome {
        Ok(results) => results,
        // SAFETY: the error is on the stack, and this frame has nothing to drop.
        Err(Raise) => unsafe { ffi::lua_error(state) },
    }
}

impl Lua {
    fn beside(self) -> *mut Beside {
        let mut beside = null_mut();
        // SAFETY: it writes a pointer to where it may.
        unsafe { ffi::lua_getallocf(self.0, &raw mut beside) };
        beside.cast()
    }

    /// Acts for Lua. A panic is kept until Lua's frames are left, and is an error for the script until then.
    fn contain<T>(self, act: impl FnOnce() -> Result<T, Raise>) -> Result<T, Raise> {
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|cause| {
            self.with_beside(|beside| beside.panic = Some(cause));
            self.set_top(0);
            Err(self.raise_bare(b"the program ends"))
        })
    }

    /// Works with what the machine has beside it. `act` does not call back here.
    pub(super) fn with_beside<T>(self, act: impl FnOnce(&mut Beside) -> T) -> T {
        // SAFETY: it lives as long as the machine. `act` gets no Lua, so that nothing allocates meanwhile.
        act(unsafe { &mut *self.beside() })
    }

    /// Works with the host of the running script; nothing where none runs, or it is at work already.
    pub(super) fn with_host<T>(self, act: impl FnOnce(&mut Host<'_>) -> T) -> Option<T> {
        let beside = self.beside();
        // SAFETY: it lives as long as the machine; the reference ends with the statement.
        let host = unsafe { std::mem::replace(&mut (*beside).host, null_mut()) };
        if host.is_null() {
            return None;
        }
        // SAFETY: `Machine::run` put it there, where it lives while the script runs, and it was taken out: nobody else has it.
        let result = act(unsafe { &mut *host.cast::<Host<'_>>() });
        // SAFETY: as above.
        unsafe { (*beside).host = host };
        Some(result)
    }

    pub(super) fn top(self) -> Index {
        // SAFETY: only looks.
        unsafe { ffi::lua_gettop(self.0) }
    }
    pub(super) fn set_top(self, top: Index) {
        // SAFETY: callers give a height that the stack has or has room for.
        unsafe { ffi::lua_settop(self.0, top) };
    }
    pub(super) fn pop(self, count: c_int) {
        self.set_top(-count - 1);
    }
    /// Makes room on the stack; whether there is.
    pub(super) fn has_room(self, count: c_int) -> bool {
        // SAFETY: memory is granted, so that it gives back and does not raise.
        unsafe { ffi::lua_checkstack(self.0, count) != 0 }
    }
    pub(super) fn type_of(self, at: Index) -> Type {
        // SAFETY: an index above the top is none.
        match unsafe { ffi::lua_type(self.0, at) } {
            ffi::LUA_TNIL | ffi::LUA_TNONE => Type::Nil,
            ffi::LUA_TBOOLEAN => Type::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Type::LightUserdata,
            ffi::LUA_TNUMBER => Type::Number,
            ffi::LUA_TSTRING => Type::String,
            ffi::LUA_TTABLE => Type::Table,
            ffi::LUA_TFUNCTION => Type::Function,
            _ => Type::Other,
        }
    }
    /// The name of a value's type; `no value` above the top.
    pub(super) fn type_name(self, at: Index) -> &'static str {
        // SAFETY: an index above the top is none.
        let kind = unsafe { ffi::lua_type(self.0, at) };
        // SAFETY: a name is a constant of the library.
        let name = unsafe { ffi::lua_typename(self.0, kind) };
        // SAFETY: it ends with a zero.
        unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("no value")
    }
    /// Whether there is a string, or a number, which is as good as one.
    pub(super) fn is_stringlike(self, at: Index) -> bool {
        matches!(self.type_of(at), Type::String | Type::Number)
    }
    /// The bytes of a string. They stay while it is on the stack; the lifetime is the caller's word for that.
    pub(super) fn bytes<'a>(self, at: Index) -> Option<&'a [u8]> {
        if self.type_of(at) != Type::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: a string is there, which is not converted.
        let start = unsafe { ffi::lua_tolstring(self.0, at, &raw mut len) };
        // SAFETY: Lua tells where it is and how long. It does not move.
        Some(unsafe { std::slice::from_raw_parts(start.cast(), len) })
    }
    /// The bytes of a string, or of a number, which becomes a string in its place.
    pub(super) fn to_bytes<'a>(self, at: Index) -> Option<&'a [u8]> {
        if self.type_of(at) == Type::Number {
            // SAFETY: a number is there; memory is granted.
            unsafe { ffi::lua_tolstring(self.0, at, null_mut()) };
        }
        self.bytes(at)
    }
    pub(super) fn number(self, at: Index) -> f64 {
        // SAFETY: what is no number gives 0.
        unsafe { ffi::lua_tonumber(self.0, at) }
    }
    /// The number, or what a string says of one.
    pub(super) fn to_number(self, at: Index) -> Option<f64> {
        // SAFETY: only looks.
        let is_number = unsafe { ffi::lua_isnumber(self.0, at) } != 0;
        is_number.then(|| self.number(at))
    }
    pub(super) fn boolean(self, at: Index) -> bool {
        // SAFETY: only looks.
        unsafe { ffi::lua_toboolean(self.0, at) != 0 }
    }
    /// Which thing in memory it is.
    pub(super) fn pointer(self, at: Index) -> *const c_void {
        // SAFETY: only looks.
        unsafe { ffi::lua_topointer(self.0, at) }
    }
    pub(super) fn raw_len(self, at: Index) -> usize {
        // SAFETY: only looks.
        unsafe { ffi::lua_objlen(self.0, at) }
    }

    pub(super) fn push_nil(self) {
        // SAFETY: callers see to the room, as Lua asks of C functions; so for all that push.
        unsafe { ffi::lua_pushnil(self.0) };
    }
    pub(super) fn push_boolean(self, value: bool) {
        // SAFETY: as for nil.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) };
    }
    pub(super) fn push_number(self, value: f64) {
        // SAFETY: as for nil.
        unsafe { ffi::lua_pushnumber(self.0, value) };
    }
    pub(super) fn push_bytes(self, value: &[u8]) {
        // SAFETY: as for nil; memory is granted; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.0, value.as_ptr().cast::<c_char>(), value.len()) };
    }
    pub(super) fn push_light(self, value: usize) {
        // SAFETY: as for nil; nobody follows it.
        unsafe { ffi::lua_pushlightuserdata(self.0, std::ptr::without_provenance_mut(value)) };
    }
    /// The number of a light userdata.
    pub(super) fn light(self, at: Index) -> usize {
        // SAFETY: only looks.
        unsafe { ffi::lua_touserdata(self.0, at) }.addr()
    }
    pub(super) fn push_value(self, at: Index) {
        // SAFETY: as for nil.
        unsafe { ffi::lua_pushvalue(self.0, at) };
    }
    /// Pushes a table with room for so many elements and fields.
    pub(super) fn push_table(self, elements: usize, fields: usize) {
        // Lua makes more room as it goes.
        let room = |count: usize| count.min(1 << 20) as c_int;
        // SAFETY: as for nil; memory is granted.
        unsafe { ffi::lua_createtable(self.0, room(elements), room(fields)) };
    }
    /// Pushes a function of this program, whose upvalue is the value at the top, which is taken.
    pub(super) fn push_callback_over(self, callback: Callback) {
        // SAFETY: as for nil; the pointer becomes a `Callback` again in `trampoline`.
        unsafe { ffi::lua_pushlightuserdata(self.0, callback as *mut c_void) };
        // SAFETY: a value and the pointer are on the stack, in the wrong order.
        unsafe { ffi::lua_insert(self.0, -2) };
        // SAFETY: two upvalues are on the stack.
        unsafe { ffi::lua_pushcclosure(self.0, trampoline, 2) };
    }
    /// Pushes a function of this program.
    pub(super) fn push_callback(self, callback: Callback) {
        // SAFETY: as for nil; the pointer becomes a `Callback` again in `trampoline`.
        unsafe { ffi::lua_pushlightuserdata(self.0, callback as *mut c_void) };
        // SAFETY: its upvalue is on the stack; memory is granted.
        unsafe { ffi::lua_pushcclosure(self.0, trampoline, 1) };
    }

    pub(super) fn insert(self, at: Index) {
        // SAFETY: callers name a place of their stack.
        unsafe { ffi::lua_insert(self.0, at) };
    }
    pub(super) fn remove(self, at: Index) {
        // SAFETY: as above.
        unsafe { ffi::lua_remove(self.0, at) };
    }
    pub(super) fn replace(self, at: Index) {
        // SAFETY: as above.
        unsafe { ffi::lua_replace(self.0, at) };
    }
    /// Takes a key off the stack and pushes what the table holds for it, without metamethods.
    pub(super) fn raw_get(self, table: Index) {
        // SAFETY: callers name a table; a key is on the stack.
        unsafe { ffi::lua_rawget_(self.0, table) };
    }
    pub(super) fn raw_get_at(self, table: Index, index: usize) {
        // SAFETY: callers name a table.
        unsafe { ffi::lua_rawgeti_(self.0, table, index as c_int) };
    }
    /// Takes value and key off the stack and puts them into the table, without metamethods. The key is neither nil nor NaN.
    pub(super) fn raw_set(self, table: Index) {
        // SAFETY: callers name a table; key and value are on the stack; the key can be one; memory is granted.
        unsafe { ffi::lua_rawset(self.0, table) };
    }
    pub(super) fn raw_set_at(self, table: Index, index: usize) {
        // SAFETY: callers name a table; a value is on the stack; memory is granted.
        unsafe { ffi::lua_rawseti_(self.0, table, index as c_int) };
    }
    /// Takes a key off the stack and pushes the next key of the table with its value; nothing when there is none.
    ///
    /// The key is one of the table's, or nil.
    pub(super) fn next(self, table: Index) -> bool {
        // SAFETY: callers name a table and leave one of its keys on the stack.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }
    /// Pushes the metatable of a value, if it has one.
    pub(super) fn push_metatable(self, at: Index) -> bool {
        // SAFETY: as for nil.
        unsafe { ffi::lua_getmetatable(self.0, at) != 0 }
    }
    /// Takes a table or nil off the stack and makes it the metatable of a value.
    pub(super) fn set_metatable(self, at: Index) {
        // SAFETY: callers name a value; a table or nil is on the stack.
        unsafe { ffi::lua_setmetatable(self.0, at) };
    }
    /// The same place counted from the bottom.
    pub(super) fn absolute(self, at: Index) -> Index {
        if at < 0 && at > REGISTRY { self.top() + at + 1 } else { at }
    }

    /// Compiles a text, and pushes the function, or what is wrong with the text.
    pub(super) fn compile(self, text: &[u8], name: &CStr) -> Result<(), Raise> {
        if text.first() == Some(&0x1b) {
            // A compiled function can be made to do anything.
            self.push_bytes(b"bytecode is not allowed");
            return Err(Raise);
        }
        // The parser does not hold on to the name it is given: nothing is to be collected meanwhile.
        // SAFETY: it may be stopped at any time.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCSTOP, 0) };
        // SAFETY: the text is where it is said to be, the name ends with a zero; errors of the parser are given back.
        let status = unsafe { ffi::luaL_loadbuffer(self.0, text.as_ptr().cast(), text.len(), name.as_ptr()) };
        // SAFETY: as above.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCRESTART, 0) };
        if status == 0 { Ok(()) } else { Err(Raise) }
    }
    /// Calls a function with arguments from the stack, in protected mode: its results, or the error, take their place.
    pub(super) fn protected_call(self, arguments: c_int) -> Ended {
        let beside = self.beside();
        // SAFETY: it lives as long as the machine; the reference ends with the statement.
        let was_lenient = unsafe { std::mem::replace(&mut (*beside).lenient, false) };
        // SAFETY: function and arguments are on the stack.
        let status = unsafe { ffi::lua_pcall(self.0, arguments, ffi::LUA_MULTRET, 0) };
        // SAFETY: as above.
        unsafe { (*beside).lenient = was_lenient };
        if status == 0 { Ended::Well } else { Ended::Error }
    }
    /// Keeps the value at the top of the stack, which is taken, under a number.
    pub(super) fn keep(self) -> c_int {
        // SAFETY: a value is on the stack; memory is granted.
        unsafe { ffi::luaL_ref(self.0, REGISTRY) }
    }
    /// Lets go of a value that was kept.
    pub(super) fn release(self, number: c_int) {
        // SAFETY: the number came from `keep`.
        unsafe { ffi::luaL_unref(self.0, REGISTRY, number) };
    }
    /// Bytes that the machine holds, as it counts.
    pub(super) fn counted_kb(self) -> f64 {
        // SAFETY: only looks.
        let kb = unsafe { ffi::lua_gc(self.0, ffi::LUA_GCCOUNT, 0) };
        f64::from(kb)
    }

    /// The file and line at a level of calls: 0 is the running function; whether that is one of this program; nothing beyond.
    pub(super) fn place(self, level: c_int) -> Option<Place> {
        // SAFETY: all zeros are a record that will be filled in.
        let mut record: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the record is there.
        if unsafe { ffi::lua_getstack(self.0, level, &raw mut record) } == 0 {
            return None;
        }
        // SAFETY: the record was filled by `lua_getstack`.
        unsafe { ffi::lua_getinfo(self.0, c"Sl".as_ptr(), &raw mut record) };
        // SAFETY: Lua has put strings there that end with a zero and live as long as the function.
        let [what, source] = [record.what, record.source].map(|text| unsafe { CStr::from_ptr(text) });
        // SAFETY: as above; this one is in the record.
        let short = unsafe { CStr::from_ptr(record.short_src.as_ptr()) };
        Some(Place {
            is_native: what.to_bytes() == b"C",
            source: source.to_bytes().to_vec(),
            short: short.to_bytes().to_vec(),
            line: record.currentline,
        })
    }

    /// The name under which the running callback was called.
    pub(super) fn called_as(self) -> String {
        // SAFETY: all zeros are a record that will be filled in.
        let mut record: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the record is there.
        let is_called = unsafe { ffi::lua_getstack(self.0, 0, &raw mut record) } != 0;
        if is_called {
            // SAFETY: the record was filled by `lua_getstack`.
            unsafe { ffi::lua_getinfo(self.0, c"n".as_ptr(), &raw mut record) };
        }
        if record.name.is_null() {
            return "?".to_owned();
        }
        // SAFETY: Lua has put a string there that ends with a zero.
        unsafe { CStr::from_ptr(record.name) }.to_string_lossy().into_owned()
    }
}

/// A place in a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// It is a function of this program.
    pub(super) is_native: bool,
    /// The name under which the script was compiled.
    pub(super) source: Vec<u8>,
    /// The same as errors show it.
    pub(super) short: Vec<u8>,
    /// From 1; -1 where there is none.
    pub(super) line: c_int,
}
