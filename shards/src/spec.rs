//! The facts about a command: one [`Spec`] a command, read by lookup, routing, admission and COMMAND.

/// Flags of a command, as `COMMAND INFO` names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(pub u32);

macro_rules! bits {
    ($kind:ident: $($name:ident = $bit:expr, $text:expr;)*) => {
        impl $kind {
            $(#[doc = concat!("`", $text, "`.")] pub const $name: $kind = $kind(1 << $bit);)*
            /// Every bit with the name that Redis gives it, in Redis's order.
            pub const NAMES: &'static [($kind, &'static str)] = &[$(($kind::$name, $text)),*];
        }
        impl $kind {
            /// No bit at all.
            pub const NONE: $kind = $kind(0);
            /// Both sets together.
            #[must_use]
            pub const fn and(self, other: $kind) -> $kind { $kind(self.0 | other.0) }
            /// Whether all of `other` is in here.
            #[must_use]
            pub const fn has(self, other: $kind) -> bool { self.0 & other.0 == other.0 }
            /// Whether any of `other` is in here.
            #[must_use]
            pub const fn has_any(self, other: $kind) -> bool { self.0 & other.0 != 0 }
            /// The names of the bits set, in Redis's order.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(bit, _)| self.has(*bit)).map(|(_, name)| *name)
            }
        }
    };
}

bits! { Flags:
    WRITE = 0, "write"; READ = 1, "readonly"; DENYOOM = 2, "denyoom"; MODULE = 3, "module"; ADMIN = 4, "admin";
    PUBSUB = 5, "pubsub"; NOSCRIPT = 6, "noscript"; BLOCKING = 7, "blocking"; LOADING = 8, "loading";
    STALE = 9, "stale"; SKIP_MONITOR = 10, "skip_monitor"; SKIP_SLOWLOG = 11, "skip_slowlog"; ASKING = 12, "asking";
    FAST = 13, "fast"; NO_AUTH = 14, "no_auth"; MAY_REPLICATE = 15, "may_replicate"; SENTINEL = 16, "sentinel";
    ONLY_SENTINEL = 17, "only_sentinel"; NO_MANDATORY_KEYS = 18, "no_mandatory_keys"; PROTECTED = 19, "protected";
    NO_MULTI = 20, "no_multi"; MOVABLE_KEYS = 21, "movablekeys"; ALLOW_BUSY = 22, "allow_busy";
    NO_ASYNC_LOADING = 23, "no_async_loading"; TOUCHES_ARBITRARY_KEYS = 24, "touches_arbitrary_keys";
}

/// ACL categories of a command, without the `@`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Categories(pub u32);

bits! { Categories:
    KEYSPACE = 0, "keyspace"; READ = 1, "read"; WRITE = 2, "write"; SET = 3, "set"; SORTEDSET = 4, "sortedset";
    LIST = 5, "list"; HASH = 6, "hash"; STRING = 7, "string"; BITMAP = 8, "bitmap"; HYPERLOGLOG = 9, "hyperloglog";
    GEO = 10, "geo"; STREAM = 11, "stream"; PUBSUB = 12, "pubsub"; ADMIN = 13, "admin"; FAST = 14, "fast";
    SLOW = 15, "slow"; BLOCKING = 16, "blocking"; DANGEROUS = 17, "dangerous"; CONNECTION = 18, "connection";
    TRANSACTION = 19, "transaction"; SCRIPTING = 20, "scripting";
}

/// The group under which COMMAND DOCS lists a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the variants are the names that COMMAND DOCS gives")]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Hyperloglog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// The name in COMMAND DOCS.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Hyperloglog => "hyperloglog",
            Group::Cluster => "cluster",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
        }
    }

    /// The ACL category that its commands are in; none for groups of which only some commands share one.
    #[must_use]
    pub const fn category(self) -> Categories {
        match self {
            Group::String => Categories::STRING,
            Group::List => Categories::LIST,
            Group::Set => Categories::SET,
            Group::SortedSet => Categories::SORTEDSET,
            Group::Hash => Categories::HASH,
            Group::Transactions => Categories::TRANSACTION,
            Group::Connection => Categories::CONNECTION,
            Group::Scripting => Categories::SCRIPTING,
            Group::Hyperloglog => Categories::HYPERLOGLOG,
            Group::Geo => Categories::GEO,
            Group::Stream => Categories::STREAM,
            Group::Bitmap => Categories::BITMAP,
            Group::Generic | Group::Pubsub | Group::Server | Group::Cluster => Categories::NONE,
        }
    }
}

/// What a command does with the keys of one key specification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyFlags(pub u32);

bits! { KeyFlags:
    RO = 0, "RO"; RW = 1, "RW"; OW = 2, "OW"; RM = 3, "RM"; ACCESS = 4, "access"; UPDATE = 5, "update";
    INSERT = 6, "insert"; DELETE = 7, "delete"; NOT_KEY = 8, "not_key"; INCOMPLETE = 9, "incomplete";
    VARIABLE_FLAGS = 10, "variable_flags";
}

/// Where the search for keys begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// At this argument.
    Index(i32),
    /// Behind this word, sought from argument `from` (from the end where negative).
    Keyword(&'static str, i32),
    /// Not to be found from the arguments alone.
    Unknown,
}

/// How far the keys go from where they begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Find {
    /// To `last` (relative to the beginning; from the end of the arguments where negative), every `step`,
    /// only the first `1/limit` of them where `limit` is above 1.
    Range { last: i32, step: i32, limit: i32 },
    /// A count stands at `count`, the keys from `first`, every `step` (all relative to the beginning).
    Count { count: i32, first: i32, step: i32 },
    /// Not to be found from the arguments alone.
    Unknown,
}

/// One key specification: which arguments are keys and what happens to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    /// What happens to the keys.
    pub flags: KeyFlags,
    /// Where they begin.
    pub begin: Begin,
    /// How far they go.
    pub find: Find,
    /// A remark that COMMAND INFO shows; empty for none.
    pub notes: &'static str,
}

impl KeySpec {
    /// One key at argument `index`.
    #[must_use]
    pub const fn one(flags: KeyFlags, index: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Range { last: 0, step: 1, limit: 0 },
            notes: "",
        }
    }
    /// Keys from argument `index` to the end, every `step`.
    #[must_use]
    pub const fn rest(flags: KeyFlags, index: i32, step: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Range { last: -1, step, limit: 0 },
            notes: "",
        }
    }
    /// A count at argument `index`, then that many keys, every `step`.
    #[must_use]
    pub const fn counted(flags: KeyFlags, index: i32, step: i32) -> KeySpec {
        KeySpec {
            flags,
            begin: Begin::Index(index),
            find: Find::Count { count: 0, first: 1, step },
            notes: "",
        }
    }
    /// The same with a remark.
    #[must_use]
    pub const fn noted(self, notes: &'static str) -> KeySpec {
        KeySpec { notes, ..self }
    }
}

/// The type of an argument in COMMAND DOCS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the variants are the names that COMMAND DOCS gives")]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    /// One of these.
    OneOf(&'static [Arg]),
    /// All of these, one after another.
    Block(&'static [Arg]),
}

impl ArgKind {
    /// The name in COMMAND DOCS.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf(_) => "oneof",
            ArgKind::Block(_) => "block",
        }
    }
}

/// One argument as COMMAND DOCS describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arg {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgKind,
    /// The word that comes before it (or is it), empty for none.
    pub token: &'static str,
    /// The version that brought it, empty when the command itself did.
    pub since: &'static str,
    /// May be left out.
    pub optional: bool,
    /// May come several times.
    pub multiple: bool,
    /// The word is repeated with each of several.
    pub multiple_token: bool,
    /// The index of the key specification it belongs to, for keys.
    pub key_spec: Option<u8>,
    /// How it is shown where that is not its name, empty for none.
    pub display: &'static str,
}

impl Arg {
    /// An argument without specialities.
    #[must_use]
    pub const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg {
            name,
            kind,
            token: "",
            since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec: None,
            display: "",
        }
    }
    /// A key of key specification `spec`.
    #[must_use]
    pub const fn key(name: &'static str, spec: u8) -> Arg {
        Arg { key_spec: Some(spec), ..Arg::new(name, ArgKind::Key) }
    }
    /// A word that stands for itself.
    #[must_use]
    pub const fn word(name: &'static str, token: &'static str) -> Arg {
        Arg { token, ..Arg::new(name, ArgKind::PureToken) }
    }
    /// The same behind a word.
    #[must_use]
    pub const fn token(self, token: &'static str) -> Arg {
        Arg { token, ..self }
    }
    /// The same, optional.
    #[must_use]
    pub const fn optional(self) -> Arg {
        Arg { optional: true, ..self }
    }
    /// The same, any number of times.
    #[must_use]
    pub const fn multiple(self) -> Arg {
        Arg { multiple: true, ..self }
    }
    /// The same, its word repeated with each.
    #[must_use]
    pub const fn multiple_token(self) -> Arg {
        Arg { multiple_token: true, ..self }
    }
    /// The same, known since a version.
    #[must_use]
    pub const fn since(self, since: &'static str) -> Arg {
        Arg { since, ..self }
    }
    /// The same, shown under another name.
    #[must_use]
    pub const fn display(self, display: &'static str) -> Arg {
        Arg { display, ..self }
    }
}

/// How a command whose keys are on several shards is carried out (`src/coordinate`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    /// The shards are gathered and the command runs over them as on one: always right.
    Gather,
    /// Each shard runs the command over its own keys; the replies are merged.
    FanOut(Merge),
    /// Every shard takes part, each with the same arguments; the replies are merged.
    EveryShard(Merge),
    /// One shard, found from the argument at this index by the command's own rule (SCAN's cursor).
    Cursor(u8),
    /// Any one shard that has keys (RANDOMKEY).
    AnyShard,
    /// As SORT's words say: all shards gathered where elements name keys, which may be anywhere; else as [`Span::Gather`],
    /// STORE's key being one of the keys.
    Sort,
    /// All shards gathered, always (SWAPDB under WATCH, DEBUG RELOAD).
    GatherAll,
}

/// How the replies of the parts of a fan-out become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Integers are added (DEL, EXISTS, DBSIZE).
    Sum,
    /// The elements of the parts' arrays are put in the order of the keys asked for (MGET).
    Interleave,
    /// Arrays are appended (KEYS).
    Concat,
    /// The first error, else the first reply (MSET, FLUSHALL).
    First,
}

/// All facts about a command.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// In lower case; a subcommand's is `object|encoding`.
    pub name: &'static str,
    /// Number of arguments, the name counted; at least so many where negative.
    pub arity: i32,
    /// Its flags.
    pub flags: Flags,
    /// Categories beside those which flags and group imply.
    pub acl: Categories,
    /// Which arguments are keys.
    pub keys: &'static [KeySpec],
    /// How it spans shards.
    pub span: Span,
    /// Its group.
    pub group: Group,
    /// One sentence for COMMAND DOCS.
    pub summary: &'static str,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// Its cost, for COMMAND DOCS.
    pub complexity: &'static str,
    /// `(version, change)` pairs for COMMAND DOCS.
    pub history: &'static [(&'static str, &'static str)],
    /// Tips for COMMAND INFO.
    pub tips: &'static [&'static str],
    /// Its arguments for COMMAND DOCS.
    pub args: &'static [Arg],
    /// `(version, replacement)` where it is deprecated.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl Spec {
    /// What a spec has where it says nothing.
    pub const DEFAULT: Spec = Spec {
        name: "",
        arity: 1,
        flags: Flags::NONE,
        acl: Categories::NONE,
        keys: &[],
        span: Span::Gather,
        group: Group::Generic,
        summary: "",
        since: "1.0.0",
        complexity: "",
        history: &[],
        tips: &[],
        args: &[],
        deprecated: None,
    };

    /// All ACL categories: those which flags and group imply (as Redis derives them), and the explicit ones.
    #[must_use]
    pub const fn categories(&self) -> Categories {
        let flags = self.flags;
        let mut all = self.acl.and(if flags.has(Flags::FAST) { Categories::FAST } else { Categories::SLOW });
        // A container of subcommands has no flags, and belongs to no category but the slow ones.
        if flags.0 != 0 {
            all = all.and(self.group.category());
        }
        if flags.has(Flags::WRITE) {
            all = all.and(Categories::WRITE);
        }
        // What a read-only script reads is decided by the commands that it calls.
        if flags.has(Flags::READ) && !all.has(Categories::SCRIPTING) {
            all = all.and(Categories::READ);
        }
        if flags.has(Flags::ADMIN) {
            all = all.and(Categories::ADMIN).and(Categories::DANGEROUS);
        }
        if flags.has(Flags::PUBSUB) {
            all = all.and(Categories::PUBSUB);
        }
        if flags.has(Flags::BLOCKING) {
            all = all.and(Categories::BLOCKING);
        }
        all
    }

    /// Whether `argc` arguments (the name counted) fit the arity.
    #[must_use]
    pub const fn fits(&self, argc: usize) -> bool {
        if self.arity >= 0 { argc == self.arity as usize } else { argc >= self.arity.unsigned_abs() as usize }
    }
}
