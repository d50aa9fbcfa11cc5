//! How numbers look in texts: printing, disassembly and error messages share it.

use std::fmt;

/// Writes a number: integral ones as all their digits without point or exponent (-0 is `0`), others
/// as the shortest decimal that reads back, never with an exponent; `NaN`, `inf`, `-inf`.
pub fn write_number(out: &mut impl fmt::Write, number: f64) -> fmt::Result {
    if number == 0.0 {
        out.write_char('0')
    } else if number.is_finite() && number.fract() == 0.0 {
        write!(out, "{number:.0}")
    } else {
        write!(out, "{number}")
    }
}

/// The text of a number, as [`write_number`] writes it.
///
/// ```
/// use ion_runtime::bytecode::number::format_number;
/// assert_eq!(format_number(1e20), "100000000000000000000");
/// assert_eq!(format_number(-0.0), "0");
/// assert_eq!(format_number(1e-7), "0.0000001");
/// ```
pub fn format_number(number: f64) -> String {
    let mut text = String::new();
    write_number(&mut text, number).expect("writing to a String cannot fail");
    text
}

/// Writes a complex number: both parts as shortest decimals, -0 as `-0`, then `i`.
///
/// The sign between the parts is `-` only if the imaginary part is below 0, so NaN and -0 give
/// `1+NaNi` and `0+-0i`.
pub fn write_complex(out: &mut impl fmt::Write, re: f64, im: f64) -> fmt::Result {
    if im < 0.0 { write!(out, "{re}-{}i", -im) } else { write!(out, "{re}+{im}i") }
}

/// The text of a complex number, as [`write_complex`] writes it.
pub fn format_complex(re: f64, im: f64) -> String {
    let mut text = String::new();
    write_complex(&mut text, re, im).expect("writing to a String cannot fail");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: f64, expected: &str) {
        assert_eq!(format_number(number), expected);
    }

    #[test]
    fn integral_numbers_have_all_digits() {
        check(42.0, "42");
        check(-7.0, "-7");
        check(0.0, "0");
        check(-0.0, "0");
        check(4611686018427387904.0, "4611686018427387904");
        check(-9223372036854775808.0, "-9223372036854775808");
        check(1e20, "100000000000000000000");
        check(u64::MAX as f64, "18446744073709551616");
        assert_eq!(format_number(f64::MAX).len(), 309);
    }

    #[test]
    fn other_numbers_are_shortest_decimals() {
        check(0.1 + 0.2, "0.30000000000000004");
        check(-2.5, "-2.5");
        check(1e-7, "0.0000001");
        check(f64::NAN, "NaN");
        check(-f64::NAN, "NaN");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn complex_numbers() {
        assert_eq!(format_complex(1.0, 2.0), "1+2i");
        assert_eq!(format_complex(1.5, -2.0), "1.5-2i");
        assert_eq!(format_complex(0.0, -1.0), "0-1i");
        assert_eq!(format_complex(1.0, f64::NAN), "1+NaNi");
        assert_eq!(format_complex(0.0, -0.0), "0+-0i");
        assert_eq!(format_complex(-0.0, f64::NEG_INFINITY), "-0-infi");
    }
}
