//! Coordinates and distances as Redis writes them.

/// A coordinate with at most 17 decimals, the zeros at the end left out.
#[must_use]
pub fn coordinate_text(degrees: f64) -> String {
    const UNIT: u128 = 100_000_000_000_000_000;
    let magnitude = degrees.abs();
    let exponent = (magnitude.to_bits() >> 52) as i32 - 1075;
    // Below 2^-62 degrees other decimals than these are left, above 2^9 nothing is a coordinate.
    if !(-115..=-43).contains(&exponent) {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    }
    let mantissa = magnitude.to_bits() & ((1 << 52) - 1) | 1 << 52;
    // 53 bits times 57 bits: fits. Rounds to even where the rest is exactly half.
    let (scaled, down) = (u128::from(mantissa) * UNIT, exponent.unsigned_abs());
    let (units, rest, half) = (scaled >> down, scaled & ((1 << down) - 1), 1 << (down - 1));
    let units = units + u128::from(rest > half || (rest == half && units & 1 == 1));
    // What is rounded to nothing has no sign.
    let sign = if degrees < 0.0 && units > 0 { "-" } else { "" };
    let (whole, mut decimals, mut digits) = ((units / UNIT) as u64, (units % UNIT) as u64, 17);
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    while decimals % 10 == 0 {
        decimals /= 10;
        digits -= 1;
    }
    format!("{sign}{whole}.{decimals:0digits$}")
}

/// A distance, which is not negative, with four decimals.
#[must_use]
pub fn distance_text(distance: f64) -> String {
    let units = (distance * 1e4).round_ties_even();
    if units < u64::MAX as f64 {
        let units = units as u64;
        format!("{}.{:04}", units / 10_000, units % 10_000)
    } else {
        format!("{distance:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn coordinates_are_rounded_exactly(degrees in prop_oneof![-180.0..180.0f64, -1e-9..1e-9f64, any::<f64>()]) {
            let text = format!("{degrees:.17}");
            let text = text.trim_end_matches('0').trim_end_matches('.');
            prop_assume!(degrees.is_finite());
            prop_assert_eq!(coordinate_text(degrees), if text == "-0" { "0" } else { text });
        }
    }

    #[test]
    fn zero_has_no_sign() {
        for degrees in [-0.0, -1e-300, -1.66e-19, -4.9e-18, 4.9e-18] {
            assert_eq!(coordinate_text(degrees), "0", "{degrees}");
        }
        assert_eq!(coordinate_text(-5.1e-18), "-0.00000000000000001");
    }

    #[test]
    fn distances_have_four_decimals() {
        for (distance, text) in [(0.0, "0.0000"), (166_274.151_56, "166274.1516"), (0.000_04, "0.0000")] {
            assert_eq!(distance_text(distance), text);
        }
    }
}
