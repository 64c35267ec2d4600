//! Which unit comes next: a weighted choice between templates, rendered into batches.

use super::keys::{Distribution, Keys};
use super::template::{KeyShape, Template};
use crate::random::Random;

/// The units `--mix` knows by name.
const NAMED: &[(&str, &str)] = &[
    ("get", "GET {key}"),
    ("set", "SET {key} {value}"),
    ("setex", "SET {key} {value} EX 3600"),
    ("incr", "INCR n:{key}"),
    ("del", "DEL {key}"),
    ("exists", "EXISTS {key}"),
    ("ping", "PING"),
    ("lpush", "LPUSH l:{key} {value}"),
    ("rpop", "RPOP l:{key}"),
    ("sadd", "SADD s:{key} {random:100}"),
    ("hset", "HSET h:{key} {random:100} {value}"),
    ("zadd", "ZADD z:{key} {random:100} {random:100}"),
    ("mget10", "MGET {key} {key} {key} {key} {key} {key} {key} {key} {key} {key}"),
];

/// The texts and weights that `get:9,set:1` stands for.
///
/// # Errors
/// When a name is not known or a weight is no number.
pub fn parse_mix(text: &str) -> Result<Vec<(u32, String)>, String> {
    let part = |part: &str| {
        let (name, weight) = part.split_once(':').unwrap_or((part, "1"));
        let weight = weight.parse().map_err(|_| format!("{part}: the weight is no number"))?;
        let known = || NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let unit = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        unit.map(|(_, unit)| (weight, (*unit).to_owned()))
            .ok_or_else(|| format!("{name}: known are {}", known()))
    };
    text.split(',').map(part).collect()
}

/// The text and weight of `9*GET {key}`; without a number the weight is 1.
#[must_use]
pub fn parse_weighted(text: &str) -> (u32, String) {
    match text.split_once('*').and_then(|(weight, unit)| Some((weight.trim().parse().ok()?, unit))) {
        Some((weight, unit)) => (weight, unit.to_owned()),
        None => (1, text.to_owned()),
    }
}

/// What one thread sends: its templates, its keys and its dice.
#[derive(Clone, Debug)]
pub struct Workload {
    templates: Vec<Template>,
    /// Running sums of the weights.
    sums: Vec<u64>,
    keys: Keys,
    random: Random,
    /// The batch under way: with one template it is kept from one batch to the next, and only its holes change.
    batch: Vec<u8>,
    batch_units: usize,
}

impl Workload {
    /// Chooses between `units` (weight and text) by weight; each text is used once for every size in `values_bytes`.
    ///
    /// # Errors
    /// What is wrong with a text, or that nothing has any weight.
    pub fn new(
        units: &[(u32, String)],
        shape: &KeyShape,
        distribution: Distribution,
        values_bytes: &[usize],
        seed: u64,
    ) -> Result<Self, String> {
        let mut templates = Vec::new();
        let mut sums = Vec::new();
        let mut sum = 0;
        for (weight, text) in units.iter().filter(|(weight, _)| *weight > 0) {
            for &value_bytes in values_bytes {
                sum += u64::from(*weight);
                sums.push(sum);
                templates.push(Template::new(text, shape, value_bytes)?);
            }
        }
        if templates.is_empty() {
            return Err("there is nothing to send: every weight is 0".to_owned());
        }
        let keys = Keys::new(distribution, 0, shape.count);
        Ok(Self { templates, sums, keys, random: Random::new(seed), batch: Vec::new(), batch_units: 0 })
    }

    /// The same, but with the keys `first..first + count` and other dice: a thread's share.
    #[must_use]
    pub fn share(&self, distribution: Distribution, first: u64, count: u64, seed: u64) -> Self {
        let keys = Keys::new(distribution, first, count.max(1));
        Self { keys, random: Random::new(seed), ..self.clone() }
    }

    /// The templates; a batch names them by their place here.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Renders the next `units` units for a connection, and says of each (in order) which template it is.
    pub fn render(&mut self, units: usize, connection: u64, mut on_unit: impl FnMut(usize, usize)) -> &[u8] {
        if let [template] = &self.templates[..] {
            while self.batch_units < units {
                template.copy_to(&mut self.batch);
                self.batch_units += 1;
            }
            let length = units * template.len();
            for unit in self.batch[..length].chunks_exact_mut(template.len()) {
                template.fill(unit, &mut self.keys, &mut self.random, connection);
            }
            on_unit(0, units);
            return &self.batch[..length];
        }
        self.batch.clear();
        let total = *self.sums.last().expect("there is a template");
        for _ in 0..units {
            let pick = self.random.below(total);
            let place = self.sums.iter().position(|&sum| pick < sum).expect("pick is below the last sum");
            let template = &self.templates[place];
            let start = self.batch.len();
            template.copy_to(&mut self.batch);
            template.fill(&mut self.batch[start..], &mut self.keys, &mut self.random, connection);
            on_unit(place, 1);
        }
        &self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> KeyShape {
        KeyShape { prefix: "key:".to_owned(), bytes: 16, count: 1000 }
    }

    fn workload(units: &[(u32, String)]) -> Workload {
        Workload::new(units, &shape(), Distribution::Sequential, &[3], 1).unwrap()
    }

    #[test]
    fn one_template_gives_batches_of_any_size() {
        let mut workload = workload(&[(1, "GET {key}".to_owned())]);
        for (units, first) in [(2, 0), (5, 2), (1, 7), (3, 8)] {
            let batch = String::from_utf8(workload.render(units, 0, |_, _| ()).to_vec()).unwrap();
            let expected: String = (first..first + units)
                .map(|k| format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{k:012}\r\n"))
                .collect();
            assert_eq!(batch, expected);
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut workload = workload(&parse_mix("get:9,set:1,ping:0").unwrap());
        let mut seen = [0usize; 2];
        let batch = workload.render(100_000, 0, |place, units| seen[place] += units).to_vec();
        assert_eq!(seen[0] + seen[1], 100_000);
        assert!((89_500..90_500).contains(&seen[0]), "{seen:?}");
        assert_eq!(String::from_utf8(batch).unwrap().matches("GET").count(), seen[0]);
    }

    #[test]
    fn each_value_size_is_a_template() {
        let units = [(1, "SET {key} {value}".to_owned())];
        let workload = Workload::new(&units, &shape(), Distribution::Uniform, &[3, 64], 1).unwrap();
        let lengths: Vec<usize> = workload.templates().iter().map(Template::len).collect();
        assert_eq!(lengths[1] - lengths[0], 64 - 3 + 1);
    }

    #[test]
    fn shares_split_the_keys() {
        let mut share = workload(&[(1, "GET {key}".to_owned())]).share(Distribution::Sequential, 500, 2, 9);
        let batch = String::from_utf8(share.render(3, 0, |_, _| ()).to_vec()).unwrap();
        let keys: Vec<&str> = batch.lines().filter(|line| line.starts_with("key:")).collect();
        assert_eq!(keys, ["key:000000000500", "key:000000000501", "key:000000000500"]);
    }

    #[test]
    fn texts_are_read() {
        assert_eq!(parse_weighted("9*GET {key}"), (9, "GET {key}".to_owned()));
        assert_eq!(parse_weighted("KEYS a*"), (1, "KEYS a*".to_owned()));
        assert_eq!(parse_mix("ping").unwrap(), [(1, "PING".to_owned())]);
        assert!(parse_mix("gte:1").is_err());
        assert!(parse_mix("get:x").is_err());
        assert!(Workload::new(&[(0, "PING".to_owned())], &shape(), Distribution::Uniform, &[3], 1).is_err());
    }

    #[test]
    fn every_named_unit_is_a_template() {
        for (name, text) in NAMED {
            assert!(Template::new(text, &shape(), 3).is_ok(), "{name}");
        }
    }
}
