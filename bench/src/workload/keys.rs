//! Which key comes next: uniform, Zipf or one after the other.

use std::fmt;
use std::str::FromStr;

use crate::random::Random;

/// How the keys of a run are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Every key as often as any other.
    Uniform,
    /// Key `k` in proportion to `1 / (k + 1)^theta`.
    Zipf(f64),
    /// 0, 1, 2 …, and from the start again.
    Sequential,
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let theta = |text: &str| match text.parse::<f64>() {
            Ok(theta) if theta > 0.0 && theta.is_finite() => Ok(theta),
            _ => Err(format!("zipf:{text}: theta must be a number above 0")),
        };
        match text.split_once(':') {
            None if text == "uniform" => Ok(Self::Uniform),
            None if text == "sequential" => Ok(Self::Sequential),
            None if text == "zipf" => Ok(Self::Zipf(0.99)),
            Some(("zipf", text)) => theta(text).map(Self::Zipf),
            _ => Err(format!("{text}: expected uniform, zipf, zipf:THETA or sequential")),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(theta) => write!(f, "zipf:{theta}"),
            Self::Sequential => f.write_str("sequential"),
        }
    }
}

/// A source of key numbers in a range.
#[derive(Clone, Debug)]
pub struct Keys {
    first: u64,
    count: u64,
    draw: Draw,
}

#[derive(Clone, Debug)]
enum Draw {
    Uniform,
    Zipf(Zipf),
    Sequential(u64),
}

impl Keys {
    /// Keys `first..first + count`, drawn as `distribution` says. `count` must not be 0.
    #[must_use]
    pub fn new(distribution: Distribution, first: u64, count: u64) -> Self {
        assert!(count > 0, "a range of keys cannot be empty");
        let draw = match distribution {
            Distribution::Uniform => Draw::Uniform,
            Distribution::Zipf(theta) => Draw::Zipf(Zipf::new(count, theta)),
            Distribution::Sequential => Draw::Sequential(0),
        };
        Self { first, count, draw }
    }

    /// The next key's number.
    #[inline]
    pub fn next(&mut self, random: &mut Random) -> u64 {
        let number = match &mut self.draw {
            Draw::Uniform => random.below(self.count),
            Draw::Zipf(zipf) => zipf.next(random),
            Draw::Sequential(next) => {
                let number = *next;
                *next = if number + 1 == self.count { 0 } else { number + 1 };
                number
            }
        };
        self.first + number
    }
}

/// Zipf's law by rejection-inversion (Hörmann and Derflinger, 1996): no table, any exponent, any number of keys.
#[derive(Clone, Debug)]
struct Zipf {
    count: f64,
    theta: f64,
    /// Integral of the density up to half a step before the first and after the last key.
    integral_first: f64,
    integral_last: f64,
    /// Below this distance a candidate is accepted without looking closer.
    squeeze: f64,
}

impl Zipf {
    fn new(count: u64, theta: f64) -> Self {
        let mut zipf =
            Self { count: count as f64, theta, integral_first: 0.0, integral_last: 0.0, squeeze: 0.0 };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(zipf.count + 0.5);
        zipf.squeeze = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.density(2.0));
        zipf
    }

    fn next(&self, random: &mut Random) -> u64 {
        loop {
            let u = self.integral_last + random.unit() * (self.integral_first - self.integral_last);
            let x = self.inverse(u);
            let k = x.round().clamp(1.0, self.count);
            if k - x <= self.squeeze || u >= self.integral(k + 0.5) - self.density(k) {
                return k as u64 - 1;
            }
        }
    }

    fn density(&self, x: f64) -> f64 {
        (-self.theta * x.ln()).exp()
    }

    /// The integral of the density from 1 to `x`: `(x^(1-theta) - 1) / (1 - theta)`, steady around theta = 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        log * ratio(((1.0 - self.theta) * log).exp_m1(), (1.0 - self.theta) * log)
    }

    fn inverse(&self, integral: f64) -> f64 {
        let t = (integral * (1.0 - self.theta)).max(-1.0);
        (integral * ratio(t.ln_1p(), t)).exp()
    }
}

/// `a / b` where both go to 0 together.
fn ratio(a: f64, b: f64) -> f64 {
    if b.abs() < 1e-12 { 1.0 } else { a / b }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws a lot and compares how often the first keys came with what Zipf's law says.
    fn check_zipf(theta: f64, count: u64) {
        let draws = 400_000;
        let mut keys = Keys::new(Distribution::Zipf(theta), 0, count);
        let mut random = Random::new(42);
        let mut seen = vec![0u32; count as usize];
        for _ in 0..draws {
            seen[keys.next(&mut random) as usize] += 1;
        }
        let total: f64 = (1..=count).map(|k| (k as f64).powf(-theta)).sum();
        for (k, &times) in seen.iter().enumerate().take(20) {
            let expected = f64::from(draws) * ((k + 1) as f64).powf(-theta) / total;
            let deviation = (f64::from(times) - expected).abs();
            // Five standard deviations of a count.
            assert!(
                deviation < 5.0 * expected.sqrt(),
                "theta {theta}: key {k} came {times}, not {expected} times"
            );
        }
        let tail: u32 = seen[count as usize / 2..].iter().sum();
        let share: f64 = (count / 2 + 1..=count).map(|k| (k as f64).powf(-theta)).sum::<f64>() / total;
        let expected = f64::from(draws) * share;
        assert!(
            (f64::from(tail) - expected).abs() < 5.0 * expected.sqrt() + 1.0,
            "theta {theta}: tail {tail}"
        );
    }

    #[test]
    fn zipf_follows_its_law() {
        for theta in [0.5, 0.99, 1.0, 1.2, 2.5] {
            check_zipf(theta, 1000);
        }
    }

    #[test]
    fn zipf_of_few_keys() {
        check_zipf(0.99, 2);
        let mut one = Keys::new(Distribution::Zipf(1.0), 5, 1);
        assert!((0..100).all(|i| one.next(&mut Random::new(i)) == 5));
    }

    #[test]
    fn uniform_stays_in_its_range_and_fills_it() {
        let mut keys = Keys::new(Distribution::Uniform, 100, 10);
        let mut random = Random::new(3);
        let mut seen = [0u32; 10];
        for _ in 0..10_000 {
            seen[(keys.next(&mut random) - 100) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn sequential_wraps() {
        let mut keys = Keys::new(Distribution::Sequential, 7, 3);
        let mut random = Random::new(0);
        let drawn: Vec<u64> = (0..7).map(|_| keys.next(&mut random)).collect();
        assert_eq!(drawn, [7, 8, 9, 7, 8, 9, 7]);
    }

    #[test]
    fn distributions_are_read_as_they_are_shown() {
        for text in ["uniform", "sequential", "zipf:0.99", "zipf:1.5"] {
            assert_eq!(text.parse::<Distribution>().unwrap().to_string(), text);
        }
        assert_eq!("zipf".parse(), Ok(Distribution::Zipf(0.99)));
        for text in ["zipf:x", "zipf:0", "zipf:-1", "gauss", "uniform:1"] {
            assert!(text.parse::<Distribution>().is_err(), "{text}");
        }
    }
}
