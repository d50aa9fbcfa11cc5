//! Numbers. All functions follow IEEE 754 doubles as the host computes them.

use crate::registry::natives;
use ion_runtime::natives::NativeCx;
use ion_runtime::random::Random;
use std::f64::consts;

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

natives! {
    /// Mathematics.
    fn module;

    /// Magnitude.
    Math.abs(number) = f1 f64::abs;
    /// 1, -1, or the number itself if it is 0, -0 or NaN.
    Math.sign(number) = f1 sign;
    /// The next integer downwards.
    Math.floor(number) = f1 f64::floor;
    /// The next integer upwards.
    Math.ceil(number) = f1 f64::ceil;
    /// The nearest integer, halves away from zero.
    Math.round(number) = f1 f64::round;
    /// The nearest integer, halves to the even one.
    Math.roundEven(number) = f1 f64::round_ties_even;
    /// The integer part.
    Math.trunc(number) = f1 f64::trunc;
    /// The part behind the point, with the sign of the number.
    Math.fract(number) = f1 f64::fract;
    /// Square root; NaN below 0.
    Math.sqrt(number) = f1 f64::sqrt;
    /// Cube root.
    Math.cbrt(number) = f1 f64::cbrt;
    /// e to the power of the number.
    Math.exp(number) = f1 f64::exp;
    /// 2 to the power of the number.
    Math.exp2(number) = f1 f64::exp2;
    /// e to the power of the number, less 1; exact near 0.
    Math.expm1(number) = f1 f64::exp_m1;
    /// Natural logarithm; -inf for 0, NaN below.
    Math.log(number) = f1 f64::ln;
    /// Logarithm to base 2.
    Math.log2(number) = f1 f64::log2;
    /// Logarithm to base 10.
    Math.log10(number) = f1 f64::log10;
    /// Natural logarithm of 1 and the number; exact near 0.
    Math.log1p(number) = f1 f64::ln_1p;
    /// Sine of an angle in radians.
    Math.sin(angle) = f1 f64::sin;
    /// Cosine of an angle in radians.
    Math.cos(angle) = f1 f64::cos;
    /// Tangent of an angle in radians.
    Math.tan(angle) = f1 f64::tan;
    /// The angle of this sine, from -pi/2 to pi/2.
    Math.asin(number) = f1 f64::asin;
    /// The angle of this cosine, from 0 to pi.
    Math.acos(number) = f1 f64::acos;
    /// The angle of this tangent, from -pi/2 to pi/2.
    Math.atan(number) = f1 f64::atan;
    /// Hyperbolic sine.
    Math.sinh(number) = f1 f64::sinh;
    /// Hyperbolic cosine.
    Math.cosh(number) = f1 f64::cosh;
    /// Hyperbolic tangent.
    Math.tanh(number) = f1 f64::tanh;
    /// Inverse hyperbolic sine.
    Math.asinh(number) = f1 f64::asinh;
    /// Inverse hyperbolic cosine.
    Math.acosh(number) = f1 f64::acosh;
    /// Inverse hyperbolic tangent.
    Math.atanh(number) = f1 f64::atanh;
    /// Radians of an angle in degrees.
    Math.toRadians(degrees) = f1 f64::to_radians;
    /// Degrees of an angle in radians.
    Math.toDegrees(angle) = f1 f64::to_degrees;
    /// The angle of the point (x, y), from -pi to pi.
    Math.atan2(y, x) = f2 f64::atan2;
    /// The length of the hypotenuse, without overflow in between.
    Math.hypot(a, b) = f2 f64::hypot;
    /// The first number to the power of the second.
    Math.pow(base, exponent) = f2 f64::powf;
    /// The larger of two numbers; NaN counts only if both are.
    Math.max(a, b) = f2 f64::max;
    /// The smaller of two numbers; NaN counts only if both are.
    Math.min(a, b) = f2 f64::min;
    /// What division leaves, with the sign of the dividend: -7 and 3 give -1. NaN if the divisor is 0.
    Math.rem(dividend, divisor) = f2 rem;
    /// What division downwards leaves, from 0 up to the magnitude of the divisor: -7 and 3 give 2. NaN
    /// if the divisor is 0.
    Math.mod(dividend, divisor) = f2 f64::rem_euclid;
    /// The integer part of a quotient: 7 and 2 give 3.
    Math.quotient(dividend, divisor) = f2 quotient;
    /// The magnitude of the first number with the sign of the second.
    Math.copySign(magnitude, sign) = f2 f64::copysign;
    /// The number, or the bound that it is beyond.
    Math.clamp(number, least, most) = typed clamp;
    /// Is it NaN?
    Math.isNaN(number) = typed f64::is_nan;
    /// Is it neither NaN nor infinite?
    Math.isFinite(number) = typed f64::is_finite;
    /// Is it finite and without a part behind the point?
    Math.isInteger(number) = typed is_integer;
    /// 3.141592653589793.
    Math.pi() = typed pi;
    /// 2.718281828459045.
    Math.e() = typed e;
    /// Bits set in both numbers, taken as integers of 32 bits.
    Math.bitAnd(a, b) = f2 bit_and;
    /// Bits set in one of the numbers, taken as integers of 32 bits.
    Math.bitOr(a, b) = f2 bit_or;
    /// Bits set in exactly one of the numbers, taken as integers of 32 bits.
    Math.bitXor(a, b) = f2 bit_xor;
    /// All bits of the number, taken as an integer of 32 bits, turned round.
    Math.bitNot(number) = f1 bit_not;
    /// The number, taken as an integer of 32 bits, shifted to the left; by 0 to 31 bits.
    Math.shiftLeft(number, bits) = f2 shift_left;
    /// The number, taken as an integer of 32 bits, shifted to the right, keeping its sign.
    Math.shiftRight(number, bits) = f2 shift_right;
    /// A random number from 0 up to, but not including, 1. Each process has a sequence of its own,
    /// decided by `--seed` and the number of the process.
    Math.random() = typed random;
    /// A random integer from `least` to `most`, both included.
    Math.randomInt(least, most) = typed random_int;
    /// Begins the random numbers of this process anew: the same seed gives the same numbers.
    Math.seed(seed) = typed seed;
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

fn sign(number: f64) -> f64 {
    if number == 0.0 || number.is_nan() { number } else { number.signum() }
}

fn rem(dividend: f64, divisor: f64) -> f64 {
    dividend % divisor
}

fn quotient(dividend: f64, divisor: f64) -> f64 {
    (dividend / divisor).trunc()
}

fn clamp(number: f64, least: f64, most: f64) -> Result<f64, String> {
    if least <= most {
        return Ok(number.clamp(least, most));
    }
    Err("Math.clamp: the least number is larger than the most".to_owned())
}

fn is_integer(number: f64) -> bool {
    number.is_finite() && number.fract() == 0.0
}

fn pi() -> f64 {
    consts::PI
}

fn e() -> f64 {
    consts::E
}

/// The integer part modulo 2^32, as JavaScript does it.
fn int32(number: f64) -> i32 {
    if !number.is_finite() {
        return 0;
    }
    number.trunc().rem_euclid(4_294_967_296.0) as u32 as i32
}

fn bit_and(a: f64, b: f64) -> f64 {
    f64::from(int32(a) & int32(b))
}

fn bit_or(a: f64, b: f64) -> f64 {
    f64::from(int32(a) | int32(b))
}

fn bit_xor(a: f64, b: f64) -> f64 {
    f64::from(int32(a) ^ int32(b))
}

fn bit_not(a: f64) -> f64 {
    f64::from(!int32(a))
}

fn shift_left(a: f64, bits: f64) -> f64 {
    f64::from(int32(a).wrapping_shl(int32(bits) as u32))
}

fn shift_right(a: f64, bits: f64) -> f64 {
    f64::from(int32(a).wrapping_shr(int32(bits) as u32))
}

fn random(cx: &mut NativeCx<'_>) -> f64 {
    cx.random().unit()
}

fn random_int(cx: &mut NativeCx<'_>, least: f64, most: f64) -> Result<f64, String> {
    let exact = |number: f64| is_integer(number) && number.abs() <= 9_007_199_254_740_992.0;
    if !exact(least) || !exact(most) || least > most {
        return Err("Math.randomInt takes two integers, the smaller one first".to_owned());
    }
    let count = (most as i64 - least as i64) as u64 + 1;
    Ok((least as i64 + cx.random().below(count) as i64) as f64)
}

fn seed(cx: &mut NativeCx<'_>, seed: f64) {
    *cx.random() = Random::of_seed(seed.to_bits());
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

    #[test]
    fn remainders_and_bits() {
        check("Math.rem", "-7, 3", "Number: -1");
        check("Math.mod", "-7, 3", "Number: 2");
        check("Math.rem", "1, 0", "Number: NaN");
        check("Math.quotient", "-7, 2", "Number: -3");
        check("Math.bitAnd", "-1, 4294967295", "Number: -1");
        check("Math.shiftLeft", "1, 31", "Number: -2147483648");
        check("Math.bitXor", "NaN, 5", "Number: 5");
        check("Math.sign", "-0.5", "Number: -1");
        check("Math.sign", "NaN", "Number: NaN");
        check("Math.isInteger", "1e300", "Boolean: true");
        check("Math.isInteger", "inf", "Boolean: false");
    }

    #[test]
    fn random_numbers() {
        check("Math.randomInt", "3, 3", "Number: 3");
        check(
            "Math.randomInt",
            "2, 1",
            "error:FFI call error: Runtime error: Math.randomInt takes two integers, the smaller one first",
        );
        check("Math.seed", "1", "Unit: ()");
        check("Math.random", "", "Number: 0.8242198252979852");
    }

    #[test]
    fn errors_name_the_argument() {
        check(
            "Math.pow",
            "1, 'a'",
            "error:FFI call error: Argument 2 (exponent) must be Number, got Atom",
        );
        check("Math.clamp", "5, 1, 3", "Number: 3");
        check("Math.clamp", "5, 1", "error:FFI call error: Expected 3 arguments, got 2");
    }
}
