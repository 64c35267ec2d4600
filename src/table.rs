//! The table of all commands, the engine's and the server's, joined: read by lookup, routing, admission and COMMAND.
use crate::commands::{self, ServerCommand};
use crate::script::ScriptCommand;
use shards::commands::Command;
use shards::spec::{Begin, Find, Span, Spec};
use std::sync::LazyLock;

/// A command's place in the table. Statistics are arrays over it.
pub type CommandId = u16;

/// Who carries a command out.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// The engine, on the shards of its keys.
    Engine(&'static Command),
    /// The connection's thread.
    Server(&'static ServerCommand),
    /// A script, where its shards are, or what is done to scripts.
    Script(&'static ScriptCommand),
}

/// Where a command's keys are, for the ways that need no search.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// The connection's thread runs it.
    Server,
    /// It has one key, its first argument.
    FirstKey,
    /// Its keys are found by its key specifications.
    Keys,
    /// No keys: the shards are told by its [`Span`].
    NoKeys,
    /// It runs a script: its shards are told by that.
    Script,
    /// It does something to scripts or libraries, which takes all shards or none.
    Desk,
}

/// A command or subcommand.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub id: CommandId,
    /// Its facts.
    pub spec: &'static Spec,
    /// Who carries it out.
    pub handler: Handler,
    /// Where its keys are.
    pub route: Route,
    /// Its subcommands.
    pub subcommands: Vec<CommandId>,
    /// Its own function takes whatever fits none of them: DEBUG, which tells its subcommands apart itself.
    pub takes_rest: bool,
    /// The command that it is a subcommand of.
    pub parent: Option<CommandId>,
}

/// All commands.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    top: Vec<CommandId>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::join);

/// The table.
#[inline]
#[must_use]
pub fn table() -> &'static Table {
    &TABLE
}

impl Table {
    fn join() -> Table {
        let mut table = Table { entries: Vec::new(), top: Vec::new() };
        for command in shards::commands::FAMILIES.iter().flat_map(|family| family.iter()) {
            let id = table.add_top(&command.spec, Handler::Engine(command));
            command.subcommands.iter().for_each(|sub| table.add_sub(id, &sub.spec, Handler::Engine(sub)));
        }
        for command in crate::script::commands::COMMANDS {
            let id = table.add_top(&command.spec, Handler::Script(command));
            command.subcommands.iter().for_each(|sub| table.add_sub(id, &sub.spec, Handler::Script(sub)));
        }
        for command in commands::FAMILIES.iter().flat_map(|family| family.iter()) {
            let id = table.add_top(&command.spec, Handler::Server(command));
            command.subcommands.iter().for_each(|sub| table.add_sub(id, &sub.spec, Handler::Server(sub)));
        }
        table
    }

    /// A container of both halves (DEBUG, MEMORY) becomes one: the server's, with the subcommands of both.
    fn add_top(&mut self, spec: &'static Spec, handler: Handler) -> CommandId {
        let twin = self.top.iter().copied().find(|id| self.entry(*id).spec.name == spec.name);
        let Some(id) = twin else {
            let id = self.add(spec, handler, None);
            self.top.push(id);
            return id;
        };
        let entry = &mut self.entries[usize::from(id)];
        entry.spec = spec;
        entry.handler = handler;
        entry.route = route_of(spec, handler);
        entry.takes_rest = matches!(handler, Handler::Server(command) if command.subcommands.is_empty());
        id
    }

    fn add_sub(&mut self, parent: CommandId, spec: &'static Spec, handler: Handler) {
        let id = self.add(spec, handler, Some(parent));
        self.entries[usize::from(parent)].subcommands.push(id);
    }

    fn add(&mut self, spec: &'static Spec, handler: Handler, parent: Option<CommandId>) -> CommandId {
        let id = self.entries.len() as CommandId;
        self.entries.push(Entry {
            id,
            spec,
            handler,
            route: route_of(spec, handler),
            subcommands: Vec::new(),
            takes_rest: false,
            parent,
        });
        id
    }

    /// A command or subcommand by its place.
    #[inline]
    #[must_use]
    pub fn entry(&self, id: CommandId) -> &Entry {
        &self.entries[usize::from(id)]
    }
    /// Commands and subcommands.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
    /// Commands without subcommands, as COMMAND lists them.
    pub fn top(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.top.iter().map(|id| self.entry(*id))
    }
    /// A command by its own name, whatever `rename-command` says.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.top().find(|entry| entry.spec.name.as_bytes().eq_ignore_ascii_case(name))
    }
    /// A subcommand by the word behind the command.
    #[must_use]
    pub fn find_sub(&self, parent: &Entry, word: &[u8]) -> Option<&Entry> {
        let matches = |entry: &&Entry| {
            let name = entry.spec.name.split_once('|').map_or(entry.spec.name, |(_, name)| name);
            name.as_bytes().eq_ignore_ascii_case(word)
        };
        parent.subcommands.iter().map(|id| self.entry(*id)).find(matches)
    }
}

fn route_of(spec: &'static Spec, handler: Handler) -> Route {
    if matches!(handler, Handler::Server(_)) {
        return Route::Server;
    }
    if let Handler::Script(command) = handler {
        let is_run = !command.needs_no_shards() && !command.changes_libraries();
        return if is_run { Route::Script } else { Route::Desk };
    }
    let single = |spec: &Spec| {
        matches!(
            spec.keys,
            [only] if only.begin == Begin::Index(1) && matches!(only.find, Find::Range { last: 0, .. })
        )
    };
    match spec.span {
        Span::Gather | Span::FanOut(_) if single(spec) => Route::FirstKey,
        Span::Gather | Span::FanOut(_) | Span::Sort if !spec.keys.is_empty() => Route::Keys,
        _ => Route::NoKeys,
    }
}

/// Names to commands: the table's names, with what `rename-command` makes of them.
#[derive(Debug)]
pub struct Names {
    buckets: Box<[Name]>,
    names: Vec<Box<[u8]>>,
    ids: Vec<CommandId>,
}

/// A name in its bucket. What `folded` and `len` tell is enough for a short name of letters, which most are.
#[derive(Clone, Copy, Debug)]
struct Name {
    folded: u64,
    len: u16,
    id: CommandId,
    /// The name's place in [`Names::names`], where the bytes must be compared.
    whole: Option<u16>,
}

const BUCKETS: usize = 4096;
const EMPTY: Name = Name { folded: 0, len: 0, id: 0, whole: None };

impl Names {
    /// The names of all commands; `renamed` has `(name, new name or nothing)`.
    ///
    /// # Errors
    /// A command of that name does not exist, or the new name is taken.
    pub fn new(renamed: &[(String, String)]) -> Result<Names, String> {
        let mut names = Names { buckets: vec![EMPTY; BUCKETS].into(), names: Vec::new(), ids: Vec::new() };
        let mut chosen: Vec<(String, CommandId)> =
            table().top().map(|entry| (entry.spec.name.to_owned(), entry.id)).collect();
        for (old, new) in renamed {
            let old = old.to_ascii_lowercase();
            let at = chosen
                .iter()
                .position(|(name, _)| *name == old)
                .ok_or("No such command in rename-command")?;
            let (_, id) = chosen.swap_remove(at);
            let new = new.to_ascii_lowercase();
            if chosen.iter().any(|(name, _)| *name == new) {
                return Err("Target command name already exists".to_owned());
            }
            if !new.is_empty() {
                chosen.push((new, id));
            }
        }
        for (name, id) in chosen {
            names.add(name.as_bytes(), id);
        }
        Ok(names)
    }

    /// The commands that can be called.
    #[must_use]
    pub fn ids(&self) -> &[CommandId] {
        &self.ids
    }

    fn add(&mut self, name: &[u8], id: CommandId) {
        let folded = folded(name);
        let mut at = bucket(folded, name);
        while self.buckets[at].len != 0 {
            at = (at + 1) % BUCKETS;
        }
        let is_plain = name.len() <= 8 && name.iter().all(u8::is_ascii_alphabetic);
        let whole = (!is_plain).then(|| {
            self.names.push(name.into());
            (self.names.len() - 1) as u16
        });
        self.ids.push(id);
        self.buckets[at] = Name { folded, len: name.len() as u16, id, whole };
    }

    /// The command that a client calls by `name`, in any case.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        let folded = folded(name);
        let mut at = bucket(folded, name);
        loop {
            let known = &self.buckets[at];
            if known.len == 0 {
                return None;
            }
            let is_it = known.folded == folded && usize::from(known.len) == name.len();
            if is_it
                && known.whole.is_none_or(|whole| self.names[usize::from(whole)].eq_ignore_ascii_case(name))
            {
                return Some(known.id);
            }
            at = (at + 1) % BUCKETS;
        }
    }
}

/// The first eight bytes of a name with letters made small. (Other bytes may fall together: a letter with none but its
/// other case.)
#[inline]
fn folded(name: &[u8]) -> u64 {
    // Two overlapping halves, or byte for byte: faster than a copy of unknown length.
    let word = match (name.first_chunk::<8>(), name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(word), ..) => u64::from_le_bytes(*word),
        (None, Some(first), Some(last)) => {
            let shift = 8 * (name.len() - 4);
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift
        }
        _ => name.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    word | 0x2020_2020_2020_2020
}

/// The bucket of a name, whatever its case: of the first eight bytes, the last, and the length.
#[inline]
fn bucket(folded: u64, name: &[u8]) -> usize {
    let last = u64::from(name.last().copied().unwrap_or(0) | 0x20);
    let mixed = (folded ^ last << 32 ^ (name.len() as u64) << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 52) as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_by_its_name_and_no_other() {
        let names = Names::new(&[]).unwrap();
        for entry in table().top() {
            assert_eq!(
                names.find(entry.spec.name.to_ascii_uppercase().as_bytes()),
                Some(entry.id),
                "{}",
                entry.spec.name
            );
        }
        assert_eq!(names.find(b"nosuch"), None);
        assert_eq!(names.find(b""), None);
    }

    #[test]
    fn no_two_commands_share_a_name() {
        let mut names: Vec<_> = table().entries().iter().map(|entry| entry.spec.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn renamed_commands_are_called_by_their_new_names_only() {
        let names =
            Names::new(&[("GET".to_owned(), "fetch".to_owned()), ("set".to_owned(), String::new())]).unwrap();
        assert_eq!(names.find(b"get"), None);
        assert_eq!(names.find(b"set"), None);
        assert_eq!(names.find(b"FETCH"), table().find(b"get").map(|entry| entry.id));
        assert!(Names::new(&[("nosuch".to_owned(), String::new())]).is_err());
    }
}
