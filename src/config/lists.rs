//! The parameters with a syntax of their own: save points, buffer limits, addresses, event classes.

use super::parameter::{Special, WRONG_NUMBER};
use super::values::{memory, not_one_of, show_memory};

/// `save`: when to write a snapshot by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavePoints(pub Vec<SavePoint>);

/// Save if at least `changes` writes happened in `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

impl SavePoints {
    pub(super) fn of(points: &[(u64, u64)]) -> SavePoints {
        SavePoints(points.iter().map(|&(seconds, changes)| SavePoint { seconds, changes }).collect())
    }

    fn parse(words: &[&str]) -> Result<Vec<SavePoint>, String> {
        let invalid = || "Invalid save parameters".to_owned();
        let (pairs, []) = words.as_chunks::<2>() else { return Err(invalid()) };
        let point = |&[seconds, changes]: &[&str; 2]| {
            let point = SavePoint { seconds: natural(seconds)?, changes: natural(changes)? };
            (point.seconds >= 1).then_some(point)
        };
        pairs.iter().map(|pair| point(pair).ok_or_else(invalid)).collect()
    }
}

impl Special for SavePoints {
    fn show(&self) -> String {
        joined(self.lines_of_points())
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        self.0 = SavePoints::parse(none_if_empty(words))?;
        Ok(())
    }

    /// Lines add up, but an empty one forgets those before it.
    fn append(&mut self, words: &[&str]) -> Result<(), String> {
        let more = SavePoints::parse(none_if_empty(words))?;
        if more.is_empty() {
            self.0.clear();
        }
        self.0.extend(more);
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        if self.0.is_empty() { vec!["\"\"".to_owned()] } else { self.lines_of_points().collect() }
    }
}

impl SavePoints {
    fn lines_of_points(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|point| format!("{} {}", point.seconds, point.changes))
    }
}

/// `client-output-buffer-limit`: when to give up on a client that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimits {
    pub normal: OutputBufferLimit,
    pub replica: OutputBufferLimit,
    pub pubsub: OutputBufferLimit,
}

/// A client is closed above `hard_bytes`, or above `soft_bytes` for longer than `soft_seconds`. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputBufferLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

impl OutputBufferLimits {
    pub(super) const DEFAULT: OutputBufferLimits = OutputBufferLimits {
        normal: OutputBufferLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        replica: OutputBufferLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
        pubsub: OutputBufferLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
    };

    fn class_mut(&mut self, name: &str) -> Option<&mut OutputBufferLimit> {
        match name.to_ascii_lowercase().as_str() {
            "normal" => Some(&mut self.normal),
            "replica" | "slave" => Some(&mut self.replica),
            "pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }
}

impl OutputBufferLimit {
    fn parse(hard: &str, soft: &str, seconds: &str) -> Option<OutputBufferLimit> {
        Some(OutputBufferLimit {
            hard_bytes: memory(hard)?,
            soft_bytes: memory(soft)?,
            soft_seconds: natural(seconds)?,
        })
    }
}

impl Special for OutputBufferLimits {
    fn show(&self) -> String {
        let class = |name, limit: OutputBufferLimit| {
            format!("{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        };
        joined([class("normal", self.normal), class("slave", self.replica), class("pubsub", self.pubsub)])
    }

    /// Classes that are not named keep their limits.
    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let (classes, []) = words.as_chunks::<4>() else {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        };
        let mut limits = *self;
        for &[name, hard, soft, seconds] in classes {
            let class = limits
                .class_mut(name)
                .ok_or("Invalid client class specified in buffer limit configuration.")?;
            *class = OutputBufferLimit::parse(hard, soft, seconds)
                .ok_or("Error in hard, soft or soft_seconds setting in buffer limit configuration.")?;
        }
        *self = limits;
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        let classes = [("normal", self.normal), ("replica", self.replica), ("pubsub", self.pubsub)];
        let line = |(name, limit): (&str, OutputBufferLimit)| {
            let (hard, soft) = (show_memory(limit.hard_bytes), show_memory(limit.soft_bytes));
            format!("{name} {hard} {soft} {}", limit.soft_seconds)
        };
        classes.into_iter().map(line).collect()
    }
}

/// `bind` and other lists of words that need no checking here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<String>);

impl Special for Addresses {
    fn show(&self) -> String {
        self.0.join(" ")
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        if words.len() > ADDRESSES_MAX {
            return Err("Too many bind addresses specified.".to_owned());
        }
        self.0 = none_if_empty(words).iter().map(|&word| word.to_owned()).collect();
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        vec![if self.0.is_empty() { "\"\"".to_owned() } else { self.show() }]
    }
}

const ADDRESSES_MAX: usize = 16;

/// `replicaof`: the server whose data this one copies, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaOf(pub Option<Primary>);

/// Where a primary listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    pub host: String,
    pub port: u16,
}

impl Special for ReplicaOf {
    fn show(&self) -> String {
        self.0.as_ref().map(|primary| format!("{} {}", primary.host, primary.port)).unwrap_or_default()
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let [host, port] = *words else { return Err(WRONG_NUMBER.to_owned()) };
        if host.eq_ignore_ascii_case("no") && port.eq_ignore_ascii_case("one") {
            self.0 = None;
            return Ok(());
        }
        let port = port.parse().map_err(|_| "Invalid master port")?;
        self.0 = Some(Primary { host: host.to_owned(), port });
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        self.0.iter().map(|_| self.show()).collect()
    }
}

/// `oom-score-adj-values`: for a primary, a replica, a child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OomScoreAdjValues(pub [i32; 3]);

impl Special for OomScoreAdjValues {
    fn show(&self) -> String {
        joined(self.0.map(|value| value.to_string()))
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let words: &[&str; 3] = words.try_into().map_err(|_| WRONG_NUMBER)?;
        let mut values = [0; 3];
        for (value, word) in values.iter_mut().zip(words) {
            *value = word
                .parse()
                .ok()
                .filter(|value| (-2000..=2000).contains(value))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        }
        self.0 = values;
        Ok(())
    }
}

/// `latency-tracking-info-percentiles`: which percentiles INFO shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(pub Vec<f64>);

impl Special for Percentiles {
    fn show(&self) -> String {
        joined(self.0.iter().map(|percentile| trimmed(*percentile)))
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let percentile = |word: &&str| {
            let value: f64 =
                word.parse().map_err(|_| "Invalid latency-tracking-info-percentiles parameters")?;
            if (0.0..=100.0).contains(&value) {
                return Ok(value);
            }
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned())
        };
        self.0 = none_if_empty(words).iter().map(percentile).collect::<Result<_, String>>()?;
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        vec![if self.0.is_empty() { "\"\"".to_owned() } else { self.show() }]
    }
}

/// Six decimals at most, without the zeros at the end.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `maxmemory-clients`: bytes, or a part of `maxmemory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientsMemory {
    /// Zero is no limit.
    Bytes(u64),
    Percent(u8),
}

impl ClientsMemory {
    /// The limit in bytes under a given `maxmemory`; `None` is no limit.
    pub fn limit_bytes(self, maxmemory_bytes: u64) -> Option<u64> {
        let bytes = match self {
            ClientsMemory::Bytes(bytes) => bytes,
            ClientsMemory::Percent(percent) => {
                (u128::from(maxmemory_bytes) * u128::from(percent) / 100) as u64
            }
        };
        (bytes != 0).then_some(bytes)
    }
}

impl Special for ClientsMemory {
    fn show(&self) -> String {
        match self {
            ClientsMemory::Bytes(bytes) => bytes.to_string(),
            ClientsMemory::Percent(percent) => format!("{percent}%"),
        }
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let [word] = *words else { return Err(WRONG_NUMBER.to_owned()) };
        *self = match word.strip_suffix('%').and_then(natural) {
            Some(percent) if percent > 100 => {
                return Err("percentage argument must be less or equal to 100".to_owned());
            }
            Some(percent) => ClientsMemory::Percent(percent as u8),
            None => ClientsMemory::Bytes(memory(word).ok_or("argument must be a memory or percent value")?),
        };
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        vec![match self {
            ClientsMemory::Bytes(bytes) => show_memory(*bytes),
            ClientsMemory::Percent(_) => self.show(),
        }]
    }
}

/// `notify-keyspace-events`: which events are published, a bit for each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyEvents(pub u32);

impl NotifyEvents {
    pub const GENERIC: u32 = 1 << 2;
    pub const STRING: u32 = 1 << 3;
    pub const LIST: u32 = 1 << 4;
    pub const SET: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const ZSET: u32 = 1 << 7;
    pub const EXPIRED: u32 = 1 << 8;
    pub const EVICTED: u32 = 1 << 9;
    pub const STREAM: u32 = 1 << 10;
    pub const MODULE: u32 = 1 << 13;
    pub const NEW: u32 = 1 << 14;
    /// Published on `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: u32 = 1;
    /// Published on `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: u32 = 1 << 1;
    pub const KEY_MISS: u32 = 1 << 11;
    /// What `A` stands for; misses and new keys are too noisy to be among them.
    pub const ALL: u32 = Self::GENERIC
        | Self::STRING
        | Self::LIST
        | Self::SET
        | Self::HASH
        | Self::ZSET
        | Self::EXPIRED
        | Self::EVICTED
        | Self::STREAM
        | Self::MODULE;

    /// The letters, in the order in which they are shown.
    const LETTERS: [(char, u32); 14] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::ZSET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
        ('n', Self::NEW),
        ('K', Self::KEYSPACE),
        ('E', Self::KEYEVENT),
        ('m', Self::KEY_MISS),
    ];

    /// Whether any of these classes is asked for.
    pub fn any(self, classes: u32) -> bool {
        self.0 & classes != 0
    }
}

impl Special for NotifyEvents {
    fn show(&self) -> String {
        let all = self.0 & Self::ALL == Self::ALL;
        let shown = if all { self.0 & !Self::ALL } else { self.0 };
        let letters = Self::LETTERS.iter().filter(|(_, class)| shown & class != 0).map(|(letter, _)| *letter);
        all.then_some('A').into_iter().chain(letters).collect()
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let [word] = *words else { return Err(WRONG_NUMBER.to_owned()) };
        let class = |letter| match letter {
            'A' => Some(Self::ALL),
            _ => Self::LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, class)| *class),
        };
        let classes = word.chars().try_fold(0, |classes, letter| Some(classes | class(letter)?));
        self.0 = classes.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
        Ok(())
    }

    fn lines(&self) -> Vec<String> {
        vec![format!("\"{}\"", self.show())]
    }
}

/// `shutdown-on-sigint`, `shutdown-on-sigterm`: the options of SHUTDOWN that a signal stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    pub save: bool,
    pub nosave: bool,
    pub now: bool,
    pub force: bool,
}

impl ShutdownOptions {
    const NAMES: [&str; 5] = ["default", "save", "nosave", "now", "force"];
}

impl Special for ShutdownOptions {
    fn show(&self) -> String {
        let chosen = [self.save, self.nosave, self.now, self.force];
        let names = Self::NAMES[1..].iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(name, _)| *name);
        let text = joined(names);
        if text.is_empty() { "default".to_owned() } else { text }
    }

    fn assign(&mut self, words: &[&str]) -> Result<(), String> {
        let mut options = ShutdownOptions::default();
        if words.is_empty() {
            return Err(not_one_of(&Self::NAMES));
        }
        for word in words {
            match word.to_ascii_lowercase().as_str() {
                "default" => {}
                "save" => options.save = true,
                "nosave" => options.nosave = true,
                "now" => options.now = true,
                "force" => options.force = true,
                _ => return Err(not_one_of(&Self::NAMES)),
            }
        }
        if options.save && options.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
        }
        *self = options;
        Ok(())
    }
}

/// A lone empty word stands for none.
fn none_if_empty<'a, 'b>(words: &'a [&'b str]) -> &'a [&'b str] {
    if words == [""] { &[] } else { words }
}

fn natural(word: &str) -> Option<u64> {
    word.parse::<i64>().ok().and_then(|number| number.try_into().ok())
}

fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &mut impl Special, words: &str) -> Result<String, String> {
        let words: Vec<&str> = if words.is_empty() { Vec::new() } else { words.split(' ').collect() };
        value.assign(&words).map(|()| value.show())
    }

    #[test]
    fn save_lines_add_up_and_an_empty_one_forgets() {
        let mut save = SavePoints::of(&[(3600, 1), (300, 100)]);
        assert_eq!(save.show(), "3600 1 300 100");
        save.assign(&["60", "1"]).unwrap();
        save.append(&["30", "2"]).unwrap();
        assert_eq!(save.show(), "60 1 30 2");
        assert_eq!(save.lines(), ["60 1", "30 2"]);
        save.append(&[""]).unwrap();
        assert_eq!((save.show().as_str(), save.lines()), ("", vec!["\"\"".to_owned()]));
        for words in ["900 1 300", "0 1", "900  1", "a 1", "900 -1"] {
            assert_eq!(shown(&mut save, words), Err("Invalid save parameters".into()), "{words}");
        }
    }

    #[test]
    fn buffer_limits_change_only_the_classes_named() {
        let mut limits = OutputBufferLimits::DEFAULT;
        assert_eq!(limits.show(), "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
        assert_eq!(
            shown(&mut limits, "replica 1mb 2 1").unwrap(),
            "normal 0 0 0 slave 1048576 2 1 pubsub 33554432 8388608 60"
        );
        assert_eq!(limits.lines()[1], "replica 1mb 2 1");
        assert_eq!(limits.lines()[2], "pubsub 32mb 8mb 60");
        let before = limits;
        assert!(shown(&mut limits, "normal 1 2").unwrap_err().starts_with("Wrong number"));
        assert!(
            shown(&mut limits, "normal 1 2 3 foo 1 2 3").unwrap_err().starts_with("Invalid client class")
        );
        assert!(shown(&mut limits, "normal 1 2 x").unwrap_err().starts_with("Error in hard"));
        assert_eq!(limits, before, "an error changes nothing");
    }

    #[test]
    fn event_classes_are_shown_in_one_order() {
        let mut events = NotifyEvents::default();
        assert_eq!(shown(&mut events, "KEA").unwrap(), "AKE");
        assert_eq!(shown(&mut events, "KExnmtdg").unwrap(), "gxtdnKEm");
        assert_eq!(shown(&mut events, "g$lshzxetdKE").unwrap(), "AKE");
        assert!(events.any(NotifyEvents::KEYSPACE) && !events.any(NotifyEvents::KEY_MISS));
        assert!(shown(&mut events, "Q").is_err());
    }

    #[test]
    fn shutdown_options_exclude_each_other() {
        let mut options = ShutdownOptions::default();
        assert_eq!(options.show(), "default");
        assert_eq!(shown(&mut options, "now save").unwrap(), "save now");
        assert_eq!(shown(&mut options, "default save").unwrap(), "save");
        assert!(shown(&mut options, "save nosave").unwrap_err().starts_with("shutdown options SAVE"));
        assert!(shown(&mut options, "xx").unwrap_err().ends_with("default, save, nosave, now, force"));
    }

    #[test]
    fn a_replica_names_its_primary() {
        let mut primary = ReplicaOf::default();
        assert_eq!(shown(&mut primary, "10.0.0.1 6379").unwrap(), "10.0.0.1 6379");
        assert_eq!(shown(&mut primary, "h 65536"), Err("Invalid master port".into()));
        assert_eq!(shown(&mut primary, "NO one").unwrap(), "");
        assert!(primary.lines().is_empty());
    }

    #[test]
    fn client_memory_is_bytes_or_a_part() {
        let mut memory = ClientsMemory::Bytes(0);
        assert_eq!(memory.limit_bytes(100), None);
        assert_eq!(shown(&mut memory, "10%").unwrap(), "10%");
        assert_eq!(memory.limit_bytes(1000), Some(100));
        assert_eq!(shown(&mut memory, "1kb").unwrap(), "1024");
        assert!(shown(&mut memory, "101%").unwrap_err().ends_with("less or equal to 100"));
        assert!(shown(&mut memory, "-5").unwrap_err().ends_with("memory or percent value"));
    }

    #[test]
    fn percentiles_are_trimmed() {
        let mut percentiles = Percentiles(vec![50.0, 99.0, 99.9]);
        assert_eq!(percentiles.show(), "50 99 99.9");
        assert_eq!(shown(&mut percentiles, "50 99.99 100").unwrap(), "50 99.99 100");
        assert!(shown(&mut percentiles, "101").is_err());
        assert!(shown(&mut percentiles, "nan").is_err());
        assert_eq!(shown(&mut percentiles, "").unwrap(), "");
    }

    #[test]
    fn oom_values_are_three() {
        let mut values = OomScoreAdjValues([0, 200, 800]);
        assert_eq!(shown(&mut values, "1 2"), Err("wrong number of arguments".into()));
        assert!(shown(&mut values, "1 2 9999").unwrap_err().contains("between -2000 and 2000"));
        assert_eq!(shown(&mut values, "-1 2 3").unwrap(), "-1 2 3");
    }
}
