//! The libraries of functions that all threads share: who has which names, and what it takes to add to them.
//!
//! They change only with all shards in hand ([`super::library_commands`]), so that a change stands at one place in the
//! order of everything: calls before it find the old libraries, calls after it the new ones.
use super::library::{Library, Loaded};
use crate::protocol::inline;
use shards::fault::Fault;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a function declares about itself, by the names that Redis gives it.
pub(crate) const FLAGS: [&str; 5] =
    ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

/// A function, as the catalogue knows it.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Its name as its library wrote it.
    pub(crate) name: Box<[u8]>,
    /// What it says of itself.
    pub(crate) description: Option<Box<[u8]>>,
    /// Which of [`FLAGS`] it has: a bit each.
    pub(crate) flags: u8,
}

impl Function {
    /// Whether it has the flag of this number.
    pub(crate) fn has(&self, flag: usize) -> bool {
        self.flags >> flag & 1 == 1
    }
}

/// All libraries at some time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    libraries: BTreeMap<Box<[u8]>, Arc<Library>>,
    /// The functions by their names in small letters: library, and place there.
    functions: HashMap<Box<[u8]>, (Arc<Library>, usize)>,
}

impl Catalogue {
    /// The libraries by name.
    pub(crate) fn libraries(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.libraries.values()
    }
    /// A library.
    pub(crate) fn library(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.libraries.get(name)
    }
    /// A function by its name in any case: its library, and its place there.
    pub(crate) fn function(&self, name: &[u8]) -> Option<&(Arc<Library>, usize)> {
        self.functions.get(&*name.to_ascii_lowercase())
    }
    /// How many functions there are.
    pub(crate) fn function_count(&self) -> usize {
        self.functions.len()
    }
    /// Bytes of the libraries' texts.
    pub(crate) fn code_bytes(&self) -> usize {
        self.libraries().map(|library| library.code.len()).sum()
    }

    /// Adds a library whose name is free.
    ///
    /// # Errors
    /// A function of that name exists in another one.
    pub(super) fn add(&mut self, library: &Arc<Library>) -> Result<(), Fault> {
        let taken = library.functions.iter().find(|function| self.function(&function.name).is_some());
        if let Some(function) = taken {
            return Err(Fault::quoting("ERR Function ", &function.name, " already exists"));
        }
        for (place, function) in library.functions.iter().enumerate() {
            let name = function.name.to_ascii_lowercase().into();
            self.functions.entry(name).or_insert_with(|| (Arc::clone(library), place));
        }
        self.libraries.insert(library.name.clone(), Arc::clone(library));
        Ok(())
    }

    /// Takes a library out.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Library>> {
        let library = self.libraries.remove(name)?;
        self.functions.retain(|_, (other, _)| !Arc::ptr_eq(other, &library));
        Some(library)
    }
}

/// What all threads share of functions.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    current: Mutex<Arc<Catalogue>>,
    version: AtomicU64,
    next_id: AtomicU64,
    /// Changes that are announced and not made yet.
    changing: AtomicUsize,
    /// The machine of libraries that cannot be each thread's own. Who calls them has all shards, so nobody waits for it.
    machine: Mutex<Option<Loaded>>,
}

impl Functions {
    fn lock(&self) -> MutexGuard<'_, Arc<Catalogue>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The libraries now.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.lock())
    }
    /// Changes with them.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
    /// Other libraries take the place of those there were.
    pub(super) fn put(&self, catalogue: Catalogue) {
        *self.lock() = Arc::new(catalogue);
        self.version.fetch_add(1, Ordering::Release);
    }
    /// A number that no library has.
    pub(super) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// The machine that all share.
    pub(super) fn machine(&self) -> MutexGuard<'_, Option<Loaded>> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many changes will come: until they have been made, every call of a function gets all shards.
    pub(crate) fn announce(&self, count: usize) {
        self.changing.fetch_add(count, Ordering::SeqCst);
    }
    /// So many of them have been made, or will not be.
    pub(crate) fn announced_are_done(&self, count: usize) {
        self.changing.fetch_sub(count, Ordering::SeqCst);
    }
    /// Whether some change is announced.
    pub(crate) fn may_change(&self) -> bool {
        self.changing.load(Ordering::SeqCst) > 0
    }
}

/// The name of a library by its first line, `#!lua name=…`.
///
/// # Errors
/// There is no such line, or it says something else.
pub(super) fn name_of(code: &[u8]) -> Result<Vec<u8>, Fault> {
    const INVALID: Fault = Fault::new("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(Fault::new("ERR Missing library metadata"));
    }
    let end = code.iter().position(|byte| *byte == b'\n').ok_or(INVALID)?;
    let mut spans = Vec::new();
    inline::split(&code[..end], &mut spans).map_err(|_| INVALID)?;
    let mut words = spans.iter().map(|(at, len)| inline::unescape(&code[*at as usize..][..*len as usize]));
    let engine = words.next().ok_or(INVALID)?;
    let mut name = None;
    for word in words {
        let Some((key, value)) =
            word.split_at_checked(5).filter(|(key, _)| key.eq_ignore_ascii_case(b"name="))
        else {
            return Err(Fault::quoting("ERR Invalid metadata value given: ", &word, ""));
        };
        debug_assert_eq!(key.len(), 5);
        if name.replace(value.to_vec()).is_some() {
            return Err(Fault::new("ERR Invalid metadata value, name argument was given multiple times"));
        }
    }
    let name = name.ok_or(Fault::new("ERR Library name was not given"))?;
    if !is_name(&name) {
        return Err(BAD_NAME);
    }
    if !engine[2..].eq_ignore_ascii_case(b"lua") {
        return Err(Fault::quoting("ERR Engine '", &engine[2..], "' not found"));
    }
    Ok(name)
}

/// What is said of a name that cannot be one.
pub(super) const BAD_NAME: Fault = Fault::new(
    "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
);

/// Whether this can be the name of a library or a function.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_a_library() {
        for line in ["#!lua name=a_1\n", "#!LUA  NAME=a_1 \n", "#!lua name=\"a_1\"\nx"] {
            assert_eq!(name_of(line.as_bytes()).unwrap(), b"a_1", "{line}");
        }
        for (line, why) in [
            ("lua name=a\n", "ERR Missing library metadata"),
            ("#!lua name=a", "ERR Invalid library metadata"),
            ("#!lua name=\"a\n", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            ("#!lua name=a name=b\n", "ERR Invalid metadata value, name argument was given multiple times"),
            ("#! lua name=a\n", "ERR Invalid metadata value given: lua"),
            ("#!js name=a\n", "ERR Engine 'js' not found"),
        ] {
            assert_eq!(name_of(line.as_bytes()), Err(Fault::text(why)), "{line}");
        }
        assert_eq!(name_of(b"#!lua name=a-b\n"), Err(BAD_NAME));
    }
}
