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

/// Writes a double with the fewest digits that read back as the same double, in Redis's form.
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
    let exponent = format!("{value:e}");
    let (digits, power) = exponent.split_once('e').expect("the `e` format has an e");
    let power: i32 = power.parse().expect("the `e` format ends in an integer");
    // Redis's dtoa writes plain digits for exponents of moderate size and scientific ones beyond.
    if (-5..21).contains(&power) {
        format!("{value}")
    } else {
        format!("{digits}e{}{}", if power < 0 { '-' } else { '+' }, power.unsigned_abs())
    }
}
