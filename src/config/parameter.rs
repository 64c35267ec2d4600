//! What a parameter is: its names, its kind, its flags, and how its text becomes a field of the configuration.

use super::table::{Config, TABLE};
use super::values;

/// One directive of redis.conf, with all that anybody needs to know of it.
pub struct Parameter {
    /// The name CONFIG GET shows.
    pub name: &'static str,
    /// Older names, which CONFIG GET shows as well, as Redis does.
    pub aliases: &'static [&'static str],
    /// The chapter it stands in.
    pub group: Group,
    pub flags: Flags,
    /// One or two sentences that teach.
    pub doc: &'static str,
    pub kind: Kind,
}

/// How the text of a parameter is read and shown. The functions reach the parameter's field of [`Config`].
pub enum Kind {
    /// `yes` or `no`.
    Bool { get: fn(&Config) -> bool, set: fn(&mut Config, bool) },
    /// A decimal number from `min` to `max`.
    Integer { min: i128, max: i128, unit: &'static str, get: fn(&Config) -> i128, set: fn(&mut Config, i128) },
    /// Bytes, written as a plain number or with a unit: `1k` is 1000, `1kb` is 1024.
    Memory { min: u64, max: u64, get: fn(&Config) -> u64, set: fn(&mut Config, u64) },
    /// An octal number up to `max`: a file's permissions.
    Octal { max: u32, get: fn(&Config) -> u32, set: fn(&mut Config, u32) },
    /// Any text that `check` lets pass.
    Text { check: fn(&str) -> Result<(), String>, get: fn(&Config) -> &String, set: fn(&mut Config, String) },
    /// One of `names`; the functions speak in positions of that list.
    Choice { names: &'static [&'static str], get: fn(&Config) -> usize, set: fn(&mut Config, usize) },
    /// A form of its own; see [`Special`].
    Special {
        form: &'static str,
        get: fn(&Config) -> &dyn Special,
        get_mut: fn(&mut Config) -> &mut dyn Special,
    },
}

/// A value with a syntax of its own, such as `save` or `bind`.
pub trait Special {
    /// The text of CONFIG GET.
    fn show(&self) -> String;

    /// Takes the words after the directive. On an error the value is as it was, and the text is Redis's.
    fn assign(&mut self, words: &[&str]) -> Result<(), String>;

    /// Takes the words of a further line of the same directive in a file. Most directives: the last one wins.
    fn append(&mut self, words: &[&str]) -> Result<(), String> {
        self.assign(words)
    }

    /// What stands after the directive in a file, a line each; no line if the directive must not appear.
    fn lines(&self) -> Vec<String> {
        vec![self.show()]
    }
}

impl Parameter {
    /// Finds a parameter by one of its names, in any case.
    pub fn find(name: &str) -> Option<&'static Parameter> {
        TABLE.iter().find(|parameter| parameter.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The name and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    pub fn has(&self, flags: Flags) -> bool {
        self.flags.0 & flags.0 == flags.0
    }

    /// The value as CONFIG GET shows it.
    pub fn get(&self, config: &Config) -> String {
        match &self.kind {
            Kind::Bool { get, .. } => if get(config) { "yes" } else { "no" }.to_owned(),
            Kind::Integer { get, .. } => get(config).to_string(),
            Kind::Memory { get, .. } => get(config).to_string(),
            Kind::Octal { get, .. } => format!("{:o}", get(config)),
            Kind::Text { get, .. } => get(config).clone(),
            Kind::Choice { names, get, .. } => names[get(config)].to_owned(),
            Kind::Special { get, .. } => get(config).show(),
        }
    }

    /// The value it has when nobody says otherwise, as CONFIG GET shows it.
    pub fn default_text(&self) -> String {
        self.get(&Config::default())
    }

    /// Gives the field the value that the words say, and leaves it alone if they say none. The error is Redis's text.
    pub fn set(&self, config: &mut Config, words: &[&str]) -> Result<(), String> {
        if let Kind::Special { get_mut, .. } = &self.kind {
            return get_mut(config).assign(words);
        }
        let [word] = *words else { return Err(WRONG_NUMBER.to_owned()) };
        match &self.kind {
            Kind::Bool { set, .. } => set(config, values::yes_or_no(word)?),
            Kind::Integer { min, max, set, .. } => set(config, values::integer(word, *min, *max)?),
            Kind::Memory { min, max, set, .. } => set(config, values::memory_between(word, *min, *max)?),
            Kind::Octal { max, set, .. } => set(config, values::octal(word, *max)?),
            Kind::Choice { names, set, .. } => set(config, values::choice(word, names)?),
            Kind::Text { check, set, .. } => {
                check(word)?;
                set(config, word.to_owned());
            }
            Kind::Special { .. } => unreachable!("returned above"),
        }
        Ok(())
    }

    /// As [`Parameter::set`], for a second or later line of the same directive in one configuration.
    pub fn set_again(&self, config: &mut Config, words: &[&str]) -> Result<(), String> {
        match &self.kind {
            Kind::Special { get_mut, .. } => get_mut(config).append(words),
            _ => self.set(config, words),
        }
    }

    /// What the parameter takes, for people: `yes|no`, `0..65535`, `memory`.
    pub fn form(&self) -> String {
        match &self.kind {
            Kind::Bool { .. } => "yes|no".to_owned(),
            Kind::Integer { min, max, unit, .. } => values::range(*min, *max, unit),
            Kind::Memory { .. } => "memory".to_owned(),
            Kind::Octal { .. } => "octal".to_owned(),
            Kind::Text { .. } => "text".to_owned(),
            Kind::Choice { names, .. } => names.join("|"),
            Kind::Special { form, .. } => (*form).to_owned(),
        }
    }
}

pub(super) const WRONG_NUMBER: &str = "wrong number of arguments";

/// Properties of a parameter, a bit each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub(super) u16);

impl Flags {
    pub const NONE: Flags = Flags(0);
    /// CONFIG SET refuses it: it is fixed at the start.
    pub const IMMUTABLE: Flags = Flags(1);
    /// A secret: logs, MONITOR and the slow log must not show it.
    pub const SENSITIVE: Flags = Flags(1 << 1);
    /// Takes several words.
    pub const MULTI: Flags = Flags(1 << 2);
    /// CONFIG GET shows it only when it is named in full.
    pub const HIDDEN: Flags = Flags(1 << 3);
    /// CONFIG SET needs `enable-protected-configs`.
    pub const PROTECTED: Flags = Flags(1 << 4);
    /// CONFIG SET refuses it while the data set is loading.
    pub const DENY_LOADING: Flags = Flags(1 << 5);
    /// Accepted, checked and shown, with no effect in Braid; the doc says why.
    pub const INERT: Flags = Flags(1 << 6);
    /// Braid's own: Redis does not know it.
    pub const OURS: Flags = Flags(1 << 7);
    /// Worth a line in `--help`.
    pub const MAIN: Flags = Flags(1 << 8);
}

/// The chapters of the configuration, in the order in which a request meets them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Group {
    Threads,
    Network,
    Clients,
    Security,
    Memory,
    Commands,
    Encodings,
    Persistence,
    Replication,
    Cluster,
    Tls,
    Observation,
    Process,
}

impl Group {
    pub const ALL: [Group; 13] = [
        Group::Threads,
        Group::Network,
        Group::Clients,
        Group::Security,
        Group::Memory,
        Group::Commands,
        Group::Encodings,
        Group::Persistence,
        Group::Replication,
        Group::Cluster,
        Group::Tls,
        Group::Observation,
        Group::Process,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Group::Threads => "Threads and cores",
            Group::Network => "Network",
            Group::Clients => "Clients",
            Group::Security => "Security",
            Group::Memory => "Memory and eviction",
            Group::Commands => "Commands and events",
            Group::Encodings => "Encodings of small values",
            Group::Persistence => "Persistence",
            Group::Replication => "Replication",
            Group::Cluster => "Cluster",
            Group::Tls => "TLS",
            Group::Observation => "Logs and measurements",
            Group::Process => "The process",
        }
    }
}

/// Writes the struct [`Config`], its defaults and [`TABLE`] from one list of entries:
///
/// ```text
/// Group {
///     "name" | "alias" => field: type = default, kind(limits), [FLAGS], "Doc.";
/// }
/// ```
macro_rules! parameters {
    ($( $group:ident { $(
        $name:literal $(| $alias:literal)* => $field:ident: $type:ty = $default:expr,
        $kind:ident $(( $($limit:expr),* ))?, [$($flag:ident)*], $doc:literal;
    )* } )*) => {
        /// Everything that can be configured, a plain field each, with the unit last in its name.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($( #[doc = $doc] pub $field: $type, )*)*
            /// The words of each `user` line, in order; the ACL reads them.
            pub users: Vec<Vec<String>>,
            /// Each `rename-command`: the command, and its new name or nothing.
            pub renamed_commands: Vec<(String, String)>,
            /// The absolute path of the file the server was started with; empty without one.
            pub config_file: String,
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $($( $field: $default, )*)*
                    users: Vec::new(),
                    renamed_commands: Vec::new(),
                    config_file: String::new(),
                }
            }
        }

        /// Every parameter, in the order of its chapters.
        pub static TABLE: &[Parameter] = &[ $($( Parameter {
            name: $name,
            aliases: &[$($alias),*],
            group: Group::$group,
            flags: Flags(0 $(| Flags::$flag.0)*),
            doc: $doc,
            kind: kind!($kind $field: $type $(, $($limit),*)?),
        }, )*)* ];
    };
}

macro_rules! kind {
    (flag $field:ident: $type:ty) => {
        Kind::Bool { get: |config| config.$field, set: |config, value| config.$field = value }
    };
    (number $field:ident: $type:ty, $min:expr, $max:expr, $unit:expr) => {
        Kind::Integer {
            min: {
                assert!($min as i128 >= <$type>::MIN as i128, "the field must hold the least value");
                $min as i128
            },
            max: {
                assert!($max as i128 <= <$type>::MAX as i128, "the field must hold the greatest value");
                $max as i128
            },
            unit: $unit,
            get: |config| config.$field as i128,
            set: |config, value| config.$field = value as $type,
        }
    };
    (memory $field:ident: $type:ty, $min:expr, $max:expr) => {
        Kind::Memory {
            min: $min,
            max: $max,
            get: |config| config.$field,
            set: |config, value| config.$field = value,
        }
    };
    (octal $field:ident: $type:ty, $max:expr) => {
        Kind::Octal { max: $max, get: |config| config.$field, set: |config, value| config.$field = value }
    };
    (text $field:ident: $type:ty) => { kind!(text $field: $type, |_| Ok(())) };
    (text $field:ident: $type:ty, $check:expr) => {
        Kind::Text { check: $check, get: |config| &config.$field, set: |config, value| config.$field = value }
    };
    (choice $field:ident: $type:ty) => {
        Kind::Choice {
            names: <$type>::NAMES,
            get: |config| config.$field as usize,
            set: |config, position| config.$field = <$type>::ALL[position],
        }
    };
    (special $field:ident: $type:ty, $form:expr) => {
        Kind::Special { form: $form, get: |config| &config.$field, get_mut: |config| &mut config.$field }
    };
}

pub(super) use {kind, parameters};
