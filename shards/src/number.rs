//! Numbers as Redis reads and writes them.

/// Reads an integer as strictly as Redis: no sign but `-`, no spaces, no leading zeros, within 64 bits.
#[inline]
#[must_use]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
    }
    if negative { 0i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

/// Writes an integer into `room`, which holds the longest; the text is at its end.
#[inline]
#[must_use]
pub fn format_i64(value: i64, room: &mut [u8; 20]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        room[at] = b'-';
    }
    &room[at..]
}

/// Reads a double as C's `strtod` does (decimal, hexadecimal, `inf`), the whole text; no spaces, no `nan`, nothing that is
/// out of range.
#[must_use]
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    strtod(text).and_then(|(value, is_in_range)| is_in_range.then_some(value))
}

/// Reads the bound of a range of doubles, of which Redis takes whatever `strtod` takes: the text up to a zero byte, spaces
/// before it, nothing at all (0), and of numbers out of range what is nearest to them. No `nan`.
#[must_use]
pub fn parse_f64_bound(text: &[u8]) -> Option<f64> {
    let text = crate::fault::until_zero(text);
    if text.is_empty() {
        return Some(0.0);
    }
    strtod(text.trim_ascii_start()).map(|(value, _)| value)
}

/// Integers of so many decimal digits are doubles too.
const EXACT_DIGITS: usize = 15;

/// A double and whether it is in range; what is not is infinite or 0.
fn strtod(text: &[u8]) -> Option<(f64, bool)> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = match digits {
        [b'0', b'x' | b'X', ..] => {
            let (mantissa, exponent) = crate::extended::parse_magnitude(digits, 53, -1074)?;
            // Two factors, for one alone may be out of range; neither product rounds.
            let half = exponent.clamp(-2200, 2200) / 2;
            mantissa as f64 * 2f64.powi(half) * 2f64.powi(exponent.clamp(-2200, 2200) - half)
        }
        // Most scores are integers that a double holds exactly.
        [_, ..] if digits.len() <= EXACT_DIGITS && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')) as f64
        }
        // Rust reads a second sign, and `nan`, which C or Redis refuse.
        [b'0'..=b'9' | b'.' | b'i' | b'I', ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => return None,
    };
    let spelt_infinite = matches!(digits, [b'i' | b'I', ..]);
    let underflows = magnitude == 0.0
        && digits.iter().take_while(|byte| **byte | 32 != b'e').any(|byte| matches!(byte, b'1'..=b'9'));
    let is_in_range = (magnitude.is_finite() || spelt_infinite) && !underflows;
    Some((if negative { -magnitude } else { magnitude }, is_in_range))
}

/// Writes a double with the fewest digits that read back as the same double, in Redis's form. (Redis itself writes one digit
/// too many for one double in five hundred, which its algorithm misses the shortest form of.)
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 {
        return if value.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    // Integers are written as such, up to about half of what 64 bits hold.
    if value.abs() <= (i64::MAX / 2) as f64 && value.trunc() == value {
        return (value as i64).to_string();
    }
    let text = format!("{value:e}");
    let (digits, power) = text.split_once('e').expect("the `e` format has an e");
    let power: i32 = power.parse().expect("the `e` format ends in an integer");
    let digit_count = digits.bytes().filter(u8::is_ascii_digit).count() as i32;
    // The power of the last digit decides whether Redis writes plain digits or scientific ones.
    let last = power - digit_count + 1;
    let plain = if last >= 0 { power < digit_count + 7 } else { last > -7 || power.abs() < 4 };
    if plain {
        format!("{value}")
    } else {
        format!("{digits}e{}{}", if power < 0 { '-' } else { '+' }, power.unsigned_abs())
    }
}

/// Writes a double as C's `%.17g` does.
#[must_use]
pub fn format_g17(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return format_double(value);
    }
    let text = format!("{value:.16e}");
    let (digits, power) = text.split_once('e').expect("the `e` format has an e");
    let power: i32 = power.parse().expect("the `e` format ends in an integer");
    let trimmed = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    if (-4..17).contains(&power) {
        let text = format!("{value:.*}", (16 - power) as usize);
        return if text.contains('.') { trimmed(&text) } else { text };
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), power.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_redis_writes_them() {
        // Answers of ZSCORE.
        for (value, text) in [
            (1e20, "1e+20"),
            (123456789e5, "12345678900000"),
            (1668e13, "16680000000000000"),
            (3.5e-5, "0.000035"),
            (1e-7, "1e-7"),
            (1.5e300, "1.5e+300"),
            (-0.0, "-0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(format_double(value), text);
        }
    }

    #[test]
    fn doubles_are_read_as_redis_reads_them() {
        for (text, value) in [
            ("0x10", 16.0),
            ("0x1.8p1", 3.0),
            ("0x1p-1074", 5e-324),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1e2", 100.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("0e999", 0.0),
        ] {
            assert_eq!(parse_f64(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["", ".", "nan", "--1", " 1", "1 ", "1e400", "1e-400", "0x1p2000", "0x", "1_0", "infin"] {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn seventeen_digits_are_written_as_c_writes_them() {
        for (value, text) in [
            (0.1, "0.10000000000000001"),
            (1e22, "1e+22"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (-2.5, "-2.5"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::INFINITY, "inf"),
            (-0.0, "-0"),
        ] {
            assert_eq!(format_g17(value), text);
        }
    }

    #[test]
    fn bounds_are_read_as_strtod_reads_them() {
        for (text, value) in
            [("", 0.0), (" 5", 5.0), ("5\0x", 5.0), ("-1e400", f64::NEG_INFINITY), ("1e-400", 0.0)]
        {
            assert_eq!(parse_f64_bound(text.as_bytes()), Some(value), "{text}");
        }
        for text in ["nan", "5 ", "x", "--1", "0x"] {
            assert_eq!(parse_f64_bound(text.as_bytes()), None, "{text}");
        }
    }
}
