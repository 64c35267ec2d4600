//! Floats with a mantissa of 64 bits, as x87 has them: INCRBYFLOAT and HINCRBYFLOAT compute in them.
//!
//! Redis adds C's `long double`s; results have to agree with it to the last digit wherever Braid runs. So numbers are read
//! exactly (in big integers), rounded once to the mantissa, added with one rounding, and written as C's `%.17Lf` does.
use std::cmp::Ordering;

/// Exponent of the least bit of the smallest number.
const EXPONENT_MIN: i32 = -16_445;
/// Exponent of the least bit of the largest numbers.
const EXPONENT_MAX: i32 = 16_320;
/// No number has as many decimal digits before or behind its point; what has more is out of range.
const DECIMALS_MAX: i64 = 20_000;
/// The longest text that Redis tries to read.
const TEXT_BYTES_MAX: usize = 5 * 1024;

/// A float: `mantissa` times two to the `exponent`, its highest bit set unless it is zero or tiny.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

use Magnitude::{Finite, Infinite};

impl Extended {
    /// Zero.
    pub const ZERO: Extended = Extended { negative: false, magnitude: Finite { mantissa: 0, exponent: 0 } };

    /// Reads a number as C's `strtold` does (decimal, hexadecimal, `inf`), the whole text; no spaces, no `nan`, nothing
    /// out of range.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= TEXT_BYTES_MAX {
            return None;
        }
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        if digits.eq_ignore_ascii_case(b"inf") || digits.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended { negative, magnitude: Infinite });
        }
        let (mantissa, exponent) = parse_magnitude(digits, 64, EXPONENT_MIN)?;
        (exponent <= EXPONENT_MAX).then_some(Extended { negative, magnitude: Finite { mantissa, exponent } })
    }

    /// Whether it is not infinite.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.magnitude != Infinite
    }

    /// As near as doubles come: infinite beyond the greatest, and no zero where this is none.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let size = match self.magnitude {
            Infinite => f64::INFINITY,
            Finite { mantissa: 0, .. } => 0.0,
            Finite { mantissa, exponent } => (mantissa as f64 * 2f64.powi(exponent)).max(f64::MIN_POSITIVE),
        };
        if self.negative { -size } else { size }
    }

    /// The sum, rounded to the nearest, to the even one of two. None where it is infinite or no number.
    #[must_use]
    pub fn checked_add(self, other: Extended) -> Option<Extended> {
        let (Finite { mantissa: a, exponent: a_at }, Finite { mantissa: b, exponent: b_at }) =
            (self.magnitude, other.magnitude)
        else {
            return None;
        };
        if a == 0 || (b != 0 && a_at < b_at) {
            return if a == 0 && b == 0 {
                Some(Extended { negative: self.negative && other.negative, ..Extended::ZERO })
            } else if a == 0 {
                Some(other)
            } else {
                other.checked_add(self)
            };
        }
        if b == 0 {
            return Some(self);
        }
        // `a` is the one with the higher exponent. Its mantissa is moved up so far that all of `b` that matters fits below.
        let up = (a_at - b_at).min(62);
        let down = (a_at - b_at - up).min(127) as u32;
        let (big, small) = (u128::from(a) << up, u128::from(b));
        let cut = down > 0 && (down >= 64 || b << (64 - down) != 0);
        let small = small.checked_shr(down).unwrap_or(0);
        // What is cut off stands as one more bit below.
        let (big, small) = (big << 1, small << 1 | u128::from(cut));
        let (negative, sum) = match (self.negative == other.negative, big.cmp(&small)) {
            (true, _) => (self.negative, big + small),
            (false, Ordering::Equal) => return Some(Extended::ZERO),
            (false, Ordering::Greater) => (self.negative, big - small),
            (false, Ordering::Less) => (other.negative, small - big),
        };
        let sum = Big(vec![sum as u64, (sum >> 64) as u64]);
        let (mantissa, exponent) = sum.round(a_at - up - 1, false, 64, EXPONENT_MIN);
        (exponent <= EXPONENT_MAX).then_some(Extended { negative, magnitude: Finite { mantissa, exponent } })
    }

    /// Writes it with at most 17 decimals, rounded to the nearest, without zeros at the end.
    #[must_use]
    pub fn format(self) -> String {
        let Finite { mantissa, exponent } = self.magnitude else {
            return if self.negative { "-inf" } else { "inf" }.to_owned();
        };
        let text = if exponent >= 0 {
            let mut whole = Big(vec![mantissa]);
            whole.shift_up(exponent as u32);
            whole.format()
        } else {
            format_small(mantissa, exponent.unsigned_abs())
        };
        if self.negative && text != "0" { format!("-{text}") } else { text }
    }
}

/// `mantissa` over two to the `down`, with at most 17 decimals.
fn format_small(mantissa: u64, down: u32) -> String {
    const UNIT: u128 = 100_000_000_000_000_000;
    // 64 bits times 57 bits: fits.
    let scaled = u128::from(mantissa) * UNIT;
    let mut units = scaled.checked_shr(down).unwrap_or(0);
    let rest = if down < 128 { scaled - (units << down) } else { scaled };
    let half = 1u128.checked_shl(down - 1).unwrap_or(u128::MAX);
    units += u128::from(rest > half || (rest == half && units & 1 == 1));
    let text = format!("{}.{:017}", units / UNIT, units % UNIT);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Reads an unsigned number and rounds it to `bits` bits above `exponent_min`: mantissa and exponent. None where the text
/// is no number or where all of it is rounded away.
pub(crate) fn parse_magnitude(text: &[u8], bits: u32, exponent_min: i32) -> Option<(u64, i32)> {
    let (radix, digits, mark) = match text {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits, b'p'),
        digits => (10, digits, b'e'),
    };
    let (value, power) = parse_digits(digits, radix, mark)?;
    if value.is_zero() {
        return Some((0, 0));
    }
    let (mantissa, exponent) = if radix == 16 {
        let power = power.clamp(-1_000_000, 1_000_000) as i32;
        value.round(power, false, bits, exponent_min)
    } else {
        let decimals = value.bit_len() as i64 * 3 / 10 + power;
        if decimals > DECIMALS_MAX {
            return None;
        }
        if decimals < -DECIMALS_MAX { (0, 0) } else { value.round_decimal(power as i32, bits, exponent_min) }
    };
    (mantissa != 0).then_some((mantissa, exponent))
}

/// The digits as an integer, and the power of ten (of two for hexadecimal ones) that it is to be multiplied with.
fn parse_digits(text: &[u8], radix: u32, mark: u8) -> Option<(Big, i64)> {
    let end = text.iter().position(|byte| byte.to_ascii_lowercase() == mark).unwrap_or(text.len());
    let (digits, tail) = text.split_at(end);
    let mut value = Big(Vec::new());
    let (mut point, mut any, mut power) = (false, false, 0i64);
    for &byte in digits {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        value.multiply_add(u64::from(radix), u64::from(char::from(byte).to_digit(radix)?));
        any = true;
        power -= i64::from(point);
    }
    if radix == 16 {
        power *= 4;
    }
    match tail {
        [] => {}
        [_, exponent @ ..] => power = power.saturating_add(parse_exponent(exponent)?),
    }
    any.then_some((value, power))
}

fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: i64, digit: &u8| (value * 10 + i64::from(digit - b'0')).min(1 << 40);
    let value = digits.iter().fold(0, add);
    Some(if negative { -value } else { value })
}

/// An unsigned integer of any size, its least word first.
#[derive(Clone, Debug)]
struct Big(Vec<u64>);

impl Big {
    fn is_zero(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    fn bit_len(&self) -> u64 {
        let top = self.0.iter().rposition(|&word| word != 0);
        top.map_or(0, |at| at as u64 * 64 + 64 - u64::from(self.0[at].leading_zeros()))
    }

    /// The 64 bits from bit `at` on.
    fn bits_from(&self, at: u64) -> u64 {
        let (word, bit) = ((at / 64) as usize, (at % 64) as u32);
        let get = |index: usize| self.0.get(index).copied().unwrap_or(0);
        let high = if bit == 0 { 0 } else { get(word + 1) << (64 - bit) };
        get(word) >> bit | high
    }

    fn any_below(&self, at: u64) -> bool {
        let (word, bit) = ((at / 64) as usize, at % 64);
        self.0.iter().take(word).any(|&word| word != 0)
            || self.0.get(word).is_some_and(|word| word & ((1 << bit) - 1) != 0)
    }

    fn multiply_add(&mut self, factor: u64, term: u64) {
        let mut carry = term;
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(factor) + u128::from(carry);
            *word = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    fn multiply_power(&mut self, base: u64, power: u32) {
        (0..power).for_each(|_| self.multiply_add(base, 0));
    }

    /// Divides; gives back the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut rest = 0;
        for word in self.0.iter_mut().rev() {
            let part = u128::from(rest) << 64 | u128::from(*word);
            *word = (part / u128::from(divisor)) as u64;
            rest = (part % u128::from(divisor)) as u64;
        }
        rest
    }

    fn shift_up(&mut self, bits: u32) {
        self.multiply_add(1 << (bits % 64), 0);
        self.0.splice(0..0, std::iter::repeat_n(0, (bits / 64) as usize));
    }

    fn format(mut self) -> String {
        const CHUNK: u64 = 10_000_000_000_000_000_000;
        let mut chunks = Vec::new();
        while !self.is_zero() {
            chunks.push(self.divide(CHUNK));
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        chunks.iter().rev().for_each(|chunk| text.push_str(&format!("{chunk:019}")));
        text
    }

    /// Rounds `self` (and a bit more, if `more`) times two to the `exponent` to `bits` bits.
    fn round(&self, exponent: i32, more: bool, bits: u32, exponent_min: i32) -> (u64, i32) {
        // How many of the low bits have to go: those that are too many, and those below the smallest number.
        let excess = self.bit_len() as i64 - i64::from(bits);
        let tiny = i64::from(exponent_min) - i64::from(exponent);
        let cut = excess.max(tiny);
        if cut <= 0 {
            // Few bits: move them up, so that the highest stands at the top where it may.
            let up = (-cut).min(63) as u32;
            return (self.bits_from(0) << up, exponent - up as i32);
        }
        let cut = cut as u64;
        let (kept, half) = (self.bits_from(cut), self.bits_from(cut - 1) & 1 == 1);
        let kept = if bits == 64 { kept } else { kept & ((1 << bits) - 1) };
        let up = half && (more || self.any_below(cut - 1) || kept & 1 == 1);
        let exponent = exponent + cut as i32;
        match kept.checked_add(u64::from(up)) {
            Some(mantissa) if bits == 64 || mantissa >> bits == 0 => (mantissa, exponent),
            _ => (1 << (bits - 1), exponent + 1),
        }
    }

    /// Rounds `self` times ten to the `power`.
    fn round_decimal(mut self, power: i32, bits: u32, exponent_min: i32) -> (u64, i32) {
        if power >= 0 {
            self.multiply_power(5, power.unsigned_abs());
            return self.round(power, false, bits, exponent_min);
        }
        if let ([word], -27..) = (&self.0[..], power) {
            // The common case: five to the power is a word, so one division gives 65 bits of quotient or more.
            let up = word.leading_zeros();
            let (dividend, divisor) = (u128::from(word << up) << 64, 5u128.pow(power.unsigned_abs()));
            let quotient = dividend / divisor;
            let words = Big(vec![quotient as u64, (quotient >> 64) as u64]);
            return words.round(power - up as i32 - 64, dividend % divisor != 0, bits, exponent_min);
        }
        // Over five to the power: a quotient of at least two bits more than the mantissa has, found bit by bit.
        let mut divisor = Big(vec![1]);
        divisor.multiply_power(5, power.unsigned_abs());
        let up = (divisor.bit_len() + 67).saturating_sub(self.bit_len()) as u32;
        self.shift_up(up);
        let (quotient, exact) = self.quotient(divisor);
        quotient.round(power - up as i32, !exact, bits, exponent_min)
    }

    /// The quotient and whether nothing is left.
    fn quotient(mut self, mut divisor: Big) -> (Big, bool) {
        let steps = (self.bit_len() + 1).saturating_sub(divisor.bit_len()) as u32;
        divisor.shift_up(steps);
        let mut quotient = Big(vec![0; steps as usize / 64 + 1]);
        for bit in (0..=steps).rev() {
            if self.subtract_if_not_less(&divisor) {
                quotient.0[bit as usize / 64] |= 1 << (bit % 64);
            }
            divisor.halve();
        }
        (quotient, self.is_zero())
    }

    fn subtract_if_not_less(&mut self, other: &Big) -> bool {
        let len = self.0.len().max(other.0.len());
        self.0.resize(len, 0);
        let get = |index: usize| other.0.get(index).copied().unwrap_or(0);
        let order = (0..len).rev().map(|index| self.0[index].cmp(&get(index))).find(|order| order.is_ne());
        if order == Some(Ordering::Less) {
            return false;
        }
        let mut borrow = false;
        for index in 0..len {
            let (word, first) = self.0[index].overflowing_sub(get(index));
            let (word, second) = word.overflowing_sub(u64::from(borrow));
            self.0[index] = word;
            borrow = first || second;
        }
        true
    }

    fn halve(&mut self) {
        let mut carry = 0;
        for word in self.0.iter_mut().rev() {
            let low = *word & 1;
            *word = *word >> 1 | carry << 63;
            carry = low;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let sum = Extended::parse(a.as_bytes())?.checked_add(Extended::parse(b.as_bytes())?)?;
        Some(sum.format())
    }

    #[test]
    fn sums_are_those_of_redis() {
        // Answers of INCRBYFLOAT.
        for (a, b, result) in [
            ("3", "1.1", "4.1"),
            ("1", "0.00000000000000001", "1.00000000000000001"),
            ("4.1", "-4.1", "0"),
            ("-0", "0", "0"),
            ("10.50", "0.1", "10.6"),
            ("0.1", "0.2", "0.3"),
            ("120.8097313701392196", "+7.8872335113551316e-15", "120.80973137013922749"),
            (
                "+0.000000000000038849760603697498",
                "-14791085845388908798e-3",
                "-14791085845388908.7978515625",
            ),
            ("19385530681066900935e0", "16255895523639956554e3", "16275281054321023454208"),
            ("52762941.436239816", "26964216170894304513e0", "26964216170947067454"),
            ("0x6c0f79b17ae.9b3099fdf5p-28", "+846197418428.31274", "846197446091.78810441493988037"),
            ("+0x677f6cbd.58aa2ca1afp-7", "-8.6467589728248306e+20", "-864675897282469494336"),
            ("10355224891967635561e-13", "+31903129060548671641e0", "31903129060549707162"),
            ("+5845.220529725448", "-4.5814680009972443e-20", "5845.22052972544799987"),
            ("17172996922005391893e-38", "0x44.773f7ba8ep93", "678052564178952754948913233920"),
            ("-4.9649365599282839e-14", "+431.4335582", "431.43355819999995035"),
            ("5.905839712874152e-08", "+179848.5", "179848.50000005905839373"),
            ("8972.970295151402", "+0x815ad9a9d0a57af35.552b711343p37", "20497099508111318925459362676736"),
            ("-6250708457137918829e-3094", "+74.120220888157081534", "74.12022088815708153"),
            ("+8.6616835736657197e-12", "-8.6616835736657197e-1", "-0.86616835735791029"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(result), "{a} + {b}");
        }
    }

    #[test]
    fn a_double_is_as_near_as_doubles_come() {
        let double = |text: &[u8]| Extended::parse(text).expect("a number").to_f64();
        assert_eq!((double(b"-2.5"), double(b"0.1"), double(b"0")), (-2.5, 0.1, 0.0));
        assert_eq!(
            (double(b"1e400"), double(b"-1e400"), double(b"-inf")),
            (f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY)
        );
        assert!(double(b"1e-400") > 0.0 && double(b"-1e-4000") < 0.0);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", ".", "-", "+-1", " 1", "1 ", "1e", "1e+", "0x", "0x.p1", "1.2.3", "nan", "1e5000", "1e-5000",
            "1f",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1e4932", "1e4932"), None);
    }
}
