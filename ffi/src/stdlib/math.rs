//! Numbers. All functions follow IEEE 754 doubles as the host computes them.

use ion_runtime::natives::{NativeCx, NativeError};
use ion_runtime::value::Value;

type Result = std::result::Result<Value, NativeError>;

/// Applies `function` to the only argument.
fn unary(args: &[Value], function: impl Fn(f64) -> f64) -> Result {
    match args.first().and_then(|arg| arg.as_number()) {
        Some(number) => Ok(Value::number(function(number))),
        None => Err(NativeCx::type_error("Number", args)),
    }
}

/// Applies `function` to the two arguments.
fn binary(args: &[Value], function: impl Fn(f64, f64) -> f64) -> Result {
    let number = |at: usize| args.get(at).and_then(|arg| arg.as_number());
    match (number(0), number(1)) {
        (Some(a), Some(b)) => Ok(Value::number(function(a, b))),
        _ => Err(NativeCx::type_error("Number, Number", args)),
    }
}

pub(crate) fn sqrt(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    if args.first().and_then(|arg| arg.as_number()).is_some_and(|number| number < 0.0) {
        return Err(NativeError::Runtime("Cannot take square root of negative number".to_owned()));
    }
    unary(args, f64::sqrt)
}

pub(crate) fn abs(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::abs)
}

pub(crate) fn sin(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::sin)
}

pub(crate) fn cos(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::cos)
}

pub(crate) fn floor(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::floor)
}

pub(crate) fn ceil(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::ceil)
}

/// Halves go away from zero.
pub(crate) fn round(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, f64::round)
}

/// NaN, not minus infinity, for 0.
pub(crate) fn log(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    unary(args, |number| if number > 0.0 { number.ln() } else { f64::NAN })
}

pub(crate) fn max(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    binary(args, f64::max)
}

pub(crate) fn min(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    binary(args, f64::min)
}

pub(crate) fn pow(_: &mut NativeCx<'_>, args: &[Value]) -> Result {
    binary(args, f64::powf)
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
