//! Constants, patterns and names that programs use.

use crate::differential::rng::Rng;
use ion_runtime::bytecode::{Access, ConstValue, Pattern};

/// The kind that a register probably has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    Number,
    Boolean,
    Text,
    Atom,
    Complex,
    Array,
    Object,
    /// A function; its place among the callees, if known.
    Function(Option<usize>),
    Process,
    /// Nothing is known.
    Any,
}

impl Guess {
    /// The kind of a parameter or result.
    pub fn random_param(rng: &mut Rng) -> Guess {
        use Guess::*;
        *rng.pick(&[
            Number, Number, Number, Number, Number, Text, Array, Object, Object, Boolean, Any,
        ])
    }
}

/// Numbers at which something changes.
pub const NUMBERS: [f64; 40] = [
    0.0,
    1.0,
    2.0,
    3.0,
    -1.0,
    0.5,
    10.0,
    7.0,
    100.0,
    -0.0,
    0.1,
    1.5,
    -2.5,
    4.0,
    5.0,
    16.0,
    255.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e300,
    -1e300,
    1e-310,
    5e-324,
    f64::MAX,
    2_147_483_647.0,
    2_147_483_648.0,
    -2_147_483_648.0,
    -2_147_483_649.0,
    4_294_967_295.0,
    4_294_967_296.0,
    9_007_199_254_740_991.0,
    9_007_199_254_740_992.0,
    9_007_199_254_740_994.0,
    -9_007_199_254_740_991.0,
    9_223_372_036_854_775_808.0,
    -9_223_372_036_854_775_808.0,
    18_446_744_073_709_551_616.0,
    1e21,
    123.456,
];

/// A number; small ones are more likely.
pub fn number(rng: &mut Rng) -> f64 {
    match rng.below(10) {
        0..=4 => NUMBERS[rng.below(9)],
        5..=6 => rng.between(0, 40) as f64 - 10.0,
        7 => f64::from(rng.bits() as i32) / 8.0,
        _ => *rng.pick(&NUMBERS),
    }
}

/// A text; lengths around the limits of the representations now and then.
pub fn text(rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => String::new(),
        1 => "é€𝄞".to_owned(),
        2 => "x".repeat(*rng.pick(&[126, 127, 128, 129, 254, 255, 256, 257, 300])),
        3 => " Ab c ".to_owned(),
        4 => "{} {1}".to_owned(),
        _ => (*rng.pick(&["a", "b", "ab", "ok", "x", "1", "yes"])).to_owned(),
    }
}

/// Names of properties; the last few are special.
pub const KEYS: [&str; 14] = [
    "x",
    "y",
    "z",
    "w",
    "f",
    "g",
    "next",
    "0",
    "1",
    "2",
    "length",
    "__tag",
    "__slots",
    "__proto__",
];

/// Names of magic methods.
pub const MAGIC: [&str; 11] = [
    "__add__",
    "__sub__",
    "__mul__",
    "__div__",
    "__eq__",
    "__lt__",
    "__le__",
    "__getattr__",
    "__setattr__",
    "__call__",
    "__str__",
];

/// The name of a property.
pub fn key(rng: &mut Rng) -> String {
    let common = rng.chance(75);
    KEYS[rng.below(if common { 6 } else { KEYS.len() })].to_owned()
}

/// An access level, mostly public.
pub fn access(rng: &mut Rng) -> Access {
    if rng.chance(85) { Access::Public } else { *rng.pick(&Access::ALL) }
}

/// A constant of a kind.
pub fn constant_of(rng: &mut Rng, guess: Guess, depth: usize) -> ConstValue {
    match guess {
        Guess::Number => ConstValue::Number(number(rng)),
        Guess::Boolean => ConstValue::Boolean(rng.chance(50)),
        Guess::Text => ConstValue::String(text(rng)),
        Guess::Atom => {
            ConstValue::Atom((*rng.pick(&["ok", "x", "f", "1", ":ok", "", "error"])).to_owned())
        }
        Guess::Complex => ConstValue::Complex(number(rng), number(rng)),
        Guess::Array => {
            let count = rng.below(5);
            if rng.chance(30) {
                ConstValue::Tuple((0..count).map(|_| constant(rng, depth)).collect())
            } else if rng.chance(60) {
                ConstValue::Array((0..count).map(|_| ConstValue::Number(number(rng))).collect())
            } else {
                ConstValue::Array((0..count).map(|_| constant(rng, depth)).collect())
            }
        }
        Guess::Object => {
            let property = |rng: &mut Rng| (key(rng), constant(rng, depth), access(rng));
            ConstValue::Object((0..rng.below(4)).map(|_| property(rng)).collect())
        }
        Guess::Function(_) | Guess::Process | Guess::Any => constant(rng, depth),
    }
}

/// Any constant, nested at most `depth` deep.
pub fn constant(rng: &mut Rng, depth: usize) -> ConstValue {
    let choices = if depth == 0 { 7 } else { 9 };
    match rng.below(choices) {
        0 | 1 => ConstValue::Number(number(rng)),
        2 => ConstValue::String(text(rng)),
        3 => constant_of(rng, Guess::Atom, 0),
        4 => ConstValue::Boolean(rng.chance(50)),
        5 => constant_of(rng, Guess::Complex, 0),
        6 => {
            if rng.chance(50) {
                ConstValue::Unit
            } else {
                ConstValue::Undefined
            }
        }
        7 => constant_of(rng, Guess::Array, depth - 1),
        _ => constant_of(rng, Guess::Object, depth - 1),
    }
}

/// A pattern, nested at most `depth` deep.
pub fn pattern(rng: &mut Rng, depth: usize) -> Pattern {
    let row =
        |rng: &mut Rng| (0..rng.below(4)).map(|_| pattern(rng, depth.saturating_sub(1))).collect();
    match rng.below(if depth == 0 { 6 } else { 9 }) {
        0 => Pattern::Wildcard,
        1..=3 => Pattern::Value(ConstValue::Number(NUMBERS[rng.below(10)])),
        4..=5 => Pattern::Value(constant(rng, depth)),
        6 => Pattern::Tuple(row(rng)),
        7 => Pattern::Array(row(rng)),
        _ => {
            let tag = (*rng.pick(&["ok", ":ok", "x", "1", ""])).to_owned();
            Pattern::Tagged(tag, Box::new(pattern(rng, depth - 1)))
        }
    }
}
