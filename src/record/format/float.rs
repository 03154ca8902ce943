//! Floats in the two looks that logs are full of, `{}` and `{:.3}`, several times as fast as `std::fmt`, and the same to
//! the last digit. Whatever is not settled here beyond doubt is left to `std`.

/// As `{}` writes it: the shortest digits that read back as the same number, and of these the nearest to it.
/// `false`, and nothing is written, if it takes more than that.
pub(super) fn push_shortest(value: f64, out: &mut String) -> bool {
    push(zmij::Buffer::new().format(value), value, out)
}

/// The same for 32 bits.
pub(super) fn push_shortest_single(value: f32, out: &mut String) -> bool {
    push(zmij::Buffer::new().format(value), value.into(), out)
}

/// `Display` knows no exponent, and no `.0`; infinities and NaN have their own names there.
fn push(digits: &str, value: f64, out: &mut String) -> bool {
    let is_plain = |&byte: &u8| byte.is_ascii_digit() || byte == b'.' || byte == b'-';
    if !digits.as_bytes().iter().all(is_plain) {
        return false;
    }
    let digits = digits.strip_suffix(".0").unwrap_or(digits);
    let decimals = digits.find('.').map_or(0, |point| digits.len() - point - 1);
    if is_in_the_middle(value, decimals) {
        return false;
    }
    out.push_str(digits);
    true
}

/// Whether two numbers of so many decimals are equally near, in which case `std` and others choose differently. Then
/// `value · 10^decimals · 2` is an odd number. A value of `b` bits behind the point is an odd number by `2^b`, and `5` to
/// any power is odd, so it is if `b = decimals + 1`.
fn is_in_the_middle(value: f64, decimals: usize) -> bool {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = value.to_bits();
    let (exponent, fraction) = (
        bits >> FRACTION_BITS & 0x7ff,
        bits & ((1 << FRACTION_BITS) - 1),
    );
    // As IEEE 754 has it: 1023 is the exponent of 1; 0 is that of the subnormal numbers, which have no leading 1.
    let (mantissa, exponent) = match exponent {
        0 => (fraction, 1),
        _ => (fraction | 1 << FRACTION_BITS, exponent),
    };
    let behind_the_point =
        1023 + u64::from(FRACTION_BITS) - exponent.min(1023 + u64::from(FRACTION_BITS));
    behind_the_point.saturating_sub(mantissa.trailing_zeros().into()) == decimals as u64 + 1
}

/// Powers of ten that are exact.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Digits behind the point that are written here at most.
const MOST_DIGITS: usize = 9;
/// Below it, every multiple of a quarter is a float.
const EXACT: f64 = (1_u64 << 51) as f64;
/// How near to the middle between two results a value is left to `std`.
const DOUBT: f64 = 1e-6;

/// As `{:.digits$}` writes it. `false`, and nothing is written, if that is not certain.
///
/// `value · 10^digits` is taken apart into the product as a float and its rounding error, which one fused
/// multiply-add gives exactly; so the distance to the next integer is known to within 2⁻⁵³.
pub(super) fn push_fixed(value: f64, digits: usize, out: &mut String) -> bool {
    if digits > MOST_DIGITS {
        return false;
    }
    let power = POWERS[digits];
    let magnitude = value.abs();
    let scaled = magnitude * power;
    if scaled.is_nan() || scaled >= EXACT {
        return false;
    }
    let error = magnitude.mul_add(power, -scaled);
    let below = scaled.floor();
    let rest = (scaled - below) + error;
    if (rest - 0.5).abs() < DOUBT {
        return false;
    }
    // The error may carry the product over an integer, either way: that is rounded back.
    let rounded = below as u64 + u64::from(rest > 0.5);
    if value.is_sign_negative() {
        out.push('-');
    }
    let power = power as u64;
    let mut buffer = itoa::Buffer::new();
    out.push_str(buffer.format(rounded / power));
    if digits > 0 {
        // The one in front keeps the zeros.
        let fraction = buffer.format(rounded % power + power);
        out.push('.');
        out.push_str(&fraction[1..]);
    }
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: f64, digits: usize) -> Result<(), TestCaseError> {
        let mut text = String::new();
        if push_fixed(value, digits, &mut text) {
            prop_assert_eq!(&text, &format!("{value:.digits$}"));
        } else {
            prop_assert_eq!(&text, "");
        }
        text.clear();
        if push_shortest(value, &mut text) {
            prop_assert_eq!(&text, &value.to_string());
        }
        text.clear();
        if push_shortest_single(value as f32, &mut text) {
            prop_assert_eq!(&text, &(value as f32).to_string());
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_written_is_what_std_writes(value: f64, small in -1e6..1e6, digits in 0usize..12) {
            check(value, digits)?;
            check(small, digits)?;
        }

        #[test]
        fn few_decimals(whole in -10_000_000_000i64..10_000_000_000, decimals in 0usize..8) {
            check(whole as f64 / POWERS[decimals], decimals)?;
        }

        #[test]
        fn few_bits(whole in 0u64..1 << 53, bits in 0i32..12) {
            check(whole as f64 / f64::from(1 << bits), 3)?;
            check(f64::from(whole as f32) / f64::from(1 << bits), 3)?;
        }

        #[test]
        fn near_the_middle_too(whole in -10_000_000i64..10_000_000, ulps in -3i64..4, digits in 0usize..10) {
            // Halves of the last digit, and the floats around them.
            let middle = whole as f64 / 2.0 / POWERS[digits];
            check(f64::from_bits(middle.to_bits().wrapping_add_signed(ulps)), digits)?;
        }
    }

    #[test]
    fn the_usual_is_written_here() {
        for (value, digits) in [
            (0.0, 2),
            (-0.0, 3),
            (1.005, 3),
            (123_456.789, 0),
            (-0.5, 3),
            (0.3, 9),
        ] {
            let mut text = String::new();
            assert!(push_fixed(value, digits, &mut text), "{value} {digits}");
            assert_eq!(text, format!("{value:.digits$}"));
            text.clear();
            assert!(push_shortest(value, &mut text));
        }
        for value in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(!push_fixed(value, 2, &mut String::new()));
            assert!(!push_shortest(value, &mut String::new()));
        }
    }
}
