//! Numbers. All functions follow IEEE 754 doubles as the host computes them.

use crate::registry::natives;

natives! {
    /// Numbers, by the names from before there were modules.
    fn classic;

    /// Square root. The error `Cannot take square root of negative number` below 0.
    Sqrt(number) = typed sqrt;
    /// Magnitude.
    Abs(number) = f1 f64::abs;
    /// Sine of an angle in radians.
    Sin(number) = f1 f64::sin;
    /// Cosine of an angle in radians.
    Cos(number) = f1 f64::cos;
    /// The next integer downwards.
    Floor(number) = f1 f64::floor;
    /// The next integer upwards.
    Ceil(number) = f1 f64::ceil;
    /// The nearest integer, halves away from zero: 2.5 gives 3, -2.5 gives -3.
    Round(number) = f1 f64::round;
    /// Natural logarithm; NaN for 0 and below.
    Log(number) = f1 log;
    /// The larger of two numbers; NaN counts only if both are.
    Max(a, b) = f2 f64::max;
    /// The smaller of two numbers; NaN counts only if both are.
    Min(a, b) = f2 f64::min;
    /// The first number to the power of the second.
    Pow(base, exponent) = f2 f64::powf;
}

fn sqrt(number: f64) -> Result<f64, String> {
    if number < 0.0 {
        return Err("Cannot take square root of negative number".to_owned());
    }
    Ok(number.sqrt())
}

/// NaN, not minus infinity, for 0.
fn log(number: f64) -> f64 {
    if number > 0.0 { number.ln() } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use crate::stdlib::testing::check;

    #[test]
    fn roots() {
        check("Sqrt", "9", "Number: 3");
        check("Sqrt", "-0.0", "Number: 0");
        check("Sqrt", "NaN", "Number: NaN");
        check(
            "Sqrt",
            "-1",
            "error:FFI call error: Runtime error: Cannot take square root of negative number",
        );
    }

    #[test]
    fn rounding() {
        check("Round", "2.5", "Number: 3");
        check("Round", "-2.5", "Number: -3");
        check("Round", "0.49999999999999994", "Number: 0");
        check("Round", "inf", "Number: inf");
        check("Floor", "-1.5", "Number: -2");
        check("Floor", "1.5", "Number: 1");
        check("Ceil", "1.2", "Number: 2");
        check("Ceil", "-0.5", "Number: 0");
        check("Abs", "-7.25", "Number: 7.25");
        check("Abs", "-inf", "Number: inf");
    }

    #[test]
    fn functions_of_one_number() {
        check("Sin", "0", "Number: 0");
        check("Sin", "1", "Number: 0.8414709848078965");
        check("Cos", "0", "Number: 1");
        check("Cos", "inf", "Number: NaN");
        check("Log", "1", "Number: 0");
        check("Log", "0", "Number: NaN");
        check("Log", "-1", "Number: NaN");
        check("Log", "inf", "Number: inf");
    }

    #[test]
    fn functions_of_two_numbers() {
        check("Max", "1, 2", "Number: 2");
        check("Max", "NaN, 2", "Number: 2");
        check("Min", "1, NaN", "Number: 1");
        check("Min", "NaN, NaN", "Number: NaN");
        check("Pow", "2, 10", "Number: 1024");
        check("Pow", "4, 0.5", "Number: 2");
        check("Pow", "NaN, 0", "Number: 1");
        check("Pow", "0, -1", "Number: inf");
    }

    #[test]
    fn wrong_arguments() {
        check("Sqrt", "\"4\"", "error:FFI call error: Expected Number argument, got String");
        check("Abs", "'a'", "error:FFI call error: Expected Number argument, got Atom");
        check("Sin", "1, 2", "error:FFI call error: Expected 1 arguments, got 2");
        check("Cos", "function", "error:FFI call error: Expected Number argument, got String");
        check(
            "Max",
            "1, \"2\"",
            "error:FFI call error: Expected Number, Number argument, got Number, String",
        );
        check(
            "Pow",
            "(), undefined",
            "error:FFI call error: Expected Number, Number argument, got Unit, Undefined",
        );
        check("Min", "1", "error:FFI call error: Expected 2 arguments, got 1");
    }
}
