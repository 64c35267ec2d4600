//! The plain values of redis.conf: yes or no, numbers, amounts of memory, names out of a list.

/// `yes` or `no`, in any case.
pub(super) fn yes_or_no(word: &str) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("argument must be 'yes' or 'no'".to_owned()),
    }
}

/// A decimal number in the one way Redis writes it: no plus sign, no leading zeros, no spaces.
pub(super) fn integer(word: &str, min: i128, max: i128) -> Result<i128, String> {
    let number = strict_integer(word).ok_or("argument couldn't be parsed into an integer")?;
    if number < min || number > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(number)
}

fn strict_integer(word: &str) -> Option<i128> {
    let number: i64 = word.parse().ok()?;
    (number.to_string() == word).then_some(i128::from(number))
}

/// An amount of memory within limits.
pub(super) fn memory_between(word: &str, min: u64, max: u64) -> Result<u64, String> {
    let bytes = memory(word).ok_or("argument must be a memory value")?;
    if bytes < min || bytes > max {
        return Err(format!("argument must be between {min} and {max} inclusive"));
    }
    Ok(bytes)
}

/// An amount of memory: digits and perhaps a unit. A number too great for 64 bits counts as the greatest, and no digits
/// at all count as zero, as in Redis.
pub(super) fn memory(word: &str) -> Option<u64> {
    let (digits, unit) = word.split_at(word.bytes().take_while(u8::is_ascii_digit).count());
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1000 * 1000,
        "mb" => 1 << 20,
        "g" => 1000 * 1000 * 1000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let number = digits
        .bytes()
        .fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    number.checked_mul(factor)
}

/// An amount of memory as CONFIG REWRITE writes it: in the greatest binary unit that divides it.
pub(super) fn show_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// An octal number, as file permissions are written.
pub(super) fn octal(word: &str, max: u32) -> Result<u32, String> {
    let number =
        u32::from_str_radix(word, 8).map_err(|_| "argument couldn't be parsed as an octal number")?;
    if number > max {
        return Err(format!("argument must be between 0 and {max:o} inclusive"));
    }
    Ok(number)
}

/// The position of a word in a list of names, in any case.
pub(super) fn choice(word: &str, names: &[&str]) -> Result<usize, String> {
    names.iter().position(|name| name.eq_ignore_ascii_case(word)).ok_or_else(|| not_one_of(names))
}

pub(super) fn not_one_of(names: &[&str]) -> String {
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

/// The range of a number, for people: bounds that are only the width of a machine word are not worth showing.
pub(super) fn range(min: i128, max: i128, unit: &str) -> String {
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match (min <= i128::from(i32::MIN), max >= i128::from(i32::MAX)) {
        (true, true) => format!("number{unit}"),
        (_, true) => format!("{min}..{unit}"),
        _ => format!("{min}..{max}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_decimal_and_binary_units() {
        for (word, bytes) in [
            ("", 0),
            ("0", 0),
            ("1b", 1),
            ("1B", 1),
            ("1k", 1000),
            ("1Kb", 1024),
            ("5m", 5_000_000),
            ("64mb", 64 << 20),
        ] {
            assert_eq!(memory(word), Some(bytes), "{word}");
        }
        assert_eq!(memory("2gB"), Some(2 << 30));
        assert_eq!(memory("18446744073709551616"), Some(u64::MAX));
        for word in ["-1", "1.5gb", "1x", "gbb", " 1", "1 kb", "20000000000gb"] {
            assert_eq!(memory(word), None, "{word}");
        }
    }

    #[test]
    fn memory_is_rewritten_in_its_greatest_unit() {
        for (bytes, text) in [(0, "0"), (1000, "1000"), (1 << 10, "1kb"), (3 << 20, "3mb"), (1 << 30, "1gb")]
        {
            assert_eq!(show_memory(bytes), text);
            assert_eq!(memory(text), Some(bytes));
        }
    }

    #[test]
    fn numbers_are_strict() {
        assert_eq!(integer("-7", -10, 10), Ok(-7));
        for word in ["", " 10", "+10", "010", "1e3", "99999999999999999999", "-0"] {
            assert_eq!(
                integer(word, 0, 100),
                Err("argument couldn't be parsed into an integer".into()),
                "{word}"
            );
        }
        assert_eq!(integer("11", 1, 10), Err("argument must be between 1 and 10 inclusive".into()));
        assert_eq!(integer("0", 1, 10), Err("argument must be between 1 and 10 inclusive".into()));
    }

    #[test]
    fn octal_is_for_permissions() {
        assert_eq!(octal("700", 0o777), Ok(0o700));
        assert_eq!(octal("1000", 0o777), Err("argument must be between 0 and 777 inclusive".into()));
        assert_eq!(octal("8", 0o777), Err("argument couldn't be parsed as an octal number".into()));
    }

    #[test]
    fn ranges_are_shown_when_they_mean_something() {
        assert_eq!(range(0, 65535, ""), "0..65535");
        assert_eq!(range(0, i128::from(i64::MAX), "s"), "0.. s");
        assert_eq!(range(i128::from(i32::MIN), i128::from(i32::MAX), ""), "number");
    }
}
